//! A report for people: a line for each step, what stays, the role.

use std::fmt::Write as _;

use anstyle::Style;
use irsa_core::{Action, IrsaBinding, Outcome, Report, StepReport, Undeclared, Verb};

use crate::commands::operation::{Job, Work};
use crate::printer::{BAD, CHANGED, ERROR, FAINT, GOOD, STRONG, plain, styled};

/// Whose report it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Of a command that declares a whole binding: what it does not name is worth a word.
    Declared,
    /// Of one that changes something.
    Changed,
    /// Of one that takes away.
    Deleted,
    /// What is left of a failure.
    Failed,
}

impl Told {
    pub(super) fn of(job: &Job) -> Self {
        match &job.work {
            Work::Bind(request) => match request.verb {
                Verb::Create => Self::Declared,
                Verb::Delete { .. } => Self::Deleted,
                _ => Self::Changed,
            },
            Work::DeleteProvider { .. } => Self::Deleted,
            _ => Self::Changed,
        }
    }
}

/// The whole report.
pub(super) fn text(report: &Report, told: Told) -> String {
    let planned = report.steps.iter().any(|step| step.outcome == Outcome::Planned);
    let (style, word) = match (told, report.changed, planned) {
        (Told::Failed, ..) => (ERROR, "failed"),
        (Told::Deleted, false, _) => (FAINT, "nothing to delete"),
        (_, false, _) => (FAINT, "unchanged"),
        (Told::Deleted, _, true) => (CHANGED, "would be deleted"),
        (_, _, true) => (CHANGED, "would change"),
        (Told::Deleted, ..) => (GOOD, "deleted"),
        _ => (GOOD, "changed"),
    };
    // Writing to a string cannot fail.
    let mut text = format!("{}: {}\n", styled(STRONG, &plain(&report.binding)), styled(style, word));
    let width = report.steps.iter().map(|step| step.action.as_str().len()).max().unwrap_or_default();
    for step in &report.steps {
        text.push_str(&line(step, width));
    }
    for extra in report.undeclared.iter().filter(|_| told == Told::Declared) {
        let _ = writeln!(
            text,
            "  {} {}",
            styled(FAINT, "="),
            styled(FAINT, &format!("kept, not declared: {}", kept(extra)))
        );
    }
    let gone = report.steps.iter().any(|step| step.action == Action::CreateRole && step.outcome != Outcome::Done)
        && report.steps.iter().any(|step| step.outcome == Outcome::Failed);
    if let Some(arn) = report.role_arn.as_ref().filter(|_| !gone) {
        let _ = writeln!(text, "role {arn}");
    }
    text
}

fn line(step: &StepReport, width: usize) -> String {
    let (style, mark) = mark(step);
    let action = step.action.as_str().replace('_', " ");
    let mut line = format!("  {} {action:width$}  {}", styled(style, mark), plain(&step.target));
    match step.outcome {
        Outcome::Failed => {
            let why = step.error.as_deref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
            let _ = write!(line, "  {}{why}", styled(ERROR, "failed"));
        }
        Outcome::NotRun => line.push_str("  not run"),
        Outcome::RolledBack => line.push_str("  rolled back"),
        _ => {}
    }
    line.push('\n');
    // A document that is lost with its policy can be kept only here.
    let lost = step
        .detail
        .as_ref()
        .filter(|_| step.action == Action::DeleteInlinePolicy)
        .and_then(|detail| detail.get("document"));
    if let Some(document) = lost {
        let _ = writeln!(line, "      {}", styled(FAINT, &plain(&document.to_string())));
    }
    line
}

/// What comes, goes or changes, and what did not come to pass.
fn mark(step: &StepReport) -> (Style, &'static str) {
    match (step.outcome, step.action.as_str().split('_').next().unwrap_or_default()) {
        (Outcome::Failed, _) => (ERROR, "!"),
        (Outcome::NotRun, _) => (FAINT, "."),
        (Outcome::RolledBack, _) => (FAINT, "<"),
        (_, "delete" | "detach" | "remove" | "untag") => (BAD, "-"),
        (_, "update") => (CHANGED, "~"),
        (_, "put") if step.detail.as_ref().is_some_and(|detail| detail.get("before").is_some()) => (CHANGED, "~"),
        _ => (GOOD, "+"),
    }
}

fn kept(extra: &Undeclared) -> String {
    plain(&match extra {
        Undeclared::ManagedPolicy { arn } => format!("managed policy {arn}"),
        Undeclared::InlinePolicy { name } => format!("inline policy {name}"),
        Undeclared::Subject { subject } => format!("subject {subject}"),
        Undeclared::TrustStatement { sid: Some(sid), .. } => format!("trust statement {sid}"),
        Undeclared::TrustStatement { statement, .. } => format!("trust statement {statement}"),
        _ => "something that this version has no word for".to_owned(),
    })
}

/// What is left to do by hand; nothing where no service account was written.
pub(super) fn next(report: &Report, binding: &IrsaBinding) -> Option<String> {
    let written = |step: &StepReport| {
        step.outcome == Outcome::Done
            && matches!(step.action, Action::CreateServiceAccount | Action::AnnotateServiceAccount)
    };
    if !report.steps.iter().any(written) {
        return None;
    }
    let (namespace, name) = (&binding.namespace, &binding.service_account);
    Some(format!(
        "
Pods get the role by the name of their service account:

    spec:
      template:
        spec:
          serviceAccountName: {name}

Pods that already run get it when they are started again:

    kubectl -n {namespace} rollout restart deployment NAME
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;
    use serde_json::json;

    fn report(value: serde_json::Value) -> Report {
        let mut whole = json!({
            "binding": "default/a", "role_name": "r", "role_arn": "arn:aws:iam::123456789012:role/r",
            "changed": true, "steps": [], "undeclared": [], "warnings": [],
        });
        for (key, value) in value.as_object().unwrap() {
            whole[key] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    fn shown(report: &Report, told: Told) -> String {
        strip_str(&text(report, told)).to_string()
    }

    #[test]
    fn an_unchanged_binding_is_two_lines() {
        let unchanged = report(json!({"changed": false}));
        assert_eq!(shown(&unchanged, Told::Declared), "default/a: unchanged\nrole arn:aws:iam::123456789012:role/r\n");
    }

    #[test]
    fn steps_are_marked_by_what_they_do_and_what_became_of_them() {
        let changed = report(json!({"steps": [
            {"action": "create_role", "target": "r", "outcome": "rolled_back"},
            {"action": "attach_policy", "target": "p", "outcome": "failed", "error": "denied"},
            {"action": "update_trust_policy", "target": "r", "outcome": "done"},
            {"action": "delete_inline_policy", "target": "i", "outcome": "done", "detail": {"document": {"a": 1}}},
            {"action": "create_service_account", "target": "default/a", "outcome": "not_run"},
        ]}));
        assert_eq!(
            shown(&changed, Told::Failed),
            "\
default/a: failed
  < create role             r  rolled back
  ! attach policy           p  failed: denied
  ~ update trust policy     r
  - delete inline policy    i
      {\"a\":1}
  . create service account  default/a  not run
"
        );
    }

    #[test]
    fn what_is_kept_is_told_where_a_whole_binding_was_declared() {
        let extra = report(json!({"changed": false, "undeclared": [{"kind": "subject", "subject": "x/y"}]}));
        assert!(shown(&extra, Told::Declared).contains("\n  = kept, not declared: subject x/y\n"));
        assert!(!shown(&extra, Told::Changed).contains("x/y"));
    }

    #[test]
    fn what_is_gone_already_is_nothing_to_delete() {
        let gone = report(json!({"changed": false, "role_name": null, "role_arn": null}));
        assert_eq!(shown(&gone, Told::Deleted), "default/a: nothing to delete\n");
    }

    #[test]
    fn a_dry_run_says_would() {
        let planned = report(json!({"steps": [{"action": "create_role", "target": "r", "outcome": "planned"}]}));
        assert!(shown(&planned, Told::Changed).starts_with("default/a: would change\n  + create role  r\n"));
    }

    #[test]
    fn what_to_do_next_is_told_where_a_service_account_was_written() {
        let binding = IrsaBinding::builder("demo", "jobs", "a").build().unwrap();
        let with = |action: &str| report(json!({"steps": [{"action": action, "target": "t", "outcome": "done"}]}));
        let told = next(&with("annotate_service_account"), &binding).unwrap();
        assert!(told.contains("serviceAccountName: a") && told.contains("kubectl -n jobs rollout restart"), "{told}");
        assert_eq!(next(&with("attach_policy"), &binding), None);
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let foreign = report(json!({"undeclared": [{"kind": "managed_policy", "arn": "x\u{1b}[2J"}]}));
        assert!(!shown(&foreign, Told::Declared).contains('\u{1b}'));
    }
}
