//! Several organisations on one handle: nobody sees another's people.

use dingtalk_core::{BoxError, DingTalkBuilder, InternalApp};
use dingtalk_sandbox::{Person, World};
use dingtalk_tests::{Answer, Browser, Framework, Request, Setup, both, login};

both! {
    /// C2
    async fn one_user_id_in_two_corps_is_two_people(framework) {
        let setup = two_corps(framework).await;
        let (mut ours, mut theirs) = (
            sign_in(&setup, HR, "manager01").await,
            sign_in(&setup, WAREHOUSE, "manager01").await,
        );
        for (browser, person) in [(&mut ours, first(&setup)), (&mut theirs, last(&setup))] {
            let me = browser.fetch("/me").await.json();
            assert_eq!(me["corp_id"], person.corp_id);
            assert_eq!(me["user_id"], "manager01");
            assert_eq!(me["union_id"], person.union_id);
            assert_eq!(me["name"], person.name);
        }
        let crossed = ours.fetch(&format!("/me?corpid={}", last(&setup).corp_id)).await;
        assert_eq!((crossed.status, crossed.code()), (401, "session.other_corp".into()));
    }

    /// C2 C4
    async fn whoever_asks_for_another_corp_gets_not_one_byte_of_the_person_signed_in(framework) {
        let setup = Setup::with(framework, by_host).await;
        let mut browser = sign_in(&setup, HR, "manager01").await;
        let other = last(&setup).corp_id;
        let asks: [&dyn Fn(&str) -> Request; 4] = [
            &|path| Request::new("GET", path).header("x-dingtalk-corp-id", &other),
            &|path| Request::new("GET", &format!("{path}?corpid={other}")),
            &|path| Request::new("GET", &format!("{path}?a=b&corpId={other}")),
            &|path| at("b.example.com", Request::new("GET", path)),
        ];
        for ask in asks {
            for path in ["/", "/me", "/guarded/page", "/cached", "/dingtalk/me"] {
                let fetched = browser.send(ask(path).fetch()).await;
                assert_eq!((fetched.status, fetched.code()), (401, "session.other_corp".into()), "{path}");
                assert_eq!(fetched.json()["corp_ids"], serde_json::json!([other]), "{path}");
                assert_bare(&setup, &browser, &fetched);
                let page = browser.send(ask(path).page()).await;
                assert_eq!(page.status, 401, "{path}");
                assert_bare(&setup, &browser, &page);
            }
            for path in ["/maybe", "/option"] {
                for request in [ask(path).fetch(), ask(path).page()] {
                    let answer = browser.send(request).await;
                    assert_eq!((answer.status, answer.text()), (200, "nobody".into()));
                    assert_bare(&setup, &browser, &answer);
                }
            }
        }
        // The cookie stays and still serves its own corp.
        let mine = browser.fetch("/").await;
        assert_eq!((mine.status, mine.text()), (200, format!("hello {}", first(&setup).name)));
    }

    /// C4
    async fn a_session_swapped_between_two_corps_hosts_is_nobody_on_both(framework) {
        let setup = Setup::with(framework, by_host).await;
        let people = [
            ("a.example.com", "b.example.com", sign_in(&setup, HR, "manager01").await),
            ("b.example.com", "a.example.com", sign_in(&setup, WAREHOUSE, "manager01").await),
        ];
        for (home, foreign, mut browser) in people {
            let here = browser.send(at(home, Request::new("GET", "/").fetch())).await;
            assert_eq!(here.status, 200, "{home}");
            let there = browser.send(at(foreign, Request::new("GET", "/").fetch())).await;
            assert_eq!((there.status, there.code()), (401, "session.other_corp".into()), "{foreign}");
            let maybe = browser.send(at(foreign, Request::new("GET", "/maybe").page())).await;
            assert_eq!(maybe.text(), "nobody", "{foreign}");
        }
    }

    async fn a_corp_that_is_not_configured_is_refused_and_shows_nobody(framework) {
        let setup = two_corps(framework).await;
        let mut browser = sign_in(&setup, HR, "manager01").await;
        setup.sandbox.reset_calls();
        for path in ["/", "/guarded/page", "/dingtalk/me"] {
            let answer = browser.fetch(&format!("{path}?corpid=ding00000000deadbeef")).await;
            assert_eq!((answer.status, answer.code()), (403, "login.corp_unknown".into()), "{path}");
            assert_bare(&setup, &browser, &answer);
        }
        let code = setup.any_code();
        let refused = browser.send(login(&code).header("x-dingtalk-corp-id", "ding00000000deadbeef")).await;
        assert_eq!((refused.status, refused.session()), (403, None));
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    async fn the_workbenchs_unfilled_placeholder_names_no_corp(framework) {
        let setup = two_corps(framework).await;
        let mut browser = sign_in(&setup, HR, "manager01").await;
        for target in ["/?corpid=$CORPID$", "/?corpId=%24CORPID%24", "/?corpid=%2524CORPID%2524", "/?corpid="] {
            assert_eq!(browser.fetch(target).await.status, 200, "{target}");
        }
        // A name behind the placeholder still counts.
        let target = format!("/?corpid=$CORPID$&corpId={}", last(&setup).corp_id);
        assert_eq!(browser.fetch(&target).await.code(), "session.other_corp");
    }

    async fn a_login_among_several_corps_is_for_the_one_named_or_the_last_one(framework) {
        let setup = two_corps(framework).await;
        let mut browser = setup.browser();
        let unclear = browser.login(&setup.any_code()).await;
        assert_eq!((unclear.status, unclear.code()), (400, "login.corp_unclear".into()));
        assert_eq!(setup.sandbox.call_count(), 0);
        let mut browser = sign_in(&setup, WAREHOUSE, "manager01").await;
        assert_eq!(browser.logout().await.status, 200);
        let code = setup.sandbox.code(&setup.sandbox.world().apps[WAREHOUSE].app_key, "manager01");
        assert_eq!(browser.login(&code).await.json()["user"]["corp_id"], last(&setup).corp_id);
    }

    /// D21
    async fn a_function_of_the_apps_that_fails_to_name_the_corp_is_a_fault_and_not_nobody(framework) {
        let setup = Setup::with(framework, |builder| {
            builder.corp_of(|request| match request.path {
                path if path.starts_with("/dingtalk") => Ok(None),
                _ => Err(BoxError::from("the tenant table is gone")),
            })
        }).await;
        let mut browser = setup.signed_in().await;
        for path in ["/", "/maybe", "/option", "/guarded/page"] {
            let answer = browser.fetch(path).await;
            assert_eq!(answer.status, 503, "{path}");
            assert!(answer.header("retry-after").is_some());
            assert!(!answer.text().contains("tenant table"));
            assert_bare(&setup, &browser, &answer);
        }
        // A corp that is named leaves the function out of it.
        let target = format!("/?corpid={}", first(&setup).corp_id);
        assert_eq!(browser.fetch(&target).await.status, 200);
    }
}

const HR: usize = 0;
const WAREHOUSE: usize = 2;

async fn two_corps(framework: Framework) -> Setup {
    Setup::with(framework, |builder| builder.internal_app(warehouse())).await
}

/// Two corps, each on a host of its own; other hosts name none.
fn by_host(builder: DingTalkBuilder) -> DingTalkBuilder {
    let corps = World::default().corps;
    builder.internal_app(warehouse()).corp_of(move |request| {
        Ok(match request.host {
            Some("a.example.com") => Some(corps[0].corp_id.clone()),
            Some("b.example.com") => Some(corps[1].corp_id.clone()),
            _ => None,
        })
    })
}

fn warehouse() -> InternalApp {
    let world = World::default();
    let app = &world.apps[WAREHOUSE];
    InternalApp::new(&app.corp_id, &app.app_key, app.app_secret.clone())
}

fn at(host: &str, request: Request) -> Request {
    request.without("host").header("host", host)
}

async fn sign_in(setup: &Setup, app: usize, user_id: &str) -> Browser {
    let app = &setup.sandbox.world().apps[app];
    let mut browser = setup.browser();
    let code = setup.sandbox.code(&app.app_key, user_id);
    let answer = browser
        .send(login(&code).header("x-dingtalk-corp-id", &app.corp_id))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    browser
}

/// `manager01` of the first corp.
fn first(setup: &Setup) -> Person {
    let people = &setup.sandbox.world().people;
    people[0].clone()
}

/// `manager01` of the other corp.
fn last(setup: &Setup) -> Person {
    let world = setup.sandbox.world();
    let mut people = world.people.iter();
    let person = people.find(|person| person.corp_id == world.corps[1].corp_id);
    person.expect("the other corp has people").clone()
}

/// Nothing of the first corp's `manager01` is in the answer, and their session is neither renewed nor removed.
fn assert_bare(setup: &Setup, browser: &Browser, answer: &Answer) {
    let person = first(setup);
    let (name, session) = browser.session().expect("the browser keeps its session");
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"));
    let whole = headers.chain([answer.text()]).collect::<String>();
    let theirs = [
        Some(person.user_id),
        Some(person.union_id),
        Some(person.name),
        Some(person.corp_id),
        person.avatar,
        person.title,
        person.mobile,
        person.email,
        person.job_number,
        Some(setup.sandbox.world().apps[HR].app_key.clone()),
        Some(session),
        Some(format!("{name}=")),
    ];
    for text in theirs.into_iter().flatten() {
        assert!(
            !whole.contains(&text),
            "{text} is in {} {whole}",
            answer.status
        );
    }
}
