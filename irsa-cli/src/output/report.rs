//! A report as text: its outcome in one word, a line for each step, what is kept, the role.

use std::fmt::Write as _;

use anstyle::Style;
use irsa_core::{Action, FleetEntry, Outcome, Report, StepReport, Undeclared, WarningId};

use crate::answer::{ReportAnswer, ReportStyle};
use crate::printer::{BAD, CHANGED, ERROR, FAINT, GOOD, STRONG, plain, styled};

/// The whole report.
pub(super) fn text(report: &Report, style: ReportStyle) -> String {
    let mut text = headline(report, style);
    for step in &report.steps {
        text.push_str(&line(step, report));
    }
    text.push_str(&footer(report, style));
    text
}

/// The outcome of a report, on a line of its own.
pub(super) fn headline(report: &Report, style: ReportStyle) -> String {
    let color = match (style, report.changed) {
        (ReportStyle::Failed, _) => ERROR,
        (_, false) => FAINT,
        _ if is_planned(report) => CHANGED,
        _ => GOOD,
    };
    let note = match (style, report.changed) {
        (ReportStyle::Delete, false) => " (nothing to delete)",
        (_, true) if is_planned(report) => " (dry run)",
        _ => "",
    };
    let word = styled(color, word(report, style));
    format!("{}: {word}{note}\n", styled(STRONG, &plain(&report.binding)))
}

/// What follows the steps: what is kept, and the role unless it does not exist.
pub(super) fn footer(report: &Report, style: ReportStyle) -> String {
    let mut text = String::new();
    for what in report.undeclared.iter().filter(|_| style == ReportStyle::Declare) {
        let line = styled(FAINT, &format!("= keep {} (undeclared)", undeclared(what)));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {line}");
    }
    if let Some(arn) = report.role_arn.as_ref().filter(|_| role_exists(report)) {
        let _ = writeln!(text, "role {arn}");
    }
    text
}

/// The outcome in one word.
fn word(report: &Report, style: ReportStyle) -> &'static str {
    let has = |action: Action| report.steps.iter().any(|step| step.action == action);
    let is_own = |target: &str| report.binding.strip_suffix(target).is_some_and(|c| c.is_empty() || c.ends_with(':'));
    let creates_service_account = || {
        let mut steps = report.steps.iter();
        steps.any(|step| step.action == Action::CreateServiceAccount && is_own(&step.target))
    };
    let adopts =
        || report.warnings.iter().any(|warning| matches!(warning.id, WarningId::Adopted | WarningId::TakenOver));
    match (style, report.changed) {
        (ReportStyle::Failed, _) => "failed",
        (_, false) => "unchanged",
        (ReportStyle::Delete, true) => "deleted",
        _ if has(Action::CreateRole) || has(Action::CreateProvider) => "created",
        _ if adopts() => "adopted",
        _ if creates_service_account() => "created",
        _ => "updated",
    }
}

/// The outcome of a batch entry in one word; nothing for one that was skipped.
pub(super) fn entry_outcome(entry: &FleetEntry) -> Option<&'static str> {
    match (entry.error(), entry.report()) {
        (Some(_), _) => Some("failed"),
        (None, Some(report)) => {
            Some(word(report, if entry.removal { ReportStyle::Delete } else { ReportStyle::Change }))
        }
        (None, None) => None,
    }
}

/// The outcome of a batch entry, if it is worth a line of progress.
pub(super) fn entry_word(entry: &FleetEntry) -> Option<&'static str> {
    entry_outcome(entry).filter(|word| *word != "unchanged")
}

fn is_planned(report: &Report) -> bool {
    report.steps.iter().any(|step| step.outcome == Outcome::Planned)
}

fn role_exists(report: &Report) -> bool {
    let is = |action: Action, outcomes: &[Outcome]| {
        report.steps.iter().any(|step| step.action == action && outcomes.contains(&step.outcome))
    };
    let is_deleted = is(Action::DeleteRole, &[Outcome::Done, Outcome::Planned]);
    !is_deleted && !is(Action::CreateRole, &[Outcome::Failed, Outcome::NotRun, Outcome::RolledBack])
}

/// A step as its line and, for a deleted inline policy, its document, which may exist nowhere else.
pub(super) fn line(step: &StepReport, report: &Report) -> String {
    let width = report.steps.iter().map(|step| action(step).len()).max().unwrap_or_default();
    let (style, mark) = mark(step);
    let mut line = format!("  {} {:width$}  {}", styled(style, mark), action(step), plain(&step.target));
    match step.outcome {
        Outcome::Failed => {
            let why = step.error.as_deref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = write!(line, "  {}{why}", styled(ERROR, "failed"));
        }
        Outcome::NotRun => line.push_str("  skipped"),
        Outcome::RolledBack => line.push_str("  rolled back"),
        _ => {}
    }
    line.push('\n');
    let document = step.detail.as_ref().and_then(|detail| detail.get("document"));
    if let Some(document) = document.filter(|_| step.action == Action::DeleteInlinePolicy) {
        let _ = writeln!(line, "      {}", styled(FAINT, &plain(&document.to_string())));
    }
    line
}

/// The action in words.
fn action(step: &StepReport) -> String {
    if marks_for_deletion(step) { "mark role for deletion".to_owned() } else { step.action.as_str().replace('_', " ") }
}

/// Whether a step only prepares the deletion of the role.
pub(super) fn marks_for_deletion(step: &StepReport) -> bool {
    let origin =
        |detail: &serde_json::Value| detail.get("tags")?.get("irsa.gen3.org/origin")?.as_str().map(str::to_owned);
    step.action == Action::TagRole && step.detail.as_ref().and_then(origin).as_deref() == Some("deleting")
}

/// Whether something is added, removed or changed, or did not happen.
fn mark(step: &StepReport) -> (Style, &'static str) {
    match (step.outcome, step.action.as_str().split('_').next().unwrap_or_default()) {
        (Outcome::Failed, _) => (ERROR, "!"),
        (Outcome::NotRun, _) => (FAINT, "."),
        (Outcome::RolledBack, _) => (FAINT, "<"),
        (_, "delete" | "detach" | "remove" | "untag") => (BAD, "-"),
        (_, "update" | "tag" | "annotate") => (CHANGED, "~"),
        (_, "put") if step.detail.as_ref().is_some_and(|detail| detail.get("before").is_some()) => (CHANGED, "~"),
        _ => (GOOD, "+"),
    }
}

fn undeclared(what: &Undeclared) -> String {
    plain(&match what {
        Undeclared::ManagedPolicy { arn } => format!("managed policy {arn}"),
        Undeclared::InlinePolicy { name } => format!("inline policy {name}"),
        Undeclared::Subject { subject } => format!("subject {subject}"),
        Undeclared::TrustStatement { sid: Some(sid), .. } => format!("trust statement {sid}"),
        Undeclared::TrustStatement { statement, .. } => format!("trust statement {statement}"),
        _ => "something unknown to this version".to_owned(),
    })
}

/// How pods get the role; nothing if no service account was written.
pub(super) fn next_steps(answer: &ReportAnswer) -> Option<String> {
    let binding = answer.written.as_ref()?;
    let written = |step: &StepReport| {
        step.outcome == Outcome::Done
            && matches!(step.action, Action::CreateServiceAccount | Action::AnnotateServiceAccount)
    };
    if !answer.report.steps.iter().any(written) {
        return None;
    }
    let (namespace, name) = (&binding.namespace, &binding.service_account);
    Some(format!(
        "
Pods get the role through their service account:

    spec:
      template:
        spec:
          serviceAccountName: {name}

Restart running pods to give them the role:

    kubectl -n {namespace} rollout restart deployment NAME
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;
    use irsa_core::IrsaBinding;
    use serde_json::json;

    use crate::args::Mode;

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

    fn shown(report: &Report, style: ReportStyle) -> String {
        strip_str(&text(report, style)).to_string()
    }

    #[test]
    fn an_unchanged_binding_is_two_lines() {
        let unchanged = report(json!({"changed": false}));
        assert_eq!(
            shown(&unchanged, ReportStyle::Declare),
            "default/a: unchanged\nrole arn:aws:iam::123456789012:role/r\n"
        );
    }

    #[test]
    fn steps_are_marked_by_action_and_outcome() {
        let changed = report(json!({"steps": [
            {"action": "create_role", "target": "r", "outcome": "rolled_back"},
            {"action": "attach_policy", "target": "p", "outcome": "failed", "error": "denied"},
            {"action": "update_trust_policy", "target": "r", "outcome": "done"},
            {"action": "delete_inline_policy", "target": "i", "outcome": "done", "detail": {"document": {"a": 1}}},
            {"action": "create_service_account", "target": "default/a", "outcome": "not_run"},
        ]}));
        assert_eq!(
            shown(&changed, ReportStyle::Failed),
            "\
default/a: failed
  < create role             r  rolled back
  ! attach policy           p  failed: denied
  ~ update trust policy     r
  - delete inline policy    i
      {\"a\":1}
  . create service account  default/a  skipped
"
        );
    }

    #[test]
    fn undeclared_subjects_are_listed_by_create_only() {
        let extra = report(json!({"changed": false, "undeclared": [{"kind": "subject", "subject": "x/y"}]}));
        assert!(shown(&extra, ReportStyle::Declare).contains("\n  = keep subject x/y (undeclared)\n"));
        assert!(!shown(&extra, ReportStyle::Change).contains("x/y"));
    }

    #[test]
    fn deleting_what_does_not_exist_changes_nothing() {
        let gone = report(json!({"changed": false, "role_name": null, "role_arn": null}));
        assert_eq!(shown(&gone, ReportStyle::Delete), "default/a: unchanged (nothing to delete)\n");
    }

    #[test]
    fn a_dry_run_is_marked_as_one() {
        let planned = report(json!({"steps": [{"action": "create_role", "target": "r", "outcome": "planned"}]}));
        assert!(shown(&planned, ReportStyle::Change).starts_with("default/a: created (dry run)\n  + create role  r\n"));
    }

    #[test]
    fn the_next_steps_are_shown_if_a_service_account_was_written() {
        let binding = IrsaBinding::builder("demo", "jobs", "a").build().unwrap();
        let next = |action: &str| {
            let report = report(json!({"steps": [{"action": action, "target": "t", "outcome": "done"}]}));
            let written = Some(Box::new(binding.clone()));
            next_steps(&ReportAnswer { report, style: ReportStyle::Change, mode: Mode::Apply, written })
        };
        let shown = next("annotate_service_account").unwrap();
        assert!(
            shown.contains("serviceAccountName: a") && shown.contains("kubectl -n jobs rollout restart"),
            "{shown}"
        );
        assert_eq!(next("attach_policy"), None);
    }

    #[test]
    fn the_outcome_is_one_word() {
        let outcome = |changes: serde_json::Value, style| {
            let text = shown(&report(changes), style);
            text.lines().next().unwrap().to_owned()
        };
        let step = |action: &str, target: &str| json!([{"action": action, "target": target, "outcome": "done"}]);
        let adopted = json!([{"id": "adopted", "message": "m"}]);
        for (changes, word) in [
            (json!({"steps": step("create_role", "r")}), "created"),
            (json!({"steps": step("create_provider", "p")}), "created"),
            (json!({"steps": step("create_service_account", "default/a")}), "created"),
            (json!({"steps": step("create_service_account", "default/b")}), "updated"),
            (json!({"steps": step("tag_role", "r"), "warnings": adopted}), "adopted"),
            (json!({"steps": step("attach_policy", "p")}), "updated"),
        ] {
            assert_eq!(outcome(changes, ReportStyle::Declare), format!("default/a: {word}"));
        }
        assert_eq!(outcome(json!({"steps": step("delete_role", "r")}), ReportStyle::Delete), "default/a: deleted");
    }

    #[test]
    fn a_deleted_role_is_marked_first_and_not_named_last() {
        let steps = json!({"steps": [
            {"action": "tag_role", "target": "r", "outcome": "done",
                "detail": {"tags": {"irsa.gen3.org/origin": "deleting"}}},
            {"action": "delete_role", "target": "r", "outcome": "done"},
        ]});
        assert_eq!(
            shown(&report(steps), ReportStyle::Delete),
            "default/a: deleted\n  ~ mark role for deletion  r\n  - delete role             r\n"
        );
        let kept = json!({"steps": [{"action": "update_trust_policy", "target": "r", "outcome": "done"}]});
        assert!(shown(&report(kept), ReportStyle::Delete).ends_with("role arn:aws:iam::123456789012:role/r\n"));
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let foreign = report(json!({"undeclared": [{"kind": "managed_policy", "arn": "x\u{1b}[2J"}]}));
        assert!(!shown(&foreign, ReportStyle::Declare).contains('\u{1b}'));
    }
}
