//! Many bindings: what changes in each, as a diff, and how it went with all of them.

use std::fmt::Write as _;

use anstyle::Style;
use irsa_core::name::ClusterRef;
use irsa_core::{FleetEntry, FleetOutcome, Report, StepReport, Warning};
use serde_json::{Value, json};

use super::report::{Told, text as report_text};
use super::{document as plain_document, error_document, report_document};
use crate::commands::apply::Told as Fleet;
use crate::diff::{Line, difference};
use crate::printer::{BAD, CHANGED, FAINT, GOOD, STRONG, plain, styled};
use crate::spelling::Spelling;

/// Whether bindings have to be told with their clusters.
pub(crate) fn has_several_clusters<'a>(mut clusters: impl Iterator<Item = &'a ClusterRef>) -> bool {
    let first = clusters.next();
    clusters.any(|cluster| Some(cluster) != first)
}

/// The binding of an entry, as [`named`] tells it.
pub(crate) fn name(entry: &FleetEntry, several: bool) -> String {
    named(&entry.cluster, &entry.binding, several)
}

/// A binding; with its cluster, as subjects are written, where there are several.
pub(crate) fn named(cluster: &ClusterRef, binding: &str, several: bool) -> String {
    if several { format!("{cluster}:{binding}") } else { binding.to_owned() }
}

/// One binding; nothing where nothing changes, and for one that was refused before its first step.
pub(super) fn text(entry: &FleetEntry, several: bool, preview: bool) -> String {
    let named = |report: &Report| {
        let mut report = report.clone();
        report.binding = name(entry, several);
        report
    };
    match &entry.outcome {
        FleetOutcome::Done(report) if !report.changed => String::new(),
        FleetOutcome::Done(report) => {
            let told = if entry.removal { Told::Deleted } else { Told::Changed };
            let text = report_text(&named(report), told);
            if preview { with_details(&text, &report.steps) } else { text }
        }
        FleetOutcome::Failed(error) => {
            error.report().map(|report| report_text(&named(report), Told::Failed)).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// Puts what a step changes below its line: the report has a headline, then a line for each step.
fn with_details(text: &str, steps: &[StepReport]) -> String {
    let mut told = String::new();
    let mut steps = steps.iter();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        told.push_str(line);
        // A document that is lost stands below its line already.
        if number > 0
            && !line.starts_with("      ")
            && let Some(step) = steps.next()
        {
            told.push_str(&details(step));
        }
    }
    told
}

fn details(step: &StepReport) -> String {
    let Some(detail) = &step.detail else { return String::new() };
    let mut text = String::new();
    match step.action.as_str() {
        "create_role" => {
            come(&mut text, &detail["trust_policy"]);
            for key in ["description", "max_session_duration", "permissions_boundary"] {
                pairs(&mut text, "", &json!({key: detail[key]}), &Value::Null);
            }
            pairs(&mut text, "", &detail["tags"], &Value::Null);
        }
        "update_trust_policy" => changed(&mut text, &detail["before"], &detail["after"]),
        "put_inline_policy" if detail.get("before").is_some() => {
            changed(&mut text, &detail["before"], &detail["document"]);
        }
        "put_inline_policy" => come(&mut text, &detail["document"]),
        "tag_role" => pairs(&mut text, "", &detail["tags"], &detail["before"]["tags"]),
        "untag_role" => {
            for key in detail["keys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                line(&mut text, BAD, '-', key);
            }
        }
        "update_role" | "put_permissions_boundary" => pairs(&mut text, "", detail, &detail["before"]),
        "create_service_account" | "annotate_service_account" => {
            pairs(&mut text, "", &detail["annotations"], &detail["before"]["annotations"]);
            pairs(&mut text, "label ", &detail["labels"], &detail["before"]["labels"]);
            pairs(&mut text, "", &json!({"automountServiceAccountToken": detail["automount_token"]}), &Value::Null);
        }
        "remove_annotations" => {
            for (key, value) in detail["annotations"].as_object().into_iter().flatten() {
                line(&mut text, BAD, '-', &format!("{key}: {}", scalar(value)));
            }
        }
        _ => {}
    }
    text
}

fn line(text: &mut String, style: Style, mark: char, what: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "      {}", styled(style, &format!("{mark} {}", plain(what))));
}

/// Values by key, with what they are written over; `what` is what the keys are of.
fn pairs(text: &mut String, what: &str, values: &Value, before: &Value) {
    let values = values.as_object().into_iter().flatten();
    for (key, value) in values.filter(|(_, value)| !value.is_null() && !value.is_object()) {
        match before.get(key).filter(|before| !before.is_null()) {
            Some(before) => {
                let change = format!("{what}{key}: {} -> {}", scalar(before), scalar(value));
                line(text, CHANGED, '~', &change);
            }
            None => line(text, GOOD, '+', &format!("{what}{key}: {}", scalar(value))),
        }
    }
}

/// A text without its quotes.
fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn come(text: &mut String, document: &Value) {
    for part in format!("{document:#}").lines() {
        line(text, GOOD, '+', part);
    }
}

fn changed(text: &mut String, before: &Value, after: &Value) {
    for part in difference(before, after) {
        match part {
            Line::Kept(part) => line(text, Style::new(), ' ', &part),
            Line::Gone(part) => line(text, BAD, '-', &part),
            Line::Come(part) => line(text, GOOD, '+', &part),
            Line::Cut => line(text, FAINT, ' ', "..."),
        }
    }
}

/// How it went with all of them, in one line.
pub(super) fn summary(told: &Fleet) -> String {
    let report = &told.report;
    let changed = report.entries.iter().filter(|entry| entry.error().is_none());
    let changed = changed.filter(|entry| entry.report().is_some_and(|report| report.changed));
    let (removed, changed): (Vec<&FleetEntry>, Vec<&FleetEntry>) = changed.partition(|entry| entry.removal);
    let (removed, changed) = (removed.len(), changed.len());
    let unchanged = report.succeeded() - changed - removed;
    let (verb, gone, failed) = match told.dry_run.preview() {
        true => ("would change", "would be removed", "refused"),
        false => ("changed", "removed", "failed"),
    };
    let mut parts = vec![format!("{changed} {verb}"), format!("{unchanged} unchanged")];
    if removed > 0 {
        parts.insert(1, format!("{removed} {gone}"));
    }
    if report.failed() > 0 {
        parts.push(format!("{} {failed}", report.failed()));
    }
    if report.not_run() > 0 {
        parts.push(format!("{} not run", report.not_run()));
    }
    let total = report.entries.len();
    let bindings = if total == 1 { "binding" } else { "bindings" };
    format!("{} {}\n", styled(STRONG, &format!("{total} {bindings}:")), parts.join(", "))
}

/// All of it for machines.
pub(super) fn document(told: &Fleet, spelling: &Spelling) -> Value {
    let report = &told.report;
    let spelt = |warning: &Warning| warning.clone().spelt(spelling);
    let warnings = plain_document(&told.warnings.iter().map(spelt).collect::<Vec<_>>());
    let bindings: Vec<Value> =
        report.entries.iter().map(|entry| binding(entry, told.dry_run.preview(), spelling)).collect();
    let mut document = json!({
        "changed": report.changed(),
        "bindings": bindings,
        "warnings": warnings,
        "succeeded": report.succeeded(),
        "failed": report.failed(),
        "not_run": report.not_run(),
    });
    let first = report.entries.iter().find_map(FleetEntry::error);
    if told.stopped {
        let hint = "the same command again finishes the work";
        document["error"] =
            json!({"kind": "interrupted", "code": null, "message": "interrupted", "caused_by": [], "hint": hint});
    } else if let Some(first) = first {
        let mut error = error_document(first, spelling);
        let several = has_several_clusters(report.entries.iter().map(|entry| &entry.cluster));
        let failed =
            report.entries.iter().filter_map(|entry| Some(format!("{}: {}", name(entry, several), entry.error()?)));
        error["message"] = json!(format!("{} of {} bindings failed", report.failed(), report.entries.len()));
        error["caused_by"] = json!(failed.collect::<Vec<_>>());
        document["error"] = error;
    }
    document
}

fn binding(entry: &FleetEntry, preview: bool, spelling: &Spelling) -> Value {
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
        FleetOutcome::Done(_) if preview => "planned",
        FleetOutcome::Done(_) => "done",
        FleetOutcome::Failed(_) => "failed",
        _ => "not_run",
    });
    if let Some(error) = entry.error() {
        document["error"] = error_document(error, spelling);
    }
    document
}
