//! Sessions in which an agent has asked for a person.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveIden, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table, async_trait,
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
                    .table(PersonRequests::Table)
                    .col(
                        ColumnDef::new(PersonRequests::SessionId)
                            .text()
                            .not_null()
                            .primary_key(),
                    )
                    .col(ColumnDef::new(PersonRequests::Agent).text())
                    .col(ColumnDef::new(PersonRequests::Reason).text().not_null())
                    .col(
                        ColumnDef::new(PersonRequests::Since)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .col(ColumnDef::new(PersonRequests::OrganizationId).text().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("person_requests_since")
                    .table(PersonRequests::Table)
                    .col(PersonRequests::Since)
                    .to_owned(),
            )
            .await
    }
}

/// A row stands here from when an agent asks for a person until one takes the session over.
#[derive(DeriveIden)]
enum PersonRequests {
    Table,
    SessionId,
    Agent,
    Reason,
    Since,
    OrganizationId,
}
