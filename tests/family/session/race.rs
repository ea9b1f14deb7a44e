//! Answers of older requests that arrive while somebody signs in.

use std::collections::BTreeMap;

use dingtalk_sandbox::route;
use dingtalk_tests::{Answer, Request, Setup, both, login};
use futures_util::future::join_all;

/// What the browser had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Old {
    Living,
    Idle,
    SignedOut,
    Junk,
}

both! {
    /// D12
    async fn whatever_arrives_around_a_login_in_whatever_order_the_browser_ends_signed_in(framework) {
        for old in [Old::Living, Old::Idle, Old::SignedOut, Old::Junk] {
            let setup = Setup::start(framework).await;
            let mut browser = setup.signed_in().await;
            match old {
                Old::Living => {}
                Old::Idle => setup.advance(3 * 3600),
                Old::SignedOut => assert_eq!(browser.clone().logout().await.status, 200),
                Old::Junk => {
                    let (name, _) = browser.session().expect("signed in");
                    browser.cookies.insert(name, "AAAA".to_owned());
                }
            }
            let before = browser.clone();
            let asked = async || join_all((0..10).map(|at| {
                let path = ["/", "/public", "/maybe", "/nowhere", "/dingtalk/me"][at % 5];
                let request = Request::new("GET", path);
                let request = if at % 2 == 0 { request.fetch() } else { request.page() };
                before.carry(request).send(setup.app.address())
            })).await;
            let hold = setup.sandbox.hold(route::GETUSERINFO);
            let posted = tokio::spawn(before.carry(login(&setup.code("lina02"))).send(setup.app.address()));
            hold.wait_for(1).await;
            let mut answers = asked().await;
            hold.release();
            let posted = posted.await.expect("it ends");
            assert_eq!(posted.status, 200, "{old:?}: {}", posted.text());
            let session = posted.session().expect("signed in");
            answers.push(posted);
            answers.extend(asked().await);
            assert_eq!(answers.len(), 21);

            let mut random = 0x5eed_u64;
            for _ in 0..200 {
                shuffle(&mut answers, &mut random);
                let mut browser = before.clone();
                answers.iter().for_each(|answer| browser.keep(answer));
                let (_, kept) = browser.session().unwrap_or_else(|| panic!("{old:?}: signed out by {:?}", removals(&answers)));
                assert_eq!(kept, session, "{old:?}");
            }
            browser.cookies = BTreeMap::from([(before.session().expect("it has one").0, session)]);
            assert_eq!(browser.fetch("/me").await.json()["user_id"], "lina02", "{old:?}");
        }
    }
}

fn shuffle(answers: &mut [Answer], random: &mut u64) {
    for at in (1..answers.len()).rev() {
        *random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        answers.swap(at, (*random >> 33) as usize % (at + 1));
    }
}

fn removals(answers: &[Answer]) -> Vec<&str> {
    answers
        .iter()
        .flat_map(|answer| answer.headers_named("set-cookie"))
        .filter(|cookie| cookie.contains("Max-Age=0"))
        .collect()
}
