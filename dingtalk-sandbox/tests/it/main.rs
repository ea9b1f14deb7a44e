//! The sandbox from outside: over sockets, and through its library calls.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod accounts;
mod checks;
mod client;
mod client_page;
mod control;
mod endpoints;
mod faults;
mod holds;
mod page;
mod samples;
mod signin;
mod sns;

use dingtalk_sandbox::{Clock, Sandbox, World};
use serde_json::json;

use crate::client::{Answer, post};

/// Names of the built-in world.
const XIHU: &str = "ding0a1b2c3d4e5f6a7b";
const YUNQI: &str = "ding9f8e7d6c5b4a3f2e";
const HR: (&str, &str) = ("dinghr0000000000001", "hr-secret-0000000000000000000001");
const EXPENSES: (&str, &str) = ("dingexpense00000002", "expense-secret-00000000000000002");
const WAREHOUSE: (&str, &str) = ("dingwarehouse000003", "warehouse-secret-000000000000003");

/// A sandbox whose time stands still, with the built-in world after `change`.
async fn frozen(change: impl FnOnce(&mut World)) -> Sandbox {
    let mut world = World::default();
    change(&mut world);
    Sandbox::builder()
        .world(world)
        .clock(Clock::manual())
        .start()
        .await
        .unwrap()
}

async fn ask_token(sandbox: &Sandbox, (key, secret): (&str, &str)) -> Answer {
    post(
        sandbox,
        "/v1.0/oauth2/accessToken",
        &json!({"appKey": key, "appSecret": secret}),
    )
    .await
}

async fn token(sandbox: &Sandbox, app: (&str, &str)) -> String {
    ask_token(sandbox, app).await.json()["accessToken"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn getuserinfo(sandbox: &Sandbox, token: &str, code: &str) -> Answer {
    post(
        sandbox,
        &format!("/topapi/v2/user/getuserinfo?access_token={token}"),
        &json!({"code": code}),
    )
    .await
}

async fn user_get(sandbox: &Sandbox, token: &str, user_id: &str) -> Answer {
    post(
        sandbox,
        &format!("/topapi/v2/user/get?access_token={token}"),
        &json!({"userid": user_id}),
    )
    .await
}

async fn getbyunionid(sandbox: &Sandbox, token: &str, union_id: &str) -> Answer {
    post(
        sandbox,
        &format!("/topapi/user/getbyunionid?access_token={token}"),
        &json!({"unionid": union_id}),
    )
    .await
}

/// The outcome of the latest call, as the list of calls has it.
fn last_outcome(sandbox: &Sandbox) -> String {
    sandbox.calls().last().unwrap().outcome.clone()
}
