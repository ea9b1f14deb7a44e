//! The start page: the world, codes, faults, the clock and the live list of calls.

mod card;
mod client;
mod welcome;

use std::{fmt::Write as _, net::SocketAddr};

use hyper::http::request::Parts;
use serde_json::json;

use self::card::{corp_card, strangers};
use crate::{control, engine::Engine, envelope::Reply, route, world::World};

pub(crate) use self::card::escape;
pub(crate) use self::client::address as client_address;

/// Answers what a browser asks for a page and its parts. `None` when it is some other path.
pub(crate) fn answer(engine: &Engine, head: &Parts, own: SocketAddr) -> Option<Reply> {
    let css = |text: &'static str| Reply::raw(200, "text/css; charset=utf-8", text, "");
    let script = |text: &'static str| Reply::raw(200, "text/javascript; charset=utf-8", text, "");
    let mut besides = "form-action 'none'".to_owned();
    let mut reply = match head.uri.path() {
        "/" => match control::same_machine(head, own) {
            Ok(()) => Reply::raw(
                200,
                "text/html; charset=utf-8",
                html(&engine.world, own),
                "",
            ),
            Err(why) => control::error(403, why),
        },
        "/client" => {
            let (reply, allowed) = client::answer(engine, head, own);
            besides = allowed;
            reply
        }
        "/sandbox.css" => css(STYLE),
        "/sandbox.js" => script(SCRIPT),
        "/sandbox.svg" => Reply::raw(200, "image/svg+xml", MARK, ""),
        "/client.css" => css(client::STYLE),
        "/client.js" => script(client::SCRIPT),
        "/sandbox/jsapi.js" => return Some(jsapi()),
        _ => return None,
    };
    reply.headers.extend([
        ("content-security-policy", format!("{POLICY}; {besides}")),
        ("x-content-type-options", "nosniff".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
        ("cache-control", "no-store".to_owned()),
    ]);
    Some(reply)
}

/// The stand-in for DingTalk's JSAPI script: for pages of every site, as DingTalk's own.
fn jsapi() -> Reply {
    let mut reply = Reply::raw(200, "text/javascript; charset=utf-8", client::JSAPI, "");
    reply.headers.extend([
        ("access-control-allow-origin", "*".to_owned()),
        ("cross-origin-resource-policy", "cross-origin".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("cache-control", "no-store".to_owned()),
    ]);
    reply
}

fn html(world: &World, own: SocketAddr) -> String {
    let life = match world.code_seconds {
        seconds if seconds % 60 == 0 && seconds > 60 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    };
    fill(PAGE, |name| match name {
        "url" => escape(&format!("http://{own}")),
        "welcome" => welcome::html(world, own),
        "code_minutes" => life.clone(),
        "quick_faults" => quick_faults(),
        "corps" => world
            .corps
            .iter()
            .map(|corp| corp_card(world, corp, own))
            .chain([strangers(world)])
            .collect(),
        _ => String::new(),
    })
}

/// Fills the `{{parts}}` of a page in one pass, so nothing in the world can name another part.
fn fill(page: &str, part: impl Fn(&str) -> String) -> String {
    let mut pieces = page.split("{{");
    let mut filled = String::with_capacity(32 * 1024);
    filled += pieces.next().unwrap_or_default();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or(("", piece));
        filled += &part(name);
        filled += rest;
    }
    filled
}

fn quick_faults() -> String {
    let faults = [
        (
            "Busy once",
            "-1",
            json!({"kind": "errcode", "code": -1, "route": route::GETUSERINFO, "times": 1}),
        ),
        (
            "Token invalid once",
            "88/40014",
            json!({"kind": "errcode", "code": 40014, "route": route::GETUSERINFO, "times": 1}),
        ),
        (
            "Throttled 3×",
            "88/90018",
            json!({"kind": "errcode", "code": 90018, "times": 3}),
        ),
        (
            "Wrong code",
            "40078, until cleared",
            json!({"kind": "errcode", "code": 40078, "route": route::GETUSERINFO}),
        ),
        (
            "Answer lost",
            "reset, code spent",
            json!({"kind": "reset", "at": 0, "when": "after", "route": route::GETUSERINFO, "times": 1}),
        ),
        (
            "Slow",
            "2 s each call",
            json!({"kind": "delay", "ms": 2000}),
        ),
        (
            "Gateway down",
            "HTTP 503",
            json!({"kind": "status", "status": 503}),
        ),
        (
            "Address banned",
            "HTML page",
            json!({"kind": "ip_ban_page"}),
        ),
    ];
    let mut buttons = String::new();
    for (name, note, fault) in faults {
        let _ = write!(
            buttons,
            "<button type=\"button\" data-fault=\"{}\">{name}<small>{note}</small></button>",
            escape(&fault.to_string())
        );
    }
    buttons
}

const PAGE: &str = include_str!("../page/start.html");
const STYLE: &str = include_str!("../page/sandbox.css");
const SCRIPT: &str = include_str!("../page/sandbox.js");
const MARK: &str = include_str!("../page/sandbox.svg");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
base-uri 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::{card::MOST_PEOPLE, *};
    use crate::world::Person;

    #[test]
    fn nothing_of_the_world_becomes_markup() {
        let mut world = World::default();
        let evil = "<script>\"'&{{corps}}";
        for corp in &mut world.corps {
            evil.clone_into(&mut corp.name);
        }
        for app in &mut world.apps {
            evil.clone_into(&mut app.name);
            evil.clone_into(&mut app.app_key);
            evil.clone_into(&mut app.app_secret);
            app.redirect_urls = vec![evil.to_owned()];
            app.permissions = vec![evil.to_owned()];
            app.visible_users = vec![evil.to_owned()];
        }
        for app in &mut world.sign_in_apps {
            for field in [&mut app.name, &mut app.app_id, &mut app.app_secret] {
                evil.clone_into(field);
            }
        }
        for account in &mut world.accounts {
            account.union_id = format!("stranger {evil}");
            account.nick = Some(evil.to_owned());
        }
        for person in &mut world.people {
            for field in [&mut person.name, &mut person.user_id, &mut person.union_id] {
                evil.clone_into(field);
            }
            person.title = Some(evil.to_owned());
        }
        let page = html(&world, SocketAddr::from(([127, 0, 0, 1], 7070)));
        assert_eq!(page.matches("<script").count(), 1);
        for piece in [evil, "script>\"", "\"'", "'&{"] {
            assert!(!page.contains(piece), "{piece}");
        }
        assert_eq!(page.matches("<article").count(), world.corps.len());
    }

    #[test]
    fn the_page_has_no_inline_script_style_or_handler() {
        let page = html(&World::default(), SocketAddr::from(([127, 0, 0, 1], 7070)));
        for banned in ["<style", " style=", " onclick", "javascript:", "https://"] {
            assert!(!page.contains(banned), "{banned}");
        }
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("{{"));
    }

    #[test]
    fn a_long_list_of_people_is_cut() {
        let mut world = World::default();
        let corp_id = world.corps[0].corp_id.clone();
        for at in 0..MOST_PEOPLE {
            world.people.push(Person {
                corp_id: corp_id.clone(),
                user_id: format!("u{at}"),
                ..Person::default()
            });
        }
        let page = html(&world, SocketAddr::from(([127, 0, 0, 1], 7070)));
        assert!(page.contains(">8 more are in the JSON."));
        let rows = page.matches("class=\"person\"").count();
        assert_eq!(rows, MOST_PEOPLE + 3);
    }
}
