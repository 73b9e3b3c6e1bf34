//! A session that a person has.

use orchestratai_agents::turn::Usage;

use super::*;

/// A core, its journal, and a clock that is set by hand.
struct Bench {
    core: SessionCore,
    now: i64,
    journal: Vec<Event>,
    /// Runs that agents have been asked for.
    runs: Vec<Run>,
    routed: Vec<Run>,
    stopped: Vec<Run>,
    waits: Vec<WaitEnd>,
    replies: Vec<Reply>,
}

impl Bench {
    fn new() -> Self {
        Self {
            core: SessionCore::new(SessionId::new(), POLICY),
            now: 1_767_225_600_000,
            journal: Vec::new(),
            runs: Vec::new(),
            routed: Vec::new(),
            stopped: Vec::new(),
            waits: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// Gives an input, and commits all that comes of it.
    fn give(&mut self, input: Input) {
        self.now += 10;
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut new_id = Uuid::now_v7;
            let now = Timestamp::from_millis(self.now);
            let effects = self.core.handle(
                input,
                &mut Context {
                    now,
                    new_id: &mut new_id,
                },
            );
            let before = self.journal.len();
            self.take(effects);
            if self.journal.len() > before {
                let through = self.journal.len() as u64;
                inputs.push(Input::Committed { through });
            }
        }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Append(entries) => self.journal.extend(entries.iter().map(|entry| (*entry.event).clone())),
                Effect::Route(request) => self.routed.push(request.run),
                Effect::RunAgent { request, .. } => self.runs.push(request.run),
                Effect::StopAgent(run) => self.stopped.push(run),
                Effect::Reply(_, reply) => self.replies.push(reply),
                Effect::WaitEnded { end, .. } => self.waits.push(end),
                Effect::Publish(_) | Effect::Tell(_) | Effect::GoesOn(_) | Effect::Waits(_) | Effect::TurnEnded(_) => {}
            }
        }
    }

    fn ask(&mut self) -> TurnId {
        self.give(Input::Submit {
            client_message_id: ClientMessageId::new(),
            said: UserMessage::new(MessageContent::parse("How much is it?").unwrap()),
            reply_to: ReplyTo(0),
        });
        let accepted = |event: &&Event| matches!(event.body, EventBody::MessageAccepted(_));
        self.journal.iter().rev().find(accepted).unwrap().turn_id.unwrap()
    }

    fn take_over(&mut self, name: &str, interrupt: bool) {
        self.give(Input::TakeOver(TakeOver {
            name: name.into(),
            reason: None,
            interrupt,
            reply_to: ReplyTo(1),
        }));
    }

    fn say_as(&mut self, client_message_id: ClientMessageId, words: &str, turn_id: Option<TurnId>) {
        self.give(Input::Say(Say {
            client_message_id,
            content: MessageContent::parse(words).unwrap(),
            turn_id,
            reply_to: ReplyTo(2),
        }));
    }

    fn say(&mut self, words: &str) -> Said {
        self.say_as(ClientMessageId::new(), words, None);
        match self.replies.last() {
            Some(Reply::Said(said)) => said.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn release(&mut self) {
        self.give(Input::Release(Release {
            name: None,
            reason: None,
            reply_to: ReplyTo(3),
        }));
    }

    /// Lets an agent begin at the turn that was routed last, and say something.
    fn agent_speaks(&mut self) -> Run {
        let run = *self.routed.last().unwrap();
        let decision = RoutingDecision {
            agent: AgentId::parse("billing").unwrap(),
            intent: Intent::PricingQuestion,
            confidence: Confidence::new(0.9),
            reasoning: "because".into(),
            candidates: vec![],
            concerns: Vec::new(),
        };
        let decision = Ok((decision, Vec::new()));
        self.give(Input::Routed { run, decision });
        let steps = vec![Step::Delta("It is".into())];
        self.give(Input::Steps { run, part: 0, steps });
        run
    }

    fn agent_finishes(&mut self, run: Run) {
        let answer = Answer {
            confidence: Confidence::new(0.8),
            citations: vec![],
            usage: Usage::default(),
            cache_status: CacheStatus::None,
            incomplete: None,
        };
        self.give(Input::Finished {
            run,
            outcome: Ok(answer),
            lost: Usage::default(),
        });
    }

    fn tick_after(&mut self, passed: Duration) {
        self.now += i64::try_from(passed.as_millis()).unwrap();
        self.give(Input::Tick {
            run_max: Duration::from_secs(120),
        });
    }

    /// As after a crash: a new core from the journal.
    fn restart(&mut self) {
        let last_seq = self.journal.len() as u64;
        let ended = |turn_id| {
            let mut of_turn = self.journal.iter().filter(|event| event.turn_id == Some(turn_id));
            of_turn.any(|event| event.body.is_terminal())
        };
        let accepted = self
            .journal
            .iter()
            .filter(|event| matches!(event.body, EventBody::MessageAccepted(_)));
        let open = accepted
            .filter_map(|event| event.turn_id)
            .filter(|turn_id| !ended(*turn_id));
        let events_of = |turn_id| {
            let of_turn = self.journal.iter().filter(|event| event.turn_id == Some(turn_id));
            of_turn.cloned().collect::<Vec<_>>()
        };
        let recovered = Recovered {
            last_seq,
            keys: Vec::new(),
            open_turns: open.map(events_of).collect(),
            person: self.core.person().cloned(),
        };
        let mut new_id = Uuid::now_v7;
        let now = Timestamp::from_millis(self.now);
        let (core, effects) = SessionCore::recover(
            self.core.id,
            POLICY,
            recovered,
            &mut Context {
                now,
                new_id: &mut new_id,
            },
        );
        self.core = core;
        self.take(effects);
        let through = self.journal.len() as u64;
        self.give(Input::Committed { through });
    }

    fn kinds_of(&self, turn_id: TurnId) -> Vec<&'static str> {
        let of_turn = self.journal.iter().filter(|event| event.turn_id == Some(turn_id));
        of_turn.map(|event| event.body.kind()).collect()
    }

    fn completed(&self, turn_id: TurnId) -> &MessageCompleted {
        let of_turn = self.journal.iter().filter(|event| event.turn_id == Some(turn_id));
        let mut completed = of_turn.filter_map(|event| {
            let EventBody::MessageCompleted(completed) = &event.body else {
                return None;
            };
            Some(completed)
        });
        completed.next_back().expect("it has an answer")
    }

    fn handoffs(&self) -> Vec<(String, String, Option<String>)> {
        let handoffs = self.journal.iter().filter_map(|event| {
            let EventBody::Handoff(handoff) = &event.body else {
                return None;
            };
            event.turn_id.is_none().then_some(handoff)
        });
        handoffs
            .map(|handoff| (handoff.from.to_string(), handoff.to.to_string(), handoff.by.clone()))
            .collect()
    }
}

#[test]
fn what_is_asked_of_a_person_waits_for_them_and_no_agent_runs() {
    let mut bench = Bench::new();
    bench.take_over("Kim", false);
    let (first, second) = (bench.ask(), bench.ask());
    assert!(bench.routed.is_empty());
    for turn in [first, second] {
        assert_eq!(
            bench.kinds_of(turn),
            ["message_accepted", "retrieval_log", "agent_status"]
        );
    }
    let head = bench.core.turn_in_progress().unwrap();
    assert_eq!(
        (head.id, head.state, head.agent),
        (first, TurnPhase::Running, Some(AgentId::person()))
    );
    // Whatever time passes, short of the person's.
    bench.tick_after(Duration::from_secs(599));
    let said = bench.say("It is 7 dollars.");
    assert_eq!(said.turn_id, first, "the oldest is answered first");
    let completed = bench.completed(first);
    assert_eq!(completed.message.agent, Some(AgentId::person()));
    assert_eq!((completed.message.confidence, completed.metrics.tokens_used), (None, 0));
    assert!(completed.citations.is_empty() && completed.metrics.latency >= 599_000.0);
    bench.say_as(ClientMessageId::new(), "And that is all.", Some(second));
    assert_eq!(bench.completed(second).message.content, "And that is all.");
    assert_eq!(bench.waits, [WaitEnd::Replied, WaitEnd::Replied]);
    assert!(bench.core.is_idle() && bench.routed.is_empty());
}

#[test]
fn what_a_person_says_unasked_is_a_turn_of_its_own() {
    let mut bench = Bench::new();
    bench.take_over("Kim", false);
    let said = bench.say("Are you still there?");
    assert_eq!(said.turn_id.0, said.message.id.0);
    assert_eq!(bench.kinds_of(said.turn_id), ["message_completed"]);
    assert!(bench.core.is_idle());
    // Under the same key it is said once, whatever waits meanwhile.
    let key = bench.completed(said.turn_id).client_message_id.unwrap();
    let waiting = bench.ask();
    let before = bench.journal.len();
    bench.say_as(key, "Are you still there?", None);
    assert!(matches!(&bench.replies.last(), Some(Reply::Repeated { key, .. }) if key.accepted_seq == said.seq));
    assert_eq!(bench.journal.len(), before);
    assert!(bench.core.is_open(waiting));
}

#[test]
fn an_answer_under_way_is_let_end_unless_it_is_to_be_interrupted() {
    let mut bench = Bench::new();
    let turn = bench.ask();
    let run = bench.agent_speaks();
    bench.take_over("Kim", false);
    assert!(bench.stopped.is_empty());
    // What the person says meanwhile is beside it.
    let said = bench.say("I look into it.");
    assert_ne!(said.turn_id, turn);
    assert_eq!(bench.core.answer_in_progress().unwrap().text, "It is");
    bench.agent_finishes(run);
    assert_eq!(bench.completed(turn).message.content, "It is");

    bench.release();
    let turn = bench.ask();
    let run = bench.agent_speaks();
    bench.take_over("Kim", true);
    assert_eq!(bench.stopped, [run]);
    bench.agent_finishes(run);
    assert!(bench.core.is_open(turn), "what the agent says late is not heard");
    let receipt = Receipt {
        upstream_closed_ms: Some(1),
        tokens_billed: 40,
    };
    bench.give(Input::Stopped { run, receipt });
    assert_eq!(bench.core.turn_in_progress().unwrap().content, "");
    bench.say("It is 7 dollars.");
    let completed = bench.completed(turn);
    assert_eq!(completed.message.content, "It is 7 dollars.");
    assert_eq!(
        completed.metrics.tokens_used, 40,
        "what the agent had used is the turn's"
    );
    let statuses: Vec<_> = (bench.journal.iter().filter(|event| event.turn_id == Some(turn)))
        .filter_map(|event| {
            let EventBody::AgentStatus(changed) = &event.body else {
                return None;
            };
            Some((changed.agent.to_string(), changed.status))
        })
        .collect();
    let last_of = |agent: &str| statuses.iter().rev().find(|(id, _)| id == agent).unwrap().1;
    assert_eq!(last_of("billing"), AgentStatus::Idle);
    assert_eq!(last_of("orchestrator"), AgentStatus::Idle);
    assert_eq!(last_of("person"), AgentStatus::Complete);
}

#[test]
fn what_waits_when_the_session_is_given_back_is_answered_by_agents_in_its_order() {
    let mut bench = Bench::new();
    bench.take_over("Kim", false);
    let (first, second) = (bench.ask(), bench.ask());
    bench.release();
    assert_eq!(bench.waits, [WaitEnd::HandedBack, WaitEnd::HandedBack]);
    assert_eq!(bench.routed.iter().map(|run| run.turn_id).collect::<Vec<_>>(), [first]);
    let run = bench.agent_speaks();
    bench.agent_finishes(run);
    assert_eq!(bench.routed.last().unwrap().turn_id, second);
    let by = Some("Kim".to_owned());
    let (agents, person) = ("orchestrator".to_owned(), "person".to_owned());
    let expected = [(agents.clone(), person.clone(), by.clone()), (person, agents, by)];
    assert_eq!(bench.handoffs(), expected);
    // Given back twice, it is given back once.
    bench.release();
    assert_eq!(bench.handoffs().len(), 2);
}

#[test]
fn nobody_takes_a_session_from_somebody_else() {
    let mut bench = Bench::new();
    bench.take_over("Kim", false);
    bench.take_over("Kim", false);
    assert!(matches!(bench.replies.last(), Some(Reply::InCharge(Some(person))) if person.name == "Kim"));
    bench.take_over("Sam", true);
    assert!(
        matches!(bench.replies.last(), Some(Reply::Refused(refusal)) if refusal.failure.code == ErrorCode::Conflict)
    );
    assert_eq!(bench.handoffs().len(), 1);
    bench.release();
    bench.say_as(ClientMessageId::new(), "Hello?", None);
    assert!(
        matches!(bench.replies.last(), Some(Reply::Refused(refusal)) if refusal.failure.code == ErrorCode::Conflict)
    );
}

#[test]
fn a_crash_changes_nothing_of_what_waits_and_counts_as_no_attempt() {
    let mut bench = Bench::new();
    bench.take_over("Kim", false);
    let turn = bench.ask();
    let before = bench.journal.len();
    for _ in 0..10 {
        bench.restart();
    }
    assert_eq!(bench.journal.len(), before);
    assert!(bench.routed.is_empty());
    // The time goes on from where it began.
    bench.tick_after(Duration::from_secs(590));
    assert!(bench.waits.is_empty());
    bench.say("It is 7 dollars.");
    assert_eq!(bench.completed(turn).message.content, "It is 7 dollars.");
}

#[test]
fn an_answer_of_agents_that_a_crash_cut_off_waits_for_the_person() {
    let mut bench = Bench::new();
    let turn = bench.ask();
    bench.agent_speaks();
    bench.take_over("Kim", false);
    bench.restart();
    assert_eq!(bench.routed.len(), 1, "no agent takes it up");
    let last_log = bench.journal.iter().rev().find_map(|event| {
        let EventBody::RetrievalLog(log) = &event.body else {
            return None;
        };
        Some(log)
    });
    assert_eq!(last_log.unwrap().status, LogStatus::Warning);
    bench.say("It is 7 dollars.");
    assert_eq!(bench.completed(turn).message.agent, Some(AgentId::person()));
}

#[test]
fn a_person_who_does_not_answer_in_time_has_the_session_no_more() {
    let mut bench = Bench::new();
    bench.take_over("Kim", false);
    bench.tick_after(Duration::from_secs(10_000));
    assert!(bench.core.person().is_some(), "nobody waits for them");
    let turn = bench.ask();
    bench.restart();
    bench.tick_after(Duration::from_secs(601));
    assert_eq!(bench.waits, [WaitEnd::Expired]);
    assert!(bench.core.person().is_none());
    assert_eq!(bench.handoffs().len(), 2);
    assert_eq!(bench.routed.last().map(|run| run.turn_id), Some(turn));
    let warned = bench.journal.iter().any(|event| {
        matches!(&event.body, EventBody::RetrievalLog(log) if log.status == LogStatus::Warning && event.turn_id == Some(turn))
    });
    assert!(warned, "the turn says why");
}

#[test]
fn a_turn_that_waits_is_cancelled_at_once() {
    let mut bench = Bench::new();
    bench.take_over("Kim", false);
    let turn = bench.ask();
    bench.give(Input::Cancel {
        turn_id: None,
        reply_to: ReplyTo(4),
    });
    assert!(matches!(bench.replies.last(), Some(Reply::Cancelled(receipt)) if receipt.kept == 0));
    assert_eq!(bench.waits, [WaitEnd::Cancelled]);
    assert!(!bench.core.is_open(turn));
    bench.say_as(ClientMessageId::new(), "Too late.", Some(turn));
    assert!(matches!(bench.replies.last(), Some(Reply::Refused(refusal)) if refusal.turn_id == Some(turn)));
}
