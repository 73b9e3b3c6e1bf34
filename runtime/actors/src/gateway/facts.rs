//! What people have said of themselves: all that is known of one, and the way to have it erased.

use orchestratai_shared::{Fact, FactId, Timestamp, UserId};
use orchestratai_store::{DEFAULT_ORGANIZATION, FactOwner};

use super::{Gateway, sessions::unwritten, unreadable};
use crate::refusal::Refusal;

/// More than one person ever has: the most that the configuration allows.
const FACTS_MAX: usize = 1_000;

impl Gateway {
    /// What is known of a user, first what they have said last.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read.
    pub async fn facts(&self, user: &UserId) -> Result<Vec<Fact>, Refusal> {
        let facts = self.inner.store.facts(&owner(user), Timestamp::now(), FACTS_MAX).await;
        facts.map_err(|error| unreadable(&error))
    }

    /// Erases one of these facts; whether there was such a one.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be written.
    pub async fn erase_fact(&self, user: &UserId, id: FactId) -> Result<bool, Refusal> {
        let erased = self.inner.store.forget_fact(&owner(user), id).await;
        erased.map_err(|error| unwritten(&error))
    }

    /// Erases all that is known of a user; gives how many facts that were.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be written.
    pub async fn erase_facts(&self, user: &UserId) -> Result<u64, Refusal> {
        let erased = self.inner.store.forget_facts(&owner(user)).await;
        erased.map_err(|error| unwritten(&error))
    }
}

fn owner(user: &UserId) -> FactOwner {
    FactOwner {
        organization: DEFAULT_ORGANIZATION.to_owned(),
        user: user.as_str().to_owned(),
    }
}
