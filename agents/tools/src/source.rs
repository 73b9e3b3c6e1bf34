//! What is said of every source, whatever kind it is.

use std::{fmt, time::Duration};

use orchestratai_agents::tool::ApprovalRule;

use crate::glob::Glob;

/// The name of a source: a letter and then up to 31 of a-z, 0-9 and -. It has no `_`, so that in `SOURCE_tool` the first one ends it and no
/// two sources have tools of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceName(String);

/// It is no name of a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a tool source is a letter and then up to 31 of a-z, 0-9 and -; and not `ask`, by which agents ask each other"
)]
pub struct SourceNameError;

impl SourceName {
    /// Takes a name.
    ///
    /// # Errors
    /// Where it is none.
    pub fn new(name: &str) -> Result<Self, SourceNameError> {
        let is_sound = name != "ask"
            && name.len() <= 32
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        is_sound.then(|| Self(name.to_owned())).ok_or(SourceNameError)
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the calls of a source may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection, with all that is said before the first call.
    pub connect: Duration,
    /// For the list of tools.
    pub list: Duration,
    /// For one call, the wait for room included.
    pub call: Duration,
    /// Bytes that a result may have, 1 KiB or more; what is beyond is cut off, with a note.
    pub result_bytes_max: usize,
    /// Calls at once, 1 or more; one more waits, within its time limit.
    pub concurrency: usize,
}

/// Whose calls a person has to approve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Approvals {
    /// Patterns of the names of tools, as models see them.
    pub tools: Vec<Glob>,
    /// How long a decision may take.
    pub within: Duration,
    /// What is decided where nobody did in time.
    pub otherwise_approved: bool,
}

impl Approvals {
    /// The rule for one tool, where it has one.
    pub(crate) fn rule(&self, tool: &str) -> Option<ApprovalRule> {
        let pattern = self.tools.iter().find(|pattern| pattern.matches(tool))?;
        Some(ApprovalRule {
            reason: format!(
                "calls of {tool} are to be approved (approval has {:?})",
                pattern.as_str()
            ),
            within: self.within,
            otherwise_approved: self.otherwise_approved,
        })
    }
}

/// A secret that a server wants to see. It is never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes it in.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_a_name_that_ends_before_the_first_underscore() {
        for name in ["a", "github", "my-api-2"] {
            assert_eq!(SourceName::new(name).unwrap().as_str(), name);
        }
        for name in ["", "A", "1a", "a_b", "a.b", "ä", "ask", &"a".repeat(33)] {
            assert_eq!(SourceName::new(name), Err(SourceNameError), "{name}");
        }
    }

    #[test]
    fn a_rule_is_that_of_the_pattern_that_the_name_matches() {
        let approvals = Approvals {
            tools: vec![Glob::new("shop_delete*").unwrap()],
            within: Duration::from_secs(60),
            otherwise_approved: false,
        };
        assert_eq!(approvals.rule("shop_list"), None);
        let rule = approvals.rule("shop_delete_order").unwrap();
        assert_eq!((rule.within, rule.otherwise_approved), (Duration::from_secs(60), false));
        assert!(rule.reason.contains("shop_delete_order"), "{}", rule.reason);
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?}", Secret::new("canary")), "Secret(…)");
    }
}
