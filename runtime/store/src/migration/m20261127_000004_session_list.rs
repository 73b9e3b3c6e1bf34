//! What a list of sessions needs: their titles, and an order by activity.

use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm::ConnectionTrait,
};

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[expect(elided_lifetimes_in_paths, reason = "the trait is declared so")]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let hour = ColumnDef::new(Sessions::ActiveHour)
            .big_integer()
            .not_null()
            .default(0)
            .to_owned();
        let columns = [ColumnDef::new(Sessions::Title).text().to_owned(), hour];
        for column in columns {
            // SQLite adds one at a time.
            let add = Table::alter().table(Sessions::Table).add_column(column).to_owned();
            manager.alter_table(add).await?;
        }
        let connection = manager.get_connection();
        connection
            .execute_unprepared(dialect::fill_active_hours(connection.get_database_backend()))
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("sessions_by_activity")
                    .table(Sessions::Table)
                    .col(Sessions::OrganizationId)
                    .col(Sessions::ActiveHour)
                    .to_owned(),
            )
            .await
    }
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    OrganizationId,
    /// What people call it.
    Title,
    /// The hour of its last activity, counted from 1970. An index on the time itself would be written with every event, and
    /// on PostgreSQL would keep rows from being changed in place; this one is written once an hour.
    ActiveHour,
}

#[cfg(test)]
mod tests {
    use orchestratai_shared::{ChatSession, SessionId, Timestamp};
    use orchestratai_testing::Postgres;
    use sea_orm::{EntityTrait, entity::prelude::TextUuid};

    use super::*;
    use crate::{Store, StoreSettings, Write, entity::session, rows::hour};

    #[tokio::test]
    async fn sessions_of_before_are_put_into_their_hours() {
        let folder = tempfile::tempdir().unwrap();
        let file = StoreSettings::sqlite(&folder.path().join("before.db"));
        let server = StoreSettings {
            url_or_path: Postgres::shared().database(),
            ..file.clone()
        };
        for settings in [file, server] {
            let store = Store::open(&settings).await.unwrap();
            let mut batch = Vec::new();
            for millis in [0, 1, 3_599_999, 3_600_000, 1_795_811_600_123] {
                let at = Timestamp::from_millis(millis);
                let session = ChatSession {
                    id: SessionId::new(),
                    user_id: None,
                    start_time: at,
                    last_activity: at,
                    total_tokens: 0,
                    total_cost: 0.0,
                    message_count: 0,
                };
                let organization = "default".into();
                batch.push((session.id, at, Write::CreateSession { session, organization }));
            }
            let writes = batch.iter().map(|(_, _, write)| write.clone()).collect();
            store.commit(writes).await.unwrap();
            store.settle_all().await.unwrap();
            let mut writer = store.writer().lock().await;
            let connection = writer.connection().await.unwrap();
            for statement in [
                "UPDATE sessions SET active_hour = 7",
                dialect::fill_active_hours(connection.get_database_backend()),
            ] {
                connection.execute_unprepared(statement).await.unwrap();
            }
            for (id, at, _) in batch {
                let row = session::Entity::find_by_id(TextUuid(id.0)).one(connection).await;
                assert_eq!(row.unwrap().unwrap().active_hour, hour(at), "{at}");
            }
        }
    }
}
