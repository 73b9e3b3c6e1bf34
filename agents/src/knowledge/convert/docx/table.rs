//! A table of a document as it is read.

/// A cell does not reach over more columns than this.
const SPAN_MAX: usize = 64;

/// Gathers rows of cells. A cell that reaches over several columns is followed by empty ones; one that reaches over several rows
/// is repeated, so that each row says what it says.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    cell: String,
    columns: usize,
    goes_on: bool,
}

impl Table {
    pub(super) fn begin_row(&mut self) {
        self.rows.push(Vec::new());
    }

    pub(super) fn begin_cell(&mut self) {
        (self.cell, self.columns, self.goes_on) = (String::new(), 1, false);
    }

    /// The present cell reaches over so many columns.
    pub(super) fn span(&mut self, columns: usize) {
        self.columns = columns.clamp(1, SPAN_MAX);
    }

    /// The present cell is the one above.
    pub(super) fn go_on(&mut self) {
        self.goes_on = true;
    }

    /// Adds words to the present cell.
    pub(super) fn push(&mut self, words: &str) {
        if !words.trim().is_empty() {
            if !self.cell.is_empty() {
                self.cell.push(' ');
            }
            self.cell.push_str(words.trim());
        }
    }

    pub(super) fn end_cell(&mut self) {
        /// A longer cell is not repeated, in bytes.
        const REPEATED_BYTES_MAX: usize = 256;
        let mut words = std::mem::take(&mut self.cell);
        let Some((row, above)) = self.rows.split_last_mut() else {
            return;
        };
        if self.goes_on
            && words.is_empty()
            && let Some(cell) = above.last().and_then(|above| above.get(row.len()))
            && cell.len() <= REPEATED_BYTES_MAX
        {
            words.clone_from(cell);
        }
        row.push(words);
        row.extend((1..self.columns).map(|_| String::new()));
    }

    pub(super) fn finish(self) -> Vec<Vec<String>> {
        self.rows
    }
}
