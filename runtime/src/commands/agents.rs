//! `orchestratai agents`: who there is.

use std::io::{self, Write};

use crate::{arguments::ConfigurationArguments, failure::CommandFailure, house::load_agents};

/// Lists the agents of the configuration; needs no server and no data.
///
/// # Errors
/// Every problem of every agent file.
pub(crate) fn run(arguments: &ConfigurationArguments) -> Result<(), CommandFailure> {
    let settings = super::settings(arguments)?;
    let catalog = load_agents(&settings)?;
    let mut rows = vec![["ID", "NAME", "STRATEGY", "MODEL", "COLLECTIONS"].map(str::to_owned)];
    for agent in catalog.agents() {
        let collections: Vec<_> = agent.collections.iter().map(|name| name.as_str()).collect();
        rows.push([
            agent.id.to_string(),
            agent.name.clone(),
            agent.strategy.label().to_owned(),
            agent.model.clone(),
            if collections.is_empty() {
                "-".into()
            } else {
                collections.join(", ")
            },
        ]);
    }
    let widths: [usize; 5] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    });
    let mut out = io::stdout().lock();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    out.flush()?;
    Ok(())
}
