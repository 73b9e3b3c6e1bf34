//! A model that makes vectors only within budgets.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Books, Requirement, budgeted::reserve};
use crate::language::{
    ChatEvent, EmbeddingModel, EmbeddingRequest, Embeddings, LanguageError, Price, Spender, StopReason,
};

/// A model that makes vectors within budgets. A request for nobody, as that for a document, falls under none. It stands behind
/// [`GuardedEmbedding`](crate::language::GuardedEmbedding), so that each attempt is charged by itself.
pub struct BudgetedEmbedding {
    model: Arc<dyn EmbeddingModel>,
    books: Arc<Books>,
    price: Option<Price>,
}

impl BudgetedEmbedding {
    /// `model`, whose tokens have this price where one is known.
    #[must_use]
    pub fn new(model: Arc<dyn EmbeddingModel>, books: Arc<Books>, price: Option<Price>) -> Self {
        Self { model, books, price }
    }
}

#[async_trait]
impl EmbeddingModel for BudgetedEmbedding {
    async fn embed(&self, request: &EmbeddingRequest) -> Result<Embeddings, LanguageError> {
        let Some(spender) = request.spender.clone().filter(|_| !self.books.budgets().is_empty()) else {
            return self.model.embed(request).await;
        };
        // Nobody is asked for the sake of a search: it goes on without vectors, and what follows it may ask.
        let spender = Spender {
            can_wait: false,
            ..spender
        };
        let needed = Requirement::of_texts(&request.texts);
        let mut hold = reserve(Arc::clone(&self.books), spender, needed, self.price).await?;
        hold.sent();
        let made = self.model.embed(request).await;
        match &made {
            Ok(embeddings) => {
                if let Some(usage) = embeddings.usage() {
                    hold.hear(&Ok(ChatEvent::Usage(usage)));
                }
                hold.hear(&Ok(ChatEvent::Stopped(StopReason::Complete)));
            }
            Err(error) => {
                hold.hear(&Err(error.clone()));
            }
        }
        // Not waited for: a search is, and its budgets are right a moment later.
        drop(hold.settle());
        made
    }
}
