//! What can go wrong, in the one shape that every client sees.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The code of an error; each has one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// Something in the request is not as it must be; `details` names each field. 400.
    ValidationError,
    /// No valid credentials. 401.
    Unauthenticated,
    /// Not allowed. 403.
    Forbidden,
    /// There is no such thing. 404.
    NotFound,
    /// The path knows other methods; `Allow` names them. 405.
    MethodNotAllowed,
    /// It contradicts what is there already. 409.
    Conflict,
    /// The body or frame is too large. 413.
    PayloadTooLarge,
    /// The body is of a type that is not understood. 415.
    UnsupportedMediaType,
    /// Too many requests; `Retry-After` says when to come back. 429.
    RateLimited,
    /// A fault of our own. 500.
    InternalError,
    /// A model or tool that we depend on failed. 502.
    UpstreamError,
    /// No room just now; `Retry-After` says when to come back. 503.
    Overloaded,
    /// It took too long. 504.
    Timeout,
}

impl ErrorCode {
    /// As it stands on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ValidationError => "VALIDATION_ERROR",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::Conflict => "CONFLICT",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::RateLimited => "RATE_LIMITED",
            Self::InternalError => "INTERNAL_ERROR",
            Self::UpstreamError => "UPSTREAM_ERROR",
            Self::Overloaded => "OVERLOADED",
            Self::Timeout => "TIMEOUT",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::ValidationError => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RateLimited => 429,
            Self::InternalError => 500,
            Self::UpstreamError => 502,
            Self::Overloaded => 503,
            Self::Timeout => 504,
        }
    }

    /// Whether the same request may succeed later without change.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::RateLimited | Self::InternalError | Self::UpstreamError | Self::Overloaded | Self::Timeout => true,
            Self::ValidationError
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Conflict
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType => false,
        }
    }
}

/// Why something is refused or failed: code, and a message that a person may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[error("{message}")]
pub struct Failure {
    /// The code.
    pub code: ErrorCode,
    /// What went wrong and, where there is something to do, what to do.
    pub message: String,
    /// Whether the same request may succeed later without change.
    pub retryable: bool,
}

impl Failure {
    /// Makes a failure that is retryable as its code says.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: code.is_retryable(),
        }
    }
}

/// Why a single value is not valid; the caller adds which field it stood in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(Cow<'static, str>);

impl Invalid {
    /// `reason` completes the sentence "the field …", such as "must be a UUID".
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }

    /// Names the field.
    #[must_use]
    pub fn at(self, field: impl Into<String>) -> FieldError {
        FieldError {
            field: field.into(),
            message: self.0.into_owned(),
        }
    }
}

/// A field that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FieldError {
    /// Its name, with dots where it is nested; `body`, `query` or `path` where it is the whole.
    pub field: String,
    /// What it must be.
    pub message: String,
}

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What is known about an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetail {
    /// Its code.
    pub code: ErrorCode,
    /// What went wrong, for people.
    pub message: String,
    /// Each field that is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub details: Option<Vec<FieldError>>,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The id under which logs and traces know the request.
    pub request_id: String,
}
