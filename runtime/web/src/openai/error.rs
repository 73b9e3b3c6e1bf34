//! Errors in the shape that OpenAI gives them.

use orchestratai_shared::{ErrorCode, Failure};
use serde::Serialize;

use crate::error::ApiError;

/// The body of an error, and the data of the event that ends a stream early.
#[derive(Debug, Serialize)]
pub(crate) struct OpenAiErrorBody {
    error: OpenAiError,
}

#[derive(Debug, Serialize)]
struct OpenAiError {
    message: String,
    r#type: &'static str,
    /// The field that is not valid, the first where there are several.
    param: Option<String>,
    code: Option<&'static str>,
}

impl OpenAiErrorBody {
    pub(crate) fn of(error: &ApiError) -> Self {
        let param = error.details.first().map(|detail| detail.field.clone());
        let (r#type, code) = kind_of(&error.failure, param.as_deref());
        Self {
            error: OpenAiError {
                message: error.failure.message.clone(),
                r#type,
                param,
                code,
            },
        }
    }
}

/// `type` and `code`: where OpenAI has words for a case these, else ours.
fn kind_of(failure: &Failure, param: Option<&str>) -> (&'static str, Option<&'static str>) {
    match failure.code {
        ErrorCode::ValidationError => ("invalid_request_error", None),
        ErrorCode::Unauthenticated => ("invalid_request_error", Some("invalid_api_key")),
        ErrorCode::Forbidden => ("invalid_request_error", Some("forbidden")),
        ErrorCode::NotFound if param == Some("model") => ("invalid_request_error", Some("model_not_found")),
        ErrorCode::NotFound => ("invalid_request_error", Some("not_found")),
        ErrorCode::MethodNotAllowed => ("invalid_request_error", Some("method_not_allowed")),
        ErrorCode::Conflict => ("invalid_request_error", Some("conflict")),
        ErrorCode::PayloadTooLarge => ("invalid_request_error", Some("request_too_large")),
        ErrorCode::UnsupportedMediaType => ("invalid_request_error", Some("unsupported_media_type")),
        // A budget that is used up: who asks again at once is told the same again.
        ErrorCode::RateLimited if !failure.retryable => ("insufficient_quota", Some("insufficient_quota")),
        ErrorCode::RateLimited => ("requests", Some("rate_limit_exceeded")),
        ErrorCode::InternalError => ("server_error", None),
        ErrorCode::UpstreamError => ("server_error", Some("upstream_error")),
        ErrorCode::Overloaded => ("server_error", Some("overloaded")),
        ErrorCode::Timeout => ("server_error", Some("timeout")),
    }
}
