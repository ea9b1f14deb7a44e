//! Replies of our own, ready to send: status, headers and bytes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::request::{Language, RequestHead, Visitor};
use crate::error::Error;
use crate::error::catalogue::{Advice, LAYER_MISSING, SESSION_OTHER_CORP, SESSION_REQUIRED, Text};
use crate::login::app::App;
use crate::random;

/// A reply that an adapter sends unchanged. `Debug` shows no values: a session may be among them.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        let headers = EVERYWHERE
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            status,
            headers: headers.collect(),
            body: Vec::new(),
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status)
            .with("content-type", "application/json")
            .with_body(body.to_string())
    }

    /// Problem details (RFC 9457).
    pub(crate) fn problem(
        advice: &Advice,
        language: Language,
        id: &str,
        details: Map<String, Value>,
    ) -> Self {
        let mut body = Map::new();
        body.insert("title".into(), language.pick(advice.title).into());
        body.insert("status".into(), advice.status.into());
        body.insert("detail".into(), language.pick(advice.action).into());
        body.insert("code".into(), advice.code.into());
        body.insert("who".into(), advice.who.as_str().into());
        body.insert("id".into(), id.into());
        body.extend(details);
        Self::new(advice.status)
            .with("content-type", "application/problem+json")
            .with_body(Value::Object(body).to_string())
            .with_challenge()
    }

    /// The answer where an extractor or a guard finds no `DingTalkAuth` around it.
    #[must_use]
    pub fn layer_missing(head: &impl RequestHead) -> Self {
        tracing::error!("{}. {}", LAYER_MISSING.title.en, LAYER_MISSING.action.en);
        Self::problem(
            &LAYER_MISSING,
            Visitor::of(head).language,
            &new_id(),
            Map::new(),
        )
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Names in lower case and values, in order; `set-cookie` and `vary` may stand several times.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// The body's bytes.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// RFC 9110 wants one on every 401; browsers ignore a scheme they do not know.
    pub(crate) fn with_challenge(self) -> Self {
        if self.status == 401 {
            self.with("www-authenticate", "DingTalk")
        } else {
            self
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("headers", &names)
            .field("length", &self.body.len())
            .finish()
    }
}

impl Language {
    pub(crate) fn pick(self, text: Text) -> &'static str {
        match self {
            Self::English => text.en,
            Self::Chinese => text.zh,
        }
    }
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: Cause,
    app: Option<Arc<App>>,
}

#[derive(Debug)]
enum Cause {
    Advice(&'static Advice),
    Error(Error),
}

impl Failure {
    pub(crate) const fn of(advice: &'static Advice) -> Self {
        Self {
            cause: Cause::Advice(advice),
            app: None,
        }
    }

    /// Names the app that a new attempt is for.
    pub(crate) fn for_app(mut self, app: Arc<App>) -> Self {
        self.app = Some(app);
        self
    }

    pub(crate) fn app(&self) -> Option<&Arc<App>> {
        self.app.as_ref()
    }

    pub(crate) fn advice(&self) -> &'static Advice {
        match &self.cause {
            Cause::Advice(advice) => advice,
            Cause::Error(error) => error.advice(),
        }
    }

    /// Whether nothing is wrong but that the right person is not signed in.
    pub(crate) fn is_mended_by_login(&self) -> bool {
        let mended = [&SESSION_REQUIRED, &SESSION_OTHER_CORP];
        matches!(&self.cause, Cause::Advice(advice) if mended.contains(advice))
    }

    /// Seconds, for every 503.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        if self.advice().status != 503 {
            return None;
        }
        let known = match &self.cause {
            Cause::Advice(_) => None,
            Cause::Error(error) => error.retry_after(),
        };
        Some(
            known
                .unwrap_or(RETRY_AFTER)
                .as_secs_f64()
                .ceil()
                .clamp(1.0, 3600.0) as u64,
        )
    }

    /// Tells the log what the visitor is not told, under an id that both see.
    pub(crate) fn log(&self) -> String {
        let id = new_id();
        let code = self.advice().code;
        match &self.cause {
            Cause::Error(error) => tracing::warn!(%id, code, error = ?chain(error), "refused"),
            Cause::Advice(advice) if advice.status >= 500 => {
                tracing::error!(%id, code, "{}", advice.action.en)
            }
            Cause::Advice(_) => tracing::debug!(%id, code, "refused"),
        }
        id
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            cause: Cause::Error(error),
            app: None,
        }
    }
}

fn new_id() -> String {
    random::bytes::<4>()
        .map(|id| format!("{:08x}", u32::from_be_bytes(id)))
        .unwrap_or_default()
}

/// An error and its sources, on one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

const EVERYWHERE: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];
const RETRY_AFTER: Duration = Duration::from_secs(2);
