//! The closing handshake (RFC 6455 §7).

use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext};
use actix_web_actors::ws::{CloseCode, CloseReason, WebsocketContext};
use orchestratai_telemetry::Metrics;

use super::decoder::Violation;
use crate::socket::Connected;

/// How long a client may take to answer our close.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(2);
/// After this the socket is cut, however much of our last words is still on its way.
pub(super) const CUT_AFTER: Duration = Duration::from_secs(4);

/// No code was given, and no close at all was said (RFC 6455 §7.1.5): never sent, and what the metric says.
const NO_STATUS: u16 = 1005;
const VANISHED: u16 = 1006;

/// Where a connection stands in its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// We have said close, and wait for the answer.
    Said,
    Over,
}

/// The end of one connection: said once, whoever begins.
pub(super) struct Farewell {
    stage: Stage,
    socket: Option<Connected>,
    metrics: Metrics,
}

impl Farewell {
    pub(super) fn new(socket: Option<Connected>, metrics: Metrics) -> Self {
        Self {
            stage: Stage::Open,
            socket,
            metrics,
        }
    }

    /// Whether messages still pass.
    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Begins the close from our side, and waits for the client's answer.
    pub(super) fn say<A: Actor<Context = WebsocketContext<A>>>(
        &mut self,
        code: u16,
        reason: &str,
        context: &mut WebsocketContext<A>,
    ) {
        if !self.is_open() {
            return;
        }
        self.send(Some(code), reason, context);
        self.stage = Stage::Said;
        context.run_later(ANSWER_MAX, |_, context| context.stop());
    }

    /// Answers the client's close, or takes it as the answer to ours.
    pub(super) fn answer<A: Actor<Context = WebsocketContext<A>>>(
        &mut self,
        code: Option<u16>,
        context: &mut WebsocketContext<A>,
    ) {
        if self.is_open() {
            self.send(code, "", context);
        }
        self.end(context);
    }

    /// Fails the connection: says why, and waits for nothing, for what the client sends can no longer be understood.
    pub(super) fn fail<A: Actor<Context = WebsocketContext<A>>>(
        &mut self,
        violation: Violation,
        context: &mut WebsocketContext<A>,
    ) {
        if self.is_open() {
            self.send(Some(violation.code()), &violation.to_string(), context);
        }
        self.end(context);
    }

    fn end<A: Actor<Context = WebsocketContext<A>>>(&mut self, context: &mut WebsocketContext<A>) {
        self.stage = Stage::Over;
        context.stop();
    }

    fn send<A: Actor<Context = WebsocketContext<A>>>(
        &mut self,
        code: Option<u16>,
        reason: &str,
        context: &mut WebsocketContext<A>,
    ) {
        self.metrics.websocket_closed(code.unwrap_or(NO_STATUS));
        context.close(code.map(|code| CloseReason {
            code: CloseCode::from(code),
            description: (!reason.is_empty()).then(|| reason.to_owned()),
        }));
        // The actor is frozen where the client reads nothing, timers included: so the last resort stands outside of it.
        if let Some(socket) = self.socket.take() {
            socket.cut_after(CUT_AFTER);
        }
    }
}

impl Drop for Farewell {
    /// A client that is gone without a word, and one that was cut off without being told, end here.
    fn drop(&mut self) {
        if self.is_open() {
            self.metrics.websocket_closed(VANISHED);
        }
    }
}
