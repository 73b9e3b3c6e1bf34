//! Lists by the marks in front of their items.

/// Marks of items.
const MARKS: &[char] = &[
    '\u{2022}', '\u{25cf}', '\u{25cb}', '\u{25e6}', '\u{25aa}', '\u{25ab}', '\u{25a0}', '\u{25a1}', '\u{2023}',
    '\u{2043}', '\u{2219}', '\u{b7}', '\u{2013}', '\u{2014}', '-', '*', '\u{27a2}', '\u{2713}', '\u{2714}', '\u{f0b7}',
    '\u{f0a7}',
];
/// Items are no deeper than this.
const DEPTH_MAX: usize = 6;

/// The number of an item, if it has one, and its words; none where a line is no item.
pub(super) fn item(line: &str) -> Option<(Option<u64>, &str)> {
    let mut chars = line.chars();
    if chars.next().is_some_and(|first| MARKS.contains(&first)) {
        let words = chars.as_str();
        return words
            .starts_with(' ')
            .then(|| (None, words.trim_start()))
            .filter(|(_, words)| !words.is_empty());
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=3).contains(&digits) {
        return None;
    }
    let words = line[digits..].strip_prefix(['.', ')'])?;
    let number = line[..digits].parse().ok()?;
    words.starts_with(' ').then(|| (Some(number), words.trim_start()))
}

/// Whether a line begins with a number, as headings of chapters do.
pub(super) fn is_numbered(line: &str) -> bool {
    line.starts_with(|first: char| first.is_ascii_digit())
}

/// Where the items of a list begin, the outermost first.
#[derive(Debug, Default)]
pub(super) struct Indents(Vec<f32>);

impl Indents {
    /// The depth of an item that begins at `start`, in letters of `size`.
    pub(super) fn depth(&mut self, start: f32, size: f32) -> usize {
        let tolerance = 0.6 * size;
        while self.0.last().is_some_and(|last| start < last - tolerance) {
            self.0.pop();
        }
        if self.0.len() < DEPTH_MAX && self.0.last().is_none_or(|last| start > last + tolerance) {
            self.0.push(start);
        }
        self.0.len().saturating_sub(1)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
