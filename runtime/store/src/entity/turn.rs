//! Turns, and with them the idempotency keys of messages.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "turns")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TextUuid,
    pub session_id: TextUuid,
    pub client_message_id: TextUuid,
    pub accepted_seq: i64,
    pub ended_seq: Option<i64>,
    pub ended_at: Option<DateTimeUtc>,
    pub organization_id: String,
    /// Whose answer ended it; none where it has no answer.
    pub agent: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
