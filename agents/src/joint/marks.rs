//! The `[n]` of a part, moved behind those of the parts before it, while it is told.
//!
//! A `[n]` is a mark where `n` is at most the number of chunks that the agent has read. In code, where `items[1]` is no mark, one
//! counts only if it is alone in its line: so a mark stands that belongs to the code before it.

/// Digits of the largest mark.
const DIGITS_MAX: usize = 3;

/// How far a part has been told: what must be known of it to tell marks from code.
#[derive(Debug)]
pub(super) struct Marks {
    /// Between two lines of three backticks.
    in_block: bool,
    /// Between two backticks of a line.
    in_span: bool,
    /// Backticks just read.
    ticks: usize,
    begins_line: bool,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            in_block: false,
            in_span: false,
            ticks: 0,
            begins_line: true,
        }
    }
}

/// What a `[` at a place of the text is.
enum Bracket {
    /// The mark of this number, so many bytes long.
    Mark(u32, usize),
    /// The text ends before that is known.
    Unknown,
    Text,
}

impl Marks {
    /// Takes from `waiting` what is complete, with its marks moved by `before`. `cited_max` is the largest mark that the part can
    /// have; with `is_all` nothing comes behind what waits. O(length).
    pub(super) fn moved(&mut self, waiting: &mut String, cited_max: u32, before: u32, is_all: bool) -> String {
        if before == 0 {
            return std::mem::take(waiting);
        }
        let mut moved = String::with_capacity(waiting.len());
        let mut at = 0;
        while let Some(next) = waiting[at..].chars().next() {
            if next == '[' {
                match self.bracket(&waiting[at..], cited_max, is_all) {
                    Bracket::Mark(number, length) => {
                        // Behind a mark there is no code, whatever was forgotten before it.
                        (self.in_block, self.in_span, self.ticks) = (false, false, 0);
                        self.begins_line = false;
                        moved.push_str(&format!("[{}]", number.saturating_add(before)));
                        at += length;
                        continue;
                    }
                    Bracket::Unknown => break,
                    Bracket::Text => {}
                }
            }
            self.read(next);
            moved.push(next);
            at += next.len_utf8();
        }
        waiting.drain(..at);
        moved
    }

    fn bracket(&self, text: &str, cited_max: u32, is_all: bool) -> Bracket {
        let digits = text[1..].bytes().take_while(u8::is_ascii_digit).count();
        let end = 1 + digits;
        let close = text.as_bytes().get(end);
        if digits > DIGITS_MAX {
            return Bracket::Text;
        }
        if close.is_none() && !is_all {
            return Bracket::Unknown;
        }
        let number = text[1..end].parse::<u32>().ok();
        let number = number.filter(|number| close == Some(&b']') && (1..=cited_max).contains(number));
        let Some(number) = number else { return Bracket::Text };
        if self.in_code() {
            match text.as_bytes().get(end + 1) {
                _ if !self.begins_line => return Bracket::Text,
                None if !is_all => return Bracket::Unknown,
                Some(b'\n') | None => {}
                Some(_) => return Bracket::Text,
            }
        }
        Bracket::Mark(number, end + 1)
    }

    fn in_code(&self) -> bool {
        // The backticks just read open or close code only with what follows them, which is the bracket.
        let (block, span) = self.after_ticks();
        block || span
    }

    fn after_ticks(&self) -> (bool, bool) {
        match self.ticks {
            0 => (self.in_block, self.in_span),
            3.. => (!self.in_block, self.in_span),
            ticks => (self.in_block, self.in_span ^ (!self.in_block && ticks % 2 == 1)),
        }
    }

    fn read_ticks(&mut self) {
        (self.in_block, self.in_span) = self.after_ticks();
        self.ticks = 0;
    }

    fn read(&mut self, next: char) {
        if next == '`' {
            self.ticks += 1;
        } else {
            self.read_ticks();
        }
        self.begins_line = next == '\n';
        // Code within a line ends with it, whatever was forgotten.
        self.in_span &= !self.begins_line;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of a text at once, and one character after the other: both must say the same.
    fn moved(text: &str, cited_max: u32, before: u32) -> String {
        let whole = Marks::default().moved(&mut text.to_owned(), cited_max, before, true);
        let (mut marks, mut waiting, mut piecewise) = (Marks::default(), String::new(), String::new());
        for character in text.chars() {
            waiting.push(character);
            piecewise += &marks.moved(&mut waiting, cited_max, before, false);
        }
        piecewise += &marks.moved(&mut waiting, cited_max, before, true);
        assert_eq!(whole, piecewise, "{text}");
        whole
    }

    #[test]
    fn marks_are_moved_and_nothing_else() {
        for (text, expected) in [
            ("One [1]. Two [2][1]", "One [4]. Two [5][4]"),
            (
                "Not read [3], nor [0], nor [x], nor [1000]",
                "Not read [3], nor [0], nor [x], nor [1000]",
            ),
            ("Cut off [1", "Cut off [1"),
            ("Cut off [", "Cut off ["),
            ("`items[1]` is code [1]", "`items[1]` is code [4]"),
            ("forgotten `tick [1]\nand on [1]", "forgotten `tick [1]\nand on [4]"),
            ("```\na[1]\nx = [1]\n```\n\n[1]", "```\na[1]\nx = [1]\n```\n\n[4]"),
            (
                "```\nnever closed\n\n[2]\n\nmore [1]",
                "```\nnever closed\n\n[5]\n\nmore [4]",
            ),
            ("né [2] — [1]…", "né [5] — [4]…"),
            ("", ""),
        ] {
            assert_eq!(moved(text, 2, 3), expected);
        }
        assert_eq!(moved("as it was [1]", 2, 0), "as it was [1]");
    }
}
