//! The order of checks: token, IP, permission, calls per second, code. What refuses early spends nothing.

use std::time::Duration;

use dingtalk_sandbox::{Fault, route};
use serde_json::json;

use crate::{
    EXPENSES, HR, ask_token, client::post, frozen, getuserinfo, last_outcome, token, user_get,
};

#[tokio::test]
async fn every_earlier_check_wins_over_the_later_ones() {
    // The app fails IP, permission and calls per second at once; each is mended in turn.
    let everything_wrong = |world: &mut dingtalk_sandbox::World| {
        world.apps[0].allowed_ips = vec!["203.0.113.9".to_owned()];
        world.apps[0].permissions.clear();
    };
    let elsewhere = frozen(everything_wrong).await;
    assert_eq!(
        getuserinfo(&elsewhere, "bad", "bad").await.json()["sub_code"],
        "40014"
    );
    assert_eq!(
        ask_token(&elsewhere, HR).await.json()["code"],
        "Forbidden.AccessDenied.IpNotInWhiteList"
    );
    assert_eq!(
        ask_token(&elsewhere, (HR.0, "x")).await.json()["code"],
        "invalidClientIdOrSecret"
    );

    let unpermitted = frozen(|world| {
        world.apps[0].permissions.clear();
        world.apps[0].calls_per_second = 1;
    })
    .await;
    let hr = token(&unpermitted, HR).await;
    for _ in 0..3 {
        assert_eq!(
            getuserinfo(&unpermitted, &hr, "bad").await.json()["sub_code"],
            "60011"
        );
    }

    let busy = frozen(|world| world.apps[0].calls_per_second = 1).await;
    let hr = token(&busy, HR).await;
    assert_eq!(
        getuserinfo(&busy, &hr, "bad").await.json()["errcode"],
        40078
    );
    assert_eq!(
        getuserinfo(&busy, &hr, "bad").await.json()["sub_code"],
        "90018"
    );
}

#[tokio::test]
async fn a_refusal_before_the_code_leaves_the_code_whole() {
    let sandbox = frozen(|world| world.apps[0].calls_per_second = 1).await;
    let code = sandbox.code(HR.0, "lina02");
    let hr = token(&sandbox, HR).await;
    getuserinfo(&sandbox, "bad", &code).await;
    getuserinfo(&sandbox, &hr, "nonsense").await;
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["sub_code"],
        "90018"
    );
    sandbox.clock().advance(Duration::from_secs(1));
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["result"]["userid"],
        "lina02"
    );
}

#[tokio::test]
async fn calls_per_second_are_counted_in_a_sliding_second() {
    let sandbox = frozen(|world| world.apps[0].calls_per_second = 3).await;
    let hr = token(&sandbox, HR).await;
    let half = Duration::from_millis(500);
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        user_get(&sandbox, &hr, "lina02").await;
        outcomes.push(last_outcome(&sandbox));
    }
    sandbox.clock().advance(half);
    user_get(&sandbox, &hr, "lina02").await;
    outcomes.push(last_outcome(&sandbox));
    sandbox.clock().advance(half);
    user_get(&sandbox, &hr, "lina02").await;
    outcomes.push(last_outcome(&sandbox));
    assert_eq!(outcomes, ["ok", "ok", "ok", "88/90018", "88/90018", "ok"]);
    // Another API of the same app has its own count.
    assert_eq!(
        getuserinfo(&sandbox, &hr, "x").await.json()["errcode"],
        40078
    );
}

#[tokio::test]
async fn the_limit_is_twenty_a_second_unless_the_world_says_otherwise() {
    let sandbox = frozen(|_| {}).await;
    for _ in 0..20 {
        assert_eq!(ask_token(&sandbox, HR).await.status(), 200);
    }
    let refused = ask_token(&sandbox, HR).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(
        last_outcome(&sandbox),
        "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"
    );
    assert_eq!(ask_token(&sandbox, EXPENSES).await.status(), 200);
}

#[tokio::test]
async fn an_address_that_calls_too_often_is_shut_out_of_everything() {
    let sandbox = frozen(|world| world.calls_per_ip = 2).await;
    ask_token(&sandbox, HR).await;
    ask_token(&sandbox, HR).await;
    let banned = post(&sandbox, "/topapi/v2/user/get", &json!({}))
        .await
        .json();
    assert_eq!(
        (&banned["status"], &banned["wait"], &banned["punish"]),
        (&json!(1111), &json!(5), &json!("deny"))
    );
    assert!(banned.get("errcode").is_none() && banned.get("code").is_none());
    sandbox.clock().advance(Duration::from_secs(241));
    assert_eq!(ask_token(&sandbox, HR).await.json()["wait"], 1);
    sandbox.clock().advance(Duration::from_secs(59));
    assert_eq!(ask_token(&sandbox, HR).await.status(), 200);
}

#[tokio::test]
async fn a_fault_before_the_call_leaves_the_code_whole_and_one_after_spends_it() {
    let sandbox = frozen(|_| {}).await;
    let hr = token(&sandbox, HR).await;
    let busy = Fault::errcode(-1).on(route::GETUSERINFO).times(1);

    let code = sandbox.code(HR.0, "lina02");
    sandbox.fault(busy.clone());
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["errcode"],
        -1
    );
    assert_eq!(getuserinfo(&sandbox, &hr, &code).await.json()["errcode"], 0);

    let code = sandbox.code(HR.0, "lina02");
    sandbox.fault(busy.after());
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["errcode"],
        -1
    );
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["errcode"],
        40078
    );
}
