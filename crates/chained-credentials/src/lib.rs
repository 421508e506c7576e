//! Credentials by way of several roles: a source, then `AssumeRole` after `AssumeRole`, each hop named.
//!
//! A pod of account A that works in account B first takes a role of A with the token of its service account,
//! and from that one a role of B. The AWS CLI's config file describes it:
//!
//! ```ini
//! [profile a]
//! role_arn = arn:aws:iam::111111111111:role/a
//! web_identity_token_file = /var/run/secrets/eks.amazonaws.com/serviceaccount/token
//!
//! [profile b]
//! role_arn = arn:aws:iam::222222222222:role/b
//! source_profile = a
//! region = us-east-2
//! ```
//!
//! [`ChainSpec::resolve`] plans the chain without sending anything; [`Chain`] walks it, keeps every hop's session
//! until it is due, and is the credentials provider of the service clients.
//!
//! ```no_run
//! # use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};
//! # async fn example(http: SharedHttpClient, direct: SharedHttpConnector) -> Result<(), chained_credentials::ChainError> {
//! use chained_credentials::{Chain, ChainSpec, Env, Settings, Transport};
//!
//! let env: Env = [("AWS_PROFILE", "b"), ("AWS_CONFIG_FILE", "/etc/aws/config")].into_iter().collect();
//! let settings = Settings { default_session_name: "nightly-42".into(), ..Settings::default() };
//! let spec = ChainSpec::resolve(&settings, &env).await?;
//! println!("{}", spec.describe());
//! # let (timeouts, retry) = (aws_smithy_types::timeout::TimeoutConfig::disabled(), aws_smithy_types::retry::RetryConfig::standard());
//! let chain = Chain::new(spec, Transport { http, direct, timeouts, retry });
//! chain.walk().await?;
//! let config = chain.sdk_config(); // for Client::new(&config) of any service
//! # Ok(())
//! # }
//! ```
//!
//! # Why not the SDK's own chain
//!
//! The SDK's default chain treats a misspelt profile, an absent config file or a missing `source_profile` as "not
//! configured" and goes on to the next source: in a pod that is the pod's own role, in the wrong account. It leaves
//! out `duration_seconds`, source identity and transitive tags, names sessions by the clock (so that a restarted pod
//! is another session), and its errors name no hop. Here the first source that is configured is the one that counts,
//! and if it fails, that is the answer.

mod advice;
mod chain;
mod container;
mod endpoints;
pub mod env;
mod error;
pub mod file;
mod identity;
mod json;
mod plan;
mod presign;
mod profile;
mod role;
mod source;
mod spec;
mod sts;
mod token;

/// Entry points of the fuzz targets in `tests/fuzz`; not an interface.
#[doc(hidden)]
pub mod fuzzing {
    /// Reads a config file.
    pub async fn config_file(text: &str) {
        crate::profile::fuzz(text).await;
    }
}

pub use advice::role_of_session;
pub use chain::{Chain, Identity, Transport};
pub use env::Env;
pub use error::{ChainError, ConfigError, ErrorKind, HopError};
pub use identity::{Hop, HopKind, Visit};
pub use presign::{Presign, Presigned};
pub use role::{RoleSpec, RoleSpecError};
pub use spec::{ChainSpec, Settings};
pub use sts::CallerIdentity;
pub use token::TokenClaims;
