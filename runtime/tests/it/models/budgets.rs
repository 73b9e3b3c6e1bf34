//! Budgets of models: turns at once, a budget that is used up, one that only warns, a model without a price, a server that dies.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use orchestratai_shared::SessionId;
use serde_json::{Value, json};

use super::{KEY, PRICES, QUESTION, end, good, launch, metrics, provider::*};
use crate::{
    client::Frame,
    server::{Launch, Server},
};

/// What a turn of [`good`] costs, in tokens.
const COST: u64 = 1_100;

/// A server with one budget, `day`, of the organization; an answer has 100 tokens at most.
fn with_budget(provider: &Provider, fallbacks: &str, fields: &[(&str, &str)]) -> Launch {
    let launch = launch(provider, &[], fallbacks)
        .setting("models.max_tokens", "100")
        .setting("budgets.day__scope", "organization")
        .setting("budgets.day__window", "day");
    (fields.iter()).fold(launch, |launch, (field, value)| {
        launch.setting(&format!("budgets.day__{field}"), value)
    })
}

/// How the only budget stands.
async fn budget(server: &Server) -> Value {
    let answer = server.rest().get("/api/budgets").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let budgets = answer.body["budgets"].as_array().unwrap();
    assert_eq!(budgets.len(), 1);
    budgets[0].clone()
}

/// Tokens that are spent and held of the only budget.
async fn tokens(server: &Server) -> (u64, u64) {
    let budget = budget(server).await;
    let of = |kind: &str| budget["accounts"][0][kind]["tokens"].as_u64().unwrap_or_default();
    (of("spent"), of("reserved"))
}

/// Waits until nothing is held any more: a settlement may end a moment after its turn.
async fn settled(server: &Server) -> u64 {
    let began = Instant::now();
    loop {
        match tokens(server).await {
            (spent, 0) => return spent,
            held => assert!(began.elapsed() < Duration::from_secs(20), "{held:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn end_of(frames: &[Frame]) -> &Value {
    let end = frames.last().unwrap();
    assert_eq!(end.kind(), "turn_failed", "{}", end.0);
    &end.data()["error"]
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_at_once_never_spend_more_than_their_budget() {
    const TURNS: usize = 40;
    const MOST: u64 = 60_000;
    let provider = Provider::start(vec![good()]).await;
    let server = with_budget(&provider, "", &[("tokens", &MOST.to_string())])
        .start()
        .await;
    let rest = server.rest();
    let asked = (0..TURNS).map(|turn| {
        let body = json!({"message": format!("{QUESTION} {turn}"), "session_id": SessionId::new()});
        let rest = rest.clone();
        async move { rest.post("/api/chat", &body).await }
    });
    let answers = join_all(asked).await;
    let answered = answers.iter().filter(|answer| answer.status == 200).count();
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused.status, 429, "{}", refused.body);
        let message = refused.body["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("the budget \"day\" of 60000 tokens a day"),
            "{message}"
        );
        let after = refused.headers["retry-after"].to_str().unwrap();
        assert_eq!(after, "3600", "it is of no use to come back at once");
    }
    assert!(answered > 0 && answered < TURNS, "{answered}");
    assert_eq!(provider.asked().len(), answered, "who was refused was not sent");
    let spent = settled(&server).await;
    assert_eq!(spent, answered as u64 * COST);
    assert!(spent <= MOST, "{spent}");
    let metrics = metrics(&server).await;
    let refusals = format!(
        "orchestratai_budget_refusals_total{{budget=\"day\"}} {}",
        TURNS - answered
    );
    assert!(metrics.contains(&refusals), "{refusals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_left_before_it_failed_stays_charged_in_full() {
    for (said, is_charged) in [
        (Said::Die, true),
        (Said::Refuse("502 Bad Gateway", ""), true),
        (Said::Refuse("504 Gateway Timeout", ""), true),
        (Said::Refuse("503 Service Unavailable", ""), false),
    ] {
        let provider = Provider::start(vec![vec![said.clone()]]).await;
        let server = with_budget(&provider, "embedded-extractive", &[("tokens", "1000000")])
            .start()
            .await;
        end(&server.socket("").await.turn(QUESTION).await);
        let spent = settled(&server).await;
        assert_eq!(spent > 0, is_charged, "{said:?}: {spent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_which_budget_is_used_up_and_until_when_and_the_stand_in_goes_on() {
    let provider = Provider::start(vec![good()]).await;
    let alone = with_budget(&provider, "", &[("tokens", "100")]).start().await;
    let frames = alone.socket("").await.turn(QUESTION).await;
    let error = end_of(&frames);
    let message = error["message"].as_str().unwrap();
    let ends = budget(&alone).await["windowEnds"].as_str().unwrap().to_owned();
    assert!(ends.ends_with("T00:00:00.000Z"), "{ends}");
    assert!(
        message.contains("\"day\"") && message.ends_with(&format!("it begins anew at {ends}.")),
        "{message}"
    );
    assert_eq!(
        (&error["code"], &error["retryable"]),
        (&json!("RATE_LIMITED"), &json!(false))
    );

    let server = with_budget(&provider, "embedded-extractive", &[("tokens", "100")])
        .start()
        .await;
    let frames = server.socket("").await.turn(QUESTION).await;
    let completed = end(&frames);
    assert!(!completed["citations"].as_array().unwrap().is_empty());
    let warned = |frame: &&Frame| frame.kind() == "retrieval_log" && frame.data()["status"] == "warning";
    let warning = frames.iter().find(warned).expect("a step says who answers now").data();
    assert_eq!(warning["title"], "embedded-extractive answers in place of first");
    let reason = warning["data"]["reasoning"].as_str().unwrap();
    assert!(
        reason.starts_with("first was not asked: the budget \"day\"") && reason.contains(&ends),
        "{reason}"
    );
    assert!(provider.asked().is_empty());
    let state = &server.rest().get("/api/health/services").await.body["services"];
    let name = format!("provider openai at {}", provider.base_url());
    let service = (state.as_array().unwrap().iter())
        .find(|service| service["name"] == *name)
        .unwrap();
    assert_eq!(service["state"], "up", "it is no fault of the provider");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_a_price_is_not_asked_under_a_budget_of_money() {
    let provider = Provider::start(vec![good()]).await;
    let unpriced = with_budget(&provider, "", &[("usd", "5")])
        .setting("models.prices", "")
        .start()
        .await;
    let frames = unpriced.socket("").await.turn(QUESTION).await;
    let message = end_of(&frames)["message"].as_str().unwrap();
    assert!(
        message.contains("\"day\" is in USD, and the price of the model's tokens is not known"),
        "{message}"
    );
    assert!(provider.asked().is_empty());

    let priced = with_budget(&provider, "", &[("usd", "5")]).start().await;
    end(&priced.socket("").await.turn(QUESTION).await);
    settled(&priced).await;
    let budget = budget(&priced).await;
    assert_eq!(budget["limit"], json!({"usd": 5.0}));
    assert_eq!(
        budget["accounts"],
        json!([{"organization": "default", "spent": {"tokens": COST, "usd": 0.00021}, "reserved": {"tokens": 0, "usd": 0.0}}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_only_warns_says_so_and_goes_on() {
    let provider = Provider::start(vec![good()]).await;
    let fields = [("tokens", "2000"), ("at_warning", "0.5"), ("beyond", "warn")];
    let server = with_budget(&provider, "", &fields).start().await;
    let mut socket = server.socket("").await;
    let (nearly, beyond) = (
        "Budget \"day\" is nearly spent",
        "More is spent than budget \"day\" allows",
    );
    for (turn, warnings, said, title, share) in [
        (1, 1, "a budget is nearly spent", nearly, "55 %"),
        (2, 2, "more is spent than a budget allows", beyond, "110 %"),
        (3, 2, "more is spent than a budget allows", beyond, "165 %"),
    ] {
        let frames = socket.turn(&format!("{QUESTION} {turn}")).await;
        end(&frames);
        let steps: Vec<&Value> = (frames.iter())
            .filter(|frame| frame.kind() == "retrieval_log" && frame.data()["status"] == "warning")
            .map(Frame::data)
            .collect();
        let [step] = &steps[..] else {
            panic!("one step warns of it: {steps:?}")
        };
        assert_eq!((&step["type"], &step["title"]), (&json!("routing"), &json!(title)));
        let told = step["data"]["reasoning"].as_str().unwrap();
        assert!(
            told.starts_with(&format!(
                "Of the budget \"day\" of 2000 tokens a day for each organization {share} are used"
            )) && told.contains("; it begins anew at 2"),
            "{told}"
        );
        assert_eq!(settled(&server).await, turn * COST);
        let metrics = metrics(&server).await;
        let line = format!("orchestratai_budget_warnings_total{{budget=\"day\"}} {warnings}\n");
        assert!(metrics.contains(&line), "after turn {turn}: {line}");
        assert_eq!(server.log().matches(said).count(), 1, "{said}");
    }
    assert!(!server.log().contains(KEY) && !server.log().contains(PRICES));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_session_has_its_own_and_who_has_least_left_is_shown_first() {
    let provider = Provider::start(vec![good()]).await;
    let server = launch(&provider, &[], "")
        .setting("models.max_tokens", "100")
        .setting("budgets.chat__scope", "session")
        .setting("budgets.chat__window", "none")
        .setting("budgets.chat__tokens", "100000")
        .start()
        .await;
    let mut sessions = Vec::new();
    for turns in [1, 2] {
        let mut socket = server.socket("").await;
        sessions.push(socket.ready().await.session_id().to_string());
        for turn in 0..turns {
            end(&socket.turn(&format!("{QUESTION} {turn}")).await);
        }
    }
    settled(&server).await;
    let all = budget(&server).await;
    assert_eq!((&all["window"], all.get("windowEnds")), (&json!("none"), None));
    let accounts = all["accounts"].as_array().unwrap();
    let of = |place: usize| {
        (
            accounts[place]["subject"].as_str().unwrap(),
            &accounts[place]["spent"]["tokens"],
        )
    };
    assert_eq!(of(0), (sessions[1].as_str(), &json!(2 * COST)));
    assert_eq!(of(1), (sessions[0].as_str(), &json!(COST)));
    assert_eq!((accounts.len(), &all["hasMore"]), (2, &json!(false)));
    let first = server.rest().get("/api/budgets?limit=1").await.body["budgets"][0].clone();
    assert_eq!((&first["accounts"][0], &first["hasMore"]), (&accounts[0], &json!(true)));
    let refused = server.rest().get("/api/budgets?limit=0").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["error"]["code"]),
        (400, &json!("VALIDATION_ERROR"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_held_that_died_stays_charged() {
    let hanging = vec![Said::Text("Make a".into()), Said::Hang];
    let provider = Provider::start(vec![hanging, good()]).await;
    let launched = with_budget(&provider, "", &[("tokens", "100000")]);
    let server = launched.clone().start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    socket.say(QUESTION).await;
    socket.until(|frame| frame.kind() == "message_delta").await;
    let (spent, held) = tokens(&server).await;
    let sent = provider.asked()[0].body["messages"].to_string().len() as u64;
    assert_eq!(spent, 0);
    assert!(
        held > 1_000 && held < sent + 1_000,
        "what is sent, and some: {held} of {sent}"
    );
    let folder = server.kill();
    provider.was_left(1).await;

    // The turn is taken up again, and asks again: both are charged.
    let server = launched.in_folder_of(&folder).start().await;
    let mut socket = server.socket(&format!("?session_id={session_id}&after_seq=0")).await;
    end(&socket.until(Frame::is_terminal).await);
    let began = Instant::now();
    while tokens(&server).await != (COST, held) {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", tokens(&server).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What the first server has charged counts in the figures of the next.
    let share = |metrics: &str| {
        let mut lines = metrics.lines();
        let line = lines.find_map(|line| line.strip_prefix("orchestratai_budget_spent_ratio{budget=\"day\"} "));
        line.expect("it is there from the start").parse::<f64>().unwrap()
    };
    while share(&metrics(&server).await) == 0.0 {
        assert!(began.elapsed() < Duration::from_secs(30), "it is looked up every 15 s");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(share(&metrics(&server).await) < 0.2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_charged_with_what_may_be_billed() {
    let provider = Provider::start(vec![vec![Said::Text("Make a second key".into()), Said::Hang]]).await;
    let server = with_budget(&provider, "", &[("tokens", "100000")]).start().await;
    let mut socket = server.socket("").await;
    socket.say(QUESTION).await;
    let frames = socket.until(|frame| frame.kind() == "message_delta").await;
    let (_, held) = tokens(&server).await;
    let turn_id = frames.last().unwrap().turn_id().unwrap();
    socket
        .send(&json!({"type": "cancel", "data": {"turnId": turn_id}}))
        .await;
    let end = socket.until(Frame::is_terminal).await.pop().unwrap();
    assert_eq!(end.kind(), "turn_cancelled", "{}", end.0);
    assert_eq!(settled(&server).await, held, "the provider has not said what it bills");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_lets_a_turn_go_beyond_a_budget_or_does_not() {
    let provider = Provider::start(vec![good()]).await;
    let launched = with_budget(&provider, "", &[("tokens", "100"), ("beyond", "ask")]);
    let server = launched.clone().start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    socket.say(QUESTION).await;
    let frames = socket.until(|frame| frame.kind() == "approval_requested").await;
    let asked = frames.last().unwrap().data();
    assert_eq!(asked["tool"], "exceed_budget");
    assert_eq!(asked["arguments"]["budget"], "day");
    let most = asked["arguments"]["tokensAtMost"].as_u64().unwrap();
    let usd = asked["arguments"]["usdAtMost"].as_f64().unwrap();
    assert!(
        most > 1_000 && usd > 1_000.0 * 0.15e-6 && usd < most as f64 * 0.6e-6,
        "{asked}"
    );
    let reason = asked["reason"].as_str().unwrap();
    assert!(reason.starts_with("The budget \"day\" of 100 tokens a day"), "{reason}");
    assert!(provider.asked().is_empty());
    assert_eq!(tokens(&server).await, (0, 0), "nothing is held while it waits");

    // It waits through a crash.
    let approval = asked["approvalId"].clone();
    let folder = server.kill();
    let server = launched.in_folder_of(&folder).start().await;
    let decide = |id: &Value, decision: &str| json!({"type": "resolve_approval", "data": {"approvalId": id, "decision": decision}});
    let mut socket = server.socket(&format!("?session_id={session_id}")).await;
    socket.send(&decide(&approval, "approved")).await;
    let frames = socket.until(Frame::is_terminal).await;
    let text = end(&frames)["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("Make a second key"), "{text}");
    assert_eq!(settled(&server).await, COST, "what goes beyond is charged as well");

    // The next turn is asked for anew, and is not let.
    socket.say(&format!("{QUESTION} Again?")).await;
    let frames = socket.until(|frame| frame.kind() == "approval_requested").await;
    let approval = frames.last().unwrap().data()["approvalId"].clone();
    socket.send(&decide(&approval, "rejected")).await;
    let frames = socket.until(Frame::is_terminal).await;
    assert_eq!(end_of(&frames)["code"], "RATE_LIMITED");
    let asked = frames
        .iter()
        .filter(|frame| frame.kind() == "approval_requested")
        .count();
    assert_eq!(asked, 0, "it is asked once in a turn");
    assert_eq!(provider.asked().len(), 1);
}
