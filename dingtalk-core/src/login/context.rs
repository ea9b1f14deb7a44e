//! What a login runs in, and its calls: each in its turn, and again only where that is safe.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::app::App;
use super::{Details, Login, SilentCode, SnsCode, WebCode};
use crate::api::{
    Account, Api, CallFailure, Employee, Grant, GrantedUserToken, Membership, SnsCredentials,
    UserDetails,
};
use crate::clock::{Moment, Time};
use crate::error::code::Class;
use crate::error::{Error, Outage, Refusal};
use crate::pace::Pace;
use crate::random::jittered;
use crate::token::AccessToken;

/// What a login runs in: the corp, its token, DingTalk, and a deadline.
pub struct LoginContext<'a> {
    pub(super) app: &'a App,
    pub(super) api: &'a Api,
    pub(super) time: &'a Time,
    pub(super) details: Details,
    pub(super) begun: Moment,
    pub(super) limit: Duration,
    /// The code is as good as it was: its browser may come back with it, or nobody needs to remember it.
    pub(super) is_unspent: &'a AtomicBool,
}

/// How a call is made.
struct Turn<'a> {
    during: &'static str,
    pace: &'a Pace,
    /// The part of the login's time that must be left when it starts.
    keep: Duration,
    /// It changes nothing at DingTalk, so a passing fault is met by trying again.
    may_run_twice: bool,
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
        let turn = Turn {
            during: "getuserinfo",
            pace: &self.app.turns.getuserinfo,
            keep: self.limit / 2,
            may_run_twice: false,
        };
        let exchanged = self
            .call_with_token(&turn, |token| {
                let (api, code) = (self.api.clone(), code.secret().clone());
                async move {
                    is_unspent.store(false, Ordering::Relaxed);
                    let answer = api.fetch_employee(token.secret(), &code).await;
                    is_unspent.store(answer.as_ref().is_err_and(is_untouched), Ordering::Relaxed);
                    answer
                }
            })
            .await;
        exchanged.map_err(unconfirmed)
    }

    /// Trades a code of the sign-in page for its person's token. It is sent again only where the gateway throttled it; the
    /// browser never comes back with it, whatever became of it.
    pub(super) async fn exchange_web(&self, code: &WebCode) -> Result<GrantedUserToken, Error> {
        let is_unspent = self.is_unspent;
        is_unspent.store(true, Ordering::Relaxed);
        let turn = Turn {
            during: "userAccessToken",
            pace: &self.app.turns.user_access_token,
            keep: self.limit / 2,
            may_run_twice: false,
        };
        let exchanged = self
            .call(&turn, &mut 0, || {
                let (api, code) = (self.api.clone(), code.secret().clone());
                let app = &self.app.credentials;
                async move {
                    is_unspent.store(false, Ordering::Relaxed);
                    api.fetch_user_token(app, Grant::Code(&code)).await
                }
            })
            .await;
        exchanged.map_err(|failure| spent(&turn, unconfirmed(failure)))
    }

    /// Trades a code of an older page for its account; by the rules of [`exchange_web`](Self::exchange_web).
    pub(super) async fn exchange_sns(
        &self,
        credentials: &SnsCredentials,
        code: &SnsCode,
    ) -> Result<Account, Error> {
        let is_unspent = self.is_unspent;
        is_unspent.store(true, Ordering::Relaxed);
        let turn = Turn {
            during: "getuserinfo_bycode",
            pace: &self.app.turns.getuserinfo_bycode,
            keep: self.limit / 2,
            may_run_twice: false,
        };
        let exchanged = self
            .call(&turn, &mut 0, || {
                let (api, code) = (self.api.clone(), code.secret().clone());
                async move {
                    is_unspent.store(false, Ordering::Relaxed);
                    api.fetch_sns_account(credentials, &code).await
                }
            })
            .await;
        exchanged.map_err(|failure| spent(&turn, unconfirmed(failure)))
    }

    /// The account behind a user token.
    pub(super) async fn account(&self, token: &GrantedUserToken) -> Result<Account, Error> {
        let turn = Turn {
            during: "users/me",
            pace: &self.app.turns.users_me,
            keep: Duration::ZERO,
            may_run_twice: true,
        };
        let told = self
            .call(&turn, &mut 0, || {
                let (api, token) = (self.api.clone(), token.access.value.clone());
                async move { api.fetch_account(&token).await }
            })
            .await;
        told.map_err(|failure| spent(&turn, failure.error))
    }

    /// The login of an account that must be an employee's.
    pub(super) async fn login_of_member(&self, account: Account) -> Result<Login, Error> {
        let membership = self.membership(&account.union_id).await?;
        if !membership.is_employee {
            return Err(Error::Refused(Refusal::NotAMember));
        }
        let employee = Employee {
            union_id: Some(account.union_id),
            name: account.name,
            ..Employee::new(membership.user_id)
        };
        self.login_of(employee).await
    }

    /// The login of an employee, with details as the handle's setting wants them.
    pub(super) async fn login_of(&self, employee: Employee) -> Result<Login, Error> {
        let details = self.details(&employee.user_id).await?;
        let said = details.as_ref().and_then(UserDetails::union_id);
        if let (Some(said), Some(known)) = (said, &employee.union_id)
            && said != known
        {
            return Err(Error::Unexpected {
                during: "user/get",
                what: "its unionid is another one than that of the code",
                status: 200,
                length: 0,
            });
        }
        Ok(Login::new(employee, details))
    }

    /// A person's details, as the handle's setting wants them.
    pub async fn details(&self, user_id: &str) -> Result<Option<UserDetails>, Error> {
        if self.details == Details::None {
            return Ok(None);
        }
        let turn = Turn {
            during: "user/get",
            pace: &self.app.turns.user_get,
            keep: Duration::ZERO,
            may_run_twice: true,
        };
        let fetched = self
            .call_with_token(&turn, |token| {
                let (api, user_id) = (self.api.clone(), user_id.to_owned());
                async move { api.fetch_user(token.secret(), &user_id).await }
            })
            .await;
        let error = match fetched {
            Ok(details) => return Ok(Some(details)),
            Err(failure) => failure.error,
        };
        // Somebody who is not in the corp, or disabled, is not let in for want of details.
        if self.details == Details::BestEffort && class(&error) != Some(Class::Person) {
            tracing::warn!(corp_id = ?self.app.corp_id, %error, "signed in without details");
            return Ok(None);
        }
        Err(spent(&turn, error))
    }

    async fn membership(&self, union_id: &str) -> Result<Membership, Error> {
        let turn = Turn {
            during: "getbyunionid",
            pace: &self.app.turns.getbyunionid,
            keep: Duration::ZERO,
            may_run_twice: true,
        };
        let told = self
            .call_with_token(&turn, |token| {
                let (api, union_id) = (self.api.clone(), union_id.to_owned());
                async move { api.fetch_membership(token.secret(), &union_id).await }
            })
            .await;
        told.map_err(|failure| match failure.error {
            Error::Rejected(rejected) if NOT_THERE.contains(&&*rejected.code) => {
                Error::Refused(Refusal::NotAMember)
            }
            error => spent(&turn, error),
        })
    }

    /// Makes a call with the app's token: with a fresh one once, if the token is refused.
    async fn call_with_token<T, F>(
        &self,
        turn: &Turn<'_>,
        call: impl Fn(AccessToken) -> F,
    ) -> Result<T, CallFailure>
    where
        F: Future<Output = Result<T, CallFailure>>,
    {
        let (mut is_token_fresh, mut tries) = (false, 0);
        let mut token = self.app.token.get().await?;
        loop {
            let made = self.call(turn, &mut tries, || call(token.clone())).await;
            let failure = match made {
                Ok(output) => return Ok(output),
                Err(failure) => failure,
            };
            if class(&failure.error) != Some(Class::Token) || is_token_fresh {
                return Err(failure);
            }
            self.app.token.reject(&token, &failure.error);
            token = self.app.token.get().await?;
            is_token_fresh = true;
        }
    }

    /// Makes a call in its turn, and again after a throttle or, if it may run twice, after a passing fault.
    async fn call<T, F>(
        &self,
        turn: &Turn<'_>,
        tries: &mut u32,
        call: impl Fn() -> F,
    ) -> Result<T, CallFailure>
    where
        F: Future<Output = Result<T, CallFailure>>,
    {
        loop {
            self.api.check_open(turn.during)?;
            let patience = self.left().saturating_sub(turn.keep);
            turn.pace.turn(turn.during, patience).await?;
            let failure = match call().await {
                Ok(output) => return Ok(output),
                Err(failure) => failure,
            };
            let class = class(&failure.error);
            let is_passing = class == Some(Class::Throttled)
                || turn.may_run_twice
                    && (failure.error.is_retryable() || class == Some(Class::Transient));
            let pause = jittered(LONGEST_PAUSE, 0.5);
            if !is_passing || *tries == MAX_RETRIES || self.left() < turn.keep + pause {
                return Err(failure);
            }
            *tries += 1;
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

/// The error of a code that was sent, if its fate is unknown.
fn unconfirmed(failure: CallFailure) -> Error {
    match failure.error {
        Error::Unavailable { during, source, .. } if failure.may_have_run => {
            Error::CodeUnconfirmed { during, source }
        }
        error => error,
    }
}

/// An error after which nobody may be told that the code stays good.
fn spent(turn: &Turn<'_>, error: Error) -> Error {
    if error.is_retryable() || class(&error) == Some(Class::Throttled) {
        Error::busy(turn.during, error)
    } else {
        error
    }
}

/// Whether a failed exchange left the code as good as it was.
fn is_untouched(failure: &CallFailure) -> bool {
    match &failure.error {
        Error::Rejected(rejected) => matches!(rejected.class(), Class::Throttled | Class::Token),
        Error::Unavailable { reason, .. } => !failure.may_have_run && *reason != Outage::Busy,
        _ => false,
    }
}

fn class(error: &Error) -> Option<Class> {
    match error {
        Error::Rejected(rejected) => Some(rejected.class()),
        _ => None,
    }
}

const MAX_RETRIES: u32 = 2;
/// A throttled call is repeated between one and two seconds later: the gateway counts whole seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// What `getbyunionid` answers for somebody whom the corp does not know.
const NOT_THERE: &[&str] = &["60121", "60111"];
