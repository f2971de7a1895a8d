//! Prints the outcome of a command, as text or as JSON.

mod batch;
mod console;
mod gen3;
mod progress;
mod report;
mod sarif;
mod status;
mod table;
mod trust;
pub(crate) mod usage;

use irsa_core::trust::Decision;
use irsa_core::{Error, Permissions, Report, Warning, WarningId};
use serde_json::{Value, json};

pub(crate) use self::console::PrinterConsole;
use crate::answer::{
    Answer, AuditAnswer, BatchAnswer, Failure, Outcome, Purpose, ReportAnswer, ReportStyle, TrustCheckAnswer,
    entry_name,
};
use crate::args::OutputFormat;
use crate::printer::{ErrorMessage, Printer};
use crate::source_map::SourceMaps;
use crate::spelling::Spelling;

/// Prints an outcome: results to stdout, warnings and errors to stderr.
pub(crate) fn print(outcome: &Outcome, format: OutputFormat, printer: &mut Printer<'_>) {
    warn(&outcome.warnings, printer);
    match &outcome.result {
        Ok(answer) if outcome.purpose == Purpose::Gen3Script => gen3::print(answer, format, printer),
        Ok(answer) => print_answer(answer, format, printer),
        Err(Failure::Refused(error)) => print_error(error, format, printer),
        Err(Failure::Failed(error)) if outcome.purpose == Purpose::Decision => print_undecided(error, format, printer),
        Err(Failure::Failed(error)) => {
            if let Some(report) = error.report() {
                print_partial_report(report, outcome.purpose, format, printer);
            }
            print_error(error, format, printer);
        }
        Err(Failure::Interrupted { report, writes }) => {
            if let Some(report) = report {
                print_partial_report(report, outcome.purpose, format, printer);
            }
            print_interruption(report.as_deref(), *writes, format, printer);
        }
    }
}

fn print_answer(answer: &Answer, format: OutputFormat, printer: &mut Printer<'_>) {
    let as_json = format == OutputFormat::Json;
    match answer {
        Answer::Report(answer) => print_report(answer, as_json, printer),
        Answer::Binding(binding) if as_json => printer.json(&document(binding)),
        Answer::Binding(binding) => printer.data(&status::binding(binding)),
        Answer::Bindings { bindings, .. } if as_json => printer.json(&document(bindings)),
        Answer::Bindings { bindings, cluster } if bindings.is_empty() => {
            printer.status(&format!("no bindings found on cluster {cluster}\n"));
        }
        Answer::Bindings { bindings, .. } => printer.data(&status::bindings(bindings)),
        Answer::Export(export) => {
            for what in &export.left_out {
                printer.warn(&Warning::new(WarningId::NotExpressed, what.clone()));
            }
            match as_json {
                true => printer.json(&json!({"apiVersion": "v1", "kind": "List", "items": export.manifests})),
                false => printer.data(&irsa_core::manifest::to_yaml(&export.manifests)),
            }
        }
        Answer::Provider(provider) if as_json => printer.json(&document(provider)),
        Answer::Provider(provider) => {
            printer.data(&status::provider(provider));
            if !provider.exists {
                printer.status("hint: create it with `irsa provider create`\n");
            }
        }
        Answer::Batch(batch) => print_batch(batch, as_json, printer),
        Answer::TrustCheck(answer) if as_json => printer.json(&trust_check_document(answer)),
        Answer::TrustCheck(answer) => printer.data(&trust::check(answer)),
        Answer::WhoCan(who) => {
            warn(&who.warnings, printer);
            match as_json {
                true => printer.json(&document(who)),
                false => printer.data(&trust::who_can(who)),
            }
        }
        Answer::Audit(answer) => print_audit(answer, format, printer),
        Answer::Permissions(needed) if as_json => printer.json(&json!({"iam": needed.iam, "rbac": needed.rbac})),
        Answer::Permissions(needed) => printer.data(&permissions(needed)),
        Answer::Schema(schema) => printer.json(schema),
        Answer::Script(script) => printer.data(script),
    }
}

fn print_report(answer: &ReportAnswer, as_json: bool, printer: &mut Printer<'_>) {
    warn(&answer.report.warnings, printer);
    if as_json {
        printer.json(&report_document(&answer.report, printer.spelling()));
        return;
    }
    printer.data(&report::text(&answer.report, answer.style));
    if let Some(next) = report::next_steps(answer) {
        printer.status(&next);
    }
}

fn print_batch(batch: &BatchAnswer, as_json: bool, printer: &mut Printer<'_>) {
    let with_cluster = batch.has_several_clusters();
    let entries = &batch.report.entries;
    warn(&batch.warnings, printer);
    let mut of_clusters: Vec<&Warning> = Vec::new();
    for (entry, report) in entries.iter().filter_map(|entry| Some((entry, entry.report()?))) {
        for warning in &report.warnings {
            if warning.id == WarningId::PluginReplaced {
                // It is about a cluster, and so the same for each binding.
                if !of_clusters.contains(&warning) {
                    of_clusters.push(warning);
                    printer.warn(warning);
                }
                continue;
            }
            let mut warning = warning.clone();
            warning.message = with_name(&entry_name(entry, with_cluster), &warning.message);
            printer.warn(&warning);
        }
    }
    if as_json {
        printer.json(&batch::document(batch, printer.spelling()));
    } else {
        for entry in entries {
            printer.data(&batch::text(entry, with_cluster, batch.mode));
        }
        printer.data(&batch::summary(batch));
    }
    for entry in entries {
        if let Some(error) = entry.error() {
            let mut message = error_message(error, printer.spelling());
            message.what = with_name(&entry_name(entry, with_cluster), &message.what);
            printer.error(&message);
        }
    }
}

/// A message that begins with the name of its binding, unless it names the binding itself.
fn with_name(name: &str, message: &str) -> String {
    let mut words = message.split([' ', ',', ':', ';']);
    if words.any(|word| word == name) { message.to_owned() } else { format!("{name}: {message}") }
}

fn print_audit(answer: &AuditAnswer, format: OutputFormat, printer: &mut Printer<'_>) {
    let sources = SourceMaps::new(&answer.files);
    warn(&answer.audit.warnings, printer);
    match format {
        OutputFormat::Json => {
            let mut found = document(&answer.audit);
            if let Some(error) = &answer.unread {
                found["error"] = error_document(error, printer.spelling());
            }
            printer.json(&found);
        }
        OutputFormat::Sarif => printer.json(&sarif::log(&answer.audit, &sources)),
        OutputFormat::Text | OutputFormat::Yaml => {
            printer.data(&trust::audit(&answer.audit, &sources, answer.options.show_fixes));
        }
    }
    printer.status(&trust::summary(&answer.audit));
    if let Some(error) = &answer.unread {
        printer.error(&error_message(error, printer.spelling()));
    }
}

fn trust_check_document(answer: &TrustCheckAnswer) -> Value {
    let mut document = document(&answer.check);
    document["subject"] = json!(answer.caller.subject);
    document["audience"] = json!(answer.caller.audience);
    document["provider"] = json!(answer.provider);
    document["role_arn"] = json!(answer.role);
    document
}

/// Prints why a question has no answer. What reads only `decision` must not find a no.
fn print_undecided(error: &Error, format: OutputFormat, printer: &mut Printer<'_>) {
    if format == OutputFormat::Json {
        let mut document = failure(error, printer.spelling());
        document["decision"] = json!(Decision::Unknown);
        document["reasons"] = json!([]);
        document["conditions"] = json!([]);
        printer.json(&document);
    }
    printer.error(&error_message(error, printer.spelling()));
}

/// Prints what was done before a failure: to stderr for callers that read only names from stdout.
fn print_partial_report(report: &Report, purpose: Purpose, format: OutputFormat, printer: &mut Printer<'_>) {
    warn(&report.warnings, printer);
    if format == OutputFormat::Json {
        return;
    }
    let text = report::text(report, ReportStyle::Failed);
    match purpose {
        Purpose::Gen3Script => printer.status(&text),
        _ => printer.data(&text),
    }
}

fn print_interruption(report: Option<&Report>, writes: bool, format: OutputFormat, printer: &mut Printer<'_>) {
    if format == OutputFormat::Json {
        let mut document = report.map_or_else(|| json!({}), |report| report_document(report, printer.spelling()));
        document["error"] = interruption_document(writes);
        printer.json(&document);
    }
    let hint = writes.then(|| RERUN.to_owned());
    printer.error(&ErrorMessage { what: "interrupted".to_owned(), causes: Vec::new(), hint });
}

const RERUN: &str = "rerun the command to finish";

fn interruption_document(writes: bool) -> Value {
    let hint = writes.then_some(RERUN);
    json!({"kind": "interrupted", "code": null, "message": "interrupted", "caused_by": [], "hint": hint})
}

fn print_error(error: &Error, format: OutputFormat, printer: &mut Printer<'_>) {
    if format == OutputFormat::Json {
        printer.json(&failure(error, printer.spelling()));
    }
    printer.error(&error_message(error, printer.spelling()));
}

fn error_message(error: &Error, spelling: &Spelling) -> ErrorMessage {
    ErrorMessage { what: error.to_string(), causes: error.causes(), hint: hint(error, spelling) }
}

fn hint(error: &Error, spelling: &Spelling) -> Option<String> {
    Some(error.hint()?.spelt(spelling)?.to_string())
}

/// An error as JSON.
fn error_document(error: &Error, spelling: &Spelling) -> Value {
    let mut document = json!({
        "kind": error.kind(),
        "code": error.code(),
        "message": error.to_string(),
        "caused_by": error.causes(),
        "hint": hint(error, spelling),
    });
    if let Some(reason) = error.conflict_reason() {
        document["reason"] = json!(reason);
    }
    document
}

/// The report as far as there is one, plus the error.
fn failure(error: &Error, spelling: &Spelling) -> Value {
    let mut document = error.report().map_or_else(|| json!({}), |report| report_document(report, spelling));
    document["error"] = error_document(error, spelling);
    document
}

/// A report as JSON, with hints as this command spells them.
fn report_document(report: &Report, spelling: &Spelling) -> Value {
    document(&report.spelt(spelling))
}

fn document(answer: &impl serde::Serialize) -> Value {
    // Plain data of the library: names, texts, lists.
    serde_json::to_value(answer).unwrap_or_default()
}

fn warn(warnings: &[Warning], printer: &mut Printer<'_>) {
    for warning in warnings {
        printer.warn(warning);
    }
}

/// The IAM policy as JSON, then the Kubernetes objects as YAML.
fn permissions(needed: &Permissions) -> String {
    let mut text = format!("{:#}\n", needed.iam);
    for object in &needed.rbac {
        // JSON is YAML too.
        let yaml = serde_saphyr::to_string(object).unwrap_or_else(|_| format!("{object:#}"));
        text.push_str(&format!("---\n{}\n", yaml.trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::with_name;

    #[test]
    fn a_message_names_its_binding_once() {
        assert_eq!(with_name("default/a", "role r is missing"), "default/a: role r is missing");
        assert_eq!(
            with_name("default/a", "cannot read service account default/a"),
            "cannot read service account default/a"
        );
        assert_eq!(with_name("default/a", "default/ab is missing"), "default/a: default/ab is missing");
    }
}
