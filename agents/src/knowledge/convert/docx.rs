//! Documents of word processors in Office Open XML (ECMA-376): a ZIP archive of XML parts.

mod body;
mod numbering;
mod package;
mod paragraph;
mod properties;
mod styles;
mod table;
mod xml;

use self::{body::Parts, numbering::Numbering, package::Package, styles::Styles};
use super::{ConversionError, Converted};

/// Rises whenever the same document would become another text.
pub(super) const VERSION: u32 = 1;

/// Converts a document. Headings (by their styles), paragraphs, lists, tables, code and quotations (by the names of their
/// styles), footnotes and endnotes, and where links lead are kept. Headers and footers, comments, pictures, tables of contents,
/// hidden text and what a tracked change deletes are not.
///
/// # Errors
/// [`ConversionError`] where it is encrypted, damaged, too large or has no text.
pub(super) fn convert(bytes: &[u8]) -> Result<Converted, ConversionError> {
    let mut package = Package::open(bytes)?;
    let main = package.main_document()?;
    let mut related = |kind: &str| package.related(&main, kind);
    let styles = Styles::read(related("styles")?.as_deref().unwrap_or_default())?;
    let numbering = Numbering::read(related("numbering")?.as_deref().unwrap_or_default())?;
    let mut notes = body::notes(related("footnotes")?.as_deref().unwrap_or_default(), "footnote")?;
    notes.extend(body::notes(
        related("endnotes")?.as_deref().unwrap_or_default(),
        "endnote",
    )?);
    let links = main.links();
    let Some(document) = package.part(&main.path)? else {
        return Err(malformed("it has no document in it"));
    };
    let parts = Parts {
        styles,
        numbering,
        notes,
        links,
    };
    let content = body::read(&document, parts)?;
    if content.markdown.is_empty() {
        return Err(ConversionError::NoText);
    }
    let mut converted = Converted {
        markdown: content.markdown,
        ..Converted::default()
    };
    if let Some(core) = package.core_properties()? {
        properties::read(&core, &mut converted)?;
    }
    converted.title = converted.title.or(content.title);
    Ok(converted)
}

fn malformed(reason: impl Into<String>) -> ConversionError {
    ConversionError::Malformed {
        kind: "DOCX document",
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use self::tests::sample;
