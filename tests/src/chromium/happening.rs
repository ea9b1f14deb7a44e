//! Everything that happens in a tab: what is noted, and what is answered in the client's, DingTalk's or another site's place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64_simd::STANDARD;
use chromiumoxide::cdp::IntoEventKind;
use chromiumoxide::cdp::browser_protocol::fetch::{
    EventRequestPaused, FailRequestParams, FulfillRequestParams, HeaderEntry,
};
use chromiumoxide::cdp::browser_protocol::log::EventEntryAdded;
use chromiumoxide::cdp::browser_protocol::network::{
    ErrorReason, EventRequestWillBeSent, EventResponseReceived,
};
use chromiumoxide::cdp::browser_protocol::page::{EventFrameNavigated, EventLifecycleEvent};
use chromiumoxide::cdp::js_protocol::runtime::{
    EvaluateParams, EventBindingCalled, EventConsoleApiCalled, EventExceptionThrown,
};
use chromiumoxide::listeners::EventStream;
use chromiumoxide::page::Page;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, select_all};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::client::Client;

/// A page of another site than `http://127.0.0.1`, which frames what it is told to. Nobody listens there: Chromium is answered
/// before it asks.
pub const PORTAL: &str = "http://localhost:7999";

/// The variable that names the file with DingTalk's JSAPI script, where not our own is to be used.
pub const JSAPI: &str = "DINGTALK_JSAPI";

/// A request that a tab sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// All headers the page knew of, as JSON.
    pub headers: String,
}

/// All that a tab did and showed, and who answers it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) sent: Mutex<Vec<Sent>>,
    pub(super) answered: Mutex<Vec<(String, i64)>>,
    pub(super) errors: Mutex<Vec<String>>,
    pub(super) shown: Mutex<Vec<String>>,
    /// The pages at [`PORTAL`], by URL.
    pub(super) portal: Mutex<HashMap<String, String>>,
    pub(super) client: Option<Client>,
    has_jsapi: bool,
    changed: watch::Sender<u64>,
}

impl Seen {
    /// Listens to a page from now on; the number that comes counts what happened.
    pub(super) async fn begin(
        page: &Page,
        client: Option<Client>,
        has_jsapi: bool,
    ) -> (Arc<Self>, watch::Receiver<u64>, JoinHandle<()>) {
        let (changed, changes) = watch::channel(0);
        let seen = Arc::new(Self {
            sent: Mutex::default(),
            answered: Mutex::default(),
            errors: Mutex::default(),
            shown: Mutex::default(),
            portal: Mutex::default(),
            client,
            has_jsapi,
            changed,
        });
        let happens = happens(page).await;
        let listener = tokio::spawn(listen(page.clone(), Arc::clone(&seen), happens));
        (seen, changes, listener)
    }
}

/// Something that happened in the tab.
enum Happened {
    Called(Arc<EventBindingCalled>),
    Paused(Arc<EventRequestPaused>),
    Sent(Arc<EventRequestWillBeSent>),
    Answered(Arc<EventResponseReceived>),
    Error(String),
    Other,
}

/// Everything that is listened to, as one stream.
async fn happens(page: &Page) -> BoxStream<'static, Happened> {
    async fn stream<T: IntoEventKind + Unpin + Send + Sync>(
        page: &Page,
        happened: impl Fn(Arc<T>) -> Happened + Send + 'static,
    ) -> BoxStream<'static, Happened> {
        let events: EventStream<T> = page.event_listener().await.expect("the tab is there");
        events.map(happened).boxed()
    }
    select_all([
        stream(page, Happened::Called).await,
        stream(page, Happened::Paused).await,
        stream(page, Happened::Sent).await,
        stream(page, Happened::Answered).await,
        stream(page, |error: Arc<EventExceptionThrown>| {
            Happened::Error(format!("{:?}", error.exception_details))
        })
        .await,
        stream(page, |said: Arc<EventConsoleApiCalled>| {
            match said.r#type.as_ref() {
                "error" | "assert" => Happened::Error(format!("{:?}", said.args)),
                _ => Happened::Other,
            }
        })
        .await,
        stream(page, |entry: Arc<EventEntryAdded>| {
            let entry = &entry.entry;
            match (entry.level.as_ref(), entry.source.as_ref()) {
                (_, "network") => Happened::Other,
                ("error", _) | (_, "security") => Happened::Error(entry.text.clone()),
                _ => Happened::Other,
            }
        })
        .await,
        stream(page, |_: Arc<EventFrameNavigated>| Happened::Other).await,
        stream(page, |_: Arc<EventLifecycleEvent>| Happened::Other).await,
    ])
    .boxed()
}

async fn listen(page: Page, seen: Arc<Seen>, mut happens: BoxStream<'static, Happened>) {
    while let Some(happened) = happens.next().await {
        match happened {
            Happened::Called(call) if call.name == NATIVE => answer(&page, &seen, &call).await,
            Happened::Paused(paused) => serve(&page, &seen, &paused).await,
            Happened::Sent(sent) if sent.request.url.starts_with("data:") => {}
            Happened::Answered(answer) if answer.response.url.starts_with("data:") => {}
            Happened::Sent(sent) => lock(&seen.sent).push(Sent {
                method: sent.request.method.clone(),
                url: format!(
                    "{}{}",
                    sent.request.url,
                    sent.request.url_fragment.clone().unwrap_or_default()
                ),
                headers: sent.request.headers.inner().to_string(),
            }),
            Happened::Answered(answer) => {
                lock(&seen.answered).push((answer.response.url.clone(), answer.response.status));
            }
            Happened::Error(error) => lock(&seen.errors).push(error),
            Happened::Called(call) => lock(&seen.shown).push(call.payload.clone()),
            Happened::Other => {}
        }
        seen.changed.send_modify(|changes| *changes += 1);
    }
}

/// Lets the client answer a page.
async fn answer(page: &Page, seen: &Seen, call: &EventBindingCalled) {
    let asked: Value = serde_json::from_str(&call.payload).expect("the bridge sends JSON");
    let client = seen.client.as_ref().expect("only a client has a bridge");
    let method = asked["method"].as_str().expect("it says what it wants");
    if let Some(answer) = client.answer(method, &asked["parameters"]) {
        let mut told = evaluation(&format!("dingtalkNativeAnswer({}, {answer})", asked["id"]));
        told.context_id = Some(call.execution_context_id);
        // The page may be gone.
        let _ = page.execute(told).await;
    }
}

/// Answers what no network is asked for: DingTalk's script, and the page of another site.
async fn serve(page: &Page, seen: &Seen, paused: &EventRequestPaused) {
    let url = &paused.request.url;
    let portal = lock(&seen.portal).get(url).cloned();
    let answer = match portal {
        Some(html) => Some(("text/html", html)),
        None if url.starts_with(JSAPI_HOST) && seen.has_jsapi => Some(("text/javascript", jsapi())),
        None => None,
    };
    let done = match answer {
        Some((kind, body)) => {
            let mut answer = FulfillRequestParams::new(paused.request_id.clone(), 200);
            answer.response_headers = Some(vec![HeaderEntry::new(
                "content-type",
                format!("{kind}; charset=utf-8"),
            )]);
            answer.body = Some(STANDARD.encode_to_string(body).into());
            page.execute(answer).await.map(|_| ())
        }
        None => {
            let reason = ErrorReason::InternetDisconnected;
            page.execute(FailRequestParams::new(paused.request_id.clone(), reason))
                .await
                .map(|_| ())
        }
    };
    // The page may be gone.
    let _ = done;
}

fn jsapi() -> String {
    match std::env::var(JSAPI) {
        Ok(file) => {
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{JSAPI}={file}: {error}"))
        }
        Err(_) => include_str!("jsapi.js").to_owned(),
    }
}

pub(super) fn evaluation(script: &str) -> EvaluateParams {
    let mut evaluation = EvaluateParams::new(script);
    evaluation.await_promise = Some(true);
    evaluation.return_by_value = Some(true);
    evaluation
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const JSAPI_HOST: &str = "https://g.alicdn.com/dingding/dingtalk-jsapi/";
/// The names under which a page's worlds reach the test.
pub(super) const NATIVE: &str = "dingtalkNative";
pub(super) const WATCH: &str = "dingtalkWatch";
