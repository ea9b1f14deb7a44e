//! A store that several handles share, and that fails, hangs or loses entries when a test says so.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dingtalk_core::{BoxError, Entry, MemoryStore, Store, Tail};
use dingtalk_sandbox::Sandbox;
use tokio::sync::watch;

use crate::setup::SandboxClock;

/// A call of [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test's own")]
pub enum Verb {
    /// `get`.
    Get,
    /// `add`.
    Add,
    /// `put`.
    Put,
    /// `append`.
    Append,
    /// `since`.
    Since,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test's own")]
pub enum Mood {
    /// It works.
    #[default]
    Works,
    /// It fails at once and does nothing.
    Fails,
    /// It waits until the mood changes, and works then.
    Hangs,
    /// It works, and its answer waits until the mood changes.
    AnswersLate,
}

/// A [`MemoryStore`] on a sandbox's clock with moods. Clones share one memory.
#[derive(Clone, Debug)]
pub struct FailingStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: SandboxClock,
    memory: Mutex<Arc<MemoryStore>>,
    keys: Mutex<BTreeSet<String>>,
    moods: watch::Sender<[Mood; VERBS]>,
    calls: [AtomicUsize; VERBS],
    waiting: watch::Sender<usize>,
}

impl FailingStore {
    /// An empty store on a sandbox's clock.
    pub fn new(sandbox: &Sandbox) -> Self {
        let clock = SandboxClock(sandbox.clock().clone());
        Self(Arc::new(Inner {
            memory: Mutex::new(Arc::new(MemoryStore::with_clock(Arc::new(clock.clone())))),
            clock,
            keys: Mutex::default(),
            moods: watch::Sender::default(),
            calls: Default::default(),
            waiting: watch::Sender::default(),
        }))
    }

    /// Decides about one verb from now on.
    pub fn set(&self, verb: Verb, mood: Mood) {
        self.0
            .moods
            .send_modify(|moods| moods[verb as usize] = mood);
    }

    /// Decides about all verbs from now on.
    pub fn set_all(&self, mood: Mood) {
        self.0.moods.send_replace([mood; VERBS]);
    }

    /// Loses everything, as a store without a disk does when it starts again: the next `since` tells of a gap.
    pub fn forget_all(&self) {
        let clock = Arc::new(self.0.clock.clone());
        *self.0.memory.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(MemoryStore::with_clock(clock));
    }

    /// How many entries live.
    pub async fn living(&self) -> usize {
        self.entries("").await.len()
    }

    /// The living entries whose keys begin like this.
    pub async fn entries(&self, prefix: &str) -> Vec<(String, Entry)> {
        let (memory, keys) = (self.memory(), self.keys().clone());
        let mut living = Vec::new();
        for key in keys.into_iter().filter(|key| key.starts_with(prefix)) {
            if let Ok(Some(entry)) = memory.get(&key).await {
                living.push((key, entry));
            }
        }
        living
    }

    /// How many calls of a verb came.
    pub fn calls(&self, verb: Verb) -> usize {
        self.0.calls[verb as usize].load(Ordering::Relaxed)
    }

    /// Completes when at least `n` calls hang.
    pub async fn wait_for(&self, n: usize) {
        let mut waiting = self.0.waiting.subscribe();
        let _ = waiting.wait_for(|now| *now >= n).await;
    }

    fn keys(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> Arc<MemoryStore> {
        let memory = self.0.memory.lock();
        Arc::clone(&memory.unwrap_or_else(PoisonError::into_inner))
    }

    async fn call<T>(
        &self,
        verb: Verb,
        work: impl Future<Output = Result<T, BoxError>> + Send,
    ) -> Result<T, BoxError> {
        self.0.calls[verb as usize].fetch_add(1, Ordering::Relaxed);
        let mood = self.0.moods.borrow()[verb as usize];
        match mood {
            Mood::Works => work.await,
            Mood::Fails => Err(REASON.into()),
            Mood::Hangs => {
                self.mood_changes(verb, mood).await;
                work.await
            }
            Mood::AnswersLate => {
                let answer = work.await;
                self.mood_changes(verb, mood).await;
                answer
            }
        }
    }

    async fn mood_changes(&self, verb: Verb, from: Mood) {
        /// Counts down even when the caller gives up.
        struct Waiting<'a>(&'a watch::Sender<usize>);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.send_modify(|now| *now -= 1);
            }
        }
        let mut moods = self.0.moods.subscribe();
        self.0.waiting.send_modify(|now| *now += 1);
        let _waiting = Waiting(&self.0.waiting);
        let _ = moods.wait_for(|moods| moods[verb as usize] != from).await;
    }
}

#[async_trait]
impl Store for FailingStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, BoxError> {
        self.call(Verb::Get, self.memory().get(key)).await
    }

    async fn add(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, BoxError> {
        self.keys().insert(key.to_owned());
        self.call(Verb::Add, self.memory().add(key, value, ttl))
            .await
    }

    async fn put(&self, key: &str, entry: &Entry, ttl: Duration) -> Result<bool, BoxError> {
        self.keys().insert(key.to_owned());
        self.call(Verb::Put, self.memory().put(key, entry, ttl))
            .await
    }

    async fn append(&self, log: &str, entry: &[u8], ttl: Duration) -> Result<(), BoxError> {
        self.call(Verb::Append, self.memory().append(log, entry, ttl))
            .await
    }

    async fn since(&self, log: &str, position: u64) -> Result<Tail, BoxError> {
        let work = async {
            let tail = self.memory().since(log, position).await?;
            if tail.position >= position {
                return Ok(tail);
            }
            // This position is of a log that is lost.
            let mut whole = self.memory().since(log, 0).await?;
            whole.gap = true;
            Ok(whole)
        };
        self.call(Verb::Since, work).await
    }
}

const VERBS: usize = 5;
const REASON: &str = "the test says that this store fails";
