//! Our own paths: signing in, signing out, and who is there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::reply::{Failure, Reply};
use super::request::{Asked, Head, RequestHead, Visitor};
use crate::DingTalk;
use crate::error::catalogue;
use crate::error::{Error, Refusal};
use crate::login::app::App;
use crate::login::exchange::{Attempt, Minted};
use crate::login::{LoginCode, SilentCode};
use crate::session::CarriedAll;
use crate::session::cookie;
use crate::user::User;

impl DingTalk {
    pub(super) async fn login(&self, head: &Head, carried: CarriedAll, asked: Asked) -> Reply {
        let carried: Vec<User> = carried
            .into_iter()
            .flatten()
            .map(|session| session.user)
            .collect();
        let attempt = match self.attempt(head, carried.clone(), asked) {
            Ok(attempt) => attempt,
            Err(failure) => return self.refuse(head, &failure),
        };
        let app = Arc::clone(&attempt.app);
        match self.0.logins.run(attempt).await {
            Ok(minted) => {
                let reply = Reply::json(
                    200,
                    &json!({
                        "user": minted.user.to_json(),
                        "return_to": self.0.origin.return_to(head.query(), self.base_path()),
                    }),
                );
                self.signed_in(head, reply, minted)
            }
            Err(error) => {
                let failure = Failure::from(error).for_app(app);
                let reply = self.refuse(head, &failure);
                let is_settled = failure.advice().status == 403;
                if !self.0.verify_on_open || !is_settled || carried.is_empty() {
                    return reply;
                }
                // The device is in the hands of somebody who may not use the app: whoever was here before is not shown to them.
                for user in &carried {
                    if let Err(error) = self.0.logins.end(user).await {
                        tracing::warn!(%error, "a session was removed from its browser and not revoked");
                    }
                }
                let jar = &self.0.sessions.jar;
                reply.with("set-cookie", jar.remove(jar.session()))
            }
        }
    }

    /// Adds a new session to a reply.
    pub(super) fn signed_in(&self, head: &Head, reply: Reply, minted: Minted) -> Reply {
        let Minted { user, cookie } = minted;
        tracing::info!(corp_id = ?user.corp_id(), person = ?user.id(), "signed in");
        let jar = &self.0.sessions.jar;
        let corp = jar.set(jar.corp(), user.corp_id(), Some(CORP_HINT_LIFE));
        let reply = reply
            .with("set-cookie", cookie)
            .with("set-cookie", corp)
            .with("set-cookie", jar.remove(jar.pre_login()));
        if self.is_signed_out(head) {
            reply.with("set-cookie", jar.remove(jar.signed_out()))
        } else {
            reply
        }
    }

    /// Reads what a login needs; nothing here calls anybody.
    fn attempt(&self, head: &Head, replaced: Vec<User>, asked: Asked) -> Result<Attempt, Failure> {
        let mut codes = head.headers(CODE_HEADER);
        let code = codes.next().ok_or(Failure::of(&catalogue::CODE_MISSING))?;
        if codes.next().is_some() {
            return Err(Failure::of(&catalogue::CODE_MISSING));
        }
        let code = SilentCode::parse(code).ok_or(Failure::of(&catalogue::CODE_MALFORMED))?;
        let app = self.app_of(head, asked)?;
        let browser = self.0.sessions.read_pre_login(head.headers("cookie"));
        Ok(Attempt {
            app,
            code: LoginCode::Silent(code),
            browser: browser.map(|mark| mark.browser),
            replaced,
        })
    }

    /// The app that a login is for.
    pub(super) fn app_of(&self, head: &Head, asked: Asked) -> Result<Arc<App>, Failure> {
        match asked {
            Asked::App(app) => Ok(app),
            Asked::Unknown => Err(Error::Refused(Refusal::UnknownCorp).into()),
            Asked::Fault(error) => Err(error.into()),
            Asked::Nothing => self
                .likely_app(head)
                .ok_or(Failure::of(&catalogue::CORP_UNCLEAR)),
        }
    }

    /// The app of a request that names no corp: the only one, or that of the browser's last login.
    pub(crate) fn likely_app(&self, head: &impl RequestHead) -> Option<Arc<App>> {
        self.0.corps.only().or_else(|| {
            let hint = cookie::values(head.headers("cookie"), self.0.sessions.jar.corp()).next()?;
            self.0.corps.find(std::str::from_utf8(hint).ok()?)
        })
    }

    pub(super) async fn logout(&self, head: &Head, carried: CarriedAll) -> Reply {
        for session in carried.iter().flatten() {
            if let Err(error) = self.0.logins.end(&session.user).await {
                return self.refuse(head, &error.into());
            }
            tracing::info!(corp_id = ?session.user.corp_id(), person = ?session.user.id(), "signed out");
        }
        let return_to = self.0.origin.return_to(head.query(), self.base_path());
        let reply = if Visitor::is_navigation(head) {
            Reply::new(303).with("location", return_to)
        } else {
            Reply::json(200, &json!({ "signed_out": true, "return_to": return_to }))
        };
        let jar = &self.0.sessions.jar;
        reply.with("set-cookie", jar.remove(jar.session())).with(
            "set-cookie",
            jar.set(jar.signed_out(), "1", Some(SIGNED_OUT_LIFE)),
        )
    }

    pub(super) fn me(&self, head: &Head, carried: CarriedAll, asked: Asked) -> Reply {
        match self.visit(carried, asked).require(head) {
            Ok(user) => Reply::json(200, &json!({ "user": user.to_json() })),
            Err(refused) => refused,
        }
    }
}

/// The header that a silent-login code comes in: out of URLs and logs, and no form of another site can send it.
const CODE_HEADER: &str = "x-dingtalk-auth-code";
/// Half a year: only a hint which corp to ask for.
const CORP_HINT_LIFE: Duration = Duration::from_secs(180 * 86_400);
/// How long a page load after a logout asks for no code by itself.
const SIGNED_OUT_LIFE: Duration = Duration::from_secs(600);
