//! The contract of [`Store`], rule by rule: every implementation runs this one list.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dingtalk_core::{Entry, Store};
use futures_util::future::join_all;

/// A store under test and the clock that its lives are counted on.
pub struct Subject {
    /// The store, empty.
    pub store: Arc<dyn Store>,
    /// Moves its clock.
    pub advance: Box<dyn Fn(Duration) + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

/// Makes every rule a named test of one implementation: `store_contract! { memory => make }`, with an expression for a
/// function that makes an empty [`Subject`].
#[macro_export]
macro_rules! store_contract {
    ($name:ident => $make:expr) => {
        mod $name {
            $crate::store_contract! { @cases $make;
                an_entry_lives_as_long_as_it_was_given
                an_entry_that_is_over_makes_room_for_another
                a_later_put_starts_a_life_of_its_own
                a_refused_write_changes_neither_value_nor_life
                entries_of_a_log_live_as_long_as_they_were_given
                of_many_that_add_one_wins
                of_many_that_put_the_same_version_one_wins
                the_higher_version_wins
                an_added_entry_has_version_0
                a_log_keeps_its_order
                a_position_is_where_to_go_on
                many_writers_lose_nothing
                a_position_is_told_after_all_before_it_was_seen
                entries_that_are_over_are_no_gap
                names_are_apart
                the_longest_keys_and_values_fit
                any_bytes_come_back_as_they_were
            }
        }
    };
    (@cases $make:expr; $($case:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            use super::*;
            $crate::contract::$case(($make)()).await;
        })*
    };
}

/// Rule 1.
pub async fn an_entry_lives_as_long_as_it_was_given(subject: Subject) {
    let Subject { store, advance } = subject;
    assert!(store.add("added", b"a", TEN).await.unwrap());
    assert!(store.put("put", &entry(7, b"p"), TEN).await.unwrap());
    advance(NINE);
    assert_eq!(store.get("added").await.unwrap(), Some(entry(0, b"a")));
    assert_eq!(store.get("put").await.unwrap(), Some(entry(7, b"p")));
    advance(ONE);
    assert_eq!(store.get("added").await.unwrap(), None);
    assert_eq!(store.get("put").await.unwrap(), None);
}

/// Rule 1.
pub async fn an_entry_that_is_over_makes_room_for_another(subject: Subject) {
    let Subject { store, advance } = subject;
    assert!(store.put("a", &entry(9, b"old"), TEN).await.unwrap());
    assert!(store.put("b", &entry(9, b"old"), TEN).await.unwrap());
    advance(TEN);
    assert!(store.add("a", b"new", TEN).await.unwrap());
    assert!(store.put("b", &entry(1, b"new"), TEN).await.unwrap());
    assert_eq!(store.get("a").await.unwrap(), Some(entry(0, b"new")));
    assert_eq!(store.get("b").await.unwrap(), Some(entry(1, b"new")));
}

/// Rule 1.
pub async fn a_later_put_starts_a_life_of_its_own(subject: Subject) {
    let Subject { store, advance } = subject;
    for (key, ttl) in [("longer", 2 * TEN), ("shorter", ONE)] {
        assert!(store.add(key, b"first", TEN).await.unwrap());
        assert!(store.put(key, &entry(1, b"second"), ttl).await.unwrap());
    }
    advance(ONE);
    assert_eq!(store.get("shorter").await.unwrap(), None);
    advance(2 * NINE);
    assert_eq!(
        store.get("longer").await.unwrap(),
        Some(entry(1, b"second"))
    );
}

/// Rules 1 and 2.
pub async fn a_refused_write_changes_neither_value_nor_life(subject: Subject) {
    let Subject { store, advance } = subject;
    assert!(store.put("k", &entry(5, b"there"), TEN).await.unwrap());
    advance(NINE);
    assert!(!store.add("k", b"x", 9 * TEN).await.unwrap());
    assert!(!store.put("k", &entry(5, b"x"), 9 * TEN).await.unwrap());
    assert_eq!(store.get("k").await.unwrap(), Some(entry(5, b"there")));
    advance(ONE);
    assert_eq!(store.get("k").await.unwrap(), None);
}

/// Rule 1.
pub async fn entries_of_a_log_live_as_long_as_they_were_given(subject: Subject) {
    let Subject { store, advance } = subject;
    store.append("log", b"short", TEN).await.unwrap();
    store.append("log", b"long", 2 * TEN).await.unwrap();
    advance(NINE);
    assert_eq!(
        store.since("log", 0).await.unwrap().entries,
        list(&["short", "long"])
    );
    advance(ONE);
    assert_eq!(
        store.since("log", 0).await.unwrap().entries,
        list(&["long"])
    );
    advance(TEN);
    assert_eq!(store.since("log", 0).await.unwrap().entries, list(&[]));
}

/// Rule 2.
pub async fn of_many_that_add_one_wins(subject: Subject) {
    for round in 0..20 {
        let key = format!("key{round}");
        let tries = (0..CALLERS).map(|caller| {
            let (store, key) = (Arc::clone(&subject.store), key.clone());
            tokio::spawn(async move {
                let won = store.add(&key, caller.to_string().as_bytes(), TEN).await;
                won.unwrap().then_some(caller)
            })
        });
        let won = winners(tries).await;
        assert_eq!(won.len(), 1, "{won:?}");
        let there = subject.store.get(&key).await.unwrap();
        assert_eq!(there, Some(entry(0, won[0].to_string().as_bytes())));
    }
}

/// Rule 2.
pub async fn of_many_that_put_the_same_version_one_wins(subject: Subject) {
    for version in 1..20 {
        let tries = (0..CALLERS).map(|caller| {
            let store = Arc::clone(&subject.store);
            tokio::spawn(async move {
                let entry = entry(version, caller.to_string().as_bytes());
                let won = store.put("key", &entry, TEN).await;
                won.unwrap().then_some(caller)
            })
        });
        let won = winners(tries).await;
        assert_eq!(won.len(), 1, "{won:?}");
        let there = subject.store.get("key").await.unwrap();
        assert_eq!(there, Some(entry(version, won[0].to_string().as_bytes())));
    }
}

/// Rule 2.
pub async fn the_higher_version_wins(subject: Subject) {
    let Subject { store, .. } = subject;
    let put = async |version, value: &[u8]| store.put("k", &entry(version, value), TEN).await;
    assert!(put(5, b"five").await.unwrap());
    assert!(!put(4, b"four").await.unwrap());
    assert!(!put(5, b"again").await.unwrap());
    assert!(put(6, b"six").await.unwrap());
    assert!(put(u64::MAX, b"last").await.unwrap());
    assert!(!put(u64::MAX, b"again").await.unwrap());
    assert_eq!(
        store.get("k").await.unwrap(),
        Some(entry(u64::MAX, b"last"))
    );
}

/// Rule 2.
pub async fn an_added_entry_has_version_0(subject: Subject) {
    let Subject { store, .. } = subject;
    assert!(store.add("k", b"added", TEN).await.unwrap());
    assert!(!store.put("k", &entry(0, b"put"), TEN).await.unwrap());
    assert!(store.put("k", &entry(1, b"put"), TEN).await.unwrap());
    assert!(!store.add("k", b"added", TEN).await.unwrap());
    assert_eq!(store.get("k").await.unwrap(), Some(entry(1, b"put")));
    assert!(store.put("other", &entry(0, b"put"), TEN).await.unwrap());
}

/// Rule 3.
pub async fn a_log_keeps_its_order(subject: Subject) {
    let Subject { store, .. } = subject;
    let sent: Vec<Vec<u8>> = (0..100).map(|n: u32| n.to_string().into()).collect();
    for entry in &sent {
        store.append("log", entry, TEN).await.unwrap();
    }
    // The same twice is two entries.
    store.append("log", b"99", TEN).await.unwrap();
    let tail = store.since("log", 0).await.unwrap();
    assert_eq!(tail.entries[..100], sent);
    assert_eq!(tail.entries[100..], [b"99"]);
    assert!(!tail.gap);
}

/// Rule 3.
pub async fn a_position_is_where_to_go_on(subject: Subject) {
    let Subject { store, .. } = subject;
    let empty = store.since("log", 0).await.unwrap();
    assert_eq!((empty.entries, empty.gap), (list(&[]), false));
    store.append("log", b"a", TEN).await.unwrap();
    let first = store.since("log", empty.position).await.unwrap();
    assert_eq!((first.entries, first.gap), (list(&["a"]), false));
    let nothing = store.since("log", first.position).await.unwrap();
    assert_eq!((nothing.entries, nothing.gap), (list(&[]), false));
    store.append("log", b"b", TEN).await.unwrap();
    store.append("log", b"c", TEN).await.unwrap();
    for position in [first.position, nothing.position] {
        let next = store.since("log", position).await.unwrap();
        assert_eq!((next.entries, next.gap), (list(&["b", "c"]), false));
    }
    let mut position = store.since("log", 0).await.unwrap().position;
    for number in 0..50 {
        let sent = number.to_string();
        store.append("log", sent.as_bytes(), TEN).await.unwrap();
        let next = store.since("log", position).await.unwrap();
        assert_eq!((next.entries, next.gap), (list(&[&sent]), false));
        position = next.position;
    }
}

/// Rule 3.
pub async fn many_writers_lose_nothing(subject: Subject) {
    let writers = (0..CALLERS).map(|writer| {
        let store = Arc::clone(&subject.store);
        tokio::spawn(async move {
            for number in 0..50 {
                let entry = format!("{writer} {number}");
                store.append("log", entry.as_bytes(), TEN).await.unwrap();
            }
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    let tail = subject.store.since("log", 0).await.unwrap();
    assert_eq!(tail.entries.len(), CALLERS * 50);
    assert!(!tail.gap);
    for writer in 0..CALLERS {
        let own = format!("{writer} ");
        let numbers =
            texts(&tail.entries).filter_map(|text| text.strip_prefix(&own).map(str::to_owned));
        assert!(numbers.eq((0..50).map(|number| number.to_string())));
    }
}

/// Rule 3.
pub async fn a_position_is_told_after_all_before_it_was_seen(subject: Subject) {
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = Arc::clone(&subject.store);
            tokio::spawn(async move {
                for number in 0..200 {
                    let entry = format!("{writer} {number}");
                    store.append("log", entry.as_bytes(), TEN).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let (mut seen, mut position) = (Vec::new(), 0);
    loop {
        let is_last = writers.iter().all(|writer| writer.is_finished());
        let tail = subject.store.since("log", position).await.unwrap();
        assert!(!tail.gap);
        seen.extend(tail.entries);
        position = tail.position;
        if is_last {
            break;
        }
        tokio::task::yield_now().await;
    }
    let whole = subject.store.since("log", 0).await.unwrap();
    assert_eq!(whole.entries.len(), 800);
    assert!(seen == whole.entries, "read bit by bit it is another log");
}

/// Rule 3.
pub async fn entries_that_are_over_are_no_gap(subject: Subject) {
    let Subject { store, advance } = subject;
    store.append("log", b"a", TEN).await.unwrap();
    let first = store.since("log", 0).await.unwrap();
    store.append("log", b"b", TEN).await.unwrap();
    advance(TEN);
    for position in [0, first.position] {
        let tail = store.since("log", position).await.unwrap();
        assert_eq!((tail.entries, tail.gap), (list(&[]), false));
    }
    store.append("log", b"c", TEN).await.unwrap();
    let next = store.since("log", first.position).await.unwrap();
    assert_eq!((next.entries, next.gap), (list(&["c"]), false));
    let nothing = store.since("log", next.position).await.unwrap();
    assert_eq!((nothing.entries, nothing.gap), (list(&[]), false));
}

/// Rule 5: what one name holds is nobody else's, a key and a log of one name included.
pub async fn names_are_apart(subject: Subject) {
    let Subject { store, .. } = subject;
    let names = [
        "a", "A", "ab", "a:b", "a b", "a*", "a?", "a/../b", "a\\b", "a{b}",
    ];
    for name in names {
        assert!(
            store.add(name, name.as_bytes(), TEN).await.unwrap(),
            "{name}"
        );
        store.append(name, name.as_bytes(), TEN).await.unwrap();
    }
    for name in names {
        let there = store.get(name).await.unwrap();
        assert_eq!(there, Some(entry(0, name.as_bytes())), "{name}");
        assert_eq!(store.since(name, 0).await.unwrap().entries, list(&[name]));
    }
    assert_eq!(store.get("b").await.unwrap(), None);
    assert_eq!(store.since("b", 0).await.unwrap().entries, list(&[]));
}

/// Rule 5.
pub async fn the_longest_keys_and_values_fit(subject: Subject) {
    let Subject { store, .. } = subject;
    let (one, other) = ("k".repeat(128), format!("{}l", "k".repeat(127)));
    let value = vec![0xA5; 64 * 1024];
    assert!(store.add(&one, &value, TEN).await.unwrap());
    assert!(store.put(&other, &entry(1, &value), TEN).await.unwrap());
    assert_eq!(store.get(&one).await.unwrap(), Some(entry(0, &value)));
    assert_eq!(store.get(&other).await.unwrap(), Some(entry(1, &value)));
    store.append(&one, &value, TEN).await.unwrap();
    assert_eq!(store.since(&one, 0).await.unwrap().entries, [value]);
}

/// Rule 5.
pub async fn any_bytes_come_back_as_they_were(subject: Subject) {
    let Subject { store, .. } = subject;
    let all: Vec<u8> = (0..=255).collect();
    for (key, value) in [("all", &all[..]), ("none", b""), ("lines", b"\r\n\0\r\n")] {
        assert!(store.add(key, value, TEN).await.unwrap());
        assert_eq!(store.get(key).await.unwrap(), Some(entry(0, value)));
        store.append(key, value, TEN).await.unwrap();
        assert_eq!(store.since(key, 0).await.unwrap().entries, [value]);
    }
}

async fn winners(
    tries: impl Iterator<Item = tokio::task::JoinHandle<Option<usize>>>,
) -> Vec<usize> {
    let tries: Vec<_> = tries.collect();
    let tries = join_all(tries).await.into_iter();
    tries
        .filter_map(|tried| tried.expect("it does not panic"))
        .collect()
}

fn entry(version: u64, value: &[u8]) -> Entry {
    Entry {
        version,
        value: value.to_vec(),
    }
}

fn list(entries: &[&str]) -> Vec<Vec<u8>> {
    entries
        .iter()
        .map(|entry| entry.as_bytes().to_vec())
        .collect()
}

fn texts(entries: &[Vec<u8>]) -> impl Iterator<Item = &str> {
    entries
        .iter()
        .map(|entry| std::str::from_utf8(entry).expect("the test wrote text"))
}

const CALLERS: usize = 32;
const ONE: Duration = Duration::from_secs(1);
const NINE: Duration = Duration::from_secs(9);
const TEN: Duration = Duration::from_secs(10);
