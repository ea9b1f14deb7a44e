//! The contract of `Store`, run for the store that comes with core, and what is its own.

use std::sync::Arc;
use std::time::Duration;

use dingtalk_core::{Entry, MemoryStore};
use dingtalk_sandbox::Clock;
use dingtalk_tests::contract::Subject;
use dingtalk_tests::{SandboxClock, store_contract};

store_contract! { memory => memory }

fn memory() -> Subject {
    let clock = Clock::manual();
    Subject {
        store: Arc::new(MemoryStore::with_clock(Arc::new(SandboxClock(
            clock.clone(),
        )))),
        advance: Box::new(move |by| clock.advance(by)),
    }
}

/// Rule 1 at the memory store's bound.
#[tokio::test]
async fn a_full_memory_store_says_so_and_keeps_what_lives() {
    let Subject { store, advance } = memory();
    let key = |number: usize| format!("key{number}");
    for number in 0..MemoryStore::MAX_ENTRIES {
        let life = if number == 0 { SHORT } else { LONG };
        assert!(store.add(&key(number), b"there", life).await.unwrap());
    }
    let newer = Entry {
        version: 1,
        value: b"newer".to_vec(),
    };
    assert!(store.add("one more", b"x", LONG).await.is_err());
    assert!(store.put("one more", &newer, LONG).await.is_err());
    assert!(
        store.put(&key(7), &newer, LONG).await.unwrap(),
        "one that is there needs no room"
    );
    for number in 0..MemoryStore::MAX_ENTRIES {
        assert!(store.get(&key(number)).await.unwrap().is_some(), "{number}");
    }
    advance(SHORT);
    assert!(
        store.add("one more", b"x", LONG).await.unwrap(),
        "what is over makes room"
    );
    assert!(store.add("two more", b"x", LONG).await.is_err());
    assert!(store.get(&key(1)).await.unwrap().is_some());
}

/// Rule 1 at the memory store's bound.
#[tokio::test]
async fn full_logs_say_so_and_keep_what_lives() {
    let Subject { store, advance } = memory();
    store.append("a", b"first", SHORT).await.unwrap();
    for _ in 1..MemoryStore::MAX_ENTRIES {
        store.append("b", b"next", LONG).await.unwrap();
    }
    assert!(store.append("c", b"x", LONG).await.is_err());
    assert_eq!(store.since("a", 0).await.unwrap().entries, [b"first"]);
    let whole = store.since("b", 0).await.unwrap();
    assert_eq!(whole.entries.len(), MemoryStore::MAX_ENTRIES - 1);
    advance(SHORT);
    store.append("c", b"x", LONG).await.unwrap();
    assert!(store.append("c", b"y", LONG).await.is_err());
    assert!(!store.since("b", whole.position).await.unwrap().gap);
}

const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(1000);
