//! All that happens in a session, as a stream.

use actix_web::{HttpRequest, HttpResponse, web::Bytes};
use futures_util::{StreamExt, stream};
use orchestratai_shared::SessionId;
use orchestratai_telemetry::Transport;

use super::{
    event,
    follower::{Follower, Told},
    response,
};
use crate::{error::ApiError, rest::session::no_session, site::Site, socket::Connected};

/// Streams the events of a session after `after_seq`, or after `Last-Event-ID` where the client comes back.
pub(crate) async fn session(
    site: &Site,
    request: &HttpRequest,
    session_id: SessionId,
    after_seq: u64,
) -> Result<HttpResponse, ApiError> {
    let last_event_id = request.headers().get("last-event-id");
    let after_seq = last_event_id
        .and_then(|id| id.to_str().ok()?.parse().ok())
        .unwrap_or(after_seq);
    let place = site.take_place(Transport::Sse)?;
    // Following a session begins it where it is unknown; reading one must not.
    if site.gateway.session(session_id).await?.is_none() {
        return Err(no_session());
    }
    let follower = Follower::begin(
        site.gateway.clone(),
        Connected::of(request),
        session_id,
        after_seq,
        false,
    )
    .await?;
    let events = stream::unfold((follower, place), |(mut follower, place)| async move {
        let bytes = match follower.next().await {
            Told::Frames(frames) => {
                let mut out = Vec::new();
                for frame in frames {
                    write(&mut out, frame.seq, &frame.text);
                }
                Bytes::from(out)
            }
            Told::Beat => Bytes::from_static(event::BEAT.as_bytes()),
            Told::Closed(_) | Told::Lost => return None,
        };
        Some((Ok::<_, actix_web::Error>(bytes), (follower, place)))
    });
    let retry = stream::iter([Ok(Bytes::from_static(event::RETRY.as_bytes()))]);
    Ok(response().streaming(Box::pin(retry.chain(events))))
}

/// A frame is JSON already, on one line.
fn write(out: &mut Vec<u8>, seq: Option<u64>, frame: &str) {
    if let Some(seq) = seq {
        out.extend_from_slice(format!("id: {seq}\n").as_bytes());
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(frame.as_bytes());
    out.extend_from_slice(b"\n\n");
}
