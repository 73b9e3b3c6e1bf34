//! No message, however strange, makes routing, search, an answer or ingestion panic.

use std::sync::Arc;

use orchestratai_agents::{
    knowledge::{SourceFile, parse},
    turn::{FromClient, Responder, Steps, TurnRequest, UsageMeter},
};
use orchestratai_shared::{Intent, MessageContent, SessionId, TurnId};
use proptest::prelude::*;
use tokio::sync::mpsc;

use crate::world::{catalog, collection, crew, demo, router};

fn messages() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{1,200}",
        // Near to real questions, with marks where they hurt.
        proptest::collection::vec(
            prop_oneof![
                Just("refund".to_owned()),
                Just("How do I".to_owned()),
                Just("rotate my API key".to_owned()),
                Just("LF-4293".to_owned()),
                Just("not".to_owned()),
                "[ \\-.?!`'’\"*\\[\\]()|#>\n\t]{1,5}",
                any::<char>().prop_map(String::from),
            ],
            1..30
        )
        .prop_map(|parts| parts.join(" ")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_message_is_routed_and_answered(message in messages()) {
        let decision = router().route(&message);
        prop_assert!(decision.candidates.iter().any(|candidate| candidate.agent == decision.agent));
        let Ok(content) = MessageContent::parse(message.chars().take(2_000).collect::<String>()) else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let crew = crew(demo().await, catalog());
            for responder in crew.values() {
                answer(responder, &content).await;
            }
        });
    }

    #[test]
    fn any_file_is_read_or_reported(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in any::<String>()) {
        for (path, bytes) in ["md", "txt", "html", "pdf", "docx"].iter().flat_map(|kind| [(format!("a.{kind}"), bytes.clone()), (format!("b.{kind}"), text.clone().into_bytes())]) {
            let parsed = parse(&collection("billing"), "root", vec![SourceFile { path, bytes }]);
            prop_assert_eq!(parsed.documents.len() + parsed.problems.iter().filter(|problem| problem.skipped).count(), 1);
        }
    }
}

async fn answer(responder: &Arc<dyn Responder>, message: &MessageContent) {
    let (sender, mut receiver) = mpsc::channel(64);
    let request = TurnRequest {
        session_id: SessionId::new(),
        turn_id: TurnId::new(),
        message: message.clone(),
        fresh: false,
        intent: Intent::ComplexQuestion,
        history: vec![],
        organization: "default".into(),
        user: None,
        past: Vec::new(),
        part: None,
        client: FromClient::default(),
    };
    let (steps, meter) = (Steps::new(sender), UsageMeter::default());
    let answer = async {
        let answer = responder.answer(&request, &steps, &meter).await;
        drop(steps);
        answer
    };
    let take = async { while receiver.recv().await.is_some() {} };
    let (answer, ()) = tokio::join!(answer, take);
    answer.unwrap();
}
