//! Idempotency keys of what persons have said to turns that users began.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "person_replies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: TextUuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_message_id: TextUuid,
    pub turn_id: TextUuid,
    /// Of the `message_completed`.
    pub seq: i64,
    pub organization_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
