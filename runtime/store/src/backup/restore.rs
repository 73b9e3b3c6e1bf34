//! From a backup into an empty database.
//!
//! All of it is one step: a server gets it in one transaction, and a file gets its name when it is whole. A restore that fails, or is
//! killed, leaves the database as empty as it was.

mod file;
mod fill;
mod server;

use std::{io::Read, path::PathBuf};

use super::archive::{ArchiveReader, BackupContents, UnreadableBackup};
use crate::{OpenError, StoreError, StoreSettings, dialect::postgres::Address, migration, store::sqlite_path};

/// What [`restore`] has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What was in the backup, and is in the database now.
    pub contents: BackupContents,
    /// Names the journal's new lineage. Clients may have seen more of the old one than the backup has.
    pub epoch: String,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup cannot be used.
    #[error(transparent)]
    Backup(#[from] UnreadableBackup),
    /// The database cannot be opened, or a server has it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A later version has made the backup.
    #[error(
        "the backup was made by version {version}, which knows migration `{migration}`, and this one does not: restore it with that version or a later one"
    )]
    LaterSchema {
        /// Of the program.
        version: String,
        /// The last one.
        migration: String,
    },
    /// There is a file already.
    #[error("{} is there already: restore into another folder, or move it away first", path.display())]
    FileExists {
        /// The file that is in the way: the database, or one that belongs to it.
        path: PathBuf,
    },
    /// The database of the server is in use.
    #[error("{location} is not empty: it has a table `{table}`; restore into a database of its own (`createdb`)")]
    NotEmpty {
        /// The address without its password.
        location: String,
        /// A table that is there.
        table: &'static str,
    },
    /// The database gives back something else than what was written.
    #[error("the table `{0}` of the restored database is not what was written: nothing was restored")]
    NotAsWritten(&'static str),
    /// The database cannot be written.
    #[error("{location} cannot be restored")]
    Database {
        /// The file, or the address without its password.
        location: String,
        /// What the engine says.
        #[source]
        source: StoreError,
    },
    /// The file cannot be put in its place.
    #[error("{} cannot be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// Restores a backup into the database that `settings` name, which must be empty: a file that is not there yet, or a database of a
/// server without our tables. It gets a new epoch.
///
/// # Errors
/// [`RestoreError`]; the database is as it was then.
pub async fn restore(settings: &StoreSettings, input: impl Read) -> Result<Restored, RestoreError> {
    let archive = ArchiveReader::new(input)?;
    let origin = archive.origin();
    if migration::ordinal(&origin.schema).is_none() {
        return Err(RestoreError::LaterSchema {
            version: origin.version.clone(),
            migration: origin.schema.clone(),
        });
    }
    if Address::is_one(&settings.url_or_path) {
        server::restore(&settings.url_or_path, archive).await
    } else {
        file::restore(&sqlite_path(&settings.url_or_path)?, archive).await
    }
}

#[cfg(test)]
mod tests {
    use orchestratai_shared::{SessionId, Timestamp};
    use sea_orm::EntityTrait;

    use super::*;
    use crate::{
        Store,
        backup::{
            archive::{ArchiveWriter, BackupOrigin},
            row::Cell,
            table,
        },
        entity::session,
        rows,
    };

    /// A backup with one session.
    fn backup(schema: &str, session: SessionId) -> Vec<u8> {
        let now = Timestamp::now();
        let origin = BackupOrigin::new("0.0.1", schema.to_owned(), "before".to_owned(), now, 7);
        let mut archive = ArchiveWriter::new(Vec::new(), origin).unwrap();
        let now_there = table::table("sessions").unwrap();
        let was_there = table::Table {
            name: now_there.name,
            columns: &now_there.columns[..9],
        };
        archive.begin_table(&was_there).unwrap();
        let text = |text: &str| Cell::Text(text.to_owned());
        let row = [
            text(&session.to_string()),
            Cell::Null,
            Cell::Time(now.into()),
            Cell::Time(now.into()),
            Cell::Integer(0),
            Cell::Decimal(0.0),
            Cell::Integer(0),
            text("default"),
            Cell::Integer(0),
        ];
        archive.add_row(&row).unwrap();
        archive.finish().unwrap().0
    }

    #[tokio::test]
    async fn a_backup_of_an_earlier_schema_is_brought_to_the_present_one() {
        let folder = tempfile::tempdir().unwrap();
        let settings = StoreSettings::sqlite(&folder.path().join("restored.db"));
        let session = SessionId::new();
        let backup = backup("m20261122_000001_core", session);
        let restored = restore(&settings, &backup[..]).await.unwrap();
        assert_ne!(restored.epoch, "before");
        let store = Store::open(&settings).await.unwrap();
        assert!(store.session(session).await.unwrap().is_some());
        assert_eq!(store.knowledge_revision().await.unwrap(), 7);
        // The schema that came later is there, and filled: what was active long ago stands behind what is active now.
        assert!(store.rehydrate(session, 1).await.unwrap().is_some());
        let row = session::Entity::find().one(store.readers()).await.unwrap().unwrap();
        assert_eq!(row.active_hour, rows::hour(row.last_activity.into()));
        store.close().await.unwrap();
        let names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["restored.db"], "nothing is left beside it");
    }

    #[tokio::test]
    async fn a_backup_of_a_later_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let settings = StoreSettings::sqlite(&folder.path().join("restored.db"));
        let backup = backup("m20990101_000001_later", SessionId::new());
        let error = restore(&settings, &backup[..]).await.unwrap_err();
        assert!(
            matches!(&error, RestoreError::LaterSchema { migration, .. } if migration == "m20990101_000001_later"),
            "{error:?}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
