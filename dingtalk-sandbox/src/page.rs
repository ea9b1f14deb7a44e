//! The start page: the world, codes, faults, the clock and the live list of calls.

mod card;

use std::{fmt::Write as _, net::SocketAddr};

use hyper::http::request::Parts;
use serde_json::json;

use self::card::corp_card;
use crate::{control, engine::Engine, envelope::Reply, route, world::World};

pub(crate) use self::card::escape;

/// Answers what a browser asks for the page. `None` when it is some other path.
pub(crate) fn answer(engine: &Engine, head: &Parts, own: SocketAddr) -> Option<Reply> {
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
        "/sandbox.css" => Reply::raw(200, "text/css; charset=utf-8", STYLE, ""),
        "/sandbox.js" => Reply::raw(200, "text/javascript; charset=utf-8", SCRIPT, ""),
        "/sandbox.svg" => Reply::raw(200, "image/svg+xml", MARK, ""),
        _ => return None,
    };
    reply.headers.extend([
        ("content-security-policy", POLICY.to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
        ("cache-control", "no-store".to_owned()),
    ]);
    Some(reply)
}

fn html(world: &World, own: SocketAddr) -> String {
    let life = match world.code_seconds {
        seconds if seconds % 60 == 0 && seconds > 60 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    };
    let corps: String = world
        .corps
        .iter()
        .map(|corp| corp_card(world, corp))
        .collect();
    // The parts are filled in one pass, so nothing in the world can name another part.
    let mut page = String::with_capacity(32 * 1024);
    for (at, piece) in PAGE.split("{{").enumerate() {
        let (name, rest) = if at == 0 {
            ("", piece)
        } else {
            piece.split_once("}}").unwrap_or(("", piece))
        };
        match name {
            "url" => page += &escape(&format!("http://{own}")),
            "code_minutes" => page += &life,
            "quick_faults" => page += &quick_faults(),
            "corps" => page += &corps,
            _ => {}
        }
        page += rest;
    }
    page
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
base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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
            app.permissions = vec![evil.to_owned()];
            app.visible_users = vec![evil.to_owned()];
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
