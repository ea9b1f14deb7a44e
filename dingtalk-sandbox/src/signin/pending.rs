//! Sign-ins under way, and how far each has come.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::{
    frame::TmpCodes,
    password::Passwords,
    problem::Problem,
    request::{CorpChoice, Flow, Wanted},
};
use crate::{
    code::{Codes, Grant},
    identifier,
    world::World,
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

#[derive(Debug, Default)]
pub(crate) struct SignIns {
    by_key: HashMap<String, SignIn>,
    order: VecDeque<String>,
    pub(super) tmp_codes: TmpCodes,
    pub(super) passwords: Passwords,
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

    /// What comes next. When nothing is missing, that is the way back with a code.
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
                match sign_in.wanted.choosable(world, union_id) {
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
            self.tmp_codes.issue(app, union_id, now + LIFE, now)
        } else {
            sign_in
                .wanted
                .ended_well(union_id, corp_id, world, codes, now)
        };
        sign_in.stage = Stage::Ended(ended.clone());
        Next::Ended(ended)
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
        self.stage = match self.wanted.admits(world, union_id) {
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
        let choosable = self.wanted.choosable(world, union_id).unwrap_or_default();
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

/// How long a QR code and what follows it live. DingTalk's own number is not published.
const LIFE: Duration = Duration::from_secs(300);
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const XIHU: &str = "ding0a1b2c3d4e5f6a7b";
    const YUNQI: &str = "ding9f8e7d6c5b4a3f2e";
    const LINA: &str = "unionLiNa00000002";
    const IN_BOTH: &str = "unionWuLei0000009";

    /// A sign-in at the HR app with these parameters changed, known by the phone to be this account's.
    fn known(world: &World, union_id: &str, change: &str) -> (SignIns, String, Codes) {
        let wanted = Wanted::of_hr(world, &format!("prompt=none&{change}")).unwrap();
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

    #[track_caller]
    fn assert_ended(next: &Next) {
        assert!(
            matches!(next, Next::Ended(url) if url.contains("&code=")),
            "{next:?}"
        );
    }

    #[test]
    fn somebody_in_several_organisations_chooses_once() {
        let world = World::default();
        let (mut sign_ins, key, mut codes) = known(&world, IN_BOTH, "");
        let now = Duration::ZERO;
        let both = Next::ChooseCorp(vec![XIHU.to_owned(), YUNQI.to_owned()]);
        assert_eq!(sign_ins.next(&key, &world, &mut codes, now), both);
        let sign_in = sign_ins.of_browser(&key, now).unwrap();
        sign_in.choose(&world, "dingelsewhere");
        assert_eq!(sign_ins.next(&key, &world, &mut codes, now), both);
        sign_ins
            .of_browser(&key, now)
            .unwrap()
            .choose(&world, YUNQI);
        assert_ended(&sign_ins.next(&key, &world, &mut codes, now));
        assert_ended(&next(&world, IN_BOTH, "scope=openid"));
    }

    #[test]
    fn whoever_may_not_pass_has_failed() {
        let world = World::default();
        let failed = Next::Failed(Problem::outside());
        assert_eq!(next(&world, "unionStranger0011", ""), failed);
        let elsewhere = format!("corpId={YUNQI}");
        assert_eq!(next(&world, LINA, &elsewhere), failed);
    }

    #[test]
    fn the_chosen_organisation_is_in_the_code() {
        let world = World::default();
        let (mut sign_ins, key, mut codes) = known(&world, IN_BOTH, "org_type=management");
        let Next::Ended(url) = sign_ins.next(&key, &world, &mut codes, Duration::ZERO) else {
            panic!("not ended");
        };
        let code = url.split("authCode=").nth(1).unwrap();
        let code = code.split('&').next().unwrap();
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
        assert_eq!(next(&world, LINA, "prompt=consent"), Next::Consent);
        assert_ended(&next(&world, LINA, "prompt=consent&iframe=true"));
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
