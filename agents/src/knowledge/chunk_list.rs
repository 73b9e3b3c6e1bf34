//! The chunks of a document as they are kept beside it: their headings, and where in the document each stands.
//!
//! As bytes: `OCL1`, the chunks as JSON, and at last the SHA-256 of both and of the document's title and text. So chunks of another
//! text, or of a damaged one, cannot be read.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::chunk::Section;

const MAGIC: &[u8; 4] = b"OCL1";
const CHECKSUM_BYTES: usize = 32;
/// A chunk is looked for so far behind the end of the one before, in bytes.
const LOOK_AHEAD_BYTES: usize = 32 * 1024;

#[derive(Serialize, Deserialize)]
struct Row {
    headings: Vec<String>,
    /// Where it begins in the document's text, and how long it is, in bytes; none where it does not stand there letter by letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<(usize, usize)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// The chunks of a document as bytes.
pub(super) fn to_bytes(title: &str, content: &str, sections: &[Section]) -> Vec<u8> {
    let mut from = 0;
    let rows: Vec<Row> = sections
        .iter()
        .map(|section| {
            let place = find(content, from, &section.text);
            from = place.map_or(from, |(start, length)| start + length);
            Row {
                headings: section.headings.clone(),
                place,
                text: place.is_none().then_some(section.text.clone()),
            }
        })
        .collect();
    let mut bytes = MAGIC.to_vec();
    serde_json::to_writer(&mut bytes, &rows).expect("texts and numbers have a JSON form, and memory takes it");
    bytes.extend(checksum(title, content, &bytes));
    bytes
}

/// Reads what [`to_bytes`] gave for this title and text; none where anything of them is not as it was.
pub(super) fn from_bytes(title: &str, content: &str, bytes: &[u8]) -> Option<Vec<Section>> {
    let (list, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    if checksum(title, content, list) != *sum {
        return None;
    }
    let rows: Vec<Row> = serde_json::from_slice(list.strip_prefix(MAGIC)?).ok()?;
    let section = |row: Row| {
        let text = match row.place {
            Some((start, length)) => content.get(start..start.checked_add(length)?)?.to_owned(),
            None => row.text?,
        };
        Some(Section {
            headings: row.headings,
            text,
        })
    };
    rows.into_iter().map(section).collect()
}

fn find(content: &str, from: usize, text: &str) -> Option<(usize, usize)> {
    let to = content.floor_char_boundary((from + text.len() + LOOK_AHEAD_BYTES).min(content.len()));
    let at = content.get(from..to)?.find(text)?;
    Some((from + at, text.len()))
}

fn checksum(title: &str, content: &str, list: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    for part in [title.as_bytes(), content.as_bytes(), list] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::knowledge::{
        chunk::{Format, sections},
        index_parts::CHUNKER,
        source::hex,
    };

    /// Headings, a link to another document, and a table, a list and code that are each too long for one chunk.
    fn document() -> String {
        let rows: String = (0..200)
            .map(|row| format!("| {row} | {} |\n", "value ".repeat(4).trim()))
            .collect();
        let items: String = (0..80).map(|item| format!("- item {item} of a list\n")).collect();
        let code: String = (0..150).map(|line| format!("call({line}, \"argument\")\n")).collect();
        format!(
            "# Title\n\nSee [the guide](guide.md), é.\n\n## Tables\n\nThese are all:\n\n| a | b |\n| --- | --- |\n{rows}\n\
             ## Lists\n\n{items}\n### Code\n\n```python\n{code}```\n\n## Text\n\n{}\n\n## Tables\n\nAgain.\n",
            "A sentence of some words. ".repeat(150)
        )
    }

    #[test]
    fn a_document_is_cut_as_the_version_of_the_chunker_says() {
        let mut hash = Sha256::new();
        for format in [Format::Markdown, Format::Plain] {
            for section in sections(format, "Title", &document()) {
                hash.update(format!("{:?}\n{}\n", section.headings, section.text));
            }
        }
        assert_eq!(
            (CHUNKER, hex(&hash.finalize()[..8]).as_str()),
            ("chunks@1", "7fee72dce7e5e9b3"),
            "documents are cut differently: CHUNKER has to say so, or nodes go on with the chunks of before"
        );
    }

    #[test]
    fn chunks_come_back_as_they_were_cut_whether_they_stand_in_the_text_or_not() {
        let document = document();
        for format in [Format::Markdown, Format::Plain] {
            let cut = sections(format, "Title", &document);
            let bytes = to_bytes("Title", &document, &cut);
            assert_eq!(from_bytes("Title", &document, &bytes), Some(cut), "{format:?}");
        }
        let verbatim = to_bytes("Title", &document, &sections(Format::Markdown, "Title", &document));
        assert!(
            verbatim.len() < document.len(),
            "{} of {}",
            verbatim.len(),
            document.len()
        );
        assert_eq!(from_bytes("T", "", &to_bytes("T", "", &[])), Some(Vec::new()));
    }

    #[test]
    fn chunks_of_another_text_cannot_be_read() {
        let cut = sections(Format::Markdown, "T", "# T\n\none\n\n## B\n\ntwo");
        let bytes = to_bytes("T", "# T\n\none\n\n## B\n\ntwo", &cut);
        assert!(from_bytes("T", "# T\n\none\n\n## B\n\ntwo", &bytes).is_some());
        assert_eq!(from_bytes("T", "# T\n\none\n\n## B\n\ntow", &bytes), None);
        assert_eq!(from_bytes("U", "# T\n\none\n\n## B\n\ntwo", &bytes), None);
    }

    proptest! {
        #[test]
        fn any_document_gives_its_chunks_back(text in "[ a-c#\n|`é.:-]{0,300}") {
            for format in [Format::Markdown, Format::Plain] {
                let cut = sections(format, "T", &text);
                prop_assert_eq!(from_bytes("T", &text, &to_bytes("T", &text, &cut)), Some(cut));
            }
        }

        #[test]
        fn damaged_bytes_are_nothing(at in 0_usize..1_000, bit in 0..8_u32, cut in 0_usize..1_000) {
            let text = "# T\n\none\n\n## B\n\ntwo";
            let mut bytes = to_bytes("T", text, &sections(Format::Markdown, "T", text));
            let (at, cut) = (at % bytes.len(), cut % bytes.len());
            prop_assert_eq!(from_bytes("T", text, &bytes[..cut]), None);
            bytes[at] ^= 1_u8 << bit;
            prop_assert_eq!(from_bytes("T", text, &bytes), None);
        }
    }
}
