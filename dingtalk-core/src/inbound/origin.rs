//! The app's public origin: the only source of the URLs we emit, and the measure of who may post to us.

use std::fmt;

use url::{Url, form_urlencoded};

use super::request::{RequestHead, Trust};
use crate::endpoint::is_loopback;
use crate::error::setting::ConfigError;

/// Scheme, host, port and path prefix under which browsers see the app.
#[derive(Clone, Debug)]
pub(crate) struct PublicOrigin {
    url: Url,
    origin: String,
    prefix: String,
    trusted: Vec<String>,
}

impl PublicOrigin {
    pub(crate) fn parse(
        address: &str,
        trusted: &[String],
        allow_plain_http: bool,
    ) -> Result<Self, ConfigError> {
        let refuse =
            |why: &str| ConfigError::invalid("public_origin", "DINGTALK_PUBLIC_ORIGIN", why);
        let mut url = Url::parse(address)
            .map_err(|_| refuse("it is not an absolute URL such as https://hr.example.com"))?;
        if url.host_str().is_none() || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it must be scheme, host and an optional path only"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it must not carry a user name or password"));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) || allow_plain_http => {}
            "http" => {
                return Err(refuse(
                    "plain http lets anybody on the way take sessions: use https, or say allow_plain_http()",
                ));
            }
            _ => return Err(refuse("the scheme must be https")),
        }
        if url.path().contains("//") {
            return Err(refuse("its path has an empty segment"));
        }
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}/"));
        if url.as_str().len() > MAX_ORIGIN {
            return Err(refuse("it is longer than 512 characters"));
        }
        let trusted = trusted
            .iter()
            .map(|origin| listed_origin("trusted_origin", origin))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            url,
            prefix,
            trusted,
        })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The origin without the path prefix.
    pub(crate) fn as_str(&self) -> &str {
        &self.origin
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A path as the browser sees it: a proxy may have taken the prefix off.
    pub(crate) fn as_seen(&self, path: &str) -> String {
        let inside = path.strip_prefix(&*self.prefix);
        if inside.is_some_and(|rest| rest.starts_with('/')) {
            path.to_owned()
        } else {
            format!("{}{path}", self.prefix)
        }
    }

    /// Judges a request that changes something by the headers that scripts and forms of other sites cannot forge.
    pub(crate) fn trust(&self, head: &impl RequestHead) -> Trust {
        let mut origins = head.headers("origin");
        let origin = origins.next();
        if origins.next().is_some() {
            return Trust::None;
        }
        if self.listed(head).is_some() {
            return Trust::Listed;
        }
        let site = head.header("sec-fetch-site");
        let is_site_ours = site.is_none_or(|site| site == b"same-origin");
        // A page under `Referrer-Policy: no-referrer` posts its forms from `null`; the site is said all the same.
        let is_hidden = origin == Some(b"null") && site.is_some();
        let is_origin_ours =
            is_hidden || origin.is_none_or(|origin| origin == self.origin.as_bytes());
        let is_said = origin.is_some() || site.is_some();
        if is_said && is_origin_ours && is_site_ours {
            Trust::Ours
        } else {
            Trust::None
        }
    }

    /// The listed origin that a request comes from.
    pub(crate) fn listed(&self, head: &impl RequestHead) -> Option<&str> {
        let origin = head.header("origin")?;
        self.trusted
            .iter()
            .find(|trusted| trusted.as_bytes() == origin)
            .map(String::as_str)
    }

    /// Where to go after a login or logout: `return_to` of the query if it is safe, else the app's first page.
    pub(crate) fn return_to(&self, query: Option<&str>, base_path: &str) -> String {
        let asked = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "return_to");
        asked
            .and_then(|(_, asked)| self.safe_target(&asked, base_path))
            .unwrap_or_else(|| format!("{}/", self.prefix))
    }

    /// Path, query and fragment of a target that stays on this origin; nothing for any other.
    ///
    /// The grammar comes first: URL parsers disagree about back slashes, tabs and empty segments, so none of these gets as far
    /// as a parser. A back slash behind the path is encoded: browsers leave it there as it is.
    fn safe_target(&self, asked: &str, base_path: &str) -> Option<String> {
        let (path, rest) = asked.split_at(asked.find(['?', '#']).unwrap_or(asked.len()));
        let asked = format!("{path}{}", rest.replace('\\', "%5C"));
        let is_clean = asked.len() <= MAX_TARGET
            && asked.starts_with('/')
            && !asked.starts_with("//")
            && asked
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !is_clean {
            return None;
        }
        let target = self.url.join(&asked).ok()?;
        if target.origin() != self.url.origin() || target.path().contains("//") {
            return None;
        }
        let path = target.path();
        let inside = path
            .strip_prefix(&self.prefix)
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path);
        let own = inside
            .strip_prefix(base_path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if own {
            return None;
        }
        let mut safe = path.to_owned();
        for (mark, part) in [('?', target.query()), ('#', target.fragment())] {
            if let Some(part) = part {
                safe.push(mark);
                safe.push_str(part);
            }
        }
        // What the parser encodes grows.
        (safe.len() <= MAX_TARGET).then_some(safe)
    }
}

/// With the path prefix, without a slash at the end.
impl fmt::Display for PublicOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.prefix)
    }
}

/// Another origin that a setting lists.
pub(crate) fn listed_origin(setting: &'static str, address: &str) -> Result<String, ConfigError> {
    let refuse = || {
        let why = format!(
            "`{address}` is not an origin: scheme, host and port only, https outside loopback"
        );
        ConfigError::invalid(setting, "", why)
    };
    let url = Url::parse(address).map_err(|_| refuse())?;
    let origin = url.origin().ascii_serialization();
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty();
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    // It stands in policies, where `*` and `;` would mean something.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:/[]".contains(&byte);
    if is_bare && is_safe && url.host_str().is_some() && origin.bytes().all(is_plain) {
        Ok(origin)
    } else {
        Err(refuse())
    }
}

const MAX_TARGET: usize = 2048;
/// It is sealed into the state of a sign-in, and states must fit into a URL.
const MAX_ORIGIN: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin() -> PublicOrigin {
        PublicOrigin::parse("https://hr.example.com", &[], false).unwrap()
    }

    fn safe(asked: &str) -> Option<String> {
        origin().safe_target(asked, "/dingtalk")
    }

    /// E2
    #[test]
    fn forms_that_url_parsers_disagree_about_are_refused() {
        for evil in [
            "/\\evil.com",
            "\\/evil.com",
            "/\t/evil.com",
            "/\n/evil.com",
            " //evil.com",
            "//evil.com",
            "///evil.com",
            "////evil.com",
            "/\r/evil.com",
            "https:evil.com",
            "https://evil.com",
            "javascript:alert(1)",
            "/a\\b",
            "",
            "/..//evil.com",
            "/.//evil.com",
            "/a/..//evil.com",
            "/%2e%2e//evil.com",
            "/.%2e//evil.com",
            "evil.com",
            "?x",
            "/\u{2215}evil.com",
            "/\u{a0}",
            "/a//b",
            "\u{feff}/a",
            "/\0",
        ] {
            assert_eq!(safe(evil), None, "{evil:?}");
        }
    }

    /// E1
    #[test]
    fn a_path_with_query_and_fragment_is_kept() {
        for good in [
            "/",
            "/orders?x=1",
            "/#/orders/3",
            "/orders?next=https://a//b#/x?y",
            "/%2fevil.com",
            "/@evil.com",
        ] {
            assert_eq!(safe(good).as_deref(), Some(good));
        }
        assert_eq!(safe("/a?b=C:\\c#\\").as_deref(), Some("/a?b=C:%5Cc#%5C"));
        let grown = "\"".repeat(700);
        assert_eq!(safe(&format!("/?{grown}")), None);
        assert_eq!(safe("/a/../b").as_deref(), Some("/b"));
        assert_eq!(safe(&format!("/{}", "a".repeat(2048))), None);
    }

    /// E6
    #[test]
    fn our_own_paths_are_no_target() {
        for own in [
            "/dingtalk",
            "/dingtalk/login",
            "/dingtalk/logout?x",
            "/a/../dingtalk/me",
            "/dingtalk/",
        ] {
            assert_eq!(safe(own), None, "{own}");
        }
        assert!(safe("/dingtalks").is_some());
        let prefixed = PublicOrigin::parse("https://example.com/hr/", &[], false).unwrap();
        assert_eq!(
            prefixed.safe_target("/hr/dingtalk/login", "/dingtalk"),
            None
        );
        assert_eq!(prefixed.return_to(None, "/dingtalk"), "/hr/");
        assert_eq!(prefixed.to_string(), "https://example.com/hr");
    }

    #[test]
    fn plain_http_needs_loopback_or_the_word() {
        assert!(PublicOrigin::parse("http://hr.internal", &[], false).is_err());
        assert!(PublicOrigin::parse("http://hr.internal", &[], true).is_ok());
        assert!(PublicOrigin::parse("http://127.0.0.1:8080", &[], false).is_ok());
        for bad in [
            "hr.example.com",
            "https://a/?x",
            "https://u@a",
            "https://a//b",
            "https://a/b//",
            "ftp://a",
            "data:,x",
            "",
        ] {
            assert!(PublicOrigin::parse(bad, &[], true).is_err(), "{bad}");
        }
    }

    proptest! {
        /// E1
        #[test]
        fn an_accepted_target_stays_on_our_origin(asked in "[/\\\\a.%2eEfF5cC\t ?#@:]{0,24}|/.{0,40}") {
            if let Some(safe) = safe(&asked) {
                let url = Url::parse("https://hr.example.com/deep/page").unwrap().join(&safe).unwrap();
                prop_assert_eq!(url.origin().ascii_serialization(), "https://hr.example.com");
                prop_assert!(safe.starts_with('/') && !safe.starts_with("//"));
            }
        }
    }
}
