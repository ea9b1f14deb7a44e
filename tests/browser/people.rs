//! Who is who on one device: two people one after the other, and somebody who signed out.

use dingtalk_tests::both;
use dingtalk_tests::chromium::{Behaviour, Platform, Tab};
use serde_json::json;

use crate::stage::Stage;

both! {
    async fn the_second_person_on_a_phone_is_never_shown_the_first(framework) {
        for platform in [Platform::Android, Platform::Ios] {
            let stage = Stage::with(framework, platform, |builder| builder.verify_on_open(true)).await;
            let home = format!("/orders?corpid={}", stage.app().0);
            let tab = stage.open(&home).await;
            tab.until_text("hello 张伟").await;
            // Opened again within minutes, it costs nothing.
            let tab = stage.open(&home).await;
            tab.until_text("hello 张伟").await;
            assert_eq!(stage.exchanges(), 1);
            stage.setup.advance(601);
            stage.client.switch_to("lina02");
            let tab = stage.open(&home).await;
            tab.until_shown("hello 李娜").await;
            assert!(!tab.ever_showed("张伟"));
            assert_eq!(tab.url().await, stage.setup.url(&home));
            assert_eq!(stage.exchanges(), 2);
            // Somebody who may not come in does not find the one before either.
            stage.setup.advance(601);
            stage.client.switch_to("zhaolei04");
            let tab = stage.open(&home).await;
            tab.until_shown("login.person_disabled").await;
            assert!(!tab.ever_showed("hello"));
            let tab = stage.open("/orders").await;
            tab.until_text("login.person_disabled").await;
            assert_eq!(tab.errors(), Vec::<String>::new());
        }
    }

    async fn the_same_person_stays_signed_in_when_verified(framework) {
        let stage = Stage::with(framework, Platform::Pc, |builder| builder.verify_on_open(true)).await;
        let home = format!("/orders?corpid={}", stage.app().0);
        for visit in 1..=3 {
            let tab = stage.open(&home).await;
            tab.until_text("hello 张伟").await;
            assert_eq!(tab.url().await, stage.setup.url(&home));
            assert_eq!(stage.exchanges(), visit);
            // A page without the corp that the workbench fills in is not verified.
            let tab = stage.open("/orders").await;
            tab.until_text("hello 张伟").await;
            assert_eq!(stage.exchanges(), visit);
            stage.setup.advance(601);
        }
    }

    async fn who_signs_out_in_the_client_stays_out_until_asked(framework) {
        for platform in [Platform::Android, Platform::Pc] {
            let stage = Stage::on(framework, platform).await;
            let tab = stage.open("/orders?x=1").await;
            tab.until_text("hello 张伟").await;
            let out = tab.evaluate("fetch('/dingtalk/logout', { method: 'POST' }).then((answer) => answer.json())").await;
            assert_eq!(out["signed_out"], json!(true));
            for target in ["/orders?x=1", "/", "/guarded/page"] {
                tab.open(&stage.setup.url(target)).await;
                signed_out(&tab).await;
                tab.reload().await;
                signed_out(&tab).await;
            }
            assert_eq!((stage.exchanges(), stage.client.asked().len()), (1, 1), "no code was asked for");
            stage.client.switch_to("lina02");
            tab.open(&stage.setup.url("/orders?x=2")).await;
            signed_out(&tab).await;
            tab.press("#again").await;
            tab.until_text("hello 李娜").await;
            assert_eq!(tab.url().await, stage.setup.url("/orders?x=2"));
            // And that is over with the login.
            tab.evaluate("fetch('/dingtalk/logout', { method: 'POST' })").await;
            stage.setup.advance(1);
            let again = stage.open("/dingtalk/login?return_to=/orders").await;
            again.until_text("hello 李娜").await;
            let tab = stage.open("/").await;
            tab.until_text("hello 李娜").await;
            assert_eq!(stage.exchanges(), 3);
            assert_eq!(tab.errors(), Vec::<String>::new());
        }
    }

    async fn a_form_that_signs_out_leads_to_the_same_page(framework) {
        // Under the second, browsers hide which origin a form is from, and say only that it is the same.
        for policy in ["strict-origin-when-cross-origin", "no-referrer"] {
            let stage = Stage::on(framework, Platform::Ios).await;
            let tab = stage.open("/orders").await;
            tab.until_text("hello 张伟").await;
            let post = format!("(() => {{ const meta = document.createElement('meta'); meta.name = 'referrer'; meta.content = '{policy}'; document.head.append(meta); const form = document.createElement('form'); form.method = 'post'; form.action = '/dingtalk/logout?return_to=/orders'; document.body.append(form); form.submit(); return true; }})()");
            tab.evaluate(&post).await;
            signed_out(&tab).await;
            assert_eq!(tab.url().await, stage.setup.url("/orders"));
            stage.client.answers(Behaviour::Cancelling);
            tab.press("#again").await;
            tab.until_text("client.cancelled").await;
            assert_eq!(stage.exchanges(), 1);
        }
    }
}

async fn signed_out(tab: &Tab) {
    tab.until(
        "document.readyState === 'complete' && !!document.querySelector('#again:not([hidden])')",
    )
    .await;
    let text = tab.text().await;
    assert!(
        text.contains("You are signed out") && text.contains("Sign in again"),
        "{text}"
    );
}
