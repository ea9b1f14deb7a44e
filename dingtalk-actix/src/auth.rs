//! The middleware around the whole app.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::{Error, HttpMessage};
use dingtalk_core::{DingTalk, Outcome, Visit};
use futures_util::future::{Either, LocalBoxFuture};

use crate::head::{Head, finish, response};

/// Signs people in. Put it around the whole app, once: `App::wrap`, the last of them, so that it is outermost. Make it outside
/// `HttpServer::new` and clone it in, so that all workers share one cache. Guard a part of the app with
/// [`RequireDingTalk`](crate::RequireDingTalk).
#[derive(Clone, Debug)]
pub struct DingTalkAuth(DingTalk);

impl DingTalkAuth {
    /// A middleware for a handle. All middlewares made from one handle share its tokens and sessions.
    #[must_use]
    pub fn new(dingtalk: DingTalk) -> Self {
        Self(dingtalk)
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
        let (dingtalk, inner) = (self.0.clone(), Rc::new(inner));
        ready(Ok(DingTalkAuthService { dingtalk, inner }))
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
    type Future =
        Either<Visiting<S::Future>, LocalBoxFuture<'static, Result<Self::Response, Error>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let outcome = self.dingtalk.handle(&Head(request.request()));
        if let Outcome::Continue(visit) = outcome {
            return Either::Left(call(&*self.inner, request, visit));
        }
        let inner = Rc::clone(&self.inner);
        Either::Right(Box::pin(async move {
            match outcome.settle().await {
                Ok(visit) => call(&*inner, request, visit).await,
                Err(reply) => Ok(request.into_response(response(reply)).map_into_right_body()),
            }
        }))
    }
}

fn call<S: Service<ServiceRequest>>(
    inner: &S,
    request: ServiceRequest,
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

impl<F, B> Future for Visiting<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.future.poll(cx)) {
            Ok(mut answer) => {
                finish(this.visit, answer.headers_mut());
                Ok(answer.map_into_left_body())
            }
            Err(error) => {
                // Outside of us it becomes a response, which needs the same headers.
                let mut answer = error.error_response();
                finish(this.visit, answer.headers_mut());
                Err(InternalError::from_response(error, answer).into())
            }
        })
    }
}
