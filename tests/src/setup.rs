//! One sandbox, one handle, one app, on one clock.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dingtalk_core::{Clock, ConfigError, DingTalk, DingTalkBuilder, InternalApp, SessionKey};
use dingtalk_sandbox::{Sandbox, World};

use crate::app::{Framework, Gate, Placement, RunningApp, free_port};
use crate::browser::Browser;
use crate::pulse::WatchedClock;

/// Where browsers see the app under test.
pub const ORIGIN: &str = "https://hr.example.com";

/// The sandbox's clock, for core: one handle moves both.
#[derive(Clone, Debug)]
pub struct SandboxClock(pub dingtalk_sandbox::Clock);

#[async_trait]
impl Clock for SandboxClock {
    fn wall(&self) -> SystemTime {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

/// A sandbox with a handle and an app on it. Time stands still unless a test moves it.
#[derive(Debug)]
pub struct Setup {
    /// DingTalk.
    pub sandbox: Sandbox,
    /// The handle.
    pub dingtalk: DingTalk,
    /// The app.
    pub app: RunningApp,
    /// Holds the app's route `/slow`.
    pub gate: Gate,
}

impl Setup {
    /// The world's first app on default settings.
    pub async fn start(framework: Framework) -> Self {
        Self::with(framework, |builder| builder).await
    }

    /// The world's first app on settings of the test's own.
    pub async fn with(
        framework: Framework,
        change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
    ) -> Self {
        Self::placed(framework, Placement::Right, World::default(), change).await
    }

    /// Everything chosen.
    pub async fn placed(
        framework: Framework,
        placement: Placement,
        world: World,
        change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
    ) -> Self {
        Self::on(framework, placement, sandbox(world).await, change)
    }

    /// On a sandbox that runs already: its clock can be somebody's before the handle is built.
    pub fn on(
        framework: Framework,
        placement: Placement,
        sandbox: Sandbox,
        change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
    ) -> Self {
        let dingtalk = build(&sandbox, change).expect("the settings can work");
        let gate = Gate::default();
        let app = framework.start(dingtalk.clone(), placement, gate.clone());
        Self {
            sandbox,
            dingtalk,
            app,
            gate,
        }
    }

    /// The world's first app where a real browser reaches it: its public origin is the address it listens on, and its home URL
    /// in the world leads there.
    pub async fn on_loopback(
        framework: Framework,
        mut world: World,
        app: impl FnOnce(InternalApp, &Sandbox) -> InternalApp,
        change: impl FnOnce(DingTalkBuilder, &Sandbox) -> DingTalkBuilder,
    ) -> Self {
        let listener = free_port();
        let address = listener.local_addr().expect("it is bound");
        world.apps[0].home_url = format!("http://{address}/?corpid=$CORPID$");
        let sandbox = sandbox(world).await;
        let dingtalk = build_app(
            &sandbox,
            |internal_app| app(internal_app, &sandbox),
            |builder| change(builder.public_origin(format!("http://{address}")), &sandbox),
        );
        let dingtalk = dingtalk.expect("the settings can work");
        let gate = Gate::default();
        let app = framework.start_on(listener, dingtalk.clone(), Placement::Right, gate.clone());
        Self {
            sandbox,
            dingtalk,
            app,
            gate,
        }
    }

    /// The URL of a target of the app, for an app [on loopback](Self::on_loopback).
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.app.address())
    }

    /// The world's first app with settings of its own, and settings of the test's own.
    pub async fn of_app(
        framework: Framework,
        world: World,
        app: impl FnOnce(InternalApp) -> InternalApp,
        change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
    ) -> Self {
        let sandbox = sandbox(world).await;
        let dingtalk = build_app(&sandbox, app, change).expect("the settings can work");
        let gate = Gate::default();
        let app = framework.start(dingtalk.clone(), Placement::Right, gate.clone());
        Self {
            sandbox,
            dingtalk,
            app,
            gate,
        }
    }

    /// Another instance of the app: a handle of its own on the same sandbox.
    pub fn instance(
        &self,
        framework: Framework,
        change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
    ) -> (DingTalk, RunningApp) {
        let dingtalk = build(&self.sandbox, change).expect("the settings can work");
        let app = framework.start(dingtalk.clone(), Placement::Right, Gate::default());
        (dingtalk, app)
    }

    /// The world's first app, with a clock on which a test sees who waits.
    pub async fn watched(
        framework: Framework,
        world: World,
        change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
    ) -> (Self, WatchedClock) {
        let sandbox = sandbox(world).await;
        let clock = WatchedClock::new(&sandbox);
        let setup = Self::on(framework, Placement::Right, sandbox, |builder| {
            change(clock.on(builder))
        });
        (setup, clock)
    }

    /// A browser with an empty jar.
    pub fn browser(&self) -> Browser {
        Browser::new(self.app.address())
    }

    /// A fresh code for a person of the world's first app.
    pub fn code(&self, user_id: &str) -> String {
        self.sandbox
            .code(&first_app(&self.sandbox).app_key, user_id)
    }

    /// A fresh code for the world's first person.
    pub fn any_code(&self) -> String {
        self.code(&self.sandbox.world().people[0].user_id)
    }

    /// A browser in which the world's first person is signed in.
    pub async fn signed_in(&self) -> Browser {
        let mut browser = self.browser();
        let answer = browser.login(&self.any_code()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        browser
    }

    /// Completes when at least `n` wait on the one clock.
    pub async fn asleep(&self, n: usize) {
        while self.sandbox.clock().sleepers() < n {
            tokio::task::yield_now().await;
        }
    }

    /// Runs `work`, and moves the one clock, up to a minute in all, whenever somebody waits on it.
    pub async fn as_time_passes<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let clock = self.sandbox.clock();
        let mut left = 600;
        while left > 0 {
            // The network needs no time that the clock knows of, but some turns.
            for _ in 0..TURNS {
                tokio::select! {
                    biased;
                    done = &mut work => return done,
                    () = tokio::task::yield_now() => {}
                }
            }
            if clock.sleepers() > 0 {
                clock.advance(Duration::from_millis(100));
                left -= 1;
            }
        }
        work.await
    }

    /// Moves the one clock.
    pub fn advance(&self, seconds: u64) {
        self.sandbox.clock().advance(Duration::from_secs(seconds));
    }
}

/// A sandbox on which time stands still unless a test moves it.
pub async fn sandbox(world: World) -> Sandbox {
    Sandbox::builder()
        .world(world)
        .clock(dingtalk_sandbox::Clock::manual())
        .start()
        .await
        .expect("loopback has a free port")
}

/// A handle for the world's first app on a sandbox.
pub fn build(
    sandbox: &Sandbox,
    change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
) -> Result<DingTalk, ConfigError> {
    build_app(sandbox, |app| app, change)
}

/// A handle for the world's first app, with settings of its own, on a sandbox.
pub fn build_app(
    sandbox: &Sandbox,
    app: impl FnOnce(InternalApp) -> InternalApp,
    change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
) -> Result<DingTalk, ConfigError> {
    let builder = DingTalk::builder()
        .public_origin(ORIGIN)
        .endpoint(sandbox.url())
        .clock(SandboxClock(sandbox.clock().clone()))
        .session_key(SessionKey::generate()?)
        .internal_app(app(app_of(sandbox, &first_app(sandbox).app_key)));
    change(builder).build()
}

/// An app of the sandbox's world, as a setting.
pub fn app_of(sandbox: &Sandbox, app_key: &str) -> InternalApp {
    let world = sandbox.world();
    let app = world
        .apps
        .iter()
        .find(|app| app.app_key == app_key)
        .expect("the world has the app");
    InternalApp::new(
        app.corp_id.clone(),
        app.app_key.clone(),
        app.app_secret.clone(),
    )
}

fn first_app(sandbox: &Sandbox) -> &dingtalk_sandbox::App {
    &sandbox.world().apps[0]
}

/// How often others have their turn before time goes on: an answer that is under way must not look late on a busy machine.
const TURNS: usize = 200;
