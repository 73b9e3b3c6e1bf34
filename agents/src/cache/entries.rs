//! What the cache holds, and what goes first.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use orchestratai_shared::AgentId;

use super::{
    CacheKey, CachedAnswer,
    question::{Question, words_of},
};
use crate::knowledge::{FoundChunk, SearchResult};

/// Entries at most; the one that was not used for the longest time goes first.
pub(super) const ENTRIES_MAX: usize = 1_000;
/// How long an entry may be given again.
const TIME_TO_LIVE: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer with the question that it was given to.
pub(super) struct Entry {
    pub(super) question: String,
    /// Its words; see [`words_of`](super::question::words_of).
    words: String,
    pub(super) vector: Vec<f32>,
    /// Taken apart when it is first compared with another: most never are.
    asked: OnceLock<Question>,
    pub(super) answer: Arc<CachedAnswer>,
    /// The knowledge revision from which it would be made again just so.
    pub(super) revision: u64,
    pub(super) stored_at: Duration,
    /// When it was used last, counted in uses.
    pub(super) used: u64,
}

impl Entry {
    /// An entry that was not used yet.
    pub(super) fn new(
        question: &str,
        vector: Vec<f32>,
        answer: CachedAnswer,
        revision: u64,
        stored_at: Duration,
    ) -> Self {
        Self {
            question: question.to_owned(),
            words: words_of(question),
            vector,
            asked: OnceLock::new(),
            answer: Arc::new(answer),
            revision,
            stored_at,
            used: 0,
        }
    }

    /// Whether its question has these words and no others. What has no words is like nothing.
    fn has_words(&self, words: &str) -> bool {
        !words.is_empty() && self.words == words
    }

    /// Its question, taken apart.
    pub(super) fn asked(&self) -> &Question {
        self.asked.get_or_init(|| Question::of(&self.question))
    }
}

/// All of a key but the revision, which each entry has for itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    organization: Arc<str>,
    agent: AgentId,
    agent_version: String,
    model: String,
}

impl Group {
    fn of(key: &CacheKey) -> Self {
        Self {
            organization: Arc::clone(&key.organization),
            agent: key.agent.clone(),
            agent_version: key.agent_version.clone(),
            model: key.model.clone(),
        }
    }
}

/// All entries.
#[derive(Default)]
pub(super) struct Entries {
    groups: HashMap<Group, Vec<Entry>>,
    uses: u64,
    pub(super) lookups: u64,
    hits: u64,
}

impl Entries {
    pub(super) fn group(&self, key: &CacheKey) -> &[Entry] {
        self.groups.get(&Group::of(key)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether there is an entry of this revision for a question of the same words.
    pub(super) fn has(&self, key: &CacheKey, words: &str) -> bool {
        let mut entries = self.group(key).iter();
        entries.any(|entry| entry.revision == key.revision && entry.has_words(words))
    }

    pub(super) fn size(&self) -> usize {
        self.groups.values().map(Vec::len).sum()
    }

    pub(super) fn hit_rate(&self) -> f64 {
        if self.lookups == 0 {
            0.0
        } else {
            self.hits as f64 / self.lookups as f64
        }
    }

    /// Counts a hit of the entry at a place of a group.
    pub(super) fn hit(&mut self, key: &CacheKey, at: usize) -> Arc<CachedAnswer> {
        self.hits += 1;
        self.uses += 1;
        let uses = self.uses;
        let entry = &mut self
            .groups
            .get_mut(&Group::of(key))
            .expect("a group that was looked into is there")[at];
        entry.used = uses;
        Arc::clone(&entry.answer)
    }

    /// Takes the entry at a place of a group for one of this revision.
    pub(super) fn renew(&mut self, key: &CacheKey, at: usize, found: SearchResult) {
        if let Some(entry) = self.groups.get_mut(&Group::of(key)).and_then(|group| group.get_mut(at)) {
            entry.revision = key.revision;
            entry.answer = Arc::new(CachedAnswer {
                found,
                ..CachedAnswer::clone(&entry.answer)
            });
        }
    }

    pub(super) fn remove(&mut self, key: &CacheKey, at: usize) {
        let group = Group::of(key);
        if let Some(entries) = self.groups.get_mut(&group) {
            entries.swap_remove(at);
            if entries.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    pub(super) fn insert(&mut self, key: &CacheKey, entry: Entry) {
        let group = Group::of(key);
        self.groups.retain(|other, _| {
            other.organization != group.organization || other.agent != group.agent || *other == group
        });
        let entries = self.groups.entry(group).or_default();
        let is_newer = |known: &Entry| known.has_words(&entry.words) && known.revision > entry.revision;
        if entries.iter().any(is_newer) {
            return;
        }
        entries.retain(|known| !known.has_words(&entry.words));
        self.uses += 1;
        entries.push(Entry {
            used: self.uses,
            ..entry
        });
        while self.size() > ENTRIES_MAX {
            self.drop_least_used();
        }
    }

    pub(super) fn drop_expired(&mut self, now: Duration) {
        self.groups.retain(|_, entries| {
            entries.retain(|entry| now.saturating_sub(entry.stored_at) < TIME_TO_LIVE);
            !entries.is_empty()
        });
    }

    fn drop_least_used(&mut self) {
        let all = self.groups.iter_mut();
        let oldest = all
            .filter_map(|(_, entries)| {
                let at = (0..entries.len()).min_by_key(|at| entries[*at].used)?;
                Some((entries[at].used, at, entries))
            })
            .min_by_key(|(used, _, _)| *used);
        if let Some((_, at, entries)) = oldest {
            entries.swap_remove(at);
        }
    }
}

/// Whether two searches found the same text at the same places, best first.
pub(super) fn found_the_same(a: &SearchResult, b: &SearchResult) -> bool {
    let is_same = |(a, b): (&FoundChunk, &FoundChunk)| {
        // A collection that was not touched keeps its chunks; one that was has all of them anew.
        Arc::ptr_eq(&a.chunk, &b.chunk)
            || (a.chunk.origin.document_id == b.chunk.origin.document_id
                && a.chunk.origin.source == b.chunk.origin.source
                && a.chunk.text == b.chunk.text
                && a.chunk.heading_path() == b.chunk.heading_path())
    };
    a.chunks.len() == b.chunks.len() && a.chunks.iter().zip(&b.chunks).all(is_same)
}
