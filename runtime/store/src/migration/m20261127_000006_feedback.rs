//! What people think of answers.

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
                    .table(Feedback::Table)
                    .col(ColumnDef::new(Feedback::MessageId).text().not_null().primary_key())
                    .col(ColumnDef::new(Feedback::SessionId).text().not_null())
                    .col(ColumnDef::new(Feedback::Rating).text().not_null())
                    .col(ColumnDef::new(Feedback::Reason).text())
                    .col(ColumnDef::new(Feedback::At).timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new(Feedback::OrganizationId).text().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("feedback_of_session")
                    .table(Feedback::Table)
                    .col(Feedback::SessionId)
                    .col(Feedback::MessageId)
                    .to_owned(),
            )
            .await
    }
}

#[derive(DeriveIden)]
enum Feedback {
    Table,
    MessageId,
    SessionId,
    Rating,
    Reason,
    At,
    OrganizationId,
}
