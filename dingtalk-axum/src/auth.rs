//! The layer around the whole app.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum_core::response::{IntoResponse, Response};
use dingtalk_core::{DingTalk, Outcome, Visit};
use futures_util::future::{BoxFuture, Either};
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::head::{Head, finish, response};

/// Signs people in. Put it around the whole app, once, outermost and last: `Router::layer` after every route, `nest` and
/// `fallback`. Guard a part of the app with [`RequireDingTalk`](crate::RequireDingTalk).
#[derive(Clone, Debug)]
pub struct DingTalkAuth(DingTalk);

impl DingTalkAuth {
    /// A layer for a handle. All layers made from one handle share its tokens and sessions.
    #[must_use]
    pub fn new(dingtalk: DingTalk) -> Self {
        Self(dingtalk)
    }
}

impl<S> Layer<S> for DingTalkAuth {
    type Service = DingTalkAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DingTalkAuthService {
            dingtalk: self.0.clone(),
            inner,
        }
    }
}

/// What [`DingTalkAuth`] makes of a service.
#[derive(Clone, Debug)]
pub struct DingTalkAuthService<S> {
    dingtalk: DingTalk,
    inner: S,
}

impl<S, B> Service<Request<B>> for DingTalkAuthService<S>
where
    S: Service<Request<B>, Error = Infallible> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Visiting<S::Future>, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let outcome = self.dingtalk.handle(&Head(&parts));
        let request = Request::from_parts(parts, body);
        if let Outcome::Continue(visit) = outcome {
            return Either::Left(call(&mut self.inner, request, visit));
        }
        // The ready service must be the one called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Either::Right(Box::pin(async move {
            match outcome.settle().await {
                Ok(visit) => call(&mut inner, request, visit).await,
                Err(reply) => Ok(response(reply)),
            }
        }))
    }
}

fn call<S: Service<Request<B>>, B>(
    inner: &mut S,
    mut request: Request<B>,
    visit: Visit,
) -> Visiting<S::Future> {
    request.extensions_mut().insert(visit.clone());
    let future = inner.call(request);
    Visiting { future, visit }
}

pin_project_lite::pin_project! {
    /// The app's response on its way.
    #[derive(Debug)]
    pub struct Visiting<F> {
        #[pin]
        future: F,
        visit: Visit,
    }
}

impl<F, R> Future for Visiting<F>
where
    F: Future<Output = Result<R, Infallible>>,
    R: IntoResponse,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.future.poll(cx))?.into_response();
        finish(this.visit, &mut answer);
        Poll::Ready(Ok(answer))
    }
}
