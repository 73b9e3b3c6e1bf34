//! Cuts what stands under one heading into pieces that an embedder can read, without tearing apart what belongs together.

use std::{borrow::Cow, ops::Range};

use super::{
    chunk::{CHUNK_BYTES_MAX, Format},
    markdown::{self, BlockKind},
    plain_text,
};

/// So much room is left in the pieces of a table, a list or code for the sentence that introduces it.
const INTRODUCTION_BYTES_MAX: usize = 200;
const FRAMED_BYTES_MAX: usize = CHUNK_BYTES_MAX - INTRODUCTION_BYTES_MAX;

/// Pieces no longer than [`CHUNK_BYTES_MAX`]. Cut is between paragraphs, lists, tables and code blocks, and a sentence that introduces
/// one of these stays with it. Of one that is too long by itself, a table is cut between its rows, with its head again on every
/// piece, a list between its items, code between its lines, with its fences again, and text between its lines, sentences or words.
pub(super) fn split_long(text: &str, format: Format) -> Vec<String> {
    let text = text.trim();
    if text.len() <= CHUNK_BYTES_MAX {
        return vec![text.to_owned()];
    }
    let mut chunks: Vec<String> = Vec::new();
    // Where the last piece begins in the last chunk, if it introduces what follows.
    let mut introduction: Option<usize> = None;
    for piece in pieces(text, format) {
        let piece = piece.trim_end();
        let introduces = piece.ends_with(':') && !piece.contains('\n');
        match chunks.last_mut() {
            Some(last) if last.len() + piece.len() + 2 <= CHUNK_BYTES_MAX => {
                last.push_str("\n\n");
                introduction = introduces.then_some(last.len());
                last.push_str(piece);
            }
            last => {
                let begins_at = introduction.filter(|at| *at > 0);
                let moved = last.zip(begins_at).and_then(|(last, at)| {
                    let fits = last.len() - at + piece.len() + 2 <= CHUNK_BYTES_MAX;
                    fits.then(|| last.split_off(at))
                });
                if let (Some(_), Some(last)) = (&moved, chunks.last_mut()) {
                    last.truncate(last.trim_end().len());
                }
                introduction = introduces.then_some(0);
                chunks.push(moved.map_or_else(|| piece.to_owned(), |moved| format!("{moved}\n\n{piece}")));
            }
        }
    }
    chunks
}

fn pieces(text: &str, format: Format) -> Vec<Cow<'_, str>> {
    match format {
        Format::Markdown => {
            let outline = markdown::outline(text).into_iter();
            outline.flat_map(|block| markdown_pieces(text, block)).collect()
        }
        Format::Plain => {
            let blocks = plain_text::blocks(text).into_iter();
            blocks.flat_map(lines).map(Cow::Borrowed).collect()
        }
    }
}

fn markdown_pieces(text: &str, block: markdown::Block) -> Vec<Cow<'_, str>> {
    let whole = text[block.range].trim_end();
    if whole.trim().is_empty() {
        return Vec::new();
    }
    if whole.len() <= CHUNK_BYTES_MAX {
        return vec![Cow::Borrowed(whole)];
    }
    match block.kind {
        BlockKind::Table => with_frame(whole, 2, ""),
        BlockKind::Code if whole.starts_with(['`', '~']) => {
            let marks = whole.trim_start_matches(['`', '~']);
            let fence = &whole[..whole.len() - marks.len()];
            with_frame(whole.strip_suffix(fence).unwrap_or(whole).trim_end(), 1, fence)
        }
        BlockKind::List { items, .. } => items
            .into_iter()
            .flat_map(|item: Range<usize>| cut(text[item].trim_end(), FRAMED_BYTES_MAX))
            .map(Cow::Borrowed)
            .collect(),
        BlockKind::Code | BlockKind::Paragraph | BlockKind::Other => {
            lines(whole).into_iter().map(Cow::Borrowed).collect()
        }
    }
}

/// Cuts between lines, with the first `head_lines` of them before every piece and `foot` behind it. As between lines of text where a
/// head leaves too little room.
fn with_frame<'a>(block: &'a str, head_lines: usize, foot: &str) -> Vec<Cow<'a, str>> {
    let head_bytes: usize = block.split_inclusive('\n').take(head_lines).map(str::len).sum();
    let (head, body) = block.split_at(head_bytes);
    let room = FRAMED_BYTES_MAX.saturating_sub(head.len() + foot.len() + 1);
    if room < FRAMED_BYTES_MAX / 2 {
        return lines(block).into_iter().map(Cow::Borrowed).collect();
    }
    let mut pieces: Vec<String> = Vec::new();
    let mut begun = 0;
    for line in body.split_inclusive('\n').flat_map(|line| cut(line, room)) {
        match pieces.last_mut() {
            Some(piece) if begun + line.len() <= room => {
                begun += line.len();
                piece.push_str(line);
            }
            _ => {
                begun = line.len();
                pieces.push(format!("{head}{line}"));
            }
        }
    }
    let framed = pieces
        .into_iter()
        .map(|piece| format!("{}\n{foot}", piece.trim_end()).trim_end().to_owned());
    framed.map(Cow::Owned).collect()
}

fn lines(block: &str) -> Vec<&str> {
    cut(block, CHUNK_BYTES_MAX)
}

/// Cuts into pieces of `max` bytes at most: between lines, else sentences, else words.
fn cut(block: &str, max: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = block;
    while rest.len() > max {
        let window = &rest[..rest.floor_char_boundary(max)];
        // A cut in the first half would leave many small pieces.
        let cut = [
            window.rfind('\n'),
            window.rfind(". ").map(|at| at + 1),
            window.rfind(' '),
        ]
        .into_iter()
        .flatten()
        .find(|at| *at > max / 2)
        .unwrap_or(window.len());
        pieces.push(&rest[..cut]);
        rest = rest[cut..].trim_start();
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::chunk::sections;

    #[test]
    fn a_long_section_is_split_between_paragraphs_and_nothing_is_lost() {
        let paragraphs: Vec<String> = (0..30)
            .map(|n| format!("Paragraph {n}. {}", "word ".repeat(40).trim()))
            .collect();
        let text = format!("# T\n\n## H\n\n{}", paragraphs.join("\n\n"));
        let sections = sections(Format::Markdown, "T", &text);
        assert!(sections.len() > 2);
        assert!(
            sections
                .iter()
                .all(|section| section.text.len() <= CHUNK_BYTES_MAX && section.headings == ["H"])
        );
        let all = sections
            .iter()
            .map(|section| section.text.as_str())
            .collect::<Vec<_>>()
            .join("\n\n");
        assert_eq!(all, paragraphs.join("\n\n"));
    }

    #[test]
    fn one_endless_line_is_split_at_character_bounds() {
        for text in ["é".repeat(9_000), "ab ".repeat(3_000)] {
            let sections = sections(Format::Plain, "T", &text);
            assert!(sections.iter().all(|section| section.text.len() <= CHUNK_BYTES_MAX));
            let kept: usize = sections
                .iter()
                .map(|s| s.text.chars().filter(|c| !c.is_whitespace()).count())
                .sum();
            assert_eq!(kept, text.chars().filter(|c| !c.is_whitespace()).count());
        }
    }

    #[test]
    fn a_long_table_keeps_its_head_and_its_rows() {
        let rows: Vec<String> = (0..200).map(|n| format!("| row {n} | {} |", "x".repeat(20))).collect();
        let text = format!(
            "Limits by plan:\n\n| plan | limit |\n| --- | --- |\n{}",
            rows.join("\n")
        );
        let pieces = split_long(&text, Format::Markdown);
        assert!(pieces.len() > 2);
        let all: Vec<&str> = pieces.iter().flat_map(|piece| piece.lines()).collect();
        assert!(rows.iter().all(|row| all.contains(&row.as_str())));
        for piece in &pieces {
            assert!(piece.len() <= CHUNK_BYTES_MAX);
            assert!(piece.contains("| plan | limit |\n| --- | --- |\n| row"), "{piece}");
        }
    }

    #[test]
    fn code_keeps_its_fences_and_a_list_its_items() {
        let code: Vec<String> = (0..200).map(|n| format!("call({n}, \"{}\")", "x".repeat(10))).collect();
        let pieces = split_long(&format!("```python\n{}\n```", code.join("\n")), Format::Markdown);
        assert!(pieces.len() > 2);
        for piece in &pieces {
            assert!(
                piece.starts_with("```python\ncall(") && piece.ends_with(")\n```"),
                "{piece}"
            );
            assert!(piece.len() <= CHUNK_BYTES_MAX);
        }
        let items: Vec<String> = (0..40)
            .map(|n| format!("- item {n}\n  {}", "word ".repeat(15).trim()))
            .collect();
        let pieces = split_long(&items.join("\n"), Format::Markdown);
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.starts_with("- item")));
        let kept = pieces.join("\n\n");
        assert!(items.iter().all(|item| kept.contains(item)));
    }

    #[test]
    fn what_introduces_a_block_goes_with_it() {
        let before = "word ".repeat(380);
        let list: Vec<String> = (0..20).map(|n| format!("- item {n}")).collect();
        let text = format!("{}\n\nThese are needed:\n\n{}", before.trim(), list.join("\n"));
        let pieces = split_long(&text, Format::Markdown);
        let [first, second] = &pieces[..] else {
            panic!("{pieces:?}")
        };
        assert_eq!(first, before.trim());
        assert!(second.starts_with("These are needed:\n\n- item 0"));
    }
}
