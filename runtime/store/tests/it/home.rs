//! Where a test's store is, on either engine.

use orchestratai_store::{Access, Durability, Store, StoreSettings};
use orchestratai_testing::Postgres;
use tempfile::TempDir;

/// A place for one database, which can be opened again and again.
pub(crate) struct Home {
    location: String,
    durability: Durability,
    _folder: Option<TempDir>,
}

impl Home {
    /// A file.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            location: folder.path().join("orchestratai.db").to_string_lossy().into_owned(),
            durability: Durability::Process,
            _folder: Some(folder),
        }
    }

    /// A database in the server that these tests share.
    pub(crate) fn postgres() -> Self {
        Self {
            durability: Durability::Process,
            ..Self::at(Postgres::shared().database())
        }
    }

    /// A database wherever this is, with commits that outlive its server.
    pub(crate) fn at(location: String) -> Self {
        Self {
            location,
            durability: Durability::Full,
            _folder: None,
        }
    }

    /// Opens the store. Tests that do not try the loss of power need not wait for the device.
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.settings()).await.expect("the store opens")
    }

    /// Opens it beside the one that writes sessions.
    pub(crate) async fn open_beside(&self) -> Store {
        let settings = StoreSettings {
            access: Access::Documents,
            ..self.settings()
        };
        Store::open(&settings).await.expect("the store opens")
    }

    /// How it is opened.
    pub(crate) fn settings(&self) -> StoreSettings {
        StoreSettings {
            url_or_path: self.location.clone(),
            durability: self.durability,
            readers: StoreSettings::READERS,
            access: Access::Journal,
        }
    }
}

/// Makes two tests of each function: one on SQLite and one on PostgreSQL.
macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test($crate::home::Home::sqlite()).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test($crate::home::Home::postgres()).await;
                }
            )*
        }
    };
}

pub(crate) use on_each_engine;
