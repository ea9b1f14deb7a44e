//! What must outlive a request and, with several instances, be seen by all of them.

pub(crate) mod once;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{Clock, Moment, SystemClock, Time};

/// Any error, as a store reports it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A small shared memory over bytes, every entry with a time to live.
///
/// Rules for an implementation, each held by one case of the contract list in this repository's `tests/`:
/// 1. An entry is gone when its time to live has passed, never before; a store that is full says so by an error and
///    never drops a living entry to make room.
/// 2. `add` and `put` decide atomically: of any number of callers at once, exactly one wins.
/// 3. A log keeps the order in which entries were appended and loses none that still lives; a reader that is told a new
///    position has seen all before it. If entries were lost all the same, `since` says so by [`Tail::gap`].
/// 4. No call waits without bound: an operation that takes longer than about 250 ms ends in an error.
/// 5. Keys and log names are ASCII, at most 128 bytes; values at most 64 KiB.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The living entry under a key.
    async fn get(&self, key: &str) -> Result<Option<Entry>, BoxError>;

    /// Stores `value` with version 0 if no living entry is there; says whether it did.
    async fn add(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, BoxError>;

    /// Stores an entry if none lives there or its version is higher than the one there; says whether it did.
    async fn put(&self, key: &str, entry: &Entry, ttl: Duration) -> Result<bool, BoxError>;

    /// Adds an entry to the end of a log.
    async fn append(&self, log: &str, entry: &[u8], ttl: Duration) -> Result<(), BoxError>;

    /// The living entries of a log behind a position; position 0 is before the first.
    async fn since(&self, log: &str, position: u64) -> Result<Tail, BoxError>;
}

/// A value and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The higher version wins.
    pub version: u64,
    /// The bytes.
    pub value: Vec<u8>,
}

/// What [`Store::since`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The entries, oldest first.
    pub entries: Vec<Vec<u8>>,
    /// Where to go on from next time.
    pub position: u64,
    /// Living entries behind the given position are missing: whoever relies on them must assume the worst.
    pub gap: bool,
}

/// A [`Store`] in this process's memory: the default, right for one instance.
///
/// A restart forgets it all: also which sessions were logged out or revoked, so a copied cookie of such a session is good again
/// until its idle or absolute limit. Where that matters, use a store that outlives the process, or give out a new session key.
///
/// Bounded: at most [`MemoryStore::MAX_ENTRIES`] living entries, and as many in all logs together. Beyond that, writes fail.
pub struct MemoryStore {
    time: Time,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<String, (Entry, Life)>,
    logs: HashMap<String, Log>,
    logged: usize,
}

#[derive(Default)]
struct Log {
    end: u64,
    entries: VecDeque<(u64, Vec<u8>, Life)>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    born: Moment,
    ttl: Duration,
}

impl Life {
    fn is_over(self, now: Moment) -> bool {
        // A wall clock set forward must not make a used code look unused: only time that really ran counts.
        self.born.run(now) >= self.ttl
    }
}

impl MemoryStore {
    /// How many living entries it holds at most.
    pub const MAX_ENTRIES: usize = 100_000;

    /// An empty store on the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    /// An empty store on a clock of yours.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            time: Time::new(clock),
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Without what is in it.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("entries", &self.lock().entries.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, BoxError> {
        let now = self.time.moment();
        Ok(self.lock().living(key, now).cloned())
    }

    async fn add(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, BoxError> {
        let now = self.time.moment();
        let mut inner = self.lock();
        if inner.living(key, now).is_some() {
            return Ok(false);
        }
        let entry = Entry {
            version: 0,
            value: value.to_vec(),
        };
        inner.insert(key, entry, Life { born: now, ttl })?;
        Ok(true)
    }

    async fn put(&self, key: &str, entry: &Entry, ttl: Duration) -> Result<bool, BoxError> {
        let now = self.time.moment();
        let mut inner = self.lock();
        if inner
            .living(key, now)
            .is_some_and(|there| there.version >= entry.version)
        {
            return Ok(false);
        }
        inner.insert(key, entry.clone(), Life { born: now, ttl })?;
        Ok(true)
    }

    async fn append(&self, log: &str, entry: &[u8], ttl: Duration) -> Result<(), BoxError> {
        let born = self.time.moment();
        let mut inner = self.lock();
        if inner.logged >= Self::MAX_ENTRIES {
            inner.sweep_logs(born);
        }
        if inner.logged >= Self::MAX_ENTRIES {
            return Err("the memory store's logs are full".into());
        }
        inner.logged += 1;
        let log = inner.logs.entry(log.to_owned()).or_default();
        log.end += 1;
        log.entries
            .push_back((log.end, entry.to_vec(), Life { born, ttl }));
        Ok(())
    }

    async fn since(&self, log: &str, position: u64) -> Result<Tail, BoxError> {
        let now = self.time.moment();
        let inner = self.lock();
        let Some(log) = inner.logs.get(log) else {
            return Ok(Tail::default());
        };
        let entries = log
            .entries
            .iter()
            .filter(|(at, _, life)| *at > position && !life.is_over(now))
            .map(|(_, entry, _)| entry.clone())
            .collect();
        Ok(Tail {
            entries,
            position: log.end,
            gap: false,
        })
    }
}

impl Inner {
    fn living(&self, key: &str, now: Moment) -> Option<&Entry> {
        let (entry, life) = self.entries.get(key)?;
        (!life.is_over(now)).then_some(entry)
    }

    fn insert(&mut self, key: &str, entry: Entry, life: Life) -> Result<(), BoxError> {
        if self.entries.len() >= MemoryStore::MAX_ENTRIES && !self.entries.contains_key(key) {
            self.entries
                .retain(|_, (_, there)| !there.is_over(life.born));
            if self.entries.len() >= MemoryStore::MAX_ENTRIES {
                return Err("the memory store is full".into());
            }
        }
        self.entries.insert(key.to_owned(), (entry, life));
        Ok(())
    }

    fn sweep_logs(&mut self, now: Moment) {
        for log in self.logs.values_mut() {
            log.entries.retain(|(_, _, life)| !life.is_over(now));
        }
        self.logged = self.logs.values().map(|log| log.entries.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G1
    #[tokio::test]
    async fn a_store_tells_how_much_it_holds_and_not_what() {
        let store = MemoryStore::new();
        let life = Duration::from_secs(1);
        assert!(store.add("a key", b"a value", life).await.unwrap());
        store.append("a log", b"an entry", life).await.unwrap();
        let told = format!("{store:?}");
        assert_eq!(told, "MemoryStore { entries: 1, .. }");
    }
}
