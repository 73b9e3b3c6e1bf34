//! The statements of an answer: its sentences, without what says nothing that a source could bear out.

use std::{collections::BTreeSet, sync::LazyLock};

use crate::{knowledge::sentences_of, phrases::Phrases, routing, words::for_each_word};

/// A sentence of fewer words that say something is none: “Yes.”, “Here you are”.
const WORDS_MIN: usize = 2;

/// How a sentence begins that is said out of courtesy.
static COURTESIES: LazyLock<Phrases> = LazyLock::new(|| {
    Phrases::new([
        "let me know",
        "please let me know",
        "feel free",
        "i hope",
        "hope this",
        "hope that",
        "i am happy to",
        "im happy to",
        "i am glad to",
        "im glad to",
        "if you have any",
        "if you have more questions",
        "thank you",
        "thanks for",
        "youre welcome",
    ])
});

/// A sentence that states something.
#[derive(Debug, PartialEq)]
pub(super) struct Statement {
    /// Without marks.
    pub(super) text: String,
    /// The sources that it cites, by their numbers.
    pub(super) cited: BTreeSet<u32>,
}

impl Statement {
    /// Its names: words in capitals that do not begin it.
    pub(super) fn names(&self) -> Vec<&str> {
        let words = self
            .text
            .split(|letter: char| letter.is_whitespace() || matches!(letter, '/' | '-' | '(' | '“' | '"'));
        let words: Vec<&str> = words
            .map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()))
            .filter(|word| !word.is_empty())
            .collect();
        let mut names = Vec::new();
        let mut before = "";
        for word in words {
            let begins_with_capital = word.starts_with(char::is_uppercase);
            let is_first = before.is_empty();
            // “I” and what stands alone in capitals by habit are no names.
            if begins_with_capital && !is_first && word != "I" && word.chars().count() > 1 {
                names.push(word);
            }
            before = word;
        }
        names
    }
}

/// The statements of `answer`, in order. Headings, questions, courtesies and lines that lead to a list state nothing; nor does code, which
/// is quoted or not, but not said.
pub(super) fn statements(answer: &str) -> Vec<Statement> {
    let mut statements: Vec<Statement> = Vec::new();
    let mut in_code = false;
    for line in answer.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code || line.trim_start().starts_with('#') {
            continue;
        }
        let mut is_new_line = true;
        for sentence in sentences_of(item(line)) {
            let (before, text, cited) = without_marks(sentence);
            // A mark behind the full stop belongs to the sentence before it.
            if let Some(last) = statements.last_mut().filter(|_| !is_new_line) {
                last.cited.extend(before);
            }
            is_new_line = false;
            let mut words = 0;
            for_each_word(&text, |_| words += 1);
            let is_courtesy = COURTESIES.begins(&routing::words(&text));
            if words < WORDS_MIN || is_courtesy || text.ends_with([':', '?']) {
                continue;
            }
            statements.push(Statement { text, cited });
        }
    }
    statements
}

/// A line without the mark of a list.
fn item(line: &str) -> &str {
    let line = line.trim_start();
    let rest = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    match rest.strip_prefix(['.', ')']) {
        Some(rest) if rest.starts_with(' ') && line.len() > rest.len() + 1 => rest,
        _ => line.trim_start_matches(['-', '*', '•', '>', ' ']),
    }
}

/// The marks before the first word, the text without marks, and the other marks.
fn without_marks(sentence: &str) -> (BTreeSet<u32>, String, BTreeSet<u32>) {
    let (mut before, mut text, mut cited) = (BTreeSet::new(), String::new(), BTreeSet::new());
    let mut rest = sentence;
    while let Some(open) = rest.find('[') {
        let (head, from) = rest.split_at(open);
        text.push_str(head);
        let number = from[1..]
            .split_once(']')
            .and_then(|(number, after)| Some((number.parse::<u32>().ok()?, after)));
        if let Some((number, after)) = number {
            let is_before = !text.contains(char::is_alphanumeric);
            if is_before { &mut before } else { &mut cited }.insert(number);
            rest = after;
        } else {
            text.push('[');
            rest = &from[1..];
        }
    }
    text.push_str(rest);
    let text = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(['*', '`'], "");
    (before, text.replace(" .", "."), cited)
}

/// The numbers of a text, each written in one way: `1,000` and `1000` are one, so are `two` and `2`, `49.00` and `49`. Ordinals are numbers of
/// their own.
pub(super) fn numbers(text: &str) -> BTreeSet<String> {
    const WORDS: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    ];
    // “First” and “second” are adverbs as often.
    const ORDINALS: [&str; 8] = [
        "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    ];
    let mut numbers = BTreeSet::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '.' | ',')) {
        let word = word.trim_matches(['.', ',']);
        // “One” is a pronoun as often as a number.
        if let Some(number) = WORDS.iter().skip(2).position(|known| word.eq_ignore_ascii_case(known)) {
            numbers.insert((number + 2).to_string());
        }
        if let Some(ordinal) = ORDINALS.iter().position(|known| word.eq_ignore_ascii_case(known)) {
            numbers.insert(format!("{}.", ordinal + 3));
        }
        for run in word.split(|letter: char| !letter.is_ascii_digit() && !matches!(letter, '.' | ',')) {
            let run = run.trim_matches(['.', ',']);
            if run.is_empty() {
                continue;
            }
            let mut plain = run.replace(',', "");
            if plain.contains('.') {
                plain = plain.trim_end_matches('0').trim_end_matches('.').to_owned();
            }
            numbers.insert(plain);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_have_their_own_marks_and_what_states_nothing_is_none() {
        let answer = "# Keys\nSure! Here is how it works:\n1. Make a second key [1].\n2. Revoke the **old** key. [2][3] It ends at once [1].\n\n\
                      ```\nrotate the key\n```\nDo you want more of that? I hope this helps you with the keys.";
        let found: Vec<(String, Vec<u32>)> = statements(answer)
            .into_iter()
            .map(|statement| (statement.text, statement.cited.into_iter().collect()))
            .collect();
        let expected = [
            ("Make a second key.", vec![1]),
            ("Revoke the old key.", vec![2, 3]),
            ("It ends at once.", vec![1]),
        ];
        assert_eq!(found, expected.map(|(text, cited)| (text.to_owned(), cited)));
    }

    #[test]
    fn numbers_and_names_are_compared_in_one_form() {
        let found = numbers("It costs $1,000.00 for two seats, 1.5 GB and v2, on the third day.");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["1.5", "1000", "2", "3."]);
        let statement = Statement {
            text: "The Team plan of Loomforge runs on AWS, and I like it.".into(),
            cited: BTreeSet::new(),
        };
        assert_eq!(statement.names(), ["Team", "Loomforge", "AWS"]);
    }
}
