//! The guard around a part of the app.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum_core::response::{IntoResponse, Response};
use dingtalk_core::{Guard, User};
use futures_util::TryFutureExt;
use futures_util::future::{Either, MapOk};
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

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

impl<S> Layer<S> for RequireDingTalk {
    type Service = RequireDingTalkService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireDingTalkService {
            guard: self.0.clone(),
            inner,
        }
    }
}

/// What [`RequireDingTalk`] makes of a service.
#[derive(Clone, Debug)]
pub struct RequireDingTalkService<S> {
    guard: Guard,
    inner: S,
}

impl<S, B> Service<Request<B>> for RequireDingTalkService<S>
where
    S: Service<Request<B>, Error = Infallible>,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = Infallible;
    type Future =
        Either<MapOk<S::Future, fn(S::Response) -> Response>, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let head = Head(&parts);
        let passed = head
            .visit()
            .and_then(|visit| self.guard.admit(visit, &head));
        if let Err(reply) = passed {
            return Either::Right(ready(Ok(response(reply))));
        }
        let answer = self.inner.call(Request::from_parts(parts, body));
        Either::Left(answer.map_ok(IntoResponse::into_response))
    }
}
