//! What people have said of themselves.

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
                    .table(UserFacts::Table)
                    .col(ColumnDef::new(UserFacts::Id).text().not_null().primary_key())
                    .col(ColumnDef::new(UserFacts::OrganizationId).text().not_null())
                    .col(ColumnDef::new(UserFacts::UserId).text().not_null())
                    .col(ColumnDef::new(UserFacts::Fact).text().not_null())
                    .col(ColumnDef::new(UserFacts::Words).text().not_null())
                    .col(ColumnDef::new(UserFacts::SessionId).text().not_null())
                    .col(ColumnDef::new(UserFacts::TurnId).text().not_null())
                    .col(ColumnDef::new(UserFacts::Agent).text().not_null())
                    .col(ColumnDef::new(UserFacts::SaidAt).timestamp_with_time_zone().not_null())
                    .col(
                        ColumnDef::new(UserFacts::KeptUntil)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .to_owned(),
            )
            .await?;
        let mut same = Index::create();
        same.name("user_facts_same")
            .table(UserFacts::Table)
            .col(UserFacts::OrganizationId)
            .col(UserFacts::UserId)
            .col(UserFacts::Words)
            .unique();
        manager.create_index(same).await?;
        for (name, column) in [
            ("user_facts_session", UserFacts::SessionId),
            ("user_facts_kept_until", UserFacts::KeptUntil),
        ] {
            let index = Index::create()
                .name(name)
                .table(UserFacts::Table)
                .col(column)
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// A person's fact stands here once, however they put it: `words` is a digest of what makes it the same.
#[derive(DeriveIden)]
enum UserFacts {
    Table,
    Id,
    OrganizationId,
    UserId,
    Fact,
    Words,
    SessionId,
    TurnId,
    Agent,
    SaidAt,
    KeptUntil,
}
