//! From rows to headings, paragraphs, lists, tables and code.

use super::{
    super::{
        ConversionError,
        markdown_writer::{MarkdownWriter, escape_inline},
    },
    columns::middle,
    heading::Headings,
    list::{self, Indents},
    rows::Row,
    table,
};

/// Rows further apart than this are of two paragraphs, in parts of the usual distance.
const PARAGRAPH_GAP: f32 = 1.3;
/// A line that ends this far before others do is the last of its paragraph, in em.
const SHORT_LINE: f32 = 4.0;
/// A line that begins this far behind the one before is the first of a paragraph, in em.
const INDENT: f32 = 0.9;

/// The text of a document.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) markdown: String,
    /// Its largest heading, if it stands at the start.
    pub(super) title: Option<String>,
}

/// Writes the rows of all pages as markdown.
///
/// # Errors
/// [`ConversionError::TooLarge`] where they are more text than a document may have.
pub(super) fn write(rows: &[Row]) -> Result<Text, ConversionError> {
    let headings = Headings::of(rows);
    let mut blocks = Blocks {
        rows,
        writer: MarkdownWriter::default(),
        pitch: usual_pitch(rows),
        right: right_edges(rows),
        paragraph: String::new(),
        item: None,
        indents: Indents::default(),
        title: None,
    };
    let mut at = 0;
    while at < rows.len() {
        at += blocks.next(at, &headings);
    }
    blocks.end_paragraph();
    Ok(Text {
        markdown: blocks.writer.finish()?,
        title: blocks.title.filter(|(level, _)| *level == 1).map(|(_, title)| title),
    })
}

struct Blocks<'a> {
    rows: &'a [Row],
    writer: MarkdownWriter,
    /// The usual distance of two rows, in em.
    pitch: f32,
    /// For each flow, where its lines end, by the flow's number.
    right: Vec<f32>,
    /// Words of a paragraph that may go on.
    paragraph: String,
    /// The item whose words these are: its depth, and its number.
    item: Option<(usize, Option<u64>)>,
    indents: Indents,
    /// The first heading, with its level.
    title: Option<(u8, String)>,
}

impl Blocks<'_> {
    /// Takes in what begins at a row; gives how many rows that are.
    fn next(&mut self, at: usize, headings: &Headings) -> usize {
        let row = &self.rows[at];
        if let Some(level) = headings.level(row) {
            return self.heading(at, level, headings);
        }
        if row.is_monospaced() {
            let length = self.rows[at..]
                .iter()
                .take_while(|next| next.flow == row.flow && next.is_monospaced())
                .count();
            if length > 1 {
                self.end_paragraph();
                self.writer.code("", &code(&self.rows[at..at + length]));
                return length;
            }
        }
        if let Some((length, cells)) = table::at_start(&self.rows[at..]) {
            self.end_paragraph();
            self.writer.table(&cells);
            return length;
        }
        let text = row.text();
        if let Some((number, words)) = list::item(&text) {
            self.end_paragraph();
            let depth = self.indents.depth(row.start(), row.size());
            self.item = Some((depth, number));
            self.push(words);
        } else {
            if self.begins_paragraph(at) {
                self.end_paragraph();
                self.indents.clear();
            }
            self.push(&text);
        }
        1
    }

    /// A heading may take several rows.
    fn heading(&mut self, at: usize, level: u8, headings: &Headings) -> usize {
        /// More rows than these are running text that is set in large letters.
        const ROWS_MAX: usize = 4;
        self.end_paragraph();
        self.indents.clear();
        let follows = |(before, row): (&Row, &Row)| {
            let pitch = before.baseline - row.baseline;
            row.flow == before.flow
                && headings.level(row) == Some(level)
                && pitch > 0.0
                && pitch < 1.6 * row.size()
                && !list::is_numbered(&row.text())
        };
        let rest = self.rows[at..].iter().zip(&self.rows[at + 1..]);
        let length = 1 + rest.take_while(|pair| follows(*pair)).count().min(ROWS_MAX - 1);
        let mut words = String::new();
        for row in &self.rows[at..at + length] {
            join(&mut words, &row.text());
        }
        self.title.get_or_insert_with(|| (level, words.clone()));
        let mut marked = String::new();
        escape_inline(&words, &mut marked);
        self.writer.heading(level, &marked);
        length
    }

    /// Whether a row is the first of a paragraph, by its distance to the row before, the letters of both, and where they begin and end.
    fn begins_paragraph(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1).map(|before| &self.rows[before]) else {
            return true;
        };
        let row = &self.rows[at];
        let size = row.size();
        let goes_on = row.text().starts_with(char::is_lowercase);
        let is_ended = self
            .paragraph
            .trim_end()
            .ends_with(['.', '!', '?', ':', ';', '\u{201d}', '"', ')']);
        if before.flow != row.flow || before.baseline <= row.baseline {
            return is_ended || !goes_on;
        }
        let is_short = self
            .right
            .get(before.flow)
            .is_some_and(|right| before.end() < right - SHORT_LINE * size);
        let is_indented = row.start() - before.start() > INDENT * size && self.item.is_none();
        before.baseline - row.baseline > PARAGRAPH_GAP * self.pitch * size
            || (before.size() - size).abs() > 0.15 * size
            || before.is_bold() != row.is_bold() && is_ended
            || (is_short || is_indented) && is_ended
            || is_indented && !goes_on
            || self.item.is_some() && before.start() - row.start() > INDENT * size
    }

    fn push(&mut self, text: &str) {
        join(&mut self.paragraph, text);
    }

    fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        let mut words = String::new();
        escape_inline(&paragraph, &mut words);
        match self.item.take() {
            Some((depth, number)) => self.writer.item(depth, number, &words),
            None => self.writer.paragraph(&words),
        }
    }
}

/// Adds a line to a paragraph. A word that was parted at the end of the line is put together again.
fn join(paragraph: &mut String, line: &str) {
    let line = line.trim();
    let word_goes_on = line.starts_with(char::is_lowercase);
    if let Some(start) = paragraph.strip_suffix(['-', '\u{ad}', '\u{2010}'])
        && word_goes_on
        && start.ends_with(char::is_alphabetic)
    {
        paragraph.truncate(start.len());
    } else if !paragraph.is_empty() {
        paragraph.push(' ');
    }
    paragraph.extend(line.chars().filter(|c| *c != '\u{ad}' || line.ends_with('\u{ad}')));
}

/// Rows of code, with the blanks in front that their places say.
fn code(rows: &[Row]) -> String {
    const INDENT_MAX: f32 = 120.0;
    let left = rows.iter().map(Row::start).min_by(f32::total_cmp).unwrap_or(0.0);
    let mut code = String::new();
    for row in rows {
        // Letters of such fonts are 0.6 em wide.
        let letter = 0.6 * row.size();
        let indent = ((row.start() - left) / letter).round().clamp(0.0, INDENT_MAX);
        code.push_str(&" ".repeat(indent as usize));
        code.push_str(&row.text());
        code.push('\n');
    }
    code
}

fn usual_pitch(rows: &[Row]) -> f32 {
    let pairs = rows
        .iter()
        .zip(rows.iter().skip(1))
        .filter(|(before, row)| before.flow == row.flow);
    let pitches = pairs.map(|(before, row)| (before.baseline - row.baseline) / row.size());
    middle(pitches.filter(|pitch| (0.8..3.0).contains(pitch)).collect()).unwrap_or(1.2)
}

fn right_edges(rows: &[Row]) -> Vec<f32> {
    let flows = rows.iter().map(|row| row.flow).max().map_or(0, |last| last + 1);
    let mut right = vec![f32::MIN; flows];
    for row in rows {
        right[row.flow] = right[row.flow].max(row.end());
    }
    right
}
