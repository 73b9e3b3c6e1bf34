//! WebSocket: `GET /api/ws`, and an echo through the same stack for conformance tests.

mod assembly;
mod connection;
mod decoder;
mod echo;
mod farewell;
mod handshake;
mod inbound;
mod outflow;
mod rate;
pub(crate) mod turned_away;

use actix_web::{
    HttpRequest, HttpResponse, Resource,
    web::{self, Data, Payload, ServiceConfig},
};
use orchestratai_telemetry::Transport;

use crate::{error::ApiError, rest::not_allowed, site::Site, socket::Connected};
use connection::Connection;
use echo::Echo;
use handshake::Wish;

/// Where sessions are followed.
const PATH: &str = "/api/ws";

pub(crate) fn configure(routes: &mut ServiceConfig, with_echo: bool) {
    let only_get = |path: &'static str| -> Resource { web::resource(path).default_service(not_allowed("GET")) };
    routes.service(only_get(PATH).route(web::get().to(open)));
    if with_echo {
        routes.service(only_get("/api/ws/echo").route(web::get().to(open_echo)));
    }
}

async fn open(site: Data<Site>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, ApiError> {
    let mut response = handshake::accept(&request)?;
    let wish = Wish::of(request.query_string())?;
    let place = site.take_place(Transport::Websocket)?;
    Ok(response.streaming(Connection::start(site, place, wish, &request, payload)))
}

async fn open_echo(site: Data<Site>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, ApiError> {
    let mut response = handshake::accept(&request)?;
    let place = site.take_place(Transport::Websocket)?;
    let socket = Connected::of(&request);
    Ok(response.streaming(Echo::start(place, site.metrics.clone(), socket, payload)))
}
