//! How a one-time code becomes a person.

pub(crate) mod app;
pub(crate) mod exchange;
mod internal_app;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::api::{Api, CallFailure, Employee, UserDetails};
use crate::clock::{Moment, Time};
use crate::error::Error;
use crate::error::code::Class;
use crate::pace::Pace;
use crate::random::jittered;
use crate::secret::Secret;
use crate::token::AccessToken;
use app::App;

pub use internal_app::InternalApp;

/// Turns a one-time code into the person it stands for.
///
/// [`InternalApp`] is one; write your own to replace its exchange. Rules: identify exactly the person that the code was
/// made for, by asking DingTalk or a service of yours that did; send a code at most once; anything unclear is an error.
#[async_trait]
pub trait LoginFlow: fmt::Debug + Send + Sync + 'static {
    /// Trades the code for a person of the context's corp.
    async fn identify(&self, code: LoginCode, context: &LoginContext<'_>) -> Result<Login, Error>;
}

/// A one-time code, of the one kind its flow understands: only the request path makes them, so a code never reaches another
/// flow than its own.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoginCode {
    /// From the client's `requestAuthCode` (免登授权码): five minutes, once.
    Silent(SilentCode),
}

/// A silent-login code (免登授权码).
#[derive(Debug)]
pub struct SilentCode(Secret);

impl SilentCode {
    /// Takes what can be a code; junk costs no call.
    pub(crate) fn parse(code: &[u8]) -> Option<Self> {
        let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.~-".contains(byte);
        if code.is_empty() || code.len() > MAX_CODE || !code.iter().all(is_usual) {
            return None;
        }
        Some(Self(std::str::from_utf8(code).ok()?.into()))
    }

    /// The code, for the one call that spends it.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

/// Who came in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Login {
    /// The person, as the exchange told.
    pub employee: Employee,
    /// What else DingTalk knows, if it was asked.
    pub details: Option<UserDetails>,
}

impl Login {
    /// A person, with details if there are any.
    #[must_use]
    pub fn new(employee: Employee, details: Option<UserDetails>) -> Self {
        Self { employee, details }
    }
}

/// Whether a login asks for a person's details (`user/get`): one more call of DingTalk's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Details {
    /// It asks, and fails without them. The default.
    #[default]
    Required,
    /// It asks, and goes on without them when DingTalk does not answer or the permission is missing: a company-managed account
    /// that its corp disabled is then not noticed.
    BestEffort,
    /// It does not ask: user id, union id and name are all there is, and a company-managed account that its corp disabled is not
    /// noticed.
    None,
}

/// What a login runs in: the corp, its token, DingTalk, and a deadline.
pub struct LoginContext<'a> {
    app: &'a App,
    api: &'a Api,
    time: &'a Time,
    details: Details,
    begun: Moment,
    limit: Duration,
    is_unspent: &'a AtomicBool,
}

impl LoginContext<'_> {
    /// The corp that the login is for.
    #[must_use]
    pub fn corp_id(&self) -> &str {
        &self.app.corp_id
    }

    /// The app's token in that corp.
    pub async fn token(&self) -> Result<AccessToken, Error> {
        self.app.token.get().await
    }

    /// Trades a silent-login code for the employee it stands for.
    ///
    /// The code is sent again only where DingTalk refused before it looked at it: once with a fresh token, and at most twice,
    /// a second or more apart, when the gateway throttles. Half of the login's time is kept for what comes after.
    pub async fn exchange(&self, code: &SilentCode) -> Result<Employee, Error> {
        let is_unspent = self.is_unspent;
        is_unspent.store(true, Ordering::Relaxed);
        let exchanged = self
            .call(
                "getuserinfo",
                &self.app.exchange_pace,
                self.limit / 2,
                false,
                |token| {
                    let (api, code) = (self.api.clone(), code.0.clone());
                    async move {
                        is_unspent.store(false, Ordering::Relaxed);
                        let answer = api.fetch_employee(token.secret(), &code).await;
                        is_unspent
                            .store(answer.as_ref().is_err_and(is_untouched), Ordering::Relaxed);
                        answer
                    }
                },
            )
            .await;
        exchanged.map_err(|failure| match failure.error {
            Error::Unavailable { during, source, .. } if failure.may_have_run => {
                Error::CodeUnconfirmed { during, source }
            }
            error => error,
        })
    }

    /// A person's details, as the handle's setting wants them.
    pub async fn details(&self, user_id: &str) -> Result<Option<UserDetails>, Error> {
        if self.details == Details::None {
            return Ok(None);
        }
        let fetched = self
            .call(
                "user/get",
                &self.app.details_pace,
                Duration::ZERO,
                true,
                |token| {
                    let (api, user_id) = (self.api.clone(), user_id.to_owned());
                    async move { api.fetch_user(token.secret(), &user_id).await }
                },
            )
            .await;
        let error = match fetched {
            Ok(details) => return Ok(Some(details)),
            Err(failure) => failure.error,
        };
        let class = match &error {
            Error::Rejected(rejected) => Some(rejected.class()),
            _ => None,
        };
        // Somebody who is not in the corp, or disabled, is not let in for want of details.
        if self.details == Details::BestEffort && class != Some(Class::Person) {
            tracing::warn!(corp_id = ?self.app.corp_id, %error, "signed in without details");
            return Ok(None);
        }
        // The code is spent by now, so nobody is told that it stays good.
        let is_passing = error.is_retryable() || class == Some(Class::Throttled);
        Err(if is_passing {
            Error::busy("user/get", error)
        } else {
            error
        })
    }

    /// Makes a call in its turn, with a fresh token once if the token is refused, and again after a throttle or, for a call
    /// that may run twice, after a passing fault. `keep` is the part of the login's time that must be left when it starts.
    async fn call<T, F>(
        &self,
        during: &'static str,
        pace: &Pace,
        keep: Duration,
        may_run_twice: bool,
        call: impl Fn(AccessToken) -> F,
    ) -> Result<T, CallFailure>
    where
        F: Future<Output = Result<T, CallFailure>>,
    {
        let mut token = self.app.token.get().await?;
        let (mut is_token_fresh, mut tries) = (false, 0);
        loop {
            self.api.check_open(during)?;
            pace.turn(during, self.left().saturating_sub(keep)).await?;
            let failure = match call(token.clone()).await {
                Ok(output) => return Ok(output),
                Err(failure) => failure,
            };
            let class = match &failure.error {
                Error::Rejected(rejected) => Some(rejected.class()),
                _ => None,
            };
            if class == Some(Class::Token) && !is_token_fresh {
                self.app.token.reject(&token, &failure.error);
                token = self.app.token.get().await?;
                is_token_fresh = true;
                continue;
            }
            let is_passing = class == Some(Class::Throttled)
                || may_run_twice
                    && (failure.error.is_retryable() || class == Some(Class::Transient));
            let pause = jittered(LONGEST_PAUSE, 0.5);
            if !is_passing || tries == MAX_RETRIES || self.left() < keep + pause {
                return Err(failure);
            }
            tries += 1;
            self.time.sleep(pause).await;
        }
    }

    fn left(&self) -> Duration {
        self.limit
            .saturating_sub(self.begun.run(self.time.moment()))
    }
}

impl fmt::Debug for LoginContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginContext")
            .field("corp_id", &self.app.corp_id)
            .finish_non_exhaustive()
    }
}

/// Whether a failed exchange left the code as good as it was.
fn is_untouched(failure: &CallFailure) -> bool {
    match &failure.error {
        Error::Rejected(rejected) => matches!(rejected.class(), Class::Throttled | Class::Token),
        Error::Unavailable { reason, .. } => {
            !failure.may_have_run && *reason != crate::error::Outage::Busy
        }
        _ => false,
    }
}

/// Source: <https://open.dingtalk.com/document/development/jsapi-request-auth-code> shows codes of 32 hex digits; longer ones
/// and the other unreserved characters are left room for.
const MAX_CODE: usize = 512;
const MAX_RETRIES: u32 = 2;
/// A throttled call is repeated between one and two seconds later: the gateway counts whole seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// B4
        #[test]
        fn only_what_can_be_a_code_is_taken(code in proptest::collection::vec(any::<u8>(), 0..600)) {
            let usual = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.~-";
            let is_good = (1..=512).contains(&code.len()) && code.iter().all(|byte| usual.contains(byte));
            prop_assert_eq!(SilentCode::parse(&code).is_some(), is_good);
        }

        /// B4
        #[test]
        fn a_code_of_the_usual_shape_is_taken(code in "[A-Za-z0-9_.~-]{1,512}") {
            prop_assert!(SilentCode::parse(code.as_bytes()).is_some());
        }
    }
}
