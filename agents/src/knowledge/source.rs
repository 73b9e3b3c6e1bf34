//! From files to documents: what cannot be read is reported file by file and stops nothing else.

use std::{borrow::Cow, collections::HashMap, fmt};

use rayon::prelude::*;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    CollectionName, FileKind, NewDocument,
    chunk::Format,
    convert::{self, Converted},
    front_matter, markdown, plain_text,
    progress::{Counter, Watch, Work},
};

/// A markdown or text file larger than this is not ingested, in bytes; see [`FileKind::bytes_max`] for all kinds.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A file to ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path relative to the ingested folder, with forward slashes.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What came of reading files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParsedFiles {
    /// The documents, in the order of the files.
    pub documents: Vec<NewDocument>,
    /// Paths of files that were converted before, by the converter that there is now, and have not changed since.
    pub unchanged: Vec<String>,
    /// How many files were converted.
    pub converted: usize,
    /// What was wrong, file by file.
    pub problems: Vec<FileProblem>,
}

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// The file, relative to the ingested folder.
    pub path: String,
    /// What is wrong.
    pub reason: String,
    /// Whether the file was left out; else it was taken in as far as it could be read.
    pub skipped: bool,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.skipped { "left out" } else { "taken in, but" };
        write!(f, "{}: {what}: {}", self.path, self.reason)
    }
}

/// Reads files as documents of a collection, several at a time. `root` names where they came from.
#[must_use]
pub fn parse(collection: &CollectionName, root: &str, files: Vec<SourceFile>) -> ParsedFiles {
    parse_each(collection, root, files, &HashMap::new(), &Watch::nobody(), Ok)
}

/// Reads files as documents of a collection, several at a time, each when its turn has come: what it holds is there only until its
/// text has been taken from it. `known` are the content hashes of what is stored, by path: what would be converted to the same again is
/// not converted. `watch` is told of each file.
pub(crate) fn parse_each<F: Send>(
    collection: &CollectionName,
    root: &str,
    files: Vec<F>,
    known: &HashMap<String, String>,
    watch: &Watch,
    read: impl Fn(F) -> Result<SourceFile, FileProblem> + Sync,
) -> ParsedFiles {
    let counter = Counter::begin(watch, Work::Files, files.len());
    let parse = |file| match read(file) {
        Ok(file) if is_converted_already(&file, known) => ParsedFiles {
            unchanged: vec![file.path],
            ..ParsedFiles::default()
        },
        Ok(file) => {
            let (document, problems) = parse_file(collection, root, &file);
            ParsedFiles {
                documents: document.into_iter().collect(),
                converted: usize::from(FileKind::of(&file.path).and_then(convert::version).is_some()),
                problems,
                ..ParsedFiles::default()
            }
        }
        Err(problem) => ParsedFiles {
            problems: vec![problem],
            ..ParsedFiles::default()
        },
    };
    let mut parsed = ParsedFiles::default();
    let parse_counted = |file| {
        let one = parse(file);
        counter.add(1);
        one
    };
    for one in files.into_par_iter().map(parse_counted).collect::<Vec<_>>() {
        parsed.documents.extend(one.documents);
        parsed.unchanged.extend(one.unchanged);
        parsed.converted += one.converted;
        parsed.problems.extend(one.problems);
    }
    parsed
}

/// Whether what is stored was converted from these bytes by the present version. Text is read in any case: that is no work, and what is
/// wrong with its front matter is told each time.
fn is_converted_already(file: &SourceFile, known: &HashMap<String, String>) -> bool {
    let kind = FileKind::of(&file.path).filter(|kind| convert::version(*kind).is_some());
    kind.zip(known.get(&file.path))
        .is_some_and(|(kind, known)| content_hash(kind, &file.bytes) == *known)
}

/// The document that a file is, and what is wrong with it.
fn parse_file(collection: &CollectionName, root: &str, file: &SourceFile) -> (Option<NewDocument>, Vec<FileProblem>) {
    let problem = |reason: String, skipped: bool| FileProblem {
        path: file.path.clone(),
        reason,
        skipped,
    };
    let text = match Text::of(file) {
        Ok(text) => text,
        Err(reason) => return (None, vec![problem(reason, true)]),
    };
    let document = NewDocument {
        collection: collection.clone(),
        root: root.to_owned(),
        path: file.path.clone(),
        title: text.title.unwrap_or_else(|| title_of_path(&file.path)),
        // One kind of line end, so that sections and passages need to know only one.
        content: text.body.replace("\r\n", "\n"),
        front_matter: text.front_matter,
        content_hash: content_hash(text.kind, &file.bytes),
    };
    (
        Some(document),
        text.problem.map(|reason| problem(reason, false)).into_iter().collect(),
    )
}

/// Tells whether a file has to be taken in again: by what it holds, and where it is converted, by the version of the conversion.
fn content_hash(kind: FileKind, bytes: &[u8]) -> String {
    content_hash_by(convert::version(kind), kind, bytes)
}

fn content_hash_by(version: Option<u32>, kind: FileKind, bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    if let Some(version) = version {
        hash.update(format!("{kind:?} converted by version {version}\n"));
    }
    hash.update(bytes);
    hex(&hash.finalize())
}

/// The text of a file.
struct Text<'a> {
    kind: FileKind,
    title: Option<String>,
    body: Cow<'a, str>,
    front_matter: Map<String, Value>,
    /// What could not be read, if the rest could.
    problem: Option<String>,
}

impl<'a> Text<'a> {
    fn of(file: &'a SourceFile) -> Result<Self, String> {
        let kind = FileKind::of(&file.path).ok_or(
            "it is neither markdown (.md, .markdown), text (.txt, .text), HTML (.html, .htm, .xhtml), PDF (.pdf) nor DOCX (.docx)",
        )?;
        if file.bytes.len() as u64 > kind.bytes_max() {
            return Err(too_large(kind));
        }
        match convert::convert(kind, &file.bytes) {
            None => Self::as_it_stands(kind, &file.bytes),
            Some(converted) => converted
                .map(|converted| Self::converted(kind, converted))
                .map_err(|error| error.to_string()),
        }
    }

    fn converted(kind: FileKind, converted: Converted) -> Self {
        Self {
            kind,
            title: converted.title.or_else(|| markdown::title(&converted.markdown)),
            body: converted.markdown.into(),
            front_matter: converted.properties,
            problem: converted.damage,
        }
    }

    fn as_it_stands(kind: FileKind, bytes: &'a [u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            format!(
                "it is not valid UTF-8: the first wrong byte is number {}",
                error.valid_up_to() + 1
            )
        })?;
        if text.contains('\0') {
            return Err("it holds a NUL character, so it is no text".into());
        }
        let (yaml, body) = match kind.format() {
            Format::Markdown => front_matter::split(text),
            Format::Plain => (None, text.strip_prefix('\u{feff}').unwrap_or(text)),
        };
        if body.trim().is_empty() {
            return Err("it has no text".into());
        }
        let (front_matter, problem) = match yaml.map(front_matter::parse) {
            Some(Ok(front_matter)) => (front_matter, None),
            None => (Map::new(), None),
            Some(Err(error)) => (Map::new(), Some(error.to_string())),
        };
        let title = front_matter
            .get("title")
            .and_then(Value::as_str)
            .map(|title| title.trim().to_owned())
            .filter(|title| !title.is_empty())
            .or_else(|| match kind.format() {
                Format::Markdown => markdown::title(body),
                Format::Plain => plain_text::title(body),
            });
        Ok(Self {
            kind,
            title,
            body: body.into(),
            front_matter,
            problem,
        })
    }
}

/// Why a file is not read that is larger than those of its kind may be.
pub(crate) fn too_large(kind: FileKind) -> String {
    format!("it is larger than {} MiB", kind.bytes_max() / 1024 / 1024)
}

/// `guides/rotating-api-keys.md` is called "Rotating api keys".
fn title_of_path(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name
        .rsplit_once('.')
        .map_or(name, |(stem, _)| stem)
        .replace(['-', '_'], " ");
    let mut chars = stem.trim().chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => path.to_owned(),
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn parse_one(path: &str, bytes: &[u8]) -> ParsedFiles {
        let collection = CollectionName::parse("billing").unwrap();
        parse(
            &collection,
            "demo",
            vec![SourceFile {
                path: path.into(),
                bytes: bytes.into(),
            }],
        )
    }

    #[test]
    fn the_title_comes_from_front_matter_then_heading_then_path() {
        for (path, text, title) in [
            ("a.md", "---\ntitle: From matter\n---\n# Heading\n\nx", "From matter"),
            ("a.md", "# Heading\n\nx", "Heading"),
            ("guides/rotating-api-keys.md", "text", "Rotating api keys"),
            ("notes.txt", "Release notes\n\nText.", "Release notes"),
        ] {
            assert_eq!(
                parse_one(path, text.as_bytes()).documents[0].title,
                title,
                "{path} {text:?}"
            );
        }
    }

    #[test]
    fn what_was_converted_is_converted_again_only_by_another_version_or_from_other_bytes() {
        let collection = CollectionName::parse("billing").unwrap();
        let page = b"<p>Refunds take five days.</p>";
        let parse_with = |path: &str, hash: String| {
            let file = SourceFile {
                path: path.into(),
                bytes: page.to_vec(),
            };
            let known = HashMap::from([(path.to_owned(), hash)]);
            let parsed = parse_each(&collection, "r", vec![file], &known, &Watch::nobody(), Ok);
            (parsed.documents.len(), parsed.unchanged.len(), parsed.converted)
        };
        let version = convert::version(FileKind::Html);
        let later = version.map(|version| version + 1);
        let html = FileKind::Html;
        assert_eq!(parse_with("a.html", content_hash(html, page)), (0, 1, 0));
        assert_eq!(parse_with("a.html", content_hash_by(later, html, page)), (1, 0, 1));
        assert_eq!(parse_with("a.html", content_hash(html, b"<p>Other.</p>")), (1, 0, 1));
        // Text is never converted, and read each time.
        assert_eq!(parse_with("a.md", content_hash(FileKind::Markdown, page)), (1, 0, 0));
    }

    #[test]
    fn every_file_counts_as_done_once_whether_it_can_be_read_or_not() {
        let collection = CollectionName::parse("billing").unwrap();
        let files: Vec<u32> = (0..100).collect();
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = Arc::clone(&told);
        let watch = Watch::new(move |progress| teller.lock().unwrap().push(progress));
        let read = |number: u32| {
            Ok(SourceFile {
                path: format!("{number}.md"),
                bytes: if number.is_multiple_of(2) {
                    b"text".to_vec()
                } else {
                    Vec::new()
                },
            })
        };
        let parsed = parse_each(&collection, "r", files, &HashMap::new(), &watch, read);
        assert_eq!((parsed.documents.len(), parsed.problems.len()), (50, 50));
        let told = told.lock().unwrap();
        assert!(told.iter().all(|told| (told.work, told.of) == (Work::Files, 100)));
        let first = told.first().map(|told| told.done);
        assert_eq!(first, Some(0), "that there is work is told before any of it is done");
        let mut done: Vec<usize> = told.iter().map(|told| told.done).collect();
        done.sort_unstable();
        assert!(done.into_iter().eq(0..=100));
    }

    #[test]
    fn each_file_that_cannot_be_read_is_reported_and_the_others_are_kept() {
        let collection = CollectionName::parse("billing").unwrap();
        let file = |path: &str, bytes: &[u8]| SourceFile {
            path: path.into(),
            bytes: bytes.into(),
        };
        let parsed = parse(
            &collection,
            "r",
            vec![
                file("latin1.md", b"caf\xe9"),
                file("good.md", b"# Good\n\ntext"),
                file("picture.png", b"x"),
                file("empty.md", b"---\ntitle: X\n---\n  \n"),
                file("binary.txt", b"a\0b"),
                file("matter.md", b"---\ntags: [a\n---\nkept"),
            ],
        );
        let kept: Vec<&str> = parsed.documents.iter().map(|document| document.path.as_str()).collect();
        assert_eq!(kept, ["good.md", "matter.md"]);
        let problems: Vec<(&str, bool)> = parsed.problems.iter().map(|p| (p.path.as_str(), p.skipped)).collect();
        assert_eq!(
            problems,
            [
                ("latin1.md", true),
                ("picture.png", true),
                ("empty.md", true),
                ("binary.txt", true),
                ("matter.md", false),
            ]
        );
        assert!(
            parsed.problems[0].to_string().contains("byte is number 4"),
            "{}",
            parsed.problems[0]
        );
    }
}
