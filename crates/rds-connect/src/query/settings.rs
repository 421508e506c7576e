//! The settings of a session that the options ask for, and those that the reading of texts stands on.

use crate::query::Query;
use crate::startup::Greeting;

/// How texts are read and written: by UTF-8, and with plain backslashes.
const FOLLOWED: [(&str, &str); 2] = [("client_encoding", "UTF8"), ("standard_conforming_strings", "on")];

/// What the options, and the reading of texts, want of a session. It is set, and not asked for at the session's beginning:
/// a proxy may have no place for it there, and a look for a server that takes writes would find none.
pub(crate) fn wanted(query: &Query, greeting: &Greeting) -> String {
    let mut settings = String::new();
    let mut set = |name: &str, value: &str| {
        settings.extend(["set ", name, " = ", value, ";"]);
    };
    for (name, value) in FOLLOWED {
        if greeting.parameter(name).is_some_and(|is| is != value) {
            set(name, value);
        }
    }
    if query.read_only {
        set("default_transaction_read_only", "on");
    }
    if let Some(timeout) = query.statement_timeout {
        set("statement_timeout", &timeout.as_millis().max(1).to_string());
    }
    settings
}

/// Why a setting that has changed leaves us unable to go on, if it does.
pub(crate) fn astray(name: &str, value: &str) -> Option<String> {
    let (_, expected) = FOLLOWED.iter().find(|(followed, _)| *followed == name)?;
    (value != *expected).then(|| format!("it sets {name} to {value}, but the text is read with {expected}"))
}
