//! Faults: what goes wrong, for whom, how often, before or after the call took effect.

mod active;
mod answer;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) use self::{
    active::{Faults, Target},
    answer::ip_ban,
};
use crate::route;

/// Something that goes wrong with calls. By default with every call of every app, until [cleared](crate::Sandbox::clear_faults),
/// and before the call takes effect: no code is spent, no token made.
///
/// ```
/// use dingtalk_sandbox::{Fault, route};
/// let busy_once = Fault::errcode(-1).on(route::GETUSERINFO).times(1);
/// let answer_lost = Fault::reset_at(0).on(route::GETUSERINFO).after();
/// ```
///
/// Several faults may meet in one call: all delays, the first that answers in DingTalk's place, all edits, then the first drip and the
/// first that breaks the connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) route: String,
    pub(crate) times: Option<u32>,
    pub(crate) app_key: Option<String>,
    pub(crate) corp_id: Option<String>,
    pub(crate) after: bool,
    message: Option<String>,
    wrapped: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FaultKind {
    Delay(Duration),
    Status(u16),
    Raw {
        status: u16,
        content_type: String,
        body: Bytes,
    },
    Redirect {
        status: u16,
        location: String,
    },
    Errcode(i64),
    Code {
        status: u16,
        code: String,
    },
    IpBan {
        minutes: u32,
    },
    IpBanPage,
    Endless(u64),
    WrongCorp,
    Edit(Value),
    Set {
        pointer: String,
        value: Value,
    },
    ResetAt(u64),
    CutAt(u64),
    Drip(u32),
}

/// What [`FaultKind`]s compete for: of some classes one call takes all faults, of others the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Delay,
    Answer,
    WrongCorp,
    Edit,
    Break,
    Drip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Before,
    After,
}

impl Fault {
    /// The call waits that long on the sandbox's clock.
    #[must_use]
    pub fn delay(duration: Duration) -> Self {
        Self::new(FaultKind::Delay(duration))
    }

    /// An answer with this HTTP status and a short plain text, as a proxy on the way would make it.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::new(FaultKind::Status(valid(status)))
    }

    /// An answer with exactly this body.
    #[must_use]
    pub fn raw(status: u16, content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let body = Bytes::from(body.into());
        Self::new(FaultKind::Raw {
            status: valid(status),
            content_type: content_type.into(),
            body,
        })
    }

    /// The connection is reset (RST) after `n` bytes of the answer, its head included. `reset_at(0)` reads the request and sends
    /// nothing; it alone can come [before](Self::after) the call takes effect, the others always come after.
    /// A number past the answer's end changes nothing.
    #[must_use]
    pub fn reset_at(n: u64) -> Self {
        Self::new(FaultKind::ResetAt(n))
    }

    /// The connection is closed in good order after the head and `n` bytes of the body. The call has taken effect.
    /// A number past the body's end changes nothing.
    #[must_use]
    pub fn cut_at(n: u64) -> Self {
        Self::new(FaultKind::CutAt(n))
    }

    /// The answer comes at this pace, counted on the sandbox's clock. The call has taken effect.
    #[must_use]
    pub fn drip(bytes_per_second: u32) -> Self {
        Self::new(FaultKind::Drip(bytes_per_second.max(1)))
    }

    /// The answer's body begins with that many spaces, at most 1 GiB of them, and has no length in its head. The rest is `{}`, or,
    /// [after](Self::after) the call, the true answer: whoever reads without a limit gets it.
    #[must_use]
    pub fn endless(bytes: u64) -> Self {
        Self::new(FaultKind::Endless(bytes.min(LONGEST_BODY)))
    }

    /// An answer that sends the caller elsewhere.
    #[must_use]
    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::new(FaultKind::Redirect {
            status: valid(status),
            location: location.into(),
        })
    }

    /// An error in the old envelope, with HTTP status 200. Codes of the gateway (tokens, permission, IP, throttling) are wrapped in
    /// errcode 88 on topapi; [`wrapped`](Self::wrapped) decides otherwise. `errcode(88)` is the wrapper with an empty `sub_code`.
    #[must_use]
    pub fn errcode(code: i64) -> Self {
        Self::new(FaultKind::Errcode(code))
    }

    /// An error in the new envelope.
    #[must_use]
    pub fn code(http_status: u16, code: impl Into<String>) -> Self {
        Self::new(FaultKind::Code {
            status: valid(http_status),
            code: code.into(),
        })
    }

    /// The answer to an address that is shut out: JSON without errcode or code.
    #[must_use]
    pub fn ip_ban(minutes: u32) -> Self {
        Self::new(FaultKind::IpBan { minutes })
    }

    /// The same as a page of HTML.
    #[must_use]
    pub fn ip_ban_page() -> Self {
        Self::new(FaultKind::IpBanPage)
    }

    /// A JSON merge patch (RFC 7396) over the body of a successful answer: `null` removes a key. The call has taken effect.
    #[must_use]
    pub fn edit(merge_patch: Value) -> Self {
        Self::new(FaultKind::Edit(merge_patch))
    }

    /// Puts any value, `null` too, at a JSON pointer (RFC 6901) into the body of a successful answer: `/result/userid`.
    #[must_use]
    pub fn set(pointer: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(FaultKind::Set {
            pointer: pointer.into(),
            value: value.into(),
        })
    }

    /// The answer is about another organisation: `getuserinfo`, `user/get` and `getbyunionid` answer with that organisation's person
    /// of the same user id, else with its first person, and `userAccessToken` with its id. The code is spent. Other calls carry no
    /// organisation and stay as they are.
    #[must_use]
    pub fn wrong_corp() -> Self {
        Self::new(FaultKind::WrongCorp)
    }

    fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            route: route::ANY.to_owned(),
            times: None,
            app_key: None,
            corp_id: None,
            after: false,
            message: None,
            wrapped: None,
        }
    }

    /// Only for this call, by a constant of [`route`]. Default: all.
    ///
    /// # Panics
    /// On a text that is no such constant: the fault would never happen.
    #[must_use]
    pub fn on(mut self, route: &str) -> Self {
        route::assert_known(route);
        route.clone_into(&mut self.route);
        self
    }

    /// Only that many times. Default: until cleared.
    #[must_use]
    pub fn times(mut self, n: u32) -> Self {
        self.times = Some(n);
        self
    }

    /// Only for this app's calls. Default: all apps, and calls that name none.
    #[must_use]
    pub fn app(mut self, app_key: impl Into<String>) -> Self {
        self.app_key = Some(app_key.into());
        self
    }

    /// Only for calls of this organisation. Default: all, and calls that name none.
    #[must_use]
    pub fn corp(mut self, corp_id: impl Into<String>) -> Self {
        self.corp_id = Some(corp_id.into());
        self
    }

    /// After the call took effect: a code is spent, a token made, only the answer suffers. Default: before.
    #[must_use]
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }

    /// The text of [`errcode`](Self::errcode), [`code`](Self::code) or [`status`](Self::status). Default: DingTalk's own for that code.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = Some(text.into());
        self
    }

    /// Whether [`errcode`](Self::errcode) is wrapped in errcode 88. Default: as DingTalk does for that code on that call.
    #[must_use]
    pub fn wrapped(mut self, wrapped: bool) -> Self {
        self.wrapped = Some(wrapped);
        self
    }

    /// The fault's name, in the list of calls and in the control API.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.kind {
            FaultKind::Delay(_) => "delay",
            FaultKind::Status(_) => "status",
            FaultKind::Raw { .. } => "raw",
            FaultKind::Redirect { .. } => "redirect",
            FaultKind::Errcode(_) => "errcode",
            FaultKind::Code { .. } => "code",
            FaultKind::IpBan { .. } => "ip_ban",
            FaultKind::IpBanPage => "ip_ban_page",
            FaultKind::Endless(_) => "endless",
            FaultKind::WrongCorp => "wrong_corp",
            FaultKind::Edit(_) => "edit",
            FaultKind::Set { .. } => "set",
            FaultKind::ResetAt(_) => "reset",
            FaultKind::CutAt(_) => "cut",
            FaultKind::Drip(_) => "drip",
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.kind {
            FaultKind::WrongCorp => Phase::Before,
            FaultKind::Edit(_)
            | FaultKind::Set { .. }
            | FaultKind::CutAt(_)
            | FaultKind::Drip(_) => Phase::After,
            FaultKind::ResetAt(n) if n > 0 => Phase::After,
            _ if self.after => Phase::After,
            _ => Phase::Before,
        }
    }

    pub(crate) fn class(&self) -> Class {
        match self.kind {
            FaultKind::Delay(_) => Class::Delay,
            FaultKind::WrongCorp => Class::WrongCorp,
            FaultKind::Edit(_) | FaultKind::Set { .. } => Class::Edit,
            FaultKind::CutAt(_) | FaultKind::ResetAt(_) => Class::Break,
            FaultKind::Drip(_) => Class::Drip,
            _ => Class::Answer,
        }
    }

    /// The fault as the control API takes and shows it.
    pub(crate) fn to_json(&self) -> Value {
        let mut shown = match &self.kind {
            FaultKind::Delay(duration) => {
                json!({"ms": u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)})
            }
            FaultKind::Status(status) => json!({"status": status}),
            FaultKind::Raw {
                status,
                content_type,
                body,
            } => {
                json!({"status": status, "content_type": content_type, "body": String::from_utf8_lossy(body)})
            }
            FaultKind::Redirect { status, location } => {
                json!({"status": status, "location": location})
            }
            FaultKind::Errcode(code) => json!({"code": code}),
            FaultKind::Code { status, code } => json!({"http_status": status, "code": code}),
            FaultKind::IpBan { minutes } => json!({"minutes": minutes}),
            FaultKind::Endless(bytes) => json!({"bytes": bytes}),
            FaultKind::Edit(patch) => json!({"patch": patch}),
            FaultKind::Set { pointer, value } => json!({"pointer": pointer, "value": value}),
            FaultKind::ResetAt(n) | FaultKind::CutAt(n) => json!({"at": n}),
            FaultKind::Drip(pace) => json!({"bytes_per_second": pace}),
            FaultKind::IpBanPage | FaultKind::WrongCorp => json!({}),
        };
        let when = if self.phase() == Phase::After {
            "after"
        } else {
            "before"
        };
        answer::merge(
            &mut shown,
            // A merge patch leaves absent what is null.
            &json!({
                "kind": self.kind(),
                "route": self.route,
                "times": self.times,
                "app": self.app_key,
                "corp_id": self.corp_id,
                "message": self.message,
                "wrapped": self.wrapped,
                "when": when,
            }),
        );
        shown
    }
}

/// HTTP knows three digits; anything else becomes 500 so that an answer always leaves.
fn valid(status: u16) -> u16 {
    if (200..=999).contains(&status) {
        status
    } else {
        500
    }
}

const LONGEST_BODY: u64 = 1 << 30;
