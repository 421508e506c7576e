//! User, password and address from outside: a secret of Secrets Manager, the files that External Secrets mounts.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use job_runtime::file::{off_the_thread, read_regular_text};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The longest file of a secret; Kubernetes allows no longer one.
const LONGEST: usize = 1024 * 1024;

/// A password or a token. Never shown, and overwritten in memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(Zeroizing<String>);

impl Password {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What a secret tells of a login; an RDS-managed one has user and password only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Password>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) database: Option<String>,
}

/// Under which names a secret holds what: the first that is there counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) user: Vec<String>,
    pub(crate) password: Vec<String>,
    pub(crate) host: Vec<String>,
    pub(crate) port: Vec<String>,
    pub(crate) database: Vec<String>,
}

/// The names that AWS gives them, and the same with `rds_` before them.
impl Default for Keys {
    fn default() -> Self {
        let both = |names: &[&str]| {
            names.iter().flat_map(|name| [(*name).to_owned(), format!("rds_{name}")]).collect()
        };
        Self {
            user: both(&["username", "user"]),
            password: both(&["password"]),
            host: both(&["host"]),
            port: both(&["port"]),
            database: both(&["dbname", "database"]),
        }
    }
}

impl Keys {
    /// Takes a login out of the JSON text of a secret.
    ///
    /// # Errors
    /// The text is no JSON object, or a value in it is not of its kind. Nothing of it is quoted but the names of keys.
    pub(crate) fn in_json(&self, text: &str) -> Result<Found, String> {
        let values: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            let fault = job_runtime::input::json_fault(&error);
            format!("its text should be a JSON object of strings: {fault}")
        })?;
        let found = self.find(|key| match values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(format!("the value of its key `{key}` is no string")),
        })?;
        let missing = |what: &str, keys: &[String]| {
            let has = match values.len() {
                0 => "none at all".to_owned(),
                _ => values.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "),
            };
            format!("it has no key for the {what} (looked for {}); it has {has}", keys.join(", "))
        };
        if found.password.is_none() {
            return Err(missing("password", &self.password));
        }
        Ok(found)
    }

    /// Takes a login out of a folder with a file for each key, as a mounted Secret is.
    ///
    /// # Errors
    /// A file that cannot be read, no file for the password, or a port that is none.
    pub(crate) async fn in_folder(&self, folder: &Path) -> Result<Found, String> {
        let directory = folder.to_owned();
        let listed = off_the_thread(move || fs::read_dir(directory).map(drop));
        listed.await.map_err(|error| error.to_string())?;
        let mut texts = BTreeMap::new();
        for key in [&self.user, &self.password, &self.host, &self.port, &self.database].into_iter().flatten()
        {
            match read_line(&folder.join(key)).await {
                Ok(text) => {
                    texts.insert(key.as_str(), text);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("its file {key} cannot be read: {error}")),
            }
        }
        let found = self.find(|key| Ok(texts.get(key).cloned()))?;
        if found.password.is_none() {
            return Err(format!("it has no file for the password (looked for {})", self.password.join(", ")));
        }
        Ok(found)
    }

    fn find(&self, get: impl Fn(&str) -> Result<Option<String>, String>) -> Result<Found, String> {
        let first = |keys: &[String]| -> Result<Option<String>, String> {
            for key in keys {
                match get(key)?.filter(|text| !text.is_empty()) {
                    None => {}
                    Some(text) if text.contains('\0') => {
                        return Err(format!(
                            "the value of its key `{key}` has a zero byte in it: it is no text"
                        ));
                    }
                    Some(text) => return Ok(Some(text)),
                }
            }
            Ok(None)
        };
        let port = first(&self.port)?.map(|text| text.parse::<u16>());
        Ok(Found {
            user: first(&self.user)?,
            password: first(&self.password)?.map(Password::new),
            host: first(&self.host)?,
            port: port.transpose().map_err(|_| "its port is no number of a port".to_owned())?,
            database: first(&self.database)?,
        })
    }
}

/// The text of a file without the line end that an editor leaves.
///
/// # Errors
/// It cannot be read, or is no text.
pub(crate) async fn read_line(path: &Path) -> io::Result<String> {
    let text = Zeroizing::new(read_regular_text(path, LONGEST).await?);
    if text.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has a zero byte in it: it is no text"));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(user: &str, password: &str) -> Found {
        Found {
            user: Some(user.to_owned()),
            password: Some(Password::new(password.to_owned())),
            ..Found::default()
        }
    }

    #[test]
    fn secrets_of_both_conventions() {
        let keys = Keys::default();
        let whole = Found {
            host: Some("db.example".to_owned()),
            port: Some(5433),
            database: Some("sales".to_owned()),
            ..found("jane", "s3cret")
        };
        for (text, expected) in [
            (
                r#"{"username":"jane","password":"s3cret","engine":"postgres","host":"db.example","port":5433,"dbname":"sales"}"#,
                whole.clone(),
            ),
            (
                r#"{"rds_username":"jane","rds_password":"s3cret","rds_host":"db.example","rds_port":"5433","rds_dbname":"sales"}"#,
                whole,
            ),
            (r#"{"username":"jane","password":"s3cret","host":null,"port":""}"#, found("jane", "s3cret")),
        ] {
            assert_eq!(keys.in_json(text), Ok(expected), "{text}");
        }
        let own = Keys { password: vec!["pw".to_owned()], ..Keys::default() };
        let text = r#"{"username":"jane","password":"old","pw":"new"}"#;
        assert_eq!(own.in_json(text), Ok(found("jane", "new")));
    }

    #[test]
    fn what_a_secret_lacks_is_told_without_its_values() {
        for (text, expected) in [
            (r#"{"user_name":"jane","pass":"s3cret"}"#, "it has `pass`, `user_name`"),
            ("{}", "it has none at all"),
            (r#"{"password":["s3cret"]}"#, "the value of its key `password` is no string"),
            (r#"{"password":"s3cret","port":"s3cret"}"#, "its port is no number"),
            (r#"{"password":"s3cret\u0000"}"#, "its key `password` has a zero byte"),
            ("s3cret", "a JSON object"),
            (r#""s3cret""#, "a JSON object"),
        ] {
            let told = Keys::default().in_json(text).unwrap_err();
            assert!(told.contains(expected) && !told.contains("s3cret"), "{told}");
        }
        assert_eq!(format!("{:?}", Password::new("s3cret".to_owned())), "Password(…)");
    }

    #[tokio::test]
    async fn a_mounted_secret_is_a_file_for_each_key() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::default();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("username", "jane\n");
        assert!(keys.in_folder(folder.path()).await.unwrap_err().contains("no file for the password"));
        write("password", "s3cret ");
        assert_eq!(keys.in_folder(folder.path()).await, Ok(found("jane", "s3cret ")));
        write("username", "j\0a\0");
        assert!(
            keys.in_folder(folder.path())
                .await
                .unwrap_err()
                .contains("its file username cannot be read: it has a zero byte")
        );
        assert!(keys.in_folder(Path::new("/nowhere")).await.unwrap_err().contains("No such file"));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 1000,
            rng_seed: proptest::test_runner::RngSeed::Fixed(8),
            failure_persistence: None,
            ..Default::default()
        })]

        /// Whatever a secret holds, a login comes of it or one sentence that does not tell its values.
        #[test]
        fn any_text_is_a_login_or_is_refused_without_its_values(
            parts in proptest::collection::vec(
                proptest::prop_oneof![
                    3 => r#"(,)?"(username|password|host|port|dbname|rds_password|x)":"#,
                    3 => r#"("hush"|5432|-1|70000|1e9|null|true|\["hush"\]|\{"x":"hush"\})"#,
                    1 => r#"[{}\[\],:"\\]"#,
                    1 => "\\PC{0,4}",
                ],
                0..10,
            ),
            wrapped in proptest::bool::weighted(0.8),
        ) {
            let text = parts.concat();
            let text = if wrapped { format!("{{{text}}}") } else { text };
            match Keys::default().in_json(&text) {
                Ok(found) => assert!(found.password.is_some() && !format!("{found:?}").contains("password: Some(\"")),
                // The names of its keys are told.
                Err(error) => {
                    let is_told = error.contains("hush") && !text.contains("\"hush\":");
                    assert!(!is_told && !error.contains('\n'), "{error:?}");
                }
            }
        }
    }
}
