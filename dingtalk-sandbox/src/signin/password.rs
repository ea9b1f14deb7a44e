//! Accounts and their passwords at the sign-in page.

use std::{collections::HashMap, time::Duration};

use super::request::Wanted;
use crate::world::{Account, Person, World};

/// Wrong passwords of late, by union id.
#[derive(Debug, Default)]
pub(super) struct Passwords(HashMap<String, WrongPasswords>);

#[derive(Clone, Copy, Debug, Default)]
struct WrongPasswords {
    count: u32,
    until: Duration,
}

/// Why an account and password were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Wrong,
    /// Too many wrong passwords for this account.
    Locked,
}

impl Passwords {
    /// Whose account and password these are.
    pub(super) fn check(
        &mut self,
        world: &World,
        wanted: &Wanted,
        name: &str,
        password: &str,
        now: Duration,
    ) -> Result<String, Refused> {
        let Some(account) = account_of(world, wanted, name) else {
            return Err(Refused::Wrong);
        };
        // One entry for an account of the world: bounded by the world.
        let wrong = self.0.entry(account.union_id.clone()).or_default();
        if now >= wrong.until {
            wrong.count = 0;
        }
        if wrong.count >= MOST_WRONG_PASSWORDS {
            return Err(Refused::Locked);
        }
        if account.password.as_deref() == Some(password) {
            wrong.count = 0;
            return Ok(account.union_id);
        }
        wrong.count += 1;
        wrong.until = now + LOCK;
        Err(if wrong.count < MOST_WRONG_PASSWORDS {
            Refused::Wrong
        } else {
            Refused::Locked
        })
    }
}

/// The account that signs in with this name: a mobile number, a company-managed account's login id, or a user id, of the app's own
/// organisation before others.
fn account_of(world: &World, wanted: &Wanted, name: &str) -> Option<Account> {
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    let by_mobile = || {
        world
            .all_accounts()
            .find(|account| account.mobile.as_deref() == Some(name))
    };
    let by_id = || {
        let own_corp = world.owner(&wanted.app).map(|(_, corp_id)| corp_id);
        let is_called =
            |person: &&Person| person.user_id == name || person.login_id.as_deref() == Some(name);
        let people = || world.people.iter().filter(is_called);
        people()
            .find(|person| Some(&person.corp_id) == own_corp)
            .or_else(|| people().next())
            .and_then(|person| world.account(&person.union_id))
    };
    by_mobile().or_else(by_id)
}

const MOST_WRONG_PASSWORDS: u32 = 5;
const LOCK: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn hr() -> (World, Wanted, Passwords) {
        let world = World::default();
        let wanted = Wanted::of_hr(&world, "").unwrap();
        (world, wanted, Passwords::default())
    }

    #[test]
    fn five_wrong_passwords_lock_an_account_for_ten_minutes() {
        let (world, wanted, mut passwords) = hr();
        let mut check =
            |name: &str, password: &str, now| passwords.check(&world, &wanted, name, password, now);
        let now = Duration::ZERO;
        let lina = "unionLiNa00000002".to_owned();
        for _ in 0..4 {
            assert_eq!(check("lina02", "x", now), Err(Refused::Wrong));
        }
        assert_eq!(check("lina02", "x", now), Err(Refused::Locked));
        let early = LOCK - Duration::from_millis(1);
        assert_eq!(
            check("13800000002", "dingtalk", early),
            Err(Refused::Locked)
        );
        let other = check("wangfang03", "dingtalk", now);
        assert_eq!(other, Ok("unionWangFang0003".to_owned()));
        assert_eq!(check("13800000002", "dingtalk", LOCK), Ok(lina));
        assert_eq!(check("lina02", "x", LOCK), Err(Refused::Wrong));
    }

    #[test]
    fn a_name_is_a_mobile_number_a_login_id_or_a_user_id_of_ones_own_first() {
        let (world, wanted, mut passwords) = hr();
        for (name, expected) in [
            (" 13700000011 ", Some("unionStranger0011")),
            ("manager01", Some("unionZhangWei0001")),
            ("wulei", Some("unionWuLei0000009")),
            ("hejing@xihu", Some("unionHeJing000010")),
            ("nobody", None),
            ("", None),
        ] {
            let found = passwords.check(&world, &wanted, name, "dingtalk", Duration::ZERO);
            assert_eq!(found.ok().as_deref(), expected, "{name}");
        }
        let warehouse = Wanted::of_hr(&world, "client_id=dingwarehouse000003").unwrap();
        let found = passwords.check(&world, &warehouse, "manager01", "dingtalk", Duration::ZERO);
        assert_eq!(found, Ok("unionLiuYang00007".to_owned()));
    }
}
