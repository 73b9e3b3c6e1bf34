//! A document as people read it: its text, and where in it each chunk stands.

use std::ops::Range;

use super::{
    DocumentSummary,
    chunk::{self, Format},
    file_kind::FileKind,
};

/// A document with its text and its chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentView {
    /// What is known of it.
    pub summary: DocumentSummary,
    /// Its text, without front matter.
    pub content: String,
    /// Its chunks, in order.
    pub chunks: Vec<ChunkView>,
}

/// A chunk of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkView {
    /// The headings above it, without the title, outermost first.
    pub headings: Vec<String>,
    /// Its text, as search shows it.
    pub text: String,
    /// The bytes of the document's text that it was made from; none where they cannot be told.
    pub range: Option<Range<usize>>,
}

impl DocumentView {
    /// Cuts a document as the index does.
    pub(super) fn new(summary: DocumentSummary, content: String) -> Self {
        let format = FileKind::of(&summary.path).map_or(Format::Plain, FileKind::format);
        let sections = chunk::sections(format, &summary.title, &content);
        let mut places = Places::new(&content);
        let chunks = sections.into_iter().map(|section| ChunkView {
            range: places.next(&section.text),
            headings: section.headings,
            text: section.text,
        });
        Self {
            chunks: chunks.collect(),
            summary,
            content,
        }
    }
}

/// Finds chunks in the text that they were made from, one after the other.
///
/// Most stand there as they are. In others links are reduced to their words, lines end in another way, or the head of a table and the
/// fences of code are repeated; these are found by their words, which are there in order.
struct Places<'t> {
    text: &'t str,
    /// Where each word of the text stands.
    words: Vec<Range<usize>>,
    /// Where the last chunk ended.
    end: usize,
}

/// Words that may be left out between two words of a chunk: those of an address.
const SKIPPED_MAX: usize = 24;
/// Lines at the begin of a chunk that may be repeated from elsewhere: an introduction, the head of a table.
const REPEATED_MAX: usize = 4;

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            words: words(text),
            end: 0,
        }
    }

    fn next(&mut self, chunk: &str) -> Option<Range<usize>> {
        let found = self.find(chunk)?;
        self.end = found.end;
        Some(found)
    }

    fn find(&self, chunk: &str) -> Option<Range<usize>> {
        let mut rest = chunk.trim();
        for _ in 0..=REPEATED_MAX {
            if rest.is_empty() {
                return None;
            }
            let verbatim = self.text[self.end..].find(rest);
            let verbatim = verbatim.map(|at| self.end + at..self.end + at + rest.len());
            if let Some(found) = verbatim.or_else(|| self.by_words(rest)) {
                return Some(found);
            }
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest.trim_start());
        }
        None
    }

    /// The stretch of the text that has these words in order, with few others between them.
    fn by_words(&self, chunk: &str) -> Option<Range<usize>> {
        let wanted: Vec<&str> = words(chunk).into_iter().map(|range| &chunk[range]).collect();
        let begin = self.words.partition_point(|word| word.start < self.end);
        let (first, last) = (begin..self.words.len()).find_map(|first| Some((first, self.follow(first, &wanted)?)))?;
        // Marks around the words belong to them: a bullet, a bracket, the rest of an address.
        let line = self.text[self.end..self.words[first].start].rfind('\n');
        let line = line.map_or(self.end, |at| self.end + at + 1);
        let before = &self.text[line..self.words[first].start];
        let start = match before.contains(char::is_alphanumeric) {
            true => self.words[first].start,
            false => line + before.len() - before.trim_start().len(),
        };
        let after = &self.text[self.words[last].end..];
        let rest = after.lines().next().unwrap_or_default();
        let more = match rest.contains(char::is_alphanumeric) {
            true => rest.find(char::is_whitespace).unwrap_or(rest.len()),
            false => rest.trim_end().len(),
        };
        let end = self.words[last].end + more;
        Some(start..end)
    }

    /// The word that the last of these is, where the first is the word `first`.
    fn follow(&self, first: usize, wanted: &[&str]) -> Option<usize> {
        let word = |index: usize| self.words.get(index).map(|range| &self.text[range.clone()]);
        let mut at = first;
        let (head, tail) = wanted.split_first()?;
        if word(at)? != *head {
            return None;
        }
        for wanted in tail {
            let next = (at + 1..=at + 1 + SKIPPED_MAX).find(|index| word(*index) == Some(wanted));
            at = next?;
        }
        Some(at)
    }
}

fn words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| c.is_alphanumeric()) {
        let end = at + c.len_utf8();
        match words.last_mut() {
            Some(word) if word.end == at => word.end = end,
            _ => words.push(at..end),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use orchestratai_shared::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::knowledge::{CollectionName, DocumentId};

    fn view(path: &str, content: &str) -> DocumentView {
        let summary = DocumentSummary {
            id: DocumentId(Uuid::nil()),
            collection: CollectionName::parse("technical").unwrap(),
            root: "r".into(),
            path: path.into(),
            title: "Title".into(),
            revision: 1,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        };
        DocumentView::new(summary, content.to_owned())
    }

    /// What of the text stands where the chunks are said to stand.
    fn check(path: &str, content: &str, expected: &[&str]) {
        let view = view(path, content);
        let found: Vec<&str> = (view.chunks.iter())
            .map(|chunk| chunk.range.clone().map_or("nowhere", |range| &content[range]))
            .collect();
        assert_eq!(found, expected, "{:?}", view.chunks);
    }

    #[test]
    fn a_chunk_stands_where_it_was_taken_from() {
        check(
            "a.md",
            "# Title\n\nYes.\n\n## A\n\nYes.\n\n## B\n\n- one [link](to/some.md#x), and\n- two ![é](p.png)\n\n## C\n\nEnd (of [it](x.md)).",
            &[
                "Yes.",
                "Yes.",
                "- one [link](to/some.md#x), and\n- two ![é](p.png)",
                "End (of [it](x.md)).",
            ],
        );
        // What stands there as it is needs nothing around it.
        check("a.md", "[Only](a.md)", &["Only"]);
        check(
            "a.txt",
            "Top\r\n===\r\n\r\nOne line  \r\nand two.\r\n\r\nNext.",
            // A short line above text is a heading, in plain text.
            &["and two.", "Next."],
        );
        check("a.md", "", &[]);
    }

    #[test]
    fn what_is_repeated_in_front_of_a_piece_is_not_where_the_piece_stands() {
        let rows: Vec<String> = (0..120)
            .map(|n| format!("| row {n} | what it says in so many words |"))
            .collect();
        let head = "| name | words |\n| --- | --- |";
        let content = format!("# Title\n\nThe rows:\n\n{head}\n{}\n\nAfter it.", rows.join("\n"));
        let view = view("a.md", &content);
        assert!(view.chunks.len() > 2);
        let mut end = 0;
        for chunk in &view.chunks {
            let range = chunk.range.clone().unwrap_or_else(|| panic!("nowhere: {chunk:?}"));
            assert!(range.start >= end, "{range:?} after {end}");
            end = range.end;
            let last = chunk.text.lines().last().unwrap();
            assert!(content[range].contains(last), "{last}");
        }
        assert!(content[..end].ends_with("After it."));
    }

    #[test]
    fn every_chunk_of_the_demo_has_its_place() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/demo");
        let mut folders = vec![folder];
        let mut chunks = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "md") {
                    let content = std::fs::read_to_string(&path).unwrap();
                    let mut end = 0;
                    for chunk in view(&path.to_string_lossy(), &content).chunks {
                        let range = chunk
                            .range
                            .unwrap_or_else(|| panic!("nowhere: {path:?} {:?}", chunk.text));
                        assert!(
                            range.start >= end && range.len() >= chunk.text.len() / 2,
                            "{path:?} {range:?}"
                        );
                        end = range.end;
                        chunks += 1;
                    }
                }
            }
        }
        assert!(chunks > 100, "{chunks}");
    }
}
