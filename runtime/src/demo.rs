//! The demo knowledge base, which comes with the binary: one folder for each collection.

use std::collections::BTreeMap;

use orchestratai_agents::knowledge::{CollectionName, DocumentStore, KnowledgeError, SourceFile, ingest_files};
use rust_embed::RustEmbed;

/// The name of its root: `ingest` names folders by their absolute paths, so no folder has it.
const ROOT: &str = "demo";

#[derive(RustEmbed)]
#[folder = "../config/demo/"]
struct Files;

/// The files of each collection. What stands in no collection's folder is about the demo and no part of it.
fn collections() -> BTreeMap<CollectionName, Vec<SourceFile>> {
    let mut collections: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for path in Files::iter() {
        if let Some((folder, rest)) = path.split_once('/')
            && let Ok(collection) = CollectionName::parse(folder)
            && let Some(file) = Files::get(&path)
        {
            let file = SourceFile {
                path: rest.to_owned(),
                bytes: file.data.into_owned(),
            };
            collections.entry(collection).or_default().push(file);
        }
    }
    collections
}

/// Puts the demo among the documents; gives their number. Doing it twice changes nothing.
///
/// # Errors
/// Where the documents cannot be written.
pub(crate) async fn load(documents: &dyn DocumentStore) -> Result<usize, KnowledgeError> {
    let mut count = 0;
    for (collection, files) in collections() {
        let report = ingest_files(documents, ROOT, files, &collection).await?;
        count += report.outcome.ids.len();
        for problem in report.problems {
            tracing::warn!(document.path = problem.path, "a document of the demo: {problem}");
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use orchestratai_agents::knowledge::parse;

    use super::*;

    #[test]
    fn the_demo_has_three_collections_and_every_file_of_it_can_be_read() {
        let collections = collections();
        let names: Vec<_> = collections.keys().map(CollectionName::as_str).collect();
        assert_eq!(names, ["billing", "policy", "technical"]);
        let files: usize = collections.values().map(Vec::len).sum();
        assert!(files >= 40, "{files}");
        for (collection, files) in collections {
            let count = files.len();
            let parsed = parse(&collection, ROOT, files);
            assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
            assert_eq!(parsed.documents.len(), count);
        }
    }
}
