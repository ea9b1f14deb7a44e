//! Pages of our own, in Chinese and English, light and dark.

pub(crate) mod embedded;
pub(crate) mod refusal;
pub(crate) mod silent_login;
pub(crate) mod to_sign_in;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::error::catalogue::{Actor, Advice, Text};
use crate::inbound::reply::Reply;
use crate::inbound::request::Language;
use crate::random;

/// A page: what it shows, and what it may do.
pub(crate) struct Page<'a> {
    pub(crate) status: u16,
    pub(crate) language: Language,
    /// As text.
    pub(crate) title: &'a str,
    /// What else stands in the head, as HTML.
    pub(crate) head: String,
    /// As HTML.
    pub(crate) content: String,
    pub(crate) script: Option<Script>,
    pub(crate) frames: Frames<'a>,
}

/// A script of ours.
pub(crate) struct Script {
    pub(crate) source: &'static str,
    /// What it reads, from the element `data`.
    pub(crate) data: Value,
    /// What else it may reach: directives of a Content-Security-Policy, each behind a `;`.
    pub(crate) policy: String,
}

/// Who may show a page in a frame.
#[derive(Clone, Copy)]
pub(crate) enum Frames<'a> {
    /// The app itself and these origins.
    Listed(&'a [String]),
    /// Anybody: only for a page on which there is nothing to press.
    Anybody,
}

impl Page<'_> {
    pub(crate) fn into_reply(self) -> Reply {
        let nonce = random::bytes::<16>()
            .map(|nonce| URL_SAFE_NO_PAD.encode_to_string(nonce))
            .unwrap_or_default();
        let lang = self.language.tag();
        let title = escape(self.title);
        let (head, content) = (self.head, self.content);
        let mut policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'"
        );
        let script = self.script.map(|script| {
            policy.push_str(&format!("; script-src 'nonce-{nonce}'{}", script.policy));
            // In a data block only the end tag means something, and that needs a `<`.
            let data = script.data.to_string().replace('<', "\\u003c");
            format!(
                "<script type=\"application/json\" id=\"data\">{data}</script>\n<script nonce=\"{nonce}\">{}</script>\n",
                script.source
            )
        });
        let script = script.unwrap_or_default();
        if let Frames::Listed(origins) = self.frames {
            policy.push_str("; frame-ancestors 'self'");
            for origin in origins {
                policy.push(' ');
                policy.push_str(origin);
            }
        }
        let html = format!(
            "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style nonce=\"{nonce}\">{STYLE}</style>\n{head}</head>\n<body>\n<main>\n\
             <p class=\"place\">DingTalk · 钉钉</p>\n{content}\n</main>\n{script}</body>\n</html>\n"
        );
        Reply::new(self.status)
            .with("content-type", "text/html; charset=utf-8")
            .with("content-security-policy", policy)
            .with("content-language", lang)
            .with_body(html)
            .with_challenge()
    }
}

impl Language {
    fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }
}

/// What went wrong, for a script to show: as the problem details of a reply say it.
fn problem(advice: &Advice, language: Language) -> Value {
    json!({
        "code": advice.code,
        "title": language.pick(advice.title),
        "detail": language.pick(advice.action),
        "who": advice.who.as_str(),
    })
}

/// Who can act, for a script to show, by the name in [`problem`].
fn who(language: Language) -> Map<String, Value> {
    [Actor::User, Actor::CorpAdmin, Actor::Developer]
        .into_iter()
        .filter_map(|who| Some((who.as_str().to_owned(), language.pick(who.named()?).into())))
        .collect()
}

impl Actor {
    /// Who can act, as a page says it; nothing where nobody needs to.
    pub(crate) const fn named(self) -> Option<Text> {
        match self {
            Self::User => Some(Text {
                en: "Who can act: you.",
                zh: "您可自行处理。",
            }),
            Self::CorpAdmin => Some(Text {
                en: "Who can act: an administrator of your organisation.",
                zh: "请联系组织管理员处理。",
            }),
            Self::Developer => Some(Text {
                en: "Who can act: the people who run this app.",
                zh: "请联系此应用的开发或运维人员处理。",
            }),
            Self::Nobody => None,
        }
    }
}

pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

const STYLE: &str = include_str!("pages/page.css");

const SIGN_IN_TITLE: Text = Text {
    en: "Sign in with DingTalk",
    zh: "使用钉钉登录",
};
const AGAIN: Text = Text {
    en: "Try again",
    zh: "重试",
};
