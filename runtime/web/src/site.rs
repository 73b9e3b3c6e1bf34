//! What every handler may reach.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use orchestratai_actors::{Gateway, Refusal};
use orchestratai_agents::{budget::Books, knowledge::Knowledge};
use orchestratai_shared::Timestamp;
use orchestratai_telemetry::{Live, Metrics, Transport};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{error::ApiError, settings::WebSettings};

/// The server's parts, one for all workers.
pub(crate) struct Site {
    pub(crate) gateway: Gateway,
    pub(crate) knowledge: Knowledge,
    /// What language models may spend.
    pub(crate) books: Arc<Books>,
    pub(crate) metrics: Metrics,
    pub(crate) settings: WebSettings,
    /// When it was started.
    pub(crate) started: Timestamp,
    /// The OpenAPI document as JSON.
    pub(crate) openapi: Bytes,
    pub(crate) open_connections: Arc<AtomicUsize>,
    /// Room for files that are being sent.
    pub(crate) uploads: Semaphore,
}

/// Uploads at once: each is in memory as a whole, up to 16 MiB, until its documents are stored.
pub(crate) const UPLOADS_MAX: usize = 4;

impl Site {
    /// Takes one of the places for uploads.
    ///
    /// # Errors
    /// 503 where all are taken.
    pub(crate) fn take_upload_place(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        let place = self.uploads.try_acquire();
        place.map_err(|_taken| busy("As many uploads are under way as can be taken at once."))
    }

    /// Refuses what is answered from the knowledge base before that is there.
    ///
    /// # Errors
    /// 503 until then.
    pub(crate) fn check_ready(&self) -> Result<(), ApiError> {
        if self.gateway.is_ready() {
            Ok(())
        } else {
            Err(busy("The server is starting."))
        }
    }

    /// Refuses what another node can do, where this one cannot reach the database.
    ///
    /// # Errors
    /// 503 until it holds its lease again.
    pub(crate) fn check_lease(&self) -> Result<(), ApiError> {
        if self.gateway.holds_lease() {
            Ok(())
        } else {
            Err(busy("The node cannot reach the database in time."))
        }
    }

    /// Takes one of the places for WebSockets and event streams.
    ///
    /// # Errors
    /// 503 where all are taken, or where the server starts or is about to stop.
    pub(crate) fn take_place(&self, transport: Transport) -> Result<Place, ApiError> {
        self.check_ready()?;
        if self.gateway.is_draining() {
            return Err(busy("The server is about to stop."));
        }
        // At the door, so that a proxy may try another node.
        self.check_lease()?;
        let taken = Arc::clone(&self.open_connections);
        let before = taken.fetch_add(1, Ordering::Relaxed);
        // One too many for a moment is given back by the drop of `place`.
        let place = Place {
            taken,
            _live: self.metrics.connection(transport),
        };
        if before >= self.settings.connections_max {
            return Err(busy("Too many connections are open."));
        }
        Ok(place)
    }
}

/// There is no room just now, or it is not the time.
pub(crate) fn busy(message: &str) -> ApiError {
    Refusal::overloaded(message, std::time::Duration::from_secs(2)).into()
}

/// One of the places for connections that stay open; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<AtomicUsize>,
    _live: Live,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
