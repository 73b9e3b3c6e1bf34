//! What people have said of themselves: kept once, so many at most, until it expires or is erased.

use std::time::Duration;

use futures_util::future::join_all;
use orchestratai_shared::{AgentId, Fact, FactId, SessionId, Timestamp, TurnId};
use orchestratai_store::{Access, FactOwner, NewFact, NodeSettings, Store, StoreSettings, Write, back_up, restore};
use uuid::Uuid;

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
};

on_each_engine!(
    a_fact_is_kept_once_and_renewed_where_it_is_said_again,
    there_are_never_more_than_so_many_and_what_was_said_longest_ago_goes,
    nobody_has_the_facts_of_others,
    what_has_expired_is_told_to_nobody_and_goes,
    a_fact_goes_with_the_session_in_which_it_was_said_last,
    a_fact_outlives_the_store_and_is_in_a_backup,
);

fn owner(user: &str) -> FactOwner {
    FactOwner {
        organization: "default".into(),
        user: user.into(),
    }
}

fn after(millis: i64) -> Timestamp {
    Timestamp::from_millis(Timestamp::now().as_millis() + millis)
}

fn new(user: &str, session_id: SessionId, text: &str) -> NewFact {
    NewFact {
        owner: owner(user),
        text: text.into(),
        words: text.to_lowercase().replace('\0', ""),
        session_id,
        turn_id: TurnId::new(),
        agent: AgentId::parse("billing").unwrap(),
        said_at: Timestamp::now(),
        kept_until: after(3_600_000),
    }
}

async fn talk_in(store: &Store) -> Conversation {
    let talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    talk
}

async fn facts(store: &Store, user: &str) -> Vec<Fact> {
    store.facts(&owner(user), Timestamp::now(), 100).await.unwrap()
}

fn texts(facts: &[Fact]) -> Vec<&str> {
    facts.iter().map(|fact| fact.text.as_str()).collect()
}

async fn a_fact_is_kept_once_and_renewed_where_it_is_said_again(home: Home) {
    let store = home.open().await;
    let (first, later) = (talk_in(&store).await, talk_in(&store).await);
    let said = new("ada", first.id, "I use \u{1f600}\0 Okta");
    let kept = store.keep_fact(&said, 10).await.unwrap().expect("the session is there");
    assert!(kept.is_new && kept.dropped.is_empty());
    assert_eq!((kept.fact.session_id, kept.fact.turn_id), (first.id, said.turn_id));
    assert_eq!(facts(&store, "ada").await, std::slice::from_ref(&kept.fact));

    let again = NewFact {
        text: "i use OKTA".into(),
        session_id: later.id,
        ..new("ada", later.id, "I use \u{1f600}\0 Okta")
    };
    let renewed = store.keep_fact(&again, 10).await.unwrap().unwrap();
    assert!(!renewed.is_new);
    assert_eq!(renewed.fact.id, kept.fact.id, "whoever sees it can erase it still");
    assert_eq!(
        (renewed.fact.text.as_str(), renewed.fact.session_id),
        ("i use OKTA", later.id)
    );
    assert_eq!(facts(&store, "ada").await, [renewed.fact]);
    assert_eq!(
        store.keep_fact(&new("ada", SessionId::new(), "x"), 10).await.unwrap(),
        None
    );
    assert_eq!(facts(&store, "ada").await.len(), 1);
}

async fn there_are_never_more_than_so_many_and_what_was_said_longest_ago_goes(home: Home) {
    let store = home.open().await;
    let talk = talk_in(&store).await;
    for number in 0..3 {
        let said = NewFact {
            said_at: after(number - 1_000),
            ..new("ada", talk.id, &format!("fact {number}"))
        };
        store.keep_fact(&said, 3).await.unwrap();
    }
    // Said again, it is not the oldest any more.
    store.keep_fact(&new("ada", talk.id, "fact 0"), 3).await.unwrap();
    let kept = store
        .keep_fact(&new("ada", talk.id, "fact 3"), 3)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(texts(&kept.dropped), ["fact 1"]);
    assert_eq!(texts(&facts(&store, "ada").await), ["fact 3", "fact 0", "fact 2"]);
    // Fewer are allowed from now on, and whatever clocks say, what is kept now stays.
    let slow = NewFact {
        said_at: after(-60_000),
        ..new("ada", talk.id, "fact 4")
    };
    let kept = store.keep_fact(&slow, 2).await.unwrap().unwrap();
    assert_eq!(texts(&kept.dropped), ["fact 0", "fact 2"]);
    assert_eq!(texts(&facts(&store, "ada").await), ["fact 3", "fact 4"]);
    assert_eq!(
        texts(&store.facts(&owner("ada"), Timestamp::now(), 1).await.unwrap()),
        ["fact 3"]
    );

    let many = join_all((0..40).map(|number| {
        let (store, said) = (store.clone(), new("bob", talk.id, &format!("fact {}", number % 20)));
        async move { store.keep_fact(&said, 5).await.unwrap().unwrap() }
    }));
    let many = many.await;
    assert_eq!(facts(&store, "bob").await.len(), 5);
    let added = many.iter().filter(|kept| kept.is_new).count();
    let dropped: usize = many.iter().map(|kept| kept.dropped.len()).sum();
    assert_eq!(added - dropped, 5);
}

async fn nobody_has_the_facts_of_others(home: Home) {
    let store = home.open().await;
    let talk = talk_in(&store).await;
    let kept = store
        .keep_fact(&new("ada", talk.id, "I use Okta"), 5)
        .await
        .unwrap()
        .unwrap();
    store.keep_fact(&new("bob", talk.id, "I use Okta"), 5).await.unwrap();
    let elsewhere = FactOwner {
        organization: "other".into(),
        ..owner("ada")
    };
    assert!(store.facts(&elsewhere, Timestamp::now(), 9).await.unwrap().is_empty());
    for stranger in [owner("bob"), owner("Ada"), owner(""), elsewhere.clone()] {
        assert!(!store.forget_fact(&stranger, kept.fact.id).await.unwrap());
    }
    assert_eq!(store.forget_facts(&elsewhere).await.unwrap(), 0);
    assert!(!store.forget_fact(&owner("ada"), FactId::new()).await.unwrap());
    assert!(store.forget_fact(&owner("ada"), kept.fact.id).await.unwrap());
    assert!(!store.forget_fact(&owner("ada"), kept.fact.id).await.unwrap(), "once");
    assert!(facts(&store, "ada").await.is_empty());
    assert_eq!(store.forget_facts(&owner("bob")).await.unwrap(), 1);
    assert!(facts(&store, "bob").await.is_empty());
}

async fn what_has_expired_is_told_to_nobody_and_goes(home: Home) {
    let store = home.open().await;
    let talk = talk_in(&store).await;
    for (text, kept_until) in [("short", after(20_000)), ("long", after(60_000))] {
        let said = NewFact {
            kept_until,
            ..new("ada", talk.id, text)
        };
        store.keep_fact(&said, 9).await.unwrap();
    }
    let known = store.facts(&owner("ada"), after(30_000), 9).await.unwrap();
    assert_eq!(texts(&known), ["long"]);
    assert_eq!(store.forget_expired_facts(Timestamp::now()).await.unwrap(), 0);
    assert_eq!(store.forget_expired_facts(after(30_000)).await.unwrap(), 1);
    assert_eq!(texts(&facts(&store, "ada").await), ["long"]);
}

async fn a_fact_goes_with_the_session_in_which_it_was_said_last(home: Home) {
    let store = home.open().await;
    let (first, later) = (talk_in(&store).await, talk_in(&store).await);
    for text in ["of the first", "of both"] {
        store.keep_fact(&new("ada", first.id, text), 9).await.unwrap();
    }
    store.keep_fact(&new("ada", later.id, "of both"), 9).await.unwrap();
    let erase = |talk: &Conversation| Write::EraseSession { session_id: talk.id };
    store.commit(vec![erase(&first)]).await.unwrap();
    assert_eq!(store.session(first.id).await.unwrap(), None);
    assert_eq!(texts(&facts(&store, "ada").await), ["of both"]);
    store.commit(vec![erase(&later)]).await.unwrap();
    assert_eq!(store.session(later.id).await.unwrap(), None);
    assert!(facts(&store, "ada").await.is_empty());
    // A turn that was cut off by that keeps nothing behind it.
    assert_eq!(store.keep_fact(&new("ada", later.id, "late"), 9).await.unwrap(), None);
}

async fn a_fact_outlives_the_store_and_is_in_a_backup(home: Home) {
    let store = home.open().await;
    let talk = talk_in(&store).await;
    store.keep_fact(&new("ada", talk.id, "I use Okta"), 9).await.unwrap();
    let before = facts(&store, "ada").await;
    store.close().await.unwrap();
    let store = home.open().await;
    assert_eq!(facts(&store, "ada").await, before);
    store.close().await.unwrap();

    let archive = back_up(&home.settings(), "1.2.3", Vec::new()).await.unwrap().out;
    let copy = Home::sqlite();
    restore(&copy.settings(), &archive[..]).await.unwrap();
    let store = copy.open().await;
    assert_eq!(facts(&store, "ada").await, before);
}

#[tokio::test]
async fn what_is_told_to_one_node_all_know() {
    let home = Home::postgres();
    let node = || async {
        let settings = StoreSettings {
            access: Access::Node(NodeSettings {
                place: Uuid::now_v7(),
                lease: Duration::from_secs(2),
            }),
            ..home.settings()
        };
        Store::open(&settings).await.unwrap()
    };
    let (one, other) = tokio::join!(node(), node());
    let talk = talk_in(&one).await;
    let kept = one
        .keep_fact(&new("ada", talk.id, "I use Okta"), 9)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(facts(&other, "ada").await, std::slice::from_ref(&kept.fact));
    // Each keeps one more at the same moment than there may be.
    let (a, b) = (
        new("ada", talk.id, "I live in Kiel"),
        new("ada", talk.id, "I work in Graz"),
    );
    let (a, b) = tokio::join!(one.keep_fact(&a, 2), other.keep_fact(&b, 2));
    assert!(a.unwrap().is_some() && b.unwrap().is_some());
    assert_eq!(facts(&one, "ada").await.len(), 2);
    assert_eq!(other.forget_facts(&owner("ada")).await.unwrap(), 2);
    assert!(facts(&one, "ada").await.is_empty());
}
