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
