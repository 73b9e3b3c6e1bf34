//! The semantic cache: an answer given once may be given again to a question that asks the same.
//!
//! A near vector alone does not mean the same question. So an entry is only ever looked for under its whole key
//! (organization, agent and its version, knowledge revision, model), and must agree with the question word by word in
//! what turns a meaning around; see [`agreement`].

mod agreement;
mod lexicon;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use orchestratai_shared::{AgentId, CacheLookup, CacheOutcome};

use self::agreement::Facets;
use crate::{
    embedder::{Embedder, cosine},
    knowledge::SearchResult,
    model::{ChunkRead, ModelOutcome},
};

/// From this cosine on, two questions may ask the same.
const SIMILAR: f32 = 0.85;
/// Entries at most; the one that was not used for the longest time goes first.
const ENTRIES_MAX: usize = 1_000;
/// How long an entry may be given again.
const TIME_TO_LIVE: Duration = Duration::from_secs(24 * 60 * 60);

/// Under what an answer is kept: nothing is ever found under another key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// Whose answer it is.
    pub organization: Arc<str>,
    /// Who gave it.
    pub agent: AgentId,
    /// The version of the agent's definition.
    pub agent_version: String,
    /// The knowledge revision it was made from.
    pub revision: u64,
    /// The model that made it.
    pub model: String,
}

/// An answer that may be given again.
#[derive(Debug, Clone)]
pub struct CachedAnswer {
    /// The answer, in the pieces in which it was streamed.
    pub pieces: Vec<String>,
    /// How it ended; its citations name chunks of `found`.
    pub outcome: ModelOutcome,
    /// What was found for it.
    pub found: SearchResult,
    /// What was read for it.
    pub read: Vec<ChunkRead>,
}

/// What a look-up came to.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// The answer, where there is one that may be given again.
    pub answer: Option<Arc<CachedAnswer>>,
    /// The look-up as people see it.
    pub log: CacheLookup,
}

/// Gives the time since some fixed moment.
type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

/// The semantic cache, in this process. A look-up takes one embedding, and one dot product for each entry of its key.
pub struct SemanticCache {
    embedder: Arc<Embedder>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    groups: HashMap<CacheKey, Vec<Entry>>,
    size: usize,
    /// Rises with every use, to tell which entry was used last.
    uses: u64,
    hits: u64,
    lookups: u64,
}

struct Entry {
    question: String,
    vector: Vec<f32>,
    facets: Facets,
    answer: Arc<CachedAnswer>,
    stored_at: Duration,
    used: u64,
}

impl SemanticCache {
    /// An empty cache.
    #[must_use]
    pub fn new(embedder: Arc<Embedder>) -> Self {
        let start = Instant::now();
        Self::with_clock(embedder, move || start.elapsed())
    }

    /// An empty cache that takes the time from `clock`, which gives the time since some fixed moment.
    pub fn with_clock(embedder: Arc<Embedder>, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self {
            embedder,
            clock: Box::new(clock),
            state: Mutex::default(),
        }
    }

    /// Looks for an answer to `question`.
    #[must_use]
    pub fn look_up(&self, key: &CacheKey, question: &str) -> Lookup {
        let vector = self.embedder.embed(question);
        let facets = Facets::of(question);
        let now = (self.clock)();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lookups += 1;
        state.uses += 1;
        let uses = state.uses;
        state.drop_expired(key, now);
        let group = state.groups.get_mut(key).map(Vec::as_mut_slice).unwrap_or_default();
        let mut near: Vec<(usize, f32)> = group
            .iter()
            .enumerate()
            .map(|(at, entry)| (at, cosine(&entry.vector, &vector)))
            .filter(|(_, similarity)| *similarity >= SIMILAR)
            .collect();
        near.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut refused: Option<(f32, String)> = None;
        for (at, similarity) in near {
            let entry = &mut group[at];
            match facets.differ(&entry.facets, &self.embedder) {
                None => {
                    entry.used = uses;
                    let reason = format!("It asks the same as “{}”.", entry.question);
                    let answer = Arc::clone(&entry.answer);
                    state.hits += 1;
                    return state.report(Some(answer), reason, Some(similarity));
                }
                Some(difference) => {
                    let reason = format!("“{}” is near, but differs in {difference}.", entry.question);
                    refused.get_or_insert((similarity, reason));
                }
            }
        }
        match refused {
            Some((similarity, reason)) => state.report(None, reason, Some(similarity)),
            None => {
                let nearest = group
                    .iter()
                    .map(|entry| cosine(&entry.vector, &vector))
                    .reduce(f32::max);
                let reason = if nearest.is_some() {
                    "No question that was answered before is near enough."
                } else {
                    "Nothing has been answered yet from this state of the knowledge base."
                };
                state.report(None, reason.into(), nearest)
            }
        }
    }

    /// Says that the cache was not asked, and why.
    #[must_use]
    pub fn passed_by(&self, reason: &str) -> CacheLookup {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.report(None, reason.into(), None).log
    }

    /// Keeps an answer. What the same agent answered the same question before, and what it answered from older
    /// documents, goes.
    pub fn store(&self, key: CacheKey, question: &str, answer: CachedAnswer) {
        let vector = self.embedder.embed(question);
        let facets = Facets::of(question);
        let now = (self.clock)();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.uses += 1;
        let used = state.uses;
        state.groups.retain(|other, _| {
            let is_same_agent = other.organization == key.organization && other.agent == key.agent;
            !is_same_agent || *other == key
        });
        state.drop_expired(&key, now);
        let group = state.groups.entry(key).or_default();
        group.retain(|entry| entry.question != question);
        group.push(Entry {
            question: question.into(),
            vector,
            facets,
            answer: Arc::new(answer),
            stored_at: now,
            used,
        });
        state.size = state.groups.values().map(Vec::len).sum();
        while state.size > ENTRIES_MAX {
            state.drop_least_used();
        }
    }
}

impl fmt::Debug for SemanticCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemanticCache").finish_non_exhaustive()
    }
}

impl State {
    fn report(&self, answer: Option<Arc<CachedAnswer>>, reason: String, similarity: Option<f32>) -> Lookup {
        let hit_rate = if self.lookups == 0 {
            0.0
        } else {
            self.hits as f64 / self.lookups as f64
        };
        let rounded = |value: f64| (value * 1_000.0).round() / 1_000.0;
        let log = CacheLookup {
            status: if answer.is_some() {
                CacheOutcome::Hit
            } else {
                CacheOutcome::Miss
            },
            hit_rate: rounded(hit_rate),
            size: self.size as u64,
            reason: Some(reason),
            similarity: similarity.map(|similarity| rounded(f64::from(similarity).clamp(0.0, 1.0))),
        };
        Lookup { answer, log }
    }

    fn drop_expired(&mut self, key: &CacheKey, now: Duration) {
        if let Some(group) = self.groups.get_mut(key) {
            let before = group.len();
            group.retain(|entry| now.saturating_sub(entry.stored_at) < TIME_TO_LIVE);
            self.size -= before - group.len();
        }
    }

    fn drop_least_used(&mut self) {
        let oldest = self
            .groups
            .iter()
            .flat_map(|(key, group)| group.iter().enumerate().map(move |(at, entry)| (entry.used, key, at)))
            .min_by_key(|(used, _, _)| *used)
            .map(|(_, key, at)| (key.clone(), at));
        let Some((key, at)) = oldest else {
            self.size = 0;
            return;
        };
        if let Some(group) = self.groups.get_mut(&key) {
            group.swap_remove(at);
            if group.is_empty() {
                self.groups.remove(&key);
            }
        }
        self.size -= 1;
    }
}

/// Whether a question can only be understood from what was said before it: such a question is never cached.
#[must_use]
pub fn leans_on_conversation(question: &str, has_history: bool) -> bool {
    has_history && agreement::is_follow_up(question)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use orchestratai_shared::Confidence;

    use super::*;
    use crate::{testing, turn::Usage};

    fn key() -> CacheKey {
        CacheKey {
            organization: "default".into(),
            agent: AgentId::parse("billing").unwrap(),
            agent_version: "v1".into(),
            revision: 7,
            model: "embedded-extractive".into(),
        }
    }

    fn answer(text: &str) -> CachedAnswer {
        CachedAnswer {
            pieces: vec![text.into()],
            outcome: ModelOutcome {
                confidence: Confidence::new(0.9),
                citations: vec![],
                usage: Usage::default(),
            },
            found: testing::nothing_found(),
            read: vec![],
        }
    }

    fn found(cache: &SemanticCache, key: &CacheKey, question: &str) -> Option<String> {
        cache.look_up(key, question).answer.map(|answer| answer.pieces.concat())
    }

    #[test]
    fn a_paraphrase_hits_and_what_only_looks_like_one_does_not() {
        let cache = SemanticCache::new(Arc::clone(testing::embedder()));
        cache.store(key(), "How do I turn on single sign-on?", answer("on"));
        cache.store(key(), "How much does the Team plan cost?", answer("team"));
        assert_eq!(
            found(&cache, &key(), "How do I turn on single sign-on?").as_deref(),
            Some("on")
        );
        assert_eq!(
            found(&cache, &key(), "how can I turn on single sign-on").as_deref(),
            Some("on")
        );
        assert_eq!(found(&cache, &key(), "How do I turn off single sign-on?"), None);
        assert_eq!(found(&cache, &key(), "How much does the Business plan cost?"), None);
        assert_eq!(found(&cache, &key(), "how much does the business plan cost"), None);
        assert_eq!(found(&cache, &key(), "Why does the Team plan cost so much?"), None);
    }

    #[test]
    fn nothing_is_found_under_another_key() {
        let cache = SemanticCache::new(Arc::clone(testing::embedder()));
        let question = "How do I turn on single sign-on?";
        cache.store(key(), question, answer("on"));
        for other in [
            CacheKey {
                organization: "other".into(),
                ..key()
            },
            CacheKey {
                agent: AgentId::parse("policy").unwrap(),
                ..key()
            },
            CacheKey {
                agent_version: "v2".into(),
                ..key()
            },
            CacheKey { revision: 8, ..key() },
            CacheKey {
                model: "other".into(),
                ..key()
            },
        ] {
            assert_eq!(found(&cache, &other, question), None, "{other:?}");
        }
        assert!(found(&cache, &key(), question).is_some());
        // An answer from newer documents drops those from older ones.
        cache.store(CacheKey { revision: 8, ..key() }, question, answer("new"));
        assert_eq!(found(&cache, &key(), question), None);
    }

    #[test]
    fn an_entry_lives_for_a_day_and_a_full_cache_drops_what_was_used_least() {
        let now = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now);
        let cache = SemanticCache::with_clock(Arc::clone(testing::embedder()), move || {
            Duration::from_secs(clock.load(Ordering::Relaxed))
        });
        cache.store(key(), "How do I rotate a key?", answer("kept"));
        now.store(24 * 3_600 - 1, Ordering::Relaxed);
        assert!(found(&cache, &key(), "How do I rotate a key?").is_some());
        now.store(24 * 3_600, Ordering::Relaxed);
        let lookup = cache.look_up(&key(), "How do I rotate a key?");
        assert!(lookup.answer.is_none() && lookup.log.size == 0);

        for number in 0..=ENTRIES_MAX {
            cache.store(key(), &format!("What is item {number}?"), answer("x"));
            // Keeps the first in use.
            let _ = found(&cache, &key(), "What is item 0?");
        }
        assert!(found(&cache, &key(), "What is item 0?").is_some());
        let lookup = cache.look_up(&key(), "What is item 1?");
        assert!(lookup.answer.is_none());
        assert_eq!(lookup.log.size, ENTRIES_MAX as u64);
    }
}
