//! The index of one collection: chunks, vectors and the full-text index, in memory and on disk.
//!
//! On disk it is a folder that is written once and never changed: `chunks.json`, `vectors.i8`, `words.fst`, `text/`
//! (tantivy) and `manifest.json`, which names format, embedder and the checksum of every other file. Nothing is flushed to
//! the device by force: the index is derived, and what a loss of power tears fails its checksum and is made anew.
//!
//! Beside these stand the transformer's vectors, `transformer.i8`, which come later: they take long to make, and the index
//! serves without them until they are there. They have a checksum of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    CollectionName, DocumentId, KnowledgeError,
    chunk::{self, Chunk, ChunkOrigin, Format},
    chunk_vectors::{ChunkVectors, TextKey, text_key},
    lexical::Lexical,
    source::hex,
    spelling::Vocabulary,
};
use crate::embedder::{DIMENSIONS, QuantisedMatrix, QuantisedVector, StaticEmbedder};

/// Changes whenever an older index could not be read, or would be cut differently.
pub(super) const FORMAT: u32 = 3;
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const CHUNKS: &str = "chunks.json";
pub(super) const VECTORS: &str = "vectors.i8";
pub(super) const WORDS: &str = "words.fst";
pub(super) const TEXT: &str = "text";
const TRANSFORMER: &str = "transformer.i8";
/// Up to this many chunks, each keeps its passages once they are made: 2 to 3 KiB a chunk.
const KEPT_PASSAGES_CHUNKS_MAX: usize = 2_000;

/// The index of one collection at one revision.
#[derive(Debug)]
pub(crate) struct CollectionIndex {
    pub(crate) collection: CollectionName,
    pub(crate) chunks: Vec<Arc<Chunk>>,
    /// For each chunk, the one that stands for it; none for those that are shown.
    pub(crate) folded: Vec<Option<u32>>,
    /// The vector of each chunk.
    pub(crate) vectors: QuantisedMatrix,
    pub(crate) lexical: Lexical,
    /// Its words, for those that are misspelt.
    pub(crate) vocabulary: Vocabulary,
    /// The transformer's vector of each chunk, by the chunk's number; none while they are not all there.
    transformer: RwLock<Option<Arc<ByChunk>>>,
    /// Whether the transformer's vectors are known to be where others can read them.
    is_shared: AtomicBool,
    folder: PathBuf,
    /// The documents it was made from, with the revision that changed each last.
    pub(crate) documents: Vec<(DocumentId, u64)>,
}

/// The transformer's vectors of a collection.
#[derive(Debug)]
pub(crate) struct ByChunk {
    /// The model that made them.
    pub(crate) model: String,
    /// By the chunk's number; of no values for a chunk that is folded.
    pub(crate) vectors: Vec<QuantisedVector>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) collection: String,
    pub(super) embedder: String,
    pub(super) chunks: usize,
    pub(super) files: Vec<ManifestFile>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ManifestFile {
    pub(super) name: String,
    pub(super) sha256: String,
}

/// What `chunks.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChunkTable {
    pub(super) documents: Vec<DocumentRow>,
    pub(super) chunks: Vec<ChunkRow>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DocumentRow {
    pub(super) id: Uuid,
    pub(super) revision: u64,
    pub(super) source: String,
    pub(super) title: String,
    pub(super) front_matter: Map<String, Value>,
    pub(super) format: Format,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChunkRow {
    pub(super) document: u32,
    pub(super) headings: Vec<String>,
    pub(super) text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) folded: Option<u32>,
}

/// The documents with their revisions, the chunks, and which of them are folded.
type Bound = (Vec<(DocumentId, u64)>, Vec<Arc<Chunk>>, Vec<Option<u32>>);

impl CollectionIndex {
    /// Opens what [`Building`](super::building::Building) wrote; every file is checked.
    ///
    /// # Errors
    /// [`KnowledgeError::Corrupt`] where anything is not as it was written, or was written by another version.
    pub(crate) fn open(collection: &CollectionName, folder: &Path) -> Result<Self, KnowledgeError> {
        let corrupt = |reason: String| KnowledgeError::Corrupt {
            collection: collection.clone(),
            reason,
        };
        let read = |name: &str| fs::read(folder.join(name)).map_err(|error| corrupt(format!("{name}: {error}")));
        let manifest: Manifest =
            serde_json::from_slice(&read(MANIFEST)?).map_err(|error| corrupt(format!("{MANIFEST}: {error}")))?;
        if manifest.format != FORMAT || manifest.embedder != StaticEmbedder::NAME {
            return Err(corrupt(format!(
                "it was written in format {} for {}, and this version reads format {FORMAT} for {}",
                manifest.format,
                manifest.embedder,
                StaticEmbedder::NAME
            )));
        }
        if manifest.collection != collection.as_str() {
            return Err(corrupt(format!("it belongs to the collection {}", manifest.collection)));
        }
        let (mut table, mut vectors, mut words) = (None, None, None);
        for file in &manifest.files {
            let bytes = read(&file.name)?;
            if hex(&Sha256::digest(&bytes)) != file.sha256 {
                return Err(corrupt(format!(
                    "{} does not have the checksum it was written with",
                    file.name
                )));
            }
            match file.name.as_str() {
                CHUNKS => table = Some(bytes),
                VECTORS => vectors = Some(bytes),
                WORDS => words = Some(bytes),
                // Tantivy maps its own files.
                _ => {}
            }
        }
        let (Some(table), Some(vectors), Some(words)) = (table, vectors, words) else {
            return Err(corrupt(format!(
                "{CHUNKS}, {VECTORS} or {WORDS} is not in the manifest"
            )));
        };
        let vocabulary = Vocabulary::from_bytes(words).ok_or_else(|| corrupt(format!("{WORDS} cannot be read")))?;
        let table: ChunkTable =
            serde_json::from_slice(&table).map_err(|error| corrupt(format!("{CHUNKS}: {error}")))?;
        let vectors = QuantisedMatrix::from_bytes(&vectors, DIMENSIONS)
            .ok_or_else(|| corrupt(format!("{VECTORS} cannot be read")))?;
        let lexical = Lexical::open(&folder.join(TEXT)).map_err(full_text(collection))?;
        let chunks = table.chunks.len();
        if chunks != manifest.chunks || vectors.len() != chunks || lexical.len() != chunks as u64 {
            return Err(corrupt("its files do not have the same number of chunks".into()));
        }
        let (documents, chunks, folded) =
            Self::bind(collection, table).ok_or_else(|| corrupt("a chunk has no document".into()))?;
        Ok(Self {
            collection: collection.clone(),
            chunks,
            folded,
            vectors,
            lexical,
            vocabulary,
            transformer: RwLock::default(),
            is_shared: AtomicBool::new(false),
            folder: folder.to_owned(),
            documents,
        })
    }

    fn bind(collection: &CollectionName, table: ChunkTable) -> Option<Bound> {
        let documents = table
            .documents
            .iter()
            .map(|row| (DocumentId(row.id), row.revision))
            .collect();
        let origins: Vec<Arc<ChunkOrigin>> = table
            .documents
            .into_iter()
            .map(|row| {
                Arc::new(ChunkOrigin {
                    document_id: DocumentId(row.id),
                    collection: collection.clone(),
                    source: row.source,
                    title: row.title,
                    front_matter: row.front_matter,
                    format: row.format,
                })
            })
            .collect();
        let keeps_passages = table.chunks.len() <= KEPT_PASSAGES_CHUNKS_MAX;
        let folded = table.chunks.iter().map(|row| row.folded).collect();
        let chunks: Option<Vec<Arc<Chunk>>> = table
            .chunks
            .into_iter()
            .map(|row| {
                let origin = Arc::clone(origins.get(row.document as usize)?);
                Some(Arc::new(Chunk::new(
                    origin,
                    row.headings,
                    row.text.into(),
                    keeps_passages,
                )))
            })
            .collect();
        Some((documents, chunks?, folded))
    }

    /// The chunk that stands for this one: itself, where it is not folded.
    pub(crate) fn shown_as(&self, chunk: usize) -> usize {
        self.folded[chunk].map_or(chunk, |other| other as usize)
    }

    /// Whether the transformer's vectors are known to be where others can read them.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed)
    }

    /// Notes that they are, or that they cannot be brought there.
    pub(crate) fn set_shared(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
    }

    /// The transformer's vectors; none while they are not all there.
    pub(crate) fn transformer(&self) -> Option<Arc<ByChunk>> {
        self.transformer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The chunks that the transformer is to embed, with the key of the text of each: those that are found.
    pub(crate) fn transformer_keys(&self) -> impl Iterator<Item = (usize, TextKey)> {
        let found = self.folded.iter().enumerate().filter(|(_, folded)| folded.is_none());
        found.map(|(chunk, _)| (chunk, text_key(&self.indexed_text(chunk))))
    }

    /// What is embedded of a chunk.
    pub(crate) fn indexed_text(&self, chunk: usize) -> String {
        let chunk = &self.chunks[chunk];
        chunk::indexed_text(&chunk.origin.title, &chunk.headings, &chunk.text)
    }

    /// The vectors of this model that an earlier run wrote for this index, or that are served; none of another model.
    pub(crate) fn known_transformer_vectors(&self, model: &str) -> ChunkVectors {
        let written = fs::read(self.folder.join(TRANSFORMER)).ok();
        let written = written.and_then(|bytes| ChunkVectors::from_bytes(&bytes));
        written
            .filter(|vectors| vectors.model == model)
            .unwrap_or_else(|| ChunkVectors::new(model))
    }

    /// Takes over the vectors of the chunks that are as they were in the index before: they are not made again.
    ///
    /// # Errors
    /// [`KnowledgeError::Io`] where they cannot be written.
    pub(crate) fn inherit_transformer_vectors(&self, before: &Self) -> Result<(), KnowledgeError> {
        let written = fs::read(before.folder.join(TRANSFORMER)).ok();
        let Some(mut vectors) = written.and_then(|bytes| ChunkVectors::from_bytes(&bytes)) else {
            return Ok(());
        };
        vectors.keep_only(self.transformer_keys().map(|(_, key)| key));
        self.write_transformer_vectors(&vectors)
    }

    /// Writes vectors, all or some of those that are wanted, beside the index.
    ///
    /// # Errors
    /// [`KnowledgeError::Io`].
    pub(crate) fn write_transformer_vectors(&self, vectors: &ChunkVectors) -> Result<(), KnowledgeError> {
        // A reader sees the old file or the new one.
        let draft = self.folder.join(format!("{TRANSFORMER}.{}", std::process::id()));
        fs::write(&draft, vectors.to_bytes()).map_err(io(&draft))?;
        let path = self.folder.join(TRANSFORMER);
        fs::rename(&draft, &path).map_err(io(&path))
    }

    /// Serves these vectors; false where they are not all that is wanted.
    pub(crate) fn serve_transformer_vectors(&self, vectors: &ChunkVectors) -> bool {
        let mut keys = self.transformer_keys().map(|(_, key)| key);
        let each = self.folded.iter().map(|folded| match folded {
            Some(_) => Some(QuantisedVector::new(&[])),
            None => vectors.by_key.get(&keys.next()?).cloned(),
        });
        let Some(each) = each.collect::<Option<Vec<_>>>() else {
            return false;
        };
        let by_chunk = ByChunk {
            model: vectors.model.clone(),
            vectors: each,
        };
        *self.transformer.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(by_chunk));
        true
    }
}

pub(super) fn full_text(collection: &CollectionName) -> impl FnOnce(tantivy::TantivyError) -> KnowledgeError {
    let collection = collection.clone();
    move |source| KnowledgeError::FullText {
        collection,
        source: Box::new(source),
    }
}

pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> KnowledgeError {
    let path = path.to_owned();
    move |source| KnowledgeError::Io { path, source }
}
