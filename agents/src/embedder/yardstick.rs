//! How near is near: the scale of an embedder, found by texts of which is known what belongs together.
//!
//! The cosines of one model say nothing on the scale of another: what is unrelated has 0.05 with one and 0.7 with another. All weights
//! and thresholds of search are set for the cosines of the transformer, so the cosines of any other model are brought to its scale: by the
//! straight line that takes its mean cosine of questions and their answers, and of questions and other answers, to those of the transformer.

/// Questions, and passages that answer them.
const PAIRS: [(&str, &str); 24] = [
    (
        "How long does a refund take?",
        "Money goes back to the card that was charged. Refunds arrive within five working days.",
    ),
    (
        "Where can I change my password?",
        "Passwords are changed in the settings of the account, under security. A link is sent by mail.",
    ),
    (
        "Why is my internet connection so slow?",
        "A slow connection is mostly the fault of the wireless network: move the router, or use a cable.",
    ),
    (
        "How many days of holiday do employees get?",
        "Every employee has thirty days of paid leave a year. Unused days expire at the end of March.",
    ),
    (
        "Can I cancel my subscription at any time?",
        "A subscription ends at the end of the month in which it is cancelled. No reason has to be given.",
    ),
    (
        "What should I do when the printer jams?",
        "Open the rear cover, pull the paper out slowly in the direction of travel, and close the cover again.",
    ),
    (
        "How do I bake bread without yeast?",
        "Soda bread rises by baking soda and buttermilk. Mix, shape a loaf, and bake it for forty minutes.",
    ),
    (
        "Who pays for shipping when I return an item?",
        "Returns are free of charge: print the label from your order and hand the parcel in at any post office.",
    ),
    (
        "What is the limit of requests to the API?",
        "Each key may make one hundred requests a minute. Beyond that the server answers with status 429.",
    ),
    (
        "How do I water succulents?",
        "Succulents want little water: let the soil dry out, and water them every two weeks.",
    ),
    (
        "Is breakfast included in the price of the room?",
        "All rates include a breakfast buffet, served from seven to ten in the restaurant on the ground floor.",
    ),
    (
        "When was the museum built?",
        "The building was finished in 1887 and has housed the museum's collection of paintings ever since.",
    ),
    (
        "How do I restore a backup of the database?",
        "Stop the service, unpack the latest backup into the data folder, and start the service again.",
    ),
    (
        "What is the dose of this medicine for children?",
        "Children under twelve take half a tablet twice a day, with food. Ask a doctor for infants.",
    ),
    (
        "How do I report a bug in the software?",
        "Errors are reported on the issue tracker, with the version and the steps that lead to them.",
    ),
    (
        "Do I need a visa to travel there?",
        "Citizens of the union may enter without a visa for ninety days; everybody else applies at the embassy.",
    ),
    (
        "How often does the oil of the car have to be changed?",
        "The engine oil is replaced every fifteen thousand kilometres, or once a year.",
    ),
    (
        "Are pets allowed in the apartment?",
        "Cats and small dogs may be kept with the consent of the landlord. Neighbours must not be disturbed.",
    ),
    (
        "How is my personal data protected?",
        "Data of customers are encrypted, are kept in the country, and are never sold to third parties.",
    ),
    (
        "Which plan includes single sign-on?",
        "Single sign-on by SAML is a part of the enterprise plan, and can be added to the business plan.",
    ),
    (
        "What time does the last train leave?",
        "On weekdays trains run until half past midnight, on weekends all night, every thirty minutes.",
    ),
    (
        "How do I open a bank account for my child?",
        "Parents open a youth account at any branch, with the birth certificate and their own identity card.",
    ),
    (
        "What happens if I pay my invoice late?",
        "After the due date a reminder is sent. From the second reminder on a fee of five euros is charged.",
    ),
    (
        "How do I train for a marathon?",
        "Run four times a week, lengthen one run every weekend, and rest for two weeks before the race.",
    ),
];

/// The mean cosine of the transformer of a question and its answer, and of a question and another answer; a test computes them.
const RELATED: f32 = 0.585;
const UNRELATED: f32 = 0.046;
/// Where answers are not nearer than this to their questions than other answers are, there is nothing to go by.
const LEAD_MIN: f32 = 0.02;

/// The questions by which a scale is found.
pub(super) fn questions() -> Vec<String> {
    PAIRS.iter().map(|(question, _)| (*question).to_owned()).collect()
}

/// The passages by which a scale is found, in the order of their questions.
pub(super) fn passages() -> Vec<String> {
    PAIRS.iter().map(|(_, passage)| (*passage).to_owned()).collect()
}

/// Brings the cosines of an embedder to the scale of the transformer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    factor: f32,
    shift: f32,
}

impl Scale {
    /// Of an embedder that has made these vectors of [`questions`] and [`passages`], of unit length; none where it does not tell texts
    /// apart.
    pub(super) fn of(questions: &[Vec<f32>], passages: &[Vec<f32>]) -> Option<Self> {
        let (related, unrelated) = means(questions, passages)?;
        let lead = related - unrelated;
        (lead >= LEAD_MIN).then(|| {
            let factor = (RELATED - UNRELATED) / lead;
            Self {
                factor,
                shift: UNRELATED - factor * unrelated,
            }
        })
    }

    /// A cosine of the embedder, -1 to 1, on the scale of the transformer.
    pub(crate) fn of_transformer(self, cosine: f32) -> f32 {
        (self.factor * cosine + self.shift).clamp(-1.0, 1.0)
    }
}

/// The mean cosine of a question and its passage, and of a question and another one's.
fn means(questions: &[Vec<f32>], passages: &[Vec<f32>]) -> Option<(f32, f32)> {
    let (mut related, mut unrelated) = (Vec::new(), Vec::new());
    for (at, question) in questions.iter().enumerate() {
        for (other, passage) in passages.iter().enumerate() {
            let cosine: f32 = question.iter().zip(passage).map(|(a, b)| a * b).sum();
            match at == other {
                true => related.push(cosine),
                false => unrelated.push(cosine),
            }
        }
    }
    let mean = |cosines: &[f32]| (!cosines.is_empty()).then(|| cosines.iter().sum::<f32>() / cosines.len() as f32);
    Some((mean(&related)?, mean(&unrelated)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedder::{Embedder, Transformer};

    fn vectors(texts: &[String]) -> Vec<Vec<f32>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Transformer::embedded().unwrap().embed_batch(&texts).unwrap()
    }

    #[test]
    fn the_scale_is_that_of_the_transformer_and_any_other_is_brought_to_it() {
        let (questions, passages) = (vectors(&questions()), vectors(&passages()));
        let (related, unrelated) = means(&questions, &passages).unwrap();
        assert!((related - RELATED).abs() < 0.005, "{related}");
        assert!((unrelated - UNRELATED).abs() < 0.005, "{unrelated}");

        // Much of each vector the same, as with models whose cosines are all between 0.7 and 1.
        let crowded = |vectors: &[Vec<f32>]| -> Vec<Vec<f32>> {
            let one = |vector: &Vec<f32>| {
                let kept = vector.iter().map(|number| number * 0.3_f32.sqrt());
                kept.chain([0.7_f32.sqrt()]).collect()
            };
            vectors.iter().map(one).collect()
        };
        let scale = Scale::of(&crowded(&questions), &crowded(&passages)).unwrap();
        for cosine in [-0.1, 0.0, 0.3, 0.9] {
            let found = scale.of_transformer(0.3 * cosine + 0.7);
            assert!((found - cosine).abs() < 0.02, "{cosine}: {found}");
        }
        assert_eq!(scale.of_transformer(-1.0), -1.0, "a cosine stays one");
    }

    #[test]
    fn who_does_not_tell_texts_apart_has_no_scale() {
        let same = vec![vec![1.0, 0.0]; PAIRS.len()];
        assert_eq!(Scale::of(&same, &same), None);
        assert_eq!(Scale::of(&[], &[]), None);
    }
}
