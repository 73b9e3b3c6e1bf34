//! The connection that writes documents, and with SQLite everything.

use std::path::PathBuf;

use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    Durability, StoreError,
    background::BackgroundHandle,
    dialect::{
        Role,
        postgres::{self, Address, ServerRole},
    },
};

/// The one connection that writes. Who holds it is alone with the write side of this process.
#[derive(Debug)]
pub(crate) struct Writer {
    database: Database,
    /// None after an error that left it in doubt; it is opened anew by the next write.
    pub(super) connection: Option<DatabaseConnection>,
}

/// What a writer connects to.
#[derive(Debug)]
pub(super) enum Database {
    File {
        path: PathBuf,
        durability: Durability,
        background: BackgroundHandle,
    },
    Server(Address),
}

impl Writer {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            connection: None,
        }
    }

    /// The connection, opened anew where the last one was given up.
    pub(crate) async fn connection(&mut self) -> Result<&DatabaseConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// The path of a file beside the database, where that is a file.
    pub(crate) fn beside(&self, ending: &str) -> Option<PathBuf> {
        let Database::File { path, .. } = &self.database else {
            return None;
        };
        let mut path = path.as_os_str().to_owned();
        path.push(ending);
        Some(path.into())
    }

    pub(super) async fn connect(&self) -> Result<DatabaseConnection, DbErr> {
        match &self.database {
            Database::File {
                path,
                durability,
                background,
            } => background.connect(path, Role::Writer(*durability)).await,
            Database::Server(address) => postgres::connect(address, ServerRole::Writer).await,
        }
    }

    /// Gives up the connection. SQLite ends a transaction by itself where the disk is full or fails, which its driver does
    /// not notice: that connection would refuse to begin another one for good.
    pub(crate) async fn give_up(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a database connection could not be closed"
            );
        }
    }
}
