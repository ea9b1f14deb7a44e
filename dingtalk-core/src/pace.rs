//! DingTalk's calls per second: one-time codes wait for their turn here, where waiting costs nothing, and not at DingTalk.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Moment, Time};
use crate::error::{Error, Outage};

/// The turns of one app at one API.
///
/// Source: 20 calls a second for an app at an API,
/// <https://open.dingtalk.com/document/development/call-frequency-limit>.
#[derive(Debug)]
pub(crate) struct Pace {
    time: Time,
    per_second: usize,
    start: Moment,
    /// When the last `per_second` turns are, from `start`. With none a second there is never one.
    turns: Mutex<VecDeque<Duration>>,
}

impl Pace {
    pub(crate) fn new(time: Time, per_second: usize) -> Self {
        let start = time.moment();
        Self {
            time,
            per_second,
            start,
            turns: Mutex::default(),
        }
    }

    /// Waits for the next turn, or says at once that it comes later than `patience` allows, and when to come back.
    pub(crate) async fn turn(&self, during: &'static str, patience: Duration) -> Result<(), Error> {
        self.wait(during, self.book(patience)).await
    }

    /// The same, for the next turn here or in another pace, whichever comes first.
    pub(crate) async fn turn_here_or(
        &self,
        other: &Self,
        during: &'static str,
        patience: Duration,
    ) -> Result<(), Error> {
        self.wait(during, self.book_here_or(other, patience)).await
    }

    async fn wait(
        &self,
        during: &'static str,
        booked: Result<Duration, Duration>,
    ) -> Result<(), Error> {
        let wait = booked.map_err(|wait| Error::Unavailable {
            during,
            reason: Outage::Crowded,
            retry_after: Some(wait),
            source: None,
        })?;
        if !wait.is_zero() {
            self.time.sleep(wait).await;
        }
        Ok(())
    }

    fn book_here_or(&self, other: &Self, patience: Duration) -> Result<Duration, Duration> {
        let there = {
            let turns = other.turns.lock().unwrap_or_else(PoisonError::into_inner);
            let now = other.start.run(other.time.moment());
            other.next(&turns, now).saturating_sub(now)
        };
        self.book(patience.min(there))
            .or_else(|_| other.book(patience))
    }

    fn book(&self, patience: Duration) -> Result<Duration, Duration> {
        let now = self.start.run(self.time.moment());
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.next(&turns, now);
        let wait = turn.saturating_sub(now);
        if wait > patience {
            return Err(wait);
        }
        if turns.len() >= self.per_second {
            turns.pop_front();
        }
        turns.push_back(turn);
        Ok(wait)
    }

    fn next(&self, turns: &VecDeque<Duration>, now: Duration) -> Duration {
        if turns.len() < self.per_second {
            return now;
        }
        let first = turns.front();
        first.map_or(Duration::MAX, |first| now.max(first.saturating_add(WINDOW)))
    }
}

/// A little over the second that DingTalk counts, for calls that arrive closer together than they left.
const WINDOW: Duration = Duration::from_millis(1050);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::SetClock;

    #[test]
    fn no_second_has_more_turns_than_allowed() {
        let clock = SetClock::new();
        let pace = Pace::new(Time::new(clock.clone()), 20);
        let mut turns: Vec<Duration> = (0..100)
            .filter_map(|_| pace.book(Duration::from_secs(60)).ok())
            .collect();
        assert_eq!(turns.len(), 100);
        turns.sort();
        for pair in turns.windows(21) {
            assert!(pair[20] - pair[0] > Duration::from_secs(1));
        }
        clock.run(Duration::from_secs(60));
        assert_eq!(pace.book(Duration::ZERO), Ok(Duration::ZERO));
    }

    /// L2
    #[test]
    fn who_has_two_paces_takes_the_first_turn_of_both_and_its_own_is_nobody_elses() {
        let clock = SetClock::new();
        let pace = |per_second| Pace::new(Time::new(clock.clone()), per_second);
        let (own, common, none) = (pace(1), pace(2), pace(0));
        let patience = Duration::from_secs(5);
        for wait in [0, 0, 0, 1, 1, 1, 2] {
            assert_eq!(own.book_here_or(&common, patience), Ok(wait * WINDOW));
        }
        while common.book(patience).is_ok() {}
        assert_eq!(own.book_here_or(&common, patience), Ok(3 * WINDOW));
        assert_eq!(own.book_here_or(&common, patience), Ok(4 * WINDOW));
        assert!(own.book_here_or(&common, patience).is_err());
        clock.run(patience + 2 * WINDOW);
        assert!(none.book(patience).is_err());
        for wait in [0, 0, 1] {
            assert_eq!(none.book_here_or(&common, patience), Ok(wait * WINDOW));
        }
    }

    #[test]
    fn a_turn_too_far_away_is_refused_and_not_booked() {
        let clock = SetClock::new();
        let pace = Pace::new(Time::new(clock.clone()), 1);
        assert_eq!(pace.book(Duration::from_secs(1)), Ok(Duration::ZERO));
        for _ in 0..3 {
            assert_eq!(pace.book(Duration::from_secs(1)), Err(WINDOW));
        }
        clock.run(WINDOW);
        assert_eq!(pace.book(Duration::ZERO), Ok(Duration::ZERO));
    }
}
