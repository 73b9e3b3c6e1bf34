//! Writes blocks as markdown.

use super::{ConversionError, TEXT_BYTES_MAX, one_line};

/// Columns of a table beyond these are dropped.
const COLUMNS_MAX: usize = 64;
/// Lists are written no deeper than this.
const LIST_DEPTH_MAX: usize = 8;

/// Writes blocks as markdown, one after the other. Words come as text with inline marks, made by [`escape_inline`] where
/// they are a stranger's; a line break in them is kept.
#[derive(Debug, Default)]
pub(super) struct MarkdownWriter {
    text: String,
    /// The depth of the last list item, while its list goes on.
    list_depth: Option<usize>,
    is_full: bool,
}

impl MarkdownWriter {
    /// A heading of level 1 to 6.
    pub(super) fn heading(&mut self, level: u8, words: &str) {
        let words = one_line(words);
        if !words.is_empty() && self.begin(None) {
            let marks = &"######"[..usize::from(level.clamp(1, 6))];
            self.text.push_str(marks);
            self.text.push(' ');
            self.text.push_str(&words);
        }
    }

    /// A paragraph.
    pub(super) fn paragraph(&mut self, words: &str) {
        self.lines(None, "", "", words);
    }

    /// A paragraph of a quotation.
    pub(super) fn quotation(&mut self, words: &str) {
        self.lines(None, "> ", "> ", words);
    }

    /// An item of a list; `number` where it is numbered. Depth 0 is the outermost; one that skips a level is drawn nearer.
    pub(super) fn item(&mut self, depth: usize, number: Option<u64>, words: &str) {
        let depth = depth
            .min(self.list_depth.map_or(0, |last| last + 1))
            .min(LIST_DEPTH_MAX);
        let indent = " ".repeat(4 * depth);
        let marker = number.map_or_else(|| "- ".to_owned(), |number| format!("{number}. "));
        let rest = format!("{indent}{}", " ".repeat(marker.len()));
        self.lines(Some(depth), &format!("{indent}{marker}"), &rest, words);
    }

    /// A paragraph that belongs to the item before it; an ordinary one where there is none.
    pub(super) fn continuation(&mut self, words: &str) {
        match self.list_depth {
            Some(depth) => {
                let indent = " ".repeat(4 * (depth + 1));
                // A blank line in front: without one, the words would be part of the item's own paragraph.
                self.text.push('\n');
                self.lines(Some(depth), &indent, &indent, words);
            }
            None => self.paragraph(words),
        }
    }

    /// A code block with its lines as they are.
    pub(super) fn code(&mut self, language: &str, code: &str) {
        let code = code.trim_matches('\n').trim_end();
        if code.is_empty() || !self.begin(None) {
            return;
        }
        let fence = "`".repeat(longest_run(code, '`').max(2) + 1);
        self.text.push_str(&fence);
        self.text.push_str(language);
        for line in code.lines() {
            self.text.push('\n');
            self.text.push_str(line.trim_end());
        }
        self.text.push('\n');
        self.text.push_str(&fence);
    }

    /// A table, whose first row is its head. One of a single column is written as paragraphs.
    pub(super) fn table(&mut self, rows: &[Vec<String>]) {
        let is_full = |row: &&Vec<String>| row.iter().any(|cell| !cell.trim().is_empty());
        let rows: Vec<&Vec<String>> = rows.iter().filter(is_full).collect();
        let used = |row: &&Vec<String>| {
            row.iter()
                .rposition(|cell| !cell.trim().is_empty())
                .map_or(0, |last| last + 1)
        };
        let columns = rows.iter().map(used).max().unwrap_or(0).min(COLUMNS_MAX);
        if columns < 2 {
            for row in rows {
                self.paragraph(row.first().map_or("", String::as_str));
            }
            return;
        }
        if !self.begin(None) {
            return;
        }
        for (number, row) in rows.into_iter().enumerate() {
            if self.text.len() > TEXT_BYTES_MAX {
                self.is_full = true;
                return;
            }
            if number > 0 {
                self.text.push('\n');
            }
            self.text.push('|');
            for column in 0..columns {
                let cell = row.get(column).map(|cell| one_line(cell)).unwrap_or_default();
                self.text.push(' ');
                self.text.push_str(&cell.replace('|', "\\|"));
                self.text.push_str(" |");
            }
            if number == 0 {
                self.text.push_str("\n|");
                self.text.push_str(&" --- |".repeat(columns));
            }
        }
    }

    /// What was written.
    ///
    /// # Errors
    /// [`ConversionError::TooLarge`] where it is longer than a document may be.
    pub(super) fn finish(mut self) -> Result<String, ConversionError> {
        if self.is_full || self.text.len() > TEXT_BYTES_MAX {
            return Err(ConversionError::TooLarge(format!(
                "more than {} MiB of text",
                TEXT_BYTES_MAX / 1024 / 1024
            )));
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        Ok(self.text)
    }

    fn lines(&mut self, list_depth: Option<usize>, first: &str, rest: &str, words: &str) {
        let mut lines = words.lines().map(one_line).filter(|line| !line.is_empty()).peekable();
        if lines.peek().is_none() || !self.begin(list_depth) {
            return;
        }
        for (number, line) in lines.enumerate() {
            if number > 0 {
                self.text.push('\n');
            }
            self.text.push_str(if number == 0 { first } else { rest });
            push_line(&mut self.text, &line);
        }
    }

    /// Ends the block before; false where there is no more room.
    fn begin(&mut self, list_depth: Option<usize>) -> bool {
        if self.text.len() > TEXT_BYTES_MAX {
            self.is_full = true;
            return false;
        }
        if !self.text.is_empty() {
            let is_list = self.list_depth.is_some() && list_depth.is_some();
            self.text.push_str(if is_list { "\n" } else { "\n\n" });
        }
        self.list_depth = list_depth;
        true
    }
}

/// Marks what markdown would take for HTML, an entity or an escape, so that it stays what it was. Emphasis is not marked: a
/// star or an underscore reads well either way, and marked ones would stand in every answer.
pub(super) fn escape_inline(text: &str, into: &mut String) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let is_mark = match c {
            '<' => next.is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?')),
            '&' => next.is_some_and(|next| next.is_ascii_alphanumeric() || next == '#'),
            '\\' => next.is_some_and(|next| next.is_ascii_punctuation()),
            _ => false,
        };
        if is_mark {
            into.push('\\');
        }
        if !is_unseen(c) {
            into.push(c);
        }
    }
}

/// Characters that nobody sees, and that part words or turn them round: soft hyphens, spaces without width, marks of direction.
const fn is_unseen(c: char) -> bool {
    matches!(c, '\0' | '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Inline code: between as many backticks as it needs.
pub(super) fn push_code(into: &mut String, code: &str) {
    let code = one_line(code);
    if code.is_empty() {
        return;
    }
    let fence = "`".repeat(longest_run(&code, '`') + 1);
    let pad = if code.starts_with('`') || code.ends_with('`') {
        " "
    } else {
        ""
    };
    into.extend([&fence, pad, &code, pad, &fence]);
}

/// Makes a link of the words from `start` on, as markdown documents have those that lead to another place. Words stay words where
/// they, or the target, could not be read back.
pub(super) fn end_link(words: &mut String, start: usize, target: &str) {
    let leads_away = ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| target.starts_with(scheme))
        && !target.contains(|c: char| c.is_whitespace() || c.is_control() || "()<>\\".contains(c));
    let Some(linked) = words
        .get(start..)
        .filter(|linked| leads_away && !linked.trim().is_empty())
    else {
        return;
    };
    if linked.contains(['[', ']', '\n', '`']) {
        return;
    }
    let lead = linked.len() - linked.trim_start().len();
    let trail = linked.trim_end().len();
    let link = format!("[{}]({target}){}", linked.trim(), &linked[trail..]);
    words.truncate(start + lead);
    words.push_str(&link);
}

/// Writes a line of running text, with a mark in front where it looks like the start of another kind of block.
fn push_line(text: &mut String, line: &str) {
    let first = line.chars().next().unwrap_or(' ');
    let after_first = &line[first.len_utf8()..];
    let ends_mark = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t']);
    let is_rule = |mark: char| line.chars().all(|c| c == mark || c == ' ');
    let is_block = match first {
        '#' => ends_mark(line.trim_start_matches('#')),
        '>' => true,
        '-' | '+' | '*' => ends_mark(after_first) || is_rule(first),
        '=' | '_' => is_rule(first),
        '`' | '~' => line.starts_with("```") && !line[3..].contains('`') || line.starts_with("~~~"),
        _ => false,
    };
    if is_block {
        text.push('\\');
        text.push_str(line);
        return;
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    if (1..=9).contains(&digits) && line[digits..].starts_with(['.', ')']) && ends_mark(&line[digits + 1..]) {
        text.push_str(&line[..digits]);
        text.push('\\');
        text.push_str(&line[digits..]);
    } else {
        text.push_str(line);
    }
}

fn longest_run(text: &str, mark: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == mark { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut MarkdownWriter)) -> String {
        let mut writer = MarkdownWriter::default();
        write(&mut writer);
        writer.finish().unwrap()
    }

    #[test]
    fn blocks_are_parted_by_blank_lines_and_items_are_not() {
        let text = written(|writer| {
            writer.heading(2, "A \n heading");
            writer.paragraph("one\ntwo");
            writer.item(0, None, "a");
            writer.item(1, Some(1), "b\nmore");
            writer.continuation("still b");
            writer.item(3, None, "c");
            writer.code("sh", "\nls  \n  -l\n");
            writer.quotation("said");
        });
        assert_eq!(
            text,
            "## A heading\n\none\ntwo\n\n- a\n    1. b\n       more\n\n        still b\n        - c\n\n```sh\nls\n  -l\n```\n\n> said\n"
        );
    }

    #[test]
    fn a_table_is_even_and_its_bars_are_marked() {
        let rows = vec![
            vec!["a".into(), "b|c".into(), String::new()],
            vec![String::new()],
            vec!["d\ne".into()],
        ];
        let text = written(|writer| writer.table(&rows));
        assert_eq!(text, "| a | b\\|c |\n| --- | --- |\n| d e |  |\n");
    }

    #[test]
    fn words_that_look_like_marks_stay_words() {
        for line in [
            "# no heading",
            "- no item",
            "3. no item",
            "> no quotation",
            "---",
            "===",
            "```",
            "<b>no tag",
            "&lt;",
        ] {
            let mut words = String::new();
            escape_inline(line, &mut words);
            let text = written(|writer| writer.paragraph(&words));
            let mut read = String::new();
            for event in pulldown_cmark::Parser::new(&text) {
                if let pulldown_cmark::Event::Text(text) = event {
                    read.push_str(&text);
                }
            }
            assert_eq!(read, line, "{text:?}");
        }
    }

    #[test]
    fn more_text_than_a_document_may_have_is_refused() {
        let mut writer = MarkdownWriter::default();
        for _ in 0..10_000 {
            writer.paragraph(&"word ".repeat(200));
        }
        assert!(matches!(writer.finish(), Err(ConversionError::TooLarge(_))));
    }
}
