//! The guard around a part of the app.

use std::future::{Ready, ready};

use actix_web::Error;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use dingtalk_core::{Guard, User};
use futures_util::TryFutureExt;
use futures_util::future::{Either, MapOk};

use crate::head::{Head, response};

/// Lets only signed-in people through to a part of the app; everybody else gets the refusal that fits them. It may nest and
/// be used as often as you like, inside one [`DingTalkAuth`](crate::DingTalkAuth). A CORS layer goes around it: a preflight
/// carries no cookies, so none gets through.
#[derive(Clone, Debug, Default)]
pub struct RequireDingTalk(Guard);

impl RequireDingTalk {
    /// Lets everybody through who is signed in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets only those through that `allow` takes; the others get a 403. Several rules must all hold.
    #[must_use]
    pub fn allow(self, allow: impl Fn(&User) -> bool + Send + Sync + 'static) -> Self {
        Self(self.0.allow(allow))
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequireDingTalk
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = RequireDingTalkService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let guard = self.0.clone();
        ready(Ok(RequireDingTalkService { guard, inner }))
    }
}

/// What [`RequireDingTalk`] makes of a service.
#[derive(Debug)]
pub struct RequireDingTalkService<S> {
    guard: Guard,
    inner: S,
}

impl<S, B> Service<ServiceRequest> for RequireDingTalkService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<
        MapOk<S::Future, fn(ServiceResponse<B>) -> Self::Response>,
        Ready<Result<Self::Response, Error>>,
    >;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let head = Head(request.request());
        let passed = head
            .visit()
            .and_then(|visit| self.guard.admit(&visit, &head));
        if let Err(reply) = passed {
            let refused = request.into_response(response(reply));
            return Either::Right(ready(Ok(refused.map_into_right_body())));
        }
        let answer = self.inner.call(request);
        Either::Left(answer.map_ok(ServiceResponse::map_into_left_body))
    }
}
