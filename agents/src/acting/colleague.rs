//! Another agent as a tool: it is asked a question in the same turn, works by its own strategy and documents, and what it answers is the
//! result of the call.
//!
//! What it does shows under its name; what it says is told to the agent that asks, and to nobody else. The ids of the chunks that it finds
//! go on from those of the turn, and the sources that it cites are numbered on behind those of the agent that asks, by which that can cite
//! them. It answers nothing but the question: it is offered no tool that waits for a person, and gives the turn to nobody. Where a budget asks a
//! person, the whole turn waits, as it does for the agent that asks: it is asked again then, and goes on from its own calls on record.

use std::{sync::Arc, time::Duration};

use orchestratai_shared::{AgentId, LogData, MessageContent};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::sources::Source;
use crate::{
    definition::AgentDefinition,
    joint::Ranks,
    language::ToolOffer,
    tool::ToolError,
    turn::{
        AgentError, Answer, ApprovalWanted, Asker, FromClient, Part, Pause, Responder, Step, Steps, TurnRequest,
        UsageMeter,
    },
};

/// What the names of these tools begin with.
pub(crate) const ASK: &str = "ask_";
/// Who is asked by so many, one behind the other, asks nobody: the turn's own agent asks one, and this one more.
const CHAIN_MAX: usize = 2;
/// Steps that may wait to be passed on.
const STEPS_WAITING_MAX: usize = 16;
/// An answer below this confidence says itself that there is none.
const ANSWERS: f64 = 0.5;

/// An agent that may be asked.
pub struct Colleague {
    id: AgentId,
    limit: Duration,
    offer: ToolOffer,
    responder: Box<dyn Fn() -> Arc<dyn Responder> + Send + Sync>,
}

/// What a colleague has answered: the result of the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answered {
    agent: AgentId,
    /// With its `[n]` as the agent that asks has them.
    answer: String,
    confidence: f64,
    /// What it cites.
    pub(super) sources: Vec<Source>,
}

/// Why a colleague has not answered.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// It will not, or cannot.
    Failed(ToolError),
    /// A person has to decide on this first; nothing has failed.
    Waits(Vec<ApprovalWanted>),
}

impl From<ToolError> for Unanswered {
    fn from(error: ToolError) -> Self {
        Self::Failed(error)
    }
}

impl Colleague {
    /// An agent that answers by what `responder` makes.
    pub fn new(agent: &AgentDefinition, responder: impl Fn() -> Arc<dyn Responder> + Send + Sync + 'static) -> Self {
        let offer = ToolOffer {
            name: format!("{ASK}{}", agent.id),
            description: format!(
                "Asks {}, another agent, who answers from documents of their own: {}. They do not see this conversation. What they \
                 answer bears numbers of sources, to be cited like the others.",
                agent.name, agent.purpose
            ),
            parameters: json!({
                "type": "object",
                "properties": {
                    "question": {"type": "string", "description": "The question, complete in itself."},
                },
                "required": ["question"],
                "additionalProperties": false,
            }),
        };
        Self {
            id: agent.id.clone(),
            limit: agent.limits.timeout,
            offer,
            responder: Box::new(responder),
        }
    }

    /// Whom of `agents` may be asked in the turn of `request` by an agent: nobody who is asked already further up, and nobody where too
    /// many are.
    pub fn may_be_asked<'a>(
        agents: &'a [AgentId],
        asking: &'a AgentId,
        request: &'a TurnRequest,
    ) -> impl Iterator<Item = &'a AgentId> {
        let asker = request.part.as_ref().and_then(|part| part.asker.as_ref());
        let chain = asker.map_or(&[][..], |asker| asker.chain.as_slice());
        let has_room = chain.len() < CHAIN_MAX;
        agents
            .iter()
            .filter(move |id| has_room && *id != asking && !chain.contains(id))
    }

    pub(super) fn offer(&self) -> &ToolOffer {
        &self.offer
    }

    pub(super) fn check(arguments: &Value) -> Result<(), ToolError> {
        question(arguments).map(|_| ())
    }

    /// Asks. What the other does leaves while it does it.
    pub(super) async fn ask(&self, asking: &Asking<'_>) -> Result<Answered, Unanswered> {
        let request = TurnRequest {
            message: question(asking.arguments)?,
            history: Vec::new(),
            // They are for who answers the user.
            client: FromClient::default(),
            part: Some(Part {
                standalone: None,
                asker: Some(asking.as_asker()),
            }),
            ..asking.request.clone()
        };
        let (sender, mut receiver) = mpsc::channel(STEPS_WAITING_MAX);
        let steps = Steps::new(sender);
        let responder = (self.responder)();
        let answer = async {
            let answer = responder.answer(&request, &steps, asking.meter).await;
            drop(steps);
            answer
        };
        let mut heard = Heard::default();
        let hear = async {
            while let Some(step) = receiver.recv().await {
                if let Some(step) = heard.take(step, &self.id, &asking.numbers) {
                    // Where nobody takes them any more, the whole is dropped.
                    let _ = asking.passed_on.send(step).await;
                }
            }
        };
        let both = async { tokio::join!(answer, hear).0 };
        match tokio::time::timeout(self.limit, both).await {
            Err(_elapsed) => Err(ToolError::TimedOut(self.limit).into()),
            Ok(Err(AgentError::Paused(Pause::Approval(wanted)))) if request.can_wait() => {
                Err(Unanswered::Waits(wanted))
            }
            Ok(Err(error)) => {
                tracing::warn!(agent.id = %self.id, error = %error, "an agent that was asked has failed");
                Err(ToolError::Failed(error.failure().message).into())
            }
            Ok(Ok(answer)) => Ok(heard.answered(self.id.clone(), &answer)),
        }
    }
}

/// What a colleague is asked with.
pub(super) struct Asking<'a> {
    pub(super) agent: &'a AgentId,
    pub(super) call_id: &'a str,
    pub(super) arguments: &'a Value,
    pub(super) request: &'a TurnRequest,
    pub(super) meter: &'a UsageMeter,
    pub(super) passed_on: &'a mpsc::Sender<Step>,
    /// Gives out so many numbers, and says behind which they are.
    pub(super) numbers: Box<dyn Fn(u32) -> u32 + Send + Sync + 'a>,
}

impl Asking<'_> {
    fn as_asker(&self) -> Asker {
        let above = self.request.part.as_ref().and_then(|part| part.asker.as_ref());
        let mut chain = above.map_or_else(Vec::new, |asker| asker.chain.clone());
        chain.push(self.agent.clone());
        Asker {
            call_id: self.call_id.to_owned(),
            chain,
            can_wait: self.request.can_wait(),
        }
    }
}

fn question(arguments: &Value) -> Result<MessageContent, ToolError> {
    let text = arguments.get("question").and_then(Value::as_str).unwrap_or_default();
    MessageContent::parse(text)
        .map_err(|_invalid| ToolError::Arguments("`question` must be a text of 1 to 2000 characters".into()))
}

/// What was heard of a colleague so far.
#[derive(Default)]
struct Heard {
    text: String,
    ranks: Ranks,
    /// How near each chunk is that it has found, and what stands above it, by its id in the turn.
    chunks: Vec<(u32, f64, String)>,
}

impl Heard {
    /// Takes in a step. Gives what is to be passed on of it.
    fn take(&mut self, step: Step, by: &AgentId, numbers: &(impl Fn(u32) -> u32 + ?Sized)) -> Option<Step> {
        match step {
            Step::Delta(text) => self.text.push_str(&text),
            Step::Reset { .. } => self.text.clear(),
            Step::ToolCall { .. } => return Some(step),
            Step::Log {
                agent,
                title,
                status,
                mut data,
            } => {
                self.place(&mut data, numbers);
                let agent = agent.or_else(|| Some(by.clone()));
                return Some(Step::Log {
                    agent,
                    title,
                    status,
                    data,
                });
            }
        }
        None
    }

    /// Makes ids of chunks those of the agent that asks.
    fn place(&mut self, data: &mut LogData, numbers: &(impl Fn(u32) -> u32 + ?Sized)) {
        match data {
            LogData::VectorSearch(search) => {
                let count = u32::try_from(search.chunks.len()).unwrap_or(u32::MAX);
                // A number is one more than its chunk's id.
                let mut next = numbers(count);
                self.ranks.show(&mut search.chunks, &mut next);
                let kept = search
                    .chunks
                    .iter()
                    .map(|chunk| (chunk.id, chunk.similarity, String::new()));
                self.chunks.extend(kept);
            }
            LogData::Documents(read) => {
                for document in &mut read.documents {
                    document.chunk_id = self.ranks.in_turn(document.chunk_id);
                    let known = self.chunks.iter_mut().rfind(|(id, ..)| *id == document.chunk_id);
                    if let Some((_, _, heading)) = known {
                        *heading = document.heading_path.join(" › ");
                    }
                }
            }
            LogData::Routing(_) | LogData::Cache(_) => {}
        }
    }

    fn answered(self, agent: AgentId, answer: &Answer) -> Answered {
        let mut sources: Vec<Source> = Vec::new();
        let mut numbers = Vec::new();
        for cited in &answer.citations {
            let id = self.ranks.in_turn(cited.chunk_id);
            let number = id.saturating_add(1);
            numbers.push((cited.index, number));
            if sources.iter().any(|known| known.number == number) {
                continue;
            }
            let known = self.chunks.iter().rfind(|(known, ..)| *known == id);
            let (similarity, heading) = known.map_or((0.0, ""), |(_, near, heading)| (*near, heading.as_str()));
            sources.push(Source::named(number, &cited.source, heading, similarity));
        }
        Answered {
            agent,
            answer: renumbered(self.text.trim(), &numbers),
            confidence: answer.confidence.get(),
            sources,
        }
    }
}

impl Answered {
    /// What a call on record was answered; none where its result is no such answer.
    pub(super) fn on_record(result: Option<&Value>) -> Option<Self> {
        result.and_then(|result| Self::deserialize(result).ok())
    }

    /// Whether it is an answer that another can stand on.
    pub(super) fn is_answer(&self) -> bool {
        self.confidence >= ANSWERS
    }

    /// What the model is told.
    pub(super) fn told(&self) -> String {
        let mut text = match self.is_answer() {
            true => format!("The agent {} answers:\n{}", self.agent, self.answer),
            false => format!("The agent {} has no sure answer:\n{}", self.agent, self.answer),
        };
        if !self.sources.is_empty() {
            text.push_str("\n\nIts sources, to be cited by these numbers:");
        }
        for source in &self.sources {
            text.push_str(&format!(
                "\n[{}] {} ({})",
                source.number, source.heading, source.document
            ));
        }
        text
    }
}

/// A text with other numbers in its marks. A bracket that is none of these stays as it is.
fn renumbered(text: &str, numbers: &[(u32, u32)]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mark = from[1..].split_once(']').and_then(|(inside, _)| {
            let index: u32 = inside.parse().ok()?;
            let (_, number) = numbers.iter().find(|(known, _)| *known == index)?;
            Some((inside.len() + 2, *number))
        });
        match mark {
            Some((length, number)) => {
                out.push_str(&format!("[{number}]"));
                rest = &from[length..];
            }
            None => {
                out.push('[');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_bear_the_numbers_of_whoever_asks() {
        let numbers = [(1, 6), (2, 9)];
        assert_eq!(
            renumbered("So [1][2], not [3], [x] or [ [2", &numbers),
            "So [6][9], not [3], [x] or [ [2"
        );
        assert_eq!(renumbered("", &numbers), "");
    }

    #[test]
    fn what_was_answered_is_told_from_the_record_as_it_was() {
        let answered = Answered {
            agent: AgentId::parse("billing").unwrap(),
            answer: "12 dollars [6].".into(),
            confidence: 0.8,
            sources: vec![Source::named(6, "plans.md", "Plans › Team", 0.7)],
        };
        let kept = serde_json::to_value(&answered).unwrap();
        assert_eq!(Answered::on_record(Some(&kept)), Some(answered.clone()));
        assert_eq!(
            answered.told(),
            "The agent billing answers:\n12 dollars [6].\n\nIts sources, to be cited by these numbers:\n[6] Plans › Team (plans.md)"
        );
        assert!(
            !Answered {
                confidence: 0.3,
                ..answered
            }
            .is_answer()
        );
        assert_eq!(Answered::on_record(Some(&json!("12 dollars"))), None);
    }

    #[test]
    fn a_question_is_what_a_user_might_ask() {
        assert!(Colleague::check(&json!({"question": "How much is it?"})).is_ok());
        for arguments in [
            json!({}),
            json!({"question": " "}),
            json!({"question": "x".repeat(2_001)}),
            json!(7),
        ] {
            assert!(Colleague::check(&arguments).is_err(), "{arguments}");
        }
    }
}
