//! Whom DingTalk lets through to an app, and as a member of which organisation.

use super::{
    problem::Problem,
    request::{CorpChoice, Wanted},
};
use crate::world::{Person, World};

impl Wanted {
    /// The organisations they can choose from; the one that was asked for, if they may.
    pub(super) fn choosable(&self, world: &World, union_id: &str) -> Result<Vec<String>, Problem> {
        let theirs = world
            .memberships(union_id)
            .filter(|person| is_employee(person));
        let ids = |people: &mut dyn Iterator<Item = &Person>| -> Vec<String> {
            people.map(|person| person.corp_id.clone()).collect()
        };
        match &self.corp {
            CorpChoice::Untold => Ok(Vec::new()),
            CorpChoice::AnyOfTheirs => Ok(ids(&mut { theirs })),
            CorpChoice::Managed => {
                let managed = ids(&mut theirs.filter(|person| person.is_admin()));
                if managed.is_empty() {
                    return Err(Problem::new(
                        None,
                        "你没有可管理的组织",
                        "You manage no organisation",
                    ));
                }
                Ok(managed)
            }
            CorpChoice::This(corp_id) => {
                let found = ids(&mut theirs.filter(|person| person.corp_id == *corp_id));
                if found.is_empty() {
                    return Err(Problem::outside());
                }
                Ok(found)
            }
        }
    }

    /// Whether DingTalk lets this account through to the app.
    pub(super) fn admits(&self, world: &World, union_id: &str) -> Result<(), Problem> {
        let memberships = || world.memberships(union_id);
        if memberships()
            .any(|person| person.exclusive_account && person.disable_status == Some(true))
        {
            return Err(Problem::new(
                None,
                "该企业账号已停用",
                "This company-managed account is disabled",
            ));
        }
        if let Some(exclusive) = &self.exclusive {
            let is_theirs = |person: &Person| {
                let owner = person.exclusive_account_corp_id.as_ref();
                person.exclusive_account
                    && (exclusive.corp_id.is_none() || exclusive.corp_id.as_ref() == owner)
            };
            if !memberships().any(is_theirs) {
                return Err(Problem::new(
                    None,
                    "请使用企业账号登录",
                    "Sign in with an account that the company manages",
                ));
            }
        }
        // Only apps of the newer kind belong to one organisation.
        let Some(app) = world.app(&self.app) else {
            return Ok(());
        };
        let is_member = |person: &Person| person.corp_id == app.corp_id && is_employee(person);
        if app.admits_strangers || memberships().any(is_member) {
            Ok(())
        } else {
            Err(Problem::outside())
        }
    }
}

fn is_employee(person: &Person) -> bool {
    person.contact_type == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const XIHU: &str = "ding0a1b2c3d4e5f6a7b";
    const YUNQI: &str = "ding9f8e7d6c5b4a3f2e";
    const LINA: &str = "unionLiNa00000002";
    const HE_JING: &str = "unionHeJing000010";
    const IN_BOTH: &str = "unionWuLei0000009";
    const LIU_YANG_OF_YUNQI: &str = "unionLiuYang00007";
    const STRANGER: &str = "unionStranger0011";

    fn admits(world: &World, union_id: &str, change: &str) -> Result<(), Problem> {
        Wanted::of_hr(world, change)
            .unwrap()
            .admits(world, union_id)
    }

    fn choosable(union_id: &str, change: &str) -> Result<Vec<String>, Problem> {
        let world = World::default();
        Wanted::of_hr(&world, change)
            .unwrap()
            .choosable(&world, union_id)
    }

    #[test]
    fn only_employees_of_the_apps_organisation_get_through_unless_the_app_admits_strangers() {
        let mut world = World::default();
        assert_eq!(admits(&world, LINA, ""), Ok(()));
        assert_eq!(admits(&world, STRANGER, ""), Err(Problem::outside()));
        assert_eq!(
            admits(&world, LIU_YANG_OF_YUNQI, ""),
            Err(Problem::outside())
        );
        world.people[1].contact_type = 1;
        assert_eq!(admits(&world, LINA, ""), Err(Problem::outside()));
        world.apps[0].admits_strangers = true;
        for union_id in [LINA, STRANGER, LIU_YANG_OF_YUNQI] {
            assert_eq!(admits(&world, union_id, ""), Ok(()));
        }
    }

    #[test]
    fn disabled_accounts_and_those_no_company_manages_are_refused_where_it_matters() {
        let world = World::default();
        let is_refused = |union_id: &str, change: &str| match admits(&world, union_id, change) {
            Ok(()) => false,
            Err(problem) => problem != Problem::outside(),
        };
        assert!(is_refused("unionZhaoLei00004", ""));
        assert!(is_refused(LINA, "exclusiveLogin=true"));
        assert!(!is_refused(HE_JING, "exclusiveLogin=true"));
        let by = |corp_id| format!("exclusiveLogin=true&exclusiveCorpId={corp_id}");
        assert!(!is_refused(HE_JING, &by(XIHU)));
        assert!(is_refused(HE_JING, &by(YUNQI)));
    }

    #[test]
    fn the_choice_is_among_ones_own_organisations_as_the_app_asked() {
        let only = |corp_id: &str| Ok(vec![corp_id.to_owned()]);
        let both = Ok(vec![XIHU.to_owned(), YUNQI.to_owned()]);
        assert_eq!(choosable(IN_BOTH, ""), both);
        assert_eq!(choosable(LINA, ""), only(XIHU));
        assert_eq!(choosable(STRANGER, ""), Ok(Vec::new()));
        assert_eq!(choosable(IN_BOTH, "scope=openid"), Ok(Vec::new()));
        let this = format!("corpId={YUNQI}");
        assert_eq!(choosable(IN_BOTH, &this), only(YUNQI));
        assert_eq!(choosable(LINA, &this), Err(Problem::outside()));
        // Sub-administrator of one of the two.
        assert_eq!(choosable(IN_BOTH, "org_type=management"), only(YUNQI));
        assert!(choosable(LINA, "org_type=management").is_err());
    }
}
