//! Caches of several servers: each has a knowledge base of its own, with its own ids and revisions, and they are told what
//! the others have answered.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use orchestratai_agents::{
    cache::{ENTRIES_MAX, Peers, Refusal, SemanticCache, Sharing, TIME_TO_LIVE},
    knowledge::{DocumentStore, Knowledge, SourceFile, ingest_files},
    model::Models,
    strategy::{Means, responders},
    turn::{Answer, Responder, Step},
};
use orchestratai_shared::{AgentId, CacheStatus, LogData, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    memory_store::MemoryStore,
    strategies::{request, run, text},
    world::{catalog, collection, embedder, router},
};

const REFUND: &str = "How long does a refund to my card take?";
const SAME: &str = "how long does the refund to my card take";

/// What a server has told.
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<Vec<Vec<u8>>>>);

impl Peers for Told {
    fn tell(&self, entry: Vec<u8>) {
        self.0.lock().unwrap().push(entry);
    }
}

impl Told {
    fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The one entry that was told since.
    fn one(&self) -> Vec<u8> {
        let mut told = self.take();
        assert_eq!(told.len(), 1);
        told.remove(0)
    }
}

struct Server {
    store: Arc<MemoryStore>,
    knowledge: Knowledge,
    cache: Arc<SemanticCache>,
    billing: Arc<dyn Responder>,
    told: Told,
    _dir: TempDir,
}

impl Server {
    async fn start(days: &str, build: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::default());
        put(&store, days).await;
        let knowledge = open(dir.path(), &store).await;
        let told = Told::default();
        let sharing = Sharing::new(&catalog(), build, told.clone());
        let cache = Arc::new(SemanticCache::new(embedder()).shared(sharing));
        let crew = responders(&Means {
            tools: orchestratai_agents::tool_box::ToolBox::default(),
            facts: None,
            catalog: catalog(),
            router: router(),
            knowledge: knowledge.clone(),
            cache: Arc::clone(&cache),
            models: Arc::new(Models::embedded(&embedder())),
            embedder: embedder(),
        });
        let billing = Arc::clone(&crew[&AgentId::parse("billing").unwrap()]);
        Self {
            store,
            knowledge,
            cache,
            billing,
            told,
            _dir: dir,
        }
    }

    async fn change(&self, days: &str) {
        put(&self.store, days).await;
        self.knowledge.refresh().await.unwrap();
    }

    async fn ask(&self, question: &str) -> Said {
        let (answer, steps) = run(&self.billing, &request(question)).await;
        Said {
            text: text(&steps),
            reason: reason(&steps),
            answer,
        }
    }
}

struct Said {
    answer: Answer,
    text: String,
    reason: String,
}

impl Said {
    #[track_caller]
    fn is(&self, status: CacheStatus, text: &str) -> &Self {
        assert_eq!(self.answer.cache_status, status, "{}", self.reason);
        assert!(self.text.contains(text), "{}", self.text);
        self
    }
}

async fn put(store: &MemoryStore, days: &str) {
    let file = |path: &str, text: String| SourceFile {
        path: path.into(),
        bytes: text.into(),
    };
    let files = vec![
        file(
            "refunds.md",
            format!("# Refunds\n\n## How long it takes\n\nA refund to your card takes {days} days.\n"),
        ),
        file(
            "seats.md",
            "# Seats\n\n## Add a seat\n\nTo add a seat, click Members in the settings, then Add seat.\n".into(),
        ),
    ];
    ingest_files(store, "demo", files, &collection("billing"))
        .await
        .unwrap();
}

async fn open(dir: &Path, store: &Arc<MemoryStore>) -> Knowledge {
    let documents = Arc::clone(store) as Arc<dyn DocumentStore>;
    Knowledge::open(dir, documents, embedder()).await.unwrap()
}

fn reason(steps: &[Step]) -> String {
    let of_cache = steps.iter().find_map(|step| match step {
        Step::Log {
            data: LogData::Cache(cache),
            ..
        } => cache.reason.clone(),
        Step::Log { .. } | Step::Delta(_) | Step::Reset { .. } | Step::ToolCall { .. } => None,
    });
    of_cache.unwrap_or_default()
}

#[tokio::test]
async fn a_paraphrase_is_answered_by_what_another_server_said_once_the_same_text_is_found_here() {
    let (one, other) = (Server::start("five", "1").await, Server::start("four", "1").await);
    // The same text in the end, under another revision.
    other.change("five").await;
    assert_ne!(one.knowledge.revision(), other.knowledge.revision());
    let first = one.ask(REFUND).await;
    first.is(CacheStatus::Miss, "five days");
    other.cache.take_in(&one.told.one()).unwrap();
    let again = other.ask(SAME).await;
    again.is(CacheStatus::Hit, "five days");
    assert!(again.reason.contains("unchanged"), "{}", again.reason);
    assert_eq!(again.text, first.text);
    assert_eq!(again.answer.citations, first.answer.citations);
    assert_eq!(again.answer.citations[0].source, "refunds.md");
    // From now on it is an answer of its own, and no search confirms it again; nor is it told again.
    let third = other.ask(SAME).await;
    assert!(!third.is(CacheStatus::Hit, "five days").reason.contains("unchanged"));
    assert!(other.told.take().is_empty());
}

#[tokio::test]
async fn an_answer_that_stands_on_other_text_is_never_given() {
    let (one, other) = (Server::start("five", "1").await, Server::start("nine", "1").await);
    // Under the same revision.
    assert_eq!(one.knowledge.revision(), other.knowledge.revision());
    one.ask(REFUND).await.is(CacheStatus::Miss, "five days");
    let entry = one.told.one();
    other.cache.take_in(&entry).unwrap();
    let said = other.ask(REFUND).await;
    said.is(CacheStatus::Miss, "nine days");
    assert!(said.reason.contains("has changed"), "{}", said.reason);
    // Told once more, it takes nothing from what was answered here.
    other.cache.take_in(&entry).unwrap();
    other.ask(REFUND).await.is(CacheStatus::Hit, "nine days");
}

#[tokio::test]
async fn of_an_old_answer_of_ours_and_a_new_one_of_theirs_the_one_whose_text_is_found_is_given() {
    let (one, other) = (Server::start("five", "1").await, Server::start("five", "1").await);
    for server in [&one, &other] {
        server.ask(REFUND).await.is(CacheStatus::Miss, "five days");
        server.change("nine").await;
    }
    let old = one.told.one();
    one.ask(REFUND).await.is(CacheStatus::Miss, "nine days");
    other.cache.take_in(&one.told.one()).unwrap();
    other.ask(REFUND).await.is(CacheStatus::Hit, "nine days");
    // The old one comes late.
    other.cache.take_in(&old).unwrap();
    other.ask(REFUND).await.is(CacheStatus::Hit, "nine days");
}

/// The entry, changed.
fn but(entry: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut entry: Value = serde_json::from_slice(entry).unwrap();
    change(&mut entry["entry"]);
    serde_json::to_vec(&entry).unwrap()
}

fn made_before(entry: &[u8], age: Duration) -> Vec<u8> {
    let at = Timestamp::now().as_millis() - i64::try_from(age.as_millis()).unwrap();
    but(entry, |entry| entry["madeAt"] = json!(Timestamp::from_millis(at)))
}

#[tokio::test]
async fn what_others_with_other_agents_say_and_what_is_too_old_is_refused() {
    let (one, other) = (Server::start("five", "1").await, Server::start("five", "2").await);
    one.ask(REFUND).await.is(CacheStatus::Miss, "five days");
    let entry = one.told.one();
    assert_eq!(other.cache.take_in(&entry), Err(Refusal::OtherBuild));
    let third = Server::start("five", "1").await;
    for (key, value) in [("agent", "nobody"), ("agentVersion", "v0"), ("model", "another")] {
        let changed = but(&entry, |entry| entry[key] = json!(value));
        assert_eq!(third.cache.take_in(&changed), Err(Refusal::OtherAgent), "{key}");
    }
    let old = made_before(&entry, TIME_TO_LIVE);
    assert_eq!(third.cache.take_in(&old), Err(Refusal::Expired));
    let unreadable = but(&entry, |entry| entry["question"] = json!(""));
    assert_eq!(third.cache.take_in(&unreadable), Err(Refusal::Unreadable));
    assert_eq!(third.cache.take_in(b"\xff"), Err(Refusal::Unreadable));
    // Another organization's is kept for that one alone.
    let foreign = but(&entry, |entry| entry["organization"] = json!("another"));
    third.cache.take_in(&foreign).unwrap();
    third.ask(REFUND).await.is(CacheStatus::Miss, "five days");
}

#[tokio::test]
async fn an_entry_lives_no_longer_than_it_would_where_it_was_made() {
    let one = Server::start("five", "1").await;
    one.ask(REFUND).await.is(CacheStatus::Miss, "five days");
    let entry = one.told.one();
    let other = Server::start("five", "1").await;
    other
        .cache
        .take_in(&made_before(&entry, TIME_TO_LIVE - Duration::from_millis(200)))
        .unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    other.ask(REFUND).await.is(CacheStatus::Miss, "five days");
}

#[tokio::test]
async fn whatever_is_told_the_cache_grows_no_larger() {
    let one = Server::start("five", "1").await;
    one.ask(REFUND).await.is(CacheStatus::Miss, "five days");
    let entry = one.told.one();
    let other = Server::start("five", "1").await;
    for number in 0..ENTRIES_MAX + 50 {
        let question = format!("What is item {number}?");
        let organization = format!("house-{}", number % 7);
        let told = but(&entry, |entry| {
            entry["question"] = json!(question);
            entry["organization"] = json!(organization);
        });
        other.cache.take_in(&told).unwrap();
    }
    let size = other.cache.passed_by("").size;
    assert_eq!(size, ENTRIES_MAX as u64);
}
