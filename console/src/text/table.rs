//! A table that leaves columns out until it fits.

use std::fmt::Write as _;

const GAP: usize = 2;
/// The first column is not cut to less.
const SHORTEST_FIRST: usize = 12;

/// A column of a table.
pub(super) trait Column: Copy + PartialEq {
    /// What is above it.
    fn head(self) -> String;
}

/// The rows in these columns, in at most `width` characters: `left_out` are those that a narrow terminal
/// goes without, the first first. What is left is needed, so then the first column is cut.
pub(super) fn table<C: Column, R>(
    columns: &[C],
    left_out: &[C],
    rows: &[R],
    cell: impl Fn(&R, C) -> String,
    width: usize,
) -> String {
    let mut columns = columns.to_vec();
    let wanted = |column: C| {
        let cells = rows.iter().map(|row| cell(row, column));
        let cells = cells.chain([column.head()]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = columns.iter().map(|column| wanted(*column)).collect();
    for column in left_out {
        if total(&widths) <= width {
            break;
        }
        if let Some(at) = columns.iter().position(|it| it == column) {
            columns.remove(at);
            widths.remove(at);
        }
    }
    let over = total(&widths).saturating_sub(width);
    if let Some(first) = widths.first_mut() {
        *first = first.saturating_sub(over).max(SHORTEST_FIRST.min(*first));
    }
    let head = columns.iter().map(|column| column.head());
    let mut text = line(head, &widths);
    for row in rows {
        text += &line(columns.iter().map(|column| cell(row, *column)), &widths);
    }
    text
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

fn line(cells: impl Iterator<Item = String>, widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.zip(widths) {
        let cell = cut(&cell, *width);
        let _ = write!(line, "{cell:<width$}{:GAP$}", "");
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}
