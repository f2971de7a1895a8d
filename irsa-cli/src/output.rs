//! What came of it, in words or as JSON, and the exit that goes with it.

pub(crate) mod batch;
pub(crate) mod gen3;
mod report;
mod sarif;
mod status;
mod trust;

use irsa_core::trust::{Audit, Decision};
use irsa_core::{Error, Report, Verb, Warning, WarningId};
use serde_json::{Value, json};

use self::report::Told;
use crate::args::{Global, OutputFormat};
use crate::commands::apply::Told as Fleet;
use crate::commands::operation::{Answer, Job, Work};
use crate::commands::trust::{Question, Told as Trusted, Wishes};
use crate::exit::Exit;
use crate::printer::{Complaint, Printer};
use crate::source_map::Originals;
use crate::spelling::Spelling;

/// Prints what came of a job that did not fail.
pub(crate) fn answered(job: &Job, answer: &Answer, global: &Global, printer: &mut Printer<'_>) -> Exit {
    let as_json = global.output == OutputFormat::Json;
    match answer {
        Answer::Report(report) => {
            warn(&report.warnings, printer);
            if as_json {
                printer.json(&report_document(report, printer.spelling()));
            } else {
                printer.data(&report::text(report, Told::of(job)));
                if let Some(next) = next(job, report) {
                    printer.talk(&next);
                }
            }
            if job.dry_run.check && report.changed {
                return Exit::Pending;
            }
        }
        Answer::Binding(binding) if as_json => printer.json(&document(binding)),
        Answer::Binding(binding) => printer.data(&status::binding(binding)),
        Answer::Bindings(bindings) if as_json => printer.json(&document(bindings)),
        Answer::Bindings(bindings) if bindings.is_empty() => {
            let cluster = job.target.cluster.as_ref().map(ToString::to_string).unwrap_or_default();
            printer.talk(&format!("no bindings on cluster {cluster}\n"));
        }
        Answer::Bindings(bindings) => printer.data(&status::bindings(bindings)),
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
                printer.talk("make it with `irsa provider create`\n");
            }
        }
        Answer::Gen3(told) => return gen3::answered(told, job.dry_run, global, printer),
        Answer::Trust(told) => {
            let Work::Trust(question) = &job.work else { return Exit::Done };
            return trusted(question, told, global, printer);
        }
    }
    Exit::Done
}

/// Prints what became of a fleet.
pub(crate) fn fleet(told: &Fleet, global: &Global, printer: &mut Printer<'_>) -> Exit {
    let (report, preview) = (&told.report, told.dry_run.preview());
    let several = batch::has_several_clusters(report.entries.iter().map(|entry| &entry.cluster));
    let of_bindings = report.entries.iter().filter_map(|entry| Some((entry, entry.report()?)));
    warn(&told.warnings, printer);
    let mut of_clusters: Vec<&Warning> = Vec::new();
    for (entry, of_binding) in of_bindings {
        for warning in &of_binding.warnings {
            if warning.id == WarningId::PluginReplaced {
                // It is about a cluster, and so the same for each binding.
                if !of_clusters.contains(&warning) {
                    of_clusters.push(warning);
                    printer.warn(warning);
                }
                continue;
            }
            let mut warning = warning.clone();
            warning.message = format!("{}: {}", batch::name(entry, several), warning.message);
            printer.warn(&warning);
        }
    }
    if global.output == OutputFormat::Json {
        printer.json(&batch::document(told, printer.spelling()));
    } else {
        for entry in &report.entries {
            printer.data(&batch::text(entry, several, preview));
        }
        printer.data(&batch::summary(told));
    }
    for entry in &report.entries {
        if let Some(error) = entry.error() {
            printer.complain(&complaint(error, Some(&batch::name(entry, several)), printer.spelling()));
        }
    }
    match () {
        () if told.stopped => Exit::Interrupted,
        () if report.failed() > 0 => Exit::Failed,
        () if told.dry_run.check && report.changed() => Exit::Pending,
        () => Exit::Done,
    }
}

fn complaint(error: &Error, binding: Option<&str>, spelling: &Spelling) -> Complaint {
    let what = match binding {
        Some(binding) => format!("{binding}: {error}"),
        None => error.to_string(),
    };
    Complaint { what, causes: error.causes(), hint: hint(error, spelling) }
}

fn hint(error: &Error, spelling: &Spelling) -> Option<String> {
    Some(error.hint()?.spelt(spelling)?.to_string())
}

/// An error as it stands in JSON.
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

/// Prints what trust policies allow.
pub(crate) fn trusted(question: &Question, told: &Trusted, global: &Global, printer: &mut Printer<'_>) -> Exit {
    let as_json = global.output == OutputFormat::Json;
    match told {
        Trusted::Checked(checked) => {
            if as_json {
                let mut decided = document(&checked.check);
                decided["subject"] = json!(checked.caller.subject);
                decided["audience"] = json!(checked.caller.audience);
                decided["provider"] = json!(checked.provider);
                decided["role_arn"] = json!(checked.role);
                printer.json(&decided);
            } else {
                printer.data(&trust::check(checked));
            }
            match checked.check.decision {
                Decision::Allow => Exit::Done,
                Decision::Deny => Exit::Failed,
                Decision::Unknown => Exit::Undetermined,
            }
        }
        Trusted::WhoCan(who) => {
            warn(&who.warnings, printer);
            if as_json {
                printer.json(&document(who));
            } else {
                printer.data(&trust::who_can(who));
            }
            Exit::Done
        }
        Trusted::Audit(audit, documents, unread) => {
            let Question::Audit(wishes) = question else { return Exit::Done };
            audited(audit, (&Originals::new(documents), unread.as_ref()), wishes, global, printer)
        }
    }
}

fn audited(
    audit: &Audit,
    (originals, unread): (&Originals<'_>, Option<&Error>),
    wishes: &Wishes,
    global: &Global,
    printer: &mut Printer<'_>,
) -> Exit {
    warn(&audit.warnings, printer);
    match global.output {
        OutputFormat::Json => {
            let mut found = document(audit);
            if let Some(error) = unread {
                found["error"] = error_document(error, printer.spelling());
            }
            printer.json(&found);
        }
        OutputFormat::Sarif => printer.json(&sarif::log(audit, originals)),
        OutputFormat::Text | OutputFormat::Yaml => {
            printer.data(&trust::audit(audit, wishes.show_fixes.then_some(originals)))
        }
    }
    printer.talk(&trust::summary(audit));
    if let Some(error) = unread {
        printer.complain(&complaint(error, None, printer.spelling()));
        return Exit::Refused;
    }
    match (wishes.fail_on, audit.worst()) {
        (Some(limit), Some(worst)) if worst >= limit => Exit::Failed,
        _ => Exit::Done,
    }
}

/// Prints why a job failed, and what had been done before.
pub(crate) fn failed(error: &Error, global: &Global, printer: &mut Printer<'_>) -> Exit {
    failed_as(Printer::data, error, global, printer)
}

/// Prints why a question about trust policies has no answer. What decides on `decision` alone must not find a no.
pub(crate) fn unanswered(question: &Question, error: &Error, global: &Global, printer: &mut Printer<'_>) {
    if global.output == OutputFormat::Json {
        let mut document = failure(error, printer.spelling());
        if let Question::Check(_) = question {
            document["decision"] = json!(Decision::Unknown);
            document["reasons"] = json!([]);
            document["conditions"] = json!([]);
        }
        printer.json(&document);
    }
    printer.complain(&complaint(error, None, printer.spelling()));
}

/// The same, with what had been done before as data or as talk.
fn failed_as<'a>(tell: fn(&mut Printer<'a>, &str), error: &Error, global: &Global, printer: &mut Printer<'a>) -> Exit {
    if let Some(report) = error.report() {
        warn(&report.warnings, printer);
        if global.output == OutputFormat::Text {
            tell(printer, &report::text(report, Told::Failed));
        }
    }
    explain(error, global, printer);
    Exit::Failed
}

/// Prints why a line was refused before anything was called.
pub(crate) fn refused(error: &Error, global: &Global, printer: &mut Printer<'_>) -> Exit {
    let in_file = error.context().iter().any(|(key, _)| *key == "file");
    let error = match error.hint() {
        None if !in_file => error.clone().with_hint("--help says what each option takes"),
        _ => error.clone(),
    };
    explain(&error, global, printer);
    Exit::Refused
}

/// Prints what an interruption means.
pub(crate) fn interrupted(report: Option<&Report>, writes: bool, global: &Global, printer: &mut Printer<'_>) -> Exit {
    interrupted_as(Printer::data, report, writes, global, printer)
}

/// The same, with what had been done before as data or as talk.
fn interrupted_as<'a>(
    tell: fn(&mut Printer<'a>, &str),
    report: Option<&Report>,
    writes: bool,
    global: &Global,
    printer: &mut Printer<'a>,
) -> Exit {
    let hint = writes.then_some("the same command again finishes the work");
    if let Some(report) = report {
        warn(&report.warnings, printer);
    }
    if global.output == OutputFormat::Json {
        let mut document = report.map_or_else(|| json!({}), |report| report_document(report, printer.spelling()));
        document["error"] =
            json!({"kind": "interrupted", "code": null, "message": "interrupted", "caused_by": [], "hint": hint});
        printer.json(&document);
    } else if let Some(report) = report {
        tell(printer, &report::text(report, Told::Failed));
    }
    printer.complain(&Complaint { what: "interrupted".to_owned(), causes: Vec::new(), hint: hint.map(str::to_owned) });
    Exit::Interrupted
}

fn explain(error: &Error, global: &Global, printer: &mut Printer<'_>) {
    if global.output == OutputFormat::Json {
        printer.json(&failure(error, printer.spelling()));
    }
    printer.complain(&complaint(error, None, printer.spelling()));
}

/// The report as far as there is one, plus the error.
fn failure(error: &Error, spelling: &Spelling) -> Value {
    let mut document = error.report().map_or_else(|| json!({}), |report| report_document(report, spelling));
    document["error"] = error_document(error, spelling);
    document
}

/// A report with its hints as this command spells them.
fn report_document(report: &Report, spelling: &Spelling) -> Value {
    document(&report.spelt(spelling))
}

fn document(answer: &impl serde::Serialize) -> Value {
    // Plain data of the core: names, texts, lists.
    serde_json::to_value(answer).unwrap_or_default()
}

pub(crate) fn warn(warnings: &[Warning], printer: &mut Printer<'_>) {
    for warning in warnings {
        printer.warn(warning);
    }
}

/// What is left to do by hand after a binding was written.
fn next(job: &Job, report: &Report) -> Option<String> {
    let Work::Bind(request) = &job.work else { return None };
    let delete = matches!(request.verb, Verb::Delete { .. });
    (!delete && request.dry_run() == irsa_core::DryRun::No).then(|| report::next(report, &request.binding)).flatten()
}
