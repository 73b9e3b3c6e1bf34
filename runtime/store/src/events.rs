//! The journal, as it is replayed.

use bytestring::ByteString;
use orchestratai_shared::{Event, SessionId};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    entity::prelude::TextUuid,
    sea_query::{Expr, ExprTrait, Func, Query},
};

use crate::{
    Store, StoreError,
    entity::{journal, session, signed, unsigned},
    frames,
};

/// Events of a session, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsPage {
    /// The frames, with consecutive `seq`.
    pub frames: Vec<StoredFrame>,
    /// The `seq` of the session's last event at the moment of reading; 0 where there is none.
    pub last_seq: u64,
}

/// An event as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFrame {
    /// Its place in the journal.
    pub seq: u64,
    /// Its exact text on the wire.
    pub text: ByteString,
}

impl StoredFrame {
    /// Reads the event.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where this version does not understand it.
    pub fn event(&self) -> Result<Event, StoreError> {
        serde_json::from_str(&self.text).map_err(frames::unreadable)
    }
}

impl Store {
    /// Events of a session after `after_seq`, at most `max_events` of them and about `max_bytes` of text, but one at least
    /// where there is one: as many as fit, so that a caller who asks again from the last one's `seq` gets all of them. None
    /// where there is no such session.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn events_after(
        &self,
        id: SessionId,
        after_seq: u64,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Option<EventsPage>, StoreError> {
        // Asked for before the database is: what is applied in between is then in both, and not in neither. Only where the
        // session was erased in between, and has begun anew, they do not belong together.
        let (unapplied, reader, last_stored) = loop {
            let erasures = self.erasures();
            let unapplied = self.unapplied(id).await?;
            if let Some(last_seq) = all_of_it(&unapplied) {
                // The database has nothing to add, and may not even be able to take it up at present.
                let mut page = PageInMaking {
                    frames: Vec::new(),
                    bytes: 0,
                    max_events,
                    max_bytes,
                };
                page.add_all(unapplied, after_seq);
                let frames = page.frames;
                return Ok(Some(EventsPage { frames, last_seq }));
            }
            let reader = self.read().await?;
            let last_seq = session::Entity::find_by_id(TextUuid(id.0))
                .select_only()
                .column(session::Column::LastSeq)
                .into_tuple::<i64>()
                .one(&reader)
                .await?;
            if self.erasures() != erasures {
                continue;
            }
            match last_seq.map(unsigned) {
                Some(last_stored) => break (unapplied, reader, last_stored),
                None => return Ok(None),
            }
        };
        let last_seq = unapplied
            .last()
            .map_or(last_stored, |frame| Ord::max(frame.seq, last_stored));
        let mut page = PageInMaking {
            frames: Vec::new(),
            bytes: 0,
            max_events,
            max_bytes,
        };
        let mut next = after_seq.saturating_add(1);
        // Rows are read a few at a time, since what they hold is known only when they have been read.
        'rows: while next <= last_stored && page.frames.len() < max_events {
            let rows = rows_from(&reader, id, next, None, Some(ROWS_AT_ONCE)).await?;
            let Some(last) = rows.last() else { break };
            let after_rows = unsigned(last.last_seq) + 1;
            for row in rows {
                for frame in frames::slice(unsigned(row.seq), row.payload)? {
                    if frame.seq >= next && !page.add(frame) {
                        break 'rows;
                    }
                }
            }
            next = after_rows;
        }
        reader.commit().await?;
        if page.frames.last().map_or(after_seq, |frame| frame.seq) >= last_stored {
            page.add_all(unapplied, Ord::max(last_stored, after_seq));
        }
        let frames = page.frames;
        Ok(Some(EventsPage { frames, last_seq }))
    }

    /// One event of a session, or none.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn event_at(&self, id: SessionId, seq: u64) -> Result<Option<StoredFrame>, StoreError> {
        if let Some(frame) = self.unapplied(id).await?.into_iter().find(|frame| frame.seq == seq) {
            return Ok(Some(frame));
        }
        let Some(row) = rows_from(self.readers(), id, seq, None, Some(1))
            .await?
            .into_iter()
            .next()
        else {
            return Ok(None);
        };
        Ok(frames::slice(unsigned(row.seq), row.payload)?
            .into_iter()
            .find(|frame| frame.seq == seq))
    }

    /// The events of a session that the database may not have yet, so that whoever catches up does not wait for it.
    async fn unapplied(&self, id: SessionId) -> Result<Vec<StoredFrame>, StoreError> {
        let Some(journal) = self.journal() else {
            return Ok(Vec::new());
        };
        match journal.backlog.frames(id) {
            Some(frames) => Ok(frames),
            None => journal.backlog.settle(id).await.map(|()| Vec::new()),
        }
    }

    fn erasures(&self) -> u64 {
        self.journal().map_or(0, |journal| journal.backlog.erasures())
    }
}

/// The last `seq` of a session all of whose events these are, if they are.
fn all_of_it(unapplied: &[StoredFrame]) -> Option<u64> {
    let first = unapplied.first()?;
    let last = unapplied.last()?;
    (first.seq == 1).then_some(last.seq)
}

/// A page that takes frames as long as there is room.
struct PageInMaking {
    frames: Vec<StoredFrame>,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
}

impl PageInMaking {
    /// Adds those after `after`, as long as there is room.
    fn add_all(&mut self, frames: Vec<StoredFrame>, after: u64) {
        let _ = frames
            .into_iter()
            .filter(|frame| frame.seq > after)
            .all(|frame| self.add(frame));
    }

    /// Whether there was room for the frame. There always is for one.
    fn add(&mut self, frame: StoredFrame) -> bool {
        self.bytes += frame.text.len();
        let is_full = self.frames.len() >= self.max_events || (self.bytes > self.max_bytes && !self.frames.is_empty());
        if !is_full {
            self.frames.push(frame);
        }
        !is_full
    }
}

/// Rows read by one statement while it is not known how many are wanted.
const ROWS_AT_ONCE: u64 = 32;

/// The rows that hold `seq` and what follows, up to `last_seq` where that is given, oldest first.
async fn rows_from(
    reader: &impl ConnectionTrait,
    id: SessionId,
    seq: u64,
    last_seq: Option<u64>,
    limit: Option<u64>,
) -> Result<Vec<journal::Model>, StoreError> {
    // `seq` may stand inside a row. The row that it stands in is the last one that begins at or before it.
    let begin = Query::select()
        .expr(Expr::col(journal::Column::Seq).max())
        .from(journal::Entity)
        .and_where(Expr::col(journal::Column::SessionId).eq(TextUuid(id.0)))
        .and_where(Expr::col(journal::Column::Seq).lte(signed(seq)))
        .to_owned();
    let mut select = journal::Entity::find().filter(journal::Column::SessionId.eq(TextUuid(id.0)));
    if let Some(last_seq) = last_seq {
        select = select.filter(journal::Column::Seq.lte(signed(last_seq)));
    }
    let rows = select
        .filter(Expr::col(journal::Column::Seq).gte(Func::coalesce([
            Expr::SubQuery(None, Box::new(begin.into())),
            Expr::val(signed(seq)),
        ])))
        .order_by_asc(journal::Column::Seq)
        .limit(limit)
        .all(reader)
        .await?;
    Ok(rows)
}

/// The events from `seq` to `last_seq`, or to the end.
pub(crate) async fn range(
    reader: &impl ConnectionTrait,
    id: SessionId,
    seq: u64,
    last_seq: Option<u64>,
) -> Result<Vec<Event>, StoreError> {
    let end = last_seq;
    let last_seq = last_seq.unwrap_or(u64::MAX);
    let mut events = Vec::new();
    let mut next = seq;
    loop {
        let rows = rows_from(reader, id, next, end, Some(ROWS_AT_ONCE)).await?;
        let is_last = (rows.len() as u64) < ROWS_AT_ONCE;
        for row in rows {
            for frame in frames::slice(unsigned(row.seq), row.payload)? {
                if (next..=last_seq).contains(&frame.seq) {
                    events.push(frame.event()?);
                    next = frame.seq + 1;
                }
            }
        }
        if is_last || next > last_seq {
            return Ok(events);
        }
    }
}

/// The events of a stretch that are no retrieval logs, which are most of its bytes.
pub(crate) async fn range_without_logs(
    reader: &impl ConnectionTrait,
    id: SessionId,
    seq: u64,
    last_seq: u64,
) -> Result<Vec<Event>, StoreError> {
    let mut events = Vec::new();
    for row in rows_from(reader, id, seq, Some(last_seq), None).await? {
        for frame in frames::slice(unsigned(row.seq), row.payload)? {
            let is_log = frame.text.starts_with(r#"{"type":"retrieval_log""#);
            if (seq..=last_seq).contains(&frame.seq) && !is_log {
                events.push(frame.event()?);
            }
        }
    }
    Ok(events)
}
