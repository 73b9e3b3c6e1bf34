//! What is kept: the journal of every session, the read models beside it, and the documents of the knowledge base.
//!
//! The journal is append-only and is the truth. [`Store::commit`] writes a whole batch in one transaction and answers
//! after it is durable; sessions, messages and turns are written in that transaction, so a reader never sees one without
//! the other. SQLite is the backend; statements are built by SeaORM and what only one engine understands stands in one
//! file, so that PostgreSQL is a second backend and not a second code base.
//!
//! This crate knows no actor, no web and no agent. SeaORM and sqlx stop here.
//!
//! In reading order:
//! - [`settings`], [`error`]: where the data is and how safe; what can go wrong;
//! - [`write`]: what can be written;
//! - `store`: opening and closing; `dialect`: what is peculiar to an engine;
//! - `batch`, `statements`, `commit`: a batch of writes as rows, as statements, and the transaction that stores them; `checkpoint`: the bound on the
//!   write-ahead log;
//! - [`record`], [`events`], [`turn`], [`page`]: reading sessions, journal, turns and pages;
//! - [`document`]: the documents of the knowledge base;
//! - `entity`, `migration`: tables.

pub mod document;
pub mod error;
pub mod events;
pub mod page;
pub mod record;
pub mod settings;
pub mod turn;
pub mod write;

mod batch;
mod checkpoint;
mod commit;
mod dialect;
mod entity;
mod frames;
mod meta;
mod migration;
mod rows;
mod statements;
mod store;

pub use document::{
    Document, DocumentChanges, DocumentId, DocumentRoot, DocumentSummary, DocumentsChanged, DocumentsSince, NewDocument,
};
pub use error::{CommitError, OpenError, StoreError};
pub use events::{EventsPage, StoredFrame};
pub use page::Page;
pub use record::{AcceptedKey, OpenTurn, SessionRecord};
pub use settings::{Durability, StoreSettings};
pub use store::Store;
pub use turn::TurnRow;
pub use write::{Append, JournalEntry, Write};

/// The organization of everything that nobody has assigned to one.
pub const DEFAULT_ORGANIZATION: &str = "default";
