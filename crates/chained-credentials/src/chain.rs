//! The walk: each hop over the one before, cached until it is due, renewed for as long as the job lasts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::identity::IdentityCache;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::advice::{self, Refusal};
use crate::error::{ChainError, ErrorKind, HopError};
use crate::presign::{Presign, Presigned};
use crate::role::{RoleSpec, account_of};
use crate::source::{self, SourceError};
use crate::spec::{ChainSpec, Source};
use crate::sts::{self, CallerIdentity, Session};
use crate::token;

/// A session is renewed when less than this is left of it, or a third of its life where that is shorter.
const MARGIN: Duration = Duration::from_mins(5);
/// How long hiccups of STS are borne while there is nothing to work with.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The same while the old session still works: better to go on with that one and try again later.
const PATIENCE_AT_REFRESH: Duration = Duration::from_secs(5);
/// After a failed renewal, the next attempt comes after this, or after half of what is left of the old session.
const NEXT_REFRESH: Duration = Duration::from_secs(15);
/// STS answers in milliseconds; a silent one is asked again within our patience.
const STS_ANSWER: Duration = Duration::from_secs(10);

/// How the chain, and the service clients over it, reach the network. Every timeout in it is explicit.
#[derive(Clone, Debug)]
pub struct Transport {
    /// For AWS: goes through a proxy where one is configured.
    pub http: SharedHttpClient,
    /// For the agents on this machine (container credentials, instance metadata): never through a proxy,
    /// because the requests carry tokens.
    pub direct: SharedHttpConnector,
    /// Timeouts of one call.
    pub timeouts: TimeoutConfig,
    /// How the service clients retry reads. The chain has its own patience with STS.
    pub retry: RetryConfig,
}

/// Who the chain has become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// ARN of the session, where STS told it.
    pub arn: Option<String>,
    /// The account, from the ARN.
    pub account: Option<String>,
    /// When the session ends; it is renewed before.
    pub expires: Option<SystemTime>,
}

/// A chain at work. Clones share one cache.
#[derive(Clone, Debug)]
pub struct Chain(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) spec: ChainSpec,
    transport: Transport,
    sts: aws_sdk_sts::Client,
    /// One place a hop, the source first. The lock is held while a hop is renewed, so that it is renewed once.
    pub(crate) held: Mutex<Vec<Option<Held>>>,
}

#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) session: Session,
    /// From when on it is renewed; `None`: it never ends.
    due: Option<SystemTime>,
}

impl Held {
    pub(crate) fn new(session: Session, now: SystemTime) -> Self {
        let due = session.credentials.expiry().map(|end| {
            let life = end.duration_since(now).unwrap_or_default();
            end - MARGIN.min(life / 3)
        });
        Self { session, due }
    }

    fn is_fresh(&self, now: SystemTime) -> bool {
        self.due.is_none_or(|due| now < due)
    }

    fn is_valid(&self, now: SystemTime) -> bool {
        self.session.credentials.expiry().is_none_or(|end| now < end)
    }
}

impl Chain {
    /// A chain that has sent nothing yet.
    pub fn new(spec: ChainSpec, transport: Transport) -> Self {
        let read_timeout = transport.timeouts.read_timeout().unwrap_or(STS_ANSWER).min(STS_ANSWER);
        let timeouts = transport.timeouts.to_builder().read_timeout(read_timeout).build();
        let config =
            base_config(&spec, &transport).timeout_config(timeouts).retry_config(RetryConfig::disabled());
        let sts = aws_sdk_sts::Client::new(&config.build());
        let held = Mutex::new((0..=spec.hops.len()).map(|_| None).collect());
        Self(Arc::new(Inner { spec, transport, sts, held }))
    }

    /// The chain in one line: source, roles, region. Holds no secret.
    pub fn describe(&self) -> &str {
        self.0.spec.describe()
    }

    /// The region of STS and of the services.
    pub fn region(&self) -> &str {
        self.0.spec.region()
    }

    /// Walks the chain to its end, and checks that it lands in the expected account.
    ///
    /// # Errors
    ///
    /// The hop that failed, or the wrong account. Nothing else was called by then.
    pub async fn walk(&self) -> Result<Identity, ChainError> {
        let session = self.session(Duration::ZERO).await?;
        let account = |arn: &str| account_of(arn).map(str::to_owned);
        let mut arn = session.arn.clone();
        if let Some(expected) = &self.0.spec.expect_account {
            if arn.is_none() {
                arn = Some(self.caller_identity().await?.arn);
            }
            let arn = arn.as_deref().unwrap_or_default();
            let found = account(arn).unwrap_or_default();
            if found != *expected {
                return Err(ChainError::WrongAccount {
                    expected: expected.clone(),
                    found,
                    arn: arn.to_owned(),
                });
            }
        }
        let account = arn.as_deref().and_then(account);
        Ok(Identity { arn, account, expires: session.credentials.expiry() })
    }

    /// Asks STS who the end of the chain is; needs no permission.
    ///
    /// # Errors
    ///
    /// The hop that failed, or STS out of reach.
    async fn caller_identity(&self) -> Result<CallerIdentity, ChainError> {
        let session = self.session(Duration::ZERO).await?;
        self.identify(self.0.spec.hops.len(), &session).await
    }

    /// Asks STS who the session of hop `number` is, 0 being the source.
    pub(crate) async fn identify(
        &self,
        number: usize,
        session: &Session,
    ) -> Result<CallerIdentity, ChainError> {
        let mut patience = Patience::new(PATIENCE);
        loop {
            match sts::caller_identity(&self.0.sts, session.credentials.clone()).await {
                Ok(identity) => return Ok(identity),
                Err(mut error) => {
                    error.advice.extend(advice::caller_identity(refusal(&error)));
                    let failed = |error| self.failed(number, "sts:GetCallerIdentity".to_owned(), None, error);
                    patience.bear(error).await.map_err(failed)?;
                }
            }
        }
    }

    /// Signs `request` with a session that is good for at least `life`, since what is signed dies with it; one with
    /// less left is renewed.
    ///
    /// # Errors
    ///
    /// The hop that failed, a session that is too short even when it is new, or an address that is none.
    pub async fn presign(&self, request: &Presign<'_>, life: Duration) -> Result<Presigned, ChainError> {
        let credentials = self.session(life).await?.credentials;
        let now = clock();
        if let Some(end) = credentials.expiry() {
            let left = end.duration_since(now).unwrap_or_default();
            if left < life {
                return Err(ChainError::TooShort { left, wanted: life });
            }
        }
        let unsignable = || ChainError::Unsignable(request.service.to_owned());
        request.sign(credentials, now).ok_or_else(unsignable)
    }

    /// What service clients are made from: this chain's credentials, region, endpoints and network.
    pub fn sdk_config(&self) -> SdkConfig {
        base_config(&self.0.spec, &self.0.transport)
            .credentials_provider(SharedCredentialsProvider::new(self.clone()))
            .build()
    }

    /// The session at the end of the chain, renewed where less than `life` is left of it. Hops that are still good
    /// are not repeated.
    async fn session(&self, life: Duration) -> Result<Session, ChainError> {
        let mut held = self.0.held.lock().await;
        let start = clock();
        if let Some(Some(last)) = held.last_mut()
            && !last.is_valid(start + life)
        {
            last.due = Some(start);
        }
        let fresh = held.iter().rposition(|hop| hop.as_ref().is_some_and(|hop| hop.is_fresh(start)));
        let first_due = fresh.map_or(0, |index| index + 1);
        let last = held.len() - 1;
        let still_valid = held[last].as_ref().is_some_and(|hop| hop.is_valid(start));
        let patience = if still_valid { PATIENCE_AT_REFRESH } else { PATIENCE };
        for number in first_due..held.len() {
            let previous =
                number.checked_sub(1).and_then(|before| held[before].as_ref()).map(|hop| &hop.session);
            let taken = self.take(number, previous, patience);
            let taken = if still_valid {
                // Who waits for the lock has work to do, and credentials to do it with.
                timeout(PATIENCE_AT_REFRESH, taken).await.unwrap_or_else(|_| {
                    let silent = SourceError::new(ErrorKind::Unavailable, "no answer in time");
                    Err(self.failed(number, self.action(number), None, silent))
                })
            } else {
                taken.await
            };
            match taken {
                Ok(session) => {
                    self.log(number, &session);
                    held[number] = Some(Held::new(session, clock()));
                }
                Err(error) => match &mut held[last] {
                    Some(hop) if hop.is_valid(clock()) => {
                        let left =
                            hop.session.credentials.expiry().and_then(|end| end.duration_since(clock()).ok());
                        hop.due =
                            Some(clock() + left.map_or(NEXT_REFRESH, |left| NEXT_REFRESH.min(left / 2)));
                        tracing::warn!(%error, "session not renewed; the old one still works, the next try comes soon");
                        break;
                    }
                    _ => return Err(error),
                },
            }
        }
        match &held[last] {
            Some(hop) => Ok(hop.session.clone()),
            None => Err(self.failed(
                last,
                self.action(last),
                None,
                SourceError::new(ErrorKind::Unavailable, "no session"),
            )),
        }
    }

    /// Takes hop `number`, 0 being the source, over the session of the hop before.
    pub(crate) async fn take(
        &self,
        number: usize,
        previous: Option<&Session>,
        patience: Duration,
    ) -> Result<Session, ChainError> {
        let mut patience = Patience::new(patience);
        loop {
            let attempt = match (number.checked_sub(1), previous) {
                (Some(index), Some(previous)) => self.assume(&self.0.spec.hops[index].role, previous).await,
                _ => self.start().await,
            };
            match attempt {
                Ok(session) => return Ok(session),
                Err(error) => {
                    let caller = previous.and_then(|session| session.arn.clone());
                    let failed = |error| self.failed(number, self.action(number), caller, error);
                    patience.bear(error).await.map_err(failed)?;
                }
            }
        }
    }

    async fn assume(&self, role: &RoleSpec, previous: &Session) -> Result<Session, SourceError> {
        sts::assume_role(&self.0.sts, role, previous.credentials.clone()).await.map_err(|mut error| {
            error.advice.extend(advice::assume_role(refusal(&error), role, previous.arn.as_deref()));
            error
        })
    }

    /// One attempt at the source.
    async fn start(&self) -> Result<Session, SourceError> {
        let Inner { spec, transport, sts, .. } = &*self.0;
        let credentials = match &spec.source {
            Source::Keys(keys, _) => keys.clone(),
            Source::WebIdentity(web) => {
                let token = token::read(&web.token_file, &web.token_file_from)
                    .await
                    .map_err(|problem| SourceError::new(ErrorKind::Config, problem))?;
                return sts::with_web_identity(sts, &web.role, &token).await.map_err(|mut error| {
                    error.advice.extend(advice::web_identity(
                        refusal(&error),
                        &web.role,
                        &token::claims(&token),
                    ));
                    error
                });
            }
            Source::Container(endpoint) => endpoint.credentials(&transport.direct).await?,
            Source::InstanceMetadata { endpoint } => {
                source::instance_metadata(&transport.direct, endpoint.as_deref()).await?
            }
            Source::Process(process) => source::process(process).await?,
        };
        Ok(Session { credentials, arn: None })
    }

    /// What hop `number` does, for messages.
    pub(crate) fn action(&self, number: usize) -> String {
        let spec = &self.0.spec;
        match (number.checked_sub(1), &spec.source) {
            (Some(index), _) => format!("sts:AssumeRole of {}", spec.hops[index].role.arn),
            (None, Source::WebIdentity(web)) => format!("sts:AssumeRoleWithWebIdentity of {}", web.role.arn),
            (None, source) => source.to_string(),
        }
    }

    fn log(&self, number: usize, session: &Session) {
        let left = session.credentials.expiry().and_then(|end| end.duration_since(clock()).ok());
        tracing::debug!(
            hop = number + 1,
            of = self.0.spec.hops.len() + 1,
            identity = session.arn.as_deref().unwrap_or("(not told)"),
            expires_in_seconds = left.map(|left| left.as_secs()),
            "credentials taken"
        );
    }

    fn failed(
        &self,
        number: usize,
        action: String,
        caller: Option<String>,
        error: SourceError,
    ) -> ChainError {
        let spec = &self.0.spec;
        let profile = match number.checked_sub(1) {
            Some(index) => spec.hops[index].profile.clone(),
            None => spec.source_profile.clone(),
        };
        let SourceError { kind, code, message, request_id, advice } = error;
        HopError {
            hop: number + 1,
            of: spec.hops.len() + 1,
            action,
            profile,
            caller,
            kind,
            code,
            message,
            request_id,
            advice,
        }
        .into()
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let session = self.session(Duration::ZERO).await;
            session.map(|session| session.credentials).map_err(CredentialsError::provider_error)
        })
    }
}

fn refusal(error: &SourceError) -> Refusal<'_> {
    Refusal { code: error.code.as_deref().unwrap_or_default(), message: &error.message }
}

/// How long hiccups are borne, with growing pauses.
struct Patience {
    end: Instant,
    pause: Duration,
}

impl Patience {
    fn new(patience: Duration) -> Self {
        Self { end: Instant::now() + patience, pause: Duration::from_millis(250) }
    }

    /// Waits before the next attempt, or gives `error` back: it is no hiccup, or there were enough of them.
    async fn bear(&mut self, error: SourceError) -> Result<(), SourceError> {
        // Half to whole of the pause at random, so that a fleet started by one schedule does not knock in step.
        let wait = self.pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        if error.kind != ErrorKind::Unavailable || Instant::now() + wait >= self.end {
            return Err(error);
        }
        tracing::warn!(error = %error.message, code = error.code.as_deref(), "credentials are out of reach; trying again");
        tokio::time::sleep(wait).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(5));
        Ok(())
    }
}

fn base_config(spec: &ChainSpec, transport: &Transport) -> aws_types::sdk_config::Builder {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(spec.region.clone()))
        .http_client(transport.http.clone())
        .timeout_config(transport.timeouts.clone())
        .retry_config(transport.retry.clone())
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        // The chain caches, and renews earlier than the SDK's cache would let it.
        .identity_cache(IdentityCache::no_cache())
        .service_config(spec.endpoints.clone())
        .use_fips(spec.endpoints.use_fips.unwrap_or(false))
        .use_dual_stack(spec.endpoints.use_dual_stack.unwrap_or(false))
}

/// Sessions end by the wall clock: the one clock that STS and we share.
#[expect(clippy::disallowed_methods, reason = "the room of the wall clock in this crate")]
pub(crate) fn clock() -> SystemTime {
    SystemTime::now()
}
