//! Only documents whose front matter fits are searched.

use std::{fs, path::Path, sync::Arc};

use orchestratai_agents::{
    definition::Catalog,
    knowledge::{DocumentChanges, DocumentStore, Filter, Knowledge, NewDocument},
    routing::Router,
    turn::Step,
};
use orchestratai_shared::{AgentId, LogData};
use serde_json::json;

use crate::{
    memory_store::MemoryStore,
    other_house::agent_file,
    strategies::{request, run},
    world::{collection, crew, embedder},
};

fn document(path: &str, plan: &str, content: &str) -> NewDocument {
    NewDocument {
        collection: collection("policy"),
        root: "test".into(),
        path: path.into(),
        title: "Seats".into(),
        content: content.into(),
        front_matter: json!({"plan": [plan]}).as_object().unwrap().clone(),
        content_hash: path.into(),
    }
}

#[tokio::test]
async fn a_filter_leaves_out_what_does_not_fit_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::default());
    // The same text for two plans is folded into one, and found for either.
    let seats = "Seats are added in the console under Members, and each is paid for from the day on which it is added. \
                 Seats that are taken away are credited at the end of the month, and never before.";
    let put = vec![
        document("business.md", "Business", seats),
        document("team.md", "Team", seats),
        document("other.md", "Team", "Windows are cleaned on Fridays."),
    ];
    let changes = DocumentChanges {
        put,
        ..DocumentChanges::default()
    };
    store.change(changes).await.unwrap();
    let knowledge = Knowledge::open(dir.path(), store, embedder()).await.unwrap();
    let found = async |filter: Filter| -> Vec<String> {
        let found = knowledge
            .search_where("How are seats added?", &[collection("policy")], &filter, 5)
            .await
            .unwrap();
        let sources = found.chunks.iter().map(|found| found.chunk.origin.source.clone());
        sources.collect()
    };
    let of = |plan: &str| Filter::default().allowing("plan", plan);
    assert_eq!(found(Filter::default()).await, ["business.md", "other.md"]);
    assert_eq!(found(of("business")).await, ["business.md"]);
    assert_eq!(found(of("team")).await, ["team.md", "other.md"]);
    assert_eq!(
        found(of("team").allowing("plan", "business")).await,
        ["business.md", "other.md"]
    );
    assert!(found(of("enterprise")).await.is_empty());
    assert!(found(Filter::default().allowing("audience", "team")).await.is_empty());
}

/// Two agents who read one collection, each what is for the customers of one plan.
fn agents_by_plan(dir: &Path) -> Catalog {
    let orchestrator = include_str!("../../../config/agents/orchestrator.toml");
    fs::write(dir.join("orchestrator.toml"), orchestrator).unwrap();
    for (id, plan) in [("teams", "team"), ("firms", "business")] {
        let of_policy = agent_file(id, "customers of one plan", &[])
            .replace(&format!("collections = [\"{id}\"]"), "collections = [\"policy\"]");
        let filter = format!("[[filter]]\nfield = \"plan\"\nvalues = [\"{plan}\"]\n");
        fs::write(dir.join(format!("{id}.toml")), of_policy + &filter).unwrap();
    }
    Catalog::load(dir).unwrap()
}

#[tokio::test]
async fn an_agent_answers_from_and_is_known_by_what_its_filter_admits() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::default());
    let put = vec![
        document(
            "roof.md",
            "Business",
            "A helicopter may land on the roof between eight and ten if the pilot has told the tower the day before.",
        ),
        document(
            "bicycles.md",
            "Team",
            "Bicycles are kept in the cellar, and a bicycle that stands in the corridor is carried down by the porter.",
        ),
    ];
    let changes = DocumentChanges {
        put,
        ..DocumentChanges::default()
    };
    store.change(changes).await.unwrap();
    let index = dir.path().join("index");
    let knowledge = Knowledge::open(&index, store, embedder()).await.unwrap();
    let definitions = dir.path().join("agents");
    fs::create_dir(&definitions).unwrap();
    let catalog = Arc::new(agents_by_plan(&definitions));

    let router = Router::new(&catalog, embedder());
    router.learn(&knowledge.evidence());
    let helicopter = "When may our helicopter land on the roof?";
    assert_eq!(router.route(helicopter).agent.as_str(), "firms");
    assert_eq!(router.route("Where is my bicycle kept?").agent.as_str(), "teams");

    let crew = crew(knowledge, catalog);
    for (agent, source) in [("firms", "roof.md"), ("teams", "bicycles.md")] {
        let responder = &crew[&AgentId::parse(agent).unwrap()];
        let (_, steps) = run(responder, &request(helicopter)).await;
        let found = steps.iter().find_map(|step| match step {
            Step::Log {
                data: LogData::VectorSearch(found),
                ..
            } => Some(&found.chunks),
            Step::Log { .. } | Step::Delta(_) | Step::Reset { .. } | Step::ToolCall { .. } => None,
        });
        let sources: Vec<&str> = found.unwrap().iter().map(|chunk| chunk.source.as_str()).collect();
        assert_eq!(sources, [source], "{agent}");
    }
}
