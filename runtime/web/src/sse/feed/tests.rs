use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sse::chat_events::ChatEvents;

const TURN: &str = "01890a5d-ac96-774b-bcce-000000000001";
const OTHER: &str = "01890a5d-ac96-774b-bcce-000000000002";
const ANSWER: &str = "01890a5d-ac96-774b-bcce-00000000000a";
const ANEW: &str = "01890a5d-ac96-774b-bcce-00000000000b";

fn frame(turn: &str, seq: Option<u64>, kind: &str, data: Value) -> String {
    let mut frame =
        json!({"type": kind, "sessionId": OTHER, "turnId": turn, "at": "2026-01-01T00:00:00.000Z", "data": data});
    if let Some(seq) = seq {
        frame["seq"] = seq.into();
    }
    frame.to_string()
}

fn ready(last_seq: u64, turn: Option<(&str, &str)>) -> String {
    let turn = turn.map(|(id, content)| json!({"id": TURN, "state": "running", "messageId": id, "content": content}));
    let mut data = json!({"lastSeq": last_seq, "recovered": true});
    if let Some(turn) = turn {
        data["turn"] = turn;
    }
    json!({"type": "session_ready", "sessionId": OTHER, "data": data}).to_string()
}

fn delta(id: &str, offset: usize, text: &str) -> String {
    let data = json!({"messageId": id, "offset": offset, "delta": text});
    frame(TURN, None, "message_delta", data)
}

fn log(seq: u64) -> String {
    frame(TURN, Some(seq), "retrieval_log", json!({"title": seq}))
}

fn completed(seq: u64, id: &str, content: &str) -> String {
    let metrics = json!({"tokensUsed": 0, "cost": 0.0, "latency": 1.0, "cache_status": "none"});
    let message = json!({"id": id, "content": content, "agent": "billing", "confidence": 0.9});
    frame(
        TURN,
        Some(seq),
        "message_completed",
        json!({"message": message, "metrics": metrics, "citations": []}),
    )
}

/// The `id` of a client that has `had` of an answer.
fn at(seq: u64, id: &str, had: &str) -> String {
    let partial = Some(Partial::none_of(id.parse().unwrap()).and(had));
    Position { seq, partial }.to_string()
}

/// The events as `name`, `data`, and the last `id`.
fn read(resumed: Option<&str>, frames: &[String]) -> (Vec<(String, Value)>, String) {
    let mut feed = Feed::new(
        TURN.parse().unwrap(),
        1,
        resumed.map(|id| id.parse().unwrap()),
        ChatEvents,
    );
    let mut out = Vec::new();
    for frame in frames {
        feed.read(frame, &mut out);
    }
    let (mut events, mut last) = (Vec::new(), String::new());
    for event in String::from_utf8(out).unwrap().split_terminator("\n\n") {
        let field = |name: &str| {
            event
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
                .to_owned()
        };
        last = field("id: ");
        events.push((field("event: "), serde_json::from_str(&field("data: ")).unwrap()));
    }
    (events, last)
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

/// What a client has put together: chunks since the last reset.
fn text(events: &[(String, Value)]) -> String {
    events.iter().fold(String::new(), |mut text, (name, data)| {
        match name.as_str() {
            "message_reset" => text.clear(),
            "message_chunk" => text += data["content"].as_str().unwrap(),
            _ => {}
        }
        text
    })
}

#[test]
fn a_turn_is_told_in_order_and_ends_with_the_whole_answer() {
    let (events, last) = read(
        None,
        &[
            ready(1, None),
            frame(
                TURN,
                Some(2),
                "agent_status",
                json!({"agent": "billing", "status": "active"}),
            ),
            frame(OTHER, Some(3), "retrieval_log", json!({"title": "of another turn"})),
            log(4),
            delta(ANSWER, 0, "Hello "),
            frame(
                OTHER,
                None,
                "message_delta",
                json!({"messageId": ANEW, "offset": 0, "delta": "of another turn"}),
            ),
            delta(ANSWER, 6, "there"),
            completed(5, ANSWER, "Hello there"),
            log(6),
        ],
    );
    assert_eq!(
        names(&events),
        [
            "agent_status",
            "retrieval_log",
            "message_chunk",
            "message_chunk",
            "done"
        ]
    );
    assert_eq!(text(&events), "Hello there");
    let done = &events[4].1;
    assert_eq!(done["message"], "Hello there");
    assert_eq!(done["logs"], json!([{"title": 4}]));
    assert_eq!(done["metadata"]["agent"], "billing");
    assert_eq!(done["metadata"]["cache_status"], "none");
    assert_eq!(last, at(5, ANSWER, "Hello there"));
}

#[test]
fn the_answer_so_far_waits_for_the_steps_before_it() {
    let (events, _) = read(
        None,
        &[
            ready(3, Some((ANSWER, "Hello "))),
            log(2),
            log(3),
            delta(ANSWER, 6, "there"),
        ],
    );
    assert_eq!(
        names(&events),
        ["retrieval_log", "retrieval_log", "message_chunk", "message_chunk"]
    );
    assert_eq!(text(&events), "Hello there");
}

#[test]
fn deltas_that_never_came_are_made_good_at_the_end() {
    let frames = [
        ready(1, None),
        delta(ANSWER, 0, "a"),
        delta(ANSWER, 2, "c"),
        completed(2, ANSWER, "abc"),
    ];
    let (events, _) = read(None, &frames);
    assert_eq!(names(&events), ["message_chunk", "message_chunk", "done"]);
    assert_eq!(text(&events), "abc");
}

#[test]
fn an_answer_that_is_begun_anew_withdraws_the_one_before() {
    let withdrawn = frame(
        TURN,
        None,
        "message_reset",
        json!({"messageId": ANSWER, "reason": "fell back"}),
    );
    let (events, _) = read(
        None,
        &[
            ready(1, None),
            delta(ANSWER, 0, "wrong"),
            withdrawn,
            delta(ANEW, 0, "right"),
            completed(2, ANEW, "right"),
        ],
    );
    assert_eq!(
        names(&events),
        ["message_chunk", "message_reset", "message_chunk", "done"]
    );
    let (events, _) = read(
        None,
        &[ready(1, None), delta(ANSWER, 0, "wrong"), completed(2, ANEW, "right")],
    );
    assert_eq!(
        names(&events),
        ["message_chunk", "message_reset", "message_chunk", "done"]
    );
    assert_eq!(text(&events), "right");
}

#[test]
fn who_comes_back_gets_what_follows() {
    let resumed = at(2, ANSWER, "Hello ");
    let while_it_runs = [
        ready(3, Some((ANSWER, "Hello th"))),
        log(2),
        log(3),
        delta(ANSWER, 8, "ere"),
    ];
    let (events, _) = read(Some(&resumed), &while_it_runs);
    assert_eq!(names(&events), ["retrieval_log", "message_chunk", "message_chunk"]);
    assert_eq!(text(&events), "there");

    let after_the_end = [log(2), log(3), completed(4, ANSWER, "Hello there")];
    let (events, _) = read(Some(&resumed), &after_the_end);
    assert_eq!(names(&events), ["retrieval_log", "message_chunk", "done"]);
    assert_eq!(text(&events), "there");
    assert_eq!(events[2].1["logs"], json!([{"title": 2}, {"title": 3}]));
}

#[test]
fn who_comes_back_with_another_answer_is_told_to_drop_it() {
    let answer = "G\u{e9}n\u{e9}ral";
    for had in [
        at(2, ANSWER, "wrong"),
        at(2, ANEW, "G\u{e9}n\u{e9}raliss"),
        at(2, ANEW, "Ge"),
    ] {
        let (events, _) = read(Some(&had), &[log(2), completed(3, ANEW, answer)]);
        assert_eq!(names(&events), ["message_reset", "message_chunk", "done"], "{had}");
        assert_eq!(text(&events), answer);
    }
}

#[test]
fn an_answer_that_was_withdrawn_while_one_was_away_is_not_joined_to_what_one_has() {
    let had = at(2, ANSWER, "Hello ");
    // Under the same id, begun anew and longer already, shorter still, or gone.
    for so_far in ["Greetings to all", "Gr", ""] {
        let (events, _) = read(
            Some(&had),
            &[
                ready(2, Some((ANSWER, so_far))),
                log(2),
                delta(ANSWER, so_far.len(), " of you"),
            ],
        );
        assert_eq!(events[0].0, "message_reset", "{so_far}");
        assert_eq!(text(&events), format!("{so_far} of you"));
    }
}

#[test]
fn a_turn_without_an_answer_ends_in_an_error() {
    let failed = json!({"error": {"code": "TIMEOUT", "message": "It took too long.", "retryable": true}});
    let (events, _) = read(None, &[frame(TURN, Some(2), "turn_failed", failed)]);
    assert_eq!(events[0].0, "stream_error");
    assert_eq!(events[0].1["code"], "TIMEOUT");
    let cancelled = frame(TURN, Some(2), "turn_cancelled", json!({"kept": 0, "tokensBilled": 0}));
    let (events, _) = read(None, &[cancelled, log(3)]);
    assert_eq!(names(&events), ["stream_error"]);
    assert_eq!(events[0].1["code"], "CONFLICT");
}

#[test]
fn a_session_that_is_another_now_ends_the_stream() {
    let lost = json!({"type": "session_ready", "data": {"lastSeq": 0, "recovered": false}}).to_string();
    let (events, _) = read(None, &[lost]);
    assert_eq!(events[0].1["code"], "NOT_FOUND");
}

proptest! {
    #[test]
    fn however_deltas_repeat_or_are_lost_the_client_has_the_answer(
        answer in "[a-z\u{e9}\u{1f980}]{1,20}",
        pieces in prop::collection::vec((0_usize..20, 1_usize..8), 0..12),
        cut in prop::option::of(0_usize..24),
    ) {
        let starts: Vec<usize> = answer.char_indices().map(|(at, _)| at).chain([answer.len()]).collect();
        let mut frames = vec![ready(1, None)];
        for (from, long) in pieces {
            let from = starts[from.min(starts.len() - 1)];
            let to = starts.iter().copied().find(|start| *start >= from + long).unwrap_or(answer.len());
            frames.push(delta(ANSWER, from, &answer[from..to]));
        }
        frames.push(completed(2, ANSWER, &answer));
        let (events, _) = read(None, &frames);
        prop_assert_eq!(&text(&events), &answer);

        // Cut off anywhere and resumed there, it is the same.
        if let Some(cut) = cut {
            let (before, at) = read(None, &frames[..cut.min(frames.len() - 1)]);
            let resumed = (!at.is_empty()).then_some(at.as_str());
            let (after, _) = read(resumed, &frames[frames.len() - 1..]);
            let whole: Vec<_> = before.into_iter().chain(after).collect();
            prop_assert_eq!(text(&whole), answer);
        }
    }
}

#[test]
fn a_position_that_was_never_given_counts_as_nothing() {
    let frames = [ready(2, Some((ANSWER, "Hel"))), log(2), completed(3, ANSWER, "Hello")];
    let (whole, last) = read(None, &frames);
    assert_eq!(
        names(&whole),
        ["retrieval_log", "message_chunk", "message_chunk", "done"]
    );
    for id in [
        "3",
        "99",
        &u64::MAX.to_string(),
        &at(99, ANSWER, "Hel"),
        &at(99, ANEW, "x"),
    ] {
        assert_eq!(read(Some(id), &frames), (whole.clone(), last.clone()), "{id}");
    }
}
