//! An echo through the whole WebSocket stack, for conformance tests.

use std::rc::Rc;

use actix::{Actor, StreamHandler};
use actix_http::ws::Codec;
use actix_web::{Error, web::Payload};
use actix_web_actors::ws::{Message, ProtocolError, WebsocketContext};
use bytes::Bytes;
use futures_util::{Stream, stream};
use orchestratai_telemetry::Metrics;

use super::{
    decoder::{Limits, Received, Violation},
    farewell::Farewell,
    inbound::Inbound,
    outflow::{Body, Outflow},
};
use crate::{site::Place, socket::Connected};

/// The longest message is the longest that `/api/ws` reads at all.
const LIMITS: Limits = Limits {
    message_bytes_max: 1024 * 1024,
    dropped_bytes_max: 1024 * 1024,
    binary: true,
};

/// Sends back every message as it came.
pub(super) struct Echo {
    farewell: Farewell,
    payload: Option<Payload>,
    _place: Place,
}

impl Echo {
    pub(super) fn start(
        place: Place,
        metrics: Metrics,
        socket: Option<Connected>,
        payload: Payload,
    ) -> impl Stream<Item = Result<Bytes, Error>> {
        let echo = Self {
            farewell: Farewell::new(socket.clone(), metrics),
            payload: Some(payload),
            _place: place,
        };
        let context = WebsocketContext::with_codec(echo, stream::pending(), Codec::new());
        Body::new(context, Rc::new(Outflow::default()), socket)
    }
}

impl Actor for Echo {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if let Some(payload) = self.payload.take() {
            <Self as StreamHandler<Result<Received, Violation>>>::add_stream(Inbound::new(payload, LIMITS), context);
        }
    }
}

impl StreamHandler<Result<Received, Violation>> for Echo {
    fn handle(&mut self, received: Result<Received, Violation>, context: &mut Self::Context) {
        match received {
            Ok(Received::Close(code)) => self.farewell.answer(code, context),
            Err(violation) => self.farewell.fail(violation, context),
            Ok(_) if !self.farewell.is_open() => {}
            Ok(Received::Text(text)) => context.text(text),
            Ok(Received::Binary(bytes)) => context.binary(bytes),
            Ok(Received::Ping(payload)) => context.pong(&payload),
            Ok(Received::Pong | Received::Fragment | Received::TooLong) => {}
        }
    }
}

/// What the context would decode by itself. It is given nothing to decode; see [`super::decoder`].
impl StreamHandler<Result<Message, ProtocolError>> for Echo {
    fn handle(&mut self, _: Result<Message, ProtocolError>, _: &mut Self::Context) {}
}
