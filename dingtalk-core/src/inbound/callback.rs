//! `GET callback`: the way back from DingTalk's sign-in page.

use std::sync::Arc;
use std::time::Duration;

use url::form_urlencoded;

use super::own_path::OwnPath;
use super::reply::{Failure, Reply};
use super::request::{Head, RequestHead, Visitor};
use crate::DingTalk;
use crate::error::Error;
use crate::error::catalogue::{self, Advice};
use crate::login::app::App;
use crate::login::exchange::Attempt;
use crate::login::{LoginCode, SnsCode, WebCode};
use crate::session::CarriedAll;
use crate::session::state::{Returned, Way};

/// What the query of a callback says. Everything else in it is nobody's business, and nothing of it is ever shown.
struct Query {
    /// Nothing if it stands twice.
    state: Option<String>,
    code: Option<String>,
    is_declined: bool,
    /// Something that stands twice, or contradicts itself.
    is_odd: bool,
}

impl DingTalk {
    /// Takes a sign-in's state, once, and only in the browser that began it; then trades the code.
    pub(super) async fn callback(&self, head: &Head, carried: CarriedAll) -> Reply {
        let query = Query::read(head.query().unwrap_or_default());
        let Some(state) = query.state.as_deref() else {
            return self.refuse_unknown(head, &catalogue::CALLBACK_MALFORMED);
        };
        let jar = &self.0.sessions.jar;
        let returned = self.0.states.open(state, jar, head.headers("cookie"));
        let Some((returned, app)) = returned.and_then(|returned| {
            let app = self.app_of_state(&returned)?;
            Some((returned, app))
        }) else {
            return self.refuse_unknown(head, &catalogue::STATE_INVALID);
        };
        if !returned.is_from_here {
            return self.refuse_elsewhere(head, &query, &returned, &app);
        }
        let way = returned.state.way.name();
        let again = self.login_to(&app, Some(way), &returned.state.return_to);
        let is_first = match self.take(&returned).await {
            Ok(is_first) => is_first,
            // Nothing was taken: the very same callback may come again.
            Err(error) => {
                let failure = Failure::from(error).for_app(app);
                return self.refuse_sign_in(head, &failure, again);
            }
        };
        let traded = self.trade(head, &query, &returned, is_first, &app, carried);
        let reply = match traded.await {
            Ok(reply) => reply,
            Err(failure) => self.refuse_sign_in(head, &failure.for_app(app), again),
        };
        self.0
            .states
            .removals(&returned, jar, head.headers("cookie"))
            .into_iter()
            .fold(reply, |reply, removal| reply.with("set-cookie", removal))
    }

    /// What comes back to another browser than the one that began it: nothing is taken.
    fn refuse_elsewhere(
        &self,
        head: &Head,
        query: &Query,
        returned: &Returned,
        app: &App,
    ) -> Reply {
        if Visitor::of(head).is_in_client {
            // The phone opened the client in the browser's place: it signs in by itself, unless somebody said no, and the code is
            // left alone.
            let silently = self.login_to(app, None, &returned.state.return_to);
            return if query.is_declined {
                let declined = Failure::of(&catalogue::SIGN_IN_DECLINED);
                self.refuse_sign_in(head, &declined, silently)
            } else {
                Reply::new(303).with("location", silently)
            };
        }
        // A browser drops its cookie when the state is over.
        let advice = if returned.is_expired {
            &catalogue::STATE_EXPIRED
        } else {
            &catalogue::STATE_ELSEWHERE
        };
        let way = returned.state.way.name();
        let again = self.login_to(app, Some(way), &returned.state.return_to);
        self.refuse_sign_in(head, &Failure::of(advice), again)
    }

    /// Takes a state that is not over; says whether it was there to be taken. A used one waits for no turn and takes none.
    async fn take(&self, returned: &Returned) -> Result<bool, Error> {
        if returned.is_expired {
            return Ok(false);
        }
        let (key, life) = returned.claim();
        let once = &self.0.logins.once;
        if once.is_taken("state", &key).await? {
            return Ok(false);
        }
        // Each leaves an entry in the store for some minutes: so many at once are nobody's sign-ins.
        self.0.callbacks.turn("callback", Duration::ZERO).await?;
        Ok(once.take("state", key, life).await?.is_some())
    }

    async fn trade(
        &self,
        head: &Head,
        query: &Query,
        returned: &Returned,
        is_first: bool,
        app: &Arc<App>,
        carried: CarriedAll,
    ) -> Result<Reply, Failure> {
        if returned.is_expired {
            return Err(Failure::of(&catalogue::STATE_EXPIRED));
        }
        if !is_first {
            return Err(Failure::of(&catalogue::STATE_USED));
        }
        if query.is_odd {
            return Err(Failure::of(&catalogue::CALLBACK_MALFORMED));
        }
        if query.is_declined {
            return Err(Failure::of(&catalogue::SIGN_IN_DECLINED));
        }
        let code = query.code.as_deref().unwrap_or_default();
        let code = code_of(returned.state.way, code.as_bytes());
        let minted = self
            .0
            .logins
            .run(Attempt {
                app: Arc::clone(app),
                code: code.ok_or(Failure::of(&catalogue::CALLBACK_MALFORMED))?,
                // Nobody shares the result: its state works once.
                browser: None,
                replaced: carried
                    .into_iter()
                    .flatten()
                    .map(|session| session.user)
                    .collect(),
            })
            .await?;
        let reply = Reply::new(303).with("location", &*returned.state.return_to);
        Ok(self.signed_in(head, reply, minted))
    }

    /// The app that a state is for, if everything in it is as we would make it today.
    fn app_of_state(&self, returned: &Returned) -> Option<Arc<App>> {
        let state = &returned.state;
        let app = self.0.corps.find(&state.corp_id)?;
        let is_ours = *app.app_key == *state.app_key
            && app.id_at(state.way) == Some(&*state.app_id)
            && state.redirect_uri == self.own_url(OwnPath::Callback);
        is_ours.then_some(app)
    }

    /// Nothing tells which sign-in this was: a new one begins at the app's first page.
    fn refuse_unknown(&self, head: &Head, advice: &'static Advice) -> Reply {
        let failure = Failure::of(advice);
        let Some(app) = self.web_app(head, &failure) else {
            return self.refuse(head, &failure);
        };
        let first_page = self.0.origin.return_to(None, self.base_path());
        let again = self.login_to(&app, None, &first_page);
        self.refuse_sign_in(head, &failure, again)
    }
}

impl Query {
    fn read(query: &str) -> Self {
        let said = |name: &str| {
            let mut values = form_urlencoded::parse(query.as_bytes())
                .filter(|(said, _)| said == name)
                .map(|(_, value)| value.into_owned());
            (values.next(), values.next().is_some())
        };
        let [state, code, auth_code, error] = ["state", "code", "authCode", "error"].map(said);
        let is_contradicted =
            matches!((&code.0, &auth_code.0), (Some(one), Some(other)) if one != other);
        Self {
            state: state.0.filter(|_| !state.1),
            is_declined: error.0.is_some(),
            is_odd: is_contradicted || code.1 || auth_code.1 || error.1,
            code: auth_code.0.or(code.0),
        }
    }
}

fn code_of(way: Way, code: &[u8]) -> Option<LoginCode> {
    match way {
        Way::Web | Way::Embedded => WebCode::parse(code).map(LoginCode::Web),
        Way::LegacyQr | Way::LegacyPassword => SnsCode::parse(code).map(LoginCode::Sns),
    }
}
