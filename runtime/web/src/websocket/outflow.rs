//! What leaves through a WebSocket: when it has left, and how the connection ends behind it.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::Error;
use bytes::Bytes;
use futures_util::Stream;
use orchestratai_actors::SessionLink;

use crate::socket::Connected;

/// Bytes that an actor has written to its context and that have not been handed on, with the way to give their credit back.
#[derive(Default)]
pub(super) struct Outflow {
    /// The session, once there is one; dropped with the connection, which leaves the session.
    pub(super) link: RefCell<Option<SessionLink>>,
    written: Cell<usize>,
}

impl Outflow {
    /// Notes bytes that were written to the context.
    pub(super) fn note(&self, bytes: usize) {
        self.written.set(self.written.get() + bytes);
    }

    /// Forgets what is owed to a session that is gone.
    pub(super) fn forget(&self) {
        self.written.set(0);
        self.link.take();
    }

    fn settle(&self) {
        let bytes = self.written.take();
        if bytes > 0
            && let Some(link) = &*self.link.borrow()
        {
            link.credit(bytes);
        }
    }
}

/// The body of the response, which is the actor's context. Being asked for more means that what it gave before has been
/// taken: only then are credits given back, so that a client that stops reading is owed no more than its credits.
pub(super) struct Body<S> {
    context: Pin<Box<S>>,
    outflow: Rc<Outflow>,
    socket: Option<Connected>,
}

impl<S> Body<S> {
    pub(super) fn new(context: S, outflow: Rc<Outflow>, socket: Option<Connected>) -> Self {
        Self {
            context: Box::pin(context),
            outflow,
            socket,
        }
    }
}

impl<S: Stream<Item = Result<Bytes, Error>>> Stream for Body<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.outflow.settle();
        let polled = self.context.as_mut().poll_next(context);
        if matches!(polled, Poll::Ready(None))
            && let Some(socket) = self.socket.take()
        {
            // RFC 6455 §7.1.1: the server ends TCP first, at once. Left alone, the HTTP server would wait a second for the
            // client to do it. It flushes in the same poll that this is part of; the task runs after that.
            actix_rt::spawn(async move {
                tokio::task::yield_now().await;
                socket.finish();
            });
        }
        polled
    }
}
