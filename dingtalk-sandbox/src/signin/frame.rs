//! Sign-in inside a page of the app: who may frame it, and the script that puts the frame there.

use std::{collections::HashMap, time::Duration};

use super::{
    problem::Problem,
    request::{Flow, Query, Wanted},
};
use crate::{envelope::Reply, identifier};

/// Whose pages may frame a page of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frames {
    Nobody,
    /// The app's own origin: DingTalk wants page and `redirect_uri` to have the same.
    Origin(String),
    /// An error about a request that names no origin one could trust. It says nothing but what is wrong.
    Anybody,
}

impl Frames {
    pub(super) fn of(wanted: &Wanted) -> Self {
        if wanted.in_frame {
            Self::Origin(wanted.origin.to_string())
        } else {
            Self::Nobody
        }
    }

    /// For a request that was refused.
    pub(super) fn asked(flow: Flow, query: &Query) -> Self {
        let in_frame = match flow {
            Flow::Web => matches!(query.one("iframe"), Ok(Some("true"))),
            Flow::LegacyFrame => true,
            Flow::LegacyQr | Flow::LegacyPassword => false,
        };
        if in_frame {
            Self::Anybody
        } else {
            Self::Nobody
        }
    }

    /// For `Content-Security-Policy`.
    pub(super) fn ancestors(&self) -> &str {
        match self {
            Self::Nobody => "'none'",
            Self::Origin(origin) => origin,
            Self::Anybody => "http: https:",
        }
    }
}

/// What an older frame tells the page around it, to be taken to the older account-and-password page: once, for the same app.
#[derive(Debug, Default)]
pub(super) struct TmpCodes(HashMap<String, TmpCode>);

#[derive(Debug)]
struct TmpCode {
    app: String,
    union_id: String,
    expires: Duration,
}

impl TmpCodes {
    pub(super) fn issue(
        &mut self,
        app: String,
        union_id: String,
        expires: Duration,
        now: Duration,
    ) -> String {
        self.0.retain(|_, code| now < code.expires);
        if self.0.len() >= MOST_TMP_CODES {
            self.0.clear();
        }
        let value = identifier::hex32();
        let code = TmpCode {
            app,
            union_id,
            expires,
        };
        self.0.insert(value.clone(), code);
        value
    }

    pub(super) fn spend(&mut self, code: &str, app: &str, now: Duration) -> Option<String> {
        let known = self.0.get(code)?;
        if known.app != app || now >= known.expires {
            return None;
        }
        self.0.remove(code).map(|code| code.union_id)
    }
}

/// The parameters in `goto`: the older account-and-password page's URL, whatever its host.
pub(super) fn goto(query: &Query) -> Result<Query, Problem> {
    let url = query.one("goto")?.unwrap_or_default();
    let uri: Option<hyper::Uri> = url.parse().ok();
    match uri.filter(|uri| uri.host().is_some() && uri.path() == "/connect/oauth2/sns_authorize") {
        Some(uri) => Ok(Query::of(uri.query().unwrap_or_default())),
        None => Err(Problem::new(
            None,
            "goto参数错误",
            "goto: must be the whole URL of connect/oauth2/sns_authorize, encoded",
        )),
    }
}

/// The stand-in for DingTalk's `ddlogin.js`: for pages of every site, as DingTalk's own.
pub(super) fn script() -> Reply {
    let mut reply = Reply::raw(200, "text/javascript; charset=utf-8", SCRIPT, "");
    reply.headers.extend([
        ("access-control-allow-origin", "*".to_owned()),
        ("cross-origin-resource-policy", "cross-origin".to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ]);
    reply
}

const MOST_TMP_CODES: usize = 1000;
pub(super) const SCRIPT_PATH: &str = "/sandbox/ddlogin.js";
const SCRIPT: &str = include_str!("../../page/signin/ddlogin.js");
