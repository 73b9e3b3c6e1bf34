//! What stands before a model: asking again, leaving alone, room for so many at once.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all};
use orchestratai_agents::language::{
    AttemptOutcome, AttemptWatch, BreakerState, ChatEvent, ChatRequest, FailureKind, Guarded, LanguageError,
    LanguageModel, RetryPolicy, StopReason, TokenUsage, Upstream,
};
use orchestratai_providers::ProviderKind;

use crate::{
    server::{Act, Server, cut, head, refusal},
    telling::{model, question, told},
};

pub(crate) const POLICY: RetryPolicy = RetryPolicy {
    attempts: 3,
    wait: Duration::from_millis(20),
    wait_max: Duration::from_secs(2),
};

#[derive(Default)]
pub(crate) struct Watch(Mutex<Vec<(AttemptOutcome, bool)>>);

impl Watch {
    /// How requests have ended, and whether something of their answers came.
    pub(crate) fn outcomes(&self) -> Vec<(AttemptOutcome, bool)> {
        self.0.lock().unwrap().clone()
    }
}

impl AttemptWatch for Watch {
    fn ended(&self, outcome: AttemptOutcome, first_token: Option<Duration>) {
        self.0.lock().unwrap().push((outcome, first_token.is_some()));
    }
}

struct House {
    server: Server,
    upstream: Arc<Upstream>,
    watch: Arc<Watch>,
    guarded: Guarded,
}

impl House {
    async fn with(scripts: Vec<Vec<Act>>, requests: usize) -> Self {
        let server = Server::start(scripts).await;
        let upstream = Arc::new(Upstream::new(requests, Duration::from_secs(120)));
        let watch = Arc::<Watch>::default();
        let guarded = Guarded::new(
            Arc::new(model(ProviderKind::OpenAi, &server)),
            Arc::clone(&upstream),
            POLICY,
            Arc::clone(&watch) as Arc<dyn AttemptWatch>,
        );
        Self {
            server,
            upstream,
            watch,
            guarded,
        }
    }

    async fn told(&self) -> (Vec<ChatEvent>, Option<LanguageError>) {
        told(&self.guarded, question()).await
    }

    fn outcomes(&self) -> Vec<(AttemptOutcome, bool)> {
        self.watch.outcomes()
    }
}

const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
const REST: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";

fn good() -> Vec<Act> {
    cut("text/event-stream", &format!("{TEXT}{REST}"), 1_000)
}

fn answered(usage: TokenUsage) -> [ChatEvent; 3] {
    [
        ChatEvent::TextDelta("x".into()),
        ChatEvent::Usage(usage),
        ChatEvent::Stopped(StopReason::Complete),
    ]
}

const ONCE: TokenUsage = TokenUsage {
    input: 2,
    cached_input: 0,
    output: 1,
};

#[tokio::test]
async fn what_is_worth_it_is_asked_again_while_nothing_was_said() {
    let broken_off = vec![head("text/event-stream"), Act::Chunk(": nothing yet\n\n".into())];
    let house = House::with(vec![refusal("503 Service Unavailable", "", ""), broken_off, good()], 8).await;
    assert_eq!(house.told().await, (answered(ONCE).to_vec(), None));
    assert_eq!(
        house.outcomes(),
        [
            (AttemptOutcome::Failed(FailureKind::Unavailable), false),
            (AttemptOutcome::Failed(FailureKind::CutShort), false),
            (AttemptOutcome::Completed, true),
        ]
    );
}

#[tokio::test]
async fn once_a_piece_was_said_nothing_is_asked_again() {
    let broken_off = vec![head("text/event-stream"), Act::Chunk(TEXT.into())];
    let house = House::with(vec![broken_off, good()], 8).await;
    let (events, error) = house.told().await;
    assert_eq!((events.len(), error), (1, Some(LanguageError::CutShort)));
    tokio::time::sleep(POLICY.wait * 5).await;
    assert_eq!(house.server.asked().len(), 1);
}

#[tokio::test]
async fn a_request_that_is_wrong_is_made_once_and_one_that_fails_three_times() {
    for (status, times) in [
        ("400 Bad Request", 1),
        ("401 Unauthorized", 1),
        ("500 Internal Server Error", 3),
    ] {
        let house = House::with(vec![refusal(status, "", "")], 8).await;
        assert!(house.told().await.1.is_some());
        assert_eq!(house.server.asked().len(), times, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_by_all_who_ask() {
    let wait = Duration::from_millis(400);
    let house = House::with(
        vec![refusal("429 Too Many Requests", "retry-after-ms: 400\r\n", ""), good()],
        8,
    )
    .await;
    let (first, second) = tokio::join!(house.told(), async {
        house.server.was_asked(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        house.told().await
    });
    assert_eq!((first.1, second.1), (None, None));
    let asked = house.server.asked();
    let waited: Vec<Duration> = asked[1..].iter().map(|next| next.at - asked[0].at).collect();
    assert_eq!(waited.len(), 2);
    assert!(waited.iter().all(|waited| *waited >= wait), "{waited:?}");
}

#[tokio::test]
async fn longer_than_a_turn_can_wait_is_not_waited() {
    let house = House::with(vec![refusal("429 Too Many Requests", "retry-after: 60\r\n", "")], 8).await;
    let (_, error) = house.told().await;
    assert_eq!(error.unwrap().kind(), FailureKind::RateLimited);
    // Who comes next is told so without the provider being asked.
    let (_, error) = house.told().await;
    assert_eq!(error.unwrap().kind(), FailureKind::Resting);
    assert_eq!(house.server.asked().len(), 1);
}

#[tokio::test]
async fn a_provider_that_fails_is_left_alone() {
    let house = House::with(vec![refusal("500 Internal Server Error", "", "")], 8).await;
    for _ in 0..10 {
        house.told().await;
    }
    assert_eq!(house.server.asked().len(), 5, "five faults in a row are enough");
    assert!(matches!(house.upstream.state(), BreakerState::Open(_)));
}

#[tokio::test]
async fn a_provider_is_open_to_all_as_soon_as_the_answer_of_who_tries_it_begins() {
    let fault = || refusal("500 Internal Server Error", "", "");
    let trial = vec![head("text/event-stream"), Act::Chunk(TEXT.into()), Act::Hang];
    let house = House::with(vec![fault(), fault(), fault(), fault(), fault(), trial, good()], 8).await;
    for _ in 0..2 {
        assert!(house.told().await.1.is_some());
    }
    assert_eq!(house.server.asked().len(), 5);
    while house.upstream.state() != BreakerState::HalfOpen {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut trial = house.guarded.chat(Arc::new(ChatRequest::default()));
    assert_eq!(trial.next().await, Some(Ok(ChatEvent::TextDelta("x".into()))));
    // It may take minutes to its end.
    assert_eq!(house.upstream.state(), BreakerState::Closed);
    assert_eq!(house.told().await, (answered(ONCE).to_vec(), None));
}

#[tokio::test]
async fn after_a_retry_after_nobody_waits_for_one_that_tries() {
    let silent = vec![head("text/event-stream"), Act::Hang];
    let too_often = refusal("429 Too Many Requests", "retry-after-ms: 100\r\n", "");
    let house = House::with(vec![too_often, silent, good()], 8).await;
    let mut first = house.guarded.chat(Arc::new(ChatRequest::default()));
    let (first, second) = (first.next(), async {
        house.server.was_asked(2).await;
        house.told().await
    });
    let told = tokio::select! {
        said = first => panic!("its answer never begins: {said:?}"),
        told = second => told,
    };
    assert_eq!(told, (answered(ONCE).to_vec(), None));
    assert_eq!(house.server.asked().len(), 3);
}

#[tokio::test]
async fn no_more_are_asked_at_once_than_there_is_room_for() {
    let slow = vec![
        head("text/event-stream"),
        Act::Chunk(TEXT.into()),
        Act::Wait(Duration::from_millis(100)),
        Act::Chunk(REST.into()),
        Act::End,
    ];
    let house = House::with(vec![slow], 2).await;
    let begun = Instant::now();
    let all = join_all((0..6).map(|_| house.told())).await;
    assert!(all.iter().all(|(_, error)| error.is_none()));
    assert!(begun.elapsed() >= Duration::from_millis(300), "three rounds of two");
}

#[tokio::test]
async fn what_is_dropped_was_cancelled_and_makes_room() {
    let house = House::with(
        vec![
            vec![head("text/event-stream"), Act::Chunk(TEXT.into()), Act::Hang],
            good(),
        ],
        1,
    )
    .await;
    let mut stream = house.guarded.chat(Arc::new(ChatRequest::default()));
    assert!(stream.next().await.is_some());
    drop(stream);
    assert_eq!(house.outcomes(), [(AttemptOutcome::Cancelled, true)]);
    assert_eq!(house.told().await.1, None);
    house.server.was_left(1).await;
}
