//! What hides an order from people or from a list of patterns. Looked for in a text as it stands: once it is cut into sentences and its
//! white space is made even, some of it is gone.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::routing::injection;

/// So many invisible letters are no accident.
const HIDDEN_MIN: usize = 4;
/// A shorter run is taken for nothing encoded, in bytes.
const ENCODED_MIN: usize = 24;
/// So many letters with spaces between them were pulled apart.
const APART_MIN: usize = 12;

/// Letters of other scripts that look like those of Latin, and these.
const ALIKE: [(&str, &str); 2] = [
    ("аерсхуоікѕјһԁԛԝЅІЈАВЕКМНОРСТХ", "aepcxyoiksjhdqwSIJABEKMHOPCTX"),
    ("οανικρτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "oavikptuxABEZHIKMNOPTYX"),
];

/// Whether there are letters that no reader sees and a model does: those of the block of tags, but for flags, and bytes in selectors of variants.
pub(super) fn has_hidden_letters(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let (mut hidden, mut is_flag) = (0, false);
    for letter in text.chars() {
        match letter {
            '\u{1f3f4}' => is_flag = true,
            '\u{e0020}'..='\u{e007f}' if is_flag => {}
            '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}' => hidden += 1,
            _ => is_flag = false,
        }
    }
    hidden >= HIDDEN_MIN
}

/// The text in letters that patterns know: without what has no width, wide letters narrow, and letters that look like Latin ones as these
/// where they stand among them in a word.
pub(super) fn plain_letters(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    let visible = text.chars().filter(|letter| {
        !matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
            // Marks that are set on letters, one above the other.
            | '\u{300}'..='\u{36f}')
    });
    let narrow: String = visible
        .map(|letter| match letter {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter),
            '\u{3000}' | '\u{a0}' => ' ',
            other => other,
        })
        .collect();
    let mut plain = String::with_capacity(narrow.len());
    for word in narrow.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let is_mixed = !word.is_ascii() && word.contains(|letter: char| letter.is_ascii_alphabetic());
        if is_mixed {
            plain.extend(word.chars().map(latin));
        } else {
            plain.push_str(word);
        }
    }
    plain.into()
}

fn latin(letter: char) -> char {
    let found = ALIKE.iter().find_map(|(others, latin)| {
        let place = others.chars().position(|other| other == letter)?;
        latin.chars().nth(place)
    });
    found.unwrap_or(letter)
}

/// What a text says under its disguises: encoded, backwards, turned by thirteen letters, with digits for letters or marks between them.
pub(super) fn taken_off(text: &str) -> Vec<String> {
    let mut plain = encoded(text);
    plain.push(text.chars().rev().collect());
    plain.push(text.chars().map(turned).collect());
    for paragraph in text.split("\n\n") {
        plain.extend(injection::taken_off(paragraph));
    }
    plain
}

fn turned(letter: char) -> char {
    let turn = |first: u8, letter: u8| char::from(first + (letter - first + 13) % 26);
    match letter {
        'a'..='z' => turn(b'a', letter as u8),
        'A'..='Z' => turn(b'A', letter as u8),
        other => other,
    }
}

/// What stands in Base64, as hexadecimal digits or with percent signs, where it is text. An encoded text may be cut into lines.
fn encoded(text: &str) -> Vec<String> {
    let is_of_run = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=' | '-' | '_');
    let mut runs: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().map(str::trim) {
        let is_whole = !line.is_empty() && line.chars().all(is_of_run);
        match runs.last_mut().filter(|_| goes_on && is_whole) {
            Some(run) => run.push_str(line),
            None => runs.extend(line.split(|letter| !is_of_run(letter)).map(str::to_owned)),
        }
        goes_on = line.len() >= ENCODED_MIN && line.ends_with(is_of_run);
    }
    let long = runs.iter().filter(|run| run.len() >= ENCODED_MIN);
    let mut plain: Vec<String> = long.filter_map(|run| of_base64(run).or_else(|| of_hex(run))).collect();
    if text.matches('%').count() >= HIDDEN_MIN {
        plain.extend(of_percents(text));
    }
    plain
}

fn of_base64(run: &str) -> Option<String> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if run.contains(['-', '_']) {
        &alphabet::URL_SAFE
    } else {
        &alphabet::STANDARD
    };
    text_of(GeneralPurpose::new(alphabet, config).decode(run).ok()?)
}

fn of_hex(run: &str) -> Option<String> {
    let digits: Option<Vec<u8>> = run.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect();
    let pairs = digits?;
    text_of(pairs.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn of_percents(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push((high << 4 | low) as u8);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    text_of(bytes)
}

fn text_of(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let is_text = text.contains(' ')
        && text
            .chars()
            .all(|letter| !letter.is_control() || letter.is_whitespace());
    is_text.then_some(text)
}

/// Letters that stand alone, one after the other, and what they say of what a model was told; none where they say nothing of it.
pub(super) fn apart(text: &str) -> Option<(String, &'static str)> {
    const SET_ASIDE: [&str; 5] = ["ignore", "disregard", "forget", "reveal", "override"];
    const TOLD: [&str; 4] = ["instruction", "prompt", "rules", "guidelines"];
    let mut run = String::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric()).chain(["end"]) {
        let mut letters = word.chars();
        match (letters.next(), letters.next()) {
            (None, _) => {}
            (Some(letter), None) => run.extend(letter.to_lowercase()),
            (Some(_), Some(_)) => {
                let verb = SET_ASIDE.iter().find(|verb| run.contains(**verb));
                if let (Some(verb), true) = (verb, TOLD.iter().any(|told| run.contains(told)))
                    && run.len() >= APART_MIN
                {
                    return Some((run, verb));
                }
                run.clear();
            }
        }
    }
    None
}
