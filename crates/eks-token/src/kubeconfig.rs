//! A kubeconfig with one more cluster, user and context; everything else in it stays. Pure.

use serde_yaml_ng::{Mapping, Value};

use crate::yaml;

/// What is to be in the kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Name of the cluster in EKS, or its id on Outposts: plugins are called with it.
    pub(crate) id: String,
    /// Name of the cluster in the file: its ARN.
    pub(crate) cluster: String,
    /// Address of the API server.
    pub(crate) server: String,
    /// The API server's authority: a PEM certificate in base64.
    pub(crate) authority: String,
    /// Name of the context.
    pub(crate) context: String,
    /// Name of the user.
    pub(crate) user: String,
    /// Namespace of the context, where one is asked for.
    pub(crate) namespace: Option<String>,
    /// How the user gets a token.
    pub(crate) exec: Exec,
    /// Whether kubectl uses the context from now on.
    pub(crate) use_context: bool,
}

/// A credential plugin, as client-go runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exec {
    pub(crate) api_version: &'static str,
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(&'static str, String)>,
}

/// Whether a kubeconfig has a cluster of this name; one that is broken has none.
pub(crate) fn has_cluster(text: &str, name: &str) -> bool {
    let Ok(config) = serde_yaml_ng::from_str::<Value>(text) else { return false };
    config
        .get("clusters")
        .and_then(Value::as_sequence)
        .is_some_and(|list| list.iter().any(|item| is_named(item, name)))
}

/// Why a kubeconfig is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// What is wrong with it, as a fragment.
    NotAKubeconfig(String),
    /// The user of the entry is there, with credentials for something else.
    UserOfAnotherTool,
}

impl From<String> for Refusal {
    fn from(problem: String) -> Self {
        Self::NotAKubeconfig(problem)
    }
}

/// The text of the kubeconfig `before` with `entry` in it, and whether its context is new. What is in an entry of the
/// same name and says nothing about server and user stays: a proxy, a namespace, extensions.
pub(crate) fn merge(before: &str, entry: &Entry) -> Result<(String, bool), Refusal> {
    let mut config: Value = serde_yaml_ng::from_str(before).map_err(|error| not_yaml(&error))?;
    // Aliases are resolved by the parser; a merge key would be written in quotes, which make it any other key.
    config.apply_merge().map_err(|error| not_yaml(&error))?;
    let mut config = match config {
        Value::Null => Mapping::new(),
        Value::Mapping(config) => config,
        _ => return Err("it is no mapping".to_owned().into()),
    };
    for (key, value) in [("apiVersion", "v1"), ("kind", "Config")] {
        match config.get(key) {
            None | Some(Value::Null) => set(&mut config, key, value),
            Some(found) if found.as_str() == Some(value) => {}
            Some(_) => return Err(format!("its {key} is not {value}").into()),
        }
    }

    let (_, cluster) = named(&mut config, "clusters", "cluster", &entry.cluster)?;
    for other in ["certificate-authority", "insecure-skip-tls-verify"] {
        cluster.remove(other);
    }
    set(cluster, "server", entry.server.as_str());
    set(cluster, "certificate-authority-data", entry.authority.as_str());

    let (new, context) = named(&mut config, "contexts", "context", &entry.context)?;
    set(context, "cluster", entry.cluster.as_str());
    set(context, "user", entry.user.as_str());
    if let Some(namespace) = &entry.namespace {
        set(context, "namespace", namespace.as_str());
    }

    // Any other way to authenticate would go before the plugin.
    let is_shared = is_used_for_another_cluster(&config, entry);
    let (new_user, user) = named(&mut config, "users", "user", &entry.user)?;
    if !new_user && (is_shared || !gets_tokens(user, &entry.id)) {
        return Err(Refusal::UserOfAnotherTool);
    }
    *user = Mapping::new();
    set(user, "exec", entry.exec.to_value());

    if entry.use_context || config.get("current-context").and_then(Value::as_str).is_none_or(str::is_empty) {
        set(&mut config, "current-context", entry.context.as_str());
    }
    Ok((yaml::to_text(&config)?, new))
}

/// Merges some entry.
pub(crate) fn fuzz(before: &str) -> Option<String> {
    let name = || "target".to_owned();
    let exec = Exec {
        api_version: "client.authentication.k8s.io/v1",
        command: "eks-token".to_owned(),
        args: vec!["token".to_owned(), "--cluster-name".to_owned(), name()],
        env: Vec::new(),
    };
    let entry = Entry {
        id: name(),
        cluster: name(),
        server: "https://k8s.example".to_owned(),
        authority: String::new(),
        context: name(),
        user: name(),
        namespace: None,
        exec,
        use_context: true,
    };
    merge(before, &entry).ok().map(|(text, _)| text)
}

/// Whether a user of the kubeconfig gets tokens of the EKS cluster `id`: by this program, or by another one that is
/// called with the cluster's name, such as `aws eks get-token`. What this program has written for another cluster is its
/// own to change. An empty user holds nothing.
fn gets_tokens(user: &Mapping, id: &str) -> bool {
    let Some(exec) = user.get("exec") else { return user.is_empty() };
    let args = exec.get("args").and_then(Value::as_sequence);
    let args: Vec<&str> = args.into_iter().flatten().filter_map(Value::as_str).collect();
    user.len() == 1 && (args.starts_with(&["token", "--cluster-name"]) || args.contains(&id))
}

/// Whether another context reaches another cluster as the user of the entry.
fn is_used_for_another_cluster(config: &Mapping, entry: &Entry) -> bool {
    let contexts = config.get("contexts").and_then(Value::as_sequence);
    contexts.into_iter().flatten().filter(|item| !is_named(item, &entry.context)).any(|item| {
        let member = |name: &str| item.get("context").and_then(|context| context.get(name)?.as_str());
        member("user") == Some(&entry.user) && member("cluster") != Some(&entry.cluster)
    })
}

impl Exec {
    fn to_value(&self) -> Value {
        let mut exec = Mapping::new();
        set(&mut exec, "apiVersion", self.api_version);
        set(&mut exec, "command", self.command.as_str());
        set(&mut exec, "args", self.args.iter().map(String::as_str).map(Value::from).collect::<Vec<_>>());
        let env = self.env.iter().map(|(name, value)| {
            let mut variable = Mapping::new();
            set(&mut variable, "name", *name);
            set(&mut variable, "value", value.as_str());
            Value::Mapping(variable)
        });
        set(&mut exec, "env", env.collect::<Vec<_>>());
        set(&mut exec, "interactiveMode", "Never");
        set(
            &mut exec,
            "installHint",
            "eks-token is not on the PATH: put the binary there, or its path into `command`",
        );
        Value::Mapping(exec)
    }
}

/// The body of the entry `name` in a list of the kubeconfig, and whether it was made for that.
fn named<'c>(
    config: &'c mut Mapping,
    list: &str,
    body: &str,
    name: &str,
) -> Result<(bool, &'c mut Mapping), String> {
    let items = config.entry(list.into()).or_insert(Value::Null);
    if items.is_null() {
        *items = Value::Sequence(Vec::new());
    }
    let Value::Sequence(items) = items else { return Err(format!("its {list} are no list")) };
    let found = items.iter().position(|item| is_named(item, name));
    let index = found.unwrap_or(items.len());
    if found.is_none() {
        let mut item = Mapping::new();
        set(&mut item, "name", name);
        items.push(Value::Mapping(item));
    }
    let item =
        items[index].as_mapping_mut().ok_or_else(|| format!("an entry of its {list} is no mapping"))?;
    let value = item.entry(body.into()).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Mapping(Mapping::new());
    }
    let value = value.as_mapping_mut().ok_or_else(|| format!("the {body} `{name}` is no mapping"))?;
    Ok((found.is_none(), value))
}

fn is_named(item: &Value, name: &str) -> bool {
    item.get("name").and_then(Value::as_str) == Some(name)
}

fn set(mapping: &mut Mapping, key: &str, value: impl Into<Value>) {
    mapping.insert(key.into(), value.into());
}

/// The parser's own text can quote what is in the file, which can be a secret.
fn not_yaml(error: &serde_yaml_ng::Error) -> String {
    match error.location() {
        Some(place) => format!("it is no YAML, line {} column {}", place.line(), place.column()),
        None => "it is no YAML".to_owned(),
    }
}

#[cfg(test)]
mod tests;
