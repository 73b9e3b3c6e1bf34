//! Snapshots of sessions.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveIden, DeriveMigrationName, Index, IntoIden, MigrationTrait, SchemaManager, Table,
    async_trait,
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
                    .table(SessionSnapshots::Table)
                    .col(text(SessionSnapshots::Id).primary_key())
                    .col(ColumnDef::new(SessionSnapshots::UserId).text())
                    .col(time(SessionSnapshots::StartTime))
                    .col(time(SessionSnapshots::LastActivity))
                    .col(count(SessionSnapshots::TotalTokens))
                    .col(
                        ColumnDef::new(SessionSnapshots::TotalCost)
                            .decimal_len(10, 6)
                            .not_null(),
                    )
                    .col(count(SessionSnapshots::MessageCount))
                    .col(count(SessionSnapshots::LastSeq))
                    .col(text(SessionSnapshots::State))
                    .col(text(SessionSnapshots::OrganizationId))
                    .col(text(SessionSnapshots::Epoch))
                    .col(count(SessionSnapshots::ErasedThrough))
                    .col(time(SessionSnapshots::ExpiresAt))
                    .to_owned(),
            )
            .await?;
        // Those that have expired are looked for with every write.
        manager
            .create_index(
                Index::create()
                    .name("session_snapshots_by_end")
                    .table(SessionSnapshots::Table)
                    .col(SessionSnapshots::ExpiresAt)
                    .to_owned(),
            )
            .await
    }
}

fn text(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).text().not_null().to_owned()
}

fn count(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().to_owned()
}

fn time(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).timestamp_with_time_zone().not_null().to_owned()
}

#[derive(DeriveIden)]
enum SessionSnapshots {
    Table,
    Id,
    UserId,
    StartTime,
    LastActivity,
    TotalTokens,
    TotalCost,
    MessageCount,
    LastSeq,
    State,
    OrganizationId,
    Epoch,
    ErasedThrough,
    ExpiresAt,
}
