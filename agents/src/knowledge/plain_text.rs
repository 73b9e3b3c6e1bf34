//! Text without marks: sections by underlined headings and by paragraphs that begin with a short line of their own.

use super::chunk::Section;

/// Paragraphs without a heading are put together up to this many bytes.
const PARAGRAPHS_BYTES_MAX: usize = 800;
/// A line longer than this is no heading.
const HEADING_BYTES_MAX: usize = 90;

/// What stands under each heading; paragraphs without one are put together, in order, up to a bound.
pub(crate) fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut underlined: Option<String> = None;
    let mut is_open = false;
    for paragraph in paragraphs(text) {
        let (heading, body) = split_heading(&paragraph);
        match heading {
            Some(Heading::Underlined(heading)) => {
                underlined = Some(heading.to_owned());
                is_open = false;
            }
            Some(Heading::FirstLine(heading)) => {
                let headings = underlined
                    .iter()
                    .map(String::as_str)
                    .chain([heading])
                    .map(str::to_owned)
                    .collect();
                sections.push(Section {
                    headings,
                    text: body.clone(),
                });
                is_open = false;
                continue;
            }
            None => {}
        }
        if body.is_empty() {
            continue;
        }
        match sections.last_mut() {
            Some(last) if is_open && last.text.len() + body.len() <= PARAGRAPHS_BYTES_MAX => {
                last.text.push_str("\n\n");
                last.text.push_str(&body);
            }
            _ => {
                sections.push(Section {
                    headings: underlined.iter().cloned().collect(),
                    text: body,
                });
                is_open = true;
            }
        }
    }
    sections
}

/// The first paragraph, if it is a single short line, with or without an underline.
pub(crate) fn title(text: &str) -> Option<String> {
    let first = paragraphs(text).into_iter().next()?;
    let (heading, body) = split_heading(&first);
    match heading {
        Some(Heading::Underlined(heading)) => Some(heading.to_owned()),
        Some(Heading::FirstLine(_)) => None,
        None => (body.lines().count() == 1 && is_heading_like(&body)).then_some(body),
    }
}

/// Paragraphs, in order.
pub(crate) fn blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\n\n") {
        blocks.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    blocks.push(rest);
    blocks.retain(|block| !block.trim().is_empty());
    blocks
}

enum Heading<'a> {
    Underlined(&'a str),
    FirstLine(&'a str),
}

/// Paragraphs with line ends made alike; what stands between two blank lines.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            paragraphs.push(std::mem::take(&mut current));
        } else {
            if !current.is_empty() {
                current.push('\n');
            }
            current.push_str(line.trim_end());
        }
    }
    paragraphs.push(current);
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

fn split_heading(paragraph: &str) -> (Option<Heading<'_>>, String) {
    let Some((first, rest)) = paragraph.split_once('\n') else {
        return (None, paragraph.to_owned());
    };
    let (second, after) = rest.split_once('\n').unwrap_or((rest, ""));
    let second = second.trim();
    let is_underline = second.len() >= 3 && (second.bytes().all(|b| b == b'=') || second.bytes().all(|b| b == b'-'));
    if is_underline {
        (Some(Heading::Underlined(first.trim())), after.to_owned())
    } else if is_heading_like(first) {
        (Some(Heading::FirstLine(first.trim())), rest.to_owned())
    } else {
        (None, paragraph.to_owned())
    }
}

/// Short, begins with a letter or digit, and does not end like a sentence or in the middle of one.
fn is_heading_like(line: &str) -> bool {
    let line = line.trim();
    line.len() <= HEADING_BYTES_MAX
        && line
            .chars()
            .next()
            .is_some_and(|first| first.is_uppercase() || first.is_numeric())
        && !line.ends_with(['.', ',', ';', '!', '?', '-'])
        && line.split_whitespace().count() <= 12
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&[&str], &str)]) {
        let found: Vec<(Vec<String>, String)> = sections(text).into_iter().map(|s| (s.headings, s.text)).collect();
        let expected: Vec<(Vec<String>, String)> = expected
            .iter()
            .map(|(headings, text)| (headings.iter().map(ToString::to_string).collect(), (*text).to_owned()))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn sections_follow_underlined_headings_and_short_first_lines() {
        check("", &[]);
        check("One.\n\nTwo.", &[(&[], "One.\n\nTwo.")]);
        check(
            "Top\n===\n\nA.\n\nNext\n----\nB.\r\n\r\nC.",
            &[(&["Top"], "A."), (&["Next"], "B.\n\nC.")],
        );
        check(
            "New: a thing\nIt does this.\n\nFixed\nThat one.",
            &[(&["New: a thing"], "It does this."), (&["Fixed"], "That one.")],
        );
        check(
            "a wrapped line that\ngoes on here.",
            &[(&[], "a wrapped line that\ngoes on here.")],
        );
    }

    #[test]
    fn the_title_is_a_first_line_by_itself() {
        assert_eq!(
            title("Release notes, October\n\nText.").as_deref(),
            Some("Release notes, October")
        );
        assert_eq!(title("Title\n=====\n\nText.").as_deref(), Some("Title"));
        assert_eq!(title("This is a sentence.\n\nText."), None);
    }

    #[test]
    fn paragraphs_without_heading_are_put_together_up_to_a_bound() {
        let text = vec!["word ".repeat(60).trim().to_owned() + "."; 10].join("\n\n");
        let sections = sections(&text);
        assert!(
            sections.len() >= 4
                && sections
                    .iter()
                    .all(|section| section.text.len() <= PARAGRAPHS_BYTES_MAX)
        );
    }
}
