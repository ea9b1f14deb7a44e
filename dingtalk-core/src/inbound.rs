//! What happens to a request: the one decision that both frameworks' adapters carry out.

mod begin;
mod callback;
pub(crate) mod origin;
mod own_path;
mod refusal;
pub(crate) mod reply;
pub(crate) mod request;
mod sign_in;
pub(crate) mod visit;

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::DingTalk;
use crate::error::catalogue;
use crate::session::CarriedAll;
use own_path::OwnPath;
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

impl DingTalk {
    /// Decides about a request. Never fails: errors are replies already.
    ///
    /// A signed-in request is decided here and now, without a call of DingTalk's or of the store's.
    pub fn handle<H: RequestHead>(&self, head: &H) -> Outcome {
        let path = head.path();
        if path != head.routed_path() {
            return Outcome::Respond(self.refuse(head, &Failure::of(&catalogue::LAYER_NESTED)));
        }
        let own = self.own_path(path);
        if let Some(own) = own {
            self.0.was_own_path_reached.store(true, Ordering::Relaxed);
            if let Some(reply) = self.before(own, head) {
                return Outcome::Respond(reply);
            }
        }
        let asked = self.0.corps.asked(head);
        let carried = self.0.sessions.read(head.headers("cookie"));
        if self.0.verify_on_open
            && own.is_none()
            && let Some(page) = self.verify(head, &carried, &asked)
        {
            return Outcome::Respond(page);
        }
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
                OwnPath::Login if head.method() == "POST" => {
                    this.login(&head, carried, asked).await
                }
                OwnPath::Login => this.open_login(&head, carried, asked),
                OwnPath::Callback => this.callback(&head, carried).await,
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
        if own == OwnPath::Callback && is_prefetch(head) {
            return Some(self.refuse(head, &Failure::of(&catalogue::PREFETCH_REFUSED)));
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

    /// The silent-login page for a page load that DingTalk's workbench opened, where the session there is some minutes old: the
    /// client may be another person's by now.
    fn verify(
        &self,
        head: &impl RequestHead,
        carried: &CarriedAll,
        asked: &Asked,
    ) -> Option<Reply> {
        let Asked::App(app) = asked else {
            return None;
        };
        let visitor = Visitor::of(head);
        if !visitor.is_page_load() || !visitor.is_in_client {
            return None;
        }
        self.0.corps.in_query(head)?;
        // A session that is over may be sent for long: it asks for nothing, or one login would follow the other.
        let session = self.0.sessions.resolve(carried.clone())?;
        let age = self.0.logins.time.now().since(session.user.issued());
        let is_old = *session.user.corp_id() == *app.corp_id && age > VERIFIED_FOR;
        is_old.then(|| self.silent_login_page(head, app, None, false))
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
}

/// Whether a browser only looks ahead, which must not spend a code.
fn is_prefetch(head: &impl RequestHead) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .any(|name| head.headers(name).any(is_looking_ahead))
}

fn is_looking_ahead(purpose: &[u8]) -> bool {
    let is = |word: &[u8]| {
        let start = purpose.get(..word.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    is(b"prefetch") || is(b"prerender") || is(b"preview")
}

/// How long a login counts as the word of whoever holds the device.
const VERIFIED_FOR: Duration = Duration::from_secs(600);
