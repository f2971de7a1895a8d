//! What trust policies allow, for people: a decision, who gets in, what an audit found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anstyle::Style;
use comfy_table::{ContentArrangement, Table, presets};
use irsa_core::trust::{Audit, Decision, Finding, OtherPrincipal, Severity, TrustedSubjects, WhoCan};
use serde_json::Value;

use super::status::block;
use crate::commands::trust::Checked;
use crate::diff::{Line, difference};
use crate::printer::{BAD, CHANGED, ERROR, FAINT, GOOD, STRONG, plain, styled};
use crate::source_map::Originals;

/// A decision with its reasons.
pub(super) fn check(checked: &Checked) -> String {
    let check = &checked.check;
    let decision = styled(style_of(check.decision), check.decision.as_str());
    let mut text = format!("{decision}\n");
    let all = |list: &[String]| list.iter().map(|line| plain(line)).collect::<Vec<_>>();
    block(
        &mut text,
        &[
            ("subject", vec![plain(&checked.caller.subject)]),
            ("audience", vec![plain(&checked.caller.audience)]),
            ("provider", vec![plain(&checked.provider)]),
            ("role", checked.role.iter().map(ToString::to_string).collect()),
            ("because", all(&check.reasons)),
            ("depends on", all(&check.conditions)),
            ("note", all(&check.notes)),
        ],
    );
    text
}

/// Everybody who can assume a role.
pub(super) fn who_can(who: &WhoCan) -> String {
    let mut text = format!("{}\n", styled(STRONG, &plain(&who.role_arn)));
    if who.subjects.is_empty() && who.others.is_empty() {
        let _ = writeln!(text, "  nobody can assume it");
    }
    if !who.subjects.is_empty() {
        text.push('\n');
        text.push_str(&table(["SUBJECT", "CLUSTER", "DECISION", "SERVICE ACCOUNTS"], who.subjects.iter().map(subject)));
        for (head, lines) in [("depends on", conditions(&who.subjects)), ("kept out if", impossible(&who.subjects))] {
            block(&mut text, &[(head, lines)]);
        }
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
        let mut explained = BTreeSet::new();
        for finding in &who.findings {
            text.push_str(&one(finding, explained.insert(finding.id), None));
        }
    }
    text
}

fn subject(subjects: &TrustedSubjects) -> [String; 4] {
    let except =
        if subjects.except.is_empty() { String::new() } else { format!(" except {}", subjects.except.join(", ")) };
    let about = if subjects.exact { "" } else { " (at most)" };
    let accounts = match &subjects.service_accounts {
        None if subjects.issuer_name.is_some() => "-".to_owned(),
        None => "not looked at".to_owned(),
        Some(accounts) if accounts.is_empty() => "none".to_owned(),
        Some(accounts) => {
            let mark = |account: &String| match subjects.annotated.contains(account) {
                true => format!("{account} (annotated)"),
                false => account.clone(),
            };
            accounts.iter().map(mark).collect::<Vec<_>>().join("\n")
        }
    };
    [
        plain(&format!("{}{except}{about}", subjects.pattern)),
        plain(subjects.issuer_name.as_deref().unwrap_or(&subjects.cluster)),
        subjects.decision.to_string(),
        plain(&accounts),
    ]
}

fn conditions(subjects: &[TrustedSubjects]) -> Vec<String> {
    distinct(subjects.iter().flat_map(|subjects| &subjects.conditions))
}

fn impossible(subjects: &[TrustedSubjects]) -> Vec<String> {
    distinct(subjects.iter().flat_map(|subjects| &subjects.impossible_if))
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
        marks.push("of another account");
    }
    if other.conditional {
        marks.push("under conditions");
    }
    [
        plain(&other.principal),
        plain(&other.kind.replace('_', " ")),
        plain(&other.statement),
        plain(&other.actions.join(", ")),
        marks.join(", "),
    ]
}

fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// What was found, role by role, the worst first; with what each repair changes where that is wanted.
pub(super) fn audit(audit: &Audit, fixes: Option<&Originals<'_>>) -> String {
    let mut roles: Vec<(String, Vec<&Finding>)> = Vec::new();
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    for finding in &audit.findings {
        let head = head(finding);
        let index = *at.entry(head.clone()).or_insert(roles.len());
        if index == roles.len() {
            roles.push((head, Vec::new()));
        }
        if let Some((_, findings)) = roles.get_mut(index) {
            findings.push(finding);
        }
    }
    let mut text = String::new();
    let mut explained = BTreeSet::new();
    for (head, findings) in roles {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{head}");
        for finding in findings {
            text.push_str(&one(finding, explained.insert(finding.id), fixes));
        }
    }
    text
}

/// Whose the trust policy is, and where it stands.
fn head(finding: &Finding) -> String {
    match (&finding.role_arn, &finding.source) {
        (Some(arn), Some(source)) => format!("{}  {}", styled(STRONG, &plain(arn)), styled(FAINT, &plain(source))),
        (Some(name), None) | (None, Some(name)) => styled(STRONG, &plain(name)),
        (None, None) => styled(STRONG, "a role"),
    }
}

/// One finding; what its kind means and what to do about it is told where it comes first.
fn one(finding: &Finding, explained: bool, fixes: Option<&Originals<'_>>) -> String {
    let style = match finding.severity {
        Severity::High => ERROR,
        Severity::Medium => BAD,
        Severity::Low => CHANGED,
        Severity::Info => FAINT,
    };
    let place = finding.statement.as_ref().map(|statement| format!(", {}", plain(statement))).unwrap_or_default();
    let severity = styled(style, &format!("{:6}", finding.severity.as_str()));
    let id = styled(FAINT, &format!("[{}{place}]", finding.id));
    let mut text = format!("  {severity}  {} {id}\n", indented(&finding.message));
    for line in &finding.evidence {
        let _ = writeln!(text, "          - {}", indented(line));
    }
    if explained {
        let _ = writeln!(text, "          {}", styled(FAINT, &indented(finding.id.description())));
    }
    if let (Some(originals), Some(fix)) = (fixes, &finding.fix) {
        text.push_str(&repair(finding, originals, fix));
    }
    text
}

fn repair(finding: &Finding, originals: &Originals<'_>, fix: &Value) -> String {
    let lines = match originals.document(finding) {
        Some(original) => difference(&original, fix),
        None => format!("{fix:#}").lines().map(|line| Line::Come(line.to_owned())).collect(),
    };
    let mut text = String::new();
    for line in lines {
        let (style, mark, line) = match line {
            Line::Kept(line) => (Style::new(), ' ', line),
            Line::Gone(line) => (BAD, '-', line),
            Line::Come(line) => (GOOD, '+', line),
            Line::Cut => (FAINT, ' ', "...".to_owned()),
        };
        let _ = writeln!(text, "          {}", styled(style, &plain(&format!("{mark} {line}"))).trim_end());
    }
    text
}

/// How much was found in how much.
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
    plain(text).trim_end().replace('\n', "\n          ")
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

    use crate::source_map::Document;

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
    fn findings_stand_below_their_role() {
        let findings = [
            finding("any-subject", "high", Some(ARN)),
            finding("any-subject", "high", None),
            finding("refused-by-iam", "info", Some(ARN)),
        ];
        let text = shown(&audit(&found(&findings), None));
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("          ")).collect();
        assert_eq!(
            lines,
            [
                "arn:aws:iam::123456789012:role/r  a.json",
                "  high    Somebody gets in. [any-subject, statement 1]",
                "  info    Somebody gets in. [refused-by-iam, statement 1]",
                "",
                "a.json",
                "  high    Somebody gets in. [any-subject, statement 1]",
            ]
        );
        assert!(text.contains("\n          - it says so\n          The document is evaluated"), "{text}");
        assert!(!text.contains("Deny"), "{text}");
    }

    #[test]
    fn a_repair_is_shown_as_a_difference_or_whole() {
        let audited = found(&[finding("any-subject", "high", None)]);
        let (name, path) = ("a.json".to_owned(), "a.json".into());
        let documents = [Document { name, path, text: r#"{"Statement": [{"Effect": "Allow"}]}"#.to_owned() }];
        let known = shown(&audit(&audited, Some(&Originals::new(&documents))));
        assert!(
            known.contains("          -       \"Effect\": \"Allow\"\n          +       \"Effect\": \"Deny\"\n"),
            "{known}"
        );
        let unknown = shown(&audit(&audited, Some(&Originals::new(&[]))));
        assert!(unknown.contains("          + {\n          +   \"Statement\": ["), "{unknown}");
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
    fn who_gets_in_is_a_table() {
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
* except x                              other    allow     not looked at
  depends on        aws:SourceIp

OTHER PRINCIPAL                 KIND  STATEMENT    ACTIONS
arn:aws:iam::210987654321:root  aws   statement 2  sts:AssumeRole  of another account, under conditions
"
        );
        let nobody: WhoCan =
            serde_json::from_value(json!({"role_arn": ARN, "subjects": [], "others": [], "findings": []})).unwrap();
        assert_eq!(shown(&who_can(&nobody)), format!("{ARN}\n  nobody can assume it\n"));
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let mut odd = finding("any-subject", "high", Some("x\u{1b}[2J"));
        odd["message"] = json!("\u{1b}[2J");
        odd["evidence"] = json!(["\u{1b}[2J"]);
        assert!(!shown(&audit(&found(&[odd]), None)).contains('\u{1b}'));
    }
}
