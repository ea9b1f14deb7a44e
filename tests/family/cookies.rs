//! The session cookie on the wire: its attributes, and every way to write it wrong.

use dingtalk_sandbox::{Sandbox, World};
use dingtalk_tests::{Answer, Placement, Request, Setup, both, build, login};

both! {
    /// D1
    async fn every_cookie_has_every_attribute_and_its_removal_too(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.browser();
        let refused = browser.fetch("/").await;
        let signed_in = browser.login(&setup.any_code()).await;
        let signed_out = browser.logout().await;
        let again = browser.login(&setup.any_code()).await;
        let cookies: Vec<&str> = [&refused, &signed_in, &signed_out, &again]
            .into_iter()
            .flat_map(|answer| answer.headers_named("set-cookie"))
            .collect();
        assert_eq!(cookies.len(), 10, "{cookies:?}");
        for cookie in &cookies {
            assert!(cookie.starts_with(NAME), "{cookie}");
            let attributes = cookie.split_once("; ").expect("it has some").1;
            let attributes = attributes.split("; Max-Age").next();
            assert_eq!(attributes, Some("HttpOnly; SameSite=Lax; Secure; Path=/"), "{cookie}");
        }
        // It ends with the client: no lifetime of its own.
        let session = signed_in.session().expect("signed in");
        assert!(cookies.contains(&&*format!("{NAME}={session}; HttpOnly; SameSite=Lax; Secure; Path=/")));
        assert!(cookies.contains(&&*format!("{NAME}=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0")));
    }

    /// D1
    async fn plain_http_gives_up_the_prefix_and_secure_together(framework) {
        let setup = Setup::with(framework, |builder| {
            builder.public_origin("http://hr.internal").allow_plain_http()
        }).await;
        let request = Request::new("POST", "/dingtalk/login")
            .header("origin", "http://hr.internal")
            .header("x-dingtalk-auth-code", setup.any_code());
        let answer = setup.browser().send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        for cookie in answer.headers_named("set-cookie") {
            assert!(cookie.starts_with("dt-"), "{cookie}");
            assert!(!cookie.contains("Secure") && cookie.contains("; HttpOnly; SameSite=Lax; Path=/"), "{cookie}");
        }
    }

    /// D3
    async fn only_the_exact_name_is_ours(framework) {
        let setup = Setup::start(framework).await;
        let session = session(&setup).await;
        let bare = NAME.trim_start_matches("__Host-");
        let names = [
            format!("%5F%5FHost-{bare}"),
            format!("%5f%5fHost%2D{bare}"),
            NAME.to_lowercase(),
            NAME.to_uppercase(),
            bare.to_owned(),
            format!("__Secure-{bare}"),
            format!("\u{a0}{NAME}"),
            format!("\u{2003}{NAME}"),
            format!("\u{feff}{NAME}"),
            format!("\u{c}{NAME}").replace('\u{c}', "\u{85}"),
            format!("\"{NAME}\""),
            format!("{NAME}\u{a0}"),
            format!("{NAME}-x"),
            format!("x{NAME}"),
            format!("a={NAME}"),
            format!("$Version=1,{NAME}"),
        ];
        for name in names {
            assert_nobody(&setup, [format!("{name}={session}")]).await;
        }
        // The blanks that browsers and proxies do add.
        for cookie in [format!("a=b;\t {NAME} =\t{session} ; c=d"), format!("{NAME}={session}")] {
            assert_somebody(&setup, [cookie]).await;
        }
    }

    /// D4
    async fn a_good_cookie_counts_beside_bad_ones_of_its_name_and_two_people_are_nobody(framework) {
        let setup = Setup::start(framework).await;
        let pair = |value: &str| format!("{NAME}={value}");
        let good = pair(&session(&setup).await);
        let again = pair(&session(&setup).await);
        let answer = setup.browser().login(&setup.code("lina02")).await;
        let other = pair(&answer.session().expect("signed in"));
        let bad = pair("AAAA");
        for cookies in [
            format!("{bad}; {good}"),
            format!("{good}; {bad}"),
            format!("{bad}; {bad}; {bad}; {good}"),
            format!("{}; {good}", pair("")),
            format!("{good}; {again}"),
            format!("{again}; {good}; {bad}"),
        ] {
            assert_somebody(&setup, [cookies]).await;
        }
        assert_somebody(&setup, [bad.clone(), good.clone()]).await;
        assert_somebody(&setup, [good.clone(), bad.clone()]).await;
        for cookies in [format!("{good}; {other}"), format!("{other}; {good}"), format!("{good}; {bad}; {again}; {other}")] {
            assert_nobody(&setup, [cookies]).await;
        }
        assert_nobody(&setup, [good.clone(), other.clone()]).await;
        // Four are looked at and no more.
        assert_nobody(&setup, [format!("{}{good}", format!("{bad}; ").repeat(4))]).await;
        // Of two people, one signed out is no doubt any more.
        let request = Request::new("POST", "/dingtalk/logout").fetch().header("cookie", &other);
        assert_eq!(request.send(setup.app.address()).await.status, 200);
        assert_somebody(&setup, [format!("{other}; {good}")]).await;
    }

    /// D5
    async fn no_neighbour_hides_our_cookie(framework) {
        let setup = Setup::start(framework).await;
        let ours = format!("{NAME}={}", session(&setup).await).into_bytes();
        let mut junk = Junk(1);
        let mut neighbours = vec![b"a=\xff".to_vec(), b"=".to_vec(), b"; ;;".to_vec(), b"\"".to_vec(), b"%".to_vec()];
        neighbours.extend((0..100).map(|_| junk.bytes()));
        for neighbour in neighbours {
            let joined = [&neighbour, &b"; "[..], &ours, b"; ", &neighbour].concat();
            assert_somebody(&setup, [joined]).await;
            assert_somebody(&setup, [neighbour.clone(), ours.clone(), neighbour]).await;
        }
    }

    /// D6
    async fn whatever_is_wrong_with_a_cookie_makes_the_same_nobody(framework) {
        let setup = Setup::start(framework).await;
        let session = session(&setup).await;
        assert_somebody(&setup, [format!("{NAME}={session}")]).await;
        let mut broken = vec![
            String::new(),
            format!("{session}A"),
            format!("{session}="),
            format!("\"{session}\""),
            format!("A{session}"),
            format!("{session}.{session}"),
            format!("%{:02X}{}", session.as_bytes()[0], &session[1..]),
            r#"{"user_id":"manager01","corp_id":"ding0a1b2c3d4e5f6a7b"}"#.to_owned(),
            "A".repeat(4000),
            "A".repeat(8000),
        ];
        for at in 0..session.len() {
            broken.push(session[..at].to_owned());
            let other = if &session[at..=at] == "A" { "B" } else { "A" };
            broken.push(format!("{}{other}{}", &session[..at], &session[at + 1..]));
        }
        let mut answers = Vec::new();
        for value in &broken {
            let answer = ask(&setup, [format!("{NAME}={value}")]).await;
            assert!(answer.headers_named("set-cookie").all(|cookie| !cookie.starts_with(&format!("{NAME}="))));
            let mut body = answer.json();
            body["id"].take();
            answers.push((answer.status, body));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0].0, 401);
        assert_eq!(answers[0].1["code"], "session.required");
    }

    /// D18
    async fn a_person_in_two_hundred_departments_gets_in(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.browser();
        let answer = browser.login(&setup.code("sunli05")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_fits(&answer);
        let me = browser.fetch("/me").await.json();
        assert_eq!(me["user_id"], "sunli05");
        let departments = me["department_ids"].as_array().expect("a list").len();
        assert_eq!((departments, &me["trimmed"]), (200, &false.into()));
    }

    /// D18
    async fn a_profile_too_large_for_a_cookie_is_trimmed_and_says_so(framework) {
        let mut world = World::default();
        let person = &mut world.people[0];
        person.name = "名".repeat(2000);
        person.title = Some("衔".repeat(2000));
        person.avatar = Some(format!("https://static.example.com/{}", "a".repeat(3000)));
        let setup = Setup::placed(framework, Placement::Right, world, |builder| builder).await;
        let mut browser = setup.browser();
        let answer = browser.login(&setup.any_code()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_fits(&answer);
        let me = browser.fetch("/me").await.json();
        assert_eq!((&me["user_id"], &me["trimmed"]), (&"manager01".into(), &true.into()));
        let name = me["name"].as_str().expect("a name");
        assert!(name.len() >= 60 && name.chars().all(|c| c == '名'), "{name}");
        // Renewed, it still fits.
        setup.advance(400);
        let renewed = browser.fetch("/").await;
        assert!(renewed.session().is_some());
        assert_fits(&renewed);
    }
}

/// D1
#[tokio::test]
async fn settings_that_contradict_a_safe_cookie_do_not_build() {
    let sandbox = Sandbox::start().await;
    let builds = |origin: &str| build(&sandbox, |builder| builder.public_origin(origin)).is_ok();
    assert!(builds("https://hr.example.com") && builds("http://127.0.0.1:8080"));
    for origin in [
        "http://hr.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "ws://hr.example.com",
        "https://user@hr.example.com",
        "hr.example.com",
    ] {
        assert!(!builds(origin), "{origin}");
    }
    let trusts = |origin: &str| build(&sandbox, |builder| builder.trusted_origin(origin)).is_ok();
    assert!(trusts("https://spa.example.com"));
    for origin in [
        "*",
        "null",
        "http://spa.example.com",
        "https://spa.example.com/app",
        "https://u@spa.example.com",
        "",
    ] {
        assert!(!trusts(origin), "{origin}");
    }
}

const NAME: &str = "__Host-dt-624a92d9";

async fn session(setup: &Setup) -> String {
    let answer = login(&setup.any_code()).send(setup.app.address()).await;
    answer.session().expect("signed in")
}

/// What `GET /` answers to these `Cookie` headers.
async fn ask<const N: usize>(setup: &Setup, cookies: [impl AsRef<[u8]>; N]) -> Answer {
    let request = Request::new("GET", "/").fetch();
    let request = cookies
        .into_iter()
        .fold(request, |request, cookie| request.header("cookie", cookie));
    request.send(setup.app.address()).await
}

async fn assert_somebody<const N: usize>(setup: &Setup, cookies: [impl AsRef<[u8]> + Clone; N]) {
    let answer = ask(setup, cookies.clone()).await;
    let name = &setup.sandbox.world().people[0].name;
    assert_eq!(
        (answer.status, answer.text()),
        (200, format!("hello {name}")),
        "{}",
        text(&cookies)
    );
}

async fn assert_nobody<const N: usize>(setup: &Setup, cookies: [impl AsRef<[u8]> + Clone; N]) {
    let answer = ask(setup, cookies.clone()).await;
    assert_eq!(answer.status, 401, "{}", text(&cookies));
    assert_eq!(
        (answer.code(), answer.session()),
        ("session.required".into(), None)
    );
}

fn text<const N: usize>(cookies: &[impl AsRef<[u8]>; N]) -> String {
    let texts = cookies
        .each_ref()
        .map(|cookie| String::from_utf8_lossy(cookie.as_ref()).into_owned());
    texts.join(" | ")
}

/// Browsers drop a cookie beyond 4096 bytes without a word.
fn assert_fits(answer: &Answer) {
    for cookie in answer.headers_named("set-cookie") {
        assert!(cookie.len() <= 4096, "{} bytes", cookie.len());
    }
}

/// Bytes that HTTP lets into a header, the same on every run.
struct Junk(u64);

impl Junk {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.next() % 60;
        let mut byte = || match (self.next() % 256) as u8 {
            byte @ (b' '..=b'~' | 0x80..) => byte,
            _ => b';',
        };
        (0..length).map(|_| byte()).collect()
    }
}
