//! The marks `[n]` in a text that is still being written: which of them are citations.
//!
//! Text is passed on as it comes, but for an open bracket that may become a mark: a few bytes wait until it is one or is none.

use std::collections::BTreeSet;

/// An open bracket with more behind it is no mark.
const MARK_BYTES_MAX: usize = 40;
/// What a model writes where the sources have no answer. It is taken out.
pub(super) const NO_ANSWER: &str = "[no answer]";

/// Reads a text piece by piece.
#[derive(Debug)]
pub(super) struct Marks {
    /// The numbers of the sources.
    sources: BTreeSet<u32>,
    cited: BTreeSet<u32>,
    says_no_answer: bool,
    /// What may become a mark, from the bracket on.
    open: String,
    /// Inside of code a bracket is a bracket.
    in_code: bool,
    in_backticks: bool,
    /// Nothing but white space was passed on so far, and the next of it is left out.
    at_start: bool,
}

impl Marks {
    /// Of a text whose sources are numbered from 1 to `sources`.
    pub(super) fn new(sources: u32) -> Self {
        Self {
            sources: (1..=sources).collect(),
            cited: BTreeSet::new(),
            says_no_answer: false,
            open: String::new(),
            in_code: false,
            in_backticks: false,
            at_start: true,
        }
    }

    /// There are further sources, of these numbers.
    pub(super) fn admit(&mut self, numbers: impl IntoIterator<Item = u32>) {
        self.sources.extend(numbers);
    }

    /// The sources that were cited so far.
    pub(super) fn cited(&self) -> &BTreeSet<u32> {
        &self.cited
    }

    /// Whether the text says that there is no answer.
    pub(super) fn says_no_answer(&self) -> bool {
        self.says_no_answer
    }

    /// Takes the next piece, gives what can be passed on.
    pub(super) fn push(&mut self, piece: &str) -> String {
        let mut out = String::with_capacity(piece.len());
        for letter in piece.chars() {
            self.take(letter, &mut out);
        }
        out
    }

    /// The text is complete: what waited is passed on.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.open)
    }

    fn take(&mut self, letter: char, out: &mut String) {
        if letter == '`' {
            // A run of backticks opens code or closes it, however long it is.
            if !self.in_backticks {
                self.in_code = !self.in_code;
            }
            self.in_backticks = true;
        } else {
            self.in_backticks = false;
        }
        if self.open.is_empty() {
            if letter == '[' && !self.in_code {
                self.open.push(letter);
            } else {
                self.pass_on(letter, out);
            }
            return;
        }
        if letter == '[' {
            // Another bracket: the one before was none.
            self.give_up(out);
            self.open.push(letter);
            return;
        }
        self.open.push(letter);
        if letter == ']' {
            self.close(out);
        } else if letter == '\n' || letter == '`' || self.open.len() > MARK_BYTES_MAX {
            self.give_up(out);
        }
    }

    fn close(&mut self, out: &mut String) {
        let mark = std::mem::take(&mut self.open);
        if mark.eq_ignore_ascii_case(NO_ANSWER) {
            self.says_no_answer = true;
            return;
        }
        match self.numbers(&mark) {
            // `[1, 3]` becomes `[1][3]`, so that each mark names one source.
            Some(numbers) => {
                for number in numbers {
                    self.cited.insert(number);
                    for letter in format!("[{number}]").chars() {
                        self.pass_on(letter, out);
                    }
                }
            }
            None => {
                for letter in mark.chars() {
                    self.pass_on(letter, out);
                }
            }
        }
    }

    /// The numbers of a mark, where each names a source that was given.
    fn numbers(&self, mark: &str) -> Option<Vec<u32>> {
        let inside = mark.strip_prefix('[')?.strip_suffix(']')?;
        let number = |text: &str| {
            let number: u32 = text.trim().parse().ok()?;
            self.sources.contains(&number).then_some(number)
        };
        inside.split(',').map(number).collect()
    }

    fn give_up(&mut self, out: &mut String) {
        for letter in std::mem::take(&mut self.open).chars() {
            self.pass_on(letter, out);
        }
    }

    fn pass_on(&mut self, letter: char, out: &mut String) {
        if self.at_start && letter.is_whitespace() {
            return;
        }
        self.at_start = false;
        out.push(letter);
    }
}

/// A text of an earlier answer without its marks: they name sources of that time.
pub(super) fn without_marks(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let (before, from) = rest.split_at(at);
        left.push_str(before);
        let digits = from[1..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && from[1 + digits..].starts_with(']') {
            rest = &from[digits + 2..];
        } else {
            left.push('[');
            rest = &from[1..];
        }
    }
    left.push_str(rest);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str, cited: &[u32]) {
        for size in 1..=text.len() {
            let mut marks = Marks::new(3);
            let letters: Vec<char> = text.chars().collect();
            let mut out: String = letters
                .chunks(size)
                .map(|piece| marks.push(&piece.iter().collect::<String>()))
                .collect();
            out += &marks.finish();
            assert_eq!(out, expected, "in pieces of {size}");
            assert_eq!(
                marks.cited.iter().copied().collect::<Vec<_>>(),
                cited,
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn marks_are_citations_where_they_name_a_source_wherever_the_text_is_cut() {
        check("It is so [2], and so[1][3].", "It is so [2], and so[1][3].", &[1, 2, 3]);
        check("Both [1, 3].", "Both [1][3].", &[1, 3]);
        check(
            "None [0] [4] [1, 9] [x] [99999999999] [].",
            "None [0] [4] [1, 9] [x] [99999999999] [].",
            &[],
        );
        check("An open [1", "An open [1", &[]);
        check(
            "[a link](https://x) [[2]] [a [1]",
            "[a link](https://x) [[2]] [a [1]",
            &[1, 2],
        );
        check("[a\n[1]", "[a\n[1]", &[1]);
    }

    #[test]
    fn further_sources_are_cited_by_the_numbers_that_they_have() {
        let mut marks = Marks::new(1);
        marks.admit([6, 7]);
        assert_eq!(marks.push("So [1, 7], not [5] or [6"), "So [1][7], not [5] or ");
        assert_eq!(marks.push("]."), "[6].");
        assert_eq!(marks.cited().iter().copied().collect::<Vec<_>>(), [1, 6, 7]);
    }

    #[test]
    fn in_code_nothing_is_a_citation() {
        check(
            "Use `a[1]` or ```\nb[2]\n``` [3].",
            "Use `a[1]` or ```\nb[2]\n``` [3].",
            &[3],
        );
    }

    #[test]
    fn what_says_that_there_is_no_answer_is_taken_out() {
        let mut marks = Marks::new(1);
        let text: String = ["[no ", "ans", "wer]\n\nThe sources", " do not say."]
            .map(|piece| marks.push(piece))
            .concat();
        assert_eq!(text, "The sources do not say.");
        assert!(marks.says_no_answer());
    }

    #[test]
    fn little_waits_and_nothing_is_lost() {
        let mut marks = Marks::new(1);
        let long = format!("[{}", "ü".repeat(100));
        assert_eq!(marks.push(&long) + &marks.finish(), long);
    }

    #[test]
    fn marks_of_earlier_answers_are_left_out() {
        assert_eq!(without_marks("So [1][12], a[i] [x] [3"), "So , a[i] [x] [3");
    }
}
