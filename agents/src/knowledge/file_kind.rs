//! Kinds of files that are ingested, told by their names.

use super::chunk::Format;

/// A mebibyte, in bytes.
const MIB: u64 = 1024 * 1024;

/// What a file is. How its text is kept is another question: whatever is converted is kept as markdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Markdown: `.md`, `.markdown`.
    Markdown,
    /// Text without marks: `.txt`, `.text`.
    Text,
    /// A web page: `.html`, `.htm`, `.xhtml`.
    Html,
    /// A PDF document: `.pdf`.
    Pdf,
    /// A document of a word processor in Office Open XML: `.docx`.
    Docx,
}

impl FileKind {
    /// The kind of a file by its name; none where we do not read such files.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let (_, extension) = path.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "txt" | "text" => Some(Self::Text),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "pdf" => Some(Self::Pdf),
            "docx" => Some(Self::Docx),
            _ => None,
        }
    }

    /// The largest file of this kind that is read, in bytes. What is packed or has pictures in it may be larger than its text.
    #[must_use]
    pub const fn bytes_max(self) -> u64 {
        match self {
            Self::Markdown | Self::Text => super::FILE_BYTES_MAX,
            Self::Html => 8 * MIB,
            Self::Pdf | Self::Docx => 32 * MIB,
        }
    }

    /// How the text of such a file is kept.
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::Text => Format::Plain,
            Self::Markdown | Self::Html | Self::Pdf | Self::Docx => Format::Markdown,
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
            ("page.Htm", Some(FileKind::Html)),
            ("report.v2.PDF", Some(FileKind::Pdf)),
            ("letter.docx", Some(FileKind::Docx)),
            ("letter.doc", None),
            ("pdf", None),
        ] {
            assert_eq!(FileKind::of(path), kind, "{path}");
        }
    }
}
