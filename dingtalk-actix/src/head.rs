//! actix-web's request and response, in core's words.

use std::borrow::Cow;
use std::cell::Ref;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use dingtalk_core::{Reply, RequestHead, Visit};

/// The head of an actix-web request.
pub(crate) struct Head<'a>(pub(crate) &'a HttpRequest);

impl Head<'_> {
    pub(crate) fn visit(&self) -> Result<Ref<'_, Visit>, Reply> {
        let visit = Ref::filter_map(self.0.extensions(), |extensions| extensions.get());
        visit.map_err(|_| Reply::layer_missing(self))
    }
}

impl RequestHead for Head<'_> {
    fn method(&self) -> &str {
        self.0.method().as_str()
    }

    fn path(&self) -> &str {
        self.0.uri().path()
    }

    fn routed_path(&self) -> &str {
        let matched = self.0.match_info();
        // A scope has taken its own part off; what it matches may be decoded, so only the lengths are compared.
        let is_whole = matched.unprocessed().len() == matched.as_str().len();
        if is_whole {
            self.path()
        } else {
            matched.unprocessed()
        }
    }

    fn query(&self) -> Option<&str> {
        self.0.uri().query()
    }

    fn authority(&self) -> Option<&str> {
        self.0.uri().authority().map(|authority| authority.as_str())
    }

    fn headers<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .headers()
            .get_all(HeaderName::from_static(name))
            .map(HeaderValue::as_bytes)
    }
}

/// Core's reply as actix-web sends it.
pub(crate) fn response(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    for header in reply.headers() {
        response.append_header(header);
    }
    response.body(reply.into_body())
}

/// Adds what the visit wants on the app's response.
pub(crate) fn finish(visit: &Visit, headers: &mut HeaderMap) {
    let caching = headers.get_all(header::CACHE_CONTROL);
    for change in visit.finish(caching.map(HeaderValue::as_bytes)) {
        let name = HeaderName::from_static(change.name);
        match header_value(change.value) {
            Some(value) if change.replaces => drop(headers.insert(name, value)),
            Some(value) => headers.append(name, value),
            None => {}
        }
    }
}

fn header_value(text: Cow<'static, str>) -> Option<HeaderValue> {
    match text {
        Cow::Borrowed(text) => Some(HeaderValue::from_static(text)),
        Cow::Owned(text) => text.try_into().ok(),
    }
}
