//! Turns that share answers: what a change of documents drops, and equal questions at the same moment.

use std::{future::Future, path::Path, pin::Pin, sync::Arc, task::Context, task::Waker};

use orchestratai_agents::{
    knowledge::{DocumentStore, Knowledge, SourceFile, ingest_files},
    turn::{Answer, Responder, Step, Steps, TurnRequest, UsageMeter},
};
use orchestratai_shared::{CacheStatus, LogData};
use tokio::sync::mpsc;

use crate::{
    memory_store::MemoryStore,
    strategies::{kinds, request, responder, run, text},
    world::{all_of, catalog, collection, demo, embedder},
};

const REFUND: &str = "How long does a refund to my card take?";
const SEAT: &str = "Where do I click to add a seat?";

fn documents(refund: &str) -> Vec<SourceFile> {
    let file = |path: &str, text: String| SourceFile {
        path: path.into(),
        bytes: text.into(),
    };
    vec![
        file(
            "refunds.md",
            format!("# Refunds\n\n## How long it takes\n\nA refund to your card takes {refund} days.\n"),
        ),
        file(
            "seats.md",
            "# Seats\n\n## Add a seat\n\nTo add a seat, click Members in the settings, then Add seat.\n".into(),
        ),
    ]
}

/// A knowledge base of two documents, and the agent that answers from it.
struct World {
    store: Arc<MemoryStore>,
    knowledge: Knowledge,
    billing: Arc<dyn Responder>,
}

impl World {
    async fn open(dir: &Path) -> Self {
        let store = Arc::new(MemoryStore::default());
        ingest_files(store.as_ref(), "demo", documents("five"), &collection("billing"))
            .await
            .unwrap();
        let documents = Arc::clone(&store) as Arc<dyn DocumentStore>;
        let knowledge = Knowledge::open(dir, documents, embedder()).await.unwrap();
        let billing = responder(knowledge.clone(), catalog(), "billing");
        Self {
            store,
            knowledge,
            billing,
        }
    }

    async fn put(&self, root: &str, files: Vec<SourceFile>) {
        ingest_files(self.store.as_ref(), root, files, &collection("billing"))
            .await
            .unwrap();
        self.knowledge.refresh().await.unwrap();
    }

    async fn ask(&self, question: &str) -> (CacheStatus, String, String) {
        let (answer, steps) = run(&self.billing, &request(question)).await;
        (answer.cache_status, reason(&steps), text(&steps))
    }
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
async fn a_changed_document_drops_what_stood_on_it_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path()).await;
    // In a collection this small each search finds both documents, so a second collection holds what is not touched.
    for question in [REFUND, SEAT] {
        assert_eq!(world.ask(question).await.0, CacheStatus::Miss);
        assert_eq!(world.ask(question).await.0, CacheStatus::Hit);
    }
    let other = vec![SourceFile {
        path: "other.md".into(),
        bytes: "# Offices\n\nThe office in Rotterdam has a garden.".into(),
    }];
    ingest_files(world.store.as_ref(), "demo", other, &collection("policy"))
        .await
        .unwrap();
    world.knowledge.refresh().await.unwrap();
    for question in [REFUND, SEAT] {
        let (status, reason, _) = world.ask(question).await;
        assert_eq!(status, CacheStatus::Hit, "{reason}");
        assert!(reason.contains("unchanged"), "{reason}");
        // It is of the new revision now, and no search confirms it again.
        let (status, reason, _) = world.ask(question).await;
        assert_eq!(status, CacheStatus::Hit);
        assert!(!reason.contains("unchanged"), "{reason}");
    }

    world.put("demo", documents("nine")).await;
    let (status, reason, text) = world.ask(REFUND).await;
    assert_eq!(status, CacheStatus::Miss);
    assert!(
        reason.contains("has changed") && text.contains("nine days"),
        "{reason} {text}"
    );
}

#[tokio::test]
async fn a_deleted_document_drops_what_stood_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path()).await;
    assert!(world.ask(REFUND).await.2.contains("five days"));
    let page = world.knowledge.list(&all_of("billing"), 10, None).await.unwrap();
    let refunds = page
        .items
        .iter()
        .find(|document| document.path == "refunds.md")
        .unwrap();
    assert!(world.knowledge.delete(refunds.id).await.unwrap());
    world.knowledge.refresh().await.unwrap();
    let (status, reason, text) = world.ask(REFUND).await;
    assert_eq!(status, CacheStatus::Miss, "{reason}");
    assert!(
        reason.contains("has changed") && !text.contains("five days"),
        "{reason} {text}"
    );
}

#[tokio::test]
async fn an_added_document_drops_an_answer_that_it_makes_better_and_no_other() {
    let file = |path: &str, text: &str| SourceFile {
        path: path.into(),
        bytes: text.into(),
    };
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path()).await;
    // More chunks than a search gives back, so that what is added may stay outside.
    let many = (0..6).map(|number| {
        let text = format!("# Seats {number}\n\nA seat for member {number}: click Add seat, then pay for the seat.");
        file(&format!("{number}.md"), &text)
    });
    world.put("more", many.collect()).await;
    assert_eq!(world.ask(SEAT).await.0, CacheStatus::Miss);
    world
        .put(
            "far",
            vec![file("garden.md", "# Rotterdam\n\nThe office has a garden.")],
        )
        .await;
    let (status, reason, _) = world.ask(SEAT).await;
    assert_eq!(status, CacheStatus::Hit, "{reason}");
    let better = "# Where to click to add a seat\n\nTo add a seat, click Seats, then the plus sign.";
    world.put("near", vec![file("better.md", better)]).await;
    let (status, reason, text) = world.ask(SEAT).await;
    assert_eq!(status, CacheStatus::Miss, "{reason}");
    assert!(text.contains("plus sign"), "{text}");
}

/// A turn whose steps are taken one by one.
struct Turn<'a> {
    answer: Pin<Box<dyn Future<Output = Answer> + 'a>>,
    steps: mpsc::Receiver<Step>,
    taken: Vec<Step>,
}

impl<'a> Turn<'a> {
    fn new(responder: &'a Arc<dyn Responder>, request: TurnRequest) -> Self {
        let (sender, steps) = mpsc::channel(1);
        let answer = async move {
            let (steps, meter) = (Steps::new(sender), UsageMeter::default());
            responder.answer(&request, &steps, &meter).await.unwrap()
        };
        Self {
            answer: Box::pin(answer),
            steps,
            taken: Vec::new(),
        }
    }

    /// Goes on until nothing moves any more without another step being taken.
    fn go_on(&mut self) -> Option<Answer> {
        for _ in 0..8 {
            let mut context = Context::from_waker(Waker::noop());
            if let std::task::Poll::Ready(answer) = self.answer.as_mut().poll(&mut context) {
                return Some(answer);
            }
        }
        None
    }

    fn take(&mut self) {
        self.taken.extend(self.steps.try_recv());
    }

    /// Takes all steps.
    fn finish(mut self) -> (Answer, Vec<Step>) {
        let answer = loop {
            match self.go_on() {
                Some(answer) => break answer,
                None => self.take(),
            }
        };
        while let Ok(step) = self.steps.try_recv() {
            self.taken.push(step);
        }
        (answer, self.taken)
    }
}

#[tokio::test]
async fn equal_questions_at_the_same_moment_are_answered_once() {
    let billing = responder(demo().await, catalog(), "billing");
    let question = "Where do I click to ask for a refund?";
    let mut leader = Turn::new(&billing, request(question));
    assert!(leader.go_on().is_none());
    let ask = |question: &str| Turn::new(&billing, request(question));
    let mut followers: Vec<Turn<'_>> = (0..5).map(|_| ask("where do i click to ask for a refund")).collect();
    for follower in &mut followers {
        assert!(follower.go_on().is_none());
        // It has nothing to show before the leader is done.
        follower.take();
        assert!(follower.taken.is_empty());
    }
    // Others do not wait for it.
    for alone in [
        TurnRequest {
            organization: "other".into(),
            ..request(question)
        },
        TurnRequest {
            fresh: true,
            ..request(question)
        },
        request("Where do I click to add a seat?"),
    ] {
        let (answer, steps) = Turn::new(&billing, alone).finish();
        assert_ne!(answer.cache_status, CacheStatus::Hit, "{}", reason(&steps));
    }
    let (answer, said) = leader.finish();
    assert_eq!(answer.cache_status, CacheStatus::Miss);
    for follower in followers {
        let (answer, steps) = follower.finish();
        assert_eq!(answer.cache_status, CacheStatus::Hit);
        assert_eq!(kinds(&steps), ["cache hit", "vector_search", "documents", "delta"]);
        assert_eq!(text(&steps), text(&said));
    }
}

#[tokio::test]
async fn where_the_leader_is_cancelled_one_who_waits_takes_over() {
    let billing = responder(demo().await, catalog(), "billing");
    let question = "How do I get a refund of an annual plan?";
    let ask = || Turn::new(&billing, request(question));
    let mut leader = ask();
    assert!(leader.go_on().is_none());
    let mut followers = [ask(), ask(), ask()];
    for follower in &mut followers {
        assert!(follower.go_on().is_none());
    }
    drop(leader);
    // All are woken, and one leads.
    for follower in &mut followers {
        assert!(follower.go_on().is_none());
    }
    let mut statuses = Vec::new();
    for follower in followers {
        let (answer, steps) = follower.finish();
        assert!(kinds(&steps).ends_with(&["vector_search", "documents", "delta"]));
        statuses.push(answer.cache_status);
    }
    assert_eq!(statuses, [CacheStatus::Miss, CacheStatus::Hit, CacheStatus::Hit]);
}

#[tokio::test]
async fn where_there_is_nothing_to_keep_nobody_waits_in_vain() {
    let billing = responder(demo().await, catalog(), "billing");
    let question = "Which xylophone does the qwertzuiop want?";
    let mut leader = Turn::new(&billing, request(question));
    assert!(leader.go_on().is_none());
    let mut followers = [(); 2].map(|()| Turn::new(&billing, request(question)));
    for follower in &mut followers {
        assert!(follower.go_on().is_none());
        follower.take();
        assert!(follower.taken.is_empty());
    }
    assert!(leader.finish().0.confidence.get() < 0.5);
    // Both go on by themselves: neither waits for the other.
    for follower in &mut followers {
        assert!(follower.go_on().is_none());
        follower.take();
        assert_eq!(kinds(&follower.taken), ["cache miss"]);
    }
    for follower in followers {
        assert_eq!(follower.finish().0.cache_status, CacheStatus::Miss);
    }
}

#[tokio::test]
async fn many_turns_on_many_threads_make_one_answer() {
    let billing = responder(demo().await, catalog(), "billing");
    let question = "Can I get a refund for an annual renewal?";
    let turns = (0..32).map(|_| {
        let billing = Arc::clone(&billing);
        tokio::spawn(async move { run(&billing, &request(question)).await.0.cache_status })
    });
    let mut misses = 0;
    for turn in turns.collect::<Vec<_>>() {
        misses += usize::from(turn.await.unwrap() == CacheStatus::Miss);
    }
    assert_eq!(misses, 1);
}
