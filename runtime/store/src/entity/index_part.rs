//! What was made of documents for the search index.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "index_parts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: TextUuid,
    /// What made it, with its version.
    #[sea_orm(primary_key, auto_increment = false)]
    pub maker: String,
    /// That of the document as it was when this was made of it.
    pub content_hash: String,
    /// None while it is being made for the first time.
    pub body: Option<Vec<u8>>,
    /// Until when somebody makes it, who is not to be forestalled.
    pub claimed_until: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
