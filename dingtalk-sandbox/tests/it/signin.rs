//! The sign-in pages as a browser without script walks through them, and as the phone and the control API answer.

use std::time::Duration;

use dingtalk_sandbox::{Sandbox, World};
use serde_json::{Value, json};

use crate::{
    HR, XIHU, YUNQI,
    client::{Answer, FORM, get, post, send},
    frozen,
    sns::DESK,
};

const LINA: &str = "unionLiNa00000002";
const STRANGER: &str = "unionStranger0011";
const CALLBACK: &str = "http://127.0.0.1:7081/cb?x=1";

/// The page's address with these parameters over the usual ones; an empty value leaves one out.
fn auth(changes: &[(&str, &str)]) -> String {
    let usual = [
        ("client_id", HR.0),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid corpid"),
        ("prompt", "consent"),
        ("state", "s &<1>"),
    ];
    with("/oauth2/auth", &usual, changes)
}

fn legacy(path: &str, changes: &[(&str, &str)]) -> String {
    let usual = [
        ("appid", DESK.0),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "snsapi_login"),
        ("state", "s"),
    ];
    with(path, &usual, changes)
}

fn with(path: &str, usual: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let kept = usual
        .iter()
        .filter(|(name, _)| changes.iter().all(|(other, _)| other != name));
    let pairs = kept.chain(changes).filter(|(_, value)| !value.is_empty());
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{query}")
}

async fn submit(sandbox: &Sandbox, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    send(sandbox, &format!("POST {path}"), &[FORM], &body).await
}

/// What stands between the two in the page.
#[track_caller]
fn between(page: &Answer, before: &str, after: &str) -> String {
    let body = page.body();
    let rest = body
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {body}"))
        .1;
    rest.split(after).next().unwrap().to_owned()
}

/// The sign-in's own address, and the id in its QR code.
#[track_caller]
fn step_of(page: &Answer) -> String {
    format!("/oauth2/signin/{}", between(page, "/oauth2/signin/", "\""))
}

#[track_caller]
fn phone_of(page: &Answer) -> String {
    format!("/phone/{}", between(page, "\"/phone/", "\""))
}

async fn begin(sandbox: &Sandbox, path: &str) -> Answer {
    let page = get(sandbox, path).await;
    assert_eq!(page.status(), 200, "{}", page.text());
    page
}

/// Signs in by password and goes where that leads.
async fn by_password(sandbox: &Sandbox, path: &str, account: &str) -> (String, Answer) {
    let step = step_of(&begin(sandbox, path).await);
    let fields = [("account", account), ("password", "dingtalk")];
    let posted = submit(sandbox, &step, &fields).await;
    assert_eq!(
        (posted.status(), posted.header("location")),
        (303, Some(step.clone()))
    );
    let next = get(sandbox, &step).await;
    (step, next)
}

/// The parameters the app gets back, after checking where they go.
#[track_caller]
fn back(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status(), 303, "{}", answer.text());
    let location = answer.header("location").unwrap();
    let query = location.strip_prefix("http://127.0.0.1:7081/cb?").unwrap();
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

fn names(pairs: &[(String, String)]) -> Vec<&str> {
    pairs.iter().map(|(name, _)| name.as_str()).collect()
}

async fn trade(sandbox: &Sandbox, code: &str) -> Value {
    let body = json!({"clientId": HR.0, "clientSecret": HR.1, "grantType": "authorization_code", "code": code});
    post(sandbox, "/v1.0/oauth2/userAccessToken", &body)
        .await
        .json()
}

#[tokio::test]
async fn account_and_password_lead_over_organisation_and_consent_back_to_the_app() {
    let sandbox = frozen(|_| {}).await;
    let (step, chooser) = by_password(&sandbox, &auth(&[]), "wulei07").await;
    assert!(chooser.body().contains(XIHU) && chooser.body().contains(YUNQI));
    // What was not offered is no choice.
    submit(&sandbox, &step, &[("corp_id", "dingelsewhere")]).await;
    assert!(get(&sandbox, &step).await.body().contains(YUNQI));
    submit(&sandbox, &step, &[("corp_id", YUNQI)]).await;
    let consent = get(&sandbox, &step).await;
    for asked in [
        "unionId",
        "corpId",
        "Contact.User.Read",
        "Contact.User.mobile",
    ] {
        assert!(consent.body().contains(asked), "{asked}");
    }
    submit(&sandbox, &step, &[("consent", "allow")]).await;
    let ended = get(&sandbox, &step).await;
    let pairs = back(&ended);
    assert_eq!(names(&pairs), ["x", "code", "authCode", "state"]);
    assert_eq!(pairs[1].1, pairs[2].1);
    assert_eq!(pairs[3].1, "s &<1>");
    // A reload gets the same code, which works once.
    assert_eq!(back(&get(&sandbox, &step).await), pairs);
    assert_eq!(sandbox.call_count(), 0);
    assert_eq!(trade(&sandbox, &pairs[1].1).await["corpId"], YUNQI);
    assert!(trade(&sandbox, &pairs[1].1).await["corpId"].is_null());
}

#[tokio::test]
async fn the_phone_scans_and_confirms_and_the_page_goes_on() {
    let sandbox = frozen(|_| {}).await;
    let page = begin(&sandbox, &auth(&[("prompt", "none")])).await;
    let (step, phone) = (step_of(&page), phone_of(&page));
    let status = async || get(&sandbox, &format!("{step}/status")).await.json()["status"].clone();
    assert_eq!(status().await, "waiting");
    assert_eq!(get(&sandbox, &step).await.status(), 200);
    assert!(get(&sandbox, &phone).await.body().contains(LINA));
    assert_eq!(status().await, "scanned");
    let fields = [("union_id", LINA), ("answer", "confirm")];
    assert_eq!(submit(&sandbox, &phone, &fields).await.status(), 200);
    assert_eq!(status().await, "done");
    let pairs = back(&get(&sandbox, &step).await);
    assert_eq!(trade(&sandbox, &pairs[1].1).await["corpId"], XIHU);
    // Nobody answers it a second time.
    assert_eq!(submit(&sandbox, &phone, &fields).await.status(), 410);
}

#[tokio::test]
async fn a_refusal_by_phone_or_in_the_page_goes_back_to_the_app() {
    let sandbox = frozen(|_| {}).await;
    let page = begin(&sandbox, &auth(&[])).await;
    submit(&sandbox, &phone_of(&page), &[("answer", "refuse")]).await;
    let by_phone = back(&get(&sandbox, &step_of(&page)).await);
    let (step, _) = by_password(&sandbox, &auth(&[]), "lina02").await;
    submit(&sandbox, &step, &[("consent", "refuse")]).await;
    let in_page = back(&get(&sandbox, &step).await);
    for pairs in [by_phone, in_page] {
        assert_eq!(names(&pairs), ["x", "error", "state"]);
        assert_eq!(pairs[1].1, "access_denied");
    }
}

#[tokio::test]
async fn a_waiting_sign_in_is_listed_and_answered_by_its_id() {
    let sandbox = frozen(|_| {}).await;
    assert!(sandbox.sign_ins().is_empty());
    let page = begin(&sandbox, &auth(&[("prompt", "none")])).await;
    let listed = get(&sandbox, "/sandbox/signins").await.json();
    let one = &listed["signins"][0];
    assert_eq!(
        format!("/phone/{}", one["id"].as_str().unwrap()),
        phone_of(&page)
    );
    assert_eq!(one["next"], step_of(&page));
    assert_eq!(
        (&one["app"], &one["flow"], &one["status"]),
        (&json!(HR.0), &json!("web"), &json!("waiting"))
    );

    let body = json!({"id": one["id"], "user_id": "lina02"});
    let confirmed = post(&sandbox, "/sandbox/signins/confirm", &body)
        .await
        .json();
    assert_eq!(confirmed["status"], "done");
    let next = confirmed["next"].as_str().unwrap();
    assert_eq!(
        names(&back(&get(&sandbox, next).await)),
        ["x", "code", "authCode", "state"]
    );
    let again = post(&sandbox, "/sandbox/signins/confirm", &body).await;
    assert_eq!(again.status(), 400);

    begin(&sandbox, &auth(&[])).await;
    let id = sandbox.sign_ins()[0].id.clone();
    assert!(sandbox.confirm_sign_in(&id, "nobody").is_err());
    let refused = post(&sandbox, "/sandbox/signins/refuse", &json!({"id": id}))
        .await
        .json();
    let answer = get(&sandbox, refused["next"].as_str().unwrap()).await;
    assert_eq!(names(&back(&answer)), ["x", "error", "state"]);

    begin(&sandbox, &auth(&[])).await;
    let id = sandbox.sign_ins()[0].id.clone();
    assert_eq!(
        sandbox.confirm_sign_in(&id, STRANGER).unwrap().status,
        "failed"
    );
    assert!(sandbox.refuse_sign_in(&id).is_err());
}

#[tokio::test]
async fn somebody_outside_the_organisation_is_told_so_unless_the_app_admits_strangers() {
    let sandbox = frozen(|_| {}).await;
    for account in ["13700000011", "13900000007"] {
        let (_, page) = by_password(&sandbox, &auth(&[]), account).await;
        assert_eq!(page.status(), 403);
        assert!(page.body().contains("11055") && page.body().contains("操作失败，你不在组织内"));
    }
    let open = frozen(|world| world.apps[0].admits_strangers = true).await;
    let (_, answer) = by_password(&open, &auth(&[("prompt", "none")]), "13700000011").await;
    let code = &back(&answer)[1].1;
    let traded = trade(&open, code).await;
    assert!(traded["accessToken"].is_string() && traded["corpId"].is_null());
}

#[tokio::test]
async fn wrong_passwords_are_counted() {
    let sandbox = frozen(|_| {}).await;
    let step = step_of(&begin(&sandbox, &auth(&[])).await);
    let attempt = async |password: &str| {
        let fields = [("account", "lina02\"><script>"), ("password", password)];
        let unknown = submit(&sandbox, &step, &fields).await;
        assert_eq!(unknown.status(), 403);
        assert_eq!(unknown.body().matches("<script").count(), 1);
        let fields = [("account", "lina02"), ("password", password)];
        submit(&sandbox, &step, &fields).await
    };
    for _ in 0..4 {
        let page = attempt("x").await;
        assert_eq!(page.status(), 403);
        assert!(page.body().contains("role=\"alert\"") && page.body().contains("value=\"lina02\""));
    }
    assert_eq!(attempt("x").await.status(), 429);
    assert_eq!(attempt("dingtalk").await.status(), 429);
}

#[tokio::test]
async fn a_sign_in_is_over_after_five_minutes() {
    let sandbox = frozen(|_| {}).await;
    let page = begin(&sandbox, &auth(&[])).await;
    let (step, phone) = (step_of(&page), phone_of(&page));
    sandbox.clock().advance(Duration::from_secs(300));
    for path in [&step, &phone, &"/oauth2/signin/unknown".to_owned()] {
        assert_eq!(get(&sandbox, path).await.status(), 410, "{path}");
        assert_eq!(
            submit(&sandbox, path, &[("answer", "confirm")])
                .await
                .status(),
            410
        );
    }
    assert_eq!(
        get(&sandbox, &format!("{step}/status")).await.json()["status"],
        "over"
    );
    assert!(sandbox.sign_ins().is_empty());
}

#[tokio::test]
async fn a_wrong_request_gets_a_page_that_echoes_nothing() {
    let sandbox = frozen(|_| {}).await;
    let evil = "http://evil.example/\"><script>alert(1)</script>";
    for (path, shown) in [
        (auth(&[("client_id", "evil<script>")]), "900103"),
        (auth(&[("redirect_uri", evil)]), "redirect_uri参数错误"),
        (
            auth(&[("redirect_uri", "http://evil.example/cb")]),
            "redirect_uri参数错误",
        ),
        (
            auth(&[("redirect_uri", "https://127.0.0.1:7081/cb")]),
            "redirect_uri参数错误",
        ),
        (auth(&[("scope", "openid evil<script>")]), "scope参数错误"),
        (auth(&[("response_type", "token")]), "response_type参数错误"),
        (auth(&[("prompt", "")]), "prompt参数错误"),
        (auth(&[("corpId", "evil")]), "corpId参数错误"),
        (
            legacy("/connect/qrconnect", &[("appid", "evil")]),
            "appid参数错误",
        ),
        (
            legacy("/connect/qrconnect", &[("redirect_uri", evil)]),
            "50001",
        ),
        (
            legacy("/connect/qrconnect", &[("scope", "snsapi_auth")]),
            "scope参数错误",
        ),
        (
            legacy("/connect/oauth2/sns_authorize", &[("loginTmpCode", "evil")]),
            "loginTmpCode参数错误",
        ),
        ("/login/qrcode.htm?goto=evil".to_owned(), "goto参数错误"),
    ] {
        let page = get(&sandbox, &path).await;
        assert_eq!(page.status(), 400, "{path}");
        assert!(page.body().contains(shown), "{path}: {}", page.body());
        assert!(!page.body().contains("evil"), "{path}");
    }
    // Of a good request only what is escaped.
    let page = begin(&sandbox, &auth(&[("state", "\"><script>")])).await;
    assert_eq!(page.body().matches("<script").count(), 1);
    assert!(sandbox.sign_ins().len() == 1);
}

#[tokio::test]
async fn nothing_of_the_world_becomes_markup() {
    let evil = "<script>\"'&";
    let sandbox = frozen(|world: &mut World| {
        for corp in &mut world.corps {
            corp.name = evil.to_owned();
        }
        for person in &mut world.people {
            person.name = evil.to_owned();
        }
        world.apps[0].name = evil.to_owned();
        world.apps[0]
            .permissions
            .push(format!("Contact.User.{evil}"));
        world.accounts[0].password = Some(evil.to_owned());
    })
    .await;
    let page = begin(&sandbox, &auth(&[])).await;
    let phone = get(&sandbox, &phone_of(&page)).await;
    let (step, _) = by_password(&sandbox, &auth(&[]), "lina02").await;
    let consent = get(&sandbox, &step).await;
    for page in [page, phone, consent] {
        assert_eq!(page.body().matches("<script").count(), 1);
        assert!(page.body().contains("&lt;script&gt;") && !page.body().contains(evil));
    }
}

#[tokio::test]
async fn only_the_frame_view_can_be_framed_and_only_by_the_apps_origin() {
    let sandbox = frozen(|_| {}).await;
    let policy = |page: &Answer| page.header("content-security-policy").unwrap();
    let page = begin(&sandbox, &auth(&[])).await;
    let phone = get(&sandbox, &phone_of(&page)).await;
    for page in [&page, &phone, &get(&sandbox, "/oauth2/signin/x").await] {
        let policy = policy(page);
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
        assert!(
            policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        for banned in ["<style", " style=", " onclick", "javascript:"] {
            assert!(!page.body().contains(banned), "{banned}");
        }
    }
    let framed = begin(&sandbox, &auth(&[("iframe", "true")])).await;
    assert!(policy(&framed).ends_with("frame-ancestors http://127.0.0.1:7081"));
    assert!(!framed.body().contains("type=\"password\""));
    // The frame has no password to give, whatever is posted.
    let step = step_of(&framed);
    submit(
        &sandbox,
        &step,
        &[("account", "lina02"), ("password", "dingtalk")],
    )
    .await;
    assert!(get(&sandbox, &step).await.body().contains("class=\"qr\""));
}

#[tokio::test]
async fn a_frame_tells_the_page_around_it_as_the_samples() {
    let sandbox = frozen(|_| {}).await;
    let sample = |name: &str| -> Value {
        let path = format!("{}/tests/samples/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let message = |page: &Answer| -> Value {
        let message = between(page, "data-message=\"", "\"");
        let text = message
            .replace("&quot;", "\"")
            .replace("&amp;", "&")
            .replace("&#39;", "'");
        assert_eq!(
            between(page, "data-target=\"", "\""),
            "http://127.0.0.1:7081"
        );
        serde_json::from_str(&text).unwrap()
    };
    let framed = async |union_id: Option<&str>| {
        let page = begin(&sandbox, &auth(&[("iframe", "true")])).await;
        let id = sandbox.sign_ins()[0].id.clone();
        match union_id {
            Some(union_id) => sandbox.confirm_sign_in(&id, union_id).unwrap(),
            None => sandbox.refuse_sign_in(&id).unwrap(),
        };
        get(&sandbox, &step_of(&page)).await
    };
    // The phone asked for consent: the frame does not.
    let ok = message(&framed(Some(LINA)).await);
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&ok), keys(&sample("ddlogin-message.ok")));
    let url = ok["redirectUrl"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:7081/cb?x=1&code=") && url.contains("&authCode="));
    assert_eq!(
        message(&framed(Some(STRANGER)).await),
        sample("ddlogin-message.fail")
    );
    let refused = message(&framed(None).await);
    assert!(
        refused["redirectUrl"]
            .as_str()
            .unwrap()
            .contains("error=access_denied")
    );
}

#[tokio::test]
async fn the_older_pages_have_one_way_each() {
    let sandbox = frozen(|_| {}).await;
    let scan = begin(&sandbox, &legacy("/connect/qrconnect", &[])).await;
    assert!(scan.body().contains("class=\"qr\"") && !scan.body().contains("type=\"password\""));
    let id = sandbox.sign_ins()[0].id.clone();
    let confirmed = sandbox.confirm_sign_in(&id, STRANGER).unwrap();
    assert_eq!(confirmed.flow, "sns");
    let by_scan = back(&get(&sandbox, &confirmed.next).await);

    let path = legacy("/connect/oauth2/sns_authorize", &[("scope", "snsapi_auth")]);
    assert!(!begin(&sandbox, &path).await.body().contains("class=\"qr\""));
    let (_, answer) = by_password(&sandbox, &path, "13700000011").await;
    for pairs in [by_scan, back(&answer)] {
        assert_eq!(names(&pairs), ["x", "code", "state"]);
        let person = crate::sns::ask(&sandbox, &pairs[1].1).await.json();
        assert_eq!(person["user_info"]["unionid"], STRANGER);
    }
}

#[tokio::test]
async fn the_older_frame_hands_out_a_code_that_the_authorize_page_takes_once() {
    let sandbox = frozen(|world: &mut World| {
        let mut other = world.sign_in_apps[0].clone();
        other.app_id = "dingother".to_owned();
        world.sign_in_apps.push(other);
    })
    .await;
    let authorize = legacy("/connect/oauth2/sns_authorize", &[]);
    let goto = format!("https://oapi.dingtalk.com{authorize}");
    let frame = with(
        "/login/qrcode.htm",
        &[],
        &[("goto", &goto), ("style", "x"), ("href", "y")],
    );
    let page = begin(&sandbox, &frame).await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.ends_with("frame-ancestors http://127.0.0.1:7081"));
    let id = sandbox.sign_ins()[0].id.clone();
    let confirmed = sandbox.confirm_sign_in(&id, LINA).unwrap();
    let told = get(&sandbox, &confirmed.next).await;
    let code = between(&told, "data-message=\"&quot;", "&quot;\"");
    let other_app = legacy(
        "/connect/oauth2/sns_authorize",
        &[("appid", "dingother"), ("loginTmpCode", &code)],
    );
    assert_eq!(get(&sandbox, &other_app).await.status(), 400);
    let with_code = format!("{authorize}&loginTmpCode={code}");
    let pairs = back(&get(&sandbox, &with_code).await);
    assert_eq!(names(&pairs), ["x", "code", "state"]);
    let person = crate::sns::ask(&sandbox, &pairs[1].1).await.json();
    assert_eq!(person["user_info"]["nick"], "李娜");
    assert_eq!(get(&sandbox, &with_code).await.status(), 400);

    // A refusal is shown in the frame: the page around it knows no message for it.
    begin(&sandbox, &frame).await;
    let id = sandbox.sign_ins()[0].id.clone();
    let refused = sandbox.refuse_sign_in(&id).unwrap();
    let page = get(&sandbox, &refused.next).await;
    assert_eq!(page.status(), 403);
    assert!(!page.body().contains("data-message"));
}

#[tokio::test]
async fn the_pages_speak_the_browsers_language_and_load_what_is_there() {
    let sandbox = frozen(|_| {}).await;
    let path = auth(&[]);
    let english = send(
        &sandbox,
        &format!("GET {path}"),
        &["accept-language: en-GB,en"],
        "",
    )
    .await;
    assert!(
        english.body().contains("<html lang=\"en\">")
            && english.body().contains("Sign in with DingTalk")
    );
    let chinese = get(&sandbox, &path).await;
    assert!(
        chinese.body().contains("<html lang=\"zh-Hans\">") && chinese.body().contains("钉钉登录")
    );
    let unknown = get(&sandbox, "/nowhere").await.body();
    for part in ["/signin.css", "/signin.js", "/sandbox.svg"] {
        assert!(chinese.body().contains(&format!("\"{part}\"")));
        assert_ne!(get(&sandbox, part).await.body(), unknown, "{part}");
    }
    let challenge = path.replace("/oauth2/auth?", "/oauth2/challenge.htm?");
    begin(&sandbox, &challenge).await;
}

#[tokio::test]
async fn the_stand_in_for_dingtalks_script_loads_on_every_site() {
    let sandbox = frozen(|_| {}).await;
    let foreign = [
        "sec-fetch-site: cross-site",
        "origin: http://127.0.0.1:7081",
    ];
    let script = send(&sandbox, "GET /sandbox/ddlogin.js?twice", &foreign, "").await;
    assert_eq!(script.status(), 200);
    assert_eq!(
        script.header("content-type").unwrap(),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(
        script.header("cross-origin-resource-policy").unwrap(),
        "cross-origin"
    );
    assert!(script.body().contains("window.DTFrameLogin = "));
    assert_eq!(sandbox.call_count(), 0);
}

#[tokio::test]
async fn other_sites_and_other_names_do_not_reach_the_forms() {
    let sandbox = frozen(|_| {}).await;
    let step = step_of(&begin(&sandbox, &auth(&[])).await);
    let body = "account=lina02&password=dingtalk";
    for header in [
        "origin: http://evil.example",
        "origin: null",
        "sec-fetch-site: cross-site",
        "host: evil.example",
    ] {
        let answer = send(&sandbox, &format!("POST {step}"), &[FORM, header], body).await;
        assert_eq!(answer.status(), 403, "{header}");
    }
    let rebound = send(
        &sandbox,
        &format!("GET {}", auth(&[])),
        &["host: evil.example"],
        "",
    )
    .await;
    assert_eq!(rebound.status(), 403);
    // An app's page leads here: that is another site's doing, and meant.
    let led = send(
        &sandbox,
        &format!("GET {}", auth(&[])),
        &["sec-fetch-site: cross-site"],
        "",
    )
    .await;
    assert_eq!(led.status(), 200);
    assert!(get(&sandbox, &step).await.body().contains("class=\"qr\""));
    let wrong_method = send(&sandbox, &format!("POST {}", auth(&[])), &[FORM], "").await;
    assert_eq!(wrong_method.status(), 405);
}

#[tokio::test]
async fn the_sign_in_page_can_be_tried_without_an_app() {
    let sandbox = frozen(|_| {}).await;
    let start = get(&sandbox, "/").await;
    assert!(start.body().contains("href=\"/signin/try\""));
    let (step, consent) = by_password(&sandbox, "/signin/try", "lina02").await;
    assert!(consent.body().contains("corpId"));
    submit(&sandbox, &step, &[("consent", "allow")]).await;
    let location = get(&sandbox, &step).await.header("location").unwrap();
    let path = location.strip_prefix(sandbox.url()).unwrap();
    assert!(path.starts_with("/signin/back?code=") && path.ends_with(&format!("state={}", HR.0)));
    let back = get(&sandbox, path).await;
    assert_eq!(back.status(), 200);
    let script = format!("/signin/{}", between(&back, "src=\"/signin/", "\""));
    assert!(
        get(&sandbox, &script)
            .await
            .body()
            .contains("userAccessToken")
    );

    let closed = frozen(|world: &mut World| {
        for app in &mut world.apps {
            app.redirect_urls = vec!["http://127.0.0.1:9".to_owned()];
        }
    })
    .await;
    let page = get(&closed, "/signin/try").await;
    assert_eq!(page.status(), 400);
    assert!(page.body().contains("redirect_urls"));
}
