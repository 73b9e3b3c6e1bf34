//! The folder of all indexes: which of them are served, and the switch from one set to the next.
//!
//! `<dir>/<collection>/<revision>/` is one index, written once. `<dir>/current.json` names the knowledge revision and the
//! folder of each collection; it is replaced by a rename, and so all collections switch together. What it no longer names
//! is removed afterwards.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    CollectionName, KnowledgeError, Snapshot,
    building::Building,
    index::{CollectionIndex, io},
};

const CURRENT: &str = "current.json";

/// The folder of all indexes.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    dir: PathBuf,
}

/// What is served, as `current.json` has it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Current {
    revision: u64,
    /// The folder of each collection, relative to its own.
    collections: BTreeMap<String, String>,
}

impl Shelf {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.into() }
    }

    /// Opens what is named as current. A collection that cannot be opened is missing from the result, and is warned of.
    pub(super) fn open(&self) -> Snapshot {
        let current = match self.read_current() {
            Ok(Some(current)) => current,
            Ok(None) => return Snapshot::default(),
            Err(reason) => {
                tracing::warn!(reason, "the list of indexes cannot be read; all are made anew");
                return Snapshot::default();
            }
        };
        let mut snapshot = Snapshot {
            revision: current.revision,
            collections: BTreeMap::new(),
        };
        for (name, folder) in current.collections {
            let Ok(name) = CollectionName::parse(&name) else {
                continue;
            };
            match CollectionIndex::open(&name, &self.dir.join(name.as_str()).join(folder)) {
                Ok(index) => {
                    snapshot.collections.insert(name, Arc::new(index));
                }
                Err(error) => {
                    let error = &error as &(dyn std::error::Error + 'static);
                    tracing::warn!(collection = %name, error, "an index cannot be opened and is made anew");
                }
            }
        }
        snapshot
    }

    /// The collections that are named as current but are not served.
    pub(super) fn missing(&self, served: &Snapshot) -> Vec<CollectionName> {
        let current = self.read_current().ok().flatten().unwrap_or_default();
        let names = current
            .collections
            .into_keys()
            .filter_map(|name| CollectionName::parse(&name).ok());
        names.filter(|name| !served.collections.contains_key(name)).collect()
    }

    /// Writes the indexes of `touched` anew, those that there are `built`, and names the result as current.
    pub(super) fn rebuild(
        &self,
        served: &Snapshot,
        touched: Vec<CollectionName>,
        mut built: BTreeMap<CollectionName, Building>,
        revision: u64,
    ) -> Result<Snapshot, KnowledgeError> {
        let mut current = self.read_current().ok().flatten().unwrap_or_default();
        let mut collections = served.collections.clone();
        current
            .collections
            .retain(|name, _| collections.keys().any(|served| served.as_str() == name));
        current.revision = revision;
        for name in touched {
            let before = collections.remove(&name);
            current.collections.remove(name.as_str());
            let Some(built) = built.remove(&name) else {
                continue;
            };
            let began = std::time::Instant::now();
            let folder = self.free_folder(&name, revision);
            let path = self.dir.join(name.as_str()).join(&folder);
            built.write(&path)?;
            let index = CollectionIndex::open(&name, &path)?;
            if let Some(before) = before {
                index.inherit_transformer_vectors(&before)?;
            }
            tracing::info!(
                collection = %name,
                documents = index.documents.len(),
                chunks = index.chunks.len(),
                knowledge.revision = revision,
                took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                "made an index"
            );
            current.collections.insert(name.as_str().to_owned(), folder);
            collections.insert(name, Arc::new(index));
        }
        self.write_current(&current)?;
        self.remove_unused(&current);
        Ok(Snapshot { revision, collections })
    }

    fn read_current(&self) -> Result<Option<Current>, String> {
        match fs::read(self.dir.join(CURRENT)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn write_current(&self, current: &Current) -> Result<(), KnowledgeError> {
        fs::create_dir_all(&self.dir).map_err(io(&self.dir))?;
        // Another process may switch at the same time: each writes a file of its own, and the last rename stays.
        let draft = self.dir.join(format!("{CURRENT}.{}", std::process::id()));
        let bytes = serde_json::to_vec_pretty(current).expect("names and numbers have a JSON form");
        fs::write(&draft, bytes).map_err(io(&draft))?;
        let path = self.dir.join(CURRENT);
        fs::rename(&draft, &path).map_err(io(&path))
    }

    /// The revision, or the revision with a suffix where a folder of that name is there already.
    fn free_folder(&self, name: &CollectionName, revision: u64) -> String {
        let dir = self.dir.join(name.as_str());
        let names = (0_u32..).map(|attempt| match attempt {
            0 => revision.to_string(),
            attempt => format!("{revision}-{attempt}"),
        });
        let mut free = names.skip_while(|name| dir.join(name).exists());
        free.next()
            .unwrap_or_else(|| format!("{revision}-{}", uuid::Uuid::new_v4()))
    }

    /// Removes index folders that are not current. A file that somebody has open stays readable until it is closed.
    fn remove_unused(&self, current: &Current) {
        let Ok(collections) = fs::read_dir(&self.dir) else {
            return;
        };
        for collection in collections.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
            let name = collection.file_name().to_string_lossy().into_owned();
            // Only folders that we can have made.
            if CollectionName::parse(&name).is_err() {
                continue;
            }
            let used = current.collections.get(&name);
            let Ok(folders) = fs::read_dir(collection.path()) else {
                continue;
            };
            for folder in folders.filter_map(Result::ok) {
                let folder_name = folder.file_name().to_string_lossy().into_owned();
                let is_ours = folder_name.starts_with(|first: char| first.is_ascii_digit());
                if is_ours
                    && Some(&folder_name) != used
                    && let Err(error) = fs::remove_dir_all(folder.path())
                {
                    tracing::warn!(folder = %folder.path().display(), %error, "an old index cannot be removed");
                }
            }
        }
    }
}
