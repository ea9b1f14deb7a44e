//! DingTalk's script over each client's bridge, without a page of ours: what the page can build on.

use dingtalk_tests::both;
use dingtalk_tests::chromium::{Behaviour, Platform, Tab};
use serde_json::{Value, json};

use crate::stage::Stage;

both! {
    async fn every_client_is_known_and_gives_codes_for_both_calls(framework) {
        for (platform, named) in PLATFORMS {
            let stage = Stage::on(framework, platform).await;
            let tab = with_script(&stage).await;
            assert_eq!(tab.evaluate("dd.env.platform").await, json!(named));
            let (corp_id, app_key) = stage.app();
            let newer = format!("dd.requestAuthCode({{corpId: '{corp_id}', clientId: '{app_key}'}})");
            let classic = format!("dd.runtime.permission.requestAuthCode({{corpId: '{corp_id}'}})");
            let with_callbacks = classic.replace("'})", "', onSuccess: (answer) => { window.called = answer; }})");
            for call in [newer, classic, with_callbacks] {
                let answer = tab.evaluate(&call).await;
                assert_eq!(answer["code"].as_str(), stage.client.codes().last().map(String::as_str), "{named} {call}");
            }
            assert_eq!(tab.evaluate("window.called.code").await.as_str(), stage.client.codes().last().map(String::as_str));
            let asked: Vec<String> = stage.client.asked().into_iter().map(|asked| asked.method).collect();
            let [v2, v1] = ["runtime.permission.requestAuthCodeV2", "runtime.permission.requestAuthCode"];
            assert_eq!(asked, [v2, v1, v1], "{named}");
            assert_eq!(tab.errors(), Vec::<String>::new());
        }
    }

    async fn a_clients_refusals_reach_the_page_as_the_client_gives_them(framework) {
        for (platform, named) in PLATFORMS {
            let stage = Stage::on(framework, platform).await;
            let tab = with_script(&stage).await;
            let (corp_id, app_key) = stage.app();
            let code = |number: i32| if platform == Platform::Ios { json!(number.to_string()) } else { json!(number) };
            let is_pc = platform == Platform::Pc;
            for (behaviour, corp_id, refused) in [
                (Behaviour::Cancelling, &*corp_id, if is_pc { json!("PC_1011") } else { code(-1) }),
                (Behaviour::Failing(json!(7), "no permission"), &corp_id, code(7)),
                (Behaviour::Old, &corp_id, code(1)),
                (Behaviour::Normal, "ding9f8e7d6c5b4a3f2e", if is_pc { json!("PC_1005") } else { code(3) }),
            ] {
                stage.client.answers(behaviour.clone());
                let call = format!("dd.requestAuthCode({{corpId: '{corp_id}', clientId: '{app_key}'}}).catch((error) => error.errorCode)");
                assert_eq!(tab.evaluate(&call).await, refused, "{named} {behaviour:?}");
            }
        }
    }

    async fn outside_dingtalk_promises_fail_and_callbacks_stay_silent(framework) {
        let stage = Stage::on(framework, Platform::Android).await;
        let tab = stage.outside().await;
        tab.open(&stage.setup.url("/public")).await;
        load_script(&tab).await;
        assert_eq!(tab.evaluate("dd.env.platform").await, json!("notInDingTalk"));
        let call = "dd.requestAuthCode({corpId: 'x', clientId: 'y', onFail: () => { window.failed = true; }}).catch((error) => error.message)";
        let message = tab.evaluate(call).await;
        assert!(message.as_str().unwrap().contains("4040"), "{message}");
        assert_eq!(tab.evaluate("window.failed === undefined").await, json!(true));
    }
}

const PLATFORMS: [(Platform, &str); 4] = [
    (Platform::Android, "android"),
    (Platform::Ios, "ios"),
    (Platform::Harmony, "harmony"),
    (Platform::Pc, "pc"),
];

/// A page of the app that has nothing of ours, with DingTalk's script in it.
async fn with_script(stage: &Stage) -> Tab {
    let tab = stage.open("/public").await;
    load_script(&tab).await;
    tab
}

async fn load_script(tab: &Tab) {
    tab.until_text("public").await;
    let loaded = tab
        .evaluate(
            "new Promise((resolve) => {
                const script = document.createElement('script');
                script.src = 'https://g.alicdn.com/dingding/dingtalk-jsapi/3.1.0/dingtalk.open.js';
                script.onload = () => resolve('loaded');
                document.head.append(script);
            })",
        )
        .await;
    assert_eq!(loaded, Value::from("loaded"));
}

/// Which script the other cases ran with.
#[cfg(feature = "npm")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_is_dingtalks_own_package() {
    let stage = Stage::on(dingtalk_tests::Framework::Axum, Platform::Android).await;
    let tab = with_script(&stage).await;
    let calls = "Object.keys(dd).filter((name) => typeof dd[name] === 'function').length";
    let calls = tab.evaluate(calls).await.as_u64().unwrap();
    assert!(calls > 100, "{calls} calls: not the package");
}
