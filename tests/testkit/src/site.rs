//! Where a binary runs: a sandbox, a folder, an environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sandbox::{Sandbox, World};
use tempfile::TempDir;

use crate::outcome::Outcome;
use crate::process::Running;

/// The worlds that come with the sandbox.
pub struct Worlds;

impl Worlds {
    /// The documented set-up: a role in the platform's account, one in the external account that trusts it.
    pub const TWO_ACCOUNTS: &'static str = include_str!("../../sandbox/worlds/two-accounts.toml");

    /// The same with a pod identity agent that hands out the platform's role with tags, as EKS does, and a
    /// role of the external account that lets tagged sessions in (`external-glue` does not).
    pub fn pod_identity() -> String {
        let wider = Self::TWO_ACCOUNTS.replace(
            "\"sts:AssumeRole on arn:aws:iam::222222222222:role/external-glue\"",
            "\"sts:AssumeRole on *\", \"sts:TagSession on *\"",
        );
        [&wider, Self::POD_IDENTITY].concat()
    }

    const POD_IDENTITY: &'static str = r#"
[[container_credentials]]
path = "/v1/credentials"
role = "arn:aws:iam::111111111111:role/cats-glue"
session_name = "eks-cluster-pod-1"
authorization = "pod-identity-token-of-this-pod"
transitive_tags = { "kubernetes-namespace" = "team-ns" }

[accounts.222222222222.roles.external-tagged]
allow = ["glue:* on *", "logs:* on *", "lambda:* on *", "redshift-data:* on *", "sagemaker:* on *", "airflow:* on *"]
trust = [{ principal = "arn:aws:iam::111111111111:role/cats-glue", tag_session = true }]
"#;
}

/// Who the pod is in the documented world.
pub(crate) const SUBJECT: &str = "system:serviceaccount:team-ns:glue-trigger";
/// The audience of its token.
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";

/// A place for one binary to run in.
pub struct Site {
    /// The other side of the wire.
    pub sandbox: Sandbox,
    folder: TempDir,
    env: BTreeMap<String, String>,
    binary: PathBuf,
}

impl Site {
    /// A site with nothing in its environment but the sandbox's address and a termination log.
    pub fn bare(binary: impl AsRef<Path>, world: &str) -> Self {
        let world = World::from_toml(world).expect("the world is well formed");
        let sandbox = Sandbox::start(world).expect("the sandbox starts");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let binary = std::path::absolute(binary).expect("a path");
        let site = Self { sandbox, folder, env: BTreeMap::new(), binary };
        let url = site.sandbox.url();
        let log = site.path("termination-log").display().to_string();
        site.env("AWS_ENDPOINT_URL", url).env("JOB_TERMINATION_LOG", log).env("HOSTNAME", "pod-1")
    }

    /// A pod of the documented `CronJob`: the two-profile config file, a projected token, the profile of the
    /// external account.
    pub fn documented(binary: impl AsRef<Path>) -> Self {
        Self::pod(binary, Worlds::TWO_ACCOUNTS)
    }

    /// The same pod in another world that has the same two roles.
    pub fn pod(binary: impl AsRef<Path>, world: &str) -> Self {
        let site = Self::bare(binary, world);
        let token = site.write_token(SUBJECT, AUDIENCE, Duration::from_hours(1));
        let config = format!(
            "[profile cats]\n\
             role_arn = arn:aws:iam::111111111111:role/cats-glue\n\
             web_identity_token_file = {}\n\
             region=us-east-2\n\
             \n\
             [profile external]\n\
             role_arn = arn:aws:iam::222222222222:role/external-glue\n\
             role_session_name = lambda-trigger\n\
             source_profile = cats\n\
             region = us-east-2\n",
            token.display()
        );
        let config = site.write("aws-config", &config);
        site.env("AWS_CONFIG_FILE", config.display().to_string())
            .env("AWS_PROFILE", "external")
            .env("AWS_DEFAULT_REGION", "us-east-2")
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// The same place for another binary.
    #[must_use]
    pub fn with_binary(self, binary: impl AsRef<Path>) -> Self {
        Self { binary: std::path::absolute(binary).expect("a path"), ..self }
    }

    /// Takes a variable away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// Makes the site a pod with EKS Pod Identity: container credentials, no files.
    #[must_use]
    pub fn with_pod_identity(self) -> Self {
        let token =
            self.write("pod-identity-token", "pod-identity-token-of-this-pod\n").display().to_string();
        let url = format!("{}/v1/credentials", self.sandbox.url());
        self.without("AWS_PROFILE")
            .without("AWS_CONFIG_FILE")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token)
    }

    /// Puts the sandbox's proxy before the site, as a proxy of a company: the way to MWAA, whose hosts the SDK makes by
    /// itself, and to web servers.
    #[must_use]
    pub fn behind_proxy(self) -> Self {
        let ca = self.write("ca.pem", self.sandbox.ca_pem()).display().to_string();
        let proxy = self.sandbox.proxy_url();
        self.env("HTTPS_PROXY", proxy)
            .env("AWS_CA_BUNDLE", ca)
            .env("AWS_ENDPOINT_URL_MWAA", "https://airflow.us-east-2.amazonaws.com")
    }

    /// What the webhook puts into every pod with an annotated service account: an identity that is not the one meant.
    #[must_use]
    pub fn with_irsa_variables(self) -> Self {
        let token = self.path("token").display().to_string();
        self.env("AWS_WEB_IDENTITY_TOKEN_FILE", token)
            .env("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/cats-glue")
    }

    /// A path in the site's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the site's folder.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file in the temporary folder");
        path
    }

    /// Writes a token of the cluster into the file `token`, as the kubelet does.
    pub fn write_token(&self, sub: &str, aud: &str, lifetime: Duration) -> PathBuf {
        self.write("token", &self.sandbox.token("cluster", sub, aud, lifetime).expect("the issuer signs"))
    }

    /// Runs the binary to its end.
    pub fn run<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Outcome {
        self.start(args).finish()
    }

    /// Starts the binary.
    pub fn start<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Running<'_> {
        self.start_with(args, "")
    }

    /// Starts the binary with something on its standard input.
    pub fn start_with<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>, stdin: &str) -> Running<'_> {
        self.spawn(self.command(args), Some(stdin))
    }

    /// Starts the binary as process 1 of a namespace of its own, as in a container: there a signal without a handler
    /// is ignored. It is the child of the [`Running`] process.
    pub fn start_as_process_1<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Running<'_> {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--pid", "--fork", "--kill-child"]).arg(&self.binary).args(args);
        self.spawn(command, Some(""))
    }

    /// Starts a line as a container starts it whose command is `sh -c`: as process 1 of a namespace of its own, with what
    /// it says as its log, on standard output. Programs are found by the site's own `PATH`.
    pub fn start_line_as_process_1(&self, line: &str) -> Running<'_> {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--pid", "--fork", "--kill-child", "/bin/sh", "-c"]);
        command.arg(format!("exec 2>&1\n{line}"));
        self.spawn(command, Some(""))
    }

    /// Starts the binary on a terminal, as a person does; what the terminal shows is the standard output.
    pub fn start_on_a_terminal(&self, args: &[&str]) -> Running<'_> {
        let line =
            std::iter::once(self.binary.to_str().expect("a path in UTF-8")).chain(args.iter().copied());
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--flush", "--command"]);
        command.arg(line.collect::<Vec<_>>().join(" ")).arg("/dev/null");
        self.spawn(command, Some(""))
    }

    /// Starts the binary with a standard input on which nothing ever comes, not even its end.
    pub fn start_with_silence<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Running<'_> {
        self.spawn(self.command(args), None)
    }

    /// Another program in the site's folder and environment; with the binary's folder as its `PATH`.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.env).current_dir(self.folder.path());
        command.env("PATH", self.binary.parent().expect("a binary is in a folder"));
        command
    }

    fn command<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args);
        command
    }

    fn spawn(&self, mut command: Command, stdin: Option<&str>) -> Running<'_> {
        let log = self.path("termination-log");
        let _ = std::fs::remove_file(&log);
        command.env_clear().envs(&self.env).current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::spawn(command, stdin, log, &self.sandbox)
    }
}
