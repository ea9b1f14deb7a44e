//! Every sample of DingTalk's answers to these calls comes out of the sandbox: same keys, same types, same codes and texts.

use dingtalk_sandbox::{Fault, Sandbox, route};
use serde_json::{Value, json};

use crate::{
    EXPENSES, HR, WAREHOUSE, XIHU, YUNQI, ask_token,
    client::{Answer, FORM, JSON, get, post, send},
    frozen, getbyunionid, getuserinfo, token, user_get,
};

/// Compares with `tests/samples/{name}.json`. Live answers of topapi carry `request_id` also where the documentation's do not.
#[track_caller]
pub(crate) fn assert_like(name: &str, status: u16, answer: &Answer) {
    let path = format!("{}/tests/samples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let mut sample: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let actual = answer.json();
    assert_eq!(answer.status(), status, "{name}");
    if name == "topapi-v2-user-getuserinfo.ok" {
        sample["request_id"] = json!("");
    }
    same_shape(name, &sample, &actual);
    for key in [
        "errcode",
        "sub_code",
        "code",
        "message",
        "expires_in",
        "expireIn",
    ] {
        assert_eq!(sample.get(key), actual.get(key), "{name}: {key}");
    }
    if !matches!(name, "topapi.ip-whitelist" | "topapi.unknown-method") {
        for key in ["errmsg", "sub_msg"] {
            assert_eq!(sample.get(key), actual.get(key), "{name}: {key}");
        }
    }
}

#[track_caller]
fn same_shape(place: &str, sample: &Value, actual: &Value) {
    match (sample, actual) {
        (Value::Object(sample), Value::Object(actual)) => {
            let keys = |map: &serde_json::Map<String, Value>| {
                let mut keys: Vec<String> = map.keys().cloned().collect();
                keys.sort();
                keys
            };
            assert_eq!(keys(sample), keys(actual), "{place}");
            for (key, value) in sample {
                same_shape(&format!("{place}.{key}"), value, &actual[key]);
            }
        }
        (Value::Array(sample), Value::Array(actual)) => {
            same_shape(&format!("{place}[0]"), &sample[0], &actual[0])
        }
        _ => assert_eq!(
            std::mem::discriminant(sample),
            std::mem::discriminant(actual),
            "{place}: {sample} and {actual}"
        ),
    }
}

async fn corp_token(
    sandbox: &Sandbox,
    corp: &str,
    (key, secret): (&str, &str),
    grant: &str,
) -> Answer {
    let body = json!({"client_id": key, "client_secret": secret, "grant_type": grant});
    post(sandbox, &format!("/v1.0/oauth2/{corp}/token"), &body).await
}

#[tokio::test]
async fn gettoken_answers_as_the_samples() {
    let sandbox = frozen(|_| {}).await;
    let (key, secret) = HR;
    assert_like(
        "gettoken.ok",
        200,
        &get(
            &sandbox,
            &format!("/gettoken?appkey={key}&appsecret={secret}"),
        )
        .await,
    );
    assert_like(
        "gettoken.bad-credentials",
        200,
        &get(&sandbox, &format!("/gettoken?appkey={key}&appsecret=x")).await,
    );
    assert_like(
        "gettoken.missing-params",
        200,
        &get(&sandbox, "/gettoken").await,
    );
    sandbox.fault(Fault::errcode(40014).on(route::GETTOKEN));
    assert_like("oapi.token-invalid", 200, &get(&sandbox, "/gettoken").await);
}

#[tokio::test]
async fn access_token_answers_as_the_samples() {
    let sandbox = frozen(|_| {}).await;
    assert_like("oauth2-accessToken.ok", 200, &ask_token(&sandbox, HR).await);
    assert_like(
        "oauth2-accessToken.bad-credentials",
        400,
        &ask_token(&sandbox, (HR.0, "x")).await,
    );
    let form = send(
        &sandbox,
        "POST /v1.0/oauth2/accessToken",
        &[FORM],
        "appKey=x&appSecret=y",
    )
    .await;
    assert_like("oauth2-accessToken.missing-body", 400, &form);
}

#[tokio::test]
async fn corp_id_token_answers_as_the_samples() {
    let sandbox = frozen(|_| {}).await;
    let grant = "client_credentials";
    assert_like(
        "oauth2-corpId-token.ok",
        200,
        &corp_token(&sandbox, XIHU, HR, grant).await,
    );
    let wrong = corp_token(&sandbox, XIHU, (HR.0, "x"), grant).await;
    assert_like("oauth2-corpId-token.invalid-client", 400, &wrong);
    assert_like(
        "oauth2-corpId-token.unsupported-grant-type",
        400,
        &corp_token(&sandbox, XIHU, HR, "password").await,
    );
    assert_like(
        "oauth2-corpId-token.unauthorized-client",
        401,
        &corp_token(&sandbox, YUNQI, HR, grant).await,
    );
    sandbox.fault(Fault::code(500, "server.error").on(route::CORP_TOKEN));
    assert_like(
        "oauth2-corpId-token.server-error",
        500,
        &corp_token(&sandbox, XIHU, HR, grant).await,
    );
}

#[tokio::test]
async fn getuserinfo_answers_as_the_samples() {
    let sandbox = frozen(|_| {}).await;
    let token = token(&sandbox, HR).await;
    let code = sandbox.code(HR.0, "manager01");
    assert_like(
        "topapi-v2-user-getuserinfo.ok",
        200,
        &getuserinfo(&sandbox, &token, &code).await,
    );
    assert_like(
        "topapi-v2-user-getuserinfo.code-invalid",
        200,
        &getuserinfo(&sandbox, &token, &code).await,
    );
}

#[tokio::test]
async fn user_get_answers_as_the_samples() {
    let sandbox = frozen(|_| {}).await;
    let token = token(&sandbox, HR).await;
    assert_like(
        "topapi-v2-user-get.ok",
        200,
        &user_get(&sandbox, &token, "manager01").await,
    );
    assert_like(
        "topapi-v2-user-get.userid-invalid",
        200,
        &user_get(&sandbox, &token, "").await,
    );
    assert_like(
        "topapi-v2-user-get.not-found",
        200,
        &user_get(&sandbox, &token, "nobody").await,
    );
}

#[tokio::test]
async fn getbyunionid_answers_as_the_samples() {
    let sandbox = frozen(|_| {}).await;
    let token = token(&sandbox, HR).await;
    assert_like(
        "topapi-user-getbyunionid.ok",
        200,
        &getbyunionid(&sandbox, &token, "unionZhangWei0001").await,
    );
    let elsewhere = getbyunionid(&sandbox, &token, "unionLiuYang00007").await;
    assert_like("topapi-user-getbyunionid.not-found", 200, &elsewhere);
}

#[tokio::test]
async fn the_old_gateway_refuses_as_the_samples() {
    let sandbox = frozen(|world| {
        world.apps[0].calls_per_second = 1;
        world.apps[2].allowed_ips = vec!["203.0.113.9".to_owned()];
    })
    .await;
    let token = token(&sandbox, HR).await;
    assert_like(
        "topapi.token-invalid",
        200,
        &user_get(&sandbox, "bad", "manager01").await,
    );
    let header = format!("x-acs-dingtalk-access-token: {token}");
    let missing = send(
        &sandbox,
        "POST /topapi/v2/user/get",
        &[JSON, &header],
        "{\"userid\":\"manager01\"}",
    )
    .await;
    assert_like("topapi.token-missing", 200, &missing);
    let poor = crate::token(&sandbox, EXPENSES).await;
    assert_like(
        "topapi.no-permission",
        200,
        &user_get(&sandbox, &poor, "manager01").await,
    );
    user_get(&sandbox, &token, "manager01").await;
    assert_like(
        "topapi.rate-limited",
        200,
        &user_get(&sandbox, &token, "manager01").await,
    );
    assert_like(
        "topapi.unknown-method",
        200,
        &post(&sandbox, "/topapi/v2/user/notexist", &json!({})).await,
    );
    sandbox.fault(Fault::errcode(60020).on(route::USER_GET).times(1));
    assert_like(
        "topapi.ip-whitelist",
        200,
        &user_get(&sandbox, &token, "manager01").await,
    );
    let refused = get(
        &sandbox,
        &format!("/gettoken?appkey={}&appsecret={}", WAREHOUSE.0, WAREHOUSE.1),
    )
    .await
    .json();
    assert_eq!(refused["errcode"], 60020);
    assert!(
        refused["errmsg"]
            .as_str()
            .unwrap()
            .contains("request ip=127.0.0.1 appKey(dingwarehouse000003)")
    );
}

#[tokio::test]
async fn the_new_host_refuses_as_the_samples() {
    let sandbox = frozen(|world| world.apps[0].calls_per_second = 1).await;
    ask_token(&sandbox, HR).await;
    assert_like("newapi.rate-limited", 403, &ask_token(&sandbox, HR).await);
    assert_like(
        "newapi.unknown-path",
        404,
        &post(&sandbox, "/v1.0/oauth2/nothing", &json!({})).await,
    );
    for (name, code) in [
        ("newapi.token-invalid", "InvalidAuthentication"),
        (
            "newapi.token-missing",
            "AuthenticationFailed.MissingParameter",
        ),
    ] {
        sandbox.fault(Fault::code(400, code).times(1));
        assert_like(name, 400, &ask_token(&sandbox, HR).await);
    }
}
