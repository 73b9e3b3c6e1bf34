//! Who had a turn, so that an agent's turns are found without a look at every event.

use sea_orm_migration::{
    prelude::{ColumnDef, DbErr, DeriveIden, DeriveMigrationName, MigrationTrait, SchemaManager, Table, async_trait},
    sea_orm::ConnectionTrait,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[expect(elided_lifetimes_in_paths, reason = "the trait is declared so")]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table(Turns::Table)
                    .add_column(ColumnDef::new(Turns::Agent).text())
                    .to_owned(),
            )
            .await?;
        let fill = "UPDATE turns SET agent = (SELECT messages.agent FROM messages \
                    WHERE messages.session_id = turns.session_id AND messages.seq = turns.ended_seq)";
        manager.get_connection().execute_unprepared(fill).await?;
        Ok(())
    }
}

#[derive(DeriveIden)]
enum Turns {
    Table,
    /// Whose answer ended it; none where it has no answer.
    Agent,
}
