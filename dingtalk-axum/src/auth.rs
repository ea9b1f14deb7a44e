//! The layer around the whole app.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum_core::response::{IntoResponse, Response};
use dingtalk_core::{DingTalk, Outcome, Reply, Visit};
use futures_util::future::BoxFuture;
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::head::{Head, finish, response};

/// Signs people in. Put it around the whole app, once, outermost and last: `Router::layer` after every route, `nest` and
/// `fallback`. Guard a part of the app with [`RequireDingTalk`](crate::RequireDingTalk).
#[derive(Clone, Debug)]
pub struct DingTalkAuth {
    dingtalk: DingTalk,
}

impl DingTalkAuth {
    /// A layer for a handle. All layers made from one handle share its tokens and sessions.
    #[must_use]
    pub fn new(dingtalk: DingTalk) -> Self {
        Self { dingtalk }
    }
}

impl<S> Layer<S> for DingTalkAuth {
    type Service = DingTalkAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DingTalkAuthService {
            dingtalk: self.dingtalk.clone(),
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
    type Future = AuthFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The ready service must be the one called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        match self.dingtalk.handle(&Head::from(&request)) {
            Outcome::Continue(visit) => call(&mut inner, request, visit),
            Outcome::Respond(reply) => AuthFuture::Respond { reply: Some(reply) },
            Outcome::Wait(pending) => AuthFuture::Wait {
                future: Box::pin(async move {
                    let mut pending = pending;
                    loop {
                        return match pending.await {
                            Outcome::Continue(visit) => call(&mut inner, request, visit).await,
                            Outcome::Respond(reply) => Ok(response(reply)),
                            Outcome::Wait(next) => {
                                pending = next;
                                continue;
                            }
                        };
                    }
                }),
            },
        }
    }
}

fn call<S, B>(inner: &mut S, mut request: Request<B>, visit: Visit) -> AuthFuture<S::Future>
where
    S: Service<Request<B>>,
{
    request.extensions_mut().insert(visit.clone());
    AuthFuture::Continue {
        future: inner.call(request),
        visit,
    }
}

pin_project_lite::pin_project! {
    /// The response on its way.
    #[project = AuthFutureProjection]
    pub enum AuthFuture<F> {
        Continue { #[pin] future: F, visit: Visit },
        Respond { reply: Option<Reply> },
        Wait { future: BoxFuture<'static, Result<Response, Infallible>> },
    }
}

impl<F, R> Future for AuthFuture<F>
where
    F: Future<Output = Result<R, Infallible>>,
    R: IntoResponse,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AuthFutureProjection::Continue { future, visit } => {
                let answered = ready!(future.poll(cx));
                Poll::Ready(answered.map(|answer| {
                    let mut answer = answer.into_response();
                    finish(visit, &mut answer);
                    answer
                }))
            }
            AuthFutureProjection::Respond { reply } => match reply.take() {
                Some(reply) => Poll::Ready(Ok(response(reply))),
                None => Poll::Pending,
            },
            AuthFutureProjection::Wait { future } => future.as_mut().poll(cx),
        }
    }
}
