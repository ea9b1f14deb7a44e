//! How a one-time code becomes a person.

pub(crate) mod app;
mod code;
mod context;
pub(crate) mod exchange;
mod internal_app;
mod legacy_sign_in;
pub(crate) mod user_token;
pub(crate) mod web_sign_in;

use std::fmt;

use async_trait::async_trait;

use crate::api::{Person, UserDetails};
use crate::error::Error;

pub(crate) use crate::api::GrantedUserToken;
pub use code::{LoginCode, SilentCode, SnsCode, WebCode};
pub use context::LoginContext;
pub use internal_app::InternalApp;
pub use legacy_sign_in::LegacySignIn;
pub use user_token::UserToken;
pub use web_sign_in::WebSignIn;

/// Turns a one-time code into the person it stands for.
///
/// [`InternalApp`], [`WebSignIn`] and [`LegacySignIn`] are three; write your own to replace the exchange of silent-login codes. Rules: identify exactly the
/// person that the code was made for, by asking DingTalk or a service of yours that did; send a code at most once; anything unclear is
/// an error.
#[async_trait]
pub trait LoginFlow: fmt::Debug + Send + Sync + 'static {
    /// Trades the code for a person of the context's corp.
    async fn identify(&self, code: LoginCode, context: &LoginContext<'_>) -> Result<Login, Error>;
}

/// Who came in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Login {
    /// The person, as the exchange told.
    pub person: Person,
    /// What else DingTalk knows, if it was asked.
    pub details: Option<UserDetails>,
    pub(crate) user_token: Option<GrantedUserToken>,
}

impl Login {
    /// A person, with details if there are any.
    #[must_use]
    pub fn new(person: impl Into<Person>, details: Option<UserDetails>) -> Self {
        Self {
            person: person.into(),
            details,
            user_token: None,
        }
    }
}

/// Whether a login asks for a person's details (`user/get`): one more call of DingTalk's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Details {
    /// It asks, and fails without them. The default.
    #[default]
    Required,
    /// It asks, and goes on without them when DingTalk does not answer or the permission is missing: a company-managed account
    /// that its corp disabled is then not noticed.
    BestEffort,
    /// It does not ask: user id, union id and name are all there is, and a company-managed account that its corp disabled is not
    /// noticed.
    None,
}

/// What a flow says to a code that is not of its kind: the request path never hands one over.
fn other_kind() -> Error {
    Error::app("login flow", "it was given a code of another kind")
}
