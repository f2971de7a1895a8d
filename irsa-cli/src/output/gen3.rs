//! What callers of gen3's script read: the name of a role, or names of policies. All else is talk.

use irsa_core::{BindingStatus, Error, Report, Request};

use super::report::{self, Told as Teller};
use super::{document, failed_as, interrupted_as, report_document, warn};
use crate::args::{DryRun, Global, OutputFormat};
use crate::commands::gen3::{Kind, Told};
use crate::exit::Exit;
use crate::printer::{Printer, plain};

/// Prints what came of a wish.
pub(super) fn answered(told: &Told, dry_run: DryRun, global: &Global, printer: &mut Printer<'_>) -> Exit {
    let as_json = global.output == OutputFormat::Json;
    match told {
        Told::View(view) if as_json => printer.json(&document(view)),
        Told::View(view) => printer.data(&names(view)),
        Told::Report { report, .. } if as_json => {
            warn(&report.warnings, printer);
            printer.json(&report_document(report, printer.spelling()));
        }
        Told::Report { kind, request, report } => reported(*kind, request, report, printer),
    }
    match told {
        Told::Report { report, .. } if dry_run.check && report.changed => Exit::Pending,
        _ => Exit::Done,
    }
}

fn reported(kind: Kind, request: &Request, report: &Report, printer: &mut Printer<'_>) {
    warn(&report.warnings, printer);
    let teller = match kind {
        Kind::Create => Teller::Declared,
        Kind::Delete => Teller::Deleted,
        _ => Teller::Changed,
    };
    printer.talk(&report::text(report, teller));
    if let (Kind::Create, Some(name)) = (kind, &report.role_name) {
        printer.data(&format!("{name}\n"));
    }
    if let Some(next) = report::next(report, &request.binding)
        .filter(|_| kind != Kind::Delete && request.dry_run() == irsa_core::DryRun::No)
    {
        printer.talk(&next);
    }
}

/// Managed policies, then inline ones, each by its name.
fn names(view: &BindingStatus) -> String {
    let managed = view.managed_policies.iter().filter_map(|arn| arn.rsplit('/').next());
    let inline = view.inline_policies.iter().map(String::as_str);
    managed.chain(inline).map(|name| plain(name) + "\n").collect()
}

/// Prints what an interruption left; a caller reads nothing then.
pub(crate) fn interrupted(report: Option<&Report>, global: &Global, printer: &mut Printer<'_>) -> Exit {
    interrupted_as(Printer::talk, report, true, global, printer)
}

/// Prints why a wish was not granted; a caller reads nothing then.
pub(crate) fn failed(error: &Error, global: &Global, printer: &mut Printer<'_>) -> Exit {
    failed_as(Printer::talk, error, global, printer)
}
