//! Revoked sessions: written to the store, held in memory, and followed when several instances share the store.

use std::collections::HashMap;
use std::fmt;
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
#[derive(Clone)]
pub(crate) struct Revocations(Arc<Inner>);

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

#[derive(Default)]
struct Known {
    /// Session ids, and when each would have ended by itself.
    sessions: HashMap<String, Timestamp>,
    corps: HashMap<String, Corp>,
    /// Sessions from then or earlier are over.
    everyone: Timestamp,
    entries: usize,
}

#[derive(Default)]
struct Corp {
    everyone: Timestamp,
    people: HashMap<String, Timestamp>,
}

#[derive(Default)]
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
        user.issued() <= known.not_before(user.corp_id(), &user.person())
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

    /// Every session of a person that there is.
    pub(crate) async fn revoke_person(&self, corp: &str, user: &str) -> Result<(), Error> {
        self.catch_up().await;
        let before = self.all_after(self.not_before(corp, user));
        let (corp, user) = (corp.to_owned(), user.to_owned());
        self.0
            .append(Revocation::Person { corp, user, before })
            .await
    }

    /// Every session of a corp that there is.
    pub(crate) async fn revoke_corp(&self, corp: &str) -> Result<(), Error> {
        self.catch_up().await;
        let before = self.all_after(self.0.read().latest_in(corp));
        let corp = corp.to_owned();
        self.0.append(Revocation::Corp { corp, before }).await
    }

    /// Every session dated `time` or earlier; every one that there is, where that is a second ago or less.
    pub(crate) async fn revoke_everyone(&self, time: Timestamp) -> Result<(), Error> {
        self.catch_up().await;
        let before = if self.0.time.now().since(time) <= JUST_NOW {
            let latest = self.0.read().latest();
            self.all_after(latest)
        } else {
            time.0
        };
        self.0.append(Revocation::Everyone { before }).await
    }

    /// Looks at the store now, so that what is dated behind all revocations is behind those of other instances too.
    pub(crate) async fn catch_up(&self) {
        if self.0.is_shared {
            let follow = self.0.follow.lock();
            let position = follow.unwrap_or_else(PoisonError::into_inner).position;
            self.0.look(position).await;
        }
    }

    /// A time that no session is dated behind yet: another instance's clock may be ahead of this one, and sessions made since
    /// the last revocation are dated behind that.
    fn all_after(&self, revoked: Timestamp) -> u64 {
        let skew = if self.0.is_shared {
            SKEW
        } else {
            Duration::ZERO
        };
        let now = self.0.time.now().after(skew);
        now.0.max(revoked.0.saturating_add(1))
    }

    /// Keeps up with the store. Starts a look behind the request when the last one is a second old; gives something to wait
    /// for, a quarter of a second at most, when it is so old that a logout elsewhere may be missing.
    pub(crate) fn keep_up(&self) -> Option<BoxFuture<'static, ()>> {
        let mut done = self.look_behind()?;
        // People who are signed in do not wait for a store that is known to be down.
        if self.is_up_to_date() || self.0.is_down.load(Ordering::Relaxed) {
            return None;
        }
        let time = self.0.time.clone();
        Some(Box::pin(async move {
            let _ = time.within(WAIT_LIMIT, done.wait_for(|done| *done)).await;
        }))
    }

    /// Keeps up with the store for what nobody may have whose session is over: as long as a look may take, and an error where the
    /// store does not tell.
    pub(crate) async fn kept_up(&self, during: &'static str) -> Result<(), Error> {
        if let Some(mut done) = self.look_behind() {
            let looked = done.wait_for(|done| *done);
            let _ = self.0.time.within(LOOK_LIMIT, looked).await;
        }
        if self.is_up_to_date() {
            return Ok(());
        }
        let why = "it did not tell whose sessions are over";
        Err(Error::store(during, why.into()))
    }

    /// No logout elsewhere can be missing that is older than a moment.
    fn is_up_to_date(&self) -> bool {
        let now = self.0.time.moment();
        let follow = self.0.follow.lock().unwrap_or_else(PoisonError::into_inner);
        !self.0.is_shared || follow.is_younger(WAIT_AFTER, now)
    }

    /// Starts a look when the last one is a second old; gives the end of the one that is under way.
    fn look_behind(&self) -> Option<watch::Receiver<bool>> {
        if !self.0.is_shared {
            return None;
        }
        let now = self.0.time.moment();
        let mut follow = self.0.follow.lock().unwrap_or_else(PoisonError::into_inner);
        if follow.is_younger(LOOK_AFTER, now) {
            return None;
        }
        let is_down = self.0.is_down.load(Ordering::Relaxed);
        let latest = follow
            .looking
            .as_ref()
            .filter(|(since, _)| since.run(now) < LOOK_LIMIT);
        match latest {
            Some((_, done)) if done.has_changed().is_ok() => Some(done.clone()),
            // It failed: a store that is down is not asked by every request.
            Some(_) if is_down => None,
            _ => {
                let runtime = Handle::try_current().ok()?;
                let (send, done) = watch::channel(false);
                follow.looking = Some((now, done.clone()));
                let position = follow.position;
                let inner = Arc::clone(&self.0);
                runtime.spawn(async move {
                    inner.look(position).await;
                    send.send_replace(true);
                });
                Some(done)
            }
        }
    }
}

/// Without who and what is revoked.
impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("store", &self.0.store)
            .field("entries", &self.0.read().entries)
            .finish_non_exhaustive()
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
        // Nobody else reads a store of our own, and what is known here is bounded by itself.
        if self.is_shared {
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
        }
        self.write()
            .learn(revocation, self.time.now(), self.longest);
        Ok(())
    }

    async fn look(&self, position: u64) {
        // An answer that took its time knows nothing of what came after the question.
        let asked = self.time.moment();
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
                // After a loss the log may have begun anew, at lower positions.
                follow.position = if tail.gap {
                    tail.position
                } else {
                    follow.position.max(tail.position)
                };
                follow.looked = Some(asked);
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

impl Follow {
    fn is_younger(&self, span: Duration, now: Moment) -> bool {
        self.looked.is_some_and(|looked| looked.run(now) <= span)
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
    fn latest_in(&self, corp_id: &str) -> Timestamp {
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

    /// The latest time up to which anybody's sessions are over. It may be later than now: clocks differ, and a login right after a
    /// revocation is dated behind it.
    ///
    /// Entries of single sessions do not count. None of those is dated behind all this and the clocks, and how long they would
    /// have lived tells not when they began: limits are not what they were.
    fn latest(&self) -> Timestamp {
        let corps = self.corps.values().flat_map(|corp| {
            let people = corp.people.values().copied();
            people.chain([corp.everyone])
        });
        corps.fold(self.everyone, Timestamp::max)
    }

    /// Forgets the single entries by revoking every session that there is.
    fn forget_safely(&mut self, now: Timestamp) {
        let stamped = Timestamp(self.latest().0.saturating_add(1));
        *self = Self {
            everyone: now.after(SKEW).max(stamped),
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

/// How far instances' clocks may differ.
pub(super) const SKEW: Duration = Duration::from_secs(60);
/// A moment ago, as somebody means it who asks for the time and hands it over.
const JUST_NOW: Duration = Duration::from_secs(1);
const MAX_ENTRIES: usize = 100_000;
const LOOK_AFTER: Duration = Duration::from_secs(1);
const WAIT_AFTER: Duration = Duration::from_secs(2);
const WAIT_LIMIT: Duration = Duration::from_millis(250);
const LOOK_LIMIT: Duration = Duration::from_secs(1);
const STORE_LIMIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::user::Profile;

    fn user(id: &str, issued: u64) -> User {
        let profile = Profile {
            app_key: "dingkey".into(),
            corp_id: "dingcorp".into(),
            user_id: "manager01".into(),
            ..Profile::default()
        };
        User::read(User::write(profile, id, Timestamp(issued), 2900).unwrap()).unwrap()
    }

    fn revocations() -> Revocations {
        let clock = crate::clock::tests::SetClock::new();
        let store = crate::store::MemoryStore::with_clock(clock.clone());
        Revocations::new(Arc::new(store), false, "test", LONGEST, Time::new(clock))
    }

    fn session(number: usize, issued: u64) -> Revocation {
        Revocation::Session {
            id: format!("session{number}"),
            over: Timestamp(issued).after(LONGEST).0,
        }
    }

    /// D15
    #[test]
    fn too_many_revocations_end_everything_up_to_now_and_forget_none() {
        let revocations = revocations();
        let now = Timestamp(NOW);
        let learn = |revocation| revocations.0.write().learn(revocation, now, LONGEST);
        // The clocks of instances differ: these began a little later than now.
        let later = (0..10).map(|ahead| (ahead, NOW + 1 + ahead as u64));
        for (number, issued) in later.clone() {
            learn(session(number, issued));
        }
        let ahead = Timestamp(NOW).after(SKEW).0;
        learn(Revocation::Person {
            corp: "dingcorp".into(),
            user: "manager01".into(),
            before: ahead + 30,
        });
        // A login since is dated behind that, and its logout names a shorter life than the longest.
        learn(session(10, ahead + 31 - 1000));
        let bystander = user("bystander", ahead + 32);
        assert!(!revocations.is_revoked(&bystander));
        for number in 11..MAX_ENTRIES + 10 {
            learn(session(number, NOW - 1));
        }
        assert!(revocations.0.read().entries < MAX_ENTRIES);
        for (number, issued) in later {
            assert!(revocations.is_revoked(&user(&format!("session{number}"), issued)));
        }
        assert!(revocations.is_revoked(&user("session10", ahead + 31)));
        assert!(revocations.is_revoked(&user(&format!("session{MAX_ENTRIES}"), NOW - 1)));
        assert!(revocations.is_revoked(&user("never signed out", NOW)));
        assert!(!revocations.is_revoked(&bystander));
    }

    /// D15 K4
    #[test]
    fn too_many_revocations_reach_sessions_of_instances_whose_clock_is_ahead() {
        let revocations = revocations();
        for number in 0..=MAX_ENTRIES {
            let entry = session(number, NOW - 1);
            revocations.0.write().learn(entry, Timestamp(NOW), LONGEST);
        }
        let ahead = Timestamp(NOW).after(SKEW).0;
        assert!(revocations.is_revoked(&user("signed out before that", ahead)));
        assert!(!revocations.is_revoked(&user("signed in since", ahead + 1)));
    }

    /// D15
    #[test]
    fn a_logout_under_longer_limits_than_todays_keeps_nobody_out() {
        let everyone = |revocations: &Revocations| {
            let now = revocations.0.time.now();
            let revoked = revocations.revoke_everyone(now).now_or_never();
            revoked.unwrap().unwrap();
        };
        let lost = |revocations: &Revocations| {
            let now = revocations.0.time.now();
            revocations.0.write().forget_safely(now);
        };
        for revoke in [&everyone as &dyn Fn(&Revocations), &lost] {
            let revocations = revocations();
            let now = revocations.0.time.now();
            let entry = session(1, now.after(14 * LONGEST).0);
            revocations.0.write().learn(entry, now, LONGEST);
            revoke(&revocations);
            assert!(revocations.is_revoked(&user("signed in before", now.0)));
            let since = now.after(SKEW).0 + 1;
            assert!(!revocations.is_revoked(&user("signed in since", since)));
        }
    }

    /// G1
    #[test]
    fn revocations_tell_how_many_they_are_and_not_of_whom() {
        let revocations = revocations();
        let (corp, user) = ("dingcorp".into(), "manager01".into());
        let person = Revocation::Person {
            corp,
            user,
            before: NOW,
        };
        for entry in [session(1, NOW), person] {
            revocations.0.write().learn(entry, Timestamp(NOW), LONGEST);
        }
        let told = format!("{revocations:?}");
        assert!(told.contains("entries: 3"), "{told}");
        for secret in ["session1", "dingcorp", "manager01"] {
            assert!(!told.contains(secret), "{told}");
        }
    }

    /// D15
    #[test]
    fn what_is_over_goes_first() {
        let revocations = revocations();
        let learn = |revocation, now| {
            let now = Timestamp(now);
            revocations.0.write().learn(revocation, now, LONGEST);
        };
        for number in 0..MAX_ENTRIES {
            learn(session(number, NOW), NOW);
        }
        let end = Timestamp(NOW).after(LONGEST).0;
        learn(session(MAX_ENTRIES, end), end);
        assert_eq!(revocations.0.read().entries, 1);
        assert_eq!(revocations.0.read().everyone, Timestamp::default());
        assert!(!revocations.is_revoked(&user("somebody", NOW + 1)));
    }

    const NOW: u64 = 1_700_000_000_000;
    const LONGEST: Duration = Duration::from_secs(12 * 3600);
}
