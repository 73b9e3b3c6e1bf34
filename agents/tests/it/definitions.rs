//! Agent files: what is wrong is said with its place and the nearest thing that is right.

use std::{fs, path::Path};

use orchestratai_agents::definition::{Catalog, Strategy};

fn embedded_file(name: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../config/agents")
            .join(name),
    )
    .unwrap()
}

/// Loads the four files with `name` replaced; gives what is wrong, without the folder.
fn problems(name: &str, text: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    for file in ["orchestrator.toml", "billing.toml", "technical.toml", "policy.toml"] {
        fs::write(dir.path().join(file), embedded_file(file)).unwrap();
    }
    fs::write(dir.path().join(name), text).unwrap();
    match Catalog::load(dir.path()) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            let prefix = format!("{}/", dir.path().display());
            errors
                .0
                .iter()
                .map(|problem| problem.to_string().replace(&prefix, ""))
                .collect()
        }
    }
}

/// An agent file without fault; the places in the expectations below are its lines.
const GOOD: &str = r#"id = "technical"
name = "Technical"
purpose = "everything technical"
color = "blue"
strategy = "pure_rag"
model = "embedded-extractive"
prompt = "Answer."
collections = ["technical"]
tools = []
fallbacks = ["orchestrator"]

[limits]
concurrency_turns = 64
queue_turns = 512
timeout_seconds = 30

[[examples]]
intent = "domain_question"
texts = ["It crashes"]
"#;

#[test]
fn the_four_agents_that_come_with_the_binary_are_those_of_the_folder() {
    let embedded = Catalog::embedded();
    let ids: Vec<&str> = embedded.agents().iter().map(|agent| agent.id.as_str()).collect();
    assert_eq!(ids, ["orchestrator", "billing", "technical", "policy"]);
    assert_eq!(embedded.orchestrator().strategy, Strategy::Direct);
    let loaded = Catalog::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/agents")).unwrap();
    for agent in embedded.agents() {
        assert_eq!(loaded.agent(&agent.id), Some(agent));
    }
    assert!(
        embedded
            .agents()
            .iter()
            .map(|agent| agent.examples.len())
            .sum::<usize>()
            > 300
    );
}

#[test]
fn every_problem_is_told_with_file_line_column_and_the_nearest_key() {
    assert_eq!(problems("technical.toml", GOOD), Vec::<String>::new());
    for (from, to, expected) in [
        (
            "color = \"blue\"",
            "colour = \"blue\"",
            vec![
                "technical.toml:1:1: the key `color` is missing",
                "technical.toml:4:1: unknown key `colour`; did you mean `color`?",
            ],
        ),
        (
            "color = \"blue\"",
            "color = \"bleu\"",
            vec!["technical.toml:4:9: `color` must be one of cyan, green, blue, purple; did you mean `blue`?"],
        ),
        (
            "id = \"technical\"",
            "id = \"Technical!\"",
            vec!["technical.toml:1:6: `id` must be a lower-case letter followed by at most 63 of a-z, 0-9, _ and -"],
        ),
        (
            "id = \"technical\"",
            "id = \"tech\"",
            vec!["technical.toml:1:6: `id` must be the file's name, `technical`"],
        ),
        (
            "id = \"technical\"",
            "id = \"person\"",
            vec!["technical.toml:1:6: `id` must be another one: it stands for people who have taken a session over"],
        ),
        (
            "name = \"Technical\"",
            "name = \"  \"",
            vec!["technical.toml:2:8: `name` must be a text that is not empty"],
        ),
        (
            "name = \"Technical\"",
            "name = 7",
            vec!["technical.toml:2:8: `name` must be a text in quotation marks"],
        ),
        (
            "strategy = \"pure_rag\"",
            "strategy = \"pure_rga\"",
            vec![
                "technical.toml:5:12: `strategy` must be one of pure_rag, pure_cag, hybrid, direct; did you mean `pure_rag`?",
            ],
        ),
        (
            "model = \"embedded-extractive\"",
            "model = \"embedded\"",
            vec!["technical.toml:6:9: `model` must be one of embedded-extractive"],
        ),
        (
            "collections = [\"technical\"]",
            "collections = []",
            vec![
                "technical.toml:8:15: `collections` must be at least one collection, since the strategy reads the knowledge base",
            ],
        ),
        (
            "fallbacks = [\"orchestrator\"]",
            "fallbacks = [\"orchestrater\", \"technical\"]",
            vec!["technical.toml:10:30: `fallbacks` must be other agents, not the agent itself"],
        ),
        (
            "fallbacks = [\"orchestrator\"]",
            "fallbacks = [\"orchestrater\"]",
            vec![
                "technical.toml:10:14: `fallbacks` names `orchestrater`, which has no file; did you mean `orchestrator`?",
            ],
        ),
        (
            "tools = []",
            "tools = []\nagents = [\"technical\", \"orchestrater\"]",
            vec!["technical.toml:10:11: `agents` must be other agents, not the agent itself"],
        ),
        (
            "tools = []",
            "tools = []\nagents = [\"orchestrater\"]",
            vec![
                "technical.toml:10:11: `agents` names `orchestrater`, which has no file; did you mean `orchestrator`?",
            ],
        ),
        (
            "concurrency_turns = 64",
            "concurrency_turns = 0",
            vec!["technical.toml:13:21: `limits.concurrency_turns` must be a whole number from 1 to 10000"],
        ),
        (
            "timeout_seconds = 30",
            "timeout = 30",
            vec![
                "technical.toml:12:1: the key `limits.timeout_seconds` is missing",
                "technical.toml:15:1: unknown key `limits.timeout`",
            ],
        ),
        (
            "intent = \"domain_question\"",
            "intent = \"domain\"\ncase = \"vague\"",
            vec![
                "technical.toml:18:10: `examples.intent` must be one of meta_question, simple_chat, pricing_question, \
             policy_question, domain_question, complex_question",
                "technical.toml:19:8: `examples.case` must be left out, since only direct answers have cases",
            ],
        ),
        ("tools = []", "tools = [", vec!["technical.toml:"]),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let found = problems("technical.toml", &GOOD.replacen(from, to, 1));
        assert_eq!(found.len().max(1), expected.len().max(1), "{to}: {found:#?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found.starts_with(expected), "{to}: {found} is not {expected}");
        }
    }
}

#[test]
fn all_problems_of_all_files_come_at_once() {
    let text = embedded_file("policy.toml")
        .replacen("color = \"purple\"", "color = \"pink\"", 1)
        .replacen("queue_turns = 512", "queue_turns = -1", 1)
        .replacen("name = \"Policy\"", "", 1);
    let found = problems("policy.toml", &text);
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn a_folder_without_an_orchestrator_or_that_cannot_be_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("billing.toml"), embedded_file("billing.toml")).unwrap();
    let errors = Catalog::load(dir.path()).unwrap_err();
    assert!(errors.to_string().contains("no `orchestrator.toml`"), "{errors}");
    assert!(
        Catalog::load(&dir.path().join("nowhere"))
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
    fs::write(dir.path().join("binary.toml"), [0xFF, 0xFE]).unwrap();
    assert!(
        Catalog::load(dir.path())
            .unwrap_err()
            .to_string()
            .contains("binary.toml: the file cannot be read")
    );
}

#[test]
fn the_orchestrator_needs_every_text_and_a_case_for_each_example() {
    let good = embedded_file("orchestrator.toml");
    let found = problems("orchestrator.toml", &good.replacen("thanks = ", "thank = ", 1));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[1].ends_with("unknown key `direct.thank`; did you mean `thanks`?"),
        "{found:#?}"
    );
    let found = problems("orchestrator.toml", &good.replacen("case = \"greeting\"", "", 1));
    assert!(found[0].contains("the key `examples.case` is missing"), "{found:#?}");
}

#[test]
fn a_new_agent_is_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["orchestrator.toml", "billing.toml"] {
        fs::write(dir.path().join(file), embedded_file(file)).unwrap();
    }
    let text = embedded_file("policy.toml").replacen("id = \"policy\"", "id = \"people-team_2\"", 1);
    fs::write(dir.path().join("people-team_2.toml"), text).unwrap();
    let catalog = Catalog::load(dir.path()).unwrap();
    let ids: Vec<&str> = catalog.agents().iter().map(|agent| agent.id.as_str()).collect();
    assert_eq!(ids, ["orchestrator", "billing", "people-team_2"]);
}
