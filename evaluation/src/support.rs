//! What of an answer stands in its sources, word for word.

use orchestratai_agents::model::without_own_words;

/// Text without what is not said: Markdown's marks, citation marks, case, and more than one blank in a row.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((_, after)) = citation(rest) {
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '*' | '`' | '_' | '|' | '#' => {}
            c if c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            c => out.extend(c.to_lowercase()),
        }
    }
    // Marks between blanks leave two of them.
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What of `text` no source says. Each stretch up to an `[n]` must stand in source `n`, as a whole or line by line; what follows the
/// last mark, and what follows a mark of no source, stands nowhere. What the model says of itself needs no source.
#[must_use]
pub fn unsupported(text: &str, sources: &[(u32, String)]) -> Vec<String> {
    let mut unsupported = Vec::new();
    let mut rest = text;
    loop {
        let Some((stretch, number, after)) = next_citation(rest) else {
            let left = without_own_words(rest).trim().to_owned();
            if !left.is_empty() {
                unsupported.push(left);
            }
            return unsupported;
        };
        let said = without_own_words(stretch).trim().to_owned();
        let source = sources.iter().find(|(index, _)| *index == number);
        let stands = source.is_some_and(|(_, source)| {
            let of_source = |part: &str| source.contains(part.trim());
            of_source(&said) || said.lines().all(of_source)
        });
        if !stands {
            unsupported.push(said);
        }
        rest = after;
    }
}

/// The text before the first citation mark, its number, and the text behind it.
fn next_citation(text: &str) -> Option<(&str, u32, &str)> {
    text.match_indices('[').find_map(|(at, _)| {
        let (number, after) = citation(&text[at..])?;
        Some((&text[..at], number, after))
    })
}

/// The number of the citation mark that `text` begins with, and what follows it. A mark in an answer stands behind a blank or at the
/// start of a line; `[0]` and `[1](link)` are none.
fn citation(text: &str) -> Option<(u32, &str)> {
    let (digits, after) = text.strip_prefix('[')?.split_once(']')?;
    let is_number = !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number || digits.starts_with('0') || after.starts_with('(') {
        return None;
    }
    Some((digits.parse().ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_case_and_blanks_are_not_what_is_said() {
        assert_eq!(
            plain("Choose **Settings →\n  Billing** and `lf_key`. [1]"),
            plain("choose Settings → Billing and lfkey.")
        );
        assert_eq!(plain("| High | $1,000 |"), "high $1,000");
        assert_eq!(plain("`rows[0]` [see](x)"), "rows[0] [see](x)");
    }

    #[test]
    fn what_no_source_says_is_found() {
        let sources = [
            (
                1,
                "A first one. A second one.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |".to_owned(),
            ),
            (2, "Another.".to_owned()),
        ];
        let well = "A first one. [1] A second one. [1]\n\n| a | b |\n| --- | --- |\n| 3 | 4 |\n\n[1]\n\nAnother. [2]";
        assert_eq!(unsupported(well, &sources), Vec::<String>::new());
        assert_eq!(unsupported("A third one. [1]", &sources), ["A third one."]);
        assert_eq!(unsupported("A first one. [2]", &sources), ["A first one."]);
        assert_eq!(unsupported("Another. [3]", &sources), ["Another."]);
        assert_eq!(unsupported("Another. [2] And more.", &sources), ["And more."]);
        let differing =
            "The sources differ; the newest first:\n\n(updated 2026-04-21) Another. [2]\n\nA first one. [1]";
        assert_eq!(unsupported(differing, &sources), Vec::<String>::new());
        assert_eq!(
            unsupported("(updated never) Another. [2]", &sources),
            ["(updated never) Another."]
        );
    }
}
