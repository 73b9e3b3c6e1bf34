//! A PDF file in memory: its objects, and the pages among them.

use std::collections::BTreeSet;

use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId, ObjectStream, Stream, decode_text_string};

use super::{
    super::ConversionError,
    lexer::{Lexer, is_kind_of_use, objects_of_content},
    malformed,
    scan::{self, OBJECTS_IN_ONE_MAX, OBJECTS_MAX, Scanned},
};

/// Bytes of all object streams, unpacked.
const OBJECT_STREAM_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of all page contents, unpacked.
const CONTENT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes of the content of one page, unpacked.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Objects that the content of one page may come to; what is beyond is a drawing.
const PAGE_OBJECTS_MAX: usize = 2_000_000;
/// Objects that all contents may come to.
const CONTENT_OBJECTS_MAX: usize = 40_000_000;
/// Forms that all pages together draw. A form that draws others many times can ask for any number.
const FORMS_MAX: usize = 50_000;
/// Pages beyond these are refused.
const PAGES_MAX: usize = 20_000;
/// What a page does not say itself, a node above it does, up to so many.
const PARENTS_MAX: usize = 64;

/// An open file, and how much of it may still be unpacked.
#[derive(Debug)]
pub(super) struct PdfDocument {
    document: Document,
    info: Option<ObjectId>,
    content_bytes: usize,
    content_objects: usize,
    forms: usize,
}

impl PdfDocument {
    /// Opens a file.
    ///
    /// # Errors
    /// [`ConversionError`] where it needs a password, is too large, or no PDF file.
    pub(super) fn open(bytes: &[u8]) -> Result<Self, ConversionError> {
        let scanned = scan::scan(bytes)?;
        let options = LoadOptions {
            max_decompressed_size: Some(OBJECT_STREAM_BYTES_MAX),
            ..LoadOptions::default()
        };
        let mut document =
            Document::load_mem_with_options(&scanned.file, options).map_err(|error| malformed(error.to_string()))?;
        // A file that opens without a password has been decrypted, object by object.
        if document.trailer.has(b"Encrypt") {
            return Err(ConversionError::Encrypted);
        }
        unpack_object_streams(&mut document, &scanned)?;
        let root = scanned
            .root
            .filter(|root| is_catalog(&document, *root))
            .or_else(|| find_catalog(&document));
        let root = root.ok_or_else(|| malformed("it has no catalog, so it may have been cut off"))?;
        document.trailer.set("Root", Object::Reference(root));
        Ok(Self {
            document,
            info: scanned.info,
            content_bytes: CONTENT_BYTES_MAX,
            content_objects: CONTENT_OBJECTS_MAX,
            forms: FORMS_MAX,
        })
    }

    /// The pages in order. A page tree that leads back into itself gives its pages once.
    ///
    /// # Errors
    /// [`ConversionError::TooLarge`] where there are too many.
    pub(super) fn pages(&self) -> Result<Vec<ObjectId>, ConversionError> {
        let mut seen = BTreeSet::new();
        let mut pages: Vec<ObjectId> = self.document.page_iter().filter(|page| seen.insert(*page)).collect();
        if pages.is_empty() {
            // A tree that is damaged leads nowhere, and the pages are there.
            let all = self.document.objects.iter();
            let is_page = |object: &Object| object.as_dict().is_ok_and(|page| page.has_type(b"Page"));
            pages = all.filter(|(_, object)| is_page(object)).map(|(id, _)| *id).collect();
        }
        if pages.len() > PAGES_MAX {
            return Err(ConversionError::TooLarge(format!("more than {PAGES_MAX} pages")));
        }
        Ok(pages)
    }

    /// Whether a page is there.
    pub(super) fn has_page(&self, page: ObjectId) -> bool {
        self.document.get_dictionary(page).is_ok()
    }

    /// An entry of the dictionary in which the file says something about itself.
    pub(super) fn property(&self, name: &str) -> Option<String> {
        let info = self.document.get_dictionary(self.info?).ok()?;
        let text = decode_text_string(self.resolve(info.get(name.as_bytes()).ok()?)).ok()?;
        let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// An entry of a page, or of what is above it.
    pub(super) fn inherited(&self, page: ObjectId, name: &str) -> Option<&Object> {
        let mut node = self.document.get_dictionary(page).ok()?;
        for _ in 0..PARENTS_MAX {
            if let Ok(object) = node.get(name.as_bytes()) {
                return Some(self.resolve(object));
            }
            node = self.resolve(node.get(b"Parent").ok()?).as_dict().ok()?;
        }
        None
    }

    /// The content of a page, unpacked, its streams joined. What is damaged is left out.
    ///
    /// # Errors
    /// [`ConversionError::TooLarge`] where all contents together are too large.
    pub(super) fn page_content(&mut self, page: ObjectId) -> Result<Vec<u8>, ConversionError> {
        let streams = self.document.get_page_contents(page);
        let mut content = Vec::new();
        for id in streams {
            let Ok(stream) = self.document.get_object(id).and_then(Object::as_stream) else {
                continue;
            };
            let rest = PAGE_BYTES_MAX.saturating_sub(content.len());
            if let Some(bytes) = unpacked(stream, rest) {
                content.extend_from_slice(&bytes);
                content.push(b'\n');
            }
        }
        self.admit_content(content)
    }

    /// The content of a form, unpacked; empty where it is damaged.
    ///
    /// # Errors
    /// As [`Self::page_content`].
    pub(super) fn form_content(&mut self, form: ObjectId) -> Result<Vec<u8>, ConversionError> {
        self.forms = self.forms.checked_sub(1).ok_or_else(too_large)?;
        let stream = self.document.get_object(form).and_then(Object::as_stream).ok();
        let content = stream.and_then(|stream| unpacked(stream, PAGE_BYTES_MAX));
        self.admit_content(content.unwrap_or_default())
    }

    /// Takes what a content comes to from what all may; an empty one where it is too much for one page.
    fn admit_content(&mut self, content: Vec<u8>) -> Result<Vec<u8>, ConversionError> {
        self.content_bytes = self.content_bytes.checked_sub(content.len()).ok_or_else(too_large)?;
        if !shows_something(&content) {
            return Ok(Vec::new());
        }
        let Some(objects) = objects_of_content(&content).filter(|objects| *objects <= PAGE_OBJECTS_MAX) else {
            return Ok(Vec::new());
        };
        self.content_objects = self.content_objects.checked_sub(objects).ok_or_else(too_large)?;
        Ok(content)
    }

    /// Follows a reference; nothing where it leads nowhere.
    pub(super) fn resolve<'a>(&'a self, object: &'a Object) -> &'a Object {
        self.document
            .dereference(object)
            .map_or(&Object::Null, |(_, object)| object)
    }

    /// An entry of a dictionary, followed.
    pub(super) fn entry<'a>(&'a self, dictionary: &'a Dictionary, name: &str) -> Option<&'a Object> {
        dictionary.get(name.as_bytes()).ok().map(|object| self.resolve(object))
    }

    /// An entry of a dictionary that is a dictionary itself.
    pub(super) fn dictionary<'a>(&'a self, dictionary: &'a Dictionary, name: &str) -> Option<&'a Dictionary> {
        self.entry(dictionary, name)?.as_dict().ok()
    }

    /// The objects as the parser has them.
    pub(super) const fn objects(&self) -> &Document {
        &self.document
    }
}

/// A stream, unpacked; none where it is damaged or longer than `bytes_max`.
pub(super) fn unpacked(stream: &Stream, bytes_max: usize) -> Option<Vec<u8>> {
    stream.get_plain_content_with_limit(bytes_max).ok()
}

/// Puts the objects of object streams among the others. Of several with the same number the one that came last in the file stays.
fn unpack_object_streams(document: &mut Document, scanned: &Scanned) -> Result<(), ConversionError> {
    let mut order = scanned.order.clone();
    let (mut bytes_left, mut objects_left) = (OBJECT_STREAM_BYTES_MAX, OBJECTS_MAX - scanned.objects);
    for (id, place) in &scanned.object_streams {
        let Some(Object::Stream(stream)) = document.objects.remove(id) else {
            continue;
        };
        let Ok(content) = stream.get_plain_content_with_limit(bytes_left) else {
            // Too large, or damaged: how much of it there would be is not known, so it counts in full.
            bytes_left = bytes_left.saturating_sub(stream.content.len());
            continue;
        };
        bytes_left -= content.len();
        let Some(objects) = objects_in(&stream.dict, &content) else {
            continue;
        };
        objects_left = objects_left.checked_sub(objects).ok_or_else(scan::too_many_objects)?;
        let mut plain = stream;
        plain.set_plain_content(content);
        let Ok(unpacked) = ObjectStream::new_with_limit(&plain, None) else {
            continue;
        };
        for (id, object) in unpacked.objects {
            let kind = object.as_dict().and_then(lopdf::Dictionary::get_type);
            if !kind.map_or(true, is_kind_of_use) {
                continue;
            }
            if order.get(&id.0).is_none_or(|known| known < place) {
                order.insert(id.0, *place);
                document.objects.insert(id, object);
            }
        }
    }
    Ok(())
}

/// How many objects that text may depend on an object stream will come to. None where there are too many of all kinds, and where
/// two of its objects overlap, since each is read by itself, to whatever end it has.
fn objects_in(dictionary: &Dictionary, content: &[u8]) -> Option<usize> {
    let first = usize::try_from(dictionary.get(b"First").and_then(Object::as_i64).ok()?).ok()?;
    let header = std::str::from_utf8(content.get(..first)?).ok()?;
    let offsets = header.split_ascii_whitespace().skip(1).step_by(2);
    let mut offsets: Vec<usize> = offsets.map(|offset| offset.parse().ok()).collect::<Option<_>>()?;
    offsets.sort_unstable();
    let (mut kept, mut all, mut end) = (0, 0, 0);
    for offset in offsets {
        let start = first.checked_add(offset)?;
        if start >= content.len() {
            continue;
        }
        if start < end {
            return None;
        }
        let mut lexer = Lexer::new(content, start);
        let summary = lexer.object()?;
        all += summary.objects;
        if all > OBJECTS_IN_ONE_MAX {
            return None;
        }
        if summary.is_of_use() {
            kept += summary.objects;
        }
        end = lexer.at;
    }
    Some(kept)
}

fn too_large() -> ConversionError {
    ConversionError::TooLarge("more on its pages than is read".to_owned())
}

/// Whether a content may show text or draw a form: what only draws lines need not be looked at one by one.
fn shows_something(content: &[u8]) -> bool {
    let is_operator = |pair: &[u8]| matches!(pair, b"Tj" | b"TJ" | b"Do");
    content.contains(&b'\'') || content.contains(&b'"') || content.windows(2).any(is_operator)
}

fn is_catalog(document: &Document, id: ObjectId) -> bool {
    document.get_dictionary(id).is_ok_and(|catalog| catalog.has(b"Pages"))
}

fn find_catalog(document: &Document) -> Option<ObjectId> {
    let is_own = |id: &ObjectId| id.0 >= scan::OWN_NUMBERS;
    let is_catalog = |object: &Object| object.as_dict().is_ok_and(|catalog| catalog.has_type(b"Catalog"));
    let mut all = document.objects.iter().rev().filter(|(id, _)| !is_own(id));
    all.find(|(_, object)| is_catalog(object)).map(|(id, _)| *id)
}
