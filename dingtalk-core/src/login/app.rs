//! One app in one corp, as it runs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{InternalApp, LoginFlow};
use crate::api::{Api, AppCredentials, CallFailure, GrantedToken};
use crate::clock::Time;
use crate::error::Error;
use crate::error::code::Class;
use crate::pace::Pace;
use crate::random::jittered;
use crate::token::TokenSlot;

/// One app in one corp, as it runs.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) corp_id: Arc<str>,
    pub(crate) app_key: Arc<str>,
    pub(crate) token: TokenSlot,
    pub(crate) flow: Arc<dyn LoginFlow>,
    pub(crate) exchange_pace: Pace,
    pub(crate) details_pace: Pace,
}

impl App {
    /// Gives a configured app its token, its turns and its flow.
    pub(crate) fn run(
        app: InternalApp,
        api: &Api,
        time: &Time,
        limit: Duration,
        calls_per_second: usize,
    ) -> Self {
        let credentials = app.credentials.clone();
        let corp_id = Arc::clone(&credentials.corp_id);
        let app_key = Arc::clone(&credentials.app_key);
        let fetch = {
            let (api, time) = (api.clone(), time.clone());
            move |retries| -> BoxFuture<'static, Result<GrantedToken, Error>> {
                let (api, time, credentials) = (api.clone(), time.clone(), credentials.clone());
                Box::pin(async move { fetch_token(&api, &time, &credentials, retries).await })
            }
        };
        let flow: Arc<dyn LoginFlow> = match app.flow.clone() {
            Some(flow) => flow,
            None => Arc::new(app),
        };
        Self {
            token: TokenSlot::new(Arc::clone(&corp_id), time.clone(), limit, Box::new(fetch)),
            corp_id,
            app_key,
            flow,
            exchange_pace: Pace::new(time.clone(), calls_per_second),
            details_pace: Pace::new(time.clone(), calls_per_second),
        }
    }
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
