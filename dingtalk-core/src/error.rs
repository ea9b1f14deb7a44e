//! What can go wrong, cut by what the caller can do about it.

pub mod catalogue;
pub mod code;
pub mod setting;

use std::sync::Arc;
use std::time::Duration;

use catalogue::Advice;
use code::Class;

/// A failure at run time. Cheap to clone: everyone who waited for one call shares its error.
///
/// No text of DingTalk's and no secret is in `Display`, `Debug` or any `source()`.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// DingTalk answered and refused.
    #[error(transparent)]
    Rejected(#[from] Rejected),

    /// DingTalk could not be reached, is busy, or its limit for this app is used up: trying again later may work.
    ///
    /// A one-time code that was part of the call is still good, except for [`Outage::Busy`].
    #[error("{during}: {reason}")]
    #[non_exhaustive]
    Unavailable {
        /// Which call.
        during: &'static str,
        /// What happened.
        reason: Outage,
        /// When to come back, where that is known.
        retry_after: Option<Duration>,
        /// The cause below.
        source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    },

    /// A one-time code was sent and no answer came back: it may be used up, so it is never sent again.
    #[error("{during}: the code was sent and its fate is unknown")]
    #[non_exhaustive]
    CodeUnconfirmed {
        /// Which call.
        during: &'static str,
        /// The cause below.
        source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    },

    /// An answer of DingTalk's that cannot be read or lacks what a login needs.
    #[error("{during}: unexpected answer (status {status}, {length} bytes): {what}")]
    #[non_exhaustive]
    Unexpected {
        /// Which call.
        during: &'static str,
        /// What is wrong with it, in our words.
        what: &'static str,
        /// Its HTTP status.
        status: u16,
        /// Its length in bytes, as far as it was read.
        length: usize,
    },

    /// This person, or this code, does not get in: decided here, not by DingTalk.
    #[error("login refused: {0}")]
    Refused(Refusal),

    /// The app's own code failed: its `on_login` hook, or its function that names the corp of a request.
    #[error("the app's own {during} failed")]
    #[non_exhaustive]
    App {
        /// Which function.
        during: &'static str,
        /// Its error.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },

    /// The app's own claims do not fit into the session.
    #[error("the claim `{claim}` does not fit: all claims together may have {limit} bytes")]
    #[non_exhaustive]
    ClaimTooLarge {
        /// The largest claim's name.
        claim: String,
        /// The limit for names and values together.
        limit: usize,
    },

    /// The store failed.
    #[error("the store failed during {during}")]
    #[non_exhaustive]
    Store {
        /// Which operation.
        during: &'static str,
        /// The store's own error.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },

    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    NoRandomness,
}

/// What DingTalk said, without its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{during}: refused with code {code} (status {status}, request id {}){}",
    request_id.as_deref().unwrap_or("none"),
    missing(required_scopes)
)]
#[non_exhaustive]
pub struct Rejected {
    /// Which call.
    pub during: &'static str,
    /// The effective code: `sub_code` or `errcode` on the old host, `code` on the new one. ASCII, at most 100 characters.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// DingTalk's id of the request, for a support ticket.
    pub request_id: Option<String>,
    /// The permissions DingTalk says are missing.
    pub required_scopes: Vec<String>,
}

fn missing(scopes: &[String]) -> String {
    if scopes.is_empty() {
        return String::new();
    }
    format!(", missing permissions: {}", scopes.join(", "))
}

/// Why DingTalk cannot be used just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Outage {
    /// No connection.
    #[error("no connection")]
    NoConnection,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke before the answer was complete.
    #[error("the connection broke")]
    Broken,
    /// DingTalk says that it is busy, or its gateway failed.
    #[error("DingTalk is busy")]
    Busy,
    /// DingTalk throttles this app.
    #[error("DingTalk throttles this app")]
    Throttled,
    /// DingTalk has blocked this machine's address for some minutes.
    #[error("DingTalk has blocked this address for some minutes")]
    Blocked,
    /// More logins are waiting than DingTalk's calls per second let through in time.
    #[error("too many logins at once for DingTalk's calls per second")]
    Crowded,
}

/// Why somebody does not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The same code came before, from another browser or long ago.
    #[error("the code was used already")]
    CodeUsed,
    /// The account is disabled in its corp.
    #[error("the account is disabled")]
    Disabled,
    /// The app's `on_login` hook said no.
    #[error("the app refused")]
    ByApp,
    /// The account is not an employee of the corp.
    #[error("the account is not an employee of the corp")]
    NotAMember,
    /// The person chose another organisation than the one the login is for.
    #[error("another organisation was chosen")]
    OtherCorp,
    /// DingTalk did not tell the account's union id.
    #[error("DingTalk told no union id: the permission Contact.User.Read may be missing")]
    NoUnionId,
    /// No user token is kept for the session, or DingTalk does not renew it any more.
    #[error("there is no user token for the session")]
    NoUserToken,
    /// The app has no access for that corp: it is not configured.
    #[error("the corp is not configured")]
    UnknownCorp,
}

impl Error {
    /// A failure of the app's own code, such as a [`LoginFlow`](crate::LoginFlow) of yours: answered with 503. `during` names the
    /// function for the log.
    pub fn app(during: &'static str, source: impl Into<crate::store::BoxError>) -> Self {
        Self::App {
            during,
            source: source.into().into(),
        }
    }

    /// Whether the same thing may work later without anybody doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Store { .. } => true,
            Self::Rejected(rejected) => rejected.class() == Class::Transient,
            _ => false,
        }
    }

    /// When to come back, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The catalogue's entry: who must act, and what they can do.
    #[must_use]
    pub fn advice(&self) -> &'static Advice {
        match self {
            Self::Rejected(rejected) => rejected.advice(),
            Self::Unavailable { reason, .. } => match reason {
                Outage::NoConnection | Outage::TimedOut | Outage::Broken => {
                    &catalogue::DINGTALK_UNREACHABLE
                }
                Outage::Busy => &catalogue::DINGTALK_BUSY,
                Outage::Throttled => &catalogue::DINGTALK_THROTTLED,
                Outage::Blocked => &catalogue::DINGTALK_BLOCKED,
                Outage::Crowded => &catalogue::LOGIN_CROWDED,
            },
            Self::CodeUnconfirmed { .. } => &catalogue::CODE_UNCONFIRMED,
            Self::Unexpected { .. } => &catalogue::DINGTALK_UNEXPECTED,
            Self::Refused(refusal) => match refusal {
                Refusal::CodeUsed => &catalogue::CODE_USED,
                Refusal::Disabled => &catalogue::PERSON_DISABLED,
                Refusal::ByApp => &catalogue::REFUSED_BY_APP,
                Refusal::NotAMember => &catalogue::NOT_A_MEMBER,
                Refusal::OtherCorp => &catalogue::CHOSE_OTHER_CORP,
                Refusal::NoUnionId => &catalogue::NO_UNION_ID,
                Refusal::NoUserToken => &catalogue::NO_USER_TOKEN,
                Refusal::UnknownCorp => &catalogue::CORP_UNKNOWN,
            },
            Self::App { .. } => &catalogue::APP_FAILED,
            Self::ClaimTooLarge { .. } => &catalogue::CLAIM_TOO_LARGE,
            Self::Store { .. } => &catalogue::STORE_UNAVAILABLE,
            Self::NoRandomness => &catalogue::APP_FAILED,
        }
    }

    pub(crate) fn store(during: &'static str, source: crate::store::BoxError) -> Self {
        Self::Store {
            during,
            source: source.into(),
        }
    }

    /// A passing fault of a call, without what was to be said of a code.
    pub(crate) fn busy(during: &'static str, cause: Self) -> Self {
        Self::Unavailable {
            during,
            reason: Outage::Busy,
            retry_after: cause.retry_after(),
            source: Some(Arc::new(cause)),
        }
    }

    pub(crate) fn unavailable(during: &'static str, reason: Outage) -> Self {
        Self::Unavailable {
            during,
            reason,
            retry_after: None,
            source: None,
        }
    }
}

impl Rejected {
    /// What the code means for the caller.
    #[must_use]
    pub fn class(&self) -> Class {
        code::meaning(&self.code).0
    }

    /// The catalogue's entry.
    #[must_use]
    pub fn advice(&self) -> &'static Advice {
        code::meaning(&self.code).1
    }

    /// A token that was not accepted, as DingTalk says it.
    pub(crate) fn token(during: &'static str) -> Self {
        Self {
            during,
            code: "40014".to_owned(),
            status: 200,
            request_id: None,
            required_scopes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_that_dingtalk_misses_is_named_in_the_log() {
        let mut rejected = Rejected {
            during: "users/me",
            code: "Forbidden.AccessDenied.AccessTokenPermissionDenied".to_owned(),
            status: 403,
            request_id: None,
            required_scopes: vec![
                "Contact.User.Read".to_owned(),
                "qyapi_get_member".to_owned(),
            ],
        };
        let said = ", missing permissions: Contact.User.Read, qyapi_get_member";
        assert!(rejected.to_string().ends_with(said), "{rejected}");
        rejected.required_scopes.clear();
        assert!(
            rejected.to_string().ends_with("request id none)"),
            "{rejected}"
        );
    }
}
