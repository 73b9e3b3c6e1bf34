//! The turns of an agent.

use orchestratai_shared::{AgentId, AgentStatus, AgentTurn, CacheStatus, TurnId, TurnOutcome};
use orchestratai_store::{DEFAULT_ORGANIZATION, Store, StoreError};

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
};

on_each_engine!(
    an_agent_has_the_turns_that_it_ended_and_those_that_failed_with_it,
    pages_lead_back_past_the_turns_of_others,
);

fn agent(id: &str) -> AgentId {
    AgentId::parse(id).unwrap()
}

async fn of(store: &Store, id: &str) -> Vec<AgentTurn> {
    let page = store
        .turns_of_agent(DEFAULT_ORGANIZATION, &agent(id), 1_000, None)
        .await
        .unwrap();
    assert!(!page.has_more);
    page.items
}

fn ids(turns: &[AgentTurn]) -> Vec<TurnId> {
    turns.iter().map(|turn| turn.turn_id).collect()
}

async fn an_agent_has_the_turns_that_it_ended_and_those_that_failed_with_it(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    let mut begun = Vec::new();
    for turn in 0..6 {
        let accepted = talk.accept(&format!("question {turn}"));
        begun.push(talk.open.back().unwrap().0);
        store.commit(vec![talk.append(vec![accepted])]).await.unwrap();
        let active = talk.status(if turn == 4 { "billing" } else { "technical" }, AgentStatus::Active);
        let log = talk.log("Read");
        let end = match turn {
            0 => talk.answer("An answer", "technical", 0.75, 7, 0.5),
            1 => talk.answer("An answer", "billing", 0.6, 0, 0.0),
            2 | 4 => talk.fail(),
            3 => talk.cancel(Some("half")),
            _ => {
                store.commit(vec![talk.append(vec![active, log])]).await.unwrap();
                continue;
            }
        };
        store.commit(vec![talk.append(vec![active, log, end])]).await.unwrap();
    }
    let technical = of(&store, "technical").await;
    assert_eq!(ids(&technical), [begun[0], begun[2], begun[3]]);
    let turn = &technical[0];
    assert_eq!((turn.question.as_str(), turn.session_id), ("question 0", talk.id));
    assert_eq!(
        (turn.outcome, turn.confidence.unwrap().get()),
        (TurnOutcome::Completed, 0.75)
    );
    assert_eq!(
        (turn.tokens_used, turn.cost, turn.cache_status),
        (7, Some(0.5), Some(CacheStatus::Miss))
    );
    assert_eq!(technical[1].outcome, TurnOutcome::Failed);
    assert_eq!(technical[1].error.as_ref().unwrap().message, "the model went away");
    assert_eq!(
        (technical[2].outcome, technical[2].tokens_used),
        (TurnOutcome::Cancelled, 3)
    );
    assert_eq!(ids(&of(&store, "billing").await), [begun[1], begun[4]]);
    assert!(of(&store, "policy").await.is_empty());
    let nobody = store
        .turns_of_agent("theirs", &agent("technical"), 9, None)
        .await
        .unwrap();
    assert!(nobody.items.is_empty());
}

async fn pages_lead_back_past_the_turns_of_others(home: Home) {
    let store = home.open().await;
    let mut talks = [Conversation::new(), Conversation::new()];
    let mut expected = Vec::new();
    let mut batch: Vec<_> = talks.iter().map(Conversation::create).collect();
    for n in 0..400 {
        let talk = &mut talks[n % 2];
        let accepted = talk.accept("question");
        let mine = n % 29 == 0;
        if mine {
            expected.push(talk.open.back().unwrap().0);
        }
        let end = match n % 7 {
            // Nobody was active: the orchestrator's.
            3 if !mine => talk.fail(),
            _ => talk.answer("An answer", if mine { "policy" } else { "billing" }, 0.9, 0, 0.0),
        };
        batch.push(talk.append(vec![accepted, end]));
    }
    store.commit(batch).await.unwrap();
    for limit in [1, 5, 14, 50] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = store
                .turns_of_agent(DEFAULT_ORGANIZATION, &agent("policy"), limit, before)
                .await
                .unwrap();
            before = page.items.first().map(|turn| turn.turn_id);
            found.splice(0..0, ids(&page.items));
            if !page.has_more {
                break;
            }
        }
        assert_eq!(found, expected, "{limit} at a time");
    }
    assert!(!of(&store, "orchestrator").await.is_empty());
    let nobody = store
        .turns_of_agent(DEFAULT_ORGANIZATION, &agent("policy"), 9, Some(TurnId::new()))
        .await;
    assert!(matches!(nobody.unwrap_err(), StoreError::UnknownCursor));
}
