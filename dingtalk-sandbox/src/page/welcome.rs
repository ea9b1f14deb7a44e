//! What a newcomer sees first: one click that shows a login.

use std::{fmt::Write as _, net::SocketAddr};

use form_urlencoded::Serializer;

use super::{
    card::escape,
    client::{address, shown_name},
};
use crate::world::{App, Person, World};

/// The first apps, each with people to open it as. Nothing when no app can be opened.
pub(super) fn html(world: &World, own: SocketAddr) -> String {
    let mut rows = String::new();
    let openings = world.apps.iter().filter_map(|app| {
        let people = people(world, app);
        (app.home().is_some() && !people.is_empty()).then_some((app, people))
    });
    let mut first = None;
    for (at, (app, people)) in openings.take(MOST_APPS).enumerate() {
        first = first.or_else(|| people.first().copied());
        rows += &row(world, app, &people, at, own);
    }
    let Some(person) = first else {
        return String::new();
    };
    let mut workbench = Serializer::new(String::new());
    workbench
        .append_pair("corp", &person.corp_id)
        .append_pair("user", &person.user_id);
    format!(
        "<section class=\"panel welcome\" aria-labelledby=\"welcome-title\"><div class=\"bar\">\
         <h2 id=\"welcome-title\">See a login <span lang=\"zh-Hans\">看一次免登</span></h2>\
         <a class=\"quiet\" href=\"/client?{}\">The workbench <span lang=\"zh-Hans\">工作台</span></a>\
         <a class=\"quiet\" href=\"/signin/try\">Sign in on the web <span lang=\"zh-Hans\">网页登录</span></a></div>\
         <p class=\"hint\">Open an app in a DingTalk client, as anybody: it learns who comes, and nobody types anything.</p>\
         <ul>{rows}</ul></section>",
        escape(&workbench.finish()),
    )
}

fn row(world: &World, app: &App, people: &[&Person], at: usize, own: SocketAddr) -> String {
    let corp = world.corps.iter().find(|corp| corp.corp_id == app.corp_id);
    let first: String = shown_name(app).chars().take(1).collect();
    let mut links = String::new();
    for (n, person) in people.iter().enumerate() {
        let (class, before) = match (at, n) {
            (0, 0) => ("button primary", "Open as "),
            (_, 0) => ("button open", "Open as "),
            _ => ("button", ""),
        };
        let _ = write!(
            links,
            "<a class=\"{class}\" href=\"{href}\" aria-label=\"{before}{name}: {app}\">{before}{name}</a>",
            href = escape(&address(app, &person.user_id, own)),
            app = escape(shown_name(app)),
            name = escape(&person.name),
        );
    }
    format!(
        "<li><span class=\"icon hue{}\" aria-hidden=\"true\">{}</span>\
         <span class=\"app-name\"><b>{}</b><span class=\"label\">{} · {}</span></span>\
         <span class=\"buttons\">{links}</span></li>",
        at % 6,
        escape(&first),
        escape(shown_name(app)),
        escape(corp.map_or("", |corp| &corp.name)),
        escape(&app.home().map(|home| home.origin()).unwrap_or_default()),
    )
}

/// Some who see the app.
fn people<'a>(world: &'a World, app: &App) -> Vec<&'a Person> {
    let sees = |person: &&Person| person.corp_id == app.corp_id && app.sees(person);
    world.people.iter().filter(sees).take(MOST_PEOPLE).collect()
}

const MOST_APPS: usize = 4;
const MOST_PEOPLE: usize = 3;
