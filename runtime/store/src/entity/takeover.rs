//! Sessions that a person has.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "takeovers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: TextUuid,
    /// Who, as they gave their name.
    pub name: String,
    pub since: DateTimeUtc,
    pub organization_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
