//! The answer to a page that may not come in.
//!
//! A browser shows a page nothing of a refused handshake, neither its status nor its body: all of them are close code 1006,
//! as is a server that is away, and coming back would seem to be worth while. So a page is let in as far as its close code.

use std::{future::ready, rc::Rc};

use actix_http::ws::{CloseCode, CloseReason, Parser};
use actix_web::{Error, HttpResponse, dev::ServiceRequest, http::header, web::Payload};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use orchestratai_telemetry::Metrics;

use super::{
    connection::LIMITS,
    decoder::Received,
    farewell::{ANSWER_MAX, CUT_AFTER},
    handshake,
    inbound::Inbound,
    outflow::{Body, Outflow},
};
use crate::socket::Connected;

/// Of a handshake without a valid token.
const UNAUTHENTICATED: u16 = 4001;

/// Answers the handshake of a page with a close that says that it brought no valid token. `None` for every other request: who
/// can read a status is given one.
pub(crate) fn unauthenticated(request: &mut ServiceRequest, metrics: &Metrics) -> Option<HttpResponse> {
    if request.path() != super::PATH || !request.headers().contains_key(header::ORIGIN) {
        return None;
    }
    let mut response = handshake::accept(request.request()).ok()?;
    let socket = Connected::of(request.request());
    if let Some(socket) = &socket {
        socket.cut_after(CUT_AFTER);
    }
    metrics.websocket_closed(UNAUTHENTICATED);
    let frame = close(UNAUTHENTICATED, "a valid bearer token is needed");
    let said = stream::once(ready(Ok::<_, Error>(frame)));
    let payload = request.extract::<Payload>().into_inner().ok()?;
    let answered = stream::once(until_answered(payload));
    let body = said.chain(answered.filter_map(|()| ready(None)));
    Some(response.streaming(Body::new(body, Rc::new(Outflow::default()), socket)))
}

fn close(code: u16, reason: &str) -> Bytes {
    let mut frame = BytesMut::new();
    let reason = CloseReason {
        code: CloseCode::from(code),
        description: Some(reason.to_owned()),
    };
    let is_masked = false;
    Parser::write_close(&mut frame, Some(reason), is_masked);
    frame.freeze()
}

/// Waits for the client's close, or its end, as long as is usual.
async fn until_answered(payload: Payload) {
    let mut inbound = Inbound::new(payload, LIMITS);
    let answered = async {
        while let Some(Ok(received)) = inbound.next().await {
            if matches!(received, Received::Close(_)) {
                break;
            }
        }
    };
    let _elapsed = tokio::time::timeout(ANSWER_MAX, answered).await;
}
