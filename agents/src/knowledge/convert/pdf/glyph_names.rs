//! Which characters the codes of a font with one byte a code stand for, as far as its encoding says.

use lopdf::{Dictionary, Document, Encoding, Object};

use super::lexer::{Lexeme, Lexer};

/// The text of each code.
pub(super) type CodeTexts = [Option<String>; 256];

/// The texts of a base encoding (ISO 32000-1, annex D); those of another name are those of `StandardEncoding`.
pub(super) fn base(name: &[u8]) -> CodeTexts {
    let mut font = Dictionary::new();
    font.set("Type", Object::Name(b"Font".to_vec()));
    let known: [&[u8]; 4] = [
        b"WinAnsiEncoding",
        b"MacRomanEncoding",
        b"MacExpertEncoding",
        b"StandardEncoding",
    ];
    let name = if known.contains(&name) {
        name
    } else {
        b"StandardEncoding"
    };
    font.set("Encoding", Object::Name(name.to_vec()));
    let nothing = Document::new();
    let encoding = font.get_font_encoding(&nothing).ok();
    std::array::from_fn(|code| text(encoding.as_ref()?, u8::try_from(code).ok()?))
}

/// Overwrites what `Differences` names: codes, each followed by the names of the glyphs from there on.
pub(super) fn apply(differences: &[Object], texts: &mut CodeTexts) {
    let mut code = 0;
    for object in differences {
        if let Ok(number) = object.as_i64() {
            code = usize::try_from(number).unwrap_or(texts.len());
        } else if let Ok(name) = object.as_name() {
            if let Some(slot) = texts.get_mut(code) {
                *slot = of_name(name);
            }
            code = code.saturating_add(1);
        }
    }
}

/// Overwrites what the program of a Type 1 font says itself: `dup 12 /fi put`, in the part of it that is plain text. Fonts of TeX
/// often have no other encoding.
pub(super) fn apply_program(program: &[u8], texts: &mut CodeTexts) {
    /// The plain part is no longer than this, in bytes.
    const PLAIN_BYTES_MAX: usize = 64 * 1024;
    let plain = &program[..program.len().min(PLAIN_BYTES_MAX)];
    let end = plain
        .windows(5)
        .position(|window| window == b"eexec")
        .unwrap_or(plain.len());
    let mut lexer = Lexer::new(&plain[..end], 0);
    let mut code = None;
    while let Some(lexeme) = lexer.next() {
        match (lexeme, code) {
            (Lexeme::Word(word), _) => {
                let word = std::str::from_utf8(word).ok();
                code = word.and_then(|word| word.parse::<usize>().ok());
            }
            (Lexeme::Name(name), Some(at)) => {
                if let (Some(slot), Some(text)) = (texts.get_mut(at), of_name(name)) {
                    *slot = Some(text);
                }
                code = None;
            }
            _ => code = None,
        }
    }
}

/// The text of a glyph by its name (Adobe Glyph List Specification): what stands before the first dot, each part between
/// underscores by itself.
fn of_name(name: &[u8]) -> Option<String> {
    /// Longer names are none of the list's.
    const NAME_BYTES_MAX: usize = 64;
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|name| name.len() <= NAME_BYTES_MAX)?;
    let name = name.split('.').next().filter(|name| !name.is_empty())?;
    let parts: Option<String> = name.split('_').map(of_part).collect();
    parts.filter(|text| !text.is_empty())
}

fn of_part(name: &str) -> Option<String> {
    let hex = |digits: &str| char::from_u32(u32::from_str_radix(digits, 16).ok()?).map(String::from);
    if let Some(digits) = name.strip_prefix("uni").filter(|digits| digits.len() == 4)
        && let Some(text) = hex(digits)
    {
        return Some(text);
    }
    if let Some(digits) = name.strip_prefix('u').filter(|digits| (4..=6).contains(&digits.len()))
        && let Some(text) = hex(digits)
    {
        return Some(text);
    }
    // Ligatures that the list has under names without underscores.
    match name {
        "ff" | "ffi" | "ffl" | "fi" | "fl" => return Some(name.to_owned()),
        _ => {}
    }
    // The parser has the list, and gives it out through an encoding that has just this glyph. Numbered glyphs are in no list.
    if name.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut encoding = Dictionary::new();
    encoding.set(
        "Differences",
        vec![Object::Integer(0), Object::Name(name.as_bytes().to_vec())],
    );
    let mut font = Dictionary::new();
    font.set("Type", Object::Name(b"Font".to_vec()));
    font.set("Encoding", Object::Dictionary(encoding));
    let nothing = Document::new();
    text(&font.get_font_encoding(&nothing).ok()?, 0)
}

fn text(encoding: &Encoding<'_>, code: u8) -> Option<String> {
    encoding
        .bytes_to_string(&[code])
        .ok()
        .filter(|text| !text.is_empty() && *text != "\0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_characters() {
        for (name, text) in [
            ("eacute", Some("\u{e9}")),
            ("uni20AC", Some("\u{20ac}")),
            ("u1F600", Some("\u{1f600}")),
            ("f_f_i", Some("ffi")),
            ("a.sc", Some("a")),
            ("bullet", Some("\u{2022}")),
            ("g23", None),
            ("nosuchglyph", None),
            (".notdef", None),
        ] {
            assert_eq!(of_name(name.as_bytes()).as_deref(), text, "{name}");
        }
        let mut texts = base(b"WinAnsiEncoding");
        assert_eq!(texts[0x80].as_deref(), Some("\u{20ac}"));
        apply(
            &[
                Object::Integer(65),
                Object::Name(b"B".to_vec()),
                Object::Name(b"germandbls".to_vec()),
            ],
            &mut texts,
        );
        assert_eq!(
            (texts[65].as_deref(), texts[66].as_deref()),
            (Some("B"), Some("\u{df}"))
        );
    }
}
