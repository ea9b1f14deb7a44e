//! Limits: calls a second of one app to one API, and calls of one address.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

/// Accepted calls of the last second, per app and route. The window slides; a refused call does not count.
#[derive(Debug, Default)]
pub(crate) struct AppRates {
    accepted: HashMap<(String, &'static str), VecDeque<Duration>>,
}

impl AppRates {
    /// Counts a call, or refuses it. A limit of 0 is none.
    pub(crate) fn accept(
        &mut self,
        app_key: &str,
        route: &'static str,
        limit: u32,
        now: Duration,
    ) -> bool {
        if limit == 0 {
            return true;
        }
        // One entry for an app of the world and a known route: bounded by the world.
        let times = self
            .accepted
            .entry((app_key.to_owned(), route))
            .or_default();
        slide(times, now, Duration::from_secs(1));
        let fits = times.len() < limit as usize;
        if fits {
            times.push_back(now);
        }
        fits
    }
}

/// Calls of each address in the last twenty seconds, and who is shut out.
#[derive(Debug, Default)]
pub(crate) struct IpRates {
    calls: HashMap<IpAddr, (VecDeque<Duration>, Option<Duration>)>,
}

impl IpRates {
    /// Counts a call, or says how long the address is still shut out. A limit of 0 is none.
    pub(crate) fn accept(&mut self, ip: IpAddr, limit: u32, now: Duration) -> Result<(), Duration> {
        if limit == 0 {
            return Ok(());
        }
        if self.calls.len() >= MOST_ADDRESSES && !self.calls.contains_key(&ip) {
            self.calls.clear();
        }
        let (times, shut_until) = self.calls.entry(ip).or_default();
        if let Some(until) = *shut_until {
            if now < until {
                return Err(until - now);
            }
            *shut_until = None;
            times.clear();
        }
        slide(times, now, IP_WINDOW);
        times.push_back(now);
        if times.len() > limit as usize {
            *shut_until = Some(now + IP_BAN);
            return Err(IP_BAN);
        }
        Ok(())
    }
}

fn slide(times: &mut VecDeque<Duration>, now: Duration, window: Duration) {
    while times
        .front()
        .is_some_and(|time| now.saturating_sub(*time) >= window)
    {
        times.pop_front();
    }
}

/// DingTalk's numbers: <https://open.dingtalk.com/document/development/how-to-process-api-throttling-on-the-dingtalk-server>
const IP_WINDOW: Duration = Duration::from_secs(20);
const IP_BAN: Duration = Duration::from_secs(300);
const MOST_ADDRESSES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "POST /x";

    #[test]
    fn the_window_slides() {
        let mut rates = AppRates::default();
        let at = Duration::from_millis;
        assert!(rates.accept("key", ROUTE, 2, at(0)));
        assert!(rates.accept("key", ROUTE, 2, at(600)));
        assert!(!rates.accept("key", ROUTE, 2, at(999)));
        assert!(rates.accept("key", ROUTE, 2, at(1000)));
        assert!(!rates.accept("key", ROUTE, 2, at(1599)));
        assert!(rates.accept("key", ROUTE, 2, at(1600)));
    }

    #[test]
    fn apps_and_routes_are_counted_apart() {
        let mut rates = AppRates::default();
        assert!(rates.accept("one", ROUTE, 1, Duration::ZERO));
        assert!(rates.accept("two", ROUTE, 1, Duration::ZERO));
        assert!(rates.accept("one", "POST /y", 1, Duration::ZERO));
        assert!(!rates.accept("one", ROUTE, 1, Duration::ZERO));
    }

    #[test]
    fn an_address_that_calls_too_often_is_shut_out_for_five_minutes() {
        let mut rates = IpRates::default();
        let ip = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(rates.accept(ip, 2, Duration::ZERO), Ok(()));
        assert_eq!(rates.accept(ip, 2, Duration::ZERO), Ok(()));
        assert_eq!(rates.accept(ip, 2, Duration::ZERO), Err(IP_BAN));
        assert_eq!(
            rates.accept(ip, 2, Duration::from_secs(299)),
            Err(Duration::from_secs(1))
        );
        assert_eq!(rates.accept(ip, 2, Duration::from_secs(300)), Ok(()));
    }
}
