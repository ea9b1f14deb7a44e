//! axum's request and response, in core's words.

use axum::extract::OriginalUri;
use axum_core::body::Body;
use axum_core::response::Response;
use dingtalk_core::{HeaderChange, Reply, RequestHead, Visit};
use http::request::Parts;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header,
};

/// The head of an axum request.
pub(crate) struct Head<'a> {
    method: &'a Method,
    uri: &'a Uri,
    original: &'a Uri,
    headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    fn new(
        method: &'a Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
        extensions: &'a Extensions,
    ) -> Self {
        Self {
            method,
            uri,
            original: extensions
                .get::<OriginalUri>()
                .map_or(uri, |original| &original.0),
            headers,
        }
    }
}

impl<'a, B> From<&'a Request<B>> for Head<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self::new(
            request.method(),
            request.uri(),
            request.headers(),
            request.extensions(),
        )
    }
}

impl<'a> From<&'a Parts> for Head<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self::new(&parts.method, &parts.uri, &parts.headers, &parts.extensions)
    }
}

impl RequestHead for Head<'_> {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn path(&self) -> &str {
        self.original.path()
    }

    fn routed_path(&self) -> &str {
        self.uri.path()
    }

    fn query(&self) -> Option<&str> {
        self.original.query()
    }

    fn authority(&self) -> Option<&str> {
        self.original.authority().map(http::uri::Authority::as_str)
    }

    fn headers<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

/// Core's reply as axum sends it.
pub(crate) fn response(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = HeaderMap::new();
    for (name, value) in reply.headers() {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let mut response = Response::new(Body::from(reply.into_body()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Adds what the visit wants on the app's response.
pub(crate) fn finish(visit: &Visit, response: &mut Response) {
    let caching = response.headers().get_all(header::CACHE_CONTROL);
    let changes = visit.finish(caching.iter().map(HeaderValue::as_bytes));
    let headers = response.headers_mut();
    for change in changes {
        match change {
            HeaderChange::Set(name, value) => {
                if let Ok(value) = HeaderValue::try_from(&*value) {
                    headers.insert(name, value);
                }
            }
            HeaderChange::Append(name, value) => {
                if let Ok(value) = HeaderValue::try_from(&*value) {
                    headers.append(name, value);
                }
            }
        }
    }
}
