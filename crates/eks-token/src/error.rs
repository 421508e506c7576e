//! Everything that can end a run without a result, in one sentence each.

use std::path::PathBuf;

use chained_credentials::ChainError;
use job_runtime::{CallError, Exit, Failure};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// EKS did not answer as hoped.
    #[error(transparent)]
    Call(Box<CallError>),
    /// The chain gives no session to sign with.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The runtime gave no chain to a job that has asked for one.
    #[error("a defect of this program: there is no chain of credentials")]
    NoChain,
    /// There is no such cluster here.
    #[error(
        "there is no cluster `{name}` in {place}: {source}; `eks-token clusters` lists those that there are"
    )]
    NoCluster {
        /// The name asked for.
        name: String,
        /// Where it was looked for.
        place: String,
        /// What EKS said.
        source: Box<CallError>,
    },
    /// The cluster is not there yet.
    #[error("cluster `{name}` is {status}: it has no API server yet; try again when it is ACTIVE")]
    NotYet {
        /// Name of the cluster.
        name: String,
        /// Its status.
        status: String,
    },
    /// The cluster is no longer there, or never came to be.
    #[error("cluster `{name}` is {status}: there is nothing for kubectl to reach")]
    Gone {
        /// Name of the cluster.
        name: String,
        /// Its status.
        status: String,
    },
    /// The answer lacks what a kubeconfig needs.
    #[error("eks:DescribeCluster tells no {member} of cluster `{name}`")]
    Incomplete {
        /// Name of the cluster.
        name: String,
        /// What is missing.
        member: &'static str,
    },
    /// The kubeconfig cannot be read or written.
    #[error("could not {what} {}: {source}; check --kubeconfig, or KUBECONFIG", path.display())]
    File {
        /// `read`, `write`, …
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The kubeconfig is none.
    #[error("{} is not a kubeconfig: {problem}; it was left as it is", path.display())]
    NotAKubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The kubeconfig has a user of the same name that this program did not write.
    #[error(
        "{} has a user `{user}` that gets no token of this cluster; it was left as it is; give another name with \
         --user-alias", path.display()
    )]
    UserOfAnotherTool {
        /// The file.
        path: PathBuf,
        /// Name of the user.
        user: String,
    },
    /// The address of the API server is not one to send a token to.
    #[error("eks:DescribeCluster returned an endpoint of cluster `{name}` that is not an https:// address")]
    Endpoint {
        /// Name of the cluster.
        name: String,
    },
    /// Somebody else writes the kubeconfig.
    #[error(
        "{} is there for {} s: another process writes the kubeconfig; if there is none, delete it", path.display(), waited.as_secs()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for.
        waited: std::time::Duration,
    },
    /// It took longer than `--timeout`.
    #[error("it took longer than --timeout")]
    Timeout,
    /// A signal ended this program first.
    #[error("ended by {}", if *.0 == Exit::Interrupted { "SIGINT" } else { "SIGTERM" })]
    Interrupted(Exit),
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Call(source) | Self::NoCluster { source, .. } => source.exit(),
            Self::Chain(source) => source.exit(),
            Self::NotYet { .. }
            | Self::Incomplete { .. }
            | Self::Endpoint { .. }
            | Self::Locked { .. }
            | Self::Timeout => Exit::Unavailable,
            Self::Gone { .. } => Exit::Rejected,
            Self::NoChain => Exit::Internal,
            Self::File { .. } | Self::NotAKubeconfig { .. } | Self::UserOfAnotherTool { .. } => Exit::Config,
            Self::Interrupted(exit) => *exit,
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::Call(source) | Self::NoCluster { source, .. } => source.request_id(),
            Self::Chain(source) => source.request_id(),
            Self::NoChain
            | Self::NotYet { .. }
            | Self::Gone { .. }
            | Self::Incomplete { .. }
            | Self::File { .. }
            | Self::NotAKubeconfig { .. }
            | Self::UserOfAnotherTool { .. }
            | Self::Endpoint { .. }
            | Self::Locked { .. }
            | Self::Timeout
            | Self::Interrupted(_) => None,
        }
    }
}
