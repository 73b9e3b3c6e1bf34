//! What is no text of a document: running titles, page numbers, and tables of contents, which repeat its headings.

use std::collections::HashMap;

use super::rows::Row;

/// So many rows at the top and at the bottom of a page may be furniture.
const ROWS_AT_EDGE: usize = 3;
/// What stands on at least so many pages, and on this share of them, is furniture.
const PAGES_MIN: usize = 3;
const SHARE_MIN: f32 = 0.4;

/// Takes away rows at the edges of pages that stand there on many of them, whatever their numbers are, single numbers there, and
/// lines of tables of contents.
pub(super) fn remove(pages: &mut [Vec<Row>]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for page in &*pages {
        let mut keys: Vec<String> = edges(page).map(|at| key(&page[at])).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            *counts.entry(key).or_default() += 1;
        }
    }
    let enough = PAGES_MIN.max((pages.len() as f32 * SHARE_MIN) as usize);
    let has_several = pages.len() > 1;
    for page in pages {
        let is_furniture = |at: usize| {
            let key = key(&page[at]);
            counts.get(&key).is_some_and(|count| *count >= enough)
                || has_several && is_outermost(page, at) && is_number(&key)
        };
        let furniture: Vec<usize> = edges(page).filter(|at| is_furniture(*at)).collect();
        let mut at = 0;
        page.retain(|row| {
            at += 1;
            !furniture.contains(&(at - 1)) && !is_of_contents(&row.text())
        });
    }
}

fn edges(page: &[Row]) -> impl Iterator<Item = usize> {
    let count = page.len();
    (0..count).filter(move |at| *at < ROWS_AT_EDGE || count - at <= ROWS_AT_EDGE)
}

const fn is_outermost(page: &[Row], at: usize) -> bool {
    at == 0 || at + 1 == page.len()
}

/// Whether a line leads to a page by a row of dots.
fn is_of_contents(line: &str) -> bool {
    /// So many dots in a row are more than an ellipsis.
    const DOTS_MIN: usize = 5;
    if !line.ends_with(|c: char| c.is_alphanumeric()) {
        return false;
    }
    let mut dots = 0;
    line.chars().filter(|c| *c != ' ').any(|c| {
        dots = if matches!(c, '.' | ':' | '\u{b7}' | '\u{2024}' | '_') {
            dots + 1
        } else {
            0
        };
        dots >= DOTS_MIN
    })
}

/// The words of a row with every number as one sign.
fn key(row: &Row) -> String {
    let mut key = String::new();
    for c in row.text().chars() {
        if !c.is_numeric() {
            key.extend(c.to_lowercase());
        } else if !key.ends_with('#') {
            key.push('#');
        }
    }
    key
}

fn is_number(key: &str) -> bool {
    let bare: String = key.chars().filter(|c| c.is_alphanumeric() || *c == '#').collect();
    matches!(bare.as_str(), "#" | "page#" | "page#of#" | "#of#" | "##")
}
