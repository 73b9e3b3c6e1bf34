//! A table of a page as it is read.

/// A cell does not reach over more columns or rows than this.
const SPAN_MAX: usize = 64;
/// Cells that spans may add to a table.
const SPANNED_CELLS_MAX: usize = 100_000;

/// Gathers rows of cells. A cell that reaches over several columns is followed by empty ones; one that reaches over several
/// rows is repeated, so that each row says what it says.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// What the present cell holds, and how far it reaches.
    cell: Option<(String, usize, usize)>,
    /// For each column, how many more rows the cell above reaches, and its words.
    from_above: Vec<(usize, String)>,
    spanned: usize,
}

impl Table {
    pub(super) fn begin_row(&mut self) {
        self.end_cell();
        self.fill_from_above();
        self.rows.push(Vec::new());
    }

    /// Begins a cell; `columns` and `rows` as the page says, whatever that is.
    pub(super) fn begin_cell(&mut self, columns: usize, rows: usize) {
        self.end_cell();
        if self.rows.is_empty() {
            self.rows.push(Vec::new());
        }
        self.fill_from_above();
        self.cell = Some((String::new(), columns.clamp(1, SPAN_MAX), rows.clamp(1, SPAN_MAX)));
    }

    /// Adds words to the present cell.
    pub(super) fn push(&mut self, words: &str) {
        if self.cell.is_none() {
            self.begin_cell(1, 1);
        }
        if let Some((cell, ..)) = &mut self.cell {
            if !cell.is_empty() {
                cell.push(' ');
            }
            cell.push_str(words.trim());
        }
    }

    pub(super) fn end_cell(&mut self) {
        let (Some((words, columns, rows)), Some(row)) = (self.cell.take(), self.rows.last_mut()) else {
            return;
        };
        let column = row.len();
        self.spanned = self.spanned.saturating_add(columns * rows - 1);
        let may_span = self.spanned <= SPANNED_CELLS_MAX;
        if rows > 1 && may_span && words.len() <= 256 {
            self.from_above
                .resize(self.from_above.len().max(column + columns), (0, String::new()));
            for (number, above) in self.from_above[column..column + columns].iter_mut().enumerate() {
                *above = (rows - 1, if number == 0 { words.clone() } else { String::new() });
            }
        }
        row.push(words);
        if may_span {
            row.extend((1..columns).map(|_| String::new()));
        }
    }

    pub(super) fn finish(mut self) -> Vec<Vec<String>> {
        self.end_cell();
        self.fill_from_above();
        self.rows
    }

    /// Puts cells that reach down into the present row, up to the next free column.
    fn fill_from_above(&mut self) {
        let Some(row) = self.rows.last_mut() else { return };
        while let Some((left, words)) = self.from_above.get_mut(row.len()).filter(|(left, _)| *left > 0) {
            *left -= 1;
            row.push(words.clone());
        }
    }
}
