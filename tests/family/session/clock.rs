//! Sessions under a wall clock that jumps, stands still or is ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use dingtalk_core::Clock;
use dingtalk_sandbox::Sandbox;
use dingtalk_tests::{Browser, Gate, Placement, both, build};

both! {
    /// K1
    async fn no_jump_of_the_wall_clock_lengthens_a_session(framework) {
        let jumps = [-1, 1, -365, 365, -3650, 3650].map(|days| days * 86_400);
        for seed in 1..=4_u64 {
            let wall = Arc::new(AtomicI64::new(0));
            let jumping = wall.clone();
            let sandbox = Sandbox::builder().clock(dingtalk_sandbox::Clock::manual()).start().await;
            let sandbox = sandbox.expect("loopback has a free port");
            let clock = JumpingClock { clock: sandbox.clock().clone(), wall: jumping };
            let dingtalk = build(&sandbox, |builder| builder.clock(clock)).expect("the settings can work");
            let app = framework.start(dingtalk, Placement::Right, Gate::default());
            let world = sandbox.world();
            let code = || sandbox.code(&world.apps[0].app_key, &world.people[0].user_id);
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut next = |below: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 33) % below
            };
            let mut browser = Browser::new(app.address());
            assert_eq!(browser.login(&code()).await.status, 200);
            let (mut begun, mut seen) = (sandbox.clock().elapsed(), sandbox.clock().elapsed());
            let (mut let_in, mut refused) = (0, 0);
            let mut is_stopped = false;
            for step in 0..150 {
                match next(4) {
                    0 => wall.store(0, Ordering::SeqCst),
                    1 => wall.store(jumps[next(6) as usize], Ordering::SeqCst),
                    2 => is_stopped = !is_stopped,
                    _ => {}
                }
                let seconds = next(9000);
                sandbox.clock().advance(Duration::from_secs(seconds));
                if is_stopped {
                    wall.fetch_sub(seconds as i64, Ordering::SeqCst);
                }
                let now = sandbox.clock().elapsed();
                let answer = browser.fetch("/maybe").await;
                assert_eq!(answer.status, 200, "seed {seed} step {step}");
                if answer.text() == "nobody" {
                    refused += 1;
                    // Sign in anew, and only by an honest clock.
                    is_stopped = false;
                    wall.store(0, Ordering::SeqCst);
                    assert_eq!(browser.login(&code()).await.status, 200, "seed {seed} step {step}");
                    assert_eq!(browser.fetch("/").await.status, 200, "seed {seed} step {step}");
                    begun = now;
                } else {
                    let_in += 1;
                    assert!(now - begun <= Duration::from_secs(12 * 3600), "seed {seed} step {step}");
                    assert!(now - seen <= Duration::from_secs(2 * 3600), "seed {seed} step {step}");
                }
                seen = now;
            }
            assert!(let_in > 10 && refused > 10, "{let_in} {refused}");
        }
    }

    /// K1 K3
    async fn a_session_made_by_a_clock_ahead_is_nobodys_when_the_clock_is_right_again(framework) {
        let wall = Arc::new(AtomicI64::new(0));
        let sandbox = Sandbox::builder().clock(dingtalk_sandbox::Clock::manual()).start().await;
        let sandbox = sandbox.expect("loopback has a free port");
        let clock = JumpingClock { clock: sandbox.clock().clone(), wall: wall.clone() };
        let dingtalk = build(&sandbox, |builder| builder.clock(clock)).expect("the settings can work");
        let app = framework.start(dingtalk, Placement::Right, Gate::default());
        for (ahead, status) in [(60, 200), (121, 200), (122, 401), (86_400, 401)] {
            let mut browser = Browser::new(app.address());
            wall.store(ahead, Ordering::SeqCst);
            let code = sandbox.code(&sandbox.world().apps[0].app_key, "manager01");
            assert_eq!(browser.login(&code).await.status, 200);
            assert_eq!(browser.fetch("/").await.status, 200);
            wall.store(0, Ordering::SeqCst);
            assert_eq!(browser.fetch("/").await.status, status, "{ahead} s ahead");
        }
    }
}

/// The sandbox's clock with a wall that is so many seconds off.
#[derive(Debug)]
pub(crate) struct JumpingClock {
    pub(crate) clock: dingtalk_sandbox::Clock,
    pub(crate) wall: Arc<AtomicI64>,
}

#[async_trait]
impl Clock for JumpingClock {
    fn wall(&self) -> SystemTime {
        let off = self.wall.load(Ordering::SeqCst);
        let span = Duration::from_secs(off.unsigned_abs());
        let now = self.clock.now();
        if off < 0 {
            now.checked_sub(span).unwrap_or(UNIX_EPOCH)
        } else {
            now + span
        }
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}
