//! Questions that found nothing.

use orchestratai_shared::{QuestionState, TurnId, UnansweredQuestion};
use orchestratai_store::{DEFAULT_ORGANIZATION, Page};

use super::{Gateway, sessions::unwritten, unreadable};
use crate::refusal::Refusal;

impl Gateway {
    /// A page of the questions that found nothing, or of those in a state, in the order in which they were asked, newest last.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read, or there is no question `before`.
    pub async fn questions(
        &self,
        state: Option<QuestionState>,
        limit: usize,
        before: Option<TurnId>,
    ) -> Result<Page<UnansweredQuestion>, Refusal> {
        let page = self
            .inner
            .store
            .questions(DEFAULT_ORGANIZATION, state, limit, before)
            .await;
        page.map_err(|error| unreadable(&error))
    }

    /// Says what was done about a question, and gives it; `None` where there is none. Without `note` the note stays.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be written.
    pub async fn set_question(
        &self,
        id: TurnId,
        state: QuestionState,
        note: Option<Option<String>>,
    ) -> Result<Option<UnansweredQuestion>, Refusal> {
        let question = self
            .inner
            .store
            .set_question(DEFAULT_ORGANIZATION, id, state, note)
            .await;
        question.map_err(|error| unwritten(&error))
    }
}
