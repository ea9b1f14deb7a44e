//! Keys that work once, at whatever instance they are used.

use std::sync::Arc;
use std::time::Duration;

use super::{BoxError, Entry, Store};
use crate::clock::Time;
use crate::error::Error;

/// Takes keys that work once from a store.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    store: Arc<dyn Store>,
    time: Time,
}

/// A key that was taken.
pub(crate) struct Taken {
    key: String,
    version: u64,
}

impl Once {
    pub(crate) fn new(store: Arc<dyn Store>, time: Time) -> Self {
        Self { store, time }
    }

    /// Takes a key, unless it is taken already. It stays so for `life`, or until it is given back.
    pub(crate) async fn take(
        &self,
        during: &'static str,
        key: String,
        life: Duration,
    ) -> Result<Option<Taken>, Error> {
        let taking = async {
            if self.store.add(&key, TAKEN, life).await? {
                return Ok::<_, BoxError>(Some(0));
            }
            let Some(there) = self
                .store
                .get(&key)
                .await?
                .filter(|there| there.value == GIVEN_BACK)
            else {
                return Ok(None);
            };
            let again = Entry {
                version: there.version + 1,
                value: TAKEN.to_vec(),
            };
            let is_ours = self.store.put(&key, &again, life).await?;
            Ok(is_ours.then_some(again.version))
        };
        let version = self
            .time
            .within(STORE_LIMIT, taking)
            .await
            .unwrap_or_else(|| Err("no answer in time".into()))
            .map_err(|error| Error::store(during, error))?;
        Ok(version.map(|version| Taken { key, version }))
    }

    /// Whether a key is taken.
    pub(crate) async fn is_taken(&self, during: &'static str, key: &str) -> Result<bool, Error> {
        let there = self.time.within(STORE_LIMIT, self.store.get(key)).await;
        let there = there.unwrap_or_else(|| Err("no answer in time".into()));
        let there = there.map_err(|error| Error::store(during, error))?;
        Ok(there.is_some_and(|there| there.value != GIVEN_BACK))
    }

    /// Gives a key back; says whether the store took it.
    pub(crate) async fn give_back(&self, taken: Taken) -> bool {
        let entry = Entry {
            version: taken.version + 1,
            value: GIVEN_BACK.to_vec(),
        };
        let giving = self.store.put(&taken.key, &entry, GIVEN_BACK_LIFE);
        matches!(self.time.within(STORE_LIMIT, giving).await, Some(Ok(_)))
    }
}

const TAKEN: &[u8] = b"claimed";
const GIVEN_BACK: &[u8] = b"given back";
/// A key that was given back needs no memory: without this, junk that never reached DingTalk would fill the store.
const GIVEN_BACK_LIFE: Duration = Duration::from_secs(1);
const STORE_LIMIT: Duration = Duration::from_secs(1);
