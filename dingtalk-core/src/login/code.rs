//! One-time codes, by kind.

use crate::secret::Secret;

/// A one-time code, of the one kind its flow understands: only the request path makes them, so a code never reaches another
/// flow than its own.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoginCode {
    /// From the client's `requestAuthCode` (免登授权码): five minutes, once.
    Silent(SilentCode),
    /// From DingTalk's sign-in page, on its way back to the callback: once.
    Web(WebCode),
    /// From one of DingTalk's older sign-in pages, on its way back to the callback: once.
    Sns(SnsCode),
}

/// A silent-login code (免登授权码).
#[derive(Debug)]
pub struct SilentCode(Secret);

/// A code from DingTalk's sign-in page.
#[derive(Debug)]
pub struct WebCode(Secret);

/// A code from one of DingTalk's older sign-in pages.
#[derive(Debug)]
pub struct SnsCode(Secret);

impl SilentCode {
    /// Takes what can be a code; junk costs no call.
    pub(crate) fn parse(code: &[u8]) -> Option<Self> {
        parse(code).map(Self)
    }

    /// The code, for the one call that spends it.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl WebCode {
    /// Takes what can be a code; junk costs no call.
    pub(crate) fn parse(code: &[u8]) -> Option<Self> {
        parse(code).map(Self)
    }

    /// The code, for the one call that spends it.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl SnsCode {
    /// Takes what can be a code; junk costs no call.
    pub(crate) fn parse(code: &[u8]) -> Option<Self> {
        parse(code).map(Self)
    }

    /// The code, for the one call that spends it.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl LoginCode {
    /// The code and its kind's name.
    pub(crate) fn parts(&self) -> (&'static str, &Secret) {
        match self {
            Self::Silent(code) => ("silent", &code.0),
            Self::Web(code) => ("web", &code.0),
            Self::Sns(code) => ("sns", &code.0),
        }
    }
}

fn parse(code: &[u8]) -> Option<Secret> {
    let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.~-".contains(byte);
    if code.is_empty() || code.len() > MAX_CODE || !code.iter().all(is_usual) {
        return None;
    }
    Some(std::str::from_utf8(code).ok()?.into())
}

/// Source: <https://open.dingtalk.com/document/development/jsapi-request-auth-code> shows codes of 32 hex digits; longer ones
/// and the other unreserved characters are left room for.
const MAX_CODE: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// B4
        #[test]
        fn only_what_can_be_a_code_is_taken(code in proptest::collection::vec(any::<u8>(), 0..600)) {
            let usual = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.~-";
            let is_good = (1..=512).contains(&code.len()) && code.iter().all(|byte| usual.contains(byte));
            prop_assert_eq!(SilentCode::parse(&code).is_some(), is_good);
        }

        /// B4
        #[test]
        fn a_code_of_the_usual_shape_is_taken(code in "[A-Za-z0-9_.~-]{1,512}") {
            prop_assert!(SilentCode::parse(code.as_bytes()).is_some());
        }
    }
}
