//! Providers that refuse, hang, are away, or send somebody elsewhere.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use orchestratai_agents::language::{ChatEvent, FailureKind, LanguageError};
use orchestratai_providers::{Endpoint, HttpModel, ProviderKind, Timeouts};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{
    server::{Act, Server, head, refusal},
    telling::{TIMEOUTS, model, model_with, question, told, undisturbed},
};

const QUICK: Timeouts = Timeouts {
    connect: Duration::from_millis(300),
    first_token: Duration::from_millis(500),
    idle: Duration::from_millis(400),
};

/// A piece of an answer with the text "x", and a sign of life.
fn pieces(kind: ProviderKind) -> [&'static str; 2] {
    match kind {
        ProviderKind::OpenAi => [
            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n",
            ": wait\n\n",
        ],
        ProviderKind::Anthropic => [
            "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n",
            "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        ],
        ProviderKind::Gemini => [
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}]}\n\n",
            ": wait\n\n",
        ],
        ProviderKind::Ollama => ["{\"message\":{\"content\":\"x\"},\"done\":false}\n", "\n"],
    }
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again() {
    for kind in ProviderKind::ALL {
        let body = "{\"error\":{\"type\":\"rate_limit_error\",\"message\":\"too many\"}}";
        let server = Server::start(vec![refusal("429 Too Many Requests", "retry-after: 7\r\n", body)]).await;
        let (events, error) = told(&model(kind, &server), question()).await;
        assert!(events.is_empty());
        let expected = LanguageError::RateLimited {
            word: Some("rate_limit_error".into()),
            retry_after: Some(Duration::from_secs(7)),
        };
        assert_eq!(error, Some(expected), "{kind:?}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart_and_the_library_asks_once() {
    for kind in ProviderKind::ALL {
        for (status, expected) in [
            ("401 Unauthorized", FailureKind::Unauthorized),
            ("404 Not Found", FailureKind::Rejected),
            ("500 Internal Server Error", FailureKind::Unavailable),
            ("529 Overloaded", FailureKind::Unavailable),
        ] {
            let server = Server::start(vec![refusal(status, "", "<html>a page of a proxy")]).await;
            let (_, error) = told(&model(kind, &server), question()).await;
            assert_eq!(error.unwrap().kind(), expected, "{kind:?} {status}");
            assert_eq!(server.asked().len(), 1, "{kind:?} {status}");
        }
    }
}

#[tokio::test]
async fn what_may_be_billed_is_told_from_what_was_never_worked_on() {
    for kind in ProviderKind::ALL {
        for (script, expected, may_be_billed) in [
            // The request was read, and the connection broke off: at once, or in the middle of the answer's head.
            (Vec::new(), FailureKind::CutShort, true),
            (vec![Act::Raw("HTTP/1.1 200".into())], FailureKind::CutShort, true),
            // A gateway that got no answer had asked.
            (refusal("502 Bad Gateway", "", ""), FailureKind::Unavailable, true),
            (refusal("504 Gateway Timeout", "", ""), FailureKind::Unavailable, true),
            (
                refusal("503 Service Unavailable", "", ""),
                FailureKind::Unavailable,
                false,
            ),
            (
                refusal("429 Too Many Requests", "", ""),
                FailureKind::RateLimited,
                false,
            ),
        ] {
            let server = Server::start(vec![script]).await;
            let error = told(&model(kind, &server), question()).await.1.unwrap();
            assert_eq!(
                (error.kind(), error.may_be_billed()),
                (expected, may_be_billed),
                "{kind:?}"
            );
            assert_eq!(server.asked().len(), 1, "{kind:?} {error}");
        }
    }
}

#[tokio::test]
async fn without_a_connection_nothing_may_be_billed() {
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let without_tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = without_tls.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = without_tls.accept().await {
            drop(socket);
        }
    });
    for base_url in [
        // It is refused, or breaks off before anything but the greeting of TLS was said.
        format!("http://{}", nobody.local_addr().unwrap()),
        format!("https://{address}"),
    ] {
        let endpoint = Endpoint {
            kind: ProviderKind::OpenAi,
            base_url: base_url.clone(),
            model: "test-model".into(),
            key: None,
        };
        let model = HttpModel::new(endpoint, TIMEOUTS).unwrap();
        let error = told(&model, question()).await.1.unwrap();
        assert_eq!(
            (error.kind(), error.may_be_billed()),
            (FailureKind::Unreachable, false),
            "{base_url}"
        );
    }
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let elsewhere = Server::start(vec![refusal("200 OK", "", "{}")]).await;
    let location = format!("location: {}/\r\n", elsewhere.base_url());
    let server = Server::start(vec![refusal("307 Temporary Redirect", &location, "")]).await;
    let (_, error) = told(&model(ProviderKind::OpenAi, &server), question()).await;
    assert_eq!(error.unwrap().kind(), FailureKind::Rejected);
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_given_up_in_time() {
    let kinds = ProviderKind::ALL.into_iter();
    join_all(kinds.map(|kind| async move {
        let mut signs_alone = vec![head("text/event-stream")];
        for _ in 0..20 {
            signs_alone.extend([Act::Chunk(pieces(kind)[1].into()), Act::Wait(Duration::from_millis(50))]);
        }
        for script in [vec![Act::Hang], vec![head("text/event-stream"), Act::Hang], signs_alone] {
            let (events, error, took) = undisturbed(|| async {
                let server = Server::start(vec![script.clone()]).await;
                let begun = Instant::now();
                let (events, error) = told(&model_with(kind, &server, QUICK), question()).await;
                let took = begun.elapsed();
                server.was_left(1).await;
                (events, error, took)
            })
            .await;
            let expected = LanguageError::TimedOut {
                limit: QUICK.first_token,
            };
            assert_eq!((events.len(), error), (0, Some(expected)), "{kind:?}");
            assert!(
                took >= QUICK.first_token && took < QUICK.first_token * 2,
                "{kind:?}: {took:?}"
            );
        }
    }))
    .await;
}

#[tokio::test]
async fn a_provider_that_stops_in_the_middle_is_given_up_and_one_that_thinks_is_not() {
    let kinds = ProviderKind::ALL.into_iter();
    join_all(kinds.map(|kind| async move {
        let [text, sign] = pieces(kind).map(|piece| Act::Chunk(piece.into()));
        let pause = || Act::Wait(QUICK.idle / 2);
        // Signs of life count from the first piece on, and so the answer may take longer than the first piece might.
        let mut script = vec![head("text/event-stream"), text.clone()];
        for _ in 0..5 {
            script.extend([pause(), sign.clone()]);
        }
        script.extend([pause(), text, Act::Hang]);
        let (events, error) = undisturbed(|| async {
            let server = Server::start(vec![script.clone()]).await;
            let told = told(&model_with(kind, &server, QUICK), question()).await;
            server.was_left(1).await;
            told
        })
        .await;
        assert_eq!(events, [ChatEvent::TextDelta("xx".into())], "{kind:?}");
        assert_eq!(error, Some(LanguageError::TimedOut { limit: QUICK.idle }), "{kind:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_provider_that_is_away_or_does_not_answer_the_door_cannot_be_reached() {
    // A door that is not answered: the queue of those who wait is full.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let door = socket.listen(0).unwrap();
    let address = door.local_addr().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.extend(tokio::time::timeout(Duration::from_millis(50), TcpStream::connect(address)).await);
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (address, timeouts) in [(address, QUICK), (nobody, TIMEOUTS)] {
        let endpoint = Endpoint {
            kind: ProviderKind::Ollama,
            base_url: format!("http://{address}"),
            model: "m".into(),
            key: None,
        };
        let (_, error) = told(&HttpModel::new(endpoint, timeouts).unwrap(), question()).await;
        let error = error.unwrap();
        assert_eq!(error.kind(), FailureKind::Unreachable);
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
}
