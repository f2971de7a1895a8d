//! Who else a role lets in: principals of AWS accounts, services of AWS, and identity providers that are no clusters of this
//! account. Told statement by statement, since what AWS knows of such callers is not known here.

use super::finding::OtherPrincipal;
use super::parsed_role::Reading;
use super::statement::{effect, is_about, is_unconditional, label, principals};
use crate::name::{AccountId, ProviderArn, RoleArn};
use crate::trust::evaluate::condition::Test;
use crate::trust::evaluate::operator::Truth;
use crate::trust::evaluate::policy_value::is_of_an_issuer;
use crate::trust::issuers::is_built_in;

/// The actions by which somebody comes to hold a session of a role (STS API reference).
const WAYS_IN: [&str; 3] = ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"];

/// The account of an AWS principal: an account id alone, or an ARN (IAM user guide, "AWS JSON policy elements: Principal").
fn account_of(principal: &str) -> Option<AccountId> {
    let account = if principal.starts_with("arn:") { principal.split(':').nth(4)? } else { principal };
    AccountId::new(account).ok()
}

/// Everybody whom a document lets in by other ways than tokens of the account's own OIDC providers.
///
/// A Deny without conditions that names a principal, or everybody, counts; others make it no less.
pub(in crate::trust) fn others(reading: &Reading<'_>) -> Vec<OtherPrincipal> {
    let denied = |principal: &(&str, String), action: &str| {
        reading.statements().any(|(_, statement)| {
            let named = principals(statement);
            effect(statement) == Some("Deny")
                && is_unconditional(statement)
                && is_about(statement, action)
                && (named.contains(principal) || named.iter().any(|(kind, _)| *kind == "everyone"))
        })
    };
    let account = reading.role.arn.as_ref().map(RoleArn::account);
    let mut others = Vec::new();
    for (index, statement) in reading.statements().filter(|(_, statement)| effect(statement) == Some("Allow")) {
        let tests = reading.document.statements.get(index).map(|read| &read.tests[..]).unwrap_or_default();
        // Everybody but some is nearly everybody.
        let named = match statement.contains_key("NotPrincipal") {
            true => vec![("everyone", "*".to_owned())],
            false => principals(statement),
        };
        for principal in named {
            let (kind, text) = &principal;
            // Which actions a kind of caller can use at all.
            let fits = |action: &&str| match *kind {
                "aws" | "service" | "canonical_user" => *action == "sts:AssumeRole",
                "federated" => *action != "sts:AssumeRole",
                _ => true,
            };
            let ways = WAYS_IN.iter().copied().filter(fits);
            let holds = |action: &str| conditions(tests, kind, text, action);
            let open = |action: &&str| {
                is_about(statement, action) && holds(action) != Truth::False && !denied(&principal, action)
            };
            let actions: Vec<&str> = ways.filter(open).collect();
            let other_account = match *kind {
                "aws" | "federated" => account_of(text)
                    .filter(|theirs| !reading.is_made_up(theirs.as_str()))
                    .zip(account)
                    .map(|(theirs, ours)| theirs != *ours),
                _ => None,
            };
            // Own providers, those that AWS knows by name, and those of whom nothing else is known, are told by their subjects.
            let is_provider = || text.parse::<ProviderArn>().is_ok() || is_built_in(text);
            let own = *kind == "federated" && is_provider() && other_account != Some(true);
            if !actions.is_empty() && !own {
                others.push(OtherPrincipal {
                    kind: (*kind).to_owned(),
                    principal: text.clone(),
                    statement: label(index, statement),
                    conditional: actions.iter().all(|action| holds(action) == Truth::Unknown),
                    actions: actions.into_iter().map(str::to_owned).collect(),
                    other_account,
                });
            }
        }
    }
    others
}

/// Whether the tests of a statement hold for a caller who has no token of an OIDC provider of the account, and so none of
/// its keys; what else such a caller has is not known.
fn conditions(tests: &[Test], kind: &str, principal: &str, action: &str) -> Truth {
    let each = tests.iter().map(|test| {
        let named = test.key.rsplit_once(':').is_some_and(|(issuer, _)| principal.ends_with(issuer));
        let has_token = action == "sts:AssumeRoleWithWebIdentity" && (kind == "everyone" || named);
        if has_token || !is_of_an_issuer(&test.key) { Truth::Unknown } else { test.of_absent() }
    });
    each.fold(Truth::True, Truth::and)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::audit::AuditedRole;
    use serde_json::{Value, json};

    const OWN: &str = "arn:aws:iam::123456789012:oidc-provider/issuer.example/id/A";

    /// Kind, principal, actions, whether of another account, whether conditions limit it.
    type Told = (String, String, Vec<String>, Option<bool>, bool);

    fn of(statements: Value) -> Vec<Told> {
        let role = AuditedRole {
            arn: "arn:aws:iam::123456789012:role/r".parse().ok(),
            trust_policy: json!({"Statement": statements}).to_string(),
            ..AuditedRole::default()
        };
        others(&Reading::of(&role).unwrap())
            .into_iter()
            .map(|other| (other.kind, other.principal, other.actions, other.other_account, other.conditional))
            .collect()
    }

    fn told(kind: &str, principal: &str, action: &str, other: Option<bool>) -> Told {
        (kind.to_owned(), principal.to_owned(), vec![action.to_owned()], other, false)
    }

    #[test]
    fn every_kind_of_principal_is_told() {
        let saml = "arn:aws:iam::123456789012:saml-provider/okta";
        let elsewhere = "arn:aws:iam::210987654321:oidc-provider/issuer.example/id/B";
        let found = of(json!([{"Effect": "Allow", "Action": "sts:*", "Principal": {
            "AWS": ["123456789012", "arn:aws:iam::210987654321:root", "AROAEXAMPLE"],
            "Service": "ec2.amazonaws.com", "Federated": [OWN, "cognito-identity.amazonaws.com"]}},
            {"Effect": "Allow", "Action": "sts:AssumeRoleWithSAML", "Principal": {"Federated": saml}},
            {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": elsewhere}}]));
        let expected = [
            told("aws", "123456789012", "sts:AssumeRole", Some(false)),
            told("aws", "arn:aws:iam::210987654321:root", "sts:AssumeRole", Some(true)),
            told("aws", "AROAEXAMPLE", "sts:AssumeRole", None),
            told("service", "ec2.amazonaws.com", "sts:AssumeRole", None),
            told("federated", saml, "sts:AssumeRoleWithSAML", Some(false)),
            told("federated", elsewhere, "sts:AssumeRoleWithWebIdentity", Some(true)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn actions_that_give_no_session_let_nobody_in() {
        assert!(of(json!({"Effect": "Allow", "Action": "sts:TagSession", "Principal": {"AWS": "*"}})).is_empty());
        let kind = json!({"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"AWS": "*"}});
        assert!(of(kind).is_empty(), "a principal of AWS has no web identity");
        let tested = json!({"Effect": "Allow", "Action": "sts:*", "Principal": {"AWS": "*", "Federated": OWN},
            "Condition": {"StringEquals": {"issuer.example/id/A:sub": "x"}}});
        assert!(of(tested).is_empty(), "nor a subject");
    }

    #[test]
    fn a_certain_deny_counts() {
        let allow = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"});
        assert_eq!(of(json!([allow])).len(), 1);
        assert!(of(json!([allow, {"Effect": "Deny", "Action": "sts:*", "Principal": "*"}])).is_empty());
        let perhaps =
            json!({"Effect": "Deny", "Action": "sts:*", "Principal": "*", "Condition": {"Bool": {"a:b": "true"}}});
        assert_eq!(of(json!([allow, perhaps])).len(), 1);
    }
}
