//! Kinds of files that are ingested, told by their names.

use super::chunk::Format;

/// What a file is. How its text is kept is another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Markdown: `.md`, `.markdown`.
    Markdown,
    /// Text without marks: `.txt`, `.text`.
    Text,
}

impl FileKind {
    /// The kind of a file by its name; none where we do not read such files.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let (_, extension) = path.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "txt" | "text" => Some(Self::Text),
            _ => None,
        }
    }

    /// The largest file of this kind that is read, in bytes.
    #[must_use]
    pub const fn bytes_max(self) -> u64 {
        match self {
            Self::Markdown | Self::Text => super::FILE_BYTES_MAX,
        }
    }

    /// How the text of such a file is kept.
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::Text => Format::Plain,
            Self::Markdown => Format::Markdown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_by_the_name_whatever_its_case() {
        for (path, kind) in [
            ("a/b.md", Some(FileKind::Markdown)),
            ("a.TXT", Some(FileKind::Text)),
            ("page.Htm", None),
            ("report.v2.PDF", None),
            ("letter.docx", None),
            ("letter.doc", None),
            ("pdf", None),
        ] {
            assert_eq!(FileKind::of(path), kind, "{path}");
        }
    }
}
