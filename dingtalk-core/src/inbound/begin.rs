//! The way to DingTalk's sign-in page: from a page that wants somebody signed in, to `GET login`, and on.

use std::sync::Arc;

use url::form_urlencoded;

use super::own_path::OwnPath;
use super::reply::{Failure, Reply};
use super::request::{Asked, Head, RequestHead, Visitor};
use crate::DingTalk;
use crate::error::catalogue;
use crate::login::app::{App, SignInPage};
use crate::login::web_sign_in::Frame;
use crate::pages::embedded::Embedded;
use crate::pages::refusal;
use crate::pages::to_sign_in::ToSignIn;
use crate::session::CarriedAll;
use crate::session::state::{State, Way};

impl DingTalk {
    /// `GET login`: signs in and goes on to `return_to`. `via` picks the way in whatever the User-Agent.
    pub(super) fn open_login(&self, head: &Head, carried: CarriedAll, asked: Asked) -> Reply {
        let visitor = Visitor::of(head);
        let via = form_urlencoded::parse(head.query().unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "via");
        let via = via.as_ref().map(|(_, via)| &**via);
        let way = via.and_then(Way::of_name);
        let target = self.0.origin.return_to(head.query(), self.base_path());
        let names_client = via == Some("client");
        let names_none = way.is_none() && !names_client;
        if names_none && self.visit(carried.clone(), asked.clone()).is_somebody() {
            return Reply::new(303).with("location", target);
        }
        let app = match self.app_of(head, asked.clone()) {
            Ok(app) => app,
            Err(failure) => return self.refuse(head, &failure),
        };
        let is_in_client = names_client || names_none && visitor.is_in_client;
        if is_in_client && visitor.is_page_load() {
            return self.silent_login_page(head, &app, Some(target), false);
        }
        // A script that follows to DingTalk's page gets nowhere: it is told where to go.
        let way = way.or_else(|| app.way());
        let way = way.filter(|_| visitor.is_page_load());
        match way.and_then(|way| Some((way, app.id_at(way)?))) {
            Some((way, app_id)) => self.begin(head, &app, way, app_id, target),
            None => match self.visit(carried, asked).require(head) {
                Ok(_) => Reply::new(303).with("location", target),
                Err(refused) => refused,
            },
        }
    }

    /// Sends a browser to DingTalk's page, or shows it in ours. Nothing is kept here; the browser keeps one cookie, for ten minutes.
    fn begin(&self, head: &Head, app: &App, way: Way, app_id: &str, return_to: String) -> Reply {
        if self.is_foreign_frame(head) {
            // The way back would not find its cookie there.
            let language = Visitor::of(head).language;
            return refusal::framed(language, &Failure::of(&catalogue::BROWSER_FRAMED).log());
        }
        let state = State {
            way,
            app_key: app.app_key.to_string(),
            app_id: app_id.to_owned(),
            corp_id: app.corp_id.to_string(),
            redirect_uri: self.own_url(OwnPath::Callback),
            return_to,
        };
        let jar = &self.0.sessions.jar;
        let begun = match self.0.states.begin(&state, jar, head.headers("cookie")) {
            Ok(begun) => begun,
            Err(error) => return self.refuse(head, &error.into()),
        };
        let endpoints = self.0.logins.api.endpoints();
        let reply = match app.page(way, endpoints, &state.redirect_uri, &begun.sealed) {
            Some(SignInPage::DingTalks(address)) => Reply::new(303).with("location", address),
            Some(SignInPage::Ours(frame)) => self.embedded_page(head, app, &state, frame),
            None => return self.refuse(head, &Failure::of(&catalogue::SESSION_REQUIRED)),
        };
        begun
            .cookies
            .into_iter()
            .fold(reply, |reply, cookie| reply.with("set-cookie", cookie))
    }

    /// Our own page with DingTalk's in a frame.
    fn embedded_page(&self, head: &Head, app: &App, state: &State, frame: Frame<'_>) -> Reply {
        let page = Embedded {
            frame,
            sign_in_origin: self.0.logins.api.endpoints().login_origin(),
            callback: &state.redirect_uri,
            instead: self.login_to(app, Some(Way::Web.name()), &state.return_to),
            framed_by: &self.0.framed_by,
        };
        page.page(Visitor::of(head).language)
    }

    /// Our own login for an app, by a way in or by what fits, and on to a target.
    pub(super) fn login_to(&self, app: &App, via: Option<&str>, target: &str) -> String {
        let target: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
        format!("{}{target}", self.login_target(app, via))
    }

    /// The page that goes to the sign-in page and comes back to where the visitor is.
    pub(super) fn to_sign_in(&self, head: &impl RequestHead, app: &App) -> Reply {
        let mut here = self.0.origin.as_seen(head.path());
        if let Some(query) = head.query() {
            here.push('?');
            here.push_str(query);
        }
        let page = ToSignIn {
            login: self.login_target(app, None),
            here,
            is_signed_out: self.is_signed_out(head),
            framed_by: &self.0.framed_by,
        };
        page.page(Visitor::of(head).language)
    }

    /// Our own login for an app, by a way in, up to where `return_to` would follow.
    pub(super) fn login_target(&self, app: &App, via: Option<&str>) -> String {
        let mut target = format!("{}?", self.own_target(OwnPath::Login));
        let mut query = form_urlencoded::Serializer::new(String::new());
        if self.0.corps.only().is_none()
            && let Some(name) = self.0.corps.query_names.first()
        {
            query.append_pair(name, &app.corp_id);
        }
        if let Some(via) = via {
            query.append_pair("via", via);
        }
        let query = query.finish();
        target.push_str(&query);
        if !query.is_empty() {
            target.push('&');
        }
        target.push_str("return_to=");
        target
    }

    /// The app that a visitor outside the client signs in to on the web, if there is one.
    pub(super) fn web_app(&self, head: &impl RequestHead, failure: &Failure) -> Option<Arc<App>> {
        let app = failure.app().cloned().or_else(|| self.likely_app(head));
        app.filter(|app| app.way().is_some())
    }
}
