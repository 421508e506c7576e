//! A chain hop by hop: what each one is, and who it yields.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::chain::{Chain, Held, PATIENCE, clock};
use crate::error::ChainError;
use crate::role::RoleSpec;
use crate::spec::Source;
use crate::sts::CallerIdentity;
use crate::token::{self, TokenClaims};

/// One hop of a chain, as it is planned.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Its number, from 1: the source of the chain.
    pub number: usize,
    /// What it does, such as `sts:AssumeRole of arn:…`. Holds no secret.
    pub action: String,
    /// The profile that asks for it.
    pub profile: Option<String>,
    /// Where its session comes from.
    pub kind: HopKind,
}

/// Where the session of a hop comes from. All but the last are sources.
#[derive(Clone, Debug)]
pub enum HopKind {
    /// Access keys of a file or of the environment.
    Keys,
    /// A role, taken with the token of a service account.
    WebIdentity {
        /// The role.
        role: RoleSpec,
        /// The file of the token.
        token_file: PathBuf,
        /// What the token says of itself; else why it cannot be read.
        claims: Result<TokenClaims, String>,
    },
    /// EKS Pod Identity.
    PodIdentity,
    /// The role of an ECS task.
    Container,
    /// The role of the machine.
    InstanceMetadata,
    /// A program that prints credentials.
    Process,
    /// A role, taken from the hop before.
    AssumeRole(RoleSpec),
}

/// Who a hop has yielded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Who STS says that it is.
    pub identity: CallerIdentity,
    /// When its session ends, where it does.
    pub expires: Option<SystemTime>,
    /// How long it took to take the hop.
    pub taken_in: Duration,
}

impl Chain {
    /// The hops as they are planned, the source first. Reads the token's file afresh; nothing is sent.
    pub async fn hops(&self) -> Vec<Hop> {
        let spec = &self.0.spec;
        let source = match &spec.source {
            Source::Keys(..) => HopKind::Keys,
            Source::WebIdentity(web) => HopKind::WebIdentity {
                role: web.role.clone(),
                token_file: web.token_file.clone(),
                claims: token::read(&web.token_file, &web.token_file_from)
                    .await
                    .map(|token| token::claims(&token)),
            },
            Source::Container(endpoint) if endpoint.is_pod_identity() => HopKind::PodIdentity,
            Source::Container(_) => HopKind::Container,
            Source::InstanceMetadata { .. } => HopKind::InstanceMetadata,
            Source::Process(_) => HopKind::Process,
        };
        let roles = spec.hops.iter().map(|hop| (HopKind::AssumeRole(hop.role.clone()), hop.profile.clone()));
        let kinds = std::iter::once((source, spec.source_profile.clone())).chain(roles);
        let hop =
            |(index, (kind, profile))| Hop { number: index + 1, action: self.action(index), profile, kind };
        kinds.enumerate().map(hop).collect()
    }

    /// Takes `hop`, one of [`Chain::hops`], over those before it, unless it has been taken, and asks STS who it is; that
    /// needs no permission.
    ///
    /// # Errors
    ///
    /// The hop that failed.
    pub async fn visit(&self, hop: &Hop) -> Result<Visit, ChainError> {
        let mut held = self.0.held.lock().await;
        let index = hop.number.saturating_sub(1);
        for earlier in 0..index {
            self.take_once(&mut held, earlier).await?;
        }
        let (taken, taken_in) = self.take_once(&mut held, index).await?;
        let identity = self.identify(index, &taken.session).await?;
        // Not every source tells it: now the refusals of later hops can name who has called.
        taken.session.arn = Some(identity.arn.clone());
        Ok(Visit { identity, expires: taken.session.credentials.expiry(), taken_in })
    }

    /// The session of a hop, over the one before, and how long it took to take it.
    async fn take_once<'h>(
        &self,
        held: &'h mut [Option<Held>],
        index: usize,
    ) -> Result<(&'h mut Held, Duration), ChainError> {
        let (before, rest) = held.split_at_mut(index);
        let begun = Instant::now();
        let taken = if let Some(taken) = rest[0].take() {
            taken
        } else {
            let previous = before.last().and_then(Option::as_ref).map(|hop| &hop.session);
            Held::new(self.take(index, previous, PATIENCE).await?, clock())
        };
        Ok((rest[0].insert(taken), begun.elapsed()))
    }
}
