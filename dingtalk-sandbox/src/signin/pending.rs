//! Sign-ins under way: who may be let through, and how far each has come.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::request::{CorpChoice, Flow, Problem, Wanted};
use crate::{
    code::{Codes, Grant},
    identifier,
    world::{Account, Person, World},
};

/// A sign-in from its page's first view until it is over.
#[derive(Clone, Debug)]
pub(super) struct SignIn {
    /// Whoever scans the QR code knows it.
    pub(super) id: String,
    /// Only the browser that began it knows it.
    pub(super) key: String,
    pub(super) wanted: Wanted,
    pub(super) stage: Stage,
    /// Path and query to begin again with.
    pub(super) begin: String,
    expires: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody has scanned the code.
    Waiting,
    /// Somebody has, and looks at it.
    Scanned,
    /// We know who it is; an organisation or their consent may be missing.
    Known {
        union_id: String,
        corp_id: Option<String>,
        consented: bool,
    },
    /// Nobody gets through this way.
    Failed(Problem),
    /// The way back to the app; for a frame of the older pages the `loginTmpCode`.
    Ended(String),
}

/// What the browser must be shown next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    SignIn,
    ChooseCorp(Vec<String>),
    Consent,
    Failed(Problem),
    Ended(String),
    /// Too old, or never begun here.
    Over,
}

/// Why an account and password were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Wrong,
    /// Too many wrong passwords for this account.
    Locked,
}

#[derive(Debug, Default)]
pub(crate) struct SignIns {
    by_key: HashMap<String, SignIn>,
    order: VecDeque<String>,
    tmp_codes: HashMap<String, TmpCode>,
    wrong_passwords: HashMap<String, WrongPasswords>,
}

#[derive(Debug)]
struct TmpCode {
    app: String,
    union_id: String,
    expires: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct WrongPasswords {
    count: u32,
    until: Duration,
}

impl SignIns {
    pub(super) fn begin(&mut self, wanted: Wanted, begin: String, now: Duration) -> &SignIn {
        while self.order.len() >= MOST {
            let oldest = self.order.pop_front();
            oldest.map(|key| self.by_key.remove(&key));
        }
        let key = identifier::hex32();
        self.order.push_back(key.clone());
        let sign_in = SignIn {
            id: identifier::hex32(),
            key: key.clone(),
            wanted,
            stage: Stage::Waiting,
            begin,
            expires: now + LIFE,
        };
        self.by_key.entry(key).or_insert(sign_in)
    }

    /// The one the browser holds the key of, if it is not too old.
    pub(super) fn of_browser(&mut self, key: &str, now: Duration) -> Option<&mut SignIn> {
        self.by_key
            .get_mut(key)
            .filter(|sign_in| now < sign_in.expires)
    }

    /// The one of a scanned code, if somebody can still answer it.
    pub(super) fn of_phone(&mut self, id: &str, now: Duration) -> Option<&mut SignIn> {
        self.by_key
            .values_mut()
            .find(|sign_in| sign_in.id == id)
            .filter(|sign_in| sign_in.is_open(now))
    }

    /// Those that can still be answered, oldest first.
    pub(super) fn open(&self, now: Duration) -> Vec<&SignIn> {
        self.order
            .iter()
            .filter_map(|key| self.by_key.get(key))
            .filter(|sign_in| sign_in.is_open(now))
            .collect()
    }

    /// The path that goes on, with everything known that can be: a code of its own for the app when all is there.
    pub(super) fn next(
        &mut self,
        key: &str,
        world: &World,
        codes: &mut Codes,
        now: Duration,
    ) -> Next {
        let Some(sign_in) = self
            .by_key
            .get_mut(key)
            .filter(|sign_in| now < sign_in.expires)
        else {
            return Next::Over;
        };
        let (union_id, corp_id) = match &sign_in.stage {
            Stage::Waiting | Stage::Scanned => return Next::SignIn,
            Stage::Failed(problem) => return Next::Failed(problem.clone()),
            Stage::Ended(location) => return Next::Ended(location.clone()),
            Stage::Known {
                union_id,
                corp_id: None,
                ..
            } if sign_in.wanted.corp != CorpChoice::Untold => {
                match sign_in.choosable(world, union_id) {
                    Ok(mut corps) if corps.len() < 2 => (union_id.clone(), corps.pop()),
                    Ok(corps) => return Next::ChooseCorp(corps),
                    Err(problem) => {
                        sign_in.stage = Stage::Failed(problem.clone());
                        return Next::Failed(problem);
                    }
                }
            }
            Stage::Known {
                union_id, corp_id, ..
            } => (union_id.clone(), corp_id.clone()),
        };
        if let Stage::Known {
            corp_id: known,
            consented,
            ..
        } = &mut sign_in.stage
        {
            known.clone_from(&corp_id);
            if sign_in.wanted.asks_consent && !*consented {
                return Next::Consent;
            }
        }
        let ended = if sign_in.wanted.flow == Flow::LegacyFrame {
            let app = sign_in.wanted.app.clone();
            tmp_code(&mut self.tmp_codes, app, union_id, now)
        } else {
            sign_in
                .wanted
                .ended_well(union_id, corp_id, world, codes, now)
        };
        sign_in.stage = Stage::Ended(ended.clone());
        Next::Ended(ended)
    }

    /// Whose account and password these are.
    pub(super) fn check_password(
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
        let wrong = self
            .wrong_passwords
            .entry(account.union_id.clone())
            .or_default();
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

    /// Spends a `loginTmpCode`, made for a frame of this app.
    pub(super) fn spend_tmp_code(
        &mut self,
        code: &str,
        app: &str,
        now: Duration,
    ) -> Option<String> {
        let known = self.tmp_codes.get(code)?;
        if known.app != app || now >= known.expires {
            return None;
        }
        self.tmp_codes.remove(code).map(|code| code.union_id)
    }
}

impl SignIn {
    fn is_open(&self, now: Duration) -> bool {
        now < self.expires
            && self.wanted.flow.has_qr()
            && matches!(self.stage, Stage::Waiting | Stage::Scanned)
    }

    /// Somebody showed who they are: they are let through, or the sign-in has failed.
    pub(super) fn know(&mut self, world: &World, union_id: &str, by_phone: bool) {
        self.stage = match self.admits(world, union_id) {
            Ok(()) => Stage::Known {
                union_id: union_id.to_owned(),
                corp_id: None,
                // A frame has no room for the question: the phone asked it.
                consented: by_phone && self.wanted.in_frame,
            },
            Err(problem) => Stage::Failed(problem),
        };
    }

    /// They chose, among what they could choose from.
    pub(super) fn choose(&mut self, world: &World, wanted: &str) {
        let Stage::Known {
            union_id,
            corp_id: None,
            ..
        } = &self.stage
        else {
            return;
        };
        let choosable = self.choosable(world, union_id).unwrap_or_default();
        if let Stage::Known { corp_id, .. } = &mut self.stage {
            *corp_id = choosable.into_iter().find(|known| known == wanted);
        }
    }

    pub(super) fn consent(&mut self) {
        if let Stage::Known { consented, .. } = &mut self.stage {
            *consented = true;
        }
    }

    /// The person said no.
    pub(super) fn refuse(&mut self) {
        self.stage = if self.wanted.flow == Flow::LegacyFrame {
            // The page around that frame knows no message for this.
            Stage::Failed(Problem::new(
                None,
                "已在手机上拒绝登录",
                "Sign-in was refused on the phone",
            ))
        } else {
            Stage::Ended(self.wanted.back(&[("error", "access_denied")]))
        };
    }

    /// The organisations they can choose from; the one that was asked for, if they may.
    fn choosable(&self, world: &World, union_id: &str) -> Result<Vec<String>, Problem> {
        let theirs = world
            .memberships(union_id)
            .filter(|person| is_employee(person));
        let ids = |people: &mut dyn Iterator<Item = &Person>| -> Vec<String> {
            people.map(|person| person.corp_id.clone()).collect()
        };
        match &self.wanted.corp {
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
    fn admits(&self, world: &World, union_id: &str) -> Result<(), Problem> {
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
        if let Some(exclusive) = &self.wanted.exclusive {
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
        let Some(app) = world.app(&self.wanted.app) else {
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

impl Wanted {
    /// The way back with a code. The newer page sends it under two names.
    pub(super) fn ended_well(
        &self,
        union_id: String,
        corp_id: Option<String>,
        world: &World,
        codes: &mut Codes,
        now: Duration,
    ) -> String {
        let expires = now + Duration::from_secs(world.code_seconds);
        if self.flow.is_legacy() {
            let code = codes.mint(&self.app, Grant::Sns { union_id }, expires);
            return self.back(&[("code", &code)]);
        }
        let code = codes.mint(&self.app, Grant::Web { union_id, corp_id }, expires);
        self.back(&[("code", &code), ("authCode", &code)])
    }
}

fn is_employee(person: &Person) -> bool {
    person.contact_type == 0
}

/// The account that signs in with this name: a mobile number, a company-managed account's login id, or a user id, of the app's own
/// organisation before others.
fn account_of(world: &World, wanted: &Wanted, name: &str) -> Option<Account> {
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    let by_mobile = || {
        let accounts = world.all_accounts();
        accounts
            .into_iter()
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

fn tmp_code(
    codes: &mut HashMap<String, TmpCode>,
    app: String,
    union_id: String,
    now: Duration,
) -> String {
    codes.retain(|_, code| now < code.expires);
    if codes.len() >= MOST {
        codes.clear();
    }
    let value = identifier::hex32();
    let code = TmpCode {
        app,
        union_id,
        expires: now + LIFE,
    };
    codes.insert(value.clone(), code);
    value
}

/// How long a QR code and what follows it live. DingTalk's own number is not published.
const LIFE: Duration = Duration::from_secs(300);
const MOST: usize = 10_000;
const MOST_WRONG_PASSWORDS: u32 = 5;
const LOCK: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::{super::request::Query, *};

    const XIHU: &str = "ding0a1b2c3d4e5f6a7b";
    const YUNQI: &str = "ding9f8e7d6c5b4a3f2e";
    const LINA: &str = "unionLiNa00000002";
    const IN_BOTH: &str = "unionWuLei0000009";
    const STRANGER: &str = "unionStranger0011";

    /// A sign-in at the HR app with these parameters more, known to be this account's by its phone.
    fn known(world: &World, union_id: &str, more: &str) -> (SignIns, String, Codes) {
        let prompt = if more.contains("prompt=") {
            ""
        } else {
            "&prompt=none"
        };
        let scope = if more.contains("scope=") {
            ""
        } else {
            "&scope=openid+corpid"
        };
        let query = format!(
            "client_id=dinghr0000000000001&redirect_uri=http://127.0.0.1/cb&response_type=code{scope}{prompt}{more}"
        );
        let wanted = Wanted::web(world, &Query::of(&query)).unwrap();
        let mut sign_ins = SignIns::default();
        let key = sign_ins
            .begin(wanted, String::new(), Duration::ZERO)
            .key
            .clone();
        let sign_in = sign_ins.of_browser(&key, Duration::ZERO).unwrap();
        sign_in.know(world, union_id, true);
        (sign_ins, key, Codes::default())
    }

    fn next(world: &World, union_id: &str, more: &str) -> Next {
        let (mut sign_ins, key, mut codes) = known(world, union_id, more);
        sign_ins.next(&key, world, &mut codes, Duration::ZERO)
    }

    fn outside() -> Next {
        Next::Failed(Problem::outside())
    }

    #[track_caller]
    fn assert_ended(next: &Next) {
        assert!(
            matches!(next, Next::Ended(url) if url.contains("?code=")),
            "{next:?}"
        );
    }

    #[test]
    fn only_employees_of_the_apps_organisation_get_through_unless_the_app_admits_strangers() {
        let mut world = World::default();
        assert_ended(&next(&world, LINA, ""));
        assert_eq!(next(&world, STRANGER, ""), outside());
        assert_eq!(next(&world, "unionLiuYang00007", ""), outside());
        world.people[1].contact_type = 1;
        assert_eq!(next(&world, LINA, ""), outside());
        world.apps[0].admits_strangers = true;
        for union_id in [LINA, STRANGER, "unionLiuYang00007"] {
            assert_ended(&next(&world, union_id, ""));
        }
    }

    #[test]
    fn somebody_in_several_organisations_chooses_unless_the_app_did() {
        let world = World::default();
        let both = Next::ChooseCorp(vec![XIHU.to_owned(), YUNQI.to_owned()]);
        assert_eq!(next(&world, IN_BOTH, ""), both);
        assert_ended(&next(&world, IN_BOTH, "&scope=openid"));
        assert_ended(&next(&world, IN_BOTH, &format!("&corpId={YUNQI}")));
        // Sub-administrator of one of the two.
        assert_ended(&next(&world, IN_BOTH, "&org_type=management"));
        assert_eq!(next(&world, LINA, &format!("&corpId={YUNQI}")), outside());
        let nothing = next(&world, LINA, "&org_type=management");
        assert!(matches!(nothing, Next::Failed(problem) if problem != Problem::outside()));
    }

    #[test]
    fn the_chosen_organisation_is_in_the_code() {
        let world = World::default();
        let (mut sign_ins, key, mut codes) = known(&world, IN_BOTH, "&org_type=management");
        let Next::Ended(url) = sign_ins.next(&key, &world, &mut codes, Duration::ZERO) else {
            panic!("not ended");
        };
        let code = url.split("authCode=").nth(1).unwrap();
        let spent = codes.spend(
            code,
            crate::code::CodeKind::Web,
            XIHU,
            "dinghr0000000000001",
            Duration::ZERO,
        );
        let grant = Grant::Web {
            union_id: IN_BOTH.to_owned(),
            corp_id: Some(YUNQI.to_owned()),
        };
        assert_eq!(spent, Ok(grant));
    }

    #[test]
    fn consent_is_asked_for_in_the_page_and_in_a_frame_by_the_phone() {
        let world = World::default();
        assert_eq!(next(&world, LINA, "&prompt=consent"), Next::Consent);
        assert_ended(&next(&world, LINA, "&prompt=consent&iframe=true"));
    }

    #[test]
    fn disabled_accounts_and_those_no_company_manages_are_refused_where_it_matters() {
        let world = World::default();
        let failed = |union_id: &str, more: &str| matches!(next(&world, union_id, more), Next::Failed(problem) if problem != Problem::outside());
        assert!(failed("unionZhaoLei00004", ""));
        assert!(failed(LINA, "&exclusiveLogin=true"));
        assert!(!failed("unionHeJing000010", "&exclusiveLogin=true"));
        let elsewhere = format!("&exclusiveLogin=true&exclusiveCorpId={YUNQI}");
        assert!(failed("unionHeJing000010", &elsewhere));
    }

    #[test]
    fn a_sign_in_ends_once_and_dies_of_age() {
        let world = World::default();
        let (mut sign_ins, key, mut codes) = known(&world, LINA, "");
        let first = sign_ins.next(&key, &world, &mut codes, Duration::ZERO);
        assert_ended(&first);
        let late = LIFE - Duration::from_millis(1);
        assert_eq!(sign_ins.next(&key, &world, &mut codes, late), first);
        assert_eq!(sign_ins.next(&key, &world, &mut codes, LIFE), Next::Over);
        assert_eq!(
            sign_ins.next("other", &world, &mut codes, Duration::ZERO),
            Next::Over
        );
    }

    #[test]
    fn five_wrong_passwords_lock_an_account_for_ten_minutes() {
        let world = World::default();
        let (mut sign_ins, key, _) = known(&world, LINA, "");
        let wanted = sign_ins.by_key[&key].wanted.clone();
        let mut check = |name: &str, password: &str, now| {
            sign_ins.check_password(&world, &wanted, name, password, now)
        };
        let now = Duration::ZERO;
        for _ in 0..4 {
            assert_eq!(check("lina02", "x", now), Err(Refused::Wrong));
        }
        assert_eq!(check("lina02", "x", now), Err(Refused::Locked));
        let early = LOCK - Duration::from_millis(1);
        assert_eq!(
            check("13800000002", "dingtalk", early),
            Err(Refused::Locked)
        );
        assert_eq!(
            check("wangfang03", "dingtalk", now),
            Ok("unionWangFang0003".to_owned())
        );
        assert_eq!(check("13800000002", "dingtalk", LOCK), Ok(LINA.to_owned()));
        assert_eq!(check("lina02", "x", LOCK), Err(Refused::Wrong));
    }

    #[test]
    fn a_name_is_a_mobile_number_a_login_id_or_a_user_id_of_ones_own_first() {
        let world = World::default();
        let (mut sign_ins, key, _) = known(&world, LINA, "");
        let wanted = sign_ins.by_key[&key].wanted.clone();
        for (name, expected) in [
            (" 13700000011 ", Some(STRANGER)),
            ("manager01", Some("unionZhangWei0001")),
            ("wulei", Some(IN_BOTH)),
            ("hejing@xihu", Some("unionHeJing000010")),
            ("nobody", None),
            ("", None),
        ] {
            let found = sign_ins.check_password(&world, &wanted, name, "dingtalk", Duration::ZERO);
            assert_eq!(found.ok().as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn the_number_of_sign_ins_is_bounded() {
        let world = World::default();
        let (mut sign_ins, first, _) = known(&world, LINA, "");
        let wanted = sign_ins.by_key[&first].wanted.clone();
        for _ in 0..MOST {
            sign_ins.begin(wanted.clone(), String::new(), Duration::ZERO);
        }
        assert_eq!((sign_ins.by_key.len(), sign_ins.order.len()), (MOST, MOST));
        assert!(sign_ins.of_browser(&first, Duration::ZERO).is_none());
    }
}
