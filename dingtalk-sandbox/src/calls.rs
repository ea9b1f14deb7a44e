//! The list of calls: what reached the sandbox and what came of it. Never secrets, codes or tokens.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

/// A call that reached one of DingTalk's APIs. Pages, scripts and the control API do not count.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// Its number since the sandbox started.
    pub number: u64,
    /// A constant of [`route`](crate::route), or method and path of a call the sandbox does not know.
    pub route: String,
    /// The app whose credentials or token it carried, if any that exists.
    pub app_key: Option<String>,
    /// That app's organisation, or the one named in the path.
    pub corp_id: Option<String>,
    /// `ok`; an old code as `40078`, wrapped as `88/40014`; a new code as `invalidClientIdOrSecret`; `fault:` and a kind;
    /// `pending` while it is being answered; `gone` when the caller hung up first.
    pub outcome: String,
    /// Kinds of the faults it met.
    pub faults: Vec<&'static str>,
    /// Why it was refused, where the code does not say.
    pub detail: Option<String>,
    /// When it came, on the sandbox's clock.
    pub at: SystemTime,
    /// How long the answer took to make, on the sandbox's clock.
    pub took: Option<Duration>,
}

impl Call {
    pub(crate) fn to_json(&self) -> Value {
        let at = self
            .at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        json!({
            "number": self.number,
            "route": self.route,
            "app_key": self.app_key,
            "corp_id": self.corp_id,
            "outcome": self.outcome,
            "faults": self.faults,
            "detail": self.detail,
            "at_ms": u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            "took_ms": self.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        })
    }
}

/// The latest calls, and counts of all.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    latest: VecDeque<Call>,
    counts: HashMap<String, usize>,
    total: usize,
    last_number: u64,
    /// Grows with every change, so that a page can ask whether anything is new.
    revision: u64,
}

impl Calls {
    pub(crate) fn begin(
        &mut self,
        route: &str,
        app_key: Option<&str>,
        corp_id: Option<&str>,
        at: SystemTime,
    ) -> u64 {
        self.last_number += 1;
        self.total += 1;
        self.revision += 1;
        let counted = if self.counts.len() < MOST_ROUTES || self.counts.contains_key(route) {
            route
        } else {
            OTHER
        };
        *self.counts.entry(counted.to_owned()).or_default() += 1;
        if self.latest.len() >= MOST {
            self.latest.pop_front();
        }
        self.latest.push_back(Call {
            number: self.last_number,
            route: route.to_owned(),
            app_key: app_key.map(str::to_owned),
            corp_id: corp_id.map(str::to_owned),
            outcome: PENDING.to_owned(),
            faults: Vec::new(),
            detail: None,
            at,
            took: None,
        });
        self.last_number
    }

    /// Changes a call that may have left the list meanwhile.
    pub(crate) fn update(&mut self, number: u64, change: impl FnOnce(&mut Call)) {
        if let Ok(at) = self
            .latest
            .binary_search_by_key(&number, |call| call.number)
            && let Some(call) = self.latest.get_mut(at)
        {
            change(call);
            self.revision += 1;
        }
    }

    /// Notes that the caller hung up, unless the call was answered.
    pub(crate) fn gone(&mut self, number: u64) {
        self.update(number, |call| {
            if call.outcome == PENDING {
                "gone".clone_into(&mut call.outcome);
            }
        });
    }

    pub(crate) fn reset(&mut self) {
        self.latest.clear();
        self.counts.clear();
        self.total = 0;
        self.revision += 1;
    }

    pub(crate) fn latest(&self) -> impl DoubleEndedIterator<Item = &Call> {
        self.latest.iter()
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn count_of(&self, route: &str) -> usize {
        self.counts.get(route).copied().unwrap_or_default()
    }

    pub(crate) fn counts(&self) -> &HashMap<String, usize> {
        &self.counts
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }
}

/// Calls kept; counts go on beyond it.
pub(crate) const MOST: usize = 10_000;
const MOST_ROUTES: usize = 256;
const OTHER: &str = "other";
const PENDING: &str = "pending";

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(calls: &mut Calls, route: &str) -> u64 {
        calls.begin(route, None, None, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn counts_outlive_the_list() {
        let mut calls = Calls::default();
        for _ in 0..MOST + 7 {
            begin(&mut calls, "POST /x");
        }
        assert_eq!(calls.latest().count(), MOST);
        assert_eq!(calls.total(), MOST + 7);
        assert_eq!(calls.count_of("POST /x"), MOST + 7);
    }

    #[test]
    fn counted_routes_are_bounded() {
        let mut calls = Calls::default();
        for at in 0..MOST_ROUTES + 10 {
            begin(&mut calls, &format!("GET /{at}"));
        }
        assert_eq!(calls.count_of(OTHER), 10);
        assert_eq!(calls.total(), MOST_ROUTES + 10);
    }

    #[test]
    fn an_answer_that_comes_after_a_reset_is_ignored() {
        let mut calls = Calls::default();
        let late = begin(&mut calls, "POST /x");
        calls.reset();
        let new = begin(&mut calls, "POST /y");
        calls.update(late, |call| call.outcome = "ok".to_owned());
        calls.gone(new);
        assert_eq!(
            calls
                .latest()
                .map(|call| call.outcome.as_str())
                .collect::<Vec<_>>(),
            ["gone"]
        );
    }
}
