//! A paragraph of a document as it is read.

use super::{
    super::markdown_writer::{end_link, escape_inline, push_code},
    styles::ListPlace,
};

/// The words of a paragraph that is open, and what it says about itself.
#[derive(Debug, Default)]
pub(super) struct Paragraph {
    pub(super) style: String,
    pub(super) outline: Option<u8>,
    pub(super) place: ListPlace,
    /// Notes that it refers to, in order.
    pub(super) notes: Vec<String>,
    /// Its words with inline marks.
    words: String,
    /// Its words as they are.
    plain: String,
    /// Inline code that has not been added yet: it may go on in the next run.
    code: String,
    /// A link that is open: where it leads, and where its words begin.
    link: Option<(String, usize)>,
}

impl Paragraph {
    pub(super) fn push(&mut self, text: &str, is_code: bool) {
        self.plain.push_str(text);
        if is_code {
            self.code.push_str(text);
        } else {
            self.end_code();
            escape_inline(text, &mut self.words);
        }
    }

    pub(super) fn break_line(&mut self) {
        self.end_code();
        self.words.push('\n');
        self.plain.push('\n');
    }

    pub(super) fn begin_link(&mut self, target: String) {
        self.end_code();
        self.link = Some((target, self.words.len()));
    }

    pub(super) fn end_link(&mut self) {
        self.end_code();
        if let Some((target, start)) = self.link.take() {
            end_link(&mut self.words, start, &target);
        }
    }

    /// Its words with inline marks, and as they are.
    pub(super) fn finish(&mut self) -> (String, String) {
        self.end_link();
        (std::mem::take(&mut self.words), std::mem::take(&mut self.plain))
    }

    fn end_code(&mut self) {
        push_code(&mut self.words, &std::mem::take(&mut self.code));
    }
}
