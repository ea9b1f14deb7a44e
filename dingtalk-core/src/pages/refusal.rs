//! The page that says why somebody is not let in, and what to do. It needs no script.

use super::{Frames, Page, escape};
use crate::error::catalogue::{Advice, BROWSER_FRAMED, LOGIN_UNREACHABLE, Text};
use crate::inbound::reply::Reply;
use crate::inbound::request::Language;

/// `id` leads to the log; `is_misplaced` adds a word to developers; `again` is where to sign in again.
pub(crate) fn refusal(
    advice: &Advice,
    language: Language,
    id: &str,
    is_misplaced: bool,
    framed_by: &[String],
    again: Option<&str>,
) -> Reply {
    let mut content = told(advice, language);
    if let Some(again) = again {
        content.push_str(&button(again, language));
    }
    if is_misplaced {
        let hint = escape(language.pick(LOGIN_UNREACHABLE.action));
        content.push_str(&format!("<p class=\"hint\">{hint}</p>\n"));
    }
    content.push_str(&reference(id, advice, language));
    Page {
        status: advice.status,
        language,
        title: language.pick(advice.title),
        head: String::new(),
        content,
        script: None,
        frames: Frames::Listed(framed_by),
    }
    .into_reply()
}

/// The page for a frame of another site that may not show us. It must show there all the same to say what to set.
pub(crate) fn framed(language: Language, id: &str) -> Reply {
    let advice = &BROWSER_FRAMED;
    let mut content = told(advice, language);
    content.push_str(&reference(id, advice, language));
    Page {
        status: advice.status,
        language,
        title: language.pick(advice.title),
        head: String::new(),
        content,
        script: None,
        frames: Frames::Anybody,
    }
    .into_reply()
}

/// A link to where one signs in.
pub(super) fn button(address: &str, language: Language) -> String {
    let (address, label) = (escape(address), escape(language.pick(SIGN_IN)));
    format!("<a class=\"button\" id=\"go\" href=\"{address}\">{label}</a>\n")
}

fn reference(id: &str, advice: &Advice, language: Language) -> String {
    let (word, code) = (language.pick(REFERENCE), advice.code);
    format!("<p class=\"reference\">{word} <code>{id}</code> · <code>{code}</code></p>")
}

pub(super) fn told(advice: &Advice, language: Language) -> String {
    let who = advice
        .who
        .named()
        .map(|who| format!("<p class=\"who\">{}</p>\n", escape(language.pick(who))));
    format!(
        "<h1>{}</h1>\n<p>{}</p>\n{}",
        escape(language.pick(advice.title)),
        escape(language.pick(advice.action)),
        who.unwrap_or_default()
    )
}

const REFERENCE: Text = Text {
    en: "Reference",
    zh: "错误编号",
};

const SIGN_IN: Text = Text {
    en: "Sign in",
    zh: "登录",
};
