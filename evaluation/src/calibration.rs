//! Whether confidence means something: decisions with how sure they were, and whether they were right.

/// Bins of equal width.
const BINS: usize = 10;

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// How sure it was, 0 to 1.
    pub confidence: f64,
    /// Whether it was right.
    pub is_right: bool,
}

/// The decisions whose confidence lies in one bin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// Decisions.
    pub cases: usize,
    /// Their mean confidence; 0 of none.
    pub confidence: f64,
    /// The share of them that is right; 0 of none.
    pub accuracy: f64,
}

/// Ten bins of equal width over 0 to 1.
#[must_use]
pub fn bins(judged: &[Judged]) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for case in judged {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a confidence is from 0 to 1"
        )]
        let bin = &mut bins[((case.confidence * BINS as f64) as usize).min(BINS - 1)];
        bin.cases += 1;
        bin.confidence += case.confidence;
        bin.accuracy += f64::from(u8::from(case.is_right));
    }
    for bin in bins.iter_mut().filter(|bin| bin.cases > 0) {
        let cases = count(bin.cases);
        bin.confidence /= cases;
        bin.accuracy /= cases;
    }
    bins
}

/// The expected calibration error over the bins (Naeini et al., 2015): how far confidence is from the share that is right, on
/// average over the decisions.
#[must_use]
pub fn calibration_error(judged: &[Judged]) -> f64 {
    let far: f64 = bins(judged)
        .iter()
        .map(|bin| (bin.confidence - bin.accuracy).abs() * count(bin.cases))
        .sum();
    far / count(judged.len().max(1))
}

/// The share that is right among the surest decisions, for each number of them: `(share of all decisions, share right)`. Of equally
/// sure ones all come in or none: where the confidence is the same, nothing says which is taken first.
#[must_use]
pub fn selective_curve(judged: &[Judged]) -> Vec<(f64, f64)> {
    let mut surest = judged.to_vec();
    surest.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut right = 0_usize;
    let mut curve = Vec::new();
    for (at, case) in surest.iter().enumerate() {
        right += usize::from(case.is_right);
        let is_last_of_equals = surest.get(at + 1).is_none_or(|next| next.confidence < case.confidence);
        if is_last_of_equals {
            curve.push((count(at + 1) / count(surest.len()), count(right) / count(at + 1)));
        }
    }
    curve
}

fn count(cases: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a set is far below 2^52 cases")]
    let count = cases as f64;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_is_held_against_what_was_right() {
        let case = |confidence, is_right| Judged { confidence, is_right };
        let judged = [case(0.95, true), case(0.95, true), case(0.55, false), case(0.75, true)];
        // Two right at 0.95, one wrong at 0.55, one right at 0.75: 0.1, 0.55 and 0.25 away, of four.
        assert!((calibration_error(&judged) - 0.9 / 4.0).abs() < 1e-9);
        assert_eq!(selective_curve(&judged), [(0.5, 1.0), (0.75, 1.0), (1.0, 0.75)]);
        assert_eq!(bins(&[case(1.0, true)])[9].cases, 1);
        assert!(calibration_error(&[]).abs() < 1e-9 && selective_curve(&[]).is_empty());
    }
}
