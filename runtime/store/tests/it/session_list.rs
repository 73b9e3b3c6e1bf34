//! Sessions as a list, with their titles.

use orchestratai_shared::{ChatSession, SessionId, SessionState, SessionTitle, Timestamp};
use orchestratai_store::{DEFAULT_ORGANIZATION, SessionList, SessionPlace, SessionQuery, Store, StoreError, Write};

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
};

on_each_engine!(
    pages_lead_from_the_latest_activity_to_the_first_and_each_session_is_there_once,
    a_page_goes_on_from_a_place_that_stays_while_the_session_goes_on,
    a_session_says_how_it_began_who_answered_last_and_what_goes_on,
    a_title_stays_until_it_is_taken_away_or_the_session_erased,
    what_is_looked_for_is_found_in_titles_and_messages_whatever_its_case,
    a_search_goes_through_many_sessions_and_pages_as_the_list_does,
    only_the_organization_s_own_are_listed,
);

/// A session of long ago.
fn of(millis: i64) -> (SessionId, Write) {
    let talk = Conversation::new();
    let at = Timestamp::from_millis(millis);
    let session = ChatSession {
        start_time: at,
        last_activity: at,
        ..talk.session()
    };
    let organization = DEFAULT_ORGANIZATION.into();
    (talk.id, Write::CreateSession { session, organization })
}

async fn list(store: &Store, limit: usize, after: Option<SessionPlace>, text: Option<&str>) -> SessionList {
    let query = SessionQuery {
        organization: DEFAULT_ORGANIZATION.to_owned(),
        limit,
        after,
        text: text.map(str::to_owned),
    };
    store.sessions(&query).await.unwrap()
}

/// All pages of so many sessions.
async fn pages(store: &Store, limit: usize, text: Option<&str>) -> Vec<SessionId> {
    let mut ids: Vec<SessionId> = Vec::new();
    loop {
        let after = ids.last().map(|id| SessionPlace {
            id: *id,
            last_activity: None,
        });
        let page = list(store, limit, after, text).await;
        assert!(page.sessions.len() <= limit);
        assert!(page.sessions.len() == limit || !page.has_more);
        ids.extend(page.sessions.iter().map(|summary| summary.session.id));
        if !page.has_more {
            return ids;
        }
    }
}

fn ids(list: &SessionList) -> Vec<SessionId> {
    list.sessions.iter().map(|summary| summary.session.id).collect()
}

fn title(text: &str) -> SessionTitle {
    SessionTitle::parse(text).unwrap()
}

async fn pages_lead_from_the_latest_activity_to_the_first_and_each_session_is_there_once(home: Home) {
    let store = home.open().await;
    // Around the ends of hours, within one, at one moment, and before 1970.
    let times = [
        -1, 0, 1, 3_599_999, 3_600_000, 3_600_001, 7_200_000, 86_400_000, 86_400_500,
    ];
    let (mut sessions, mut batch) = (Vec::new(), Vec::new());
    for round in 0..4 {
        for millis in times {
            let (id, create) = of(millis * (1 + round % 2));
            sessions.push((millis * (1 + round % 2), id));
            batch.push(create);
        }
    }
    store.commit(batch).await.unwrap();
    sessions.sort_by(|one, other| other.cmp(one));
    let expected: Vec<SessionId> = sessions.iter().map(|(_, id)| *id).collect();
    for limit in [1, 4, 35, 36, 37, 200] {
        assert_eq!(pages(&store, limit, None).await, expected, "{limit} at a time");
    }
    let nobody = SessionPlace {
        id: SessionId::new(),
        last_activity: None,
    };
    let query = SessionQuery {
        organization: DEFAULT_ORGANIZATION.to_owned(),
        limit: 1,
        after: Some(nobody),
        text: None,
    };
    assert!(matches!(
        store.sessions(&query).await.unwrap_err(),
        StoreError::UnknownCursor
    ));

    // Who speaks again comes first, also from another hour.
    let mut talk = Conversation::new();
    talk.id = expected[35];
    store.commit(talk.turn("Are you still there?").to_vec()).await.unwrap();
    let mut now = expected.clone();
    now.rotate_right(1);
    assert_eq!(pages(&store, 5, None).await, now);
    store.close().await.unwrap();
    assert_eq!(pages(&home.open().await, 5, None).await, now);
}

async fn a_page_goes_on_from_a_place_that_stays_while_the_session_goes_on(home: Home) {
    let store = home.open().await;
    let sessions: Vec<(SessionId, Write)> = (1..=4).map(|hour| of(hour * 3_600_000)).collect();
    let creates = sessions.iter().map(|(_, create)| create.clone()).collect();
    store.commit(creates).await.unwrap();
    let first = list(&store, 2, None, None).await;
    let last = &first.sessions[1].session;
    let mut talk = Conversation::new();
    talk.id = last.id;
    store.commit(talk.turn("And on?").to_vec()).await.unwrap();
    let place = SessionPlace {
        id: last.id,
        last_activity: Some(last.last_activity),
    };
    let second = list(&store, 2, Some(place), None).await;
    assert_eq!(ids(&second), [sessions[1].0, sessions[0].0]);
    assert!(!second.has_more);
}

async fn a_session_says_how_it_began_who_answered_last_and_what_goes_on(home: Home) {
    let store = home.open().await;
    let (mut talk, silent) = (Conversation::new(), Conversation::new());
    let batch = [
        vec![silent.create(), talk.create()],
        talk.turn(" Is it\n\n so? ").to_vec(),
    ]
    .concat();
    store.commit(batch).await.unwrap();
    let told = store.session_summary(talk.id).await.unwrap().unwrap();
    assert_eq!(told.session, store.session(talk.id).await.unwrap().unwrap());
    assert_eq!(told.preview.as_deref(), Some("Is it so?"));
    assert_eq!(told.agent.as_ref().unwrap().as_str(), "technical");
    assert_eq!((told.state, &told.title), (SessionState::Idle, &None));

    let accepted = talk.accept("Another question");
    store.commit(vec![talk.append(vec![accepted])]).await.unwrap();
    let told = store.session_summary(talk.id).await.unwrap().unwrap();
    assert_eq!(told.state, SessionState::Running);
    assert_eq!(told.preview.as_deref(), Some("Is it so?"));
    let listed = list(&store, 9, None, None).await;
    assert_eq!(listed.sessions[0], told);
    let told = &listed.sessions[1];
    assert_eq!(told.session.id, silent.id);
    assert_eq!(
        (&told.preview, &told.agent, told.state),
        (&None, &None, SessionState::Idle)
    );
    assert_eq!(store.session_summary(SessionId::new()).await.unwrap(), None);
}

async fn a_title_stays_until_it_is_taken_away_or_the_session_erased(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let batch = [vec![talk.create()], talk.turn("one").to_vec()].concat();
    // At once, where the database does not have the session yet.
    store.commit(batch).await.unwrap();
    assert!(
        store
            .set_session_title(talk.id, Some(&title("Über \"alles\"")))
            .await
            .unwrap()
    );
    store.commit(talk.turn("two").to_vec()).await.unwrap();
    let told = |store: Store| async move { store.session_summary(talk.id).await.unwrap().unwrap().title };
    assert_eq!(told(store.clone()).await, Some(title("Über \"alles\"")));
    store.close().await.unwrap();

    let store = home.open().await;
    assert_eq!(told(store.clone()).await, Some(title("Über \"alles\"")));
    assert!(store.set_session_title(talk.id, None).await.unwrap());
    assert_eq!(told(store.clone()).await, None);
    assert!(store.set_session_title(talk.id, Some(&title("again"))).await.unwrap());
    let erase = Write::EraseSession { session_id: talk.id };
    store.commit(vec![erase, talk.create()]).await.unwrap();
    assert_eq!(told(store.clone()).await, None);
    assert!(
        !store
            .set_session_title(SessionId::new(), Some(&title("nobody")))
            .await
            .unwrap()
    );
}

async fn what_is_looked_for_is_found_in_titles_and_messages_whatever_its_case(home: Home) {
    let store = home.open().await;
    let (mut one, mut other) = (Conversation::new(), Conversation::new());
    let batch = [
        vec![one.create(), other.create()],
        one.turn("Warum ist die ÜBERWEISUNG über 50% [fällig]? a_b \\d")
            .to_vec(),
        other.turn("A refund, please").to_vec(),
    ];
    store.commit(batch.concat()).await.unwrap();
    store
        .set_session_title(other.id, Some(&title("Ärger mit GELD zurück.")))
        .await
        .unwrap();
    for (text, expected) in [
        ("überweisung", vec![one.id]),
        ("Überweisung Über 50%", vec![one.id]),
        ("50%", vec![one.id]),
        ("5%%", vec![]),
        ("[FÄLLIG]?", vec![one.id]),
        ("[fall]", vec![]),
        ("a_b", vec![one.id]),
        ("A_B", vec![one.id]),
        ("a.b", vec![]),
        ("aüb", vec![]),
        ("\\D", vec![one.id]),
        ("f*llig", vec![]),
        ("REFUND", vec![other.id]),
        ("ärger", vec![other.id]),
        ("ZURÜCK.", vec![other.id]),
        ("geld", vec![other.id]),
        // Answers are messages too.
        ("answer to", vec![other.id, one.id]),
        ("' OR 1=1 --", vec![]),
    ] {
        assert_eq!(ids(&list(&store, 9, None, Some(text)).await), expected, "{text}");
    }
}

async fn a_search_goes_through_many_sessions_and_pages_as_the_list_does(home: Home) {
    let store = home.open().await;
    let mut expected = Vec::new();
    let mut batch = Vec::new();
    for n in 0..600 {
        let mut talk = Conversation::new();
        batch.push(talk.create());
        let accepted = talk.accept(if n % 90 == 0 { "the Needle" } else { "hay" });
        batch.push(talk.append(vec![accepted]));
        if n % 90 == 0 {
            expected.push(talk.id);
        }
    }
    store.commit(batch).await.unwrap();
    let mut by_activity = Vec::new();
    for id in expected {
        by_activity.push((store.session(id).await.unwrap().unwrap().last_activity, id));
    }
    by_activity.sort_by(|one, other| other.cmp(one));
    let expected: Vec<SessionId> = by_activity.into_iter().map(|(_, id)| id).collect();
    assert_eq!(expected.len(), 7);
    for limit in [1, 3, 7, 200] {
        assert_eq!(
            pages(&store, limit, Some("needle")).await,
            expected,
            "{limit} at a time"
        );
    }
    assert_eq!(pages(&store, 200, None).await.len(), 600);
}

async fn only_the_organization_s_own_are_listed(home: Home) {
    let store = home.open().await;
    let (talk, theirs) = (Conversation::new(), Conversation::new());
    let create_theirs = Write::CreateSession {
        session: theirs.session(),
        organization: "theirs".into(),
    };
    store.commit(vec![talk.create(), create_theirs]).await.unwrap();
    assert_eq!(ids(&list(&store, 9, None, None).await), [talk.id]);
}
