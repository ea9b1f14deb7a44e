//! The token cache: one fetch for all who wait, in a task of its own.
//!
//! A token is served until its hard expiry and fetched anew behind the caller from its soft expiry on. Nobody's time-out,
//! cancellation or panic matters to anybody else, and no task stands while nobody asks.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::api::GrantedToken;
use crate::clock::{Moment, Time};
use crate::error::{Error, Outage};
use crate::random::jittered;
use crate::secret::Secret;

/// An access token of one app in one corp, good for the rest of DingTalk's API.
#[derive(Clone)]
pub struct AccessToken {
    value: Secret,
    corp_id: Arc<str>,
    generation: u64,
}

impl AccessToken {
    /// The token, for `access_token` on the old host or the header `x-acs-dingtalk-access-token` on the new one.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.value
    }

    /// The corp it is for.
    #[must_use]
    pub fn corp_id(&self) -> &str {
        &self.corp_id
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("corp_id", &self.corp_id)
            .finish_non_exhaustive()
    }
}

/// Fetches a token, trying again at most so many times.
type Fetch = dyn Fn(u32) -> BoxFuture<'static, Result<GrantedToken, Error>> + Send + Sync;

/// The one token of one app in one corp.
#[derive(Clone)]
pub(crate) struct TokenSlot(Arc<Slot>);

struct Slot {
    corp_id: Arc<str>,
    time: Time,
    /// A fetch that takes longer ends in an error.
    limit: Duration,
    fetch: Box<Fetch>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    fetching: Option<Fetching>,
    failure: Option<Failure>,
    /// Numbers tokens and fetches, so that a late one is known for what it is.
    counter: u64,
    /// How often in a row a fetch failed.
    failures: u32,
    /// How often in a row a fresh token was rejected.
    rejections: u32,
    /// The token that DingTalk rejected last, until another one comes or a cool-down has passed.
    rejected: Option<(Secret, Error)>,
}

struct Current {
    token: AccessToken,
    born: Moment,
    soft: Duration,
    hard: Duration,
}

struct Fetching {
    id: u64,
    begun: Moment,
    result: watch::Receiver<Option<Result<AccessToken, Error>>>,
}

struct Failure {
    error: Error,
    since: Moment,
    pause: Duration,
}

enum Look {
    Here(AccessToken),
    Failed(Error),
    Wait(watch::Receiver<Option<Result<AccessToken, Error>>>),
}

impl TokenSlot {
    pub(crate) fn new(corp_id: Arc<str>, time: Time, limit: Duration, fetch: Box<Fetch>) -> Self {
        Self(Arc::new(Slot {
            corp_id,
            time,
            limit,
            fetch,
            state: Mutex::default(),
        }))
    }

    /// The token, fetched if need be.
    pub(crate) async fn get(&self) -> Result<AccessToken, Error> {
        // A fetch that died with its runtime, or panicked, is followed by another one: a few times, not for ever.
        for _ in 0..MAX_LEADERS {
            let mut result = match self.look() {
                Look::Here(token) => return Ok(token),
                Look::Failed(error) => return Err(error),
                Look::Wait(result) => result,
            };
            let done = self
                .0
                .time
                .within(self.0.limit + GRACE, result.wait_for(Option::is_some))
                .await;
            if let Some(Ok(shared)) = done
                && let Some(shared) = shared.as_ref()
            {
                return shared.clone();
            }
        }
        Err(Error::unavailable("token", Outage::TimedOut))
    }

    /// Drops a token that DingTalk rejected, if it is still the current one; the next caller fetches anew.
    pub(crate) fn reject(&self, token: &AccessToken, error: &Error) {
        let now = self.0.time.moment();
        let mut state = self.0.lock();
        let Some(current) = state
            .current
            .take_if(|current| current.token.generation == token.generation)
        else {
            return;
        };
        tracing::warn!(corp_id = ?self.0.corp_id, "DingTalk rejected a token before its time: fetching anew");
        if current.born.age(now) > REJECTIONS_FORGOTTEN {
            state.rejections = 0;
        }
        state.rejections += 1;
        state.rejected = Some((current.token.value, error.clone()));
        // One early rejection is met at once; fresh tokens rejected again and again are not.
        if state.rejections > 1 {
            let times = state.rejections;
            state.pause(error.clone(), now, times);
        }
    }

    /// Decides under the lock; never waits under it.
    fn look(&self) -> Look {
        let now = self.0.time.moment();
        let mut state = self.0.lock();
        let is_paused = state
            .failure
            .as_ref()
            .is_some_and(|failure| failure.since.run(now) < failure.pause);
        if let Some(current) = &state.current {
            let age = current.born.age(now);
            if age < current.hard {
                let token = current.token.clone();
                if age >= current.soft && !is_paused && state.running(now, self.0.limit).is_none() {
                    self.start(&mut state, now);
                }
                return Look::Here(token);
            }
        }
        if let Some(result) = state.running(now, self.0.limit) {
            // Waiting needs a runtime as much as fetching does.
            return match Handle::try_current() {
                Ok(_) => Look::Wait(result),
                Err(_) => Look::Failed(Error::unavailable("token", Outage::NoConnection)),
            };
        }
        if is_paused && let Some(failure) = &state.failure {
            return Look::Failed(failure.error.clone());
        }
        match self.start(&mut state, now) {
            Some(result) => Look::Wait(result),
            None => Look::Failed(Error::unavailable("token", Outage::NoConnection)),
        }
    }

    /// Starts the one fetch in a task of its own: whoever asked may go away.
    fn start(
        &self,
        state: &mut State,
        begun: Moment,
    ) -> Option<watch::Receiver<Option<Result<AccessToken, Error>>>> {
        let runtime = Handle::try_current().ok()?;
        state.counter += 1;
        let id = state.counter;
        let (send, result) = watch::channel(None);
        state.fetching = Some(Fetching {
            id,
            begun,
            result: result.clone(),
        });
        // Within an outage one call an attempt is enough.
        let retries = if state.failures == 0 { MAX_RETRIES } else { 0 };
        let slot = Arc::clone(&self.0);
        runtime.spawn(async move {
            let fetched = match slot.time.within(slot.limit, (slot.fetch)(retries)).await {
                Some(fetched) => fetched,
                None => Err(Error::unavailable("token", Outage::TimedOut)),
            };
            if let Some(shared) = slot.publish(id, begun, fetched) {
                send.send_replace(Some(shared));
            }
        });
        Some(result)
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a fetch's result; `None` from one that was given up and followed by another.
    fn publish(
        &self,
        id: u64,
        begun: Moment,
        fetched: Result<GrantedToken, Error>,
    ) -> Option<Result<AccessToken, Error>> {
        let now = self.time.moment();
        let mut state = self.lock();
        state.fetching.take_if(|fetching| fetching.id == id)?;
        let granted = match fetched {
            Ok(granted) => granted,
            Err(error) => {
                tracing::warn!(corp_id = ?self.corp_id, %error, "no token from DingTalk");
                state.failures += 1;
                let times = state.failures;
                state.pause(error.clone(), now, times);
                return Some(Err(error));
            }
        };
        if let Some((rejected, error)) = state.rejected.take()
            && rejected.matches(&granted.value)
        {
            // The same one again: waiting is all that is left, and after that it is given another chance.
            let times = state.rejections;
            state.pause(error.clone(), now, times);
            return Some(Err(error));
        }
        let life = granted.lifetime;
        let token = AccessToken {
            value: granted.value,
            corp_id: Arc::clone(&self.corp_id),
            generation: id,
        };
        state.failure = None;
        state.failures = 0;
        state.current = Some(Current {
            token: token.clone(),
            // Its life is counted from the request, not from the answer.
            born: begun,
            soft: life.saturating_sub(jittered(SOFT_MARGIN.min(life / 2), 0.8)),
            hard: life.saturating_sub(HARD_MARGIN.min(life / 4)),
        });
        Some(Ok(token))
    }
}

impl State {
    /// The fetch under way, unless it died or takes too long.
    fn running(
        &self,
        now: Moment,
        limit: Duration,
    ) -> Option<watch::Receiver<Option<Result<AccessToken, Error>>>> {
        let fetching = self.fetching.as_ref()?;
        let is_dead = fetching.result.has_changed().is_err();
        (!is_dead && fetching.begun.run(now) < limit + GRACE).then(|| fetching.result.clone())
    }

    fn pause(&mut self, error: Error, since: Moment, times: u32) {
        let step = FIRST_PAUSE.saturating_mul(1 << times.saturating_sub(1).min(10));
        self.failure = Some(Failure {
            error,
            since,
            pause: jittered(step.min(LONGEST_PAUSE), 0.5),
        });
    }
}

impl fmt::Debug for TokenSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenSlot").field(&self.0.corp_id).finish()
    }
}

/// How long before its end a token is fetched anew behind the callers. Spread by a fifth, so that instances do not do it in step.
const SOFT_MARGIN: Duration = Duration::from_secs(600);
/// How long before its end a token is no longer used.
const HARD_MARGIN: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A token that worked for so long was not bad from the start.
const REJECTIONS_FORGOTTEN: Duration = Duration::from_secs(60);
/// A fetch ends itself at its limit and tells everybody. Only one that cannot, because its runtime stands still, is followed by
/// another, and only when it had time to.
const GRACE: Duration = Duration::from_secs(1);
const MAX_RETRIES: u32 = 2;
const MAX_LEADERS: usize = 3;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::clock::tests::SetClock;

    fn slot(
        fetch: impl Fn(u32) -> GrantedToken + Clone + Send + Sync + 'static,
    ) -> (TokenSlot, Arc<AtomicU32>) {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let fetch = move |_| -> BoxFuture<'static, Result<GrantedToken, Error>> {
            let (fetch, call) = (fetch.clone(), counted.fetch_add(1, Ordering::Relaxed));
            Box::pin(async move { Ok(fetch(call)) })
        };
        let time = Time::new(SetClock::new());
        let slot = TokenSlot::new(
            "ding".into(),
            time,
            Duration::from_secs(10),
            Box::new(fetch),
        );
        (slot, calls)
    }

    fn granted() -> GrantedToken {
        GrantedToken {
            value: Secret::new("token"),
            lifetime: Duration::from_secs(7200),
        }
    }

    /// H6
    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_panics_is_followed_by_one_more() {
        let (slot, calls) = slot(|call| {
            if call == 0 {
                panic!("deliberately")
            } else {
                granted()
            }
        });
        let waiting: Vec<_> = (0..100).map(|_| slot.get()).collect();
        let tokens = futures_util::future::join_all(waiting).await;
        assert!(tokens.iter().all(Result::is_ok));
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    /// H6
    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_always_panics_ends_in_an_error() {
        let (slot, calls) = slot(|_| panic!("deliberately"));
        assert!(slot.get().await.is_err());
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }

    /// H6
    #[test]
    fn without_a_runtime_there_is_an_error_and_no_panic() {
        let (slot, _) = slot(|_| granted());
        assert!(
            futures_util::FutureExt::now_or_never(slot.get()).is_some_and(|token| token.is_err())
        );
    }
}
