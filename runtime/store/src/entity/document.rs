//! Documents of the knowledge base.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "documents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TextUuid,
    pub organization_id: String,
    pub collection: String,
    pub root: String,
    pub path: String,
    pub title: String,
    pub content: String,
    pub front_matter: Json,
    pub content_hash: String,
    /// The knowledge revision that wrote it last.
    pub revision: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
