//! What somebody who is not let in gets: a page for a page load, problem details for everything else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Map, json};

use super::own_path::OwnPath;
use super::reply::{Failure, Reply};
use super::request::{Head, RequestHead, Visitor};
use crate::DingTalk;
use crate::error::catalogue;
use crate::login::app::App;
use crate::pages::refusal;
use crate::pages::silent_login::SilentLogin;
use crate::session::cookie;

impl DingTalk {
    /// A refusal that fits the visitor.
    pub(crate) fn refuse(&self, head: &impl RequestHead, failure: &Failure) -> Reply {
        self.refuse_with(head, failure, None)
    }

    /// A refusal that offers to start a sign-in again.
    pub(super) fn refuse_sign_in(&self, head: &Head, failure: &Failure, again: String) -> Reply {
        self.refuse_with(head, failure, Some(&again))
    }

    fn refuse_with(
        &self,
        head: &impl RequestHead,
        failure: &Failure,
        again: Option<&str>,
    ) -> Reply {
        let visitor = Visitor::of(head);
        let own = self.own_path(head.path());
        let shows_page = visitor.is_page_load() && own.is_none_or(OwnPath::shows_pages);
        let advice = failure.advice();
        if shows_page && own.is_none() && visitor.is_in_client && failure.is_mended_by_login() {
            let app = failure.app().cloned().or_else(|| self.likely_app(head));
            if let Some(app) = app {
                return self.silent_login_page(head, &app, None, self.is_signed_out(head));
            }
            return self.refuse(head, &Failure::of(&catalogue::CORP_UNCLEAR));
        }
        if shows_page
            && own.is_none()
            && !visitor.is_in_client
            && failure.is_mended_by_login()
            && !self.is_foreign_frame(head)
            && let Some(app) = self.web_app(head, failure)
        {
            return self.to_sign_in(head, &app);
        }
        let id = failure.log();
        let mark = self.0.sessions.read_pre_login(head.headers("cookie"));
        let is_misplaced = self.misplaced(
            mark.as_ref().map(|mark| &*mark.instance),
            visitor,
            advice.status,
        );
        let reply = if shows_page && self.is_foreign_frame(head) {
            refusal::framed(visitor.language, &id)
        } else if shows_page {
            refusal::refusal(
                advice,
                visitor.language,
                &id,
                is_misplaced,
                &self.0.framed_by,
                again,
            )
        } else {
            let details = self.problem_details(head, visitor, failure, is_misplaced);
            Reply::problem(advice, visitor.language, &id, details)
        };
        let reply = match failure.retry_after() {
            Some(seconds) => reply.with("retry-after", seconds.to_string()),
            None => reply,
        };
        if advice.status == 401 && own.is_none() {
            self.0.was_visitor_refused.store(true, Ordering::Relaxed);
            return self.mark(head, reply);
        }
        reply
    }

    /// The page that signs in silently; `target` is where it goes on, the page's own address without one.
    pub(super) fn silent_login_page(
        &self,
        head: &impl RequestHead,
        app: &App,
        target: Option<String>,
        is_signed_out: bool,
    ) -> Reply {
        let language = Visitor::of(head).language;
        if self.is_foreign_frame(head) {
            return refusal::framed(language, &Failure::of(&catalogue::BROWSER_FRAMED).log());
        }
        let page = SilentLogin {
            corp_id: &app.corp_id,
            client_id: &app.app_key,
            jsapi_script: &self.0.jsapi_script,
            login: self.own_target(OwnPath::Login),
            me: self.own_target(OwnPath::Me),
            attempts: format!("{}-attempts", self.0.sessions.jar.session()),
            target,
            is_signed_out,
            framed_by: &self.0.framed_by,
        };
        self.mark(head, page.page(language))
    }

    /// What a script needs to sign somebody in.
    fn problem_details(
        &self,
        head: &impl RequestHead,
        visitor: Visitor,
        failure: &Failure,
        is_misplaced: bool,
    ) -> Map<String, serde_json::Value> {
        let mut details = Map::new();
        if failure.advice().status == 401 {
            let app: Option<Arc<App>> = failure.app().cloned().or_else(|| self.likely_app(head));
            let corp_ids = app
                .as_ref()
                .map_or_else(|| self.0.corps.ids(), |app| vec![app.corp_id.to_string()]);
            let has_web = app.as_ref().is_some_and(|app| app.way().is_some());
            let action = if has_web && !visitor.is_in_client {
                "web_sign_in"
            } else {
                "silent_login"
            };
            details.insert("action".into(), action.into());
            details.insert(
                "client_id".into(),
                json!(app.map(|app| app.app_key.to_string())),
            );
            details.insert("corp_ids".into(), corp_ids.into());
            details.insert("login_url".into(), self.own_url(OwnPath::Login).into());
        }
        if is_misplaced {
            let hint = visitor.language.pick(catalogue::LOGIN_UNREACHABLE.action);
            details.insert("hint".into(), hint.into());
        }
        details
    }

    /// Gives the browser the mark by which repeats of one login are known, unless it has one.
    fn mark(&self, head: &impl RequestHead, reply: Reply) -> Reply {
        let sessions = &self.0.sessions;
        if sessions.read_pre_login(head.headers("cookie")).is_some() {
            return reply;
        }
        match sessions.make_pre_login(&self.0.instance) {
            Some(mark) => reply.with("set-cookie", mark),
            None => reply,
        }
    }

    /// Whether somebody signed out in this browser a moment ago.
    pub(super) fn is_signed_out(&self, head: &impl RequestHead) -> bool {
        let name = self.0.sessions.jar.signed_out();
        cookie::values(head.headers("cookie"), name).any(|mark| !mark.is_empty())
    }

    /// Whether another site shows us in a frame, and none may.
    pub(super) fn is_foreign_frame(&self, head: &impl RequestHead) -> bool {
        let is_frame = head
            .header("sec-fetch-dest")
            .is_some_and(|dest| FRAMES.contains(&dest));
        let is_foreign = head
            .header("sec-fetch-site")
            .is_some_and(|site| site != b"same-origin" && site != b"none");
        self.0.framed_by.is_empty() && is_frame && is_foreign
    }

    /// Whether the layer seems to be where requests for our own paths do not reach it: we have sent visitors there before, this
    /// one too if it is a page load, and none ever arrived.
    fn misplaced(&self, marked_by: Option<&str>, visitor: Visitor, status: u16) -> bool {
        status == 401
            && !self.0.was_own_path_reached.load(Ordering::Relaxed)
            && if visitor.is_page_load() {
                marked_by == Some(&*self.0.instance)
            } else {
                self.0.was_visitor_refused.load(Ordering::Relaxed)
            }
    }
}

/// Destinations of a page load that is not a window's own.
const FRAMES: &[&[u8]] = &[b"iframe", b"frame", b"embed", b"object", b"fencedframe"];
