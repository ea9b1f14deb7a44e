//! Signing in in a browser: the page with the QR code and the password, the older pages, the phone that scans, and the frames.

mod admission;
mod frame;
mod language;
mod page;
mod password;
mod pending;
mod phone;
mod problem;
mod qr;
mod request;

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::{Method, http::request::Parts};
use serde_json::json;

use self::{
    frame::Frames,
    language::Language,
    page::{Page, Shown},
    pending::Next,
    problem::Problem,
    request::{Flow, Query, Wanted},
};
use crate::{
    control,
    engine::Engine,
    envelope::Reply,
    server::header,
    world::{Origin, is_registered},
};

pub use self::phone::PendingSignIn;
pub(crate) use self::{
    pending::SignIns,
    phone::{confirm, list, refuse},
};

/// Answers what belongs to signing in. `None` when it is something else.
pub(crate) fn answer(
    engine: &Engine,
    head: &Parts,
    body: &Bytes,
    own: SocketAddr,
) -> Option<Reply> {
    let path = head.uri.path();
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    if is_read && let Some(asset) = asset(path) {
        return Some(asset);
    }
    let place = Place::of(path)?;
    let allowed = if is_read {
        control::same_machine(head, own)
    } else {
        control::admits(head, own)
    };
    if let Err(why) = allowed {
        return Some(control::error(403, why));
    }
    let visit = Visit {
        engine,
        page: Page {
            world: &engine.world,
            language: Language::of(head),
            host: header(head, "host").unwrap_or_default(),
        },
        query: Query::of(head.uri.query().unwrap_or_default()),
    };
    let shown = match (&head.method, place) {
        (_, Place::Begin(flow)) if is_read => visit.begin(flow, head),
        (_, Place::Step(key)) if is_read => visit.step(key),
        (&Method::POST, Place::Step(key)) => visit.answer(key, &form(body)),
        (_, Place::Status(key)) if is_read => return Some(visit.status(key)),
        (_, Place::Phone(id)) if is_read => visit.scan(id),
        (_, Place::Trial) if is_read => visit.trial(head),
        (_, Place::Back) if is_read => visit.page.back(),
        (&Method::POST, Place::Phone(id)) => visit.answer_phone(id, &form(body)),
        (method, _) => {
            return Some(control::error(
                405,
                format!("{method} does not go with this page"),
            ));
        }
    };
    Some(shown.into_reply())
}

/// The pages, by path.
#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    Begin(Flow),
    /// A sign-in that has begun, by its browser's key.
    Step(&'a str),
    Status(&'a str),
    /// The same by the id in its QR code.
    Phone(&'a str),
    /// The sign-in page for whoever tries it without an app, and what is there in the app's place.
    Trial,
    Back,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Option<Self> {
        Some(match path {
            "/oauth2/auth" | "/oauth2/challenge.htm" => Self::Begin(Flow::Web),
            "/connect/qrconnect" => Self::Begin(Flow::LegacyQr),
            "/connect/oauth2/sns_authorize" => Self::Begin(Flow::LegacyPassword),
            "/login/qrcode.htm" => Self::Begin(Flow::LegacyFrame),
            "/signin/try" => Self::Trial,
            BACK => Self::Back,
            _ => {
                if let Some(id) = path.strip_prefix(PHONE) {
                    return Some(Self::Phone(id));
                }
                let key = path.strip_prefix(STEP)?;
                match key.strip_suffix("/status") {
                    Some(key) => Self::Status(key),
                    None => Self::Step(key),
                }
            }
        })
    }
}

/// One request for a page.
struct Visit<'a> {
    engine: &'a Engine,
    page: Page<'a>,
    query: Query,
}

impl Visit<'_> {
    fn begin(&self, flow: Flow, head: &Parts) -> Shown {
        let world = &self.engine.world;
        let frames = Frames::asked(flow, &self.query);
        let wanted = match flow {
            Flow::Web => Wanted::web(world, &self.query),
            Flow::LegacyFrame => {
                frame::goto(&self.query).and_then(|query| Wanted::legacy(world, &query, flow))
            }
            Flow::LegacyQr | Flow::LegacyPassword => Wanted::legacy(world, &self.query, flow),
        };
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(problem) => return self.page.problem(&problem, 400, None, frames),
        };
        if flow == Flow::LegacyPassword {
            match self.query.one("loginTmpCode") {
                Ok(None) => {}
                Ok(Some(code)) => return self.with_tmp_code(&wanted, code),
                Err(problem) => return self.page.problem(&problem, 400, None, frames),
            }
        }
        let begin = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let now = self.engine.clock.elapsed();
        let mut state = self.engine.state();
        let sign_in = state.sign_ins.begin(wanted, begin.to_owned(), now);
        self.page.sign_in(sign_in, None)
    }

    /// For the first app that may send people back to this sandbox.
    fn trial(self, head: &Parts) -> Shown {
        let back = format!("http://{}{BACK}", self.page.host);
        let mut apps = self.engine.world.apps.iter();
        let app = apps.find(|app| {
            Origin::of(&back).is_some_and(|origin| is_registered(&app.redirect_urls, &origin))
        });
        let Some(app) = app else {
            let problem = Problem::new(
                None,
                "没有应用登记了本机的 redirect_urls",
                "No app of this world has this address among its redirect_urls",
            );
            return self.page.problem(&problem, 400, None, Frames::Nobody);
        };
        let query = Query::from([
            ("client_id", app.app_key.as_str()),
            ("redirect_uri", &back),
            ("response_type", "code"),
            ("scope", "openid corpid"),
            ("prompt", "consent"),
            // Tells the page in the app's place which app it is.
            ("state", &app.app_key),
        ]);
        Visit { query, ..self }.begin(Flow::Web, head)
    }

    /// The page around an older frame comes here with the code it was told.
    fn with_tmp_code(&self, wanted: &Wanted, code: &str) -> Shown {
        let now = self.engine.clock.elapsed();
        let state = &mut *self.engine.state();
        match state.sign_ins.tmp_codes.spend(code, &wanted.app, now) {
            Some(union_id) => {
                let world = &self.engine.world;
                let codes = &mut state.codes;
                Shown::redirect(wanted.ended_well(union_id, None, world, codes, now))
            }
            None => {
                let problem = Problem::new(
                    None,
                    "loginTmpCode参数错误",
                    "loginTmpCode: unknown, used or too old",
                );
                self.page.problem(&problem, 400, None, Frames::Nobody)
            }
        }
    }

    fn step(&self, key: &str) -> Shown {
        let now = self.engine.clock.elapsed();
        let state = &mut *self.engine.state();
        let next = state
            .sign_ins
            .next(key, &self.engine.world, &mut state.codes, now);
        match state.sign_ins.of_browser(key, now) {
            Some(sign_in) => self.page.step(sign_in, next),
            None => self.page.over(),
        }
    }

    fn answer(&self, key: &str, form: &Query) -> Shown {
        let world = &self.engine.world;
        let now = self.engine.clock.elapsed();
        let field = |name: &str| form.one(name).ok().flatten().unwrap_or_default();
        let mut state = self.engine.state();
        let next = {
            let state = &mut *state;
            state.sign_ins.next(key, world, &mut state.codes, now)
        };
        let Some(sign_in) = state.sign_ins.of_browser(key, now) else {
            return self.page.over();
        };
        match next {
            Next::SignIn if sign_in.wanted.flow.has_password(sign_in.wanted.in_frame) => {
                let wanted = sign_in.wanted.clone();
                let checked = state.sign_ins.passwords.check(
                    world,
                    &wanted,
                    field("account"),
                    field("password"),
                    now,
                );
                let Some(sign_in) = state.sign_ins.of_browser(key, now) else {
                    return self.page.over();
                };
                match checked {
                    Ok(union_id) => sign_in.know(world, &union_id, false),
                    Err(refused) => {
                        return self
                            .page
                            .sign_in(sign_in, Some((refused, field("account"))));
                    }
                }
            }
            Next::ChooseCorp(_) => sign_in.choose(world, field("corp_id")),
            Next::Consent => match field("consent") {
                "allow" => sign_in.consent(),
                "refuse" => sign_in.refuse(),
                _ => {}
            },
            _ => {}
        }
        // A page that was posted is not one to come back to.
        Shown::redirect(format!("{STEP}{key}"))
    }

    fn status(&self, key: &str) -> Reply {
        let now = self.engine.clock.elapsed();
        let mut state = self.engine.state();
        let status = state
            .sign_ins
            .of_browser(key, now)
            .map_or("over", |sign_in| sign_in.stage.name());
        let mut reply = Reply::json(200, json!({"status": status}), "");
        reply.headers.extend([
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ]);
        reply
    }
}

fn form(body: &Bytes) -> Query {
    Query::of(&String::from_utf8_lossy(body))
}

fn asset(path: &str) -> Option<Reply> {
    let (content_type, text) = match path {
        "/signin.css" => ("text/css; charset=utf-8", STYLE),
        "/signin.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "/signin/back.js" => ("text/javascript; charset=utf-8", BACK_SCRIPT),
        frame::SCRIPT_PATH => return Some(frame::script()),
        _ => return None,
    };
    let mut reply = Reply::raw(200, content_type, text, "");
    reply.headers.extend([
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ]);
    Some(reply)
}

const STEP: &str = "/oauth2/signin/";
const PHONE: &str = "/phone/";
const BACK: &str = "/signin/back";
const STYLE: &str = include_str!("../page/signin/signin.css");
const SCRIPT: &str = include_str!("../page/signin/signin.js");
const BACK_SCRIPT: &str = include_str!("../page/signin/back.js");
