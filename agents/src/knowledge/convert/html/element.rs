//! What the elements of a page are for.

use super::tree::{Node, NodeData};

/// What is no content, with all that is in it.
pub(super) fn is_left_out(node: &Node, is_in_section: bool) -> bool {
    let Some(name) = node.name() else {
        // Pictures and formulas in languages of their own; a formula's words say little without their places.
        return matches!(node.data, NodeData::Element { .. });
    };
    let is_furniture = match name {
        // Not forms: some frameworks put whole pages into one.
        "head" | "script" | "style" | "noscript" | "template" | "nav" | "aside" | "button" | "select" | "textarea"
        | "input" | "datalist" | "iframe" | "object" | "embed" | "canvas" | "audio" | "video" | "map" | "dialog" => {
            true
        }
        // Those of an article or a section are a part of it; those of the page are on every page.
        "header" | "footer" => !is_in_section,
        _ => false,
    };
    let is_hidden = |style: &str| {
        let style = style.to_ascii_lowercase().replace(' ', "");
        style.contains("display:none") || style.contains("visibility:hidden")
    };
    is_furniture
        || node.attribute("hidden").is_some()
        || node.attribute("aria-hidden") == Some("true")
        || matches!(
            node.attribute("role"),
            Some("navigation" | "banner" | "contentinfo" | "search" | "complementary" | "dialog")
        )
        || node.attribute("style").is_some_and(is_hidden)
}

/// The elements that begin and end a block of text.
pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "caption"
            | "center"
            | "dd"
            | "details"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "li"
            | "main"
            | "menu"
            | "ol"
            | "p"
            | "pre"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "tr"
            | "ul"
    )
}

/// The language of a code block, as highlighters have it among its classes.
pub(super) fn language(node: &Node) -> Option<String> {
    let classes = node.attribute("class")?.split_whitespace();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '#' | '_' | '.');
    classes
        .filter_map(|class| class.strip_prefix("language-").or_else(|| class.strip_prefix("lang-")))
        .find(|language| language.len() <= 32 && language.chars().all(is_plain))
        .map(str::to_owned)
}
