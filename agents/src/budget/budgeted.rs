//! A model that is asked only within budgets.
//!
//! It stands behind [`Guarded`](crate::language::Guarded), so that each attempt is charged by itself: one that is not made, since the
//! provider rests, charges nothing, and one that failed and may be billed stays charged while the next is made.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;

use super::{Books, BudgetNotice, Requirement, hold::Hold};
use crate::language::{ChatEvent, ChatRequest, ChatStream, LanguageError, LanguageModel, Price, Spender};

/// How long the end of an answer waits for its settlement, which goes on alone after that.
const SETTLE_WAIT: Duration = Duration::from_millis(250);

/// A model within budgets. A request for nobody falls under none.
pub struct Budgeted {
    model: Arc<dyn LanguageModel>,
    books: Arc<Books>,
    price: Option<Price>,
    max_tokens: u32,
}

impl Budgeted {
    /// `model`, whose tokens have this price where one is known. An answer that is not bounded by its request is by `max_tokens`.
    #[must_use]
    pub fn new(model: Arc<dyn LanguageModel>, books: Arc<Books>, price: Option<Price>, max_tokens: u32) -> Self {
        Self {
            model,
            books,
            price,
            max_tokens,
        }
    }
}

impl LanguageModel for Budgeted {
    fn chat(&self, request: Arc<ChatRequest>) -> ChatStream {
        let Some(spender) = request.spender.clone().filter(|_| !self.books.budgets().is_empty()) else {
            return self.model.chat(request);
        };
        let request = match request.max_tokens {
            Some(_) => request,
            None => Arc::new(ChatRequest {
                max_tokens: Some(self.max_tokens),
                ..ChatRequest::clone(&request)
            }),
        };
        let asking = Asking::Unsent {
            needed: Requirement::of(&request, self.max_tokens),
            spender,
            request,
            model: Arc::clone(&self.model),
            books: Arc::clone(&self.books),
            price: self.price,
        };
        Box::pin(stream::unfold(asking, |asking| asking.next()))
    }
}

enum Asking {
    Unsent {
        needed: Requirement,
        spender: Spender,
        request: Arc<ChatRequest>,
        model: Arc<dyn LanguageModel>,
        books: Arc<Books>,
        price: Option<Price>,
    },
    // The stream is dropped before the hold: the request is closed when its cost is reckoned.
    Sent(ChatStream, Hold),
    /// It is over, and this is told before its end.
    Ending(VecDeque<BudgetNotice>, Result<ChatEvent, LanguageError>),
    Ended,
}

impl Asking {
    async fn next(self) -> Option<(Result<ChatEvent, LanguageError>, Self)> {
        let (mut stream, mut hold) = match self {
            Self::Ended => return None,
            Self::Ending(notices, end) => return Some(Self::ending(notices, end)),
            Self::Sent(stream, hold) => (stream, hold),
            Self::Unsent {
                needed,
                spender,
                request,
                model,
                books,
                price,
            } => match reserve(books, spender, needed, price).await {
                Ok(mut hold) => {
                    hold.sent();
                    (model.chat(request), hold)
                }
                Err(error) => return Some((Err(error), Self::Ended)),
            },
        };
        let event = stream.next().await.unwrap_or(Err(LanguageError::CutShort));
        if !hold.hear(&event) {
            return Some((event, Self::Sent(stream, hold)));
        }
        drop(stream);
        let notices = match hold.settle() {
            // Where it goes on alone nobody is told what it finds.
            Some(settling) => tokio::time::timeout(SETTLE_WAIT, settling).await.ok(),
            None => None,
        };
        let notices = notices.and_then(Result::ok).unwrap_or_default();
        Some(Self::ending(notices.into(), event))
    }

    fn ending(
        mut notices: VecDeque<BudgetNotice>,
        end: Result<ChatEvent, LanguageError>,
    ) -> (Result<ChatEvent, LanguageError>, Self) {
        match notices.pop_front() {
            Some(notice) => (Ok(ChatEvent::Warned(notice)), Self::Ending(notices, end)),
            None => (end, Self::Ended),
        }
    }
}

/// Reserves in a task of its own: where nobody waits for it any more, what was reserved is given back, and never lost half-way.
pub(super) async fn reserve(
    books: Arc<Books>,
    spender: Spender,
    needed: Requirement,
    price: Option<Price>,
) -> Result<Hold, LanguageError> {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let reserved = books.reserve(&spender, needed, price).await;
        // A hold that is not taken is dropped here, and so settled.
        drop(tell.send(reserved));
    });
    told.await.unwrap_or(Err(LanguageError::Unaccounted))
}
