//! Snapshots of sessions, where there is no Redis to keep them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session_snapshots")]
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
    pub last_seq: i64,
    /// JSON. Text also where the engine has a JSON type: that would not keep the text, and with it the checksum.
    pub state: String,
    pub organization_id: String,
    pub epoch: String,
    pub erased_through: i64,
    pub expires_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
