//! Why somebody gets in whom nobody meant, and why somebody whom somebody meant does not: what is read from how a statement
//! is written, once it is known what it does.

use super::context::{Ground, Standing};
use super::draft::Raw;
use super::json_edit;
use super::messages;
use super::parsed_role::{Reading, Seen};
use super::rules::FindingId;
use super::subject_pattern::{account_of, is_somebody};
use crate::name::{ProviderArn, SUBJECT_PREFIX};
use crate::trust::evaluate::caller::UNNAMED_AUDIENCE;
use crate::trust::evaluate::condition::Test;
use crate::trust::evaluate::document::{Effect, Statement, TrustDocument};
use crate::trust::evaluate::explain::shown;
use crate::trust::evaluate::operator::Family;
use crate::trust::evaluate::policy_value::not_an_issuer;
use crate::trust::evaluate::strangers::is_chosen_by_the_caller;
use crate::trust::issuers::{IssuerKind, is_built_in, is_of_a_cluster};

fn is_claim(test: &Test, provider: &ProviderArn, claim: &str) -> bool {
    json_edit::is_claim(&test.key, provider, claim)
}

fn is_foreign(test: &Test, provider: &ProviderArn) -> bool {
    json_edit::is_foreign(&test.key, provider)
}

/// Under which id it is reported that every subject gets in.
pub(in crate::trust) fn of_everybody(reading: &Reading<'_>, statement: usize, provider: &ProviderArn) -> FindingId {
    let Some(statement) = reading.document.statements.get(statement) else { return FindingId::AnySubject };
    let mut of_subject = statement.tests.iter().filter(|test| is_claim(test, provider, "sub")).peekable();
    if of_subject.peek().is_some() {
        let negated = of_subject.any(|test| test.operator.negated);
        return if negated { FindingId::EveryoneBut } else { FindingId::AnySubject };
    }
    let foreign: Vec<&Test> = statement.tests.iter().filter(|test| is_foreign(test, provider)).collect();
    if foreign.is_empty() {
        return FindingId::AnySubject;
    }
    let of_another_principal = |test: &&Test| {
        statement
            .principal
            .federated
            .iter()
            .filter_map(|arn| arn.parse::<ProviderArn>().ok())
            .any(|other| is_claim(test, &other, "sub") || is_claim(test, &other, "aud"))
    };
    if foreign.iter().any(of_another_principal) {
        FindingId::SeveralProviders
    } else {
        FindingId::OtherProviderCondition
    }
}

/// Whether nothing but what the caller chooses decides who of a provider gets in by a statement: such conditions keep nobody
/// out who means to get in. `is_no_limit` tells which tests of the token's further claims are of that kind.
pub(in crate::trust) fn is_up_to_the_caller(
    reading: &Reading<'_>,
    index: usize,
    provider: &ProviderArn,
    is_no_limit: impl Fn(&Test) -> bool,
) -> bool {
    let Some(statement) = reading.document.statements.get(index) else { return false };
    // A Deny in doubt may keep everybody out.
    if reading.document.statements.iter().any(|statement| statement.effect == Effect::Deny) {
        return false;
    }
    let is_chosen = |test: &Test| is_chosen_by_the_caller(&test.key);
    let is_known =
        |test: &Test| is_claim(test, provider, "sub") || is_claim(test, provider, "aud") || is_foreign(test, provider);
    let plain = statement.in_doubt.is_none() && !statement.principal.is_all_of_aws();
    plain && statement.tests.iter().all(|test| is_chosen(test) || is_known(test) || is_no_limit(test))
}

/// The tests, or the want of them, that show a finding.
pub(in crate::trust) fn tests(statement: &Statement, provider: &ProviderArn, id: FindingId) -> Vec<String> {
    let key = format!("{}:sub", provider.issuer().host_path());
    let of_subject: Vec<&Test> = statement.tests.iter().filter(|test| is_claim(test, provider, "sub")).collect();
    let foreign: Vec<&Test> = statement.tests.iter().filter(|test| is_foreign(test, provider)).collect();
    match id {
        FindingId::AnySubject
        | FindingId::EveryoneBut
        | FindingId::SeveralProviders
        | FindingId::OtherProviderCondition => {
            let mut lines = Vec::new();
            if of_subject.is_empty() {
                lines.push(format!("no test of {key}"));
            }
            lines.extend(of_subject.iter().take(messages::MAX_LISTED).map(|test| shown(test)));
            let holds = |test: &&&Test| format!("{} holds, since its tokens do not have the key", shown(test));
            lines.extend(foreign.iter().take(messages::MAX_LISTED).map(|test| holds(&test)));
            lines
        }
        FindingId::StaleSubject | FindingId::DefaultServiceAccount | FindingId::Undecided => Vec::new(),
        _ => of_subject.iter().take(messages::MAX_LISTED).map(|test| shown(test)).collect(),
    }
}

/// The same, where the places of the part are known.
fn is_seen(seen: &Seen) -> bool {
    if seen.kind.is_cluster() { !seen.places.is_empty() } else { is_somebody(seen.kind, &seen.part) }
}

/// Allow statements, or values of them, by which nobody gets in although it looks as if somebody did.
pub(in crate::trust) fn nobody(reading: &Reading<'_>, ground: &Ground<'_>, seen: &[Seen], raw: &mut Vec<Raw>) {
    for (index, statement) in reading.document.statements.iter().enumerate() {
        let federated = &statement.principal.federated;
        if statement.effect != Effect::Allow || statement.principal.inverted || federated.is_empty() {
            continue;
        }
        let of_statement: Vec<&Seen> = seen.iter().filter(|seen| seen.statement() == Some(index)).collect();
        let named = federated.iter().filter_map(|name| reading.provider_named(name));
        let usable: Vec<ProviderArn> = named
            .filter(|provider| reading.is_own(provider) && reading.standing(ground, provider) != Standing::Missing)
            .collect();
        // Those that are elsewhere, or gone, are told already; those of SAML are another matter.
        let odd = federated.iter().find(|text| text.parse::<ProviderArn>().is_err() && is_meant_for_a_provider(text));
        if of_statement.iter().any(|seen| is_seen(seen)) {
            let dead: Vec<&&Seen> = of_statement.iter().filter(|seen| !is_seen(seen)).collect();
            let lines: Vec<String> =
                dead.iter().take(messages::MAX_LISTED).map(|seen| dead_subject(seen, statement)).collect();
            if !lines.is_empty() {
                let mut found =
                    Raw::new(FindingId::AdmitsNobody, index, format!("some of its values let nobody in: {}", lines[0]));
                found.evidence = lines;
                raw.push(found);
            }
            continue;
        }
        if usable.is_empty() && odd.is_none() {
            continue;
        }
        let mut lines: Vec<String> = Vec::new();
        if let Some(text) = odd {
            lines.push(format!("{text} is not the ARN of an OIDC provider"));
        }
        for provider in &usable {
            if is_denied(reading, ground, index, provider) {
                continue;
            }
            lines.extend(why_nobody(statement, provider, reading, ground));
            if lines.is_empty() {
                lines.push(format!("no token of {} can meet its conditions", provider.issuer().url()));
            }
        }
        if let [first, ..] = &lines[..] {
            let mut found = Raw::new(FindingId::AdmitsNobody, index, format!("nobody gets in by it: {first}"));
            lines.dedup();
            found.evidence = lines.into_iter().take(messages::MAX_LISTED).collect();
            raw.push(found);
        }
    }
}

/// Whether a principal looks as if an OIDC provider of the account was meant. Those that AWS knows by name are none.
fn is_meant_for_a_provider(text: &str) -> bool {
    !text.contains(":saml-provider/") && text != "*" && !is_built_in(text)
}

/// Whether it is a Deny that keeps everybody out: alone, the statement would let somebody in.
fn is_denied(reading: &Reading<'_>, ground: &Ground<'_>, index: usize, provider: &ProviderArn) -> bool {
    let Some(statement) = reading.document.statements.get(index) else { return false };
    let alone = TrustDocument::of_statement(statement.clone());
    let kind = reading.kind(ground, provider);
    let audiences = reading.audiences(reading.standing(ground, provider));
    let mut audiences = audiences.iter().map(String::as_str).chain([UNNAMED_AUDIENCE]);
    audiences.any(|audience| {
        alone.subjects_within(provider, audience, &reading.work).parts.iter().any(|part| is_somebody(kind, part))
    })
}

fn dead_subject(seen: &Seen, statement: &Statement) -> String {
    let value = seen.part.pattern.replace("${*}", "*").replace("${?}", "?").replace("${$}", "$");
    let written = |test: &&Test| test.values.iter().any(|own| own.text == value);
    match statement.tests.iter().find(written) {
        Some(test) => why_not(seen.kind, test, &value).unwrap_or_else(|| no_subject(seen.kind, &value)),
        None => no_subject(seen.kind, &value),
    }
}

/// That no token of an issuer has a subject.
fn no_subject(kind: IssuerKind, value: &str) -> String {
    match kind {
        IssuerKind::Cluster => format!("{value} is no service account"),
        IssuerKind::Service(service, _) => format!("tokens of {} do not have the subject {value}", service.name),
        IssuerKind::Unknown => format!("tokens do not have the subject {value}"),
    }
}

/// What keeps every token of a provider out.
fn why_nobody(
    statement: &Statement,
    provider: &ProviderArn,
    reading: &Reading<'_>,
    ground: &Ground<'_>,
) -> Vec<String> {
    let (host, kind) = (provider.issuer().host_path(), reading.kind(ground, provider));
    let mut lines = Vec::new();
    if !statement.concerns {
        let action = statement.actions.join(", ");
        lines.push(format!("its action is {action}, and tokens need sts:AssumeRoleWithWebIdentity"));
    }
    for test in &statement.tests {
        let texts = || test.values.iter().map(|value| value.text.as_str());
        let positive = !test.operator.negated && matches!(test.operator.family, Family::Equals | Family::Like);
        if let Some(form) = not_an_issuer(&test.key) {
            lines.push(format!("the condition key {} is {form}, and must be {host}:sub or {host}:aud", test.key));
        } else if positive && is_foreign(test, provider) {
            lines.push(format!("the condition key {} is that of another issuer than {host}", test.key));
        } else if positive && is_claim(test, provider, "sub") {
            lines.extend(texts().filter_map(|value| why_not(kind, test, value)));
        } else if positive && is_claim(test, provider, "aud") {
            if let Some(subject) = texts().find(|value| value.starts_with(SUBJECT_PREFIX)) {
                lines.push(format!("the subject {subject} is tested under the key of the audience, {}", test.key));
            } else if let Standing::Takes(audiences) = reading.standing(ground, provider)
                && !texts().any(|value| audiences.iter().any(|audience| audience == value))
            {
                lines.push(format!("{}, and the provider takes {}", shown(test), messages::few(audiences)));
            }
        }
    }
    lines
}

/// Why no token has this subject.
fn why_not(kind: IssuerKind, test: &Test, value: &str) -> Option<String> {
    let wild = value.contains(['*', '?']);
    if wild && test.operator.family == Family::Equals {
        return Some(format!("{} takes * and ? as they stand, StringLike as wildcards: {value}", test.operator.name));
    }
    match kind {
        IssuerKind::Cluster => {}
        IssuerKind::Service(..) => return is_of_a_cluster(value).then(|| no_subject(kind, value)),
        IssuerKind::Unknown => return None,
    }
    if value.contains(char::is_uppercase) {
        return Some(format!("namespaces and service accounts have no upper-case letters: {value}"));
    }
    if !wild && !value.starts_with(SUBJECT_PREFIX) {
        return Some(format!("{value} does not begin with {SUBJECT_PREFIX}"));
    }
    (!wild && account_of(value).is_none()).then(|| format!("{value} is not {SUBJECT_PREFIX}NAMESPACE:NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::audit::fixtures::{HOST, STS, allow, allow_sub, arn, around, found_in, ids, role};
    use crate::trust::audit::{AuditedRole, Surroundings};
    use serde_json::{Value, json};

    /// What is said of a document by which nobody gets in.
    fn said(statement: Value, around: &Surroundings) -> String {
        let found = found_in(&role(statement.clone()), around);
        assert_eq!(found.iter().map(|found| found.id).collect::<Vec<_>>(), [FindingId::AdmitsNobody], "{statement}");
        assert_eq!(found[0].fix, None, "a repair would let somebody in");
        found[0].evidence.join("; ")
    }

    #[test]
    fn who_is_kept_out_by_mistake_is_told_why() {
        let nothing = Surroundings::default();
        let sub = |operator: &str, sub: &str| said(allow_sub(operator, json!(sub)), &nothing);
        assert!(sub("StringEquals", "system:serviceaccount:ns:*").contains("StringEquals takes * and ? as they stand"));
        assert!(sub("StringEquals", "system:serviceaccount:ns:App").contains("no upper-case letters"));
        assert!(sub("StringLike", "System:serviceaccount:ns:*").contains("no upper-case letters"));
        assert!(sub("StringEquals", "ns:app").contains("does not begin with system:serviceaccount:"));
        assert!(
            sub("StringEquals", "system:serviceaccount:app").contains("is not system:serviceaccount:NAMESPACE:NAME")
        );
        let whole = json!({"StringEquals": {format!("{}:sub", arn(HOST)): "system:serviceaccount:ns:app"}});
        assert!(said(allow(whole), &nothing).contains(&format!("is a whole ARN, and must be {HOST}:sub")));
        let url = json!({"StringEquals": {format!("https://{HOST}:sub"): "system:serviceaccount:ns:app"}});
        assert!(said(allow(url), &nothing).contains(&format!("is a URL, and must be {HOST}:sub")));
        let under_aud = json!({"StringEquals": {format!("{HOST}:aud"): "system:serviceaccount:ns:app"}});
        assert!(said(allow(under_aud), &nothing).contains("tested under the key of the audience"));
        let other = json!({"StringEquals": {"other.example:sub": "system:serviceaccount:ns:app"}});
        assert!(said(allow(other), &nothing).contains("other.example:sub is that of another issuer"));
        let mut action = allow_sub("StringEquals", json!("system:serviceaccount:ns:app"));
        action["Action"] = json!("sts:AssumeRole");
        assert!(said(action.clone(), &nothing).contains("its action is sts:AssumeRole"));
        action["Action"] = json!("sts:AssumeRoleWithWebIdentity");
        action["Principal"]["Federated"] = json!(format!("https://{HOST}"));
        assert!(said(action, &nothing).contains("is not the ARN of an OIDC provider"));
    }

    #[test]
    fn an_audience_that_the_provider_does_not_take_is_told() {
        let mut statement = allow_sub("StringEquals", json!("system:serviceaccount:ns:app"));
        statement["Condition"]["StringEquals"][format!("{HOST}:aud")] = json!("sts.amazonaws.com.cn");
        assert!(said(statement, &around()).contains("the provider takes sts.amazonaws.com, vault"));
    }

    #[test]
    fn a_dead_value_among_others_is_told() {
        let both = allow_sub("StringEquals", json!(["system:serviceaccount:ns:app", "system:serviceaccount:ns:*"]));
        assert!(said(both, &Surroundings::default()).contains("StringEquals takes * and ? as they stand"));
    }

    #[test]
    fn what_is_meant_to_let_nobody_in_is_no_finding() {
        let nobody =
            json!({"Sid": "IrsaNobody", "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity"});
        assert_eq!(ids(nobody.clone()), []);
        assert_eq!(ids(json!([allow_sub("StringEquals", json!("system:serviceaccount:ns:app")), nobody])), []);
        let saml = json!({"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::123456789012:saml-provider/okta"},
            "Action": "sts:AssumeRoleWithSAML", "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}});
        assert_eq!(ids(saml), []);
        let repository = allow_sub("StringLike", json!("repo:org/app:*")).to_string();
        let repository = repository.replace(HOST, "token.actions.githubusercontent.com");
        assert_eq!(ids(serde_json::from_str(&repository).unwrap()), [], "no cluster, and no service accounts");
    }

    #[test]
    fn a_variable_is_no_mistake() {
        let statement = allow_sub("StringEquals", json!("system:serviceaccount:ns:${aws:PrincipalTag/Name}"));
        let found = found_in(&role(statement), &Surroundings::default());
        assert!(found.iter().all(|found| found.id == FindingId::Undecided), "{found:?}");
        let role = AuditedRole { attached: vec![STS.to_owned()], ..AuditedRole::default() };
        assert!(found_in(&role, &Surroundings::default()).iter().all(|found| found.id == FindingId::Unreadable));
    }
}
