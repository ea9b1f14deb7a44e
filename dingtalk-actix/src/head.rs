//! actix-web's request and response, in core's words.

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use dingtalk_core::{HeaderChange, Reply, RequestHead, Visit};

/// The head of an actix-web request.
pub(crate) struct Head<'a>(pub(crate) &'a HttpRequest);

impl RequestHead for Head<'_> {
    fn method(&self) -> &str {
        self.0.method().as_str()
    }

    fn path(&self) -> &str {
        self.0.uri().path()
    }

    fn routed_path(&self) -> &str {
        let here = self.0.match_info();
        let path = self.path();
        // A scope has taken its own part off the path it matches, which may also be decoded.
        if here.unprocessed().len() == here.as_str().len() {
            path
        } else {
            here.unprocessed()
        }
    }

    fn query(&self) -> Option<&str> {
        self.0.uri().query()
    }

    fn authority(&self) -> Option<&str> {
        self.0.uri().authority().map(|authority| authority.as_str())
    }

    fn headers<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.0.headers().get_all(name).map(HeaderValue::as_bytes)
    }
}

/// Core's reply as actix-web sends it.
pub(crate) fn response(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in reply.headers() {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.append_header((HeaderName::from_static(name), value));
        }
    }
    response.body(reply.into_body())
}

/// Adds what the visit wants on the app's response.
pub(crate) fn finish<B>(visit: &Visit, response: &mut ServiceResponse<B>) {
    let caching = response.headers().get_all(header::CACHE_CONTROL);
    let changes = visit.finish(caching.map(HeaderValue::as_bytes));
    let headers = response.headers_mut();
    for change in changes {
        match change {
            HeaderChange::Set(name, value) => {
                if let Ok(value) = HeaderValue::try_from(&*value) {
                    headers.insert(HeaderName::from_static(name), value);
                }
            }
            HeaderChange::Append(name, value) => {
                if let Ok(value) = HeaderValue::try_from(&*value) {
                    headers.append(HeaderName::from_static(name), value);
                }
            }
        }
    }
}
