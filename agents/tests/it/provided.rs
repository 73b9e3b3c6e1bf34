//! A provider's vectors in the place of the transformer's: made in the background, never mixed with those of another, and done without
//! while they are not to be had. The vectors are real ones: those of the transformer, as a provider of it would send them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use orchestratai_agents::{
    Embedder,
    embedder::{ProvidedEmbedder, ProvidedError, ProvidedSettings, SecondStage, Transformer},
    knowledge::{
        AskSecondStage, Cascade, Filter, Knowledge, KnowledgeError, Missed, SearchResult, SecondStageUse, SourceFile,
        VectorWatch, ingest_files,
    },
    language::{
        EmbeddingModel, EmbeddingPurpose, EmbeddingRequest, Embeddings, LanguageError, Price, Spender, TokenUsage,
    },
    turn::{Payer, Usage, UsageMeter},
};
use orchestratai_shared::{AgentId, CacheStatus, LogStatus, SessionId, TurnId};
use tempfile::TempDir;

use crate::{
    memory_store::MemoryStore,
    strategies::{kinds, request, run},
    world::{catalog, collection, crew, embedder},
};

const LONG: Duration = Duration::from_secs(60);
const QUESTION: &str = "the settings of the plan";

/// The transformer's vector of a text; each text is read once in the life of the process.
fn transformed(text: &str) -> Vec<f32> {
    static TRANSFORMER: OnceLock<Transformer> = OnceLock::new();
    static KNOWN: OnceLock<Mutex<HashMap<String, Vec<f32>>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    if let Some(vector) = known.lock().unwrap().get(text) {
        return vector.clone();
    }
    let transformer = TRANSFORMER.get_or_init(|| Transformer::embedded().unwrap());
    let vector = transformer.embed(text).unwrap();
    known.lock().unwrap().insert(text.to_owned(), vector.clone());
    vector
}

/// A provider of the transformer.
#[derive(Default)]
struct Provider {
    /// Numbers that all its vectors have in common, so that their cosines are crowded; they have as many dimensions more.
    common: AtomicUsize,
    is_away: AtomicBool,
    /// Bytes of a text that it takes; 0: any.
    takes: AtomicUsize,
    /// Texts for which it can answer in time at once; 0: any number.
    can_answer: AtomicUsize,
    /// The texts that it was sent, but for those by which its scale is found, with who pays.
    passages: Mutex<Vec<String>>,
    questions: Mutex<Vec<(String, Option<Spender>)>>,
}

/// More texts than that are those by which a scale is found.
const FEW: usize = 20;

#[async_trait]
impl EmbeddingModel for Provider {
    async fn embed(&self, request: &EmbeddingRequest) -> Result<Embeddings, LanguageError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(LanguageError::CutShort);
        }
        let can_answer = self.can_answer.load(Ordering::SeqCst);
        if can_answer > 0 && request.texts.len() > can_answer {
            return Err(LanguageError::TimedOut { limit: request.within });
        }
        let takes = self.takes.load(Ordering::SeqCst);
        if takes > 0 && request.texts.iter().any(|text| text.len() > takes) {
            return Err(LanguageError::Rejected { word: None });
        }
        if request.texts.len() <= FEW {
            match request.purpose {
                EmbeddingPurpose::Passage => self.passages.lock().unwrap().extend(request.texts.iter().cloned()),
                EmbeddingPurpose::Question => {
                    let asked = (request.texts[0].clone(), request.spender.clone());
                    self.questions.lock().unwrap().push(asked);
                }
            }
        }
        let common = self.common.load(Ordering::SeqCst);
        let vector = |text: &String| {
            let own = transformed(text);
            own.into_iter().chain(std::iter::repeat_n(1.0, common)).collect()
        };
        let vectors = request.texts.iter().map(vector).collect();
        let usage = TokenUsage {
            input: 10,
            ..TokenUsage::default()
        };
        Embeddings::new(vectors, request.texts.len(), Some(usage))
    }
}

impl Provider {
    fn crowded(common: usize) -> Arc<Self> {
        let provider = Self::default();
        provider.common.store(common, Ordering::SeqCst);
        Arc::new(provider)
    }

    /// How many passages it was sent since this was asked last.
    fn passages(&self) -> usize {
        std::mem::take(&mut *self.passages.lock().unwrap()).len()
    }
}

fn settings(identity: &str) -> ProvidedSettings {
    ProvidedSettings {
        name: "vectors".into(),
        identity: identity.to_owned(),
        price: Some(Price {
            input: 1.0,
            cached_input: 1.0,
            output: 1.0,
        }),
        question_prefix: String::new(),
        passage_prefix: String::new(),
        redacts: false,
    }
}

async fn open(dir: &TempDir, store: &Arc<MemoryStore>, cascade: Cascade) -> Knowledge {
    let store: Arc<MemoryStore> = Arc::clone(store);
    let knowledge = Knowledge::open_with(dir.path(), store, embedder(), Some(cascade), VectorWatch::nobody()).await;
    knowledge.unwrap()
}

fn provided(provider: &Arc<Provider>, settings: ProvidedSettings) -> Cascade {
    let embedder = ProvidedEmbedder::new(settings, Arc::clone(provider) as Arc<dyn EmbeddingModel>, |_| ());
    Cascade::provided(embedder, LONG)
}

async fn stocked() -> (TempDir, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::default());
    let file = |path: &str, text: &str| SourceFile {
        path: path.into(),
        bytes: text.into(),
    };
    let files = vec![
        file(
            "refunds.md",
            "# Settings\n\nRefunds are among the settings of the plan. They take five days.",
        ),
        file(
            "seats.md",
            "# Settings\n\nSeats are among the settings of the plan. Anybody can take one.",
        ),
        file(
            "invoices.md",
            "# Invoices\n\nAda's invoices go to ada@example.com by mail, at the end of the month.",
        ),
    ];
    ingest_files(store.as_ref(), "demo", files, &collection("billing"))
        .await
        .unwrap();
    (tempfile::tempdir().unwrap(), store)
}

async fn found(knowledge: &Knowledge, question: &str) -> SearchResult {
    let found = knowledge.search(question, &[collection("billing")], 5).await.unwrap();
    assert!(!found.chunks.is_empty());
    found
}

fn is_ranked(found: &SearchResult) -> bool {
    matches!(found.second_stage, SecondStageUse::Ranked { .. })
}

fn provided_error(found: &SearchResult) -> &ProvidedError {
    match found.second_stage.missed() {
        Some(Missed::Provided { model, reason }) => {
            assert_eq!(&**model, "vectors");
            reason
        }
        Some(Missed::Transformer(_)) | None => panic!("{:?}", found.second_stage),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_embedder_makes_its_own_vectors_while_searches_go_on_without() {
    let (dir, store) = stocked().await;
    let (one, other) = (Provider::crowded(0), Provider::crowded(2));
    let knowledge = open(&dir, &store, provided(&one, settings("one"))).await;
    assert!(matches!(
        provided_error(&found(&knowledge, QUESTION).await),
        ProvidedError::NotReady
    ));
    knowledge.deepen().await.unwrap();
    // Whether the first stage is sure or not.
    for question in [QUESTION, "Where do invoices go?"] {
        assert!(is_ranked(&found(&knowledge, question).await), "{question}");
    }
    assert_eq!(one.passages(), 3);
    drop(knowledge);

    let knowledge = open(&dir, &store, provided(&other, settings("other"))).await;
    assert!(matches!(
        provided_error(&found(&knowledge, QUESTION).await),
        ProvidedError::NotReady
    ));
    assert!(
        found(&knowledge, QUESTION)
            .await
            .chunks
            .iter()
            .all(|found| found.scores.transformer.is_none())
    );
    knowledge.deepen().await.unwrap();
    assert!(is_ranked(&found(&knowledge, QUESTION).await));
    assert_eq!(other.passages(), 3);
    drop(knowledge);

    // Each start finds what it has made, and only what it has made: the same name with other dimensions is another one.
    for (provider, identity, made) in [(&other, "other", 0), (&one, "one", 0), (&one, "other", 3)] {
        let knowledge = open(&dir, &store, provided(provider, settings(identity))).await;
        knowledge.deepen().await.unwrap();
        assert!(is_ranked(&found(&knowledge, QUESTION).await));
        assert_eq!(provider.passages(), made, "{identity}");
    }
    // And the transformer its own.
    let stage = SecondStage::new(None, LONG).unwrap();
    let knowledge = open(&dir, &store, Cascade::new(stage, LONG, Vec::new())).await;
    assert!(matches!(
        found(&knowledge, QUESTION).await.second_stage,
        SecondStageUse::Absent
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_its_cosines_are_like_they_are_on_the_scale_of_the_transformer() {
    let (dir, store) = stocked().await;
    let stage = SecondStage::new(None, LONG).unwrap();
    let knowledge = open(&dir, &store, Cascade::new(stage, LONG, Vec::new())).await;
    knowledge.deepen().await.unwrap();
    let collections = [collection("billing")];
    let always = knowledge.search_as(QUESTION, &collections, 5, AskSecondStage::Always);
    let expected = always.await.unwrap();
    drop(knowledge);
    // With three numbers of length 1 in common no cosine is below 0.74.
    for common in [0, 3] {
        let provider = Provider::crowded(common);
        let knowledge = open(&dir, &store, provided(&provider, settings("crowded"))).await;
        knowledge.deepen().await.unwrap();
        let found = found(&knowledge, QUESTION).await;
        assert_eq!(found.chunks.len(), expected.chunks.len());
        for (found, expected) in found.chunks.iter().zip(&expected.chunks) {
            assert_eq!(found.chunk.origin.source, expected.chunk.origin.source, "{common}");
            let (found, expected) = (found.scores.transformer.unwrap(), expected.scores.transformer.unwrap());
            assert!((found - expected).abs() < 0.04, "{common}: {found} is not {expected}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_costs_its_vectors_and_heals() {
    let (dir, store) = stocked().await;
    let provider = Provider::crowded(0);
    provider.is_away.store(true, Ordering::SeqCst);
    let knowledge = open(&dir, &store, provided(&provider, settings("one"))).await;
    assert!(matches!(knowledge.deepen().await, Err(KnowledgeError::Provided { .. })));
    assert!(!is_ranked(&found(&knowledge, QUESTION).await));
    provider.is_away.store(false, Ordering::SeqCst);
    knowledge.deepen().await.unwrap();
    assert!(is_ranked(&found(&knowledge, QUESTION).await));

    provider.is_away.store(true, Ordering::SeqCst);
    let without = found(&knowledge, QUESTION).await;
    assert!(matches!(
        provided_error(&without),
        ProvidedError::Model(LanguageError::CutShort)
    ));
    provider.is_away.store(false, Ordering::SeqCst);
    assert!(is_ranked(&found(&knowledge, QUESTION).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_under_the_same_name_is_noticed_and_compared_with_nothing() {
    let (dir, store) = stocked().await;
    let provider = Provider::crowded(0);
    let knowledge = open(&dir, &store, provided(&provider, settings("one"))).await;
    knowledge.deepen().await.unwrap();
    provider.common.store(1, Ordering::SeqCst);
    let without = found(&knowledge, QUESTION).await;
    assert!(
        matches!(
            provided_error(&without),
            ProvidedError::Dimensions {
                expected: 384,
                found: 385
            }
        ),
        "{:?}",
        without.second_stage
    );
    assert!(without.chunks.iter().all(|found| found.scores.transformer.is_none()));
    // Nor are passages taken from it.
    let more = vec![SourceFile {
        path: "more.md".into(),
        bytes: "# More\n\nThere is more.".into(),
    }];
    ingest_files(store.as_ref(), "more", more, &collection("billing"))
        .await
        .unwrap();
    knowledge.refresh().await.unwrap();
    let refused = knowledge.deepen().await.unwrap_err();
    assert!(matches!(refused, KnowledgeError::Provided { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_too_long_for_a_model_is_cut_and_the_others_are_not() {
    let (dir, store) = stocked().await;
    let long = SourceFile {
        path: "long.md".into(),
        bytes: format!("# Long\n\n{}", "There is much to be said of seats. ".repeat(120)).into(),
    };
    ingest_files(store.as_ref(), "long", vec![long], &collection("billing"))
        .await
        .unwrap();
    let provider = Provider::crowded(0);
    provider.takes.store(1_500, Ordering::SeqCst);
    let knowledge = open(&dir, &store, provided(&provider, settings("one"))).await;
    knowledge.deepen().await.unwrap();
    assert!(is_ranked(&found(&knowledge, QUESTION).await));
    let passages = provider.passages.lock().unwrap().clone();
    assert!(passages.iter().all(|text| text.len() <= 1_500));
    assert!(
        passages.iter().any(|text| text.len() > 700 && text.contains("Long")),
        "{passages:?}"
    );
    assert!(
        passages.iter().any(|text| text.ends_with("They take five days.")),
        "{passages:?}"
    );
    // What is short and rejected all the same is not asked for again and again.
    provider.takes.store(10, Ordering::SeqCst);
    let other = open(&dir, &store, provided(&provider, settings("other"))).await;
    assert!(matches!(other.deepen().await, Err(KnowledgeError::Provided { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_model_is_asked_for_fewer_texts_at_once() {
    let (dir, store) = stocked().await;
    let provider = Provider::crowded(0);
    provider.can_answer.store(3, Ordering::SeqCst);
    let knowledge = open(&dir, &store, provided(&provider, settings("one"))).await;
    knowledge.deepen().await.unwrap();
    assert!(is_ranked(&found(&knowledge, QUESTION).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_tell_texts_apart_is_no_embedder() {
    let (dir, store) = stocked().await;
    let provider = Provider::crowded(1_000);
    let knowledge = open(&dir, &store, provided(&provider, settings("one"))).await;
    match knowledge.deepen().await {
        Err(KnowledgeError::Provided {
            source: ProvidedError::Indistinct,
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_paid_by_its_turn_and_passages_by_nobody() {
    let (dir, store) = stocked().await;
    let provider = Provider::crowded(0);
    let spent = Arc::new(Mutex::new(Usage::default()));
    let counted = Arc::clone(&spent);
    let embedder = ProvidedEmbedder::new(
        settings("one"),
        Arc::clone(&provider) as Arc<dyn EmbeddingModel>,
        move |usage| {
            let mut spent = counted.lock().unwrap();
            *spent = spent.plus(usage);
        },
    );
    let knowledge = open(&dir, &store, Cascade::provided(embedder, LONG)).await;
    knowledge.deepen().await.unwrap();
    // Questions and passages of the scale, and the chunks: three requests of 10 tokens at 1 USD a million.
    let of_passages = *spent.lock().unwrap();
    assert_eq!((of_passages.tokens, of_passages.unpriced_tokens), (30, 0));
    assert!((of_passages.cost - 30e-6).abs() < 1e-12, "{}", of_passages.cost);

    let meter = UsageMeter::default();
    let spender = Spender {
        organization: "default".into(),
        user: None,
        agent: AgentId::parse("billing").unwrap(),
        session_id: SessionId::new(),
        turn_id: TurnId::new(),
        can_wait: true,
        decided: Vec::new(),
    };
    let payer = Payer {
        spender: spender.clone(),
        meter: &meter,
    };
    let (collections, filter) = ([collection("billing")], Filter::default());
    let search = knowledge.search_paid_by(Some(&payer), QUESTION, &collections, &filter, 5);
    assert!(is_ranked(&search.await.unwrap()));
    assert_eq!(meter.by_model().len(), 1);
    assert_eq!((&*meter.by_model()[0].0, meter.usage().tokens), ("vectors", 10));
    assert!(meter.had_upstream() && !meter.upstream_open());
    assert_eq!(spent.lock().unwrap().tokens, 30);
    let asked = provider.questions.lock().unwrap().pop().unwrap();
    assert_eq!(asked, (QUESTION.to_owned(), Some(spender)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_has_its_prefix_and_no_personal_data() {
    let (dir, store) = stocked().await;
    let provider = Provider::crowded(0);
    let settings = ProvidedSettings {
        question_prefix: "query: ".into(),
        passage_prefix: "passage: ".into(),
        redacts: true,
        ..settings("one")
    };
    let knowledge = open(&dir, &store, provided(&provider, settings)).await;
    knowledge.deepen().await.unwrap();
    assert!(is_ranked(
        &found(&knowledge, "Is ada@example.com right for invoices?").await
    ));
    let asked = provider.questions.lock().unwrap().pop().unwrap().0;
    assert!(asked.starts_with("query: ") && asked.contains("[email]"), "{asked}");
    let passages = provider.passages.lock().unwrap().clone();
    assert!(
        passages
            .iter()
            .all(|text| text.starts_with("passage: ") && !text.contains("ada@"))
    );
    assert!(passages.iter().any(|text| text.contains("[email]")), "{passages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_found_without_it_is_not_kept() {
    let (dir, store) = stocked().await;
    let provider = Provider::crowded(0);
    let knowledge = open(&dir, &store, provided(&provider, settings("one"))).await;
    knowledge.deepen().await.unwrap();
    let crew = crew(knowledge, catalog());
    let billing = &crew[&AgentId::parse("billing").unwrap()];
    let asked = request("How long do refunds take?");
    provider.is_away.store(true, Ordering::SeqCst);
    let (answer, steps) = run(billing, &asked).await;
    assert!(answer.confidence.get() >= 0.5, "{answer:?}");
    let step = format!("{steps:?}");
    assert!(step.contains("ranked by the first stage alone: vectors: "), "{step}");
    assert!(step.contains(&format!("status: {:?}", LogStatus::Warning)), "{step}");

    provider.is_away.store(false, Ordering::SeqCst);
    for status in [CacheStatus::Miss, CacheStatus::Hit] {
        let (answer, steps) = run(billing, &asked).await;
        assert_eq!(answer.cache_status, status, "{:?}", kinds(&steps));
        // What it took is the turn's.
        assert_eq!(answer.usage.tokens, if status == CacheStatus::Miss { 10 } else { 0 });
    }
}
