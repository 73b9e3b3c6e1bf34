//! The answer of one turn as a stream, in one step or in two.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Bytes, Data, Path, Payload, ServiceConfig},
};
use futures_util::{StreamExt, stream};
use orchestratai_actors::{CloseReason, TurnRecord};
use orchestratai_shared::{SessionId, Timestamp, TurnId};
use orchestratai_telemetry::Transport;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    event,
    feed::{Feed, interrupted},
    follower::{Follower, Told},
    position::Position,
    response,
};
use crate::{
    edge::X_TURN_ID,
    error::ApiError,
    openapi::{BadBody, Busy, ChatStreamEvent, Conflict, Invalid, NotFound, Unexpected},
    rest::{
        chat::{ChatRequest, erased, submit},
        get, path_id, resource,
    },
    site::{Place, Site},
    socket::Connected,
};

/// How long a stream can be asked for after its turn has ended.
const ALIVE_AFTER_END: Duration = Duration::from_secs(5 * 60);

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(resource("/api/chat/stream", "POST").route(web::post().to(start)))
        .service(resource("/api/chat/stream/initiate", "POST").route(web::post().to(initiate)))
        .service(resource("/api/chat/stream/{stream_id}", "GET, HEAD").route(get().to(follow)));
}

/// A message was taken in; its answer can be streamed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamInitiated {
    /// Names the stream; it is the turn's id.
    stream_id: TurnId,
}

/// Says something, and streams the answer.
///
/// Events: `agent_status {agent, status}`, `retrieval_log` (a step), `message_chunk {content}`, `message_reset {messageId,
/// reason}` (what came of the answer is withdrawn), and at the end `done {message, logs, metadata}` or `stream_error {code,
/// message, retryable}`. `done.message` is the whole answer, and rules. Each event has an `id`: the same request with the
/// same `Idempotency-Key` and that `Last-Event-ID` gives what follows, and runs nothing twice. A client that goes away
/// cancels nothing.
#[utoipa::path(
    post, path = "/api/chat/stream", operation_id = "chatStream", tag = "chat",
    params(
        ("Idempotency-Key" = Option<uuid::Uuid>, Header,
         description = "Names the message in its session: a repeat is not answered twice."),
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that the client has.")
    ),
    request_body = ChatRequest,
    responses(
        (status = 200, description = "The events of the turn.", body = ChatStreamEvent, content_type = "text/event-stream",
         headers(("x-turn-id" = TurnId, description = "The turn."))),
        (status = 204, description = "`Last-Event-ID` is the last event of the turn."),
        BadBody, NotFound, Conflict, Busy, Unexpected
    )
)]
pub(crate) async fn start(site: Data<Site>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, ApiError> {
    let place = site.take_place(Transport::Sse)?;
    let (session_id, accepted) = submit(&site, &request, payload).await?;
    let turn_id = accepted.turn_id;
    let turn = match accepted.repeated {
        true => find(&site, turn_id).await?.ok_or_else(|| erased().of_turn(turn_id))?,
        false => Turn {
            id: turn_id,
            session_id,
            accepted_seq: accepted.seq,
            ended: None,
        },
    };
    let stream = turn.stream(&site, &request, place, Comeback::Never).await;
    stream.map_err(|error| error.of_turn(turn_id))
}

/// Says something whose answer is to be streamed: the first of two steps.
///
/// Answers once the message is stored; the turn runs from then on, whether anybody follows it or not.
#[utoipa::path(
    post, path = "/api/chat/stream/initiate", operation_id = "initiateStream", tag = "chat",
    params(("Idempotency-Key" = Option<uuid::Uuid>, Header,
            description = "Names the message in its session: a repeat is not answered twice.")),
    request_body = ChatRequest,
    responses(
        (status = 200, description = "The message is stored.", body = StreamInitiated, headers(("x-turn-id" = TurnId, description = "The turn.")),
         links(
            ("follow" = (operation_id = "followStream", parameters(("stream_id" = "$response.body#/stream_id")))),
            ("cancel" = (operation_id = "cancelTurn", parameters(("turn_id" = "$response.body#/stream_id"))))
         )),
        BadBody, NotFound, Conflict, Busy, Unexpected
    )
)]
pub(crate) async fn initiate(
    site: Data<Site>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let (_, accepted) = submit(&site, &request, payload).await?;
    Ok(HttpResponse::Ok()
        .insert_header((X_TURN_ID, accepted.turn_id.to_string()))
        .json(StreamInitiated {
            stream_id: accepted.turn_id,
        }))
}

/// Streams the answer: the second of two steps.
///
/// The events are those of `POST /api/chat/stream`. Whoever comes back with `Last-Event-ID` gets what follows, others get
/// all from the start. Streams can be asked for until five minutes after the end of their turn.
#[utoipa::path(
    get, path = "/api/chat/stream/{stream_id}", operation_id = "followStream", tag = "chat",
    params(
        ("stream_id" = TurnId, Path, description = "The stream."),
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that the client has.")
    ),
    responses(
        (status = 200, description = "The events of the turn.", body = ChatStreamEvent, content_type = "text/event-stream",
         headers(("x-turn-id" = TurnId, description = "The turn."))),
        (status = 204, description = "`Last-Event-ID` is the last event of the turn."),
        Invalid, NotFound, Busy, Unexpected
    )
)]
pub(crate) async fn follow(
    site: Data<Site>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let turn_id = path_id("stream_id", &path)?;
    let turn = find(&site, turn_id).await?.filter(Turn::can_be_followed);
    let turn = turn.ok_or_else(|| ApiError::not_found("stream"))?;
    let place = site.take_place(Transport::Sse)?;
    let stream = turn.stream(&site, &request, place, Comeback::ByItself).await;
    stream.map_err(|error| error.of_turn(turn_id))
}

/// Whether a client comes back by itself where a stream ends early: an `EventSource` does, a POST does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comeback {
    ByItself,
    Never,
}

/// A turn that can be streamed.
struct Turn {
    id: TurnId,
    session_id: SessionId,
    accepted_seq: u64,
    ended: Option<Ended>,
}

struct Ended {
    seq: u64,
    at: Timestamp,
}

async fn find(site: &Site, id: TurnId) -> Result<Option<Turn>, ApiError> {
    let summary = site.gateway.find_turn(id).await?;
    Ok(summary.map(|summary| Turn {
        id,
        session_id: summary.session_id,
        // What a person says of their own accord begins and ends with one event, which is to be read.
        accepted_seq: match summary.ended_seq {
            Some(ended) => Ord::min(summary.accepted_seq, ended - 1),
            None => summary.accepted_seq,
        },
        ended: summary
            .ended_seq
            .zip(summary.ended_at)
            .map(|(seq, at)| Ended { seq, at }),
    }))
}

impl Turn {
    fn can_be_followed(&self) -> bool {
        let since_end = self.ended.as_ref().map(|ended| Timestamp::now().millis_since(ended.at));
        since_end.is_none_or(|millis| Duration::from_millis(millis) < ALIVE_AFTER_END)
    }

    async fn stream(
        self,
        site: &Site,
        request: &HttpRequest,
        place: Place,
        comeback: Comeback,
    ) -> Result<HttpResponse, ApiError> {
        let ended_seq = self.ended.as_ref().map(|ended| ended.seq);
        // The last event of a stream is its turn's end: a position behind that was never given, and counts as nothing.
        let resumed =
            Position::of(request.headers()).filter(|position| ended_seq.is_none_or(|ended| position.seq <= ended));
        let mut response = response();
        response.insert_header((X_TURN_ID, self.id.to_string()));
        let feed = Feed::new(self.id, self.accepted_seq, resumed);
        let Some(ended_seq) = ended_seq else {
            let socket = Connected::of(request);
            let gateway = site.gateway.clone();
            let follower = Follower::begin(gateway, socket, self.session_id, self.accepted_seq, true).await?;
            return Ok(response.streaming(Box::pin(live(follower, feed, place, comeback))));
        };
        if resumed.is_some_and(|position| position.seq == ended_seq) {
            // What makes an `EventSource` stop coming back.
            return Ok(HttpResponse::NoContent()
                .insert_header((X_TURN_ID, self.id.to_string()))
                .finish());
        }
        let record = site.gateway.turn_record(self.id).await?;
        Ok(response.body(replay(feed, &record.ok_or_else(erased)?)))
    }
}

/// The whole stream of a turn that has ended.
fn replay(mut feed: Feed, record: &TurnRecord) -> Vec<u8> {
    let mut out = event::RETRY.as_bytes().to_vec();
    for recorded in &record.events {
        feed.read(&recorded.text, &mut out);
    }
    out
}

/// The stream of a turn that runs.
fn live(
    follower: Follower,
    feed: Feed,
    place: Place,
    comeback: Comeback,
) -> impl futures_util::Stream<Item = Result<Bytes, actix_web::Error>> {
    let retry = stream::iter([Ok(Bytes::from_static(event::RETRY.as_bytes()))]);
    let events = stream::unfold(
        (follower, feed, place),
        move |(mut follower, mut feed, place)| async move {
            let mut out = Vec::new();
            while out.is_empty() {
                if feed.has_ended() {
                    return None;
                }
                match follower.next().await {
                    Told::Frames(frames) => {
                        for frame in frames {
                            feed.read(&frame.text, &mut out);
                        }
                    }
                    Told::Beat => out.extend_from_slice(event::BEAT.as_bytes()),
                    Told::Closed(CloseReason::Erased) => feed.break_off(&erased(), &mut out),
                    Told::Closed(CloseReason::Draining | CloseReason::TooSlow) | Told::Lost => match comeback {
                        Comeback::ByItself => return None,
                        Comeback::Never => feed.break_off(&interrupted(), &mut out),
                    },
                }
            }
            Some((Ok(Bytes::from(out)), (follower, feed, place)))
        },
    );
    retry.chain(events)
}
