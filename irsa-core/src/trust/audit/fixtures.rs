//! What the tests of the audit share: one account with two clusters, roles of a few words, and what is found of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::finding::Finding;
use super::rules::FindingId;
use super::{AuditedRole, KnownAccount, Surroundings, audit};
use crate::name::ProviderArn;

pub(in crate::trust) const HOST: &str = "oidc.eks.us-east-1.amazonaws.com/id/A";
pub(in crate::trust) const BLUE: &str = "oidc.eks.us-east-1.amazonaws.com/id/B";
pub(in crate::trust) const ROLE: &str = "arn:aws:iam::123456789012:role/r";
pub(in crate::trust) const STS: &str = "sts.amazonaws.com";

pub(in crate::trust) fn arn(host: &str) -> String {
    format!("arn:aws:iam::123456789012:oidc-provider/{host}")
}

pub(in crate::trust) fn provider(host: &str) -> ProviderArn {
    arn(host).parse().unwrap()
}

/// An Allow for tokens of the first cluster.
pub(in crate::trust) fn allow(condition: Value) -> Value {
    json!({"Effect": "Allow", "Principal": {"Federated": arn(HOST)}, "Action": "sts:AssumeRoleWithWebIdentity",
           "Condition": condition})
}

/// Such an Allow with a test of the audience, and one of the subject.
pub(in crate::trust) fn allow_sub(operator: &str, subs: Value) -> Value {
    let mut condition = json!({"StringEquals": {format!("{HOST}:aud"): STS}});
    condition[operator][format!("{HOST}:sub")] = subs;
    allow(condition)
}

pub(in crate::trust) fn role(statements: Value) -> AuditedRole {
    AuditedRole {
        arn: ROLE.parse().ok(),
        trust_policy: json!({"Version": "2012-10-17", "Statement": statements}).to_string(),
        ..AuditedRole::default()
    }
}

pub(in crate::trust) fn account(place: &str, role: Option<&str>) -> KnownAccount {
    let (namespace, name) = place.split_once('/').unwrap();
    KnownAccount { namespace: namespace.to_owned(), name: name.to_owned(), role_arn: role.map(str::to_owned) }
}

/// Both providers and the first cluster, with some accounts, of which `ns/app` is annotated with the role.
pub(in crate::trust) fn around() -> Surroundings {
    let accounts = vec![
        account("default/default", None),
        account("ns/app", Some(ROLE)),
        account("ns/other", None),
        account("prod/app", None),
        account("prod-evil/app", None),
    ];
    let providers = [HOST, BLUE].map(|host| (provider(host), vec![STS.to_owned(), "vault".to_owned()]));
    Surroundings {
        providers: Some(BTreeMap::from(providers)),
        clusters: BTreeMap::from([(provider(HOST), ("demo".to_owned(), accounts))]),
    }
}

pub(in crate::trust) fn found_in(role: &AuditedRole, around: &Surroundings) -> Vec<Finding> {
    audit([role.clone()], around, &[]).findings
}

/// The ids that are found where nothing is known around the role.
pub(in crate::trust) fn ids(statements: Value) -> Vec<FindingId> {
    let mut ids: Vec<FindingId> =
        found_in(&role(statements), &Surroundings::default()).iter().map(|found| found.id).collect();
    ids.sort_unstable();
    ids
}
