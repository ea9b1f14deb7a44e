//! The phone that scans a sign-in's QR code: as a page, and for tests that have no finger.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    STEP, Visit,
    page::Shown,
    pending::{SignIn, Stage},
    request::{Flow, Query},
};
use crate::{engine::Engine, engine::Unknown};

/// A sign-in whose QR code waits to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingSignIn {
    /// What its QR code carries.
    pub id: String,
    /// `app_key`, or `appid` of the older pages.
    pub app: String,
    /// `web`, or `sns` for the older pages.
    pub flow: &'static str,
    /// `waiting`, `scanned`, `done` when the browser can go on, `failed` when it is shown why not.
    pub status: &'static str,
    /// Where its browser goes on, on the sandbox: the page asks by itself.
    pub next: String,
}

impl PendingSignIn {
    fn of(sign_in: &SignIn) -> Self {
        Self {
            id: sign_in.id.clone(),
            app: sign_in.wanted.app.clone(),
            flow: if sign_in.wanted.flow == Flow::Web {
                "web"
            } else {
                "sns"
            },
            status: sign_in.stage.name(),
            next: format!("{STEP}{}", sign_in.key),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({"id": self.id, "app": self.app, "flow": self.flow, "status": self.status, "next": self.next})
    }
}

impl Stage {
    /// As the waiting page and the control API name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Scanned => "scanned",
            Self::Known { .. } | Self::Ended(_) => "done",
            Self::Failed(_) => "failed",
        }
    }
}

/// Those that wait, oldest first.
pub(crate) fn list(engine: &Engine) -> Vec<PendingSignIn> {
    let now = engine.clock.elapsed();
    let state = engine.state();
    let open = state.sign_ins.open(now);
    open.into_iter().map(PendingSignIn::of).collect()
}

/// Scans and confirms for this account.
pub(crate) fn confirm(engine: &Engine, id: &str, union_id: &str) -> Result<PendingSignIn, Unknown> {
    if engine.world.account(union_id).is_none() {
        return Err(Unknown::Account(union_id.to_owned()));
    }
    act(engine, id, |sign_in| {
        sign_in.know(&engine.world, union_id, true);
    })
}

/// Scans and says no.
pub(crate) fn refuse(engine: &Engine, id: &str) -> Result<PendingSignIn, Unknown> {
    act(engine, id, SignIn::refuse)
}

fn act(
    engine: &Engine,
    id: &str,
    answer: impl FnOnce(&mut SignIn),
) -> Result<PendingSignIn, Unknown> {
    let now: Duration = engine.clock.elapsed();
    let mut state = engine.state();
    let sign_in = state.sign_ins.of_phone(id, now);
    let sign_in = sign_in.ok_or_else(|| Unknown::SignIn(id.to_owned()))?;
    answer(sign_in);
    Ok(PendingSignIn::of(sign_in))
}

impl Visit<'_> {
    /// The code was scanned: whose phone is it, and do they mean it?
    pub(super) fn scan(&self, id: &str) -> Shown {
        let now = self.engine.clock.elapsed();
        let mut state = self.engine.state();
        match state.sign_ins.of_phone(id, now) {
            Some(sign_in) => {
                sign_in.stage = Stage::Scanned;
                self.page.phone(sign_in)
            }
            None => self.page.phone_over(),
        }
    }

    pub(super) fn answer_phone(&self, id: &str, form: &Query) -> Shown {
        let field = |name: &str| form.one(name).ok().flatten().unwrap_or_default();
        let answered = match field("answer") {
            "confirm" => confirm(self.engine, id, field("union_id")),
            "refuse" => refuse(self.engine, id),
            _ => return self.scan(id),
        };
        match answered {
            Ok(sign_in) => self.page.phone_done(&sign_in, field("answer") == "confirm"),
            Err(Unknown::Account(_)) => self.scan(id),
            Err(_) => self.page.phone_over(),
        }
    }
}
