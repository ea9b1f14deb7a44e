//! The signed-in person as a handler's argument.

use std::fmt;
use std::ops::Deref;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use dingtalk_core::{Reply, User};
use http::request::Parts;

use crate::head::{Head, response};

/// The signed-in person; a request without one gets the refusal that fits its visitor. `Option<DingTalkUser>` is `None` for
/// nobody, and a refusal, never `None`, for a fault while deciding.
#[derive(Clone, Debug)]
pub struct DingTalkUser(pub User);

/// The signed-in person if there is one. The same as `Option<DingTalkUser>`, under the name that works in actix-web too.
#[derive(Clone, Debug)]
pub struct MaybeDingTalkUser(pub Option<User>);

impl Deref for DingTalkUser {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for DingTalkUser {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let head = Head(parts);
        let user = head.visit().and_then(|visit| visit.require(&head));
        user.map(Self).map_err(Refused)
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeDingTalkUser {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let head = Head(parts);
        let user = head.visit().and_then(|visit| visit.optional(&head));
        user.map(Self).map_err(Refused)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for DingTalkUser {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Refused> {
        let user = MaybeDingTalkUser::from_request_parts(parts, state).await?;
        Ok(user.0.map(Self))
    }
}

/// The refusal of a request without a person: a page, problem details, or the word that `DingTalkAuth` is missing.
#[derive(Debug)]
pub struct Refused(pub(crate) Reply);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no DingTalk user: status {}", self.0.status())
    }
}

impl std::error::Error for Refused {}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        response(self.0)
    }
}
