//! Near-duplicates within a collection: chunks that say the same, of which search shows one.
//!
//! Two chunks are near-duplicates when the sets of their runs of five words have a Jaccard similarity of 0.9 or more, and
//! their numbers are the same in the same order: "30 days" and "60 days" make two statements, however alike the rest is.
//! All such pairs are found, without comparing each with each: two sets that alike share one of the first tenth of their
//! elements, in whatever order, if it is the same for all (prefix filter; Chaudhuri, Ganti and Kaushik, 2006). The rarest
//! come first, so that what stands in many chunks, such as a footer, does not make all of them candidates.

use std::collections::HashMap;

use crate::words::word_number;

/// Words in a run.
const RUN: usize = 5;
/// From this share of common runs on, two chunks say the same.
const ALIKE: f64 = 0.9;

/// For each text, the first text before it that it is a near-duplicate of; none for those that are shown.
pub(crate) fn fold<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Option<u32>> {
    let mut shown: Vec<(u32, Fingerprint)> = Vec::new();
    // From a run to the places in `shown` whose prefix it is in.
    let mut by_run: HashMap<u32, Vec<usize>> = HashMap::new();
    let mut folded = Vec::new();
    for (at, print) in (0_u32..).zip(fingerprints(texts)) {
        let mut candidates: Vec<usize> = print
            .prefix()
            .iter()
            .flat_map(|run| by_run.get(run).into_iter().flatten().copied())
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        let original = candidates
            .into_iter()
            .find(|candidate| shown[*candidate].1.is_like(&print));
        if let Some(original) = original {
            folded.push(Some(shown[original].0));
            continue;
        }
        for run in print.prefix() {
            by_run.entry(*run).or_default().push(shown.len());
        }
        shown.push((at, print));
        folded.push(None);
    }
    folded
}

struct Fingerprint {
    /// The places of its runs in an order of all runs in which the rarest come first; sorted, without repeats.
    runs: Vec<u32>,
    numbers: Vec<String>,
}

/// The fingerprints of all texts.
fn fingerprints<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Fingerprint> {
    let all: Vec<Runs> = texts.map(Runs::of).collect();
    let mut uses: HashMap<u64, u32> = HashMap::new();
    for run in all.iter().flat_map(|runs| &runs.hashes) {
        *uses.entry(*run).or_default() += 1;
    }
    let mut order: Vec<(u32, u64)> = uses.into_iter().map(|(run, uses)| (uses, run)).collect();
    order.sort_unstable();
    let place: HashMap<u64, u32> = order.into_iter().map(|(_, run)| run).zip(0..).collect();
    let fingerprint = |runs: Runs| {
        let mut places: Vec<u32> = runs.hashes.iter().map(|run| place[run]).collect();
        places.sort_unstable();
        Fingerprint {
            runs: places,
            numbers: runs.numbers,
        }
    };
    all.into_iter().map(fingerprint).collect()
}

/// What a text is compared by.
struct Runs {
    /// Without repeats.
    hashes: Vec<u64>,
    numbers: Vec<String>,
}

impl Runs {
    fn of(text: &str) -> Self {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let codes: Vec<u64> = words.iter().map(|word| u64::from(word_number(word))).collect();
        let mut hashes: Vec<u64> = codes
            .windows(RUN.min(codes.len()).max(1))
            .map(|run| {
                run.iter().fold(run.len() as u64, |hash, code| {
                    (hash ^ code).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31)
                })
            })
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        let numbers = words
            .into_iter()
            .filter(|word| word.bytes().any(|byte| byte.is_ascii_digit()))
            .collect();
        Self { hashes, numbers }
    }
}

impl Fingerprint {
    /// The runs of which two fingerprints must share one if they are alike.
    fn prefix(&self) -> &[u32] {
        let must_share = (ALIKE * self.runs.len() as f64).ceil() as usize;
        &self.runs[..self
            .runs
            .len()
            .min(self.runs.len() + 1 - must_share.min(self.runs.len()))]
    }

    fn is_like(&self, other: &Self) -> bool {
        if self.numbers != other.numbers {
            return false;
        }
        let (mut a, mut b) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        let mut common = 0_usize;
        while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
            match left.cmp(right) {
                std::cmp::Ordering::Less => drop(a.next()),
                std::cmp::Ordering::Greater => drop(b.next()),
                std::cmp::Ordering::Equal => {
                    common += 1;
                    a.next();
                    b.next();
                }
            }
        }
        let all = self.runs.len() + other.runs.len() - common;
        all > 0 && common as f64 >= ALIKE * all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(last: &str) -> String {
        (0..120)
            .map(|n| ["alpha", "beta", "gamma", "delta", "epsilon"][n * n % 5].to_owned() + &"x".repeat(n % 17))
            .collect::<Vec<_>>()
            .join(" ")
            + " "
            + last
    }

    #[test]
    fn chunks_that_say_the_same_are_folded_and_others_are_not() {
        let texts = [
            long("end"),
            "Short text.".into(),
            long("END!"),
            long("other"),
            long("30 days"),
            long("60 days"),
            "short, TEXT".into(),
            "Another short text.".into(),
            String::new(),
            String::new(),
        ];
        let folded = fold(texts.iter().map(String::as_str));
        assert_eq!(
            folded,
            [None, None, Some(0), Some(0), None, None, Some(1), None, None, None]
        );
    }

    #[test]
    fn the_prefix_filter_misses_no_pair() {
        // Each text is the one before with one more word changed; compared with all pairs, the slow way.
        let words: Vec<String> = (0..150)
            .map(|n| {
                format!(
                    "w{}",
                    "abcdefghij".chars().nth(n % 10).unwrap().to_string().repeat(n / 10 + 1)
                )
            })
            .collect();
        let texts: Vec<String> = (0..40)
            .map(|changed| {
                let mut words = words.clone();
                for at in 0..changed / 2 {
                    words[at * 7 % 150] = format!("changed{}", "z".repeat(at + 1));
                }
                words.join(" ")
            })
            .collect();
        let prints = fingerprints(texts.iter().map(String::as_str));
        let mut slow: Vec<Option<u32>> = Vec::new();
        for at in 0..prints.len() {
            let original = (0..at).find(|before| slow[*before].is_none() && prints[*before].is_like(&prints[at]));
            slow.push(original.map(|original| u32::try_from(original).unwrap()));
        }
        assert_eq!(fold(texts.iter().map(String::as_str)), slow);
        assert!(slow.iter().any(Option::is_some) && slow.iter().filter(|folded| folded.is_none()).count() > 1);
    }
}
