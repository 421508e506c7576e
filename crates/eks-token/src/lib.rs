//! Tokens for Amazon EKS clusters, and the kubeconfig that lets kubectl ask for them, without the AWS CLI.
//!
//! It replaces `aws eks get-token`, `aws eks update-kubeconfig`, `aws eks list-clusters` and `aws eks describe-cluster`
//! in a pod that works on a cluster of another account:
//!
//! ```sh
//! eks-token kubeconfig --cluster-name target --region us-east-2 --profile target-env
//! kubectl get pods -n kube-system
//! ```
//!
//! `token` is a client-go credential plugin (`client.authentication.k8s.io/v1` and `v1beta1`): kubectl runs it by itself.
//! A token is the address of a presigned `sts:GetCallerIdentity`, which the cluster's control plane sends to STS to hear
//! who has signed it; no other request is made for it than those that walk the chain of roles. It is accepted for 15
//! minutes from its signature on, as long as the session lives that has signed it; kubectl is told of 14, and of no more
//! than is left of that session.
//!
//! Nothing is kept on disk: a cache would save the requests to STS and put credentials into a file; `kubectl` itself
//! keeps a token for as long as it runs.
//!
//! # IAM
//!
//! | command | actions |
//! | --- | --- |
//! | `token` | none beside `sts:AssumeRole` of each hop |
//! | `kubeconfig`, `describe` | `eks:DescribeCluster` on the cluster |
//! | `clusters` | `eks:ListClusters` on `*` |
//!
//! The cluster lets in whom an access entry names (`aws eks create-access-entry`), or, where its authentication mode
//! allows that, a role of the `aws-auth` map: the last role of the chain, as the token is signed by its session.
//!
//! # Exit codes
//!
//! 0 done · 2 bad option · 65 no such cluster, or one that has no API server · 75 STS or EKS out of reach, or a cluster
//! that is still being made · 77 refused, by STS with the hop · 78 profile, region, token file, or a kubeconfig that
//! cannot be read or written · 130 / 143 ended by a signal.

mod cli;
mod eks;
mod error;
mod file;
mod job;
mod kubeconfig;
mod token;
mod yaml;

/// Entry points of the fuzz targets in `tests/fuzz`; not an interface.
#[doc(hidden)]
pub mod fuzzing {
    /// The kubeconfig `before` with a cluster in it, where it is one.
    pub fn merge(before: &str) -> Option<String> {
        crate::kubeconfig::fuzz(before)
    }
}

pub use cli::Cli;
pub use error::Error;
pub use job::{Request, run};

/// Who this program is.
pub const BINARY: job_runtime::Binary = job_runtime::binary!("1m");
