//! Admission control: how many turns this process takes on at once. What is not admitted is refused at the door, before
//! it stands in any queue; so the queues behind the door are bounded by what was admitted.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use orchestratai_shared::{SessionId, TurnId};
use orchestratai_telemetry::{Live, Metrics, RefusalReason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// Room for one turn, held until the turn has ended.
pub(crate) struct TurnPermit {
    _permit: Option<OwnedSemaphorePermit>,
    in_flight: Arc<AtomicUsize>,
    under_way: Arc<Mutex<HashMap<TurnId, SessionId>>>,
    turn_id: Option<TurnId>,
    _counted: Live,
}

impl TurnPermit {
    /// The same for the turn that the message has become.
    pub(crate) fn of(mut self, turn_id: TurnId, session_id: SessionId) -> Self {
        self.turn_id = Some(turn_id);
        turns(&self.under_way).insert(turn_id, session_id);
        self
    }
}

impl Drop for TurnPermit {
    fn drop(&mut self) {
        if let Some(turn_id) = self.turn_id {
            turns(&self.under_way).remove(&turn_id);
        }
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

fn turns(under_way: &Mutex<HashMap<TurnId, SessionId>>) -> MutexGuard<'_, HashMap<TurnId, SessionId>> {
    // A map that one operation has panicked in is still a map.
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The door.
#[derive(Clone)]
pub(crate) struct Admission {
    turns: Arc<Semaphore>,
    ready: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
    in_flight: Arc<AtomicUsize>,
    under_way: Arc<Mutex<HashMap<TurnId, SessionId>>>,
    metrics: Metrics,
}

impl Admission {
    /// A door that lets `turns_max` turns in at once, and none before it is opened.
    pub(crate) fn new(turns_max: usize, metrics: Metrics) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(turns_max)),
            ready: Arc::default(),
            draining: Arc::default(),
            in_flight: Arc::default(),
            under_way: Arc::default(),
            metrics,
        }
    }

    /// Lets one turn in, or says why not.
    pub(crate) fn admit(&self) -> Result<TurnPermit, Refusal> {
        if self.is_draining() {
            self.metrics.admission_refused(RefusalReason::Draining);
            return Err(stopping());
        }
        if !self.is_ready() {
            self.metrics.admission_refused(RefusalReason::Starting);
            return Err(starting());
        }
        match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(permit) => Ok(self.permit(Some(permit))),
            Err(_) => {
                self.metrics.admission_refused(RefusalReason::Turns);
                Err(Refusal::overloaded(
                    "The server has as many turns under way as it can take.",
                    RETRY_AFTER,
                ))
            }
        }
    }

    /// Lets a turn in that was accepted before a restart: it was promised, so it is never refused.
    pub(crate) fn admit_promised(&self) -> TurnPermit {
        self.permit(None)
    }

    /// Lets turns in from now on: all that an answer needs is there.
    pub(crate) fn open(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether all that an answer needs is there.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Lets no new turn in any more.
    pub(crate) fn close(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether no new turn is let in any more.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Turns that have not ended.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// The session of a turn that is under way in this process.
    pub(crate) fn session_of(&self, turn_id: TurnId) -> Option<SessionId> {
        turns(&self.under_way).get(&turn_id).copied()
    }

    fn permit(&self, permit: Option<OwnedSemaphorePermit>) -> TurnPermit {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        TurnPermit {
            _permit: permit,
            in_flight: Arc::clone(&self.in_flight),
            under_way: Arc::clone(&self.under_way),
            turn_id: None,
            _counted: self.metrics.turn_in_flight(),
        }
    }
}

/// Before all that an answer needs is there.
pub(crate) fn starting() -> Refusal {
    Refusal::overloaded("The server is starting.", RETRY_AFTER)
}

/// Once the server is about to stop.
pub(crate) fn stopping() -> Refusal {
    Refusal::overloaded("The server is about to stop and takes no new messages.", RETRY_AFTER)
}

const RETRY_AFTER: Duration = Duration::from_secs(1);
