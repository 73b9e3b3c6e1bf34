//! Reads from a frame only what a turn's measurement needs.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, de::IgnoredAny};

use super::Origin;

/// The `type` of a frame, or none where it is no JSON object with one.
///
/// The server writes `type` first, so mostly a look at the beginning is enough; a frame that begins otherwise is parsed.
pub(crate) fn kind(text: &str) -> Option<Cow<'_, str>> {
    if let Some(rest) = text.strip_prefix(r#"{"type":""#)
        && let Some(end) = rest.find('"')
        && rest[..end]
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    {
        return Some(Cow::Borrowed(&rest[..end]));
    }
    serde_json::from_str::<Kind<'_>>(text).ok().map(|frame| frame.kind)
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// `message_accepted`.
#[derive(Deserialize)]
pub(crate) struct Accepted<'a> {
    /// The turn that answers.
    #[serde(borrow, rename = "turnId")]
    pub(crate) turn_id: Cow<'a, str>,
    #[serde(borrow)]
    data: AcceptedData<'a>,
}

#[derive(Deserialize)]
struct AcceptedData<'a> {
    #[serde(borrow, rename = "clientMessageId")]
    client_message_id: Cow<'a, str>,
}

impl<'a> Accepted<'a> {
    /// Parses it.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether it answers the message with this id.
    pub(crate) fn is_for(&self, client_message_id: &str) -> bool {
        self.data.client_message_id == client_message_id
    }
}

/// Any of the three events that end a turn.
#[derive(Deserialize)]
pub(crate) struct Terminal<'a> {
    /// The turn that ended.
    #[serde(borrow, rename = "turnId")]
    pub(crate) turn_id: Cow<'a, str>,
    #[serde(borrow, default)]
    data: TerminalData<'a>,
}

#[derive(Deserialize, Default)]
struct TerminalData<'a> {
    metrics: Option<Metrics<'a>>,
    #[serde(default)]
    citations: Vec<IgnoredAny>,
    #[serde(borrow)]
    error: Option<ErrorBody<'a>>,
}

#[derive(Deserialize)]
struct Metrics<'a> {
    #[serde(borrow)]
    cache_status: Cow<'a, str>,
}

impl<'a> Terminal<'a> {
    /// Parses it.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Where the answer came from.
    pub(crate) fn origin(&self) -> Origin {
        origin(self.data.metrics.as_ref(), !self.data.citations.is_empty())
    }

    /// The code of `turn_failed`.
    pub(crate) fn error_code(&self) -> String {
        self.data
            .error
            .as_ref()
            .map_or_else(|| "without a code".to_owned(), |error| error.code.to_string())
    }
}

/// The frame `error`.
#[derive(Deserialize)]
pub(crate) struct Refusal<'a> {
    #[serde(borrow)]
    data: RefusalData<'a>,
}

#[derive(Deserialize)]
struct RefusalData<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow, rename = "clientMessageId")]
    client_message_id: Option<Cow<'a, str>>,
}

impl<'a> Refusal<'a> {
    /// Parses it.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The code, if the refusal is of the message with this id, or names none.
    pub(crate) fn code_for(&self, client_message_id: &str) -> Option<String> {
        let ours = self
            .data
            .client_message_id
            .as_ref()
            .is_none_or(|id| id == client_message_id);
        ours.then(|| self.data.code.to_string())
    }
}

/// The answer of `POST /api/chat`, and the one shape of errors.
#[derive(Deserialize)]
pub(crate) struct ChatAnswer<'a> {
    #[serde(borrow)]
    metrics: Option<Metrics<'a>>,
    #[serde(default, borrow)]
    logs: Vec<Log<'a>>,
    #[serde(borrow)]
    error: Option<ErrorBody<'a>>,
}

#[derive(Deserialize)]
struct Log<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default)]
    data: Option<LogData>,
}

/// What of the data of a step is looked at.
#[derive(Deserialize)]
struct LogData {
    /// Milliseconds that a search took.
    #[serde(default)]
    latency: Option<f64>,
    /// What it found.
    #[serde(default)]
    chunks_retrieved: u32,
}

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

impl<'a> ChatAnswer<'a> {
    /// Parses it.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Where the answer came from; none where it is no answer.
    pub(crate) fn origin(&self) -> Option<Origin> {
        let metrics = self.metrics.as_ref()?;
        let searched = self
            .logs
            .iter()
            .any(|log| log.kind == "documents" || log.kind == "vector_search");
        Some(origin(Some(metrics), searched))
    }

    /// How long the server says that its searches took, of those that found something.
    pub(crate) fn searches(&self) -> impl Iterator<Item = Duration> {
        let searches = self.logs.iter().filter(|log| log.kind == "vector_search");
        let data = searches.filter_map(|log| log.data.as_ref());
        let latencies = data
            .filter(|data| data.chunks_retrieved > 0)
            .filter_map(|data| data.latency);
        latencies.filter_map(|ms| Duration::try_from_secs_f64(ms / 1_000.0).ok())
    }

    /// The code of an error.
    pub(crate) fn error_code(&self) -> Option<String> {
        self.error.as_ref().map(|error| error.code.to_string())
    }
}

fn origin(metrics: Option<&Metrics<'_>>, searched: bool) -> Origin {
    match metrics {
        Some(metrics) if metrics.cache_status == "hit" => Origin::Cache,
        Some(_) | None if searched => Origin::Retrieval,
        Some(_) | None => Origin::Neither,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_found_wherever_it_stands() {
        for (text, wanted) in [
            (
                r#"{"type":"message_delta","data":{"delta":"\"type\":\"pong\""}}"#,
                Some("message_delta"),
            ),
            (
                r#"{"sessionId":"s","data":{"type":"routing"},"type":"retrieval_log"}"#,
                Some("retrieval_log"),
            ),
            (r#"{ "type" : "pong" }"#, Some("pong")),
            (r#"{"type":"pong"}"#, Some("pong")),
            (r#"{"data":{"type":"routing"}}"#, None),
            (r#"{"type":"po"#, None),
            ("", None),
        ] {
            assert_eq!(kind(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn an_acceptance_is_matched_by_its_client_message_id() {
        let text = r#"{"type":"message_accepted","seq":1,"sessionId":"s","turnId":"t","at":"x",
            "data":{"message":{"id":"m","content":"\"quoted\""},"clientMessageId":"c"}}"#;
        let accepted = Accepted::parse(text).unwrap();
        assert_eq!(accepted.turn_id, "t");
        assert!(accepted.is_for("c"));
        assert!(!accepted.is_for("m"));
    }

    #[test]
    fn an_answer_with_citations_and_a_cache_miss_came_from_retrieval() {
        let text = r#"{"type":"message_completed","seq":9,"turnId":"t","data":{"message":{},
            "metrics":{"tokensUsed":0,"cost":0,"latency":3,"cache_status":"miss"},
            "citations":[{"index":1,"chunkId":"0","source":"a.md"}]}}"#;
        let terminal = Terminal::parse(text).unwrap();
        assert_eq!(terminal.turn_id, "t");
        assert_eq!(terminal.origin(), Origin::Retrieval);
    }

    #[test]
    fn a_cached_answer_is_told_apart() {
        let text = r#"{"turnId":"t","data":{"metrics":{"cache_status":"hit"},"citations":[]}}"#;
        assert_eq!(Terminal::parse(text).unwrap().origin(), Origin::Cache);
    }

    #[test]
    fn a_failed_turn_and_a_cancelled_one_are_read_by_the_same_shape() {
        let failed = r#"{"turnId":"t","data":{"error":{"code":"UPSTREAM_ERROR","message":"m","retryable":true}}}"#;
        assert_eq!(Terminal::parse(failed).unwrap().error_code(), "UPSTREAM_ERROR");
        assert!(Terminal::parse(r#"{"turnId":"t","data":{"kept":0,"tokensBilled":0}}"#).is_some());
    }

    #[test]
    fn a_refusal_of_another_message_is_not_ours() {
        let text =
            r#"{"type":"error","data":{"code":"OVERLOADED","message":"m","retryable":true,"clientMessageId":"c"}}"#;
        let refusal = Refusal::parse(text).unwrap();
        assert_eq!(refusal.code_for("c").as_deref(), Some("OVERLOADED"));
        assert_eq!(refusal.code_for("d"), None);
        let unnamed = r#"{"type":"error","data":{"code":"VALIDATION_ERROR","message":"m","retryable":false}}"#;
        assert_eq!(
            Refusal::parse(unnamed).unwrap().code_for("c").as_deref(),
            Some("VALIDATION_ERROR")
        );
    }

    #[test]
    fn a_chat_answer_tells_its_origin_and_an_error_its_code() {
        let answer = br#"{"message":"m","agent":"billing","confidence":0.9,"agent_status":{"billing":"complete"},
            "logs":[{"type":"routing"},{"type":"documents"}],"metrics":{"cache_status":"miss"}}"#;
        let origin = ChatAnswer::parse(answer).unwrap().origin();
        assert_eq!(origin, Some(Origin::Retrieval));
        let error = br#"{"error":{"code":"OVERLOADED","message":"m","timestamp":"t","requestId":"r"}}"#;
        let error = ChatAnswer::parse(error).unwrap();
        assert_eq!(error.origin(), None);
        assert_eq!(error.error_code().as_deref(), Some("OVERLOADED"));
    }
}
