//! What is kept of people, where the organization has switched that on.

use orchestratai_agents::facts::FactRules;

use super::{HOUR, reader::Reader};

/// The rules, whether they are followed or not: a wrong value is told in either case.
pub(super) fn read_memory(r: &mut Reader) -> Option<FactRules> {
    let is_enabled = r.boolean("memory.enabled");
    let rules = FactRules {
        facts_max: r.integer("memory.facts_max", 1..=1_000) as usize,
        characters_max: r.integer("memory.fact_characters", 20..=1_000) as usize,
        kept_for: r.duration("memory.kept_for", HOUR..=10 * 365 * 24 * HOUR),
    };
    is_enabled.then_some(rules)
}
