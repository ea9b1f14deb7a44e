//! People's own tokens, kept in the store for calls in their name: sealed, renewed once for all who wait, gone at logout.

pub(crate) mod kept;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::app::App;
use crate::api::{Api, CallFailure, Grant, GrantedUserToken};
use crate::clock::{Moment, Time};
use crate::error::code::Class;
use crate::error::{Error, Outage, Refusal};
use crate::secret::Secret;
use crate::store::once::Once;
use crate::user::User;
use kept::{Kept, KeptTokens, Record, STORE_LIMIT, key_of};

/// A person's own token, for DingTalk's calls in their name: the header `x-acs-dingtalk-access-token` on the new host.
#[derive(Clone)]
pub struct UserToken(Secret);

impl UserToken {
    /// The token.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

/// The user tokens of one handle.
pub(crate) struct UserTokens {
    pub(crate) time: Time,
    pub(crate) api: Api,
    pub(crate) kept: KeptTokens,
    pub(crate) once: Once,
    /// How long whoever waits for a renewal elsewhere does so. A renewal here that cannot be sent within half of it is not sent.
    pub(crate) limit: Duration,
    /// How long a session from the web lives.
    pub(crate) session_life: Duration,
    /// Renewals under way and just over, by key and generation.
    pub(crate) renewals: Mutex<HashMap<(String, u64), Renewal>>,
}

pub(crate) struct Renewal {
    begun: Moment,
    result: Shared,
}

type Shared = watch::Receiver<Option<Result<UserToken, Error>>>;

impl UserTokens {
    /// Keeps the token that came with a new session.
    pub(crate) async fn keep(&self, user: &User, granted: GrantedUserToken) -> Result<(), Error> {
        let over = user.issued().after(self.session_life).0;
        let kept = Kept {
            generation: 0,
            is_rejected: false,
            record: Record::new(granted, None, self.time.now(), over),
        };
        self.kept.put(&key_of(user), &kept).await.map(|_| ())
    }

    /// The token of a session, renewed if it has to be.
    pub(crate) async fn get(
        self: &Arc<Self>,
        app: &Arc<App>,
        user: &User,
    ) -> Result<UserToken, Error> {
        let key = key_of(user);
        let kept = self.kept.load(&key).await?.ok_or(NONE)?;
        if self.kept.is_fresh(&kept) {
            return Ok(kept.token());
        }
        let mut result = self.renewal(app, key, kept)?;
        let shared = result
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|shared| shared.clone());
        // Without a result its task is gone, with its runtime.
        shared.unwrap_or_else(|| Err(Error::unavailable("user token", Outage::Broken)))
    }

    /// Hands a token out no more, if it is still the one that is kept.
    pub(crate) async fn reject(&self, user: &User, token: &UserToken) -> Result<(), Error> {
        let key = key_of(user);
        let kept = self.kept.load(&key).await?;
        let Some(kept) = kept.filter(|kept| kept.token().0.matches(&token.0)) else {
            return Ok(());
        };
        let rejected = Kept {
            is_rejected: true,
            ..kept
        };
        self.kept.put(&key, &rejected).await.map(|_| ())
    }

    /// Forgets the token of a session; a renewal under way does not bring it back.
    pub(crate) async fn forget(&self, user: &User) -> Result<(), Error> {
        let life = FORGOTTEN_LIFE.max(self.limit + self.lease_life());
        self.kept.forget(&key_of(user), life).await
    }

    /// The one renewal of a generation in this process, in a task of its own: whoever asked may go away.
    fn renewal(self: &Arc<Self>, app: &Arc<App>, key: String, kept: Kept) -> Result<Shared, Error> {
        let now = self.time.moment();
        let mut renewals = self.renewals.lock().unwrap_or_else(PoisonError::into_inner);
        renewals.retain(|_, renewal| renewal.is_under_way() || renewal.begun.run(now) < SHARED_FOR);
        let id = (key, kept.generation);
        if let Some(renewal) = renewals.get(&id) {
            return Ok(renewal.result.clone());
        }
        let runtime = Handle::try_current()
            .ok()
            .filter(|_| renewals.len() < MAX_RENEWALS)
            .ok_or_else(|| Error::unavailable("user token", Outage::Crowded))?;
        let (send, result) = watch::channel(None);
        let renewal = Renewal {
            begun: now,
            result: result.clone(),
        };
        renewals.insert(id.clone(), renewal);
        let (this, app) = (Arc::clone(self), Arc::clone(app));
        runtime.spawn(async move {
            let renewed = this.renew(&app, &id.0, &kept).await;
            // The store has it now; only a failure is remembered here.
            if renewed.is_ok() {
                let mut renewals = this.renewals.lock().unwrap_or_else(PoisonError::into_inner);
                renewals.remove(&id);
            }
            send.send_replace(Some(renewed));
        });
        Ok(result)
    }

    /// Renews a generation, or waits for the instance that does; when that one failed and the refresh token is still good, goes
    /// on in its place.
    async fn renew(&self, app: &App, key: &str, kept: &Kept) -> Result<UserToken, Error> {
        let begun = self.time.moment();
        loop {
            let now = self.time.moment();
            if begun.run(now) >= self.limit {
                return Err(Error::unavailable("user token", Outage::TimedOut));
            }
            let lease = format!("{key}:{}", kept.generation);
            let taking = self.once.take("user token", lease, self.lease_life());
            if let Some(lease) = taking.await? {
                // Whoever had the lease before may have been done by the time we took it.
                let there = self.kept.load(key).await?.ok_or(NONE)?;
                if there.generation > kept.generation {
                    return Ok(there.token());
                }
                return match self.fetch(app, &kept.record, now).await {
                    Ok(record) => self.renewed(key, kept, record).await,
                    Err(failure) if is_dead(&failure.error) => self.dead(key, kept).await,
                    Err(failure) => {
                        if !failure.may_have_run && !self.once.give_back(lease).await {
                            tracing::warn!(
                                "the store did not take a lease back: a user token waits for its end"
                            );
                        }
                        Err(failure.error)
                    }
                };
            }
            self.time.sleep(LOOK_EVERY).await;
            let there = self.kept.load(key).await?.ok_or(NONE)?;
            if there.generation > kept.generation {
                return Ok(there.token());
            }
        }
    }

    /// A refresh token works once, so this is never repeated.
    async fn fetch(
        &self,
        app: &App,
        record: &Record,
        leased: Moment,
    ) -> Result<Record, CallFailure> {
        let refresh = record.refresh.as_deref().ok_or(NONE)?;
        let refresh = Secret::new(refresh);
        let patience = (self.limit / 2).saturating_sub(leased.age(self.time.moment()));
        let turns = &app.turns;
        turns
            .user_token_renewal
            .turn_here_or(&turns.user_access_token, "userAccessToken", patience)
            .await?;
        // The lease is over before a call that begins later is: another instance may be making it.
        if leased.age(self.time.moment()) > self.limit / 2 + LATE {
            return Err(CallFailure {
                error: Error::unavailable("userAccessToken", Outage::TimedOut),
                may_have_run: true,
            });
        }
        let begun = self.time.now();
        let granted = self
            .api
            .fetch_user_token(&app.credentials, Grant::Refresh(&refresh))
            .await?;
        Ok(Record::new(
            granted,
            record.refresh.clone(),
            begun,
            record.over,
        ))
    }

    async fn renewed(&self, key: &str, old: &Kept, record: Record) -> Result<UserToken, Error> {
        let renewed = Kept {
            generation: old.generation + 1,
            is_rejected: false,
            record,
        };
        // The old refresh token is dead: losing the new one signs the person out of DingTalk's calls.
        for _ in 0..STORE_TRIES {
            match self.kept.put(key, &renewed).await {
                Ok(true) => return Ok(renewed.token()),
                // Forgotten meanwhile, or an earlier try arrived after all.
                Ok(false) => return self.newest(key).await,
                Err(error) => tracing::warn!(%error, "a renewed user token is not stored yet"),
            }
        }
        Ok(renewed.token())
    }

    async fn dead(&self, key: &str, kept: &Kept) -> Result<UserToken, Error> {
        match self.kept.bury(key, kept).await {
            Ok(true) => Err(NONE),
            // Another instance was faster than its lease lasted.
            Ok(false) => self.newest(key).await,
            Err(error) => {
                tracing::warn!(%error, "a dead user token is still in the store");
                Err(NONE)
            }
        }
    }

    async fn newest(&self, key: &str) -> Result<UserToken, Error> {
        let there = self.kept.load(key).await?.ok_or(NONE)?;
        Ok(there.token())
    }

    /// Longer than a renewal takes: until its call, for its call, for its result's way into the store.
    fn lease_life(&self) -> Duration {
        self.limit / 2 + LATE + self.api.attempt_limit() + STORE_TRIES * STORE_LIMIT + LATE
    }
}

impl Renewal {
    fn is_under_way(&self) -> bool {
        self.result.borrow().is_none() && self.result.has_changed().is_ok()
    }
}

impl fmt::Debug for UserToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserToken").finish_non_exhaustive()
    }
}

impl fmt::Debug for UserTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserTokens").finish_non_exhaustive()
    }
}

/// Whether DingTalk does not know the refresh token any more, or never gave one.
fn is_dead(error: &Error) -> bool {
    match error {
        Error::Rejected(rejected) => rejected.class() == Class::Code,
        error => matches!(error, Error::Refused(Refusal::NoUserToken)),
    }
}

const NONE: Error = Error::Refused(Refusal::NoUserToken);
/// A renewal that failed is not tried again by everybody at once.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// By how much a busy machine may be late.
const LATE: Duration = Duration::from_secs(1);
/// At least as long as any renewal that could still come.
const FORGOTTEN_LIFE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const STORE_TRIES: u32 = 3;
const MAX_RENEWALS: usize = 10_000;
