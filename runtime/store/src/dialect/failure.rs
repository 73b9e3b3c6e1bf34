//! What the engines' errors mean.

use std::io;

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sqlx::postgres::PgDatabaseError;

use super::MALFORMED;
use crate::StoreError;

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if let DbErr::Custom(text) = &error
            && text.starts_with(MALFORMED)
        {
            return Self::Corrupt(error);
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the errors of the library are many, and all others are one to us"
        )]
        let meaning = match &error {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Some(Meaning::Busy),
            DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => Some(Meaning::Away),
            error => sqlx_error(error).map(meaning),
        };
        match meaning {
            Some(Meaning::Away) => Self::Away(error),
            Some(Meaning::Busy) => Self::Busy(error),
            Some(Meaning::Conflict) => Self::Conflict(error),
            Some(Meaning::Corrupt) => Self::Corrupt(error),
            Some(Meaning::DiskFull) => Self::DiskFull(error),
            Some(Meaning::Io) => Self::Io(error),
            Some(Meaning::Other) | None => Self::Database(error),
        }
    }
}

/// The variants of [`StoreError`] that an engine's error can become.
enum Meaning {
    Away,
    Busy,
    Conflict,
    Corrupt,
    DiskFull,
    Io,
    Other,
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    if let DbErr::Conn(RuntimeErr::SqlxError(cause))
    | DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause)) = error
    {
        return Some(cause);
    }
    None
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the errors of the library are many, and all others are one to us"
)]
fn meaning(cause: &sqlx::Error) -> Meaning {
    match cause {
        sqlx::Error::Io(io) if io.kind() == io::ErrorKind::StorageFull => Meaning::DiskFull,
        // A file that fails has a code of the system; a connection that ends in the middle of a message has none.
        sqlx::Error::Io(io) if is_of_network(io) => Meaning::Away,
        sqlx::Error::Io(_) => Meaning::Io,
        sqlx::Error::PoolTimedOut => Meaning::Busy,
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => {
            Meaning::Away
        }
        sqlx::Error::Database(cause) => match cause.try_downcast_ref::<PgDatabaseError>() {
            Some(cause) => sqlstate(cause.code()),
            None => result_code(cause.code().and_then(|code| code.parse().ok())),
        },
        _ => Meaning::Other,
    }
}

fn is_of_network(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown,
        NetworkUnreachable, NotConnected, TimedOut, UnexpectedEof,
    };
    matches!(
        error.kind(),
        BrokenPipe
            | ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
            | TimedOut
            | UnexpectedEof
    )
}

/// SQLite's: <https://www.sqlite.org/rescode.html>; the low byte is the primary code.
fn result_code(code: Option<i32>) -> Meaning {
    match code.map(|code| code & 0xff) {
        Some(5 | 6) => Meaning::Busy,
        Some(13) => Meaning::DiskFull,
        Some(11 | 26) => Meaning::Corrupt,
        Some(8 | 10 | 14 | 23) => Meaning::Io,
        Some(19) => Meaning::Conflict,
        Some(_) | None => Meaning::Other,
    }
}

/// PostgreSQL's: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn sqlstate(code: &str) -> Meaning {
    match code {
        // Ended by an operator, after a crash or for resting in a transaction; not taking anybody yet, or no more of them; a
        // server that only reads, which is one that another has taken over from.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "53300" | "25006" => Meaning::Away,
        // Locks that were waited for in vain; two transactions that stood in each other's way.
        "55P03" | "57014" | "40001" | "40P01" => Meaning::Busy,
        "53100" => Meaning::DiskFull,
        "58030" => Meaning::Io,
        _ if code.starts_with("08") => Meaning::Away,
        _ if code.starts_with("23") => Meaning::Conflict,
        _ if code.starts_with("XX0") && code != "XX000" => Meaning::Corrupt,
        _ => Meaning::Other,
    }
}
