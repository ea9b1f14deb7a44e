#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod api;
mod builder;
mod clock;
mod endpoint;
pub mod error;
mod inbound;
mod login;
mod pace;
mod pages;
mod random;
mod secret;
mod session;
mod store;
mod token;
mod user;

use std::sync::Arc;
use std::time::SystemTime;

pub use api::{Account, Employee, Person, TokenCall, UserDetails};
pub use builder::DingTalkBuilder;
pub use clock::{Clock, SystemClock};
pub use endpoint::{Endpoints, Region};
pub use error::Error;
pub use error::setting::ConfigError;
pub use inbound::reply::Reply;
pub use inbound::request::{CorpRequest, RequestHead};
pub use inbound::visit::{Guard, HeaderChange, HeaderChanges, Visit};
pub use inbound::{Outcome, Pending};
pub use login::exchange::{LoginDenied, NewLogin};
pub use login::{
    Details, InternalApp, LegacySignIn, Login, LoginCode, LoginContext, LoginFlow, SilentCode,
    SnsCode, UserToken, WebCode, WebSignIn,
};
pub use secret::Secret;
pub use session::SessionLimits;
pub use session::key::SessionKey;
pub use store::{BoxError, Entry, MemoryStore, Store, Tail};
pub use token::AccessToken;
pub use user::{Claims, User};

/// One app as its users see it: its logins, sessions and tokens. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct DingTalk(Arc<builder::Inner>);

impl DingTalk {
    /// Starts the settings of a handle.
    pub fn builder() -> DingTalkBuilder {
        DingTalkBuilder::new()
    }

    /// Makes a handle for one internal app from the environment: see [`InternalApp::from_env`] and [`DingTalkBuilder::from_env`].
    pub fn from_env() -> Result<Self, ConfigError> {
        let app = InternalApp::from_env()?;
        DingTalkBuilder::from_env()?.internal_app(app).build()
    }

    /// Where our own paths are, without the public origin's prefix.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.0.base_path
    }

    /// The app's token in a corp, for the rest of DingTalk's API: cached, fetched once for all who wait, renewed before its end.
    pub async fn token(&self, corp_id: &str) -> Result<AccessToken, Error> {
        let app = self
            .0
            .corps
            .find(corp_id)
            .ok_or(Error::Refused(error::Refusal::UnknownCorp))?;
        app.token.get().await
    }

    /// Tells the cache that DingTalk rejected a token (40014, `InvalidAuthentication`). The next [`token`](Self::token) is a new
    /// one; a token that was replaced meanwhile is left alone.
    pub fn reject_token(&self, token: &AccessToken) {
        if let Some(app) = self.0.corps.find(token.corp_id()) {
            app.token.reject(
                token,
                &Error::Rejected(error::Rejected::token("a call of the app's own")),
            );
        }
    }

    /// The token of a signed-in person's own, for DingTalk's calls in their name: renewed before its end, once for all who ask, at
    /// whatever instance. Only for sessions from [`WebSignIn`] with [`keep_user_token`](WebSignIn::keep_user_token).
    ///
    /// Errors: [`Refusal::NoUserToken`](error::Refusal::NoUserToken) where there is none, the session is over, or DingTalk does not renew
    /// it any more: the person has to sign in again. [`Error::Store`] where the store does not tell whether the session is over.
    pub async fn user_token(&self, user: &User) -> Result<UserToken, Error> {
        let none = Error::Refused(error::Refusal::NoUserToken);
        let app = self.0.corps.find(user.corp_id());
        let app = app.filter(|app| *app.app_key == *user.app_key());
        let (Some(tokens), Some(app), true) = (&self.0.logins.user_tokens, app, user.is_from_web())
        else {
            return Err(none);
        };
        let revocations = &self.0.sessions.revocations;
        revocations.kept_up("user token").await?;
        if revocations.is_revoked(user) {
            return Err(none);
        }
        tokens.get(&app, user).await
    }

    /// Tells that DingTalk rejected a person's own token (`InvalidAuthentication`, `accesstoken.expired`). The next
    /// [`user_token`](Self::user_token) is a new one, at whatever instance, renewed once for all who ask; a token that was replaced
    /// meanwhile is left alone. Each such token costs a renewal: make the call once more, and no more than that.
    ///
    /// Errors: [`Error::Store`] where the store did not take it: the token is handed out as before.
    pub async fn reject_user_token(&self, user: &User, token: &UserToken) -> Result<(), Error> {
        match &self.0.logins.user_tokens {
            Some(tokens) if user.is_from_web() => tokens.reject(user, token).await,
            _ => Ok(()),
        }
    }

    /// Ends every session of a person in a corp, at all instances.
    pub async fn revoke_user(&self, corp_id: &str, user_id: &str) -> Result<(), Error> {
        let revocations = &self.0.sessions.revocations;
        revocations.revoke_person(corp_id, user_id).await
    }

    /// Ends every session of an account without a user id in a corp, at all instances: one that
    /// [`WebSignIn::anyone`] or [`LegacySignIn::anyone`] let in.
    pub async fn revoke_account(&self, corp_id: &str, union_id: &str) -> Result<(), Error> {
        self.revoke_user(corp_id, &user::person_of_account(union_id))
            .await
    }

    /// Ends every session of a corp, at all instances.
    pub async fn revoke_corp(&self, corp_id: &str) -> Result<(), Error> {
        self.0.sessions.revocations.revoke_corp(corp_id).await
    }

    /// Ends every session that began at a time or earlier, at all instances. A time to come, or within the last second, counts as
    /// now and ends all there are. An earlier one is compared with the session's own date: where several instances share a store,
    /// that is ahead by as much as the clocks differ, and up to two minutes for a login right after a revocation.
    pub async fn revoke_before(&self, time: SystemTime) -> Result<(), Error> {
        self.0
            .sessions
            .revocations
            .revoke_everyone(time.into())
            .await
    }
}
