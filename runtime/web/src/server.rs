//! The HTTP server and its routes.

use std::{io, net::TcpListener, sync::Arc};

use actix_cors::Cors;
use actix_web::{
    App, HttpServer,
    dev::Server,
    http::{Method, header},
    middleware::{Condition, from_fn},
    web::{self, Data, ServiceConfig},
};
use orchestratai_actors::Gateway;
use orchestratai_agents::{budget::Books, knowledge::Knowledge};
use orchestratai_shared::Timestamp;
use orchestratai_telemetry::Metrics;
use tokio::sync::Semaphore;

use crate::{
    console,
    edge::{Edge, Gate, X_SESSION_ID, X_TURN_ID, token},
    openai,
    openapi::{self, Authentication},
    request_id::X_REQUEST_ID,
    rest,
    settings::WebSettings,
    site::{Site, UPLOADS_MAX},
    socket, sse,
    trace::{TRACEPARENT, TRACESTATE},
    websocket,
};

/// Bytes of a response that are kept for a client before its body is asked for more.
const WRITE_BUFFER_BYTES: usize = 8 * 1024;

/// Serves on `listener`, which is bound already. The server runs once the result is polled; it handles no signals, and
/// stops by its handle: `gateway.drain` first, so that clients are told and turns end.
///
/// # Errors
/// Where the listener's address cannot be read, or the listener cannot be taken over.
pub fn server(
    gateway: Gateway,
    knowledge: Knowledge,
    books: Arc<Books>,
    metrics: Metrics,
    settings: WebSettings,
    listener: TcpListener,
) -> io::Result<Server> {
    let guards_host = settings.token.is_none() && listener.local_addr()?.ip().is_loopback();
    let gate = Arc::new(Gate::new(settings.cors_origins.clone(), guards_host));
    let workers = settings.workers;
    let stall_max = settings.socket_stall_max;
    let authentication = match settings.token {
        Some(_) => Authentication::Token,
        None => Authentication::Open,
    };
    let site = Data::new(Site {
        gateway,
        knowledge,
        books,
        metrics,
        settings,
        started: Timestamp::now(),
        openapi: openapi::document_of(authentication),
        open_connections: Arc::default(),
        uploads: Semaphore::new(UPLOADS_MAX),
    });
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(site.clone())
            .configure(|routes| configure(routes, site.settings.websocket_echo))
            .default_service(web::to(console::answer))
            // The last one wrapped is the first one met.
            .wrap(Condition::new(site.settings.token.is_some(), from_fn(token::check)))
            .wrap(cors(&gate))
            .wrap(Edge::new(Arc::clone(&gate), site.metrics.clone()))
    })
    .on_connect(move |io, data| socket::accepted(io, data, stall_max))
    .tcp_nodelay(true)
    .h1_write_buffer_size(WRITE_BUFFER_BYTES)
    // A session that waits for its last turns may keep its sockets; `Gateway::drain` has ended the others by then.
    .shutdown_timeout(2)
    .disable_signals();
    if let Some(workers) = workers {
        server = server.workers(workers);
    }
    Ok(server.listen(listener)?.run())
}

/// Every route.
fn configure(routes: &mut ServiceConfig, websocket_echo: bool) {
    rest::configure(routes);
    sse::configure(routes);
    openai::configure(routes);
    websocket::configure(routes, websocket_echo);
}

/// What browsers are told about other sites. Whether one may call is the gate's decision, made before this.
fn cors(gate: &Arc<Gate>) -> Cors {
    let gate = Arc::clone(gate);
    Cors::default()
        .allowed_origin_fn(move |origin, request| {
            origin.to_str().is_ok_and(|origin| match request.method {
                Method::OPTIONS => gate.welcomes(origin, &request.headers),
                _ => gate.allows(origin),
            })
        })
        .allowed_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allowed_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::HeaderName::from_static("idempotency-key"),
            header::HeaderName::from_static("last-event-id"),
            X_REQUEST_ID,
            X_SESSION_ID,
            TRACEPARENT,
            TRACESTATE,
        ])
        .expose_headers([X_REQUEST_ID, X_SESSION_ID, X_TURN_ID, header::RETRY_AFTER])
        .max_age(3_600)
}
