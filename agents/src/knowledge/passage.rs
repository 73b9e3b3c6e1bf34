//! Passages: the sentences, list items, code blocks and tables of a chunk, as an answer can take them over word for word.

use std::ops::Range;

use super::{
    chunk::Format,
    markdown::{self, BlockKind},
    passage_form::PassageForm,
    plain_text,
};
use crate::{
    embedder::{QuantisedVector, StaticEmbedder, WordId},
    words::word_numbers,
};

/// A numbered list up to this many bytes is one passage: its steps belong together.
const STEPS_BYTES_MAX: usize = 1_400;

/// What a passage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PassageKind {
    /// A sentence of running text.
    Sentence,
    /// One item of a list.
    Item,
    /// A numbered list as a whole.
    Steps,
    /// A code block with its fences.
    Code,
    /// A table with its head.
    Table,
}

/// The passages of a chunk, with what its headings say to each of them.
#[derive(Debug)]
pub(crate) struct Passages {
    /// In order.
    pub(crate) all: Vec<Passage>,
    /// The numbers of the words of its title and headings, sorted, without repeats.
    pub(crate) heading_words: Vec<u32>,
    /// The same words as the embedder knows them.
    pub(crate) heading_ids: Box<[WordId]>,
    /// The words of headings and passages together, without repeats: search compares each once.
    pub(crate) all_ids: Box<[WordId]>,
}

impl Passages {
    /// Splits the text of a chunk under `headings` into passages.
    pub(crate) fn new(headings: &str, text: &str, format: Format, embedder: &StaticEmbedder) -> Self {
        let all = split(text, format, embedder);
        let heading_ids = embedder.word_ids(headings);
        let of_passages = all.iter().flat_map(|passage| passage.word_ids.iter());
        let mut all_ids: Vec<WordId> = heading_ids.iter().chain(of_passages).copied().collect();
        all_ids.sort_unstable();
        all_ids.dedup();
        Self {
            all,
            heading_words: word_numbers(headings),
            heading_ids,
            all_ids: all_ids.into(),
        }
    }
}

/// A passage of a chunk.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) kind: PassageKind,
    /// Where it stands in the chunk's text.
    pub(crate) range: Range<usize>,
    /// The block it is a part of: sentences of one paragraph, items of one list have the same.
    pub(crate) block: usize,
    /// The numbers of its words, sorted, without repeats.
    pub(crate) words: Vec<u32>,
    /// The same words as the embedder knows them, unstemmed.
    pub(crate) word_ids: Box<[WordId]>,
    /// What it has that a question may want.
    pub(crate) form: PassageForm,
    /// A quarter of the memory for 1 % of precision, of which a choice between sentences has no need.
    vector: QuantisedVector,
}

impl Passage {
    fn new(kind: PassageKind, text: &str, range: Range<usize>, block: usize, embedder: &StaticEmbedder) -> Self {
        let text = &text[range.clone()];
        Self {
            kind,
            range,
            block,
            words: word_numbers(text),
            word_ids: embedder.word_ids(text),
            form: PassageForm::of(text),
            vector: QuantisedVector::new(&embedder.embed(text)),
        }
    }

    /// The cosine to a vector that was of unit length.
    pub(crate) fn cosine(&self, vector: &QuantisedVector) -> f32 {
        self.vector.cosine(vector)
    }
}

/// Splits the text of a chunk into passages, in order.
fn split(text: &str, format: Format, embedder: &StaticEmbedder) -> Vec<Passage> {
    let pieces = match format {
        Format::Markdown => markdown_pieces(text),
        Format::Plain => plain_pieces(text),
    };
    pieces
        .into_iter()
        .map(|(kind, range, block)| Passage::new(kind, text, range, block, embedder))
        .collect()
}

type Piece = (PassageKind, Range<usize>, usize);

fn markdown_pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (number, block) in markdown::outline(text).into_iter().enumerate() {
        let range = trimmed(text, block.range);
        match block.kind {
            BlockKind::Paragraph | BlockKind::Other => {
                pieces.extend(sentences(text, range).map(|range| (PassageKind::Sentence, range, number)));
            }
            BlockKind::Code => pieces.push((PassageKind::Code, range, number)),
            BlockKind::Table => pieces.push((PassageKind::Table, range, number)),
            BlockKind::List { ordered: true, .. } if range.len() <= STEPS_BYTES_MAX => {
                pieces.push((PassageKind::Steps, range, number));
            }
            BlockKind::List { items, .. } => {
                pieces.extend(
                    items
                        .into_iter()
                        .map(|item| (PassageKind::Item, trimmed(text, item), number)),
                );
            }
        }
    }
    pieces.retain(|(_, range, _)| text[range.clone()].chars().any(char::is_alphanumeric));
    pieces
}

fn plain_pieces(text: &str) -> Vec<Piece> {
    let start_of = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let mut pieces = Vec::new();
    for (number, block) in plain_text::blocks(text).into_iter().enumerate() {
        let range = start_of(block)..start_of(block) + block.len();
        pieces.extend(sentences(text, trimmed(text, range)).map(|range| (PassageKind::Sentence, range, number)));
    }
    pieces.retain(|(_, range, _)| text[range.clone()].chars().any(char::is_alphanumeric));
    pieces
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    start..start + part.trim().len()
}

/// The sentences of a text, line by line: none goes over the end of a line.
pub(crate) fn sentences_of(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .flat_map(|line| sentences(line, trimmed(line, 0..line.len())).map(|range| &line[range]))
        .collect()
}

/// The sentences within a range. A full stop ends one only before white space and the start of another sentence, outside
/// of code, and not after an abbreviation.
fn sentences(text: &str, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let part = &text[range.clone()];
    let mut bounds = Vec::new();
    let mut start = 0;
    let mut in_code = false;
    let mut chars = part.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '`' {
            in_code = !in_code;
        }
        if in_code || !matches!(c, '.' | '!' | '?' | '。' | '！' | '？') {
            continue;
        }
        // Closing marks belong to the sentence.
        let mut end = at + c.len_utf8();
        while let Some((next, mark)) = chars.peek().copied()
            && matches!(mark, '"' | '\'' | ')' | '”' | '’' | '*' | '.' | '!' | '?')
        {
            end = next + mark.len_utf8();
            chars.next();
        }
        let after = &part[end..];
        let begins =
            after.trim_start().chars().next().is_none_or(|next| {
                next.is_uppercase() || next.is_numeric() || !next.is_alphanumeric() || !next.is_ascii()
            });
        let spaced = after.is_empty() || after.starts_with(char::is_whitespace) || !c.is_ascii();
        if spaced && begins && !(c == '.' && is_abbreviation(&part[start..at])) {
            bounds.push(start..end);
            start = end + (after.len() - after.trim_start().len());
        }
    }
    if start < part.len() {
        bounds.push(start..part.len());
    }
    let base = range.start;
    bounds
        .into_iter()
        .map(move |bound| base + bound.start..base + bound.end)
}

fn is_abbreviation(before: &str) -> bool {
    const KNOWN: &[&str] = &[
        "e.g", "i.e", "etc", "vs", "mr", "mrs", "ms", "dr", "no", "nr", "approx", "inc", "ltd", "co", "cf", "b.v",
        "st", "fig",
    ];
    let word = before
        .rsplit(|c: char| c.is_whitespace() || c == '(')
        .next()
        .unwrap_or_default()
        .to_lowercase();
    // A number before the stop ("1.") begins a list; a single letter is an initial.
    KNOWN.contains(&word.as_str()) || (word.chars().count() == 1 && word.chars().all(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embedder;

    fn check(text: &str, format: Format, expected: &[(PassageKind, &str)]) {
        let passages = split(text, format, embedder());
        let found: Vec<(PassageKind, &str)> = passages.iter().map(|p| (p.kind, &text[p.range.clone()])).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn sentences_end_where_a_reader_would_say_so() {
        use PassageKind::Sentence;
        check(
            "One. Two! Is it three? Yes",
            Format::Plain,
            &[
                (Sentence, "One."),
                (Sentence, "Two!"),
                (Sentence, "Is it three?"),
                (Sentence, "Yes"),
            ],
        );
        check(
            "It costs $1.50 e.g. for Lanternfish B.V. in v2.6 of `a. B`.",
            Format::Markdown,
            &[(Sentence, "It costs $1.50 e.g. for Lanternfish B.V. in v2.6 of `a. B`.")],
        );
        check(
            "He said \"stop.\" Then left.",
            Format::Markdown,
            &[(Sentence, "He said \"stop.\""), (Sentence, "Then left.")],
        );
        check(
            "Über alles. Éclair. 你好。再见。",
            Format::Markdown,
            &[
                (Sentence, "Über alles."),
                (Sentence, "Éclair."),
                (Sentence, "你好。"),
                (Sentence, "再见。"),
            ],
        );
    }

    #[test]
    fn lists_code_and_tables_stay_whole() {
        let code = "```bash\nlf keys list. Now\n```";
        let table = "| a | b |\n| --- | --- |\n| 1. X | 2 |";
        let steps = "1. Open it.\n2. Close it.";
        let text = format!("Do this:\n\n{steps}\n\n- one. Two\n- three\n\n{code}\n\n{table}\n\n---\n\nEnd.");
        check(
            &text,
            Format::Markdown,
            &[
                (PassageKind::Sentence, "Do this:"),
                (PassageKind::Steps, steps),
                (PassageKind::Item, "- one. Two"),
                (PassageKind::Item, "- three"),
                (PassageKind::Code, code),
                (PassageKind::Table, table),
                (PassageKind::Sentence, "End."),
            ],
        );
    }

    #[test]
    fn a_passage_is_as_near_to_a_question_as_its_full_vector_says() {
        let text = "Rotate the key in the console.";
        let question = embedder().embed("How do I rotate a key?");
        let passage = &split(text, Format::Plain, embedder())[0];
        let exact = crate::embedder::cosine(&embedder().embed(text), &question);
        assert!((passage.cosine(&QuantisedVector::new(&question)) - exact).abs() < 0.01);
    }
}
