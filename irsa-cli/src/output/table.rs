//! Tables and blocks of text.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

pub(super) fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// Names and values, one below the other; a name without values is omitted.
pub(super) fn block(rows: &[(&str, Vec<String>)]) -> String {
    const WIDTH: usize = 16;
    let mut text = String::new();
    for (name, values) in rows {
        for (at, value) in values.iter().enumerate() {
            let name = if at == 0 { *name } else { "" };
            let value = value.replace('\n', &format!("\n{:1$}", "", WIDTH + 4));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:WIDTH$}  {value}");
        }
    }
    text
}
