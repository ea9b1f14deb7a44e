//! The guard around a part of the app.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_core::response::{IntoResponse, Response};
use dingtalk_core::{Reply, User, Visit};
use futures_util::FutureExt;
use futures_util::future::{Either, Map};
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

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

impl<S> Layer<S> for RequireDingTalk {
    type Service = RequireDingTalkService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireDingTalkService {
            guard: self.clone(),
            inner,
        }
    }
}

/// What [`RequireDingTalk`] makes of a service.
#[derive(Clone, Debug)]
pub struct RequireDingTalkService<S> {
    guard: RequireDingTalk,
    inner: S,
}

impl<S, B> Service<Request<B>> for RequireDingTalkService<S>
where
    S: Service<Request<B>, Error = Infallible>,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Map<S::Future, Answer<S::Response>>, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let head = Head::from(&request);
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
            Ok(()) => Either::Left(
                self.inner
                    .call(request)
                    .map(|answered| answered.map(IntoResponse::into_response)),
            ),
            Err(reply) => Either::Right(ready(Ok(response(reply)))),
        }
    }
}

type Answer<R> = fn(Result<R, Infallible>) -> Result<Response, Infallible>;
