//! Names of tools that every provider of models takes, made of names that anybody may have given.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::source::SourceName;

/// Characters that providers take.
const LENGTH_MAX: usize = 64;
/// Hexadecimal digits that tell apart what would otherwise have one name.
const MARK_LENGTH: usize = 8;

/// For each name that a source has given, in the same order, that of the tool: `SOURCE_name` of letters, digits, `_` and `-`. None where
/// a name is there twice. The name of a tool depends on the set of the names and not on their order: of several that would come out
/// the same, those that had to be changed bear a mark made of the whole of what was given.
pub(crate) fn tool_names(source: &SourceName, given: &[&str]) -> Vec<Option<String>> {
    let plain: Vec<String> = given.iter().map(|name| plain(source, name)).collect();
    let mut claims: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, given) in plain.iter().zip(given) {
        let claim = claims.entry(name).or_default();
        if !claim.contains(given) {
            claim.push(given);
        }
    }
    let mut taken = BTreeMap::new();
    let mut names = Vec::with_capacity(given.len());
    for (name, given) in plain.iter().zip(given) {
        let is_as_given = name
            .strip_prefix(source.as_str())
            .and_then(|rest| rest.strip_prefix('_'))
            == Some(given);
        let is_alone = claims.get(name.as_str()).is_some_and(|claim| claim.len() == 1);
        let is_whole = source.as_str().len() + 1 + given.chars().count() <= LENGTH_MAX;
        let chosen = if is_as_given || (is_alone && is_whole) {
            name.clone()
        } else {
            marked(name, given)
        };
        let is_new = taken.insert(chosen.clone(), ()).is_none();
        names.push(is_new.then_some(chosen));
    }
    names
}

fn plain(source: &SourceName, given: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let letters = given.chars().map(|letter| if allowed(letter) { letter } else { '_' });
    let whole = source.as_str().chars().chain(['_']).chain(letters);
    whole.take(LENGTH_MAX).collect()
}

fn marked(name: &str, given: &str) -> String {
    let mut marked: String = name.chars().take(LENGTH_MAX - MARK_LENGTH - 1).collect();
    marked.push('_');
    for byte in &Sha256::digest(given.as_bytes())[..MARK_LENGTH / 2] {
        marked += &format!("{byte:02x}");
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &[&str]) -> Vec<Option<String>> {
        tool_names(&SourceName::new("shop").unwrap(), given)
    }

    #[test]
    fn strange_characters_and_lengths_become_names_that_models_take() {
        let long = "x".repeat(200);
        let given = ["list", "get order/№ 7", "", "\u{0}\r\n\"; drop", &long];
        for name in names(&given) {
            let name = name.unwrap();
            assert!((1..=64).contains(&name.len()) && name.starts_with("shop_"), "{name}");
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)),
                "{name}"
            );
        }
        assert_eq!(names(&["list"]), [Some("shop_list".to_owned())]);
        assert_eq!(names(&["a.b"]), [Some("shop_a_b".to_owned())]);
    }

    #[test]
    fn names_that_come_out_the_same_are_told_apart_whatever_their_order() {
        let forwards = names(&["a.b", "a_b", "a/b"]);
        let mut backwards = names(&["a/b", "a_b", "a.b"]);
        backwards.reverse();
        assert_eq!(forwards, backwards);
        assert_eq!(forwards[1].as_deref(), Some("shop_a_b"));
        assert!(forwards[0] != forwards[2] && forwards[0] != forwards[1]);
        let two_long = [format!("{}1", "x".repeat(80)), format!("{}2", "x".repeat(80))];
        let long = names(&[&two_long[0], &two_long[1]]);
        assert!(long[0] != long[1] && long.iter().flatten().all(|name| name.len() <= 64));
    }

    #[test]
    fn what_is_there_twice_is_there_once() {
        assert_eq!(names(&["a", "a"]), [Some("shop_a".to_owned()), None]);
    }
}
