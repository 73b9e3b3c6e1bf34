//! The journal: a row holds the events of one append, `seq` to `last_seq`.
//!
//! It is a table with a row number and a unique index beside it. As a table that is its own index (`WITHOUT ROWID`) it
//! would keep payloads in the tree that is searched, with four rows to a page, and every append would land in another
//! page; so payloads are written one after the other, and only the small index is written all over.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journal")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: TextUuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub last_seq: i64,
    pub at: DateTimeUtc,
    pub organization_id: String,
    /// A JSON array of the frames, each in its exact text. Text also where the engine has a JSON type: that would not keep
    /// the text.
    pub payload: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
