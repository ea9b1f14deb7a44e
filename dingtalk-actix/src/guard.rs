//! The guard around a part of the app.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage};
use dingtalk_core::{Reply, User, Visit};
use futures_util::FutureExt;
use futures_util::future::{Either, Map};

use crate::head::{Head, response};

type Allow = dyn Fn(&User) -> bool + Send + Sync;

/// Lets only signed-in people through to a part of the app; everybody else gets the refusal that fits them. It may nest and
/// be used as often as you like, inside one [`DingTalkAuth`](crate::DingTalkAuth).
#[derive(Clone, Default)]
pub struct RequireDingTalk {
    allow: Option<Arc<Allow>>,
}

impl RequireDingTalk {
    /// Lets everybody through who is signed in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets only those through that `allow` takes; the others get a 403.
    #[must_use]
    pub fn allow(mut self, allow: impl Fn(&User) -> bool + Send + Sync + 'static) -> Self {
        self.allow = Some(Arc::new(allow));
        self
    }
}

impl fmt::Debug for RequireDingTalk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireDingTalk").finish_non_exhaustive()
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
        ready(Ok(RequireDingTalkService {
            guard: self.clone(),
            inner,
        }))
    }
}

/// What [`RequireDingTalk`] makes of a service.
#[derive(Debug)]
pub struct RequireDingTalkService<S> {
    guard: RequireDingTalk,
    inner: S,
}

impl<S, B> Service<ServiceRequest> for RequireDingTalkService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<Map<S::Future, Answer<B>>, Ready<Result<Self::Response, Error>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let head = Head(request.request());
        let allow = self
            .guard
            .allow
            .as_deref()
            .map(|allow| allow as &dyn Fn(&User) -> bool);
        let passed = match request.extensions().get::<Visit>() {
            Some(visit) => visit.guard(&head, allow),
            None => Err(Reply::layer_missing(&head)),
        };
        match passed {
            Ok(()) => {
                let answer: Answer<B> =
                    |answered| answered.map(ServiceResponse::map_into_left_body);
                Either::Left(self.inner.call(request).map(answer))
            }
            Err(reply) => Either::Right(ready(Ok(request
                .into_response(response(reply))
                .map_into_right_body()))),
        }
    }
}

type Answer<B> =
    fn(Result<ServiceResponse<B>, Error>) -> Result<ServiceResponse<EitherBody<B>>, Error>;
