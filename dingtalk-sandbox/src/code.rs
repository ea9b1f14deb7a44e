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
    /// Sign-in in a browser.
    Web,
    /// Sign-in by the older pages.
    Sns,
}

impl CodeKind {
    /// The names the control API takes.
    pub(crate) const NAMES: &[&str] = &["silent", "web", "sns"];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "silent" => Some(Self::Silent),
            "web" => Some(Self::Web),
            "sns" => Some(Self::Sns),
            _ => None,
        }
    }
}

/// A sign-in in a browser that ended well, to have its code from [`Sandbox::sign_in_code`](crate::Sandbox::sign_in_code). What the
/// sign-in page checks of the person (that they are in the app's organisation) is not checked.
///
/// ```
/// use dingtalk_sandbox::SignInCode;
/// let chosen_the_other_corp = SignInCode::web("dinghr0000000000001", "unionWuLei0000009").corp("ding9f8e7d6c5b4a3f2e");
/// let without_corp = SignInCode::web("dinghr0000000000001", "unionStranger0011").scope("openid");
/// let older_page = SignInCode::sns("dingoafrontdesk0001", "unionLiNa00000002");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it has no code yet"]
pub struct SignInCode {
    pub(crate) app: String,
    pub(crate) union_id: String,
    pub(crate) corp_id: Option<String>,
    pub(crate) scope: String,
    pub(crate) is_legacy: bool,
}

impl SignInCode {
    /// At the sign-in page, for an app by its `app_key`.
    pub fn web(app_key: impl Into<String>, union_id: impl Into<String>) -> Self {
        Self {
            app: app_key.into(),
            union_id: union_id.into(),
            corp_id: None,
            scope: "openid corpid".to_owned(),
            is_legacy: false,
        }
    }

    /// At the older pages, for an app by its `appid`.
    pub fn sns(app_id: impl Into<String>, union_id: impl Into<String>) -> Self {
        Self {
            is_legacy: true,
            ..Self::web(app_id, union_id)
        }
    }

    /// The organisation that was chosen. Default: the app's own for its members, none for strangers.
    pub fn corp(mut self, corp_id: impl Into<String>) -> Self {
        self.corp_id = Some(corp_id.into());
        self
    }

    /// The scope, words with blanks between. Default: `openid corpid`. Without `corpid` no organisation is told.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }
}

#[derive(Clone, Debug)]
struct Code {
    app_key: String,
    grant: Grant,
    expires: Duration,
    used: bool,
}

impl Code {
    fn is_of_other_corp(&self, app_corp_id: &str) -> bool {
        matches!(&self.grant, Grant::Silent { corp_id, .. } if corp_id != app_corp_id)
    }
}

/// What a code says, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    Silent {
        corp_id: String,
        user_id: String,
    },
    Web {
        union_id: String,
        /// The organisation that was chosen, if the scope had `corpid`.
        corp_id: Option<String>,
    },
    Sns {
        union_id: String,
    },
}

impl Grant {
    fn kind(&self) -> CodeKind {
        match self {
            Self::Silent { .. } => CodeKind::Silent,
            Self::Web { .. } => CodeKind::Web,
            Self::Sns { .. } => CodeKind::Sns,
        }
    }
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
    pub(crate) fn mint(&mut self, app_key: &str, grant: Grant, expires: Duration) -> String {
        while self.order.len() >= MOST {
            let oldest = self.order.pop_front();
            oldest.map(|value| self.by_value.remove(&value));
        }
        let value = identifier::hex32();
        let code = Code {
            app_key: app_key.to_owned(),
            grant,
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
    ) -> Result<Grant, Worthless> {
        let code = self.by_value.get_mut(value).ok_or(Worthless::Unknown)?;
        match () {
            () if code.used => Err(Worthless::Used),
            () if code.grant.kind() != kind => Err(Worthless::OtherKind),
            () if code.is_of_other_corp(corp_id) => Err(Worthless::OtherCorp),
            () if code.app_key != app_key => Err(Worthless::OtherApp),
            () if now >= code.expires => Err(Worthless::Expired),
            () => {
                code.used = true;
                Ok(code.grant.clone())
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

    fn grant() -> Grant {
        Grant::Silent {
            corp_id: "corp".to_owned(),
            user_id: "user".to_owned(),
        }
    }

    fn minted() -> (Codes, String) {
        let mut codes = Codes::default();
        let code = codes.mint("key", grant(), LATER);
        (codes, code)
    }

    fn spend(
        codes: &mut Codes,
        code: &str,
        corp: &str,
        app: &str,
        now: Duration,
    ) -> Result<Grant, Worthless> {
        codes.spend(code, CodeKind::Silent, corp, app, now)
    }

    #[test]
    fn a_code_works_once() {
        let (mut codes, code) = minted();
        assert_eq!(
            spend(&mut codes, &code, "corp", "key", Duration::ZERO).unwrap(),
            grant()
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
            codes.mint("key", grant(), LATER);
        }
        assert_eq!(codes.by_value.len(), MOST);
        assert_eq!(
            spend(&mut codes, &first, "corp", "key", Duration::ZERO),
            Err(Worthless::Unknown)
        );
    }

    #[test]
    fn a_code_of_one_kind_is_worth_nothing_as_another() {
        let union_id = || "union".to_owned();
        let grants = [
            grant(),
            Grant::Web {
                union_id: union_id(),
                corp_id: Some("corp".to_owned()),
            },
            Grant::Sns {
                union_id: union_id(),
            },
        ];
        for grant in grants {
            for name in CodeKind::NAMES {
                let kind = CodeKind::from_name(name).unwrap();
                let mut codes = Codes::default();
                let code = codes.mint("key", grant.clone(), LATER);
                let expected = if kind == grant.kind() {
                    Ok(grant.clone())
                } else {
                    Err(Worthless::OtherKind)
                };
                let spent = codes.spend(&code, kind, "corp", "key", Duration::ZERO);
                assert_eq!(spent, expected, "{grant:?} as {name}");
            }
        }
    }
}
