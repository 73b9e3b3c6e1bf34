//! Stop stops: who drops a stream has closed its socket.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future};
use orchestratai_agents::language::{ChatEvent, LanguageModel};
use orchestratai_providers::ProviderKind;

use crate::{
    halves::halves,
    server::{Act, Server, head},
    telling::{model, question},
};

const STREAMS: usize = 200;

/// The slowest but one in a hundred.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_stream_closes_its_socket_within_20_ms_and_asks_nothing_more() {
    for kind in ProviderKind::ALL {
        let halves = halves(kind);
        let text = Act::Chunk(halves.first.into());
        let server = Server::start(vec![vec![head(halves.content_type), text, Act::Hang]]).await;
        let model = model(kind, &server);
        let mut times = Vec::new();
        for count in 1..=STREAMS {
            let mut stream = model.chat(Arc::new(question()));
            assert_eq!(stream.next().await, Some(Ok(ChatEvent::TextDelta("Grüße ".into()))));
            let dropped = Instant::now();
            drop(stream);
            times.push(server.was_left(count).await.saturating_duration_since(dropped));
        }
        assert!(p99(times.clone()) < Duration::from_millis(20), "{kind:?}: {times:?}");
        assert_eq!(server.asked().len(), STREAMS, "{kind:?}: nothing was asked again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_that_is_dropped_before_anything_was_said() {
    for kind in ProviderKind::ALL {
        let server = Server::start(vec![vec![Act::Hang]]).await;
        let model = model(kind, &server);
        let mut times = Vec::new();
        for count in 1..=STREAMS {
            let mut stream = model.chat(Arc::new(question()));
            let asked = Box::pin(server.was_asked(count));
            assert!(matches!(
                future::select(stream.next(), asked).await,
                future::Either::Right(_)
            ));
            let dropped = Instant::now();
            drop(stream);
            times.push(server.was_left(count).await.saturating_duration_since(dropped));
        }
        assert!(p99(times.clone()) < Duration::from_millis(20), "{kind:?}: {times:?}");
    }
}

#[tokio::test]
async fn a_stream_that_nobody_polls_asks_nothing() {
    let server = Server::start(vec![vec![Act::Hang]]).await;
    drop(model(ProviderKind::Gemini, &server).chat(Arc::new(question())));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(server.asked().is_empty());
}
