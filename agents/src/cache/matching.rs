//! Which words of one question stand for which of another.

use std::cell::OnceCell;

use super::{
    question::{Item, Kind, Question},
    thesaurus::{are_near, are_opposite},
};
use crate::embedder::{StaticEmbedder, cosine};

/// From this cosine on, two words of one beginning mean nearly the same.
const SAME_ROOT: f32 = 0.6;
/// A word longer than this is no word.
const WORD_CHARS_MAX: usize = 40;
/// From this cosine on, two words of any beginning do.
const SAME_MEANING: f32 = 0.72;

/// Which items of one question stand for which of the other.
pub(super) fn matched(a: &Question, b: &Question, embedder: &StaticEmbedder) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let vectors_of = |question: &Question| vec![OnceCell::<Vec<f32>>::new(); question.items.len()];
    let (vectors_a, vectors_b) = (vectors_of(a), vectors_of(b));
    let near = |x: usize, y: usize| {
        let vector = |cells: &[OnceCell<Vec<f32>>], items: &[Item], at: usize| {
            let _ = cells[at].get_or_init(|| embedder.embed(&items[at].word));
        };
        vector(&vectors_a, &a.items, x);
        vector(&vectors_b, &b.items, y);
        let (Some(u), Some(v)) = (vectors_a[x].get(), vectors_b[y].get()) else {
            return 0.0;
        };
        cosine(u, v)
    };
    // The surer match first: no word may lose its twin to a cousin.
    for strength in 0..4 {
        for x in 0..a.items.len() {
            if pairs.iter().any(|pair| pair.0 == x) {
                continue;
            }
            let fits = |y: &usize| {
                let (one, other) = (&a.items[x], &b.items[*y]);
                let is_free = !pairs.iter().any(|pair| pair.1 == *y);
                is_free
                    && match strength {
                        0 => is_same(one, other),
                        1 => is_mistyped(one, other, embedder),
                        2 => can_vary(one, other) && are_near(&one.stem, &other.stem),
                        _ => {
                            can_vary(one, other)
                                && !are_opposite(&one.stem, &other.stem)
                                && near(x, *y)
                                    >= if have_one_root(&one.word, &other.word) {
                                        SAME_ROOT
                                    } else {
                                        SAME_MEANING
                                    }
                        }
                    }
            };
            // Of several the one at the same place: order is judged by it.
            let found = (0..b.items.len()).filter(fits).min_by_key(|y| y.abs_diff(x));
            pairs.extend(found.map(|y| (x, y)));
        }
    }
    add_initials(a, b, &mut pairs, false);
    add_initials(b, a, &mut pairs, true);
    add_joined(a, b, &mut pairs, false);
    add_joined(b, a, &mut pairs, true);
    pairs.sort_unstable();
    pairs
}

/// A name, a number or a side never stands for another one that only means nearly the same.
fn can_vary(a: &Item, b: &Item) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Word, Kind::Word) => true,
        (Kind::Side(side), Kind::Word) | (Kind::Word, Kind::Side(side)) => *side != "not",
        _ => false,
    }
}

fn is_same(a: &Item, b: &Item) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Side(a), Kind::Side(b)) => a == b,
        (Kind::Number(a), Kind::Number(b)) => a == b,
        (Kind::Name | Kind::Word, Kind::Name | Kind::Word) => a.word == b.word || a.stem == b.stem,
        _ => false,
    }
}

/// Whether one is the other with a letter too many, too few, wrong or out of place. Short words differ by a letter and
/// mean something else; so do two that are both words, such as "charge" and "change".
fn is_mistyped(a: &Item, b: &Item, embedder: &StaticEmbedder) -> bool {
    let (one, other) = (a.word.chars().count(), b.word.chars().count());
    // Compared letter by letter, so of a length that a word has.
    (6..=WORD_CHARS_MAX).contains(&one)
        && (6..=WORD_CHARS_MAX).contains(&other)
        && one.abs_diff(other) <= 1
        && a.kind == Kind::Word
        && b.kind == Kind::Word
        && a.word.chars().next() == b.word.chars().next()
        && strsim::damerau_levenshtein(&a.word, &b.word) == 1
        && embedder.has_word(&a.word) != embedder.has_word(&b.word)
}

fn have_one_root(a: &str, b: &str) -> bool {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count() >= 4
}

/// Initials that stand for words in a row: `DPA` for "data processing agreement".
fn add_initials(a: &Question, b: &Question, pairs: &mut Vec<(usize, usize)>, is_swapped: bool) {
    for (x, item) in a.items.iter().enumerate() {
        let is_taken = |side: bool, at: usize| pairs.iter().any(|pair| if side { pair.1 == at } else { pair.0 == at });
        let letters: Vec<char> = item.word.chars().collect();
        if is_taken(is_swapped, x) || !(2..=5).contains(&letters.len()) {
            continue;
        }
        let spelled = b.tokens.windows(letters.len()).position(|row| {
            row.iter()
                .zip(&letters)
                .all(|(token, letter)| token.lower.starts_with(*letter))
        });
        let Some(start) = spelled else { continue };
        let row = start..start + letters.len();
        let of_row: Vec<usize> = (0..b.items.len()).filter(|y| row.contains(&b.items[*y].at)).collect();
        if !of_row.is_empty() && of_row.iter().all(|y| !is_taken(!is_swapped, *y)) {
            pairs.extend(of_row.into_iter().map(|y| if is_swapped { (y, x) } else { (x, y) }));
        }
    }
}

/// A word that the other question writes as two.
fn add_joined(a: &Question, b: &Question, pairs: &mut Vec<(usize, usize)>, is_swapped: bool) {
    for (x, item) in a.items.iter().enumerate() {
        let is_taken = |side: bool, at: usize| pairs.iter().any(|pair| if side { pair.1 == at } else { pair.0 == at });
        if is_taken(is_swapped, x) {
            continue;
        }
        let joined = (1..b.items.len()).find(|y| {
            let (first, second) = (&b.items[*y - 1], &b.items[*y]);
            !is_taken(!is_swapped, *y - 1)
                && !is_taken(!is_swapped, *y)
                && item.word.strip_prefix(first.word.as_str()) == Some(second.word.as_str())
        });
        if let Some(y) = joined {
            pairs.extend([y - 1, y].map(|y| if is_swapped { (y, x) } else { (x, y) }));
        }
    }
}
