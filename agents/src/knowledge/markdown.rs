//! Markdown: sections by heading, blocks by kind, and links reduced to their words.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::chunk::Section;

/// A block of a section at its outermost level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: BlockKind,
    pub(crate) range: Range<usize>,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// Running text.
    Paragraph,
    /// A list; the items of the outermost level.
    List { ordered: bool, items: Vec<Range<usize>> },
    /// Code, with its fences.
    Code,
    /// A table, with its head.
    Table,
    /// Anything else: quotations, HTML, rules.
    Other,
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// What stands under each heading, and what stands before the first. A `#` inside a code block, a list or a quotation is
/// no heading.
pub(crate) fn sections(text: &str) -> Vec<Section> {
    let text = &without_relative_links(text);
    let mut sections = Vec::new();
    let mut path: Vec<(HeadingLevel, String)> = Vec::new();
    let mut body_start = 0;
    let mut heading: Option<(HeadingLevel, String)> = None;
    let mut depth = 0_usize;
    let mut finish = |path: &[(HeadingLevel, String)], body: &str| {
        sections.push(Section {
            headings: path.iter().map(|(_, heading)| heading.clone()).collect(),
            text: body.trim().to_owned(),
        });
    };
    for (event, range) in Parser::new_ext(text, options()).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                finish(&path, text.get(body_start..range.start).unwrap_or_default());
                heading = Some((level, String::new()));
                body_start = range.end;
                depth += 1;
            }
            Event::End(TagEnd::Heading(_)) if heading.is_some() => {
                if let Some((level, words)) = heading.take() {
                    path.retain(|(above, _)| *above < level);
                    path.push((level, words.trim().to_owned()));
                }
                depth = depth.saturating_sub(1);
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some((_, heading)) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, heading)) = &mut heading {
                    heading.push(' ');
                }
            }
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }
    finish(&path, text.get(body_start..).unwrap_or_default());
    sections
}

/// The first heading of the first level, if nothing but blank lines stands before it.
pub(crate) fn title(text: &str) -> Option<String> {
    let mut title: Option<String> = None;
    for event in Parser::new_ext(text, options()) {
        match (event, &mut title) {
            (
                Event::Start(Tag::Heading {
                    level: HeadingLevel::H1,
                    ..
                }),
                None,
            ) => title = Some(String::new()),
            (Event::Text(words) | Event::Code(words), Some(title)) => title.push_str(&words),
            (Event::End(TagEnd::Heading(_)), Some(_)) => break,
            (_, Some(_)) => {}
            (_, None) => return None,
        }
    }
    title
        .map(|title| title.trim().to_owned())
        .filter(|title| !title.is_empty())
}

/// The blocks of the outermost level with their kinds.
pub(crate) fn outline(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut depth = 0_usize;
    for (event, range) in Parser::new_ext(text, options()).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    blocks.push(Block {
                        kind: kind_of(&tag),
                        range,
                    });
                } else if depth == 1
                    && matches!(tag, Tag::Item)
                    && let Some(Block {
                        kind: BlockKind::List { items, .. },
                        ..
                    }) = blocks.last_mut()
                {
                    items.push(range);
                }
                depth += 1;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Rule | Event::Html(_) if depth == 0 => blocks.push(Block {
                kind: BlockKind::Other,
                range,
            }),
            Event::Text(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }
    blocks
}

fn kind_of(tag: &Tag<'_>) -> BlockKind {
    // A new kind of block is running text until somebody says otherwise.
    if matches!(tag, Tag::Paragraph | Tag::Heading { .. }) {
        BlockKind::Paragraph
    } else if let Tag::List(first) = tag {
        BlockKind::List {
            ordered: first.is_some(),
            items: Vec::new(),
        }
    } else if matches!(tag, Tag::CodeBlock(_)) {
        BlockKind::Code
    } else if matches!(tag, Tag::Table(_)) {
        BlockKind::Table
    } else {
        BlockKind::Other
    }
}

/// Replaces each link to another document, and each picture, by its words: outside of its folder it leads nowhere, and
/// its brackets could be taken for a citation. Links with a scheme stay.
fn without_relative_links(text: &str) -> String {
    let mut replaced: Vec<(Range<usize>, String)> = Vec::new();
    let mut link: Option<(Range<usize>, String)> = None;
    for (event, range) in Parser::new_ext(text, options()).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. })
                if link.is_none() && !dest_url.contains(':') =>
            {
                link = Some((range, String::new()));
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                // A picture inside of a link ends before the link does.
                if link.as_ref().is_some_and(|(open, _)| open.end <= range.end) {
                    replaced.extend(link.take());
                }
            }
            Event::Text(words) => {
                if let Some((_, text)) = &mut link {
                    text.push_str(&words);
                }
            }
            Event::Code(words) => {
                if let Some((_, text)) = &mut link {
                    text.push('`');
                    text.push_str(&words);
                    text.push('`');
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, text)) = &mut link {
                    text.push(' ');
                }
            }
            Event::Start(_)
            | Event::End(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }
    let mut plain = String::with_capacity(text.len());
    let mut end = 0;
    for (range, words) in replaced {
        plain.push_str(&text[end..range.start]);
        plain.push_str(&words);
        end = range.end;
    }
    plain.push_str(&text[end..]);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&[&str], &str)]) {
        let found: Vec<(Vec<String>, String)> = sections(text)
            .into_iter()
            .filter(|section| !section.text.is_empty())
            .map(|section| (section.headings, section.text))
            .collect();
        let expected: Vec<(Vec<String>, String)> = expected
            .iter()
            .map(|(headings, text)| (headings.iter().map(ToString::to_string).collect(), (*text).to_owned()))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn there_is_one_section_for_each_heading() {
        check("", &[]);
        check("only text", &[(&[], "only text")]);
        check(
            "before\n\n# A\n\na\n\n## B\n\nb\n\n# C\n\nc",
            &[(&[], "before"), (&["A"], "a"), (&["A", "B"], "b"), (&["C"], "c")],
        );
        check(
            "## Deep first\n\nx\n\n# Then high\n\ny",
            &[(&["Deep first"], "x"), (&["Then high"], "y")],
        );
        check("A\n=\n\na\n\nB\n-\n\nb", &[(&["A"], "a"), (&["A", "B"], "b")]);
        check("## `lf keys` *now*\n\nx", &[(&["lf keys now"], "x")]);
        check("### C\n\nc\n\n### D\n\nd", &[(&["C"], "c"), (&["D"], "d")]);
    }

    #[test]
    fn a_heading_inside_of_code_lists_or_quotations_is_none() {
        let code = "```bash\n# not a heading\nls\n```";
        check(&format!("# A\n\n{code}"), &[(&["A"], code)]);
        check("# A\n\n    # indented code", &[(&["A"], "# indented code")]);
        check("# A\n\n- # in a list\n- b", &[(&["A"], "- # in a list\n- b")]);
        check("# A\n\n> # quoted\n> text", &[(&["A"], "> # quoted\n> text")]);
    }

    #[test]
    fn links_to_other_documents_are_reduced_to_their_words() {
        check(
            "See [the *trial*](trial.md#x) and ![a lamp](lamp.png).",
            &[(&[], "See the trial and a lamp.")],
        );
        check(
            "Go to [the page](https://x.example).",
            &[(&[], "Go to [the page](https://x.example).")],
        );
        check("Use `[a](b)` so.", &[(&[], "Use `[a](b)` so.")]);
    }

    #[test]
    fn the_title_is_a_first_heading_of_the_first_level() {
        assert_eq!(title("# The `x` title\n\ntext").as_deref(), Some("The x title"));
        assert_eq!(title("text\n\n# Late"), None);
        assert_eq!(title("## Second level"), None);
    }
}
