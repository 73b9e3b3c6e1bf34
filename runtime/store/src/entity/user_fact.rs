//! What people have said of themselves.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_facts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TextUuid,
    pub organization_id: String,
    pub user_id: String,
    pub fact: String,
    /// The same for what says the same.
    pub words: String,
    /// Where it was said last.
    pub session_id: TextUuid,
    pub turn_id: TextUuid,
    pub agent: String,
    pub said_at: DateTimeUtc,
    pub kept_until: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
