//! Cookies, byte by byte: read without decoding, written with every attribute.
//!
//! Frameworks' readers decode names, trim Unicode blanks, or drop the whole header for one odd byte: each lets a neighbour's
//! cookie stand in for ours, or hide it.

use std::time::Duration;

use cookie::{Cookie, SameSite, time};
use memchr::memchr;
use sha2::{Digest, Sha256};

/// The name and attributes of our cookies.
#[derive(Clone, Debug)]
pub(crate) struct Jar {
    session: String,
    pre_login: String,
    corp: String,
    signed_out: String,
    pending: String,
    is_secure: bool,
    is_framed: bool,
}

impl Jar {
    /// Cookies are shared between the ports and paths of a host, so the origin and the handle's name are in theirs. `is_framed`
    /// lets other sites' frames carry them, each site its own.
    pub(crate) fn new(origin: &str, handle: &str, is_secure: bool, is_framed: bool) -> Self {
        let hash = Sha256::digest(format!("{origin}\n{handle}"));
        let hash: String = hash
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let prefix = if is_secure { "__Host-" } else { "" };
        let session = format!("{prefix}dt-{hash}");
        Self {
            pre_login: format!("{session}-login"),
            corp: format!("{session}-corp"),
            signed_out: format!("{session}-out"),
            pending: format!("{session}-s-"),
            session,
            is_secure,
            is_framed,
        }
    }

    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    pub(crate) fn pre_login(&self) -> &str {
        &self.pre_login
    }

    pub(crate) fn corp(&self) -> &str {
        &self.corp
    }

    /// The mark of a browser in which somebody signed out a moment ago.
    pub(crate) fn signed_out(&self) -> &str {
        &self.signed_out
    }

    /// What the names of sign-ins that were begun here start with.
    pub(crate) fn pending(&self) -> &str {
        &self.pending
    }

    /// A `Set-Cookie` value. Without `life` the cookie ends with the browser.
    pub(crate) fn set(&self, name: &str, value: &str, life: Option<Duration>) -> String {
        let mut cookie = Cookie::build((name, value))
            .path("/")
            .secure(self.is_secure)
            .http_only(true)
            .same_site(if self.is_framed {
                SameSite::None
            } else {
                SameSite::Lax
            })
            .partitioned(self.is_framed);
        if let Some(life) = life {
            cookie = cookie.max_age(life.try_into().unwrap_or(time::Duration::MAX));
        }
        cookie.build().to_string()
    }

    /// The `Set-Cookie` value that removes it: every attribute again, or browsers ignore it.
    pub(crate) fn remove(&self, name: &str) -> String {
        self.set(name, "", Some(Duration::ZERO))
    }

    /// How many characters of value fit into a session cookie: browsers lose larger ones without a word.
    pub(crate) fn room(&self) -> usize {
        let rest = self.set(
            &self.session,
            "",
            Some(Duration::from_secs(u32::MAX.into())),
        );
        MAX_COOKIE.saturating_sub(rest.len())
    }
}

/// The values of all cookies of a name, at most four, in the order sent.
pub(crate) fn values<'a>(
    headers: impl Iterator<Item = &'a [u8]>,
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    all(headers)
        .filter_map(move |(said, value)| (said == name.as_bytes()).then_some(value))
        .take(MAX_CANDIDATES)
}

/// The names and values of all cookies whose name starts so, in the order sent.
pub(crate) fn beginning<'a>(
    headers: impl Iterator<Item = &'a [u8]>,
    start: &str,
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    all(headers).filter(move |(said, _)| said.starts_with(start.as_bytes()))
}

fn all<'a>(headers: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    headers.flat_map(pairs).filter_map(|pair| {
        let (said, value) = pair.split_at_checked(memchr(b'=', pair)?)?;
        Some((trim(said), trim(value.get(1..).unwrap_or_default())))
    })
}

fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        let here = rest?;
        let (pair, behind) = match memchr(b';', here) {
            Some(at) => (here.get(..at)?, here.get(at + 1..)),
            None => (here, None),
        };
        rest = behind;
        Some(pair)
    })
}

/// Without the blanks that RFC 6265bis knows: space and tab, nothing else.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

const MAX_COOKIE: usize = 4096;
const MAX_CANDIDATES: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(header: &[u8], name: &str) -> Vec<Vec<u8>> {
        values(std::iter::once(header), name)
            .map(<[u8]>::to_vec)
            .collect()
    }

    /// D1
    #[test]
    fn a_session_cookie_has_every_attribute() {
        let jar = Jar::new("https://hr.example.com", "", true, false);
        assert_eq!(
            jar.set(jar.session(), "v", None),
            "__Host-dt-624a92d9=v; HttpOnly; SameSite=Lax; Secure; Path=/"
        );
        assert_eq!(
            jar.remove(jar.session()),
            "__Host-dt-624a92d9=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
        );
        let plain = Jar::new("http://hr.internal", "", false, false);
        assert!(!plain.set(plain.session(), "v", None).contains("Secure"));
        assert!(plain.session().starts_with("dt-"));
    }

    /// D2
    #[test]
    fn in_frames_setting_and_removing_differ_only_in_value_and_age() {
        let jar = Jar::new("https://hr.example.com", "", true, true);
        let pending = format!("{}0a1b2c3d", jar.pending());
        let names = [
            jar.session(),
            jar.pre_login(),
            jar.corp(),
            jar.signed_out(),
            &pending,
        ];
        for name in names {
            let set = jar.set(name, "v", None);
            assert_eq!(
                set,
                format!("{name}=v; HttpOnly; SameSite=None; Partitioned; Secure; Path=/")
            );
            let removed = jar.remove(name);
            assert_eq!(
                removed,
                format!("{}; Max-Age=0", set.replacen("=v", "=", 1))
            );
        }
    }

    #[test]
    fn origin_and_handle_are_in_the_name() {
        let name = |origin, handle| Jar::new(origin, handle, true, false).session().to_owned();
        assert_ne!(name("https://a:1", ""), name("https://a:2", ""));
        assert_ne!(name("https://a", ""), name("https://a", "hr"));
        assert_eq!(name("https://a", "hr"), name("https://a", "hr"));
    }

    /// D3
    #[test]
    fn only_the_exact_name_counts() {
        for odd in [
            "%5F%5FHost-x=1",
            "__host-x=1",
            "\u{a0}__Host-x=1",
            "\u{2003}__Host-x=1",
            "\"__Host-x\"=1",
            "__Host-x",
            "x__Host-x=1",
            "a=__Host-x=1",
        ] {
            assert!(read(odd.as_bytes(), "__Host-x").is_empty(), "{odd}");
        }
        for blank in [b'\x0b', b'\x0c', b'\r', b'\n', b'\0', b'\xa0', b'\x85'] {
            assert!(read(&[&[blank][..], b"__Host-x=1"].concat(), "__Host-x").is_empty());
        }
        assert_eq!(read(b"a=b; \t__Host-x =\t v=1 ;c", "__Host-x"), [b"v=1"]);
    }

    /// D4
    #[test]
    fn at_most_four_of_a_name_are_looked_at() {
        let many = "x=1; ".repeat(100);
        assert_eq!(read(many.as_bytes(), "x").len(), 4);
    }

    proptest! {
        /// D5
        #[test]
        fn our_cookie_is_found_whatever_stands_around_it(
            before in proptest::collection::vec(any::<u8>(), 0..80),
            after in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let header = [&before[..], b"; __Host-x=v; ", &after[..]].concat();
            prop_assert!(read(&header, "__Host-x").contains(&b"v".to_vec()));
        }
    }
}
