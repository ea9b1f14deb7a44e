//! DingTalk accounts: who somebody is whatever organisations they are in.

use serde::{Deserialize, Serialize};

use super::{Person, World};

/// What belongs to somebody's DingTalk account and to none of their organisations.
///
/// Everybody in an organisation has an account, without an entry in the world; an entry changes what it says. An account whose
/// union id nobody in an organisation has is a stranger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Whose it is. The same person has one union id in all organisations of a world.
    pub union_id: String,
    /// What they call themselves. Default: the nickname or name in their first organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nick: Option<String>,
    /// A picture. Default: the one in their first organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// Mobile number, also what they sign in with. Default: the one in their first organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
    /// Its country, as `86`. Default: the one in their first organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_code: Option<String>,
    /// E-mail, which can be another company's. Default: the one in their first organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The e-mail they sign in with, where `contact/users` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_email: Option<String>,
    /// What `contact/users` says of `visitor`. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<bool>,
    /// The password. A toy, printed freely. Default: the world's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// An app for signing in by the older pages only (扫码登录应用): `appid` and `appsecret`. Anybody with a DingTalk account may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInApp {
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// The organisation that develops it.
    pub corp_id: String,
    /// `appid`, also `accessKey`.
    pub app_id: String,
    /// `appsecret`: what calls are signed with. A toy, printed freely.
    pub app_secret: String,
    /// Where it may send people back to, as [`App::redirect_urls`](super::App::redirect_urls).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_urls: Vec<String>,
}

impl World {
    /// The account with this union id: what its entry says, then what the person's first organisation says.
    #[must_use]
    pub fn account(&self, union_id: &str) -> Option<Account> {
        let mut people = self.memberships(union_id);
        let entry = self
            .accounts
            .iter()
            .find(|account| account.union_id == union_id);
        let first = match (people.next(), entry) {
            (None, None) => return None,
            (first, _) => first,
        };
        let mut account = entry.cloned().unwrap_or_default();
        union_id.clone_into(&mut account.union_id);
        if let Some(person) = first {
            let nick = person.nickname.as_ref().unwrap_or(&person.name);
            account.nick.get_or_insert_with(|| nick.clone());
            account.avatar = account.avatar.or_else(|| person.avatar.clone());
            account.mobile = account.mobile.or_else(|| person.mobile.clone());
            account.state_code = account.state_code.or_else(|| person.state_code.clone());
            account.email = account.email.or_else(|| person.email.clone());
        }
        account
            .password
            .get_or_insert_with(|| self.password.clone());
        Some(account)
    }

    /// Every account: people in the order of the world, then strangers.
    pub(crate) fn all_accounts(&self) -> impl Iterator<Item = Account> {
        let people = self.people.iter().map(|person| &person.union_id);
        let entries = self.accounts.iter().map(|account| &account.union_id);
        let mut seen = std::collections::HashSet::new();
        people
            .chain(entries)
            .filter(move |union_id| !union_id.is_empty() && seen.insert(*union_id))
            .filter_map(|union_id| self.account(union_id))
    }

    /// The same person in each of their organisations.
    pub(crate) fn memberships(&self, union_id: &str) -> impl Iterator<Item = &Person> {
        self.people
            .iter()
            .filter(move |person| person.union_id == union_id)
    }

    /// Key and organisation of the app of either kind with this key.
    pub(crate) fn owner(&self, key: &str) -> Option<(&String, &String)> {
        self.app(key)
            .map(|app| (&app.app_key, &app.corp_id))
            .or_else(|| self.sign_in_app(key).map(|app| (&app.app_id, &app.corp_id)))
    }

    /// The older sign-in app with this `appid`.
    #[must_use]
    pub fn sign_in_app(&self, app_id: &str) -> Option<&SignInApp> {
        self.sign_in_apps.iter().find(|app| app.app_id == app_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_says_what_its_entry_says_and_else_what_the_first_organisation_says() {
        let mut world = World::default();
        let mut person = world.people[0].clone();
        person.corp_id.clone_from(&world.corps[1].corp_id);
        person.mobile = Some("2".to_owned());
        world.people.push(person);
        let union_id = world.people[0].union_id.clone();
        world.accounts.push(Account {
            union_id: union_id.clone(),
            email: Some("z@elsewhere.example".to_owned()),
            ..Account::default()
        });
        let account = world.account(&union_id).unwrap();
        assert_eq!(account.nick.as_deref(), Some("张伟"));
        assert_eq!(account.email.as_deref(), Some("z@elsewhere.example"));
        assert_eq!(account.mobile, world.people[0].mobile);
        assert_eq!(account.password.as_ref(), Some(&world.password));
        assert_eq!(world.account("nobody"), None);
    }

    #[test]
    fn somebody_in_two_organisations_has_one_account() {
        let world = World::default();
        let accounts: Vec<_> = world.all_accounts().collect();
        let mut union_ids: Vec<_> = accounts.iter().map(|account| &account.union_id).collect();
        union_ids.sort();
        union_ids.dedup();
        assert_eq!(union_ids.len(), accounts.len());
        let twice = accounts
            .iter()
            .filter(|account| world.memberships(&account.union_id).count() == 2);
        let strangers = accounts
            .iter()
            .filter(|account| world.memberships(&account.union_id).count() == 0);
        assert_eq!((twice.count(), strangers.count()), (1, 1));
    }
}
