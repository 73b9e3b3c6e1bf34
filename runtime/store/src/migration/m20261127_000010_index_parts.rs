//! Chunks and vectors of documents, which the search index of every node is made from.

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
                    .table(IndexParts::Table)
                    .col(ColumnDef::new(IndexParts::DocumentId).text().not_null())
                    .col(ColumnDef::new(IndexParts::Maker).text().not_null())
                    .col(ColumnDef::new(IndexParts::ContentHash).text().not_null())
                    .col(ColumnDef::new(IndexParts::Body).blob())
                    .col(ColumnDef::new(IndexParts::ClaimedUntil).timestamp_with_time_zone())
                    .primary_key(Index::create().col(IndexParts::DocumentId).col(IndexParts::Maker))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(IndexPartMakers::Table)
                    .col(ColumnDef::new(IndexPartMakers::Maker).text().not_null().primary_key())
                    .col(
                        ColumnDef::new(IndexPartMakers::UsedAt)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .to_owned(),
            )
            .await
    }
}

#[derive(DeriveIden)]
enum IndexParts {
    Table,
    DocumentId,
    /// What made it: a chunker or an embedder, with its version.
    Maker,
    /// That of the document as it was when this was made of it.
    ContentHash,
    Body,
    /// Until when somebody makes it.
    ClaimedUntil,
}

#[derive(DeriveIden)]
enum IndexPartMakers {
    Table,
    Maker,
    /// When somebody last used what it makes.
    UsedAt,
}
