//! What people have said of themselves. It is no part of the journal: any node writes it, for every session; and it goes with the session in
//! which it was said last.

use orchestratai_shared::{AgentId, Fact, FactId, SessionId, Timestamp, TurnId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    entity::prelude::{DateTimeUtc, TextUuid},
    sea_query::{LockType, OnConflict},
};

use crate::{
    Store, StoreError, dialect,
    entity::{session, user_fact},
    rows::{insert, storable, text, time},
    transaction,
};

/// Whose facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactOwner {
    /// The organization.
    pub organization: String,
    /// The user of it.
    pub user: String,
}

/// A fact that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFact {
    /// Whose it is.
    pub owner: FactOwner,
    /// What they have said.
    pub text: String,
    /// The same for what says the same; 64 bytes at most.
    pub words: String,
    /// Where they have said so.
    pub session_id: SessionId,
    /// In which turn.
    pub turn_id: TurnId,
    /// Who keeps it.
    pub agent: AgentId,
    /// When it is said.
    pub said_at: Timestamp,
    /// When it is forgotten.
    pub kept_until: Timestamp,
}

/// A fact that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactKept {
    /// It.
    pub fact: Fact,
    /// Whether it was not known before.
    pub is_new: bool,
    /// What was forgotten in its place, since there are no more than so many.
    pub dropped: Vec<Fact>,
}

impl Store {
    /// Keeps a fact, in place of one that says the same, and forgets those of its owner that were said longest ago where there are more
    /// than `facts_max` then; none where the session has gone.
    ///
    /// # Errors
    /// [`StoreError`]; it may have been kept where the commit failed, and asking again is safe.
    pub async fn keep_fact(&self, new: &NewFact, facts_max: usize) -> Result<Option<FactKept>, StoreError> {
        self.settle(new.session_id).await?;
        // Two of one owner, from two nodes, come one after the other: there are never more than so many.
        let writing = transaction::begin(self.writer()).await?;
        let kept = keep(&writing.transaction, new, facts_max).await;
        let kept = writing.end(kept).await?;
        let erased = kept.as_ref().is_some_and(|kept| !kept.dropped.is_empty());
        self.committed(0, erased);
        Ok(kept)
    }

    /// What is known of somebody `at` a time, so many facts at most: first what was said last.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn facts(&self, owner: &FactOwner, at: Timestamp, limit: usize) -> Result<Vec<Fact>, StoreError> {
        // A session that was erased just now has taken its facts along.
        self.settle_all().await?;
        let rows = of(owner)
            .filter(user_fact::Column::KeptUntil.gt(DateTimeUtc::from(at)))
            .order_by_desc(user_fact::Column::SaidAt)
            .order_by_desc(user_fact::Column::Id)
            .limit(limit as u64)
            .all(self.readers())
            .await?;
        rows.into_iter().map(read).collect()
    }

    /// Forgets one fact of somebody; whether there was such a one.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn forget_fact(&self, owner: &FactOwner, id: FactId) -> Result<bool, StoreError> {
        let writing = transaction::begin(self.writer()).await?;
        let forgotten = user_fact::Entity::delete_many()
            .filter(user_fact::Column::Id.eq(TextUuid(id.0)))
            .filter(user_fact::Column::OrganizationId.eq(owner.organization.as_str()))
            .filter(user_fact::Column::UserId.eq(owner.user.as_str()))
            .exec(&writing.transaction)
            .await;
        let forgotten = writing.end(forgotten.map_err(StoreError::from)).await?.rows_affected > 0;
        self.committed(0, forgotten);
        Ok(forgotten)
    }

    /// Forgets all that is known of somebody; gives how many facts that were.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn forget_facts(&self, owner: &FactOwner) -> Result<u64, StoreError> {
        let writing = transaction::begin(self.writer()).await?;
        let forgotten = user_fact::Entity::delete_many()
            .filter(user_fact::Column::OrganizationId.eq(owner.organization.as_str()))
            .filter(user_fact::Column::UserId.eq(owner.user.as_str()))
            .exec(&writing.transaction)
            .await;
        let forgotten = writing.end(forgotten.map_err(StoreError::from)).await?.rows_affected;
        self.committed(0, forgotten > 0);
        Ok(forgotten)
    }

    /// Forgets what is kept no longer than `now`, of everybody; gives how many facts that were.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn forget_expired_facts(&self, now: Timestamp) -> Result<u64, StoreError> {
        let writing = transaction::begin(self.writer()).await?;
        let forgotten = user_fact::Entity::delete_many()
            .filter(user_fact::Column::KeptUntil.lte(DateTimeUtc::from(now)))
            .exec(&writing.transaction)
            .await;
        let forgotten = writing.end(forgotten.map_err(StoreError::from)).await?.rows_affected;
        self.committed(0, forgotten > 0);
        Ok(forgotten)
    }
}

/// The facts of somebody, expired ones among them.
fn of(owner: &FactOwner) -> Select<user_fact::Entity> {
    user_fact::Entity::find()
        .filter(user_fact::Column::OrganizationId.eq(owner.organization.as_str()))
        .filter(user_fact::Column::UserId.eq(owner.user.as_str()))
}

async fn keep(
    transaction: &DatabaseTransaction,
    new: &NewFact,
    facts_max: usize,
) -> Result<Option<FactKept>, StoreError> {
    // Whoever erases the session waits, so that nothing is left of it; whoever writes to it does not.
    let session = session::Entity::find_by_id(TextUuid(new.session_id.0))
        .lock(LockType::KeyShare)
        .one(transaction)
        .await?;
    if session.is_none() {
        return Ok(None);
    }
    let same = || of(&new.owner).filter(user_fact::Column::Words.eq(new.words.as_str()));
    let is_new = same().one(transaction).await?.is_none();
    let backend = transaction.get_database_backend();
    let columns = [
        user_fact::Column::Id,
        user_fact::Column::OrganizationId,
        user_fact::Column::UserId,
        user_fact::Column::Fact,
        user_fact::Column::Words,
        user_fact::Column::SessionId,
        user_fact::Column::TurnId,
        user_fact::Column::Agent,
        user_fact::Column::SaidAt,
        user_fact::Column::KeptUntil,
    ];
    let row = [
        text(FactId::new().0),
        new.owner.organization.as_str().into(),
        new.owner.user.as_str().into(),
        storable(backend, new.text.clone()).into(),
        new.words.as_str().into(),
        text(new.session_id.0),
        text(new.turn_id.0),
        new.agent.as_str().into(),
        time(new.said_at),
        time(new.kept_until),
    ];
    // Its id stays: who has it on their screen can erase it.
    let renew = OnConflict::columns([
        user_fact::Column::OrganizationId,
        user_fact::Column::UserId,
        user_fact::Column::Words,
    ])
    .update_columns([
        user_fact::Column::Fact,
        user_fact::Column::SessionId,
        user_fact::Column::TurnId,
        user_fact::Column::Agent,
        user_fact::Column::SaidAt,
        user_fact::Column::KeptUntil,
    ])
    .to_owned();
    dialect::execute_all(
        transaction,
        insert(backend, user_fact::Entity, &columns, [row], Some(&renew)),
    )
    .await?;
    let kept = same().one(transaction).await?;
    let kept = kept.ok_or_else(|| unreadable("a fact that was just kept is not there".into()))?;
    // Clocks of nodes differ: what was kept just now stays, whatever the others say of their time.
    let others = of(&new.owner)
        .filter(user_fact::Column::Id.ne(kept.id))
        .order_by_desc(user_fact::Column::SaidAt)
        .order_by_desc(user_fact::Column::Id)
        .offset(facts_max.saturating_sub(1) as u64)
        // SQLite knows no offset without a limit.
        .limit(i64::MAX.unsigned_abs())
        .all(transaction)
        .await?;
    if !others.is_empty() {
        user_fact::Entity::delete_many()
            .filter(user_fact::Column::Id.is_in(others.iter().map(|other| other.id)))
            .exec(transaction)
            .await?;
    }
    Ok(Some(FactKept {
        fact: read(kept)?,
        is_new,
        dropped: others.into_iter().map(read).collect::<Result<_, _>>()?,
    }))
}

fn read(row: user_fact::Model) -> Result<Fact, StoreError> {
    Ok(Fact {
        id: FactId(row.id.0),
        text: row.fact,
        session_id: SessionId(row.session_id.0),
        turn_id: TurnId(row.turn_id.0),
        agent: AgentId::parse(&row.agent).map_err(|error| unreadable(error.into()))?,
        said_at: row.said_at.into(),
        kept_until: row.kept_until.into(),
    })
}

fn unreadable(source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Unreadable { what: "a fact", source }
}
