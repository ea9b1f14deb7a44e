//! Settings that cannot work, as `build()` reports them.

use std::fmt;

/// A setting that is missing or cannot work. `Display` names the setting and, where it has one, its environment variable;
/// `Debug` says the same, because that is what a `main` that returns it prints.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It has no default and was not given.
    #[error("`{setting}` is missing{}", named(variable))]
    #[non_exhaustive]
    Missing {
        /// The setting's name, as on the builder.
        setting: &'static str,
        /// Its environment variable, or nothing.
        variable: &'static str,
    },
    /// It was given and cannot work.
    #[error("`{setting}` cannot work{}: {why}", named(variable))]
    #[non_exhaustive]
    Invalid {
        /// The setting's name, as on the builder.
        setting: &'static str,
        /// Its environment variable, or nothing.
        variable: &'static str,
        /// What is wrong and what is right. Never a secret's value.
        why: String,
    },
}

impl ConfigError {
    /// The same fault, of another environment variable.
    pub(crate) fn of_variable(mut self, name: &'static str) -> Self {
        let (Self::Missing { variable, .. } | Self::Invalid { variable, .. }) = &mut self;
        *variable = name;
        self
    }

    pub(crate) fn missing(setting: &'static str, variable: &'static str) -> Self {
        Self::Missing { setting, variable }
    }

    pub(crate) fn invalid(
        setting: &'static str,
        variable: &'static str,
        why: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            setting,
            variable,
            why: why.into(),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn named(name: &str) -> String {
    if name.is_empty() {
        String::new()
    } else {
        format!(" (environment variable {name})")
    }
}
