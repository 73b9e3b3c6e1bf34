//! What a live session gives for its snapshot is what the journal says of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use orchestratai_actors::SessionSettings;
use orchestratai_shared::SessionId;
use orchestratai_store::{Candidate, SnapshotUse, Store};

use crate::house::{House, Obedient, settings};

const WINDOW: usize = 6;
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the session's snapshot is in step with its journal, and sees that both say the same.
async fn in_step(store: &Store, id: SessionId) {
    let began = Instant::now();
    loop {
        let rehydrated = store
            .rehydrate_from(id, WINDOW, Candidate::Embedded)
            .await
            .unwrap()
            .unwrap();
        // It may go on between the two.
        let in_full = store.rehydrate(id, WINDOW).await.unwrap().unwrap();
        if rehydrated.snapshot == (SnapshotUse::Used { behind: 0 }) && rehydrated.record.last_seq == in_full.last_seq {
            assert_eq!(rehydrated.record, in_full);
            return;
        }
        assert!(
            !matches!(rehydrated.snapshot, SnapshotUse::Stale(_) | SnapshotUse::Unreadable),
            "{:?}",
            rehydrated.snapshot
        );
        assert!(began.elapsed() < PATIENCE, "{:?}", rehydrated.snapshot);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn house(write_after: Option<Duration>, settings: SessionSettings) -> House {
    House::start_with_snapshots(tempfile::tempdir().unwrap(), settings, write_after, Arc::new(Obedient)).await
}

#[actix_rt::test]
async fn a_live_session_gives_what_its_journal_says() {
    let house = house(Some(Duration::from_millis(30)), settings()).await;
    let id = SessionId::new();
    for content in ["hello", "fail at this", "hello again", "and again"] {
        let turn = house.say(id, content).await;
        house.events(turn).await;
        in_step(&house.store, id).await;
    }
    // One turn runs, another waits behind it.
    let mut follower = house.follow(id).await;
    let running = house.say(id, "wait for it").await;
    let queued = house.say(id, "hello behind").await;
    follower.until("message_delta").await;
    in_step(&house.store, id).await;
    let record = house.store.rehydrate(id, WINDOW).await.unwrap().unwrap();
    assert_eq!(
        record.open_turns.iter().map(|turn| turn.turn_id).collect::<Vec<_>>(),
        [running, queued]
    );
    // What was said of the answer is kept.
    house.gateway.cancel(running).await.unwrap();
    house.events(queued).await;
    in_step(&house.store, id).await;

    // Erased, and begun anew under the same id.
    assert!(house.gateway.erase_session(id).await.unwrap());
    let anew = house.say(id, "hello anew").await;
    house.events(anew).await;
    in_step(&house.store, id).await;
    assert!(house.gateway.erase_session(id).await.unwrap());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(house.store.rehydrate(id, WINDOW).await.unwrap().is_none());
}

#[actix_rt::test]
async fn a_session_that_leaves_memory_gives_its_state_and_one_that_has_not_changed_does_not() {
    let quick = SessionSettings {
        idle_after: Duration::from_millis(100),
        ..settings()
    };
    let house = house(None, quick).await;
    let ids: Vec<SessionId> = (0..20).map(|_| SessionId::new()).collect();
    for id in &ids {
        let turn = house.say(*id, "hello").await;
        house.events(turn).await;
    }
    for id in &ids {
        in_step(&house.store, *id).await;
    }
}

#[actix_rt::test]
async fn a_drain_writes_all_that_has_changed() {
    let house = house(None, settings()).await;
    let ids: Vec<SessionId> = (0..300).map(|_| SessionId::new()).collect();
    for id in &ids {
        let turn = house.say(*id, "hello").await;
        house.events(turn).await;
    }
    // None that has not changed is written.
    house.gateway.create_session(None, None).await.unwrap();
    house.gateway.drain(Duration::from_secs(5)).await;
    for id in &ids {
        let rehydrated = house
            .store
            .rehydrate_from(*id, WINDOW, Candidate::Embedded)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(rehydrated.snapshot, SnapshotUse::Used { behind: 0 });
    }
}
