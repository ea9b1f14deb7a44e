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
    /// When the last `per_second` turns are, from `start`.
    turns: Mutex<VecDeque<Duration>>,
}

impl Pace {
    pub(crate) fn new(time: Time, per_second: usize) -> Self {
        let start = time.moment();
        Self {
            time,
            per_second: per_second.max(1),
            start,
            turns: Mutex::default(),
        }
    }

    /// Waits for the next turn, or says at once that it comes later than `patience` allows, and when to come back.
    pub(crate) async fn turn(&self, during: &'static str, patience: Duration) -> Result<(), Error> {
        let wait = self.book(patience).map_err(|wait| Error::Unavailable {
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

    fn book(&self, patience: Duration) -> Result<Duration, Duration> {
        let now = self.start.run(self.time.moment());
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = if turns.len() < self.per_second {
            now
        } else {
            turns
                .front()
                .map_or(now, |first| now.max(first.saturating_add(WINDOW)))
        };
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
