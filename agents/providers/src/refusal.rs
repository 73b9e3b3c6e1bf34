//! What an answer means that is none: an HTTP status with a body, or an error in the middle of a stream.

use std::time::Duration;

use chrono::{DateTime, Utc};
use orchestratai_agents::language::{LanguageError, provider_word};
use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

/// A refused request.
///
/// `code` and `type`, or `status` of Google's errors, are the provider's word; its sentences go to the log at the level `DEBUG`.
pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> LanguageError {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    // Google wraps errors of streams into an array.
    let body = body.get(0).cloned().unwrap_or(body);
    let error = body.get("error").unwrap_or(&Value::Null);
    let word = word(error);
    tracing::debug!(http.status = status.as_u16(), said = %error, "a provider has refused a request");
    let retry_after = retry_after(headers, now).or_else(|| retry_delay(error));
    let word = word.or_else(|| Some(format!("status {}", status.as_u16())));
    match status.as_u16() {
        429 => LanguageError::RateLimited { word, retry_after },
        401 | 403 => LanguageError::Unauthorized { word },
        // 408 and 409 are of gateways that lost something on the way; 425 asks for the same once more.
        408 | 409 | 425 | 500..=599 => LanguageError::Unavailable {
            word,
            retry_after,
            // A gateway that got no answer, or none in time, had asked.
            was_passed_on: matches!(status.as_u16(), 502 | 504),
        },
        _ => LanguageError::Rejected { word },
    }
}

/// An error in the middle of a stream, as it stands under `error`. There is no status any more: its word has to say what it is.
pub(crate) fn of_stream(error: &Value) -> LanguageError {
    tracing::debug!(said = %error, "a provider has ended its answer with an error");
    let word = word(error);
    let status = error.get("code").and_then(Value::as_u64);
    let named = |names: &[&str]| word.as_deref().is_some_and(|word| names.contains(&word));
    if status == Some(429)
        || named(&[
            "rate_limit_error",
            "rate_limit_exceeded",
            "RESOURCE_EXHAUSTED",
            "insufficient_quota",
        ])
    {
        let retry_after = retry_delay(error);
        return LanguageError::RateLimited { word, retry_after };
    }
    if matches!(status, Some(401 | 403)) || named(&["authentication_error", "permission_error", "invalid_api_key"]) {
        return LanguageError::Unauthorized { word };
    }
    if matches!(status, Some(400 | 404 | 413 | 422))
        || named(&[
            "invalid_request_error",
            "not_found_error",
            "request_too_large",
            "INVALID_ARGUMENT",
        ])
    {
        return LanguageError::Rejected { word };
    }
    LanguageError::Unavailable {
        word,
        retry_after: None,
        was_passed_on: false,
    }
}

fn word(error: &Value) -> Option<String> {
    ["code", "status", "type"]
        .iter()
        .find_map(|field| provider_word(error.get(field)?.as_str()?))
}

/// `retry-after-ms` of OpenAI and Azure, `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = header("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return seconds(milliseconds / 1e3);
    }
    let text = header("retry-after")?;
    if let Ok(number) = text.parse::<f64>() {
        return seconds(number);
    }
    let at = DateTime::parse_from_rfc2822(text).ok()?;
    Some((at.with_timezone(&Utc) - now).to_std().unwrap_or(Duration::ZERO))
}

/// Google's `RetryInfo`, such as `"retryDelay": "34s"`.
fn retry_delay(error: &Value) -> Option<Duration> {
    let details = error.get("details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    seconds(delay.strip_suffix('s')?.parse().ok()?)
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number.max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn refused(status: u16, header: Option<(&'static str, &'static str)>, body: &str) -> LanguageError {
        let headers = header.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let now = DateTime::parse_from_rfc2822("Sun, 06 Nov 1994 08:49:30 GMT")
            .unwrap()
            .with_timezone(&Utc);
        let status = StatusCode::from_u16(status).unwrap();
        of_status(status, &headers.into_iter().collect(), body.as_bytes(), now)
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        let google =
            r#"[{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{}, {"retryDelay": "34.5s"}]}}]"#;
        for (header, body, milliseconds) in [
            (Some(("retry-after", "7")), "", 7_000),
            (Some(("retry-after", "0.25")), "", 250),
            (Some(("retry-after-ms", "1500")), "", 1_500),
            (Some(("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")), "", 7_000),
            (Some(("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")), "", 0),
            (Some(("retry-after", "-3")), "", 0),
            (None, google, 34_500),
        ] {
            let error = refused(429, header, body);
            assert_eq!(
                error.retry_after(),
                Some(Duration::from_millis(milliseconds)),
                "{header:?}"
            );
        }
        for nonsense in ["soon", "inf", "NaN"] {
            let error = refused(429, Some(("retry-after", nonsense)), "");
            assert!(error.retry_after().is_none_or(|wait| wait.is_zero()), "{nonsense}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_worth_retrying_and_never_repeats_a_sentence() {
        let body = r#"{"error": {"message": "my name is Ada", "type": "invalid_request_error", "code": "model not found, Ada"}}"#;
        let error = refused(404, None, body);
        assert_eq!(
            error.to_string(),
            "the provider does not take the request (invalid_request_error)"
        );
        assert!(!error.is_worth_retrying());
        for status in [408, 429, 500, 502, 503, 504, 529] {
            assert!(refused(status, None, "<html>").is_worth_retrying(), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 413, 422] {
            assert!(!refused(status, None, "<html>").is_worth_retrying(), "{status}");
        }
    }

    #[test]
    fn an_error_in_a_stream_is_known_by_its_word() {
        let of = |text: &str| of_stream(&serde_json::from_str(text).unwrap());
        assert!(of(r#"{"type": "overloaded_error", "message": "x"}"#).is_fault_of_provider());
        assert!(matches!(
            of(r#"{"type": "rate_limit_error"}"#),
            LanguageError::RateLimited { .. }
        ));
        assert!(matches!(
            of(r#"{"code": 400, "message": "x"}"#),
            LanguageError::Rejected { .. }
        ));
        assert!(matches!(
            of(r#""plain text""#),
            LanguageError::Unavailable { word: None, .. }
        ));
    }
}
