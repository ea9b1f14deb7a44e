//! App tokens: handed out, extended, revoked, forgotten.

use std::{collections::HashMap, time::Duration};

use crate::{identifier, world::TokenRepeat};

/// Which endpoint family made a token. Both kinds open the same doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// `gettoken` and `accessToken`: one token between them.
    App,
    /// `{corpId}/token`.
    Corp,
}

#[derive(Debug)]
struct Token {
    app_key: String,
    kind: TokenKind,
    expires: Duration,
    made: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Tokens {
    by_value: HashMap<String, Token>,
    made: u64,
}

impl Tokens {
    /// The app's token: the living one, its life extended, or a new one.
    pub(crate) fn issue(
        &mut self,
        app_key: &str,
        kind: TokenKind,
        repeat: TokenRepeat,
        life: Duration,
        now: Duration,
    ) -> String {
        self.by_value.retain(|_, token| now < token.expires);
        let living = self
            .by_value
            .iter_mut()
            .filter(|(_, token)| token.app_key == app_key && token.kind == kind)
            .max_by_key(|(_, token)| token.made);
        if let Some((value, token)) = living.filter(|_| repeat == TokenRepeat::Same) {
            token.expires = now + life;
            return value.clone();
        }
        if self.by_value.len() >= MOST {
            let oldest = self
                .by_value
                .iter()
                .min_by_key(|(_, token)| token.made)
                .map(|(value, _)| value.clone());
            oldest.map(|value| self.by_value.remove(&value));
        }
        self.made += 1;
        let value = identifier::hex32();
        let token = Token {
            app_key: app_key.to_owned(),
            kind,
            expires: now + life,
            made: self.made,
        };
        self.by_value.insert(value.clone(), token);
        value
    }

    /// Whose token it is, if it lives.
    pub(crate) fn owner(&self, value: &str, now: Duration) -> Option<&str> {
        self.by_value
            .get(value)
            .filter(|token| now < token.expires)
            .map(|token| token.app_key.as_str())
    }

    /// Ends every token of the app. Says how many there were.
    pub(crate) fn revoke(&mut self, app_key: &str) -> usize {
        let before = self.by_value.len();
        self.by_value.retain(|_, token| token.app_key != app_key);
        before - self.by_value.len()
    }
}

/// Far more than a world has apps; only [`TokenRepeat::New`] gets here.
const MOST: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(7200);
    const SECOND: Duration = Duration::from_secs(1);

    fn issue(tokens: &mut Tokens, repeat: TokenRepeat, now: Duration) -> String {
        tokens.issue("key", TokenKind::App, repeat, LIFE, now)
    }

    #[test]
    fn a_repeated_call_gets_the_same_token_and_extends_it() {
        let mut tokens = Tokens::default();
        let first = issue(&mut tokens, TokenRepeat::Same, Duration::ZERO);
        assert_eq!(issue(&mut tokens, TokenRepeat::Same, LIFE - SECOND), first);
        assert_eq!(tokens.owner(&first, LIFE + SECOND), Some("key"));
        assert_eq!(tokens.owner(&first, LIFE - SECOND + LIFE), None);
    }

    #[test]
    fn an_expired_token_is_not_revived() {
        let mut tokens = Tokens::default();
        let first = issue(&mut tokens, TokenRepeat::Same, Duration::ZERO);
        assert_ne!(issue(&mut tokens, TokenRepeat::Same, LIFE), first);
    }

    #[test]
    fn a_changing_token_leaves_the_earlier_one_alive() {
        let mut tokens = Tokens::default();
        let first = issue(&mut tokens, TokenRepeat::New, Duration::ZERO);
        let second = issue(&mut tokens, TokenRepeat::New, SECOND);
        assert_ne!(first, second);
        assert!(tokens.owner(&first, SECOND).is_some());
    }

    #[test]
    fn the_number_of_tokens_is_bounded() {
        let mut tokens = Tokens::default();
        for _ in 0..MOST + 5 {
            issue(&mut tokens, TokenRepeat::New, Duration::ZERO);
        }
        assert_eq!(tokens.by_value.len(), MOST);
    }
}
