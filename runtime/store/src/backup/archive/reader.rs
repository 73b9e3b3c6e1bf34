//! Reading a backup.

use std::io::{BufRead, BufReader, Read};

use zstd::stream::read::Decoder;

use super::{BackupContents, BackupOrigin, FORMAT, Line, TableContents, UnreadableBackup, seal::Sealed};
use crate::backup::{
    digest::{RowDigest, TableDigest},
    row::{self, Cell},
    table::{self, Column, Table},
};

/// No row of ours comes near this, in bytes. What is read is held in memory line by line.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// Reads a backup, line by line.
pub(in crate::backup) struct ArchiveReader<R: Read> {
    lines: BufReader<Decoder<'static, BufReader<Sealed<R>>>>,
    origin: BackupOrigin,
    /// Those that have begun.
    tables: Vec<TableContents>,
    columns: Vec<Column>,
    line: String,
}

/// What stands in a line.
pub(in crate::backup) enum Entry {
    /// A table begins.
    Table {
        table: &'static Table,
        columns: Vec<Column>,
    },
    /// A row of the table that has begun last.
    Row {
        cells: Vec<Cell>,
        digest: RowDigest,
        /// Length of its line.
        bytes: usize,
    },
    /// All was there, and as it was written.
    End(BackupContents),
}

impl<R: Read> ArchiveReader<R> {
    /// Begins to read one.
    ///
    /// # Errors
    /// Why it cannot be read; also below.
    pub(in crate::backup) fn new(input: R) -> Result<Self, UnreadableBackup> {
        let decoder = Decoder::new(Sealed::new(input)).map_err(UnreadableBackup::Unread)?;
        let mut lines = BufReader::with_capacity(1 << 20, decoder);
        let mut line = String::new();
        let origin = match next_line(&mut lines, &mut line) {
            Ok(true) => serde_json::from_str(&line).ok(),
            Ok(false) | Err(_) => None,
        };
        let Some(Line::Backup(origin)) = origin else {
            return Err(UnreadableBackup::NotOne);
        };
        if origin.format != FORMAT {
            return Err(UnreadableBackup::Later(origin.version));
        }
        Ok(Self {
            lines,
            origin,
            tables: Vec::new(),
            columns: Vec::new(),
            line,
        })
    }

    /// Where it comes from.
    pub(in crate::backup) fn origin(&self) -> &BackupOrigin {
        &self.origin
    }

    /// What comes next. Nothing does after [`Entry::End`].
    pub(in crate::backup) fn next(&mut self) -> Result<Entry, UnreadableBackup> {
        if !next_line(&mut self.lines, &mut self.line)? {
            return Err(UnreadableBackup::Damaged("it has no end"));
        }
        if self.line.starts_with('[') {
            return self.row();
        }
        match serde_json::from_str(&self.line) {
            Ok(Line::Table { name, columns }) => self.begin_table(name, &columns),
            Ok(Line::End { tables }) => self.end(&tables),
            Ok(Line::Backup(_)) | Err(_) => Err(UnreadableBackup::Damaged("a line cannot be read")),
        }
    }

    fn row(&mut self) -> Result<Entry, UnreadableBackup> {
        let cells = row::decode(&self.line, &self.columns).ok_or(UnreadableBackup::Damaged("a row cannot be read"))?;
        let digest = RowDigest::of(&self.line);
        let table = self.tables.last_mut();
        let table = table.ok_or(UnreadableBackup::Damaged("a row is of no table"))?;
        table.rows += 1;
        table.sha256.add(digest);
        Ok(Entry::Row {
            cells,
            digest,
            bytes: self.line.len(),
        })
    }

    fn begin_table(&mut self, name: String, columns: &[String]) -> Result<Entry, UnreadableBackup> {
        let table = table::table(&name).ok_or_else(|| UnreadableBackup::Later(self.origin.version.clone()))?;
        let known: Option<Vec<Column>> = columns.iter().map(|name| table.column(name)).collect();
        self.columns = known.ok_or_else(|| UnreadableBackup::Later(self.origin.version.clone()))?;
        if self.columns.is_empty() {
            return Err(UnreadableBackup::Damaged("a table has no columns"));
        }
        let is_double = |at: usize| self.columns[..at].contains(&self.columns[at]);
        if self.tables.iter().any(|begun| begun.name == name) || (0..self.columns.len()).any(is_double) {
            return Err(UnreadableBackup::Damaged("a table or column is there twice"));
        }
        self.tables.push(TableContents {
            name,
            rows: 0,
            sha256: TableDigest::default(),
        });
        Ok(Entry::Table {
            table,
            columns: self.columns.clone(),
        })
    }

    fn end(&mut self, tables: &[TableContents]) -> Result<Entry, UnreadableBackup> {
        if tables != self.tables {
            return Err(UnreadableBackup::Damaged("rows are not those that were written"));
        }
        // The seal is known once all before it was read.
        if next_line(&mut self.lines, &mut self.line)? {
            return Err(UnreadableBackup::Damaged("it goes on after its end"));
        }
        let sealed = self.lines.get_ref().get_ref().get_ref();
        let bytes = sealed.length_if_whole();
        Ok(Entry::End(BackupContents {
            origin: self.origin.clone(),
            tables: std::mem::take(&mut self.tables),
            bytes: bytes.ok_or(UnreadableBackup::Damaged("its bytes are not those that were written"))?,
        }))
    }
}

/// Reads a line, without its end, in place of what `line` was. False where there is none.
fn next_line(lines: &mut impl BufRead, line: &mut String) -> Result<bool, UnreadableBackup> {
    line.clear();
    let read = lines.by_ref().take(LINE_BYTES_MAX).read_line(line);
    read.map_err(UnreadableBackup::Unread)?;
    if line.is_empty() {
        return Ok(false);
    }
    match line.pop() {
        Some('\n') => Ok(true),
        Some(_) | None => Err(UnreadableBackup::Damaged("a line has no end")),
    }
}
