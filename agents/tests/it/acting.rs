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
    facts::Facts,
    language::{ChatEvent, ChatMessage, ChatRequest, ChatStream, LanguageModel, StopReason, ToolCall},
    model::{Generative, ModelNames, Models},
    strategy::{Means, responders},
    tool_box::ToolBox,
    turn::{Answer, Part, Responder, Step, Steps, TurnRequest, UsageMeter},
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
pub(crate) struct Scripted {
    pub(crate) says: Mutex<Vec<Vec<ChatEvent>>>,
    pub(crate) asked: Mutex<Vec<Arc<ChatRequest>>>,
}

impl LanguageModel for Scripted {
    fn chat(&self, request: Arc<ChatRequest>) -> ChatStream {
        self.asked.lock().unwrap().push(request);
        let says = self.says.lock().unwrap().remove(0);
        Box::pin(stream::iter(says.into_iter().map(Ok)))
    }
}

pub(crate) fn says(text: &str) -> Vec<ChatEvent> {
    vec![
        ChatEvent::TextDelta(text.into()),
        ChatEvent::Stopped(StopReason::Complete),
    ]
}

pub(crate) fn calls(calls: impl IntoIterator<Item = ToolCall>) -> Vec<ChatEvent> {
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
    crew_with(knowledge, &[("technical", keys)], model)
}

/// The same with lines in the files of several agents.
fn crew_with(
    knowledge: orchestratai_agents::knowledge::Knowledge,
    keys: &[(&str, &str)],
    model: &Arc<Scripted>,
) -> HashMap<AgentId, Arc<dyn Responder>> {
    crew_keeping(knowledge, keys, model, None)
}

/// The same where what people say of themselves is kept.
pub(crate) fn crew_keeping(
    knowledge: orchestratai_agents::knowledge::Knowledge,
    keys: &[(&str, &str)],
    model: &Arc<Scripted>,
    facts: Option<Facts>,
) -> HashMap<AgentId, Arc<dyn Responder>> {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/agents")).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace("embedded-extractive", "scripted")
            .replace("\nagents = []\n", "\n");
        let own = keys.iter().find(|(agent, _)| path.file_stem().unwrap() == *agent);
        let own = text.replace("tools = []\n", own.map_or("", |(_, keys)| keys));
        fs::write(folder.path().join(path.file_name().unwrap()), own).unwrap();
    }
    let catalog = Arc::new(Catalog::load_with(folder.path(), &ModelNames::with(["scripted"])).unwrap());
    let generative = Generative::new(
        "scripted",
        Arc::clone(model) as Arc<dyn LanguageModel>,
        None,
        crate::generative::window(8_192),
        256,
        None,
    );
    let guardrails = facts.as_ref().map(|_| crate::guardrails::guardrails());
    let generative = match guardrails {
        Some(guardrails) => generative.guarded_by(guardrails),
        None => generative,
    };
    responders(&Means {
        tools: ToolBox::default(),
        facts,
        catalog,
        router: router(),
        knowledge,
        cache: Arc::new(SemanticCache::new(embedder())),
        models: Arc::new(Models::embedded(&embedder()).with(Arc::new(generative))),
        embedder: embedder(),
    })
}

pub(crate) fn scripted(says: Vec<Vec<ChatEvent>>) -> Arc<Scripted> {
    Arc::new(Scripted {
        says: Mutex::new(says),
        asked: Mutex::default(),
    })
}

/// Runs a turn of the technical agent. What it records is durable at once.
pub(crate) async fn run(crew: &HashMap<AgentId, Arc<dyn Responder>>, request: &TurnRequest) -> (Answer, Vec<Step>) {
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

pub(crate) fn recorded(steps: &[Step]) -> Vec<CallEvent> {
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

pub(crate) fn with_past(request: &TurnRequest, calls: Vec<CallEvent>) -> TurnRequest {
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
    let told = |at: usize| {
        let asked = model.asked.lock().unwrap();
        result_of(asked[at].messages.last().unwrap())
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

fn ask(id: &str, agent: &str, question: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: format!("ask_{agent}"),
        arguments: json!({"question": question}),
        signature: None,
    }
}

/// The names of what the model was offered, request by request.
fn offered(model: &Scripted) -> Vec<Vec<String>> {
    let asked = model.asked.lock().unwrap();
    let names = |request: &Arc<ChatRequest>| request.tools.iter().map(|offer| offer.name.clone()).collect();
    asked.iter().map(names).collect()
}

fn last_result(model: &Scripted) -> String {
    let asked = model.asked.lock().unwrap();
    result_of(asked.last().unwrap().messages.last().unwrap())
}

/// What a message says that is the result of a call.
fn result_of(message: &ChatMessage) -> String {
    let ChatMessage::ToolResult {
        content,
        is_error: false,
        ..
    } = message
    else {
        panic!("{message:?}")
    };
    content.clone()
}

fn text(steps: &[Step]) -> String {
    let said = steps.iter().filter_map(|step| match step {
        Step::Delta(text) => Some(text.as_str()),
        Step::Log { .. } | Step::Reset { .. } | Step::ToolCall { .. } => None,
    });
    said.collect()
}

#[tokio::test]
async fn another_agent_is_asked_in_the_same_turn_and_its_sources_are_cited() {
    let model = scripted(vec![
        calls([ask("a", "billing", "How much is the Team plan?")]),
        says("It has a price [2]."),
        says("Rotate it [1]; the plan has a price [7]."),
    ]);
    let crew = crew_of(demo().await, "agents = [\"billing\"]\n", &model);
    let asked = request(QUESTION);
    let (answer, steps) = run(&crew, &asked).await;
    assert_eq!(
        text(&steps),
        "Rotate it [1]; the plan has a price [7].",
        "what it says is told to who asks alone"
    );
    let by_billing: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Log {
                agent: Some(agent),
                data,
                ..
            } if agent.as_str() == "billing" => Some(data.clone()),
            Step::Log { .. } | Step::Delta(_) | Step::Reset { .. } | Step::ToolCall { .. } => None,
        })
        .collect();
    let kinds: Vec<_> = by_billing
        .iter()
        .map(|data| serde_json::to_value(data.kind()).unwrap())
        .collect();
    assert_eq!(kinds, [json!("cache"), json!("vector_search"), json!("documents")]);
    let shown = shown(&steps);
    assert_eq!(shown[1].iter().map(|(id, _)| *id).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
    let cited: Vec<_> = answer
        .citations
        .iter()
        .map(|cited| (cited.index, cited.chunk_id, &cited.source))
        .collect();
    assert_eq!(cited, [(1, 0, &shown[0][0].1), (7, 6, &shown[1][1].1)]);
    assert!(answer.confidence.get() >= 0.5);
    assert!(
        last_result(&model).starts_with("The agent billing answers:\nIt has a price [7]."),
        "{}",
        last_result(&model)
    );
    assert_eq!(offered(&model)[1], [""; 0], "nobody else may be asked");

    // What is on record is told again, and nobody is asked again.
    let told = last_result(&model);
    *model.says.lock().unwrap() = vec![says("So it is [7].")];
    let (again, _) = run(&crew, &with_past(&asked, recorded(&steps))).await;
    assert_eq!(
        (again.citations[0].clone(), last_result(&model)),
        (answer.citations[1].clone(), told)
    );
}

#[tokio::test]
async fn nobody_is_asked_in_a_circle_or_at_any_depth_and_each_goes_on_from_its_own_record() {
    let script = || {
        vec![
            calls([ask("a", "billing", "May we refund?")]),
            calls([ask("a", "policy", "What is the policy?")]),
            says("The policy says so [1]."),
            says("Then we may [6]."),
            says("Yes [11]."),
        ]
    };
    let everybody = [
        ("technical", "agents = [\"billing\", \"policy\"]\n"),
        ("billing", "agents = [\"technical\", \"policy\"]\n"),
        ("policy", "agents = [\"technical\", \"billing\"]\n"),
    ];
    let model = scripted(script());
    let crew = crew_with(demo().await, &everybody, &model);
    let asked = request(QUESTION);
    let (answer, steps) = run(&crew, &asked).await;
    let expected: [&[&str]; 3] = [&["ask_billing", "ask_policy"], &["ask_policy"], &[]];
    assert_eq!(offered(&model)[..3], expected);
    let cited = answer.citations[0].clone();
    // Behind the five of billing, which come behind its own.
    assert_eq!(
        (cited.index, cited.chunk_id, &cited.source),
        (11, 10, &shown(&steps)[2][0].1)
    );
    let calls = recorded(&steps);
    let places: Vec<_> = calls
        .iter()
        .map(|call| (call.tool.as_str(), call.within.as_deref(), call.status))
        .collect();
    use ToolCallStatus::{Started, Succeeded};
    assert_eq!(
        places,
        [
            ("ask_billing", None, Started),
            ("ask_policy", Some("a"), Started),
            ("ask_policy", Some("a"), Succeeded),
            ("ask_billing", None, Succeeded),
        ]
    );
    assert_ne!(
        calls[1].call_id, "a",
        "two that know nothing of each other may name their calls alike"
    );

    // Cut off in between: billing is asked again, and has not forgotten what policy said.
    let model = scripted(script().split_off(3));
    let crew = crew_with(demo().await, &everybody, &model);
    let (again, steps) = run(&crew, &with_past(&asked, calls[..3].to_vec())).await;
    assert_eq!(again.citations, std::slice::from_ref(&cited));
    assert!(
        shown(&steps).last().unwrap().contains(&(10, cited.source)),
        "what was found before is shown again"
    );
    let calls = recorded(&steps);
    assert_eq!(
        (calls.len(), calls[0].tool.as_str(), calls[0].status),
        (1, "ask_billing", Succeeded)
    );
    assert_eq!(text(&steps), "Yes [11].");
}

#[tokio::test]
async fn who_has_no_answer_carries_none_and_who_fails_is_told() {
    let model = scripted(vec![
        calls([
            ask("a", "billing", "What is the meaning of life?"),
            ask("b", "policy", " "),
        ]),
        says("[no answer] Nothing is said of that."),
        says("Billing does not know."),
    ]);
    let crew = crew_of(demo().await, "agents = [\"billing\", \"policy\"]\n", &model);
    let (answer, steps) = run(&crew, &request(QUESTION)).await;
    assert!(answer.confidence.get() < 0.5);
    let calls = recorded(&steps);
    let statuses: Vec<_> = calls.iter().map(|call| (call.call_id.as_str(), call.status)).collect();
    use ToolCallStatus::{Failed, Started, Succeeded};
    assert_eq!(statuses, [("a", Started), ("b", Failed), ("a", Succeeded)]);
    assert!(calls[1].result.as_ref().unwrap().to_string().contains("`question`"));
}

#[tokio::test]
async fn whoever_answers_a_part_shows_again_what_it_had_found_before_a_crash() {
    let model = scripted(vec![
        calls([search("a", "webhook signature verification")]),
        says("Signatures are checked [6]."),
        says("Signatures are checked [6]."),
    ]);
    let crew = crew_of(demo().await, "tools = [\"search_knowledge\"]\n", &model);
    let asked = TurnRequest {
        part: Some(Part {
            standalone: None,
            asker: None,
        }),
        ..request(QUESTION)
    };
    let (answer, steps) = run(&crew, &asked).await;
    let found: Vec<_> = shown(&steps).remove(1).into_iter().filter(|(id, _)| *id >= 5).collect();
    assert_eq!(shown(&steps).len(), 2, "once");
    let calls = recorded(&steps);
    let (again, steps) = run(&crew, &with_past(&asked, calls.clone())).await;
    assert_eq!(shown(&steps)[1], found);
    assert_eq!(again.citations, answer.citations);
    // Of a whole turn they are on record, under the same ids.
    *model.says.lock().unwrap() = vec![says("So [6].")];
    let whole = TurnRequest {
        part: None,
        ..with_past(&asked, calls)
    };
    assert_eq!(shown(&run(&crew, &whole).await.1).len(), 1);
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
