//! The faults there are, and which of them a call meets.

use super::{Class, Fault, Phase};
use crate::route;

/// Who is calling what.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) route: &'a str,
    pub(crate) app_key: Option<&'a str>,
    pub(crate) corp_id: Option<&'a str>,
}

#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault, unless there are too many.
    pub(crate) fn add(&mut self, fault: Fault) -> bool {
        let room = self.0.len() < MOST;
        if room && fault.times != Some(0) {
            self.0.push(fault);
        }
        room
    }

    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }

    pub(crate) fn active(&self) -> &[Fault] {
        &self.0
    }

    /// The faults this call meets in this phase, each used up by one. Edits wait for a successful answer.
    pub(crate) fn take(
        &mut self,
        phase: Phase,
        target: &Target<'_>,
        answered_ok: bool,
    ) -> Vec<Fault> {
        let mut taken: Vec<Fault> = Vec::new();
        for fault in &mut self.0 {
            let matches = fault.phase() == phase
                && (fault.route == route::ANY || fault.route == target.route)
                && fault
                    .app_key
                    .as_deref()
                    .is_none_or(|key| target.app_key == Some(key))
                && fault
                    .corp_id
                    .as_deref()
                    .is_none_or(|corp| target.corp_id == Some(corp));
            let class = fault.class();
            let fits = match class {
                Class::Delay => true,
                Class::Edit => answered_ok,
                _ => !taken.iter().any(|other| other.class() == class),
            };
            if matches && fits {
                taken.push(fault.clone());
                fault.times = fault.times.map(|left| left.saturating_sub(1));
            }
        }
        self.0.retain(|fault| fault.times != Some(0));
        taken
    }
}

const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TARGET: Target<'static> = Target {
        route: route::USER_GET,
        app_key: Some("key"),
        corp_id: Some("corp"),
    };

    #[test]
    fn a_fault_happens_as_often_as_it_was_told_to() {
        let mut faults = Faults::default();
        faults.add(Fault::status(503).times(2));
        assert_eq!(faults.take(Phase::Before, &TARGET, false).len(), 1);
        assert_eq!(faults.take(Phase::Before, &TARGET, false).len(), 1);
        assert_eq!(faults.take(Phase::Before, &TARGET, false).len(), 0);
        assert!(faults.active().is_empty());
    }

    #[test]
    fn the_first_of_two_answers_wins_and_the_other_waits() {
        let mut faults = Faults::default();
        faults.add(Fault::status(503).times(1));
        faults.add(Fault::errcode(-1).times(1));
        assert_eq!(
            faults.take(Phase::Before, &TARGET, false),
            [Fault::status(503).times(1)]
        );
        assert_eq!(
            faults.take(Phase::Before, &TARGET, false),
            [Fault::errcode(-1).times(1)]
        );
    }

    #[test]
    fn filters_keep_a_fault_from_others() {
        for (fault, hits) in [
            (Fault::status(500).on(route::GETUSERINFO), 0),
            (Fault::status(500).on(route::USER_GET), 1),
            (Fault::status(500).app("other"), 0),
            (Fault::status(500).app("key"), 1),
            (Fault::status(500).corp("other"), 0),
            (Fault::status(500).corp("corp"), 1),
        ] {
            let mut faults = Faults::default();
            faults.add(fault.clone());
            assert_eq!(
                faults.take(Phase::Before, &TARGET, false).len(),
                hits,
                "{fault:?}"
            );
        }
    }

    #[test]
    fn edits_wait_for_a_successful_answer() {
        let mut faults = Faults::default();
        faults.add(Fault::edit(json!({})).times(1));
        assert!(faults.take(Phase::After, &TARGET, false).is_empty());
        assert_eq!(faults.take(Phase::After, &TARGET, true).len(), 1);
    }
}
