//! Fonts: which text the codes of a string stand for, and how wide each is.

use std::{borrow::Cow, collections::HashMap, rc::Rc};

use encoding_rs::{BIG5, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_16BE};
use lopdf::{Dictionary, Object, ObjectId};

use super::{
    cmap::ToUnicode,
    document::{PdfDocument, unpacked},
    glyph_names::{self, CodeTexts},
};

/// What all fonts together may take, in bytes of their CMaps and entries of their arrays.
const BUDGET: usize = 16 * 1024 * 1024;
/// The bytes of one CMap, unpacked.
const CMAP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The bytes of the program of one font, unpacked.
const PROGRAM_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The width of a glyph of which no font says anything, in em.
const TYPICAL_WIDTH: f32 = 0.5;

/// One glyph of a string.
#[derive(Debug)]
pub(super) struct Glyph<'a> {
    /// What it stands for; none where the font does not say.
    pub(super) text: Option<Cow<'a, str>>,
    /// How far it moves on, in em.
    pub(super) width: f32,
    /// Whether it is the code 32 of one byte, to which word spacing applies.
    pub(super) is_space: bool,
}

/// A font as far as text needs it.
#[derive(Debug)]
pub(super) struct Font {
    codes: Codes,
    widths: Widths,
    /// How high its letters are, in parts of the size that it is used in.
    pub(super) height: f32,
    pub(super) is_bold: bool,
    pub(super) is_monospaced: bool,
}

#[derive(Debug)]
enum Codes {
    /// One byte each.
    Simple(Box<CodeTexts>),
    /// Two bytes each.
    Composite(Option<ToUnicode>),
    /// As the character encoding has it.
    Named(&'static Encoding, Option<ToUnicode>),
}

/// Widths by code, in em: for each range of codes the width of all of them.
#[derive(Debug)]
struct Widths {
    ranges: Vec<(u32, u32, f32)>,
    default: f32,
}

/// The fonts of a document that have been read.
#[derive(Debug)]
pub(super) struct Fonts {
    known: HashMap<ObjectId, Rc<Font>>,
    budget: usize,
}

impl Default for Fonts {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            budget: BUDGET,
        }
    }
}

impl Fonts {
    /// The font of a name in some resources. None where there is no such font.
    pub(super) fn get(&mut self, document: &PdfDocument, resources: &Dictionary, name: &[u8]) -> Option<Rc<Font>> {
        let fonts = document.dictionary(resources, "Font")?;
        let object = fonts.get(name).ok()?;
        let id = object.as_reference().ok();
        if let Some(known) = id.and_then(|id| self.known.get(&id)) {
            return Some(Rc::clone(known));
        }
        let font = Rc::new(self.read(document, document.resolve(object).as_dict().ok()?));
        if let Some(id) = id {
            self.known.insert(id, Rc::clone(&font));
        }
        Some(font)
    }

    fn read(&mut self, document: &PdfDocument, font: &Dictionary) -> Font {
        let descendant = document
            .entry(font, "DescendantFonts")
            .and_then(|fonts| fonts.as_array().ok()?.first());
        let descendant = descendant.and_then(|font| document.resolve(font).as_dict().ok());
        let described = descendant.unwrap_or(font);
        let descriptor = document.dictionary(described, "FontDescriptor");
        let name = document
            .entry(described, "BaseFont")
            .and_then(|name| name.as_name().ok())
            .unwrap_or_default();
        let name = String::from_utf8_lossy(name).to_lowercase();
        let number = |key| descriptor.and_then(|descriptor| document.entry(descriptor, key)?.as_float().ok());
        let flags = number("Flags").unwrap_or(0.0) as i64;
        let is_named = |words: &[&str]| words.iter().any(|word| name.contains(word));
        Font {
            codes: self.codes(document, font, descendant.is_some(), &name),
            widths: match descendant {
                Some(descendant) => self.composite_widths(document, descendant),
                None => {
                    let missing = if name.contains("courier") {
                        Some(600.0)
                    } else {
                        number("MissingWidth")
                    };
                    self.simple_widths(document, font, missing)
                }
            },
            height: drawn_height(document, font).unwrap_or(1.0),
            is_bold: is_named(&["bold", "black", "heavy"]) || number("FontWeight").unwrap_or(0.0) >= 600.0,
            is_monospaced: flags & 1 == 1 || is_named(&["courier", "mono", "consol", "typewriter", "cmtt"]),
        }
    }

    fn codes(&mut self, document: &PdfDocument, font: &Dictionary, is_composite: bool, name: &str) -> Codes {
        let to_unicode = self.unicode_map(document, font);
        let encoding = document.entry(font, "Encoding");
        let encoding_name = encoding.and_then(|encoding| encoding.as_name().ok());
        if is_composite {
            let legacy = encoding_name.and_then(character_encoding);
            return match legacy {
                Some(encoding) => Codes::Named(encoding, to_unicode),
                None => Codes::Composite(to_unicode),
            };
        }
        let dictionary = encoding.and_then(|encoding| encoding.as_dict().ok());
        let base_name = dictionary.and_then(|dictionary| document.entry(dictionary, "BaseEncoding")?.as_name().ok());
        let is_true_type = document.entry(font, "Subtype").and_then(|kind| kind.as_name().ok()) == Some(b"TrueType");
        let usual: &[u8] = if is_true_type {
            b"WinAnsiEncoding"
        } else {
            b"StandardEncoding"
        };
        let mut texts = if name.contains("dingbats") || name.contains("symbol") && encoding.is_none() {
            // Their codes stand for signs of their own; what texts have of them are the marks of lists.
            std::array::from_fn(|code| (code > 32).then(|| "\u{2022}".to_owned()))
        } else {
            glyph_names::base(encoding_name.or(base_name).unwrap_or(usual))
        };
        if encoding_name.or(base_name).is_none()
            && let Some(program) = self.program(document, font)
        {
            glyph_names::apply_program(&program, &mut texts);
        }
        let differences = dictionary.and_then(|dictionary| document.entry(dictionary, "Differences")?.as_array().ok());
        if let Some(differences) = differences.filter(|differences| self.charge(differences.len())) {
            glyph_names::apply(differences, &mut texts);
        }
        if let Some(map) = to_unicode {
            for (code, text) in (0..).zip(texts.iter_mut()) {
                *text = map.text(code).or(text.take());
            }
        }
        Codes::Simple(Box::new(texts))
    }

    /// The program of a Type 1 font, if it is there.
    fn program(&mut self, document: &PdfDocument, font: &Dictionary) -> Option<Vec<u8>> {
        let descriptor = document.dictionary(font, "FontDescriptor")?;
        let stream = document.entry(descriptor, "FontFile")?.as_stream().ok()?;
        let program = unpacked(stream, PROGRAM_BYTES_MAX.min(self.budget))?;
        // Most of it is outlines, which are not kept.
        self.charge(program.len() / 16).then_some(program)
    }

    fn unicode_map(&mut self, document: &PdfDocument, font: &Dictionary) -> Option<ToUnicode> {
        let stream = document.entry(font, "ToUnicode")?.as_stream().ok()?;
        let cmap = unpacked(stream, CMAP_BYTES_MAX.min(self.budget))?;
        self.charge(cmap.len()).then(|| ToUnicode::parse(&cmap))
    }

    fn simple_widths(&mut self, document: &PdfDocument, font: &Dictionary, missing: Option<f32>) -> Widths {
        let matrix = document
            .entry(font, "FontMatrix")
            .and_then(|matrix| matrix.as_array().ok()?.first()?.as_float().ok());
        // Only fonts that draw their glyphs themselves have a matrix.
        let unit = matrix.filter(|unit| unit.is_finite()).unwrap_or(0.001);
        let first = document
            .entry(font, "FirstChar")
            .and_then(|first| first.as_i64().ok())
            .unwrap_or(0);
        let widths = document.entry(font, "Widths").and_then(|widths| widths.as_array().ok());
        let widths = widths.map_or(&[][..], |widths| &widths[..widths.len().min(256)]);
        let ranges = (0..).zip(widths).filter_map(|(number, width)| {
            let code = u32::try_from(first.checked_add(number)?).ok()?;
            Some((code, code, document.resolve(width).as_float().ok()? * unit))
        });
        Widths {
            ranges: ranges.collect(),
            default: missing
                .filter(|width| *width > 0.0)
                .map_or(TYPICAL_WIDTH, |width| width * unit),
        }
    }

    /// Reads `W`: a code with an array of widths from there on, or two codes with the width of all between them.
    fn composite_widths(&mut self, document: &PdfDocument, font: &Dictionary) -> Widths {
        let default = document
            .entry(font, "DW")
            .and_then(|width| width.as_float().ok())
            .unwrap_or(1000.0)
            / 1000.0;
        let mut ranges = Vec::new();
        let widths = document.entry(font, "W").and_then(|widths| widths.as_array().ok());
        let mut rest = widths
            .filter(|widths| self.charge(widths.len()))
            .map_or(&[][..], Vec::as_slice);
        let code = |object: &Object| u32::try_from(document.resolve(object).as_i64().ok()?).ok();
        while let [first, second, after @ ..] = rest {
            let Some(first) = code(first) else { break };
            if let Ok(list) = document.resolve(second).as_array() {
                if !self.charge(list.len()) {
                    break;
                }
                let listed = (first..).zip(list);
                ranges.extend(
                    listed.filter_map(|(code, width)| {
                        Some((code, code, document.resolve(width).as_float().ok()? / 1000.0))
                    }),
                );
                rest = after;
            } else if let (Some(last), [width, after @ ..]) = (code(second), after) {
                ranges.extend(
                    document
                        .resolve(width)
                        .as_float()
                        .ok()
                        .map(|width| (first, last, width / 1000.0)),
                );
                rest = after;
            } else {
                break;
            }
        }
        ranges.sort_by_key(|(first, ..)| *first);
        Widths { ranges, default }
    }

    /// Takes from what all fonts may take; false where it is not there any more.
    fn charge(&mut self, amount: usize) -> bool {
        match self.budget.checked_sub(amount) {
            Some(left) => {
                self.budget = left;
                true
            }
            None => false,
        }
    }
}

impl Font {
    /// The glyphs of a string, in order.
    pub(super) fn glyphs<'a>(&'a self, string: &'a [u8]) -> impl Iterator<Item = Glyph<'a>> + 'a {
        let mut rest = string;
        std::iter::from_fn(move || {
            let length = self.codes.length(rest)?;
            let (bytes, after) = rest.split_at(length);
            rest = after;
            let code = bytes.iter().fold(0, |code, byte| code << 8 | u32::from(*byte));
            Some(Glyph {
                text: self.codes.text(code, bytes),
                width: self.widths.of(code, bytes),
                is_space: bytes == b" ",
            })
        })
    }
}

impl Codes {
    /// How many bytes the first code of a string has; none at its end.
    fn length(&self, string: &[u8]) -> Option<usize> {
        let first = *string.first()?;
        let length = match self {
            Self::Simple(_) => 1,
            Self::Composite(_) => 2,
            Self::Named(encoding, _) if *encoding == UTF_16BE => 2,
            // All of them have their second byte after one with the high bit; Shift-JIS has single ones among these.
            Self::Named(encoding, _) if *encoding == SHIFT_JIS && (0xa0..0xe0).contains(&first) => 1,
            Self::Named(..) => 1 + usize::from(first >= 0x81),
        };
        Some(length.min(string.len()))
    }

    fn text(&self, code: u32, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Simple(texts) => texts.get(code as usize)?.as_deref().map(Cow::Borrowed),
            Self::Composite(map) => map.as_ref()?.text(code).map(Cow::Owned),
            Self::Named(encoding, map) => {
                let mapped = map.as_ref().and_then(|map| map.text(code));
                let decoded = || {
                    encoding
                        .decode_without_bom_handling_and_without_replacement(bytes)
                        .map(Cow::into_owned)
                };
                mapped.or_else(decoded).map(Cow::Owned)
            }
        }
    }
}

impl Widths {
    fn of(&self, code: u32, bytes: &[u8]) -> f32 {
        let after = self.ranges.partition_point(|(first, ..)| *first <= code);
        match self.ranges[..after].last() {
            Some((_, last, width)) if code <= *last => *width,
            // Without a width, a single byte among double ones is half as wide.
            _ if bytes.len() == 1 && self.default >= 1.0 => self.default / 2.0,
            _ => self.default,
        }
    }
}

/// The height of a font that draws its glyphs itself (Type 3), whose unit is whatever it says: that of the box around all of
/// them, which is about an em and a fifth.
fn drawn_height(document: &PdfDocument, font: &Dictionary) -> Option<f32> {
    let numbers = |name| document.entry(font, name)?.as_array().ok();
    let scale = numbers("FontMatrix")?.get(3)?.as_float().ok()?;
    let bounds = numbers("FontBBox")?;
    let height = bounds.get(3)?.as_float().ok()? - bounds.get(1)?.as_float().ok()?;
    Some((height * scale / 1.2).abs()).filter(|height| height.is_normal())
}

/// The character encoding behind a predefined CMap (ISO 32000-1, 9.7.5.2); none for those of glyph numbers.
fn character_encoding(cmap: &[u8]) -> Option<&'static Encoding> {
    let name = std::str::from_utf8(cmap).ok()?;
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&["UCS2", "UTF16"]) {
        Some(UTF_16BE)
    } else if has(&["RKSJ"]) {
        Some(SHIFT_JIS)
    } else if has(&["GBK", "GBpc", "GB-EUC"]) {
        Some(GBK)
    } else if has(&["B5pc", "ETen", "HKscs"]) {
        Some(BIG5)
    } else if has(&["KSC"]) {
        Some(EUC_KR)
    } else {
        None
    }
}
