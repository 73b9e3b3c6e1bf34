//! The tools that there are, and which of them an agent has.

use std::sync::Arc;

use futures_util::future::join_all;

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
    ///
    /// Those sources alone are asked whose tools may fit one, all at the same time: one that hangs is waited for by whom it concerns, and
    /// by them for as long as it may take and no longer.
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
        let concerned = (self.sources.iter()).filter(|source| {
            let prefix = format!("{}_", source.name());
            patterns.iter().any(|pattern| may_fit(pattern, &prefix))
        });
        let asked = concerned.map(|source| async move { (source.name(), source.tools().await) });
        for (source, answer) in join_all(asked).await {
            match answer {
                Ok(tools) => taken.tools.extend(tools.into_iter().filter(|tool| {
                    let is_open = tool.effect() == Effect::None && tool.approval().is_none();
                    let name = tool.offer().name.as_str();
                    (is_open || !self.only_reading)
                        && !BuiltIn::is_reserved(name)
                        && patterns.iter().any(|pattern| fits(pattern, name))
                })),
                Err(error) => taken.missing.push((source.to_owned(), error.to_string())),
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

/// Whether any name that begins so can fit a pattern.
fn may_fit(pattern: &str, prefix: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.starts_with(prefix),
        Some((before, _)) => before.starts_with(prefix) || prefix.starts_with(before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_whose_tools_may_fit_are_concerned() {
        for pattern in ["*", "c*", "crm_*", "crm_find", "crm_f*d", "*_find"] {
            assert!(may_fit(pattern, "crm_"), "{pattern}");
        }
        for pattern in ["", "shop_*", "crm-two_*", "crm", "search_knowledge", "crmx*"] {
            assert!(!may_fit(pattern, "crm_"), "{pattern}");
        }
    }

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
