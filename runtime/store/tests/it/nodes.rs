//! Several nodes on one database: who owns a session, and that nobody else writes it.

use std::time::{Duration, Instant};

use orchestratai_store::{
    Access, Claim, CommitError, NodeId, NodeSettings, Nodes, OpenError, Store, StoreError, StoreSettings,
};
use orchestratai_testing::Postgres;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{conversation::Conversation, home::Home};

/// How long others wait for a node in these tests.
const LEASE: Duration = Duration::from_secs(1);

fn settings(home: &Home, place: Uuid, lease: Duration) -> StoreSettings {
    StoreSettings {
        access: Access::Node(NodeSettings { place, lease }),
        ..home.settings()
    }
}

async fn node(home: &Home) -> Store {
    Store::open(&settings(home, Uuid::now_v7(), LEASE)).await.unwrap()
}

fn me(store: &Store) -> NodeId {
    store.nodes().unwrap().borrow().me
}

/// Waits until a node sees the nodes like this.
async fn sees(store: &Store, like: impl FnMut(&Nodes) -> bool) {
    let mut nodes = store.nodes().unwrap();
    let seen = timeout(10 * LEASE, nodes.wait_for(like)).await;
    seen.expect("it sees so in time").unwrap();
}

async fn last_seq(store: &Store, talk: &Conversation) -> u64 {
    let page = store.events_after(talk.id, 0, usize::MAX, usize::MAX).await.unwrap();
    let page = page.unwrap();
    assert!(page.frames.iter().map(|frame| frame.seq).eq(1..=page.last_seq));
    page.last_seq
}

fn database(home: &Home) -> String {
    let url = home.settings().url_or_path;
    url.rsplit_once('/').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_session_has_one_owner_and_nobody_else_writes_it() {
    let home = Home::postgres();
    let (one, other) = tokio::join!(node(&home), node(&home));
    sees(&one, |nodes| nodes.all.len() == 2).await;
    sees(&other, |nodes| nodes.all.len() == 2).await;
    let mut talk = Conversation::new();
    assert_eq!(one.claim(talk.id).await.unwrap(), Claim::Unknown);
    one.commit(vec![talk.create()]).await.unwrap();
    assert_eq!(one.claim(talk.id).await.unwrap(), Claim::Ours);
    assert_eq!(other.claim(talk.id).await.unwrap(), Claim::Theirs(me(&one)));
    one.commit(talk.turn("Whose is it?").to_vec()).await.unwrap();

    // The other one's own sessions of the same batch are not held up.
    let mut own = Conversation::new();
    let stolen = talk.clone().turn("Mine?").to_vec();
    let refused = other
        .commit_each([vec![own.create()], own.turn("Mine.").to_vec(), stolen].concat())
        .await
        .unwrap();
    assert!(
        !refused.is_empty() && refused.iter().all(|(place, _)| *place > 2),
        "{refused:?}"
    );
    assert_eq!(last_seq(&other, &own).await, own.seq);
    let refused = other.commit(vec![erasure(&talk)]).await.unwrap_err();
    assert!(!refused.is_retryable(), "{refused:?}");

    // Released, it is whose who asks first, and goes on where it was.
    one.release(talk.id).await.unwrap();
    assert_eq!(other.claim(talk.id).await.unwrap(), Claim::Claimed);
    assert_eq!(one.claim(talk.id).await.unwrap(), Claim::Theirs(me(&other)));
    let before = talk.clone();
    other.commit(talk.turn("And now?").to_vec()).await.unwrap();
    let refused = one.commit(before.clone().turn("Still mine?").to_vec()).await;
    assert!(refused.is_err());
    // The first one had heads of its own in memory; they are no more to be trusted when it gets it back.
    other.release(talk.id).await.unwrap();
    assert_eq!(one.claim(talk.id).await.unwrap(), Claim::Claimed);
    one.commit(talk.turn("Back again").to_vec()).await.unwrap();
    assert_eq!(last_seq(&other, &talk).await, talk.seq);
}

fn erasure(talk: &Conversation) -> orchestratai_store::Write {
    orchestratai_store::Write::EraseSession { session_id: talk.id }
}

#[tokio::test]
async fn a_node_that_was_declared_gone_writes_nothing_and_comes_back_as_another_one() {
    let home = Home::postgres();
    let (one, other) = tokio::join!(node(&home), node(&home));
    sees(&other, |nodes| nodes.all.len() == 2).await;
    let mut talk = Conversation::new();
    one.commit(vec![talk.create()]).await.unwrap();
    let before = me(&one);
    let gone = format!("UPDATE nodes SET fenced_at = now() WHERE id = '{before}'");
    Postgres::shared().sql(&database(&home), &gone);
    // Others may have it at once.
    sees(&other, |nodes| !nodes.all.contains(&before)).await;
    assert_eq!(other.claim(talk.id).await.unwrap(), Claim::Claimed);
    let late = talk.clone().turn("Too late?").to_vec();
    let refused = one.commit(late).await.unwrap_err();
    let is_fenced = matches!(
        refused,
        CommitError::Store(StoreError::LeaseLost | StoreError::Conflict(_))
    );
    assert!(is_fenced, "{refused:?}");
    sees(&one, |nodes| {
        nodes.me != before && nodes.is_held && nodes.all.len() == 2
    })
    .await;
    assert_eq!(one.claim(talk.id).await.unwrap(), Claim::Theirs(me(&other)));
    other.commit(talk.turn("Taken over").to_vec()).await.unwrap();
    assert_eq!(last_seq(&one, &talk).await, talk.seq);
}

#[tokio::test]
async fn a_lease_that_has_lapsed_lets_nobody_write_until_it_is_had_again() {
    let home = Home::postgres();
    // Its renewals are far apart, so that the test is in between.
    let one = Store::open(&settings(&home, Uuid::now_v7(), Duration::from_secs(30)))
        .await
        .unwrap();
    let mut talk = Conversation::new();
    one.commit(vec![talk.create()]).await.unwrap();
    let lapsed = "UPDATE nodes SET lease_until = now() - interval '1 ms'";
    Postgres::shared().sql(&database(&home), lapsed);
    let question = talk.accept("Is anybody there?");
    let question = talk.append(vec![question]);
    let refused = one.commit(vec![question.clone()]).await.unwrap_err();
    assert!(
        matches!(refused, CommitError::Store(StoreError::LeaseLost)),
        "{refused:?}"
    );
    assert!(refused.is_retryable());
    Postgres::shared().sql(
        &database(&home),
        "UPDATE nodes SET lease_until = now() + interval '30 s'",
    );
    one.commit(vec![question]).await.unwrap();
    assert_eq!(last_seq(&one, &talk).await, 1);
}

#[tokio::test]
async fn a_node_that_says_nothing_is_declared_gone_by_one_that_has_been_there_for_a_while() {
    let home = Home::postgres();
    let one = node(&home).await;
    // One that has ended without a word.
    let silent = NodeId(Uuid::now_v7());
    let join = format!(
        "INSERT INTO nodes (id, place, started_at, held_since, lease_until, served_revision) \
         VALUES ('{silent}', 'elsewhere', now(), now(), now() + interval '1 s', 0)"
    );
    Postgres::shared().sql(&database(&home), &join);
    let began = Instant::now();
    sees(&one, |nodes| nodes.all.contains(&silent)).await;
    sees(&one, |nodes| !nodes.all.contains(&silent)).await;
    assert!(began.elapsed() < 4 * LEASE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn one_that_starts_in_the_same_place_is_the_successor_and_needs_not_wait() {
    let home = Home::postgres();
    let place = Uuid::now_v7();
    let long = Duration::from_secs(60);
    let first = Store::open(&settings(&home, place, long)).await.unwrap();
    let mut talk = Conversation::new();
    let accepted = talk.accept("Will it be answered?");
    first
        .commit(vec![talk.create(), talk.append(vec![accepted])])
        .await
        .unwrap();
    // As kill -9 leaves it: nothing was closed.
    let second = Store::open(&settings(&home, place, long)).await.unwrap();
    assert_eq!(second.claim_interrupted(9).await.unwrap(), [talk.id]);
    drop(first);
}

#[tokio::test]
async fn a_node_that_was_cut_off_while_it_joined_is_there_once() {
    let home = Home::postgres();
    let (one, other) = tokio::join!(node(&home), node(&home));
    sees(&other, |nodes| nodes.all.len() == 2).await;
    // Who joins waits no longer than a third of the lease; the database goes on by itself. What is left would stay for an hour.
    let (postgres, database) = (Postgres::shared(), database(&home));
    let late = "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                NEW.lease_until := now() + interval '1 h'; PERFORM pg_sleep(0.5); RETURN NEW; END $$; \
                CREATE TRIGGER late BEFORE INSERT ON nodes FOR EACH ROW EXECUTE FUNCTION late()";
    postgres.sql(&database, late);
    let before = me(&one);
    let gone = format!("UPDATE nodes SET fenced_at = now() WHERE id = '{before}'");
    postgres.sql(&database, &gone);
    sees(&other, |nodes| nodes.all.len() >= 3).await;
    assert_eq!(me(&one), before, "it knows that it has come in");
    postgres.sql(&database, "DROP TRIGGER late ON nodes");
    sees(&one, |nodes| nodes.me != before && nodes.is_held).await;
    let both = [me(&other), me(&one)];
    for node in [&one, &other] {
        sees(node, |nodes| nodes.all == both).await;
    }
}

#[tokio::test]
async fn interrupted_sessions_are_shared_out_among_those_who_ask() {
    let home = Home::postgres();
    let gone = node(&home).await;
    let mut talks: Vec<Conversation> = (0..20).map(|_| Conversation::new()).collect();
    for (place, talk) in talks.iter_mut().enumerate() {
        let accepted = talk.accept("Will it be answered?");
        gone.commit(vec![talk.create(), talk.append(vec![accepted])])
            .await
            .unwrap();
        if place >= 15 {
            let end = talk.fail();
            gone.commit(vec![talk.append(vec![end])]).await.unwrap();
        }
    }
    let (one, other) = tokio::join!(node(&home), node(&home));
    assert!(
        one.claim_interrupted(99).await.unwrap().is_empty(),
        "they have a living owner"
    );
    gone.close().await.unwrap();
    let (mut first, second) = tokio::join!(one.claim_interrupted(10), other.claim_interrupted(10));
    let first = first.as_mut().unwrap();
    first.extend(second.unwrap());
    assert!(first.len() >= 10);
    first.extend(one.claim_interrupted(99).await.unwrap());
    first.sort_unstable();
    let mut expected: Vec<_> = talks[..15].iter().map(|talk| talk.id).collect();
    expected.sort_unstable();
    assert_eq!(*first, expected);
}

#[tokio::test]
async fn a_revision_is_served_when_every_node_serves_it() {
    let home = Home::postgres();
    let (one, other) = tokio::join!(node(&home), node(&home));
    let command = home.open_beside().await;
    one.set_served_revision(7).await.unwrap();
    assert_eq!(command.served_revision().await.unwrap(), 0);
    other.set_served_revision(8).await.unwrap();
    assert_eq!(command.served_revision().await.unwrap(), 7);
    // As another node it goes on where it was.
    let before = me(&one);
    let gone = format!("UPDATE nodes SET fenced_at = now() WHERE id = '{before}'");
    Postgres::shared().sql(&database(&home), &gone);
    sees(&one, |nodes| nodes.me != before && nodes.is_held).await;
    assert_eq!(command.served_revision().await.unwrap(), 7);
    one.close().await.unwrap();
    assert_eq!(command.served_revision().await.unwrap(), 8);
}

#[tokio::test]
async fn a_server_that_wants_the_journal_alone_and_nodes_keep_each_other_out() {
    let home = Home::postgres();
    let one = node(&home).await;
    let refused = Store::open(&home.settings()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Taken { .. }), "{refused:?}");
    one.close().await.unwrap();
    let alone = home.open().await;
    let refused = Store::open(&settings(&home, Uuid::now_v7(), LEASE)).await.unwrap_err();
    assert!(matches!(refused, OpenError::Taken { .. }), "{refused:?}");
    drop(alone);
    let refused = Store::open(&settings(&Home::sqlite(), Uuid::now_v7(), LEASE))
        .await
        .unwrap_err();
    assert!(matches!(refused, OpenError::NotShared { .. }), "{refused:?}");
}

#[tokio::test]
async fn when_the_database_comes_back_those_who_were_there_are_there_again() {
    let mut postgres = Postgres::start();
    let home = Home::at(postgres.database());
    let (one, other) = tokio::join!(node(&home), node(&home));
    sees(&one, |nodes| nodes.all.len() == 2).await;
    let ids = (me(&one), me(&other));
    let mut talk = Conversation::new();
    one.commit(vec![talk.create()]).await.unwrap();
    for _ in 0..2 {
        postgres = tokio::task::spawn_blocking(move || {
            postgres.kill();
            // Longer than the lease: all of them lapse.
            std::thread::sleep(2 * LEASE);
            postgres.start_again();
            postgres
        })
        .await
        .unwrap();
        sees(&one, |nodes| nodes.is_held).await;
        sees(&other, |nodes| nodes.is_held).await;
        one.commit(talk.turn("Still mine?").to_vec()).await.unwrap();
    }
    tokio::time::sleep(3 * LEASE).await;
    assert_eq!((me(&one), me(&other)), ids, "nobody was declared gone");
    assert_eq!(last_seq(&other, &talk).await, talk.seq);
}
