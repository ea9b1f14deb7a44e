//! What the client page's address asks for.

use form_urlencoded::{Serializer, parse};

use crate::{
    client::{Answer, Device},
    world::{App, Corp, OpenedFrom, Opening, Person, World, is_path},
};

/// Who, what, on which device, and how the client answers.
#[derive(Clone, Debug)]
pub(super) struct Choice<'a> {
    pub(super) world: &'a World,
    pub(super) corp: Option<&'a Corp>,
    pub(super) person: Option<&'a Person>,
    /// The open app; the workbench or the chats when there is none.
    pub(super) app: Option<&'a App>,
    pub(super) device: Device,
    pub(super) from: OpenedFrom,
    /// A page of the app, when not its home page.
    pub(super) path: Option<String>,
    pub(super) answer: Answer,
    pub(super) slow_ms: u32,
    pub(super) is_old: bool,
    pub(super) is_same: bool,
    /// Frame the app from its own site.
    pub(super) same_site: bool,
    /// What of the address could not be had.
    pub(super) notice: Option<String>,
}

impl<'a> Choice<'a> {
    /// Reads the query `app=&user=&corp=&device=&from=&path=&answer=&slow=&old=&same=&site=`: everything may be absent or empty.
    pub(super) fn read(world: &'a World, query: &str) -> Self {
        let mut notice = None;
        let mut wrong = |key: &str, value: &str, allowed: &str| {
            notice.get_or_insert_with(|| format!("{key}: `{value}` is not {allowed}"));
        };
        let value = |key: &str| {
            parse(query.as_bytes())
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.into_owned())
                .filter(|value| !value.is_empty())
        };
        let mut app = value("app").and_then(|key| {
            let app = world.app(&key);
            if app.is_none() {
                wrong("app", &key, "an app of this world");
            }
            app
        });
        let corp_id = value("corp")
            .or_else(|| app.map(|app| app.corp_id.clone()))
            .or_else(|| world.corps.first().map(|corp| corp.corp_id.clone()))
            .unwrap_or_default();
        let corp = world.corps.iter().find(|corp| corp.corp_id == corp_id);
        if corp.is_none() {
            wrong("corp", &corp_id, "an organisation of this world");
        }
        if let Some(other) = app.filter(|app| app.corp_id != corp_id) {
            wrong("app", &other.app_key, "an app of this organisation");
            app = None;
        }
        if let Some(homeless) = app.filter(|app| app.home().is_none()) {
            wrong("app", &homeless.app_key, "an app with a home page");
            app = None;
        }
        let anybody = || world.people.iter().find(|person| person.corp_id == corp_id);
        let person = match value("user") {
            None => anybody(),
            Some(user_id) => world.person(&corp_id, &user_id).or_else(|| {
                wrong("user", &user_id, "somebody in this organisation");
                anybody()
            }),
        };
        let mut named = |key: &str, names: &[&str]| {
            value(key).filter(|value| {
                let is_known = names.contains(&&**value);
                if !is_known {
                    wrong(key, value, &format!("one of {}", names.join(", ")));
                }
                is_known
            })
        };
        let device = named("device", &Device::ALL.map(Device::name));
        let from = named("from", &OpenedFrom::ALL.map(OpenedFrom::name));
        let answer = named(
            "answer",
            &Answer::all().map(Answer::name).collect::<Vec<_>>(),
        );
        let site = named("site", &["same", "other"]);
        let [is_old, is_same] = ["old", "same"].map(|key| named(key, &["1"]).is_some());
        let path = value("path").filter(|path| {
            let is_path = is_path(path);
            if !is_path {
                wrong("path", path, "a path as /orders?x=1#/3");
            }
            is_path
        });
        let slow_ms = value("slow").and_then(|slow| {
            let ms = slow.parse().ok().filter(|ms| *ms <= SLOWEST_MS);
            if ms.is_none() {
                wrong("slow", &slow, "a number of milliseconds up to 60000");
            }
            ms
        });
        Self {
            world,
            corp,
            person,
            app,
            device: device
                .and_then(|name| Device::from_name(&name))
                .unwrap_or_default(),
            from: from
                .and_then(|name| OpenedFrom::from_name(&name))
                .unwrap_or_default(),
            path,
            answer: answer
                .and_then(|name| Answer::from_name(&name))
                .unwrap_or_default(),
            slow_ms: slow_ms.unwrap_or_default(),
            is_old,
            is_same,
            same_site: site.as_deref() == Some("same"),
            notice,
        }
    }

    /// Path and query that ask for this.
    pub(super) fn address(&self) -> String {
        let mut query = Serializer::new(String::new());
        let mut put = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                query.append_pair(key, value);
            }
        };
        put("app", self.app.map(|app| &*app.app_key));
        put("corp", self.corp.map(|corp| &*corp.corp_id));
        put("user", self.person.map(|person| &*person.user_id));
        put("device", Some(self.device.name()));
        put(
            "from",
            Some(self.from.name()).filter(|_| self.from == OpenedFrom::Chat),
        );
        put("path", self.path.as_deref());
        put(
            "answer",
            Some(self.answer.name()).filter(|_| self.answer != Answer::Faithful),
        );
        let slow = self.slow_ms.to_string();
        put("slow", Some(&*slow).filter(|_| self.slow_ms > 0));
        put("old", Some("1").filter(|_| self.is_old));
        put("same", Some("1").filter(|_| self.is_same));
        put("site", Some("same").filter(|_| self.same_site));
        format!("/client?{}", query.finish())
    }

    /// The open app's addresses.
    pub(super) fn opening(&self) -> Option<Opening> {
        Opening::new(
            self.app?,
            &self.corp?.corp_id,
            self.from,
            self.path.as_deref(),
        )
    }

    /// The organisation's apps that can be opened.
    pub(super) fn apps(&self) -> impl Iterator<Item = &'a App> {
        let corp_id = self.corp.map_or("", |corp| &*corp.corp_id);
        self.world
            .apps
            .iter()
            .filter(move |app| app.corp_id == corp_id && app.home().is_some())
    }

    /// Those of them that the person sees.
    pub(super) fn visible_apps(&self) -> impl Iterator<Item = &'a App> {
        let person = self.person;
        self.apps()
            .filter(move |app| person.is_some_and(|person| app.sees(person)))
    }

    /// The organisation's people, the chosen one among them even where the list is cut.
    pub(super) fn people(&self) -> impl Iterator<Item = &'a Person> {
        let corp_id = self.corp.map_or("", |corp| &*corp.corp_id);
        let people = || {
            self.world
                .people
                .iter()
                .filter(move |person| person.corp_id == corp_id)
        };
        let beyond = people()
            .skip(super::super::card::MOST_PEOPLE)
            .find(|person| {
                self.person
                    .is_some_and(|chosen| chosen.user_id == person.user_id)
            });
        people().take(super::super::card::MOST_PEOPLE).chain(beyond)
    }
}

const SLOWEST_MS: u32 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_asks_for_what_it_was_made_from() {
        let world = World::default();
        let asked = "/client?app=dinghr0000000000001&corp=ding0a1b2c3d4e5f6a7b&user=lina02&device=ios&from=chat&\
                     path=%2Forders%3Fx%3D1&answer=cancelled&slow=2500&old=1&same=1&site=same";
        let choice = Choice::read(&world, asked.split_once('?').unwrap().1);
        assert_eq!(choice.notice, None);
        assert_eq!(choice.address(), asked);
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let world = World::default();
        let choice = Choice::read(&world, "");
        assert_eq!(
            choice.address(),
            "/client?corp=ding0a1b2c3d4e5f6a7b&user=manager01&device=android"
        );
        let warehouse = Choice::read(&world, "app=dingwarehouse000003&user=manager01");
        assert_eq!(warehouse.person.unwrap().name, "刘洋");
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let world = World::default();
        for (query, expected) in [
            ("app=x", "app: `x` is not an app of this world"),
            ("user=x", "user: `x` is not somebody in this organisation"),
            ("corp=x", "corp: `x` is not an organisation of this world"),
            (
                "app=dinghr0000000000001&corp=ding9f8e7d6c5b4a3f2e",
                "app: `dinghr0000000000001` is not an app of this organisation",
            ),
            ("device=tv", "device: `tv` is not one of android, ios, pc"),
            (
                "path=//evil.example",
                "path: `//evil.example` is not a path as /orders?x=1#/3",
            ),
            (
                "slow=60001",
                "slow: `60001` is not a number of milliseconds up to 60000",
            ),
            ("old=yes", "old: `yes` is not one of 1"),
        ] {
            assert_eq!(
                Choice::read(&world, query).notice.as_deref(),
                Some(expected),
                "{query}"
            );
        }
    }

    #[test]
    fn a_world_without_anybody_still_has_a_page() {
        let world = World::empty();
        let choice = Choice::read(&world, "");
        assert!(choice.person.is_none() && choice.apps().next().is_none());
    }
}
