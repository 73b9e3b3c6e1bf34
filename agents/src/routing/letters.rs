//! How alike two texts are by their runs of letters: what is misspelt, and what the embedder has no words for, is still alike.

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
};

use super::message::{Word, words};

/// Runs of letters that are compared.
const RUNS: RangeInclusive<usize> = 3..=5;
/// Runs are found by so many of the first bits of their numbers.
const STRETCH_BITS: u32 = 12;
/// That two texts share a run which more than one of so many texts have is not counted: it says next to nothing, and adding these up
/// would be most of the work.
const TELLING: usize = 12;
/// But that few texts have it is no reason to leave one out.
const FEW: usize = 8;

/// Texts by their runs of letters.
#[derive(Debug, Default)]
pub(super) struct LetterRuns {
    /// The numbers of all runs, in order, and where those begin that have the same first bits. A message has a hundred runs or more,
    /// and looks for them in order: so all that it touches stays in the nearest cache, which a hash table is too large for.
    numbers: Vec<u32>,
    stretches: Vec<u32>,
    /// By run, as in `numbers`: its weight, and where in `texts` those stand that have it.
    runs: Vec<(f32, Range<u32>)>,
    texts: Vec<u32>,
    /// By text: one by the length of its vector of weights; 0 where it has none.
    inverse_lengths: Vec<f32>,
}

impl LetterRuns {
    pub(super) fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let runs_of: Vec<Vec<u32>> = texts.map(|text| letter_runs(&words(text))).collect();
        let mut with_run: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (number, runs) in (0_u32..).zip(&runs_of) {
            for run in runs {
                with_run.entry(*run).or_default().push(number);
            }
        }
        let common = (runs_of.len() / TELLING).max(FEW);
        let mut made = Self::default();
        for (run, texts) in with_run {
            let begin = made.texts.len() as u32;
            let weight = (runs_of.len() as f32 / texts.len() as f32).ln();
            if texts.len() <= common {
                made.texts.extend(texts);
            }
            made.numbers.push(run);
            made.runs.push((weight, begin..made.texts.len() as u32));
        }
        let begin = |stretch: u32| made.numbers.partition_point(|number| stretch_of(*number) < stretch) as u32;
        made.stretches = (0..=1 << STRETCH_BITS).map(begin).collect();
        let inverse_length = |runs: &Vec<u32>| {
            let weights = runs.iter().filter_map(|run| made.run(*run)).map(|(weight, _)| weight);
            let square: f32 = weights.map(|weight| weight.powi(2)).sum();
            if square > 0.0 { square.sqrt().recip() } else { 0.0 }
        };
        made.inverse_lengths = runs_of.iter().map(inverse_length).collect();
        made
    }

    fn run(&self, number: u32) -> Option<&(f32, Range<u32>)> {
        let stretch = stretch_of(number) as usize;
        let (begin, end) = (*self.stretches.get(stretch)?, *self.stretches.get(stretch + 1)?);
        let stretch = &self.numbers[begin as usize..end as usize];
        let place = stretch.iter().position(|known| *known == number)?;
        self.runs.get(begin as usize + place)
    }

    /// For each text the cosine with a message of these words over runs of letters, each weighted by how rare it is.
    pub(super) fn cosines(&self, message: &[Word]) -> Vec<f32> {
        let mut products = vec![0.0_f32; self.inverse_lengths.len()];
        let rarest = (products.len().max(1) as f32).ln();
        let mut square = 0.0;
        for run in letter_runs(message) {
            let Some((weight, texts)) = self.run(run) else {
                square += rarest * rarest;
                continue;
            };
            square += weight * weight;
            for text in &self.texts[texts.start as usize..texts.end as usize] {
                products[*text as usize] += weight * weight;
            }
        }
        let inverse = if square > 0.0 { square.sqrt().recip() } else { 0.0 };
        for (product, inverse_length) in products.iter_mut().zip(&self.inverse_lengths) {
            *product *= inverse * inverse_length;
        }
        products
    }
}

/// The numbers of all runs of letters in words, sorted, without repeats. Scripts that are not ASCII say more with
/// fewer characters: of them pairs count too.
fn letter_runs(words: &[Word]) -> Vec<u32> {
    let mut runs = Vec::new();
    let mut letters: Vec<char> = Vec::new();
    for word in words {
        let pairs = !word.is_ascii();
        letters.clear();
        letters.extend(std::iter::once('^').chain(word.chars()).chain(['$']));
        for begin in 0..letters.len() {
            let longest = &letters[begin..letters.len().min(begin + RUNS.end())];
            runs.extend(run_numbers(longest).skip(RUNS.start() - 1));
        }
        if pairs {
            let inner = &letters[1..letters.len() - 1];
            runs.extend(inner.windows(2).filter_map(|pair| run_numbers(pair).last()));
        }
    }
    runs.sort_unstable();
    runs.dedup();
    runs
}

/// The numbers that stand for the runs of the first letter, the first two, and so on; two runs share one only by a rare accident.
fn run_numbers(letters: &[char]) -> impl Iterator<Item = u32> {
    // FNV-1a over characters.
    letters.iter().scan(0xcbf2_9ce4_8422_2325_u64, |hash, letter| {
        *hash = (*hash ^ u64::from(u32::from(*letter))).wrapping_mul(0x0100_0000_01b3);
        Some((*hash ^ (*hash >> 32)) as u32)
    })
}

/// The first bits of the number of a run.
fn stretch_of(number: u32) -> u32 {
    number >> (u32::BITS - STRETCH_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_text_is_nearest_to_what_was_meant() {
        let texts = ["rotate a key", "cancel the subscription", "", "größe"];
        let known = LetterRuns::new(texts.into_iter());
        let cosines = |text| known.cosines(&words(text));
        let misspelt = cosines("cancle my subscripton");
        assert!(misspelt[1] > 0.3 && misspelt[0] < 0.1, "{misspelt:?}");
        assert_eq!(misspelt[2], 0.0);
        assert!((cosines("rotate a KEY")[0] - 1.0).abs() < 1e-4);
        assert_eq!(cosines(""), [0.0; 4]);
        assert!(LetterRuns::default().cosines(&words("x")).is_empty());
    }

    #[test]
    fn what_many_texts_share_is_not_counted_and_what_few_share_is() {
        let mut texts: Vec<String> = (0..30)
            .map(|number| format!("invoice {number}{number}{number}"))
            .collect();
        let cosines = |texts: &[String], text| LetterRuns::new(texts.iter().map(String::as_str)).cosines(&words(text));
        assert_eq!(cosines(&texts, "invoice"), [0.0; 30]);
        let of_one = cosines(&texts, "invoice 777");
        assert!(
            of_one[7] > 0.1 && of_one.iter().filter(|cosine| **cosine > 0.0).count() == 1,
            "{of_one:?}"
        );
        texts.truncate(FEW);
        texts.push("refund".to_owned());
        let of_few = cosines(&texts, "invoice");
        assert!(of_few[..FEW].iter().all(|cosine| *cosine > 0.0), "{of_few:?}");
    }
}
