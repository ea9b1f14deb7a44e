//! The signed call of the older sign-in pages.

use std::time::{Duration, SystemTime};

use dingtalk_sandbox::{Sandbox, SignInCode, route};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::{
    client::{Answer, get, post},
    frozen,
    samples::assert_like,
};

/// The older app of the built-in world.
pub(crate) const DESK: (&str, &str) = ("dingoafrontdesk0001", "frontdesk-secret-000000000000001");

/// Asks as the app does, at the sandbox's time.
pub(crate) async fn ask(sandbox: &Sandbox, code: &str) -> Answer {
    let timestamp = now(sandbox).to_string();
    let query = [
        ("accessKey", DESK.0),
        ("timestamp", &timestamp),
        ("signature", &sign(&timestamp)),
    ];
    ask_with(sandbox, &query, code).await
}

async fn ask_with(sandbox: &Sandbox, query: &[(&str, &str)], code: &str) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query)
        .finish();
    let path = format!("/sns/getuserinfo_bycode?{query}");
    post(sandbox, &path, &json!({"tmp_auth_code": code})).await
}

fn now(sandbox: &Sandbox) -> u128 {
    let now = sandbox.clock().now();
    now.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_millis()
}

fn sign(timestamp: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(DESK.1.as_bytes()).unwrap();
    mac.update(timestamp.as_bytes());
    base64_simd::STANDARD.encode_to_string(mac.finalize().into_bytes())
}

fn code(sandbox: &Sandbox) -> String {
    sandbox
        .sign_in_code(&SignInCode::sns(DESK.0, "unionZhangWei0001"))
        .unwrap()
}

#[tokio::test]
async fn getuserinfo_bycode_answers_as_the_samples() {
    let sandbox = frozen(|_| {}).await;
    let code = code(&sandbox);
    let (key, time) = (DESK.0, now(&sandbox).to_string());
    let old = (now(&sandbox) - 60_001).to_string();
    let early = (now(&sandbox) + 60_001).to_string();
    let signature = sign(&time);
    for (sample, key, time, signature) in [
        ("err-853001", key, "soon", &signature),
        ("err-853001", key, "", &signature),
        ("err-853002", key, old.as_str(), &sign(&old)),
        ("err-853002", key, early.as_str(), &sign(&early)),
        ("err-853003", "dingnobody", &time, &signature),
        ("err-853003", crate::HR.0, &time, &signature),
        ("err-853004", key, &time, &sign("1")),
        ("err-853004", key, &time, &String::new()),
    ] {
        let query = [
            ("accessKey", key),
            ("timestamp", time),
            ("signature", signature),
        ];
        let answer = ask_with(&sandbox, &query, &code).await;
        assert_like(&format!("sns-getuserinfo_bycode.{sample}"), 200, &answer);
    }
    // No refusal spent the code; at exactly a minute the time is right.
    sandbox.clock().advance(Duration::from_secs(60));
    let query = [
        ("accessKey", key),
        ("timestamp", &time),
        ("signature", &signature),
    ];
    let answer = ask_with(&sandbox, &query, &code).await;
    assert_like("sns-getuserinfo_bycode.ok", 200, &answer);
    assert_eq!(answer.json()["user_info"]["unionid"], "unionZhangWei0001");
    assert_eq!(ask(&sandbox, &code).await.json()["errcode"], 40078);
    assert_eq!(sandbox.call_count_of(route::SNS_USERINFO), 10);
    let last = sandbox.calls().pop().unwrap();
    assert_eq!(last.app_key.as_deref(), Some(key));
    assert_eq!(last.detail.as_deref(), Some("the code was used before"));
}

#[tokio::test]
async fn a_signature_is_decoded_once() {
    let sandbox = frozen(|_| {}).await;
    // A time whose signature has a plus.
    let from = now(&sandbox);
    let time = (from..from + 60_000)
        .map(|time| time.to_string())
        .find(|time| sign(time).contains('+'))
        .unwrap();
    let once = form_urlencoded::byte_serialize(sign(&time).as_bytes()).collect::<String>();
    let twice = form_urlencoded::byte_serialize(once.as_bytes()).collect::<String>();
    for (signature, expected) in [(&sign(&time), 853_004), (&twice, 853_004), (&once, 0)] {
        let path = format!(
            "/sns/getuserinfo_bycode?accessKey={}&timestamp={time}&signature={signature}",
            DESK.0
        );
        let answer = post(&sandbox, &path, &json!({"tmp_auth_code": code(&sandbox)})).await;
        assert_eq!(answer.json()["errcode"], expected, "{signature}");
    }
}

#[tokio::test]
async fn an_older_code_ends_by_age_and_the_call_is_a_post() {
    let sandbox = frozen(|_| {}).await;
    let code = code(&sandbox);
    sandbox.clock().advance(Duration::from_secs(300));
    assert_eq!(ask(&sandbox, &code).await.json()["errcode"], 40078);
    assert_eq!(
        get(&sandbox, "/sns/getuserinfo_bycode").await.json()["errcode"],
        43002
    );
}
