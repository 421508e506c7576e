//! The other side of the wire: a small server that plays the AWS services the job runners use.
//!
//! It is strict where AWS is strict: every signature, session token, trust policy, permission and parameter is
//! checked, and refusals come with AWS's codes, statuses and wording. What there is at the start is a [`World`],
//! written in TOML (see this crate's `README.md`); what happens is recorded and can be asked for.
//!
//! ```
//! use sandbox::{Sandbox, World};
//!
//! let world = World::from_toml(include_str!("../worlds/two-accounts.toml"))?;
//! let sandbox = Sandbox::start(world)?;
//! assert!(sandbox.url().starts_with("http://127.0.0.1:"));
//! assert_eq!(sandbox.started("nightly-etl"), 0);
//! # Ok::<(), sandbox::Error>(())
//! ```

mod admin;
mod answer;
mod clock;
mod cloud;
mod container;
mod crypto;
mod dispatch;
mod eks;
mod eventstream;
mod fault;
mod glue;
mod handle;
mod identity;
mod lambda;
mod logs;
mod metadata;
mod mutate;
mod mwaa;
mod oidc;
mod policy;
mod protocol;
mod rds;
mod record;
mod redshift;
mod refusal;
mod rest;
mod s3;
mod sagemaker;
mod secretsmanager;
mod server;
mod service;
mod sigv4;
mod stepfunctions;
mod sts;
mod tls;
mod wire;
mod work;
mod world;

#[cfg(test)]
mod tests;

pub use eks::{EksCluster, EksWorld};
pub use fault::{Fault, FaultKind};
pub use glue::{Course, GlueWorld, Job, LogLine, Run, Step};
pub use handle::{Sandbox, Settings};
pub use lambda::{
    Function, FunctionAnswer, FunctionCourse, FunctionFailure, Invocation, InvocationKind, LambdaWorld,
    StreamError,
};
pub use logs::{LogGroup, LogsWorld, StreamLine};
pub use mwaa::{AirflowEnvironment, CliAnswer, Dag, DagCourse, DagRun, DagStep, MwaaWorld};
pub use policy::{Rule, RuleError};
pub use rds::{Login, LoginRefusal, RdsDatabase, RdsWorld};
pub use record::Call;
pub use redshift::{
    Cluster, DatabaseSecret, RedshiftWorld, Statement, StatementCourse, StatementOwner, Workgroup,
};
pub use s3::{Bucket, S3World};
pub use sagemaker::{
    AsyncOutput, Endpoint, EndpointCourse, Inference, ModelFailure, ModelStreamError, SageMakerWorld,
    TrainingCourse, TrainingJob, TrainingLog, TrainingStep,
};
pub use secretsmanager::{Secret, SecretsManagerWorld};
pub use service::{Operation, operations};
pub use stepfunctions::{
    ExecutionScript, ExecutionStep, MachineExecution, StateMachine, StateMachineType, StepFunctionsWorld,
};
pub use work::{Effects, Work, WorkKind};
pub use world::{Account, ContainerCredentials, InstanceMetadata, Issuer, Role, Trust, User, World};

/// Why a sandbox does not start, or does not do what it is told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The world is not TOML of the right form.
    #[error("not a world in TOML")]
    Toml(#[from] toml::de::Error),
    /// The world does not hold together, or does not have what was asked for.
    #[error("in this world: {0}")]
    World(String),
    /// A port or a thread is not to be had.
    #[error("cannot listen")]
    Io(#[from] std::io::Error),
    /// No certificate.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// No TLS.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// No signing key.
    #[error("cannot make a signing key: {0}")]
    Key(&'static str),
    /// A service said no.
    #[error("refused: {code}: {message}")]
    Refused {
        /// AWS error code.
        code: String,
        /// Text.
        message: String,
    },
}
