//! What a backup holds: tables and their columns, by name.
//!
//! A column that is added to a table is in no backup until it is named here, or as left out in the test below.

/// A table, and of its columns those that are copied.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [Column],
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What its values are, where there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    /// With so many places behind the point, where the engine counts them.
    Decimal(u16),
    Time,
    /// A column of JSON. Its text is kept letter by letter.
    Json,
    Bytes,
}

/// All of them, in the order in which they are copied. Snapshots of sessions are no part: they are caches of the journal.
pub(super) const TABLES: [Table; 15] = [
    Table {
        name: "sessions",
        columns: &[
            text("id"),
            text("user_id"),
            time("start_time"),
            time("last_activity"),
            integer("total_tokens"),
            decimal("total_cost", 6),
            integer("message_count"),
            text("organization_id"),
            integer("last_seq"),
            text("title"),
            integer("active_hour"),
        ],
    },
    Table {
        name: "journal",
        columns: &[
            text("session_id"),
            integer("seq"),
            integer("last_seq"),
            time("at"),
            text("organization_id"),
            text("payload"),
        ],
    },
    Table {
        name: "messages",
        columns: &[
            text("id"),
            text("session_id"),
            text("role"),
            text("content"),
            text("agent"),
            decimal("confidence", 2),
            time("created_at"),
            text("organization_id"),
            integer("seq"),
        ],
    },
    Table {
        name: "turns",
        columns: &[
            text("id"),
            text("session_id"),
            text("client_message_id"),
            integer("accepted_seq"),
            integer("ended_seq"),
            time("ended_at"),
            text("organization_id"),
            text("agent"),
        ],
    },
    Table {
        name: "takeovers",
        columns: &[text("session_id"), text("name"), time("since"), text("organization_id")],
    },
    Table {
        name: "person_requests",
        columns: &[
            text("session_id"),
            text("agent"),
            text("reason"),
            time("since"),
            text("organization_id"),
        ],
    },
    Table {
        name: "person_replies",
        columns: &[
            text("session_id"),
            text("client_message_id"),
            text("turn_id"),
            integer("seq"),
            text("organization_id"),
        ],
    },
    Table {
        name: "feedback",
        columns: &[
            text("message_id"),
            text("session_id"),
            text("rating"),
            text("reason"),
            time("at"),
            text("organization_id"),
        ],
    },
    Table {
        name: "questions",
        columns: &[
            text("turn_id"),
            text("session_id"),
            text("agent"),
            decimal("confidence", 2),
            text("state"),
            text("note"),
            text("organization_id"),
        ],
    },
    Table {
        name: "erased_sessions",
        columns: &[
            text("session_id"),
            integer("erased_through"),
            time("erased_at"),
            text("organization_id"),
        ],
    },
    Table {
        name: "documents",
        columns: &[
            text("id"),
            text("organization_id"),
            text("collection"),
            text("root"),
            text("path"),
            text("title"),
            text("content"),
            Column {
                name: "front_matter",
                kind: Kind::Json,
            },
            text("content_hash"),
            integer("revision"),
            time("created_at"),
            time("updated_at"),
        ],
    },
    Table {
        name: "removed_documents",
        columns: &[
            text("id"),
            text("organization_id"),
            text("collection"),
            integer("revision"),
        ],
    },
    Table {
        name: "user_facts",
        columns: &[
            text("id"),
            text("organization_id"),
            text("user_id"),
            text("fact"),
            text("words"),
            text("session_id"),
            text("turn_id"),
            text("agent"),
            time("said_at"),
            time("kept_until"),
        ],
    },
    // What requests hold that are under way is in it, and stays so: nobody settles them in the copy.
    Table {
        name: "spending",
        columns: &[
            text("budget"),
            text("organization_id"),
            text("subject"),
            time("window_start"),
            integer("tokens"),
            integer("usd_nanos"),
            time("kept_until"),
        ],
    },
    // Could be made again, and takes minutes of all cores where the documents are many: a restore is no time to do so.
    Table {
        name: "index_parts",
        columns: &[
            text("document_id"),
            text("maker"),
            text("content_hash"),
            Column {
                name: "body",
                kind: Kind::Bytes,
            },
        ],
    },
];

/// The table of that name.
pub(super) fn table(name: &str) -> Option<&'static Table> {
    const ALL: &[Table] = &TABLES;
    ALL.iter().find(|table| table.name == name)
}

impl Table {
    /// The column of that name.
    pub(super) fn column(&self, name: &str) -> Option<Column> {
        self.columns.iter().find(|column| column.name == name).copied()
    }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

const fn integer(name: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Integer,
    }
}

const fn decimal(name: &'static str, places: u16) -> Column {
    Column {
        name,
        kind: Kind::Decimal(places),
    }
}

const fn time(name: &'static str) -> Column {
    Column { name, kind: Kind::Time }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    use super::*;
    use crate::{Store, StoreSettings};

    /// What is in no backup, and why.
    const LEFT_OUT: [&str; 8] = [
        // The header says which migration was the last, and what there is once.
        "meta",
        "seaql_migrations",
        // Caches of the journal.
        "session_snapshots",
        // Who is in a cluster, and who of it has a session: of one moment, and of other machines.
        "nodes",
        "sessions.owner",
        // Who makes a part just now, and when somebody last wanted what a maker makes.
        "index_parts.claimed_until",
        "index_part_makers",
        // Requests that are under way, of other processes.
        "spending_reservations",
    ];

    #[tokio::test]
    async fn every_column_there_is_is_copied_or_left_out_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreSettings::sqlite(&folder.path().join("schema.db")))
            .await
            .unwrap();
        let columns = Statement::from_string(
            DbBackend::Sqlite,
            "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
        );
        let rows = store.readers().query_all_raw(columns).await.unwrap();
        let there_are: BTreeSet<String> = (rows.iter())
            .map(|row| {
                let table: String = row.try_get_by_index(0).unwrap();
                let column: String = row.try_get_by_index(1).unwrap();
                (table.clone(), format!("{table}.{column}"))
            })
            .filter(|(table, column)| !LEFT_OUT.contains(&table.as_str()) && !LEFT_OUT.contains(&column.as_str()))
            .map(|(_, column)| column)
            .collect();
        let copied: BTreeSet<String> = (TABLES.iter())
            .flat_map(|table| {
                table
                    .columns
                    .iter()
                    .map(|column| format!("{}.{}", table.name, column.name))
            })
            .collect();
        assert_eq!(there_are, copied);
        store.close().await.unwrap();
    }
}
