//! The silent-login page (免登): asks the DingTalk client for a code, trades it, and goes on to where the visitor was going.

use serde_json::{Map, Value, json};

use super::{AGAIN, Frames, Page, Script, escape, problem, who};
use crate::error::catalogue::{self, Advice, Text};
use crate::inbound::reply::Reply;
use crate::inbound::request::Language;

/// What the page works with.
pub(crate) struct SilentLogin<'a> {
    pub(crate) corp_id: &'a str,
    /// The app's key: what the client calls `clientId`.
    pub(crate) client_id: &'a str,
    pub(crate) jsapi_script: &'a str,
    /// Paths of ours, as the browser sees them.
    pub(crate) login: String,
    pub(crate) me: String,
    /// Tells this handle's attempts from others' on the same origin.
    pub(crate) attempts: String,
    /// Where to go on; nothing: the page itself, loaded again.
    pub(crate) target: Option<String>,
    /// Somebody signed out here a moment ago: no code is asked for before the button was pressed.
    pub(crate) is_signed_out: bool,
    pub(crate) framed_by: &'a [String],
}

impl SilentLogin<'_> {
    pub(crate) fn page(self, language: Language) -> Reply {
        let title = language.pick(BUSY_TITLE);
        let content = format!(
            "<div role=\"status\">\n<h1 id=\"title\">{}</h1>\n<p id=\"action\">{}</p>\n<p class=\"who\" id=\"who\" hidden></p>\n</div>\n\
             <div class=\"busy\" id=\"busy\"></div>\n<button class=\"button\" id=\"again\" type=\"button\" hidden>{}</button>\n\
             <noscript><p class=\"hint\">{}</p></noscript>\n<p class=\"reference\" id=\"reference\" hidden></p>",
            escape(title),
            escape(language.pick(BUSY_ACTION)),
            escape(language.pick(AGAIN)),
            escape(language.pick(NO_SCRIPT)),
        );
        let texts: Map<String, Value> = TOLD_BY_SCRIPT
            .iter()
            .map(|advice| (advice.code.to_owned(), problem(advice, language)))
            .collect();
        let signed_out = self
            .is_signed_out
            .then(|| problem(&catalogue::SESSION_SIGNED_OUT, language));
        let data = json!({
            "corp_id": self.corp_id,
            "client_id": self.client_id,
            "jsapi_script": self.jsapi_script,
            "login": self.login,
            "me": self.me,
            "attempts": self.attempts,
            "target": self.target,
            "signed_out": signed_out,
            "texts": texts,
            "who": who(language),
            "busy": {"title": title, "detail": language.pick(BUSY_ACTION)},
            "again": language.pick(AGAIN),
            "sign_in": language.pick(SIGN_IN),
        });
        Page {
            status: 200,
            language,
            title,
            head: String::new(),
            content,
            script: Some(Script {
                source: include_str!("silent_login.js"),
                data,
                policy: POLICY.to_owned(),
            }),
            frames: Frames::Listed(self.framed_by),
        }
        .into_reply()
    }
}

/// Connections to ourselves only. The iOS client's bridge calls its host by loading frames with these addresses, and a frame is
/// all they could be here.
const POLICY: &str = "; connect-src 'self'; frame-src wvjbscheme: https:";

/// What the script tells by itself: what DingTalk's client or the browser does not do.
///
/// Source: <https://open.dingtalk.com/document/development/jsapi-request-auth-code> and
/// <https://open.dingtalk.com/document/development/webapp-error-code-description>.
const TOLD_BY_SCRIPT: &[&Advice] = &[
    &catalogue::BROWSER_NOT_IN_DINGTALK,
    &catalogue::BROWSER_COOKIES_BLOCKED,
    &catalogue::BROWSER_NETWORK,
    &catalogue::BROWSER_SCRIPT,
    &catalogue::BROWSER_ATTEMPTS,
    &catalogue::CLIENT_CANCELLED,
    &catalogue::CLIENT_NO_ANSWER,
    &catalogue::CLIENT_TOO_OLD,
    &catalogue::CLIENT_APP_NOT_FOUND,
    &catalogue::CLIENT_FAILED,
    &catalogue::LOGIN_UNREACHABLE,
];

const BUSY_TITLE: Text = Text {
    en: "Signing you in …",
    zh: "正在登录…",
};
const BUSY_ACTION: Text = Text {
    en: "DingTalk is confirming who you are.",
    zh: "钉钉正在确认您的身份。",
};
const SIGN_IN: Text = Text {
    en: "Sign in again",
    zh: "重新登录",
};
const NO_SCRIPT: Text = Text {
    en: "Signing in inside DingTalk needs JavaScript.",
    zh: "在钉钉内登录需要启用 JavaScript。",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_tells_no_code_that_it_has_no_text_for() {
        let script = include_str!("silent_login.js");
        let told: Vec<&str> = script
            .split("failure('")
            .skip(1)
            .filter_map(|rest| rest.split('\'').next())
            .collect();
        assert!(told.len() > 10);
        for code in told {
            assert!(
                TOLD_BY_SCRIPT.iter().any(|advice| advice.code == code),
                "{code}"
            );
        }
        for advice in TOLD_BY_SCRIPT {
            assert!(
                script.contains(&format!("failure('{}'", advice.code)),
                "{}",
                advice.code
            );
        }
    }

    #[test]
    fn nothing_in_the_data_ends_its_element() {
        let page = SilentLogin {
            corp_id: "</script><script>",
            client_id: "",
            jsapi_script: "",
            login: String::new(),
            me: String::new(),
            attempts: String::new(),
            target: Some("/a?</script>".to_owned()),
            is_signed_out: false,
            framed_by: &[],
        };
        let html = String::from_utf8(page.page(Language::English).into_body()).unwrap();
        assert_eq!(html.matches("</script>").count(), 2);
        assert_eq!(html.matches("<script").count(), 2);
    }
}
