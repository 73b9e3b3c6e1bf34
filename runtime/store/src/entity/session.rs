//! Sessions with their totals.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TextUuid,
    pub user_id: Option<String>,
    pub start_time: DateTimeUtc,
    pub last_activity: DateTimeUtc,
    pub total_tokens: i64,
    #[sea_orm(select_as = "double precision")]
    pub total_cost: f64,
    pub message_count: i64,
    pub organization_id: String,
    /// The `seq` of the last event in the journal.
    pub last_seq: i64,
    /// The node that may write it, where several share the database.
    pub owner: Option<String>,
    /// What people call it.
    pub title: Option<String>,
    /// The hour of `last_activity`, counted from 1970: see the migration that made it.
    pub active_hour: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
