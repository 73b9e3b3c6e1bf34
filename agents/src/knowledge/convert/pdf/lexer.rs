//! The lexical structure of PDF (ISO 32000-1, 7.2), as far as it takes to know where things end and how many there are.

use lopdf::ObjectId;

/// Arrays and dictionaries nested deeper than this are refused: the parser behind calls itself for each.
const DEPTH_MAX: usize = 48;

/// A piece of the syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lexeme<'a> {
    DictionaryOpen,
    DictionaryClose,
    ArrayOpen,
    ArrayClose,
    /// A name, without its slash.
    Name(&'a [u8]),
    /// The digits of a string in hexadecimal.
    Hex(&'a [u8]),
    /// A string in parentheses.
    Literal,
    /// A number, a keyword or an operator.
    Word(&'a [u8]),
}

/// Reads lexemes one by one. Each byte is looked at once.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    /// Where it has come to.
    pub(super) at: usize,
}

/// What a dictionary says about the object that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Summary<'a> {
    pub(super) kind: Option<&'a [u8]>,
    pub(super) subtype: Option<&'a [u8]>,
    /// The length of its stream, where it is written there.
    pub(super) length: Option<usize>,
    pub(super) root: Option<ObjectId>,
    pub(super) info: Option<ObjectId>,
    /// How the file is encrypted.
    pub(super) encryption: Option<Encryption<'a>>,
    /// The array that identifies the file, as it is written: keys are made with it.
    pub(super) id: Option<&'a [u8]>,
    /// Whether it is a dictionary at all.
    pub(super) is_dictionary: bool,
    /// At most so many objects will be made of it.
    pub(super) objects: usize,
}

/// What says how a file is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption<'a> {
    /// An object of its own.
    Object(ObjectId),
    /// A dictionary, as it is written.
    Dictionary(&'a [u8]),
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next lexeme; none at the end, also in the middle of a string.
    pub(super) fn next(&mut self) -> Option<Lexeme<'a>> {
        self.skip_space();
        let read = self.bytes.get(self.at..).and_then(lexeme);
        // What does not end has been looked at up to the end.
        self.at = read.map_or(self.bytes.len(), |(_, length)| self.at + length);
        read.map(|(lexeme, _)| lexeme)
    }

    /// Reads one object, which is no reference and no stream; none where it is not well-formed.
    pub(super) fn object(&mut self) -> Option<Summary<'a>> {
        let mut summary = Summary::default();
        let mut open = [false; DEPTH_MAX];
        let mut depth = 0;
        // In the outermost dictionary: the key whose value is being read, and the numbers read for it.
        let (mut key, mut numbers): (Option<&[u8]>, [Option<u64>; 2]) = (None, [None; 2]);
        // Where a value begins that is kept as it is written, and which it is.
        let mut kept: Option<(usize, &[u8])> = None;
        loop {
            let lexeme = self.next()?;
            summary.objects += objects_of(lexeme);
            let in_outermost = depth == 1 && open[0];
            match lexeme {
                Lexeme::DictionaryOpen | Lexeme::ArrayOpen => {
                    if in_outermost && let Some(key) = key.take() {
                        let length = if lexeme == Lexeme::ArrayOpen { 1 } else { 2 };
                        kept = matches!(key, b"Encrypt" | b"ID").then_some((self.at - length, key));
                    }
                    *open.get_mut(depth)? = lexeme == Lexeme::DictionaryOpen;
                    depth += 1;
                    summary.is_dictionary |= depth == 1 && open[0];
                }
                Lexeme::DictionaryClose | Lexeme::ArrayClose => {
                    if depth == 0 || open[depth - 1] != (lexeme == Lexeme::DictionaryClose) {
                        return None;
                    }
                    depth -= 1;
                    if depth == 1
                        && let Some((start, key)) = kept.take()
                    {
                        let value = &self.bytes[start..self.at];
                        match key {
                            b"ID" => summary.id = Some(value),
                            _ => summary.encryption = Some(Encryption::Dictionary(value)),
                        }
                    }
                }
                Lexeme::Name(name) if in_outermost => match key {
                    Some(known) if numbers[0].is_none() => {
                        match known {
                            b"Type" => summary.kind = Some(name),
                            b"Subtype" => summary.subtype = Some(name),
                            _ => {}
                        }
                        key = None;
                    }
                    _ => (key, numbers) = (Some(name), [None; 2]),
                },
                Lexeme::Word(word) if in_outermost => {
                    if let Some(number) = number(word) {
                        numbers = if numbers[0].is_none() {
                            [Some(number), None]
                        } else {
                            [numbers[0], Some(number)]
                        };
                        if key == Some(b"Length") && numbers[1].is_none() {
                            summary.length = usize::try_from(number).ok();
                        }
                    } else {
                        summary.take(key, word, numbers);
                        (key, numbers) = (None, [None; 2]);
                    }
                }
                Lexeme::Name(_) | Lexeme::Hex(_) | Lexeme::Literal | Lexeme::Word(_) => {
                    if in_outermost {
                        key = None;
                    }
                }
            }
            if depth == 0 {
                return Some(summary);
            }
        }
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            if *byte == b'%' {
                let rest = &self.bytes[self.at..];
                let line = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                self.at += line.unwrap_or(rest.len());
            } else if is_space(*byte) {
                self.at += 1;
            } else {
                break;
            }
        }
    }
}

impl Summary<'_> {
    /// Whether text can depend on the object. What a document has most of is often its logical structure.
    pub(super) fn is_of_use(&self) -> bool {
        self.kind.is_none_or(is_kind_of_use)
    }

    /// Takes in the end of a reference.
    fn take(&mut self, key: Option<&[u8]>, word: &[u8], numbers: [Option<u64>; 2]) {
        let [Some(number), Some(generation)] = numbers else {
            return;
        };
        let (Ok(number), Ok(generation), b"R") = (u32::try_from(number), u16::try_from(generation), word) else {
            return;
        };
        match key {
            Some(b"Root") => self.root = Some((number, generation)),
            Some(b"Info") => self.info = Some((number, generation)),
            Some(b"Encrypt") => self.encryption = Some(Encryption::Object((number, generation))),
            Some(b"Length") => self.length = None,
            _ => {}
        }
    }
}

/// Whether text can depend on objects of a type.
pub(super) fn is_kind_of_use(kind: &[u8]) -> bool {
    !matches!(
        kind,
        b"XRef" | b"StructElem" | b"StructTreeRoot" | b"Annot" | b"Action" | b"Metadata" | b"EmbeddedFile"
    )
}

/// How many objects a content stream will be made of at most; none where it nests too deeply. The parser behind reads it
/// operation by operation, but one operation may have any number of operands.
pub(super) fn objects_of_content(content: &[u8]) -> Option<usize> {
    let mut lexer = Lexer::new(content, 0);
    let (mut objects, mut depth) = (0, 0_usize);
    // A string that does not end is where the parser behind stops as well.
    while let Some(lexeme) = lexer.next() {
        objects += objects_of(lexeme);
        match lexeme {
            Lexeme::DictionaryOpen | Lexeme::ArrayOpen => depth += 1,
            Lexeme::DictionaryClose | Lexeme::ArrayClose => depth = depth.saturating_sub(1),
            Lexeme::Name(_) | Lexeme::Hex(_) | Lexeme::Literal | Lexeme::Word(_) => {}
        }
        if depth > DEPTH_MAX {
            return None;
        }
    }
    Some(objects)
}

/// The lexeme that begins here, and how many bytes it has; none where nothing does, or where it does not end.
fn lexeme(rest: &[u8]) -> Option<(Lexeme<'_>, usize)> {
    Some(match rest {
        [b'<', b'<', ..] => (Lexeme::DictionaryOpen, 2),
        [b'>', b'>', ..] => (Lexeme::DictionaryClose, 2),
        [b'[', ..] => (Lexeme::ArrayOpen, 1),
        [b']', ..] => (Lexeme::ArrayClose, 1),
        [b'/', name @ ..] => {
            let length = regular(name);
            (Lexeme::Name(&name[..length]), length + 1)
        }
        [b'<', digits @ ..] => {
            let length = digits.iter().position(|byte| *byte == b'>')?;
            (Lexeme::Hex(&digits[..length]), length + 2)
        }
        [b'(', ..] => (Lexeme::Literal, literal(rest)?),
        [_, ..] => {
            let length = regular(rest).max(1);
            (Lexeme::Word(&rest[..length]), length)
        }
        [] => return None,
    })
}

/// How many objects a lexeme will come to in memory at most. A word is one, unless it is several that nothing parts, such as
/// `.1.2.3` or `nullnull`; a dictionary takes as much as some, however little is in it.
fn objects_of(lexeme: Lexeme<'_>) -> usize {
    const DICTIONARY: usize = 5;
    match lexeme {
        Lexeme::Word(word) => {
            let signs = word.iter().filter(|byte| matches!(byte, b'.' | b'+' | b'-')).count();
            if word.len() <= 16 && signs <= 2 {
                1
            } else {
                1 + signs + word.len() / 4
            }
        }
        Lexeme::DictionaryOpen => DICTIONARY,
        Lexeme::ArrayOpen | Lexeme::Name(_) | Lexeme::Hex(_) | Lexeme::Literal => 1,
        Lexeme::DictionaryClose | Lexeme::ArrayClose => 0,
    }
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\x0c' | b'\0')
}

/// A number without sign or fraction.
fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// How many bytes belong to a word that begins here.
fn regular(bytes: &[u8]) -> usize {
    let ends = |byte: &u8| is_space(*byte) || b"()<>[]{}/%".contains(byte);
    bytes.iter().position(ends).unwrap_or(bytes.len())
}

/// The length of a string in parentheses, with both of them; none where it does not end.
fn literal(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_says_what_it_is_and_where_it_ends() {
        let text = b"<< /Type /XRef % comment >>\n/Length 12 /Root 3 0 R/Info 4 0 R /A [ (a\\)(b)) <00> << /Type /B >> ] /Encrypt 9 0 R >> rest";
        let mut lexer = Lexer::new(text, 0);
        let summary = lexer.object().unwrap();
        assert_eq!(summary.kind, Some(&b"XRef"[..]));
        assert_eq!(
            (summary.root, summary.info, summary.length),
            (Some((3, 0)), Some((4, 0)), Some(12))
        );
        assert_eq!(summary.encryption, Some(Encryption::Object((9, 0))));
        assert!(summary.is_dictionary);
        let trailer = b"<< /ID [<00> (a)] /Encrypt << /V [ 1 ] >> >>";
        let summary = Lexer::new(trailer, 0).object().unwrap();
        assert_eq!(
            (summary.id, summary.encryption),
            (
                Some(&b"[<00> (a)]"[..]),
                Some(Encryption::Dictionary(b"<< /V [ 1 ] >>"))
            )
        );
        assert_eq!(&text[lexer.at..], b" rest");
        assert_eq!(
            Lexer::new(b"<< /Length 5 0 R /Subtype /Image >>", 0)
                .object()
                .unwrap()
                .length,
            None
        );
    }

    #[test]
    fn what_is_not_well_formed_is_no_object() {
        for text in ["<< /A [ >> ]", "(open", "<41", "]", "[ 1 2", &"[".repeat(100)] {
            assert_eq!(Lexer::new(text.as_bytes(), 0).object(), None, "{text}");
        }
    }

    #[test]
    fn objects_that_nothing_parts_are_counted() {
        assert!(Lexer::new(&b".1".repeat(1_000), 0).object().unwrap().objects >= 1_000);
        assert!(Lexer::new(&b"null".repeat(1_000), 0).object().unwrap().objects >= 1_000);
        assert_eq!(objects_of_content(b"BT (a) Tj [(b) -20.5 (c)] TJ ET"), Some(9));
        assert_eq!(objects_of_content(&b"[".repeat(100)), None);
    }
}
