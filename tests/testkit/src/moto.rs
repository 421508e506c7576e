//! Another AWS than ours: moto, in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// A server of moto, which plays AWS for any number of accounts in region us-east-2. It is gone when this is dropped,
/// and when the process ends in any other way.
///
/// What moto makes of AWS is not what AWS is: it looks at no trust policy, no external id and no web identity token,
/// and a role need not be there to be taken. What its tests rely on beyond our own sandbox is that nobody here wrote
/// it.
#[derive(Debug)]
pub struct Moto {
    url: String,
    child: Child,
    /// Orders and their answers; `None` when it is to end.
    lines: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Moto {
    /// Starts a server; it takes requests when this returns.
    pub fn start() -> Self {
        let python = Path::new(HERE).join("../../target/judges/bin/python");
        assert!(python.is_file(), "no {}: `make setup` puts it there", python.display());
        let mut command = Command::new(python);
        command.arg(Path::new(HERE).join("src/moto_orders.py")).env_clear();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("moto starts");
        let stdin = child.stdin.take().expect("stdin is piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let url = read(&mut stdout).as_str().expect("an address").to_owned();
        Self { url, child, lines: Mutex::new(Some((stdin, stdout))) }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls an operation (`Glue`'s is `glue`, `CreateJob`) as someone of `account` who may do everything.
    #[track_caller]
    pub fn call(&self, account: &str, service: &str, operation: &str, parameters: &Value) -> Value {
        let call = json!({
            "order": "call", "account": account, "service": service, "operation": operation, "parameters": parameters,
        });
        self.order(&call)
    }

    /// Posts to one of moto's own addresses, below `/moto-api`.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) {
        self.order(&json!({ "order": "post", "path": path, "body": body }));
    }

    /// From here on every request needs an identity policy, or none does; those of [`Self::call`] never do.
    pub fn enforce(&self, on: bool) {
        self.order(&json!({ "order": "enforce", "on": on }));
    }

    /// Gives all Glue runs that are not over a state.
    pub fn end_run(&self, state: &str) {
        self.order(&json!({ "order": "end-run", "state": state }));
    }

    /// Every secret key and session token that it knows.
    pub fn secrets(&self) -> Vec<String> {
        serde_json::from_value(self.order(&json!({ "order": "secrets" }))).expect("a list of texts")
    }

    #[track_caller]
    fn order(&self, order: &Value) -> Value {
        let mut lines = self.lines.lock().expect("nobody panics with the lock");
        let (stdin, stdout) = lines.as_mut().expect("it runs until the drop");
        writeln!(stdin, "{order}").expect("moto runs");
        let mut answer = read(stdout);
        drop(lines);
        assert!(answer.get("error").is_none(), "moto does not do {order}: {answer}");
        answer["ok"].take()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        if let Ok(mut lines) = self.lines.lock() {
            lines.take();
        }
        // Its end is that of its input; there is nobody to tell if it does not come.
        let _ = self.child.wait();
    }
}

fn read(from: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    from.read_line(&mut line).expect("moto runs");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in moto's answer `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_plays_accounts_that_do_not_see_each_other() {
        let moto = Moto::start();
        moto.call("111111111111", "logs", "CreateLogGroup", &json!({ "logGroupName": "mine" }));
        let groups =
            |account| moto.call(account, "logs", "DescribeLogGroups", &json!({}))["logGroups"].clone();
        assert_eq!(groups("111111111111")[0]["logGroupName"], "mine");
        assert_eq!(groups("222222222222"), json!([]));
        assert_eq!(moto.secrets().len(), 4, "a key and a token of either account");
    }
}
