//! Operations that a method and a path name, and members that stand in paths, headers and queries.

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::dispatch::Incoming;
use crate::refusal::Refusal;

/// The largest body that is kept in the record of calls.
const KEPT: usize = 4096;

/// How a request says which operation it means, and where it puts the members.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) operation: &'static str,
    pub(crate) method: &'static str,
    /// Segments of the path; `*` stands for the label, where there is one.
    pub(crate) path: &'static str,
    /// The member in the path; empty without one.
    pub(crate) label: &'static str,
    pub(crate) members: &'static [(&'static str, Place)],
    /// The member that is the body.
    pub(crate) body: Option<&'static str>,
}

/// Where a member stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Header(&'static str),
    Query(&'static str),
    /// A parameter that may come more than once.
    List(&'static str),
}

impl Route {
    /// The route of a request, if it means any of these.
    pub(crate) fn find(routes: &'static [Self], incoming: &Incoming) -> Option<&'static Self> {
        routes.iter().find(|route| route.method == incoming.method && route.is_at(&incoming.path))
    }

    fn is_at(&self, path: &str) -> bool {
        if self.label.is_empty() { path == self.path } else { self.label(path).is_some() }
    }

    /// The segment of a path where this route has its label.
    fn label<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (before, after) = self.path.split_once('*')?;
        let label = path.strip_prefix(before)?.strip_suffix(after)?;
        (!label.is_empty() && !label.contains('/')).then_some(label)
    }

    /// The members of a request by their names in the model. A long or binary body is told by its length only.
    pub(crate) fn parameters(&self, incoming: &Incoming) -> Value {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let mut members = Map::new();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        if let Some(label) = self.label(&incoming.path) {
            set(self.label, decode(label).into());
        }
        let query: Vec<(String, String)> =
            form_urlencoded::parse(incoming.query.as_bytes()).into_owned().collect();
        for (name, place) in self.members {
            let values = |key: &'static str| query.iter().filter(move |(n, _)| n == key).map(|(_, v)| v);
            match place {
                Place::Header(header) => {
                    if let Some(value) = incoming.header(header) {
                        set(name, value.into());
                    }
                }
                Place::Query(key) => {
                    if let Some(value) = values(key).next() {
                        set(name, value.as_str().into());
                    }
                }
                Place::List(key) => {
                    let list: Vec<&String> = values(key).collect();
                    if !list.is_empty() {
                        set(name, json!(list));
                    }
                }
            }
        }
        if let Some(name) = self.body.filter(|_| !incoming.body.is_empty()) {
            let short = Some(&incoming.body[..]).filter(|body| body.len() <= KEPT);
            let text = short.and_then(|body| std::str::from_utf8(body).ok());
            set(name, text.map_or_else(|| json!({ "Length": incoming.body.len() }), Value::from));
        }
        Value::Object(members)
    }
}

/// Reads members; they are text wherever they stand.
pub(crate) fn members<T: for<'de> Deserialize<'de>>(parameters: &Value) -> Result<T, Refusal> {
    T::deserialize(parameters)
        .map_err(|error| Refusal::at_the_door(400, "SerializationException", error.to_string()))
}

/// A number among the members.
pub(crate) fn number(member: &str, text: Option<&str>) -> Result<Option<i64>, Refusal> {
    text.map(str::parse).transpose().map_err(|_| {
        let text = format!("'{member}' cannot be converted to a number");
        Refusal::at_the_door(400, "SerializationException", text)
    })
}
