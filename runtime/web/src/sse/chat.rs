//! The answer of one turn as a stream, in one step or in two.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Bytes, Data, Path, Payload, ServiceConfig},
};
use futures_util::{StreamExt, stream};
use orchestratai_actors::{Accepted, CloseReason, TurnRecord};
use orchestratai_shared::{SessionId, Timestamp, TurnId};
use orchestratai_telemetry::Transport;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    chat_events::ChatEvents,
    event,
    feed::{Feed, Teller, interrupted},
    follower::{Follower, Told},
    position::Position,
    response,
};
use crate::{
    edge::{X_SESSION_ID, X_TURN_ID},
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
    let turn = Turn::accepted(&site, session_id, accepted).await?;
    let resumed = Position::of(request.headers());
    let stream = turn
        .stream(&site, &request, place, Comeback::Never, resumed, ChatEvents)
        .await;
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
    let resumed = Position::of(request.headers());
    let stream = turn
        .stream(&site, &request, place, Comeback::ByItself, resumed, ChatEvents)
        .await;
    stream.map_err(|error| error.of_turn(turn_id))
}

/// Whether a client comes back by itself where a stream ends early: an `EventSource` does, a POST does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comeback {
    ByItself,
    Never,
}

/// A turn that can be streamed.
pub(crate) struct Turn {
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
    /// The turn of a message that was just accepted, or of the same one long ago.
    ///
    /// # Errors
    /// 404 where it was long ago and its session has been erased.
    pub(crate) async fn accepted(site: &Site, session_id: SessionId, accepted: Accepted) -> Result<Self, ApiError> {
        let turn_id = accepted.turn_id;
        match accepted.repeated {
            true => find(site, turn_id).await?.ok_or_else(|| erased().of_turn(turn_id)),
            false => Ok(Self {
                id: turn_id,
                session_id,
                accepted_seq: accepted.seq,
                ended: None,
            }),
        }
    }

    fn can_be_followed(&self) -> bool {
        let since_end = self.ended.as_ref().map(|ended| Timestamp::now().millis_since(ended.at));
        since_end.is_none_or(|millis| Duration::from_millis(millis) < ALIVE_AFTER_END)
    }

    /// Its stream, from `resumed` on, in the words of `teller`.
    ///
    /// # Errors
    /// Where the session cannot be followed, or its journal not be read.
    pub(crate) async fn stream<T: Teller + 'static>(
        self,
        site: &Site,
        request: &HttpRequest,
        place: Place,
        comeback: Comeback,
        resumed: Option<Position>,
        teller: T,
    ) -> Result<HttpResponse, ApiError> {
        let ended_seq = self.ended.as_ref().map(|ended| ended.seq);
        // The last event of a stream is its turn's end: a position behind that was never given, and counts as nothing.
        let resumed = resumed.filter(|position| ended_seq.is_none_or(|ended| position.seq <= ended));
        let mut response = response();
        response.insert_header((X_TURN_ID, self.id.to_string()));
        response.insert_header((X_SESSION_ID, self.session_id.to_string()));
        let feed = Feed::new(self.id, self.accepted_seq, resumed, teller);
        let Some(ended_seq) = ended_seq else {
            let socket = Connected::of(request);
            let gateway = site.gateway.clone();
            let watched = socket.clone().filter(|_| feed.ends_with_its_client());
            let follower = Follower::begin(gateway, socket, self.session_id, self.accepted_seq, true).await?;
            return Ok(response.streaming(Box::pin(live(follower, feed, place, comeback, watched))));
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
fn replay(mut feed: Feed<impl Teller>, record: &TurnRecord) -> Vec<u8> {
    let mut out = Vec::new();
    feed.begin_stream(&mut out);
    for recorded in &record.events {
        feed.read(&recorded.text, &mut out);
    }
    out
}

/// Waits until the client of a connection that is to be watched is gone.
async fn left(watched: Option<Connected>) {
    let left = match watched {
        Some(connection) => connection.peer_left().await,
        None => std::future::pending().await,
    };
    if let Err(error) = left {
        tracing::warn!(%error, "a connection cannot be watched: its client's leave is noticed late");
        std::future::pending::<()>().await;
    }
}

/// The stream of a turn that runs.
fn live<T: Teller>(
    follower: Follower,
    mut feed: Feed<T>,
    place: Place,
    comeback: Comeback,
    watched: Option<Connected>,
) -> impl futures_util::Stream<Item = Result<Bytes, actix_web::Error>> {
    let mut beginning = Vec::new();
    feed.begin_stream(&mut beginning);
    let beginning = stream::iter([Ok(Bytes::from(beginning))]);
    let left = Box::pin(left(watched));
    let events = stream::unfold(
        (follower, feed, place, left),
        move |(mut follower, mut feed, place, mut left)| async move {
            let mut out = Vec::new();
            while out.is_empty() {
                if feed.has_ended() {
                    return None;
                }
                let told = tokio::select! {
                    told = follower.next() => told,
                    () = &mut left => return None,
                };
                match told {
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
            Some((Ok(Bytes::from(out)), (follower, feed, place, left)))
        },
    );
    beginning.chain(events)
}
