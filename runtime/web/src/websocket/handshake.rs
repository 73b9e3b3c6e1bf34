//! The handshake, and what a client wishes in it.

use actix_http::ws::{HandshakeError, verify_handshake};
use actix_web::{HttpRequest, HttpResponseBuilder};
use actix_web_actors::ws;
use orchestratai_shared::{ErrorCode, Invalid, SUBPROTOCOL, SessionId, UserId};

use crate::{
    error::ApiError,
    fields::{Fields, SEQ_MAX, parsed, text, whole},
};

/// Which session a client wishes to follow, and from where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    /// A new one where it is left out.
    pub(crate) session_id: Option<SessionId>,
    /// The last `seq` that the client has.
    pub(crate) after_seq: Option<u64>,
    /// The epoch that the client knows.
    pub(crate) epoch: Option<String>,
    /// Whose the session is, where that is said: named where it is begun.
    pub(crate) user: Option<UserId>,
}

impl Wish {
    /// Reads it from the query.
    pub(crate) fn of(query: &str) -> Result<Self, ApiError> {
        let mut fields = Fields::of_query(query, &["session_id", "after_seq", "epoch", "user_id"]);
        let wish = Self {
            session_id: fields.optional("session_id", parsed),
            after_seq: fields.optional("after_seq", whole(0, SEQ_MAX)),
            epoch: fields.optional("epoch", text),
            user: fields.optional("user_id", parsed),
        };
        if wish.session_id.is_none() && wish.after_seq.is_some() {
            let _: Option<()> = fields.keep("after_seq", Err(Invalid::new("needs session_id")));
        }
        fields.finish(Some(wish))
    }
}

/// Judges the handshake, and begins the answer to it. A client that offers no subprotocol speaks ours all the same.
///
/// # Errors
/// What is wrong with it, in the shape of every other error.
pub(crate) fn accept(request: &HttpRequest) -> Result<HttpResponseBuilder, ApiError> {
    verify_handshake(request.head())
        .and_then(|()| ws::handshake_with_protocols(request, &[SUBPROTOCOL]))
        .map_err(|error| {
            let names_websocket_version = matches!(
                error,
                HandshakeError::NoVersionHeader | HandshakeError::UnsupportedVersion
            );
            ApiError {
                names_websocket_version,
                ..ApiError::new(
                    ErrorCode::ValidationError,
                    format!("This address takes WebSocket handshakes of version 13 only: {error}."),
                )
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn a_wish_is_read_from_the_query() {
        let wish = Wish::of(&format!(
            "session_id={ID}&after_seq=7&epoch=e%201&user_id=ada%40x.org&later=1"
        ))
        .unwrap();
        assert_eq!(wish.user.unwrap().as_str(), "ada@x.org");
        assert_eq!(wish.session_id, Some(ID.parse().unwrap()));
        assert_eq!(wish.after_seq, Some(7));
        assert_eq!(wish.epoch.as_deref(), Some("e 1"));
        assert!(Wish::of("").unwrap().session_id.is_none());
    }

    #[test]
    fn what_cannot_be_wished_is_named() {
        for (query, field) in [
            ("session_id=1", "session_id"),
            ("session_id=", "session_id"),
            ("after_seq=1", "after_seq"),
            (&format!("session_id={ID}&after_seq=-1"), "after_seq"),
            (&format!("session_id={ID}&session_id={ID}"), "session_id"),
            ("user_id=", "user_id"),
            ("user_id=ada%20lovelace", "user_id"),
            ("user_id=ada%00", "user_id"),
            (&format!("user_id={}", "a".repeat(129)), "user_id"),
            ("user_id=a&user_id=b", "user_id"),
        ] {
            assert_eq!(Wish::of(query).unwrap_err().details[0].field, field, "{query}");
        }
    }
}
