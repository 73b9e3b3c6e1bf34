//! Journal, read models, documents.

use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager,
        Table, async_trait,
    },
    sea_orm::{ConnectionTrait, sea_query::ConditionalStatement},
};

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[expect(elided_lifetimes_in_paths, reason = "the trait is declared so")]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_sessions(manager).await?;
        create_journal(manager).await?;
        create_messages(manager).await?;
        create_turns(manager).await?;
        create_erased_sessions(manager).await?;
        create_documents(manager).await?;
        create_meta(manager).await?;
        let connection = manager.get_connection();
        connection
            .execute_unprepared(dialect::create_retrieval_logs(connection.get_database_backend()))
            .await?;
        Ok(())
    }
}

async fn create_sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Sessions::Table)
                .col(id(Sessions::Id).primary_key())
                .col(ColumnDef::new(Sessions::UserId).text())
                .col(time(Sessions::StartTime))
                .col(time(Sessions::LastActivity))
                .col(count(Sessions::TotalTokens).default(0))
                .col(
                    ColumnDef::new(Sessions::TotalCost)
                        .decimal_len(10, 6)
                        .not_null()
                        .default(0),
                )
                .col(count(Sessions::MessageCount).default(0))
                .col(text(Sessions::OrganizationId))
                .col(count(Sessions::LastSeq).default(0))
                .to_owned(),
        )
        .await
}

async fn create_journal(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Journal::Table)
                .col(id(Journal::SessionId))
                .col(count(Journal::Seq))
                .col(count(Journal::LastSeq))
                .col(time(Journal::At))
                .col(text(Journal::OrganizationId))
                .col(text(Journal::Payload))
                .primary_key(Index::create().col(Journal::SessionId).col(Journal::Seq))
                .to_owned(),
        )
        .await
}

async fn create_messages(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Messages::Table)
                .col(id(Messages::Id).primary_key())
                .col(id(Messages::SessionId))
                .col(text(Messages::Role))
                .col(text(Messages::Content))
                .col(ColumnDef::new(Messages::Agent).text())
                .col(ColumnDef::new(Messages::Confidence).decimal_len(3, 2))
                .col(time(Messages::CreatedAt))
                .col(text(Messages::OrganizationId))
                .col(count(Messages::Seq))
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("messages_of_session")
                .table(Messages::Table)
                .col(Messages::SessionId)
                .col(Messages::Seq)
                .unique()
                .to_owned(),
        )
        .await
}

async fn create_turns(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Turns::Table)
                .col(id(Turns::Id).primary_key())
                .col(id(Turns::SessionId))
                .col(id(Turns::ClientMessageId))
                .col(count(Turns::AcceptedSeq))
                .col(ColumnDef::new(Turns::EndedSeq).big_integer())
                .col(ColumnDef::new(Turns::EndedAt).timestamp_with_time_zone())
                .col(text(Turns::OrganizationId))
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("turns_by_key")
                .table(Turns::Table)
                .col(Turns::SessionId)
                .col(Turns::ClientMessageId)
                .unique()
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("turns_open")
                .table(Turns::Table)
                .col(Turns::SessionId)
                .and_where(Expr::col(Turns::EndedSeq).is_null())
                .to_owned(),
        )
        .await
}

async fn create_erased_sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(ErasedSessions::Table)
                .col(id(ErasedSessions::SessionId).primary_key())
                .col(count(ErasedSessions::ErasedThrough))
                .col(time(ErasedSessions::ErasedAt))
                .col(text(ErasedSessions::OrganizationId))
                .to_owned(),
        )
        .await
}

async fn create_documents(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Documents::Table)
                .col(id(Documents::Id).primary_key())
                .col(text(Documents::OrganizationId))
                .col(text(Documents::Collection))
                .col(text(Documents::Root))
                .col(text(Documents::Path))
                .col(text(Documents::Title))
                .col(text(Documents::Content))
                .col(ColumnDef::new(Documents::FrontMatter).json().not_null())
                .col(text(Documents::ContentHash))
                .col(count(Documents::Revision))
                .col(time(Documents::CreatedAt))
                .col(time(Documents::UpdatedAt))
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("documents_by_place")
                .table(Documents::Table)
                .col(Documents::OrganizationId)
                .col(Documents::Collection)
                .col(Documents::Root)
                .col(Documents::Path)
                .unique()
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("documents_by_revision")
                .table(Documents::Table)
                .col(Documents::Revision)
                .to_owned(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table(RemovedDocuments::Table)
                .col(id(RemovedDocuments::Id).primary_key())
                .col(text(RemovedDocuments::OrganizationId))
                .col(text(RemovedDocuments::Collection))
                .col(count(RemovedDocuments::Revision))
                .to_owned(),
        )
        .await
}

async fn create_meta(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(Meta::Table)
                .col(text(Meta::Name).primary_key())
                .col(text(Meta::Value))
                .to_owned(),
        )
        .await
}

fn id(name: impl sea_orm_migration::prelude::IntoIden) -> ColumnDef {
    text(name)
}

fn text(name: impl sea_orm_migration::prelude::IntoIden) -> ColumnDef {
    ColumnDef::new(name).text().not_null().to_owned()
}

fn count(name: impl sea_orm_migration::prelude::IntoIden) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().to_owned()
}

fn time(name: impl sea_orm_migration::prelude::IntoIden) -> ColumnDef {
    ColumnDef::new(name).timestamp_with_time_zone().not_null().to_owned()
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    UserId,
    StartTime,
    LastActivity,
    TotalTokens,
    TotalCost,
    MessageCount,
    OrganizationId,
    LastSeq,
}

#[derive(DeriveIden)]
enum Journal {
    Table,
    SessionId,
    Seq,
    LastSeq,
    At,
    OrganizationId,
    Payload,
}

#[derive(DeriveIden)]
enum Messages {
    Table,
    Id,
    SessionId,
    Role,
    Content,
    Agent,
    Confidence,
    CreatedAt,
    OrganizationId,
    Seq,
}

#[derive(DeriveIden)]
enum Turns {
    Table,
    Id,
    SessionId,
    ClientMessageId,
    AcceptedSeq,
    EndedSeq,
    EndedAt,
    OrganizationId,
}

#[derive(DeriveIden)]
enum ErasedSessions {
    Table,
    SessionId,
    ErasedThrough,
    ErasedAt,
    OrganizationId,
}

#[derive(DeriveIden)]
enum Documents {
    Table,
    Id,
    OrganizationId,
    Collection,
    Root,
    Path,
    Title,
    Content,
    FrontMatter,
    ContentHash,
    Revision,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum RemovedDocuments {
    Table,
    Id,
    OrganizationId,
    Collection,
    Revision,
}

#[derive(DeriveIden)]
enum Meta {
    Table,
    Name,
    Value,
}
