//! Questions that found nothing. They come with the ends of their turns; what is done about them is no part of the journal: any
//! node writes it.

use orchestratai_shared::{AgentId, Confidence, QuestionState, SessionId, TurnId, UnansweredQuestion};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryResult,
    entity::prelude::{DateTimeUtc, TextUuid},
    sea_query::{Alias, Expr, ExprTrait, Order, Query, SelectStatement},
};

use crate::{
    Page, Store, StoreError,
    entity::{message, question, turn},
    rows::storable,
    transaction,
};

impl Store {
    /// The last `limit` questions of an organization that found nothing, or of those in a state, or the last before `before`, in the
    /// order in which they were asked.
    ///
    /// # Errors
    /// [`StoreError::UnknownCursor`] where there is no question `before`; else where the database cannot be read.
    pub async fn questions(
        &self,
        organization: &str,
        state: Option<QuestionState>,
        limit: usize,
        before: Option<TurnId>,
    ) -> Result<Page<UnansweredQuestion>, StoreError> {
        self.settle_all().await?;
        let reader = self.read().await?;
        let column = |column: question::Column| Expr::col((question::Entity, column));
        let mut select = select();
        select.and_where(column(question::Column::OrganizationId).eq(organization));
        if let Some(state) = state {
            select.and_where(column(question::Column::State).eq(state.as_str()));
        }
        if let Some(before) = before {
            question::Entity::find_by_id(TextUuid(before.0))
                .filter(question::Column::OrganizationId.eq(organization))
                .one(&reader)
                .await?
                .ok_or(StoreError::UnknownCursor)?;
            select.and_where(column(question::Column::TurnId).lt(TextUuid(before.0)));
        }
        select
            .order_by((question::Entity, question::Column::TurnId), Order::Desc)
            .limit(limit as u64 + 1);
        let mut rows = reader.query_all(&select).await?;
        reader.commit().await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let items = rows.iter().rev().map(read).collect::<Result<_, _>>()?;
        Ok(Page { items, has_more })
    }

    /// Says what was done about a question, and gives it; none where there is no such question. Without `note` the note stays, with
    /// none in it it is taken away.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn set_question(
        &self,
        organization: &str,
        id: TurnId,
        state: QuestionState,
        note: Option<Option<String>>,
    ) -> Result<Option<UnansweredQuestion>, StoreError> {
        self.settle_all().await?;
        let writing = transaction::begin(self.writer()).await?;
        let change = async {
            let transaction = &writing.transaction;
            let backend = transaction.get_database_backend();
            let mut update = question::Entity::update_many().col_expr(question::Column::State, state.as_str().into());
            if let Some(note) = note {
                let note = note.map(|note| storable(backend, note));
                update = update.col_expr(question::Column::Note, note.into());
            }
            update
                .filter(question::Column::TurnId.eq(TextUuid(id.0)))
                .filter(question::Column::OrganizationId.eq(organization))
                .exec(transaction)
                .await?;
            let mut select = select();
            select
                .and_where(Expr::col((question::Entity, question::Column::TurnId)).eq(TextUuid(id.0)))
                .and_where(Expr::col((question::Entity, question::Column::OrganizationId)).eq(organization));
            let row = transaction.query_one(&select).await?;
            row.as_ref().map(read).transpose()
        };
        let changed = change.await;
        let changed = writing.end(changed).await?;
        self.committed(0, false);
        Ok(changed)
    }
}

/// Questions with what was asked, which stands among the messages.
fn select() -> SelectStatement {
    let asked = Alias::new("asked");
    Query::select()
        .columns([
            (question::Entity, question::Column::TurnId),
            (question::Entity, question::Column::SessionId),
            (question::Entity, question::Column::Agent),
        ])
        // As the entity reads it: PostgreSQL has no decimals that a float could be read from.
        .expr(Expr::col((question::Entity, question::Column::Confidence)).cast_as(Alias::new("double precision")))
        .columns([
            (question::Entity, question::Column::State),
            (question::Entity, question::Column::Note),
        ])
        .expr(Expr::col((asked.clone(), message::Column::Content)))
        .expr(Expr::col((asked.clone(), message::Column::CreatedAt)))
        .from(question::Entity)
        .inner_join(
            turn::Entity,
            Expr::col((turn::Entity, turn::Column::Id)).equals((question::Entity, question::Column::TurnId)),
        )
        .join_as(
            sea_orm::sea_query::JoinType::InnerJoin,
            message::Entity,
            asked.clone(),
            Expr::col((asked.clone(), message::Column::SessionId))
                .equals((turn::Entity, turn::Column::SessionId))
                .and(Expr::col((asked, message::Column::Seq)).equals((turn::Entity, turn::Column::AcceptedSeq))),
        )
        .to_owned()
}

fn read(row: &QueryResult) -> Result<UnansweredQuestion, StoreError> {
    let unreadable = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Unreadable {
        what: "question",
        source,
    };
    let (turn_id, session_id): (TextUuid, TextUuid) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let agent: String = row.try_get_by_index(2)?;
    let state: String = row.try_get_by_index(4)?;
    Ok(UnansweredQuestion {
        id: TurnId(turn_id.0),
        question: row.try_get_by_index(6)?,
        session_id: SessionId(session_id.0),
        turn_id: TurnId(turn_id.0),
        agent: AgentId::parse(&agent).map_err(|error| unreadable(error.into()))?,
        asked_at: row.try_get_by_index::<DateTimeUtc>(7)?.into(),
        confidence: Confidence::new(row.try_get_by_index(3)?),
        state: match state.as_str() {
            "open" => QuestionState::Open,
            "done" => QuestionState::Done,
            other => return Err(unreadable(format!("its state is `{other}`").into())),
        },
        note: row.try_get_by_index(5)?,
    })
}
