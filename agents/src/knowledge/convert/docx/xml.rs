//! The parts of a document as a stream of elements and texts.

use std::borrow::Cow;

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

use super::{super::ConversionError, malformed};

/// Elements nested deeper than this are refused: word processors stay far below.
const DEPTH_MAX: usize = 256;

/// What comes next in a part. Names are without their prefixes: one name never means two things in what is read here.
#[derive(Debug)]
pub(super) enum Token<'a> {
    Open(Element<'a>),
    Close(String),
    Text(Cow<'a, str>),
}

/// The start of an element.
#[derive(Debug)]
pub(super) struct Element<'a>(BytesStart<'a>);

impl Element<'_> {
    pub(super) fn name(&self) -> &str {
        let name = self.0.name().0;
        name.rsplit_once(':').map_or(name, |(_, name)| name)
    }

    /// An attribute by its name without prefix; none where it is missing or malformed.
    pub(super) fn attribute(&self, wanted: &str) -> Option<String> {
        let mut attributes = self.0.attributes();
        let mut named = attributes
            .with_checks(false)
            .flatten()
            .filter(|attribute| attribute.key.local_name().as_ref() == wanted);
        let value = named.next()?.normalized_value(XmlVersion::Implicit1_0).ok()?;
        Some(value.into_owned())
    }

    /// The attribute `val`, by which most elements say what they are.
    pub(super) fn value(&self) -> Option<String> {
        self.attribute("val")
    }

    /// Whether a property is on: it is where it stands without a value.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.value().as_deref(), Some("0" | "false" | "off" | "none"))
    }
}

/// Reads a part. Memory does not grow with its length, nor time beyond it; entities are the five of XML and no others, since
/// document types are refused.
#[derive(Debug)]
pub(super) struct Xml<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
}

impl<'a> Xml<'a> {
    pub(super) fn new(part: &'a str) -> Self {
        let mut reader = Reader::from_str(part);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, depth: 0 }
    }

    /// What comes next; none at the end.
    ///
    /// # Errors
    /// [`ConversionError`] where the part is not well-formed or nests too deeply.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, ConversionError> {
        loop {
            let event = self.reader.read_event().map_err(|error| malformed(error.to_string()))?;
            return Ok(Some(match event {
                Event::Start(start) | Event::Empty(start) => {
                    self.depth += 1;
                    if self.depth > DEPTH_MAX {
                        return Err(ConversionError::TooLarge(format!(
                            "elements nested deeper than {DEPTH_MAX}"
                        )));
                    }
                    Token::Open(Element(start))
                }
                Event::End(end) => {
                    self.depth = self.depth.saturating_sub(1);
                    Token::Close(end.local_name().as_ref().to_owned())
                }
                Event::Text(text) => Token::Text(text.xml10_content()),
                Event::CData(text) => Token::Text(text.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(c)) => Token::Text(c.to_string().into()),
                    Ok(None) => match resolve_predefined_entity(&reference) {
                        Some(text) => Token::Text(text.into()),
                        None => continue,
                    },
                    Err(_) => continue,
                },
                Event::DocType(_) => return Err(malformed("it declares a document type")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                Event::Eof if self.depth > 0 => return Err(malformed("a part of it ends too early")),
                Event::Eof => return Ok(None),
            }));
        }
    }

    /// Passes over the rest of the element that was opened last.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub(super) fn skip(&mut self) -> Result<(), ConversionError> {
        let above = self.depth.saturating_sub(1);
        while self.depth > above && self.next()?.is_some() {}
        Ok(())
    }

    /// The texts in the rest of the element that was opened last, joined.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub(super) fn text(&mut self) -> Result<String, ConversionError> {
        let above = self.depth.saturating_sub(1);
        let mut text = String::new();
        while self.depth > above {
            match self.next()? {
                Some(Token::Text(words)) => text.push_str(&words),
                Some(Token::Open(_) | Token::Close(_)) => {}
                None => break,
            }
        }
        Ok(text)
    }
}
