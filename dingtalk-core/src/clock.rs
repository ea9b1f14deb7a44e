//! Where a handle reads the time and how it waits: both are injected.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{Either, select};

/// Where a handle reads the time and how it waits.
///
/// Implement it to move time in your own tests; [`SystemClock`] is the default. Rules: `elapsed` never goes back, and
/// `sleep` ends when `elapsed` has grown by the duration it was given.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time of day; it may jump either way.
    fn wall(&self) -> SystemTime;

    /// Time since a fixed start. It never goes back; it may stand still while the machine is suspended.
    fn elapsed(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose `elapsed` starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the door to real time")]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
#[expect(clippy::disallowed_methods, reason = "this is the door to real time")]
impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock with the two readings that the rest of core works with.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    start_wall: Duration,
    start_elapsed: Duration,
}

impl Time {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let start_wall = since_epoch(clock.wall());
        let start_elapsed = clock.elapsed();
        Self {
            clock,
            start_wall,
            start_elapsed,
        }
    }

    /// What sessions are measured with: a wall clock that is set back cannot lengthen them.
    pub(crate) fn now(&self) -> Timestamp {
        let run = self.clock.elapsed().saturating_sub(self.start_elapsed);
        let now = since_epoch(self.clock.wall()).max(self.start_wall.saturating_add(run));
        Timestamp(millis(now))
    }

    /// The time of day as it is, for those who compare it with theirs: a clock that was set right is right at once.
    pub(crate) fn wall(&self) -> Timestamp {
        self.clock.wall().into()
    }

    /// What tokens are measured with.
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            wall: since_epoch(self.clock.wall()),
            elapsed: self.clock.elapsed(),
        }
    }

    /// Waits.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Runs `work` for at most `limit`; `None` when the limit came first.
    pub(crate) async fn within<F: Future>(&self, limit: Duration, work: F) -> Option<F::Output> {
        let (mut work, mut sleep) = (pin!(work), pin!(self.clock.sleep(limit)));
        // The limit runs from here, however long the work takes to pause for the first time.
        if sleep.as_mut().now_or_never().is_some() {
            return work.as_mut().now_or_never();
        }
        match select(work, sleep).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(((), _)) => None,
        }
    }
}

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(pub(crate) u64);

impl Timestamp {
    pub(crate) fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(millis(since_epoch(time)))
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    wall: Duration,
    elapsed: Duration,
}

impl Moment {
    /// How long ago it was: whichever clock says more, so that a suspended machine or a clock set back never makes a
    /// token look younger than it is.
    pub(crate) fn age(self, now: Self) -> Duration {
        let by_wall = now.wall.saturating_sub(self.wall);
        by_wall.max(self.run(now))
    }

    /// How long ago it was by the clock that does not jump.
    pub(crate) fn run(self, now: Self) -> Duration {
        now.elapsed.saturating_sub(self.elapsed)
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    /// A clock whose two readings are set apart from each other.
    #[derive(Debug)]
    pub(crate) struct SetClock(Mutex<(SystemTime, Duration)>);

    impl SetClock {
        pub(crate) fn new() -> Arc<Self> {
            let day = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            Arc::new(Self(Mutex::new((day, Duration::ZERO))))
        }

        pub(crate) fn move_wall(&self, seconds: i64) {
            let mut both = self.0.lock().unwrap();
            let span = Duration::from_secs(seconds.unsigned_abs());
            both.0 = if seconds < 0 {
                both.0.checked_sub(span).unwrap_or(UNIX_EPOCH)
            } else {
                both.0 + span
            };
        }

        pub(crate) fn run(&self, span: Duration) {
            let mut both = self.0.lock().unwrap();
            both.0 += span;
            both.1 += span;
        }
    }

    #[async_trait]
    impl Clock for SetClock {
        fn wall(&self) -> SystemTime {
            self.0.lock().unwrap().0
        }

        fn elapsed(&self) -> Duration {
            self.0.lock().unwrap().1
        }

        async fn sleep(&self, duration: Duration) {
            // Under tokio's paused time this moves by itself when nothing else can run.
            #[expect(clippy::disallowed_methods, reason = "paused time")]
            tokio::time::sleep(duration).await;
            self.run(duration);
        }
    }

    proptest! {
        /// K1
        #[test]
        fn time_never_goes_back_whatever_the_wall_clock_does(
            steps in proptest::collection::vec((-315_360_000i64..315_360_000, 0u64..100_000), 1..40)
        ) {
            let clock = SetClock::new();
            let time = Time::new(clock.clone());
            let start = time.now();
            let mut ran = Duration::ZERO;
            for (jump, run) in steps {
                clock.move_wall(jump);
                clock.run(Duration::from_secs(run));
                ran += Duration::from_secs(run);
                prop_assert!(time.now().since(start) >= ran);
            }
        }

        /// K1
        #[test]
        fn a_moment_never_looks_younger_than_it_is(
            jumps in proptest::collection::vec((-315_360_000i64..315_360_000, 0u64..100_000), 1..40)
        ) {
            let clock = SetClock::new();
            let time = Time::new(clock.clone());
            let born = time.moment();
            let mut ran = Duration::ZERO;
            for (jump, run) in jumps {
                clock.move_wall(jump);
                clock.run(Duration::from_secs(run));
                ran += Duration::from_secs(run);
                prop_assert!(born.age(time.moment()) >= ran);
            }
        }
    }
}
