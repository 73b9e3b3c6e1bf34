//! Names of collections.

use std::{fmt, str::FromStr, sync::Arc};

use orchestratai_shared::Invalid;

/// Names a collection of the knowledge base: `[a-z][a-z0-9_-]{0,63}`. It is also the name of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionName(Arc<str>);

impl CollectionName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`Invalid`] where `text` is not `[a-z][a-z0-9_-]{0,63}`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if starts_well && text.len() <= 64 && text.chars().all(is_plain) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(
                "must be a lower-case letter followed by at most 63 of a-z, 0-9, _ and -",
            ))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CollectionName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}
