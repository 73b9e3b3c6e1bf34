//! Sentences with what a reader says of them (`evaluation/sets/grounding`), over passages of the demo knowledge base: what the measure is fitted
//! on, and what it does on passages that it has not seen.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

use super::{Given, GivenBy, Judged, Source, measure, statements, stems};
use crate::testing::embedder;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The section of a document of the demo below this heading.
fn section(source: &str, heading: &str) -> Given {
    let text = fs::read_to_string(root().join("config/demo").join(source)).unwrap();
    let title = text.lines().find_map(|line| line.strip_prefix("title: ")).unwrap();
    let (_, from) = text.split_once(&format!("## {heading}\n")).unwrap();
    Given {
        by: GivenBy::Source(1),
        headings: format!("{title}\n{heading}"),
        text: from.split("\n## ").next().unwrap().trim().to_owned(),
    }
}

/// How many of a kind of sentences are taken for supported, and of how many.
#[derive(Debug, Default, PartialEq, Clone, Copy)]
struct Count(usize, usize);

#[derive(Debug, Default)]
struct Counts {
    supported: Count,
    partly: Count,
    /// With a figure or a name that the source has not.
    figure: Count,
    /// Said the other way round.
    contrary: Count,
    made_up: Count,
}

fn counts(part: &str) -> Counts {
    let set = fs::read_to_string(root().join("evaluation/sets/grounding/sentences.jsonl")).unwrap();
    let mut counts = Counts::default();
    for line in set.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["part"] != part {
            continue;
        }
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        let given = section(text("source"), text("heading"));
        let answer = format!("{} [1]", text("sentence"));
        let grounding = measure(&answer, "How does it work?", &[given], embedder()).expect("it is a statement");
        let count = match (text("label"), text("kind")) {
            ("supported", _) => &mut counts.supported,
            ("partly", _) => &mut counts.partly,
            (_, "figure") => &mut counts.figure,
            (_, "contrary") => &mut counts.contrary,
            (_, "made_up") => &mut counts.made_up,
            other => panic!("{other:?}"),
        };
        count.0 += usize::from(grounding.is_whole());
        count.1 += 1;
    }
    counts
}

/// What is promised in docs/guardrails.md and docs/adr/0032, with the figures that it was decided by.
#[test]
fn what_a_source_says_is_known_and_so_is_what_is_made_up() {
    for part in ["develop", "decide"] {
        let counts = counts(part);
        let share = |Count(taken, all): Count| taken as f64 / all as f64;
        assert!(counts.supported.1 == 70 && counts.made_up.1 >= 15, "{counts:?}");
        assert!(share(counts.supported) >= 0.95, "{part}: {counts:?}");
        assert!(share(counts.made_up) <= 0.1, "{part}: {counts:?}");
        assert!(share(counts.figure) <= 0.3, "{part}: {counts:?}");
        assert!(share(counts.contrary) <= 0.6, "{part}: {counts:?}");
    }
}

/// Where `GROUNDING_FIGURES` names a file, what is seen of each sentence is written there, for `evaluation/fit_grounding.py`.
#[test]
fn figures_are_written_for_fitting_where_somebody_asks() {
    let Some(path) = std::env::var_os("GROUNDING_FIGURES") else {
        return;
    };
    let set = fs::read_to_string(root().join("evaluation/sets/grounding/sentences.jsonl")).unwrap();
    let mut lines = String::new();
    for line in set.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap();
        let source = Source::new(&section(text("source"), text("heading")), embedder());
        let statement = &statements(text("sentence"))[0];
        let judged = Judged::new(statement, &stems(""), embedder());
        let held = judged.hold_against(&source);
        let (figures, has_figures) = (judged.figures(&[&held]), judged.has_figures(&[&held]));
        line["figures"] = json!(figures);
        line["has_figures"] = json!(has_figures);
        writeln!(lines, "{line}").unwrap();
    }
    fs::write(path, lines).unwrap();
}

#[test]
fn a_sentence_is_held_against_what_it_cites_and_otherwise_against_each() {
    let rotate = section("technical/rotating-api-keys.md", "What key rotation does");
    let trial = Given {
        by: GivenBy::Source(3),
        ..section("billing/free-trial.md", "Extend a trial")
    };
    let sources = [rotate, trial];
    let check = |answer: &str, supported: usize, all: usize| {
        let grounding = measure(answer, "", &sources, embedder()).unwrap();
        assert_eq!(
            (grounding.supported(), grounding.sentences.len()),
            (supported, all),
            "{answer}"
        );
    };
    let right = "A trial can be extended once, by 7 days [3].";
    check(right, 1, 1);
    check(&right.replace("[3]", "[1]"), 0, 1);
    check(&right.replace(" [3]", ""), 1, 1);
    check(&right.replace("[3]", "[1][3]"), 1, 1);
    // A number that was not given is no source.
    check(&right.replace("[3]", "[2]"), 1, 1);
    let both = "The old key stays valid for 24 hours, and a trial can be extended by 7 days";
    check(&format!("{both} [1][3]."), 1, 1);
    check(&format!("{both} [1]."), 0, 1);
    check(&format!("{right} The old key is revoked [1]. It costs $7 [3]."), 2, 3);
}

#[test]
fn an_answer_counts_for_what_its_sentences_do() {
    let sources = [section("billing/free-trial.md", "Extend a trial")];
    let share = |answer: &str| measure(answer, "", &sources, embedder()).unwrap().share();
    let (right, wrong) = (
        "A trial can be extended once, by 7 days [1].",
        "The extension costs $9 [1].",
    );
    assert_eq!(share(right), 1.0);
    assert_eq!(share(wrong), 0.0);
    assert_eq!(share(&format!("{right} {wrong}")), 0.5);
}

#[test]
fn of_what_tools_gave_back_only_what_cites_is_measured() {
    let result = Given {
        by: GivenBy::Tool,
        headings: String::new(),
        text: "{\"order\": 4711, \"status\": \"shipped\", \"carrier\": \"DHL\"}".into(),
    };
    let sources = [section("billing/free-trial.md", "Extend a trial"), result];
    let measured = |answer: &str| measure(answer, "", &sources, embedder());
    assert_eq!(measured("Order 4711 is on its way."), None);
    let grounding =
        measured("Order 4711 was shipped with the carrier DHL [1]. A trial costs $9 [1]. It is on its way.").unwrap();
    assert_eq!(
        (grounding.supported(), grounding.sentences.len()),
        (1, 2),
        "{grounding:?}"
    );
}

#[test]
fn what_cannot_be_measured_is_not() {
    let sources = [section("technical/rotating-api-keys.md", "What key rotation does")];
    for answer in [
        "",
        "Yes.",
        "# Rotation",
        "Erstellen Sie zunächst einen zweiten Schlüssel und widerrufen danach den bisherigen Schlüssel [1].",
        "Créez une deuxième clé avec les mêmes autorisations, puis révoquez l'ancienne [1].",
    ] {
        assert_eq!(measure(answer, "", &sources, embedder()), None, "{answer}");
    }
    assert_eq!(measure("Make a second key [1].", "", &[], embedder()), None);
}

#[test]
fn a_step_says_how_many_sentences_and_which_are_not() {
    let sources = [section("billing/free-trial.md", "Extend a trial")];
    let told = |answer: &str| measure(answer, "", &sources, embedder()).unwrap().told();
    assert_eq!(
        told("A trial can be extended once, by 7 days [1]. The extension costs $5 [1]."),
        "The sources bear out 1 of 2 sentences; not: “The extension costs $5.”"
    );
    let long = format!("The extension costs $5 {}.", "and more ".repeat(40));
    let told = told(&format!("{long} {long} {long} {long} {long}"));
    assert!(
        told.contains("0 of 5") && told.ends_with("and 2 more") && told.contains('…') && told.len() < 500,
        "{told}"
    );
}
