//! Revoked sessions: written to the store, held in memory, and followed when several instances share the store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::clock::{Moment, Time, Timestamp};
use crate::error::Error;
use crate::store::Store;
use crate::user::User;

/// What is revoked.
#[derive(Clone, Debug)]
pub(crate) struct Revocations(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    time: Time,
    store: Arc<dyn Store>,
    log: String,
    /// Other instances write to the store too.
    is_shared: bool,
    /// No session lives longer, so no entry has to.
    longest: Duration,
    known: RwLock<Known>,
    follow: Mutex<Follow>,
    is_down: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    /// Session ids, and when each would have ended by itself.
    sessions: HashMap<String, Timestamp>,
    corps: HashMap<String, Corp>,
    /// Sessions from then or earlier are over.
    everyone: Timestamp,
    entries: usize,
}

#[derive(Debug, Default)]
struct Corp {
    everyone: Timestamp,
    people: HashMap<String, Timestamp>,
}

#[derive(Debug, Default)]
struct Follow {
    position: u64,
    looked: Option<Moment>,
    looking: Option<(Moment, watch::Receiver<bool>)>,
}

/// One entry of the log.
#[derive(Debug, Serialize, Deserialize)]
enum Revocation {
    Session {
        id: String,
        over: u64,
    },
    Person {
        corp: String,
        user: String,
        before: u64,
    },
    Corp {
        corp: String,
        before: u64,
    },
    Everyone {
        before: u64,
    },
}

impl Revocations {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        is_shared: bool,
        name: &str,
        longest: Duration,
        time: Time,
    ) -> Self {
        Self(Arc::new(Inner {
            time,
            store,
            log: format!("revoked:{name}"),
            is_shared,
            longest,
            known: RwLock::default(),
            follow: Mutex::default(),
            is_down: AtomicBool::new(false),
        }))
    }

    pub(crate) fn is_revoked(&self, user: &User) -> bool {
        let known = self.0.read();
        user.issued() <= known.not_before(user.corp_id(), user.user_id())
            || (!known.sessions.is_empty() && known.sessions.contains_key(user.session_id()))
    }

    /// Sessions of this person from then or earlier are over.
    pub(crate) fn not_before(&self, corp_id: &str, user_id: &str) -> Timestamp {
        self.0.read().not_before(corp_id, user_id)
    }

    pub(crate) async fn revoke_session(&self, id: &str, over: Timestamp) -> Result<(), Error> {
        let (id, over) = (id.to_owned(), over.0);
        self.0.append(Revocation::Session { id, over }).await
    }

    pub(crate) async fn revoke_person(
        &self,
        corp: &str,
        user: &str,
        before: Timestamp,
    ) -> Result<(), Error> {
        // Sessions made since the last revocation are stamped later than it, and may be ahead of this clock.
        let stamped = self.not_before(corp, user).0.saturating_add(1);
        let (corp, user, before) = (corp.to_owned(), user.to_owned(), before.0.max(stamped));
        self.0
            .append(Revocation::Person { corp, user, before })
            .await
    }

    pub(crate) async fn revoke_corp(&self, corp: &str, before: Timestamp) -> Result<(), Error> {
        let stamped = self.0.read().latest(corp).0.saturating_add(1);
        let (corp, before) = (corp.to_owned(), before.0.max(stamped));
        self.0.append(Revocation::Corp { corp, before }).await
    }

    pub(crate) async fn revoke_everyone(&self, before: Timestamp) -> Result<(), Error> {
        self.0
            .append(Revocation::Everyone { before: before.0 })
            .await
    }

    /// Keeps up with the store. Starts a look behind the request when the last one is a second old; gives something to wait
    /// for, a quarter of a second at most, when it is so old that a logout elsewhere may be missing.
    pub(crate) fn keep_up(&self) -> Option<BoxFuture<'static, ()>> {
        if !self.0.is_shared {
            return None;
        }
        let now = self.0.time.moment();
        let mut follow = self.0.follow.lock().unwrap_or_else(PoisonError::into_inner);
        let age = follow.looked.map(|looked| looked.run(now));
        if age.is_some_and(|age| age <= LOOK_AFTER) {
            return None;
        }
        let under_way = follow
            .looking
            .as_ref()
            .filter(|(since, done)| since.run(now) < LOOK_LIMIT && done.has_changed().is_ok());
        let mut done = match under_way {
            Some((_, done)) => done.clone(),
            None => {
                let runtime = Handle::try_current().ok()?;
                let (send, done) = watch::channel(false);
                follow.looking = Some((now, done.clone()));
                let position = follow.position;
                let inner = Arc::clone(&self.0);
                runtime.spawn(async move {
                    inner.look(position).await;
                    send.send_replace(true);
                });
                done
            }
        };
        drop(follow);
        // People who are signed in do not wait for a store that is known to be down.
        if age.is_some_and(|age| age <= WAIT_AFTER) || self.0.is_down.load(Ordering::Relaxed) {
            return None;
        }
        let time = self.0.time.clone();
        Some(Box::pin(async move {
            let _ = time.within(WAIT_LIMIT, done.wait_for(|done| *done)).await;
        }))
    }
}

impl Inner {
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    async fn append(&self, revocation: Revocation) -> Result<(), Error> {
        let entry = serde_json::to_vec(&revocation)
            .map_err(|error| Error::store("revoke", error.into()))?;
        self.time
            .within(
                STORE_LIMIT,
                self.store.append(&self.log, &entry, self.longest),
            )
            .await
            .unwrap_or_else(|| Err("no answer in time".into()))
            .map_err(|error| Error::store("revoke", error))?;
        self.write()
            .learn(revocation, self.time.now(), self.longest);
        Ok(())
    }

    async fn look(&self, position: u64) {
        let tail = self
            .time
            .within(LOOK_LIMIT, self.store.since(&self.log, position))
            .await
            .unwrap_or_else(|| Err("no answer in time".into()));
        let now = self.time.now();
        match tail {
            Ok(tail) => {
                let mut known = self.write();
                // A lost or unreadable entry could have been anybody's logout.
                let mut is_whole = !tail.gap;
                for entry in &tail.entries {
                    match serde_json::from_slice(entry) {
                        Ok(revocation) => known.learn(revocation, now, self.longest),
                        Err(_) => is_whole = false,
                    }
                }
                if !is_whole {
                    tracing::error!(
                        "revocations were lost from the store: everybody signs in again"
                    );
                    known.forget_safely(now);
                }
                drop(known);
                let mut follow = self.follow.lock().unwrap_or_else(PoisonError::into_inner);
                follow.position = follow.position.max(tail.position);
                follow.looked = Some(self.time.moment());
                self.is_down.store(false, Ordering::Relaxed);
            }
            Err(error) => {
                if !self.is_down.swap(true, Ordering::Relaxed) {
                    tracing::error!(cause = ?error.to_string(), "the store is down: logouts on other instances are not seen");
                }
            }
        }
    }
}

impl Known {
    fn not_before(&self, corp_id: &str, user_id: &str) -> Timestamp {
        let Some(corp) = self.corps.get(corp_id) else {
            return self.everyone;
        };
        let person = corp.people.get(user_id).copied().unwrap_or_default();
        self.everyone.max(corp.everyone).max(person)
    }

    /// The latest that anybody of a corp falls under.
    fn latest(&self, corp_id: &str) -> Timestamp {
        let corp = self.corps.get(corp_id);
        let people = corp.into_iter().flat_map(|corp| corp.people.values());
        people
            .copied()
            .chain(corp.map(|corp| corp.everyone))
            .fold(self.everyone, Timestamp::max)
    }

    fn learn(&mut self, revocation: Revocation, now: Timestamp, longest: Duration) {
        if self.entries >= MAX_ENTRIES {
            self.sweep(now, longest);
        }
        if self.entries >= MAX_ENTRIES {
            tracing::error!(
                "too many revocations to remember one by one: everybody signs in again"
            );
            self.forget_safely(now);
        }
        match revocation {
            Revocation::Session { id, over } => {
                self.sessions.insert(id, Timestamp(over));
            }
            Revocation::Person { corp, user, before } => {
                let people = &mut self.corps.entry(corp).or_default().people;
                raise(people.entry(user).or_default(), before);
            }
            Revocation::Corp { corp, before } => {
                raise(&mut self.corps.entry(corp).or_default().everyone, before)
            }
            Revocation::Everyone { before } => raise(&mut self.everyone, before),
        }
        self.count();
    }

    /// Drops what no living session can fall under.
    fn sweep(&mut self, now: Timestamp, longest: Duration) {
        self.sessions.retain(|_, over| *over > now);
        self.corps.retain(|_, corp| {
            corp.people.retain(|_, before| before.after(longest) > now);
            !corp.people.is_empty() || corp.everyone.after(longest) > now
        });
        self.count();
    }

    /// Forgets the single entries by revoking everything up to now.
    fn forget_safely(&mut self, now: Timestamp) {
        *self = Self {
            everyone: self.everyone.max(now),
            ..Self::default()
        };
    }

    fn count(&mut self) {
        self.entries = self.sessions.len()
            + self
                .corps
                .values()
                .map(|corp| 1 + corp.people.len())
                .sum::<usize>();
    }
}

fn raise(before: &mut Timestamp, to: u64) {
    *before = (*before).max(Timestamp(to));
}

const MAX_ENTRIES: usize = 100_000;
const LOOK_AFTER: Duration = Duration::from_secs(1);
const WAIT_AFTER: Duration = Duration::from_secs(2);
const WAIT_LIMIT: Duration = Duration::from_millis(250);
const LOOK_LIMIT: Duration = Duration::from_secs(1);
const STORE_LIMIT: Duration = Duration::from_secs(1);
