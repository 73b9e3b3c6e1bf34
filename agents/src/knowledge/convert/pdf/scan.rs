//! Finds the objects of a file by looking through it once, and writes them anew with a cross-reference table of our own.
//!
//! A file's own table may be damaged, and may be hostile: a million entries that lead to the same large object, or objects that
//! overlap, have a parser that follows it read the file a million times. What is written here has each object once, apart from
//! the others, and known to end; so whatever reads it takes time in proportion to its length. Of several objects with the
//! same number the last one counts, as it does where a file has been changed by adding to its end.

use std::collections::BTreeMap;

use lopdf::ObjectId;

use super::{
    super::ConversionError,
    lexer::{Encryption, Lexer, Summary, is_space},
    malformed,
};

/// What the objects of a file that text may depend on may come to in memory: an object takes 120 bytes, a file may write it in
/// two.
pub(super) const OBJECTS_MAX: usize = 4_000_000;
/// An object, or an object stream, that comes to more than this is left out: one long array would be copied as it grows.
pub(super) const OBJECTS_IN_ONE_MAX: usize = 1_000_000;
/// Numbers of objects above this are not used by any writer; ours begin here.
pub(super) const OWN_NUMBERS: u32 = 10_000_000;
/// Where objects do not end, the search goes on inside of them. It stops after so many times the length of the file.
const REREADING_MAX: usize = 8;

/// A file written anew.
#[derive(Debug)]
pub(super) struct Scanned {
    /// A whole PDF file. Its catalog is an empty one; see `root`.
    pub(super) file: Vec<u8>,
    /// Where each numbered object stands among all, by its number.
    pub(super) order: BTreeMap<u32, usize>,
    /// Object streams, under numbers of our own, with their places among all objects.
    pub(super) object_streams: Vec<(ObjectId, usize)>,
    /// The catalog, if the file names one.
    pub(super) root: Option<ObjectId>,
    /// What the file says about itself.
    pub(super) info: Option<ObjectId>,
    /// Objects that will be made of it at most.
    pub(super) objects: usize,
}

/// What the trailers of a file say, the last one first.
#[derive(Debug, Default)]
struct Trailer<'a> {
    root: Option<ObjectId>,
    info: Option<ObjectId>,
    encryption: Option<Encryption<'a>>,
    id: Option<&'a [u8]>,
}

impl<'a> Trailer<'a> {
    fn take(&mut self, summary: &Summary<'a>) {
        self.root = summary.root.or(self.root);
        self.info = summary.info.or(self.info);
        self.encryption = summary.encryption.or(self.encryption);
        self.id = summary.id.or(self.id);
    }
}

/// An object in the file.
#[derive(Debug)]
struct Found<'a> {
    id: ObjectId,
    /// The object without its stream.
    body: &'a [u8],
    stream: Option<&'a [u8]>,
    is_object_stream: bool,
    objects: usize,
}

/// Scans a file.
///
/// # Errors
/// [`ConversionError`] where it has too many objects, or none.
pub(super) fn scan(bytes: &[u8]) -> Result<Scanned, ConversionError> {
    let mut found: Vec<Found<'_>> = Vec::new();
    let (mut trailer, mut objects) = (Trailer::default(), 0);
    let (mut at, mut reread) = (0, 0);
    while let Some(keyword) = next_keyword(bytes, at) {
        at = keyword.end;
        let mut lexer = Lexer::new(bytes, keyword.end);
        let Some(summary) = lexer.object() else {
            reread += lexer.at - keyword.end;
            if reread > REREADING_MAX * bytes.len() {
                break;
            }
            continue;
        };
        if keyword.id.is_none() || summary.kind == Some(b"XRef") {
            trailer.take(&summary);
        }
        let body = &bytes[keyword.end..lexer.at];
        let stream = if summary.is_dictionary {
            stream(bytes, &lexer, summary.length)
        } else {
            None
        };
        at = stream.as_ref().map_or(lexer.at, |stream| stream.end);
        let Some(id) = keyword.id.filter(|_| is_of_use(&summary, stream.is_some())) else {
            continue;
        };
        objects += summary.objects;
        if objects > OBJECTS_MAX {
            return Err(too_many_objects());
        }
        found.push(Found {
            id,
            body,
            stream: stream.map(|stream| &bytes[stream]),
            is_object_stream: summary.kind == Some(b"ObjStm"),
            objects: summary.objects,
        });
    }
    if found.is_empty() {
        return Err(malformed("no object of a PDF file is in it"));
    }
    Ok(write(&found, &trailer))
}

pub(super) fn too_many_objects() -> ConversionError {
    ConversionError::TooLarge(format!("more than {OBJECTS_MAX} objects"))
}

/// Pictures and compact fonts are not read, nor what no text depends on, nor what no document needs to be so large.
fn is_of_use(summary: &Summary<'_>, has_stream: bool) -> bool {
    let is_picture_or_font = matches!(
        summary.subtype,
        Some(b"Image" | b"Type1C" | b"CIDFontType0C" | b"OpenType")
    );
    summary.is_of_use() && !(has_stream && is_picture_or_font) && summary.objects <= OBJECTS_IN_ONE_MAX
}

/// The word `obj`, with what stands in front of it, or the word `trailer`, which has no number.
struct Keyword {
    id: Option<ObjectId>,
    end: usize,
}

fn next_keyword(bytes: &[u8], mut at: usize) -> Option<Keyword> {
    const TRAILER: &[u8] = b"trailer";
    loop {
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'o' | b't'))?;
        let rest = &bytes[at..];
        if rest.starts_with(TRAILER) {
            return Some(Keyword {
                id: None,
                end: at + TRAILER.len(),
            });
        }
        if rest.starts_with(b"obj")
            && let Some(id) = id_before(&bytes[..at])
        {
            return Some(Keyword {
                id: Some(id),
                end: at + 3,
            });
        }
        at += 1;
    }
}

/// The two numbers at the end, if they are there.
fn id_before(bytes: &[u8]) -> Option<ObjectId> {
    let (bytes, generation) = number_before(bytes, 5)?;
    let is_parted = bytes.last().is_some_and(|byte| is_space(*byte));
    let (_, number) = number_before(bytes, 10).filter(|_| is_parted)?;
    let id = (u32::try_from(number).ok()?, u16::try_from(generation).ok()?);
    (id.0 > 0 && id.0 < OWN_NUMBERS).then_some(id)
}

fn number_before(bytes: &[u8], digits_max: usize) -> Option<(&[u8], u64)> {
    /// White space between the parts of an id: writers put one.
    const SPACE_MAX: usize = 16;
    let space = bytes
        .iter()
        .rev()
        .take(SPACE_MAX)
        .take_while(|byte| is_space(**byte))
        .count();
    let bytes = &bytes[..bytes.len() - space];
    let digits = bytes
        .iter()
        .rev()
        .take(digits_max)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (before, digits) = bytes.split_at(bytes.len() - digits);
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((before, number))
}

/// Where the data of the stream lies that follows a dictionary, if one does. It ends where its length says, or at the next word
/// that says so, or at the end of a file that was cut off.
fn stream(bytes: &[u8], after: &Lexer<'_>, length: Option<usize>) -> Option<std::ops::Range<usize>> {
    const END: &[u8] = b"endstream";
    let mut lexer = after.clone();
    lexer.skip_space();
    let rest = bytes.get(lexer.at..)?.strip_prefix(b"stream")?;
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let data = match &rest[blanks..] {
        [b'\r', b'\n', data @ ..] | [b'\n' | b'\r', data @ ..] => data,
        _ => rest,
    };
    let start = bytes.len() - data.len();
    if let Some(length) = length
        && let Some(after) = data.get(length..)
    {
        let line_end = after
            .iter()
            .take(2)
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        if after[line_end..].starts_with(END) {
            return Some(start..start + length);
        }
    }
    let mut at = 0;
    let end = loop {
        let Some(found) = data[at..].iter().position(|byte| *byte == b'e') else {
            break data.len();
        };
        at += found;
        if data[at..].starts_with(END) {
            break at;
        }
        at += 1;
    };
    let data = &data[..end];
    let data = data.strip_suffix(b"\n").unwrap_or(data);
    let data = data.strip_suffix(b"\r").unwrap_or(data);
    Some(start..start + data.len())
}

fn write(found: &[Found<'_>], trailer: &Trailer<'_>) -> Scanned {
    let mut scanned = Scanned {
        file: b"%PDF-1.7\n".to_vec(),
        order: BTreeMap::new(),
        object_streams: Vec::new(),
        root: trailer.root,
        info: trailer.info,
        objects: 0,
    };
    let mut last = BTreeMap::new();
    for (place, object) in found.iter().enumerate() {
        if !object.is_object_stream || trailer.encryption.is_some() {
            last.insert(object.id.0, place);
        }
    }
    let mut offsets = Vec::new();
    let mut numbers = OWN_NUMBERS..;
    let mut own_number = || numbers.next().unwrap_or(u32::MAX);
    for (place, object) in found.iter().enumerate() {
        // Object streams keep a place of their own: a later one may hold newer objects than an earlier one of the same number. Not
        // where they are encrypted: their keys are made with their numbers.
        let id = if object.is_object_stream && trailer.encryption.is_none() {
            (own_number(), 0)
        } else if last.get(&object.id.0) == Some(&place) {
            object.id
        } else {
            continue;
        };
        if object.is_object_stream {
            scanned.object_streams.push((id, place));
        }
        scanned.objects += object.objects;
        offsets.push((id, scanned.file.len()));
        object.write(id, &mut scanned.file);
    }
    scanned.order = last;
    // An empty catalog: where there is none, or it has no pages, the parser would take the file for damaged and look through it
    // once more. The true one may be in an object stream, which is unpacked later.
    let (catalog, pages) = (own_number(), own_number());
    for (id, text) in [
        ((catalog, 0), format!("<</Type/Catalog/Pages {pages} 0 R>>")),
        ((pages, 0), "<</Type/Pages/Kids[]/Count 0>>".to_owned()),
    ] {
        offsets.push((id, scanned.file.len()));
        scanned
            .file
            .extend(format!("{} {} obj\n{text}\nendobj\n", id.0, id.1).into_bytes());
    }
    // The parser looks for it in an object of its own only.
    let encryption = trailer.encryption.map(|encryption| match encryption {
        Encryption::Object(id) => id,
        Encryption::Dictionary(dictionary) => {
            let id = (own_number(), 0);
            offsets.push((id, scanned.file.len()));
            scanned.file.extend(format!("{} 0 obj\n", id.0).into_bytes());
            scanned.file.extend_from_slice(dictionary);
            scanned.file.extend_from_slice(b"\nendobj\n");
            id
        }
    });
    let start = scanned.file.len();
    let mut table = String::from("xref\n");
    for ((number, generation), offset) in offsets {
        table.push_str(&format!("{number} 1\n{offset:010} {generation:05} n \n"));
    }
    let size = own_number();
    table.push_str(&format!("trailer\n<</Size {size}/Root {catalog} 0 R"));
    scanned.file.extend(table.into_bytes());
    if let Some((number, generation)) = encryption {
        scanned
            .file
            .extend(format!("/Encrypt {number} {generation} R").into_bytes());
        scanned.file.extend_from_slice(b"/ID ");
        scanned.file.extend_from_slice(trailer.id.unwrap_or(b"[()()]"));
    }
    scanned
        .file
        .extend(format!(">>\nstartxref\n{start}\n%%EOF\n").into_bytes());
    scanned
}

impl Found<'_> {
    fn write(&self, id: ObjectId, file: &mut Vec<u8>) {
        file.extend(format!("{} {} obj\n", id.0, id.1).into_bytes());
        match self.stream {
            None => file.extend_from_slice(self.body),
            Some(data) => {
                // The last of two entries of the same name counts: the length is the one that was found, and an object stream
                // is no longer one for the parser, which would unpack it without a bound on all of them together.
                let body = self.body.trim_ascii_end();
                file.extend_from_slice(body.strip_suffix(b">>").unwrap_or(body));
                if self.is_object_stream {
                    file.extend_from_slice(b"/Type/Packed");
                }
                file.extend(format!("/Length {}>>\nstream\n", data.len()).into_bytes());
                file.extend_from_slice(data);
                file.extend_from_slice(b"\nendstream");
            }
        }
        file.extend_from_slice(b"\nendobj\n");
    }
}
