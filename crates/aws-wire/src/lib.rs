//! Calls that are made without a client of the SDK.
//!
//! A service's crate can be out of proportion to what is needed of it – `aws-sdk-sagemaker` and `aws-sdk-s3` together
//! are 900,000 lines of code and ten minutes of building for a handful of operations –, and a typed client drops what
//! a document has that is newer than itself. Such calls take the SDK's own way – its orchestrator, signer, retries, and
//! the configuration that all clients share – with requests and answers of our own. Errors arrive in the SDK's type, so
//! that [`CallError`](job_runtime::CallError) judges them as it judges all others.
//!
//! [`s3`] has the operations on objects. For any other service there are a [`Service`], a [`Client`] of it, and what
//! the caller knows of its requests and answers.

mod json;
mod partition;
pub mod s3;

pub use json::JsonReader;
pub use partition::domains;

use std::fmt;
use std::time::Duration;

use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor};
use aws_runtime::user_agent::{ApiMetadata, UserAgentInterceptor};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::DeserializeResponse;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::region::{Region, SigningRegion};
use aws_types::service_config::ServiceConfigKey;
use aws_types::{SdkConfig, SigningName};

/// How a failed call looks here; the same form as that of the SDK's clients.
pub type Failed = SdkError<Refusal, HttpResponse>;

/// A service that is spoken to here.
#[derive(Debug)]
pub struct Service {
    /// Its id in the SDK, which also names it in `AWS_ENDPOINT_URL_<SERVICE>` and in config files.
    pub id: &'static str,
    /// Its name in signatures.
    pub signing_name: &'static str,
    /// How its requests are signed.
    pub signing: fn() -> SigningOptions,
}

/// How requests to all services but S3 are signed.
pub fn signing() -> SigningOptions {
    let mut options = SigningOptions::default();
    options.double_uri_encode = true;
    options.normalize_uri_path = true;
    options
}

/// Whether the SDK may send a request again that may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// As often as a read of any other client.
    Read,
    /// Never.
    Never,
}

/// What a service answered that refused a call.
#[derive(Debug, Default)]
pub struct Refusal {
    meta: ErrorMetadata,
    /// The region that the answer says to ask instead.
    region: Option<String>,
}

impl Refusal {
    /// With the code and the text of the answer.
    pub fn new(code: Option<String>, message: Option<String>) -> Self {
        let mut meta = ErrorMetadata::builder();
        if let Some(code) = code {
            meta = meta.code(code);
        }
        if let Some(message) = message {
            meta = meta.message(message);
        }
        Self { meta: meta.build(), region: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.meta.code().unwrap_or("refused"))
    }
}

impl std::error::Error for Refusal {}

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.meta
    }
}

/// A service in the region that the chain of credentials has led to.
#[derive(Debug)]
pub struct Client<'a> {
    sdk: &'a SdkConfig,
    service: &'static Service,
    /// Keeps from one call to the next how far the service's clock is from ours.
    skew: SharedInterceptor,
}

impl<'a> Client<'a> {
    /// With the configuration that all clients share.
    pub fn new(sdk: &'a SdkConfig, service: &'static Service) -> Self {
        Self { sdk, service, skew: SharedInterceptor::new(ServiceClockSkewInterceptor::new()) }
    }

    /// The endpoint that the user has configured, if any; asked for as the SDK's clients do.
    pub fn configured_endpoint(&self) -> Option<String> {
        let key = ServiceConfigKey::builder()
            .service_id(self.service.id)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok();
        let of_service = key.and_then(|key| self.sdk.service_config()?.load_config(key));
        of_service.or_else(|| self.sdk.endpoint_url().map(str::to_owned))
    }

    /// The region, such as `us-east-2`.
    pub fn region(&self) -> &str {
        self.sdk.region().map(Region::as_ref).unwrap_or_default()
    }

    /// Whether FIPS endpoints are asked for, and whether such that also speak IPv6.
    pub fn variant(&self) -> (bool, bool) {
        let on = |flag: Option<bool>| flag == Some(true);
        (on(self.sdk.use_fips()), on(self.sdk.use_dual_stack()))
    }

    /// Sends one request to `endpoint`, signed, and reads the answer with `reader`.
    ///
    /// # Errors
    /// What the SDK makes of a failure; a refusal is what `reader` has read.
    pub async fn send<O: fmt::Debug + Send + Sync + 'static>(
        &self,
        (operation, resend): (&'static str, Resend),
        endpoint: &str,
        request: HttpRequest,
        reader: impl DeserializeResponse + 'static,
    ) -> Result<O, Failed> {
        let Self { sdk, service, skew } = self;
        let (Some(http), Some(sleep), Some(time), Some(credentials)) =
            (sdk.http_client(), sdk.sleep_impl(), sdk.time_source(), sdk.credentials_provider())
        else {
            return Err(SdkError::construction_failure("the configuration of the clients is not complete"));
        };
        let retry = match resend {
            Resend::Read => sdk.retry_config().cloned().unwrap_or_else(RetryConfig::standard),
            Resend::Never => RetryConfig::disabled(),
        };
        let mut signing = Layer::new("signing");
        signing.store_put(AuthSchemeOptionResolverParams::new(()));
        signing.store_put(SigningName::from_static(service.signing_name));
        signing.store_put(SigningRegion::from(Region::new(self.region().to_owned())));
        signing.store_put(SigV4OperationSigningConfig {
            signing_options: (service.signing)(),
            ..SigV4OperationSigningConfig::default()
        });
        signing.store_put(ApiMetadata::new(service.id, env!("CARGO_PKG_VERSION")));
        let mut components = RuntimeComponentsBuilder::new("signing")
            .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
            .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
                StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
            )))
            .with_interceptor(UserAgentInterceptor::new())
            .with_interceptor(skew.clone());
        components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
        components.set_identity_cache(sdk.identity_cache());
        let mut call = Operation::builder()
            .service_name(service.id)
            .operation_name(operation)
            .http_client(http)
            .endpoint_url(endpoint)
            .standard_retry(&retry)
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(TransientErrorClassifier::<Refusal>::new())
            .retry_classifier(AwsErrorCodeClassifier::<Refusal>::new())
            .retry_classifier(ServiceClockSkewClassifier::<Refusal>::new())
            .timeout_config(sdk.timeout_config().cloned().unwrap_or_else(default_timeouts))
            .sleep_impl(sleep)
            .time_source(time)
            // Our HTTP client has a limit for each part of an answer, as it has for the other clients.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .with_connection_poisoning()
            .runtime_plugin(
                StaticRuntimePlugin::new().with_config(signing.freeze()).with_runtime_components(components),
            )
            .serializer(|request: HttpRequest| Ok(request))
            .deserializer_impl::<O, Refusal>(reader);
        if let Some(version) = sdk.behavior_version() {
            call = call.behavior_version(version);
        }
        call.build().invoke(request).await
    }
}

/// The runtime always sets timeouts; a client without any would wait for ever.
fn default_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().read_timeout(Duration::from_mins(1)).build()
}
