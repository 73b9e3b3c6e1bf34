//! A session from a snapshot and the journal behind it is the session from the journal alone.

use std::sync::Arc;

use orchestratai_shared::SessionId;
use orchestratai_store::{
    Candidate, EventMark, OpenTurnFrames, Snapshot, SnapshotFields, SnapshotUse, Staleness, Store, Write,
};
use proptest::prelude::*;

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
    open,
};

const WINDOW: usize = 6;

/// What a random history is made of.
#[derive(Debug, Clone, Copy)]
enum Step {
    Accept,
    Log,
    Complete,
    Fail,
    Cancel(bool),
    TakeOver,
    Release,
    Say,
    /// The session is erased and begins anew.
    EraseAndBegin,
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Accept),
        6 => Just(Step::Log),
        5 => Just(Step::Complete),
        1 => Just(Step::Fail),
        2 => any::<bool>().prop_map(Step::Cancel),
        1 => Just(Step::TakeOver),
        1 => Just(Step::Release),
        2 => Just(Step::Say),
        1 => Just(Step::EraseAndBegin),
        3 => Just(Step::Take),
    ]
}

/// The snapshot that a live session would give at this moment.
pub(crate) async fn take(store: &Store, id: SessionId, window: usize) -> Snapshot {
    let record = store.rehydrate(id, window).await.unwrap().unwrap();
    let last = store.event_at(id, record.last_seq).await.unwrap();
    let frames = |events: &[orchestratai_shared::Event]| {
        let text = |event| serde_json::to_string(event).unwrap().into();
        events.iter().map(text).collect()
    };
    Snapshot {
        epoch: store.epoch().into(),
        session: record.session,
        organization: record.organization,
        last_seq: record.last_seq,
        last_event: last.map(|frame| EventMark::of(&frame.event().unwrap())),
        erased_through: record.erased_through,
        keys: record.keys,
        open_turns: record
            .open_turns
            .iter()
            .map(|turn| OpenTurnFrames {
                turn_id: turn.turn_id,
                frames: frames(&turn.events),
            })
            .collect(),
        transcript: record.transcript.into_iter().map(Arc::new).collect(),
    }
}

fn given(snapshot: &Snapshot) -> Candidate {
    Candidate::Given(Box::new(SnapshotFields::encode(snapshot).unwrap()))
}

/// Rehydrates with the candidate, and sees that what comes of it is what the journal says.
pub(crate) async fn check(store: &Store, id: SessionId, window: usize, candidate: Candidate) -> SnapshotUse {
    let rehydrated = store.rehydrate_from(id, window, candidate).await.unwrap().unwrap();
    let in_full = store.rehydrate(id, window).await.unwrap().unwrap();
    assert_eq!(rehydrated.record, in_full);
    rehydrated.snapshot
}

async fn perform(step: Step, talk: &mut Conversation, store: &Store) {
    let is_open = !talk.open.is_empty();
    let entry = match step {
        Step::Accept => talk.accept("ask \"this\""),
        Step::Log if is_open => talk.log("Step"),
        Step::Complete if is_open => talk.complete("Answer.", 7, 0.000_001_3),
        Step::Fail if is_open => talk.fail(),
        Step::Cancel(kept) if is_open => talk.cancel(kept.then_some("half an ans")),
        Step::TakeOver => talk.take_over("Kim"),
        Step::Release => talk.release("Kim"),
        Step::Say => talk.say("I am here."),
        Step::EraseAndBegin => {
            let erase = Write::EraseSession { session_id: talk.id };
            (talk.seq, talk.open) = (0, Default::default());
            store.commit(vec![erase, talk.create()]).await.unwrap();
            return;
        }
        Step::Take | Step::Log | Step::Complete | Step::Fail | Step::Cancel(_) => return,
    };
    store.commit(vec![talk.append(vec![entry])]).await.unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn a_session_from_any_earlier_snapshot_is_the_session_from_its_journal() {
    from_any_earlier_snapshot(&Home::sqlite());
}

#[test]
fn a_session_from_any_earlier_snapshot_is_the_session_from_its_journal_in_postgresql() {
    from_any_earlier_snapshot(&Home::postgres());
}

fn from_any_earlier_snapshot(home: &Home) {
    let runtime = runtime();
    let store = runtime.block_on(home.open());
    let config = ProptestConfig {
        cases: 48,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in proptest::collection::vec(step(), 1..40), window in 0..12_usize)| {
        runtime.block_on(async {
            let mut talk = Conversation::new();
            store.commit(vec![talk.create()]).await.unwrap();
            let mut snapshots = Vec::new();
            let mut life = 0;
            for step in steps {
                perform(step, &mut talk, &store).await;
                life += u32::from(matches!(step, Step::EraseAndBegin));
                if matches!(step, Step::Take) {
                    snapshots.push((life, take(&store, talk.id, WINDOW).await));
                }
            }
            for (its_life, snapshot) in snapshots {
                let behind = talk.seq.checked_sub(snapshot.last_seq);
                let used = check(&store, talk.id, window, given(&snapshot)).await;
                // Of a session that was erased, nothing; of this one, everything but where it holds too few messages.
                if its_life == life {
                    let behind = behind.expect("the journal only grows");
                    let may_lack = window > WINDOW && used == SnapshotUse::Stale(Staleness::ShortWindow);
                    assert!(used == SnapshotUse::Used { behind } || may_lack, "{used:?}");
                } else {
                    assert!(matches!(used, SnapshotUse::Stale(_)), "{used:?}");
                }
            }
        });
    });
}

#[test]
fn a_damaged_snapshot_changes_nothing() {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let (store, id, fields) = runtime.block_on(async {
        let store = open(folder.path()).await;
        let mut talk = Conversation::new();
        store.commit(vec![talk.create()]).await.unwrap();
        store.commit(talk.turn("first").into()).await.unwrap();
        let entry = talk.accept("second");
        store.commit(vec![talk.append(vec![entry])]).await.unwrap();
        let snapshot = take(&store, talk.id, WINDOW).await;
        let entry = talk.cancel(Some("half"));
        store.commit(vec![talk.append(vec![entry])]).await.unwrap();
        (store, talk.id, SnapshotFields::encode(&snapshot).unwrap())
    });
    let used = runtime.block_on(check(&store, id, WINDOW, Candidate::Given(Box::new(fields.clone()))));
    assert_eq!(used, SnapshotUse::Used { behind: 1 });
    let config = ProptestConfig {
        cases: 400,
        ..ProptestConfig::default()
    };
    let length = fields.state.len();
    proptest!(config, |(at in 0..length, byte in any::<u8>(), cut in prop::option::of(0..length), field in 0..9_u8)| {
        let mut damaged = fields.clone();
        match field {
            0 => damaged.last_seq += 1,
            1 => damaged.session.total_tokens += 1,
            2 => damaged.session.user_id = Some("mallory".to_owned()),
            3 => damaged.session.message_count -= 1,
            _ => {
                let mut state = damaged.state.into_bytes();
                state[at] = byte;
                state.truncate(cut.unwrap_or(length));
                damaged.state = String::from_utf8_lossy(&state).into_owned();
            }
        }
        let is_whole = damaged == fields;
        let used = runtime.block_on(check(&store, id, WINDOW, Candidate::Given(Box::new(damaged))));
        prop_assert_eq!(used == SnapshotUse::Used { behind: 1 }, is_whole);
    });
}

async fn a_snapshot_is_not_trusted_over_the_journal(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    store.commit(talk.turn("first").into()).await.unwrap();
    let snapshot = take(&store, talk.id, WINDOW).await;
    let change = |change: &dyn Fn(&mut Snapshot)| {
        let mut changed = snapshot.clone();
        change(&mut changed);
        given(&changed)
    };
    let cases: [(Candidate, Staleness); 7] = [
        (change(&|it| it.epoch = "another".into()), Staleness::OtherLineage),
        (
            change(&|it| it.organization = "another".into()),
            Staleness::OtherLineage,
        ),
        (change(&|it| it.erased_through = 3), Staleness::OtherLineage),
        (
            change(&|it| it.session.start_time = orchestratai_shared::Timestamp::from_millis(7)),
            Staleness::OtherLineage,
        ),
        (change(&|it| it.last_seq += 1), Staleness::Beyond),
        // The journal has lost its end, and has gone on otherwise.
        (
            change(&|it| {
                it.last_event = it.last_event.map(|mark| EventMark {
                    turn_id: Some(orchestratai_shared::TurnId::new()),
                    ..mark
                });
            }),
            Staleness::OtherEvent,
        ),
        (change(&|it| it.session.message_count += 1), Staleness::Contradicts),
    ];
    for (candidate, staleness) in cases {
        assert_eq!(
            check(&store, talk.id, WINDOW, candidate).await,
            SnapshotUse::Stale(staleness)
        );
    }
    assert_eq!(
        check(&store, talk.id, WINDOW, given(&snapshot)).await,
        SnapshotUse::Used { behind: 0 }
    );
    let foreign = SnapshotFields {
        state: r#"{"version":2,"epoch":"e","all":"new"}"#.to_owned(),
        ..SnapshotFields::encode(&snapshot).unwrap()
    };
    let used = check(&store, talk.id, WINDOW, Candidate::Given(Box::new(foreign))).await;
    assert_eq!(used, SnapshotUse::Unreadable);
    // Of a session that there is not, no snapshot makes one.
    let nobody = store.rehydrate_from(SessionId::new(), WINDOW, given(&snapshot)).await;
    assert!(nobody.unwrap().is_none());
    for turn in 0..130 {
        store.commit(talk.turn(&format!("turn {turn}")).into()).await.unwrap();
    }
    let used = check(&store, talk.id, WINDOW, given(&snapshot)).await;
    assert_eq!(used, SnapshotUse::Stale(Staleness::FarBehind));
}

on_each_engine!(a_snapshot_is_not_trusted_over_the_journal);
