//! Whether the semantic cache gives an answer again where it may, and only there.

use std::sync::Arc;

use orchestratai_agents::{
    StaticEmbedder,
    cache::{CacheKey, CachedAnswer, SemanticCache},
    knowledge::{Knowledge, KnowledgeError},
    model::ModelOutcome,
};
use orchestratai_shared::Confidence;

use crate::CachePair;

/// A pair with what the cache did.
#[derive(Debug, Clone)]
pub struct LookedUp<'a> {
    /// The pair.
    pub pair: &'a CachePair,
    /// Whether the answer to the first was given to the second.
    pub was_hit: bool,
    /// Why, as people see it.
    pub reason: String,
}

/// Stores the first question of each pair in a cache of its own, and looks up the second.
///
/// # Errors
/// [`KnowledgeError`] where the index fails.
pub async fn look_up<'a>(
    knowledge: &Knowledge,
    embedder: &Arc<StaticEmbedder>,
    pairs: &'a [CachePair],
) -> Result<Vec<LookedUp<'a>>, KnowledgeError> {
    let collections = knowledge.collection_names();
    let mut looked_up = Vec::new();
    for pair in pairs {
        let cache = SemanticCache::new(Arc::clone(embedder));
        let key = CacheKey {
            organization: "evaluation".into(),
            agent: pair.agent.clone(),
            agent_version: String::new(),
            revision: knowledge.revision(),
            model: String::new(),
        };
        let answer = CachedAnswer {
            pieces: vec![pair.first.clone()],
            outcome: ModelOutcome {
                confidence: Confidence::new(1.0),
                citations: Vec::new(),
                is_for_once: false,
                incomplete: None,
            },
            found: knowledge.search(&pair.first, &collections, 1).await?,
            read: Vec::new(),
        };
        cache.store(&key, &pair.first, answer);
        let found = cache.look_up(&key, &pair.second);
        looked_up.push(LookedUp {
            pair,
            was_hit: found.answer.is_some(),
            reason: found.log.reason.unwrap_or_default(),
        });
    }
    Ok(looked_up)
}
