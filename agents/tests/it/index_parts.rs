//! Chunks and vectors that one node has made: others read them, and use nothing that is not of their documents and embedders.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use orchestratai_agents::{
    Embedder,
    embedder::{SecondStage, TransformerError},
    knowledge::{
        Cascade, EmbedderStage, Knowledge, SecondStageUse, SourceFile, VectorOrigin, VectorWatch, ingest_files,
    },
};
use tempfile::TempDir;

use crate::{
    memory_store::MemoryStore,
    world::{collection, embedder},
};

const LONG: Duration = Duration::from_secs(60);
const STATIC: &str = "minilm-static-256@1";
const MODEL: &str = "letters@1";

/// Counts the letters of a text: a transformer that takes no time, and is told from another by its name.
struct Letters {
    name: &'static str,
    texts: Arc<AtomicUsize>,
}

impl Embedder for Letters {
    type Error = TransformerError;

    fn name(&self) -> &str {
        self.name
    }

    fn dimensions(&self) -> usize {
        26
    }

    fn embed(&self, text: &str) -> Result<Vec<f32>, TransformerError> {
        self.texts.fetch_add(1, Ordering::Relaxed);
        let mut counts = vec![0.1_f32; 26];
        for letter in text.bytes().filter(u8::is_ascii_alphabetic) {
            counts[usize::from(letter.to_ascii_lowercase() - b'a')] += 1.0;
        }
        let length = counts.iter().map(|count| count * count).sum::<f32>().sqrt();
        Ok(counts.into_iter().map(|count| count / length).collect())
    }
}

/// A node: its index is its own, the store is not.
struct Node {
    knowledge: Knowledge,
    /// Texts that its transformer was given.
    texts: Arc<AtomicUsize>,
    told: Arc<Mutex<Vec<(EmbedderStage, VectorOrigin, usize)>>>,
    _folder: TempDir,
}

impl Node {
    /// Starts on an empty folder.
    async fn start(store: &Arc<MemoryStore>, model: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (texts, told) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<_>>>::default());
        let counter = Arc::clone(&texts);
        let load = move || -> Result<Arc<dyn Embedder<Error = TransformerError>>, _> {
            let texts = Arc::clone(&counter);
            Ok(Arc::new(Letters { name: model, texts }))
        };
        let stage = SecondStage::of(model.to_owned(), load, LONG);
        let tell = Arc::clone(&told);
        let watch = VectorWatch::new(move |stage, origin, vectors| tell.lock().unwrap().push((stage, origin, vectors)));
        let store: Arc<MemoryStore> = Arc::clone(store);
        let cascade = Cascade::new(stage, LONG, Vec::new());
        let knowledge = Knowledge::open_with(folder.path(), store, embedder(), Some(cascade), watch).await;
        Self {
            knowledge: knowledge.unwrap(),
            texts,
            told,
            _folder: folder,
        }
    }

    /// Starts, and gets ready for both stages.
    async fn ready(store: &Arc<MemoryStore>, model: &'static str) -> Self {
        let node = Self::start(store, model).await;
        node.knowledge.deepen().await.unwrap();
        node
    }

    async fn follow(&self) {
        self.knowledge.refresh().await.unwrap();
        self.knowledge.deepen().await.unwrap();
    }

    fn count(&self, stage: EmbedderStage, origin: VectorOrigin) -> usize {
        let told = self.told.lock().unwrap();
        let such = told.iter().filter(|(of, from, _)| (*of, *from) == (stage, origin));
        such.map(|(_, _, vectors)| vectors).sum()
    }

    /// Vectors that were computed and that were read, for the first stage and for the second.
    fn counts(&self) -> [(usize, usize); 2] {
        [EmbedderStage::First, EmbedderStage::Second].map(|stage| {
            let embedded = self.count(stage, VectorOrigin::Embedded);
            (embedded, self.count(stage, VectorOrigin::Read))
        })
    }

    /// What it finds, with the score of each stage, and that both stages have ranked.
    async fn found(&self) -> Vec<(String, String)> {
        let collections = [collection("billing")];
        let found = self
            .knowledge
            .search("the settings of the plan", &collections, 50)
            .await
            .unwrap();
        assert!(
            matches!(found.second_stage, SecondStageUse::Ranked { .. }),
            "{:?}",
            found.second_stage
        );
        let each = found.chunks.iter();
        each.map(|found| (found.chunk.text.to_string(), format!("{:?}", found.scores)))
            .collect()
    }
}

fn file(number: usize, text: &str) -> SourceFile {
    SourceFile {
        path: format!("{number}.md"),
        bytes: text.into(),
    }
}

const NAMES: [&str; 6] = ["Refunds", "Seats", "Invoices", "Vouchers", "Taxes", "Receipts"];

/// Six documents of two chunks each, equally near to the question.
fn files() -> Vec<SourceFile> {
    let text = |name: &str| {
        format!(
            "# {name}\n\n{name} are among the settings of the plan.\n\n## More\n\nOf {name} there is more to be said: they are {}.",
            name.to_lowercase().repeat(3)
        )
    };
    NAMES
        .iter()
        .enumerate()
        .map(|(number, name)| file(number, &text(name)))
        .collect()
}

/// Ingests by way of a node, as uploads and the demo do.
async fn ingest(node: &Node, files: Vec<SourceFile>) {
    ingest_files(node.knowledge.documents(), "demo", files, &collection("billing"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_has_made_others_read() {
    let store = Arc::new(MemoryStore::default());
    let first = Node::ready(&store, "letters").await;
    ingest(&first, files()).await;
    // Durable with the documents, before any index is made of them.
    assert_eq!(first.counts(), [(12, 0), (0, 0)]);
    let second = Node::start(&store, "letters").await;
    assert_eq!(second.counts(), [(0, 12), (0, 0)]);

    first.follow().await;
    assert_eq!(first.counts(), [(12, 12), (12, 0)]);
    second.knowledge.deepen().await.unwrap();
    assert_eq!(second.counts(), [(0, 12), (0, 12)]);
    let newcomer = Node::ready(&store, "letters").await;
    assert_eq!(newcomer.counts(), [(0, 12), (0, 12)]);
    // Once for the documents, and never for another node.
    assert_eq!(first.texts.load(Ordering::Relaxed), 12);
    let found = first.found().await;
    assert!(!found.is_empty());
    assert_eq!(newcomer.found().await, found);
    assert_eq!(
        newcomer.texts.load(Ordering::Relaxed),
        1,
        "it read the question, and nothing else"
    );

    // A change of one document: what is left of it is not made again by anybody.
    let mut changed = files();
    changed[0] = file(
        0,
        "# Refunds\n\nRefunds are among the settings of the plan.\n\n## More\n\nThey take five days.",
    );
    ingest(&second, changed).await;
    second.follow().await;
    first.follow().await;
    assert_eq!(second.count(EmbedderStage::First, VectorOrigin::Embedded), 2);
    assert_eq!(second.count(EmbedderStage::Second, VectorOrigin::Embedded), 1);
    assert_eq!(first.count(EmbedderStage::Second, VectorOrigin::Embedded), 12);
    assert_eq!(first.found().await, second.found().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_begin_at_once_share_the_work() {
    let store = Arc::new(MemoryStore::default());
    let nodes = [
        Node::ready(&store, "letters").await,
        Node::ready(&store, "letters").await,
    ];
    let many = |number: usize| {
        let sections: String = (0..10)
            .map(|section| {
                format!(
                    "\n## Section {section} of {number}\n\nThe value is {}.\n",
                    (number + 1) * (section + 7)
                )
            })
            .collect();
        file(number, &format!("# Document {number}\n{sections}"))
    };
    ingest(&nodes[0], (0..60).map(many).collect()).await;
    tokio::join!(nodes[0].follow(), nodes[1].follow());
    let chunks = nodes[0].knowledge.collections()[0].chunks;
    assert_eq!(chunks, 600);
    let made = nodes
        .each_ref()
        .map(|node| node.count(EmbedderStage::Second, VectorOrigin::Embedded));
    let read = nodes
        .each_ref()
        .map(|node| node.count(EmbedderStage::Second, VectorOrigin::Read));
    let texts = nodes.each_ref().map(|node| node.texts.load(Ordering::Relaxed));
    let found = nodes[0].knowledge.transformer_vectors().unwrap().to_bytes();
    assert_eq!(texts, made);
    // Near-duplicates are not embedded.
    assert_eq!(made[0] + made[1], made[0] + read[0], "{made:?} {read:?}");
    assert_eq!(made[0] + made[1], made[1] + read[1], "{made:?} {read:?}");
    assert!(found == nodes[1].knowledge.transformer_vectors().unwrap().to_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_transformer_makes_its_own_and_both_are_kept() {
    let store = Arc::new(MemoryStore::default());
    let first = Node::ready(&store, "letters").await;
    ingest(&first, files()).await;
    first.follow().await;
    let other = Node::ready(&store, "other-letters").await;
    assert_eq!(other.counts(), [(0, 12), (12, 0)]);
    assert_eq!(Node::ready(&store, "letters").await.counts(), [(0, 12), (0, 12)]);
    assert_eq!(Node::ready(&store, "other-letters").await.counts(), [(0, 12), (0, 12)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_made_anew_and_never_served() {
    let store = Arc::new(MemoryStore::default());
    let first = Node::ready(&store, "letters").await;
    ingest(&first, files()).await;
    first.follow().await;
    let found = first.found().await;
    for (maker, expected) in [
        (STATIC, [(12, 0), (0, 12)]),
        (MODEL, [(0, 12), (12, 0)]),
        ("chunks@1", [(0, 12), (0, 12)]),
    ] {
        assert_eq!(store.damage_parts(maker), 6, "{maker}");
        let node = Node::ready(&store, "letters").await;
        assert_eq!(node.counts(), expected, "{maker}");
        assert_eq!(node.found().await, found, "{maker}");
        // And for all others too.
        let next = Node::ready(&store, "letters").await;
        assert_eq!(next.counts(), [(0, 12), (0, 12)], "{maker}");
        assert_eq!(next.found().await, found, "{maker}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_has_left_out_is_made_by_who_comes_next() {
    let store = Arc::new(MemoryStore::default());
    let first = Node::ready(&store, "letters").await;
    // The documents are there, and what was to be made of them is not: an earlier version took them in, or a node was killed.
    ingest_files(store.as_ref(), "demo", files(), &collection("billing"))
        .await
        .unwrap();
    assert!(store.makers().is_empty());
    let next = Node::ready(&store, "letters").await;
    assert_eq!(next.counts(), [(12, 0), (12, 0)]);
    assert_eq!(Node::ready(&store, "letters").await.counts(), [(0, 12), (0, 12)]);
    first.follow().await;
    assert_eq!(first.counts(), [(0, 12), (0, 12)]);

    // What a node has beside its index, and the store has not, it hands on.
    store.forget_parts(MODEL);
    let more = vec![file(0, "# Zeppelins\n\nAll of this is new.")];
    ingest_files(first.knowledge.documents(), "more", more, &collection("billing"))
        .await
        .unwrap();
    first.follow().await;
    assert_eq!(first.counts()[1].0, 1);
    assert_eq!(store.makers().iter().filter(|maker| *maker == MODEL).count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_costs_time_and_nothing_else() {
    let store = Arc::new(MemoryStore::default());
    let node = Node::start(&store, "letters").await;
    ingest(&node, files()).await;
    node.knowledge.refresh().await.unwrap();
    store.is_away.store(true, Ordering::Relaxed);
    node.knowledge.deepen().await.unwrap();
    assert_eq!(node.counts()[1], (12, 0));
    assert!(!node.found().await.is_empty());
}
