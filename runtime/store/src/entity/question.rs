//! Questions that found nothing.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "questions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub turn_id: TextUuid,
    pub session_id: TextUuid,
    pub agent: String,
    #[sea_orm(select_as = "double precision")]
    pub confidence: f64,
    pub state: String,
    pub note: Option<String>,
    pub organization_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
