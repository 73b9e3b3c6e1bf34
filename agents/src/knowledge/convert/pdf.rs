//! PDF documents (ISO 32000-1), parsed by lopdf. The format says where glyphs are drawn, and nothing of words, lines or headings:
//! these are told by places and sizes.

mod blocks;
mod cmap;
mod columns;
mod content;
mod document;
mod font;
mod furniture;
mod glyph_names;
mod heading;
mod lexer;
mod list;
mod matrix;
mod rows;
mod scan;
mod table;

use self::{document::PdfDocument, font::Fonts};
use super::{ConversionError, Converted, TEXT_BYTES_MAX, set_property};

/// Rises whenever the same document would become another text.
pub(super) const VERSION: u32 = 1;

/// Converts a document. Headings (larger or bold letters), paragraphs, lists, tables whose cells stand below each other, and code in
/// letters of one width are kept. Words parted at the ends of lines are put together, two columns are read one after the
/// other, and what stands on every page is left out, as are pictures, forms and annotations.
///
/// # Errors
/// [`ConversionError`] where it is encrypted, damaged, too large, has no text, or does not say which text it has.
pub(super) fn convert(bytes: &[u8]) -> Result<Converted, ConversionError> {
    let mut document = PdfDocument::open(bytes)?;
    let mut fonts = Fonts::default();
    let (mut pages, mut text_bytes, mut flow) = (Vec::new(), 0, 0);
    let (mut glyphs, mut unknown_glyphs) = (0, 0);
    let listed = document.pages()?;
    let missing = listed.iter().filter(|page| !document.has_page(**page)).count();
    for page in &listed {
        let text = content::read(&mut document, *page, &mut fonts)?;
        glyphs += text.glyphs;
        unknown_glyphs += text.unknown_glyphs;
        text_bytes += text.spans.iter().map(|span| span.text.len()).sum::<usize>();
        if text_bytes > TEXT_BYTES_MAX {
            return Err(ConversionError::TooLarge(format!(
                "more than {} MiB of text",
                TEXT_BYTES_MAX / 1024 / 1024
            )));
        }
        let rows = columns::in_reading_order(rows::rows(text.spans), flow);
        flow = rows.iter().map(|row| row.flow).max().unwrap_or(flow) + 1;
        pages.push(rows);
    }
    if unknown_glyphs * 2 > glyphs {
        return Err(ConversionError::Undecodable);
    }
    furniture::remove(&mut pages);
    let text = blocks::write(&pages.concat())?;
    if text.markdown.is_empty() {
        return Err(ConversionError::Scanned);
    }
    let mut converted = Converted {
        title: document
            .property("Title")
            .filter(|title| is_title(title))
            .or(text.title),
        markdown: text.markdown,
        damage: (missing > 0).then(|| format!("it is damaged: {missing} of its {} pages are missing", listed.len())),
        ..Converted::default()
    };
    for (name, entry) in [
        ("author", "Author"),
        ("description", "Subject"),
        ("keywords", "Keywords"),
    ] {
        if let Some(text) = document.property(entry) {
            set_property(&mut converted.properties, name, &text);
        }
    }
    Ok(converted)
}

/// Many programs put the name of a file, or of themselves, where the title should be.
fn is_title(title: &str) -> bool {
    let title = title.to_lowercase();
    let is_file = [
        ".doc", ".docx", ".dvi", ".indd", ".odt", ".pdf", ".ppt", ".pptx", ".qxd", ".rtf", ".tex", ".xls", ".xlsx",
    ]
    .iter()
    .any(|extension| title.ends_with(extension));
    !is_file
        && !title.starts_with("microsoft word")
        && !title.starts_with("untitled")
        && title.chars().any(char::is_alphabetic)
}

fn malformed(reason: impl Into<String>) -> ConversionError {
    ConversionError::Malformed {
        kind: "PDF document",
        reason: reason.into(),
    }
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use self::tests::{protected, sample};
