//! Questions that found nothing.

use orchestratai_shared::{QuestionState, TurnId};
use orchestratai_store::{DEFAULT_ORGANIZATION, Store, StoreError, Write};

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
};

on_each_engine!(
    a_question_is_kept_where_a_specialist_had_no_answer_and_only_there,
    what_was_done_about_a_question_is_kept_and_pages_lead_back,
    a_question_goes_with_its_session,
);

/// A turn that ends in one batch with its acceptance, or in a batch of its own.
async fn turn(store: &Store, talk: &mut Conversation, question: &str, agent: &str, confidence: f64) -> TurnId {
    let accepted = talk.accept(question);
    let id = talk.open.back().unwrap().0;
    let answered = talk.answer("An answer.", agent, confidence, 1, 0.0);
    if talk.seq.is_multiple_of(4) {
        store.commit(vec![talk.append(vec![accepted, answered])]).await.unwrap();
    } else {
        store.commit(vec![talk.append(vec![accepted])]).await.unwrap();
        store.commit(vec![talk.append(vec![answered])]).await.unwrap();
    }
    id
}

async fn talk_on(store: &Store) -> Conversation {
    let talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    talk
}

async fn ids(store: &Store, state: Option<QuestionState>) -> Vec<TurnId> {
    let page = store.questions(DEFAULT_ORGANIZATION, state, 100, None).await.unwrap();
    page.items.into_iter().map(|question| question.id).collect()
}

async fn a_question_is_kept_where_a_specialist_had_no_answer_and_only_there(home: Home) {
    let store = home.open().await;
    let mut talk = talk_on(&store).await;
    turn(&store, &mut talk, "Answered", "technical", 0.5).await;
    let nothing = turn(&store, &mut talk, "What \"is\" it?", "policy", 0.49).await;
    turn(&store, &mut talk, "it does not work", "orchestrator", 0.3).await;
    let none_at_all = turn(&store, &mut talk, "And that?", "billing", 0.0).await;
    for end in 0..2 {
        let accepted = talk.accept("Never answered");
        let end = if end == 0 {
            talk.fail()
        } else {
            talk.cancel(Some("half"))
        };
        store.commit(vec![talk.append(vec![accepted, end])]).await.unwrap();
    }
    assert_eq!(ids(&store, None).await, [nothing, none_at_all]);
    let page = store.questions(DEFAULT_ORGANIZATION, None, 9, None).await.unwrap();
    let question = &page.items[0];
    assert_eq!((question.turn_id, question.session_id), (nothing, talk.id));
    assert_eq!(
        (question.question.as_str(), question.agent.as_str()),
        ("What \"is\" it?", "policy")
    );
    assert_eq!((question.confidence.get(), question.state), (0.49, QuestionState::Open));
    assert_eq!(question.note, None);
    let asked = store.messages(talk.id, 99, None).await.unwrap().items;
    let asked = asked
        .iter()
        .find(|message| message.content == question.question)
        .unwrap();
    assert_eq!(question.asked_at, asked.timestamp);
    assert!(store.questions("theirs", None, 9, None).await.unwrap().items.is_empty());
}

async fn what_was_done_about_a_question_is_kept_and_pages_lead_back(home: Home) {
    let store = home.open().await;
    let mut talk = talk_on(&store).await;
    let mut asked = Vec::new();
    for n in 0..7 {
        asked.push(turn(&store, &mut talk, &format!("question {n}"), "policy", 0.1).await);
    }
    let set = |id, state, note| store.set_question(DEFAULT_ORGANIZATION, id, state, note);
    let noted = set(asked[2], QuestionState::Done, Some(Some("in policy/new.md".to_owned()))).await;
    let noted = noted.unwrap().unwrap();
    assert_eq!((noted.id, noted.state), (asked[2], QuestionState::Done));
    assert_eq!(noted.note.as_deref(), Some("in policy/new.md"));
    // Where nothing is said of the note it stays.
    let opened = set(asked[2], QuestionState::Open, None).await.unwrap().unwrap();
    assert_eq!(opened.note.as_deref(), Some("in policy/new.md"));
    let done = set(asked[2], QuestionState::Done, Some(None)).await.unwrap().unwrap();
    assert_eq!(done.note, None);
    assert_eq!(set(TurnId::new(), QuestionState::Done, None).await.unwrap(), None);
    let theirs = store.set_question("theirs", asked[0], QuestionState::Done, None).await;
    assert_eq!(theirs.unwrap(), None);

    assert_eq!(ids(&store, Some(QuestionState::Done)).await, [asked[2]]);
    let open: Vec<TurnId> = asked.iter().copied().filter(|id| *id != asked[2]).collect();
    for limit in 1..8 {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = store
                .questions(DEFAULT_ORGANIZATION, Some(QuestionState::Open), limit, before)
                .await;
            let page = page.unwrap();
            let ids: Vec<TurnId> = page.items.iter().map(|question| question.id).collect();
            before = ids.first().copied();
            found.splice(0..0, ids);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(found, open, "{limit} at a time");
    }
    let nobody = store
        .questions(DEFAULT_ORGANIZATION, None, 9, Some(TurnId::new()))
        .await;
    assert!(matches!(nobody.unwrap_err(), StoreError::UnknownCursor));
    store.close().await.unwrap();
    assert_eq!(ids(&home.open().await, Some(QuestionState::Done)).await, [asked[2]]);
}

async fn a_question_goes_with_its_session(home: Home) {
    let store = home.open().await;
    let mut talk = talk_on(&store).await;
    let mut other = talk_on(&store).await;
    turn(&store, &mut talk, "gone", "policy", 0.1).await;
    let stays = turn(&store, &mut other, "stays", "policy", 0.1).await;
    store
        .commit(vec![Write::EraseSession { session_id: talk.id }])
        .await
        .unwrap();
    assert_eq!(ids(&store, None).await, [stays]);
}
