//! The state that all calls share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    calls::Calls,
    clock::Clock,
    code::{CodeKind, Codes},
    envelope::Reply,
    fault::Faults,
    hold::Holds,
    rate::{AppRates, IpRates},
    token::Tokens,
    world::World,
};

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) world: World,
    pub(crate) clock: Clock,
    pub(crate) holds: Holds,
    state: Mutex<State>,
    faults: Mutex<Faults>,
    calls: Mutex<Calls>,
}

/// What the order of checks reads and changes, under one lock.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) tokens: Tokens,
    pub(crate) codes: Codes,
    pub(crate) app_rates: AppRates,
    pub(crate) ip_rates: IpRates,
}

impl Engine {
    pub(crate) fn new(world: World, clock: Clock) -> Self {
        Self {
            world,
            clock,
            holds: Holds::default(),
            state: Mutex::default(),
            faults: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn owner_of(&self, token: &str) -> Option<String> {
        self.state()
            .tokens
            .owner(token, self.clock.elapsed())
            .map(str::to_owned)
    }

    /// A code of this app's organisation for this person.
    pub(crate) fn mint(
        &self,
        kind: CodeKind,
        app_key: &str,
        user_id: &str,
    ) -> Result<String, Unknown> {
        let app = self
            .world
            .app(app_key)
            .ok_or_else(|| Unknown::App(app_key.to_owned()))?;
        let corp_id = &app.corp_id;
        if self.world.person(corp_id, user_id).is_none() {
            return Err(Unknown::Person {
                user_id: user_id.to_owned(),
                corp_id: corp_id.clone(),
            });
        }
        let expires = self.clock.elapsed() + Duration::from_secs(self.world.code_seconds);
        Ok(self
            .state()
            .codes
            .mint(kind, app_key, corp_id, user_id, expires))
    }

    pub(crate) fn begin_call(
        self: &Arc<Self>,
        route: &str,
        app_key: Option<&str>,
        corp_id: Option<&str>,
    ) -> OpenCall {
        let number = self
            .calls()
            .begin(route, app_key, corp_id, self.clock.now());
        OpenCall {
            engine: self.clone(),
            number,
            since: self.clock.elapsed(),
        }
    }
}

/// Somebody who is not in the world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unknown {
    /// No app has this key.
    #[error("no app of this world has the app_key `{0}`")]
    App(String),
    /// Nobody in the app's organisation has this user id.
    #[error("nobody in the organisation `{corp_id}` has the user_id `{user_id}`")]
    Person {
        /// The user id.
        user_id: String,
        /// The app's organisation.
        corp_id: String,
    },
}

/// A call that is being answered. Dropped before it is finished, the caller hung up.
#[derive(Debug)]
pub(crate) struct OpenCall {
    engine: Arc<Engine>,
    number: u64,
    since: Duration,
}

impl OpenCall {
    pub(crate) fn finish(self, reply: &Reply, faults: Vec<&'static str>) {
        let took = self.engine.clock.elapsed().saturating_sub(self.since);
        self.engine.calls().update(self.number, |call| {
            tracing::info!(
                number = call.number,
                app = call.app_key.as_deref().unwrap_or("-"),
                outcome = reply.outcome,
                detail = reply.detail.as_deref(),
                "{}",
                call.route
            );
            call.outcome.clone_from(&reply.outcome);
            call.detail.clone_from(&reply.detail);
            call.faults = faults;
            call.took = Some(took);
        });
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.engine.calls().gone(self.number);
    }
}
