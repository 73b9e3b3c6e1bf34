//! Everything that can go wrong, in the one shape that clients see.

use std::time::Duration;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use orchestratai_actors::Refusal;
use orchestratai_shared::{ErrorBody, ErrorCode, ErrorDetail, Failure, FieldError, Invalid, Timestamp, TurnId};

/// Why a request gets no answer of the kind it wanted. The outermost middleware writes it as the body.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .failure.message)]
pub(crate) struct ApiError {
    pub(crate) failure: Failure,
    /// Each field that is not valid.
    pub(crate) details: Vec<FieldError>,
    /// For `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// For `Allow`, with [`ErrorCode::MethodNotAllowed`].
    pub(crate) allow: Option<&'static str>,
    /// For `X-Turn-Id`.
    pub(crate) turn_id: Option<TurnId>,
    /// Whether `Sec-WebSocket-Version` must be named.
    pub(crate) names_websocket_version: bool,
}

/// When a client may come back where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The same where asking again soon is of no use: a budget begins anew at a full hour at the soonest.
const RETRY_AFTER_IN_VAIN: Duration = Duration::from_secs(3_600);

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::from(Failure::new(code, message))
    }

    /// Fields that are not valid; at least one.
    pub(crate) fn invalid(details: Vec<FieldError>) -> Self {
        let named: Vec<String> = details
            .iter()
            .map(|detail| format!("{} {}", detail.field, detail.message))
            .collect();
        Self {
            details,
            ..Self::new(
                ErrorCode::ValidationError,
                format!("The request is not valid: {}.", named.join("; ")),
            )
        }
    }

    /// One field that is not valid.
    pub(crate) fn invalid_field(field: &str, reason: Invalid) -> Self {
        Self::invalid(vec![reason.at(field)])
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("There is no such {what}."))
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                ErrorCode::MethodNotAllowed,
                format!("This address answers only to {allow}."),
            )
        }
    }

    pub(crate) fn of_turn(self, turn_id: TurnId) -> Self {
        Self {
            turn_id: Some(turn_id),
            ..self
        }
    }

    /// What is said where only a status is known: by the framework, or by another crate's middleware.
    pub(crate) fn of_status(status: StatusCode, cause: Option<&actix_web::Error>) -> Self {
        let code = match status.as_u16() {
            401 => ErrorCode::Unauthenticated,
            403 => ErrorCode::Forbidden,
            404 => ErrorCode::NotFound,
            405 => ErrorCode::MethodNotAllowed,
            409 => ErrorCode::Conflict,
            413 => ErrorCode::PayloadTooLarge,
            415 => ErrorCode::UnsupportedMediaType,
            429 => ErrorCode::RateLimited,
            400..=499 => ErrorCode::ValidationError,
            502 => ErrorCode::UpstreamError,
            503 => ErrorCode::Overloaded,
            504 => ErrorCode::Timeout,
            _ => ErrorCode::InternalError,
        };
        let message = match (code, cause) {
            (ErrorCode::NotFound, _) => "There is nothing at this address.".into(),
            (ErrorCode::ValidationError, Some(cause)) => format!("The request is not valid: {cause}."),
            (ErrorCode::ValidationError, None) => "The request is not valid.".into(),
            (ErrorCode::PayloadTooLarge, _) => "The body is too large.".into(),
            (ErrorCode::InternalError, _) => "Something went wrong on our side.".into(),
            (
                ErrorCode::Unauthenticated
                | ErrorCode::Forbidden
                | ErrorCode::MethodNotAllowed
                | ErrorCode::Conflict
                | ErrorCode::UnsupportedMediaType
                | ErrorCode::RateLimited
                | ErrorCode::UpstreamError
                | ErrorCode::Overloaded
                | ErrorCode::Timeout,
                _,
            ) => {
                status
                    .canonical_reason()
                    .unwrap_or("The request was refused")
                    .to_owned()
                    + "."
            }
        };
        Self::new(code, message)
    }

    /// After a panic: our own defect, of which the client learns nothing but the request id.
    pub(crate) fn panicked() -> Self {
        Self::new(ErrorCode::InternalError, "Something went wrong on our side.")
    }

    /// Seconds for `Retry-After`, where the code calls for it.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        let must_say = matches!(self.failure.code, ErrorCode::RateLimited | ErrorCode::Overloaded);
        let usual = match self.failure.retryable {
            true => RETRY_AFTER,
            false => RETRY_AFTER_IN_VAIN,
        };
        let after = self.retry_after.or(must_say.then_some(usual))?;
        Some(after.as_secs() + u64::from(after.subsec_nanos() > 0))
    }

    /// The body.
    pub(crate) fn body(&self, request_id: &str) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                code: self.failure.code,
                message: self.failure.message.clone(),
                details: (!self.details.is_empty()).then(|| self.details.clone()),
                timestamp: Timestamp::now(),
                request_id: request_id.to_owned(),
            },
        }
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            details: Vec::new(),
            retry_after: None,
            allow: None,
            turn_id: None,
            names_websocket_version: false,
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self {
            retry_after: refusal.retry_after,
            turn_id: refusal.turn_id,
            ..Self::from(refusal.failure)
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.failure.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Bears the status only: the outermost middleware, which knows the request's id, writes headers and body.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_the_framework_becomes_a_code_with_that_status() {
        for (status, code) in [
            (StatusCode::NOT_FOUND, ErrorCode::NotFound),
            (StatusCode::IM_A_TEAPOT, ErrorCode::ValidationError),
            (StatusCode::NOT_IMPLEMENTED, ErrorCode::InternalError),
            (StatusCode::GATEWAY_TIMEOUT, ErrorCode::Timeout),
        ] {
            assert_eq!(ApiError::of_status(status, None).failure.code, code, "{status}");
        }
    }

    #[test]
    fn retry_after_is_whole_seconds_and_never_early() {
        let refused = |after| ApiError::from(Refusal::overloaded("full", after));
        assert_eq!(refused(Duration::from_millis(1)).retry_after_seconds(), Some(1));
        assert_eq!(refused(Duration::from_millis(2_100)).retry_after_seconds(), Some(3));
        assert_eq!(
            ApiError::new(ErrorCode::RateLimited, "slow down").retry_after_seconds(),
            Some(1)
        );
        let in_vain = Failure {
            retryable: false,
            ..Failure::new(ErrorCode::RateLimited, "the budget is used up")
        };
        assert_eq!(ApiError::from(in_vain).retry_after_seconds(), Some(3_600));
        assert_eq!(ApiError::not_found("turn").retry_after_seconds(), None);
    }

    #[test]
    fn a_validation_error_names_each_field() {
        let error = ApiError::invalid(vec![
            Invalid::new("is required").at("message"),
            Invalid::new("must be a UUID").at("session_id"),
        ]);
        assert_eq!(
            error.failure.message,
            "The request is not valid: message is required; session_id must be a UUID."
        );
        assert_eq!(error.body("r").error.details.unwrap().len(), 2);
    }
}
