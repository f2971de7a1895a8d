//! Help and usage errors, as clap words them.

use clap::error::ErrorKind as ClapKind;
use serde_json::json;

use crate::printer::Printer;

/// Prints the help that was asked for, or why the command line cannot be parsed.
pub(crate) fn print(error: &clap::Error, as_json: bool, printer: &mut Printer<'_>) {
    let text = error.render().ansi().to_string();
    if matches!(error.kind(), ClapKind::DisplayHelp | ClapKind::DisplayVersion) {
        printer.data(&text);
        return;
    }
    if as_json {
        printer.json(&json!({"error": document(&error.render().to_string())}));
    }
    printer.message(&text);
}

fn document(text: &str) -> serde_json::Value {
    // The arguments concerned are indented below the first line.
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let arguments = lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect::<Vec<_>>();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let message = format!("{first} {}", arguments.join(", "));
    let tip = text.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
    json!({
        "kind": "invalid_input",
        "code": null,
        "message": message.trim_end(),
        "caused_by": [],
        "hint": tip.unwrap_or("try --help"),
    })
}
