//! The stream of what a client sends.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::web::Payload;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, ready};

use super::decoder::{Decoder, Limits, Received, Violation};

/// Reads a socket. Ends with the socket, or after the first violation.
pub(super) struct Inbound {
    payload: Payload,
    chunk: Bytes,
    decoder: Decoder,
    has_ended: bool,
}

impl Inbound {
    pub(super) fn new(payload: Payload, limits: Limits) -> Self {
        Self {
            payload,
            chunk: Bytes::new(),
            decoder: Decoder::new(limits),
            has_ended: false,
        }
    }
}

impl Stream for Inbound {
    type Item = Result<Received, Violation>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let inbound = &mut *self;
        if inbound.has_ended {
            return Poll::Ready(None);
        }
        loop {
            match inbound.decoder.feed(&mut inbound.chunk) {
                Ok(None) => {}
                Ok(Some(received)) => return Poll::Ready(Some(Ok(received))),
                Err(violation) => {
                    inbound.has_ended = true;
                    return Poll::Ready(Some(Err(violation)));
                }
            }
            match ready!(inbound.payload.poll_next_unpin(context)) {
                Some(Ok(chunk)) => inbound.chunk = chunk,
                // A socket that breaks is a socket that ends: there is nobody left to tell.
                Some(Err(_)) | None => {
                    inbound.has_ended = true;
                    return Poll::Ready(None);
                }
            }
        }
    }
}
