//! What the cache holds, and what goes first.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use orchestratai_shared::AgentId;

use super::{
    CacheKey, CachedAnswer,
    basis::Basis,
    question::{Question, words_of},
    shared_entry::{SharedAnswer, SharedEntry},
};
use crate::knowledge::{FoundChunk, SearchResult};

/// Entries at most; the one that was not used for the longest time goes first.
pub const ENTRIES_MAX: usize = 1_000;
/// How long an entry may be given again.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer with the question that it was given to.
pub(super) struct Entry {
    pub(super) question: String,
    /// Its words; see [`words_of`](super::question::words_of).
    words: String,
    pub(super) vector: Vec<f32>,
    /// Taken apart when it is first compared with another: most never are.
    asked: OnceLock<Question>,
    kept: Kept,
    /// When it may not be given again any more.
    expires_at: Duration,
    /// When it was used last, counted in uses.
    used: u64,
    /// When other servers were told of it last, or told of it.
    pub(super) told_at: Option<Duration>,
}

/// The answer of an entry.
pub(super) enum Kept {
    /// One that may be given again.
    Ours {
        answer: Arc<CachedAnswer>,
        /// The knowledge revision from which it would be made again just so.
        revision: u64,
    },
    /// Another server's. What it stands on has not been looked for here yet.
    Theirs(SharedAnswer),
}

impl Entry {
    /// An entry that was not used yet.
    pub(super) fn new(question: &str, vector: Vec<f32>, kept: Kept, expires_at: Duration) -> Self {
        Self {
            question: question.to_owned(),
            words: words_of(question),
            vector,
            asked: OnceLock::new(),
            kept,
            expires_at,
            used: 0,
            told_at: None,
        }
    }

    /// The knowledge revision of an answer of ours. One of another server is of none, and so older than any.
    pub(super) fn revision(&self) -> Option<u64> {
        match &self.kept {
            Kept::Ours { revision, .. } => Some(*revision),
            Kept::Theirs(_) => None,
        }
    }

    /// Whether its answer stands on what was found.
    fn stands_on(&self, found: &SearchResult) -> bool {
        match &self.kept {
            Kept::Ours { answer, .. } => found_the_same(found, &answer.found),
            Kept::Theirs(answer) => answer.basis == Basis::of(found),
        }
    }

    /// Whether this and the other are one answer of ours, from the same text, to a question of the same words.
    fn repeats(&self, other: &Self) -> bool {
        match (&self.kept, &other.kept) {
            (Kept::Ours { answer, .. }, Kept::Ours { answer: known, .. }) => {
                self.has_words(&other.words)
                    && answer.pieces == known.pieces
                    && found_the_same(&answer.found, &known.found)
            }
            (Kept::Ours { .. } | Kept::Theirs(_), _) => false,
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

    fn of_shared(entry: &SharedEntry) -> Self {
        Self {
            organization: entry.organization.as_str().into(),
            agent: entry.agent.clone(),
            agent_version: entry.agent_version.clone(),
            model: entry.model.clone(),
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
        entries.any(|entry| entry.revision() == Some(key.revision) && entry.has_words(words))
    }

    /// When other servers were told last what this entry would tell them again.
    pub(super) fn told_at(&self, key: &CacheKey, entry: &Entry) -> Option<Duration> {
        let known = self.group(key).iter().find(|known| known.repeats(entry))?;
        known.told_at
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

    /// The answer of ours at a place of a group; counts a hit.
    pub(super) fn hit(&mut self, key: &CacheKey, at: usize) -> Option<Arc<CachedAnswer>> {
        let entry = self.groups.get_mut(&Group::of(key))?.get_mut(at)?;
        let Kept::Ours { answer, .. } = &entry.kept else {
            return None;
        };
        self.hits += 1;
        self.uses += 1;
        entry.used = self.uses;
        Some(Arc::clone(answer))
    }

    /// Looks for the entries of a question whose answers stand on what was `found` for it. The first that does is of this
    /// revision from now on, and its answer is given; what else there is for the same words goes, and so does all of the
    /// question where there is none.
    pub(super) fn renew(&mut self, key: &CacheKey, question: &str, found: SearchResult) -> Option<Arc<CachedAnswer>> {
        let group = Group::of(key);
        let entries = self.groups.get_mut(&group)?;
        let of_question = |entry: &Entry| entry.question == question;
        let Some(at) = entries
            .iter()
            .position(|entry| of_question(entry) && entry.stands_on(&found))
        else {
            entries.retain(|entry| !of_question(entry));
            if entries.is_empty() {
                self.groups.remove(&group);
            }
            return None;
        };
        let entry = entries.swap_remove(at);
        entries.retain(|other| other.revision() > Some(key.revision) || !other.has_words(&entry.words));
        let answer = match &entry.kept {
            Kept::Ours { answer, .. } => CachedAnswer {
                found,
                ..CachedAnswer::clone(answer)
            },
            Kept::Theirs(answer) => answer.with_chunks(found),
        };
        entries.push(Entry {
            kept: Kept::Ours {
                answer: Arc::new(answer),
                revision: key.revision,
            },
            ..entry
        });
        let last = entries.len() - 1;
        self.hit(key, last)
    }

    /// Keeps an answer of ours; whether it is kept.
    pub(super) fn insert(&mut self, key: &CacheKey, entry: Entry) -> bool {
        let group = Group::of(key);
        self.groups.retain(|other, _| {
            other.organization != group.organization || other.agent != group.agent || *other == group
        });
        let entries = self.groups.entry(group).or_default();
        let is_newer = |known: &Entry| known.has_words(&entry.words) && known.revision() > entry.revision();
        if entries.iter().any(is_newer) {
            return false;
        }
        entries.retain(|known| !known.has_words(&entry.words));
        self.uses += 1;
        entries.push(Entry {
            used: self.uses,
            ..entry
        });
        self.make_room();
        true
    }

    /// Keeps an answer of another server, in place of what others have answered to the same words. It stands beside an
    /// answer of ours: which of them may be given is decided by a search, when somebody asks.
    pub(super) fn take_in(&mut self, shared: SharedEntry, vector: Vec<f32>, expires_at: Duration) {
        let group = Group::of_shared(&shared);
        let basis = shared.answer.basis.clone();
        let entry = Entry::new(&shared.question, vector, Kept::Theirs(shared.answer), expires_at);
        let entries = self.groups.entry(group).or_default();
        let is_known = |known: &Entry| match &known.kept {
            Kept::Ours { answer, .. } => known.has_words(&entry.words) && Basis::of(&answer.found) == basis,
            Kept::Theirs(_) => false,
        };
        // Two who were asked the same at the same moment.
        if entries.iter().any(is_known) {
            return;
        }
        entries.retain(|known| known.revision().is_some() || !known.has_words(&entry.words));
        self.uses += 1;
        entries.push(Entry {
            used: self.uses,
            ..entry
        });
        self.make_room();
    }

    pub(super) fn drop_expired(&mut self, now: Duration) {
        self.groups.retain(|_, entries| {
            entries.retain(|entry| now < entry.expires_at);
            !entries.is_empty()
        });
    }

    fn make_room(&mut self) {
        while self.size() > ENTRIES_MAX {
            self.drop_least_used();
        }
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
