//! The TCP socket below a connection: how it is set up, and how it is ended from outside.

use std::{any::Any, io, net::Shutdown, sync::Arc, time::Duration};

use actix_web::{HttpRequest, dev::Extensions, rt::net::TcpStream};
use orchestratai_actors::Cut;
use socket2::{SockRef, Socket};
use tokio::io::{Interest, unix::AsyncFd};

/// The kernel's send buffer. Left alone it grows to megabytes for a client that reads nothing, and what lies there counts
/// as sent: no limit of ours would see it. 128 KiB is one round trip of 25 ms at 40 Mbit/s, more than any answer needs.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// A second hold on the socket of a connection. The first is inside the HTTP server, out of reach once a response runs.
#[derive(Clone)]
pub(crate) struct Connected(Arc<Socket>);

impl Connected {
    /// Of the connection that brought this request; none where there is no TCP below it, as in some tests.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.conn_data::<Self>().cloned()
    }

    /// Cuts the connection after `delay`, if it is still there then. Holds nothing of it until then.
    pub(crate) fn cut_after(&self, delay: Duration) {
        let socket = Arc::downgrade(&self.0);
        actix_web::rt::spawn(async move {
            tokio::time::sleep(delay).await;
            if let Some(socket) = socket.upgrade() {
                Self(socket).cut();
            }
        });
    }

    /// Waits until the peer has ended its side, or the connection is gone. The HTTP server finds that out only when it writes, and of a
    /// turn that has nothing to say yet it writes nothing. Who ends its side alone, which no HTTP client does that waits for an
    /// answer, counts as gone too: the two look the same from here.
    ///
    /// # Errors
    /// Where the socket cannot be watched.
    pub(crate) async fn peer_left(&self) -> io::Result<()> {
        #[expect(
            deprecated,
            reason = "what has replaced it is unsafe, for descriptors that are not owned; this one is"
        )]
        let watched = AsyncFd::with_interest(Arc::clone(&self.0), Interest::READABLE)?;
        loop {
            let mut readable = watched.readable().await?;
            if readable.ready().is_read_closed() {
                return Ok(());
            }
            // The next request: that is the HTTP server's to read.
            readable.clear_ready();
        }
    }

    /// Says the end of our side to the peer, behind what has been written; what the peer sends is still read.
    pub(crate) fn finish(&self) {
        // It fails where the connection has gone already, which is what was wanted.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

impl Cut for Connected {
    fn cut(&self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Sets up a connection that has just been accepted. `stall_max`: how long sent bytes may stay unacknowledged.
pub(crate) fn accepted(io: &dyn Any, data: &mut Extensions, stall_max: Duration) {
    let Some(stream) = io.downcast_ref::<TcpStream>() else {
        return;
    };
    let socket = SockRef::from(stream);
    let set_up = socket
        .set_send_buffer_size(SEND_BUFFER_BYTES)
        .and_then(|()| socket.set_tcp_user_timeout(Some(stall_max)))
        .and_then(|()| socket.try_clone());
    match set_up {
        Ok(second) => {
            data.insert(Connected(Arc::new(second)));
        }
        // Out of file descriptors, or gone already: the connection works, but cannot be cut from outside.
        Err(error) => tracing::warn!(%error, "could not take a second hold on a socket"),
    }
}
