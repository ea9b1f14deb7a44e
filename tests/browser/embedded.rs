//! DingTalk's QR code in a frame on our own sign-in page, in an ordinary browser.

use dingtalk_core::WebSignIn;
use dingtalk_sandbox::{Sandbox, route};
use dingtalk_tests::chromium::{Look, Tab};
use dingtalk_tests::{Framework, both};
use serde_json::json;

use crate::stage::Stage;

/// An app with the frame of the sandbox's stand-in for the script.
async fn start(framework: Framework, how: &str) -> Stage {
    let framed = |web: WebSignIn, sandbox: &Sandbox| {
        web.embedded_script(format!("{}/sandbox/ddlogin.js{how}", sandbox.url()))
    };
    Stage::with_web_sign_in(framework, framed).await
}

both! {
    /// A15
    async fn whoever_scans_the_framed_code_is_signed_in_once(framework) {
        let stage = start(framework, "?twice").await;
        let sandbox = &stage.setup.sandbox;
        let zhang = sandbox.world().people[0].union_id.clone();
        let tab = stage.profile.tab(Look::DESK, None).await;
        tab.open(&stage.setup.url("/orders?x=1#/3")).await;
        // Who says no is told so, and starts again on this page.
        let refused = scanned(&stage, &tab).await;
        sandbox.refuse_sign_in(&refused).unwrap();
        tab.until_text("login.declined").await;
        assert_eq!(tab.evaluate("document.getElementById('frame').hidden").await, true, "its last word is another");
        tab.press("#again").await;
        tab.until("document.getElementById('reference').hidden").await;
        let asked = scanned(&stage, &tab).await;
        assert_eq!(tab.evaluate("document.querySelector('#frame iframe').title").await, "Sign in with DingTalk");
        let address = tab.evaluate("document.querySelector('#frame iframe').src").await;
        assert!(address.as_str().unwrap().contains("&redirect_uri=http%3A%2F%2F127.0.0.1%3A"), "{address}");
        // Words of others: of an origin that has the sign-in page's name in it, which DingTalk's script takes, and of the page's own.
        assert_eq!(tab.evaluate(&forged(&format!("{}.evil.example.com", sandbox.url()))).await, true);
        // The script tells it twice at once; here once more, and another code, when the page is on its way. (Chromium itself goes to
        // one address only once.)
        tab.evaluate(&again(sandbox.url())).await;
        let hold = sandbox.hold(route::USER_ACCESS_TOKEN);
        sandbox.confirm_sign_in(&asked, &zhang).unwrap();
        tab.until_sent("GET", "/dingtalk/callback", 1).await;
        tab.until_shown("told again").await;
        hold.release();
        tab.until_text("hello 张伟").await;
        assert_eq!(tab.url().await, stage.setup.url("/orders?x=1#/3"));
        assert_eq!(tab.count("GET", "/dingtalk/callback"), 1);
        assert_eq!(sandbox.call_count_of(route::USER_ACCESS_TOKEN), 1);
        assert_eq!(tab.errors(), Vec::<String>::new());
    }

    /// A1
    async fn what_the_frame_tells_of_another_sign_in_is_not_taken(framework) {
        let stage = start(framework, "").await;
        let tab = stage.profile.tab(Look::DESK, None).await;
        tab.open(&stage.setup.url("/orders")).await;
        scanned(&stage, &tab).await;
        let origin = json!(stage.setup.sandbox.url());
        tab.evaluate(&format!(
            "(() => {{
                const data = {{ success: true, redirectUrl: 'http://127.0.0.1/cb?authCode=theirs&state=theirs' }};
                window.dispatchEvent(new MessageEvent('message', {{ origin: {origin}, data }}));
                return true;
            }})()"
        )).await;
        tab.until_text("login.declined").await;
        assert_eq!(tab.count("GET", "/dingtalk/callback"), 0);
    }

    async fn whoever_looks_at_the_page_for_long_scans_a_sign_in_that_is_still_good(framework) {
        let stage = start(framework, "").await;
        let tab = stage.profile.tab(Look::DESK, None).await;
        tab.run_first(NINE_MINUTES_PASS_ONCE).await;
        tab.open(&stage.setup.url("/orders")).await;
        tab.until_sent("GET", "/dingtalk/login", 2).await;
        tab.until("document.readyState === 'complete'").await;
        let asked = scanned(&stage, &tab).await;
        let zhang = &stage.setup.sandbox.world().people[0].union_id;
        stage.setup.sandbox.confirm_sign_in(&asked, zhang).unwrap();
        tab.until_text("hello 张伟").await;
        assert_eq!(tab.count("GET", "/dingtalk/login"), 2);
        assert_eq!(tab.errors(), Vec::<String>::new());
    }

    async fn whoever_dingtalk_does_not_let_through_reads_its_reason_and_another_may_scan(framework) {
        let stage = start(framework, "").await;
        let sandbox = &stage.setup.sandbox;
        let tab = stage.profile.tab(Look::DESK, None).await;
        tab.open(&stage.setup.url("/orders?x=1#/3")).await;
        let asked = scanned(&stage, &tab).await;
        sandbox.confirm_sign_in(&asked, "unionLiuYang00007").unwrap();
        tab.until_text("login.declined · 操作失败，你不在组织内").await;
        assert_eq!((tab.count("GET", "/dingtalk/callback"), sandbox.call_count()), (0, 0));
        tab.press("#again").await;
        tab.until("document.getElementById('reference').hidden").await;
        let asked = scanned(&stage, &tab).await;
        sandbox.confirm_sign_in(&asked, "unionZhangWei0001").unwrap();
        tab.until_text("hello 张伟").await;
        assert_eq!(tab.url().await, stage.setup.url("/orders?x=1#/3"));
        assert_eq!(tab.count("GET", "/dingtalk/callback"), 1);
        assert_eq!(tab.errors(), Vec::<String>::new());
    }

    async fn where_the_script_does_not_load_the_page_says_so(framework) {
        let stage = start(framework, "").await;
        let tab = stage.profile.tab(Look::DESK, None).await;
        tab.cut_off("/sandbox/ddlogin.js").await;
        tab.open(&stage.setup.url("/orders")).await;
        tab.until_text("browser.sign_in_script_unavailable").await;
        tab.press("#go").await;
        tab.until("location.pathname === '/oauth2/auth'").await;
    }
}

/// A code that nobody granted, told to the page as of an origin and as of the page's own. The page shows no failure.
fn forged(origin: &str) -> String {
    format!(
        "(() => {{
            const data = JSON.parse(document.getElementById('data').textContent);
            const forged = {{ success: true, redirectUrl: data.callback + '?authCode=forged&state=' + data.parameters.state }};
            window.dispatchEvent(new MessageEvent('message', {{ origin: {}, data: forged }}));
            window.postMessage(forged, '*');
            return new Promise((resolve) => setTimeout(() => resolve(document.getElementById('reference').hidden), 0));
        }})()",
        json!(origin)
    )
}

/// When the origin says something, it grants another code a moment later.
fn again(origin: &str) -> String {
    format!(
        "addEventListener('message', (event) => {{
            const redirectUrl = event.data.redirectUrl.replace(/authCode=[^&]*/, 'authCode=another');
            const again = new MessageEvent('message', {{ origin: event.origin, data: {{ success: true, redirectUrl }} }});
            if (event.origin === {}) setTimeout(() => {{
                dispatchEvent(again);
                document.body.append('told again');
            }}, 100);
        }}, {{ once: true }})",
        json!(origin)
    )
}

/// The sign-in whose QR code the tab's frame shows.
async fn scanned(stage: &Stage, tab: &Tab) -> String {
    tab.until_framed_text("Scan to sign in").await;
    let sign_ins = stage.setup.sandbox.sign_ins();
    sign_ins.last().unwrap().id.clone()
}

/// The wait for a new page ends at once, the first time.
const NINE_MINUTES_PASS_ONCE: &str = "(() => {
    const later = window.setTimeout.bind(window);
    window.setTimeout = (work, wait, ...rest) => {
        const isFirst = wait === 540000 && !sessionStorage.getItem('passed');
        if (isFirst) sessionStorage.setItem('passed', '1');
        return later(work, isFirst ? 1 : wait, ...rest);
    };
})();";
