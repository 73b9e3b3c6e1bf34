//! The figures of cases whose figures are known.

use std::time::Duration;

use orchestratai_agents::turn::Usage;
use orchestratai_evaluation::{
    Gold, Part, Question, QuestionKind, Utterance, UtteranceKind,
    answers::{Answered, Effort},
    judge::{Judgement, Judging, Verdict},
    report::{Measured, comparison},
    retrieval::{Ranked, Ranker},
    routing::{Routed, calibration_error, confusion, macro_f1, selective_accuracy},
};
use orchestratai_shared::{AgentId, Intent};

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn utterance(right: &str) -> Utterance {
    Utterance {
        id: "r".into(),
        part: Part::Develop,
        kind: UtteranceKind::Plain,
        message: "a message".into(),
        after: Vec::new(),
        agents: vec![agent(right)],
        intent: None,
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn routing_is_judged_by_agent_and_by_confidence() {
    let (billing, policy) = (utterance("billing"), utterance("policy"));
    let case = |utterance, chosen, confidence| Routed {
        candidates: Vec::new(),
        concerns: Vec::new(),
        case: None,
        utterance,
        agent: agent(chosen),
        intent: Intent::DomainQuestion,
        confidence,
    };
    // billing: 2 of 3 found, 2 of 2 chosen rightly, F1 0.8; policy: 1 of 1 found, 1 of 2 chosen rightly, F1 2/3.
    let routed = [
        case(&billing, "billing", 0.95),
        case(&billing, "billing", 0.95),
        case(&billing, "policy", 0.55),
        case(&policy, "policy", 0.75),
    ];
    assert!(close(macro_f1(&routed), (0.8 + 2.0 / 3.0) / 2.0));
    assert_eq!(confusion(&routed)[&agent("billing")][&agent("policy")], 1);
    assert!(close(selective_accuracy(&routed, 0.75), 1.0));
    assert!(close(selective_accuracy(&routed, 1.0), 0.75));
    // Two right at 0.95, one wrong at 0.55, one right at 0.75: 0.1, 0.55 and 0.25 away, of four.
    assert!(close(calibration_error(&routed), 0.9 / 4.0));
}

#[test]
fn recall_counts_what_is_needed_and_the_report_says_so() {
    let gold = |heading: &str| Gold {
        source: "billing/a.md".into(),
        heading: heading.into(),
        answer: "It is so.".into(),
    };
    let question = |any| Question {
        id: "q7".into(),
        part: Part::Develop,
        kind: QuestionKind::Multi,
        question: "What is it?".into(),
        after: Vec::new(),
        gold: vec![gold("A"), gold("B")],
        any,
    };
    let (both, one) = (question(false), question(true));
    let ranked = |question, ranks: [Option<usize>; 2]| Ranked {
        question,
        ranks: ranks.to_vec(),
        // Both passages stand in one document, found where the first of them is.
        document_ranks: vec![ranks.iter().flatten().min().copied(); 2],
        asked_transformer: false,
    };
    let half = ranked(&both, [Some(2), Some(9)]);
    assert!(close(half.recall(1), 0.0) && close(half.recall(5), 0.5) && close(half.recall(9), 1.0));
    assert!(close(ranked(&one, [None, Some(3)]).recall(3), 1.0));
    assert!(close(half.reciprocal_rank(10), 0.5) && close(half.reciprocal_rank(1), 0.0));
    assert!(close(ranked(&one, [None, None]).reciprocal_rank(10), 0.0));
    assert!(close(half.document_recall(1), 0.0) && close(half.document_recall(2), 1.0));
    assert!(close(half.document_reciprocal_rank(10), 0.5) && close(half.document_reciprocal_rank(1), 0.0));

    let measured = Measured {
        part: Part::Develop,
        rankings: vec![
            (Ranker::Bm25, vec![ranked(&both, [None, None])]),
            (Ranker::Fused, vec![half]),
        ],
        own: Vec::new(),
        own_first_stage: Vec::new(),
        answered: Vec::new(),
        outside: Vec::new(),
        routed: Vec::new(),
        looked_up: Vec::new(),
        judging: None,
    };
    let tables = measured.tables();
    assert!(
        tables.contains("| both | 0.000 [0.000, 0.000] | 0.500 [0.500, 0.500] |"),
        "{tables}"
    );
    assert!(tables.contains("| both, more than BM25 | +0.000"), "{tables}");
    assert!(tables.contains("| multi | 1 |"), "{tables}");
    assert!(measured.misses().contains("q7 at [Some(2), Some(9)]: What is it?"));
}

#[test]
fn answers_are_judged_by_what_they_hold_and_configurations_case_by_case() {
    let question = |kind| Question {
        id: "q8".into(),
        part: Part::Develop,
        kind,
        question: "What is it?".into(),
        after: Vec::new(),
        gold: Vec::new(),
        any: false,
    };
    let (plain, without) = (question(QuestionKind::Plain), question(QuestionKind::Unanswerable));
    let answered = |question, held, confidence| Answered {
        question,
        agent: agent("billing"),
        text: String::new(),
        confidence,
        held,
        unsupported: Vec::new(),
        sources: Vec::new(),
        effort: Effort::default(),
        failure: None,
        judgement: None,
    };
    let measured = |held: f64| Measured {
        part: Part::Develop,
        rankings: Vec::new(),
        own: Vec::new(),
        own_first_stage: Vec::new(),
        answered: vec![
            answered(&plain, held, 0.9),
            answered(&plain, 0.0, 0.2),
            answered(&without, 0.0, 0.1),
        ],
        outside: Vec::new(),
        routed: Vec::new(),
        looked_up: Vec::new(),
        judging: None,
    };
    let (half, whole) = (measured(0.5), measured(1.0));
    let tables = whole.tables();
    for row in [
        "| the answer holds the labelled one | 2 | 0.500 [0.000, 1.000] |",
        "| refused, though there is an answer | 2 | 0.500 [0.000, 1.000] |",
        "| refused, since there is none | 1 | 1.000 [1.000, 1.000] |",
        "| expected calibration error of what is answered | 1 | 0.100 |",
        "| 90–100 % | 1 | 0.900 | 1.000 |",
    ] {
        assert!(tables.contains(row), "no {row} in\n{tables}");
    }
    let misses = half.misses();
    assert!(
        misses.contains("q8 holds 0.5 of the answer by billing (0.90)"),
        "{misses}"
    );
    assert!(misses.contains("q8 is refused by billing (0.20)"), "{misses}");
    let table = comparison(&half, ["one", "two"], &whole);
    assert!(table.contains("| figure | cases | one | two |"), "{table}");
    assert!(
        table.contains("| answers: hold the answer | 2 | 0.250 [0.000, 0.500] | 0.500 [0.000, 1.000] | +0.250 [+0.000, +0.500] | cannot"),
        "{table}"
    );
}

#[test]
fn what_language_models_took_and_what_a_judge_says_stands_beside_the_labels() {
    let question = |kind| Question {
        id: "q9".into(),
        part: Part::Develop,
        kind,
        question: "What is it?".into(),
        after: Vec::new(),
        gold: Vec::new(),
        any: false,
    };
    let plain = question(QuestionKind::Plain);
    let answered = |verdict: Option<Verdict>, tokens: u64, failure: Option<&str>| Answered {
        question: &plain,
        agent: agent("billing"),
        text: String::new(),
        confidence: if failure.is_some() { 0.0 } else { 0.9 },
        held: 0.0,
        unsupported: Vec::new(),
        sources: Vec::new(),
        effort: Effort {
            first_piece: failure.is_none().then_some(Duration::from_millis(250)),
            whole: Duration::from_secs(2),
            usage: Usage {
                tokens,
                prompt_tokens: 0,
                cost: 0.0,
                unpriced_tokens: tokens,
            },
        },
        failure: failure.map(str::to_owned),
        judgement: verdict.map(|verdict| Judgement {
            verdict,
            grounded: verdict == Verdict::Right,
            reason: "It says so.".into(),
        }),
    };
    let mut measured = Measured {
        part: Part::Develop,
        rankings: Vec::new(),
        own: Vec::new(),
        own_first_stage: Vec::new(),
        answered: vec![
            answered(Some(Verdict::Right), 100, None),
            answered(Some(Verdict::Partly), 300, None),
            answered(None, 0, Some("the model is not available")),
        ],
        outside: Vec::new(),
        routed: Vec::new(),
        looked_up: Vec::new(),
        judging: Some(Judging {
            judged: 2,
            ..Judging::default()
        }),
    };
    let tables = measured.tables();
    for row in [
        "| first piece, seconds: p50, p95 | 0.250, 0.250 |",
        "| tokens of an answer | 200 [100, 300] |",
        "| USD in all | no price is known |",
        "| agents failed | 1 of 3 |",
        "| 1 × | the model is not available |",
        "| right, of what is judged | 2 | 0.500 [0.000, 1.000] |",
        "| it says nothing that no source says | 2 | 0.500 [0.000, 1.000] |",
    ] {
        assert!(tables.contains(row), "no {row} in\n{tables}");
    }
    let right = "| the answer is right, what is refused counts as wrong | 3 | 0.500 ";
    assert!(tables.contains(right), "no {right} in\n{tables}");
    assert!(measured.misses().contains("q9 is partly to the judge: It says so."));
    // The embedded model takes no tokens, and nothing of this is said of it.
    measured.judging = None;
    measured.answered.truncate(1);
    measured.answered[0].effort.usage = Usage::default();
    assert!(!measured.tables().contains("What the answers took"));
}
