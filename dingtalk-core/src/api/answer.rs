//! Reading an answer: bounded, and both envelopes judged in one place.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::CallFailure;
use super::field::whole;
use crate::error::{Error, Outage, Rejected};

/// Which of the two envelopes a host speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// `oapi`: status 200 whatever happens, success is `errcode` 0.
    Old,
    /// `api`: success is a 2xx without `errcode`.
    New,
}

/// An answer, read to its end.
pub(super) struct Answer {
    during: &'static str,
    status: u16,
    request_id: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    pub(super) async fn receive(
        during: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<Self, CallFailure> {
        let mut response = request
            .send()
            .await
            .map_err(|error| broken(during, error))?;
        let mut answer = Self {
            during,
            status: response.status().as_u16(),
            request_id: response
                .headers()
                .get("x-acs-request-id")
                .and_then(|id| id.to_str().ok())
                .and_then(plain),
            body: Vec::new(),
        };
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| broken(during, error))?
        {
            if answer.body.len() + chunk.len() > MAX_BODY {
                return Err(CallFailure {
                    error: answer.unexpected("it is larger than 1 MiB"),
                    may_have_run: true,
                });
            }
            answer.body.extend_from_slice(&chunk);
        }
        if answer.body.starts_with(BOM) {
            answer.body.drain(..BOM.len());
        }
        Ok(answer)
    }

    /// Says for how many minutes DingTalk blocks this address, if that is what it answered.
    ///
    /// Shape: `{"status": 1111, "wait": 5, "source": "x5", "punish": "deny", …}` without `errcode`, or an HTML page of the same
    /// gateway. Source: <https://open.dingtalk.com/document/development/call-frequency-limit>.
    pub(super) fn block(&self) -> Option<u64> {
        if let Ok(Verdict {
            errcode: None,
            code: None,
            status: Some(status),
            wait,
            ..
        }) = self.verdict()
        {
            let wait = whole(wait.as_ref()).and_then(|minutes| u64::try_from(minutes).ok());
            return (whole(Some(&status)) == Some(1111)).then(|| wait.unwrap_or(5).clamp(1, 60));
        }
        let text = String::from_utf8_lossy(&self.body);
        let is_page = text.trim_start().starts_with('<');
        (is_page && text.contains("punish") && text.contains("x5")).then_some(5)
    }

    /// Passes an answer that says success; everything else becomes the one kind of error.
    pub(super) fn check(self, host: Host) -> Result<Self, Error> {
        if (300..400).contains(&self.status) {
            return Err(self.unexpected("a redirect, which is never followed"));
        }
        let Ok(verdict) = self.verdict() else {
            return Err(self.unexpected("it is not a JSON object, or one with a field twice"));
        };
        let errcode = match &verdict.errcode {
            None => None,
            Some(said) => match whole(Some(said)) {
                Some(errcode) => Some(errcode),
                None => return Err(self.unexpected("its errcode is not a whole number")),
            },
        };
        if let Some(errcode) = errcode.filter(|errcode| *errcode != 0) {
            let code = verdict.sub_code().unwrap_or_else(|| errcode.to_string());
            return Err(self.rejected(code, &verdict));
        }
        if !(200..300).contains(&self.status) {
            return Err(
                match verdict.code.as_ref().or(verdict.code_capital.as_ref()) {
                    Some(Value::String(code)) => self.rejected(
                        plain(code).unwrap_or_else(|| "unreadable".to_owned()),
                        &verdict,
                    ),
                    _ if self.status == 429 || self.status >= 500 => {
                        Error::unavailable(self.during, Outage::Busy)
                    }
                    _ => self.unexpected("a refusal without a code"),
                },
            );
        }
        if host == Host::Old && errcode.is_none() {
            return Err(self.unexpected("no errcode in it, which is not success"));
        }
        Ok(self)
    }

    /// Reads the fields that a call needs.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map(|Object(read)| read)
            .map_err(|_| self.unexpected("a field is missing, of another type, or there twice"))
    }

    /// The parser's own text stays out: it can quote the body.
    pub(super) fn unexpected(&self, what: &'static str) -> Error {
        Error::Unexpected {
            during: self.during,
            what,
            status: self.status,
            length: self.body.len(),
        }
    }

    fn verdict(&self) -> Result<Verdict, ()> {
        if depth(&self.body) > MAX_DEPTH {
            return Err(());
        }
        let verdict = serde_json::from_slice(&self.body);
        verdict.map(|Object(verdict)| verdict).map_err(|_| ())
    }

    fn rejected(&self, code: String, verdict: &Verdict) -> Error {
        let said = [
            &verdict.request_id,
            &verdict.requestid,
            &verdict.request_id_capital,
            &verdict.request_id_camel,
        ];
        let detail = verdict
            .accessdenieddetail
            .as_ref()
            .or(verdict.accessdenieddetail_capital.as_ref());
        Error::Rejected(Rejected {
            during: self.during,
            code,
            status: self.status,
            request_id: said
                .into_iter()
                .flatten()
                .find_map(|id| id.as_str().and_then(plain))
                .or_else(|| self.request_id.clone()),
            required_scopes: detail
                .and_then(|detail| detail.get("requiredScopes")?.as_array())
                .map(|scopes| {
                    scopes
                        .iter()
                        .filter_map(|scope| plain(scope.as_str()?))
                        .take(20)
                        .collect()
                })
                .unwrap_or_default(),
        })
    }
}

/// Reads an object and nothing else: serde's derived structs would take an array of their fields too.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }

        from.deserialize_map(Fields(PhantomData))
    }
}

/// What both envelopes say about success. Unknown fields do not matter; one of these twice is an error.
#[derive(Deserialize)]
struct Verdict {
    errcode: Option<Value>,
    sub_code: Option<Value>,
    subcode: Option<Value>,
    errmsg: Option<Value>,
    request_id: Option<Value>,
    requestid: Option<Value>,
    #[serde(rename = "RequestId")]
    request_id_capital: Option<Value>,
    #[serde(rename = "requestId")]
    request_id_camel: Option<Value>,
    code: Option<Value>,
    #[serde(rename = "Code")]
    code_capital: Option<Value>,
    accessdenieddetail: Option<Value>,
    #[serde(rename = "AccessDeniedDetail")]
    accessdenieddetail_capital: Option<Value>,
    status: Option<Value>,
    wait: Option<Value>,
}

impl Verdict {
    /// The code inside an 88: `sub_code` as text or number, `subcode`, and as a last resort the number in `errmsg`.
    fn sub_code(&self) -> Option<String> {
        let said = [&self.sub_code, &self.subcode]
            .into_iter()
            .flatten()
            .find_map(|code| match code {
                Value::String(text) => plain(text.trim()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            });
        said.or_else(|| {
            let text = self.errmsg.as_ref()?.as_str()?;
            let (_, rest) = text.split_once("[subcode=")?;
            plain(rest.split([',', ']']).next()?)
        })
    }
}

/// Codes and ids go into logs and error texts: only what cannot forge a line there.
fn plain(text: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (!text.is_empty() && text.len() <= 100 && text.chars().all(is_plain)).then(|| text.to_owned())
}

fn broken(during: &'static str, error: reqwest::Error) -> CallFailure {
    let may_have_run = !error.is_connect();
    let reason = match () {
        () if error.is_timeout() => Outage::TimedOut,
        () if error.is_connect() => Outage::NoConnection,
        () => Outage::Broken,
    };
    CallFailure {
        may_have_run,
        error: Error::Unavailable {
            during,
            reason,
            retry_after: None,
            source: Some(Arc::new(error.without_url())),
        },
    }
}

/// How deep a JSON text nests, without recursion.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

const MAX_BODY: usize = 1024 * 1024;
const MAX_DEPTH: usize = 64;
const BOM: &[u8] = b"\xEF\xBB\xBF";
