//! The view is held against whole talks, told as the frames of the wire.

use orchestratai_shared::{MessageContent, SessionId};
use serde_json::{Value, json};

use super::view::{Said, ServerFrame, Show, View};

const SESSION: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const TURN: &str = "01890a5d-ac96-774b-bcce-b302099a8058";
const ANSWER: &str = "01890a5d-ac96-774b-bcce-b302099a8059";
const AT: &str = "2026-01-01T00:00:00.000Z";

fn frame(kind: &str, seq: Option<u64>, data: Value) -> ServerFrame {
    let mut frame = json!({"type": kind, "sessionId": SESSION, "turnId": TURN, "at": AT, "data": data});
    if let Some(seq) = seq {
        frame["seq"] = seq.into();
    }
    ServerFrame::parse(&frame.to_string()).unwrap_or_else(|| panic!("no frame: {frame}"))
}

fn ready(last_seq: u64, recovered: bool, turn: Option<Value>) -> ServerFrame {
    let session = json!({"id": SESSION, "startTime": AT, "lastActivity": AT, "totalTokens": 0, "totalCost": 0.0, "messageCount": 0});
    let mut data =
        json!({"session": session, "agents": [], "epoch": "e1", "lastSeq": last_seq, "recovered": recovered});
    if let Some(turn) = turn {
        data["turn"] = turn;
    }
    frame("session_ready", None, data)
}

fn accepted(seq: u64, said: &Said) -> ServerFrame {
    let message = json!({"id": ANSWER, "role": "user", "content": said.content, "timestamp": AT, "sessionId": SESSION});
    frame(
        "message_accepted",
        Some(seq),
        json!({"message": message, "clientMessageId": said.id}),
    )
}

fn delta(offset: usize, text: &str) -> ServerFrame {
    frame(
        "message_delta",
        None,
        json!({"messageId": ANSWER, "offset": offset, "delta": text}),
    )
}

fn completed(seq: u64, text: &str) -> ServerFrame {
    let message = json!({"id": ANSWER, "role": "assistant", "content": text, "agent": "billing", "confidence": 0.9, "timestamp": AT, "sessionId": SESSION});
    let metrics = json!({"tokensUsed": 0, "cost": 0.0, "latency": 3.0, "cache_status": "miss"});
    frame(
        "message_completed",
        Some(seq),
        json!({"message": message, "metrics": metrics, "citations": [{"index": 1, "chunkId": 0, "source": "a.md"}]}),
    )
}

fn in_progress(text: &str) -> Value {
    json!({"id": TURN, "state": "running", "agent": "billing", "messageId": ANSWER, "content": text})
}

/// A view that is connected and has said something.
fn asked() -> (View, Said) {
    let mut view = View::new(None);
    view.apply(ready(0, true, None));
    let said = view.say(MessageContent::parse("How do refunds work?").unwrap(), false);
    (view, said)
}

/// The answer as a reader of the screen has it in the end: what was withdrawn is struck out.
fn read(shows: &[Show]) -> String {
    let mut text = String::new();
    for show in shows {
        match show {
            Show::Answer { text: more, begins, .. } => {
                assert_eq!(*begins, text.is_empty(), "an answer begins once: {shows:?}");
                text.push_str(more);
            }
            Show::Withdrawn(_) => text.clear(),
            Show::Session { .. }
            | Show::Question(_)
            | Show::Step { .. }
            | Show::Handoff { .. }
            | Show::Citations(_)
            | Show::Figures { .. }
            | Show::Failed(_)
            | Show::Cancelled(_)
            | Show::Notice(_)
            | Show::Problem(_) => {}
        }
    }
    text
}

fn apply_all(view: &mut View, frames: impl IntoIterator<Item = ServerFrame>) -> Vec<Show> {
    frames.into_iter().flat_map(|frame| view.apply(frame)).collect()
}

#[test]
fn an_answer_is_shown_as_it_comes_and_ends_the_waiting() {
    let (mut view, said) = asked();
    assert!(view.is_waiting());
    assert!(
        view.apply(accepted(1, &said)).is_empty(),
        "our own question stands at the prompt already"
    );
    assert!(view.unaccepted().is_empty() && view.is_waiting());
    let shows = apply_all(
        &mut view,
        [
            delta(0, "Within "),
            delta(7, "14 days."),
            completed(2, "Within 14 days."),
        ],
    );
    assert_eq!(read(&shows), "Within 14 days.");
    assert!(
        matches!(shows[2..], [Show::Citations(_), Show::Figures { .. }]),
        "{shows:?}"
    );
    assert!(!view.is_waiting());
    assert_eq!(view.position(), Some((2, "e1")));
    assert_eq!(view.session_id(), Some(SESSION.parse::<SessionId>().unwrap()));
}

#[test]
fn what_a_reconnect_repeats_is_shown_once() {
    let (mut view, said) = asked();
    let mut shows = apply_all(&mut view, [accepted(1, &said), delta(0, "Zwölf "), delta(7, "Tage")]);
    // The whole so far comes again, then deltas that overlap, with offsets in bytes.
    shows.extend(apply_all(
        &mut view,
        [
            ready(1, true, Some(in_progress("Zwölf Tage"))),
            accepted(1, &said),
            delta(0, "Zwölf "),
            delta(7, "Tage ab"),
            delta(14, " heute."),
            completed(2, "Zwölf Tage ab heute."),
            completed(2, "Zwölf Tage ab heute."),
        ],
    ));
    assert_eq!(read(&shows), "Zwölf Tage ab heute.");
    let ends = shows.iter().filter(|show| matches!(show, Show::Figures { .. })).count();
    assert_eq!(ends, 1);
}

#[test]
fn a_client_that_joins_in_the_middle_sees_the_whole_answer() {
    let mut view = View::new(None);
    let shows = apply_all(
        &mut view,
        [
            ready(5, true, Some(in_progress("Within "))),
            delta(7, "14 days."),
            completed(6, "Within 14 days."),
        ],
    );
    assert_eq!(read(&shows), "Within 14 days.");
}

#[test]
fn an_answer_of_which_we_lack_the_middle_is_whole_in_the_end() {
    let (mut view, said) = asked();
    let shows = apply_all(
        &mut view,
        [
            accepted(1, &said),
            delta(0, "Within "),
            delta(10, "days"),
            completed(2, "Within 14 days."),
        ],
    );
    assert_eq!(read(&shows), "Within 14 days.");
}

#[test]
fn the_answer_in_progress_waits_for_the_events_before_it() {
    let (mut view, said) = asked();
    view.apply(accepted(1, &said));
    let earlier = "01890a5d-ac96-774b-bcce-b302099a8060";
    let mut late = completed(2, "The earlier answer.");
    if let ServerFrame::Event(event) = &mut late
        && let orchestratai_shared::EventBody::MessageCompleted(completed) = &mut event.body
    {
        completed.message.id = earlier.parse().unwrap();
    }
    let shows = apply_all(
        &mut view,
        [ready(4, true, Some(in_progress("The next "))), late, delta(9, "one.")],
    );
    let texts: Vec<_> = shows
        .iter()
        .filter_map(|show| {
            if let Show::Answer { text, begins, .. } = show {
                Some((text.as_str(), *begins))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(
        texts,
        [("The earlier answer.", true), ("The next ", true), ("one.", false)]
    );
}

#[test]
fn a_withdrawn_answer_begins_anew() {
    let (mut view, said) = asked();
    let reset = frame(
        "message_reset",
        None,
        json!({"messageId": ANSWER, "reason": "the agent failed"}),
    );
    let shows = apply_all(
        &mut view,
        [
            accepted(1, &said),
            delta(0, "Wrong."),
            reset,
            delta(0, "Right."),
            completed(2, "Right."),
        ],
    );
    assert_eq!(read(&shows), "Right.");
    assert!(shows.contains(&Show::Withdrawn("the agent failed".into())));
}

#[test]
fn a_turn_taken_up_again_after_a_crash_shows_its_new_answer_only() {
    let (mut view, said) = asked();
    let log = json!({
        "id": TURN, "type": "routing", "title": "Taken up again", "timestamp": AT, "status": "warning", "sessionId": SESSION, "messageId": ANSWER,
        "data": {"intent": "DOMAIN_QUESTION", "confidence": 0.9, "target_agent": "billing", "reasoning": "r", "attempt": 2},
    });
    let shows = apply_all(
        &mut view,
        [
            accepted(1, &said),
            delta(0, "Within 14"),
            ready(2, true, None),
            frame("retrieval_log", Some(2), log),
            delta(0, "Within 15 days."),
            completed(3, "Within 15 days."),
        ],
    );
    assert_eq!(read(&shows), "Within 15 days.");
}

#[test]
fn a_step_of_one_of_several_agents_is_its_own_and_the_answer_stays_the_first_ones() {
    let (mut view, said) = asked();
    let step = |seq, agent: &str, by: Option<&str>| {
        let mut log = json!({
            "id": TURN, "type": "routing", "title": "A step", "timestamp": AT, "status": "success", "sessionId": SESSION, "messageId": ANSWER,
            "data": {"intent": "DOMAIN_QUESTION", "confidence": 0.9, "target_agent": agent, "reasoning": "r"},
        });
        if let Some(by) = by {
            log["agent"] = json!(by);
        }
        frame("retrieval_log", Some(seq), log)
    };
    let shows = apply_all(
        &mut view,
        [
            accepted(1, &said),
            step(2, "billing", None),
            step(3, "technical", Some("technical")),
            delta(0, "Within 15 days."),
        ],
    );
    let mut agents = Vec::new();
    for show in &shows {
        if let Show::Step { agent, .. } | Show::Answer { agent, .. } = show {
            agents.push(agent.as_ref().map(ToString::to_string).unwrap_or_default());
        }
    }
    assert_eq!(agents, ["billing", "technical", "billing"]);
}

#[test]
fn what_was_not_accepted_is_sent_again_under_its_id() {
    let (mut view, said) = asked();
    view.apply(ready(0, true, None));
    assert_eq!(view.unaccepted(), std::slice::from_ref(&said));
    view.apply(accepted(1, &said));
    assert!(view.unaccepted().is_empty());
}

#[test]
fn a_partial_recovery_is_not_passed_off_as_whole() {
    let (mut view, said) = asked();
    apply_all(&mut view, [accepted(1, &said), delta(0, "Within")]);
    let mut shows = view.apply(ready(9, false, None));
    assert!(shows.iter().any(|show| matches!(show, Show::Withdrawn(_))), "{shows:?}");
    assert_eq!(
        view.unaccepted(),
        std::slice::from_ref(&said),
        "the open turn is asked for anew"
    );
    // The server answers a repeated message with its original events, whose numbers are behind us.
    shows.extend(apply_all(
        &mut view,
        [accepted(1, &said), completed(2, "Within 14 days.")],
    ));
    assert_eq!(read(&shows[1..]), "Within 14 days.");
    assert!(!view.is_waiting());
}

#[test]
fn a_refused_message_ends_its_waiting() {
    let (mut view, said) = asked();
    let refusal = json!({"code": "OVERLOADED", "message": "no room", "retryable": true, "clientMessageId": said.id});
    assert_eq!(
        view.apply(frame("error", None, refusal)),
        [Show::Problem("no room".into())]
    );
    assert!(!view.is_waiting());
    assert_eq!(view.unanswered(), 1);
}

#[test]
fn a_turn_without_an_answer_counts_as_such_only_if_it_was_ours() {
    let failed = |seq| {
        let error = json!({"code": "TIMEOUT", "message": "it took too long", "retryable": true});
        frame("turn_failed", Some(seq), json!({"error": error}))
    };
    let (mut view, said) = asked();
    view.apply(accepted(1, &said));
    view.apply(failed(2));
    assert_eq!(view.unanswered(), 1);
    let mut other = View::new(None);
    other.apply(ready(0, true, None));
    assert!(matches!(other.apply(failed(1))[..], [Show::Failed(_)]));
    assert_eq!(other.unanswered(), 0);
}

#[test]
fn a_server_that_drains_says_when_to_come_back() {
    let (mut view, _) = asked();
    view.apply(frame("server_draining", None, json!({"reconnectAfterMs": 1500})));
    assert_eq!(
        view.take_reconnect_after(),
        Some(std::time::Duration::from_millis(1500))
    );
    assert_eq!(view.take_reconnect_after(), None);
}

#[test]
fn a_frame_of_a_later_version_is_no_error() {
    let later = json!({"type": "something_new", "sessionId": SESSION, "at": AT, "data": {}});
    assert_eq!(ServerFrame::parse(&later.to_string()), None);
    assert_eq!(ServerFrame::parse("no json"), None);
}
