//! What the knowledge base says about who should answer: whose passages a message is near to, and whose words it uses.

use std::ops::Range;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::{message::Word, near::SmoothMax};
use crate::{
    definition::Catalog,
    embedder::{DIMENSIONS, QuantisedMatrix, QuantisedVector, StaticEmbedder},
    knowledge::CollectionName,
    words::{distinct_words, for_each_word},
};

/// The constants of BM25 (Robertson and Zaragoza, 2009), as the index has them.
const K1: f32 = 1.2;
const B: f32 = 0.75;
/// How many passages of an agent count, by vectors and by words.
const NEAREST: usize = 4;
const NEAREST_BY_WORDS: usize = 2;
/// The share of a word in a collection is drawn towards its share in all by this many passages.
const DRAWN_BY: f32 = 3.0;

/// What routing learns from; made by [`crate::knowledge::Knowledge::evidence`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnowledgeEvidence {
    /// The knowledge revision.
    pub revision: u64,
    /// Its collections.
    pub collections: Vec<CollectionEvidence>,
}

/// What a collection is about.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionEvidence {
    /// Its name.
    pub name: CollectionName,
    /// Passages from all over it; what is compared with each message is as many.
    pub passages: Vec<PassageEvidence>,
}

/// One passage.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageEvidence {
    /// Title and headings above it, on one line.
    pub heading: String,
    /// Its text.
    pub text: String,
    /// The front matter of its document: an agent learns nothing from what its filter leaves out.
    pub front_matter: Map<String, Value>,
    /// Its embedding, of [`DIMENSIONS`] numbers.
    pub vector: Vec<f32>,
}

/// The evidence, ready to be compared with messages.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    revision: u64,
    headings: Vec<String>,
    /// Which agents read which passages, in the order of passages.
    readerships: Vec<Readership>,
    /// For each passage its vector, and that of its heading.
    vectors: QuantisedMatrix,
    heading_vectors: QuantisedMatrix,
    words: FxHashMap<String, KnownWord>,
    /// Agents that read anything here.
    reads: Vec<bool>,
}

/// Passages that stand together and are read by the same agents.
#[derive(Debug)]
struct Readership {
    passages: Range<usize>,
    agents: Vec<usize>,
}

/// One word of the knowledge base.
#[derive(Debug)]
struct KnownWord {
    idf: f32,
    /// The passages that have it, with what it adds to their BM25.
    postings: Vec<(u32, f32)>,
    /// By agent: the logarithm of how much more frequent it is in what the agent reads than on average.
    log_odds: Vec<f32>,
}

/// What the evidence says about one message; by agent where it is a list, 0 for those that read nothing.
#[derive(Debug, Default)]
pub(super) struct Finding {
    pub(super) passage: Vec<f32>,
    pub(super) heading: Vec<f32>,
    pub(super) bm25: Vec<f32>,
    pub(super) log_odds: Vec<f32>,
    /// The share of the message's words, by weight, that the knowledge base has.
    pub(super) coverage: f32,
    /// How many of them it has, each counted by how rare it is: 1 for the rarest.
    pub(super) known_words: f32,
    /// Different words of the message that say something.
    pub(super) words: usize,
    /// By agent: the passage whose heading is nearest, with the cosine.
    best_heading: Vec<Option<(usize, f32)>>,
}

impl Evidence {
    pub(super) fn new(evidence: &KnowledgeEvidence, catalog: &Catalog, embedder: &StaticEmbedder) -> Self {
        let agents = catalog.agents();
        let mut made = Self {
            revision: evidence.revision,
            reads: vec![false; agents.len()],
            ..Self::default()
        };
        // How often each word stands in each passage.
        let mut occurrences: FxHashMap<String, Vec<(u32, u32)>> = FxHashMap::default();
        let mut lengths: Vec<u32> = Vec::new();
        for collection in &evidence.collections {
            let of_collection: Vec<usize> = (0..agents.len())
                .filter(|at| agents[*at].collections.contains(&collection.name))
                .collect();
            for passage in collection.passages.iter().filter(|it| it.vector.len() == DIMENSIONS) {
                let reads = |agent: &usize| agents[*agent].filter.admits(&passage.front_matter);
                let readers: Vec<usize> = of_collection.iter().copied().filter(reads).collect();
                // What nobody reads speaks for nobody.
                if readers.is_empty() {
                    continue;
                }
                let number = u32::try_from(lengths.len()).unwrap_or(u32::MAX);
                let mut length = 0;
                let mut count = |word: &str| {
                    length += 1;
                    let seen = match occurrences.get_mut(word) {
                        Some(seen) => seen,
                        None => occurrences.entry(word.to_owned()).or_default(),
                    };
                    match seen.last_mut() {
                        Some((last, times)) if *last == number => *times += 1,
                        _ => seen.push((number, 1)),
                    }
                };
                for_each_word(&passage.heading, &mut count);
                for_each_word(&passage.text, &mut count);
                lengths.push(length);
                made.vectors.push(&passage.vector);
                made.heading_vectors.push(&embedder.embed(&passage.heading));
                made.headings.push(passage.heading.clone());
                readers.iter().for_each(|reader| made.reads[*reader] = true);
                let at = made.headings.len() - 1;
                match made.readerships.last_mut() {
                    Some(last) if last.agents == readers => last.passages.end = at + 1,
                    _ => made.readerships.push(Readership {
                        passages: at..at + 1,
                        agents: readers,
                    }),
                }
            }
        }
        made.words = made.weigh(occurrences, &lengths);
        made
    }

    fn weigh(&self, occurrences: FxHashMap<String, Vec<(u32, u32)>>, lengths: &[u32]) -> FxHashMap<String, KnownWord> {
        let passages = lengths.len() as f32;
        let mean_length = lengths.iter().sum::<u32>() as f32 / passages.max(1.0);
        let mut read = vec![0.0_f32; self.reads.len()];
        for readership in &self.readerships {
            for reader in &readership.agents {
                read[*reader] += readership.passages.len() as f32;
            }
        }
        let reading = self.reads.iter().filter(|reads| **reads).count().max(1) as f32;
        let weigh = |(text, seen): (String, Vec<(u32, u32)>)| {
            let frequency = seen.len() as f32;
            let idf = (1.0 + (passages - frequency + 0.5) / (frequency + 0.5)).ln();
            let mut with_word = vec![0.0_f32; self.reads.len()];
            for (passage, _) in &seen {
                let behind = |readership: &Readership| readership.passages.end <= *passage as usize;
                let readership = self.readerships.partition_point(behind);
                for reader in &self.readerships[readership].agents {
                    with_word[*reader] += 1.0;
                }
            }
            let share = |agent: usize| (with_word[agent] + DRAWN_BY * frequency / passages) / (read[agent] + DRAWN_BY);
            let agents = || (0..self.reads.len()).filter(|agent| self.reads[*agent]);
            let mean = agents().map(share).sum::<f32>() / reading;
            let mut log_odds = vec![0.0; self.reads.len()];
            for agent in agents() {
                log_odds[agent] = (share(agent) / mean).ln();
            }
            let postings = seen.iter().map(|(passage, times)| {
                let (times, length) = (*times as f32, lengths[*passage as usize] as f32);
                let tf = times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * length / mean_length));
                (*passage, idf * tf)
            });
            let word = KnownWord {
                idf,
                postings: postings.collect(),
                log_odds,
            };
            (text, word)
        };
        occurrences.into_iter().map(weigh).collect()
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.headings.is_empty()
    }

    /// Whether the agent reads anything here.
    pub(super) fn is_read_by(&self, agent: usize) -> bool {
        self.reads[agent]
    }

    /// Whether the knowledge base has a word, in whatever form.
    pub(super) fn has_word(&self, word: &str) -> bool {
        // Of a stop word there is nothing to know.
        let mut has = true;
        for_each_word(word, |stem| has &= self.words.contains_key(stem));
        has
    }

    pub(super) fn find(&self, message: &str, vector: &QuantisedVector) -> Finding {
        let agents = self.reads.len();
        let words = distinct_words(message);
        let passages = self.headings.len();
        let unknown_idf = (1.0 + 2.0 * passages as f32).ln();
        let (mut known_weight, mut all_weight) = (0.0, 0.0);
        let mut scores = vec![0.0_f32; passages];
        let mut log_odds = vec![0.0_f32; agents];
        for word in &words {
            let Some(word) = self.words.get(word) else {
                all_weight += unknown_idf;
                continue;
            };
            all_weight += word.idf;
            known_weight += word.idf;
            for (passage, score) in &word.postings {
                scores[*passage as usize] += score;
            }
            for (sum, odds) in log_odds.iter_mut().zip(&word.log_odds) {
                *sum += odds;
            }
        }
        let reachable = (all_weight * (K1 + 1.0)).max(f32::MIN_POSITIVE);
        let mut passage = vec![SmoothMax::new(NEAREST); agents];
        let mut heading = passage.clone();
        let mut bm25 = vec![SmoothMax::new(NEAREST_BY_WORDS); agents];
        let mut best_heading: Vec<Option<(usize, f32)>> = vec![None; agents];
        let (near, headings_near) = (self.vectors.cosines(vector), self.heading_vectors.cosines(vector));
        for Readership { passages, agents } in &self.readerships {
            let (near, headings_near) = (&near[passages.clone()], &headings_near[passages.clone()]);
            let scores = &scores[passages.clone()];
            for &reader in agents {
                near.iter().for_each(|near| passage[reader].add(*near));
                scores.iter().for_each(|score| bm25[reader].add(score / reachable));
                let (heading, best) = (&mut heading[reader], &mut best_heading[reader]);
                for (at, near) in passages.clone().zip(headings_near) {
                    heading.add(*near);
                    if best.is_none_or(|(_, best)| *near > best) {
                        *best = Some((at, *near));
                    }
                }
            }
        }
        let values = |maxima: Vec<SmoothMax>| maxima.iter().map(SmoothMax::value).collect();
        Finding {
            passage: values(passage),
            heading: values(heading),
            bm25: values(bm25),
            // Bounded: many weak words together are no proof.
            log_odds: log_odds.into_iter().map(|sum| 2.0 * (sum / 4.0).tanh()).collect(),
            coverage: if all_weight > 0.0 {
                known_weight / all_weight
            } else {
                0.0
            },
            known_words: known_weight / unknown_idf.max(1.0),
            words: words.len(),
            best_heading,
        }
    }

    /// The heading that is nearest among what the agent reads, with its cosine.
    pub(super) fn nearest_heading(&self, finding: &Finding, agent: usize) -> Option<(&str, f32)> {
        let (at, cosine) = (*finding.best_heading.get(agent)?)?;
        Some((&self.headings[at], cosine))
    }

    /// Those of a message's words that speak most for the agent, at most `count`, strongest first.
    pub(super) fn telling_words<'a>(&self, said: &'a [Word], agent: usize, count: usize) -> Vec<&'a str> {
        let mut telling: Vec<(f32, &str)> = Vec::new();
        for word in said {
            let mut odds = 0.0;
            for_each_word(word, |stem| {
                odds += self.words.get(stem).map_or(0.0, |known| known.log_odds[agent]);
            });
            if odds > 0.2 && !telling.iter().any(|(_, known)| known == word) {
                telling.push((odds, word));
            }
        }
        telling.sort_by(|a, b| b.0.total_cmp(&a.0));
        telling.into_iter().take(count).map(|(_, word)| word).collect()
    }
}
