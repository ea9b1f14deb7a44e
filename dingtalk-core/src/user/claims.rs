//! What the app adds to a session.

use std::fmt;

use crate::error::Error;

/// What the app's `on_login` hook adds to a session: short texts under names of the app's own. `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Claims(Vec<(String, String)>);

impl Claims {
    /// No claims.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a claim, in place of one of the same name. All names and values together may have 1024 bytes.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.0.retain(|(there, _)| *there != name);
        self.0.push((name, value.into()));
        self
    }

    /// Each name and value behind its length: `4:role7:manager`.
    pub(super) fn to_text(&self) -> Result<String, Error> {
        let texts = self.0.iter().flat_map(|(name, value)| [name, value]);
        let text: String = texts.map(|text| format!("{}:{text}", text.len())).collect();
        if self
            .0
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
            > MAX_CLAIMS
            || text.len() > 2 * MAX_CLAIMS
        {
            return Err(self.too_large());
        }
        Ok(text)
    }

    /// The error that names the largest.
    pub(super) fn too_large(&self) -> Error {
        let largest = self
            .0
            .iter()
            .max_by_key(|(name, value)| name.len() + value.len());
        Error::ClaimTooLarge {
            claim: largest.map(|(name, _)| name.clone()).unwrap_or_default(),
            limit: MAX_CLAIMS,
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Reads what [`Claims::to_text`] made.
pub(super) fn read(mut text: &str) -> impl Iterator<Item = (&str, &str)> {
    std::iter::from_fn(move || {
        let (name, behind) = take_text(text)?;
        let (value, behind) = take_text(behind)?;
        text = behind;
        Some((name, value))
    })
}

fn take_text(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.split_once(':')?;
    rest.split_at_checked(length.parse().ok()?)
}

/// Names and values of all claims together.
const MAX_CLAIMS: usize = 1024;
