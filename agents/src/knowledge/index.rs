//! The index of one collection: chunks, vectors and the full-text index, in memory and on disk.
//!
//! On disk it is a folder that is written once and never changed: `chunks.json`, `vectors.i8`, `words.fst`, `text/`
//! (tantivy) and `manifest.json`, which names format, embedder and the checksum of every other file. Nothing is flushed to
//! the device by force: the index is derived, and what a loss of power tears fails its checksum and is made anew.
//!
//! Beside these stand the transformer's vectors, `transformer.i8`, which come later: they take long to make, and the index
//! serves without them until they are there. They have a checksum of their own.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    CollectionName, Document, DocumentId, FileKind, KnowledgeError,
    chunk::{self, Chunk, ChunkOrigin, Format},
    duplicates,
    lexical::{self, Lexical},
    source::hex,
    spelling::Vocabulary,
    transformer_vectors::{TextKey, TransformerVectors, text_key},
};
use crate::embedder::{DIMENSIONS, Embedder, QuantisedMatrix, QuantisedVector, StaticEmbedder};

/// Changes whenever an older index could not be read, or would be cut differently.
const FORMAT: u32 = 3;
const MANIFEST: &str = "manifest.json";
const CHUNKS: &str = "chunks.json";
const VECTORS: &str = "vectors.i8";
const WORDS: &str = "words.fst";
const TEXT: &str = "text";
const TRANSFORMER: &str = "transformer.i8";
/// Up to this many chunks, each keeps its passages once they are made: 2 to 3 KiB a chunk.
const KEPT_PASSAGES_CHUNKS_MAX: usize = 2_000;

/// Texts that are embedded before their vectors are quantised.
const EMBEDDED_AT_ONCE: usize = 4_096;

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
    embedder: &StaticEmbedder,
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
        let format = FileKind::of(&document.path).map_or(Format::Plain, FileKind::format);
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
    let Ok(vectors) = embed_all(&texts, embedder);
    let words = Vocabulary::build(texts.iter().map(String::as_str));
    // A chunk that is folded is never found; its words must not count as rare or frequent either.
    let searchable = table
        .chunks
        .iter()
        .zip(&texts)
        .map(|(chunk, text)| if chunk.folded.is_some() { "" } else { text });
    let text_files = lexical::build(searchable).map_err(full_text(collection))?;
    write(collection, folder, &table, &vectors, words, text_files)
}

impl ChunkTable {
    fn indexed_text(&self, chunk: &ChunkRow) -> String {
        let title = &self.documents[chunk.document as usize].title;
        indexed_text(title, &chunk.headings, &chunk.text)
    }
}

/// What is embedded and searched of a chunk: its title and headings stand in front of it.
fn indexed_text(title: &str, headings: &[String], text: &str) -> String {
    format!("{title}\n{}\n{text}", headings.join(" > "))
}

/// The vectors of all texts, made on all cores.
fn embed_all<E: Embedder>(texts: &[String], embedder: &E) -> Result<QuantisedMatrix, E::Error> {
    let mut vectors = QuantisedMatrix::default();
    // Before they are quantised they take four times the memory.
    for batch in texts.chunks(EMBEDDED_AT_ONCE) {
        let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
        for vector in embedder.embed_batch(&batch)? {
            vectors.push(&vector);
        }
    }
    Ok(vectors)
}

fn write(
    collection: &CollectionName,
    folder: &Path,
    table: &ChunkTable,
    vectors: &QuantisedMatrix,
    words: Vec<u8>,
    text_files: Vec<(String, Vec<u8>)>,
) -> Result<(), KnowledgeError> {
    let table_json = serde_json::to_vec(table).expect("rows of plain texts and numbers have a JSON form");
    let mut files = vec![
        (CHUNKS.to_owned(), table_json),
        (VECTORS.to_owned(), vectors.to_bytes()),
        (WORDS.to_owned(), words),
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
        embedder: StaticEmbedder::NAME.to_owned(),
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

/// The documents with their revisions, the chunks, and which of them are folded.
type Bound = (Vec<(DocumentId, u64)>, Vec<Arc<Chunk>>, Vec<Option<u32>>);

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

    /// The transformer's vectors; none while they are not all there.
    pub(crate) fn transformer(&self) -> Option<Arc<ByChunk>> {
        self.transformer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the transformer is to embed, with the key of each text: the chunks that are found.
    pub(crate) fn transformer_texts(&self) -> impl Iterator<Item = (TextKey, String)> {
        let found = self
            .chunks
            .iter()
            .zip(&self.folded)
            .filter(|(_, folded)| folded.is_none());
        found.map(|(chunk, _)| {
            let text = indexed_text(&chunk.origin.title, &chunk.headings, &chunk.text);
            (text_key(&text), text)
        })
    }

    /// The vectors of this model that an earlier run wrote for this index, or that are served; none of another model.
    pub(crate) fn known_transformer_vectors(&self, model: &str) -> TransformerVectors {
        let written = fs::read(self.folder.join(TRANSFORMER)).ok();
        let written = written.and_then(|bytes| TransformerVectors::from_bytes(&bytes));
        written
            .filter(|vectors| vectors.model == model)
            .unwrap_or_else(|| TransformerVectors::new(model))
    }

    /// Takes over the vectors of the chunks that are as they were in the index before: they are not made again.
    ///
    /// # Errors
    /// [`KnowledgeError::Io`] where they cannot be written.
    pub(crate) fn inherit_transformer_vectors(&self, before: &Self) -> Result<(), KnowledgeError> {
        let written = fs::read(before.folder.join(TRANSFORMER)).ok();
        let Some(mut vectors) = written.and_then(|bytes| TransformerVectors::from_bytes(&bytes)) else {
            return Ok(());
        };
        let wanted: HashSet<TextKey> = self.transformer_texts().map(|(key, _)| key).collect();
        vectors.by_key.retain(|key, _| wanted.contains(key));
        self.write_transformer_vectors(&vectors)
    }

    /// Writes vectors, all or some of those that are wanted, beside the index.
    ///
    /// # Errors
    /// [`KnowledgeError::Io`].
    pub(crate) fn write_transformer_vectors(&self, vectors: &TransformerVectors) -> Result<(), KnowledgeError> {
        // A reader sees the old file or the new one.
        let draft = self.folder.join(format!("{TRANSFORMER}.{}", std::process::id()));
        fs::write(&draft, vectors.to_bytes()).map_err(io(&draft))?;
        let path = self.folder.join(TRANSFORMER);
        fs::rename(&draft, &path).map_err(io(&path))
    }

    /// Serves these vectors; false where they are not all that is wanted.
    pub(crate) fn serve_transformer_vectors(&self, vectors: &TransformerVectors) -> bool {
        let mut keys = self.transformer_texts().map(|(key, _)| key);
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
