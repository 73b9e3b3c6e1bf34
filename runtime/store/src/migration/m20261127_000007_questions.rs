//! Questions that found nothing.

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
                    .table(Questions::Table)
                    .col(ColumnDef::new(Questions::TurnId).text().not_null().primary_key())
                    .col(ColumnDef::new(Questions::SessionId).text().not_null())
                    .col(ColumnDef::new(Questions::Agent).text().not_null())
                    .col(ColumnDef::new(Questions::Confidence).decimal_len(3, 2).not_null())
                    .col(ColumnDef::new(Questions::State).text().not_null())
                    .col(ColumnDef::new(Questions::Note).text())
                    .col(ColumnDef::new(Questions::OrganizationId).text().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("questions_by_state")
                    .table(Questions::Table)
                    .col(Questions::OrganizationId)
                    .col(Questions::State)
                    .col(Questions::TurnId)
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("questions_of_session")
                    .table(Questions::Table)
                    .col(Questions::SessionId)
                    .to_owned(),
            )
            .await
    }
}

#[derive(DeriveIden)]
enum Questions {
    Table,
    /// The turn whose answer said so. The question itself stands among the messages, once.
    TurnId,
    SessionId,
    Agent,
    Confidence,
    State,
    Note,
    OrganizationId,
}
