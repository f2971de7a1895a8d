//! The bindings of a manifest as text: a diff for each, and a summary.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::Style;
use irsa_core::{FleetEntry, FleetOutcome, Report, StepReport, Warning};
use serde_json::{Value, json};

use super::report::{entry_outcome, footer, headline, line as step_line, marks_for_deletion};
use super::{document as plain_document, error_document, interruption_document, report_document};
use crate::answer::{BatchAnswer, ReportStyle, entry_name};
use crate::args::Mode;
use crate::diff::{DiffLine, diff};
use crate::printer::{BAD, CHANGED, FAINT, GOOD, STRONG, plain, styled};
use crate::spelling::Spelling;

/// One binding; nothing if it does not change or was refused before its first step.
pub(super) fn text(entry: &FleetEntry, with_cluster: bool, mode: Mode) -> String {
    let with_name = |report: &Report| {
        let mut report = report.clone();
        report.binding = entry_name(entry, with_cluster);
        report
    };
    match &entry.outcome {
        FleetOutcome::Done(report) if !report.changed => String::new(),
        FleetOutcome::Done(report) => {
            let style = if entry.removal { ReportStyle::Delete } else { ReportStyle::Change };
            report_text(&with_name(report), style, mode.is_dry_run())
        }
        FleetOutcome::Failed(error) => {
            let report = error.report();
            report.map(|report| report_text(&with_name(report), ReportStyle::Failed, false)).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// A report, with what each step changes below its line.
fn report_text(report: &Report, style: ReportStyle, with_details: bool) -> String {
    let mut text = headline(report, style);
    for step in &report.steps {
        text.push_str(&step_line(step, report));
        if with_details && !marks_for_deletion(step) {
            text.push_str(&details(step));
        }
    }
    text.push_str(&footer(report, style));
    text
}

fn details(step: &StepReport) -> String {
    let Some(detail) = &step.detail else { return String::new() };
    let mut text = String::new();
    match step.action.as_str() {
        "create_role" => {
            print_added(&mut text, &detail["trust_policy"]);
            for key in ["description", "max_session_duration", "permissions_boundary"] {
                print_map(&mut text, "", &json!({key: detail[key]}), &Value::Null);
            }
            print_map(&mut text, "", &detail["tags"], &Value::Null);
        }
        "update_trust_policy" => print_diff(&mut text, &detail["before"], &detail["after"]),
        "put_inline_policy" if detail.get("before").is_some() => {
            print_diff(&mut text, &detail["before"], &detail["document"]);
        }
        "put_inline_policy" => print_added(&mut text, &detail["document"]),
        "tag_role" => print_map(&mut text, "", &detail["tags"], &detail["before"]["tags"]),
        "untag_role" => {
            for key in detail["keys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                print_line(&mut text, BAD, '-', key);
            }
        }
        "update_role" | "put_permissions_boundary" => print_map(&mut text, "", detail, &detail["before"]),
        "create_service_account" | "annotate_service_account" => {
            print_map(&mut text, "", &detail["annotations"], &detail["before"]["annotations"]);
            print_map(&mut text, "label ", &detail["labels"], &detail["before"]["labels"]);
            print_map(&mut text, "", &json!({"automountServiceAccountToken": detail["automount_token"]}), &Value::Null);
        }
        "remove_annotations" => {
            for (key, value) in detail["annotations"].as_object().into_iter().flatten() {
                print_line(&mut text, BAD, '-', &format!("{key}: {}", scalar(value)));
            }
        }
        _ => {}
    }
    text
}

fn print_line(text: &mut String, style: Style, mark: char, what: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "      {}", styled(style, &format!("{mark} {}", plain(what))));
}

/// Values by key, with the values that they replace; `what` precedes each key.
fn print_map(text: &mut String, what: &str, values: &Value, before: &Value) {
    let values = values.as_object().into_iter().flatten();
    for (key, value) in values.filter(|(_, value)| !value.is_null() && !value.is_object()) {
        match before.get(key).filter(|before| !before.is_null()) {
            Some(before) => {
                let change = format!("{what}{key}: {} -> {}", scalar(before), scalar(value));
                print_line(text, CHANGED, '~', &change);
            }
            None => print_line(text, GOOD, '+', &format!("{what}{key}: {}", scalar(value))),
        }
    }
}

/// A text without its quotes.
fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn print_added(text: &mut String, document: &Value) {
    for part in format!("{document:#}").lines() {
        print_line(text, GOOD, '+', part);
    }
}

fn print_diff(text: &mut String, before: &Value, after: &Value) {
    for part in diff(before, after) {
        match part {
            DiffLine::Context(part) => print_line(text, Style::new(), ' ', &part),
            DiffLine::Removed(part) => print_line(text, BAD, '-', &part),
            DiffLine::Added(part) => print_line(text, GOOD, '+', &part),
            DiffLine::Skipped => print_line(text, FAINT, ' ', "..."),
        }
    }
}

/// The number of bindings by outcome, in one line.
pub(super) fn summary(batch: &BatchAnswer) -> String {
    const OUTCOMES: [&str; 7] = ["created", "adopted", "updated", "deleted", "unchanged", "failed", "skipped"];
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &batch.report.entries {
        *counts.entry(entry_outcome(entry).unwrap_or("skipped")).or_default() += 1;
    }
    let parts = OUTCOMES.iter().filter_map(|word| Some(format!("{} {word}", counts.get(word)?)));
    let parts = parts.collect::<Vec<_>>().join(", ");
    let total = batch.report.entries.len();
    let bindings = if total == 1 { "binding" } else { "bindings" };
    let note = if batch.mode.is_dry_run() { " (dry run)" } else { "" };
    let total = styled(STRONG, &format!("{total} {bindings}"));
    if parts.is_empty() { format!("{total}{note}\n") } else { format!("{total}: {parts}{note}\n") }
}

/// All bindings as JSON.
pub(super) fn document(batch: &BatchAnswer, spelling: &Spelling) -> Value {
    let report = &batch.report;
    let spelt = |warning: &Warning| warning.clone().spelt(spelling);
    let warnings = plain_document(&batch.warnings.iter().map(spelt).collect::<Vec<_>>());
    let bindings: Vec<Value> = report.entries.iter().map(|entry| binding(entry, batch.mode, spelling)).collect();
    let mut document = json!({
        "changed": report.changed(),
        "bindings": bindings,
        "warnings": warnings,
        "succeeded": report.succeeded(),
        "failed": report.failed(),
        "not_run": report.not_run(),
    });
    let first = report.entries.iter().find_map(FleetEntry::error);
    if batch.stopped {
        document["error"] = interruption_document(true);
    } else if let Some(first) = first {
        let mut error = error_document(first, spelling);
        let with_cluster = batch.has_several_clusters();
        let failed = report
            .entries
            .iter()
            .filter_map(|entry| Some(format!("{}: {}", entry_name(entry, with_cluster), entry.error()?)));
        error["message"] = json!(format!("{} of {} bindings failed", report.failed(), report.entries.len()));
        error["caused_by"] = json!(failed.collect::<Vec<_>>());
        document["error"] = error;
    }
    document
}

fn binding(entry: &FleetEntry, mode: Mode, spelling: &Spelling) -> Value {
    let mut document = match entry.report() {
        Some(report) => report_document(report, spelling),
        None => json!({
            "binding": entry.binding, "role_name": null, "role_arn": null, "changed": false, "steps": [], "undeclared": [],
            "warnings": [],
        }),
    };
    document["cluster"] = json!(entry.cluster);
    document["removal"] = json!(entry.removal);
    document["outcome"] = json!(match &entry.outcome {
        FleetOutcome::Done(_) if mode.is_dry_run() => "planned",
        FleetOutcome::Done(_) => "done",
        FleetOutcome::Failed(_) => "failed",
        _ => "not_run",
    });
    if let Some(error) = entry.error() {
        document["error"] = error_document(error, spelling);
    }
    document
}
