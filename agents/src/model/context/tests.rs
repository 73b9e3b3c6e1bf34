//! What fits, and what is left out where not everything does.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::language::ToolCall;

fn window(tokens: u32, history_tokens: u32) -> ContextWindow {
    ContextWindow {
        tokens,
        history_tokens,
        counter: Arc::new(TokenCounter::for_model("gpt-4o")),
    }
}

fn answer(text: &str) -> ChatMessage {
    ChatMessage::Assistant {
        text: text.into(),
        calls: Vec::new(),
    }
}

fn user(text: &str) -> ChatMessage {
    ChatMessage::User(text.into())
}

fn result(content: &str) -> ChatMessage {
    ChatMessage::ToolResult {
        call_id: "1".into(),
        tool: "order".into(),
        content: content.into(),
        is_error: false,
    }
}

fn call() -> ChatMessage {
    ChatMessage::Assistant {
        text: String::new(),
        calls: vec![ToolCall {
            id: "1".into(),
            name: "order".into(),
            arguments: json!({"number": 7}),
            signature: None,
        }],
    }
}

/// The tokens of all that was fitted, with the rules.
fn tokens(window: &ContextWindow, rules: &str, fitted: &Fitted) -> usize {
    let count = |text: &str| window.counter.count(text);
    let sources: usize = fitted.sources.iter().map(|source| count(source)).sum();
    let facts: usize = fitted.facts.iter().map(|fact| count(fact)).sum();
    count(rules) + count(&fitted.question) + facts + sources + window.count_all(&fitted.history) + 2 * AROUND_MESSAGE
}

#[tokio::test]
async fn what_fits_is_told_as_it_is() {
    let telling = Telling {
        rules: vec!["Be kind.".into()],
        history: vec![user("Hello?"), answer("Hello.")],
        sources: vec![(0, "One.".into()), (1, "Two.".into())],
        facts: vec!["I use the Team plan.".into()],
        question: "What now?".into(),
        offers: Vec::new(),
    };
    let fitted = window(8_192, 2_000).fit(telling.clone(), 1_024).await;
    assert_eq!(fitted.history, telling.history);
    assert_eq!(fitted.sources, ["One.", "Two."]);
    assert_eq!(fitted.facts, telling.facts);
    assert_eq!(fitted.question, "What now?");
    assert_eq!(fitted.left_out.verdict("fast", 8_192), None);
}

#[tokio::test]
async fn the_newest_of_what_was_said_has_room_and_begins_with_the_user() {
    let long = "Something was said. ".repeat(60);
    let telling = Telling {
        history: vec![
            user("too old"),
            answer(&long),
            user("a question"),
            answer("so"),
            user("and?"),
            answer("thus"),
        ],
        question: "What now?".into(),
        ..Telling::default()
    };
    let fitted = window(8_192, 100).fit(telling, 1_024).await;
    assert_eq!(
        fitted.history,
        [user("a question"), answer("so"), user("and?"), answer("thus")]
    );
    assert_eq!(fitted.left_out.messages, 2);
}

#[tokio::test]
async fn what_a_person_has_said_has_a_tenth_of_what_is_left_the_newest_first() {
    let fact = |number: usize| format!("Fact {number}: {}", "they prefer it so. ".repeat(5));
    let telling = Telling {
        facts: (0..40).map(fact).collect(),
        sources: vec![(0, "One.".into())],
        question: "What now?".into(),
        ..Telling::default()
    };
    let window = window(2_000, 500);
    let fitted = window.fit(telling, 500).await;
    assert_eq!(fitted.sources.len(), 1);
    let tokens: usize = fitted.facts.iter().map(|fact| window.counter.count(fact)).sum();
    assert!(
        tokens <= 150 && tokens + window.counter.count(&fact(9)) > 140,
        "{tokens}"
    );
    let newest: Vec<String> = (0..fitted.facts.len()).map(fact).collect();
    assert_eq!(fitted.facts, newest);
}

#[tokio::test]
async fn the_best_sources_have_room_and_the_others_are_named() {
    let source = "Refunds take up to fourteen days. ".repeat(20);
    let telling = Telling {
        rules: vec!["Be kind.".into()],
        sources: (0..5).map(|place| (place, source.clone())).collect(),
        question: "How long?".into(),
        ..Telling::default()
    };
    let fitted = window(1_000, 2_000).fit(telling, 500).await;
    assert_eq!(fitted.sources.len(), 3);
    assert_eq!(fitted.left_out.sources, BTreeSet::from([3, 4]));
    let verdict = fitted.left_out.verdict("fast", 1_000).unwrap();
    assert_eq!(verdict.title, "Too long for fast: 2 of 5 passages");
}

#[tokio::test]
async fn a_question_that_is_too_long_loses_its_middle() {
    let question = format!(
        "It began so. {} And how do I stop it?",
        "Then there was more. ".repeat(500)
    );
    let telling = Telling {
        question,
        ..Telling::default()
    };
    let fitted = window(600, 100).fit(telling, 200).await;
    assert!(fitted.question.starts_with("It began so."), "{}", fitted.question);
    assert!(
        fitted.question.ends_with("And how do I stop it?"),
        "{}",
        fitted.question
    );
    assert!(fitted.left_out.has_cut_question);
    assert!(window(600, 100).counter.count(&fitted.question) <= 200);
}

#[tokio::test]
async fn the_newest_results_have_room_and_each_call_keeps_one() {
    let long = "A line of an order. ".repeat(200);
    let done = vec![
        call(),
        result(&long),
        call(),
        result(&long),
        call(),
        result("the newest"),
    ];
    let told = [user("What of my order?")];
    let window = window(2_000, 100);
    let fitted = window.fit_done(&told, done, &[], 700).await;
    let contents: Vec<&str> = (fitted.iter())
        .filter_map(|message| match message {
            ChatMessage::ToolResult { content, .. } => Some(content.as_str()),
            ChatMessage::Assistant { .. } | ChatMessage::User(_) | ChatMessage::Instruction(_) => None,
        })
        .collect();
    assert_eq!(fitted.len(), 6);
    assert_eq!(contents[2], "the newest");
    assert_eq!(contents[1], long);
    assert!(
        contents[0].ends_with(CUT) && contents[0].starts_with("A line"),
        "{}",
        contents[0]
    );
    assert!(window.count_all(&told) + window.count_all(&fitted) <= 1_300);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_told_that_does_not_fit(
        said in prop::collection::vec("[a-zäöü日 \n]{0,400}", 0..12),
        facts in prop::collection::vec("[a-z0-9äöü]{0,200}", 0..8),
        sources in prop::collection::vec("[a-z0-9,.€ ]{0,1200}", 0..8),
        question in "[a-z?😀 ]{0,3000}",
        room in 200_u32..2_000,
    ) {
        let window = window(room + 100, 300);
        let rules = "Answer from the sources alone.";
        let telling = Telling {
            rules: vec![rules.into()],
            history: said.iter().enumerate().map(|(at, text)| if at % 2 == 0 { user(text) } else { answer(text) }).collect(),
            facts,
            sources: (0..).zip(sources.iter().cloned()).collect(),
            question,
            offers: Vec::new(),
        };
        let fitted = window.count_and_fit(telling, room as usize);
        prop_assert!(tokens(&window, rules, &fitted) <= room as usize);
        prop_assert_eq!(fitted.sources.len() + fitted.left_out.sources.len(), sources.len());
        let begins_with_user = fitted.history.first().is_none_or(|message| matches!(message, ChatMessage::User(_)));
        prop_assert!(begins_with_user);
    }
}
