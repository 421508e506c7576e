//! What may happen to a job on its way.

use testkit::{Fault, FaultKind};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Circumstance {
    Succeeds,
    Fails,
    Refused,
    NotTrusted,
    ThrottledOnce,
    Throttled,
    AnswerLost,
    AnswersLost,
    KilledAtStart,
    KilledAtWork,
    Rotated,
}

/// How the remote work goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// To a good end; where somebody has to wait for it, after some minutes of the sandbox's clock.
    Good,
    /// To a bad one.
    Bad,
    /// The first time it takes minutes, also where its end is the answer.
    Long,
}

impl Circumstance {
    pub(crate) const ALL: [Self; 11] = [
        Self::Succeeds,
        Self::Fails,
        Self::Refused,
        Self::NotTrusted,
        Self::Rotated,
        Self::ThrottledOnce,
        Self::Throttled,
        Self::AnswerLost,
        Self::AnswersLost,
        Self::KilledAtStart,
        Self::KilledAtWork,
    ];

    /// Its name in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Succeeds => "success",
            Self::Fails => "remote failure",
            Self::Refused => "refused",
            Self::NotTrusted => "not trusted",
            Self::Rotated => "rotated",
            Self::ThrottledOnce => "throttled once",
            Self::Throttled => "throttled",
            Self::AnswerLost => "answer lost",
            Self::AnswersLost => "answers lost",
            Self::KilledAtStart => "killed at the start",
            Self::KilledAtWork => "killed at work",
        }
    }

    /// What is done, for the reader.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Succeeds => "nothing is in the way, and the remote work ends well",
            Self::Fails => "the remote work is begun and fails",
            Self::Refused => "the role of account B lacks the permission for the call that begins the work",
            Self::NotTrusted => "the role of account B does not trust the role of account A",
            Self::Rotated => {
                "the password was changed, in the database and in the secret, after the pod was made"
            }
            Self::ThrottledOnce => "the first such call is told to slow down",
            Self::Throttled => "all of them are",
            Self::AnswerLost => "the first call does its work, and the connection breaks before its answer",
            Self::AnswersLost => {
                "so does every call, half a second later, as behind a NAT gateway that forgets connections"
            }
            Self::KilledAtStart => {
                "the work has begun, its answer is still on the way: SIGTERM to the container's process 1, SIGKILL when \
                 the grace period is over; then the pod is started again"
            }
            Self::KilledAtWork => {
                "the same two seconds later, when the answer to the start is there and the work still goes on"
            }
        }
    }

    /// How the remote work goes.
    pub(crate) fn course(self) -> Course {
        match self {
            Self::Fails => Course::Bad,
            Self::KilledAtStart | Self::KilledAtWork => Course::Long,
            Self::Succeeds
            | Self::Refused
            | Self::NotTrusted
            | Self::Rotated
            | Self::ThrottledOnce
            | Self::Throttled
            | Self::AnswerLost
            | Self::AnswersLost => Course::Good,
        }
    }

    /// What spoils the call that begins the work.
    pub(crate) fn fault(self, (service, operation): (&str, &str)) -> Option<Fault> {
        let half = std::time::Duration::from_millis(500);
        let fault = |kind| Fault::new(service, operation, kind);
        match self {
            Self::ThrottledOnce => Some(fault(FaultKind::Throttle)),
            Self::Throttled => Some(fault(FaultKind::Throttle).for_ever()),
            Self::AnswerLost => Some(fault(FaultKind::ResetAfter)),
            Self::AnswersLost => Some(fault(FaultKind::HangThenReset(half)).for_ever()),
            Self::KilledAtStart => Some(fault(FaultKind::HangAfter)),
            Self::Succeeds
            | Self::Fails
            | Self::Refused
            | Self::NotTrusted
            | Self::Rotated
            | Self::KilledAtWork => None,
        }
    }

    /// Whether the container is killed.
    pub(crate) fn kills(self) -> bool {
        matches!(self, Self::KilledAtStart | Self::KilledAtWork)
    }
}
