//! The semantic cache: an answer given once may be given again to a question that asks the same.
//!
//! A near vector alone does not mean the same question, and a far one not another. So an entry is only ever looked for
//! among those of its organization, agent, version and model, must agree with the question word by word, and must stand on
//! documents that are what they were:
//!
//! - [`question`] takes a question apart, [`agreement`] compares two, [`thesaurus`] knows which words mean nearly the same.
//! - An entry is of the knowledge revision that it was made from. Under a newer one it is given again only after a fresh
//!   search for its own question has found the same chunks, word for word and in the same order: then the model would be
//!   asked the same again, and neither a changed, nor a deleted, nor a better new document has a part in it. Otherwise it
//!   is dropped. See [`SemanticCache::renew`].
//! - Equal questions that come at the same moment are answered once; see [`flight`].
//! - What is learnt here can be told to other servers, and theirs taken in; see [`sharing`].

mod agreement;
mod asks;
mod basis;
mod entries;
mod flight;
mod lexicon;
mod matching;
mod measures;
mod order;
mod question;
mod roles;
mod shared_entry;
mod sharing;
mod thesaurus;
mod tokens;

use std::{
    cell::LazyCell,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use orchestratai_shared::{AgentId, CacheLookup, CacheOutcome, Timestamp};

use self::{
    agreement::compare,
    entries::{Entries, Entry, Kept},
    flight::Flights,
    question::{Question, words_of},
};
pub use self::{
    entries::{ENTRIES_MAX, TIME_TO_LIVE},
    flight::{Admission, Flight, Landing, Waiting},
    shared_entry::{ENTRY_BYTES_MAX, Refusal},
    sharing::{Peers, Sharing},
};
use crate::{
    embedder::{StaticEmbedder, cosine},
    knowledge::SearchResult,
    model::{ChunkRead, ModelOutcome},
};

/// Below this cosine no question is compared word by word: paraphrases were found down to 0.5.
const NEAR: f32 = 0.4;
/// So many of the nearest are compared at most: what takes time does not grow with the cache.
const COMPARED_MAX: usize = 8;

/// So long others are not told again what they were told. Where the same question is answered anew and anew, the log between
/// servers would hold nothing else; and what was lost on the way comes again before long.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(5 * 60);

/// Under what an answer is kept: nothing is ever found under another key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// Whose answer it is.
    pub organization: Arc<str>,
    /// Who gave it.
    pub agent: AgentId,
    /// The version of the agent's definition.
    pub agent_version: String,
    /// The knowledge revision it was made from, or is known to be as good as made from.
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
    /// An entry that asks the same, but is of an older knowledge revision; see [`SemanticCache::renew`].
    pub outdated: Option<Outdated>,
}

/// An entry whose documents may have changed since.
#[derive(Debug, Clone)]
pub struct Outdated {
    /// Its question: what is to be searched for.
    pub question: String,
    similarity: f32,
}

/// Gives the time since some fixed moment.
type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

/// The semantic cache, in this process. A look-up takes one embedding, one dot product for each entry of its key, and a
/// comparison word by word with the few nearest.
pub struct SemanticCache {
    embedder: Arc<StaticEmbedder>,
    clock: Clock,
    entries: Mutex<Entries>,
    flights: Flights,
    sharing: Option<Sharing>,
}

impl SemanticCache {
    /// An empty cache.
    #[must_use]
    pub fn new(embedder: Arc<StaticEmbedder>) -> Self {
        let start = Instant::now();
        Self::with_clock(embedder, move || start.elapsed())
    }

    /// An empty cache that takes the time from `clock`, which gives the time since some fixed moment.
    pub fn with_clock(embedder: Arc<StaticEmbedder>, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        // Read now, so that no first question waits for it.
        thesaurus::load();
        Self {
            embedder,
            clock: Box::new(clock),
            entries: Mutex::default(),
            flights: Flights::default(),
            sharing: None,
        }
    }

    /// The cache, sharing what it learns from now on.
    #[must_use]
    pub fn shared(mut self, sharing: Sharing) -> Self {
        self.sharing = Some(sharing);
        self
    }

    /// Looks for an answer to `question`.
    #[must_use]
    pub fn look_up(&self, key: &CacheKey, question: &str) -> Lookup {
        self.entries().lookups += 1;
        self.look_again(key, question)
    }

    /// Looks once more for the same turn: it counts as one look-up, whatever comes of it.
    pub(crate) fn look_again(&self, key: &CacheKey, question: &str) -> Lookup {
        let vector = self.embedder.embed(question);
        let asked = LazyCell::new(|| Question::of(question));
        let now = (self.clock)();
        let mut entries = self.entries();
        entries.drop_expired(now);
        let group = entries.group(key);
        let mut near: Vec<(usize, f32)> = group
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.revision() <= Some(key.revision))
            .map(|(at, entry)| (at, cosine(&entry.vector, &vector)))
            .collect();
        let nearest = near.iter().map(|(_, cosine)| *cosine).reduce(f32::max);
        near.retain(|(_, cosine)| *cosine >= NEAR);
        if near.len() > COMPARED_MAX {
            near.select_nth_unstable_by(COMPARED_MAX, |a, b| b.1.total_cmp(&a.1));
            near.truncate(COMPARED_MAX);
        }
        near.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut refused: Option<(f32, String)> = None;
        let mut outdated: Option<Outdated> = None;
        for (at, cosine) in near {
            let entry = &group[at];
            let agreement = compare(entry.asked(), &asked, cosine, &self.embedder);
            let similarity = agreement.similarity;
            match agreement.difference() {
                None if entry.revision() == Some(key.revision) => {
                    let reason = format!("It asks the same as “{}”.", entry.question);
                    let answer = entries.hit(key, at);
                    return report(&entries, answer, reason, Some(similarity));
                }
                None => {
                    let question = entry.question.clone();
                    outdated.get_or_insert(Outdated { question, similarity });
                }
                Some(difference) => {
                    let reason = format!("“{}” is near, but differs in {difference}.", entry.question);
                    if refused.as_ref().is_none_or(|(other, _)| *other < similarity) {
                        refused = Some((similarity, reason));
                    }
                }
            }
        }
        let (similarity, reason) = match (&outdated, refused) {
            (Some(outdated), _) => {
                let reason = format!(
                    "“{}” asks the same, but was answered from an earlier state of the knowledge base.",
                    outdated.question
                );
                (Some(outdated.similarity), reason)
            }
            (None, Some((similarity, reason))) => (Some(similarity), reason),
            (None, None) if nearest.is_some() => {
                let reason = "No question that was answered before is near enough.";
                (nearest, reason.to_owned())
            }
            (None, None) => {
                let reason = "Nothing has been answered yet from this state of the knowledge base.";
                (None, reason.to_owned())
            }
        };
        let mut lookup = report(&entries, None, reason, similarity);
        lookup.outdated = outdated;
        lookup
    }

    /// Decides on an entry of an older revision by what is `found` now for its question: the entry is of this revision
    /// from now on where that is what had been found for it, chunk by chunk; otherwise it is dropped. Gives the look-up that
    /// takes the place of the one that named it.
    ///
    /// This is as strict as dropping everything at each change, where it matters: the model would be given the same
    /// question and the same text. And it keeps what has nothing to do with the change.
    #[must_use]
    pub fn renew(&self, key: &CacheKey, outdated: &Outdated, found: SearchResult) -> Lookup {
        let mut entries = self.entries();
        let similarity = Some(outdated.similarity);
        let question = &outdated.question;
        if found.revision != key.revision {
            let reason = format!("“{question}” asks the same, but the knowledge base is changing just now.");
            return report(&entries, None, reason, similarity);
        }
        if entries.group(key).iter().all(|entry| entry.question != *question) {
            let reason = format!("“{question}” asks the same, but was dropped just now.");
            return report(&entries, None, reason, similarity);
        }
        let answer = entries.renew(key, question, found);
        let reason = match &answer {
            Some(_) => format!("It asks the same as “{question}”, and the documents of that answer are unchanged."),
            None => format!("“{question}” asks the same, but what its answer stood on has changed."),
        };
        report(&entries, answer, reason, similarity)
    }

    /// Says that the cache was not asked, and why.
    #[must_use]
    pub fn passed_by(&self, reason: &str) -> CacheLookup {
        report(&self.entries(), None, reason.into(), None).log
    }

    /// Keeps an answer, and tells it to other servers where this one shares and has not just told them the same. What the same agent answered the same question
    /// before goes, and so does all of an earlier version or model of it.
    pub fn store(&self, key: &CacheKey, question: &str, answer: CachedAnswer) {
        let vector = self.embedder.embed(question);
        let now = (self.clock)();
        let answer = Arc::new(answer);
        let kept = Kept::Ours {
            answer: Arc::clone(&answer),
            revision: key.revision,
        };
        let mut entry = Entry::new(question, vector, kept, now + TIME_TO_LIVE);
        let is_news = {
            let mut entries = self.entries();
            entries.drop_expired(now);
            let told_at = entries.told_at(key, &entry);
            let told_at = told_at.filter(|told_at| now.saturating_sub(*told_at) < TOLD_AGAIN_AFTER);
            entry.told_at = told_at.or(Some(now));
            entries.insert(key, entry) && told_at.is_none()
        };
        if let Some(sharing) = self.sharing.as_ref().filter(|_| is_news) {
            sharing.tell(key, question, &answer);
        }
    }

    /// Takes in what another server has told: bytes of any kind. It lives as long as it would where it was made, by the
    /// clocks of both.
    ///
    /// # Errors
    /// [`Refusal`] where nothing may come of it here; the cache is then unchanged.
    pub fn take_in(&self, told: &[u8]) -> Result<(), Refusal> {
        let Some(sharing) = &self.sharing else {
            return Err(Refusal::OtherAgent);
        };
        let shared = sharing.read(told)?;
        // One that is said to be made in the future is taken for new: clocks differ, and nothing lives longer for it.
        let age = Duration::from_millis(Timestamp::now().millis_since(shared.made_at));
        let left = TIME_TO_LIVE.checked_sub(age).filter(|left| !left.is_zero());
        let left = left.ok_or(Refusal::Expired)?;
        let vector = self.embedder.embed(&shared.question);
        let now = (self.clock)();
        let mut entries = self.entries();
        entries.drop_expired(now);
        entries.take_in(shared, vector, now + left);
        Ok(())
    }

    /// Asks to be the one who answers a question that is not in the cache, so that equal questions are answered once.
    #[must_use]
    pub fn enter(&self, key: &CacheKey, question: &str) -> Admission<'_> {
        let words = words_of(question);
        self.flights
            .enter(key, words.clone(), || self.entries().has(key, &words))
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SemanticCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemanticCache").finish_non_exhaustive()
    }
}

fn report(entries: &Entries, answer: Option<Arc<CachedAnswer>>, reason: String, similarity: Option<f32>) -> Lookup {
    let rounded = |value: f64| (value * 1_000.0).round() / 1_000.0;
    let log = CacheLookup {
        status: if answer.is_some() {
            CacheOutcome::Hit
        } else {
            CacheOutcome::Miss
        },
        hit_rate: rounded(entries.hit_rate()),
        size: entries.size() as u64,
        reason: Some(reason),
        similarity: similarity.map(|similarity| rounded(f64::from(similarity).clamp(0.0, 1.0))),
    };
    Lookup {
        answer,
        log,
        outdated: None,
    }
}

/// Whether a question can only be understood from what was said before it: such a question is never cached.
#[must_use]
pub fn leans_on_conversation(question: &str, has_history: bool) -> bool {
    has_history && question::is_follow_up(question)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use orchestratai_shared::Confidence;

    use super::*;
    use crate::testing;

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
                is_for_once: false,
                incomplete: None,
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
        cache.store(&key(), "How do I turn on single sign-on?", answer("on"));
        cache.store(&key(), "How much does the Team plan cost?", answer("team"));
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
        cache.store(&key(), question, answer("on"));
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
        cache.store(&CacheKey { revision: 8, ..key() }, question, answer("new"));
        assert_eq!(found(&cache, &key(), question), None);
    }

    #[test]
    fn an_entry_lives_for_a_day_and_a_full_cache_drops_what_was_used_least() {
        let now = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now);
        let cache = SemanticCache::with_clock(Arc::clone(testing::embedder()), move || {
            Duration::from_secs(clock.load(Ordering::Relaxed))
        });
        cache.store(&key(), "How do I rotate a key?", answer("kept"));
        now.store(24 * 3_600 - 1, Ordering::Relaxed);
        assert!(found(&cache, &key(), "How do I rotate a key?").is_some());
        now.store(24 * 3_600, Ordering::Relaxed);
        let lookup = cache.look_up(&key(), "How do I rotate a key?");
        assert!(lookup.answer.is_none() && lookup.log.size == 0);

        for number in 0..=entries::ENTRIES_MAX {
            cache.store(&key(), &format!("What is item {number}?"), answer("x"));
            // Keeps the first in use.
            let _ = found(&cache, &key(), "What is item 0?");
        }
        assert!(found(&cache, &key(), "What is item 0?").is_some());
        let lookup = cache.look_up(&key(), "What is item 1?");
        assert!(lookup.answer.is_none());
        assert_eq!(lookup.log.size, entries::ENTRIES_MAX as u64);
    }
}
