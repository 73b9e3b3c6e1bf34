//! An index in the making: documents are taken in page by page, and at last all is written to a folder.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{
    CollectionName, Document, DocumentId, IndexPart, KnowledgeError, duplicates,
    index::{
        CHUNKS, ChunkRow, ChunkTable, DocumentRow, FORMAT, MANIFEST, Manifest, ManifestFile, TEXT, VECTORS, WORDS,
        full_text, io,
    },
    index_parts::{CHUNKER, vectors_of},
    lexical,
    prepared::{Kept, Prepared, Source},
    source::hex,
    spelling::Vocabulary,
    vector_watch::{EmbedderStage, VectorOrigin, VectorWatch},
};
use crate::embedder::{QuantisedMatrix, StaticEmbedder};

/// The index of a collection before it is written.
#[derive(Debug)]
pub(super) struct Building {
    collection: CollectionName,
    table: ChunkTable,
    /// What is searched of each chunk.
    texts: Vec<String>,
    vectors: QuantisedMatrix,
}

/// The documents of each collection in the order in which their index has them: the same documents give the same index, in whatever order
/// they come.
pub(super) fn in_order(documents: Vec<Document>) -> BTreeMap<CollectionName, Vec<Document>> {
    let mut by_collection: BTreeMap<CollectionName, Vec<Document>> = BTreeMap::new();
    for document in documents {
        let name = document.document.collection.clone();
        by_collection.entry(name).or_default().push(document);
    }
    for documents in by_collection.values_mut() {
        documents.sort_by(|a, b| {
            (&a.document.path, &a.document.root, a.id).cmp(&(&b.document.path, &b.document.root, b.id))
        });
    }
    by_collection
}

impl Building {
    /// Without documents yet.
    pub(super) fn new(collection: &CollectionName) -> Self {
        Self {
            collection: collection.clone(),
            table: ChunkTable {
                documents: Vec::new(),
                chunks: Vec::new(),
            },
            texts: Vec::new(),
            vectors: QuantisedMatrix::default(),
        }
    }

    /// What is read of documents before they are taken in.
    pub(super) fn makers() -> [String; 2] {
        [CHUNKER.to_owned(), vectors_of(StaticEmbedder::NAME)]
    }

    /// Takes in documents, with what was made of them before; gives what was not. Blocks for about 0.1 ms a chunk and core, less where
    /// nothing is missing.
    pub(super) fn add(
        &mut self,
        documents: Vec<Document>,
        kept: Vec<IndexPart>,
        embedder: &StaticEmbedder,
        watch: &VectorWatch,
    ) -> Vec<IndexPart> {
        let mut of_document: HashMap<DocumentId, Kept> = HashMap::new();
        for part in kept {
            let kept = of_document.entry(part.document).or_default();
            if part.maker == CHUNKER {
                kept.chunks = Some(part.body);
            } else {
                kept.vectors = Some(part.body);
            }
        }
        let with_kept = documents.into_iter().map(|document| {
            let kept = of_document.remove(&document.id).unwrap_or_default();
            (document, kept)
        });
        let prepare = |(document, kept): (Document, Kept)| {
            let source = Source {
                path: &document.document.path,
                title: &document.document.title,
                content: &document.document.content,
            };
            let prepared = Prepared::new(source, kept, embedder);
            (document, prepared)
        };
        let with_kept: Vec<_> = with_kept.collect();
        // One by one: a long document takes as long as many short ones.
        let prepared: Vec<_> = with_kept.into_par_iter().with_max_len(1).map(prepare).collect();
        let (mut made, mut embedded, mut read) = (Vec::new(), 0, 0);
        for (document, mut prepared) in prepared {
            embedded += prepared.embedded;
            read += prepared.vectors.len() - prepared.embedded;
            made.extend(prepared.made.drain(..).map(|(maker, body)| IndexPart {
                document: document.id,
                revision: document.revision,
                maker,
                body,
            }));
            self.push(document, prepared);
        }
        watch.tell(EmbedderStage::First, VectorOrigin::Embedded, embedded);
        watch.tell(EmbedderStage::First, VectorOrigin::Read, read);
        made
    }

    fn push(&mut self, document: Document, prepared: Prepared) {
        let number = u32::try_from(self.table.documents.len()).unwrap_or(u32::MAX);
        let Document { id, document, revision } = document;
        self.table.documents.push(DocumentRow {
            id: id.0,
            revision,
            source: document.path,
            title: document.title,
            front_matter: document.front_matter,
            format: prepared.format,
        });
        let rows = prepared.sections.into_iter().map(|section| ChunkRow {
            document: number,
            headings: section.headings,
            text: section.text,
            folded: None,
        });
        self.table.chunks.extend(rows);
        self.texts.extend(prepared.texts);
        for vector in &prepared.vectors {
            self.vectors.push_quantised(vector);
        }
    }

    /// Writes it to `folder`, which must not exist.
    ///
    /// # Errors
    /// [`KnowledgeError::Io`] and [`KnowledgeError::FullText`]; what was written then has no manifest, and is not opened.
    pub(super) fn write(mut self, folder: &Path) -> Result<(), KnowledgeError> {
        let folded = duplicates::fold(self.table.chunks.iter().map(|chunk| chunk.text.as_str()));
        for (chunk, folded) in self.table.chunks.iter_mut().zip(folded) {
            chunk.folded = folded;
        }
        let words = Vocabulary::build(self.texts.iter().map(String::as_str));
        // A chunk that is folded is never found; its words must not count as rare or frequent either.
        let each = self.table.chunks.iter().zip(&self.texts);
        let searchable = each.map(|(chunk, text)| if chunk.folded.is_some() { "" } else { text });
        let text_files = lexical::build(searchable).map_err(full_text(&self.collection))?;
        write(&self.collection, folder, &self.table, &self.vectors, words, text_files)
    }
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
