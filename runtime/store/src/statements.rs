//! The statements that write rows, many rows in each. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use orchestratai_shared::{AgentId, ChatSession, Confidence, MessageRole, QuestionState, SessionId};
use sea_orm::{
    DbBackend, Statement,
    entity::prelude::DateTimeUtc,
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};

use crate::{
    NodeId,
    batch::{EndedTurn, MessageRow, Rows, SessionChange},
    entity::{journal, message, question, session, signed, turn},
    rows::{ROWS_MAX, change, hour, insert, number, storable, text, text_value, time, time_value, values_list},
};

/// Makes sessions, which are their `owner`'s; those that exist are passed over.
pub(crate) fn create_sessions(
    backend: DbBackend,
    created: Vec<(ChatSession, Arc<str>)>,
    owner: Option<NodeId>,
) -> Vec<Statement> {
    let rows = created
        .into_iter()
        .map(|(session, organization)| session_values(&session, &organization, owner));
    let skip = OnConflict::column(session::Column::Id).do_nothing().to_owned();
    insert(backend, session::Entity, &SESSION_COLUMNS, rows, Some(&skip))
}

/// Writes everything else of `rows`. `organizations` holds every session of them.
pub(crate) fn write(backend: DbBackend, rows: Rows, organizations: &HashMap<SessionId, String>) -> Vec<Statement> {
    let organization = |session_id: &SessionId| -> Expr { organizations[session_id].as_str().into() };
    let journal = rows.journal.into_iter().map(|row| {
        let organization = organization(&row.session_id);
        [
            text(row.session_id.0),
            number(row.seq),
            number(row.last_seq),
            time(row.at),
            organization,
            row.payload().into(),
        ]
    });
    let mut statements = insert(backend, journal::Entity, &JOURNAL_COLUMNS, journal, None);
    let messages = rows.messages.into_iter().map(|row| {
        let organization = organization(&row.message.session_id);
        message_values(backend, row, organization)
    });
    statements.extend(insert(backend, message::Entity, &MESSAGE_COLUMNS, messages, None));
    let accepted = rows.accepted.into_iter().map(|turn| {
        let ended = turn.ended.as_ref();
        let organization = organization(&turn.session_id);
        [
            text(turn.id.0),
            text(turn.session_id.0),
            text(turn.client_message_id.0),
            number(turn.accepted_seq),
            ended.map(|end| signed(end.seq)).into(),
            ended.map(|end| DateTimeUtc::from(end.at)).into(),
            organization,
            agent(ended.and_then(|end| end.agent.as_ref())).into(),
        ]
    });
    statements.extend(insert(backend, turn::Entity, &TURN_COLUMNS, accepted, None));
    statements.extend(end_turns(backend, &rows.ended));
    let unanswered = rows.unanswered.into_iter().map(|turn| {
        let organization = organization(&turn.session_id);
        [
            text(turn.id.0),
            text(turn.session_id.0),
            turn.agent.as_str().into(),
            turn.confidence.get().into(),
            QuestionState::Open.as_str().into(),
            organization,
        ]
    });
    statements.extend(insert(backend, question::Entity, &QUESTION_COLUMNS, unanswered, None));
    let changed: Vec<_> = rows.changed.into_iter().collect();
    statements.extend(change_sessions(backend, &changed));
    statements
}

/// Ends turns that are open; those that are not are passed over.
fn end_turns(backend: DbBackend, ended: &[EndedTurn]) -> impl Iterator<Item = Statement> {
    ended.chunks(ROWS_MAX).map(move |ended| {
        let rows = ended.iter().map(|turn| {
            [
                text_value(turn.id.0),
                text_value(turn.session_id.0),
                signed(turn.end.seq).into(),
                time_value(turn.end.at),
                agent(turn.end.agent.as_ref()).into(),
            ]
        });
        let update = Query::update()
            .table(turn::Entity)
            .value(turn::Column::EndedSeq, change(3))
            .value(turn::Column::EndedAt, change(4))
            .value(turn::Column::Agent, change(5))
            .from(values_list(rows))
            .and_where(Expr::col((turn::Entity, turn::Column::Id)).eq(change(1)))
            .and_where(Expr::col((turn::Entity, turn::Column::SessionId)).eq(change(2)))
            .and_where(Expr::col((turn::Entity, turn::Column::EndedSeq)).is_null())
            .to_owned();
        backend.build(&update)
    })
}

/// Brings the totals of all sessions of the batch up to date.
fn change_sessions(backend: DbBackend, changed: &[(SessionId, SessionChange)]) -> impl Iterator<Item = Statement> {
    let plus = |column: session::Column, index| Expr::col((session::Entity, column)).add(change(index));
    changed.chunks(ROWS_MAX).map(move |changed| {
        let rows = changed.iter().map(|(id, add)| {
            [
                text_value(id.0),
                signed(add.last_seq).into(),
                time_value(add.last_activity),
                signed(add.tokens).into(),
                add.cost.into(),
                signed(add.messages).into(),
            ]
        });
        let update = Query::update()
            .table(session::Entity)
            .value(session::Column::LastSeq, change(2))
            .value(session::Column::LastActivity, change(3))
            .value(session::Column::TotalTokens, plus(session::Column::TotalTokens, 4))
            .value(session::Column::TotalCost, plus(session::Column::TotalCost, 5))
            .value(session::Column::MessageCount, plus(session::Column::MessageCount, 6))
            .from(values_list(rows))
            .and_where(Expr::col((session::Entity, session::Column::Id)).eq(change(1)))
            .to_owned();
        backend.build(&update)
    })
}

/// Takes note of a new hour of activity, of the sessions that have come to one. Another statement than that of the totals: SQLite
/// writes an index for every column that a statement sets, whether its value changes or not.
pub(crate) fn enter_hours(backend: DbBackend, entered: &[(SessionId, i64)]) -> Vec<Statement> {
    let chunks = entered.chunks(ROWS_MAX).map(|entered| {
        let rows = entered.iter().map(|(id, hour)| [text_value(id.0), (*hour).into()]);
        let update = Query::update()
            .table(session::Entity)
            .value(session::Column::ActiveHour, change(2))
            .from(values_list(rows))
            .and_where(Expr::col((session::Entity, session::Column::Id)).eq(change(1)))
            .to_owned();
        backend.build(&update)
    });
    chunks.collect()
}

const SESSION_COLUMNS: [session::Column; 11] = [
    session::Column::Id,
    session::Column::UserId,
    session::Column::StartTime,
    session::Column::LastActivity,
    session::Column::TotalTokens,
    session::Column::TotalCost,
    session::Column::MessageCount,
    session::Column::OrganizationId,
    session::Column::LastSeq,
    session::Column::Owner,
    session::Column::ActiveHour,
];

const JOURNAL_COLUMNS: [journal::Column; 6] = [
    journal::Column::SessionId,
    journal::Column::Seq,
    journal::Column::LastSeq,
    journal::Column::At,
    journal::Column::OrganizationId,
    journal::Column::Payload,
];

const MESSAGE_COLUMNS: [message::Column; 9] = [
    message::Column::Id,
    message::Column::SessionId,
    message::Column::Role,
    message::Column::Content,
    message::Column::Agent,
    message::Column::Confidence,
    message::Column::CreatedAt,
    message::Column::OrganizationId,
    message::Column::Seq,
];

const TURN_COLUMNS: [turn::Column; 8] = [
    turn::Column::Id,
    turn::Column::SessionId,
    turn::Column::ClientMessageId,
    turn::Column::AcceptedSeq,
    turn::Column::EndedSeq,
    turn::Column::EndedAt,
    turn::Column::OrganizationId,
    turn::Column::Agent,
];

const QUESTION_COLUMNS: [question::Column; 6] = [
    question::Column::TurnId,
    question::Column::SessionId,
    question::Column::Agent,
    question::Column::Confidence,
    question::Column::State,
    question::Column::OrganizationId,
];

fn session_values(session: &ChatSession, organization: &str, owner: Option<NodeId>) -> [Expr; 11] {
    [
        text(session.id.0),
        session.user_id.clone().into(),
        time(session.start_time),
        time(session.last_activity),
        number(session.total_tokens),
        session.total_cost.into(),
        number(session.message_count),
        organization.into(),
        number(0),
        owner.map(|owner| owner.to_string()).into(),
        hour(session.last_activity).into(),
    ]
}

fn message_values(backend: DbBackend, row: MessageRow, organization: Expr) -> [Expr; 9] {
    let MessageRow { message, seq } = row;
    [
        text(message.id.0),
        text(message.session_id.0),
        role_text(message.role).into(),
        storable(backend, message.content).into(),
        message.agent.map(|agent| agent.as_str().to_owned()).into(),
        message.confidence.map(Confidence::get).into(),
        time(message.timestamp),
        organization,
        number(seq),
    ]
}

/// An agent's id, where there is one.
fn agent(id: Option<&AgentId>) -> Option<String> {
    id.map(|id| id.as_str().to_owned())
}

/// How the role of who wrote a message is spelt.
pub(crate) fn role_text(role: MessageRole) -> &'static str {
    match role {
        MessageRole::User => "user",
        MessageRole::Assistant => "assistant",
    }
}
