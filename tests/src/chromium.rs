//! A headless Chromium for the browser tests: one process for those that run at a time, a profile of its own for each.

mod client;
mod happening;
mod patience;
mod tab;

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::browser::BrowserContextId;
use chromiumoxide::cdp::browser_protocol::target::{
    CreateBrowserContextParams, CreateTargetParams, DisposeBrowserContextParams,
    EventTargetInfoChanged,
};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::{Mutex, oneshot};

use patience::in_time;

pub use client::{Asked, Behaviour, Client, Platform};
pub use happening::{JSAPI, PORTAL, Sent};
pub use tab::{Look, Tab};

/// A running Chromium. Ends when the last who holds it lets go.
#[derive(Debug)]
pub struct Chromium {
    browser: Option<Browser>,
    stop: Option<oneshot::Sender<Browser>>,
    thread: Option<std::thread::JoinHandle<()>>,
    data: PathBuf,
}

/// Whether a Chromium keeps cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test's own")]
pub enum Cookies {
    /// As usual.
    Kept,
    /// Its settings block them all.
    Blocked,
}

impl Chromium {
    /// The one that runs, or a new one.
    pub async fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Chromium>> = Mutex::const_new(Weak::new());
        let mut running = RUNNING.lock().await;
        if let Some(chromium) = running.upgrade() {
            return chromium;
        }
        let chromium = Self::start(Cookies::Kept).await;
        *running = Arc::downgrade(&chromium);
        chromium
    }

    /// One of a test's own.
    pub async fn start(cookies: Cookies) -> Arc<Self> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).expect("the system has random bytes");
        let name = format!("dingtalk-chromium-{:016x}", u64::from_be_bytes(name));
        let data = std::env::temp_dir().join(name);
        let config = BrowserConfig::builder()
            .disable_default_args()
            .args(ARGUMENTS.iter().copied())
            .arg(("host-resolver-rules", NOWHERE))
            // A page that no network brought counts as a public one, which may not frame this machine.
            .arg(("disable-features", "LocalNetworkAccessChecks"))
            .no_sandbox()
            .new_headless_mode()
            .respect_https_errors()
            .viewport(None)
            .user_data_dir(&data)
            .build();
        let Ok(config) = config else {
            panic!(
                "Chromium is missing. On Debian or Ubuntu, as root:\n  apt-get update && apt-get install --yes chromium\n\
                 Elsewhere install it and name its program in the variable CHROME."
            );
        };
        std::fs::create_dir_all(data.join("Default")).expect("the temporary folder can be used");
        if cookies == Cookies::Blocked {
            let settings = json!({"profile": {"default_content_setting_values": {"cookies": 2}}});
            std::fs::write(data.join("Default/Preferences"), settings.to_string())
                .expect("the temporary folder can be used");
        }
        let (started, start) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        // On a runtime of its own: tests' runtimes end with their tests.
        let thread = std::thread::spawn(move || drive(config, started, stopped));
        let browser = start
            .await
            .expect("its thread says so")
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}"));
        Arc::new(Self {
            browser: Some(browser),
            stop: Some(stop),
            thread: Some(thread),
            data,
        })
    }

    /// A profile without any cookie.
    pub async fn profile(self: &Arc<Self>) -> Profile {
        let context = self
            .browser()
            .create_browser_context(CreateBrowserContextParams::default())
            .await
            .expect("Chromium makes profiles");
        Profile {
            chromium: Arc::clone(self),
            context,
        }
    }

    fn browser(&self) -> &Browser {
        self.browser.as_ref().expect("it is there until the drop")
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if let (Some(stop), Some(browser)) = (self.stop.take(), self.browser.take()) {
            let _ = stop.send(browser);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// What a person has of a browser: cookies, storage, and tabs that share them.
#[derive(Debug)]
pub struct Profile {
    chromium: Arc<Chromium>,
    context: BrowserContextId,
}

impl Profile {
    /// A new tab: an ordinary browser's, or one of DingTalk's client.
    pub async fn tab(&self, look: Look, client: Option<&Client>) -> Tab {
        let target = CreateTargetParams::builder()
            .url("about:blank")
            .browser_context_id(self.context.clone())
            .build()
            .expect("it has a URL");
        let page = self.chromium.browser().new_page(target).await;
        Tab::new(page.expect("Chromium opens tabs"), look, client.cloned()).await
    }

    /// The tab that a page of this profile opens when something is pressed in it. It looks like an ordinary browser's.
    pub async fn opened_by(&self, tab: &Tab, selector: &str) -> Tab {
        let browser = self.chromium.browser();
        let changes = browser.event_listener::<EventTargetInfoChanged>().await;
        let mut changes = changes.expect("Chromium tells of its tabs");
        tab.press(selector).await;
        let mut found = None;
        let opened = in_time(async {
            while let Some(change) = changes.next().await {
                let target = &change.target_info;
                let is_it = target.browser_context_id.as_ref() == Some(&self.context)
                    && target.opener_id.as_ref() == Some(tab.target());
                if is_it && let Ok(page) = browser.get_page(target.target_id.clone()).await {
                    found = Some(page);
                    return;
                }
            }
        });
        assert!(opened.await, "{selector} opened no tab");
        Tab::found(found.expect("it was found")).await
    }

    /// Closes every tab and forgets everything.
    pub async fn close(self) {
        let dispose = DisposeBrowserContextParams::new(self.context.clone());
        let browser = self.chromium.browser();
        browser.execute(dispose).await.expect("it is there");
    }
}

/// Runs Chromium and its connection until it is told to stop.
fn drive(
    config: BrowserConfig,
    started: oneshot::Sender<Result<Browser, String>>,
    stopped: oneshot::Receiver<Browser>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let (browser, mut handler) = match Browser::launch(config).await {
            Ok(launched) => launched,
            Err(error) => {
                let _ = started.send(Err(error.to_string()));
                return;
            }
        };
        let _ = started.send(Ok(browser));
        let stopped = async {
            // Closed in good order, it leaves no process and no file behind.
            let Ok(mut browser) = stopped.await else {
                return;
            };
            if browser.close().await.is_err() {
                let _ = browser.kill().await;
            }
            let _ = browser.wait().await;
        };
        // The connection ends with Chromium; a message that the library cannot read is no reason to stop listening.
        let connection = async { while handler.next().await.is_some() {} };
        futures_util::future::join(stopped, connection).await;
    });
}

/// Nothing goes out: no other name than this machine's leads anywhere.
const NOWHERE: &str = "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1";

/// Chromium's own errands are off. One process renders all
/// frames of a tab, so that what a tab's scripts are given reaches its frames too; cookies and origins know nothing of that.
const ARGUMENTS: &[&str] = &[
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "no-default-browser-check",
    "disable-background-networking",
    "disable-component-update",
    "disable-default-apps",
    "disable-sync",
    "disable-breakpad",
    "disable-dev-shm-usage",
    "disable-background-timer-throttling",
    "disable-backgrounding-occluded-windows",
    "disable-renderer-backgrounding",
    "disable-site-isolation-trials",
    "disable-popup-blocking",
    "metrics-recording-only",
    "mute-audio",
    "hide-scrollbars",
];
