//! Agents that act with what is built in, over the demo knowledge base, by a model that says what its script says.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use futures_util::stream;
use orchestratai_agents::{
    acting::SEARCH_KNOWLEDGE,
    cache::SemanticCache,
    definition::Catalog,
    language::{ChatEvent, ChatMessage, ChatRequest, ChatStream, LanguageModel, StopReason, ToolCall},
    model::{Generative, ModelNames, Models},
    strategy::{Means, responders},
    tool_box::ToolBox,
    turn::{Answer, Responder, Step, Steps, TurnRequest, UsageMeter},
};
use orchestratai_shared::{
    AgentId, Event, EventBody, LogData, Timestamp,
    event::{ToolCall as CallEvent, ToolCallStatus},
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    strategies::request,
    world::{demo, embedder, router},
};

const QUESTION: &str = "How do I rotate an API key without downtime?";

/// What the model says, one after the other, and what it was asked.
struct Scripted {
    says: Mutex<Vec<Vec<ChatEvent>>>,
    asked: Mutex<Vec<Arc<ChatRequest>>>,
}

impl LanguageModel for Scripted {
    fn chat(&self, request: Arc<ChatRequest>) -> ChatStream {
        self.asked.lock().unwrap().push(request);
        let says = self.says.lock().unwrap().remove(0);
        Box::pin(stream::iter(says.into_iter().map(Ok)))
    }
}

fn says(text: &str) -> Vec<ChatEvent> {
    vec![
        ChatEvent::TextDelta(text.into()),
        ChatEvent::Stopped(StopReason::Complete),
    ]
}

fn calls(calls: impl IntoIterator<Item = ToolCall>) -> Vec<ChatEvent> {
    let calls = calls.into_iter().map(ChatEvent::ToolCall);
    calls.chain([ChatEvent::Stopped(StopReason::ToolCalls)]).collect()
}

fn search(id: &str, query: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: SEARCH_KNOWLEDGE.into(),
        arguments: json!({"query": query, "limit": 3}),
        signature: None,
    }
}

/// The agents of the house, the technical one with these lines in its file, all answered by `model`.
fn crew_of(
    knowledge: orchestratai_agents::knowledge::Knowledge,
    keys: &str,
    model: &Arc<Scripted>,
) -> HashMap<AgentId, Arc<dyn Responder>> {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/agents")).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace("embedded-extractive", "scripted");
        let is_technical = path.file_stem().unwrap() == "technical";
        let own = text.replace("tools = []\n", if is_technical { keys } else { "" });
        fs::write(folder.path().join(path.file_name().unwrap()), own).unwrap();
    }
    let catalog = Arc::new(Catalog::load_with(folder.path(), &ModelNames::with(["scripted"])).unwrap());
    let generative = Generative::new("scripted", Arc::clone(model) as Arc<dyn LanguageModel>, None, 256, None);
    responders(&Means {
        tools: ToolBox::default(),
        catalog,
        router: router(),
        knowledge,
        cache: Arc::new(SemanticCache::new(embedder())),
        models: Arc::new(Models::embedded(&embedder()).with(Arc::new(generative))),
        embedder: embedder(),
    })
}

fn scripted(says: Vec<Vec<ChatEvent>>) -> Arc<Scripted> {
    Arc::new(Scripted {
        says: Mutex::new(says),
        asked: Mutex::default(),
    })
}

/// Runs a turn of the technical agent. What it records is durable at once.
async fn run(crew: &HashMap<AgentId, Arc<dyn Responder>>, request: &TurnRequest) -> (Answer, Vec<Step>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let (steps, meter) = (Steps::new(sender), UsageMeter::default());
    let technical = &crew[&AgentId::parse("technical").unwrap()];
    let answer = async {
        let answer = technical.answer(request, &steps, &meter).await;
        drop(steps);
        answer
    };
    let take = async {
        let mut taken = Vec::new();
        while let Some(step) = receiver.recv().await {
            if let Step::ToolCall { durable, .. } = &step {
                durable.tell();
            }
            taken.push(step);
        }
        taken
    };
    let (answer, taken) = tokio::join!(answer, take);
    (answer.unwrap(), taken)
}

fn recorded(steps: &[Step]) -> Vec<CallEvent> {
    let calls = steps.iter().filter_map(|step| match step {
        Step::ToolCall { call, .. } => Some((**call).clone()),
        Step::Log { .. } | Step::Delta(_) | Step::Reset { .. } => None,
    });
    calls.collect()
}

/// The ids and sources of what each search has shown.
fn shown(steps: &[Step]) -> Vec<Vec<(u32, String)>> {
    let searches = steps.iter().filter_map(|step| match step {
        Step::Log {
            data: LogData::VectorSearch(search),
            ..
        } => Some(
            search
                .chunks
                .iter()
                .map(|chunk| (chunk.id, chunk.source.clone()))
                .collect(),
        ),
        Step::Log { .. } | Step::Delta(_) | Step::Reset { .. } | Step::ToolCall { .. } => None,
    });
    searches.collect()
}

fn with_past(request: &TurnRequest, calls: Vec<CallEvent>) -> TurnRequest {
    let event = |(seq, call): (u64, CallEvent)| {
        Arc::new(Event {
            seq,
            session_id: request.session_id,
            turn_id: Some(request.turn_id),
            at: Timestamp::now(),
            body: EventBody::ToolCall(call),
        })
    };
    TurnRequest {
        past: (2..).zip(calls).map(event).collect(),
        ..request.clone()
    }
}

#[tokio::test]
async fn an_agent_searches_by_itself_and_cites_what_it_found() {
    let model = scripted(vec![
        calls([search("a", "webhook signature verification")]),
        says("Keys rotate [1]. Signatures are checked [6], not [9] or [5,99]."),
    ]);
    let crew = crew_of(demo().await, "tools = [\"search_knowledge\"]\n", &model);
    let asked = request(QUESTION);
    let (answer, steps) = run(&crew, &asked).await;

    let shown = shown(&steps);
    let [given, found] = shown.as_slice() else {
        panic!("two searches: {steps:?}")
    };
    assert_eq!(given.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let new: Vec<_> = found.iter().filter(|(id, _)| *id >= 5).cloned().collect();
    assert_eq!(new.first().map(|(id, _)| *id), Some(5), "{found:?}");
    let cited: Vec<_> = answer
        .citations
        .iter()
        .map(|cited| (cited.index, cited.chunk_id, &cited.source))
        .collect();
    assert_eq!(cited, [(1, 0, &given[0].1), (6, 5, &new[0].1)]);
    assert!(answer.confidence.get() >= 0.5);

    let calls = recorded(&steps);
    let statuses: Vec<_> = calls.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [ToolCallStatus::Started, ToolCallStatus::Succeeded]);
    let told = |at: usize| match model.asked.lock().unwrap()[at].messages.last().unwrap() {
        ChatMessage::ToolResult {
            content,
            is_error: false,
            ..
        } => content.clone(),
        other => panic!("{other:?}"),
    };
    assert!(told(1).contains("<source number=\"6\" document="), "{}", told(1));

    // A turn that goes on: nothing is searched for again but the question, and the numbers are those on record.
    *model.says.lock().unwrap() = vec![says("So it is [6].")];
    let (again, steps) = run(&crew, &with_past(&asked, calls)).await;
    assert!(recorded(&steps).is_empty());
    assert_eq!(again.citations, [answer.citations[1].clone()]);
    assert_eq!(told(2), told(1), "as it was told before");
    assert!(again.confidence.get() >= 0.5);
}

#[tokio::test]
async fn what_was_found_stands_on_nothing_by_itself_and_wrong_arguments_are_told() {
    let wrong = ToolCall {
        arguments: json!({"query": ""}),
        ..search("a", "")
    };
    let model = scripted(vec![
        calls([wrong]),
        calls([search("b", QUESTION)]),
        says("I think so."),
    ]);
    let crew = crew_of(demo().await, "tools = [\"search_knowledge\"]\n", &model);
    let (answer, steps) = run(&crew, &request(QUESTION)).await;
    assert!(answer.confidence.get() < 0.5, "it cites nothing");
    let calls = recorded(&steps);
    assert_eq!(calls[0].status, ToolCallStatus::Failed);
    assert!(calls[0].result.as_ref().unwrap().to_string().contains("`query`"));
    // What the agent has is not given to it twice.
    let again = calls.last().unwrap().result.as_ref().unwrap();
    assert_eq!(
        (again["sources"].as_array().unwrap().len(), &again["again"]),
        (0, &json!([1, 2, 3]))
    );
    assert_eq!(
        shown(&steps)[1].iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [0, 1, 2]
    );
}

#[tokio::test]
async fn what_is_built_in_is_had_by_its_name_alone() {
    for (keys, has) in [("tools = [\"*\"]\n", false), ("tools = [\"search_knowledge\"]\n", true)] {
        let model = scripted(vec![says("So [1].")]);
        let crew = crew_of(demo().await, keys, &model);
        run(&crew, &request(QUESTION)).await;
        let offers = &model.asked.lock().unwrap()[0].tools;
        assert_eq!(offers.iter().any(|offer| offer.name == SEARCH_KNOWLEDGE), has, "{keys}");
    }
}
