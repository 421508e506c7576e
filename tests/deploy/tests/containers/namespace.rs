//! Where the containers run: a namespace of Kubernetes, and the AWS of two accounts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use deploy::container::{Container, Ended, image};
use deploy::manifest::rendered;
use deploy::pod::{Placed, Pod};
use sandbox::{Sandbox, World};
use serde_json::Value;
use tempfile::TempDir;
use testkit::Worlds;

/// A namespace with the `ConfigMap`s that its jobs use, and the AWS of two accounts.
pub(crate) struct Namespace {
    pub(crate) sandbox: Sandbox,
    pub(crate) folder: TempDir,
    pub(crate) maps: BTreeMap<&'static str, Vec<(&'static str, String)>>,
}

impl Namespace {
    /// The documented world, in which any service account of the namespace may take the platform's role.
    pub(crate) fn new(more: &str) -> Self {
        let world = Worlds::TWO_ACCOUNTS.replace("team-ns:glue-trigger", "team-ns:*");
        let sandbox = Sandbox::start(World::from_toml(&(world + more)).expect("a world")).expect("a sandbox");
        let folder = tempfile::tempdir().expect("a folder");
        let documented = rendered("k8s/overlays/documented");
        let config = documented.iter().find(|document| document["kind"] == "ConfigMap").expect("a ConfigMap");
        let config = config["data"]["aws-config"].as_str().expect("a text").to_owned();
        let maps = BTreeMap::from([
            ("aws-config", vec![("aws-config", config)]),
            (
                "nightly-sql",
                vec![
                    ("1.sql", "create temp table t as select 7 as n".into()),
                    ("2.sql", "select current_user as me, n from t".into()),
                ],
            ),
            ("churn-features", vec![("features.csv", "1,2,3\n".to_owned())]),
            (
                "nightly-load-sql",
                vec![("1.sql", "create table t (n int)".into()), ("2.sql", "select 7 as n".into())],
            ),
        ]);
        Self { sandbox, folder, maps }
    }

    /// The pod of a folder of manifests, as its Job makes it for the first time, the second and so on.
    pub(crate) fn pod(&self, manifests: &str, binary: &str, number: u32) -> Pod {
        self.changed(manifests, binary, number, |_| {})
    }

    pub(crate) fn changed(
        &self,
        manifests: &str,
        binary: &str,
        number: u32,
        change: impl FnOnce(&mut Value),
    ) -> Pod {
        self.indexed(manifests, binary, number, None, change)
    }

    pub(crate) fn indexed(
        &self,
        manifests: &str,
        binary: &str,
        number: u32,
        index: Option<u32>,
        change: impl FnOnce(&mut Value),
    ) -> Pod {
        let mut documents = rendered(manifests);
        let job = documents.iter_mut().find(|document| deploy::manifest::job_spec(document).is_some());
        change(job.expect("a workload"));
        let name = format!("{binary}-{number}");
        let placed = Placed {
            name,
            job_uid: "5d3b4b9e-8f0f-4c6e-9d5e-0a1b2c3d4e5f".into(),
            job_name: format!("{binary}-29400000"),
            index,
        };
        // The component `hardening` lets no variable redirect a call.
        let extra = [
            ("AWS_ENDPOINT_URL", self.sandbox.url()),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false".to_owned()),
        ];
        let pod = Pod::place(&documents, &image(binary), &placed, self.folder.path(), &extra, &self.maps);
        let token = self.sandbox.token("cluster", &pod.subject, "sts.amazonaws.com", Duration::from_hours(1));
        pod.give_token(&token.expect("the issuer signs"));
        pod
    }

    pub(crate) fn wait_for_calls(&self, service: &str, operation: &str, count: usize) {
        wait_until(&format!("{count} {service}:{operation}"), || {
            self.sandbox.count(service, operation) >= count
        });
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < end, "never: {what}");
        pause();
    }
}

#[allow(clippy::disallowed_methods)] // waits for another process
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// A container of a name that no other test has.
pub(crate) fn start(pod: &Pod, test: &str) -> Container {
    Container::start(&format!("{test}-{}", std::process::id()), &pod.arguments)
}

pub(crate) fn run(pod: &Pod, test: &str) -> Ended {
    start(pod, test).finish()
}

/// The exit code, and the same in the termination message, which the pod's user could write.
#[track_caller]
pub(crate) fn assert_ended(ended: &Ended, pod: &Pod, code: i32) {
    assert_eq!(ended.code, code, "{}\n{}", ended.stderr, ended.stdout);
    let message = std::fs::read_to_string(&pod.termination_log).expect("a file");
    let message: Value = serde_json::from_str(&message).unwrap_or_else(|error| panic!("{error}: {message}"));
    assert_eq!(message["exit_code"], code);
}
