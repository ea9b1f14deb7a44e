//! One tab: how it looks to a page, what it shows, and everything it does on the network.

use std::sync::Arc;

use base64_simd::STANDARD;
use chromiumoxide::Command;
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
    SetTouchEmulationEnabledParams, SetUserAgentOverrideParams,
};
use chromiumoxide::cdp::browser_protocol::fetch::{self, RequestPattern};
use chromiumoxide::cdp::browser_protocol::input::InsertTextParams;
use chromiumoxide::cdp::browser_protocol::network::{
    BlockPattern, Headers, SetBlockedUrLsParams, SetExtraHttpHeadersParams,
};
use chromiumoxide::cdp::browser_protocol::page::{
    AddScriptToEvaluateOnNewDocumentParams, BringToFrontParams, CaptureScreenshotParams,
    GetNavigationHistoryParams, NavigateParams, ReloadParams, StopLoadingParams, Viewport,
};
use chromiumoxide::cdp::browser_protocol::target::TargetId;
use chromiumoxide::cdp::js_protocol::runtime::{
    AddBindingParams, EvaluateParams, ExecutionContextId,
};
use chromiumoxide::error::CdpError;
use chromiumoxide::page::Page;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::client::Client;
use super::happening::{NATIVE, PORTAL, Seen, Sent, WATCH, evaluation, lock};
use super::patience::in_time;

/// How large, in which light and in which language a tab is.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Dark mode.
    pub is_dark: bool,
    /// As `Accept-Language` has it.
    pub language: &'static str,
    /// Whether DingTalk's JSAPI script can be reached.
    pub has_jsapi: bool,
}

impl Look {
    /// A phone in English and by day.
    pub const PHONE: Self = Self {
        width: 360,
        height: 740,
        is_dark: false,
        language: "en",
        has_jsapi: true,
    };
    /// A desk's screen.
    pub const DESK: Self = Self {
        width: 1440,
        height: 900,
        ..Self::PHONE
    };
}

/// A tab. Closed with its profile.
#[derive(Debug)]
pub struct Tab {
    page: Page,
    seen: Arc<Seen>,
    changes: watch::Receiver<u64>,
    listener: JoinHandle<()>,
}

impl Tab {
    pub(super) async fn new(page: Page, look: Look, client: Option<Client>) -> Self {
        let (seen, changes, listener) = Seen::begin(&page, client, look.has_jsapi).await;
        let tab = Self {
            page,
            seen,
            changes,
            listener,
        };
        tab.dress(look).await;
        tab
    }

    /// One that is open already: what happened in it before is not known.
    pub(super) async fn found(page: Page) -> Self {
        let (seen, changes, listener) = Seen::begin(&page, None, true).await;
        Self {
            page,
            seen,
            changes,
            listener,
        }
    }

    pub(super) fn target(&self) -> &TargetId {
        self.page.target_id()
    }

    /// Goes to a URL, and returns once it has begun to.
    pub async fn open(&self, url: &str) {
        self.run(NavigateParams::new(url)).await;
    }

    /// Shows a URL in a frame of a page of another site: see [`PORTAL`].
    pub async fn open_framed(&self, url: &str) {
        let html = format!(
            "<!doctype html><html lang=\"en\"><title>Portal</title><iframe title=\"app\" src=\"{url}\" width=\"340\" height=\"600\"></iframe>"
        );
        lock(&self.seen.portal).insert(format!("{PORTAL}/"), html);
        self.open(&format!("{PORTAL}/")).await;
    }

    /// Loads its page again, and returns once it has begun to.
    pub async fn reload(&self) {
        self.run(ReloadParams::default()).await;
    }

    /// Ends whatever it loads, as its button does: the page that was there stays.
    pub async fn stop(&self) {
        self.run(StopLoadingParams {}).await;
    }

    /// Completes when a script's condition holds in the tab's page. Fails with what the tab shows when it does not come true.
    pub async fn until(&self, condition: &str) {
        let mut changes = self.changes.clone();
        let come_true = async {
            loop {
                changes.borrow_and_update();
                if self.try_evaluate(condition).await == Some(json!(true)) {
                    return;
                }
                changes.changed().await.expect("the tab is there");
            }
        };
        if !in_time(come_true).await {
            panic!("never came: {condition}\n{}", self.shown().await);
        }
    }

    /// Completes when the page shows a text.
    pub async fn until_text(&self, text: &str) {
        self.until(&format!(
            "!!document.body && document.body.innerText.includes({})",
            json!(text)
        ))
        .await;
    }

    /// Completes when the tab's frame shows a text.
    pub async fn until_framed_text(&self, text: &str) {
        let mut changes = self.changes.clone();
        let come_true = async {
            loop {
                changes.borrow_and_update();
                if self.framed_text().await.contains(text) {
                    return;
                }
                changes.changed().await.expect("the tab is there");
            }
        };
        if !in_time(come_true).await {
            let framed = self.framed_text().await;
            panic!(
                "never came in the frame: {text}\n{framed}\n{}",
                self.shown().await
            );
        }
    }

    /// Completes when the tab has sent so many requests for a path.
    pub async fn until_sent(&self, method: &str, path: &str, times: usize) {
        let it = format!("{method} {path}, {times} times");
        self.until_seen(&it, || self.count(method, path) >= times)
            .await;
    }

    /// Completes when the console has complained in such words.
    pub async fn until_errors(&self, words: &str) {
        let said = || self.errors().iter().any(|error| error.contains(words));
        self.until_seen(words, said).await;
    }

    /// Completes when any of its pages has shown a text: so far, or from now on.
    pub async fn until_shown(&self, text: &str) {
        self.until_seen(text, || self.ever_showed(text)).await;
    }

    async fn until_seen(&self, what: &str, condition: impl Fn() -> bool) {
        let mut changes = self.changes.clone();
        let come_true = async {
            changes
                .wait_for(|_| condition())
                .await
                .expect("the tab is there");
        };
        if !in_time(come_true).await {
            panic!("never came: {what}\n{}", self.shown().await);
        }
    }

    /// What the page shows.
    pub async fn text(&self) -> String {
        let text = self
            .evaluate("document.body ? document.body.innerText : ''")
            .await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// What the tab's first frame shows.
    pub async fn framed_text(&self) -> String {
        let text = self
            .evaluate_framed("document.body ? document.body.innerText : ''")
            .await;
        text.and_then(|text| Some(text.as_str()?.to_owned()))
            .unwrap_or_default()
    }

    /// The value of a script's expression in the tab's first frame; promises are waited for. Nothing without a frame.
    pub async fn evaluate_framed(&self, script: &str) -> Option<Value> {
        for frame in self.page.frames().await.unwrap_or_default() {
            let parent = self.page.frame_parent(frame.clone()).await;
            if parent.ok().flatten().is_none() {
                continue;
            }
            if let Ok(Some(context)) = self.page.frame_execution_context(frame).await {
                return self.in_context(context, script).await;
            }
        }
        None
    }

    /// Where the page is, fragment included.
    pub async fn url(&self) -> String {
        let url = self.evaluate("location.href").await;
        url.as_str().unwrap_or_default().to_owned()
    }

    /// The value of a script's expression; promises are waited for.
    pub async fn evaluate(&self, script: &str) -> Value {
        let mut value = None;
        let evaluated = in_time(async { value = self.try_evaluate(script).await }).await;
        assert!(evaluated, "no answer to {script}");
        value.unwrap_or_default()
    }

    /// Presses what a selector finds.
    pub async fn press(&self, selector: &str) {
        let pressed = self
            .evaluate(&format!(
                "document.querySelector({}).click(), true",
                json!(selector)
            ))
            .await;
        assert_eq!(
            pressed,
            json!(true),
            "nothing to press at {selector}\n{}",
            self.shown().await
        );
    }

    /// Types into what a selector finds.
    pub async fn type_in(&self, selector: &str, text: &str) {
        let found = self
            .evaluate(&format!(
                "document.querySelector({}).focus(), true",
                json!(selector)
            ))
            .await;
        assert_eq!(
            found,
            json!(true),
            "nothing to type into at {selector}\n{}",
            self.shown().await
        );
        self.run(InsertTextParams::new(text)).await;
    }

    /// Makes its pages' waits of one second up to `longest` milliseconds short, so that no test waits for a time-out.
    pub async fn hurry(&self, longest: u32) {
        let hurry = include_str!("hurry.js").replace("LONGEST", &longest.to_string());
        self.run_first(hurry).await;
    }

    /// Runs a script in every page from now on, before the page's own.
    pub async fn run_first(&self, script: impl Into<String>) {
        self.run(AddScriptToEvaluateOnNewDocumentParams::new(script))
            .await;
    }

    /// Lets no request for a path of any host through.
    pub async fn cut_off(&self, path: &str) {
        let cut_off = BlockPattern::new(format!("*://*:*{path}"), true);
        let blocked = SetBlockedUrLsParams::builder().url_pattern(cut_off);
        self.run(blocked.build()).await;
    }

    /// Where its buttons back and forward lead, and the page between them.
    pub async fn history(&self) -> Vec<String> {
        let history = self.page.execute(GetNavigationHistoryParams {}).await;
        let history = history.expect("every tab has one").result.entries;
        history.into_iter().map(|entry| entry.url).collect()
    }

    /// Every request so far.
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.seen.sent).clone()
    }

    /// The status of every answer so far, by URL.
    pub fn answered(&self) -> Vec<(String, i64)> {
        lock(&self.seen.answered).clone()
    }

    /// How often a path was asked for with a method.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let sent = self.sent();
        let is_it = |sent: &&Sent| {
            let rest = sent
                .url
                .split_once("://")
                .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
            sent.method == method
                && rest.is_some_and(|rest| rest.split(['?', '#']).next() == Some(path))
        };
        sent.iter().filter(is_it).count()
    }

    /// What the console says went wrong: exceptions, errors, violations of a policy. Refused requests are no errors.
    pub fn errors(&self) -> Vec<String> {
        lock(&self.seen.errors).clone()
    }

    /// Whether any of its pages, or their frames, ever showed a text.
    pub fn ever_showed(&self, text: &str) -> bool {
        lock(&self.seen.shown)
            .iter()
            .any(|shown| shown.contains(text))
    }

    /// What it looks like, as PNG: the whole page, however long.
    pub async fn picture(&self) -> Vec<u8> {
        let metrics = self.page.layout_metrics().await;
        let content = metrics.expect("the page has a size").css_content_size;
        self.picture_of(content.width, content.height).await
    }

    /// The upper part of it, as PNG.
    pub async fn picture_of(&self, width: f64, height: f64) -> Vec<u8> {
        // Nothing is drawn of a tab behind another.
        self.run(BringToFrontParams {}).await;
        let clip = Viewport {
            x: 0.0,
            y: 0.0,
            width,
            height,
            scale: 1.0,
        };
        let mut whole = CaptureScreenshotParams::builder().clip(clip).build();
        whole.capture_beyond_viewport = Some(true);
        let picture = self.page.execute(whole).await;
        let picture = picture.expect("Chromium takes pictures");
        STANDARD
            .decode_to_vec(AsRef::<[u8]>::as_ref(&picture.result.data))
            .expect("it is base64")
    }

    async fn dress(&self, look: Look) {
        let metrics = SetDeviceMetricsOverrideParams::new(
            i64::from(look.width),
            i64::from(look.height),
            1.0,
            false,
        );
        self.run(metrics).await;
        let light = MediaFeature::new(
            "prefers-color-scheme",
            if look.is_dark { "dark" } else { "light" },
        );
        self.run(SetEmulatedMediaParams::builder().feature(light).build())
            .await;
        let agent = self
            .seen
            .client
            .as_ref()
            .map_or(ORDINARY, Client::user_agent);
        let mut agent = SetUserAgentOverrideParams::new(agent);
        agent.accept_language = Some(look.language.to_owned());
        self.run(agent).await;
        if let Some(client) = &self.seen.client {
            if client.is_android() {
                // Its web view says which program it is in.
                let headers =
                    Headers::new(json!({"X-Requested-With": "com.alibaba.android.rimet"}));
                self.run(SetExtraHttpHeadersParams::new(headers)).await;
                self.run(SetTouchEmulationEnabledParams::new(true)).await;
            }
            self.run(AddBindingParams::new(NATIVE)).await;
            self.run(AddScriptToEvaluateOnNewDocumentParams::new(client.bridge()))
                .await;
        }
        let mut watched = AddBindingParams::new(WATCH);
        watched.execution_context_name = Some(WATCH.to_owned());
        self.run(watched).await;
        let mut watch = AddScriptToEvaluateOnNewDocumentParams::new(include_str!("watch.js"));
        watch.world_name = Some(WATCH.to_owned());
        self.run(watch).await;
        let patterns = ["https://*", &format!("{PORTAL}/*")]
            .map(|url| RequestPattern::builder().url_pattern(url).build());
        self.run(fetch::EnableParams::builder().patterns(patterns).build())
            .await;
    }

    async fn run<T: Command>(&self, command: T) {
        let name = command.identifier();
        let ran = self.page.execute(command).await;
        ran.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Nothing while the page is being replaced, or where the script fails.
    async fn try_evaluate(&self, script: &str) -> Option<Value> {
        value(&self.page, evaluation(script)).await
    }

    async fn in_context(&self, context: ExecutionContextId, script: &str) -> Option<Value> {
        let mut evaluation = evaluation(script);
        evaluation.context_id = Some(context);
        value(&self.page, evaluation).await
    }

    /// For a failure: everything a person would look at.
    async fn shown(&self) -> String {
        let url = self.try_evaluate("location.href").await;
        let text = self
            .try_evaluate("document.body && document.body.innerText")
            .await;
        let sent: Vec<String> = self
            .sent()
            .iter()
            .map(|sent| format!("{} {}", sent.method, sent.url))
            .collect();
        let asked = self.seen.client.as_ref().map(Client::asked);
        format!(
            "at {}\nshows {}\nsent {sent:#?}\nanswered {:?}\nerrors {:#?}\nasked {asked:?}",
            url.unwrap_or_default(),
            text.unwrap_or_default(),
            self.answered(),
            self.errors(),
        )
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn value(page: &Page, evaluation: EvaluateParams) -> Option<Value> {
    match page.execute(evaluation).await {
        Ok(evaluated) if evaluated.exception_details.is_none() => {
            evaluated.result.result.value.clone()
        }
        Ok(_) | Err(CdpError::Chrome(_)) => None,
        Err(error) => panic!("Chromium is gone: {error}"),
    }
}

const ORDINARY: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
