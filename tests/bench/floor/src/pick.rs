//! One value out of an answer, without parsing the rest.

use std::io;

/// Text of the first element of this name.
pub(crate) fn xml_text<'a>(xml: &'a str, tag: &str) -> io::Result<&'a str> {
    let found = xml.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once('<'));
    found.map(|(text, _)| text).ok_or_else(|| missing(tag))
}

/// The first string member of this name; its text must need no escapes, as ids and states do not.
pub(crate) fn json_text<'a>(json: &'a str, member: &str) -> io::Result<&'a str> {
    let found =
        value(json, member).and_then(|rest| rest.strip_prefix('"')).and_then(|rest| rest.split_once('"'));
    found.map(|(text, _)| text).ok_or_else(|| missing(member))
}

/// The first member of this name that is a whole number.
pub(crate) fn json_number<'a>(json: &'a str, member: &str) -> io::Result<&'a str> {
    let found = value(json, member).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    found.filter(|digits| !digits.is_empty()).ok_or_else(|| missing(member))
}

/// What stands from the value of the first member of this name on.
fn value<'a>(json: &'a str, member: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{member}\""))?;
    rest.trim_start().strip_prefix(':').map(str::trim_start)
}

fn missing(name: &str) -> io::Error {
    io::Error::other(format!("no {name} in the answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picked() {
        let xml = "<R>\n<Credentials><AccessKeyId>ASIA1</AccessKeyId></Credentials></R>";
        assert_eq!(xml_text(xml, "AccessKeyId").unwrap(), "ASIA1");
        assert!(xml_text(xml, "SessionToken").is_err());
        for json in [r#"{"a":1,"JobRunId":"jr_1"}"#, "{ \"JobRunId\" : \"jr_1\" }"] {
            assert_eq!(json_text(json, "JobRunId").unwrap(), "jr_1");
        }
        for json in [r#"{"JobRunId":7}"#, r#"{"JobRunId":"jr"#, "{}"] {
            assert!(json_text(json, "JobRunId").is_err());
        }
        assert_eq!(json_number(r#"{"a":"b","longValue" : 17}"#, "longValue").unwrap(), "17");
        for json in [r#"{"longValue":"17"}"#, r#"{"longValue":}"#, "{}"] {
            assert!(json_number(json, "longValue").is_err());
        }
    }
}
