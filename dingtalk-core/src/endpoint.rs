//! Where DingTalk is: presets for its two regions, or addresses of your own.

use std::net::IpAddr;

use url::{Host, Url};

use crate::error::setting::ConfigError;

/// DingTalk's two regions.
///
/// Source: <https://open.dingtalk.com/document/development/obtain-the-access-token-of-an-internal-app> (`.com`) and its
/// English edition (`.io`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Region {
    /// `api.dingtalk.com`, `oapi.dingtalk.com` and `login.dingtalk.com`. The default.
    #[default]
    China,
    /// `api.dingtalk.io`, `oapi.dingtalk.io` and `login.dingtalk.io`.
    International,
}

/// The addresses of DingTalk's two APIs and of its sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    api: Url,
    oapi: Url,
    login: Url,
}

impl Endpoints {
    /// One address for all three: a sandbox, a proxy, a private deployment. `https`, or `http` on loopback.
    pub fn one(address: &str) -> Result<Self, ConfigError> {
        Self::new(address, address, address)
    }

    /// The addresses of the new API (`api.…`), of the old API (`oapi.…`) and of the sign-in page (`login.…`). `https`, or `http`
    /// on loopback.
    pub fn new(api: &str, oapi: &str, login: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            api: parse(api)?,
            oapi: parse(oapi)?,
            login: parse(login)?,
        })
    }

    pub(crate) fn api(&self, segments: &[&str]) -> Url {
        join(&self.api, segments)
    }

    pub(crate) fn oapi(&self, segments: &[&str]) -> Url {
        join(&self.oapi, segments)
    }

    /// Where browsers go; we call nothing there.
    pub(crate) fn login(&self, segments: &[&str]) -> Url {
        join(&self.login, segments)
    }

    /// Whose messages a frame with the sign-in page sends.
    pub(crate) fn login_origin(&self) -> String {
        self.login.origin().ascii_serialization()
    }

    pub(crate) fn needs_tls(&self) -> bool {
        [&self.api, &self.oapi]
            .iter()
            .any(|url| url.scheme() == "https")
    }

    /// DingTalk's international site, of which less is known.
    pub(crate) fn is_international(&self) -> bool {
        [&self.api, &self.oapi, &self.login].iter().any(|url| {
            url.host_str()
                .is_some_and(|host| host.ends_with(".dingtalk.io"))
        })
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.api) && is_loopback(&self.oapi)
    }
}

impl From<Region> for Endpoints {
    #[expect(clippy::expect_used, reason = "the presets are constants, and tested")]
    fn from(region: Region) -> Self {
        let top = match region {
            Region::China => "com",
            Region::International => "io",
        };
        let [api, oapi, login] =
            ["api", "oapi", "login"].map(|host| format!("https://{host}.dingtalk.{top}"));
        Self::new(&api, &oapi, &login).expect("a preset is a valid address")
    }
}

/// Whether an address is this very machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

/// The address of a script that a page of ours loads.
pub(crate) fn script_address(
    setting: &'static str,
    variable: &'static str,
    address: &str,
) -> Result<String, ConfigError> {
    let url = Url::parse(address).ok().filter(|url| {
        let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(url);
        is_safe && url.username().is_empty() && url.password().is_none()
    });
    url.map(String::from).ok_or_else(|| {
        let why = "it is not the URL of a script: https, or http on loopback";
        ConfigError::invalid(setting, variable, why)
    })
}

fn parse(address: &str) -> Result<Url, ConfigError> {
    let refuse = |why| ConfigError::invalid("endpoint", "DINGTALK_ENDPOINT", why);
    let url = Url::parse(address).map_err(|_| refuse("it is not an absolute URL".to_owned()))?;
    if url.cannot_be_a_base() || url.query().is_some() || url.fragment().is_some() {
        return Err(refuse(
            "it must be scheme, host and an optional path only".to_owned(),
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(
            "it must not carry a user name or password".to_owned(),
        ));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(refuse(
            "app secrets are sent there: use https (http is for loopback only)".to_owned(),
        )),
        other => Err(refuse(format!("the scheme `{other}` is not https"))),
    }
}

/// Each segment is percent-encoded, so that nothing in it becomes another path.
fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G6
    #[test]
    fn an_address_is_https_or_loopback() {
        for good in [
            "https://proxy.example.com/dingtalk",
            "http://127.0.0.1:7070",
            "http://[::1]:7070",
            "http://localhost:7070/",
        ] {
            assert!(Endpoints::one(good).is_ok(), "{good}");
        }
        for bad in [
            "http://oapi.dingtalk.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "https://user:pw@example.com",
            "https://example.com/?x=1",
            "oapi.dingtalk.com",
            "",
        ] {
            assert!(Endpoints::one(bad).is_err(), "{bad}");
        }
    }

    /// G6
    #[test]
    fn no_segment_reaches_another_path() {
        let here = Endpoints::one("https://example.com/proxy").unwrap();
        for (segment, path) in [
            ("a?b", "/proxy/v1.0/a%3Fb/token"),
            ("a/b", "/proxy/v1.0/a%2Fb/token"),
            ("a%2fb", "/proxy/v1.0/a%252fb/token"),
            ("../x", "/proxy/v1.0/..%2Fx/token"),
            ("a#b", "/proxy/v1.0/a%23b/token"),
        ] {
            assert_eq!(here.api(&["v1.0", segment, "token"]).path(), path);
        }
    }

    #[test]
    fn each_region_has_its_hosts() {
        let io = Endpoints::from(Region::International);
        assert_eq!(
            io.oapi(&["gettoken"]).as_str(),
            "https://oapi.dingtalk.io/gettoken"
        );
        assert!(io.is_international() && !Endpoints::from(Region::China).is_international());
        assert_eq!(io.api(&["v1.0"]).as_str(), "https://api.dingtalk.io/v1.0");
        let com = Endpoints::from(Region::China);
        assert_eq!(
            com.login(&["oauth2", "auth"]).as_str(),
            "https://login.dingtalk.com/oauth2/auth"
        );
    }
}
