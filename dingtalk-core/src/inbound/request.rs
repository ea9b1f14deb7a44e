//! What core reads of a request.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use url::form_urlencoded;

use crate::error::Error;
use crate::login::app::App;
use crate::store::BoxError;
use crate::user::User;

/// A request's head as its framework holds it; adapters implement it over their own types.
pub trait RequestHead {
    /// The method, in capitals.
    fn method(&self) -> &str;

    /// The path as the client sent it, undecoded.
    fn path(&self) -> &str;

    /// The path that is left for the router at this point: another one than [`path`](Self::path) inside a nested router.
    fn routed_path(&self) -> &str;

    /// The query, undecoded, without the question mark.
    fn query(&self) -> Option<&str>;

    /// The host of the request's target, if it has one; the `Host` header is read separately.
    fn authority(&self) -> Option<&str>;

    /// All values of a header, in order. Names are given in lower case.
    fn headers<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]>;

    /// The first value of a header.
    fn header<'a>(&'a self, name: &'static str) -> Option<&'a [u8]> {
        self.headers(name).next()
    }
}

/// The parts of a head that outlive the request: what our own paths read.
pub(crate) struct Head {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(&'static str, Vec<u8>)>,
}

impl Head {
    pub(crate) fn of(head: &impl RequestHead) -> Self {
        let headers = KEPT
            .iter()
            .flat_map(|name| head.headers(name).map(move |value| (*name, value.to_vec())));
        Self {
            method: head.method().to_owned(),
            path: head.path().to_owned(),
            query: head.query().map(str::to_owned),
            headers: headers.collect(),
        }
    }
}

impl RequestHead for Head {
    fn method(&self) -> &str {
        &self.method
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn routed_path(&self) -> &str {
        &self.path
    }

    fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    fn authority(&self) -> Option<&str> {
        None
    }

    fn headers<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(there, _)| *there == name)
            .map(|(_, value)| value.as_slice())
    }
}

const KEPT: &[&str] = &[
    "accept",
    "accept-language",
    "cookie",
    "origin",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "user-agent",
    "x-dingtalk-auth-code",
    "x-requested-with",
];

/// Who looks at the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    is_page_load: bool,
    /// By its User-Agent, which proves nothing.
    pub(crate) is_in_client: bool,
    pub(crate) language: Language,
}

/// The two languages we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

impl Visitor {
    pub(crate) fn of(head: &impl RequestHead) -> Self {
        let agent = head.header("user-agent").unwrap_or_default();
        Self {
            is_page_load: is_page_load(head),
            is_in_client: agent
                .to_ascii_lowercase()
                .windows(8)
                .any(|part| part == b"dingtalk"),
            language: language(head.header("accept-language").unwrap_or_default()),
        }
    }

    pub(crate) fn is_page_load(self) -> bool {
        self.is_page_load
    }

    /// Whether a browser will show the answer in place of the page, whatever the method.
    pub(crate) fn is_navigation(head: &impl RequestHead) -> bool {
        match head.header("sec-fetch-mode") {
            Some(mode) => mode == b"navigate",
            None => wants_html(head),
        }
    }
}

/// A GET that a browser will show in place of the page. Android's web views put their package name into `X-Requested-With`,
/// so only the exact value of script libraries counts.
fn is_page_load(head: &impl RequestHead) -> bool {
    head.method() == "GET"
        && Visitor::is_navigation(head)
        && head.header("x-requested-with") != Some(b"XMLHttpRequest")
}

fn wants_html(head: &impl RequestHead) -> bool {
    head.headers("accept")
        .any(|accept| accept.windows(9).any(|part| part == b"text/html"))
}

/// Chinese unless English is preferred: most of DingTalk's people read it.
fn language(accept: &[u8]) -> Language {
    let accept = String::from_utf8_lossy(accept);
    let mut best = (0.0, Language::Chinese);
    for range in accept.split(',').take(20) {
        let mut parts = range.trim().split(';');
        let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts
            .find_map(|part| part.trim().strip_prefix("q=")?.parse().ok())
            .unwrap_or(1.0);
        let language = match tag.split('-').next() {
            Some("zh") => Language::Chinese,
            Some("en") => Language::English,
            _ => continue,
        };
        if weight > best.0 {
            best = (weight, language);
        }
    }
    best.1
}

/// Which corp a request asks for.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Nothing,
    App(Arc<App>),
    /// One that is not configured.
    Unknown,
    Fault(Error),
}

/// What an app's own function sees when it names the corp of a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CorpRequest<'a> {
    /// The host the client asked for: its word, not proof of anything.
    pub host: Option<&'a str>,
    /// The path, undecoded.
    pub path: &'a str,
}

pub(crate) type CorpOf = dyn Fn(CorpRequest<'_>) -> Result<Option<String>, BoxError> + Send + Sync;

/// The configured corps and how a request names one.
pub(crate) struct Corps {
    /// In order: one corp, as most have, costs a request one comparison and no hash.
    pub(crate) apps: BTreeMap<Arc<str>, Arc<App>>,
    pub(crate) query_names: Vec<String>,
    pub(crate) corp_of: Option<Box<CorpOf>>,
}

impl Corps {
    pub(crate) fn asked(&self, head: &impl RequestHead) -> Asked {
        if let Some(said) = head
            .header("x-dingtalk-corp-id")
            .filter(|said| !is_unfilled(said))
        {
            return self.named(std::str::from_utf8(said).unwrap_or_default());
        }
        if let Some(said) = self.in_query(head) {
            return self.named(&said);
        }
        let Some(corp_of) = &self.corp_of else {
            return Asked::Nothing;
        };
        let mut hosts = head.headers("host");
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => std::str::from_utf8(host).ok(),
            // Which of two the proxy went by cannot be known.
            (Some(_), Some(_)) => None,
            (None, _) => head.authority(),
        };
        let request = CorpRequest {
            host,
            path: head.path(),
        };
        match corp_of(request) {
            Ok(None) => Asked::Nothing,
            Ok(Some(corp_id)) => self.named(&corp_id),
            Err(error) => Asked::Fault(Error::app("function that names a request's corp", error)),
        }
    }

    pub(crate) fn find(&self, corp_id: &str) -> Option<Arc<App>> {
        self.apps.get(corp_id).cloned()
    }

    pub(crate) fn only(&self) -> Option<Arc<App>> {
        let mut apps = self.apps.values();
        apps.next().filter(|_| apps.next().is_none()).cloned()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let ids = self.apps.keys().take(MAX_LISTED);
        ids.map(ToString::to_string).collect()
    }

    /// Whether a session is of an app and corp that are configured, and of somebody whom that app lets in today: one that was taken
    /// out lets nobody in any more, and accounts that nobody vouches for go with `.anyone()`.
    pub(crate) fn owns(&self, user: &User) -> bool {
        self.apps.get(user.corp_id()).is_some_and(|app| {
            *app.app_key == *user.app_key()
                && (user.user_id().is_some() || app.admits_accounts(user.is_from_web()))
        })
    }

    fn named(&self, corp_id: &str) -> Asked {
        self.find(corp_id).map_or(Asked::Unknown, Asked::App)
    }

    /// The corp that the query names, as DingTalk's workbench fills it in.
    pub(crate) fn in_query<'q>(&self, head: &'q impl RequestHead) -> Option<Cow<'q, str>> {
        form_urlencoded::parse(head.query()?.as_bytes())
            .find(|(name, value)| {
                self.query_names.iter().any(|known| known == name) && !is_unfilled(value.as_bytes())
            })
            .map(|(_, value)| value)
    }
}

impl fmt::Debug for Corps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Corps")
            .field("ids", &self.ids())
            .finish_non_exhaustive()
    }
}

/// Empty, or DingTalk's placeholder that only the workbench fills in.
///
/// Source: <https://open.dingtalk.com/document/development/web-applications-h5>.
fn is_unfilled(corp_id: &[u8]) -> bool {
    corp_id.is_empty()
        || corp_id.eq_ignore_ascii_case(b"$CORPID$")
        || corp_id.eq_ignore_ascii_case(b"%24CORPID%24")
}

/// How much a request's origin is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    Ours,
    Listed,
    None,
}

const MAX_LISTED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_of_our_languages_is_spoken() {
        for (accept, spoken) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-US,en;q=0.9", Language::English),
            ("fr, en;q=0.3, zh;q=0.5", Language::Chinese),
            ("fr", Language::Chinese),
            ("", Language::Chinese),
            ("en;q=x", Language::English),
        ] {
            assert_eq!(language(accept.as_bytes()), spoken, "{accept}");
        }
    }

    #[test]
    fn which_of_two_hosts_was_meant_is_not_guessed() {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let corps = Corps {
            apps: BTreeMap::new(),
            query_names: Vec::new(),
            corp_of: Some(Box::new(move |request| {
                kept.lock().unwrap().push(request.host.map(str::to_owned));
                Ok(None)
            })),
        };
        for hosts in [&["a.example"][..], &["a.example", "b.example"]] {
            let hosts = hosts.iter().map(|host| ("host", host.as_bytes().to_vec()));
            let head = Head {
                method: "GET".to_owned(),
                path: "/".to_owned(),
                query: None,
                headers: hosts.collect(),
            };
            assert!(matches!(corps.asked(&head), Asked::Nothing));
        }
        assert_eq!(*seen.lock().unwrap(), [Some("a.example".to_owned()), None]);
    }

    #[test]
    fn the_placeholder_counts_as_absent_raw_or_encoded() {
        for placeholder in ["$CORPID$", "$corpid$", "%24CORPID%24", ""] {
            assert!(is_unfilled(placeholder.as_bytes()));
        }
        assert!(!is_unfilled(b"ding0a1b"));
    }
}
