//! JSON bodies: type, size, UTF-8, and the object in it.

use std::time::Duration;

use actix_web::{HttpRequest, http::header, web::Payload};
use futures_util::StreamExt;
use orchestratai_shared::ErrorCode;
use serde_json::Value;

use crate::{error::ApiError, fields::Fields};

/// The longest JSON body.
pub(crate) const JSON_BYTES_MAX: usize = 64 * 1024;
/// Up to here a body that is too long is read and dropped: a client that is still sending would not see the answer.
const DRAINED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A body that has not come whole by then is refused.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

/// Reads a JSON object of at most [`JSON_BYTES_MAX`]. A missing `Content-Type` is taken as JSON, for there is nothing else that it could be.
///
/// # Errors
/// 415 for another type or an encoded body, 413 above [`JSON_BYTES_MAX`], 400 for what is no JSON object.
pub(crate) async fn json(request: &HttpRequest, payload: Payload) -> Result<Fields, ApiError> {
    json_within(JSON_BYTES_MAX, request, payload).await
}

/// As [`json`], for bodies of another size.
///
/// # Errors
/// As [`json`], 413 above `bytes_max`.
pub(crate) async fn json_within(bytes_max: usize, request: &HttpRequest, payload: Payload) -> Result<Fields, ApiError> {
    check_type(request)?;
    parse(&arrived(bytes_max, request, payload).await?)
}

/// As [`json`], for a body that may be left out: then it has no fields.
///
/// # Errors
/// As [`json`], of a body that has any bytes.
pub(crate) async fn json_if_any(request: &HttpRequest, payload: Payload) -> Result<Fields, ApiError> {
    let body = arrived(JSON_BYTES_MAX, request, payload).await?;
    if body.is_empty() {
        return Ok(Fields::default());
    }
    check_type(request)?;
    parse(&body)
}

async fn arrived(bytes_max: usize, request: &HttpRequest, payload: Payload) -> Result<Vec<u8>, ApiError> {
    tokio::time::timeout(ARRIVAL_MAX, read(bytes_max, request, payload))
        .await
        .map_err(|_elapsed| invalid(format!("the body did not arrive within {} s", ARRIVAL_MAX.as_secs())))?
}

fn parse(body: &[u8]) -> Result<Fields, ApiError> {
    let text = std::str::from_utf8(body).map_err(|error| invalid(format!("the body is not UTF-8: {error}")))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(values)) => Ok(Fields::of(values)),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(invalid("the body must be a JSON object"))
        }
        Err(error) => Err(invalid(format!("the body is not JSON: {error}"))),
    }
}

fn invalid(what: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::ValidationError, format!("The request is not valid: {what}."))
}

fn check_type(request: &HttpRequest) -> Result<(), ApiError> {
    let refuse = |message: &str| Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
    let headers = request.headers();
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return refuse("The body must not be compressed.");
    }
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let content_type = content_type.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next() == Some("application/json");
    let is_utf8 = parts
        .filter_map(|parameter| parameter.strip_prefix("charset="))
        .all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8"));
    if is_json && is_utf8 {
        Ok(())
    } else {
        refuse("The body must be application/json in UTF-8.")
    }
}

async fn read(bytes_max: usize, request: &HttpRequest, mut payload: Payload) -> Result<Vec<u8>, ApiError> {
    let too_large = || {
        ApiError::new(
            ErrorCode::PayloadTooLarge,
            format!("The body must be at most {bytes_max} bytes long."),
        )
    };
    let declared: Option<u64> = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes| bytes > DRAINED_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    let mut bytes = 0;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| invalid(format!("the body broke off: {error}")))?;
        bytes += chunk.len();
        if bytes <= bytes_max {
            body.extend_from_slice(&chunk);
        } else if bytes > DRAINED_BYTES_MAX {
            break;
        } else {
            body = Vec::new();
        }
    }
    if bytes > bytes_max { Err(too_large()) } else { Ok(body) }
}
