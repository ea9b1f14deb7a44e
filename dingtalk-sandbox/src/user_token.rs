//! User tokens of web sign-in: a pair for each sign-in, the refresh token changed at every use.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::identifier;

/// For whom a pair was made, and for which app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) app_key: String,
    pub(crate) union_id: String,
    /// The organisation that was chosen, if the scope had `corpid`.
    pub(crate) corp_id: Option<String>,
}

/// What the endpoint hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

/// Why an access token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    Unknown,
    Expired,
}

#[derive(Debug)]
struct Token {
    bearer: Bearer,
    is_refresh: bool,
    expires: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct UserTokens {
    by_value: HashMap<String, Token>,
    order: VecDeque<String>,
}

impl UserTokens {
    /// A new pair. Earlier access tokens live on.
    pub(crate) fn issue(&mut self, bearer: &Bearer, life: Duration, now: Duration) -> Pair {
        Pair {
            access_token: self.add(bearer, false, now + life),
            refresh_token: self.add(bearer, true, now + REFRESH_LIFE),
        }
    }

    fn add(&mut self, bearer: &Bearer, is_refresh: bool, expires: Duration) -> String {
        while self.order.len() >= MOST {
            let oldest = self.order.pop_front();
            oldest.map(|value| self.by_value.remove(&value));
        }
        let value = identifier::hex32();
        let token = Token {
            bearer: bearer.clone(),
            is_refresh,
            expires,
        };
        self.by_value.insert(value.clone(), token);
        self.order.push_back(value.clone());
        value
    }

    /// Spends a refresh token of this app. `None` when it is none, was used, revoked or is too old.
    pub(crate) fn spend_refresh(
        &mut self,
        value: &str,
        app_key: &str,
        now: Duration,
    ) -> Option<Bearer> {
        let token = self.by_value.get(value)?;
        if !token.is_refresh || token.bearer.app_key != app_key || now >= token.expires {
            return None;
        }
        self.order.retain(|other| other != value);
        self.by_value.remove(value).map(|token| token.bearer)
    }

    /// Whose access token it is.
    pub(crate) fn bearer(&self, value: &str, now: Duration) -> Result<&Bearer, Closed> {
        match self.by_value.get(value).filter(|token| !token.is_refresh) {
            None => Err(Closed::Unknown),
            Some(token) if now >= token.expires => Err(Closed::Expired),
            Some(token) => Ok(&token.bearer),
        }
    }

    /// Ends every token of the app. Says how many there were, old ones too.
    pub(crate) fn revoke(&mut self, app_key: &str) -> usize {
        let before = self.by_value.len();
        self.by_value
            .retain(|_, token| token.bearer.app_key != app_key);
        self.order.retain(|value| self.by_value.contains_key(value));
        before - self.by_value.len()
    }
}

/// Source: <https://open.dingtalk.com/document/development/obtain-user-token>
const REFRESH_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Old ones are kept too, so that one too old can be told from one unknown.
const MOST: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(7200);

    fn bearer() -> Bearer {
        Bearer {
            app_key: "key".to_owned(),
            union_id: "union".to_owned(),
            corp_id: None,
        }
    }

    #[test]
    fn a_refresh_token_works_once_for_its_app_and_for_thirty_days() {
        let mut tokens = UserTokens::default();
        let first = tokens.issue(&bearer(), LIFE, Duration::ZERO);
        let spend = |tokens: &mut UserTokens, value: &str, app: &str, now| {
            tokens.spend_refresh(value, app, now)
        };
        let late = REFRESH_LIFE - Duration::from_millis(1);
        assert_eq!(
            spend(&mut tokens, &first.refresh_token, "other", late),
            None
        );
        assert_eq!(
            spend(&mut tokens, &first.refresh_token, "key", REFRESH_LIFE),
            None
        );
        assert_eq!(
            spend(&mut tokens, &first.refresh_token, "key", late),
            Some(bearer())
        );
        assert_eq!(spend(&mut tokens, &first.refresh_token, "key", late), None);
    }

    #[test]
    fn the_two_tokens_of_a_pair_do_not_stand_for_each_other() {
        let mut tokens = UserTokens::default();
        let pair = tokens.issue(&bearer(), LIFE, Duration::ZERO);
        assert_eq!(
            tokens.bearer(&pair.refresh_token, Duration::ZERO),
            Err(Closed::Unknown)
        );
        assert_eq!(
            tokens.spend_refresh(&pair.access_token, "key", Duration::ZERO),
            None
        );
    }

    #[test]
    fn an_old_access_token_is_told_from_an_unknown_one() {
        let mut tokens = UserTokens::default();
        let pair = tokens.issue(&bearer(), LIFE, Duration::ZERO);
        let early = LIFE - Duration::from_millis(1);
        assert_eq!(tokens.bearer(&pair.access_token, early), Ok(&bearer()));
        assert_eq!(
            tokens.bearer(&pair.access_token, LIFE),
            Err(Closed::Expired)
        );
        assert_eq!(tokens.revoke("other"), 0);
        assert_eq!(tokens.revoke("key"), 2);
        assert_eq!(
            tokens.bearer(&pair.access_token, early),
            Err(Closed::Unknown)
        );
    }

    #[test]
    fn the_number_of_user_tokens_is_bounded() {
        let mut tokens = UserTokens::default();
        for _ in 0..=MOST {
            tokens.issue(&bearer(), LIFE, Duration::ZERO);
        }
        assert_eq!((tokens.by_value.len(), tokens.order.len()), (MOST, MOST));
    }
}
