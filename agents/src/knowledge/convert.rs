//! Web pages, PDF and DOCX documents as markdown.
//!
//! Only text is kept: from here on a converted file is a markdown document like any other. Files are strangers, so each
//! converter bounds what it reads, unpacks, holds and writes, and how deep anything nests.

mod docx;
mod html;
mod markdown_writer;
mod pdf;

use std::panic::{self, AssertUnwindSafe};

use serde_json::{Map, Value};

use super::FileKind;

/// Converted text longer than this is not kept, in bytes: as much as a markdown file may have.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A file as markdown.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Converted {
    /// The title that the file says it has.
    pub(crate) title: Option<String>,
    /// Its text as markdown.
    pub(crate) markdown: String,
    /// What else it says about itself, as front matter would: `description`, `keywords`, `author`, `date`, `language`.
    pub(crate) properties: Map<String, Value>,
    /// What of it could not be read, if the rest could.
    pub(crate) damage: Option<String>,
}

/// Why a file cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConversionError {
    /// Nobody but who has the password can read it.
    #[error("it is encrypted, and needs a password: save it without one first")]
    Encrypted,
    /// It is not what its name says, or too damaged to be read.
    #[error("it is no readable {kind}: {reason}")]
    Malformed { kind: &'static str, reason: String },
    /// It could be read, and there is nothing in it.
    #[error("it has no text")]
    NoText,
    /// Pages without text are pictures.
    #[error("it has no text; scanned pages need text recognition (OCR) first")]
    Scanned,
    /// Its fonts draw letters, and do not say which.
    #[error("its fonts do not say which characters they draw; it needs text recognition (OCR) first")]
    Undecodable,
    /// It asks for more memory or time than a document may have.
    #[error("it is too large: it has {0}")]
    TooLarge(String),
    /// A mistake of ours, or of a library.
    #[error("its converter failed on it, which is a mistake of ours: please report it")]
    Panicked,
}

/// What the version of a conversion is: a number that rises whenever the same file would become another text, so that it is
/// taken in again. None for what is taken as it stands.
pub(crate) fn version(kind: FileKind) -> Option<u32> {
    match kind {
        FileKind::Markdown | FileKind::Text => None,
        FileKind::Html => Some(html::VERSION),
        FileKind::Pdf => Some(pdf::VERSION),
        FileKind::Docx => Some(docx::VERSION),
    }
}

/// Converts a file; none where its kind is text already. Pure: the same bytes give the same result.
///
/// # Errors
/// [`ConversionError`] where it cannot be read, whatever the bytes are.
pub(crate) fn convert(kind: FileKind, bytes: &[u8]) -> Option<Result<Converted, ConversionError>> {
    let convert = match kind {
        FileKind::Markdown | FileKind::Text => return None,
        FileKind::Html => html::convert,
        FileKind::Pdf => pdf::convert,
        FileKind::Docx => docx::convert,
    };
    // A panic here is a mistake in code that reads what strangers wrote. It must cost that file and no other. Nothing is
    // shared with the closure but the bytes, which it cannot change, so no state is left broken behind it.
    let converted = panic::catch_unwind(AssertUnwindSafe(|| convert(bytes)));
    Some(converted.unwrap_or(Err(ConversionError::Panicked)))
}

/// Text as one line: each run of white space as one space, none at the ends.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Keeps a property that has words.
fn set_property(properties: &mut Map<String, Value>, name: &str, text: &str) {
    /// A property longer than this is none, in bytes.
    const PROPERTY_BYTES_MAX: usize = 4_096;
    let text = one_line(text);
    if !text.is_empty() && text.len() <= PROPERTY_BYTES_MAX && !properties.contains_key(name) {
        properties.insert(name.to_owned(), Value::String(text));
    }
}

#[cfg(test)]
mod tests;
