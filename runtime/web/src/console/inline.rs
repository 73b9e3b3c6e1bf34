//! What stands in the page itself, and may run or have looks for that.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// The scripts and styles that the page was built with, as sources for `script-src` and `style-src` of the policy: ` 'sha256-…'`
/// for each. What gets into the page later is not among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct InlineSources {
    pub(crate) scripts: String,
    pub(crate) styles: String,
}

impl InlineSources {
    /// Reads them from the page as it is sent, not compressed. None of a page that is not UTF-8.
    pub(super) fn of(page: &[u8]) -> Self {
        let page = str::from_utf8(page).unwrap_or_default();
        Self {
            scripts: sources(page, "script"),
            styles: sources(page, "style"),
        }
    }
}

fn sources(page: &str, element: &str) -> String {
    let mut sources = String::new();
    for content in contents(page, element) {
        let hash = BASE64_STANDARD.encode(Sha256::digest(content));
        let _ = write!(sources, " 'sha256-{hash}'"); // A string takes everything.
    }
    sources
}

/// What the elements of this name have in them, those that have anything. The build writes names in small letters; one that is
/// found where no browser would see it (in a comment) does no harm, for nothing runs there.
fn contents<'a>(page: &'a str, element: &str) -> Vec<&'a str> {
    let (opening, closing) = (format!("<{element}"), format!("</{element}"));
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, behind)) = rest.split_once(&opening) {
        rest = behind;
        if !behind.starts_with([' ', '\n', '>']) {
            continue; // Another element, whose name only begins like this one.
        }
        let Some((content, behind)) = behind_tag(behind).split_once(&closing) else {
            break;
        };
        if !content.is_empty() {
            found.push(content);
        }
        rest = behind;
    }
    found
}

/// What follows a tag that begins before `text`. A `>` in a quoted value does not end it.
fn behind_tag(text: &str) -> &str {
    let mut quote = None;
    let end = text.find(|letter| match (quote, letter) {
        (None, '>') => true,
        (None, '"' | '\'') => {
            quote = Some(letter);
            false
        }
        (Some(open), letter) if open == letter => {
            quote = None;
            false
        }
        (None | Some(_), _) => false,
    });
    end.map_or("", |end| &text[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_script_and_style_of_the_page_has_its_hash() {
        let page = "<!doctype html><style>a{}</style><script data-of='{\"a\":\">\"}'>a()</script>\
            <script src=\"/a.js\"></script><script\n>b()</script><p>text</p>";
        let found = InlineSources::of(page.as_bytes());
        // `printf %s 'a{}' | openssl dgst -sha256 -binary | base64`
        assert_eq!(found.styles, " 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='");
        assert_eq!(
            found.scripts,
            " 'sha256-qVpDBgj7bpq5hMAcGp3AOc79J3Y1Z4HvySTwKrWDoy4=' \
             'sha256-cf242PFc/kb7xD0Qzhsmd9vvRkc+cWFmbi+k+YvtdKc='"
        );
    }

    #[test]
    fn contents_end_where_a_browser_ends_them() {
        for (page, expected) in [
            ("<script>if (a < b) c('<p>')</script>", vec!["if (a < b) c('<p>')"]),
            ("<script title='a > b'>c</script>", vec!["c"]),
            ("<script title=\"it's > b\">c</script>", vec!["c"]),
            ("<scripted>a</scripted><script>b</script>", vec!["b"]),
            ("<script src='/a.js'></script>", vec![]),
            ("<script>without an end", vec![]),
            ("<script", vec![]),
            ("<script title='", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(contents(page, "script"), expected, "{page}");
        }
        assert_eq!(InlineSources::of(b"\xff<script>a</script>"), InlineSources::default());
    }
}
