//! How vectors of texts are asked for, in the protocols of providers. Anthropic has none.

use orchestratai_agents::language::{EmbeddingPurpose, EmbeddingRequest, Embeddings, LanguageError, TokenUsage};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    connection::{Endpoint, ProviderKind},
    gemini,
    protocol::broken,
    refusal,
};

/// How a kind of provider is asked for vectors. Who asks is told to it as for any other request.
pub(crate) trait VectorProtocol: Send + Sync {
    /// Where the base address ends and the request's path begins, from `/` on.
    fn path(&self, endpoint: &Endpoint) -> String;

    /// What is sent. Without `dimensions` the model's own are wanted.
    fn body(&self, endpoint: &Endpoint, request: &EmbeddingRequest, dimensions: Option<u32>) -> Value;

    /// Reads an answer about so many texts.
    ///
    /// # Errors
    /// What the provider says in place of vectors, or [`LanguageError::Protocol`].
    fn read(&self, answer: &[u8], texts: usize) -> Result<Embeddings, LanguageError>;
}

/// The protocol of a kind of provider; none where it has no such models.
pub(crate) fn of(kind: ProviderKind) -> Option<&'static dyn VectorProtocol> {
    match kind {
        ProviderKind::OpenAi => Some(&OpenAi),
        ProviderKind::Gemini => Some(&Gemini),
        ProviderKind::Ollama => Some(&Ollama),
        ProviderKind::Anthropic => None,
    }
}

struct OpenAi;

#[derive(Deserialize)]
struct OpenAiAnswer {
    data: Option<Vec<OpenAiVector>>,
    usage: Option<OpenAiUsage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct OpenAiVector {
    index: Option<usize>,
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct OpenAiUsage {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

impl VectorProtocol for OpenAi {
    fn path(&self, _: &Endpoint) -> String {
        "/embeddings".into()
    }

    fn body(&self, endpoint: &Endpoint, request: &EmbeddingRequest, dimensions: Option<u32>) -> Value {
        let mut body = json!({"model": endpoint.model, "input": request.texts, "encoding_format": "float"});
        if let Some(dimensions) = dimensions {
            body["dimensions"] = dimensions.into();
        }
        body
    }

    fn read(&self, answer: &[u8], texts: usize) -> Result<Embeddings, LanguageError> {
        let answer: OpenAiAnswer = parsed(answer)?;
        refused(answer.error.as_ref())?;
        let data = answer.data.unwrap_or_default();
        // Some servers give no places, and then mean their order.
        let mut vectors: Vec<Option<Vec<f32>>> = vec![None; data.len()];
        for (place, vector) in data.into_iter().enumerate() {
            let place = vectors.get_mut(vector.index.unwrap_or(place));
            match place {
                Some(free @ None) => *free = Some(vector.embedding),
                Some(Some(_)) | None => return Err(broken("its vectors are not in the places of the texts")),
            }
        }
        let usage = answer
            .usage
            .and_then(|usage| usage.prompt_tokens.or(usage.total_tokens));
        Embeddings::new(vectors.into_iter().flatten().collect(), texts, usage.map(sent))
    }
}

struct Gemini;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeminiAnswer {
    embeddings: Option<Vec<GeminiVector>>,
    usage_metadata: Option<GeminiUsage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct GeminiVector {
    #[serde(default)]
    values: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeminiUsage {
    prompt_token_count: Option<u64>,
}

impl VectorProtocol for Gemini {
    fn path(&self, endpoint: &Endpoint) -> String {
        format!("/v1beta/{}:batchEmbedContents", gemini::model(endpoint))
    }

    fn body(&self, endpoint: &Endpoint, request: &EmbeddingRequest, dimensions: Option<u32>) -> Value {
        let task = match request.purpose {
            EmbeddingPurpose::Question => "RETRIEVAL_QUERY",
            EmbeddingPurpose::Passage => "RETRIEVAL_DOCUMENT",
        };
        let one = |text: &String| {
            let mut one = json!({
                "model": gemini::model(endpoint),
                "content": {"parts": [{"text": text}]},
                "taskType": task,
            });
            if let Some(dimensions) = dimensions {
                one["outputDimensionality"] = dimensions.into();
            }
            one
        };
        json!({"requests": request.texts.iter().map(one).collect::<Vec<_>>()})
    }

    fn read(&self, answer: &[u8], texts: usize) -> Result<Embeddings, LanguageError> {
        let answer: GeminiAnswer = parsed(answer)?;
        refused(answer.error.as_ref())?;
        let vectors = answer.embeddings.unwrap_or_default();
        // Most of its models report no tokens here.
        let usage = answer.usage_metadata.and_then(|usage| usage.prompt_token_count);
        let vectors = vectors.into_iter().map(|vector| vector.values).collect();
        Embeddings::new(vectors, texts, usage.map(sent))
    }
}

struct Ollama;

#[derive(Deserialize)]
struct OllamaAnswer {
    embeddings: Option<Vec<Vec<f32>>>,
    prompt_eval_count: Option<u64>,
    error: Option<Value>,
}

impl VectorProtocol for Ollama {
    fn path(&self, _: &Endpoint) -> String {
        "/api/embed".into()
    }

    fn body(&self, endpoint: &Endpoint, request: &EmbeddingRequest, dimensions: Option<u32>) -> Value {
        let mut body = json!({"model": endpoint.model, "input": request.texts, "truncate": true});
        if let Some(dimensions) = dimensions {
            body["dimensions"] = dimensions.into();
        }
        body
    }

    fn read(&self, answer: &[u8], texts: usize) -> Result<Embeddings, LanguageError> {
        let answer: OllamaAnswer = parsed(answer)?;
        refused(answer.error.as_ref())?;
        let usage = answer.prompt_eval_count.map(sent);
        Embeddings::new(answer.embeddings.unwrap_or_default(), texts, usage)
    }
}

/// An answer as its type.
fn parsed<T: DeserializeOwned>(answer: &[u8]) -> Result<T, LanguageError> {
    serde_json::from_slice(answer).map_err(|error| {
        // serde's message may repeat what stands there; its place says enough.
        let (line, column) = (error.line(), error.column());
        broken(&format!(
            "line {line}, column {column} of its answer is not as it should be"
        ))
    })
}

fn refused(error: Option<&Value>) -> Result<(), LanguageError> {
    error.map_or(Ok(()), |error| Err(refusal::of_stream(error)))
}

/// Nothing is written where vectors are made.
fn sent(tokens: u64) -> TokenUsage {
    TokenUsage {
        input: tokens,
        cached_input: 0,
        output: 0,
    }
}
