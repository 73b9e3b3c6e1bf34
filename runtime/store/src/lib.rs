//! What is kept: the journal of every session, the read models beside it, and the documents of the knowledge base.
//!
//! The journal is append-only and is the truth. [`Store::commit`] makes a batch durable in the commit log and answers; what
//! has gathered there is then applied to the database, sessions, messages and turns in the same transaction as their events,
//! so a reader never sees one without the other, and waits for what was committed before it. With PostgreSQL a batch is one
//! transaction there, which has a log of its own. Statements and migrations are the same for both engines, built by SeaORM; what
//! only one of them understands stands in `dialect`.
//!
//! This crate knows no actor, no web and no agent. SeaORM and sqlx stop here.
//!
//! In reading order:
//! - [`settings`], [`error`]: where the data is and how safe; what can go wrong;
//! - [`write`]: what can be written;
//! - `store`: opening and closing; `dialect`: what is peculiar to an engine;
//! - `heads`, `commit_log`, `commit`: what a batch is checked against, where it becomes durable, and both in order; `direct`: the
//!   same without a log, in PostgreSQL;
//! - [`node`]: several servers on one database, and who of them may write a session; [`bus`]: what they say to each other;
//! - `backlog`, `batch`, `statements`, `apply`: what is not in the database yet; as rows, as statements, and the transaction that
//!   brings it there; `background`: the thread that does so; `checkpoint`, `write_back`: the bound
//!   on SQLite's own log, and how to keep it without holding up commits;
//! - [`record`], [`events`], [`turn`], [`page`]: reading sessions, journal, turns and pages;
//! - [`session_list`]: sessions as a list, with their titles;
//! - [`feedback`]: what people think of answers;
//! - [`agent_turns`]: the turns of an agent;
//! - [`question`]: questions that found nothing;
//! - [`spending`]: what language models spend of budgets;
//! - [`user_fact`]: what people have said of themselves;
//! - [`export`]: a whole session as a document;
//! - [`redis_server`]: where Redis is, and connections to it;
//! - [`redis_log`]: entries that all who have the same Redis read;
//! - [`snapshot`]: what a session needs to go on, without the journal from its start;
//! - [`document`]: the documents of the knowledge base, and what was made of them for the search index;
//! - [`backup`]: copies of all that, and the way back;
//! - `entity`, `migration`: tables.

pub mod agent_turns;
pub mod backup;
pub mod bus;
pub mod document;
pub mod error;
pub mod events;
pub mod export;
pub mod feedback;
pub mod node;
pub mod page;
pub mod question;
pub mod record;
pub mod redis_log;
pub mod redis_server;
pub mod session_list;
pub mod settings;
pub mod snapshot;
pub mod spending;
pub mod turn;
pub mod user_fact;
pub mod write;

mod apply;
mod background;
mod backlog;
mod batch;
mod checkpoint;
mod commit;
mod commit_log;
mod dialect;
mod direct;
mod entity;
mod frames;
mod heads;
mod meta;
mod migration;
mod person_request;
mod rows;
mod statements;
mod store;
mod takeover;
mod transaction;
mod wipe;
mod write_back;

pub use backlog::ApplyLag;
pub use backup::{
    BackedUp, BackupContents, BackupError, BackupOrigin, RestoreError, Restored, UnreadableBackup, back_up,
    check_backup, restore,
};
pub use bus::{Bus, BusError, BusEvent};
pub use document::{
    Document, DocumentChanges, DocumentFilter, DocumentId, DocumentRoot, DocumentSummary, DocumentsChanged,
    DocumentsSince, IndexPart, NewDocument, NewIndexPart, StoredCollection,
};
pub use error::{CommitError, OpenError, StoreError};
pub use events::{EventsPage, StoredFrame};
pub use export::{ExportFormat, SessionExport};
pub use feedback::FeedbackGiven;
pub use node::{Claim, NodeId, NodeSettings, Nodes};
pub use page::Page;
pub use record::{AcceptedKey, OpenTurn, SessionRecord};
pub use redis_log::{LogEvent, LogFull, RedisLog, RedisLogSettings};
pub use redis_server::RedisAddress;
pub use session_list::{SessionList, SessionPlace, SessionQuery};
pub use settings::{Access, Durability, StoreSettings};
pub use snapshot::{
    EventMark, OpenTurnFrames, Snapshot,
    codec::{SnapshotFields, SnapshotUnreadable},
    embedded::EmbeddedSnapshots,
    redis::{RedisEvent, RedisSettings, RedisSnapshots},
    rehydrate::{Candidate, Rehydrated, SnapshotUse, Staleness},
    written::{SnapshotError, Written},
};
pub use spending::{SpendingAccount, SpendingCharge, SpendingMost, SpendingReservation, SpendingStanding, Spent};
pub use store::Store;
pub use turn::TurnRow;
pub use user_fact::{FactKept, FactOwner, NewFact};
pub use write::{Append, JournalEntry, Write};

/// The organization of everything that nobody has assigned to one.
pub const DEFAULT_ORGANIZATION: &str = "default";
