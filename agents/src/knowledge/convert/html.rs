//! Web pages, by the parsing algorithm of the HTML standard (html5ever).

mod charset;
mod content;
mod element;
mod sink;
mod table;
mod tree;

use super::{ConversionError, Converted, one_line, set_property};

/// Rises whenever the same page would become another text.
pub(super) const VERSION: u32 = 1;

/// Converts a page. Headings, paragraphs, lists, tables, quotations and code are kept; scripts, styles, navigation, forms and
/// what is hidden are not. Where the page marks its main content, the rest is left out.
///
/// # Errors
/// [`ConversionError`] where it nests too deeply, has too many elements, or no text.
pub(super) fn convert(bytes: &[u8]) -> Result<Converted, ConversionError> {
    let text = charset::decode(bytes);
    let tree = tree::parse(&text)?;
    let page = content::read(&tree)?;
    if page.markdown.is_empty() {
        return Err(ConversionError::NoText);
    }
    let mut converted = Converted {
        title: title(tree.title.as_deref(), &page.main_headings),
        markdown: page.markdown,
        ..Converted::default()
    };
    for (name, text) in &tree.properties {
        set_property(&mut converted.properties, name, text);
    }
    Ok(converted)
}

/// The words of `<title>`, without the name of the site that often stands beside them: the only heading of the first level says
/// which of them are the page's own.
fn title(title: Option<&str>, main_headings: &[String]) -> Option<String> {
    let title = title.map(one_line).filter(|title| !title.is_empty());
    match (title, main_headings) {
        (Some(title), [heading]) if title.to_lowercase().contains(&heading.to_lowercase()) => Some(heading.clone()),
        (Some(title), _) => Some(title),
        (None, headings) => headings.first().cloned(),
    }
}

#[cfg(test)]
mod tests;
