//! The tools that there are, and which of them an agent has.

use std::sync::Arc;

use crate::{
    acting::BuiltIn,
    tool::{Effect, Tool, ToolSource},
};

/// All sources of tools.
#[derive(Clone, Default)]
pub struct ToolBox {
    sources: Arc<[Arc<dyn ToolSource>]>,
    only_reading: bool,
}

/// What an agent has now.
#[derive(Clone, Default)]
pub struct Taken {
    /// Its tools, by rising name, which no two of them share.
    pub tools: Vec<Arc<dyn Tool>>,
    /// Which of those that are built in.
    pub built_in: Vec<BuiltIn>,
    /// The sources that could not be asked, each with why.
    pub missing: Vec<(String, String)>,
}

impl ToolBox {
    /// A box with what these sources have.
    #[must_use]
    pub fn new(sources: Vec<Arc<dyn ToolSource>>) -> Self {
        Self {
            sources: sources.into(),
            only_reading: false,
        }
    }

    /// The same with those tools alone that leave nothing behind and ask nobody, for trials.
    #[must_use]
    pub fn only_reading(&self) -> Self {
        Self {
            sources: Arc::clone(&self.sources),
            only_reading: true,
        }
    }

    /// What fits one of `patterns`: names of tools, in which `*` stands for any letters. Where two sources have a tool of the same
    /// name, that of the first counts. What is built in is had by its whole name alone, which no other tool can have.
    pub async fn take(&self, patterns: &[String]) -> Taken {
        let mut taken = Taken::default();
        if patterns.is_empty() {
            return taken;
        }
        let is_named = |built_in: &BuiltIn| patterns.iter().any(|pattern| pattern == built_in.name());
        (taken.built_in).extend(
            (BuiltIn::ALL.into_iter())
                .filter(|built_in| is_named(built_in) && (built_in.only_reads() || !self.only_reading)),
        );
        for source in self.sources.iter() {
            match source.tools().await {
                Ok(tools) => taken.tools.extend(tools.into_iter().filter(|tool| {
                    let is_open = tool.effect() == Effect::None && tool.approval().is_none();
                    let name = tool.offer().name.as_str();
                    (is_open || !self.only_reading)
                        && !BuiltIn::is_reserved(name)
                        && patterns.iter().any(|pattern| fits(pattern, name))
                })),
                Err(error) => taken.missing.push((source.name().to_owned(), error.to_string())),
            }
        }
        taken.tools.sort_by(|a, b| a.offer().name.cmp(&b.offer().name));
        taken.tools.dedup_by(|b, a| a.offer().name == b.offer().name);
        taken
    }
}

impl std::fmt::Debug for ToolBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.sources.iter().map(|source| source.name()))
            .finish()
    }
}

/// Whether a name fits a pattern, in which `*` stands for any letters, also none.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(before) else {
        return false;
    };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && fits(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, name) in [
            ("crm_*", "crm_find"),
            ("*", "x"),
            ("a*c", "abc"),
            ("a*c", "ac"),
            ("a", "a"),
            ("*_read*", "db_read_all"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("crm_*", "cr_find"), ("a", "ab"), ("a*c", "abd"), ("", "a")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
