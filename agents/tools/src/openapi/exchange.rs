//! How a request is sent, and what its answer is to a model.

use orchestratai_agents::tool::{Invocation, ToolError, ToolOutput};
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

use super::{
    OpenApiError,
    operation::Operation,
    request::{Request, put_together},
};
use crate::{
    connection::{http_client, is_without_connection},
    source::{Limits, Secret},
    text::beginning,
};

/// Bytes of an answer that are read beyond what a result may have, so that the note of what was cut off says more than that something was.
const READ_BEYOND: usize = 64 * 1024;

/// A token that an API wants to see in each request.
#[derive(Debug, Clone)]
pub struct ApiToken {
    header: HeaderName,
    secret: Secret,
}

impl ApiToken {
    /// As `Authorization: Bearer`, or as it is in a header of another name.
    ///
    /// # Errors
    /// [`OpenApiError::Token`] where the name is none of a header.
    pub fn new(header: Option<&str>, secret: Secret) -> Result<Self, OpenApiError> {
        let header = match header {
            None => AUTHORIZATION,
            Some(name) => HeaderName::from_bytes(name.as_bytes()).map_err(|_invalid| OpenApiError::Token)?,
        };
        Ok(Self { header, secret })
    }

    pub(super) fn header(&self) -> &HeaderName {
        &self.header
    }

    fn value(&self) -> Result<HeaderValue, OpenApiError> {
        let text = if self.header == AUTHORIZATION {
            format!("Bearer {}", self.secret.reveal())
        } else {
            self.secret.reveal().to_owned()
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_invalid| OpenApiError::Token)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Sends the requests of one API.
pub(super) struct Exchange {
    base: Url,
    headers: HeaderMap,
    client: Client,
    result_bytes_max: usize,
}

impl Exchange {
    pub(super) fn new(base: Url, token: Option<&ApiToken>, limits: Limits) -> Result<Self, OpenApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/*;q=0.9, */*;q=0.1"),
        );
        if let Some(token) = token {
            headers.insert(token.header.clone(), token.value()?);
        }
        let client = http_client(limits.connect).map_err(OpenApiError::Tls)?;
        Ok(Self {
            base,
            headers,
            client,
            result_bytes_max: limits.result_bytes_max,
        })
    }

    pub(super) async fn send(&self, operation: &Operation, call: &Invocation<'_>) -> Result<ToolOutput, ToolError> {
        let Request { url, headers, body } = put_together(&self.base, operation, call.arguments)?;
        let mut request = self.client.request(operation.method.in_http(), url);
        // Ours last: they count where a document names the same ones.
        request = request.headers(headers).headers(self.headers.clone());
        if !operation.method.is_safe() {
            request = request.header("idempotency-key", call.idempotency_key());
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await.map_err(|error| without_answer(&error))?;
        self.told(response).await
    }

    async fn told(&self, mut response: Response) -> Result<ToolOutput, ToolError> {
        let status = response.status();
        let kind = (response.headers().get(CONTENT_TYPE))
            .and_then(|kind| kind.to_str().ok())
            .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        let declared = response.content_length();
        let room = self.result_bytes_max + READ_BEYOND;
        let mut bytes = Vec::new();
        let mut is_whole = true;
        while let Some(chunk) = response.chunk().await.map_err(|error| without_answer(&error))? {
            let taken = chunk.len().min(room - bytes.len());
            bytes.extend_from_slice(&chunk[..taken]);
            if taken < chunk.len() {
                is_whole = false;
                break;
            }
        }
        let kind = kind.unwrap_or_default();
        let is_json = kind == "application/json" || kind.ends_with("+json");
        let is_text = is_json || kind.is_empty() || kind.starts_with("text/") || kind.ends_with("xml");
        let structured = (is_json && is_whole)
            .then(|| serde_json::from_slice(&bytes).ok())
            .flatten();
        let content = match (bytes.is_empty(), is_text) {
            (true, _) => format!("[HTTP {}, without a body]", status.as_u16()),
            (false, true) => String::from_utf8_lossy(&bytes).into_owned(),
            (false, false) => {
                let size = declared.map_or_else(String::new, |size| format!(", {size} bytes"));
                format!("[data, {}{size}]", beginning(&kind, 64))
            }
        };
        if status.is_success() {
            return Ok(ToolOutput { content, structured });
        }
        if status.is_redirection() {
            let what = format!(
                "HTTP {}: the API sends elsewhere, which is not followed",
                status.as_u16()
            );
            return Err(ToolError::Failed(what));
        }
        let what = format!("HTTP {}: {content}", status.as_u16());
        // A gateway's word for an API that has not answered it in time, or not to its liking.
        let is_in_doubt = [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::BAD_GATEWAY,
            StatusCode::GATEWAY_TIMEOUT,
        ]
        .contains(&status);
        Err(match is_in_doubt {
            true => ToolError::InDoubt(what),
            false => ToolError::Failed(what),
        })
    }
}

/// Without the address, which reqwest's own message has.
fn without_answer(error: &reqwest::Error) -> ToolError {
    let cause: &(dyn std::error::Error + 'static) = error;
    tracing::debug!(error = cause, "an API has not answered");
    if is_without_connection(error) {
        return ToolError::NotMade("there is no connection to the API".into());
    }
    ToolError::InDoubt("the connection to the API broke off during the call".into())
}
