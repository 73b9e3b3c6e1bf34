//! Headings by the size and weight of their letters.

use std::collections::BTreeMap;

use super::rows::Row;

/// A heading is larger than running text by this factor at least.
const LARGER: f32 = 1.12;
/// A heading is no longer than this, in bytes: large letters may be a poster's.
const BYTES_MAX: usize = 240;
/// A bold line in the size of running text is a heading where it is no longer than this, in bytes.
const BOLD_BYTES_MAX: usize = 100;
/// Levels by size; smaller ones share the last.
const LEVELS_MAX: usize = 4;

/// The sizes of a document's headings.
#[derive(Debug)]
pub(super) struct Headings {
    /// In half points, the largest first.
    sizes: Vec<u32>,
    /// The size of running text, in points.
    text: f32,
    /// Whether bold lines stand out: where much is bold, they do not.
    has_bold: bool,
}

impl Headings {
    pub(super) fn of(rows: &[Row]) -> Self {
        let mut letters: BTreeMap<u32, usize> = BTreeMap::new();
        let (mut bold, mut all) = (0, 0);
        for row in rows {
            let length: usize = row.parts.iter().map(|part| part.text.len()).sum();
            *letters.entry(half_points(row.size())).or_default() += length;
            all += length;
            bold += if row.is_bold() { length } else { 0 };
        }
        let text = letters
            .iter()
            .max_by_key(|(_, count)| **count)
            .map_or(0, |(size, _)| *size);
        let text = text as f32 / 2.0;
        let mut sizes: Vec<u32> = rows
            .iter()
            .filter(|row| is_larger(row.size(), text) && row.text().len() <= BYTES_MAX && has_words(row))
            .map(|row| half_points(row.size()))
            .collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes.dedup();
        Self {
            sizes,
            text,
            has_bold: bold * 4 < all,
        }
    }

    /// The level of a heading; none where a row is running text.
    pub(super) fn level(&self, row: &Row) -> Option<u8> {
        let words = row.text();
        if !has_words(row) || words.len() > BYTES_MAX {
            return None;
        }
        let size = row.size();
        if is_larger(size, self.text) {
            let place = self
                .sizes
                .iter()
                .position(|known| *known <= half_points(size))
                .unwrap_or(0);
            return u8::try_from(place.min(LEVELS_MAX - 1) + 1).ok();
        }
        let stands_out = self.has_bold
            && row.is_bold()
            && row.parts.len() == 1
            && size >= self.text * 0.98
            && words.len() <= BOLD_BYTES_MAX
            && !words.ends_with(['.', ',', ';', ':']);
        stands_out.then(|| u8::try_from(self.sizes.len().min(LEVELS_MAX) + 1).unwrap_or(6))
    }
}

fn is_larger(size: f32, text: f32) -> bool {
    size >= LARGER * text
}

fn half_points(size: f32) -> u32 {
    // Sizes differ in their last digits where a page is scaled.
    (size * 2.0).round().clamp(0.0, 10_000.0) as u32
}

/// Signs and numbers alone are no heading.
fn has_words(row: &Row) -> bool {
    row.parts
        .iter()
        .any(|part| part.text.chars().filter(|c| c.is_alphabetic()).nth(1).is_some())
}
