//! Stops in the middle of the load: what was accepted ends, if not before the stop then after the next start.

use std::time::{Duration, Instant};

use orchestratai_shared::{EventBody, SessionId, TurnId};

use crate::{
    client::Socket,
    server::{Launch, Server},
};

/// Sessions that speak at once.
const SESSIONS: usize = 180;
/// What each of them says at first, and at most: how much a server cannot end at once depends on the machine, so a load
/// that was ended in time shows nothing and is doubled.
const TURNS: usize = 8;
const TURNS_MAX: usize = 64;

fn launch(drain: &str) -> Launch {
    Launch::new()
        .setting("limits.frames_burst", "100000")
        .setting("limits.frames_per_second", "100000")
        .setting("server.drain", drain)
        .setting("session.queue_max", &TURNS_MAX.to_string())
        .setting("limits.turns_in_flight", &(2 * SESSIONS * TURNS_MAX).to_string())
}

const MESSAGE: &str = "How do I rotate an API key without downtime?";

/// Each session says `turns_each` messages, and again what it was too busy to take: how much a session takes at once
/// depends on the machine. Gives what was accepted, and the sockets that follow it.
async fn overwhelm(server: &Server, turns_each: usize) -> (Vec<(SessionId, Vec<TurnId>)>, Vec<Socket>) {
    let (mut accepted, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..SESSIONS {
        let mut socket = server.socket("").await;
        let session_id = socket.ready().await.session_id();
        accepted.push((session_id, Vec::new()));
        sockets.push(socket);
    }
    for socket in &mut sockets {
        for _ in 0..turns_each {
            socket.say(MESSAGE).await;
        }
    }
    for ((_, turns), socket) in accepted.iter_mut().zip(&mut sockets) {
        while turns.len() < turns_each {
            let frame = socket.next().await;
            match frame.kind() {
                "message_accepted" => turns.extend(frame.turn_id()),
                "error" => {
                    assert_eq!(frame.0["data"]["code"], "OVERLOADED", "{}", frame.0);
                    socket.say(MESSAGE).await;
                }
                _ => {}
            }
        }
    }
    (accepted, sockets)
}

/// Every accepted turn ends exactly once; gives how many of them were taken up again.
async fn check_all_end(server: &Server, accepted: &[(SessionId, Vec<TurnId>)]) -> usize {
    let (rest, began) = (server.rest(), Instant::now());
    let mut taken_up = 0;
    for (session_id, turns) in accepted {
        let events = loop {
            let events = rest.events(*session_id).await;
            if events.iter().filter(|event| event.body.is_terminal()).count() >= turns.len() {
                break events;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{session_id} does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        for turn_id in turns {
            let of_turn = events.iter().filter(|event| event.turn_id == Some(*turn_id));
            let ends: Vec<_> = of_turn.filter(|event| event.body.is_terminal()).collect();
            assert_eq!(ends.len(), 1, "{turn_id} of {session_id}");
            assert!(matches!(ends[0].body, EventBody::MessageCompleted(_)), "{:?}", ends[0]);
        }
        taken_up += events
            .iter()
            .filter(
                |event| matches!(&event.body, EventBody::RetrievalLog(log) if log.title.starts_with("Taken up again")),
            )
            .count();
    }
    taken_up
}

async fn until_logged(server: &Server, text: &str) {
    let began = Instant::now();
    while !server.log().contains(text) {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_stop_waits_for_all_that_was_accepted() {
    let mut server = launch("60s").start().await;
    let (accepted, _sockets) = overwhelm(&server, TURNS).await;
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    let again = Launch::new().in_folder_of(&server.folder()).start().await;
    assert_eq!(check_all_end(&again, &accepted).await, 0, "the stop did not wait");
}

/// Stops a server under a load that it has not ended by then: all of it ends after the next start.
async fn check_a_stop_in_the_middle(drain: &str, stop: impl AsyncFn(&mut Server, Vec<Socket>)) {
    let mut turns_each = TURNS;
    while turns_each <= TURNS_MAX {
        let mut server = launch(drain).start().await;
        let (accepted, sockets) = overwhelm(&server, turns_each).await;
        stop(&mut server, sockets).await;
        let again = Launch::new().in_folder_of(&server.folder()).start().await;
        if check_all_end(&again, &accepted).await > 0 {
            return;
        }
        turns_each *= 2;
    }
    panic!("nothing was left: the load was too small to show anything");
}

#[tokio::test]
async fn a_stop_that_may_not_wait_leaves_what_had_not_ended_to_the_next_start() {
    check_a_stop_in_the_middle("0ms", async |server, sockets| {
        // Their closing handshakes are waited for, whatever the drain may take, and turns go on in the meantime.
        drop(sockets);
        let began = Instant::now();
        server.terminate();
        assert_eq!(server.ended().await.code(), Some(0));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(10), "it took {took:?}");
    })
    .await;
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once_and_loses_nothing() {
    check_a_stop_in_the_middle("60s", async |server, _sockets| {
        server.terminate();
        until_logged(server, "stopping: waiting for running turns").await;
        let began = Instant::now();
        server.terminate();
        assert_eq!(server.ended().await.code(), Some(1), "{}", server.log());
        let took = began.elapsed();
        assert!(took < Duration::from_secs(2), "it took {took:?}");
        assert!(server.log().contains("ending at once"), "{}", server.log());
    })
    .await;
}
