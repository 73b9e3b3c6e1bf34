//! Random histories against a model in memory.

use std::collections::HashMap;

use orchestratai_shared::{EventBody, LogId, Message, PersonInCharge, SessionId, SessionState, SessionTitle, TurnId};
use orchestratai_store::{DEFAULT_ORGANIZATION, JournalEntry, SessionQuery, Store, Write};
use proptest::prelude::*;

use crate::{conversation::Conversation, home::Home};

/// What a random history is made of; the number picks a session.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Accept(usize),
    Log(usize),
    Complete(usize),
    /// An answer that says that there is none.
    Shrug(usize),
    Fail(usize),
    Cancel(usize, bool),
    /// A person takes it over, or gives it back.
    TakeOver(usize),
    Release(usize),
    Say(usize),
    Erase(usize),
    Commit,
    /// A title, or none.
    Name(usize, Option<u8>),
    /// A batch that must be refused, with what has gathered before it.
    Bad(usize),
    Reopen,
    /// The store ends without being closed: what it has not brought into the database is in the commit log.
    Crash,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let session = 0..3_usize;
    prop_oneof![
        6 => session.clone().prop_map(Step::Accept),
        6 => session.clone().prop_map(Step::Log),
        5 => session.clone().prop_map(Step::Complete),
        2 => session.clone().prop_map(Step::Shrug),
        1 => session.clone().prop_map(Step::Fail),
        2 => (session.clone(), any::<bool>()).prop_map(|(n, kept)| Step::Cancel(n, kept)),
        1 => session.clone().prop_map(Step::TakeOver),
        1 => session.clone().prop_map(Step::Release),
        2 => session.clone().prop_map(Step::Say),
        1 => session.clone().prop_map(Step::Erase),
        6 => Just(Step::Commit),
        1 => (session.clone(), any::<Option<u8>>()).prop_map(|(n, title)| Step::Name(n, title)),
        1 => session.prop_map(Step::Bad),
        1 => Just(Step::Reopen),
        2 => Just(Step::Crash),
    ]
}

/// What a session should look like.
#[derive(Debug, Clone, Default)]
struct Expected {
    exists: bool,
    frames: Vec<String>,
    messages: Vec<Message>,
    logs: Vec<LogId>,
    /// Accepted and ended `seq`.
    turns: Vec<(TurnId, u64, Option<u64>)>,
    tokens: u64,
    person: Option<PersonInCharge>,
    erased_through: u64,
    /// How often there was one of this id before.
    erased: u32,
    title: Option<SessionTitle>,
    unanswered: Vec<TurnId>,
}

impl Expected {
    fn take(&mut self, entry: &JournalEntry) {
        let event = &entry.event;
        self.frames.push(entry.frame.to_string());
        self.messages.extend(entry.kept.clone());
        let Some(turn_id) = event.turn_id else {
            if let EventBody::Handoff(handoff) = &event.body {
                let name = handoff.by.clone().unwrap();
                self.person = handoff
                    .to
                    .is_person()
                    .then_some(PersonInCharge { name, since: event.at });
            }
            return;
        };
        match &event.body {
            EventBody::MessageAccepted(accepted) => {
                self.messages.push(accepted.message.clone());
                self.turns.push((turn_id, event.seq, None));
            }
            EventBody::MessageCompleted(completed) => {
                self.messages.push(completed.message.clone());
                if completed.client_message_id.is_some() {
                    // Its key is found again, also where the turn has one of its own.
                    self.turns.push((turn_id, event.seq, Some(event.seq)));
                }
                self.tokens += completed.metrics.tokens_used;
                if completed.found_nothing() {
                    self.unanswered.push(turn_id);
                }
            }
            EventBody::TurnCancelled(cancelled) => self.tokens += cancelled.tokens_billed,
            EventBody::RetrievalLog(log) => self.logs.push(log.id),
            EventBody::TurnFailed(_)
            | EventBody::AgentStatus(_)
            | EventBody::Handoff(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_) => {}
        }
        if event.body.is_terminal() {
            self.turns.iter_mut().find(|turn| turn.0 == turn_id).unwrap().2 = Some(event.seq);
        }
    }
}

/// The session that writes, and the model of what is committed and of what is to be.
pub(crate) struct World {
    talks: Vec<Conversation>,
    pending: Vec<Write>,
    expected: HashMap<SessionId, Expected>,
    committed: HashMap<SessionId, Expected>,
}

impl World {
    pub(crate) fn new() -> Self {
        let talks: Vec<Conversation> = (0..3).map(|_| Conversation::new()).collect();
        let expected: HashMap<_, _> = talks.iter().map(|talk| (talk.id, Expected::default())).collect();
        Self {
            talks,
            pending: Vec::new(),
            committed: expected.clone(),
            expected,
        }
    }

    fn append(&mut self, session: usize, make: impl FnOnce(&mut Conversation) -> JournalEntry) {
        let talk = &mut self.talks[session];
        let expected = self.expected.get_mut(&talk.id).unwrap();
        if !expected.exists {
            expected.exists = true;
            self.pending.push(talk.create());
        }
        let entry = make(talk);
        expected.take(&entry);
        // Sometimes a row of its own, sometimes together with the one before.
        match self.pending.last_mut() {
            Some(Write::Append(append)) if append.session_id == talk.id && !entry.event.seq.is_multiple_of(3) => {
                append.entries.push(entry);
            }
            _ => self.pending.push(talk.append(vec![entry])),
        }
    }

    pub(crate) async fn take(&mut self, step: Step, store: &Store) {
        let has_open = |world: &Self, session: usize| !world.talks[session].open.is_empty();
        match step {
            Step::Accept(session) => self.append(session, |talk| talk.accept("ask \"this\"")),
            Step::Log(session) if has_open(self, session) => self.append(session, |talk| talk.log("Step")),
            Step::Complete(session) if has_open(self, session) => {
                self.append(session, |talk| talk.complete("Answer.", 7, 0.5));
            }
            Step::Fail(session) if has_open(self, session) => self.append(session, Conversation::fail),
            Step::Cancel(session, kept) if has_open(self, session) => {
                self.append(session, |talk| talk.cancel(kept.then_some("half an ans")));
            }
            Step::TakeOver(session) => self.append(session, |talk| talk.take_over("Kim \"K\"")),
            Step::Release(session) => self.append(session, |talk| talk.release("Sam")),
            Step::Say(session) => self.append(session, |talk| talk.say("I am here.")),
            Step::Shrug(session) if has_open(self, session) => {
                self.append(session, |talk| talk.answer("I found nothing.", "policy", 0.2, 0, 0.0));
            }
            Step::Log(_) | Step::Complete(_) | Step::Shrug(_) | Step::Fail(_) | Step::Cancel(..) => {}
            Step::Erase(session) => {
                let talk = &mut self.talks[session];
                self.pending.push(Write::EraseSession { session_id: talk.id });
                let expected = self.expected.get_mut(&talk.id).unwrap();
                let erased_through = expected.erased_through.max(expected.frames.len() as u64);
                *expected = Expected {
                    erased_through,
                    erased: expected.erased + 1,
                    ..Expected::default()
                };
                talk.seq = 0;
                talk.open.clear();
            }
            Step::Commit | Step::Reopen | Step::Crash => {
                store.commit(std::mem::take(&mut self.pending)).await.unwrap();
                self.committed = self.expected.clone();
            }
            Step::Name(session, number) => {
                let id = self.talks[session].id;
                let title = number.map(|number| SessionTitle::parse(&format!("Title {number}")).unwrap());
                let committed = self.committed.get_mut(&id).unwrap();
                let is_named = store.set_session_title(id, title.as_ref()).await.unwrap();
                assert_eq!(is_named, committed.exists);
                if is_named {
                    let expected = self.expected.get_mut(&id).unwrap();
                    if expected.erased == committed.erased {
                        expected.title.clone_from(&title);
                    }
                    committed.title = title;
                }
            }
            Step::Bad(session) => {
                let mut wrong = Conversation::new();
                wrong.id = self.talks[session].id;
                wrong.seq = self.talks[session].seq + 1;
                let entry = wrong.accept("out of order");
                let batch = [self.pending.clone(), vec![wrong.append(vec![entry])]].concat();
                store.commit(batch).await.unwrap_err();
            }
        }
    }

    pub(crate) async fn check(&self, store: &Store) {
        self.check_list(store).await;
        for talk in &self.talks {
            let expected = &self.committed[&talk.id];
            let record = store.rehydrate(talk.id, 1_000).await.unwrap();
            assert_eq!(record.is_some(), expected.exists);
            assert_eq!(store.erased_through(talk.id).await.unwrap(), expected.erased_through);
            assert_eq!(
                store.messages(talk.id, 1_000, None).await.unwrap().items,
                expected.messages
            );
            let logs = store.logs(talk.id, 1_000, None).await.unwrap();
            assert_eq!(logs.items.iter().map(|log| log.id).collect::<Vec<_>>(), expected.logs);
            let Some(record) = record else { continue };
            let summary = store.session_summary(talk.id).await.unwrap().unwrap();
            assert_eq!(summary.title, expected.title);
            let is_running = expected.turns.iter().any(|turn| turn.2.is_none());
            let state = match (&expected.person, is_running) {
                (Some(_), _) => SessionState::Person,
                (None, true) => SessionState::Running,
                (None, false) => SessionState::Idle,
            };
            assert_eq!(summary.state, state);
            assert_eq!(record.last_seq, expected.frames.len() as u64);
            assert_eq!(record.session.total_tokens, expected.tokens);
            assert_eq!(record.session.message_count, expected.messages.len() as u64);
            assert_eq!(record.transcript, expected.messages);
            assert_eq!(record.person, expected.person);
            let turns: Vec<_> = record
                .keys
                .iter()
                .map(|key| (key.turn_id, key.accepted_seq, key.ended_seq))
                .collect();
            assert_eq!(turns, expected.turns);
            let open: Vec<_> = expected
                .turns
                .iter()
                .filter(|turn| turn.2.is_none())
                .map(|turn| turn.0)
                .collect();
            assert_eq!(
                record.open_turns.iter().map(|turn| turn.turn_id).collect::<Vec<_>>(),
                open
            );
            for after in 0..=record.last_seq {
                let page = store.events_after(talk.id, after, 4, 2_000).await.unwrap().unwrap();
                let wanted = &expected.frames[after as usize..];
                assert_eq!(page.frames.is_empty(), wanted.is_empty());
                assert!(
                    page.frames
                        .iter()
                        .zip(wanted)
                        .all(|(frame, wanted)| *frame.text == **wanted)
                );
            }
            for turn in &record.keys {
                let row = store.turn(turn.turn_id).await.unwrap().unwrap();
                let events = store.turn_events(&row).await.unwrap();
                let is_own = row.client_message_id == turn.client_message_id;
                let found = if is_own { events.first() } else { events.last() };
                assert_eq!(found.map(|event| event.seq), Some(turn.accepted_seq));
                assert!(events.iter().all(|event| event.turn_id == Some(turn.turn_id)));
                assert_eq!(
                    events.last().is_some_and(|event| event.body.is_terminal()),
                    turn.ended_seq.is_some()
                );
            }
        }
    }
}

impl World {
    /// The list has every session, the latest activity first.
    async fn check_list(&self, store: &Store) {
        let query = SessionQuery {
            organization: DEFAULT_ORGANIZATION.to_owned(),
            limit: 9,
            after: None,
            text: None,
        };
        let listed = store.sessions(&query).await.unwrap().sessions;
        let mut expected = Vec::new();
        for talk in &self.talks {
            expected.extend(
                store
                    .session(talk.id)
                    .await
                    .unwrap()
                    .map(|session| (session.last_activity, session.id)),
            );
        }
        expected.sort_by(|one, other| other.cmp(one));
        let listed = listed
            .iter()
            .map(|summary| (summary.session.last_activity, summary.session.id));
        assert!(listed.eq(expected));
        let questions = store
            .questions(DEFAULT_ORGANIZATION, None, 1_000, None)
            .await
            .unwrap()
            .items;
        let mut unanswered: Vec<TurnId> = self.committed.values().flat_map(|one| one.unanswered.clone()).collect();
        unanswered.sort();
        assert!(questions.iter().map(|question| question.id).eq(unanswered));
    }
}

#[test]
fn any_history_reads_as_a_model_says() {
    any_history_reads_as_a_model_says_on(Home::sqlite);
}

#[test]
fn any_history_reads_as_a_model_says_in_postgresql() {
    any_history_reads_as_a_model_says_on(Home::postgres);
}

fn any_history_reads_as_a_model_says_on(home: fn() -> Home) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases: 24,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in proptest::collection::vec(step(), 1..60))| {
        runtime.block_on(async {
            let home = home();
            let mut store = home.open().await;
            let mut world = World::new();
            for step in steps {
                world.take(step, &store).await;
                if matches!(step, Step::Reopen) {
                    store.close().await.unwrap();
                    store = home.open().await;
                }
                if matches!(step, Step::Crash) {
                    drop(store);
                    store = home.open().await;
                }
                if matches!(step, Step::Reopen | Step::Crash | Step::Bad(_)) {
                    world.check(&store).await;
                }
            }
            world.take(Step::Commit, &store).await;
            world.check(&store).await;
        });
    });
}
