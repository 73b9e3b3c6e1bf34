//! Equal questions at the same moment: one is answered, the others wait for that answer and take it from the cache.
//!
//! Equal are the words, lower case and without marks, under the same key. Who leads may fail, be cancelled, or find that
//! there is nothing to keep. In the first two cases its flight is dropped, and one of those who wait takes over; in the last
//! all of them go on by themselves, since nothing would come of waiting.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use super::CacheKey;

/// Turns that wait for one answer; those beyond answer by themselves.
const WAITING_MAX: usize = 256;
/// How long a turn waits for another's answer before it makes its own.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A key, and a question in its words.
type Asked = (CacheKey, String);

/// Answers that are being made.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Asked, watch::Sender<Option<bool>>>>);

/// Who answers a question that is not in the cache.
#[derive(Debug)]
pub enum Admission<'a> {
    /// The caller, and for all who ask the same meanwhile.
    Lead(Flight<'a>),
    /// Another does, and the caller can wait for it.
    Wait(Waiting),
    /// Another just did: the answer is in the cache by now.
    Landed,
    /// The caller, for itself.
    Alone,
}

/// An answer that others wait for. Where it is dropped before [`Self::land`], one of them takes over.
pub struct Flight<'a> {
    flights: &'a Flights,
    asked: Asked,
}

/// Waits for another's answer.
#[derive(Debug)]
pub struct Waiting(watch::Receiver<Option<bool>>);

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// The answer is in the cache.
    Kept,
    /// There is an answer, but none to be given again.
    NotKept,
    /// There is none, and the place of who was to give it is free.
    Failed,
    /// There is none yet, and it has taken too long.
    TooLong,
}

impl Flights {
    /// Gives the caller its part; `has_landed` says whether the answer is in the cache by now.
    pub(super) fn enter(&self, key: &CacheKey, words: String, has_landed: impl FnOnce() -> bool) -> Admission<'_> {
        let asked = (key.clone(), words);
        let mut flights = self.flights();
        if let Some(flight) = flights.get(&asked) {
            return if flight.receiver_count() < WAITING_MAX {
                Admission::Wait(Waiting(flight.subscribe()))
            } else {
                Admission::Alone
            };
        }
        // Looked at while nobody can begin another: who leads stores its answer before it lands.
        if has_landed() {
            return Admission::Landed;
        }
        flights.insert(asked.clone(), watch::Sender::new(None));
        Admission::Lead(Flight { flights: self, asked })
    }

    fn flights(&self) -> std::sync::MutexGuard<'_, HashMap<Asked, watch::Sender<Option<bool>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight<'_> {
    /// Says that the answer is made, and whether it is in the cache.
    pub fn land(self, is_kept: bool) {
        if let Some(flight) = self.flights.flights().get(&self.asked) {
            flight.send_replace(Some(is_kept));
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        // With the sender goes the wait of all others.
        self.flights.flights().remove(&self.asked);
    }
}

impl fmt::Debug for Flight<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").finish_non_exhaustive()
    }
}

impl Waiting {
    /// Waits until the other's answer is made or given up, half a minute at most.
    pub async fn landing(mut self) -> Landing {
        let landed = self.0.wait_for(Option::is_some);
        match timeout(WAIT_MAX, landed).await {
            Ok(Ok(landed)) if *landed == Some(true) => Landing::Kept,
            Ok(Ok(_)) => Landing::NotKept,
            Ok(Err(_dropped)) => Landing::Failed,
            Err(_elapsed) => Landing::TooLong,
        }
    }
}
