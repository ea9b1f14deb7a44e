//! The sandbox's clock: real time plus what was advanced, or time that moves only by hand.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant, SystemTime},
};

/// A clock that tests can move. Clones share one time.
///
/// Lifetimes of tokens and codes, calls-per-second windows, delays and drips of the sandbox all follow it.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    kind: Kind,
    state: Mutex<State>,
}

enum Kind {
    Real { started: Instant },
    Manual { started: SystemTime },
}

#[derive(Default)]
struct State {
    advanced: Duration,
    next_id: u64,
    /// By due time, then by order of arrival.
    sleepers: BTreeMap<(Duration, u64), Waker>,
}

impl Clock {
    /// The system's time, plus whatever [`advance`](Self::advance) added.
    #[must_use]
    pub fn real() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "this clock is the door to real time"
        )]
        let started = Instant::now();
        Self::new(Kind::Real { started })
    }

    /// A time that stands still until [`advance`](Self::advance). It starts at the system's time.
    #[must_use]
    pub fn manual() -> Self {
        Self::new(Kind::Manual { started: wall() })
    }

    fn new(kind: Kind) -> Self {
        Self(Arc::new(Inner {
            kind,
            state: Mutex::default(),
        }))
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match self.0.kind {
            Kind::Real { .. } => wall() + self.state().advanced,
            Kind::Manual { started } => started + self.state().advanced,
        }
    }

    /// Time since the clock was made. Never goes back.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed_at(&self.state())
    }

    fn elapsed_at(&self, state: &State) -> Duration {
        match self.0.kind {
            #[expect(
                clippy::disallowed_methods,
                reason = "this clock is the door to real time"
            )]
            Kind::Real { started } => {
                Instant::now().saturating_duration_since(started) + state.advanced
            }
            Kind::Manual { .. } => state.advanced,
        }
    }

    /// Whether time stands still unless advanced.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        matches!(self.0.kind, Kind::Manual { .. })
    }

    /// Moves the time forward and wakes every sleeper that is due.
    pub fn advance(&self, by: Duration) {
        let woken: Vec<Waker> = {
            let mut state = self.state();
            state.advanced = state.advanced.saturating_add(by).min(FAR);
            let now = self.elapsed_at(&state);
            let later = state.sleepers.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut state.sleepers, later);
            // On a real clock the others sleep on timers set for the old distance: let them look again.
            let others = if self.is_manual() {
                Vec::new()
            } else {
                state.sleepers.values().cloned().collect()
            };
            due.into_values().chain(others).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Completes when the clock is `duration` further than now. A sleeper counts from its first poll.
    ///
    /// On a [`real`](Self::real) clock this needs a tokio runtime with its timer enabled.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + Sync + use<> {
        let due = self.elapsed().saturating_add(duration).min(FAR * 2);
        Sleep {
            clock: self.clone(),
            due,
            id: None,
            timer: None,
        }
    }

    /// How many are asleep on this clock.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.state().sleepers.len()
    }

    /// How far the clock must move for the first sleeper to wake. `None` when nobody sleeps.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        let state = self.state();
        let now = self.elapsed_at(&state);
        state
            .sleepers
            .first_key_value()
            .map(|((due, _), _)| due.saturating_sub(now))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_manual() { "manual" } else { "real" };
        f.debug_struct("Clock")
            .field("kind", &kind)
            .field("elapsed", &self.elapsed())
            .field("sleepers", &self.sleepers())
            .finish()
    }
}

struct Sleep {
    clock: Clock,
    due: Duration,
    id: Option<u64>,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let left = {
            let mut state = this.clock.state();
            let left = this.due.saturating_sub(this.clock.elapsed_at(&state));
            if left.is_zero() {
                if let Some(id) = this.id.take() {
                    state.sleepers.remove(&(this.due, id));
                }
                return Poll::Ready(());
            }
            let id = *this.id.get_or_insert_with(|| {
                state.next_id += 1;
                state.next_id
            });
            state.sleepers.insert((this.due, id), cx.waker().clone());
            left
        };
        if !this.clock.is_manual() {
            #[expect(
                clippy::disallowed_methods,
                reason = "this clock is the door to real time"
            )]
            let mut timer = Box::pin(tokio::time::sleep(left));
            if timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            this.timer = Some(timer);
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.clock.state().sleepers.remove(&(self.due, id));
        }
    }
}

fn wall() -> SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "this clock is the door to real time"
    )]
    SystemTime::now()
}

/// A hundred years: an advance beyond it would overflow the time of day on some systems.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_moves_only_by_hand() {
        let clock = Clock::manual();
        let start = clock.now();
        assert_eq!(clock.elapsed(), Duration::ZERO);
        clock.advance(Duration::from_secs(7));
        assert_eq!(clock.elapsed(), Duration::from_secs(7));
        assert_eq!(clock.now(), start + Duration::from_secs(7));
    }

    #[tokio::test]
    async fn sleepers_wake_when_due_and_not_before() {
        let clock = Clock::manual();
        let soon = tokio::spawn(clock.sleep(Duration::from_secs(1)));
        let late = tokio::spawn(clock.sleep(Duration::from_secs(10)));
        while clock.sleepers() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.next_wake(), Some(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        soon.await.unwrap();
        assert_eq!(clock.sleepers(), 1);
        assert_eq!(clock.next_wake(), Some(Duration::from_secs(9)));
        assert!(!late.is_finished());
        late.abort();
        let _ = late.await;
        assert_eq!(clock.next_wake(), None);
    }

    #[tokio::test]
    async fn advancing_a_real_clock_wakes_its_sleepers() {
        let clock = Clock::real();
        let sleeper = tokio::spawn(clock.sleep(Duration::from_secs(3600)));
        while clock.sleepers() < 1 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(3600));
        sleeper.await.unwrap();
    }

    #[tokio::test]
    async fn a_real_clock_wakes_by_itself() {
        Clock::real().sleep(Duration::from_millis(1)).await;
    }

    #[test]
    fn a_huge_advance_does_not_overflow() {
        let clock = Clock::manual();
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert!(clock.now() > SystemTime::UNIX_EPOCH);
    }
}
