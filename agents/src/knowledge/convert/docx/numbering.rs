//! The lists of a document: which are numbered, and where each has come to.

use std::collections::HashMap;

use super::{
    super::ConversionError,
    xml::{Token, Xml},
};

/// Levels that a list has; more are taken for the last.
const LEVELS: usize = 9;

/// The levels of a list: the number to begin with where they are numbered.
type Levels = [Option<u64>; LEVELS];

/// The lists of a document by their numbers.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    lists: HashMap<u32, u32>,
    kinds: HashMap<u32, Levels>,
    /// The next number of each level of each list that has begun.
    next: HashMap<u32, Levels>,
}

impl Numbering {
    /// Reads `numbering.xml`; empty where there is none.
    ///
    /// # Errors
    /// [`ConversionError`] where it is malformed.
    pub(super) fn read(part: &str) -> Result<Self, ConversionError> {
        let mut numbering = Self::default();
        let (mut kind, mut list, mut level, mut start) = (None, None, 0, 1);
        let mut xml = Xml::new(part);
        while let Some(token) = xml.next()? {
            let Token::Open(element) = token else { continue };
            let number = |name| element.attribute(name).and_then(|number| number.parse::<u32>().ok());
            match element.name() {
                "abstractNum" => kind = number("abstractNumId"),
                "num" => list = number("numId"),
                "abstractNumId" => numbering.lists.extend(list.zip(number("val"))),
                "lvl" => (level, start) = (number("ilvl").unwrap_or(0) as usize, 1),
                "start" => start = u64::from(number("val").unwrap_or(1)),
                "numFmt" => {
                    let is_numbered = !matches!(element.value().as_deref(), Some("bullet" | "none") | None);
                    if let (Some(kind), None) = (kind, list) {
                        let levels = numbering.kinds.entry(kind).or_default();
                        levels[level.min(LEVELS - 1)] = is_numbered.then_some(start);
                    }
                }
                _ => {}
            }
        }
        Ok(numbering)
    }

    /// Counts an item of a list at a level; its number where it is numbered.
    pub(super) fn count(&mut self, list: u32, level: usize) -> Option<u64> {
        let level = level.min(LEVELS - 1);
        let kind = self.kinds.get(self.lists.get(&list)?)?;
        let next = self.next.entry(list).or_insert(*kind);
        // What lies deeper begins anew below each item.
        next[level + 1..].copy_from_slice(&kind[level + 1..]);
        let number = next[level]?;
        next[level] = Some(number.saturating_add(1));
        Some(number)
    }
}
