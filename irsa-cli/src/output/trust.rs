//! What trust policies allow as text: a decision, who can assume a role, the findings of an audit.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anstyle::Style;
use irsa_core::trust::{Audit, Decision, Finding, FindingId, OtherPrincipal, Severity, TrustedSubjects, WhoCan};
use serde_json::Value;

use super::table::{block, table};
use crate::answer::TrustCheckAnswer;
use crate::diff::{DiffLine, diff};
use crate::printer::{BAD, CHANGED, ERROR, FAINT, GOOD, STRONG, plain, styled};
use crate::source_map::SourceMaps;

/// A decision with its reasons.
pub(super) fn check(answer: &TrustCheckAnswer) -> String {
    let check = &answer.check;
    let all = |list: &[String]| list.iter().map(|line| plain(line)).collect::<Vec<_>>();
    let rows = [
        ("subject", vec![plain(&answer.caller.subject)]),
        ("audience", vec![plain(&answer.caller.audience)]),
        ("provider", vec![plain(&answer.provider)]),
        ("role", answer.role.iter().map(ToString::to_string).collect()),
        ("reason", all(&check.reasons)),
        ("depends on", all(&check.conditions)),
        ("note", all(&check.notes)),
    ];
    format!("{}\n{}", styled(style_of(check.decision), check.decision.as_str()), block(&rows))
}

/// Everyone who can assume a role.
pub(super) fn who_can(who: &WhoCan) -> String {
    let mut text = format!("{}\n", styled(STRONG, &plain(&who.role_arn)));
    if who.subjects.is_empty() && who.others.is_empty() {
        text.push_str("  no one can assume this role\n");
    }
    if !who.subjects.is_empty() {
        text.push('\n');
        text.push_str(&table(["SUBJECT", "CLUSTER", "DECISION", "SERVICE ACCOUNTS"], who.subjects.iter().map(subject)));
        text.push_str(&block(&[
            ("depends on", distinct(who.subjects.iter().flat_map(|subjects| &subjects.conditions))),
            ("denied if", distinct(who.subjects.iter().flat_map(|subjects| &subjects.impossible_if))),
        ]));
    }
    if !who.others.is_empty() {
        text.push('\n');
        text.push_str(&table(["OTHER PRINCIPAL", "KIND", "STATEMENT", "ACTIONS", ""], who.others.iter().map(other)));
    }
    for note in &who.notes {
        let _ = writeln!(text, "\n  note: {}", plain(note));
    }
    if !who.findings.is_empty() {
        text.push('\n');
        text.push_str(&findings(&who.findings, &SourceMaps::default(), false));
    }
    text
}

fn subject(subjects: &TrustedSubjects) -> [String; 4] {
    let except =
        if subjects.except.is_empty() { String::new() } else { format!(" except {}", subjects.except.join(", ")) };
    let bound = if subjects.exact { "" } else { " (at most)" };
    let service_accounts = match &subjects.service_accounts {
        None if subjects.issuer_name.is_some() => "-".to_owned(),
        None => "not checked".to_owned(),
        Some(accounts) if accounts.is_empty() => "none".to_owned(),
        Some(accounts) => {
            let mark = |name: &String| match subjects.annotated.contains(name) {
                true => format!("{name} (annotated)"),
                false => name.clone(),
            };
            accounts.iter().map(mark).collect::<Vec<_>>().join("\n")
        }
    };
    [
        plain(&format!("{}{except}{bound}", subjects.pattern)),
        plain(subjects.issuer_name.as_deref().unwrap_or(&subjects.cluster)),
        subjects.decision.to_string(),
        plain(&service_accounts),
    ]
}

fn distinct<'a>(lines: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for line in lines.map(|line| plain(line)) {
        if !kept.contains(&line) {
            kept.push(line);
        }
    }
    kept
}

fn other(other: &OtherPrincipal) -> [String; 5] {
    let mut marks = Vec::new();
    if other.other_account == Some(true) {
        marks.push("other AWS account");
    }
    if other.conditional {
        marks.push("conditional");
    }
    [
        plain(&other.principal),
        plain(&other.kind.replace('_', " ")),
        plain(&other.statement),
        plain(&other.actions.join(", ")),
        marks.join(", "),
    ]
}

/// The findings of an audit, the most severe first.
pub(super) fn audit(audit: &Audit, sources: &SourceMaps<'_>, show_fixes: bool) -> String {
    findings(&audit.findings, sources, show_fixes)
}

/// Findings in the form of rustc's diagnostics. The help of a rule is shown with its first finding.
fn findings(findings: &[Finding], sources: &SourceMaps<'_>, show_fixes: bool) -> String {
    let mut helped: BTreeSet<FindingId> = BTreeSet::new();
    let each = findings.iter().map(|finding| {
        let mut text = diagnostic(finding, sources);
        if helped.insert(finding.id) {
            text.push_str(&detail("help", finding.id.description()));
        }
        if let (true, Some(fix)) = (show_fixes, &finding.fix) {
            text.push_str(&fix_diff(finding, sources, fix));
        }
        text
    });
    each.collect::<Vec<_>>().join("\n")
}

fn diagnostic(finding: &Finding, sources: &SourceMaps<'_>) -> String {
    let style = match finding.severity {
        Severity::High => ERROR,
        Severity::Medium => BAD,
        Severity::Low => CHANGED,
        Severity::Info => FAINT,
    };
    let rule = styled(style, &format!("{}[{}]", finding.severity.as_str(), finding.id));
    let mut text = format!("{rule}: {}\n", indented(&finding.message));
    let _ = writeln!(text, "  {} {}", styled(FAINT, "-->"), plain(&location(finding, sources)));
    for line in &finding.evidence {
        text.push_str(&detail("note", line));
    }
    text
}

fn detail(kind: &str, text: &str) -> String {
    format!("  {} {}\n", styled(FAINT, &format!("= {kind}:")), indented(text))
}

/// File and line, or the role, and the statement.
fn location(finding: &Finding, sources: &SourceMaps<'_>) -> String {
    let line = sources.location(finding).and_then(|(file, span)| Some((file, span?.first)));
    let source = match (line, &finding.source, &finding.role_arn) {
        (Some((file, line)), _, Some(arn)) => format!("{}:{line}, role {arn}", file.name),
        (Some((file, line)), Some(source), None) => {
            source.strip_prefix(&file.name).map_or_else(|| source.clone(), |part| format!("{}:{line}{part}", file.name))
        }
        (_, Some(source), Some(arn)) if !source.contains(arn.as_str()) => format!("{source}, role {arn}"),
        (_, Some(source), _) => source.clone(),
        (_, None, Some(arn)) => arn.clone(),
        (_, None, None) => "trust policy".to_owned(),
    };
    match &finding.statement {
        Some(statement) => format!("{source}, {statement}"),
        None => source,
    }
}

/// What the fix of a finding changes in the trust policy.
fn fix_diff(finding: &Finding, sources: &SourceMaps<'_>, fix: &Value) -> String {
    let lines = match sources.document(finding) {
        Some(original) => diff(&original, fix),
        None => format!("{fix:#}").lines().map(|line| DiffLine::Added(line.to_owned())).collect(),
    };
    let mut text = format!("  {}\n", styled(FAINT, "= fix:"));
    for line in lines {
        let (style, mark, line) = match line {
            DiffLine::Context(line) => (Style::new(), ' ', line),
            DiffLine::Removed(line) => (BAD, '-', line),
            DiffLine::Added(line) => (GOOD, '+', line),
            DiffLine::Skipped => (FAINT, ' ', "...".to_owned()),
        };
        let _ = writeln!(text, "      {}", styled(style, &plain(&format!("{mark} {line}"))).trim_end());
    }
    text
}

/// Number of findings and roles.
pub(super) fn summary(audit: &Audit) -> String {
    let mut counts = Vec::new();
    for severity in Severity::ALL.into_iter().rev() {
        match audit.findings.iter().filter(|finding| finding.severity == severity).count() {
            0 => {}
            count => counts.push(format!("{count} {severity}")),
        }
    }
    let found = match audit.findings.len() {
        0 => "no findings".to_owned(),
        1 => format!("1 finding ({})", counts.join(", ")),
        many => format!("{many} findings ({})", counts.join(", ")),
    };
    let roles = if audit.roles == 1 { "1 role".to_owned() } else { format!("{} roles", audit.roles) };
    let verb = if audit.trusting == 1 { "trusts" } else { "trust" };
    let ignored = if audit.ignored == 0 { String::new() } else { format!("; {} ignored", audit.ignored) };
    format!("{found} in {roles}, {} of which {verb} an OIDC provider{ignored}\n", audit.trusting)
}

fn indented(text: &str) -> String {
    plain(text).trim_end().replace('\n', "\n      ")
}

fn style_of(decision: Decision) -> Style {
    match decision {
        Decision::Allow => GOOD.bold(),
        Decision::Deny => ERROR,
        Decision::Unknown => CHANGED.bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;
    use serde_json::json;

    use crate::source_map::AuditedFile;

    const ARN: &str = "arn:aws:iam::123456789012:role/r";

    fn finding(id: &str, severity: &str, role: Option<&str>) -> Value {
        json!({"id": id, "severity": severity, "role_arn": role, "source": "a.json", "statement": "statement 1",
            "message": "Somebody gets in.", "evidence": ["it says so"], "fix": {"Statement": [{"Effect": "Deny"}]}})
    }

    fn found(findings: &[Value]) -> Audit {
        serde_json::from_value(json!({"findings": findings, "roles": 12, "trusting": 5})).unwrap()
    }

    fn shown(text: &str) -> String {
        strip_str(text).to_string()
    }

    #[test]
    fn findings_read_like_diagnostics() {
        let findings = [finding("any-subject", "high", Some(ARN)), finding("any-subject", "high", None)];
        let text = shown(&audit(&found(&findings), &SourceMaps::default(), false));
        let help = FindingId::AnySubject.description();
        let first = format!(
            "high[any-subject]: Somebody gets in.\n  --> a.json, role {ARN}, statement 1\n  = note: it says so\n  = help: {help}\n"
        );
        let second = "\nhigh[any-subject]: Somebody gets in.\n  --> a.json, statement 1\n  = note: it says so\n";
        assert_eq!(text, first + second);
    }

    #[test]
    fn a_fix_is_shown_as_a_diff_or_whole() {
        let audited = found(&[finding("any-subject", "high", None)]);
        let (name, path) = ("a.json".to_owned(), "a.json".into());
        let files = [AuditedFile { name, path, text: "{\n\"Statement\": [{\"Effect\": \"Allow\"}]}".to_owned() }];
        let known = shown(&audit(&audited, &SourceMaps::new(&files), true));
        assert!(known.contains("--> a.json:2, statement 1\n"), "{known}");
        assert!(known.contains("      -       \"Effect\": \"Allow\"\n      +       \"Effect\": \"Deny\"\n"), "{known}");
        let unknown = shown(&audit(&audited, &SourceMaps::default(), true));
        assert!(unknown.contains("  = fix:\n      + {\n      +   \"Statement\": ["), "{unknown}");
    }

    #[test]
    fn the_summary_counts() {
        let mixed =
            [finding("any-subject", "high", None), finding("any-name", "low", None), finding("any-name", "low", None)];
        for (findings, text) in [
            (&mixed[..], "3 findings (1 high, 2 low) in 12 roles, 5 of which trust an OIDC provider\n"),
            (&mixed[..1], "1 finding (1 high) in 12 roles, 5 of which trust an OIDC provider\n"),
            (&[], "no findings in 12 roles, 5 of which trust an OIDC provider\n"),
        ] {
            assert_eq!(summary(&found(findings)), text);
        }
    }

    #[test]
    fn trusted_subjects_are_a_table() {
        let who: WhoCan = serde_json::from_value(json!({
            "role_arn": ARN,
            "subjects": [
                {"pattern": "system:serviceaccount:jobs:*", "cluster": "demo", "decision": "unknown", "exact": false,
                 "conditions": ["aws:SourceIp"], "service_accounts": ["jobs/a", "jobs/b"], "annotated": ["jobs/b"]},
                {"pattern": "*", "except": ["x"], "cluster": "other", "decision": "allow", "exact": true,
                 "service_accounts": null},
            ],
            "others": [{"kind": "aws", "principal": "arn:aws:iam::210987654321:root", "statement": "statement 2",
                "actions": ["sts:AssumeRole"], "other_account": true, "conditional": true}],
            "findings": [],
        }))
        .unwrap();
        assert_eq!(
            shown(&who_can(&who)),
            "\
arn:aws:iam::123456789012:role/r

SUBJECT                                 CLUSTER  DECISION  SERVICE ACCOUNTS
system:serviceaccount:jobs:* (at most)  demo     unknown   jobs/a
                                                           jobs/b (annotated)
* except x                              other    allow     not checked
  depends on        aws:SourceIp

OTHER PRINCIPAL                 KIND  STATEMENT    ACTIONS
arn:aws:iam::210987654321:root  aws   statement 2  sts:AssumeRole  other AWS account, conditional
"
        );
        let nobody: WhoCan =
            serde_json::from_value(json!({"role_arn": ARN, "subjects": [], "others": [], "findings": []})).unwrap();
        assert_eq!(shown(&who_can(&nobody)), format!("{ARN}\n  no one can assume this role\n"));
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let mut odd = finding("any-subject", "high", Some("x\u{1b}[2J"));
        odd["message"] = json!("\u{1b}[2J");
        odd["evidence"] = json!(["\u{1b}[2J"]);
        assert!(!shown(&audit(&found(&[odd]), &SourceMaps::default(), true)).contains('\u{1b}'));
    }
}
