//! Single words with their vectors, so that two of them can be compared without embedding either.
//!
//! A question's words are compared with every word of every passage that was found, thousands of pairs a turn, and most of these
//! pairs were compared before. So each word that was ever asked for remembers how near the others are to it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
};

use rustc_hash::FxHashMap;

use super::{QuantisedVector, StaticEmbedder};
use crate::words::is_stop_word;

/// Stands for a word of the table.
pub(crate) type WordId = u16;

/// Words in the table, some 300 bytes each. Those that come later are compared by nothing: they are rare, and the embedder knows
/// rare words by their pieces at best.
const WORDS_MAX: usize = 32_768;
/// What the words that were asked for may remember together, in bytes; beyond, all is forgotten.
const REMEMBERED_BYTES_MAX: usize = 4 << 20;
/// Words whose bits stand side by side.
const WORDS_PER_BLOCK: usize = u64::BITS as usize;
/// A word longer than this, in bytes, is no word.
const WORD_BYTES_MAX: usize = 40;

/// Below this cosine two words have nothing to do with each other.
const UNRELATED: f32 = 0.3;
/// A nearness of 1 as it is remembered, and one that is not known yet.
const NEAREST: u8 = 254;
const UNKNOWN: u8 = 255;

/// The words of all texts that are kept, with their vectors.
#[derive(Debug, Default)]
pub(super) struct WordTable {
    known: Arc<Known>,
    /// By word: those that were asked for.
    asked: Mutex<HashMap<String, Arc<AskedWord>>>,
}

#[derive(Debug, Default)]
struct Known {
    words: RwLock<Words>,
    /// How many there are, to be read without the lock.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Words {
    ids: FxHashMap<Box<str>, WordId>,
    vectors: Vec<QuantisedVector>,
}

/// A word of a question.
#[derive(Debug)]
pub(crate) struct AskedWord {
    vector: QuantisedVector,
    known: Arc<Known>,
    /// By word of the table: its nearness in steps of 1/254, or [`UNKNOWN`].
    remembered: Box<[AtomicU8]>,
    /// A bit for each of them: 0 where it is known to have nothing to do with this one.
    related: Box<[AtomicU64]>,
}

/// The words of the table that may have to do with any word of a question, as far as is remembered. Of the words of a passage they are
/// few, and only these need be held against each word of the question.
#[derive(Debug)]
pub(crate) struct RelatedWords {
    bits: Vec<u64>,
}

impl WordTable {
    pub(super) fn ids(&self, text: &str, embedder: &StaticEmbedder) -> Box<[WordId]> {
        let mut ids = Vec::new();
        let mut buffer = String::new();
        for piece in pieces(text) {
            lower_into(piece, &mut buffer);
            if !is_stop_word(&buffer) {
                ids.extend(self.known.id(&buffer, embedder));
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids.into()
    }

    pub(super) fn asked(&self, question: &str, embedder: &StaticEmbedder) -> Vec<(String, Arc<AskedWord>)> {
        let mut asked: Vec<(String, Arc<AskedWord>)> = Vec::new();
        for word in pieces(question).map(str::to_lowercase) {
            if !is_stop_word(&word) && asked.iter().all(|(other, _)| *other != word) {
                let remembering = self.remembering(&word, embedder);
                asked.push((word, remembering));
            }
        }
        asked
    }

    fn remembering(&self, word: &str, embedder: &StaticEmbedder) -> Arc<AskedWord> {
        let count = self.known.count.load(Ordering::Acquire);
        // What is kept is whole at any time, so a panic elsewhere does not spoil it.
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = asked.get(word)
            && known.remembered.len() >= count
        {
            return Arc::clone(known);
        }
        if (asked.len() + 1) * count > REMEMBERED_BYTES_MAX {
            asked.clear();
        }
        // Room for some more: a table grows as texts are read for the first time.
        let room = (count + count / 4).min(WORDS_MAX);
        let made = Arc::new(AskedWord {
            vector: QuantisedVector::new(&embedder.embed(word)),
            known: Arc::clone(&self.known),
            remembered: (0..room).map(|_| AtomicU8::new(UNKNOWN)).collect(),
            related: (0..room.div_ceil(WORDS_PER_BLOCK))
                .map(|_| AtomicU64::new(u64::MAX))
                .collect(),
        });
        asked.insert(word.to_owned(), Arc::clone(&made));
        made
    }
}

impl Known {
    /// The id of a word, which takes its place in the table if it is new; none where the table is full.
    fn id(&self, word: &str, embedder: &StaticEmbedder) -> Option<WordId> {
        let words = self.words.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = words.ids.get(word) {
            return Some(*id);
        }
        drop(words);
        let vector = QuantisedVector::new(&embedder.embed(word));
        let mut words = self.words.write().unwrap_or_else(PoisonError::into_inner);
        // Another may have been faster.
        if let Some(id) = words.ids.get(word) {
            return Some(*id);
        }
        if words.vectors.len() == WORDS_MAX {
            return None;
        }
        let id = WordId::try_from(words.vectors.len()).ok()?;
        words.vectors.push(vector);
        words.ids.insert(word.into(), id);
        self.count.store(words.vectors.len(), Ordering::Release);
        Some(id)
    }

    fn cosine(&self, vector: &QuantisedVector, id: WordId) -> f32 {
        let words = self.words.read().unwrap_or_else(PoisonError::into_inner);
        words
            .vectors
            .get(usize::from(id))
            .map_or(0.0, |other| other.cosine(vector))
    }
}

impl AskedWord {
    /// How near the nearest of these words of the table is: 0 where none has anything to do with this one, 1 where one is the same.
    pub(crate) fn nearest(&self, words: &[WordId]) -> f32 {
        // In steps, which are compared several times as fast as they are turned into numbers.
        let mut nearest = 0;
        for word in words {
            nearest = nearest.max(self.steps(*word));
            if nearest == NEAREST {
                break;
            }
        }
        f32::from(nearest) / f32::from(NEAREST)
    }

    /// How near a word of the table is, in steps of 1/254.
    fn steps(&self, id: WordId) -> u8 {
        let place = self.remembered.get(usize::from(id));
        // Relaxed: whoever does not see it yet finds the same once more.
        match place.map_or(UNKNOWN, |place| place.load(Ordering::Relaxed)) {
            UNKNOWN => self.find(id, place),
            known => known,
        }
    }

    #[cold]
    fn find(&self, id: WordId, place: Option<&AtomicU8>) -> u8 {
        let near = (self.known.cosine(&self.vector, id) - UNRELATED) / (1.0 - UNRELATED);
        let steps = (near.clamp(0.0, 1.0) * f32::from(NEAREST)).round() as u8;
        if let Some(place) = place {
            place.store(steps, Ordering::Relaxed);
        }
        let (block, bit) = place_of(id);
        if let Some(block) = self.related.get(block).filter(|_| steps == 0) {
            block.fetch_and(!bit, Ordering::Relaxed);
        }
        steps
    }
}

impl RelatedWords {
    /// Of the words of a question.
    pub(crate) fn of<'a>(asked: impl Iterator<Item = &'a AskedWord> + Clone) -> Self {
        // What one of them does not reach to may be related.
        let reach = asked.clone().map(|word| word.related.len()).min().unwrap_or(0);
        let mut bits = vec![0; reach];
        for word in asked {
            for (bits, block) in bits.iter_mut().zip(&word.related) {
                *bits |= block.load(Ordering::Relaxed);
            }
        }
        Self { bits }
    }

    /// Those that are among `words`, in their order.
    pub(crate) fn among(&self, words: &[WordId]) -> Vec<WordId> {
        let may_be_related = |id: &&WordId| {
            let (block, bit) = place_of(**id);
            self.bits.get(block).is_none_or(|bits| bits & bit != 0)
        };
        let mut among = Vec::with_capacity(words.len());
        among.extend(words.iter().filter(may_be_related));
        among
    }
}

/// Where the bit of a word stands.
fn place_of(id: WordId) -> (usize, u64) {
    let id = usize::from(id);
    (id / WORDS_PER_BLOCK, 1 << (id % WORDS_PER_BLOCK))
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && word.len() <= WORD_BYTES_MAX)
}

/// Puts a word into `buffer` in lower case: passages have too many words to allocate for each.
fn lower_into(word: &str, buffer: &mut String) {
    buffer.clear();
    if word.is_ascii() {
        buffer.push_str(word);
        buffer.make_ascii_lowercase();
    } else {
        buffer.push_str(&word.to_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embedder;

    fn nearness(table: &WordTable, asked: &str, said: &str) -> f32 {
        let ids = table.ids(said, embedder());
        let asked = table.asked(asked, embedder());
        asked[0].1.nearest(&ids[..1])
    }

    #[test]
    fn a_word_is_near_to_itself_less_so_to_one_like_it_and_remembers_that() {
        let table = WordTable::default();
        assert!(nearness(&table, "price", "Price") > 0.99);
        let near = nearness(&table, "refund", "the reimbursement");
        assert!(near > 0.1 && near < 0.99, "{near}");
        assert_eq!(nearness(&table, "refund", "giraffe"), 0.0);
        assert_eq!(nearness(&table, "refund", "reimbursement"), near);
        // A word that was asked for when the table had no room for the other.
        let early = WordTable::default().asked("refund", embedder());
        assert!(early[0].1.remembered.is_empty());
    }

    #[test]
    fn words_that_have_nothing_to_do_with_a_question_are_left_out_once_that_is_known() {
        let table = WordTable::default();
        let many: Vec<String> = (0..2 * WORDS_PER_BLOCK).map(|number| format!("word{number}")).collect();
        table.ids(&many.join(" "), embedder());
        let said = table.ids("giraffe reimbursement", embedder());
        let asked = table.asked("refund please", embedder());
        let related = || RelatedWords::of(asked.iter().map(|(_, word)| &**word)).among(&said);
        assert_eq!(related(), *said, "nothing is known yet");
        let nearest = |words: &[WordId]| asked.iter().map(|(_, word)| word.nearest(words)).collect::<Vec<_>>();
        let before = nearest(&said);
        assert_eq!(related(), table.ids("reimbursement", embedder())[..]);
        assert_eq!(nearest(&related()), before);
        let without_words = RelatedWords::of(std::iter::empty());
        assert_eq!(without_words.among(&said), *said);
    }

    #[test]
    fn words_come_once_and_stop_words_not_at_all() {
        let table = WordTable::default();
        let ids = table.ids("The key, a KEY and the keys", embedder());
        assert_eq!(ids.len(), 2);
        assert!(table.ids("of the", embedder()).is_empty());
        let asked = table.asked("Which key is the Key?", embedder());
        assert_eq!(asked.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>(), ["key"]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let table = WordTable::default();
        table.known.count.store(WORDS_MAX, Ordering::Release);
        for number in 0..200 {
            table.asked(&format!("word{number}"), embedder());
        }
        let kept = table.asked.lock().unwrap().len();
        assert!(kept * WORDS_MAX <= REMEMBERED_BYTES_MAX && kept > 0, "{kept}");
    }
}
