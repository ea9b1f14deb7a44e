//! Who may use the control API and see the page: this machine, and no other site's pages in its browser.

use std::net::{IpAddr, SocketAddr};

use hyper::{header::HOST, http::request::Parts};

use crate::server::header;

/// Refuses a `Host` that is somebody's name for this address (DNS rebinding).
pub(crate) fn same_machine(head: &Parts, own: SocketAddr) -> Result<(), String> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (
        hosts.next().and_then(|host| host.to_str().ok()),
        hosts.next(),
    ) else {
        return Err("Host: exactly one is needed".to_owned());
    };
    if is_own(host_name(host), own) {
        Ok(())
    } else {
        Err(format!("Host: `{host}` is not this machine; use {own}"))
    }
}

/// As [`same_machine`], and refuses other sites' pages.
pub(crate) fn admits(head: &Parts, own: SocketAddr) -> Result<(), String> {
    same_machine(head, own)?;
    let host = header(head, "host").unwrap_or_default();
    if let Some(origin) = head.headers.get("origin")
        && origin.to_str().ok() != Some(&format!("http://{host}"))
    {
        return Err("Origin: only the sandbox's own page may do this".to_owned());
    }
    match header(head, "sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err("Sec-Fetch-Site: only the sandbox's own page may do this".to_owned()),
    }
}

fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') =>
        {
            name
        }
        _ => host,
    }
}

fn is_own(name: &str, own: SocketAddr) -> bool {
    let name = name.trim_start_matches('[').trim_end_matches(']');
    match name.parse::<IpAddr>() {
        // No name leads to an address written out, so whoever listens everywhere may be called by any.
        Ok(ip) => ip.is_loopback() || ip == own.ip() || own.ip().is_unspecified(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        let own = SocketAddr::from(([127, 0, 0, 1], 7070));
        for (host, expected) in [
            ("127.0.0.1:7070", true),
            ("127.0.0.1", true),
            ("localhost:7070", true),
            ("LOCALHOST", true),
            ("[::1]:7070", true),
            ("[::1]", true),
            ("evil.example:7070", false),
            ("localhost.evil.example", false),
            ("192.168.1.5:7070", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_own(host_name(host), own), expected, "{host}");
        }
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 7070));
        assert!(is_own(host_name("192.168.1.5:7070"), everywhere));
        assert!(!is_own(host_name("evil.example:7070"), everywhere));
    }
}
