//! Where an app may send people back to after a sign-in: scheme, host and port are compared, the rest is free.

use hyper::Uri;

/// Scheme, host and port of an `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    /// `None` in a registered URL whose port is `*`.
    port: Option<u16>,
}

impl Origin {
    /// Of an absolute URL without user name and fragment.
    pub(crate) fn of(url: &str) -> Option<Self> {
        if url.contains('#') {
            return None;
        }
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host();
        if authority.as_str().contains('@') || host.is_empty() {
            return None;
        }
        // `host:` and `host:99999` parse as an authority without a port.
        let port = match authority.as_str().get(host.len()..)?.strip_prefix(':') {
            None => usual,
            Some(port) => port.parse().ok()?,
        };
        Some(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port: Some(port),
        })
    }

    /// Of a registered URL, whose port may be `*`: any.
    pub(super) fn registered(url: &str) -> Option<Self> {
        let Some((before, after)) = url.split_once(":*") else {
            return Self::of(url);
        };
        let origin = Self::of(&format!("{before}{after}"))?;
        // The star must have stood where a port stands.
        (before.ends_with(&origin.host) && (after.is_empty() || after.starts_with('/'))).then_some(
            Self {
                port: None,
                ..origin
            },
        )
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    fn admits(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.host == other.host
            && (self.port.is_none() || self.port == other.port)
    }
}

impl std::fmt::Display for Origin {
    /// As a browser spells it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (self.scheme.as_str(), self.port) {
            ("http", Some(80)) | ("https", Some(443)) | (_, None) => Ok(()),
            (_, Some(port)) => write!(f, ":{port}"),
        }
    }
}

/// Whether one of the registered URLs has this origin.
pub(crate) fn is_registered(registered: &[String], origin: &Origin) -> bool {
    registered
        .iter()
        .filter_map(|url| Origin::registered(url))
        .any(|known| known.admits(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_are_compared() {
        let registered = ["https://hr.example.com/dingtalk/callback".to_owned()];
        for (url, expected) in [
            ("https://hr.example.com/elsewhere?x=1", true),
            ("https://HR.example.com:443/", true),
            ("https://hr.example.com", true),
            ("http://hr.example.com/", false),
            ("https://hr.example.com:8443/", false),
            ("https://evil.example.com/", false),
            ("https://hr.example.com.evil.example/", false),
            ("https://hr.example.com@evil.example/", false),
            ("https://evil.example@hr.example.com/", false),
            ("https://hr.example.com\\@evil.example/", false),
            ("https://hr.example.com:/", false),
            ("https://hr.example.com/#x", false),
            ("//hr.example.com/", false),
            ("/dingtalk/callback", false),
            ("javascript:alert(1)", false),
            ("", false),
        ] {
            let origin = Origin::of(url);
            let admitted = origin.is_some_and(|origin| is_registered(&registered, &origin));
            assert_eq!(admitted, expected, "{url}");
        }
    }

    #[test]
    fn a_star_is_any_port_and_nothing_else() {
        for (url, stars, admitted) in [
            ("http://127.0.0.1:*", true, true),
            ("http://127.0.0.1:*/callback", true, true),
            ("https://127.0.0.1:*", true, false),
            ("http://127.0.0.1:*x", false, false),
            ("http://127.0.0.1/:*", false, false),
            ("http://*", false, false),
        ] {
            let registered = Origin::registered(url);
            let any_port = registered
                .as_ref()
                .is_some_and(|origin| origin.port.is_none());
            assert_eq!(any_port, stars, "{url}");
            let origin = Origin::of("http://127.0.0.1:40123/callback").unwrap();
            assert_eq!(is_registered(&[url.to_owned()], &origin), admitted, "{url}");
        }
    }

    #[test]
    fn an_origin_is_written_as_a_browser_spells_it() {
        for (url, text) in [
            ("http://127.0.0.1:7081/x", "http://127.0.0.1:7081"),
            ("https://A.example:443/", "https://a.example"),
            ("http://[::1]:80/", "http://[::1]"),
        ] {
            assert_eq!(Origin::of(url).unwrap().to_string(), text);
        }
    }
}
