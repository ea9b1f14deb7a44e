//! A call as it came, and where the two hosts look for what they need.

use std::net::IpAddr;

use bytes::Bytes;
use serde_json::{Map, Value};

/// A call as it came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) ip: IpAddr,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) content_type: String,
    /// Where the new host looks for a token: `x-acs-dingtalk-access-token`.
    pub(crate) header_token: Option<String>,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn query(&self, key: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn is_json(&self) -> bool {
        self.content_type
            .to_ascii_lowercase()
            .starts_with("application/json")
    }

    fn is_form(&self) -> bool {
        self.content_type
            .to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
    }

    fn form(&self, key: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(&self.body);
        pairs
            .find(|(name, value)| name == key && !value.is_empty())
            .map(|(_, value)| value.into_owned())
    }

    /// Where the old host looks for a token: the query, then a form.
    pub(super) fn access_token(&self) -> Option<String> {
        let in_form = || self.is_form().then(|| self.form("access_token")).flatten();
        self.query("access_token")
            .map(str::to_owned)
            .or_else(in_form)
            .filter(|token| !token.trim().is_empty())
    }

    /// The parameters of a topapi call, from a form or JSON. `None` when the body is neither.
    pub(super) fn params(&self) -> Option<Map<String, Value>> {
        if self.body.is_empty() {
            return Some(Map::new());
        }
        if self.is_form() {
            let pairs = form_urlencoded::parse(&self.body);
            return Some(
                pairs
                    .map(|(key, value)| (key.into_owned(), Value::from(value.into_owned())))
                    .collect(),
            );
        }
        self.json()
    }

    pub(super) fn json(&self) -> Option<Map<String, Value>> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(fields)) => Some(fields),
            _ => None,
        }
    }
}
