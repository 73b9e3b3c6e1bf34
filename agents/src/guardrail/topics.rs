//! What an agent does not speak about.
//!
//! A message is compared with the examples of each topic, whole and sentence by sentence: by meaning alone where that is near, and where it
//! is less so by how much of what an example says stands in it as words.

use crate::{definition::BlockedTopic, embedder::StaticEmbedder, knowledge::sentences_of, words::for_each_word};

/// From this cosine on, a message is about what the example is about.
const NEAR: f32 = 0.66;
/// From this one on where the words say so too.
const NEARISH: f32 = 0.42;
/// So much of what the example says must then stand in the message, as words, or the other way round.
const SHARED_MIN: f32 = 0.6;

/// The topics of one agent.
#[derive(Debug)]
pub(crate) struct Topics(Vec<Topic>);

#[derive(Debug)]
struct Topic {
    blocked: BlockedTopic,
    examples: Vec<Said>,
}

/// A text as it is compared.
#[derive(Debug)]
struct Said {
    vector: Vec<f32>,
    /// Stems with what each weighs.
    words: Vec<(String, f32)>,
}

impl Said {
    fn of(text: &str, embedder: &StaticEmbedder) -> Self {
        let mut words: Vec<(String, f32)> = Vec::new();
        for word in text.split(|letter: char| !letter.is_alphanumeric()) {
            let weight = embedder.term_weight(&word.to_lowercase());
            for_each_word(word, |stem| {
                if words.iter().all(|(known, _)| known != stem) {
                    words.push((stem.to_owned(), weight));
                }
            });
        }
        Self {
            vector: embedder.embed(text),
            words,
        }
    }

    /// The share of what `self` says that stands in `other`, 0 to 1.
    fn shared(&self, other: &Self) -> f32 {
        let all: f32 = self.words.iter().map(|(_, weight)| weight).sum();
        let shared = self
            .words
            .iter()
            .filter(|(word, _)| other.words.iter().any(|(said, _)| said == word));
        let shared: f32 = shared.map(|(_, weight)| weight).sum();
        if all > 0.0 { shared / all } else { 0.0 }
    }

    fn is_about(&self, example: &Self) -> bool {
        let cosine: f32 = self.vector.iter().zip(&example.vector).map(|(a, b)| a * b).sum();
        cosine >= NEAR || cosine >= NEARISH && example.shared(self).max(self.shared(example)) >= SHARED_MIN
    }
}

impl Topics {
    pub(crate) fn new(blocked: &[BlockedTopic], embedder: &StaticEmbedder) -> Self {
        let topic = |blocked: &BlockedTopic| Topic {
            examples: blocked.examples.iter().map(|text| Said::of(text, embedder)).collect(),
            blocked: blocked.clone(),
        };
        Self(blocked.iter().map(topic).collect())
    }

    /// The first topic that a message is about.
    pub(crate) fn find(&self, message: &str, embedder: &StaticEmbedder) -> Option<&BlockedTopic> {
        if self.0.is_empty() {
            return None;
        }
        let sentences = sentences_of(message);
        let parts = std::iter::once(message).chain(sentences.into_iter().filter(|part| part.len() < message.len()));
        let said: Vec<Said> = parts.map(|part| Said::of(part, embedder)).collect();
        let is_about = |topic: &&Topic| {
            let mut examples = topic.examples.iter();
            examples.any(|example| said.iter().any(|said| !said.words.is_empty() && said.is_about(example)))
        };
        self.0.iter().find(is_about).map(|topic| &topic.blocked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embedder;

    #[test]
    fn a_topic_is_known_by_its_examples_in_other_words_and_what_is_near_is_not_one() {
        let topic = |name: &str, examples: &[&str]| BlockedTopic {
            name: name.into(),
            examples: examples.iter().map(|text| (*text).to_owned()).collect(),
            say: "No.".into(),
        };
        let topics = Topics::new(
            &[
                topic(
                    "legal advice",
                    &[
                        "Can I sue you?",
                        "Is this clause of the contract legally binding?",
                        "What are my chances in court?",
                    ],
                ),
                topic(
                    "competitors",
                    &[
                        "How do you compare to Acme Cloud?",
                        "Are you better than your competitors?",
                    ],
                ),
                topic(
                    "salaries",
                    &[
                        "How much do your employees earn?",
                        "What is the salary of an engineer at your company?",
                    ],
                ),
            ],
            embedder(),
        );
        for (message, expected) in [
            ("Could I sue your company over this?", Some("legal advice")),
            (
                "Hello! I was billed twice. Can I sue you for that?",
                Some("legal advice"),
            ),
            (
                "is the termination clause in our contract legally binding",
                Some("legal advice"),
            ),
            ("What would be my chances before a court?", Some("legal advice")),
            ("How do you compare with Acme Cloud?", Some("competitors")),
            ("are you really better than the competitors", Some("competitors")),
            ("What salary does an engineer get at your company?", Some("salaries")),
            ("How much money do employees of yours earn", Some("salaries")),
            ("How do I rotate an API key without downtime?", None),
            ("How much does the Team plan cost?", None),
            ("How do I compare two versions of a workflow?", None),
            ("Where do I find the contract of our company?", None),
            ("Can I use the API from an engineer's laptop?", None),
            ("What are the limits of the free plan?", None),
            ("How do I add employees to my company's account?", None),
            ("Is the data processing agreement part of the terms?", None),
            ("", None),
            ("?!", None),
        ] {
            let found = topics.find(message, embedder()).map(|topic| topic.name.as_str());
            assert_eq!(found, expected, "{message}");
        }
    }
}
