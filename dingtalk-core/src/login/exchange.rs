//! One exchange per code, in a task of its own, whoever asks and however often.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::app::App;
use super::user_token::UserTokens;
use super::{Details, Login, LoginCode, LoginContext, other_kind};
use crate::api::{Api, Person, UserDetails};
use crate::clock::{Moment, Time};
use crate::error::{Error, Outage, Refusal};
use crate::session::Sessions;
use crate::store::BoxError;
use crate::store::once::Once;
use crate::user::{Claims, Profile, User};

/// Somebody who is about to be let in, as the app's `on_login` hook sees them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewLogin {
    /// The app's key.
    pub app_key: String,
    /// The corp.
    pub corp_id: String,
    /// The person, as the exchange told.
    pub person: Person,
    /// Everything DingTalk knows, if it was asked.
    pub details: Option<UserDetails>,
}

/// Why an `on_login` hook does not let somebody in.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoginDenied {
    /// The person may not use this app: answered with 403.
    Refused,
    /// The hook itself failed: answered with 503. Every error becomes this one by `?`.
    Failed(BoxError),
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for LoginDenied {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}

pub(crate) type OnLogin =
    dyn Fn(NewLogin) -> BoxFuture<'static, Result<Claims, LoginDenied>> + Send + Sync;

/// The logins of one handle.
pub(crate) struct Logins {
    pub(crate) time: Time,
    pub(crate) api: Api,
    pub(crate) once: Once,
    /// Where an app keeps its people's tokens.
    pub(crate) user_tokens: Option<Arc<UserTokens>>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) details: Details,
    pub(crate) limit: Duration,
    pub(crate) on_login: Option<Box<OnLogin>>,
    /// Exchanges under way and just over, by the code's hash.
    pub(crate) recent: Mutex<HashMap<CodeHash, Recent>>,
}

/// A session, made.
#[derive(Clone, Debug)]
pub(crate) struct Minted {
    pub(crate) user: User,
    pub(crate) cookie: String,
}

/// What a browser sends to sign in.
pub(crate) struct Attempt {
    pub(crate) app: Arc<App>,
    pub(crate) code: LoginCode,
    /// The mark of the browser that began the login, if it has one.
    pub(crate) browser: Option<String>,
    /// Sessions that the browser still had: they end when this login succeeds.
    pub(crate) replaced: Vec<User>,
}

/// An exchange under way or just over.
pub(crate) struct Recent {
    browser: Option<String>,
    begun: Moment,
    result: Shared,
}

type Shared = watch::Receiver<Option<Result<Minted, Error>>>;
type CodeHash = [u8; 32];

impl Logins {
    /// Trades a code for a session. A repeat from the same browser within ten seconds shares the result; any other repeat is
    /// refused without a call.
    pub(crate) async fn run(self: &Arc<Self>, attempt: Attempt) -> Result<Minted, Error> {
        let mut result = self.begin(attempt)?;
        let shared = result
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|shared| shared.clone());
        // Without a result its task is gone: with its runtime, or with a hook that panicked.
        shared.unwrap_or(Err(CODE_UNCONFIRMED))
    }

    fn begin(self: &Arc<Self>, attempt: Attempt) -> Result<Shared, Error> {
        let now = self.time.moment();
        let hash = code_hash(&attempt);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, login| login.is_under_way() || login.begun.run(now) < SHARED_FOR);
        if let Some(twin) = recent.get(&hash) {
            return if twin.browser.is_some() && twin.browser == attempt.browser {
                Ok(twin.result.clone())
            } else {
                Err(Error::Refused(Refusal::CodeUsed))
            };
        }
        let runtime = Handle::try_current()
            .ok()
            .filter(|_| recent.len() < MAX_RECENT);
        let runtime = runtime.ok_or_else(|| Error::unavailable("login", Outage::Crowded))?;
        let (send, result) = watch::channel(None);
        recent.insert(
            hash,
            Recent {
                browser: attempt.browser.clone(),
                begun: now,
                result: result.clone(),
            },
        );
        let logins = Arc::clone(self);
        runtime.spawn(async move {
            let minted = logins.exchange(attempt, &hash, now).await;
            send.send_replace(Some(minted));
        });
        Ok(result)
    }

    async fn exchange(
        &self,
        attempt: Attempt,
        hash: &CodeHash,
        begun: Moment,
    ) -> Result<Minted, Error> {
        let Attempt {
            app,
            code,
            replaced,
            ..
        } = attempt;
        let flow = app.flow_of(&code).ok_or_else(other_kind)?;
        let is_from_web = !matches!(code, LoginCode::Silent(_));
        let key = claim_key(hash);
        let taken = match self.once.take("login", key, CODE_LIFE).await {
            Ok(Some(taken)) => taken,
            Ok(None) => return Err(Error::Refused(Refusal::CodeUsed)),
            Err(error) => {
                self.forget(hash);
                return Err(error);
            }
        };
        let is_unspent = AtomicBool::new(false);
        let context = LoginContext {
            app: &app,
            api: &self.api,
            time: &self.time,
            details: self.details,
            begun,
            limit: self.limit,
            is_unspent: &is_unspent,
        };
        let identify = flow.identify(code, &context);
        let identified = self.time.within(self.left(begun), identify).await;
        let is_unspent = is_unspent.load(Ordering::Relaxed);
        let minted = match identified {
            Some(Ok(login)) => {
                let admitted = self.admit(&app, login, is_from_web, &replaced, begun);
                admitted.await
            }
            Some(Err(error)) => Err(error),
            None if is_unspent => Err(Error::unavailable("login", Outage::TimedOut)),
            None => Err(CODE_UNCONFIRMED),
        };
        if minted.is_err() && is_unspent {
            if !self.once.give_back(taken).await {
                tracing::warn!("the store did not take a code back: its browser needs a new one");
            }
            self.forget(hash);
        }
        minted
    }

    /// Ends a session everywhere, with what is kept for it.
    pub(crate) async fn end(&self, user: &User) -> Result<(), Error> {
        self.sessions.revoke(user).await?;
        match &self.user_tokens {
            Some(tokens) if user.is_from_web() => tokens.forget(user).await,
            _ => Ok(()),
        }
    }

    /// Asks the app, makes the session and ends the ones it replaces.
    async fn admit(
        &self,
        app: &App,
        login: Login,
        is_from_web: bool,
        replaced: &[User],
        begun: Moment,
    ) -> Result<Minted, Error> {
        let Login {
            person,
            details,
            user_token,
        } = login;
        if !person.is_usable() {
            return Err(Error::app(
                "login flow",
                "it gave a user id or union id that cannot be DingTalk's",
            ));
        }
        if details.as_ref().is_some_and(UserDetails::is_disabled) {
            return Err(Error::Refused(Refusal::Disabled));
        }
        let claims = match &self.on_login {
            None => Claims::new(),
            Some(on_login) => {
                let login = NewLogin {
                    app_key: app.app_key.to_string(),
                    corp_id: app.corp_id.to_string(),
                    person: person.clone(),
                    details: details.clone(),
                };
                self.ask(on_login, login, begun).await?
            }
        };
        let profile = Profile {
            is_from_web,
            ..Profile::new(
                &app.app_key,
                &app.corp_id,
                &person,
                details.as_ref(),
                claims,
            )
        };
        let (user, cookie) = self.sessions.mint(profile).await?;
        for old in replaced {
            self.end(old).await?;
        }
        if let (Some(tokens), Some(granted)) = (&self.user_tokens, user_token) {
            tokens.keep(&user, granted).await?;
        }
        Ok(Minted { user, cookie })
    }

    /// Runs the app's hook in what is left of the login's time; whatever becomes of it is told as the app's own failure.
    async fn ask(
        &self,
        on_login: &OnLogin,
        login: NewLogin,
        begun: Moment,
    ) -> Result<Claims, Error> {
        let failed = |source: BoxError| Error::app("on_login hook", source);
        let hook = AssertUnwindSafe(async { on_login(login).await }).catch_unwind();
        match self.time.within(self.left(begun), hook).await {
            Some(Ok(Ok(claims))) => Ok(claims),
            Some(Ok(Err(LoginDenied::Refused))) => Err(Error::Refused(Refusal::ByApp)),
            Some(Ok(Err(LoginDenied::Failed(source)))) => Err(failed(source)),
            Some(Err(_)) => Err(failed("it panicked".into())),
            None => Err(failed("it did not answer within the login's limit".into())),
        }
    }

    fn left(&self, begun: Moment) -> Duration {
        self.limit.saturating_sub(begun.run(self.time.moment()))
    }

    fn forget(&self, hash: &CodeHash) {
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(hash);
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}

impl Recent {
    fn is_under_way(&self) -> bool {
        self.result.borrow().is_none() && self.result.has_changed().is_ok()
    }
}

/// Codes are never kept, not even in memory: their hash is enough to know one again.
fn code_hash(attempt: &Attempt) -> CodeHash {
    let mut hash = Sha256::new();
    hash.update(attempt.app.app_key.as_bytes());
    let (kind, code) = attempt.code.parts();
    for part in ["\0", kind, "\0", code.expose()] {
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

fn claim_key(hash: &CodeHash) -> String {
    let hex = hash.iter().map(|byte| format!("{byte:02x}"));
    std::iter::once("code:".to_owned()).chain(hex).collect()
}

const CODE_UNCONFIRMED: Error = Error::CodeUnconfirmed {
    during: "login",
    source: None,
};
/// Codes live five minutes; twice that forgives clocks.
const CODE_LIFE: Duration = Duration::from_secs(600);
/// How long a repeat from the same browser shares the result.
const SHARED_FOR: Duration = Duration::from_secs(10);
const MAX_RECENT: usize = 10_000;
