//! Why a sign-in cannot be, in both languages.

use super::language::Language;

/// Why a sign-in cannot be: an error page's text, never with anything of the request in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// DingTalk's number, where one is known.
    pub(super) code: Option<u32>,
    chinese: String,
    english: String,
}

impl Problem {
    pub(super) fn new(
        code: Option<u32>,
        chinese: impl Into<String>,
        english: impl Into<String>,
    ) -> Self {
        Self {
            code,
            chinese: chinese.into(),
            english: english.into(),
        }
    }

    /// What DingTalk says of somebody who is not in the organisation.
    pub(super) fn outside() -> Self {
        Self::new(
            Some(11055),
            "操作失败，你不在组织内",
            "You are not in the organisation of this app",
        )
    }

    /// A parameter that is not as it must be.
    pub(super) fn parameter(name: &str, english: &str) -> Self {
        Self::new(
            None,
            format!("{name}参数错误"),
            format!("{name}: {english}"),
        )
    }

    pub(super) fn numbered(self, code: Option<u32>) -> Self {
        Self { code, ..self }
    }

    pub(super) fn text(&self, language: Language) -> &str {
        language.pick(&self.chinese, &self.english)
    }

    /// As DingTalk's frame tells it to the page around it.
    pub(super) fn chinese(&self) -> &str {
        &self.chinese
    }
}
