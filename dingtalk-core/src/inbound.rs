//! What happens to a request: the one decision that both frameworks' adapters carry out.

pub(crate) mod origin;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod visit;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use serde_json::{Map, json};

use crate::DingTalk;
use crate::error::catalogue;
use crate::error::{Error, Refusal};
use crate::login::SilentCode;
use crate::login::app::App;
use crate::login::exchange::Attempt;
use crate::pages;
use crate::session::CarriedAll;
use crate::session::cookie;
use reply::{Failure, Reply};
use request::{Asked, Head, RequestHead, Trust, Visitor};
use visit::{Absence, Visit};

/// What an adapter does with a request. Exhaustive on purpose: a new case must break every adapter.
#[expect(
    clippy::exhaustive_enums,
    reason = "a new case must break every adapter"
)]
#[derive(Debug)]
pub enum Outcome {
    /// Put the visit into the request's extensions, call the app, then add the headers of [`Visit::finish`].
    Continue(Visit),
    /// Send the reply unchanged.
    Respond(Reply),
    /// Wait, and look again at what comes.
    Wait(Pending),
}

impl Outcome {
    /// Waits as often as need be: gives the visit to continue with, or the reply to send.
    pub async fn settle(self) -> Result<Visit, Reply> {
        let mut outcome = self;
        loop {
            match outcome {
                Self::Continue(visit) => return Ok(visit),
                Self::Respond(reply) => return Err(reply),
                Self::Wait(pending) => outcome = pending.await,
            }
        }
    }
}

/// An [`Outcome`] that needs a moment.
pub struct Pending(BoxFuture<'static, Outcome>);

impl Pending {
    fn new(outcome: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self(Box::pin(outcome))
    }
}

impl Future for Pending {
    type Output = Outcome;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Outcome> {
        self.0.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending")
    }
}

/// The paths that are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OwnPath {
    Login,
    Logout,
    Me,
}

impl OwnPath {
    const ALL: [Self; 3] = [Self::Login, Self::Logout, Self::Me];

    const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Me => "me",
        }
    }

    /// For the Allow header.
    const fn methods(self) -> &'static str {
        match self {
            Self::Login | Self::Logout => "POST, OPTIONS",
            Self::Me => "GET, HEAD, OPTIONS",
        }
    }

    fn allows(self, method: &str) -> bool {
        self.methods().split(", ").any(|allowed| allowed == method)
    }
}

impl DingTalk {
    /// Decides about a request. Never fails: errors are replies already.
    ///
    /// A signed-in request is decided here and now, without a call of DingTalk's or of the store's.
    pub fn handle<H: RequestHead>(&self, head: &H) -> Outcome {
        if head.path() != head.routed_path() {
            return Outcome::Respond(self.refuse(head, &Failure::of(&catalogue::LAYER_NESTED)));
        }
        let own = self.own_path(head.path());
        if let Some(own) = own {
            self.0.was_own_path_reached.store(true, Ordering::Relaxed);
            if let Some(reply) = self.before(own, head) {
                return Outcome::Respond(reply);
            }
        }
        let asked = self.0.corps.asked(head);
        let carried = self.0.sessions.read(head.headers("cookie"));
        let Some(own) = own else {
            let Some(wait) = self.0.sessions.revocations.keep_up() else {
                return Outcome::Continue(self.visit(carried, asked));
            };
            let this = self.clone();
            return Outcome::Wait(Pending::new(async move {
                wait.await;
                Outcome::Continue(this.visit(carried, asked))
            }));
        };
        let wait = self.0.sessions.revocations.keep_up();
        let this = self.clone();
        let head = Head::of(head);
        Outcome::Wait(Pending::new(async move {
            if let Some(wait) = wait {
                wait.await;
            }
            let reply = match own {
                OwnPath::Login => this.login(&head, carried, asked).await,
                OwnPath::Logout => this.logout(&head, carried).await,
                OwnPath::Me => this.me(&head, carried, asked),
            };
            Outcome::Respond(this.share(&head, reply))
        }))
    }

    /// What is decided about one of our own paths before anything else: method, preflight, and who may post.
    fn before<H: RequestHead>(&self, own: OwnPath, head: &H) -> Option<Reply> {
        if head.method() == "OPTIONS" {
            return Some(self.preflight(own, head));
        }
        if !own.allows(head.method()) {
            let refused = self.refuse(head, &Failure::of(&catalogue::METHOD_NOT_ALLOWED));
            return Some(refused.with("allow", own.methods()));
        }
        if head.method() == "POST" && self.0.origin.trust(head) == Trust::None {
            return Some(self.refuse(head, &Failure::of(&catalogue::ORIGIN_REFUSED)));
        }
        None
    }

    /// Grants a listed origin what a login needs, and nobody else anything.
    fn preflight<H: RequestHead>(&self, own: OwnPath, head: &H) -> Reply {
        let reply = Reply::new(204)
            .with("allow", own.methods())
            .with("vary", "Origin");
        match self.0.origin.listed(head) {
            Some(origin) => reply
                .with("access-control-allow-origin", origin)
                .with("access-control-allow-credentials", "true")
                .with("access-control-allow-methods", own.methods())
                .with(
                    "access-control-allow-headers",
                    "x-dingtalk-auth-code, x-dingtalk-corp-id",
                )
                .with("access-control-max-age", "600"),
            None => reply,
        }
    }

    /// Lets a listed origin read a reply of ours.
    fn share(&self, head: &Head, reply: Reply) -> Reply {
        match self.0.origin.listed(head) {
            Some(origin) => reply
                .with("access-control-allow-origin", origin)
                .with("access-control-allow-credentials", "true")
                .with("vary", "Origin"),
            None => reply,
        }
    }

    async fn login(&self, head: &Head, carried: CarriedAll, asked: Asked) -> Reply {
        let attempt = match self.attempt(head, carried, asked) {
            Ok(attempt) => attempt,
            Err(failure) => return self.refuse(head, &failure),
        };
        let corp_id = Arc::clone(&attempt.app.corp_id);
        let app = Arc::clone(&attempt.app);
        match self.0.logins.run(attempt).await {
            Ok(minted) => {
                tracing::info!(corp_id = ?corp_id, user_id = ?minted.user.user_id(), "signed in");
                let jar = &self.0.sessions.jar;
                Reply::json(
                    200,
                    &json!({
                        "user": minted.user.to_json(),
                        "return_to": self.0.origin.return_to(head.query(), self.base_path()),
                    }),
                )
                .with("set-cookie", minted.cookie)
                .with(
                    "set-cookie",
                    jar.set(jar.corp(), &corp_id, Some(CORP_HINT_LIFE)),
                )
                .with("set-cookie", jar.remove(jar.pre_login()))
            }
            Err(error) => self.refuse(head, &Failure::from(error).for_app(app)),
        }
    }

    /// Reads what a login needs; nothing here calls anybody.
    fn attempt(&self, head: &Head, carried: CarriedAll, asked: Asked) -> Result<Attempt, Failure> {
        let mut codes = head.headers(CODE_HEADER);
        let code = codes.next().ok_or(Failure::of(&catalogue::CODE_MISSING))?;
        if codes.next().is_some() {
            return Err(Failure::of(&catalogue::CODE_MISSING));
        }
        let code = SilentCode::parse(code).ok_or(Failure::of(&catalogue::CODE_MALFORMED))?;
        let app = match asked {
            Asked::App(app) => app,
            Asked::Unknown => return Err(Error::Refused(Refusal::UnknownCorp).into()),
            Asked::Fault(error) => return Err(error.into()),
            Asked::Nothing => self
                .likely_app(head)
                .ok_or(Failure::of(&catalogue::CORP_UNCLEAR))?,
        };
        let browser = self.0.sessions.read_pre_login(head.headers("cookie"));
        Ok(Attempt {
            app,
            code,
            browser: browser.map(|mark| mark.browser),
            replaced: carried
                .into_iter()
                .flatten()
                .map(|session| session.user)
                .collect(),
        })
    }

    /// The app of a request that names no corp: the only one, or that of the browser's last login.
    pub(crate) fn likely_app(&self, head: &impl RequestHead) -> Option<Arc<App>> {
        self.0.corps.only().or_else(|| {
            let hint = cookie::values(head.headers("cookie"), self.0.sessions.jar.corp()).next()?;
            self.0.corps.find(std::str::from_utf8(hint).ok()?)
        })
    }

    async fn logout(&self, head: &Head, carried: CarriedAll) -> Reply {
        for session in carried.iter().flatten() {
            if let Err(error) = self.0.sessions.revoke(&session.user).await {
                return self.refuse(head, &error.into());
            }
            tracing::info!(corp_id = ?session.user.corp_id(), user_id = ?session.user.user_id(), "signed out");
        }
        let return_to = self.0.origin.return_to(head.query(), self.base_path());
        let reply = if Visitor::is_navigation(head) {
            Reply::new(303).with("location", return_to)
        } else {
            Reply::json(200, &json!({ "signed_out": true, "return_to": return_to }))
        };
        let jar = &self.0.sessions.jar;
        reply.with("set-cookie", jar.remove(jar.session()))
    }

    fn me(&self, head: &Head, carried: CarriedAll, asked: Asked) -> Reply {
        match self.visit(carried, asked).require(head) {
            Ok(user) => Reply::json(200, &json!({ "user": user.to_json() })),
            Err(refused) => refused,
        }
    }

    /// Who a request is, from its sessions and the corp it asks for.
    fn visit(&self, carried: CarriedAll, asked: Asked) -> Visit {
        let Some(session) = self
            .0
            .sessions
            .resolve(carried)
            .filter(|session| self.0.corps.owns(&session.user))
        else {
            return Visit::nobody(self, Absence::Nobody(asked));
        };
        match asked {
            Asked::Nothing => Visit::somebody(self, session),
            Asked::App(app) if *app.corp_id == *session.user.corp_id() => {
                Visit::somebody(self, session)
            }
            Asked::Fault(error) => Visit::nobody(self, Absence::Nobody(Asked::Fault(error))),
            asked => Visit::nobody(self, Absence::OtherCorp(asked)),
        }
    }

    /// A refusal that fits the visitor: a page for a page load, problem details for everything else. Our own paths never
    /// answer a page.
    pub(crate) fn refuse(&self, head: &impl RequestHead, failure: &Failure) -> Reply {
        let visitor = Visitor::of(head);
        let is_own = self.own_path(head.path()).is_some();
        let id = failure.log();
        let advice = failure.advice();
        let mark = self.0.sessions.read_pre_login(head.headers("cookie"));
        let is_misplaced = self.misplaced(
            mark.as_ref().map(|mark| &*mark.instance),
            visitor,
            advice.status,
        );
        let reply = if visitor.is_page_load() && !is_own {
            pages::refusal(
                advice,
                visitor,
                &id,
                &self.own_url(OwnPath::Login),
                is_misplaced,
            )
        } else {
            let mut details = Map::new();
            if advice.status == 401 {
                let app = failure.app().cloned().or_else(|| self.likely_app(head));
                let corp_ids = app
                    .as_ref()
                    .map_or_else(|| self.0.corps.ids(), |app| vec![app.corp_id.to_string()]);
                details.insert("action".into(), "silent_login".into());
                details.insert(
                    "client_id".into(),
                    json!(app.map(|app| app.app_key.to_string())),
                );
                details.insert("corp_ids".into(), corp_ids.into());
                details.insert("login_url".into(), self.own_url(OwnPath::Login).into());
            }
            if is_misplaced {
                details.insert(
                    "hint".into(),
                    visitor.language.pick(pages::MISPLACED).into(),
                );
            }
            Reply::problem(advice, visitor.language, &id, details)
        };
        let reply = match failure.retry_after() {
            Some(seconds) => reply.with("retry-after", seconds.to_string()),
            None => reply,
        };
        if advice.status == 401 && mark.is_none() && !is_own {
            self.0.was_visitor_refused.store(true, Ordering::Relaxed);
            return match self.0.sessions.make_pre_login(&self.0.instance) {
                Some(mark) => reply.with("set-cookie", mark),
                None => reply,
            };
        }
        reply
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

    fn own_path(&self, path: &str) -> Option<OwnPath> {
        let own = |path: &str| {
            let name = path.strip_prefix(&*self.0.base_path)?.strip_prefix('/')?;
            OwnPath::ALL.into_iter().find(|own| own.name() == name)
        };
        // A proxy may have taken the prefix off, and the prefix may begin like the base path.
        let inside = path.strip_prefix(self.0.origin.prefix());
        inside.and_then(own).or_else(|| own(path))
    }

    fn own_url(&self, own: OwnPath) -> String {
        format!("{}{}/{}", self.0.origin, self.base_path(), own.name())
    }
}

/// The header that a silent-login code comes in: out of URLs and logs, and no form of another site can send it.
const CODE_HEADER: &str = "x-dingtalk-auth-code";
/// Half a year: only a hint which corp to ask for.
const CORP_HINT_LIFE: std::time::Duration = std::time::Duration::from_secs(180 * 86_400);
