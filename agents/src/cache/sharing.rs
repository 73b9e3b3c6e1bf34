//! What a cache learns is told to those of other servers, and what they have learnt is taken in.
//!
//! Nothing that another server says is taken at its word. An answer of another's is kept only where the same agent, of the
//! same version, with the same model and in the same build answers here too, and it is given again only after a search of
//! this server for its question has found the very text that it stands on. So it does not matter which documents the other
//! one has, nor how it numbers their revisions.

use std::{collections::HashMap, fmt};

use orchestratai_shared::{AgentId, Timestamp};

use super::{
    CacheKey, CachedAnswer,
    shared_entry::{Refusal, SharedEntry},
};
use crate::{definition::Catalog, embedder::StaticEmbedder};

/// Carries entries to other servers.
pub trait Peers: Send + Sync {
    /// Is given an entry to be sent. Called in the midst of turns: it must not wait.
    fn tell(&self, entry: Vec<u8>);
}

/// How a cache shares what it learns.
pub struct Sharing {
    build: String,
    /// The agents that answer here, with version and model.
    agents: HashMap<AgentId, (String, String)>,
    peers: Box<dyn Peers>,
}

impl Sharing {
    /// For the agents of a catalog. `build` names the code that answers: where it is the same, the same question and the
    /// same text give the same answer.
    #[must_use]
    pub fn new(catalog: &Catalog, build: &str, peers: impl Peers + 'static) -> Self {
        let agents = catalog.specialists();
        Self {
            // Which questions are near each other is the embedder's to say.
            build: format!("{build} {}", StaticEmbedder::NAME),
            agents: agents
                .map(|agent| (agent.id.clone(), (agent.version.clone(), agent.model.clone())))
                .collect(),
            peers: Box::new(peers),
        }
    }

    /// Tells the others of an answer that was made just now.
    pub(super) fn tell(&self, key: &CacheKey, question: &str, answer: &CachedAnswer) {
        let entry = SharedEntry::new(key, question, answer, Timestamp::now());
        self.peers.tell(entry.encode(&self.build));
    }

    /// Reads what another server has told.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<SharedEntry, Refusal> {
        let entry = SharedEntry::decode(bytes, &self.build)?;
        match self.agents.get(&entry.agent) {
            Some((version, model)) if *version == entry.agent_version && *model == entry.model => Ok(entry),
            Some(_) | None => Err(Refusal::OtherAgent),
        }
    }
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharing")
            .field("build", &self.build)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use orchestratai_shared::Confidence;

    use super::*;
    use crate::{cache::SemanticCache, model::ModelOutcome, testing};

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<usize>>);

    impl Peers for Told {
        fn tell(&self, _entry: Vec<u8>) {
            *self.0.lock().unwrap() += 1;
        }
    }

    #[test]
    fn others_are_not_told_again_what_they_were_told_until_it_may_have_been_lost() {
        let (told, seconds) = (Told::default(), Arc::new(AtomicU64::new(0)));
        let clock = Arc::clone(&seconds);
        let cache = SemanticCache::with_clock(Arc::clone(testing::embedder()), move || {
            Duration::from_secs(clock.load(Ordering::Relaxed))
        });
        let cache = cache.shared(Sharing::new(&Catalog::embedded(), "this", told.clone()));
        let key = CacheKey {
            organization: "default".into(),
            agent: AgentId::parse("billing").unwrap(),
            agent_version: "v1".into(),
            revision: 7,
            model: "embedded-extractive".into(),
        };
        let store = |question: &str, text: &str| {
            let before = *told.0.lock().unwrap();
            let answer = CachedAnswer {
                pieces: vec![text.into()],
                outcome: ModelOutcome {
                    confidence: Confidence::new(0.9),
                    citations: vec![],
                    is_for_once: false,
                    incomplete: None,
                },
                found: testing::nothing_found(),
                read: vec![],
            };
            cache.store(&key, question, answer);
            *told.0.lock().unwrap() - before
        };

        assert_eq!(store("How long does a refund take?", "Five days."), 1);
        assert_eq!(store("How long does a refund take?", "Five days."), 0);
        assert_eq!(
            store("How long does a refund take?", "Six days."),
            1,
            "it is another answer"
        );
        assert_eq!(
            store("How long does a transfer take?", "Six days."),
            1,
            "it is another question"
        );

        seconds.store(5 * 60 - 1, Ordering::Relaxed);
        assert_eq!(store("How long does a refund take?", "Six days."), 0);
        seconds.store(5 * 60, Ordering::Relaxed);
        assert_eq!(
            store("How long does a refund take?", "Six days."),
            1,
            "it may have been lost meanwhile"
        );
        assert_eq!(store("How long does a refund take?", "Six days."), 0);
    }
}
