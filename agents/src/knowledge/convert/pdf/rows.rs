//! From pieces of text to rows: what stands on one baseline, parted where gaps are wide.

use super::content::Span;

/// Pieces whose baselines differ by less than this are on one row, in em: indices and exponents are.
const BASELINE_TOLERANCE: f32 = 0.45;
/// A gap wider than this is a space between words, in em.
const WORD_GAP: f32 = 0.15;
/// A gap wider than this parts a row, in em: justified lines have narrower ones between their words.
const PART_GAP: f32 = 1.4;

/// A part of a row without a wide gap in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) start: f32,
    pub(super) end: f32,
    pub(super) size: f32,
    pub(super) text: String,
    pub(super) is_bold: bool,
    pub(super) is_monospaced: bool,
}

/// What stands on one baseline.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) baseline: f32,
    /// From left to right; at least one.
    pub(super) parts: Vec<Part>,
    /// Which run of rows it belongs to: rows of other columns or pages do not stand below it.
    pub(super) flow: usize,
}

impl Row {
    pub(super) fn start(&self) -> f32 {
        self.parts.first().map_or(0.0, |part| part.start)
    }

    pub(super) fn end(&self) -> f32 {
        self.parts.last().map_or(0.0, |part| part.end)
    }

    /// The size of most of its letters.
    pub(super) fn size(&self) -> f32 {
        let longest = self.parts.iter().max_by_key(|part| part.text.len());
        longest.map_or(0.0, |part| part.size)
    }

    pub(super) fn is_bold(&self) -> bool {
        self.parts.iter().all(|part| part.is_bold)
    }

    pub(super) fn is_monospaced(&self) -> bool {
        self.parts.iter().all(|part| part.is_monospaced)
    }

    /// Its words.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(part.text.trim());
        }
        text
    }
}

/// Rows of a page, from top to bottom. O(n log n) in the number of pieces.
pub(super) fn rows(mut spans: Vec<Span>) -> Vec<Row> {
    spans.retain(|span| !span.text.is_empty());
    spans.sort_by(|a, b| b.baseline.total_cmp(&a.baseline));
    let mut rows = Vec::new();
    let mut rest = spans.as_mut_slice();
    while let Some(first) = rest.first() {
        let (baseline, mut size) = (first.baseline, first.size);
        let mut length = 0;
        // A raised piece comes first, and is smaller than what it belongs to.
        while let Some(span) = rest
            .get(length)
            .filter(|span| baseline - span.baseline < BASELINE_TOLERANCE * size.max(span.size))
        {
            size = size.max(span.size);
            length += 1;
        }
        let (row, below) = rest.split_at_mut(length.max(1));
        rest = below;
        row.sort_by(|a, b| a.start.total_cmp(&b.start));
        rows.extend(self::row(row));
    }
    rows
}

fn row(spans: &[Span]) -> Option<Row> {
    let mut parts: Vec<Part> = Vec::new();
    let mut letters: Vec<(f32, usize)> = Vec::new();
    let mut before: Option<&Span> = None;
    for span in spans {
        // The same again at almost the same place is a way to draw bold letters.
        if before.is_some_and(|before| before.text == span.text && (span.start - before.start).abs() < 0.2 * span.size)
        {
            continue;
        }
        before = Some(span);
        letters.push((span.baseline, span.text.len()));
        match parts.last_mut() {
            Some(part) if span.start - part.end < PART_GAP * part.size.max(span.size) => {
                let is_parted = span.start - part.end > WORD_GAP * span.size.min(part.size);
                if is_parted && !part.text.ends_with(' ') && !span.text.starts_with(' ') {
                    part.text.push(' ');
                }
                part.text.push_str(&span.text);
                part.end = part.end.max(span.end);
                part.size = part.size.max(span.size);
                part.is_bold &= span.is_bold || span.text.trim().is_empty();
                part.is_monospaced &= span.is_monospaced || span.text.trim().is_empty();
            }
            _ => parts.push(Part {
                start: span.start,
                end: span.end,
                size: span.size,
                text: span.text.clone(),
                is_bold: span.is_bold,
                is_monospaced: span.is_monospaced,
            }),
        }
    }
    parts.retain(|part| !part.text.trim().is_empty());
    // That of most of its text: a raised sign in front must not move the row.
    let baseline = letters.into_iter().max_by_key(|(_, length)| *length)?.0;
    (!parts.is_empty()).then_some(Row {
        baseline,
        parts,
        flow: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::convert::pdf::content::tests::span;

    #[test]
    fn pieces_become_words_parts_and_rows() {
        let spans = vec![
            span(100.0, 700.0, 10.0, "second"),
            span(10.0, 700.1, 10.0, "fir"),
            span(25.0, 700.0, 10.0, "st"),
            span(35.5, 704.0, 6.0, "2"),
            span(45.0, 700.0, 10.0, "word"),
            span(45.5, 700.0, 10.0, "word"),
            span(10.0, 680.0, 10.0, "below"),
        ];
        let rows = rows(spans);
        let texts: Vec<Vec<&str>> = rows
            .iter()
            .map(|row| row.parts.iter().map(|part| part.text.as_str()).collect())
            .collect();
        assert_eq!(texts, [vec!["first2 word", "second"], vec!["below"]]);
        assert!((rows[0].baseline - 700.0).abs() < 0.2);
    }
}
