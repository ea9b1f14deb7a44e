//! What the DingTalk client answers a page that asks it for a silent-login code (免登授权码).

use serde_json::{Value, json};

use crate::{
    engine::Engine,
    world::{App, Person},
};

/// What the client runs on, by the name the JSAPI gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Device {
    #[default]
    Android,
    Ios,
    Pc,
}

impl Device {
    pub(crate) const ALL: [Self; 3] = [Self::Android, Self::Ios, Self::Pc];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Pc => "pc",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|device| device.name() == name)
    }
}

/// How the client is told to answer, whatever would be right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With a code, or with the error that DingTalk would give.
    #[default]
    Faithful,
    /// Never.
    Nothing,
    Refusal(Refusal),
}

impl Answer {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Self::Faithful, Self::Nothing]
            .into_iter()
            .chain(Refusal::ALL.map(Self::Refusal))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Faithful => "code",
            Self::Nothing => "nothing",
            Self::Refusal(refusal) => refusal.name(),
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|answer| answer.name() == name)
    }
}

/// Why a page gets no code.
/// Source: <https://open.dingtalk.com/document/development/webapp-error-code-description>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The person closed the question.
    Cancelled,
    /// No organisation has this `corpId`.
    WrongCorp,
    /// The page is not at home in an app of that organisation, or the person is not in it.
    WrongDomain,
    /// The organisation has no app with this `clientId`.
    NotAuthorised,
    /// The client is too old to know the call.
    UnknownMethod,
    /// Something else.
    System,
}

impl Refusal {
    pub(crate) const ALL: [Self; 6] = [
        Self::Cancelled,
        Self::WrongCorp,
        Self::WrongDomain,
        Self::NotAuthorised,
        Self::UnknownMethod,
        Self::System,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::WrongCorp => "wrong_corp",
            Self::WrongDomain => "wrong_domain",
            Self::NotAuthorised => "not_authorised",
            Self::UnknownMethod => "unknown_method",
            Self::System => "system",
        }
    }

    /// As the bridge of this device hands it to the page: a number on Android, a text on iOS and for most on the PC.
    pub(crate) fn error_code(self, device: Device) -> Value {
        let (mobile, pc) = match self {
            Self::Cancelled => (-1, Some("PC_1011")),
            Self::WrongCorp => (3, Some("PC_1005")),
            Self::WrongDomain => (3, Some("PC_1009")),
            Self::NotAuthorised => (7, Some("PC_1007")),
            Self::UnknownMethod => (1, None),
            Self::System => (3, None),
        };
        match (device, pc) {
            (Device::Pc, Some(pc)) => json!(pc),
            (Device::Ios, _) => json!(mobile.to_string()),
            _ => json!(mobile),
        }
    }

    /// `origin` is the asking page's.
    pub(crate) fn message(self, origin: &str) -> String {
        match self {
            Self::Cancelled => "用户取消".to_owned(),
            Self::WrongCorp => "1002,corpId不合法".to_owned(),
            Self::WrongDomain => {
                let domain = origin
                    .split_once("://")
                    .map_or(origin, |(_, domain)| domain);
                format!("对应企业没有{domain}域名微应用")
            }
            Self::NotAuthorised => "没有调用权限".to_owned(),
            Self::UnknownMethod => "方法不存在".to_owned(),
            Self::System => "系统错误".to_owned(),
        }
    }
}

/// A page's question.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// Whose client it is.
    pub(crate) person: &'a Person,
    /// The app that is open in it.
    pub(crate) app: Option<&'a App>,
    /// Where the asking page is.
    pub(crate) origin: &'a str,
    /// What the page gave.
    pub(crate) corp_id: Option<&'a str>,
    pub(crate) call: Call<'a>,
}

/// The two calls there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call<'a> {
    /// `runtime.permission.requestAuthCode`: the code is for the app at home at the page's domain.
    Classic,
    /// `runtime.permission.requestAuthCodeV2`: the code is for the app with this `clientId`.
    V2 { client_id: Option<&'a str> },
}

/// A code, and whom it is for.
#[derive(Debug)]
pub(crate) struct Handed<'a> {
    pub(crate) code: String,
    pub(crate) app: &'a App,
    pub(crate) person: &'a Person,
}

/// Hands out a code, with the checks DingTalk makes: the organisation, the person in it, the page's domain, the client id.
///
/// Whether the app sees the person is not asked here, but where the code is traded.
pub(crate) fn auth_code<'a>(
    engine: &'a Engine,
    question: &Question<'a>,
) -> Result<Handed<'a>, Refusal> {
    let world = &engine.world;
    let corp_id = question.corp_id.unwrap_or_default();
    if !world.corps.iter().any(|corp| corp.corp_id == corp_id) {
        return Err(Refusal::WrongCorp);
    }
    // Somebody in several organisations is a person in each, with one union id.
    let is_member = |person: &&Person| {
        person.corp_id == corp_id
            && (person.user_id == question.person.user_id
                && person.corp_id == question.person.corp_id
                || person.union_id == question.person.union_id)
    };
    let person = world
        .people
        .iter()
        .find(is_member)
        .ok_or(Refusal::WrongDomain)?;
    let is_at_home = |app: &&App| {
        app.corp_id == corp_id && app.origins().iter().any(|origin| origin == question.origin)
    };
    let mut at_home = world.apps.iter().filter(is_at_home).peekable();
    let first = *at_home.peek().ok_or(Refusal::WrongDomain)?;
    let app = match question.call {
        Call::Classic => question.app.filter(is_at_home).unwrap_or(first),
        Call::V2 { client_id } => client_id
            .and_then(|client_id| world.app(client_id))
            .filter(|app| app.corp_id == corp_id)
            .ok_or(Refusal::NotAuthorised)?,
    };
    engine
        .silent_code(&app.app_key, &person.user_id)
        .map(|code| Handed { code, app, person })
        .map_err(|_| Refusal::System)
}
