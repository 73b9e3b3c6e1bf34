//! A provider's model as an embedder of the knowledge base: what it is called, the scale of its cosines, and texts in batches that it takes.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;

use super::yardstick::{self, Scale};
use crate::{
    guardrail,
    language::{EmbeddingModel, EmbeddingPurpose, EmbeddingRequest, LanguageError, Price},
    turn::{Payer, Usage},
};

/// Texts in one request, and bytes of them: within what all providers take.
const BATCH_TEXTS_MAX: usize = 64;
const BATCH_BYTES_MAX: usize = 128 * 1024;
/// Of a longer text the beginning is embedded: some 4,000 tokens of English, and half of what the models with most take.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// What is no longer than this is never cut: a model that rejects it rejects it for another reason.
const CUT_BYTES_MIN: usize = 1_024;
/// For how long a batch of passages is waited for, with all attempts.
const PASSAGES_WITHIN: Duration = Duration::from_secs(120);

/// So many batches in a row have to be answered in time before twice as much is asked for at once again.
const ANSWERED_MIN: u32 = 8;

/// What an embedder of a provider is.
#[derive(Debug, Clone)]
pub struct ProvidedSettings {
    /// What it is called in figures and to people: the NAME of its section.
    pub name: Arc<str>,
    /// Says whose vectors they are: the provider, its model, and what else makes other vectors of the same text. What was made under
    /// another identity is never compared with them.
    pub identity: String,
    /// What its tokens cost, where that is known.
    pub price: Option<Price>,
    /// What stands before every question, and before every passage, as some models want it.
    pub question_prefix: String,
    /// See `question_prefix`.
    pub passage_prefix: String,
    /// Whether personal data are taken out of what it is sent.
    pub redacts: bool,
}

/// A provider's model as an embedder. Clones share it.
#[derive(Clone)]
pub struct ProvidedEmbedder(Arc<Inner>);

struct Inner {
    settings: ProvidedSettings,
    model: Arc<dyn EmbeddingModel>,
    /// Found out by the first request.
    learnt: OnceCell<Learnt>,
    at_once: Mutex<AtOnce>,
    /// Is told what passages have used.
    spent: Arc<dyn Fn(Usage) + Send + Sync>,
}

/// What is known of an embedder once it has answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Learnt {
    /// Names its vectors: its identity, and how many dimensions they have.
    pub(crate) name: String,
    pub(crate) dimensions: usize,
    pub(crate) scale: Scale,
}

/// Why a provider gives no vectors that could be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProvidedError {
    /// The provider fails, or is not asked.
    #[error(transparent)]
    Model(#[from] LanguageError),
    /// Its vectors have another number of dimensions than those before: another model answers under its name.
    #[error("its vectors have {found} dimensions and had {expected}: another model answers under its name")]
    Dimensions {
        /// How many they had.
        expected: usize,
        /// How many they have.
        found: usize,
    },
    /// Answers are as far from their questions as anything else.
    #[error("its vectors do not tell texts apart")]
    Indistinct,
    /// The index does not have its vectors of all chunks yet.
    #[error("the index is being made for it")]
    NotReady,
}

impl ProvidedEmbedder {
    /// Asks `model`. `spent` is told what passages use, which are nobody's; what questions use is their turns'.
    #[must_use]
    pub fn new(
        settings: ProvidedSettings,
        model: Arc<dyn EmbeddingModel>,
        spent: impl Fn(Usage) + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            settings,
            model,
            learnt: OnceCell::new(),
            at_once: Mutex::default(),
            spent: Arc::new(spent),
        }))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.0.settings.name
    }

    /// See [`ProvidedSettings::identity`].
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.0.settings.identity
    }

    /// What is known of it; nothing before it has answered for the first time.
    pub(crate) fn learnt(&self) -> Option<&Learnt> {
        self.0.learnt.get()
    }

    /// Finds out what is to be known of it, once, by some fifty short texts.
    ///
    /// # Errors
    /// [`ProvidedError`]; asking again is safe.
    pub(crate) async fn learn(&self) -> Result<&Learnt, ProvidedError> {
        self.0.learnt.get_or_try_init(|| self.ask_what_it_is()).await
    }

    async fn ask_what_it_is(&self) -> Result<Learnt, ProvidedError> {
        let began = Instant::now();
        let questions = self
            .embed_all(&yardstick::questions(), EmbeddingPurpose::Question)
            .await?;
        let passages = self
            .embed_all(&yardstick::passages(), EmbeddingPurpose::Passage)
            .await?;
        let dimensions = questions.first().map_or(0, Vec::len);
        if let Some(other) = passages.iter().find(|passage| passage.len() != dimensions) {
            return Err(ProvidedError::Dimensions {
                expected: dimensions,
                found: other.len(),
            });
        }
        let scale = Scale::of(&questions, &passages).ok_or(ProvidedError::Indistinct)?;
        let learnt = Learnt {
            name: format!("{} {dimensions}", self.0.settings.identity),
            dimensions,
            scale,
        };
        tracing::info!(
            model = %self.name(),
            dimensions,
            took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "a provider makes the vectors of the knowledge base"
        );
        Ok(learnt)
    }

    /// The vector of a question, which `payer` pays for and waits for so long.
    ///
    /// # Errors
    /// [`ProvidedError`], where the caller goes on without it.
    pub(crate) async fn embed_question(
        &self,
        question: &str,
        within: Duration,
        payer: Option<&Payer<'_>>,
    ) -> Result<Vec<f32>, ProvidedError> {
        let learnt = self.learnt().ok_or(ProvidedError::NotReady)?;
        let request = EmbeddingRequest {
            texts: vec![self.prepared(question, EmbeddingPurpose::Question)],
            purpose: EmbeddingPurpose::Question,
            within,
            spender: payer.map(|payer| payer.spender.clone()),
        };
        let made = {
            let _open = payer.map(|payer| payer.meter.open_upstream());
            self.0.model.embed(&request).await?
        };
        if let (Some(payer), Some(used)) = (payer, made.usage()) {
            payer.meter.add(self.name(), Usage::of(used, self.0.settings.price));
        }
        let vectors = self.checked(made.into_vectors(), learnt)?;
        vectors.into_iter().next().ok_or(ProvidedError::NotReady)
    }

    /// The vectors of passages, in their order; in as many requests as it takes.
    ///
    /// # Errors
    /// [`ProvidedError`] of the first request that fails.
    pub(crate) async fn embed_passages(&self, passages: &[String]) -> Result<Vec<Vec<f32>>, ProvidedError> {
        let learnt = self.learn().await?;
        let vectors = self.embed_all(passages, EmbeddingPurpose::Passage).await?;
        self.checked(vectors, learnt)
    }

    fn checked(&self, vectors: Vec<Vec<f32>>, learnt: &Learnt) -> Result<Vec<Vec<f32>>, ProvidedError> {
        match vectors.iter().find(|vector| vector.len() != learnt.dimensions) {
            None => Ok(vectors),
            Some(other) => Err(ProvidedError::Dimensions {
                expected: learnt.dimensions,
                found: other.len(),
            }),
        }
    }

    async fn embed_all(&self, texts: &[String], purpose: EmbeddingPurpose) -> Result<Vec<Vec<f32>>, ProvidedError> {
        let prepared: Vec<String> = texts.iter().map(|text| self.prepared(text, purpose)).collect();
        let mut vectors = Vec::with_capacity(texts.len());
        let mut left = VecDeque::from(prepared);
        while !left.is_empty() {
            let batch = next_batch(&left, self.at_once().texts);
            let made = match self.embed_batch(&batch, purpose).await {
                Err(LanguageError::TimedOut { .. }) if batch.len() > 1 => {
                    self.at_once().was_too_much(batch.len());
                    continue;
                }
                made => made?,
            };
            self.at_once().was_answered(batch.len());
            left.drain(..batch.len());
            vectors.extend(made);
        }
        Ok(vectors)
    }

    fn at_once(&self) -> MutexGuard<'_, AtOnce> {
        // Nothing panics while it is held.
        self.0.at_once.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The vectors of one batch. A model that takes less at once than most rejects what is too long for it: then each text is asked for by
    /// itself, and one that is rejected is cut in half until it is taken.
    async fn embed_batch(&self, batch: &[String], purpose: EmbeddingPurpose) -> Result<Vec<Vec<f32>>, LanguageError> {
        let has_long = batch.iter().any(|text| text.len() > CUT_BYTES_MIN);
        match self.ask(batch.to_vec(), purpose).await {
            Err(LanguageError::Rejected { .. }) if has_long => {}
            made => return made,
        }
        let mut vectors = Vec::with_capacity(batch.len());
        for text in batch {
            let mut text = text.as_str();
            loop {
                match self.ask(vec![text.to_owned()], purpose).await {
                    Err(LanguageError::Rejected { .. }) if text.len() > CUT_BYTES_MIN => {
                        text = &text[..text.floor_char_boundary(text.len() / 2)];
                    }
                    made => {
                        vectors.extend(made?);
                        break;
                    }
                }
            }
        }
        Ok(vectors)
    }

    async fn ask(&self, texts: Vec<String>, purpose: EmbeddingPurpose) -> Result<Vec<Vec<f32>>, LanguageError> {
        let request = EmbeddingRequest {
            texts,
            purpose,
            within: PASSAGES_WITHIN,
            spender: None,
        };
        let made = self.0.model.embed(&request).await?;
        if let Some(used) = made.usage() {
            (self.0.spent)(Usage::of(used, self.0.settings.price));
        }
        Ok(made.into_vectors())
    }

    /// A text as it is sent.
    fn prepared(&self, text: &str, purpose: EmbeddingPurpose) -> String {
        let settings = &self.0.settings;
        let prefix = match purpose {
            EmbeddingPurpose::Question => &settings.question_prefix,
            EmbeddingPurpose::Passage => &settings.passage_prefix,
        };
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        match settings.redacts {
            true => format!("{prefix}{}", guardrail::without_personal_data(text)),
            false => format!("{prefix}{text}"),
        }
    }
}

impl fmt::Debug for ProvidedEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvidedEmbedder")
            .field("identity", &self.identity())
            .field("learnt", &self.learnt())
            .finish_non_exhaustive()
    }
}

/// How many texts are asked for at once: half as many where the answer did not come in time, as of a model that is computed without a
/// graphics card, and more again where it does.
#[derive(Debug)]
struct AtOnce {
    texts: usize,
    answered: u32,
}

impl Default for AtOnce {
    fn default() -> Self {
        Self {
            texts: BATCH_TEXTS_MAX,
            answered: 0,
        }
    }
}

impl AtOnce {
    fn was_too_much(&mut self, texts: usize) {
        self.texts = self.texts.min((texts / 2).max(1));
        self.answered = 0;
    }

    fn was_answered(&mut self, texts: usize) {
        // A last batch that is smaller says nothing of larger ones.
        if texts < self.texts {
            return;
        }
        self.answered += 1;
        if self.answered == ANSWERED_MIN {
            self.texts = (self.texts * 2).min(BATCH_TEXTS_MAX);
            self.answered = 0;
        }
    }
}

/// As many of the first texts as one request may have, and at least one.
fn next_batch(texts: &VecDeque<String>, texts_max: usize) -> Vec<String> {
    let mut bytes = 0;
    let fits = |(at, text): &(usize, &String)| {
        bytes += text.len();
        *at == 0 || bytes <= BATCH_BYTES_MAX
    };
    let fitting = texts.iter().take(texts_max).enumerate().take_while(fits);
    fitting.map(|(_, text)| text.clone()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn less_is_asked_for_at_once_where_answers_come_too_late_and_more_where_they_come() {
        let mut at_once = AtOnce::default();
        for texts in [64, 32, 16, 8, 4, 2] {
            assert_eq!(at_once.texts, texts);
            at_once.was_too_much(texts);
        }
        assert_eq!(at_once.texts, 1);
        for texts in [1, 2] {
            for _ in 0..ANSWERED_MIN {
                assert_eq!(at_once.texts, texts);
                at_once.was_answered(texts);
            }
        }
        assert_eq!(at_once.texts, 4);
        for _ in 0..2 * ANSWERED_MIN {
            at_once.was_answered(3);
        }
        assert_eq!(at_once.texts, 4, "smaller batches say nothing");
        for _ in 0..20 * ANSWERED_MIN {
            let texts = at_once.texts;
            at_once.was_answered(texts);
        }
        assert_eq!(at_once.texts, BATCH_TEXTS_MAX);
    }

    proptest! {
        #[test]
        fn batches_hold_all_texts_in_order_and_no_more_than_a_provider_takes(
            lengths in proptest::collection::vec(0_usize..=TEXT_BYTES_MAX, 0..200),
        ) {
            let texts: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
            let mut left = VecDeque::from(texts.clone());
            let mut batches: Vec<Vec<String>> = Vec::new();
            while !left.is_empty() {
                let batch = next_batch(&left, BATCH_TEXTS_MAX);
                left.drain(..batch.len());
                batches.push(batch);
            }
            prop_assert_eq!(batches.concat(), texts);
            for batch in &batches {
                let bytes: usize = batch.iter().map(String::len).sum();
                prop_assert!((1..=BATCH_TEXTS_MAX).contains(&batch.len()) && bytes <= BATCH_BYTES_MAX);
            }
        }
    }
}
