//! The tools of the configuration, as agents use them.

use std::sync::Arc;

use orchestratai_agents::tool::ToolSource;
use orchestratai_tools::{McpSource, OpenApiSource};

use crate::{
    failure::CommandFailure,
    settings::{Settings, tools::ToolSourceSettings},
};

/// Where tools come from, in the order of their names. Nothing is started and nothing is sent before tools are asked for.
///
/// # Errors
/// Where a source cannot be set up.
pub(crate) fn sources(settings: &Settings) -> Result<Vec<Arc<dyn ToolSource>>, CommandFailure> {
    settings.tools.sources.iter().map(source).collect()
}

fn source(settings: &ToolSourceSettings) -> Result<Arc<dyn ToolSource>, CommandFailure> {
    Ok(match settings {
        ToolSourceSettings::Mcp(options) => {
            let source = McpSource::new(options.clone()).map_err(|error| failed(options.name.as_str(), error))?;
            Arc::new(source)
        }
        ToolSourceSettings::OpenApi(options) => {
            let source = OpenApiSource::new(options).map_err(|error| failed(options.name.as_str(), error))?;
            Arc::new(source)
        }
    })
}

fn failed(name: &str, error: impl std::error::Error + Send + Sync + 'static) -> CommandFailure {
    CommandFailure::because(format!("[tools.{name}] cannot be used"), error)
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, fs};

    use orchestratai_agents::tool::ToolError;

    use super::*;
    use crate::settings::Overrides;

    fn settings(text: &str) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.toml");
        fs::write(&path, text).unwrap();
        let variables: [(OsString, OsString); 0] = [];
        Settings::load(Some(&path), variables, &Overrides::default()).unwrap()
    }

    #[tokio::test]
    async fn every_section_is_a_source_of_its_name() {
        let document = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"openapi":"3.0.3","paths":{"/orders":{"get":{"operationId":"listOrders"}}}}"#;
        fs::write(document.path(), text).unwrap();
        let sources = sources(&settings(&format!(
            "[tools.shop]\nkind = \"openapi\"\ndocument = {:?}\nbase_url = \"https://shop.example/v1\"\noperations = [\"list*\"]\n\
             approval = [\"shop_*\"]\n[tools.away]\nkind = \"mcp\"\ncommand = \"/nowhere/program\"\n",
            document.path()
        )))
        .unwrap();
        let names: Vec<&str> = sources.iter().map(|source| source.name()).collect();
        assert_eq!(names, ["away", "shop"]);
        assert!(matches!(sources[0].tools().await, Err(ToolError::NotMade(_))));
        let tools = sources[1].tools().await.unwrap();
        assert_eq!(tools[0].offer().name, "shop_listOrders");
        assert!(tools[0].approval().is_some_and(|rule| !rule.otherwise_approved));
    }

    #[test]
    fn without_sections_there_are_no_sources() {
        assert!(sources(&settings("")).unwrap().is_empty());
    }
}
