//! The archive that a document is, and how its parts are found.

use std::{
    collections::HashMap,
    io::{Cursor, Read},
};

use encoding_rs::Encoding;
use zip::{ZipArchive, result::ZipError};

use super::{
    super::ConversionError,
    malformed,
    xml::{Token, Xml},
};

/// Files in the archive.
const ENTRIES_MAX: usize = 10_000;
/// Bytes of all parts that are read, unpacked. Pictures are not read.
const UNPACKED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The signature of an entry in an archive's directory.
const ENTRY_SIGNATURE: &[u8] = b"PK\x01\x02";
/// How a compound file begins: an old Word document, or the envelope of an encrypted one.
const COMPOUND_SIGNATURE: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// An open document.
#[derive(Debug)]
pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// How much may still be unpacked.
    budget: u64,
}

/// A part that leads to others.
#[derive(Debug)]
pub(super) struct MainDocument {
    pub(super) path: String,
    relationships: Vec<Relationship>,
}

#[derive(Debug)]
struct Relationship {
    id: String,
    kind: String,
    target: String,
    is_external: bool,
}

impl MainDocument {
    /// Where links lead, by the ids that the text has for them.
    pub(super) fn links(&self) -> HashMap<String, String> {
        let links = self
            .relationships
            .iter()
            .filter(|relationship| relationship.is_external);
        links.map(|link| (link.id.clone(), link.target.clone())).collect()
    }
}

impl<'a> Package<'a> {
    /// Opens an archive.
    ///
    /// # Errors
    /// [`ConversionError`] where it is none, is encrypted, or has too many files.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, ConversionError> {
        if bytes.starts_with(COMPOUND_SIGNATURE) {
            let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
            return Err(if bytes.windows(name.len()).any(|window| window == name) {
                ConversionError::Encrypted
            } else {
                malformed("it is an old Word document (.doc)")
            });
        }
        // Counted before the archive is opened, which makes something of each.
        let entries = bytes.windows(4).filter(|window| *window == ENTRY_SIGNATURE).count();
        if entries > ENTRIES_MAX {
            return Err(ConversionError::TooLarge(format!(
                "more than {ENTRIES_MAX} files in it"
            )));
        }
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
        Ok(Self {
            archive,
            budget: UNPACKED_BYTES_MAX,
        })
    }

    /// The part with the text.
    ///
    /// # Errors
    /// [`ConversionError`] where the part that names it is malformed.
    pub(super) fn main_document(&mut self) -> Result<MainDocument, ConversionError> {
        let path = self.named_by_the_package("/officeDocument")?;
        let path = path.unwrap_or_else(|| "word/document.xml".to_owned());
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let relationships = self.relationships(&resolve(folder, &format!("_rels/{name}.rels")), folder)?;
        Ok(MainDocument { path, relationships })
    }

    /// What the document says about itself, if it does.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub(super) fn core_properties(&mut self) -> Result<Option<String>, ConversionError> {
        let path = self.named_by_the_package("/core-properties")?;
        self.part(path.as_deref().unwrap_or("docProps/core.xml"))
    }

    /// The part of a kind, such as `styles`, that belongs to the document.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub(super) fn related(&mut self, main: &MainDocument, kind: &str) -> Result<Option<String>, ConversionError> {
        let ending = format!("/{kind}");
        let found = main
            .relationships
            .iter()
            .find(|relationship| relationship.kind.ends_with(&ending));
        match found {
            Some(relationship) if !relationship.is_external => self.part(&relationship.target),
            _ => Ok(None),
        }
    }

    /// A part as text; none where there is none of that name.
    ///
    /// # Errors
    /// [`ConversionError`] where it cannot be unpacked, or is larger than what may still be.
    pub(super) fn part(&mut self, path: &str) -> Result<Option<String>, ConversionError> {
        let file = match self.archive.by_name(path) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut bytes = Vec::new();
        // The archive's own word on its size may be a lie: what comes out is counted.
        file.take(self.budget + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| malformed(format!("{path} cannot be unpacked: {error}")))?;
        self.budget = self.budget.checked_sub(bytes.len() as u64).ok_or_else(|| {
            ConversionError::TooLarge(format!("more than {} MiB unpacked", UNPACKED_BYTES_MAX / 1024 / 1024))
        })?;
        Ok(Some(match Encoding::for_bom(&bytes) {
            Some((encoding, mark)) => encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned(),
            None => String::from_utf8_lossy(&bytes).into_owned(),
        }))
    }

    fn named_by_the_package(&mut self, ending: &str) -> Result<Option<String>, ConversionError> {
        let relationships = self.relationships("_rels/.rels", "")?;
        let mut found = relationships
            .into_iter()
            .filter(|relationship| relationship.kind.ends_with(ending));
        Ok(found.next().map(|relationship| relationship.target))
    }

    fn relationships(&mut self, path: &str, folder: &str) -> Result<Vec<Relationship>, ConversionError> {
        let Some(part) = self.part(path)? else {
            return Ok(Vec::new());
        };
        let mut relationships = Vec::new();
        let mut xml = Xml::new(&part);
        while let Some(token) = xml.next()? {
            if let Token::Open(element) = token
                && element.name() == "Relationship"
                && let (Some(kind), Some(target)) = (element.attribute("Type"), element.attribute("Target"))
            {
                let is_external = element.attribute("TargetMode").as_deref() == Some("External");
                relationships.push(Relationship {
                    id: element.attribute("Id").unwrap_or_default(),
                    kind,
                    target: if is_external { target } else { resolve(folder, &target) },
                    is_external,
                });
            }
        }
        Ok(relationships)
    }
}

/// The name of a part, which another in `folder` names by `target`.
fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').collect()
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

fn unreadable(error: ZipError) -> ConversionError {
    if matches!(error, ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) {
        ConversionError::Encrypted
    } else {
        malformed(error.to_string())
    }
}
