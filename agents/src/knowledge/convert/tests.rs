//! Whatever bytes a file has, it is converted or refused, in bounded time, without a panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// Small files take milliseconds; on a busy machine, in a build without optimisation, they may take a hundred times as long.
const TIME_MAX: Duration = Duration::from_secs(10);

const PAGE: &[u8] = b"<!DOCTYPE html><html lang=en><head><title>T</title><meta charset=utf-8></head><body><main><h1>A</h1><p>b <a href=\
    'https://x.example'>c</a><ul><li>d<ul><li>e</ul></ul><table><tr><th rowspan=2>f<th>g<tr><td>h</table><pre><code class=language-sh>i\
    </code></pre><blockquote>j</blockquote></main></body></html>";

fn samples() -> [(FileKind, Vec<u8>); 4] {
    [
        (FileKind::Html, PAGE.to_vec()),
        (FileKind::Pdf, pdf::sample()),
        (FileKind::Pdf, pdf::protected("")),
        (FileKind::Docx, docx::sample()),
    ]
}

fn check(kind: FileKind, bytes: &[u8]) -> Result<(), TestCaseError> {
    let began = Instant::now();
    let converted = convert(kind, bytes).expect("a kind that is converted");
    prop_assert!(began.elapsed() < TIME_MAX, "{:?} took {:?}", kind, began.elapsed());
    match converted {
        Ok(converted) => prop_assert!(!converted.markdown.trim().is_empty()),
        Err(error) => prop_assert_ne!(error, ConversionError::Panicked),
    }
    Ok(())
}

#[test]
fn samples_are_converted_and_texts_are_not() {
    for (kind, bytes) in samples() {
        assert!(convert(kind, &bytes).unwrap().is_ok(), "{kind:?}");
        assert!(version(kind).is_some());
    }
    for kind in [FileKind::Markdown, FileKind::Text] {
        assert_eq!(convert(kind, b"text"), None);
        assert_eq!(version(kind), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_converted_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        for (kind, start) in [(FileKind::Html, &b"<html>"[..]), (FileKind::Pdf, b"%PDF-1.7\n1 0 obj"), (FileKind::Docx, b"PK\x03\x04")] {
            check(kind, &bytes)?;
            check(kind, &[start, &bytes].concat())?;
        }
    }

    #[test]
    fn damaged_files_are_converted_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        doubled in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        for (kind, sample) in samples() {
            let mut changed = sample.clone();
            for (place, byte) in &changes {
                *place.get_mut(&mut changed) = *byte;
            }
            check(kind, &changed)?;
            check(kind, &sample[..cut.index(sample.len())])?;
            let (from, to) = (doubled.0.index(sample.len()), doubled.1.index(sample.len()));
            let part = sample[from.min(to)..from.max(to)].repeat(3);
            check(kind, &[&sample[..from], &part, &sample[from..]].concat())?;
        }
    }

    #[test]
    fn any_text_in_a_page_reads_as_it_stands(text in "[ -~\u{e0}-\u{ff}]{1,80}") {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
        let Ok(converted) = convert(FileKind::Html, format!("<p>{escaped}</p>").as_bytes()).expect("a page") else {
            return Ok(());
        };
        // Marks of emphasis, code and links are left as they are; anything else that markdown would take away must be there.
        if !text.contains(['*', '_', '`', '[', '~', '|', '!', '\\']) {
            let mut read = String::new();
            for event in pulldown_cmark::Parser::new(&converted.markdown) {
                if let pulldown_cmark::Event::Text(words) = event {
                    read.push_str(&words);
                }
            }
            prop_assert_eq!(read, one_line(&text));
        }
    }
}
