//! The reference in the documents is written from the commented defaults, and their comments are held against the code.
//!
//! `UPDATE_DOCS=1 cargo test -p orchestratai documents` writes the reference anew.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use super::{
    Overrides, Settings,
    layers::{DEFAULTS, variable},
};

/// One key as the commented defaults have it.
struct Documented {
    key: String,
    default: String,
    /// What it means, in one paragraph.
    meaning: String,
    /// What stands behind `Allowed: `, without the full stop.
    allowed: String,
}

/// The introduction, those of sections, then the keys in their order.
fn read() -> (String, BTreeMap<String, String>, Vec<Documented>) {
    let (introduction, sections) = DEFAULTS.split_once("\n[").unwrap();
    let introduction = introduction
        .lines()
        .map(|line| line.trim_start_matches('#').trim_start());
    let introduction = introduction.collect::<Vec<_>>().join("\n").trim().to_owned();
    let (mut section, mut comment, mut keys) = (String::new(), Vec::new(), Vec::new());
    let mut introductions = BTreeMap::new();
    for line in format!("[{sections}").lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            if !comment.is_empty() {
                introductions.insert(section.clone(), std::mem::take(&mut comment).join(" "));
            }
        } else if let Some(text) = line.strip_prefix("# ") {
            comment.push(text.to_owned());
        } else if let Some((key, default)) = line.split_once(" = ") {
            let key = format!("{section}.{key}");
            let last = comment.pop().unwrap_or_default();
            let allowed = last.strip_prefix("Allowed: ").and_then(|text| text.strip_suffix('.'));
            keys.push(Documented {
                allowed: allowed
                    .unwrap_or_else(|| panic!("{key}: no line \"# Allowed: ….\" above it"))
                    .to_owned(),
                meaning: std::mem::take(&mut comment).join(" "),
                default: default.to_owned(),
                key,
            });
        } else {
            assert!(line.is_empty(), "neither comment nor key: {line}");
        }
    }
    (introduction, introductions, keys)
}

#[test]
fn every_key_is_read_by_the_code_and_documented_with_its_meaning_and_what_is_allowed() {
    let settings = Settings::load(None, [], &Overrides::default()).unwrap();
    let mut documented: BTreeMap<_, _> = read()
        .2
        .into_iter()
        .map(|documented| (documented.key.clone(), documented))
        .collect();
    for value in &settings.read {
        let documented = documented
            .remove(value.key)
            .unwrap_or_else(|| panic!("{} is not documented", value.key));
        assert_eq!(documented.allowed, value.allowed, "{}", value.key);
        assert!(
            documented.meaning.ends_with('.'),
            "{}: {:?}",
            value.key,
            documented.meaning
        );
    }
    assert!(
        documented.is_empty(),
        "documented and never read: {:?}",
        documented.keys()
    );
}

fn generated() -> String {
    let (introduction, introductions, keys) = read();
    let mut out = format!(
        "# Configuration\n\n\
         <!-- Written from config/orchestratai.toml; a test fails where it is stale. Do not edit.\n\
         \x20    To write it anew: UPDATE_DOCS=1 cargo test -p orchestratai documents -->\n\n{introduction}\n\n\
         `orchestratai check-config` says what is wrong, all of it at once, and what every setting is and where it was set.\n"
    );
    let mut section = "";
    for Documented {
        key,
        default,
        meaning,
        allowed,
    } in &keys
    {
        let its_section = key.split('.').next().unwrap();
        if section != its_section {
            section = its_section;
            let its_introduction = introductions.get(section).map(|text| format!("{text}\n\n"));
            let its_introduction = its_introduction.unwrap_or_default();
            write!(
                out,
                "\n## `[{section}]`\n\n{its_introduction}| key | default | what it means | allowed |\n| --- | --- | --- | --- |\n"
            )
            .unwrap();
        }
        let name = key.rsplit('.').next().unwrap();
        let allowed = allowed.replace('|', "\\|");
        writeln!(
            out,
            "| `{name}`<br>`{}` | `{default}` | {meaning} | {allowed} |",
            variable(key)
        )
        .unwrap();
    }
    out
}

#[test]
fn the_reference_is_not_stale() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let expected = generated();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} is stale: run with UPDATE_DOCS=1", path.display());
}
