//! The two languages of the sign-in pages, by the browser's wish.

use hyper::http::request::Parts;

use crate::server::header;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    English,
}

impl Language {
    /// The one the browser likes best of the two; Chinese, as DingTalk's own page, when it says nothing.
    pub(super) fn of(head: &Parts) -> Self {
        Self::liked(header(head, "accept-language").unwrap_or_default())
    }

    fn liked(accept: &str) -> Self {
        let mut best = (Self::Chinese, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
            let language = match tag.split('-').next() {
                Some("zh") => Self::Chinese,
                Some("en") => Self::English,
                _ => continue,
            };
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            if weight > best.1 {
                best = (language, weight);
            }
        }
        best.0
    }

    /// For `lang` attributes.
    pub(super) fn tag(self) -> &'static str {
        self.pick("zh-Hans", "en")
    }

    pub(super) fn pick<'a>(self, chinese: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_chooses_between_the_two_languages() {
        for (accept, expected) in [
            ("", Language::Chinese),
            ("fr", Language::Chinese),
            ("en", Language::English),
            ("en-GB,en;q=0.9,zh;q=0.8", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("fr, zh-TW;q=0.3, en-US;q=0.7", Language::English),
            ("en;q=0, zh;q=0.1", Language::Chinese),
            ("en;q=nonsense", Language::Chinese),
        ] {
            assert_eq!(Language::liked(accept), expected, "{accept}");
        }
    }
}
