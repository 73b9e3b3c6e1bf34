//! Writing a backup.

use std::io::{self, Write};

use zstd::stream::write::Encoder;

use super::{BackupContents, BackupOrigin, Line, TableContents, seal::Sealing};
use crate::backup::{
    digest::{RowDigest, TableDigest},
    row::{self, Cell},
    table::Table,
};

/// How hard it is compressed: the level that the library takes by itself. A level more saves a few per cent and costs twice the time.
const LEVEL: i32 = 3;

/// Writes a backup, line by line.
pub(in crate::backup) struct ArchiveWriter<W: Write> {
    out: Encoder<'static, Sealing<W>>,
    origin: BackupOrigin,
    tables: Vec<TableContents>,
    line: String,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins one.
    ///
    /// # Errors
    /// Where it cannot be written; also below.
    pub(in crate::backup) fn new(out: W, origin: BackupOrigin) -> io::Result<Self> {
        let mut writer = Self {
            out: Encoder::new(Sealing::new(out), LEVEL)?,
            origin: origin.clone(),
            tables: Vec::new(),
            line: String::new(),
        };
        writer.write(&Line::Backup(origin))?;
        Ok(writer)
    }

    /// Begins a table.
    pub(in crate::backup) fn begin_table(&mut self, table: &Table) -> io::Result<()> {
        self.tables.push(TableContents {
            name: table.name.to_owned(),
            rows: 0,
            sha256: TableDigest::default(),
        });
        self.write(&Line::Table {
            name: table.name.to_owned(),
            columns: table.columns.iter().map(|column| column.name.to_owned()).collect(),
        })
    }

    /// Adds a row to the table that was begun last.
    pub(in crate::backup) fn add_row(&mut self, cells: &[Cell]) -> io::Result<()> {
        row::encode(cells, &mut self.line);
        if let Some(table) = self.tables.last_mut() {
            table.rows += 1;
            table.sha256.add(RowDigest::of(&self.line));
        }
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes())
    }

    /// Ends it. Gives the writer beneath, and what is in the backup.
    pub(in crate::backup) fn finish(mut self) -> io::Result<(W, BackupContents)> {
        let tables = std::mem::take(&mut self.tables);
        self.write(&Line::End { tables: tables.clone() })?;
        let (out, bytes) = self.out.finish()?.seal()?;
        let contents = BackupContents {
            origin: self.origin,
            tables,
            bytes,
        };
        Ok((out, contents))
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}
