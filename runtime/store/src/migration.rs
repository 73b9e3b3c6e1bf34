//! The migrations, oldest first. One that has been released is never changed.

mod m20261122_000001_core;
mod m20261127_000002_snapshots;
mod m20261127_000003_nodes;
mod m20261127_000004_session_list;
mod m20261127_000005_takeovers;
mod m20261127_000006_feedback;
mod m20261127_000007_questions;
mod m20261127_000008_turn_agents;
mod m20261127_000010_index_parts;
mod m20261128_000011_budgets;
mod m20261128_000012_person_requests;
mod m20261128_000013_user_facts;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Brings a database to the present schema.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_core::Migration),
            Box::new(m20261127_000002_snapshots::Migration),
            Box::new(m20261127_000003_nodes::Migration),
            Box::new(m20261127_000004_session_list::Migration),
            Box::new(m20261127_000005_takeovers::Migration),
            Box::new(m20261127_000006_feedback::Migration),
            Box::new(m20261127_000007_questions::Migration),
            Box::new(m20261127_000008_turn_agents::Migration),
            Box::new(m20261127_000010_index_parts::Migration),
            Box::new(m20261128_000011_budgets::Migration),
            Box::new(m20261128_000012_person_requests::Migration),
            Box::new(m20261128_000013_user_facts::Migration),
        ]
    }
}

/// The name of the last one.
pub(crate) fn latest() -> String {
    Migrator::migrations()
        .last()
        .map(|last| last.name().to_owned())
        .unwrap_or_default()
}

/// The place of a migration among them, from 1; none where this version does not know it.
pub(crate) fn ordinal(name: &str) -> Option<u32> {
    let place = Migrator::migrations().iter().position(|known| known.name() == name)?;
    u32::try_from(place + 1).ok()
}
