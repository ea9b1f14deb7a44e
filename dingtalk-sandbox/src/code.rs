//! One-time codes: one use, one app, one organisation, one kind, a few minutes.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::identifier;

/// The login a code was made for. Kinds never mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeKind {
    /// Silent login (免登) of an internal app.
    Silent,
}

impl CodeKind {
    /// The names the control API takes.
    pub(crate) const NAMES: &[&str] = &["silent"];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        (name == "silent").then_some(Self::Silent)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) kind: CodeKind,
    pub(crate) app_key: String,
    pub(crate) corp_id: String,
    pub(crate) user_id: String,
    pub(crate) expires: Duration,
    used: bool,
}

/// Why a code buys nothing. DingTalk says 40078 to all of them; the list of calls says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worthless {
    Unknown,
    Used,
    OtherKind,
    OtherCorp,
    OtherApp,
    Expired,
}

impl Worthless {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Unknown => "no such code",
            Self::Used => "the code was used before",
            Self::OtherKind => "the code is of another kind",
            Self::OtherCorp => "the code is of another organisation",
            Self::OtherApp => "the code is of another app",
            Self::Expired => "the code is too old",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Codes {
    by_value: HashMap<String, Code>,
    order: VecDeque<String>,
}

impl Codes {
    pub(crate) fn mint(
        &mut self,
        kind: CodeKind,
        app_key: &str,
        corp_id: &str,
        user_id: &str,
        expires: Duration,
    ) -> String {
        while self.order.len() >= MOST {
            let oldest = self.order.pop_front();
            oldest.map(|value| self.by_value.remove(&value));
        }
        let value = identifier::hex32();
        let code = Code {
            kind,
            app_key: app_key.to_owned(),
            corp_id: corp_id.to_owned(),
            user_id: user_id.to_owned(),
            expires,
            used: false,
        };
        self.by_value.insert(value.clone(), code);
        self.order.push_back(value.clone());
        value
    }

    /// Spends the code, or says why not. A refusal spends nothing.
    pub(crate) fn spend(
        &mut self,
        value: &str,
        kind: CodeKind,
        corp_id: &str,
        app_key: &str,
        now: Duration,
    ) -> Result<Code, Worthless> {
        let code = self.by_value.get_mut(value).ok_or(Worthless::Unknown)?;
        match () {
            () if code.used => Err(Worthless::Used),
            () if code.kind != kind => Err(Worthless::OtherKind),
            () if code.corp_id != corp_id => Err(Worthless::OtherCorp),
            () if code.app_key != app_key => Err(Worthless::OtherApp),
            () if now >= code.expires => Err(Worthless::Expired),
            () => {
                code.used = true;
                Ok(code.clone())
            }
        }
    }
}

/// Used and old codes are kept too, so that the list of calls can say why one was refused.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(300);

    fn minted() -> (Codes, String) {
        let mut codes = Codes::default();
        let code = codes.mint(CodeKind::Silent, "key", "corp", "user", LATER);
        (codes, code)
    }

    fn spend(
        codes: &mut Codes,
        code: &str,
        corp: &str,
        app: &str,
        now: Duration,
    ) -> Result<String, Worthless> {
        codes
            .spend(code, CodeKind::Silent, corp, app, now)
            .map(|code| code.user_id)
    }

    #[test]
    fn a_code_works_once() {
        let (mut codes, code) = minted();
        assert_eq!(
            spend(&mut codes, &code, "corp", "key", Duration::ZERO).unwrap(),
            "user"
        );
        assert_eq!(
            spend(&mut codes, &code, "corp", "key", Duration::ZERO),
            Err(Worthless::Used)
        );
    }

    #[test]
    fn a_refused_code_is_not_spent() {
        let (mut codes, code) = minted();
        assert_eq!(
            spend(&mut codes, &code, "other", "key", Duration::ZERO),
            Err(Worthless::OtherCorp)
        );
        assert_eq!(
            spend(&mut codes, &code, "corp", "other", Duration::ZERO),
            Err(Worthless::OtherApp)
        );
        assert!(spend(&mut codes, &code, "corp", "key", Duration::ZERO).is_ok());
    }

    #[test]
    fn a_code_dies_at_its_age() {
        let (mut codes, code) = minted();
        assert_eq!(
            spend(&mut codes, &code, "corp", "key", LATER),
            Err(Worthless::Expired)
        );
        assert!(
            spend(
                &mut codes,
                &code,
                "corp",
                "key",
                LATER - Duration::from_millis(1)
            )
            .is_ok()
        );
    }

    #[test]
    fn the_number_of_codes_is_bounded() {
        let (mut codes, first) = minted();
        for _ in 0..MOST {
            codes.mint(CodeKind::Silent, "key", "corp", "user", LATER);
        }
        assert_eq!(codes.by_value.len(), MOST);
        assert_eq!(
            spend(&mut codes, &first, "corp", "key", Duration::ZERO),
            Err(Worthless::Unknown)
        );
    }
}
