use orchestratai_shared::{
    AgentId, DocumentChunk, DocumentRead, DocumentsRead, ErrorCode, Intent, LogStatus, SessionId, TurnId, VectorSearch,
};
use proptest::prelude::*;

use super::*;

fn concern(agent: &str, text: &str) -> Concern {
    Concern {
        agent: AgentId::parse(agent).unwrap(),
        text: text.into(),
        intent: Intent::DomainQuestion,
        confidence: Confidence::new(0.9),
        left_out: Vec::new(),
    }
}

fn concerns() -> [Concern; 3] {
    [
        concern("billing", "my invoice is wrong"),
        concern("technical", "the webhook returns 401"),
        concern("policy", "where are my data"),
    ]
}

fn two() -> JointAnswer {
    JointAnswer::new(&concerns()[..2])
}

fn log(data: LogData) -> Step {
    Step::Log {
        agent: None,
        title: "a step".into(),
        status: LogStatus::Success,
        data,
    }
}

fn found(count: u32) -> Step {
    let chunk = |id| DocumentChunk {
        id,
        content: "text".into(),
        similarity: 0.5,
        source: "a.md".into(),
        metadata: None,
    };
    log(LogData::VectorSearch(VectorSearch {
        collection: "c".into(),
        chunks_retrieved: count,
        chunks: (0..count).map(chunk).collect(),
        latency: 1.0,
    }))
}

fn read(chunks: &[u32]) -> Step {
    let document = |chunk: &u32| DocumentRead {
        chunk_id: *chunk,
        source: "a.md".into(),
        heading_path: vec![],
        similarity: 0.5,
        reason: "because".into(),
    };
    log(LogData::Documents(DocumentsRead {
        documents: chunks.iter().map(document).collect(),
        revision: 1,
    }))
}

fn said(text: &str) -> Step {
    Step::Delta(text.into())
}

fn answer(confidence: f64, cited: &[u32]) -> Answer {
    let citation = |(chunk, index): (&u32, u32)| Citation {
        index,
        chunk_id: *chunk,
        source: "a.md".into(),
    };
    Answer {
        confidence: Confidence::new(confidence),
        citations: cited.iter().zip(1..).map(citation).collect(),
        usage: Usage {
            tokens: 5,
            prompt_tokens: 3,
            cost: 0.25,
            unpriced_tokens: 1,
        },
        cache_status: CacheStatus::None,
        incomplete: None,
    }
}

fn failure() -> Failure {
    Failure::new(ErrorCode::Timeout, "The agent took too long.")
}

/// What a client has of the answer after these steps.
fn text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Delta(delta) => text += delta,
            Step::Reset { .. } => text.clear(),
            Step::ToolCall { durable, .. } => durable.tell(),
            Step::Log { .. } => {}
        }
    }
    text
}

#[test]
fn the_first_part_is_told_as_it_comes_and_the_second_when_it_is_its_turn() {
    let mut joint = two();
    assert_eq!(joint.take(1, vec![read(&[0]), said("Check the ")]).len(), 1);
    assert_eq!(
        joint.take(0, vec![said("You can ")]),
        [said("**My invoice is wrong**\n\nYou can ")]
    );
    assert_eq!(joint.take(0, vec![said("dispute it.")]), [said("dispute it.")]);
    assert_eq!(joint.outcome(), None);
    assert_eq!(
        joint.end(0, Ok(answer(0.9, &[]))),
        [said("\n\n**The webhook returns 401**\n\nCheck the ")]
    );
    assert_eq!(joint.take(1, vec![said("secret.")]), [said("secret.")]);
    assert!(joint.end(1, Ok(answer(0.7, &[]))).is_empty());
    let whole = joint.outcome().unwrap().unwrap();
    let usage = Usage {
        tokens: 10,
        prompt_tokens: 6,
        cost: 0.5,
        unpriced_tokens: 2,
    };
    assert_eq!(whole.usage, usage);
    // As sure as its weakest part.
    assert_eq!(whole.confidence.get(), 0.7);
}

#[test]
fn citations_and_chunks_are_unique_in_the_turn() {
    let mut joint = two();
    let mut steps = joint.take(1, vec![found(3), read(&[2, 0]), said("A [1], b [2].")]);
    steps.extend(joint.take(0, vec![found(2), read(&[1]), said("C [1].")]));
    steps.extend(joint.end(1, Ok(answer(0.9, &[2, 0]))));
    steps.extend(joint.end(0, Ok(answer(0.9, &[1]))));
    assert!(
        text(&steps).contains("C [1].") && text(&steps).contains("A [2], b [3]."),
        "{steps:?}"
    );
    let (mut shown, mut documents) = (Vec::new(), Vec::new());
    for step in &steps {
        match step {
            Step::Log {
                data: LogData::VectorSearch(search),
                ..
            } => shown.extend(search.chunks.iter().map(|chunk| chunk.id)),
            Step::Log {
                data: LogData::Documents(read),
                ..
            } => {
                documents.extend(read.documents.iter().map(|document| document.chunk_id));
            }
            Step::Log { .. } | Step::Delta(_) | Step::Reset { .. } | Step::ToolCall { .. } => {}
        }
    }
    // The second part's agent was the first to find something.
    assert_eq!((shown, documents), (vec![0, 1, 2, 3, 4], vec![2, 0, 4]));
    let citations = joint.outcome().unwrap().unwrap().citations;
    let named: Vec<_> = citations
        .iter()
        .map(|citation| (citation.index, citation.chunk_id))
        .collect();
    assert_eq!(named, [(1, 4), (2, 2), (3, 0)]);
}

#[test]
fn what_an_agent_finds_by_itself_has_ids_of_the_turn_as_well() {
    let mut joint = two();
    let further = |ids: &[u32]| {
        let Step::Log {
            title, status, data, ..
        } = found(u32::try_from(ids.len()).unwrap())
        else {
            unreachable!("it is a step")
        };
        let LogData::VectorSearch(mut search) = data else {
            unreachable!("of a search")
        };
        for (chunk, id) in search.chunks.iter_mut().zip(ids) {
            chunk.id = *id;
        }
        let data = LogData::VectorSearch(search);
        Step::Log {
            agent: None,
            title,
            status,
            data,
        }
    };
    let mut steps = joint.take(1, vec![found(5), read(&[0, 1, 2, 3, 4])]);
    steps.extend(joint.take(0, vec![found(2), read(&[0, 1]), said("First [1].")]));
    // One that it has had, and two that are new.
    steps.extend(joint.take(1, vec![further(&[4, 5, 6]), read(&[5, 6]), said("Second [7], [5].")]));
    steps.extend(joint.end(0, Ok(answer(0.9, &[1]))));
    steps.extend(
        joint.end(
            1,
            Ok(Answer {
                citations: [5, 7]
                    .map(|index| Citation {
                        index,
                        chunk_id: index - 1,
                        source: "a.md".into(),
                    })
                    .to_vec(),
                ..answer(0.9, &[])
            }),
        ),
    );
    let told = text(&steps);
    assert!(
        told.contains("First [1].") && told.contains("Second [8], [6]."),
        "{told}"
    );
    let citations = joint.outcome().unwrap().unwrap().citations;
    let named: Vec<_> = citations
        .iter()
        .map(|citation| (citation.index, citation.chunk_id))
        .collect();
    // Five of the second part, two of the first, then three of the second.
    assert_eq!(named, [(1, 6), (6, 7), (8, 9)]);
}

#[test]
fn a_failed_part_gives_a_sentence_and_the_others_stand() {
    let mut joint = two();
    assert!(joint.end(0, Err(failure())).is_empty(), "nobody has an answer yet");
    let steps = joint.take(1, vec![said("Check it.")]);
    assert_eq!(
        text(&steps),
        "**My invoice is wrong**\n\nI could not answer this part. The agent took too long. Please ask it again in a moment.\n\n\
         **The webhook returns 401**\n\nCheck it."
    );
    assert!(joint.end(1, Ok(answer(0.9, &[]))).is_empty());
    assert_eq!(joint.outcome().unwrap().unwrap().confidence.get(), 0.0);
    assert!(joint.failure(0).is_some() && joint.failure(1).is_none());
}

#[test]
fn a_part_that_fails_in_the_middle_is_withdrawn_and_what_stands_is_said_again() {
    let mut joint = two();
    let mut steps = joint.take(0, vec![said("You can.")]);
    steps.extend(joint.end(0, Ok(answer(0.9, &[]))));
    steps.extend(joint.take(1, vec![said("Check the")]));
    let last = joint.end(1, Err(failure()));
    assert!(matches!(last[0], Step::Reset { .. }) && last[1] == said("**My invoice is wrong**\n\nYou can."));
    steps.extend(last);
    assert!(text(&steps).ends_with("**The webhook returns 401**\n\nI could not answer this part. The agent took too long. Please ask it again in a moment."));
    assert!(!text(&steps).contains("Check"));
}

#[test]
fn a_part_that_begins_anew_leaves_the_others_as_they_are() {
    let mut joint = two();
    let reset = || Step::Reset {
        reason: "stepped down".into(),
    };
    let mut steps = joint.take(0, vec![said("One"), reset(), said("Two")]);
    assert!(joint.take(1, vec![said("three"), reset(), said("four")]).is_empty());
    steps.extend(joint.end(0, Ok(answer(0.9, &[]))));
    steps.extend(joint.take(1, vec![reset(), said("five")]));
    steps.extend(joint.end(1, Ok(answer(0.9, &[]))));
    assert_eq!(
        text(&steps),
        "**My invoice is wrong**\n\nTwo\n\n**The webhook returns 401**\n\nfive"
    );
}

#[test]
fn where_all_parts_fail_nothing_was_said_and_the_first_failure_stands() {
    let mut joint = two();
    assert!(
        joint
            .end(1, Err(Failure::new(ErrorCode::Overloaded, "Busy.")))
            .is_empty()
    );
    // It says nothing: that is no answer either.
    assert!(joint.end(0, Ok(answer(0.9, &[]))).is_empty());
    let failed = joint.outcome().unwrap().unwrap_err();
    assert_eq!(failed.message, "The agent gave an empty answer.");
}

#[test]
fn a_refusal_is_short_and_makes_the_whole_unsure() {
    let mut joint = two();
    let refusal = "I did not find it.\n\nThe nearest topics there are:\n\n- A\n- B\n- C\n\nElse ask a person.";
    assert_eq!(
        joint.take(0, vec![found(3), read(&[]), said(refusal)]).len(),
        2,
        "it is told when it is whole"
    );
    let mut steps = joint.end(0, Ok(answer(0.2, &[])));
    steps.extend(joint.take(1, vec![said("Yes.")]));
    steps.extend(joint.end(1, Ok(answer(0.9, &[]))));
    assert_eq!(
        text(&steps),
        "**My invoice is wrong**\n\nI did not find it. The nearest topics there: A; B.\n\n**The webhook returns 401**\n\nYes."
    );
    assert_eq!(joint.outcome().unwrap().unwrap().confidence.get(), 0.2);
}

#[test]
fn what_no_specialist_takes_is_named_behind_the_parts_and_makes_the_whole_unsure() {
    let mut told = concerns()[..2].to_vec();
    told[0].left_out.push("who won the match?".into());
    let mut joint = JointAnswer::new(&told);
    let mut steps = Vec::new();
    for part in 0..2 {
        steps.extend(joint.take(part, vec![said("Yes.")]));
        steps.extend(joint.end(part, Ok(answer(0.9, &[]))));
    }
    let text = text(&steps);
    assert!(text.ends_with("**Who won the match?**\n\nI left this part out, since none of the specialists is for it. If one is, please ask it again in a message of its own."), "{text}");
    assert!(joint.outcome().unwrap().unwrap().confidence.get() < f64::EPSILON);
}

#[test]
fn what_is_beyond_three_concerns_is_named_and_not_passed_over() {
    let mut four = concerns().to_vec();
    four.push(concern("legal", "who signs the contract?"));
    let mut joint = JointAnswer::new(&four);
    let mut steps = Vec::new();
    for part in 0..3 {
        steps.extend(joint.take(part, vec![said("Yes.")]));
        steps.extend(joint.end(part, Ok(answer(0.9, &[]))));
    }
    assert!(text(&steps).ends_with("**Who signs the contract?**\n\nThis is more than I can answer at once. Please ask it again in a message of its own."));
    assert_eq!(joint.outcome().unwrap().unwrap().confidence.get(), 0.0);
}

#[test]
fn the_cache_answered_where_it_answered_every_part() {
    use CacheStatus::{Hit, Miss, None};
    for (parts, whole) in [
        ([Hit, Hit], Hit),
        ([None, None], None),
        ([Hit, None], Miss),
        ([Miss, Hit], Miss),
    ] {
        let mut joint = two();
        for (part, cache_status) in parts.into_iter().enumerate() {
            let _ = joint.take(part, vec![said("Yes.")]);
            let _ = joint.end(
                part,
                Ok(Answer {
                    cache_status,
                    ..answer(0.9, &[])
                }),
            );
        }
        assert_eq!(joint.outcome().unwrap().unwrap().cache_status, whole, "{parts:?}");
    }
}

#[test]
fn who_waits_for_its_turn_has_bounded_room() {
    let mut joint = two();
    assert!(joint.has_room(0) && joint.has_room(1));
    let _ = joint.take(1, vec![said(&"x".repeat(WAITING_BYTES_MAX))]);
    assert!(joint.has_room(0) && !joint.has_room(1));
    let _ = joint.take(0, vec![said(&"x".repeat(WAITING_BYTES_MAX))]);
    assert!(joint.has_room(0));
    let _ = joint.end(0, Ok(answer(0.9, &[])));
    assert!(joint.has_room(1));
}

#[test]
fn each_agent_is_asked_its_own_part() {
    let message = "My invoice is wrong, can I still pay it, and where are my data?";
    let whole = TurnRequest {
        session_id: SessionId::new(),
        turn_id: TurnId::new(),
        message: MessageContent::parse(message).unwrap(),
        fresh: true,
        intent: Intent::ComplexQuestion,
        history: vec![],
        organization: "default".into(),
        user: None,
        past: Vec::new(),
        part: None,
        client: crate::turn::FromClient::default(),
    };
    let asked = question(&whole, &concern("billing", "can I still pay it"));
    assert_eq!(asked.message.as_str(), "can I still pay it");
    assert_eq!((asked.intent, asked.fresh), (Intent::DomainQuestion, true));
    assert_eq!(asked.part.unwrap().standalone.unwrap().taken, ["invoice", "wrong"]);
    let asked = question(&whole, &concern("policy", "where are my data?"));
    assert_eq!(
        asked.part,
        Some(Part {
            standalone: None,
            asker: None
        })
    );
    assert_eq!(question(&whole, &concern("policy", "")).message, whole.message);
}

/// What one agent does, in its order; the end comes after it.
fn scripts() -> impl Strategy<Value = Vec<(Vec<Step>, Result<Answer, Failure>)>> {
    let step = prop_oneof![
        3 => "[a-c \n`]{1,6}".prop_map(|text| said(&text)),
        2 => (1..3u32).prop_map(|mark| said(&format!(" [{mark}]"))),
        1 => Just(Step::Reset { reason: "anew".into() }),
    ];
    let outcome = prop_oneof![3 => Just(Ok(answer(0.8, &[1, 0]))), 1 => Just(Err(failure()))];
    let script = (prop::collection::vec(step, 0..6), outcome).prop_map(|(mut steps, outcome)| {
        steps.splice(0..0, [found(2), read(&[1, 0])]);
        (steps, outcome)
    });
    prop::collection::vec(script, 2..=3)
}

/// Plays the scripts in the order that `choices` gives, as far as they reach, and then one after the other.
fn play(scripts: &[(Vec<Step>, Result<Answer, Failure>)], choices: &[usize]) -> (Vec<Step>, JointAnswer) {
    let mut joint = JointAnswer::new(&concerns()[..scripts.len()]);
    let (mut at, mut ended, mut leaving) = (vec![0; scripts.len()], vec![false; scripts.len()], Vec::new());
    let rest = (0..scripts.len()).flat_map(|part| std::iter::repeat_n(part, 16));
    for part in choices.iter().map(|choice| choice % scripts.len()).chain(rest) {
        let (steps, outcome) = &scripts[part];
        if let Some(step) = steps.get(at[part]) {
            at[part] += 1;
            leaving.extend(joint.take(part, vec![step.clone()]));
        } else if !std::mem::replace(&mut ended[part], true) {
            leaving.extend(joint.end(part, outcome.clone()));
        }
    }
    (leaving, joint)
}

proptest! {
    #[test]
    fn the_answer_is_the_same_whoever_is_quicker(scripts in scripts(), choices in prop::collection::vec(0..3usize, 0..40)) {
        let (in_turn, joint) = play(&scripts, &[]);
        let (mixed, other) = play(&scripts, &choices);
        let outcome = other.outcome().unwrap();
        prop_assert_eq!(outcome.is_ok(), joint.outcome().unwrap().is_ok());
        let Ok(whole) = outcome else { return Ok(()) };
        prop_assert_eq!(text(&in_turn), text(&mixed));
        prop_assert_eq!(&text(&mixed), &other.said);
        // Every mark of the text stands for something, and each for something else.
        let indexes: Vec<u32> = whole.citations.iter().map(|citation| citation.index).collect();
        prop_assert_eq!(&indexes, &(1..=u32::try_from(indexes.len()).unwrap()).collect::<Vec<_>>());
        let mut chunks: Vec<u32> = whole.citations.iter().map(|citation| citation.chunk_id).collect();
        chunks.sort_unstable();
        chunks.dedup();
        prop_assert_eq!(chunks.len(), indexes.len());
    }

    #[test]
    fn parts_are_never_mixed(choices in prop::collection::vec(0..3usize, 0..60)) {
        let script = |letter: &str| (vec![said(letter); 6], Ok(answer(0.8, &[])));
        let (steps, _) = play(&[script("1"), script("2"), script("3")], &choices);
        let digits: String = text(&steps).chars().filter(char::is_ascii_digit).collect();
        // The second lead has a number of its own.
        prop_assert_eq!(digits, "111111401222222333333");
    }
}
