//! The web console: where its files come from, and what it is told.

use orchestratai_agents::definition::{Catalog, Strategy};
use orchestratai_shared::Intent;
use orchestratai_web::{ConsoleFiles, ConsoleSettings};

use crate::{demo, settings::Settings};

/// Questions that a new chat offers.
const EXAMPLES_MAX: usize = 3;

/// What the console is served with.
pub(crate) fn console(settings: &Settings, catalog: &Catalog) -> ConsoleSettings {
    let files = match &settings.console.dir {
        Some(folder) => ConsoleFiles::Folder(folder.clone()),
        None => built::files(),
    };
    if matches!(files, ConsoleFiles::Absent) {
        tracing::info!("this binary was built without its web console; `make build` builds both");
    }
    ConsoleSettings {
        files,
        grafana_url: settings.console.grafana_url.clone(),
        examples: examples(settings, catalog),
    }
}

/// Those that are configured; else what can be asked of the demo; else, for agents that we do not know, what each of them
/// has as its first example of a question.
fn examples(settings: &Settings, catalog: &Catalog) -> Vec<String> {
    if !settings.console.examples.is_empty() {
        return settings.console.examples.clone();
    }
    if settings.knowledge.demo && settings.agents.dir.is_none() {
        return demo::QUESTIONS.map(str::to_owned).into();
    }
    let specialists = catalog
        .agents()
        .iter()
        .filter(|agent| agent.strategy != Strategy::Direct);
    let is_question = |intent| !matches!(intent, Intent::MetaQuestion | Intent::SimpleChat);
    specialists
        .filter_map(|agent| agent.examples.iter().find(|example| is_question(example.intent)))
        .map(|example| example.text.clone())
        .take(EXAMPLES_MAX)
        .collect()
}

/// What is delivered has the console in it.
#[cfg(not(debug_assertions))]
mod built {
    use std::borrow::Cow;

    use bytes::Bytes;
    use orchestratai_web::{ConsoleFile, ConsoleFiles};
    use rust_embed::RustEmbed;

    #[derive(RustEmbed)]
    #[folder = "../console/dist/"]
    #[allow_missing = true]
    struct Files;

    pub(super) fn files() -> ConsoleFiles {
        match Files::get("index.html") {
            Some(_) => ConsoleFiles::Compiled(find),
            None => ConsoleFiles::Absent,
        }
    }

    fn find(name: &str) -> Option<ConsoleFile> {
        let file = Files::get(name)?;
        Some(ConsoleFile {
            bytes: match file.data {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => bytes.into(),
            },
            hash: file.metadata.sha256_hash(),
        })
    }
}

/// While one works on it, the console is read from where it is built: no build of the server is needed to see another build
/// of the console, and no build of the console to compile the server.
#[cfg(debug_assertions)]
mod built {
    use std::path::Path;

    use orchestratai_web::ConsoleFiles;

    pub(super) fn files() -> ConsoleFiles {
        ConsoleFiles::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/dist"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Overrides;

    #[test]
    fn examples_are_of_what_is_there() {
        let catalog = Catalog::embedded();
        let examples_of = |file: &str, flags: &Overrides| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("settings.toml");
            std::fs::write(&path, file).unwrap();
            examples(&Settings::load(Some(&path), [], flags).unwrap(), &catalog)
        };
        let plain = Overrides::default();
        assert_eq!(examples_of("", &plain), demo::QUESTIONS);
        let own = "[console]\nexamples = [\"Where, and when?\"]";
        assert_eq!(examples_of(own, &plain), ["Where, and when?"]);
        let no_demo = Overrides { no_demo: true, ..plain };
        let of_agents = examples_of("", &no_demo);
        assert_eq!(of_agents.len(), 3, "{of_agents:?}");
        for (text, id) in of_agents.iter().zip(["billing", "technical", "policy"]) {
            let agent = catalog.agents().iter().find(|agent| agent.id.as_str() == id).unwrap();
            assert!(agent.examples.iter().any(|example| example.text == *text), "{text}");
        }
    }
}
