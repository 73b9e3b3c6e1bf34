//! Sessions in progress, as a stream.

use std::time::Duration;

use actix_web::{HttpResponse, web::Bytes};
use futures_util::{StreamExt, stream};
use orchestratai_actors::Gateway;
use orchestratai_shared::LiveSessions;
use orchestratai_telemetry::Transport;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::{event, response};
use crate::{
    error::ApiError,
    site::{Place, Site},
};

/// How often it is looked whether something has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so long without a change the stream says that it lives.
const BEAT_AFTER: Duration = Duration::from_secs(15);

/// What one client of the stream has seen.
struct Watch {
    gateway: Gateway,
    limit: usize,
    seen: Option<LiveSessions>,
    said_at: Instant,
    look: Interval,
    _place: Place,
}

/// Streams the sessions in progress, so many at most: all of them, then what changes.
pub(crate) fn live(site: &Site, limit: usize) -> Result<HttpResponse, ApiError> {
    let place = site.take_place(Transport::Sse)?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch {
        gateway: site.gateway.clone(),
        limit,
        seen: None,
        said_at: Instant::now(),
        look,
        _place: place,
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let bytes = watch.next().await?;
        Some((Ok::<_, actix_web::Error>(bytes), watch))
    });
    let retry = stream::iter([Ok(Bytes::from_static(event::RETRY.as_bytes()))]);
    Ok(response().streaming(Box::pin(retry.chain(events))))
}

impl Watch {
    /// Waits for what is to be said next; none where the server stops, and the client comes back to another one.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.look.tick().await;
            if self.gateway.is_draining() {
                return None;
            }
            let now = self.gateway.live_sessions().await.first(self.limit);
            let mut out = Vec::new();
            match &self.seen {
                None => event::write(&mut out, None, Some("sessions"), &now),
                Some(seen) => {
                    if let Some(changes) = now.changes_since(seen) {
                        event::write(&mut out, None, Some("changes"), &changes);
                    } else if self.said_at.elapsed() >= BEAT_AFTER {
                        out.extend_from_slice(event::BEAT.as_bytes());
                    }
                }
            }
            self.seen = Some(now);
            if !out.is_empty() {
                self.said_at = Instant::now();
                return Some(Bytes::from(out));
            }
        }
    }
}
