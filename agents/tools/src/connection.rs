//! How anything of ours goes out by HTTP, whatever protocol is spoken over it.

use std::time::Duration;

use reqwest::{Client, redirect, retry};

/// A connection that nobody needs is kept for this long.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(30);

/// A client that connects within `connect` and sends each request once, to where it is told and nowhere else.
///
/// # Errors
/// Where TLS cannot be set up.
pub(crate) fn http_client(connect: Duration) -> Result<Client, reqwest::Error> {
    Client::builder()
        .connect_timeout(connect)
        .tcp_nodelay(true)
        .pool_idle_timeout(IDLE_CONNECTION_KEPT)
        // Who is sent elsewhere would send arguments, and perhaps the token, to somebody who was not configured.
        .redirect(redirect::Policy::none())
        // A call that has left may have had its effect: whether it is made again is the turn's to say.
        .retry(retry::never())
        .user_agent(concat!("orchestratai/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Whether a request failed for want of a connection, so that nothing of it has left.
pub(crate) fn is_without_connection(error: &reqwest::Error) -> bool {
    error.is_connect() || error.is_builder()
}
