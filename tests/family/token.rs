//! The token cache: one fetch for all who wait, whatever becomes of any of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dingtalk_core::{AccessToken, Clock, DingTalk, Error};
use dingtalk_sandbox::{Fault, Sandbox, World, route};
use dingtalk_tests::{LOGIN, WatchedClock, app_of, build};
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinHandle;

/// A handle without an app around it, for two corps.
struct Bench {
    sandbox: Sandbox,
    dingtalk: DingTalk,
    clock: WatchedClock,
    /// Callers that were spawned and still wait.
    unfinished: Arc<AtomicUsize>,
}

impl Bench {
    async fn start() -> Self {
        let mut world = World::default();
        world
            .apps
            .iter_mut()
            .for_each(|app| app.calls_per_second = 0);
        let sandbox = Sandbox::builder()
            .world(world)
            .clock(dingtalk_sandbox::Clock::manual())
            .start()
            .await
            .unwrap();
        let clock = WatchedClock::new(&sandbox);
        let other = app_of(&sandbox, &sandbox.world().apps[2].app_key);
        let dingtalk = build(&sandbox, |builder| clock.on(builder).internal_app(other)).unwrap();
        Self {
            sandbox,
            dingtalk,
            clock,
            unfinished: Arc::default(),
        }
    }

    fn corp_id(&self) -> &str {
        &self.sandbox.world().apps[0].corp_id
    }

    async fn token(&self) -> Result<AccessToken, Error> {
        self.dingtalk.token(self.corp_id()).await
    }

    /// The token if nobody has to wait for it.
    fn token_at_once(&self) -> Option<Result<AccessToken, Error>> {
        self.token().now_or_never()
    }

    fn spawn(&self) -> JoinHandle<Result<AccessToken, Error>> {
        let (dingtalk, corp_id) = (self.dingtalk.clone(), self.corp_id().to_owned());
        let unfinished = self.unfinished.clone();
        unfinished.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let token = dingtalk.token(&corp_id).await;
            unfinished.fetch_sub(1, Ordering::SeqCst);
            token
        })
    }

    /// The one fetch, if somebody waits for it.
    fn fetches(&self) -> usize {
        self.unfinished.load(Ordering::SeqCst).min(1)
    }

    fn spawn_many(&self, callers: usize) -> Vec<JoinHandle<Result<AccessToken, Error>>> {
        (0..callers).map(|_| self.spawn()).collect()
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn calls(&self) -> usize {
        self.sandbox.call_count()
    }

    /// Completes when so many callers wait, and a fetch for them.
    async fn waiting(&self, callers: usize) {
        self.clock
            .until("callers that wait", || self.clock.waiting() > callers)
            .await;
    }
}

async fn all_ok(callers: Vec<JoinHandle<Result<AccessToken, Error>>>) -> AccessToken {
    let mut tokens: Vec<AccessToken> = join_all(callers)
        .await
        .into_iter()
        .map(|done| done.unwrap().unwrap())
        .collect();
    let first = tokens.pop().unwrap();
    assert!(tokens.iter().all(|token| is_same(token, &first)));
    first
}

fn is_same(one: &AccessToken, other: &AccessToken) -> bool {
    one.secret().matches(other.secret())
}

fn code_of(error: &Error) -> &'static str {
    error.advice().code
}

/// H1
#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn a_thousand_cold_callers_cost_one_call() {
    let bench = Bench::start().await;
    let barrier = Arc::new(Barrier::new(1000));
    let callers = (0..1000)
        .map(|_| {
            let (barrier, dingtalk) = (barrier.clone(), bench.dingtalk.clone());
            let corp_id = bench.corp_id().to_owned();
            tokio::spawn(async move {
                barrier.wait().await;
                dingtalk.token(&corp_id).await
            })
        })
        .collect();
    all_ok(callers).await;
    assert_eq!(bench.calls(), 1);
}

/// H8
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_expired_token_costs_one_call_for_a_thousand_callers() {
    let bench = Bench::start().await;
    let old = bench.token().await.unwrap();
    bench.advance(7200);
    let new = all_ok(bench.spawn_many(1000)).await;
    assert!(!is_same(&old, &new));
    assert_eq!(bench.calls(), 2);
}

/// H2
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_first_requester_may_be_aborted_a_thousand_times() {
    let bench = Bench::start().await;
    for round in 1..=1000 {
        let hold = bench.sandbox.hold(route::ACCESS_TOKEN);
        let first = bench.spawn();
        // Sometimes before the fetch has reached DingTalk, sometimes after.
        if round % 2 == 0 {
            hold.wait_for(1).await;
        } else {
            bench.waiting(1).await;
        }
        let others = bench.spawn_many(3);
        if round % 3 == 0 {
            bench.waiting(4).await;
        }
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        hold.wait_for(1).await;
        hold.release();
        all_ok(others).await;
        assert_eq!(bench.calls(), round);
        bench.advance(7200);
    }
}

/// H3
#[tokio::test]
async fn a_requester_that_is_never_polled_again_stops_nobody() {
    let bench = Bench::start().await;
    let mut first = std::pin::pin!(bench.token());
    assert!(first.as_mut().now_or_never().is_none());
    let has_token = || bench.token_at_once().is_some_and(|token| token.is_ok());
    bench
        .clock
        .until("a second caller's token", has_token)
        .await;
    assert_eq!(bench.calls(), 1);
    first.await.unwrap();
}

/// H4
#[tokio::test]
async fn requesters_that_give_up_early_still_fill_the_cache() {
    let bench = Bench::start().await;
    bench
        .sandbox
        .fault(Fault::delay(Duration::from_millis(500)).on(route::ACCESS_TOKEN));
    for impatient in 0..4 {
        let mut caller = Box::pin(bench.token());
        assert!(caller.as_mut().now_or_never().is_none());
        let clock = bench.sandbox.clock();
        // The fetch, its call, the caller, and DingTalk's delay.
        bench
            .clock
            .until("the delay", || clock.sleepers() == 4)
            .await;
        assert_eq!(bench.calls(), 1, "requester {impatient}");
        bench.clock.advance(Duration::from_millis(100));
    }
    bench.clock.advance(Duration::from_millis(200));
    bench
        .clock
        .until("the token", || {
            bench.token_at_once().is_some_and(|token| token.is_ok())
        })
        .await;
    assert_eq!(bench.calls(), 1);
}

/// H5
#[tokio::test]
async fn a_thousand_aborted_requesters_are_not_too_many() {
    let bench = Bench::start().await;
    let hold = bench.sandbox.hold(route::ACCESS_TOKEN);
    for _ in 0..1000 {
        assert!(bench.token_at_once().is_none());
    }
    hold.wait_for(1).await;
    hold.release();
    bench.token().await.unwrap();
    assert_eq!(bench.calls(), 1);
}

/// H6
#[tokio::test]
async fn a_runtime_that_stops_takes_nobody_elsewhere_with_it() {
    let bench = Bench::start().await;
    let hold = bench.sandbox.hold(route::ACCESS_TOKEN);
    let (dingtalk, corp_id) = (bench.dingtalk.clone(), bench.corp_id().to_owned());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let elsewhere = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::spawn(async move { dingtalk.token(&corp_id).await });
            stopped.await.unwrap();
        });
    });
    hold.wait_for(1).await;
    let here = bench.spawn();
    bench.waiting(2).await;
    stop.send(()).unwrap();
    elsewhere.join().unwrap();
    bench
        .clock
        .until("a fetch from here", || bench.calls() == 2)
        .await;
    hold.release();
    here.await.unwrap().unwrap();
    assert_eq!(bench.calls(), 2);
}

/// H7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_wait_share_one_failure() {
    let bench = Bench::start().await;
    let hold = bench.sandbox.hold(route::ACCESS_TOKEN);
    bench
        .sandbox
        .fault(Fault::status(500).on(route::ACCESS_TOKEN));
    let callers = bench.spawn_many(1000);
    bench.waiting(1000).await;
    hold.release();
    let start = bench.clock.elapsed();
    let failed = bench
        .clock
        .drive(|| bench.fetches(), || 0, join_all(callers))
        .await;
    for failure in failed {
        let error = failure.unwrap().unwrap_err();
        assert_eq!(code_of(&error), "dingtalk.unexpected_answer");
    }
    assert_eq!(
        bench.calls(),
        3,
        "one call and two repeats, for all of them"
    );
    assert!(bench.clock.elapsed() - start <= LOGIN);
}

/// H7 I1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_that_nobody_answers_ends_for_all_within_its_one_limit() {
    let bench = Bench::start().await;
    let hold = bench.sandbox.hold(route::ACCESS_TOKEN);
    let callers = bench.spawn_many(100);
    bench.waiting(100).await;
    let start = bench.clock.elapsed();
    let failed = bench
        .clock
        .drive(
            || bench.fetches(),
            || bench.clock.calling(),
            join_all(callers),
        )
        .await;
    assert!(failed.into_iter().all(|done| done.unwrap().is_err()));
    let took = bench.clock.elapsed() - start;
    assert!(took <= LOGIN + Duration::from_secs(1), "{took:?}");
    assert!(bench.calls() <= 3, "{} calls", bench.calls());
    drop(hold);
}

/// H9
#[tokio::test]
async fn a_token_near_its_end_is_served_while_another_is_fetched_behind() {
    let bench = Bench::start().await;
    bench.token().await.unwrap();
    bench.advance(7200 - 601);
    assert!(bench.token_at_once().unwrap().is_ok());
    bench.clock.idle(|| 0, || 0).await;
    assert_eq!(bench.calls(), 1, "too early to fetch anew");
    bench.advance(601 - 470);
    let hold = bench.sandbox.hold(route::ACCESS_TOKEN);
    for _ in 0..100 {
        assert!(bench.token_at_once().unwrap().is_ok());
    }
    hold.wait_for(1).await;
    hold.release();
    bench.clock.idle(|| 0, || 0).await;
    assert_eq!(bench.calls(), 2);
    // The life of the one fetched behind began then.
    bench.advance(470);
    assert!(bench.token_at_once().unwrap().is_ok());
    bench.clock.idle(|| 0, || 0).await;
    assert_eq!(bench.calls(), 2);
}

/// H9
#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_served_to_its_end_and_not_after() {
    let bench = Bench::start().await;
    bench.token().await.unwrap();
    bench.advance(7200 - 470);
    bench
        .sandbox
        .fault(Fault::status(500).on(route::ACCESS_TOKEN));
    for second in 0..470 - 60 {
        assert!(bench.token_at_once().unwrap().is_ok(), "second {second}");
        bench.clock.idle(|| 0, || 0).await;
        bench.advance(1);
    }
    assert!((3..=20).contains(&(bench.calls() - 1)), "{}", bench.calls());
    let after = bench.clock.drive(|| 0, || 0, bench.token()).await;
    assert!(after.is_err());
}

/// H10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_a_minute_costs_few_calls_and_ends_soon_after() {
    let bench = Bench::start().await;
    bench
        .sandbox
        .fault(Fault::status(500).on(route::ACCESS_TOKEN));
    let mut callers = Vec::new();
    for _ in 0..60 {
        callers.extend(bench.spawn_many(1000));
        bench
            .clock
            .until("a second of callers", || {
                let callers = bench.unfinished.load(Ordering::SeqCst);
                bench.clock.waiting() == callers + bench.fetches()
                    && bench.clock.pausing() == bench.fetches()
                    && bench.clock.is_settled()
            })
            .await;
        bench.advance(1);
        callers.retain(|caller| !caller.is_finished());
    }
    assert!((4..=20).contains(&bench.calls()), "{} calls", bench.calls());
    bench
        .clock
        .drive(|| bench.fetches(), || 0, join_all(callers))
        .await;
    bench.sandbox.clear_faults();
    for second in 0.. {
        let caller = bench.spawn();
        if let Ok(Ok(_)) = bench.clock.drive(|| bench.fetches(), || 0, caller).await {
            break;
        }
        assert!(second < 60, "the last pause is over by now");
        bench.advance(1);
    }
}

/// H12
#[tokio::test]
async fn odd_lifetimes_make_no_hot_loop_and_no_endless_token() {
    for (said, calls) in [
        (json!({"expireIn": 0}), 2..=6),
        (json!({"expireIn": -1}), 2..=6),
        (json!({"expireIn": null}), 2..=6),
        (json!({"expireIn": "soon"}), 2..=6),
        (json!({"expireIn": "7200"}), 1..=1),
        (json!({"expireIn": 1e18}), 1..=1),
        (json!({"expireIn": null, "expires_in": 7200}), 1..=1),
    ] {
        let bench = Bench::start().await;
        bench
            .sandbox
            .fault(Fault::edit(said.clone()).on(route::ACCESS_TOKEN));
        for _ in 0..120 {
            bench.token().await.unwrap();
            bench.clock.idle(|| 0, || 0).await;
            bench.advance(1);
        }
        assert!(calls.contains(&bench.calls()), "{said}: {}", bench.calls());
        bench.advance(86_400);
        let before = bench.calls();
        bench.token().await.unwrap();
        assert_eq!(
            bench.calls(),
            before + 1,
            "{said}: kept for more than a day"
        );
    }
}

/// H12
#[tokio::test]
async fn a_life_is_counted_from_the_request() {
    let bench = Bench::start().await;
    let hold = bench.sandbox.hold(route::ACCESS_TOKEN);
    let caller = bench.spawn();
    hold.wait_for(1).await;
    bench.advance(4);
    hold.release();
    caller.await.unwrap().unwrap();
    bench.advance(7200 - 60 - 4);
    assert!(bench.token_at_once().is_none(), "hard expiry is 60 s early");
    bench.token().await.unwrap();
    assert_eq!(bench.calls(), 2);
}

/// H13
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_rejections_of_one_token_cost_one_fetch() {
    let bench = Bench::start().await;
    let old = all_ok(bench.spawn_many(1000)).await;
    bench
        .sandbox
        .revoke_tokens(&bench.sandbox.world().apps[0].app_key);
    let callers = (0..1000)
        .map(|_| {
            let (dingtalk, old) = (bench.dingtalk.clone(), old.clone());
            tokio::spawn(async move {
                dingtalk.reject_token(&old);
                dingtalk.token(old.corp_id()).await
            })
        })
        .collect();
    let new = all_ok(callers).await;
    assert!(!is_same(&old, &new));
    // Who comes late with the old one takes the new one from nobody.
    for _ in 0..1000 {
        bench.dingtalk.reject_token(&old);
        assert!(is_same(&bench.token_at_once().unwrap().unwrap(), &new));
    }
    assert_eq!(bench.calls(), 2);
}

/// H13
#[tokio::test]
async fn a_rejected_token_that_comes_again_is_an_error_and_a_pause() {
    let bench = Bench::start().await;
    for round in 0..5 {
        // It is given another chance when the pause is over.
        let token = loop {
            match bench.token().await {
                Ok(token) => break token,
                Err(_) => bench.advance(60),
            }
        };
        let before = bench.calls();
        bench.dingtalk.reject_token(&token);
        for _ in 0..1000 {
            let error = bench.token().await.unwrap_err();
            assert_eq!(code_of(&error), "app.token_rejected");
        }
        assert!(bench.calls() <= before + 1, "round {round}");
    }
    assert!(bench.calls() <= 15, "{} calls", bench.calls());
}

/// H14
#[tokio::test]
async fn a_corp_whose_token_hangs_keeps_no_other_corp_waiting() {
    let bench = Bench::start().await;
    let day = Duration::from_secs(86_400);
    bench.sandbox.fault(
        Fault::delay(day)
            .on(route::ACCESS_TOKEN)
            .corp(bench.corp_id()),
    );
    let hanging = bench.spawn();
    bench.waiting(1).await;
    let other = &bench.sandbox.world().apps[2].corp_id;
    let has_token = || {
        let token = bench.dingtalk.token(other).now_or_never();
        token.is_some_and(|token| token.is_ok())
    };
    bench.clock.until("the other corp's token", has_token).await;
    assert!(!hanging.is_finished());
    assert_eq!(bench.clock.elapsed(), Duration::ZERO);
}

/// A machine whose clocks disagree after it was suspended, or after its time of day was set.
#[derive(Clone, Debug)]
struct Disagreeing(WatchedClock, Arc<Mutex<SystemTime>>);

#[async_trait]
impl Clock for Disagreeing {
    fn wall(&self) -> SystemTime {
        *self.1.lock().unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

/// K2
#[tokio::test]
async fn a_token_is_over_when_either_clock_says_so() {
    let bench = Bench::start().await;
    let hour = Duration::from_secs(3600);
    for (wall, run, calls) in [
        (3 * 3600, 1, 2),
        (0, 3 * 3600, 2),
        (-3 * 3600, 3 * 3600, 2),
        (-3 * 3600, 1, 1),
        (3600, 3600, 1),
    ] {
        let start = SystemTime::UNIX_EPOCH + 24 * hour;
        let wall_clock = Arc::new(Mutex::new(start));
        let clock = Disagreeing(bench.clock.clone(), wall_clock);
        let dingtalk = build(&bench.sandbox, |builder| builder.clock(clock.clone())).unwrap();
        bench.sandbox.reset_calls();
        dingtalk.token(bench.corp_id()).await.unwrap();
        let span = Duration::from_secs(i64::unsigned_abs(wall));
        *clock.1.lock().unwrap() = if wall < 0 { start - span } else { start + span };
        bench.advance(run);
        dingtalk.token(bench.corp_id()).await.unwrap();
        assert_eq!(bench.calls(), calls, "wall {wall:+}, monotonic +{run}");
    }
}
