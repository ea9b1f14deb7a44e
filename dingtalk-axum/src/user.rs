//! The signed-in person as a handler's argument.

use std::fmt;
use std::ops::Deref;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use dingtalk_core::{Reply, User, Visit};
use http::StatusCode;
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
        let head = Head::from(&*parts);
        visit(parts, &head)?
            .require(&head)
            .map(Self)
            .map_err(Refused)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for DingTalkUser {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refused> {
        let head = Head::from(&*parts);
        let user = visit(parts, &head)?.optional(&head).map_err(Refused)?;
        Ok(user.map(Self))
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeDingTalkUser {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let head = Head::from(&*parts);
        visit(parts, &head)?
            .optional(&head)
            .map(Self)
            .map_err(Refused)
    }
}

/// The refusal of a request without a person: a page, problem details, or the word that `DingTalkAuth` is missing.
#[derive(Debug)]
pub struct Refused(pub(crate) Reply);

impl Refused {
    /// Its HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

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

fn visit<'a>(parts: &'a Parts, head: &Head<'_>) -> Result<&'a Visit, Refused> {
    parts
        .extensions
        .get::<Visit>()
        .ok_or_else(|| Refused(Reply::layer_missing(head)))
}
