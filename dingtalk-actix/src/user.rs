//! The signed-in person as a handler's argument.

use std::fmt;
use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use dingtalk_core::{Reply, User};

use crate::head::{Head, response};

/// The signed-in person; a request without one gets the refusal that fits its visitor.
///
/// Take [`MaybeDingTalkUser`] where nobody is fine: actix-web's own `Option<DingTalkUser>` turns every refusal into `None`, a
/// fault or a missing `DingTalkAuth` included.
#[derive(Clone, Debug)]
pub struct DingTalkUser(pub User);

/// The signed-in person if there is one. Nobody is `None`; a fault while deciding is a refusal and never `None`.
#[derive(Clone, Debug)]
pub struct MaybeDingTalkUser(pub Option<User>);

impl Deref for DingTalkUser {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}

impl FromRequest for DingTalkUser {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let head = Head(request);
        let user = head.visit().and_then(|visit| visit.require(&head));
        ready(user.map(Self).map_err(Refused))
    }
}

impl FromRequest for MaybeDingTalkUser {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let head = Head(request);
        let user = head.visit().and_then(|visit| visit.optional(&head));
        ready(user.map(Self).map_err(Refused))
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

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::BAD_GATEWAY)
    }

    fn error_response(&self) -> HttpResponse {
        response(self.0.clone())
    }
}
