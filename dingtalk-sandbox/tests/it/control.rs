//! The control API, over HTTP as a script or the page uses it.

use std::time::Duration;

use dingtalk_sandbox::{World, route};
use serde_json::{Value, json};

use crate::{
    HR, WAREHOUSE, XIHU, YUNQI,
    client::{Answer, FORM, JSON, get, post, send},
    frozen, getuserinfo, last_outcome, token, user_get,
};

fn error(answer: &Answer) -> String {
    answer.json()["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_world_is_shown_with_its_secrets() {
    let sandbox = frozen(|_| {}).await;
    let shown: World =
        serde_json::from_value(get(&sandbox, "/sandbox/world").await.json()).unwrap();
    assert_eq!(&shown, sandbox.world());
}

#[tokio::test]
async fn a_code_can_be_asked_for() {
    let sandbox = frozen(|_| {}).await;
    let body = json!({"flow": "silent", "corp_id": XIHU, "user_id": "lina02", "app": HR.0});
    let answer = post(&sandbox, "/sandbox/codes", &body).await.json();
    let hr = token(&sandbox, HR).await;
    let code = answer["code"].as_str().unwrap();
    assert_eq!(
        getuserinfo(&sandbox, &hr, code).await.json()["result"]["userid"],
        "lina02"
    );
}

#[tokio::test]
async fn bad_input_is_told_which_field_and_what_is_allowed() {
    let sandbox = frozen(|_| {}).await;
    for (path, body, expected) in [
        (
            "codes",
            json!({"app": HR.0}),
            "user_id: is missing; must be a text",
        ),
        (
            "codes",
            json!({"app": "x", "user_id": "lina02"}),
            "app: must be dinghr0000000000001, dingexpense00000002, dingwarehouse000003",
        ),
        (
            "codes",
            json!({"app": HR.0, "user_id": "x"}),
            "user_id: nobody in the organisation `ding0a1b2c3d4e5f6a7b` has the user_id `x`",
        ),
        (
            "codes",
            json!({"app": HR.0, "user_id": "lina02", "corp_id": YUNQI}),
            "corp_id: must be the app's own, ding0a1b2c3d4e5f6a7b",
        ),
        (
            "codes",
            json!({"app": HR.0, "user_id": "lina02", "flow": "mail"}),
            "flow: must be silent, web, sns",
        ),
        (
            "codes",
            json!({"app": HR.0, "user_id": "lina02", "flw": "web"}),
            "flw: is not a field of this request",
        ),
        ("codes", json!([]), "the body must be a JSON object"),
        (
            "clock/advance",
            json!({}),
            "seconds: is missing; must be a number of seconds from 0 to 315360000",
        ),
        (
            "clock/advance",
            json!({"seconds": -1}),
            "seconds: must be a number of seconds from 0 to 315360000",
        ),
        (
            "clock/advance",
            json!({"seconds": "1"}),
            "seconds: must be a number of seconds from 0 to 315360000",
        ),
        (
            "tokens/revoke",
            json!({}),
            "app: is missing; must be dinghr0000000000001, dingexpense00000002, dingwarehouse000003",
        ),
        (
            "faults",
            json!({"kind": "status", "status": 99}),
            "status: must be an HTTP status from 200 to 599",
        ),
        (
            "faults",
            json!({"kind": "drip", "bytes_per_second": 0}),
            "bytes_per_second: must be a whole number from 1",
        ),
        (
            "faults",
            json!({"kind": "status", "status": 500, "when": "later"}),
            "when: must be before or after",
        ),
        (
            "faults",
            json!({"kind": "status", "status": 500, "times": 0}),
            "times: must be a whole number from 1",
        ),
        (
            "faults",
            json!({"kind": "status", "status": 500, "ms": 1}),
            "ms: is not a field of this request",
        ),
        (
            "faults",
            json!({"kind": "edit", "patch": 1}),
            "patch: must be a JSON merge patch: an object",
        ),
    ] {
        let answer = post(&sandbox, &format!("/sandbox/{path}"), &body).await;
        assert_eq!(
            (answer.status(), error(&answer).as_str()),
            (400, expected),
            "{path} {body}"
        );
    }
    let kinds = post(&sandbox, "/sandbox/faults", &json!({"kind": "flood"})).await;
    assert!(error(&kinds).starts_with("kind: must be delay, status, raw, "));
    let route = post(
        &sandbox,
        "/sandbox/faults",
        &json!({"kind": "ip_ban", "route": "/gettoken"}),
    )
    .await;
    assert!(error(&route).starts_with("route: must be one of POST /v1.0/oauth2/accessToken, "));
    let broken = send(&sandbox, "POST /sandbox/codes", &[JSON], "{").await;
    assert!(error(&broken).starts_with("the body is not JSON: "));
    assert!(
        get(&sandbox, "/sandbox/faults").await.json()["faults"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn unknown_control_paths_and_methods_say_what_there_is() {
    let sandbox = frozen(|_| {}).await;
    let unknown = get(&sandbox, "/sandbox/events").await;
    assert_eq!(unknown.status(), 404);
    assert!(error(&unknown).contains("clock/advance"));
    assert_eq!(get(&sandbox, "/sandbox/codes").await.status(), 405);
    assert_eq!(
        send(&sandbox, "PUT /sandbox/faults", &[], "")
            .await
            .status(),
        405
    );
}

#[tokio::test]
async fn calls_are_listed_counted_and_forgotten() {
    let sandbox = frozen(|_| {}).await;
    let hr = token(&sandbox, HR).await;
    user_get(&sandbox, &hr, "lina02").await;
    user_get(&sandbox, &hr, "nobody").await;
    get(&sandbox, "/").await;
    let list = get(&sandbox, "/sandbox/calls?last=2").await.json();
    assert_eq!(
        (&list["total"], list["calls"].as_array().unwrap().len()),
        (&json!(3), 2)
    );
    assert_eq!(list["calls"][1]["outcome"], "60121");
    assert_eq!(list["counts"][route::USER_GET], 2);
    let count = async |path| get(&sandbox, path).await.json()["count"].clone();
    assert_eq!(count("/sandbox/calls/count").await, 3);
    assert_eq!(
        count("/sandbox/calls/count?route=POST%20/topapi/v2/user/get").await,
        2
    );
    assert_eq!(
        get(&sandbox, "/sandbox/calls/count?route=x").await.status(),
        400
    );
    assert_eq!(get(&sandbox, "/sandbox/calls?last=x").await.status(), 400);
    post(&sandbox, "/sandbox/calls/reset", &json!({})).await;
    assert_eq!(count("/sandbox/calls/count").await, 0);
    assert_eq!(sandbox.call_count(), 0);
}

#[tokio::test]
async fn an_unchanged_list_of_calls_is_not_sent_again() {
    let sandbox = frozen(|_| {}).await;
    let tag = get(&sandbox, "/sandbox/calls")
        .await
        .header("etag")
        .unwrap();
    let condition = format!("if-none-match: {tag}");
    let again = send(&sandbox, "GET /sandbox/calls", &[&condition], "").await;
    assert_eq!((again.status(), again.body().as_str()), (304, ""));
    get(&sandbox, "/gettoken").await;
    assert_eq!(
        send(&sandbox, "GET /sandbox/calls", &[&condition], "")
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn tokens_can_be_revoked_and_the_clock_advanced() {
    let sandbox = frozen(|_| {}).await;
    let hr = token(&sandbox, HR).await;
    let revoked = post(
        &sandbox,
        "/sandbox/tokens/revoke",
        &json!({"app": HR.0, "corp_id": XIHU}),
    )
    .await
    .json();
    assert_eq!(revoked["revoked"], 1);
    assert_eq!(
        user_get(&sandbox, &hr, "lina02").await.json()["sub_code"],
        "40014"
    );
    let clock = post(&sandbox, "/sandbox/clock/advance", &json!({"seconds": 1.5}))
        .await
        .json();
    assert_eq!(
        (&clock["elapsed_seconds"], &clock["manual"]),
        (&json!(1.5), &json!(true))
    );
    assert_eq!(sandbox.clock().elapsed(), Duration::from_millis(1500));
}

#[tokio::test]
async fn every_kind_of_fault_is_taken_and_shown_as_it_was_sent() {
    let sandbox = frozen(|_| {}).await;
    let kinds = [
        json!({"kind": "delay", "ms": 5}),
        json!({"kind": "status", "status": 503, "message": "x"}),
        json!({"kind": "raw", "status": 200, "content_type": "text/html", "body": "<"}),
        json!({"kind": "redirect", "status": 302, "location": "/x"}),
        json!({"kind": "errcode", "code": -1, "wrapped": true}),
        json!({"kind": "code", "http_status": 403, "code": "x"}),
        json!({"kind": "ip_ban", "minutes": 5}),
        json!({"kind": "ip_ban_page"}),
        json!({"kind": "endless", "bytes": 9}),
        json!({"kind": "wrong_corp"}),
        json!({"kind": "edit", "patch": {"a": null}}),
        json!({"kind": "set", "pointer": "/a", "value": null}),
        json!({"kind": "reset", "at": 0}),
        json!({"kind": "cut", "at": 1}),
        json!({"kind": "drip", "bytes_per_second": 1}),
    ];
    for kind in kinds {
        let mut sent = kind.clone();
        sent["route"] = json!(route::USER_GET);
        sent["times"] = json!(2);
        sent["app"] = json!(HR.0);
        sent["corp_id"] = json!(XIHU);
        sent["when"] = json!("after");
        let mut shown = post(&sandbox, "/sandbox/faults", &sent).await.json()["faults"][0].clone();
        if kind["kind"] == "wrong_corp" {
            assert_eq!(shown["when"], "before");
            shown["when"] = json!("after");
        }
        assert_eq!(shown, sent);
        let cleared = send(&sandbox, "DELETE /sandbox/faults", &[], "")
            .await
            .json();
        assert_eq!(cleared["cleared"], 1);
    }
}

#[tokio::test]
async fn a_fault_of_the_control_api_happens() {
    let sandbox = frozen(|_| {}).await;
    post(
        &sandbox,
        "/sandbox/faults",
        &json!({"kind": "status", "status": 503, "body": "down", "times": 1}),
    )
    .await;
    let answer = get(&sandbox, "/gettoken").await;
    assert_eq!((answer.status(), answer.body().as_str()), (503, "down"));
    assert_eq!(last_outcome(&sandbox), "fault:status");
    assert_eq!(get(&sandbox, "/gettoken").await.status(), 200);
}

#[tokio::test]
async fn calls_can_be_held_and_released() {
    let sandbox = frozen(|_| {}).await;
    let id = post(
        &sandbox,
        "/sandbox/holds",
        &json!({"route": route::GETTOKEN}),
    )
    .await
    .json()["id"]
        .clone();
    let release = async {
        loop {
            let holds = get(&sandbox, "/sandbox/holds").await.json()["holds"].clone();
            if holds[0]["waiting"] == 1 {
                assert_eq!(
                    holds[0],
                    json!({"id": id, "route": route::GETTOKEN, "when": "before", "waiting": 1})
                );
                break;
            }
        }
        post(&sandbox, "/sandbox/holds/release", &json!({"id": id}))
            .await
            .json()
    };
    let (answer, released) = tokio::join!(get(&sandbox, "/gettoken"), release);
    assert_eq!(answer.json()["errcode"], 40035);
    assert_eq!(released["released"], 1);
    assert_eq!(
        post(&sandbox, "/sandbox/holds/release", &json!({}))
            .await
            .json()["released"],
        0
    );
}

#[tokio::test]
async fn other_sites_pages_are_refused() {
    let sandbox = frozen(|_| {}).await;
    let own = format!("origin: {}", sandbox.url());
    for (headers, status) in [
        (vec![JSON, own.as_str()], 200),
        (vec![JSON, "sec-fetch-site: same-origin"], 200),
        (vec![JSON, "origin: https://evil.example"], 403),
        (vec![JSON, "origin: null"], 403),
        (vec![JSON, "origin: http://localhost:1"], 403),
        (vec![JSON, "sec-fetch-site: cross-site"], 403),
        (vec![JSON, "sec-fetch-site: same-site"], 403),
        (vec![JSON, "host: evil.example"], 403),
        (vec![JSON, "host: localhost", "host: evil.example"], 403),
        (vec![FORM], 400),
        (vec!["content-type: text/plain"], 400),
        (vec![], 400),
    ] {
        let answer = send(&sandbox, "POST /sandbox/calls/reset", &headers, "{}").await;
        assert_eq!(answer.status(), status, "{headers:?}");
    }
    let rebound = send(&sandbox, "GET /sandbox/world", &["host: evil.example"], "").await;
    assert_eq!(rebound.status(), 403);
    assert!(!rebound.text().contains(WAREHOUSE.1));
    let answer = get(&sandbox, "/sandbox/world").await;
    assert_eq!(
        answer.header("cross-origin-resource-policy").as_deref(),
        Some("same-origin")
    );
    assert_eq!(answer.json()["people"].as_array().map(Vec::len), Some(11));
    assert_eq!(answer.json()["corp_token_repeat"], Value::from("same"));
}
