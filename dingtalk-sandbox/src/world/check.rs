//! Whether a world fits together.

use std::collections::HashSet;

use super::{Address, App, Person, World, redirect::Origin};

/// What is wrong with a world.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// Not TOML, an unknown key, a missing key or a value of the wrong type; the text has line, column and key.
    #[error("the world is not readable: {0}")]
    Unreadable(#[source] Box<toml::de::Error>),
    /// Readable, but the named key does not fit the rest.
    #[error("{key}: {problem}")]
    Wrong {
        /// The key, with its place in a list: `apps[1].corp_id`.
        key: String,
        /// What is wrong with its value, and what would be right.
        problem: String,
    },
}

impl World {
    /// Checks that keys are unique and that everything named exists.
    ///
    /// # Errors
    /// [`WorldError::Wrong`] names the first key that is wrong.
    pub fn check(&self) -> Result<(), WorldError> {
        let mut seen = HashSet::new();
        for (at, corp) in self.corps.iter().enumerate() {
            filled(&corp.corp_id, || format!("corps[{at}].corp_id"))?;
            if !seen.insert(corp.corp_id.as_str()) {
                return wrong(
                    format!("corps[{at}].corp_id"),
                    format!("`{}` stands here twice", corp.corp_id),
                );
            }
        }
        let mut keys = HashSet::new();
        for (at, app) in self.apps.iter().enumerate() {
            filled(&app.app_key, || format!("apps[{at}].app_key"))?;
            filled(&app.app_secret, || format!("apps[{at}].app_secret"))?;
            self.known_corp(&app.corp_id, || format!("apps[{at}].corp_id"))?;
            if !keys.insert(app.app_key.as_str()) {
                return wrong(
                    format!("apps[{at}].app_key"),
                    format!("`{}` stands here twice", app.app_key),
                );
            }
            check_addresses(at, app)?;
            for ip in &app.allowed_ips {
                if ip.parse::<std::net::IpAddr>().is_err() {
                    return wrong(
                        format!("apps[{at}].allowed_ips"),
                        format!("`{ip}` is not an IP address"),
                    );
                }
            }
            redirect_urls(&app.redirect_urls, || format!("apps[{at}].redirect_urls"))?;
        }
        for (at, app) in self.sign_in_apps.iter().enumerate() {
            filled(&app.app_id, || format!("sign_in_apps[{at}].app_id"))?;
            filled(&app.app_secret, || format!("sign_in_apps[{at}].app_secret"))?;
            self.known_corp(&app.corp_id, || format!("sign_in_apps[{at}].corp_id"))?;
            if !keys.insert(app.app_id.as_str()) {
                return wrong(
                    format!("sign_in_apps[{at}].app_id"),
                    format!("`{}` stands here twice, or is an app's key", app.app_id),
                );
            }
            redirect_urls(&app.redirect_urls, || {
                format!("sign_in_apps[{at}].redirect_urls")
            })?;
        }
        for (at, dept) in self.departments.iter().enumerate() {
            self.known_corp(&dept.corp_id, || format!("departments[{at}].corp_id"))?;
        }
        for (at, role) in self.roles.iter().enumerate() {
            self.known_corp(&role.corp_id, || format!("roles[{at}].corp_id"))?;
        }
        let mut ids = HashSet::new();
        for (at, person) in self.people.iter().enumerate() {
            self.known_corp(&person.corp_id, || format!("people[{at}].corp_id"))?;
            filled(&person.user_id, || format!("people[{at}].user_id"))?;
            if !ids.insert((person.corp_id.as_str(), person.user_id.as_str())) {
                return wrong(
                    format!("people[{at}].user_id"),
                    format!("`{}` stands twice in `{}`", person.user_id, person.corp_id),
                );
            }
            self.check_places(at, person)?;
        }
        self.check_accounts()?;
        for (key, value) in [
            ("token_seconds", self.token_seconds),
            ("code_seconds", self.code_seconds),
        ] {
            if !(1..=LONGEST_LIFE).contains(&value) {
                return wrong(
                    key.to_owned(),
                    format!("{value} is not between 1 and {LONGEST_LIFE} seconds"),
                );
            }
        }
        Ok(())
    }

    fn check_accounts(&self) -> Result<(), WorldError> {
        filled(&self.password, || "password".to_owned())?;
        let mut seen = HashSet::new();
        for (at, account) in self.accounts.iter().enumerate() {
            filled(&account.union_id, || format!("accounts[{at}].union_id"))?;
            if !seen.insert(account.union_id.as_str()) {
                return wrong(
                    format!("accounts[{at}].union_id"),
                    format!("`{}` stands here twice", account.union_id),
                );
            }
            if account.nick.is_none() && self.memberships(&account.union_id).next().is_none() {
                return wrong(
                    format!("accounts[{at}].nick"),
                    "is missing, and nobody in an organisation has that union id".to_owned(),
                );
            }
        }
        Ok(())
    }

    fn check_places(&self, at: usize, person: &Person) -> Result<(), WorldError> {
        for id in &person.departments {
            if *id != 1
                && !self
                    .departments
                    .iter()
                    .any(|d| d.dept_id == *id && d.corp_id == person.corp_id)
            {
                return wrong(
                    format!("people[{at}].departments"),
                    format!("department {id} does not exist in `{}`", person.corp_id),
                );
            }
        }
        for id in &person.roles {
            if !self
                .roles
                .iter()
                .any(|role| role.id == *id && role.corp_id == person.corp_id)
            {
                return wrong(
                    format!("people[{at}].roles"),
                    format!("role {id} does not exist in `{}`", person.corp_id),
                );
            }
        }
        if !matches!(person.contact_type, 0 | 1) {
            return wrong(
                format!("people[{at}].contact_type"),
                format!(
                    "{} is neither 0 (employee) nor 1 (external contact)",
                    person.contact_type
                ),
            );
        }
        Ok(())
    }

    fn known_corp(&self, corp_id: &str, key: impl FnOnce() -> String) -> Result<(), WorldError> {
        if self.corps.iter().any(|corp| corp.corp_id == corp_id) {
            return Ok(());
        }
        wrong(
            key(),
            format!("no organisation has the corp_id `{corp_id}`"),
        )
    }
}

fn redirect_urls(urls: &[String], key: impl FnOnce() -> String) -> Result<(), WorldError> {
    match urls.iter().find(|url| Origin::registered(url).is_none()) {
        None => Ok(()),
        Some(url) => wrong(
            key(),
            format!("`{url}` is not a URL as http://127.0.0.1:8080/callback"),
        ),
    }
}

fn check_addresses(at: usize, app: &App) -> Result<(), WorldError> {
    let home = Some(&app.home_url).filter(|url| !url.is_empty());
    for (key, url) in [("home_url", home), ("login_url", app.login_url.as_ref())] {
        if let Some(url) = url
            && Address::parse(url).is_none()
        {
            return wrong(
                format!("apps[{at}].{key}"),
                format!("`{url}` is not an address as http://127.0.0.1:7081/"),
            );
        }
    }
    if let Some(url) = &app.login_url
        && url.contains('#')
    {
        return wrong(
            format!("apps[{at}].login_url"),
            format!("`{url}` has a fragment, so no query can follow"),
        );
    }
    Ok(())
}

fn filled(value: &str, key: impl FnOnce() -> String) -> Result<(), WorldError> {
    if value.is_empty() {
        wrong(key(), "is empty".to_owned())
    } else {
        Ok(())
    }
}

fn wrong(key: String, problem: String) -> Result<(), WorldError> {
    Err(WorldError::Wrong { key, problem })
}

/// A year: longer lives would only hide mistakes.
const LONGEST_LIFE: u64 = 365 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        World::from_toml(text).unwrap_err().to_string()
    }

    const CORP: &str = "[[corps]]\ncorp_id = \"ding1\"\nname = \"一\"\n";

    #[test]
    fn an_app_of_an_unknown_corp_is_named() {
        let text =
            format!("{CORP}[[apps]]\ncorp_id = \"ding2\"\napp_key = \"k\"\napp_secret = \"s\"\n");
        assert_eq!(
            message(&text),
            "apps[0].corp_id: no organisation has the corp_id `ding2`"
        );
    }

    #[test]
    fn a_person_in_an_unknown_department_is_named() {
        let text = format!(
            "{CORP}[[people]]\ncorp_id = \"ding1\"\nuser_id = \"u\"\nunion_id = \"x\"\nname = \"甲\"\ndepartments = [7]\n"
        );
        assert_eq!(
            message(&text),
            "people[0].departments: department 7 does not exist in `ding1`"
        );
    }

    #[test]
    fn a_user_id_twice_in_one_corp_is_refused() {
        let person =
            "[[people]]\ncorp_id = \"ding1\"\nuser_id = \"u\"\nunion_id = \"x\"\nname = \"甲\"\n";
        assert_eq!(
            message(&format!("{CORP}{person}{person}")),
            "people[1].user_id: `u` stands twice in `ding1`"
        );
    }

    #[test]
    fn a_misspelt_key_is_named() {
        let text = "[[corps]]\ncorp_id = \"ding1\"\nname = \"一\"\ncorpname = \"x\"\n";
        assert!(message(text).contains("corpname"), "{}", message(text));
    }

    #[test]
    fn a_missing_key_is_named() {
        assert!(message("[[corps]]\nname = \"一\"\n").contains("missing field `corp_id`"));
    }

    #[test]
    fn a_token_that_lives_no_time_is_refused() {
        assert!(message("token_seconds = 0\n").starts_with("token_seconds: "));
    }

    #[test]
    fn addresses_of_apps_must_be_addresses() {
        for (line, expected) in [
            (
                "home_url = \"javascript:alert(1)\"",
                "apps[0].home_url: `javascript:alert(1)` is not an address as http://127.0.0.1:7081/",
            ),
            (
                "login_url = \"/login\"",
                "apps[0].login_url: `/login` is not an address as http://127.0.0.1:7081/",
            ),
            (
                "login_url = \"http://a.example/#/login\"",
                "apps[0].login_url: `http://a.example/#/login` has a fragment, so no query can follow",
            ),
        ] {
            let text = format!(
                "{CORP}[[apps]]\ncorp_id = \"ding1\"\napp_key = \"k\"\napp_secret = \"s\"\n{line}\n"
            );
            assert_eq!(message(&text), expected);
        }
    }

    #[test]
    fn an_allowed_ip_must_be_an_ip() {
        let text = format!(
            "{CORP}[[apps]]\ncorp_id = \"ding1\"\napp_key = \"k\"\napp_secret = \"s\"\nallowed_ips = [\"home\"]\n"
        );
        assert_eq!(
            message(&text),
            "apps[0].allowed_ips: `home` is not an IP address"
        );
    }

    #[test]
    fn a_redirect_url_must_be_a_url() {
        let app = "[[apps]]\ncorp_id = \"ding1\"\napp_key = \"k\"\napp_secret = \"s\"\n";
        assert_eq!(
            message(&format!("{CORP}{app}redirect_urls = [\"/callback\"]\n")),
            "apps[0].redirect_urls: `/callback` is not a URL as http://127.0.0.1:8080/callback"
        );
    }

    #[test]
    fn a_stranger_needs_a_name() {
        assert_eq!(
            message("[[accounts]]\nunion_id = \"x\"\n"),
            "accounts[0].nick: is missing, and nobody in an organisation has that union id"
        );
    }

    #[test]
    fn an_app_id_is_no_other_apps_key() {
        let apps = "[[apps]]\ncorp_id = \"ding1\"\napp_key = \"k\"\napp_secret = \"s\"\n\
                    [[sign_in_apps]]\ncorp_id = \"ding1\"\napp_id = \"k\"\napp_secret = \"s\"\n";
        assert_eq!(
            message(&format!("{CORP}{apps}")),
            "sign_in_apps[0].app_id: `k` stands here twice, or is an app's key"
        );
    }
}
