//! People's own tokens, kept in the store for calls in their name: sealed, renewed once for all who wait, gone at logout.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::app::App;
use crate::api::{Api, CallFailure, Grant, GrantedUserToken};
use crate::clock::{Moment, Time, Timestamp};
use crate::error::code::Class;
use crate::error::{Error, Outage, Refusal};
use crate::secret::Secret;
use crate::session::seal::{self, Sealer};
use crate::store::once::{Once, Taken};
use crate::store::{BoxError, Entry, Store};
use crate::user::User;

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
    pub(crate) store: Arc<dyn Store>,
    pub(crate) once: Once,
    pub(crate) sealer: Sealer,
    /// How long a renewal may take.
    pub(crate) limit: Duration,
    /// How long a session from the web lives.
    pub(crate) session_life: Duration,
    /// Renewals under way and just over.
    pub(crate) renewals: Mutex<HashMap<(String, u64), Renewal>>,
}

/// A token in the store.
#[derive(Clone)]
struct Kept {
    version: u64,
    record: Record,
}

#[derive(Clone, Serialize, Deserialize)]
struct Record {
    access: String,
    refresh: Option<String>,
    /// Until when the token is used, in milliseconds since the Unix epoch.
    until: u64,
    /// When the session is over.
    over: u64,
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
            version: 1,
            record: self.record(granted, None, self.time.now(), over),
        };
        self.put(&key_of(user), &kept).await.map(|_| ())
    }

    /// The token of a session, renewed if it has to be.
    pub(crate) async fn get(
        self: &Arc<Self>,
        app: &Arc<App>,
        user: &User,
    ) -> Result<UserToken, Error> {
        let key = key_of(user);
        let kept = self.load(&key).await?.ok_or(NONE)?;
        if self.is_fresh(&kept) {
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

    /// Forgets the token of a session; a renewal under way does not bring it back.
    pub(crate) async fn forget(&self, user: &User) -> Result<(), Error> {
        let nothing = Entry {
            version: FORGOTTEN,
            value: Vec::new(),
        };
        let key = key_of(user);
        let forgetting = self.store.put(&key, &nothing, FORGOTTEN_LIFE);
        self.within(forgetting).await.map(|_| ())
    }

    /// The one renewal of a version in this process, in a task of its own: whoever asked may go away.
    fn renewal(self: &Arc<Self>, app: &Arc<App>, key: String, kept: Kept) -> Result<Shared, Error> {
        let now = self.time.moment();
        let mut renewals = self.renewals.lock().unwrap_or_else(PoisonError::into_inner);
        renewals.retain(|_, renewal| renewal.is_under_way() || renewal.begun.run(now) < SHARED_FOR);
        let id = (key, kept.version);
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

    /// Renews a version, or waits for the instance that does; when that one failed and the refresh token is still good, goes on
    /// in its place.
    async fn renew(&self, app: &App, key: &str, kept: &Kept) -> Result<UserToken, Error> {
        let begun = self.time.moment();
        while begun.run(self.time.moment()) < self.limit {
            let lease = format!("{key}:{}", kept.version);
            let life = self.limit + GRACE;
            if let Some(taken) = self.once.take("user token", lease, life).await? {
                return self.renew_alone(app, key, kept, taken).await;
            }
            self.time.sleep(LOOK_EVERY).await;
            let there = self.load(key).await?.ok_or(NONE)?;
            if there.version > kept.version {
                return Ok(there.token());
            }
        }
        Err(Error::unavailable("user token", Outage::TimedOut))
    }

    async fn renew_alone(
        &self,
        app: &App,
        key: &str,
        kept: &Kept,
        taken: Taken,
    ) -> Result<UserToken, Error> {
        // Whoever had the lease before may have been done by the time we took it.
        let there = self.load(key).await?.ok_or(NONE)?;
        if there.version > kept.version {
            return Ok(there.token());
        }
        let renewed = self.fetch(app, &kept.record).await;
        let record = match renewed {
            Ok(record) => record,
            Err(failure) => {
                let Some(error) = self.lost(key, kept, &failure).await else {
                    return Err(NONE);
                };
                if !failure.may_have_run && !self.once.give_back(taken).await {
                    tracing::warn!(
                        "the store did not take a lease back: a user token waits for its end"
                    );
                }
                return Err(error);
            }
        };
        let renewed = Kept {
            version: kept.version + 1,
            record,
        };
        // The old refresh token is dead: losing the new one signs the person out of DingTalk's calls.
        for _ in 0..STORE_TRIES {
            match self.put(key, &renewed).await {
                Ok(true) => return Ok(renewed.token()),
                // Forgotten meanwhile.
                Ok(false) => return Err(NONE),
                Err(error) => tracing::warn!(%error, "a renewed user token is not stored yet"),
            }
        }
        Ok(renewed.token())
    }

    /// A refresh token works once, so this is never repeated.
    async fn fetch(&self, app: &App, record: &Record) -> Result<Record, CallFailure> {
        let refresh = record.refresh.as_deref().ok_or(NONE)?;
        let refresh = Secret::new(refresh);
        let turns = &app.turns.user_access_token;
        turns.turn("userAccessToken", self.limit / 2).await?;
        let begun = self.time.now();
        let granted = self
            .api
            .fetch_user_token(&app.credentials, Grant::Refresh(&refresh))
            .await?;
        Ok(self.record(granted, record.refresh.clone(), begun, record.over))
    }

    /// What a failed renewal means: nothing is left where DingTalk does not know the refresh token any more.
    async fn lost(&self, key: &str, kept: &Kept, failure: &CallFailure) -> Option<Error> {
        let is_dead = match &failure.error {
            Error::Rejected(rejected) => rejected.class() == Class::Code,
            Error::Refused(Refusal::NoUserToken) => true,
            _ => false,
        };
        if !is_dead {
            return Some(failure.error.clone());
        }
        let nothing = Entry {
            version: kept.version + 1,
            value: Vec::new(),
        };
        let life = self.left(&kept.record);
        if let Err(error) = self.within(self.store.put(key, &nothing, life)).await {
            tracing::warn!(%error, "a dead user token is still in the store");
        }
        None
    }

    async fn load(&self, key: &str) -> Result<Option<Kept>, Error> {
        let Some(entry) = self.within(self.store.get(key)).await? else {
            return Ok(None);
        };
        let Some(opened) = self.sealer.open(&entry.value) else {
            return Ok(None);
        };
        let text = Zeroizing::new(opened.text);
        // A value moved to another key is nobody's.
        let record = text
            .split_once('\n')
            .filter(|(bound, _)| *bound == key)
            .and_then(|(_, record)| serde_json::from_str(record).ok());
        Ok(record.map(|record| Kept {
            version: entry.version,
            record,
        }))
    }

    async fn put(&self, key: &str, kept: &Kept) -> Result<bool, Error> {
        let record = serde_json::to_string(&kept.record)
            .map_err(|error| Error::store("user token", error.into()))?;
        let text = Zeroizing::new(format!("{key}\n{record}"));
        if text.len() > seal::room_in(seal::MAX_SEALED) {
            return Err(Error::Unexpected {
                during: "userAccessToken",
                what: "its tokens are too long to be kept",
                status: 200,
                length: text.len(),
            });
        }
        let entry = Entry {
            version: kept.version,
            value: self.sealer.seal(&text)?.into_bytes(),
        };
        let life = self.left(&kept.record);
        self.within(self.store.put(key, &entry, life)).await
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, BoxError>>) -> Result<T, Error> {
        self.time
            .within(STORE_LIMIT, work)
            .await
            .unwrap_or_else(|| Err("no answer in time".into()))
            .map_err(|error| Error::store("user token", error))
    }

    fn record(
        &self,
        granted: GrantedUserToken,
        old_refresh: Option<String>,
        begun: Timestamp,
        over: u64,
    ) -> Record {
        let life = granted.access.lifetime;
        let usable = life.saturating_sub(MARGIN.min(life / 4));
        Record {
            access: granted.access.value.expose().to_owned(),
            refresh: granted
                .refresh
                .map(|refresh| refresh.expose().to_owned())
                .or(old_refresh),
            until: begun.after(usable).0,
            over,
        }
    }

    fn is_fresh(&self, kept: &Kept) -> bool {
        self.time.now() < Timestamp(kept.record.until)
    }

    /// How long its session still lives.
    fn left(&self, record: &Record) -> Duration {
        Timestamp(record.over)
            .since(self.time.now())
            .max(Duration::from_secs(1))
    }
}

impl Kept {
    fn token(&self) -> UserToken {
        UserToken(Secret::new(&*self.record.access))
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

/// Whoever reads the store learns no session's id.
fn key_of(user: &User) -> String {
    let hash = Sha256::digest(user.session_id());
    format!("user-token:{}", URL_SAFE_NO_PAD.encode_to_string(hash))
}

const NONE: Error = Error::Refused(Refusal::NoUserToken);
/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_secs(60);
/// A renewal that failed is not tried again by everybody at once.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// What a lease outlives its renewal by.
const GRACE: Duration = Duration::from_secs(2);
/// Higher than any version that renewals reach, and small enough for stores that count in floating point.
const FORGOTTEN: u64 = 1 << 52;
/// Longer than any renewal that could still come.
const FORGOTTEN_LIFE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const STORE_LIMIT: Duration = Duration::from_secs(1);
const STORE_TRIES: usize = 3;
const MAX_RENEWALS: usize = 10_000;
