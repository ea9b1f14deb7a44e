//! The middleware around the whole app.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage};
use dingtalk_core::{DingTalk, Outcome, Visit};
use futures_util::future::LocalBoxFuture;

use crate::head::{Head, finish, response};

/// Signs people in. Put it around the whole app, once: `App::wrap`, the last of them, so that it is outermost. Make it outside
/// `HttpServer::new` and clone it in, so that all workers share one cache. Guard a part of the app with
/// [`RequireDingTalk`](crate::RequireDingTalk).
#[derive(Clone, Debug)]
pub struct DingTalkAuth {
    dingtalk: DingTalk,
}

impl DingTalkAuth {
    /// A middleware for a handle. All middlewares made from one handle share its tokens and sessions.
    #[must_use]
    pub fn new(dingtalk: DingTalk) -> Self {
        Self { dingtalk }
    }
}

impl<S, B> Transform<S, ServiceRequest> for DingTalkAuth
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = DingTalkAuthService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(DingTalkAuthService {
            dingtalk: self.dingtalk.clone(),
            inner: Rc::new(inner),
        }))
    }
}

/// What [`DingTalkAuth`] makes of a service.
#[derive(Debug)]
pub struct DingTalkAuthService<S> {
    dingtalk: DingTalk,
    inner: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for DingTalkAuthService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = AuthFuture<S::Future, B>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let outcome = self.dingtalk.handle(&Head(request.request()));
        match outcome {
            Outcome::Continue(visit) => call(&*self.inner, request, visit),
            Outcome::Respond(reply) => AuthFuture::Respond {
                answer: Some(request.into_response(response(reply)).map_into_right_body()),
            },
            Outcome::Wait(pending) => {
                let inner = Rc::clone(&self.inner);
                AuthFuture::Wait {
                    future: Box::pin(async move {
                        let mut pending = pending;
                        loop {
                            return match pending.await {
                                Outcome::Continue(visit) => call(&*inner, request, visit).await,
                                Outcome::Respond(reply) => {
                                    Ok(request.into_response(response(reply)).map_into_right_body())
                                }
                                Outcome::Wait(next) => {
                                    pending = next;
                                    continue;
                                }
                            };
                        }
                    }),
                }
            }
        }
    }
}

fn call<S, B>(inner: &S, request: ServiceRequest, visit: Visit) -> AuthFuture<S::Future, B>
where
    S: Service<ServiceRequest>,
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
    pub enum AuthFuture<F, B> {
        Continue { #[pin] future: F, visit: Visit },
        Respond { answer: Option<ServiceResponse<EitherBody<B, BoxBody>>> },
        Wait { future: LocalBoxFuture<'static, Result<ServiceResponse<EitherBody<B>>, Error>> },
    }
}

impl<F, B> Future for AuthFuture<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AuthFutureProjection::Continue { future, visit } => {
                let answered = ready!(future.poll(cx));
                Poll::Ready(answered.map(|mut answer| {
                    finish(visit, &mut answer);
                    answer.map_into_left_body()
                }))
            }
            AuthFutureProjection::Respond { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer)),
                None => Poll::Pending,
            },
            AuthFutureProjection::Wait { future } => future.as_mut().poll(cx),
        }
    }
}
