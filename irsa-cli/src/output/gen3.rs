//! What callers of gen3's script read from stdout: the name of a role, or names of policies.

use irsa_core::BindingStatus;

use super::{document, print_answer, report, report_document, warn};
use crate::answer::{Answer, ReportAnswer, ReportStyle};
use crate::args::OutputFormat;
use crate::printer::{Printer, plain};

pub(super) fn print(answer: &Answer, format: OutputFormat, printer: &mut Printer<'_>) {
    match (answer, format) {
        (Answer::Binding(binding), OutputFormat::Json) => printer.json(&document(binding)),
        (Answer::Binding(binding), _) => printer.data(&policy_names(binding)),
        (Answer::Report(answer), OutputFormat::Json) => {
            warn(&answer.report.warnings, printer);
            printer.json(&report_document(&answer.report, printer.spelling()));
        }
        (Answer::Report(answer), _) => print_report(answer, printer),
        _ => print_answer(answer, format, printer),
    }
}

fn print_report(answer: &ReportAnswer, printer: &mut Printer<'_>) {
    warn(&answer.report.warnings, printer);
    printer.status(&report::text(&answer.report, answer.style));
    if let (ReportStyle::Declare, Some(name)) = (answer.style, &answer.report.role_name) {
        printer.data(&format!("{name}\n"));
    }
    if let Some(next) = report::next_steps(answer) {
        printer.status(&next);
    }
}

/// Managed policies, then inline ones, each by its name.
fn policy_names(binding: &BindingStatus) -> String {
    let managed = binding.managed_policies.iter().filter_map(|arn| arn.rsplit('/').next());
    let inline = binding.inline_policies.iter().map(String::as_str);
    managed.chain(inline).map(|name| plain(name) + "\n").collect()
}
