//! What of the spending is held by requests that are under way.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "spending_reservations")]
pub struct Model {
    /// Of the request: it has a row for each account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TextUuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub budget: String,
    pub organization_id: String,
    pub subject: String,
    pub window_start: DateTimeUtc,
    pub tokens: i64,
    pub usd_nanos: i64,
    pub expires_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
