//! Patterns of names, as people write them in a configuration.

/// A pattern: `*` stands for any characters, none included, `?` for one; everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

/// It is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a pattern has 1 to 256 characters")]
pub struct GlobError;

/// Characters that a pattern may have.
const LENGTH_MAX: usize = 256;

impl Glob {
    /// Takes a pattern.
    ///
    /// # Errors
    /// Where it is empty or too long.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        if pattern.is_empty() || pattern.chars().count() > LENGTH_MAX {
            return Err(GlobError);
        }
        Ok(Self(pattern.to_owned()))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `name` is as the pattern says. O(length of both), at worst their product.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let pattern: Vec<char> = self.0.chars().collect();
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut in_name) = (0, 0);
        // The last star, and how far the name had come there: where the rest does not fit, the star takes one more.
        let mut star: Option<(usize, usize)> = None;
        while in_name < name.len() {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at, in_name));
                    at += 1;
                }
                Some(wanted) if *wanted == '?' || *wanted == name[in_name] => {
                    at += 1;
                    in_name += 1;
                }
                Some(_) | None => {
                    let Some((star_at, taken)) = star else {
                        return false;
                    };
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    in_name = taken + 1;
                }
            }
        }
        pattern[at..].iter().all(|rest| *rest == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_others() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("get*", "getOrder", true),
            ("get*", "forget", false),
            ("*get", "forget", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("GET /orders/*", "GET /orders/{id}", true),
            ("ab", "abc", false),
            ("abc", "ab", false),
        ] {
            assert_eq!(Glob::new(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
        assert!(Glob::new("").is_err() && Glob::new(&"a".repeat(257)).is_err());
    }

    #[test]
    fn many_stars_take_no_more_than_the_product_of_the_lengths() {
        let pattern = format!("{}b", "*a".repeat(127));
        assert!(!Glob::new(&pattern).unwrap().matches(&"a".repeat(20_000)));
    }
}
