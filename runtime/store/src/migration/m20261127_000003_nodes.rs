//! The nodes that share a database, and which of them owns a session.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveIden, DeriveMigrationName, MigrationTrait, SchemaManager, Table, async_trait,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[expect(elided_lifetimes_in_paths, reason = "the trait is declared so")]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Nodes::Table)
                    .col(ColumnDef::new(Nodes::Id).text().not_null().primary_key())
                    .col(ColumnDef::new(Nodes::Place).text().not_null())
                    .col(ColumnDef::new(Nodes::StartedAt).timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new(Nodes::HeldSince).timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new(Nodes::LeaseUntil).timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new(Nodes::FencedAt).timestamp_with_time_zone())
                    .col(ColumnDef::new(Nodes::LastBatch).text())
                    .col(ColumnDef::new(Nodes::ServedRevision).big_integer().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .alter_table(
                Table::alter()
                    .table(Sessions::Table)
                    .add_column(ColumnDef::new(Sessions::Owner).text())
                    .to_owned(),
            )
            .await
    }
}

#[derive(DeriveIden)]
enum Nodes {
    Table,
    Id,
    /// Which data folder it runs from: a second one from the same folder is the successor of the first.
    Place,
    StartedAt,
    /// Since when the lease was held without a break.
    HeldSince,
    LeaseUntil,
    /// When it left, or was declared gone. It never comes back: a node that does takes a new id.
    FencedAt,
    /// Names the last batch that it committed.
    LastBatch,
    /// The revision of the documents that it answers from.
    ServedRevision,
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    /// The node that may write it; none, or one that is gone: whoever comes first.
    Owner,
}
