//! What one request holds of its budgets, until what it has cost is known.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle};

use super::{
    Amount, Books, BudgetNotice, Requirement, Reservation,
    amount::{End, Heard},
};
use crate::language::{ChatEvent, LanguageError, Price};

/// How often a settlement is tried, and how long is waited between.
const TRIES: u32 = 5;
const TRY_WAIT: Duration = Duration::from_millis(500);

/// A reservation that is charged. Where it is dropped, what the request has cost by then is put in its place.
pub(super) struct Hold {
    books: Arc<Books>,
    // None once it is settled, or is being so.
    held: Option<Box<(Reservation, Vec<usize>)>>,
    needed: Requirement,
    price: Option<Price>,
    heard: Heard,
    end: End,
}

impl Hold {
    pub(super) fn new(
        books: Arc<Books>,
        reservation: Reservation,
        places: Vec<usize>,
        needed: Requirement,
        price: Option<Price>,
    ) -> Self {
        Self {
            books,
            held: Some(Box::new((reservation, places))),
            needed,
            price,
            heard: Heard::default(),
            end: End::Unsent,
        }
    }

    /// The request is sent now.
    pub(super) fn sent(&mut self) {
        self.end = End::Dropped;
    }

    /// Takes note of what came of it. Whether it is over.
    pub(super) fn hear(&mut self, event: &Result<ChatEvent, LanguageError>) -> bool {
        match event {
            Ok(event) => {
                self.heard.has_begun = true;
                match event {
                    ChatEvent::Usage(used) => {
                        self.heard.reported = Some(*used);
                        self.heard.has_spoken_since = false;
                    }
                    ChatEvent::TextDelta(_) | ChatEvent::ToolCall(_) => self.heard.has_spoken_since = true,
                    ChatEvent::Stopped(_) => self.end = End::Complete,
                    // What budgets say themselves costs nothing.
                    ChatEvent::Warned(_) => {}
                }
            }
            Err(error) => {
                self.end = End::Failed {
                    may_be_billed: error.may_be_billed(),
                }
            }
        }
        matches!(self.end, End::Complete | End::Failed { .. })
    }

    /// Puts what it has cost in the place of what it could, in a task of its own: who asked may be gone before that is done. None where
    /// there is nobody left to do it, at the end of the process; the charge stands then. The task gives what the turn is told of its budgets.
    pub(super) fn settle(&mut self) -> Option<JoinHandle<Vec<BudgetNotice>>> {
        let held = self.held.take()?;
        let cost = Amount::of(self.needed.spent(self.heard, self.end), self.price);
        let most = held.0.amount;
        if cost.tokens > most.tokens || cost.usd_nanos > most.usd_nanos {
            // The only way to spend more than a budget that stops.
            tracing::warn!(
                tokens = cost.tokens,
                tokens_max = most.tokens,
                "a provider bills more than a request could cost by what it was sent and may answer; its budgets are charged with all of it"
            );
        }
        let books = Arc::clone(&self.books);
        let runtime = Handle::try_current().ok()?;
        Some(runtime.spawn(async move {
            let (reservation, places) = *held;
            for tried in 1..=TRIES {
                match books.settle(&reservation, &places, cost).await {
                    Ok(notices) => return notices,
                    Err(error) if tried == TRIES => tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "what a request has cost cannot be settled: its budgets stay charged with the most that it could cost"
                    ),
                    Err(_) => tokio::time::sleep(TRY_WAIT).await,
                }
            }
            Vec::new()
        }))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Not waited for: nobody is there who could.
        drop(self.settle());
    }
}
