//! What of a request's body nobody has read when the answer is there.
//!
//! The HTTP server (actix-http 3.13) ends a connection whose client still owes it bytes of a declared length, after a moment
//! in which the answer arrives. For a chunked body that was dropped it waits for the end instead, without any limit of time:
//! a client could hold a connection for ever. It does not do so while somebody still reads the body.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::error::PayloadError;
use actix_web::{
    HttpMessage,
    dev::{Payload, ServiceRequest},
    http::header,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// Holds a chunked body for as long as the server needs to see that it is not dropped.
pub(super) struct Unread(Option<Shared>);

/// One body for two: whoever handles the request, and who reads on when it is answered.
#[derive(Clone)]
struct Shared(Rc<RefCell<Body>>);

struct Body {
    payload: Payload,
    has_ended: bool,
}

impl Unread {
    /// Takes part in the body of a request, where it is chunked.
    pub(super) fn of(request: &mut ServiceRequest) -> Self {
        let headers = request.headers();
        // What follows an upgrade is no body.
        if !headers.contains_key(header::TRANSFER_ENCODING) || headers.contains_key(header::UPGRADE) {
            return Self(None);
        }
        let payload = request.take_payload();
        let has_ended = false;
        let shared = Shared(Rc::new(RefCell::new(Body { payload, has_ended })));
        request.set_payload(Payload::Stream {
            payload: Box::pin(shared.clone()),
        });
        Self(Some(shared))
    }

    /// The request is answered: reads on where the body has not ended. The server, which sees it being read, says that it
    /// closes, and does so; that ends the body.
    pub(super) fn answered(self) {
        if let Some(mut body) = self.0
            && !body.0.borrow().has_ended
        {
            actix_rt::spawn(async move { while body.next().await.is_some_and(|chunk| chunk.is_ok()) {} });
        }
    }
}

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.borrow_mut();
        let polled = body.payload.poll_next_unpin(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            body.has_ended = true;
        }
        polled
    }
}
