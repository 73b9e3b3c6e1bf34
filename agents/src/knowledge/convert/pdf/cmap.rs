//! Which characters the codes of a font stand for: ToUnicode CMaps (ISO 32000-1, 9.10.3).

use super::lexer::{Lexeme, Lexer};

/// Entries beyond these are dropped: a font has at most 65,536 codes.
const ENTRIES_MAX: usize = 65_536;
/// A code stands for at most so many UTF-16 units.
const TARGET_UNITS_MAX: usize = 16;

/// A map from codes to text. Ranges stay ranges, however many codes they cover.
#[derive(Debug, Default)]
pub(super) struct ToUnicode {
    /// Sorted by their first codes.
    entries: Vec<Entry>,
}

/// Codes from `first` to `last`; the first stands for `target`, each further one for a character more.
#[derive(Debug)]
struct Entry {
    first: u32,
    last: u32,
    target: Vec<u16>,
}

impl ToUnicode {
    /// Reads a CMap; what is malformed in it is left out.
    pub(super) fn parse(cmap: &[u8]) -> Self {
        let mut entries = Vec::new();
        let mut lexer = Lexer::new(cmap, 0);
        // The codes of the present section that have not found their target, and how many an entry of it has.
        let (mut codes, mut wanted): (Vec<u32>, usize) = (Vec::new(), 0);
        let mut next_in_array: Option<u32> = None;
        while let Some(lexeme) = lexer.next() {
            match lexeme {
                Lexeme::Word(word) => {
                    wanted = match word {
                        b"beginbfchar" => 1,
                        b"beginbfrange" => 2,
                        _ => 0,
                    };
                    codes.clear();
                }
                Lexeme::ArrayOpen => next_in_array = codes.first().copied().filter(|_| codes.len() == 2),
                Lexeme::ArrayClose => {
                    next_in_array = None;
                    codes.clear();
                }
                Lexeme::Hex(digits) if wanted > 0 => {
                    if let Some(code) = &mut next_in_array {
                        entries.extend(entry(*code, *code, digits));
                        *code = code.saturating_add(1);
                    } else if codes.len() < wanted {
                        codes.extend(code(digits));
                    } else {
                        entries.extend(entry(codes[0], codes[wanted - 1], digits));
                        codes.clear();
                    }
                }
                Lexeme::DictionaryOpen
                | Lexeme::DictionaryClose
                | Lexeme::Name(_)
                | Lexeme::Literal
                | Lexeme::Hex(_) => {}
            }
            if entries.len() >= ENTRIES_MAX {
                break;
            }
        }
        entries.sort_by_key(|entry: &Entry| entry.first);
        Self { entries }
    }

    /// What a code stands for; none where the map does not say.
    pub(super) fn text(&self, code: u32) -> Option<String> {
        let after = self.entries.partition_point(|entry| entry.first <= code);
        let entry = self.entries[..after].last().filter(|entry| code <= entry.last)?;
        let mut units = entry.target.clone();
        let last = units.last_mut()?;
        // Only the last unit is counted up, as the standard has it.
        *last = last.wrapping_add(u16::try_from(code - entry.first).ok()?);
        let text: String = char::decode_utf16(units)
            .filter_map(Result::ok)
            .filter(|c| *c != '\0')
            .collect();
        (!text.is_empty()).then_some(text)
    }
}

fn entry(first: u32, last: u32, digits: &[u8]) -> Option<Entry> {
    let bytes = bytes(digits);
    let target: Vec<u16> = match bytes.as_slice() {
        [byte] => vec![u16::from(*byte)],
        bytes => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| u16::from_be_bytes(*pair))
            .collect(),
    };
    (first <= last && (1..=TARGET_UNITS_MAX).contains(&target.len())).then_some(Entry { first, last, target })
}

fn code(digits: &[u8]) -> Option<u32> {
    let bytes = bytes(digits);
    (bytes.len() <= 4).then(|| bytes.iter().fold(0, |code, byte| code << 8 | u32::from(*byte)))
}

fn bytes(digits: &[u8]) -> Vec<u8> {
    let values: Vec<u8> = digits
        .iter()
        .take(4 * TARGET_UNITS_MAX + 2)
        .filter_map(|digit| u8::try_from(char::from(*digit).to_digit(16)?).ok())
        .collect();
    values
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_ranges_are_read() {
        let map = ToUnicode::parse(
            b"1 begincodespacerange <0000> <FFFF> endcodespacerange\n2 beginbfchar <0003> <0020> <0010> <00660069>\nendbfchar\n\
              2 beginbfrange <0020> <0022> <0041> <0030><0031> [<0061> <D83DDE00>] endbfrange",
        );
        for (code, text) in [
            (3, Some(" ")),
            (0x10, Some("fi")),
            (0x21, Some("B")),
            (0x23, None),
            (0x30, Some("a")),
            (0x31, Some("\u{1f600}")),
            (0x32, None),
        ] {
            assert_eq!(map.text(code).as_deref(), text, "{code:x}");
        }
    }

    #[test]
    fn a_range_over_everything_costs_nothing() {
        let map = ToUnicode::parse(&b"9 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange\n".repeat(1_000));
        assert_eq!(map.text(1).as_deref(), Some("B"));
        assert_eq!(map.text(0xffff_ffff), None);
    }
}
