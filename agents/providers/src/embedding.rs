//! Models that make vectors of texts, asked over HTTP: one request, one document of JSON.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orchestratai_agents::language::{EmbeddingModel, EmbeddingRequest, Embeddings, LanguageError};
use reqwest::{Client, Response, Url, header::HeaderMap};
use tokio::time::timeout;

use crate::{
    connection::{ConnectError, Endpoint, Timeouts, address, client, cut_short, headers, post},
    protocol::broken,
    vectors::{self, VectorProtocol},
};

/// No answer is longer: 100 vectors of 16,384 numbers, each in some 20 characters.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A model that makes vectors, asked over HTTP. Cheap to clone; clones share their idle connections.
#[derive(Clone)]
pub struct HttpEmbedding(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    protocol: &'static dyn VectorProtocol,
    dimensions: Option<u32>,
    address: Url,
    headers: HeaderMap,
    client: Client,
    /// For the answer as a whole: there are no pieces of it that could be signs of life.
    answer_wait: Duration,
}

impl HttpEmbedding {
    /// Sets a model up, which is to give vectors of so many dimensions; of as many as it has where nothing is said. Nothing is sent before
    /// it is asked something.
    ///
    /// # Errors
    /// [`ConnectError`] where it could never be asked.
    pub fn new(endpoint: Endpoint, dimensions: Option<u32>, timeouts: Timeouts) -> Result<Self, ConnectError> {
        let protocol = vectors::of(endpoint.kind).ok_or(ConnectError::NoEmbeddings(endpoint.kind))?;
        Ok(Self(Arc::new(Inner {
            protocol,
            dimensions,
            address: address(&endpoint, &protocol.path(&endpoint)).ok_or(ConnectError::Address)?,
            headers: headers(endpoint.kind.protocol().as_ref(), &endpoint)?,
            client: client(&timeouts)?,
            answer_wait: timeouts.first_token,
            endpoint,
        })))
    }
}

#[async_trait]
impl EmbeddingModel for HttpEmbedding {
    async fn embed(&self, request: &EmbeddingRequest) -> Result<Embeddings, LanguageError> {
        let limit = self.0.answer_wait;
        timeout(limit, self.0.ask(request))
            .await
            .map_err(|_elapsed| LanguageError::TimedOut { limit })?
    }
}

impl Inner {
    async fn ask(&self, request: &EmbeddingRequest) -> Result<Embeddings, LanguageError> {
        let body = self.protocol.body(&self.endpoint, request, self.dimensions);
        let response = post(&self.client, &self.address, &self.headers, body.to_string()).await?;
        let answer = whole(response).await?;
        // Millions of numbers may stand there, which is no work for a thread that serves others.
        let (protocol, texts) = (self.protocol, request.texts.len());
        let read = move || protocol.read(&answer, texts);
        let embeddings = match tokio::task::spawn_blocking(read).await {
            Ok(read) => read?,
            Err(_broken_off) => return Err(broken("reading its answer was broken off")),
        };
        Ok(embeddings)
    }
}

async fn whole(mut response: Response) -> Result<Vec<u8>, LanguageError> {
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cut_short(&error))? {
        if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(broken("its answer is too long"));
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}
