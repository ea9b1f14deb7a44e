//! What exists: companies, apps, people, departments, roles. All of it is toy data.

mod account;
mod check;
mod home;
mod person;
mod redirect;

use serde::{Deserialize, Serialize};

pub(crate) use self::home::{Address, OpenedFrom, Opening, is_path};
pub(crate) use self::redirect::{Origin, is_registered};
pub use self::{
    account::{Account, SignInApp},
    check::WorldError,
    person::Person,
};

/// Everything the sandbox knows, as read from a TOML file or as built in.
///
/// The built-in one is [`World::default`]; its names stand in the crate's README.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "World::empty", deny_unknown_fields)]
pub struct World {
    /// What `{corpId}/token` answers to a repeated call. Default: the same token.
    pub corp_token_repeat: TokenRepeat,
    /// How long an app token lives, in seconds. Default: 7200, as DingTalk's.
    pub token_seconds: u64,
    /// How long a code lives, in seconds. Default: 300, as DingTalk's.
    pub code_seconds: u64,
    /// Calls one IP may make in 20 seconds before it is shut out for 5 minutes. 0, the default, is no limit; DingTalk's is 10000.
    pub calls_per_ip: u32,
    /// The password of every account that has none of its own. Default: `dingtalk`.
    pub password: String,
    /// The organisations.
    pub corps: Vec<Corp>,
    /// The internal apps.
    pub apps: Vec<App>,
    /// The apps that sign people in by the older pages.
    pub sign_in_apps: Vec<SignInApp>,
    /// The departments. Department 1 is an organisation's root and exists by itself.
    pub departments: Vec<Department>,
    /// The roles that people can have.
    pub roles: Vec<Role>,
    /// The people, each in one organisation.
    pub people: Vec<Person>,
    /// What accounts say besides what the people they belong to do, and the accounts of strangers.
    pub accounts: Vec<Account>,
}

/// What the endpoint `{corpId}/token` answers to a repeated call within the token's life.
///
/// DingTalk's documentation says nothing of it for this endpoint, so a client must live with both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TokenRepeat {
    /// The same token, its life extended: what the two older endpoints do.
    #[default]
    Same,
    /// A new token each time; the earlier ones live on.
    New,
}

/// An organisation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corp {
    /// `ding` and hexadecimal digits, as a rule.
    pub corp_id: String,
    /// What people call it.
    pub name: String,
}

/// An internal app: one organisation's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// The organisation it belongs to.
    pub corp_id: String,
    /// Also called client id.
    pub app_key: String,
    /// Also called client secret. A toy, printed freely.
    pub app_secret: String,
    /// The app's number in its organisation.
    #[serde(default)]
    pub agent_id: i64,
    /// Where the app's home page is. `$CORPID$` in it becomes the organisation when the app is opened from the workbench. Empty: it
    /// cannot be opened.
    #[serde(default)]
    pub home_url: String,
    /// The page that starts a silent login: the DingTalk client page opens it with `via=client`, `corpid` and `return_to`. Default:
    /// `/dingtalk/login` at the home page's origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
    /// Where it may send people back to after a web sign-in: scheme, host and port are compared. The port may be `*`, any,
    /// which DingTalk does not have. Default: nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_urls: Vec<String>,
    /// Whether the sign-in page lets people through who are not in the app's organisation. Default: no, as DingTalk.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admits_strangers: bool,
    /// Whether `contact/users` masks mobile numbers, as for a third-party app. Default: no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masks_mobile: bool,
    /// What it may call: `qyapi_base` (codes), `qyapi_get_member` (details and union ids), `fieldMobile` and `fieldEmail`
    /// (those fields of the details), `Contact.User.Read` and `Contact.User.mobile` (accounts, their mobile number). Default: all six.
    #[serde(default = "all_permissions")]
    pub permissions: Vec<String>,
    /// Departments whose people see the app. Empty, with `visible_users` empty too: everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visible_departments: Vec<i64>,
    /// User ids that see the app, whatever their departments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visible_users: Vec<String>,
    /// Calls a second to each API. Default: 20, as DingTalk's. 0 is no limit.
    #[serde(default = "default_calls_per_second")]
    pub calls_per_second: u32,
    /// Addresses that may call with this app's credentials and tokens. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_ips: Vec<String>,
}

impl App {
    /// Whether the app may use an API that needs `permission`.
    pub(crate) fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|have| have == permission)
    }

    /// Whether the person is in the app's visible range (可见范围).
    pub(crate) fn sees(&self, person: &Person) -> bool {
        (self.visible_departments.is_empty() && self.visible_users.is_empty())
            || self.visible_users.contains(&person.user_id)
            || person
                .departments
                .iter()
                .any(|dept| self.visible_departments.contains(dept))
    }
}

impl Default for App {
    /// An app without a name or keys, allowed everything, limited as DingTalk limits.
    fn default() -> Self {
        Self {
            name: String::new(),
            corp_id: String::new(),
            app_key: String::new(),
            app_secret: String::new(),
            agent_id: 0,
            home_url: String::new(),
            login_url: None,
            redirect_urls: Vec::new(),
            admits_strangers: false,
            masks_mobile: false,
            permissions: all_permissions(),
            visible_departments: Vec::new(),
            visible_users: Vec::new(),
            calls_per_second: default_calls_per_second(),
            allowed_ips: Vec::new(),
        }
    }
}

/// A department of an organisation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Department {
    /// The organisation.
    pub corp_id: String,
    /// Its number there.
    pub dept_id: i64,
    /// What people call it.
    pub name: String,
}

/// A role that people of an organisation can have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The organisation.
    pub corp_id: String,
    /// Its number there.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its name when details are asked for with `language: en_US`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_en: Option<String>,
    /// The group of roles it is in.
    pub group_name: String,
    /// The group's name in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name_en: Option<String>,
}

impl World {
    /// Reads a world from TOML and checks that it fits together.
    ///
    /// # Errors
    /// [`WorldError`] names the key that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, WorldError> {
        let world: Self =
            toml::from_str(text).map_err(|error| WorldError::Unreadable(Box::new(error)))?;
        world.check()?;
        Ok(world)
    }

    /// The world as TOML: what [`from_toml`](Self::from_toml) reads.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self)
            .unwrap_or_else(|error| format!("# this world cannot be written as TOML: {error}\n"))
    }

    /// The app with this key.
    #[must_use]
    pub fn app(&self, app_key: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.app_key == app_key)
    }

    /// The person with this user id in this organisation.
    #[must_use]
    pub fn person(&self, corp_id: &str, user_id: &str) -> Option<&Person> {
        self.people
            .iter()
            .find(|person| person.corp_id == corp_id && person.user_id == user_id)
    }

    pub(crate) fn role(&self, corp_id: &str, id: i64) -> Option<&Role> {
        self.roles
            .iter()
            .find(|role| role.corp_id == corp_id && role.id == id)
    }

    /// A world without anybody, to build one by hand.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            corp_token_repeat: TokenRepeat::Same,
            token_seconds: 7200,
            code_seconds: 300,
            calls_per_ip: 0,
            password: "dingtalk".to_owned(),
            corps: Vec::new(),
            apps: Vec::new(),
            sign_in_apps: Vec::new(),
            departments: Vec::new(),
            roles: Vec::new(),
            people: Vec::new(),
            accounts: Vec::new(),
        }
    }
}

impl Default for World {
    /// The built-in world, as `dingtalk-sandbox --print-world` prints it.
    fn default() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "a constant of this crate, read in its tests"
        )]
        let mut world: Self = toml::from_str(BUILT_IN).expect("the built-in world is readable");
        if let Some(coordinator) = world
            .people
            .iter_mut()
            .find(|person| person.user_id == "sunli05")
        {
            let corp_id = coordinator.corp_id.clone();
            coordinator.departments = MANY_DEPARTMENTS.collect();
            world
                .departments
                .extend(MANY_DEPARTMENTS.map(|dept_id| Department {
                    corp_id: corp_id.clone(),
                    dept_id,
                    name: format!("分部 {} (Branch)", dept_id - 1000),
                }));
        }
        world
    }
}

fn all_permissions() -> Vec<String> {
    [
        "qyapi_base",
        "qyapi_get_member",
        "fieldMobile",
        "fieldEmail",
        "Contact.User.Read",
        "Contact.User.mobile",
    ]
    .map(str::to_owned)
    .to_vec()
}

const fn default_calls_per_second() -> u32 {
    20
}

const BUILT_IN: &str = include_str!("../world/default.toml");
const MANY_DEPARTMENTS: std::ops::RangeInclusive<i64> = 1001..=1200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_world_fits_together() {
        World::default().check().unwrap();
    }

    #[test]
    fn the_built_in_world_survives_being_written_and_read() {
        let world = World::default();
        assert_eq!(World::from_toml(&world.to_toml()).unwrap(), world);
    }

    #[test]
    fn the_built_in_world_has_two_people_called_manager01() {
        let world = World::default();
        let same: Vec<_> = world
            .people
            .iter()
            .filter(|person| person.user_id == "manager01")
            .collect();
        assert_eq!(same.len(), 2);
        assert_ne!(same[0].corp_id, same[1].corp_id);
        assert_ne!(same[0].union_id, same[1].union_id);
    }

    #[test]
    fn somebody_of_the_built_in_world_is_in_two_hundred_departments() {
        assert!(
            World::default()
                .people
                .iter()
                .any(|person| person.departments.len() == 200)
        );
    }
}
