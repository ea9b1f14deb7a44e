//! The client page: an app as somebody sees it who opens it in DingTalk, on a phone or a PC.

mod choice;
mod device;
mod fields;

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use form_urlencoded::Serializer;
use hyper::http::request::Parts;

use self::choice::Choice;
use super::{card::escape, fill};
use crate::{
    client::Device,
    control,
    engine::Engine,
    envelope::Reply,
    server::header,
    world::{App, Opening, Person},
};

/// The page, and what its policy has to allow besides the usual.
pub(super) fn answer(engine: &Engine, head: &Parts, own: SocketAddr) -> (Reply, String) {
    if let Err(why) = control::same_machine(head, own) {
        return (control::error(403, why), String::new());
    }
    let host = header(head, "host").unwrap_or_default();
    let choice = Choice::read(&engine.world, head.uri.query().unwrap_or_default());
    let site = if choice.same_site {
        same_site
    } else {
        other_site
    };
    if let Some(other) = choice.app.and_then(|app| site(app, host, own)) {
        let mut reply = Reply::raw(307, "text/plain; charset=utf-8", "", "");
        let location = format!("http://{other}{}", choice.address());
        reply.headers.push(("location", location));
        return (reply, String::new());
    }
    let status = if choice.notice.is_some() { 404 } else { 200 };
    let page = html(&choice, host, own);
    let reply = Reply::raw(status, "text/html; charset=utf-8", page, "");
    // A form that leads to the other name of this machine is followed by a redirect, which the policy is asked about too.
    let names = names(own).into_iter().map(|name| format!(" http://{name}"));
    let frames = choice.apps().flat_map(App::origins);
    let policy = format!(
        "form-action 'self'{}; frame-src {}",
        names.collect::<String>(),
        frames.collect::<Vec<_>>().join(" ")
    );
    (reply, policy)
}

/// The client page's address for this app and person, under the name of this machine that makes frame and app two sites.
pub(crate) fn address(app: &App, user_id: &str, own: SocketAddr) -> String {
    let site = other_site(app, &own.to_string(), own).unwrap_or_else(|| own.to_string());
    let mut query = Serializer::new(String::new());
    query
        .append_pair("app", &app.app_key)
        .append_pair("user", user_id);
    format!("http://{site}/client?{}", query.finish())
}

/// The name under which this page is another site than the app, when under `host` it is not.
fn other_site(app: &App, host: &str, own: SocketAddr) -> Option<String> {
    let home = app.home()?;
    let is_home = |host: &str| name(host).eq_ignore_ascii_case(home.host());
    let mut names = names(own).into_iter();
    is_home(host).then(|| names.find(|other| !is_home(other)))?
}

/// The name under which this page is of the app's site, when under `host` it is not.
fn same_site(app: &App, host: &str, own: SocketAddr) -> Option<String> {
    let home = app.home()?;
    let is_home = |host: &str| name(host).eq_ignore_ascii_case(home.host());
    let mut names = names(own).into_iter();
    (!is_home(host)).then(|| names.find(|other| is_home(other)))?
}

/// A host without its port.
fn name(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// `localhost:7070` and `127.0.0.1:7070` where both lead here.
fn names(own: SocketAddr) -> Vec<String> {
    let port = own.port();
    match own.ip() {
        ip if ip.is_unspecified() => vec![format!("localhost:{port}"), format!("127.0.0.1:{port}")],
        IpAddr::V4(ip) if ip.octets() == [127, 0, 0, 1] => {
            vec![format!("localhost:{port}"), own.to_string()]
        }
        IpAddr::V6(ip) if ip.is_loopback() => vec![format!("localhost:{port}"), own.to_string()],
        _ => vec![own.to_string()],
    }
}

fn html(choice: &Choice<'_>, host: &str, own: SocketAddr) -> String {
    let opening = choice.opening();
    fill(PAGE, |name| match name {
        "title" => escape(choice.app.map_or("Workbench", shown_name)),
        "url" => escape(&format!("http://{own}")),
        "device_class" => match choice.device {
            Device::Pc => "on-pc".to_owned(),
            Device::Android | Device::Ios => "on-phone".to_owned(),
        },
        "notice" => choice.notice.as_ref().map_or_else(String::new, |notice| {
            format!(
                "<p class=\"panel notice\" role=\"alert\">{}</p>",
                escape(notice)
            )
        }),
        "who" => fields::who(choice),
        "answers" => fields::answers(choice),
        "person" => escape(choice.person.map_or("nobody", |person| &person.name)),
        "data" => data(choice),
        "device" => device::html(choice, opening.as_ref()),
        "opened" => opened(choice, opening.as_ref(), host, own),
        _ => String::new(),
    })
}

/// What the script has to know.
fn data(choice: &Choice<'_>) -> String {
    let person =
        |field: fn(&Person) -> &String| choice.person.map_or("", |person| &**field(person));
    [
        ("corp", person(|person| &person.corp_id)),
        ("user", person(|person| &person.user_id)),
        ("app", choice.app.map_or("", |app| &app.app_key)),
        ("device", choice.device.name()),
        ("version", VERSION),
        ("old-version", OLD_VERSION),
    ]
    .iter()
    .fold(String::new(), |mut data, (name, value)| {
        let _ = write!(data, " data-{name}=\"{}\"", escape(value));
        data
    })
}

/// Ways to open the app besides the frame, and what differs.
fn opened(choice: &Choice<'_>, opening: Option<&Opening>, host: &str, own: SocketAddr) -> String {
    let (Some(opening), Some(home)) = (opening, choice.app.and_then(App::home)) else {
        return String::new();
    };
    let (frame, app) = (name(host), home.host());
    let is_same = frame.eq_ignore_ascii_case(app);
    let (kind, why) = if is_same {
        (
            "Framed from the same site <span lang=\"zh-Hans\">同站嵌入</span>",
            "Cookies are sent as at the top: a fault of cookies in frames would not be seen."
                .to_owned(),
        )
    } else {
        (
            "Framed from another site <span lang=\"zh-Hans\">跨站嵌入</span>",
            "Browsers keep ordinary cookies (<code>SameSite=Lax</code>) out of such a frame, so an app that is not made for frames cannot \
             sign anybody in here. One that is sets them <code>SameSite=None; Secure; Partitioned</code>: <code>.framed_by([…])</code> \
             in our crates."
                .to_owned(),
        )
    };
    let toggle = match (is_same, names(own).len()) {
        (_, 1) => String::new(),
        (true, _) => site_link(choice, false, "Frame it from another site"),
        (false, _) if names(own).iter().any(|other| name(other) == app) => {
            site_link(choice, true, "Frame it from the same site")
        }
        (false, _) => String::new(),
    };
    format!(
        "<section class=\"panel opened\" aria-labelledby=\"opened-title\"><h2 id=\"opened-title\">{kind}</h2>\
         <p class=\"hint\"><code>{frame}</code> frames <code>{app}</code>. {why}</p>\
         <p class=\"hint\">In a tab it is on top, as in a phone's web view: ordinary cookies do.</p>\
         <div class=\"buttons\"><a class=\"button\" id=\"tab\" href=\"{login}\" target=\"{name} tab\" rel=\"opener\">Open in a tab \
         <span lang=\"zh-Hans\">新标签页</span></a>{toggle}</div>\
         <p class=\"hint silent\" id=\"silent\" hidden>The app has asked for nothing. If it greets {person}, an earlier session did; if the frame is \
         empty, see that the app runs at <code>{origin}</code> and lets this page frame it.</p></section>",
        frame = escape(frame),
        app = escape(app),
        login = escape(&opening.login),
        name = escape(&window_name(choice)),
        person = escape(choice.person.map_or("somebody", |person| &person.name)),
        origin = escape(&home.origin()),
    )
}

fn site_link(choice: &Choice<'_>, same_site: bool, text: &str) -> String {
    let choice = Choice {
        same_site,
        ..choice.clone()
    };
    format!(
        "<a class=\"quiet\" data-carry href=\"{}\">{text}</a>",
        escape(&choice.address())
    )
}

/// What the stand-in for the JSAPI script reads before the client answered.
fn window_name(choice: &Choice<'_>) -> String {
    let version = if choice.is_old { OLD_VERSION } else { VERSION };
    format!("dingtalk-sandbox {} {version}", choice.device.name())
}

pub(super) fn shown_name(app: &App) -> &str {
    if app.name.is_empty() {
        &app.app_key
    } else {
        &app.name
    }
}

pub(super) const STYLE: &str = include_str!("../../page/client.css");
pub(super) const SCRIPT: &str = include_str!("../../page/client.js");
/// The stand-in for DingTalk's JSAPI script.
pub(super) const JSAPI: &str = include_str!("../../page/jsapi.js");
const PAGE: &str = include_str!("../../page/client.html");
const VERSION: &str = "7.6.45";
/// The last without `requestAuthCodeV2` on a phone is older than 7.0.45.
const OLD_VERSION: &str = "7.0.40";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    fn own() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 7070))
    }

    #[test]
    fn nothing_of_the_world_or_the_address_becomes_markup() {
        let mut world = World::default();
        let evil = "<script>\"'&{{device}}";
        for corp in &mut world.corps {
            evil.clone_into(&mut corp.name);
        }
        for app in &mut world.apps {
            evil.clone_into(&mut app.name);
            app.home_url = "http://127.0.0.1:7081/'&x".to_owned();
        }
        for person in &mut world.people {
            evil.clone_into(&mut person.name);
            person.title = Some(evil.to_owned());
        }
        for query in [
            "",
            "from=chat",
            "device=pc",
            "app=dinghr0000000000001",
            "app=dinghr0000000000001&path=/'%26x",
            "app=%3Cscript%3E%22'%26",
        ] {
            let page = html(&Choice::read(&world, query), "localhost:7070", own());
            assert_eq!(page.matches("<script").count(), 1, "{query}");
            for piece in [evil, "script>\"", "\"'", "'&{", "/'&x"] {
                assert!(!page.contains(piece), "{query}: {piece}");
            }
            assert_eq!(page.matches("<div class=\"device").count(), 1, "{query}");
            for banned in ["<style", " style=", " onclick", "javascript:"] {
                assert!(!page.contains(banned), "{query}: {banned}");
            }
        }
    }

    #[test]
    fn the_frame_is_of_another_site_wherever_this_machine_has_two_names() {
        let app = |home: &str| App {
            home_url: home.to_owned(),
            ..App::default()
        };
        for (home, listen, other, same) in [
            (
                "http://127.0.0.1:7081/",
                "127.0.0.1:7070",
                Some("localhost:7070"),
                None,
            ),
            (
                "http://localhost:7081/",
                "127.0.0.1:7070",
                None,
                Some("localhost:7070"),
            ),
            ("http://hr.example/", "127.0.0.1:7070", None, None),
            (
                "http://127.0.0.1:7081/",
                "0.0.0.0:7070",
                Some("localhost:7070"),
                None,
            ),
            ("http://192.168.1.5:7081/", "192.168.1.5:7070", None, None),
        ] {
            let own: SocketAddr = listen.parse().unwrap();
            let host = if own.ip().is_unspecified() {
                "127.0.0.1:7070"
            } else {
                listen
            };
            let app = app(home);
            assert_eq!(
                other_site(&app, host, own).as_deref(),
                other,
                "{home} {listen}"
            );
            assert_eq!(
                same_site(&app, host, own).as_deref(),
                same,
                "{home} {listen}"
            );
        }
    }
}
