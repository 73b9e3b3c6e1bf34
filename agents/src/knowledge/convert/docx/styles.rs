//! What the styles of a document mean.

use std::collections::HashMap;

use super::{
    super::ConversionError,
    xml::{Element, Token, Xml},
};

/// A style is based on another, and that on another, up to so many; more is a circle.
const BASES_MAX: usize = 32;

/// What a paragraph is by its style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Role {
    /// Running text.
    #[default]
    Text,
    /// The title of the whole.
    Title,
    /// A heading of level 1 to 9.
    Heading(u8),
    /// A line of code.
    Code,
    /// A quotation.
    Quotation,
    /// A line of a table of contents, which repeats the headings.
    Contents,
}

/// A place in a list: the list's number in `numbering.xml`, and the level, 0 for the outermost. What a style or paragraph does
/// not say, another one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ListPlace {
    pub(super) list: Option<u32>,
    pub(super) level: Option<u32>,
}

impl ListPlace {
    /// Takes in an element of `numPr`.
    pub(super) fn take(&mut self, element: &Element<'_>) {
        let value = || element.value().and_then(|value| value.parse().ok());
        match element.name() {
            "numId" => self.list = value(),
            "ilvl" => self.level = value(),
            _ => {}
        }
    }

    /// What this says, else what `other` says.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            list: self.list.or(other.list),
            level: self.level.or(other.level),
        }
    }
}

#[derive(Debug, Default)]
struct Style {
    name: String,
    base: Option<String>,
    outline: Option<u8>,
    place: ListPlace,
}

/// The styles of a document by their ids.
#[derive(Debug, Default)]
pub(super) struct Styles(HashMap<String, Style>);

impl Styles {
    /// Reads `styles.xml`; empty where there is none.
    ///
    /// # Errors
    /// [`ConversionError`] where it is malformed.
    pub(super) fn read(part: &str) -> Result<Self, ConversionError> {
        let mut styles = HashMap::new();
        let mut open: Option<(String, Style)> = None;
        let mut xml = Xml::new(part);
        while let Some(token) = xml.next()? {
            match token {
                Token::Open(element) => match (element.name(), &mut open) {
                    ("style", _) => open = element.attribute("styleId").map(|id| (id, Style::default())),
                    ("name", Some((_, style))) => style.name = element.value().unwrap_or_default().to_lowercase(),
                    ("basedOn", Some((_, style))) => style.base = element.value(),
                    ("outlineLvl", Some((_, style))) => style.outline = outline_level(&element),
                    (_, Some((_, style))) => style.place.take(&element),
                    (_, None) => {}
                },
                Token::Close(name) if name == "style" => styles.extend(open.take()),
                Token::Close(_) | Token::Text(_) => {}
            }
        }
        Ok(Self(styles))
    }

    /// What a paragraph of a style is. Names are those that word processors give in every language of theirs.
    pub(super) fn role(&self, id: &str) -> Role {
        for style in self.with_bases(id) {
            let name = style.name.as_str();
            let role = if name == "title" {
                Role::Title
            } else if let Some(level) = name
                .strip_prefix("heading ")
                .and_then(|level| level.trim().parse().ok())
            {
                Role::Heading(level)
            } else if name.starts_with("toc ") && name != "toc heading" {
                Role::Contents
            } else if let Some(level) = style.outline {
                Role::Heading(level)
            } else if is_code(name) {
                Role::Code
            } else if name.ends_with("quote") || name == "block text" || name == "quotations" {
                Role::Quotation
            } else {
                continue;
            };
            return role;
        }
        Role::Text
    }

    /// Where a paragraph of a style stands in a list, if the style says so.
    pub(super) fn list_place(&self, id: &str) -> ListPlace {
        self.with_bases(id)
            .fold(ListPlace::default(), |place, style| place.or(style.place))
    }

    /// Whether a run of a style is code.
    pub(super) fn is_code(&self, id: &str) -> bool {
        self.0.get(id).is_some_and(|style| is_code(&style.name))
    }

    fn with_bases(&self, id: &str) -> impl Iterator<Item = &Style> {
        let base = |style: &&Style| style.base.as_ref().and_then(|base| self.0.get(base));
        std::iter::successors(self.0.get(id), base).take(BASES_MAX)
    }
}

/// The level of a heading that an `outlineLvl` gives, counted from 1; 9 there means running text.
pub(super) fn outline_level(element: &Element<'_>) -> Option<u8> {
    let level: u8 = element.value()?.parse().ok()?;
    (level < 9).then_some(level + 1)
}

fn is_code(name: &str) -> bool {
    name.contains("code") || name.contains("preformatted") || name.contains("verbatim")
}
