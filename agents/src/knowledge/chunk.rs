//! Chunks: what is indexed, found and cited. One for each heading of a document.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::{CollectionName, DocumentId, markdown, passage::Passages, plain_text, split::split_long};
use crate::embedder::StaticEmbedder;

/// A chunk longer than this, in bytes, is split between its paragraphs; the embedder reads about as much.
pub(crate) const CHUNK_BYTES_MAX: usize = 2_000;

/// How the text of a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// Markdown.
    Markdown,
    /// Text without marks.
    Plain,
}

/// What all chunks of a document have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkOrigin {
    /// The document.
    pub document_id: DocumentId,
    /// Its collection.
    pub collection: CollectionName,
    /// Its path relative to the ingested folder.
    pub source: String,
    /// Its title.
    pub title: String,
    /// Its front matter.
    pub front_matter: Map<String, Value>,
    pub(crate) format: Format,
}

/// A part of a document: what stands under one heading, or a piece of it where that is long.
#[derive(Debug)]
pub struct Chunk {
    /// The document it is a part of.
    pub origin: Arc<ChunkOrigin>,
    /// The headings above it, without the title, outermost first.
    pub headings: Vec<String>,
    /// Its text, as it stands in the document; a link to another document is reduced to its words.
    pub text: Arc<str>,
    /// Whether [`Self::passages`] may keep what it has made: bounded by the size of the index.
    keeps_passages: bool,
    passages: OnceLock<Arc<Passages>>,
    suspicion: OnceLock<Option<Box<str>>>,
}

impl Chunk {
    pub(crate) fn new(origin: Arc<ChunkOrigin>, headings: Vec<String>, text: Arc<str>, keeps_passages: bool) -> Self {
        Self {
            origin,
            headings,
            text,
            keeps_passages,
            passages: OnceLock::new(),
            suspicion: OnceLock::new(),
        }
    }

    /// Title and headings above it, outermost first.
    #[must_use]
    pub fn heading_path(&self) -> Vec<String> {
        std::iter::once(&self.origin.title)
            .chain(&self.headings)
            .cloned()
            .collect()
    }

    /// Why a model should not read it; none where nothing speaks against it. `find` finds that out, of headings and text, and is asked once
    /// for as long as this chunk is in the index: it takes a while, and a turn has several chunks.
    pub(crate) fn suspicion(&self, find: impl FnOnce(&str, &str) -> Option<String>) -> Option<&str> {
        let found = || find(&self.heading_path().join("\n\n"), &self.text).map(String::into_boxed_str);
        self.suspicion.get_or_init(found).as_deref()
    }

    /// Its sentences, list items, code blocks and tables, ready to be compared with a question.
    pub(crate) fn passages(&self, embedder: &StaticEmbedder) -> Arc<Passages> {
        let headings = || self.heading_path().join(" ");
        let make = || Arc::new(Passages::new(&headings(), &self.text, self.origin.format, embedder));
        if self.keeps_passages {
            Arc::clone(self.passages.get_or_init(make))
        } else {
            make()
        }
    }
}

/// A part of a document before it is bound to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// The headings above it, without the title, outermost first.
    pub(crate) headings: Vec<String>,
    /// Its text.
    pub(crate) text: String,
}

/// What is embedded and searched of a chunk: its title and headings stand in front of it.
pub(crate) fn indexed_text(title: &str, headings: &[String], text: &str) -> String {
    format!("{title}\n{}\n{text}", headings.join(" > "))
}

/// Splits the text of a document (without front matter) into sections no longer than [`CHUNK_BYTES_MAX`].
pub(crate) fn sections(format: Format, title: &str, text: &str) -> Vec<Section> {
    let mut sections = match format {
        Format::Markdown => markdown::sections(text),
        Format::Plain => plain_text::sections(text),
    };
    for section in &mut sections {
        // The title stands in front of every chunk anyway.
        if section
            .headings
            .first()
            .is_some_and(|first| first.eq_ignore_ascii_case(title))
        {
            section.headings.remove(0);
        }
    }
    let had_text = sections.iter().any(|section| !section.text.trim().is_empty());
    // A heading without text says nothing by itself, unless the document has nothing but headings.
    sections.retain(|section| !section.text.trim().is_empty() || !had_text && !section.headings.is_empty());
    sections
        .into_iter()
        .flat_map(|section| {
            let pieces = split_long(&section.text, format);
            pieces.into_iter().map(move |text| Section {
                headings: section.headings.clone(),
                text,
            })
        })
        .collect()
}
