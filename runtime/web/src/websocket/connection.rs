//! One WebSocket of a client that follows a session.
//!
//! This actor is the body of an HTTP response: while the client reads nothing it stands still, timers included. So it holds
//! no policy. The session judges liveness and overflow, by credits and by the socket's second handle; this file only passes
//! on, in both directions.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, StreamHandler, WrapFuture};
use actix_http::ws::Codec;
use actix_web::{
    Error, HttpRequest,
    web::{Data, Payload},
};
use actix_web_actors::ws::{Message, ProtocolError, WebsocketContext};
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::{Stream, stream};
use orchestratai_actors::{CloseReason, Cut, Frame, LinkError, Publish, Refusal, SessionLink, Subscription, Verdict};
use orchestratai_shared::{
    ClientMessageId, ErrorCode, Failure, SessionId, Signal, SignalBody, Timestamp, UserMessage,
    command::{ClientCommand, CommandError},
    event::{ErrorSignal, Pong},
};
use orchestratai_telemetry::TraceParent;

use super::{
    decoder::{Limits, Received, Violation},
    farewell::Farewell,
    handshake::Wish,
    inbound::Inbound,
    outflow::{Body, Outflow},
    rate::Rate,
};
use crate::{
    ready::Ready,
    request_id::RequestId,
    site::{Place, Site},
    socket::Connected,
    trace,
};

/// Of what a client sends.
pub(super) const LIMITS: Limits = Limits {
    message_bytes_max: 64 * 1024,
    dropped_bytes_max: 1024 * 1024,
    binary: false,
};

/// How often a session that is gone is looked for in a row, and how long between.
const RESUBSCRIPTIONS_MAX: u32 = 5;
const RESUBSCRIPTION_PAUSE: Duration = Duration::from_millis(100);

const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// Close codes that are ours to choose: our own, RFC 6455's, its registry's.
const FORBIDDEN: u16 = 4003;
const RATE_LIMITED: u16 = 4029;
const INTERNAL_ERROR: u16 = 1011;
const TRY_AGAIN_LATER: u16 = 1013;

/// Who has decided where a client did so over its socket, which says no name.
const BY_CLIENT: &str = "client";

/// One socket and its place in a session.
pub(super) struct Connection {
    site: Data<Site>,
    wish: Wish,
    request_id: RequestId,
    /// The span of the handshake.
    handshake: Option<TraceParent>,
    socket: Option<Connected>,
    payload: Option<Payload>,
    outflow: Rc<Outflow>,
    farewell: Farewell,
    rate: Rate,
    alive_at: Instant,
    /// Subscriptions in a row that led to nothing.
    resubscriptions: u32,
    /// Whether the next frame is the `session_ready` of a subscription.
    awaits_ready: bool,
    /// Whether it has followed its session before.
    has_followed: bool,
    _place: Place,
}

impl Connection {
    /// The body of the response that the connection is.
    pub(super) fn start(
        site: Data<Site>,
        place: Place,
        wish: Wish,
        request: &HttpRequest,
        payload: Payload,
    ) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
        let socket = Connected::of(request);
        let (now, outflow) = (Instant::now(), Rc::new(Outflow::default()));
        let connection = Self {
            wish,
            request_id: RequestId::assigned(request),
            handshake: trace::current(),
            payload: Some(payload),
            outflow: Rc::clone(&outflow),
            farewell: Farewell::new(socket.clone(), site.metrics.clone()),
            rate: Rate::new(site.settings.frames_per_second, site.settings.frames_burst, now),
            alive_at: now,
            resubscriptions: 0,
            awaits_ready: true,
            has_followed: false,
            socket: socket.clone(),
            site,
            _place: place,
        };
        let context = WebsocketContext::with_codec(connection, stream::pending(), Codec::new());
        Body::new(context, outflow, socket)
    }

    /// Begins a trace for a message: one for the whole connection would last as long as that, and be kept or dropped as a whole. It
    /// points at the handshake, which may belong to a trace of the client.
    fn begin_trace(&self) -> Option<TraceParent> {
        let span = tracing::debug_span!(parent: None, "send_message", request.id = self.request_id.as_str());
        if let Some(handshake) = &self.handshake {
            handshake.link_from(&span);
        }
        TraceParent::of(&span)
    }

    /// Asks for the session. Nothing else is done until it has answered, so that frames stay in order.
    fn subscribe(&mut self, context: &mut WebsocketContext<Self>) {
        self.awaits_ready = true;
        let gateway = self.site.gateway.clone();
        let session_id = self.wish.session_id.unwrap_or_else(SessionId::new);
        let user = self.wish.user.clone();
        let subscription = Subscription {
            session_id: Some(session_id),
            after_seq: self.wish.after_seq,
            epoch: self.wish.epoch.clone(),
            // An erasure closes those who follow: what it has from before is of the session as it is.
            is_fresh: self.has_followed,
            subscriber: context.address().recipient(),
            cut: self.socket.clone().map(|socket| Arc::new(socket) as Arc<dyn Cut>),
        };
        let pause = RESUBSCRIPTION_PAUSE * self.resubscriptions;
        let answer = async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            if let Some(user) = user {
                gateway.session_of(session_id, &user).await?;
            }
            gateway.subscribe(subscription).await
        };
        context.wait(answer.into_actor(self).map(Self::subscribed));
    }

    fn subscribed(answer: Result<SessionLink, Refusal>, connection: &mut Self, context: &mut WebsocketContext<Self>) {
        match answer {
            Ok(link) => {
                connection.wish.session_id = Some(link.session_id());
                connection.outflow.link.replace(Some(link));
                connection.has_followed = true;
            }
            Err(refusal) if connection.may_wait(&refusal) => {
                // Such as on a full disk: the client keeps its connection, and what it says is refused in the meantime.
                connection.resubscriptions = 0;
                context.run_later(refusal.retry_after.unwrap_or(ALIVE_EVERY), |connection, context| {
                    if connection.farewell.is_open() {
                        connection.subscribe(context);
                    }
                });
            }
            Err(refusal) => {
                let code = match refusal.failure.code {
                    ErrorCode::Overloaded if connection.site.gateway.is_draining() => CloseReason::Draining.code(),
                    ErrorCode::Overloaded | ErrorCode::RateLimited | ErrorCode::Timeout => TRY_AGAIN_LATER,
                    // It is another user's.
                    ErrorCode::Conflict => FORBIDDEN,
                    ErrorCode::ValidationError
                    | ErrorCode::Unauthenticated
                    | ErrorCode::Forbidden
                    | ErrorCode::NotFound
                    | ErrorCode::MethodNotAllowed
                    | ErrorCode::PayloadTooLarge
                    | ErrorCode::UnsupportedMediaType
                    | ErrorCode::InternalError
                    | ErrorCode::UpstreamError => INTERNAL_ERROR,
                };
                connection.refuse(refusal.failure, None, context);
                connection.farewell.say(code, "the session cannot be followed", context);
            }
        }
    }

    /// Passes a decision on. That it was made is an event, which the client gets like all others.
    fn decide(&self, verdict: Verdict, context: &mut WebsocketContext<Self>) {
        let Some(session_id) = self.wish.session_id else {
            return;
        };
        let gateway = self.site.gateway.clone();
        let decided = async move { gateway.decide(session_id, verdict).await };
        context.spawn(decided.into_actor(self).map(|decided, connection, context| {
            let failure = match decided {
                Ok(Some(_)) => return,
                Ok(None) => Failure::new(ErrorCode::NotFound, "There is no such session."),
                Err(refusal) => refusal.failure,
            };
            connection.refuse(failure, None, context);
        }));
    }

    /// Whether a refused subscription is no reason to close.
    fn may_wait(&self, refusal: &Refusal) -> bool {
        self.has_followed && refusal.failure.retryable && !self.site.gateway.is_draining()
    }

    /// The session actor is gone. The client keeps its connection, and has what it missed from the new one.
    fn resubscribe(&mut self, context: &mut WebsocketContext<Self>) {
        self.outflow.forget();
        self.resubscriptions += 1;
        if self.resubscriptions > RESUBSCRIPTIONS_MAX {
            self.farewell
                .say(INTERNAL_ERROR, "the session cannot be followed", context);
        } else {
            self.subscribe(context);
        }
    }

    fn pass_on(&mut self, frames: Vec<Frame>, context: &mut WebsocketContext<Self>) {
        for frame in frames {
            if self.awaits_ready {
                self.awaits_ready = false;
                self.resubscriptions = 0;
                self.begin(&frame.text);
            }
            if frame.seq.is_some() {
                self.wish.after_seq = self.wish.after_seq.max(frame.seq);
            }
            self.outflow.note(frame.bytes());
            context.text(frame.text);
        }
    }

    /// Notes from where on nothing may be missed, be it that the client asked for no past, or that it has none.
    fn begin(&mut self, ready: &str) {
        self.wish.epoch = None;
        if let Some(ready) = Ready::read(ready)
            && (self.wish.after_seq.is_none() || !ready.recovered)
        {
            self.wish.after_seq = Some(ready.last_seq);
        }
    }

    fn obey(&mut self, text: &ByteString, context: &mut WebsocketContext<Self>) {
        let command = match ClientCommand::parse(text) {
            Ok(command) => command,
            Err(error) => {
                let client_message_id = match &error {
                    CommandError::InvalidFields { client_message_id, .. } => *client_message_id,
                    CommandError::NotAnObject(_) | CommandError::UnknownType(_) => None,
                };
                let failure = Failure::new(ErrorCode::ValidationError, error.to_string());
                return self.refuse(failure, client_message_id, context);
            }
        };
        let (passed, client_message_id) = {
            let link = self.outflow.link.borrow();
            let link = link.as_ref();
            match command {
                ClientCommand::SendMessage {
                    client_message_id,
                    content,
                    fresh,
                } => (
                    link.map(|link| {
                        let (request_id, trace) = (self.request_id.clone().shared(), self.begin_trace());
                        let said = UserMessage {
                            fresh,
                            ..UserMessage::new(content)
                        };
                        link.send_message(client_message_id, said, request_id, trace)
                    }),
                    Some(client_message_id),
                ),
                ClientCommand::Cancel { turn_id } => (link.map(|link| link.cancel(turn_id)), None),
                ClientCommand::Ack { seq: _ } => (Some(Ok(())), None),
                ClientCommand::Ping => {
                    self.say(SignalBody::Pong(Pong {}), context);
                    (Some(Ok(())), None)
                }
                ClientCommand::ResolveApproval {
                    approval_id,
                    decision,
                    reason,
                    arguments,
                } => {
                    let verdict = Verdict {
                        approval_id,
                        decision,
                        arguments,
                        by: BY_CLIENT.to_owned(),
                        reason,
                    };
                    self.decide(verdict, context);
                    (Some(Ok(())), None)
                }
            }
        };
        match passed {
            Some(Ok(())) => {}
            Some(Err(LinkError::Refused(refusal))) => self.refuse(refusal.failure, client_message_id, context),
            Some(Err(LinkError::Gone)) | None => {
                let failure = Failure::new(
                    ErrorCode::Overloaded,
                    "The session is being started anew; send it again.",
                );
                // `Publish::Gone` says so too, behind all that the session has published. Asked for before that is passed on, the next
                // subscription would begin with a repeat of it.
                self.refuse(failure, client_message_id, context);
            }
        }
    }

    fn refuse(
        &self,
        failure: Failure,
        client_message_id: Option<ClientMessageId>,
        context: &mut WebsocketContext<Self>,
    ) {
        let error = ErrorSignal {
            code: failure.code,
            message: failure.message,
            retryable: failure.retryable,
            client_message_id,
        };
        self.say(SignalBody::Error(error), context);
    }

    fn say(&self, body: SignalBody, context: &mut WebsocketContext<Self>) {
        let signal = Signal {
            // Only a new session that was refused has no id; nothing will ever be said about the one made here.
            session_id: self.wish.session_id.unwrap_or_else(SessionId::new),
            turn_id: None,
            at: Timestamp::now(),
            body,
        };
        context.text(serde_json::to_string(&signal).expect("a signal has string keys only"));
    }

    /// Tells the session that the client lives. Any frame says so, but frames may come thick: only what answers a ping is
    /// told at once.
    fn alive(&mut self, now: Instant, is_answer: bool) {
        if !is_answer && now.duration_since(self.alive_at) < ALIVE_EVERY {
            return;
        }
        self.alive_at = now;
        if let Some(link) = &*self.outflow.link.borrow() {
            link.alive();
        }
    }
}

impl Actor for Connection {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if let Some(payload) = self.payload.take() {
            <Self as StreamHandler<Result<Received, Violation>>>::add_stream(Inbound::new(payload, LIMITS), context);
        }
        self.subscribe(context);
    }
}

impl Handler<Publish> for Connection {
    type Result = ();

    fn handle(&mut self, publish: Publish, context: &mut Self::Context) {
        if !self.farewell.is_open() {
            return;
        }
        match publish {
            Publish::Frames(frames) => self.pass_on(frames, context),
            Publish::Ping => context.ping(b""),
            Publish::Close(reason) => {
                self.outflow.forget();
                self.farewell.say(reason.code(), reason.text(), context);
            }
            Publish::Gone => self.resubscribe(context),
            Publish::Unanswered(client_message_id) => {
                let words = "The session was started anew; send it again.";
                self.refuse(
                    Failure::new(ErrorCode::Overloaded, words),
                    Some(client_message_id),
                    context,
                );
            }
        }
    }
}

impl StreamHandler<Result<Received, Violation>> for Connection {
    fn handle(&mut self, received: Result<Received, Violation>, context: &mut Self::Context) {
        let received = match received {
            Ok(Received::Close(code)) => return self.farewell.answer(code, context),
            Err(violation) => return self.farewell.fail(violation, context),
            Ok(_) if !self.farewell.is_open() => return,
            Ok(received) => received,
        };
        let now = Instant::now();
        self.alive(now, received == Received::Pong);
        if !self.rate.admits(now) {
            return self.farewell.say(RATE_LIMITED, "too many frames", context);
        }
        match received {
            Received::Text(text) => self.obey(&text, context),
            Received::TooLong => {
                let words = format!("A message must be at most {} bytes long.", LIMITS.message_bytes_max);
                self.refuse(Failure::new(ErrorCode::PayloadTooLarge, words), None, context);
            }
            Received::Ping(payload) => context.pong(&payload),
            Received::Pong | Received::Fragment | Received::Binary(_) | Received::Close(_) => {}
        }
    }
}

/// What the context would decode by itself. It is given nothing to decode; see [`super::decoder`].
impl StreamHandler<Result<Message, ProtocolError>> for Connection {
    fn handle(&mut self, _: Result<Message, ProtocolError>, _: &mut Self::Context) {}
}
