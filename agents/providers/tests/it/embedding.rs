//! Vectors of texts: what each provider is asked, what it may say, and what stands before it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use orchestratai_agents::language::{
    AttemptOutcome, AttemptWatch, BreakerState, EmbeddingModel, EmbeddingPurpose, EmbeddingRequest, FailureKind,
    GuardedEmbedding, LanguageError, TokenUsage, Upstream,
};
use orchestratai_providers::{ConnectError, Endpoint, HttpEmbedding, Key, ProviderKind, Timeouts};
use serde_json::json;

use crate::{
    guarding::{POLICY, Watch},
    server::{Act, Server, cut, head, refusal},
    telling::TIMEOUTS,
};

fn endpoint(kind: ProviderKind, server: &Server) -> Endpoint {
    Endpoint {
        kind,
        base_url: server.base_url(),
        model: "test-model".into(),
        key: Some(Key::new("test-key")),
    }
}

fn model(kind: ProviderKind, server: &Server, dimensions: Option<u32>) -> HttpEmbedding {
    HttpEmbedding::new(endpoint(kind, server), dimensions, TIMEOUTS).unwrap()
}

fn request(texts: &[&str]) -> EmbeddingRequest {
    EmbeddingRequest {
        texts: texts.iter().map(ToString::to_string).collect(),
        purpose: EmbeddingPurpose::Question,
        within: TIMEOUTS.first_token,
        spender: None,
    }
}

fn answer(body: &str) -> Vec<Act> {
    cut("application/json", body, 7)
}

const TWO: &str = r#"{"data": [{"embedding": [0, 2], "index": 1}, {"embedding": [3.0, 4.0], "index": 0}], "usage": {"prompt_tokens": 9, "total_tokens": 9}}"#;
const ONE: &str = r#"{"data": [{"embedding": [1.0, 0.0]}]}"#;

fn tokens(input: u64) -> Option<TokenUsage> {
    Some(TokenUsage {
        input,
        cached_input: 0,
        output: 0,
    })
}

#[tokio::test]
async fn openai_gives_vectors_in_the_order_of_the_texts() {
    let server = Server::start(vec![answer(TWO)]).await;
    let made = model(ProviderKind::OpenAi, &server, Some(2))
        .embed(&request(&["a", "b"]))
        .await
        .unwrap();
    assert_eq!(made.usage(), tokens(9));
    assert_eq!(made.into_vectors(), [[0.6, 0.8], [0.0, 1.0]]);
    let asked = &server.asked()[0];
    assert_eq!(asked.path, "/embeddings");
    assert_eq!(asked.headers["authorization"], "Bearer test-key");
    assert_eq!(
        asked.body,
        json!({"model": "test-model", "input": ["a", "b"], "encoding_format": "float", "dimensions": 2})
    );
}

#[tokio::test]
async fn gemini_is_told_what_the_texts_are() {
    let body = r#"{"embeddings": [{"values": [0, 5]}]}"#;
    let server = Server::start(vec![answer(body)]).await;
    let gemini = model(ProviderKind::Gemini, &server, Some(2));
    let made = gemini.embed(&request(&["a"])).await.unwrap();
    assert_eq!(made.usage(), None, "it reports none");
    assert_eq!(made.into_vectors(), [[0.0, 1.0]]);
    let passage = EmbeddingRequest {
        purpose: EmbeddingPurpose::Passage,
        ..request(&["a"])
    };
    gemini.embed(&passage).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[0].path, "/v1beta/models/test-model:batchEmbedContents");
    assert_eq!(asked[0].headers["x-goog-api-key"], "test-key");
    assert_eq!(
        asked[0].body,
        json!({"requests": [{
            "model": "models/test-model",
            "content": {"parts": [{"text": "a"}]},
            "taskType": "RETRIEVAL_QUERY",
            "outputDimensionality": 2,
        }]})
    );
    assert_eq!(asked[1].body["requests"][0]["taskType"], "RETRIEVAL_DOCUMENT");
}

#[tokio::test]
async fn ollama_counts_what_it_has_read() {
    let body = r#"{"model": "m", "embeddings": [[1, 0], [0, 1]], "total_duration": 1, "prompt_eval_count": 8}"#;
    let server = Server::start(vec![answer(body)]).await;
    let made = model(ProviderKind::Ollama, &server, None)
        .embed(&request(&["a", "b"]))
        .await
        .unwrap();
    assert_eq!(made.usage(), tokens(8));
    assert_eq!(made.into_vectors().len(), 2);
    let asked = &server.asked()[0];
    assert_eq!(asked.path, "/api/embed");
    assert_eq!(
        asked.body,
        json!({"model": "test-model", "input": ["a", "b"], "truncate": true})
    );
}

#[tokio::test]
async fn anthropic_has_none() {
    let server = Server::start(vec![answer(ONE)]).await;
    let refused = HttpEmbedding::new(endpoint(ProviderKind::Anthropic, &server), None, TIMEOUTS);
    assert!(matches!(
        refused,
        Err(ConnectError::NoEmbeddings(ProviderKind::Anthropic))
    ));
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_that_repeats_nothing() {
    for (kind, body, said) in [
        (ProviderKind::OpenAi, "no JSON, Ada", "line 1, column"),
        (ProviderKind::OpenAi, r#"{"data": "Ada"}"#, "line 1, column"),
        (
            ProviderKind::OpenAi,
            r#"{"data": [{"embedding": ["Ada"]}]}"#,
            "line 1, column",
        ),
        (ProviderKind::OpenAi, "{}", "0 vectors for 2 texts"),
        (ProviderKind::OpenAi, ONE, "1 vectors for 2 texts"),
        (
            ProviderKind::OpenAi,
            r#"{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}"#,
            "places of the texts",
        ),
        (
            ProviderKind::OpenAi,
            r#"{"data": [{"index": 7, "embedding": [1]}, {"index": 0, "embedding": [1]}]}"#,
            "places of the texts",
        ),
        (
            ProviderKind::Ollama,
            r#"{"embeddings": [[1, 0], [1]]}"#,
            "2 dimensions, and others 1",
        ),
        (
            ProviderKind::Ollama,
            r#"{"embeddings": [[1, 0], [0, 0]]}"#,
            "no direction",
        ),
        (
            ProviderKind::Gemini,
            r#"{"embeddings": [{"values": []}, {}]}"#,
            "0 dimensions",
        ),
    ] {
        let server = Server::start(vec![answer(body)]).await;
        let error = model(kind, &server, None)
            .embed(&request(&["a", "b"]))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), FailureKind::Protocol, "{body}");
        let text = error.to_string();
        assert!(text.contains(said) && !text.contains("Ada"), "{body}: {text}");
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut() {
    let endless = Act::Chunk(vec![b' '; 4 * 1024 * 1024]);
    let mut script = vec![head("application/json")];
    script.extend(std::iter::repeat_n(endless, 12));
    let server = Server::start(vec![script]).await;
    let error = model(ProviderKind::OpenAi, &server, None)
        .embed(&request(&["a"]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
    server.was_left(1).await;
}

struct House {
    server: Server,
    upstream: Arc<Upstream>,
    watch: Arc<Watch>,
    guarded: GuardedEmbedding,
}

impl House {
    async fn with(scripts: Vec<Vec<Act>>, timeouts: Timeouts) -> Self {
        let server = Server::start(scripts).await;
        let upstream = Arc::new(Upstream::new(1, Duration::from_secs(120)));
        let watch = Arc::<Watch>::default();
        let http = HttpEmbedding::new(endpoint(ProviderKind::OpenAi, &server), None, timeouts).unwrap();
        let guarded = GuardedEmbedding::new(
            Arc::new(http),
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

    async fn failure(&self, within: Duration) -> LanguageError {
        let request = EmbeddingRequest {
            within,
            ..request(&["a"])
        };
        self.guarded.embed(&request).await.unwrap_err()
    }
}

#[tokio::test]
async fn what_is_worth_it_is_asked_again() {
    let broken_off = vec![head("application/json"), Act::Chunk(r#"{"data": ["#.into())];
    let limited = refusal("429 Too Many Requests", "retry-after-ms: 300\r\n", "");
    let house = House::with(vec![limited, broken_off, answer(ONE)], TIMEOUTS).await;
    let made = house.guarded.embed(&request(&["a"])).await.unwrap();
    assert_eq!(made.into_vectors(), [[1.0, 0.0]]);
    assert_eq!(
        house.watch.outcomes(),
        [
            (AttemptOutcome::Failed(FailureKind::RateLimited), false),
            (AttemptOutcome::Failed(FailureKind::CutShort), false),
            (AttemptOutcome::Completed, true),
        ]
    );
    let asked = house.server.asked();
    assert!(asked[1].at - asked[0].at >= Duration::from_millis(300));
}

#[tokio::test]
async fn nothing_is_waited_for_longer_than_who_asks_can_wait() {
    let hang = vec![head("application/json"), Act::Hang];
    let house = House::with(vec![hang], TIMEOUTS).await;
    let (begun, within) = (Instant::now(), Duration::from_millis(150));
    assert_eq!(house.failure(within).await, LanguageError::TimedOut { limit: within });
    assert!(begun.elapsed() >= within);
    house.server.was_left(1).await;
    // Who is that slow five times is left alone, and then costs nobody any time.
    for _ in 0..4 {
        house.failure(within).await;
    }
    assert!(matches!(house.upstream.state(), BreakerState::Open(_)));
    assert_eq!(house.failure(within).await.kind(), FailureKind::Resting);
    assert_eq!(house.server.asked().len(), 5);
}

#[tokio::test]
async fn a_wait_that_would_end_too_late_is_not_begun() {
    let limited = refusal("429 Too Many Requests", "retry-after: 1\r\n", "");
    let house = House::with(vec![limited, answer(ONE)], TIMEOUTS).await;
    let error = house.failure(Duration::from_millis(500)).await;
    assert_eq!(error.kind(), FailureKind::RateLimited);
    assert_eq!(house.server.asked().len(), 1);
}

#[tokio::test]
async fn the_provider_itself_is_waited_for_so_long_and_no_longer() {
    let timeouts = Timeouts {
        first_token: Duration::from_millis(100),
        ..TIMEOUTS
    };
    let house = House::with(vec![vec![head("application/json"), Act::Hang]], timeouts).await;
    let error = house.failure(TIMEOUTS.first_token).await;
    let limit = timeouts.first_token;
    assert_eq!(error, LanguageError::TimedOut { limit });
}

#[tokio::test]
async fn what_is_dropped_is_closed_was_cancelled_and_makes_room() {
    let hang = vec![head("application/json"), Act::Hang];
    let house = House::with(vec![hang, answer(ONE)], TIMEOUTS).await;
    {
        let asked = request(&["a"]);
        let mut asking = std::pin::pin!(house.guarded.embed(&asked));
        tokio::select! {
            made = &mut asking => panic!("{made:?}"),
            () = house.server.was_asked(1) => {}
        }
    }
    assert_eq!(house.watch.outcomes(), [(AttemptOutcome::Cancelled, false)]);
    house.server.was_left(1).await;
    assert!(house.guarded.embed(&request(&["a"])).await.is_ok());
}
