//! Our own sign-in page: DingTalk's QR code in a frame, and the way to DingTalk's page.

use std::time::Duration;

use serde_json::json;

use super::{AGAIN, Frames, Page, SIGN_IN_TITLE, Script, escape, problem, who};
use crate::error::catalogue::{BROWSER_SIGN_IN_SCRIPT, SIGN_IN_DECLINED, Text};
use crate::inbound::reply::Reply;
use crate::inbound::request::Language;
use crate::login::web_sign_in::Frame;
use crate::session::state::LIFE;

/// What the page works with.
pub(crate) struct Embedded<'a> {
    pub(crate) frame: Frame<'a>,
    /// The one origin that messages are taken from.
    pub(crate) sign_in_origin: String,
    /// Where the code goes.
    pub(crate) callback: &'a str,
    /// The same sign-in on DingTalk's page.
    pub(crate) instead: String,
    pub(crate) framed_by: &'a [String],
}

impl Embedded<'_> {
    pub(crate) fn page(self, language: Language) -> Reply {
        let title = language.pick(SIGN_IN_TITLE);
        let instead = escape(&self.instead);
        let content = format!(
            "<div role=\"status\">\n<h1 id=\"title\">{}</h1>\n<p id=\"action\">{}</p>\n<p class=\"who\" id=\"who\" hidden></p>\n</div>\n\
             <div class=\"frame\" id=\"frame\"></div>\n<button class=\"button\" id=\"again\" type=\"button\" hidden>{}</button>\n\
             <p><a id=\"go\" href=\"{instead}\">{}</a></p>\n<p class=\"reference\" id=\"reference\" hidden></p>",
            escape(title),
            escape(language.pick(ACTION)),
            escape(language.pick(AGAIN)),
            escape(language.pick(INSTEAD)),
        );
        let data = json!({
            "script": self.frame.script,
            "parameters": self.frame.parameters,
            "sign_in_origin": self.sign_in_origin,
            "callback": self.callback,
            "renew_ms": LIFE.saturating_sub(SPARE).as_millis() as u64,
            "declined": problem(&SIGN_IN_DECLINED, language),
            "unavailable": problem(&BROWSER_SIGN_IN_SCRIPT, language),
            "who": who(language),
        });
        Page {
            status: 200,
            language,
            title,
            head: format!(
                "<noscript><meta http-equiv=\"refresh\" content=\"0;url={instead}\"></noscript>\n"
            ),
            content,
            script: Some(Script {
                source: include_str!("embedded.js"),
                data,
                policy: format!("; frame-src {}", self.sign_in_origin),
            }),
            frames: Frames::Listed(self.framed_by),
        }
        .into_reply()
    }
}

/// A code that is scanned just before its state is over still has to be confirmed.
const SPARE: Duration = Duration::from_secs(60);

const ACTION: Text = Text {
    en: "Scan the QR code with DingTalk on your phone.",
    zh: "请使用手机钉钉扫描二维码。",
};
const INSTEAD: Text = Text {
    en: "Sign in on DingTalk's page instead",
    zh: "前往钉钉页面登录",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Endpoints, Region};
    use crate::login::WebSignIn;

    fn page(framed_by: &[String]) -> (String, String) {
        let web = WebSignIn::new().embedded();
        let callback = "https://hr.example.com/dingtalk/callback";
        let page = Embedded {
            frame: web.frame("ding0a1b", "key", callback, "</script>").unwrap(),
            sign_in_origin: Endpoints::from(Region::China).login_origin(),
            callback,
            instead: "/dingtalk/login?via=web&return_to=%2F".to_owned(),
            framed_by,
        };
        let reply = page.page(Language::English);
        let policy = reply
            .headers()
            .find(|(name, _)| *name == "content-security-policy");
        let policy = policy.unwrap().1.to_owned();
        let nonce = policy.split("'nonce-").nth(1).unwrap();
        let nonce = nonce.split('\'').next().unwrap().to_owned();
        let html = String::from_utf8(reply.into_body()).unwrap();
        assert_eq!(html.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
        (policy.replace(&nonce, "N"), html)
    }

    /// A15
    #[test]
    fn only_the_sign_in_page_is_framed_and_only_we_frame_it() {
        let (policy, html) = page(&[]);
        assert_eq!(
            policy,
            "default-src 'none'; style-src 'nonce-N'; base-uri 'none'; form-action 'none'; script-src 'nonce-N'; \
             frame-src https://login.dingtalk.com; frame-ancestors 'self'"
        );
        assert_eq!(html.matches("<script").count(), 2);
        assert_eq!(html.matches("</script>").count(), 2);
        let (policy, _) = page(&["https://portal.example.com".to_owned()]);
        assert!(policy.ends_with("; frame-ancestors 'self' https://portal.example.com"));
    }

    /// A15
    #[test]
    fn messages_of_other_origins_are_stopped_before_dingtalks_script_is_there() {
        let script = include_str!("embedded.js");
        let listener = "  window.addEventListener('message', (event) => {\n    if (event.origin !== data.sign_in_origin) event.stopImmediatePropagation();\n  }, true);\n";
        let listens = script.find(listener).unwrap();
        assert!(listens < script.find("createElement('script')").unwrap());
        assert_eq!(script.matches("addEventListener('message'").count(), 1);
        let (_, html) = page(&[]);
        assert!(html.contains("\"sign_in_origin\":\"https://login.dingtalk.com\""));
    }
}
