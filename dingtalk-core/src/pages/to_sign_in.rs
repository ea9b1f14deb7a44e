//! The page that goes to the sign-in page by itself and says so. Without a script it goes too, and only loses the fragment.

use serde_json::json;
use url::form_urlencoded;

use super::{Frames, Page, SIGN_IN_TITLE, Script, escape, refusal};
use crate::error::catalogue::{SESSION_SIGNED_OUT, Text};
use crate::inbound::reply::Reply;
use crate::inbound::request::Language;

/// What the page works with.
pub(crate) struct ToSignIn<'a> {
    /// Our own login, up to where `return_to` follows.
    pub(crate) login: String,
    /// Path and query of where the visitor is, as the browser sees them.
    pub(crate) here: String,
    /// Somebody signed out here a moment ago: it goes when the button was pressed.
    pub(crate) is_signed_out: bool,
    pub(crate) framed_by: &'a [String],
}

impl ToSignIn<'_> {
    pub(crate) fn page(self, language: Language) -> Reply {
        let here: String = form_urlencoded::byte_serialize(self.here.as_bytes()).collect();
        let address = format!("{}{here}", self.login);
        let (title, mut content) = if self.is_signed_out {
            let advice = &SESSION_SIGNED_OUT;
            (advice.title, refusal::told(advice, language))
        } else {
            let told = format!(
                "<h1>{}</h1>\n<p>{}</p>\n",
                escape(language.pick(SIGN_IN_TITLE)),
                escape(language.pick(ACTION))
            );
            (SIGN_IN_TITLE, told)
        };
        content.push_str(&refusal::button(&address, language));
        let refresh = (!self.is_signed_out).then(|| {
            let address = escape(&address);
            format!(
                "<noscript><meta http-equiv=\"refresh\" content=\"0;url={address}\"></noscript>\n"
            )
        });
        Page {
            status: 401,
            language,
            title: language.pick(title),
            head: refresh.unwrap_or_default(),
            content,
            script: Some(Script {
                source: include_str!("to_sign_in.js"),
                data: json!({ "login": self.login, "waits": self.is_signed_out }),
                policy: String::new(),
            }),
            frames: Frames::Listed(self.framed_by),
        }
        .into_reply()
    }
}

const ACTION: Text = Text {
    en: "You are being taken to the sign-in page.",
    zh: "正在前往登录页面。",
};
