//! The clock that core waits on, watched: a test can tell when nothing more happens unless time moves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dingtalk_core::{Clock, DingTalkBuilder};
use dingtalk_sandbox::Sandbox;

/// The limit of a login on a watched clock: no other wait but that for a token is as long.
pub const LOGIN: Duration = Duration::from_millis(9_900);
/// The limit of a call on a watched clock: no other wait is as long.
const ATTEMPT: Duration = Duration::from_millis(4_900);

/// A sandbox's clock that counts who waits on it, by how long they want to wait.
#[derive(Clone, Debug)]
pub struct WatchedClock {
    clock: dingtalk_sandbox::Clock,
    asleep: Arc<Mutex<HashMap<Duration, usize>>>,
}

impl WatchedClock {
    /// Watches the clock of a sandbox.
    pub fn new(sandbox: &Sandbox) -> Self {
        Self {
            clock: sandbox.clock().clone(),
            asleep: Arc::default(),
        }
    }

    /// Gives a handle this clock, and the limits that tell its waits apart.
    pub fn on(&self, builder: DingTalkBuilder) -> DingTalkBuilder {
        builder
            .clock(self.clone())
            .login_limit(LOGIN)
            .attempt_limit(ATTEMPT)
    }

    /// Moves the time.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// How many logins, fetches of a token, and waits for one are under way: each has a limit.
    pub fn waiting(&self) -> usize {
        self.asleep_for(is_limit)
    }

    /// How many calls to DingTalk are under way.
    pub fn calling(&self) -> usize {
        self.asleep_for(|limit| limit == ATTEMPT)
    }

    /// How many wait for their turn, for the end of a pause, or for a time of the test's own.
    pub fn pausing(&self) -> usize {
        self.asleep_for(|pause| pause != ATTEMPT && !is_limit(pause))
    }

    /// How many wait for just so long.
    pub fn asleep(&self, length: Duration) -> usize {
        self.asleep_for(|asleep| asleep == length)
    }

    fn asleep_for(&self, length: impl Fn(Duration) -> bool) -> usize {
        let asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        let those = asleep.iter().filter(|(duration, _)| length(**duration));
        those.map(|(_, count)| count).sum()
    }

    /// Whether everybody whom the time has woken has gone on.
    pub fn is_settled(&self) -> bool {
        let asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        asleep.values().sum::<usize>() == self.clock.sleepers()
    }

    /// Completes when the condition holds; panics when it does not come true in about a minute.
    pub async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        for _ in 0..60_000 {
            if condition() {
                return;
            }
            tick.tick().await;
        }
        panic!("never came: {what} ({:?})", self.asleep);
    }

    /// Completes when nothing happens any more before time moves: of the calls to DingTalk only those `held` there are under
    /// way, and at least `asleep` logins and others wait for such a call, their turn, or the end of a pause.
    pub async fn idle(&self, asleep: impl Fn() -> usize, held: impl Fn() -> usize) {
        // A task that was just started is not seen before it ran for the first time: several times in a row, or not at all.
        let mut row = 0;
        self.until("idleness", || {
            let held = held();
            let is_idle =
                self.is_settled() && self.calling() == held && self.pausing() + held >= asleep();
            row = if is_idle { row + 1 } else { 0 };
            row > 2
        })
        .await;
    }

    /// Runs `work`, and moves the time to the next wake whenever nothing else happens: see [`idle`](Self::idle).
    pub async fn drive<F: Future>(
        &self,
        asleep: impl Fn() -> usize,
        held: impl Fn() -> usize,
        work: F,
    ) -> F::Output {
        let mut work = std::pin::pin!(work);
        for _ in 0..10_000 {
            tokio::select! {
                biased;
                output = &mut work => return output,
                () = self.idle(&asleep, &held) => {
                    if let Some(next) = self.clock.next_wake() {
                        self.clock.advance(next);
                    }
                }
            }
        }
        panic!("never ended: {:?}", self.asleep);
    }

    /// Runs `work` and moves the time on and on: only for work that no answer can end.
    pub async fn step<F: Future>(&self, by: Duration, work: F) -> F::Output {
        let mut work = std::pin::pin!(work);
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..3_000 {
            tokio::select! {
                biased;
                output = &mut work => return output,
                _ = tick.tick() => self.clock.advance(by),
            }
        }
        panic!("never ended: {:?}", self.asleep);
    }

    fn change(&self, duration: Duration, change: impl FnOnce(&mut usize)) {
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        change(asleep.entry(duration).or_default());
    }
}

#[async_trait]
impl Clock for WatchedClock {
    fn wall(&self) -> SystemTime {
        self.clock.now()
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        /// Counts down even when the waiter goes away.
        struct Asleep<'a>(&'a WatchedClock, Duration);
        impl Drop for Asleep<'_> {
            fn drop(&mut self) {
                self.0.change(self.1, |asleep| *asleep -= 1);
            }
        }
        self.change(duration, |asleep| *asleep += 1);
        let _asleep = Asleep(self, duration);
        self.clock.sleep(duration).await;
    }
}

/// A wait for a token is a second longer than its fetch may take.
fn is_limit(duration: Duration) -> bool {
    duration == LOGIN || duration == LOGIN + Duration::from_secs(1)
}
