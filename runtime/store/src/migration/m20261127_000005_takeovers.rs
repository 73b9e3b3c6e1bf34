//! Sessions that a person has taken over, and the idempotency keys of what persons have said.

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
                    .table(Takeovers::Table)
                    .col(ColumnDef::new(Takeovers::SessionId).text().not_null().primary_key())
                    .col(ColumnDef::new(Takeovers::Name).text().not_null())
                    .col(ColumnDef::new(Takeovers::Since).timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new(Takeovers::OrganizationId).text().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(PersonReplies::Table)
                    .col(ColumnDef::new(PersonReplies::SessionId).text().not_null())
                    .col(ColumnDef::new(PersonReplies::ClientMessageId).text().not_null())
                    .col(ColumnDef::new(PersonReplies::TurnId).text().not_null())
                    .col(ColumnDef::new(PersonReplies::Seq).big_integer().not_null())
                    .col(ColumnDef::new(PersonReplies::OrganizationId).text().not_null())
                    .primary_key(
                        Index::create()
                            .col(PersonReplies::SessionId)
                            .col(PersonReplies::ClientMessageId),
                    )
                    .to_owned(),
            )
            .await
    }
}

/// A row stands here while a person has the session: a table of its own, because few sessions ever have one, and every write of a
/// session's row costs.
#[derive(DeriveIden)]
enum Takeovers {
    Table,
    SessionId,
    Name,
    Since,
    OrganizationId,
}

/// The keys of what persons have said to turns that users began; a turn's own key is the user's. What a person says of their own
/// accord is a turn of its own, with its key.
#[derive(DeriveIden)]
enum PersonReplies {
    Table,
    SessionId,
    ClientMessageId,
    TurnId,
    /// Of the `message_completed`.
    Seq,
    OrganizationId,
}
