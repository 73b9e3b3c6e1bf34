//! The index of one collection: chunks, vectors and the full-text index, in memory and on disk.
//!
//! On disk it is a folder that is written once and never changed: `chunks.json`, `vectors.f32`, `text/` (tantivy) and
//! `manifest.json`, which names format, embedder and the checksum of every other file. Nothing is flushed to the device
//! by force: the index is derived, and what a loss of power tears fails its checksum and is made anew.

use std::{fs, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    CollectionName, Document, DocumentId, KnowledgeError,
    chunk::{self, Chunk, ChunkOrigin, Format},
    duplicates,
    lexical::{self, Lexical},
    source::hex,
};
use crate::embedder::{DIMENSIONS, Embedder};

/// Changes whenever an older index could not be read, or would be cut differently.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const CHUNKS: &str = "chunks.json";
const VECTORS: &str = "vectors.f32";
const TEXT: &str = "text";
/// Up to this many chunks, each keeps its passages once they are made: 2 to 3 KiB a chunk.
const KEPT_PASSAGES_CHUNKS_MAX: usize = 2_000;

/// The index of one collection at one revision.
#[derive(Debug)]
pub(crate) struct CollectionIndex {
    pub(crate) collection: CollectionName,
    pub(crate) chunks: Vec<Arc<Chunk>>,
    /// For each chunk, the one that stands for it; none for those that are shown.
    pub(crate) folded: Vec<Option<u32>>,
    /// [`DIMENSIONS`] numbers for each chunk.
    pub(crate) vectors: Vec<f32>,
    pub(crate) lexical: Lexical,
    /// The documents it was made from, with the revision that changed each last.
    pub(crate) documents: Vec<(DocumentId, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    collection: String,
    embedder: String,
    chunks: usize,
    files: Vec<ManifestFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ManifestFile {
    name: String,
    sha256: String,
}

/// What `chunks.json` holds.
#[derive(Debug, Serialize, Deserialize)]
struct ChunkTable {
    documents: Vec<DocumentRow>,
    chunks: Vec<ChunkRow>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DocumentRow {
    id: Uuid,
    revision: u64,
    source: String,
    title: String,
    front_matter: Map<String, Value>,
    format: Format,
}

#[derive(Debug, Serialize, Deserialize)]
struct ChunkRow {
    document: u32,
    headings: Vec<String>,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folded: Option<u32>,
}

/// Makes the index of a collection from its documents and writes it to `folder`, which must not exist.
///
/// # Errors
/// [`KnowledgeError::Io`] and [`KnowledgeError::FullText`]; what was written then has no manifest, and is not opened.
pub(crate) fn build(
    collection: &CollectionName,
    mut documents: Vec<Document>,
    embedder: &Embedder,
    folder: &Path,
) -> Result<(), KnowledgeError> {
    // The same documents give the same index, in whatever order they come.
    documents
        .sort_by(|a, b| (&a.document.path, &a.document.root, a.id).cmp(&(&b.document.path, &b.document.root, b.id)));
    let mut table = ChunkTable {
        documents: Vec::new(),
        chunks: Vec::new(),
    };
    for (number, Document { id, document, revision }) in (0_u32..).zip(documents) {
        // A document put by hand has whatever path it was given.
        let format = Format::of(&document.path).unwrap_or(Format::Plain);
        let sections = chunk::sections(format, &document.title, &document.content);
        table.chunks.extend(sections.into_iter().map(|section| ChunkRow {
            document: number,
            headings: section.headings,
            text: section.text,
            folded: None,
        }));
        table.documents.push(DocumentRow {
            id: id.0,
            revision,
            source: document.path,
            title: document.title,
            front_matter: document.front_matter,
            format,
        });
    }
    let folded = duplicates::fold(table.chunks.iter().map(|chunk| chunk.text.as_str()));
    for (chunk, folded) in table.chunks.iter_mut().zip(folded) {
        chunk.folded = folded;
    }
    let texts: Vec<String> = table.chunks.iter().map(|chunk| table.indexed_text(chunk)).collect();
    let vectors = embed_all(&texts, embedder);
    // A chunk that is folded is never found; its words must not count as rare or frequent either.
    let searchable = table
        .chunks
        .iter()
        .zip(&texts)
        .map(|(chunk, text)| if chunk.folded.is_some() { "" } else { text });
    let text_files = lexical::build(searchable).map_err(full_text(collection))?;
    write(collection, folder, &table, &vectors, text_files)
}

impl ChunkTable {
    fn indexed_text(&self, chunk: &ChunkRow) -> String {
        format!(
            "{}\n{}\n{}",
            self.documents[chunk.document as usize].title,
            chunk.headings.join(" > "),
            chunk.text
        )
    }
}

/// The vectors of all texts, one after the other, made on all cores.
fn embed_all(texts: &[String], embedder: &Embedder) -> Vec<f32> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let mut vectors = vec![0.0; texts.len() * DIMENSIONS];
    let share = texts.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (texts, vectors) in texts.chunks(share).zip(vectors.chunks_mut(share * DIMENSIONS)) {
            scope.spawn(move || {
                for (text, vector) in texts.iter().zip(vectors.chunks_mut(DIMENSIONS)) {
                    vector.copy_from_slice(&embedder.embed(text));
                }
            });
        }
    });
    vectors
}

fn write(
    collection: &CollectionName,
    folder: &Path,
    table: &ChunkTable,
    vectors: &[f32],
    text_files: Vec<(String, Vec<u8>)>,
) -> Result<(), KnowledgeError> {
    let table_json = serde_json::to_vec(table).expect("rows of plain texts and numbers have a JSON form");
    let mut files = vec![
        (CHUNKS.to_owned(), table_json),
        (
            VECTORS.to_owned(),
            vectors.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ),
    ];
    files.extend(
        text_files
            .into_iter()
            .map(|(name, bytes)| (format!("{TEXT}/{name}"), bytes)),
    );
    let text_folder = folder.join(TEXT);
    fs::create_dir_all(&text_folder).map_err(io(&text_folder))?;
    let mut manifest = Manifest {
        format: FORMAT,
        collection: collection.as_str().to_owned(),
        embedder: Embedder::NAME.to_owned(),
        chunks: table.chunks.len(),
        files: Vec::new(),
    };
    for (name, bytes) in files {
        let path = folder.join(&name);
        fs::write(&path, &bytes).map_err(io(&path))?;
        manifest.files.push(ManifestFile {
            name,
            sha256: hex(&Sha256::digest(&bytes)),
        });
    }
    // Last, so that a folder with a manifest is a complete one.
    let path = folder.join(MANIFEST);
    let manifest = serde_json::to_vec_pretty(&manifest).expect("a manifest has a JSON form");
    fs::write(&path, manifest).map_err(io(&path))
}

impl CollectionIndex {
    /// Opens what [`build`] wrote; every file is checked.
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
        if manifest.format != FORMAT || manifest.embedder != Embedder::NAME {
            return Err(corrupt(format!(
                "it was written in format {} for {}, and this version reads format {FORMAT} for {}",
                manifest.format,
                manifest.embedder,
                Embedder::NAME
            )));
        }
        if manifest.collection != collection.as_str() {
            return Err(corrupt(format!("it belongs to the collection {}", manifest.collection)));
        }
        let (mut table, mut vectors) = (None, None);
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
                // Tantivy maps its own files.
                _ => {}
            }
        }
        let (Some(table), Some(vectors)) = (table, vectors) else {
            return Err(corrupt(format!("{CHUNKS} or {VECTORS} is not in the manifest")));
        };
        let table: ChunkTable =
            serde_json::from_slice(&table).map_err(|error| corrupt(format!("{CHUNKS}: {error}")))?;
        let vectors: Vec<f32> = vectors
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let lexical = Lexical::open(&folder.join(TEXT)).map_err(full_text(collection))?;
        let chunks = table.chunks.len();
        if chunks != manifest.chunks || vectors.len() != chunks * DIMENSIONS || lexical.len() != chunks as u64 {
            return Err(corrupt("its files do not have the same number of chunks".into()));
        }
        Self::bind(collection, table, vectors, lexical).ok_or_else(|| corrupt("a chunk has no document".into()))
    }

    fn bind(collection: &CollectionName, table: ChunkTable, vectors: Vec<f32>, lexical: Lexical) -> Option<Self> {
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
        Some(Self {
            collection: collection.clone(),
            chunks: chunks?,
            folded,
            vectors,
            lexical,
            documents,
        })
    }

    /// The vector of a chunk.
    pub(crate) fn vector(&self, chunk: usize) -> &[f32] {
        &self.vectors[chunk * DIMENSIONS..(chunk + 1) * DIMENSIONS]
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
