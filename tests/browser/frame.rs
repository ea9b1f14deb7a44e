//! The app in a frame of another site: `http://localhost` frames `http://127.0.0.1`.

use dingtalk_tests::both;
use dingtalk_tests::chromium::{PORTAL, Platform};

use crate::stage::Stage;

both! {
    async fn a_frame_of_a_site_that_is_not_listed_says_what_to_set(framework) {
        for listed in [None, Some("https://portal.example.com")] {
            let stage = Stage::with(framework, Platform::Android, |builder| builder.framed_by(listed)).await;
            for target in ["/orders?x=1", "/dingtalk/login?via=client&return_to=/"] {
                let tab = stage.tab().await;
                tab.open_framed(&stage.setup.url(target)).await;
                match listed {
                    None => {
                        tab.until_framed_text("browser.framed").await;
                        assert!(tab.framed_text().await.contains(".framed_by([\"https://portal.example.com\"])"));
                        assert_eq!(tab.errors(), Vec::<String>::new());
                    }
                    // A page for the sites that are listed does not show in another's.
                    Some(_) => {
                        tab.until_errors("frame-ancestors").await;
                        assert!(!tab.framed_text().await.contains("hello"));
                    }
                }
            }
            assert_eq!(stage.client.asked(), [], "no code is asked for in a frame that may not be there");
            assert_eq!(stage.setup.sandbox.call_count(), 0);
        }
    }

    /// D2
    async fn in_a_frame_of_a_listed_site_one_is_signed_in_and_stays_so(framework) {
        let stage = Stage::with(framework, Platform::Android, |builder| builder.framed_by([PORTAL])).await;
        let tab = stage.tab().await;
        tab.open_framed(&stage.setup.url("/orders?x=1")).await;
        tab.until_framed_text("hello 张伟").await;
        assert_eq!(stage.exchanges(), 1);
        tab.open_framed(&stage.setup.url("/")).await;
        tab.until_framed_text("hello 张伟").await;
        assert_eq!((stage.exchanges(), stage.client.asked().len()), (1, 1), "the cookie was kept");
        assert_eq!(tab.errors(), Vec::<String>::new());
        // Each site that frames the app has a sign-in of its own, and so has a window without a frame.
        let alone = stage.open("/").await;
        alone.until_text("hello 张伟").await;
        assert_eq!(stage.exchanges(), 2);
    }
}
