//! What language models have spent of budgets, and what requests hold that are under way.

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
                    .table(Spending::Table)
                    .col(ColumnDef::new(Spending::Budget).text().not_null())
                    .col(ColumnDef::new(Spending::OrganizationId).text().not_null())
                    .col(ColumnDef::new(Spending::Subject).text().not_null())
                    .col(
                        ColumnDef::new(Spending::WindowStart)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .col(ColumnDef::new(Spending::Tokens).big_integer().not_null())
                    .col(ColumnDef::new(Spending::UsdNanos).big_integer().not_null())
                    .col(ColumnDef::new(Spending::KeptUntil).timestamp_with_time_zone())
                    .primary_key(
                        Index::create()
                            .col(Spending::Budget)
                            .col(Spending::WindowStart)
                            .col(Spending::OrganizationId)
                            .col(Spending::Subject),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(SpendingReservations::Table)
                    .col(ColumnDef::new(SpendingReservations::Id).text().not_null())
                    .col(ColumnDef::new(SpendingReservations::Budget).text().not_null())
                    .col(ColumnDef::new(SpendingReservations::OrganizationId).text().not_null())
                    .col(ColumnDef::new(SpendingReservations::Subject).text().not_null())
                    .col(
                        ColumnDef::new(SpendingReservations::WindowStart)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .col(ColumnDef::new(SpendingReservations::Tokens).big_integer().not_null())
                    .col(ColumnDef::new(SpendingReservations::UsdNanos).big_integer().not_null())
                    .col(
                        ColumnDef::new(SpendingReservations::ExpiresAt)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .primary_key(
                        Index::create()
                            .col(SpendingReservations::Id)
                            .col(SpendingReservations::Budget),
                    )
                    .to_owned(),
            )
            .await
    }
}

/// A row is an account in one window.
#[derive(DeriveIden)]
enum Spending {
    Table,
    Budget,
    OrganizationId,
    Subject,
    WindowStart,
    Tokens,
    /// Billionths: a token costs less than a millionth.
    UsdNanos,
    KeptUntil,
}

/// A row for each account that a request is charged to, until it is settled.
#[derive(DeriveIden)]
enum SpendingReservations {
    Table,
    Id,
    Budget,
    OrganizationId,
    Subject,
    WindowStart,
    Tokens,
    UsdNanos,
    ExpiresAt,
}
