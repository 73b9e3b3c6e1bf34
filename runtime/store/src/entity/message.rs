//! Messages of transcripts.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TextUuid,
    pub session_id: TextUuid,
    pub role: String,
    pub content: String,
    pub agent: Option<String>,
    #[sea_orm(select_as = "double precision")]
    pub confidence: Option<f64>,
    pub created_at: DateTimeUtc,
    pub organization_id: String,
    /// The `seq` of the event that brought it; one event brings one message at most.
    pub seq: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
