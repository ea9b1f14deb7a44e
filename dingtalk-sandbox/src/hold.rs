//! Gates: calls that wait until a test lets them go on.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::{fault::Phase, route};

/// Calls are kept waiting while this lives. Dropping it lets them go.
#[derive(Debug)]
#[must_use = "dropping it lets the calls go"]
pub struct Hold {
    gate: Arc<Gate>,
    holds: Holds,
}

impl Hold {
    /// Completes when at least `n` calls are waiting.
    pub async fn wait_for(&self, n: usize) {
        let mut waiting = self.gate.waiting.subscribe();
        // The sender lives as long as `self.gate`, so this cannot fail.
        let _ = waiting.wait_for(|now| *now >= n).await;
    }

    /// How many calls are waiting now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        *self.gate.waiting.borrow()
    }

    /// Lets them all go, and later ones pass.
    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.holds.release(self.gate.id);
    }
}

#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) id: u64,
    pub(crate) route: String,
    pub(crate) phase: Phase,
    waiting: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    pub(crate) fn waiting(&self) -> usize {
        *self.waiting.borrow()
    }

    async fn pass(&self) {
        /// Counts down even when the caller hangs up.
        struct Waiting<'a>(&'a watch::Sender<usize>);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.send_modify(|now| *now -= 1);
            }
        }
        let mut open = self.open.subscribe();
        self.waiting.send_modify(|now| *now += 1);
        let _waiting = Waiting(&self.waiting);
        let _ = open.wait_for(|open| *open).await;
    }
}

/// The gates there are. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    gates: Vec<Arc<Gate>>,
}

impl Holds {
    pub(crate) fn hold(&self, route: &str, phase: Phase) -> Hold {
        Hold {
            gate: self.open_gate(route, phase),
            holds: self.clone(),
        }
    }

    /// A gate that nobody owns: the control API's, let go by its id.
    pub(crate) fn open_gate(&self, route: &str, phase: Phase) -> Arc<Gate> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_id += 1;
        let gate = Arc::new(Gate {
            id: state.last_id,
            route: route.to_owned(),
            phase,
            waiting: watch::Sender::new(0),
            open: watch::Sender::new(false),
        });
        state.gates.push(gate.clone());
        gate
    }

    pub(crate) fn release(&self, id: u64) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = state.gates.iter().position(|gate| gate.id == id) else {
            return false;
        };
        let gate = state.gates.remove(at);
        drop(state);
        gate.open.send_replace(true);
        true
    }

    pub(crate) fn gates(&self) -> Vec<Arc<Gate>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .gates
            .clone()
    }

    /// Waits at every gate of this call.
    pub(crate) async fn pass(&self, route: &str, phase: Phase) {
        for gate in self.gates() {
            if gate.phase == phase && (gate.route == route::ANY || gate.route == route) {
                gate.pass().await;
            }
        }
    }
}
