//! What the store has of people's own tokens: sealed, bound to its key, and in an order in which nothing outdated wins.

use std::sync::Arc;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::UserToken;
use crate::api::GrantedUserToken;
use crate::clock::{Time, Timestamp};
use crate::error::Error;
use crate::secret::Secret;
use crate::session::seal::{self, Sealer};
use crate::store::{BoxError, Entry, Store};
use crate::user::User;

/// The tokens in a store.
pub(crate) struct KeptTokens {
    pub(crate) time: Time,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealer: Sealer,
}

/// A pair of tokens in the store.
#[derive(Clone)]
pub(super) struct Kept {
    /// How often it was renewed. Each renewal has a refresh token of its own.
    pub(super) generation: u64,
    /// DingTalk does not take its access token any more.
    pub(super) is_rejected: bool,
    pub(super) record: Record,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    access: String,
    pub(super) refresh: Option<String>,
    /// Until when the token is used, in milliseconds since the Unix epoch.
    until: u64,
    /// When the session is over.
    pub(super) over: u64,
}

impl KeptTokens {
    pub(super) async fn load(&self, key: &str) -> Result<Option<Kept>, Error> {
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
            generation: entry.version / STATES,
            is_rejected: entry.version % STATES == REJECTED,
            record,
        }))
    }

    /// Puts a pair there, unless something newer is; says whether it did.
    pub(super) async fn put(&self, key: &str, kept: &Kept) -> Result<bool, Error> {
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
        let state = if kept.is_rejected { REJECTED } else { FRESH };
        let entry = Entry {
            version: kept.generation * STATES + state,
            value: self.sealer.seal(&text)?.into_bytes(),
        };
        let life = self.left(&kept.record);
        self.within(self.store.put(key, &entry, life)).await
    }

    /// Leaves nothing of a pair whose refresh token DingTalk does not know, unless something newer is there; says whether it did.
    pub(super) async fn bury(&self, key: &str, kept: &Kept) -> Result<bool, Error> {
        let nothing = Entry {
            version: kept.generation * STATES + DEAD,
            value: Vec::new(),
        };
        let life = self.left(&kept.record);
        self.within(self.store.put(key, &nothing, life)).await
    }

    /// Leaves nothing, whatever is there and whatever comes within `life`.
    pub(super) async fn forget(&self, key: &str, life: Duration) -> Result<(), Error> {
        let nothing = Entry {
            version: FORGOTTEN,
            value: Vec::new(),
        };
        let forgetting = self.store.put(key, &nothing, life);
        self.within(forgetting).await.map(|_| ())
    }

    pub(super) fn is_fresh(&self, kept: &Kept) -> bool {
        !kept.is_rejected && self.time.now() < Timestamp(kept.record.until)
    }

    /// How long its session still lives.
    fn left(&self, record: &Record) -> Duration {
        Timestamp(record.over)
            .since(self.time.now())
            .max(Duration::from_secs(1))
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, BoxError>>) -> Result<T, Error> {
        self.time
            .within(STORE_LIMIT, work)
            .await
            .unwrap_or_else(|| Err("no answer in time".into()))
            .map_err(|error| Error::store("user token", error))
    }
}

impl Kept {
    pub(super) fn token(&self) -> UserToken {
        UserToken(Secret::new(&*self.record.access))
    }
}

impl Record {
    /// What was asked for at `begun`, for a session that is over at `over`.
    pub(super) fn new(
        granted: GrantedUserToken,
        old_refresh: Option<String>,
        begun: Timestamp,
        over: u64,
    ) -> Self {
        let life = granted.access.lifetime;
        let usable = life.saturating_sub(MARGIN.min(life / 4));
        Self {
            access: granted.access.value.expose().to_owned(),
            refresh: granted
                .refresh
                .map(|refresh| refresh.expose().to_owned())
                .or(old_refresh),
            until: begun.after(usable).0,
            over,
        }
    }
}

/// Whoever reads the store learns no session's id.
pub(super) fn key_of(user: &User) -> String {
    let hash = Sha256::digest(user.session_id());
    format!("user-token:{}", URL_SAFE_NO_PAD.encode_to_string(hash))
}

/// A version is a generation and its state: a rejection beats its own pair only, the end of a refresh token that too, and the next
/// pair beats both.
const STATES: u64 = 3;
const FRESH: u64 = 0;
const REJECTED: u64 = 1;
const DEAD: u64 = 2;
/// Higher than any version that renewals reach, and small enough for stores that count in floating point.
const FORGOTTEN: u64 = 1 << 52;
/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_secs(60);
pub(super) const STORE_LIMIT: Duration = Duration::from_secs(1);
