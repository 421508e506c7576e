//! A pod of a rendered manifest, as the kubelet would start it – by podman.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::manifest::{at, job_spec, of_kind, repository, workload};

/// Where the webhook of EKS mounts the token.
const TOKEN_FOLDER: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";

/// What a controller and a kubelet add to the template of a pod.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Name of the pod, and of its host.
    pub name: String,
    /// `UID` of the Job.
    pub job_uid: String,
    /// Name of the Job.
    pub job_name: String,
    /// Completion index, of an Indexed Job.
    pub index: Option<u32>,
}

/// A pod that is ready to be run: one container, on the host's network.
#[derive(Debug)]
pub struct Pod {
    /// What `podman run` takes, the image and the arguments included.
    pub arguments: Vec<String>,
    /// `sub` of the token that the pod gets.
    pub subject: String,
    /// How long it has between SIGTERM and SIGKILL, in seconds.
    pub grace: u64,
    /// The container's termination message.
    pub termination_log: PathBuf,
    /// Where the token is to be written.
    pub token: PathBuf,
}

impl Pod {
    /// Reads the container of `image` in the workload of `documents`, writes its volumes into `folder`. What `extra` sets
    /// comes on top of the manifest's variables: addresses of the sandbox, as an overlay would set them. `maps` are
    /// `ConfigMap`s of the namespace that the documents do not bring, each a list of keys and texts.
    pub fn place(
        documents: &[Value],
        image: &str,
        placed: &Placed,
        folder: &Path,
        extra: &[(&str, String)],
        maps: &BTreeMap<&str, Vec<(&str, String)>>,
    ) -> Self {
        let workload = workload(documents);
        let template = at(job_spec(workload).expect("a workload"), "/template");
        let pod = at(template, "/spec");
        let all = [&pod["containers"], &pod["initContainers"]];
        let mut all = all.into_iter().filter_map(Value::as_array).flatten();
        let of_the_image =
            |one: &&Value| repository(at(one, "/image").as_str().expect("a text")) == repository(image);
        let container = all.find(of_the_image).unwrap_or_else(|| panic!("no container has {image}"));
        let mut arguments = vec!["--network=host".to_owned(), format!("--hostname={}", placed.name)];
        arguments.extend(security(pod, container));
        let memory = at(container, "/resources/limits/memory").as_str().expect("a limit").replace("Mi", "m");
        arguments.push(format!("--memory={memory}"));

        let mut variables = variables(container, placed);
        let account = of_kind(documents, "ServiceAccount").expect("a service account");
        let token = folder.join("token-volume/token");
        std::fs::create_dir_all(token.parent().expect("a folder")).expect("a folder");
        // What the webhook does to every pod of an annotated account, but for the containers that the pod names; it leaves what
        // the manifest sets.
        let skipped = skipped_containers(template).any(|name| container["name"] == name);
        if let Some(role) = account.pointer("/metadata/annotations/eks.amazonaws.com~1role-arn")
            && !skipped
        {
            let role = role.as_str().expect("a role").to_owned();
            variables.entry("AWS_ROLE_ARN".into()).or_insert(role);
            let file = format!("{TOKEN_FOLDER}/token");
            variables.entry("AWS_WEB_IDENTITY_TOKEN_FILE".into()).or_insert(file);
            variables.entry("AWS_REGION".into()).or_insert("eu-north-1".into());
            let volume = token.parent().expect("a folder").display().to_string();
            arguments.push(format!("--volume={volume}:{TOKEN_FOLDER}:ro"));
        }
        variables.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        arguments.extend(variables.iter().map(|(name, value)| format!("--env={name}={value}")));

        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            arguments.push(volume(mount, pod, documents, maps, folder));
        }
        let termination_log = folder.join(format!("{}-termination-log", placed.name));
        std::fs::write(&termination_log, "").expect("a file");
        open_to_all(&termination_log, 0o666);
        arguments.push(format!("--volume={}:/dev/termination-log", termination_log.display()));

        arguments.push(image.to_owned());
        let given = container["args"].as_array().into_iter().flatten();
        arguments.extend(given.map(|argument| expand(argument.as_str().expect("a text"), &variables)));
        let namespace = workload["metadata"]["namespace"].as_str().unwrap_or("team-ns");
        let account = at(pod, "/serviceAccountName").as_str().expect("a name");
        Self {
            arguments,
            subject: format!("system:serviceaccount:{namespace}:{account}"),
            grace: at(pod, "/terminationGracePeriodSeconds").as_u64().expect("seconds"),
            termination_log,
            token,
        }
    }

    /// Sets a variable that the manifest does not, as a webhook or an overlay would.
    pub fn set(&mut self, name: &str, value: &str) {
        self.arguments.insert(0, format!("--env={name}={value}"));
    }

    /// Mounts a file or a folder to be read.
    pub fn mount(&mut self, from: &Path, to: &str) {
        self.arguments.insert(0, format!("--volume={}:{to}:ro", from.display()));
    }

    /// Writes the token, as the kubelet does: for the pod's group alone.
    pub fn give_token(&self, token: &str) {
        std::fs::write(&self.token, token).expect("a file");
        open_to_all(&self.token, 0o644);
    }
}

/// The containers of a pod's template that the webhook of EKS gives no token.
pub fn skipped_containers(template: &Value) -> impl Iterator<Item = &str> {
    let names = template.pointer("/metadata/annotations/eks.amazonaws.com~1skip-containers");
    names.and_then(Value::as_str).unwrap_or_default().split(',').map(str::trim)
}

/// The pod's and the container's security contexts. podman's own additions are turned off.
fn security(pod: &Value, container: &Value) -> Vec<String> {
    let user = at(pod, "/securityContext/runAsUser");
    let group = at(pod, "/securityContext/runAsGroup");
    let mut arguments = vec![format!("--user={user}:{group}"), "--read-only-tmpfs=false".to_owned()];
    let context = at(container, "/securityContext");
    assert_eq!(at(pod, "/securityContext/runAsNonRoot"), true);
    if context["readOnlyRootFilesystem"] == true {
        arguments.push("--read-only".into());
    }
    if context["allowPrivilegeEscalation"] == false {
        arguments.push("--security-opt=no-new-privileges".into());
    }
    for capability in at(context, "/capabilities/drop").as_array().expect("a list") {
        arguments.push(format!("--cap-drop={}", capability.as_str().expect("a name")));
    }
    arguments
}

fn variables(container: &Value, placed: &Placed) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for variable in container["env"].as_array().into_iter().flatten() {
        let value = match variable["value"].as_str() {
            Some(value) => value.to_owned(),
            None => match at(variable, "/valueFrom/fieldRef/fieldPath").as_str().expect("a path") {
                "metadata.labels['batch.kubernetes.io/controller-uid']" => placed.job_uid.clone(),
                "metadata.labels['batch.kubernetes.io/job-name']" => placed.job_name.clone(),
                "metadata.annotations['batch.kubernetes.io/job-completion-index']" => {
                    placed.index.expect("an index").to_string()
                }
                other => panic!("nobody sets {other}"),
            },
        };
        variables.insert(variable["name"].as_str().expect("a name").to_owned(), value);
    }
    variables
}

/// `$(NAME)` in an argument.
fn expand(argument: &str, variables: &BTreeMap<String, String>) -> String {
    variables
        .iter()
        .fold(argument.to_owned(), |text, (name, value)| text.replace(&format!("$({name})"), value))
}

/// A volume on the disk, and how it is mounted.
fn volume(
    mount: &Value,
    pod: &Value,
    documents: &[Value],
    maps: &BTreeMap<&str, Vec<(&str, String)>>,
    folder: &Path,
) -> String {
    let name = at(mount, "/name").as_str().expect("a name");
    let volumes = at(pod, "/volumes").as_array().expect("volumes");
    let volume = volumes.iter().find(|volume| volume["name"] == name).expect("the volume");
    let path = folder.join(name);
    std::fs::create_dir_all(&path).expect("a folder");
    let map = volume["configMap"]["name"].as_str();
    if let Some(map) = map {
        let brought =
            documents.iter().find(|one| one["kind"] == "ConfigMap" && one["metadata"]["name"] == map);
        let data: Vec<(String, String)> = if let Some(document) = brought {
            let data = at(document, "/data").as_object().expect("keys");
            data.iter().map(|(key, text)| (key.clone(), text.as_str().expect("a text").to_owned())).collect()
        } else {
            let data = maps.get(map).unwrap_or_else(|| panic!("the namespace has no ConfigMap `{map}`"));
            data.iter().map(|(key, text)| ((*key).to_owned(), text.clone())).collect()
        };
        for (key, text) in data {
            std::fs::write(path.join(&key), text).expect("a file");
            open_to_all(&path.join(&key), 0o644);
        }
    } else {
        // A volume that the pod may write to: its group is that of fsGroup.
        open_to_all(&path, 0o777);
    }
    let read_only = if mount["readOnly"] == true { ":ro" } else { "" };
    assert!(map.is_none() || mount["readOnly"] == true, "{name}: a ConfigMap is mounted to be read");
    format!("--volume={}:{}{read_only}", path.display(), at(mount, "/mountPath").as_str().expect("a path"))
}

fn open_to_all(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
}
