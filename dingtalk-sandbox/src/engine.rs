//! The state that all calls share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    calls::Calls,
    clock::Clock,
    code::{Codes, Grant, SignInCode},
    envelope::Reply,
    fault::Faults,
    hold::Holds,
    rate::{AppRates, IpRates},
    signin::SignIns,
    token::Tokens,
    user_token::UserTokens,
    world::{App, Person, World},
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
    pub(crate) user_tokens: UserTokens,
    pub(crate) codes: Codes,
    pub(crate) sign_ins: SignIns,
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

    /// The app whose token it is, or for which a user's token was made.
    pub(crate) fn owner_of(&self, token: &str) -> Option<String> {
        let now = self.clock.elapsed();
        let state = self.state();
        let app = state.tokens.owner(token, now);
        let user = || state.user_tokens.bearer(token, now).ok();
        app.or_else(|| user().map(|bearer| bearer.app_key.as_str()))
            .map(str::to_owned)
    }

    /// Ends every token of the app, its users' too. Says how many there were.
    pub(crate) fn revoke_tokens(&self, app_key: &str) -> usize {
        let mut state = self.state();
        state.tokens.revoke(app_key) + state.user_tokens.revoke(app_key)
    }

    /// A silent-login code of this app for this person of its organisation.
    pub(crate) fn silent_code(&self, app_key: &str, user_id: &str) -> Result<String, Unknown> {
        let (_, person) = self.app_and_person(app_key, user_id)?;
        let grant = Grant::Silent {
            corp_id: person.corp_id.clone(),
            user_id: person.user_id.clone(),
        };
        Ok(self.mint(app_key, grant))
    }

    /// The app, and the person of its organisation.
    pub(crate) fn app_and_person(
        &self,
        app_key: &str,
        user_id: &str,
    ) -> Result<(&App, &Person), Unknown> {
        let app = self
            .world
            .app(app_key)
            .ok_or_else(|| Unknown::App(app_key.to_owned()))?;
        Ok((app, self.member(&app.corp_id, user_id)?))
    }

    /// A code of a sign-in in a browser.
    pub(crate) fn sign_in_code(&self, wanted: &SignInCode) -> Result<String, Unknown> {
        let world = &self.world;
        let key = &wanted.app;
        let app = || Unknown::App(key.clone());
        let own_corp = if wanted.is_legacy {
            &world.sign_in_app(key).ok_or_else(app)?.corp_id
        } else {
            &world.app(key).ok_or_else(app)?.corp_id
        };
        let union_id = wanted.union_id.clone();
        if world.account(&union_id).is_none() {
            return Err(Unknown::Account(union_id));
        }
        if let Some(corp_id) = &wanted.corp_id
            && !world.corps.iter().any(|corp| corp.corp_id == *corp_id)
        {
            return Err(Unknown::Corp(corp_id.clone()));
        }
        if wanted.is_legacy {
            return Ok(self.mint(key, Grant::Sns { union_id }));
        }
        let is_member = |corp_id: &str| {
            world
                .memberships(&union_id)
                .any(|person| person.corp_id == corp_id)
        };
        let corp_id = wanted
            .corp_id
            .as_ref()
            .or_else(|| is_member(own_corp).then_some(own_corp))
            .filter(|_| {
                wanted
                    .scope
                    .split_ascii_whitespace()
                    .any(|word| word == "corpid")
            })
            .cloned();
        Ok(self.mint(key, Grant::Web { union_id, corp_id }))
    }

    /// The person of this organisation.
    pub(crate) fn member(&self, corp_id: &str, user_id: &str) -> Result<&Person, Unknown> {
        self.world
            .person(corp_id, user_id)
            .ok_or_else(|| Unknown::Person {
                user_id: user_id.to_owned(),
                corp_id: corp_id.to_owned(),
            })
    }

    fn mint(&self, app_key: &str, grant: Grant) -> String {
        let expires = self.clock.elapsed() + Duration::from_secs(self.world.code_seconds);
        self.state().codes.mint(app_key, grant, expires)
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
    /// No app of that kind has this key.
    #[error("no app of this world has the key `{0}`")]
    App(String),
    /// No organisation has this corp id.
    #[error("no organisation of this world has the corp_id `{0}`")]
    Corp(String),
    /// No account has this union id.
    #[error("no account of this world has the union_id `{0}`")]
    Account(String),
    /// No sign-in with this id waits for a phone.
    #[error("no sign-in waits with the id `{0}`")]
    SignIn(String),
    /// Nobody in the organisation has this user id.
    #[error("nobody in the organisation `{corp_id}` has the user_id `{user_id}`")]
    Person {
        /// The user id.
        user_id: String,
        /// The organisation.
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
