//! A phone, or a desk, with DingTalk on it, and an app in front of a sandbox.

use std::io;
use std::sync::{Arc, Mutex, Once, PoisonError};

use dingtalk_core::{DingTalkBuilder, InternalApp, WebSignIn};
use dingtalk_sandbox::{Sandbox, World, route};
use dingtalk_tests::chromium::{Chromium, Client, Cookies, Look, Platform, Profile, Tab};
use dingtalk_tests::{Framework, Setup};
use tracing_subscriber::filter::EnvFilter;

/// Everything around one test.
pub(crate) struct Stage {
    pub(crate) setup: Arc<Setup>,
    pub(crate) client: Client,
    pub(crate) profile: Profile,
}

impl Stage {
    /// The world's first person, in DingTalk's client, and the world's first app on default settings.
    pub(crate) async fn on(framework: Framework, platform: Platform) -> Self {
        Self::with(framework, platform, |builder| builder).await
    }

    /// On settings of the test's own.
    pub(crate) async fn with(
        framework: Framework,
        platform: Platform,
        change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
    ) -> Self {
        Self::in_world(framework, platform, World::default(), change).await
    }

    /// In a world of the test's own.
    pub(crate) async fn in_world(
        framework: Framework,
        platform: Platform,
        world: World,
        change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
    ) -> Self {
        let chromium = Chromium::shared().await;
        let change = |builder, _: &Sandbox| change(builder);
        Self::in_chromium(&chromium, framework, platform, world, as_it_is, change).await
    }

    /// With settings that depend on the sandbox.
    pub(crate) async fn beside(
        framework: Framework,
        change: impl FnOnce(DingTalkBuilder, &Sandbox) -> DingTalkBuilder,
    ) -> Self {
        let chromium = Chromium::shared().await;
        let world = World::default();
        Self::in_chromium(
            &chromium,
            framework,
            Platform::Android,
            world,
            as_it_is,
            change,
        )
        .await
    }

    /// With web sign-in, on settings that depend on the sandbox.
    pub(crate) async fn with_web_sign_in(
        framework: Framework,
        web: impl FnOnce(WebSignIn, &Sandbox) -> WebSignIn,
    ) -> Self {
        let app =
            |app: InternalApp, sandbox: &Sandbox| app.web_sign_in(web(WebSignIn::new(), sandbox));
        Self::of_app(framework, World::default(), app, |builder, _| builder).await
    }

    /// In a world of the test's own, the app and the rest on settings that depend on the sandbox.
    pub(crate) async fn of_app(
        framework: Framework,
        world: World,
        app: impl FnOnce(InternalApp, &Sandbox) -> InternalApp,
        change: impl FnOnce(DingTalkBuilder, &Sandbox) -> DingTalkBuilder,
    ) -> Self {
        let chromium = Chromium::shared().await;
        Self::in_chromium(&chromium, framework, Platform::Android, world, app, change).await
    }

    /// Where no cookie is kept.
    pub(crate) async fn without_cookies(framework: Framework, platform: Platform) -> Self {
        let chromium = Chromium::start(Cookies::Blocked).await;
        let change = |builder, _: &Sandbox| builder;
        let world = World::default();
        Self::in_chromium(&chromium, framework, platform, world, as_it_is, change).await
    }

    async fn in_chromium(
        chromium: &Arc<Chromium>,
        framework: Framework,
        platform: Platform,
        world: World,
        app: impl FnOnce(InternalApp, &Sandbox) -> InternalApp,
        change: impl FnOnce(DingTalkBuilder, &Sandbox) -> DingTalkBuilder,
    ) -> Self {
        listen();
        let setup = Arc::new(Setup::on_loopback(framework, world, app, change).await);
        Self {
            client: Client::new(&setup, platform, "manager01"),
            profile: chromium.profile().await,
            setup,
        }
    }

    /// A tab of the client.
    pub(crate) async fn tab(&self) -> Tab {
        self.profile.tab(Look::PHONE, Some(&self.client)).await
    }

    /// A tab of the client with a target of the app in it.
    pub(crate) async fn open(&self, target: &str) -> Tab {
        let tab = self.tab().await;
        tab.open(&self.setup.url(target)).await;
        tab
    }

    /// A tab of an ordinary browser that shares the client's cookies.
    pub(crate) async fn outside(&self) -> Tab {
        self.profile.tab(Look::PHONE, None).await
    }

    /// How many codes were traded.
    pub(crate) fn exchanges(&self) -> usize {
        self.setup.sandbox.call_count_of(route::GETUSERINFO)
    }

    /// The corp and the key of the app.
    pub(crate) fn app(&self) -> (String, String) {
        let app = &self.setup.sandbox.world().apps[0];
        (app.corp_id.clone(), app.app_key.clone())
    }
}

/// All that a page leaves where somebody could look for a code: addresses and history, storage, what it shows.
pub(crate) async fn left_by(tab: &Tab) -> String {
    let left = tab
        .evaluate(
            "JSON.stringify([
                location.href, document.referrer, history.state, window.name, document.cookie,
                performance.getEntries().map((entry) => entry.name),
                Object.entries(sessionStorage), Object.entries(localStorage),
                document.documentElement.outerHTML,
            ])",
        )
        .await;
    format!("{left}{:?}", tab.history().await)
}

fn as_it_is(app: InternalApp, _: &Sandbox) -> InternalApp {
    app
}

/// All that was logged in this process, but for the wire to Chromium.
pub(crate) fn log() -> String {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&log).into_owned()
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let all = EnvFilter::new("trace,chromiumoxide=off,tungstenite=off,async_tungstenite=off");
        tracing_subscriber::fmt()
            .with_env_filter(all)
            .with_ansi(false)
            .with_writer(|| Log)
            .init();
    });
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
