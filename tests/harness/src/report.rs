//! Tables for people.

/// A table with a heading; every column is as wide as its widest cell.
#[derive(Debug, Default)]
pub struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    #[must_use]
    pub fn new(heading: &[&str]) -> Self {
        Self {
            heading: heading.iter().map(|cell| (*cell).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = || std::iter::once(&self.heading).chain(&self.rows);
        let width = |column: usize| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heading.len()).map(width).collect();
        for row in all() {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(&widths) {
                let padding = width - cell.chars().count();
                // Numbers line up at their end, words at their start.
                let is_number = cell.starts_with(|first: char| first.is_ascii_digit());
                let (before, after) = if is_number { (padding, 0) } else { (0, padding) };
                line.push_str(&format!(" {}{cell}{} ", " ".repeat(before), " ".repeat(after)));
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The value below which the share `quantile` (0 to 1) of `sorted` lies.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an index into a list of measurements"
)]
pub fn quantile<T: Copy>(sorted: &[T], quantile: f64) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    let index = (last as f64 * quantile.clamp(0.0, 1.0)).round() as usize;
    sorted.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["name", "memory"]);
        table.row(["gateway-1".to_owned(), "9 MiB".to_owned()]);
        table.row(["nats".to_owned(), "120 MiB".to_owned()]);
        assert_eq!(
            table.to_string(),
            "  name       memory\n  gateway-1    9 MiB\n  nats       120 MiB\n"
        );
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let sorted: Vec<u32> = (1..=100).collect();
        assert_eq!(quantile(&sorted, 0.5), Some(51));
        assert_eq!(quantile(&sorted, 0.99), Some(99));
        assert_eq!(quantile(&sorted, 1.0), Some(100));
        assert_eq!(quantile::<u32>(&[], 0.5), None);
    }
}
