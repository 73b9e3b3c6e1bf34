//! Text within a limit.

/// The text, or as much of its beginning as `bytes_max` has room for beside a note that says how long it was. `bytes_max` is to have room
/// for the note, some 60 bytes.
pub(crate) fn within(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    let note = format!("\n[cut off: the whole had {} bytes]", text.len());
    let mut beginning = beginning(&text, bytes_max.saturating_sub(note.len())).to_owned();
    beginning += &note;
    beginning
}

/// At most `bytes_max` bytes of the beginning, in whole characters.
pub(crate) fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_says_so() {
        assert_eq!(within("short".into(), 100), "short");
        let cut = within("ä".repeat(1000), 101);
        assert!(cut.len() <= 101 && cut.starts_with("ää"), "{cut}");
        assert!(cut.ends_with("[cut off: the whole had 2000 bytes]"), "{cut}");
    }
}
