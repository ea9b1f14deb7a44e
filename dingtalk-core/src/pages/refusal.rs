//! The page that says why somebody is not let in, and what to do. It needs no script.

use super::{Frames, Page, escape};
use crate::error::catalogue::{Advice, BROWSER_FRAMED, LOGIN_UNREACHABLE, Text};
use crate::inbound::reply::Reply;
use crate::inbound::request::Language;

/// `id` leads to the log; `is_misplaced` adds a word to developers.
pub(crate) fn refusal(
    advice: &Advice,
    language: Language,
    id: &str,
    is_misplaced: bool,
    framed_by: &[String],
) -> Reply {
    let mut content = told(advice, language);
    if is_misplaced {
        let hint = escape(language.pick(LOGIN_UNREACHABLE.action));
        content.push_str(&format!("<p class=\"hint\">{hint}</p>\n"));
    }
    content.push_str(&reference(id, advice, language));
    Page {
        status: advice.status,
        language,
        title: language.pick(advice.title),
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
        content,
        script: None,
        frames: Frames::Anybody,
    }
    .into_reply()
}

fn reference(id: &str, advice: &Advice, language: Language) -> String {
    let (word, code) = (language.pick(REFERENCE), advice.code);
    format!("<p class=\"reference\">{word} <code>{id}</code> · <code>{code}</code></p>")
}

fn told(advice: &Advice, language: Language) -> String {
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
    zh: "参考编号",
};
