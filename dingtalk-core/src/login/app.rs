//! One app in one corp, as it runs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use url::Url;

use super::legacy_sign_in::LegacyPage;
use super::web_sign_in::Frame;
use super::{InternalApp, LegacySignIn, LoginCode, LoginFlow, WebSignIn};
use crate::api::{Api, AppCredentials, CallFailure, GrantedToken};
use crate::clock::Time;
use crate::endpoint::Endpoints;
use crate::error::Error;
use crate::error::code::Class;
use crate::pace::Pace;
use crate::random::jittered;
use crate::session::state::Way;
use crate::token::TokenSlot;

/// One app in one corp, as it runs.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) corp_id: Arc<str>,
    pub(crate) app_key: Arc<str>,
    pub(crate) credentials: AppCredentials,
    pub(crate) token: TokenSlot,
    /// For silent-login codes.
    pub(crate) flow: Arc<dyn LoginFlow>,
    /// The flow is the app's own, and so is whom it lets in.
    has_own_flow: bool,
    pub(crate) web_sign_in: Option<Arc<WebSignIn>>,
    pub(crate) legacy_sign_in: Option<Arc<LegacySignIn>>,
    pub(crate) turns: Turns,
}

/// The turns at each API.
#[derive(Debug)]
pub(crate) struct Turns {
    pub(crate) getuserinfo: Pace,
    pub(crate) user_get: Pace,
    /// For codes.
    pub(crate) user_access_token: Pace,
    /// For renewals only, so that no number of junk codes keeps people's own tokens from them.
    pub(crate) user_token_renewal: Pace,
    pub(crate) users_me: Pace,
    pub(crate) getuserinfo_bycode: Pace,
    pub(crate) getbyunionid: Pace,
}

/// Where a sign-in begins.
pub(crate) enum SignInPage<'a> {
    /// The address of a page of DingTalk's.
    DingTalks(Url),
    /// A page of ours with DingTalk's in a frame.
    Ours(Frame<'a>),
}

impl App {
    /// Gives a configured app its token, its turns and its flow.
    pub(crate) fn run(
        mut app: InternalApp,
        api: &Api,
        time: &Time,
        limit: Duration,
        calls_per_second: usize,
    ) -> Self {
        let credentials = app.credentials.clone();
        let corp_id = Arc::clone(&credentials.corp_id);
        let app_key = Arc::clone(&credentials.app_key);
        let fetch = {
            let (api, time, credentials) = (api.clone(), time.clone(), credentials.clone());
            move |retries| -> BoxFuture<'static, Result<GrantedToken, Error>> {
                let (api, time, credentials) = (api.clone(), time.clone(), credentials.clone());
                Box::pin(async move { fetch_token(&api, &time, &credentials, retries).await })
            }
        };
        let web_sign_in = app.web_sign_in.take().map(Arc::new);
        let keeps_user_token = web_sign_in
            .as_ref()
            .is_some_and(|web| web.keeps_user_token());
        let legacy_sign_in = app.legacy_sign_in.take().map(Arc::new);
        let has_own_flow = app.flow.is_some();
        let flow: Arc<dyn LoginFlow> = match app.flow.clone() {
            Some(flow) => flow,
            None => Arc::new(app),
        };
        Self {
            token: TokenSlot::new(Arc::clone(&corp_id), time.clone(), limit, Box::new(fetch)),
            corp_id,
            app_key,
            credentials,
            flow,
            has_own_flow,
            web_sign_in,
            legacy_sign_in,
            turns: Turns::new(time, calls_per_second, keeps_user_token),
        }
    }

    /// The way in outside the client that is taken where none is named.
    pub(crate) fn way(&self) -> Option<Way> {
        [Way::Embedded, Way::Web, Way::LegacyQr]
            .into_iter()
            .find(|way| self.id_at(*way).is_some())
    }

    /// As whom DingTalk's page of a way in knows the app; nothing where it has no such way.
    pub(crate) fn id_at(&self, way: Way) -> Option<&str> {
        match way {
            Way::Web => self.web_sign_in.as_ref().map(|_| &*self.app_key),
            Way::Embedded => self
                .web_sign_in
                .as_ref()
                .filter(|web| web.is_embedded())
                .map(|_| &*self.app_key),
            Way::LegacyQr | Way::LegacyPassword => {
                self.legacy_sign_in.as_ref().map(|legacy| legacy.app_id())
            }
        }
    }

    /// Whether it lets accounts in of which nothing says that they belong to the corp: on the web by the settings, in the client by
    /// the app's own flow.
    pub(crate) fn admits_accounts(&self, is_from_web: bool) -> bool {
        if !is_from_web {
            return self.has_own_flow;
        }
        let by_web = self.web_sign_in.as_ref();
        let by_legacy = self.legacy_sign_in.as_ref();
        by_web.is_some_and(|web| web.is_for_anyone())
            || by_legacy.is_some_and(|legacy| legacy.is_for_anyone())
    }

    pub(crate) fn keeps_user_token(&self) -> bool {
        self.web_sign_in
            .as_ref()
            .is_some_and(|web| web.keeps_user_token())
    }

    /// Where a way in begins; nothing where the app has no such way.
    pub(crate) fn page(
        &self,
        way: Way,
        endpoints: &Endpoints,
        redirect_uri: &str,
        state: &str,
    ) -> Option<SignInPage<'_>> {
        let web = self.web_sign_in.as_ref();
        let legacy = |page| {
            let legacy = self.legacy_sign_in.as_ref()?;
            Some(legacy.page(page, endpoints, redirect_uri, state))
        };
        match way {
            Way::Web => {
                let page = web?.page(endpoints, &self.app_key, redirect_uri, state);
                Some(SignInPage::DingTalks(page))
            }
            Way::Embedded => {
                let frame = web?.frame(&self.corp_id, &self.app_key, redirect_uri, state);
                frame.map(SignInPage::Ours)
            }
            Way::LegacyQr => legacy(LegacyPage::Qr).map(SignInPage::DingTalks),
            Way::LegacyPassword => legacy(LegacyPage::Password).map(SignInPage::DingTalks),
        }
    }

    /// The flow that a code is for, if this app has it.
    pub(crate) fn flow_of(&self, code: &LoginCode) -> Option<Arc<dyn LoginFlow>> {
        match code {
            LoginCode::Silent(_) => Some(Arc::clone(&self.flow)),
            LoginCode::Web(_) => self.web_sign_in.clone().map(|flow| flow as _),
            LoginCode::Sns(_) => self.legacy_sign_in.clone().map(|flow| flow as _),
        }
    }
}

impl Turns {
    fn new(time: &Time, calls: usize, keeps_user_token: bool) -> Self {
        let pace = |calls| Pace::new(time.clone(), calls);
        let renewals = if keeps_user_token {
            renewals_of(calls)
        } else {
            0
        };
        Self {
            getuserinfo: pace(calls),
            user_get: pace(calls),
            user_access_token: pace(calls - renewals),
            user_token_renewal: pace(renewals),
            users_me: pace(calls),
            getuserinfo_bycode: pace(calls),
            getbyunionid: pace(calls),
        }
    }
}

/// How many of the calls a second that userAccessToken has are kept for renewals: a quarter, and one at least where codes still
/// have one.
fn renewals_of(calls: usize) -> usize {
    (calls / 4).max(1).min(calls.saturating_sub(1))
}

/// Fetching a token may run twice, so a passing fault or a stale connection is met by trying again.
async fn fetch_token(
    api: &Api,
    time: &Time,
    app: &AppCredentials,
    retries: u32,
) -> Result<GrantedToken, Error> {
    let mut left = retries;
    loop {
        let CallFailure { error, .. } = match api.fetch_app_token(app).await {
            Ok(granted) => return Ok(granted),
            Err(failure) => failure,
        };
        let is_passing = match &error {
            Error::Rejected(rejected) => {
                matches!(rejected.class(), Class::Transient | Class::Throttled)
            }
            Error::Unexpected { status, .. } => *status >= 500,
            error => error.is_retryable(),
        };
        let pause = error
            .retry_after()
            .unwrap_or_else(|| jittered(TOKEN_PAUSE, 0.0));
        if left == 0 || !is_passing || pause > LONGEST_RETRY_AFTER {
            return Err(error);
        }
        left -= 1;
        time.sleep(pause).await;
    }
}

const TOKEN_PAUSE: Duration = Duration::from_secs(1);
/// DingTalk's word for when to come back is kept up to here; beyond, the failure is told.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::clock::tests::SetClock;

    /// L2
    #[test]
    fn codes_and_renewals_share_the_calls_of_one_api() {
        let at_once = |pace: &Pace| {
            let turns = std::iter::repeat_with(|| pace.turn("", Duration::ZERO).now_or_never());
            turns
                .take_while(|turn| matches!(turn, Some(Ok(()))))
                .count()
        };
        for (calls, keeps, codes, renewals) in [
            (20, false, 20, 0),
            (20, true, 15, 5),
            (8, true, 6, 2),
            (3, true, 2, 1),
            (2, true, 1, 1),
            (1, true, 1, 0),
        ] {
            let turns = Turns::new(&Time::new(SetClock::new()), calls, keeps);
            let shares = [&turns.user_access_token, &turns.user_token_renewal].map(at_once);
            assert_eq!(shares, [codes, renewals], "of {calls}");
        }
    }
}
