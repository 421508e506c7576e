//! What talks to databases, environments and clusters: rds-connect, mwaa-token, eks-token.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use deploy::container::Container;
use deploy::pod::Pod;
use serde_json::{Value, json};
use testkit::{Database, DatabaseSettings};

use crate::namespace::{Namespace, assert_ended, run, start, wait_until};

/// A database of account B, and the namespace of whoever uses it.
struct Rds {
    database: Database,
    namespace: Namespace,
}

impl Rds {
    fn new() -> Self {
        let namespace = Namespace::new("");
        let database = Database::start(&namespace.sandbox, DatabaseSettings::default());
        Self { database, namespace }
    }

    /// The way to it that no manifest has: here nobody resolves its name, and its roots are not those of RDS.
    fn lead(&self, pod: &mut Pod) {
        let roots = self.namespace.folder.path().join("roots.pem");
        // Not a copy, which would be its owner's alone.
        let authority = std::fs::read(self.database.ca()).expect("roots");
        std::fs::write(&roots, authority).expect("a file");
        pod.mount(&roots, "/etc/rds/roots.pem");
        pod.set("PGSSLROOTCERT", "/etc/rds/roots.pem");
        pod.set("PGHOSTADDR", "127.0.0.1");
        pod.set("PGPORT", &self.database.port().to_string());
    }

    /// The pod of the nightly SQL.
    fn nightly(&self) -> Pod {
        let mut pod = self.namespace.pod("k8s/services/rds-connect", "rds-connect", 1);
        self.lead(&mut pod);
        pod
    }

    fn is_active(&self, query: &str) -> bool {
        let count =
            format!("select count(*) from pg_stat_activity where query = '{query}' and state = 'active'");
        self.database.psql(&["-At", "-c", &count]) == "1\n"
    }
}

#[test]
fn rds_connect_does_its_job_as_documented() {
    let rds = Rds::new();
    let pod = rds.nightly();
    let ended = run(&pod, "rds");
    assert_ended(&ended, &pod, 0);
    assert_eq!(ended.stdout, "me,n\niam_demo_user,7\n");
    let login = &rds.namespace.sandbox.logins()[0];
    assert!(login.caller.ends_with("external-glue/rds-connect-29400000"), "{login:?}");
}

#[test]
fn rds_connect_checks_the_way() {
    let rds = Rds::new();
    let mut pod = rds.nightly();
    pod.set("JOB_CHECK", "true");
    let ended = run(&pod, "rds-check");
    assert_ended(&ended, &pod, 0);
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let stages = told["stages"].as_array().expect("stages");
    assert!(stages.len() == 6 && stages.iter().all(|stage| stage["result"] == "ok"), "{told}");
}

/// A drained node: the statement ends in the database, too.
#[test]
fn sql_of_a_pod_that_is_stopped_is_cancelled() {
    let mut rds = Rds::new();
    rds.namespace.maps.insert("nightly-sql", vec![("1.sql", "select pg_sleep(80)".into())]);
    let pod = rds.nightly();
    let container = start(&pod, "rds-stopped");
    wait_until("it runs", || rds.is_active("select pg_sleep(80)"));
    container.stop(pod.grace);
    assert_ended(&container.finish(), &pod, 143);
    assert!(!rds.is_active("select pg_sleep(80)"));
}

/// The sidecar of a pod, on ports that no other test has.
struct Sidecar<'r> {
    rds: &'r Rds,
    pod: Pod,
    container: Container,
    health: String,
}

impl<'r> Sidecar<'r> {
    /// Starts it, and waits for its startup probe as the kubelet does before it starts the containers.
    fn start(rds: &'r Rds, test: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let health = free.local_addr().expect("an address").to_string();
        drop(free);
        let args = |job: &mut Value| {
            let args = job.pointer_mut("/spec/template/spec/initContainers/0/args").expect("args");
            for (documented, here) in [
                (
                    "--listen=127.0.0.1:5432,/run/postgresql",
                    "--listen=127.0.0.1:0,/run/postgresql".to_owned(),
                ),
                ("--health-listen=0.0.0.0:8080", format!("--health-listen={health}")),
            ] {
                let mut all = args.as_array_mut().expect("a list").iter_mut();
                *all.find(|arg| **arg == documented).expect(documented) = json!(here);
            }
        };
        let mut pod = rds.namespace.changed("k8s/overlays/database-sidecar", "rds-connect", 1, args);
        rds.lead(&mut pod);
        let container = start(&pod, test);
        let sidecar = Self { rds, pod, container, health };
        wait_until("it has started", || sidecar.probe("/livez").starts_with("HTTP/1.1 200"));
        sidecar
    }

    /// What a probe of the kubelet gets; nothing where nobody listens.
    fn probe(&self, path: &str) -> String {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(&self.health) {
            // At once, as the kubelet sends it: the health port reads once and answers.
            let request = format!("GET {path} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("it is sent");
            stream.read_to_string(&mut answer).expect("an answer");
        }
        answer
    }

    /// psql of another container of the pod: by the socket, without a password.
    fn psql(&self, sql: &[&str]) -> Command {
        let mut psql = self.rds.database.client("psql", Database::IAM_USER, "");
        for name in ["PGHOSTADDR", "PGPASSWORD", "PGSSLROOTCERT", "PGSSLMODE"] {
            psql.env_remove(name);
        }
        psql.env("PGHOST", self.rds.namespace.folder.path().join("socket")).env("PGPORT", "5432");
        psql.args(["-X", "-At"]).args(sql.iter().flat_map(|sql| ["-c", sql]));
        psql
    }
}

/// What a program printed on both streams.
fn said(output: Output) -> String {
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

/// SIGTERM to process 1, as to every sidecar when the containers have ended or the node is drained: a transaction that
/// goes on is let finish, nobody new is let in, and then it ends well.
#[test]
fn a_sidecar_drains() {
    let rds = Rds::new();
    let sidecar = Sidecar::start(&rds, "drained");
    let mut session = sidecar.psql(&[]);
    let mut session = session.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql");
    let mut typed = session.stdin.take().expect("piped");
    typed.write_all(b"begin; create temp table t as select 7 as n;\n").expect("psql reads");
    let holds = "select count(*) from pg_stat_activity where state = 'idle in transaction'";
    wait_until("the transaction stands", || rds.database.psql(&["-At", "-c", holds]) == "1\n");
    std::thread::scope(|scope| {
        let stop = scope.spawn(|| sidecar.container.stop(sidecar.pod.grace));
        wait_until("it drains", || sidecar.probe("/readyz").starts_with("HTTP/1.1 503"));
        let late = said(sidecar.psql(&["select 1"]).output().expect("psql"));
        assert!(late.contains("takes no new clients"), "{late}");
        assert!(!stop.is_finished(), "it waits for the session");
        typed.write_all(b"commit; select 'kept ' || n from t;\n").expect("psql reads");
        drop(typed);
        stop.join().expect("podman stops it");
    });
    assert_eq!(said(session.wait_with_output().expect("psql ends")), "BEGIN\nSELECT 1\nCOMMIT\nkept 7\n");
    let ended = sidecar.container.finish();
    assert_ended(&ended, &sidecar.pod, 0);
    let counts: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&counts["sessions"], &counts["refused"]), (&json!(1), &json!(1)), "{counts}");
}

/// The kubelet starts a sidecar again, in the same pod: on the socket that was left.
#[test]
fn a_sidecar_that_was_killed_is_started_again() {
    let rds = Rds::new();
    for test in ["sidecar", "sidecar-again"] {
        let sidecar = Sidecar::start(&rds, test);
        assert_eq!(said(sidecar.psql(&["select current_user"]).output().expect("psql")), "iam_demo_user\n");
        sidecar.container.kill();
        assert_eq!(sidecar.container.finish().code, 137);
        assert!(rds.namespace.folder.path().join("socket/.s.PGSQL.5432").exists());
    }
}

/// An environment `analytics` with a DAG `nightly`.
fn airflow(steps: &str) -> Namespace {
    Namespace::new(&format!(
        "\n[[mwaa.environments]]\naccount = '222222222222'\nname = 'analytics'\n\
         [[mwaa.environments.dags]]\nid = 'nightly'\ncourses = [{{ steps = [{steps}] }}]\n"
    ))
}

/// A run that goes on for a minute.
const LONG: &str = "{ state = 'running' }, { state = 'success', after = '1m' }";

/// The pod of the nightly DAG, which reaches MWAA's hosts through a proxy.
fn trigger(namespace: &Namespace, number: u32) -> Pod {
    let mut pod = namespace.pod("k8s/services/mwaa-token", "mwaa-token", number);
    let roots = namespace.folder.path().join("proxy.pem");
    std::fs::write(&roots, namespace.sandbox.ca_pem()).expect("a file");
    pod.mount(&roots, "/etc/ca/ca.pem");
    pod.set("AWS_CA_BUNDLE", "/etc/ca/ca.pem");
    pod.set("HTTPS_PROXY", &namespace.sandbox.proxy_url());
    pod.set("AWS_ENDPOINT_URL_MWAA", "https://airflow.us-east-2.amazonaws.com");
    pod.set("JOB_POLL_INTERVAL", "100ms");
    pod
}

/// The next pod of the Job takes over: the run of before, and no other.
fn assert_taken_over(namespace: &Namespace, test: &str) {
    namespace.sandbox.advance(Duration::from_mins(2));
    let next = trigger(namespace, 2);
    let ended = run(&next, test);
    assert_ended(&ended, &next, 0);
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let runs = namespace.sandbox.dag_runs("analytics");
    assert_eq!(runs.len(), 1);
    assert_eq!((&told["adopted"], &told["dag_run_id"]), (&json!(true), &json!(runs[0].run_id)), "{told}");
}

#[test]
fn mwaa_token_does_its_job_as_documented() {
    let namespace = airflow("{ state = 'running' }, { state = 'success', after = '300ms' }");
    let pod = trigger(&namespace, 1);
    let ended = run(&pod, "mwaa");
    assert_ended(&ended, &pod, 0);
    assert_eq!(namespace.sandbox.dag_runs("analytics").len(), 1);
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&told["state"], &told["adopted"]), (&json!("success"), &json!(false)), "{told}");
}

#[test]
fn a_dag_run_of_a_pod_that_is_stopped_is_handed_over() {
    let namespace = airflow(LONG);
    let pod = trigger(&namespace, 1);
    let container = start(&pod, "mwaa-stopped");
    wait_until("the run goes on", || !namespace.sandbox.dag_runs("analytics").is_empty());
    container.stop(pod.grace);
    assert_ended(&container.finish(), &pod, 143);
    assert_eq!(namespace.sandbox.dag_runs("analytics")[0].state, "running");
    assert_taken_over(&namespace, "mwaa-stopped-next");
}

#[test]
fn a_dag_run_of_a_pod_that_is_killed_is_taken_over() {
    let namespace = airflow(LONG);
    let container = start(&trigger(&namespace, 1), "mwaa-killed");
    wait_until("the run goes on", || !namespace.sandbox.dag_runs("analytics").is_empty());
    container.kill();
    assert_eq!(container.finish().code, 137);
    assert_taken_over(&namespace, "mwaa-killed-next");
}

/// The pod of eks-token with other arguments.
fn eks_token(namespace: &Namespace, args: &[&str]) -> Pod {
    namespace.changed("k8s/services/eks-token", "eks-token", 1, |job| {
        *job.pointer_mut("/spec/template/spec/containers/0/args").expect("args") = json!(args);
    })
}

#[test]
fn eks_token_does_its_job_as_documented() {
    let namespace = Namespace::new("");
    let pod = namespace.pod("k8s/services/eks-token", "eks-token", 1);
    let ended = run(&pod, "eks");
    assert_ended(&ended, &pod, 0);
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(told["cluster"]["arn"], "arn:aws:eks:us-east-2:222222222222:cluster/target");
}

/// An init container writes a kubeconfig for the others; the token of the image is one that the cluster lets in.
#[test]
fn kubectl_gets_in_by_a_kubeconfig_and_a_token_of_the_image() {
    let namespace = Namespace::new("");
    let folder = namespace.folder.path().join("kube");
    std::fs::create_dir(&folder).expect("a folder");
    std::os::unix::fs::chown(&folder, Some(65532), Some(65532)).expect("its owner");
    let kubeconfig = folder.join("config");
    let mut pod = eks_token(
        &namespace,
        &["kubeconfig", "--cluster-name=target", "--kubeconfig=/kube/config", "--timeout=2m"],
    );
    pod.arguments.insert(0, format!("--volume={}:/kube", folder.display()));
    assert_ended(&run(&pod, "kubeconfig"), &pod, 0);

    let pod = eks_token(&namespace, &["token", "--cluster-name=target", "--timeout=2m"]);
    let ended = run(&pod, "token");
    assert_ended(&ended, &pod, 0);
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let token = told["status"]["token"].as_str().expect("a token");
    assert!(!ended.stderr.contains(token), "{}", ended.stderr);

    let kubectl = |token: &str| {
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(&kubeconfig).args(["--token", token, "--request-timeout=20s"]);
        said(kubectl.args(["get", "pods", "-n", "kube-system", "-o", "name"]).output().expect("kubectl"))
    };
    assert_eq!(kubectl(token), "pod/aws-node-x7k2p\npod/coredns-5d78c9869d-8r2wq\n");
    assert!(kubectl(&token[..token.len() - 4]).contains("must be logged in"));
    let calls = namespace.sandbox.calls();
    let seen = calls.iter().find(|call| call.service == "kubernetes").expect("a request");
    assert!(seen.caller.ends_with("external-glue/eks-token-29400000"), "{seen:?}");
}
