//! Ingestion: files become documents, and what an earlier ingestion of the same place left is removed.

use std::path::Path;

use super::{
    ChangeOutcome, CollectionName, DocumentChanges, DocumentStore, FileProblem, KnowledgeError, ParsedFiles,
    SourceFile, blocking,
    folder::{self, FoundFile},
    parse,
    progress::Watch,
    source::parse_each,
};

/// What an ingestion came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestReport {
    /// What became of the documents.
    pub outcome: ChangeOutcome,
    /// How many files were converted; those that have been before, and are as they were, are not.
    pub converted: usize,
    /// What was wrong with files, one by one.
    pub problems: Vec<FileProblem>,
}

/// Ingests a folder into a collection without an index at hand: see [`Knowledge::ingest_folder`]. `watch` is told of each file.
///
/// # Errors
/// [`KnowledgeError`] where the folder or the store fails; single files are reported in the result.
pub async fn ingest_folder(
    documents: &dyn DocumentStore,
    path: &Path,
    collection: &CollectionName,
    watch: &Watch,
) -> Result<IngestReport, KnowledgeError> {
    let (path, name, watch) = (path.to_owned(), collection.clone(), watch.clone());
    let (found, root) = blocking(move || {
        let found = folder::find(&path)?;
        let root = path.canonicalize().unwrap_or(path).to_string_lossy().into_owned();
        Ok((found, root))
    })
    .await?;
    let known = documents.content_hashes(collection, &root).await?;
    let (parsed, root) = blocking(move || {
        let mut parsed = parse_each(&name, &root, found.files, &known, &watch, FoundFile::read);
        parsed.problems.splice(0..0, found.problems);
        Ok((parsed, root))
    })
    .await?;
    replace_root(documents, collection, root, parsed).await
}

/// Ingests files that do not stand in a folder, such as those that come with the binary, under a name of their own in
/// place of a folder: what an earlier ingestion under that name left is removed.
///
/// # Errors
/// [`KnowledgeError`] where the store fails; single files are reported in the result.
pub async fn ingest_files(
    documents: &dyn DocumentStore,
    root: &str,
    files: Vec<SourceFile>,
    collection: &CollectionName,
) -> Result<IngestReport, KnowledgeError> {
    replace_root(documents, collection, root.to_owned(), parse(collection, root, files)).await
}

async fn replace_root(
    documents: &dyn DocumentStore,
    collection: &CollectionName,
    root: String,
    parsed: ParsedFiles,
) -> Result<IngestReport, KnowledgeError> {
    let replace_root = Some((collection.clone(), root));
    let changes = DocumentChanges {
        put: parsed.documents,
        remove: Vec::new(),
        replace_root,
        keep: parsed.unchanged,
        parts: Vec::new(),
    };
    let outcome = documents.change(changes).await?;
    Ok(IngestReport {
        outcome,
        converted: parsed.converted,
        problems: parsed.problems,
    })
}
