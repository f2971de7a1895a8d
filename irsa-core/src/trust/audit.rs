//! The audit of many roles: what their trust policies let in, against what exists.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Audit, Finding, Severity, TrustedSubjects, WhoCan};
use super::finding_id::{FindingId, Ignore};
use super::ground::Ground;
use super::judge::{Judged, judge};
use super::reading::{Reading, Seen, UNNAMED_AUDIENCE};
use crate::error::Result;
use crate::name::{ProviderArn, RoleArn};

/// A role to be audited. Only the trust policy is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditedRole {
    /// The role.
    pub arn: Option<RoleArn>,
    /// Its trust policy as JSON text.
    pub trust_policy: String,
    /// The file it came from.
    pub source: Option<String>,
    /// ARNs of the managed policies on it.
    pub attached: Vec<String>,
    /// Its inline policies as JSON text.
    pub inline: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The ARN of its permissions boundary.
    pub permissions_boundary: Option<String>,
}

/// A service account that exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The value of its `role-arn` annotation.
    pub role_arn: Option<String>,
}

/// What is known around the roles. Nothing of it is needed; what is not known is not judged.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The OIDC providers of the account with the audiences they take. One that is not here does not exist.
    pub providers: Option<BTreeMap<ProviderArn, Vec<String>>>,
    /// Clusters by the ARN of their provider: how the cluster is called, and its service accounts.
    pub clusters: BTreeMap<ProviderArn, (String, Vec<KnownAccount>)>,
}

/// Audits roles. Pure; roles are taken one by one, so that many need not be held at once.
///
/// Every role that trusts an OIDC provider is judged; of others only that anybody gets in, or that nothing can be said. A
/// trust policy that cannot be read is a finding, and hides no other role.
///
/// ```
/// use irsa_core::trust::{AuditedRole, FindingId, Surroundings, audit};
///
/// let role = AuditedRole {
///     trust_policy: r#"{
///         "Version": "2012-10-17",
///         "Statement": {
///             "Effect": "Allow",
///             "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A"},
///             "Action": "sts:AssumeRoleWithWebIdentity",
///             "Condition": {"StringEquals": {"oidc.eks.us-east-1.amazonaws.com/id/A:aud": "sts.amazonaws.com"}}
///         }
///     }"#.to_owned(),
///     ..AuditedRole::default()
/// };
/// let audit = audit([role], &Surroundings::default(), &[]);
/// assert_eq!(audit.findings[0].id, FindingId::AnySubject);
/// ```
pub fn audit(roles: impl IntoIterator<Item = AuditedRole>, around: &Surroundings, ignore: &[Ignore]) -> Audit {
    let ground = Ground::new(around);
    let mut audit = Audit::default();
    for role in roles {
        audit.roles += 1;
        match Reading::of(&role) {
            Ok(reading) => {
                let judged = judge(&reading, &ground, |id| !is_ignored(ignore, id, &role));
                audit.trusting += usize::from(judged.trusting);
                audit.ignored += judged.ignored;
                audit.findings.extend(judged.findings);
            }
            Err(error) if is_ignored(ignore, FindingId::Unreadable, &role) => {
                tracing::debug!(%error, "a trust policy that cannot be read is ignored");
                audit.ignored += 1;
            }
            Err(error) => {
                let mut why = vec![error.to_string()];
                why.extend(error.causes());
                audit.findings.push(Finding {
                    id: FindingId::Unreadable,
                    severity: Severity::Medium,
                    role_arn: role.arn.as_ref().map(ToString::to_string),
                    source: role.source.clone(),
                    statement: None,
                    message: format!("its trust policy cannot be read, so nobody knows who gets in: {error}"),
                    evidence: why,
                    fix: None,
                });
            }
        }
    }
    audit.findings.sort_by_cached_key(|finding| {
        let place = (finding.role_arn.clone(), finding.source.clone(), finding.statement.clone());
        (Reverse(finding.severity), place, finding.id)
    });
    audit
}

/// Who can assume one role. Pure.
///
/// # Errors
/// `InvalidInput` for a trust policy that cannot be read.
pub fn who_can(role: &AuditedRole, around: &Surroundings) -> Result<WhoCan> {
    let ground = Ground::new(around);
    let reading = Reading::of(role)?;
    let Judged { mut findings, seen, others, .. } = judge(&reading, &ground, |_| true);
    findings.sort_by_key(|finding| Reverse(finding.severity));
    let arn = role.arn.as_ref().map(ToString::to_string);
    let subjects = seen.into_iter().map(|seen| trusted(seen, &ground, arn.as_deref())).collect();
    Ok(WhoCan {
        role_arn: arn.or_else(|| role.source.clone()).unwrap_or_default(),
        subjects,
        others,
        findings,
        notes: reading.document.notes().to_vec(),
        warnings: Vec::new(),
    })
}

fn trusted(seen: Seen, ground: &Ground<'_>, role: Option<&str>) -> TrustedSubjects {
    let Seen { provider, part, audiences, .. } = seen;
    let shown = |account: &&KnownAccount| format!("{}/{}", account.namespace, account.name);
    let fitting = ground.accounts(&provider).map(|index| index.all(&part.pattern, &part.except));
    let annotated: BTreeSet<String> = fitting
        .iter()
        .flatten()
        .filter(|account| role.is_some() && account.role_arn.as_deref() == role)
        .map(shown)
        .collect();
    TrustedSubjects {
        cluster: ground.cluster(&provider).map_or_else(|| provider.issuer().url(), str::to_owned),
        service_accounts: fitting.as_ref().map(|accounts| accounts.iter().map(shown).collect()),
        annotated: annotated.into_iter().collect(),
        audiences: audiences
            .into_iter()
            .map(|aud| if aud == UNNAMED_AUDIENCE { "*".to_owned() } else { aud })
            .collect(),
        pattern: part.pattern,
        except: part.except,
        decision: part.decision,
        conditions: part.conditions,
        exact: part.exact,
        impossible_if: part.impossible_if,
    }
}

fn is_ignored(ignore: &[Ignore], id: FindingId, role: &AuditedRole) -> bool {
    // Names of roles have no case (IAM API reference, `CreateRole`).
    let is_role = |wanted: &str| {
        role.arn
            .as_ref()
            .is_some_and(|arn| arn.name().as_str().eq_ignore_ascii_case(wanted) || arn.to_string() == wanted)
    };
    ignore.iter().any(|ignore| ignore.id == id && ignore.role.as_deref().is_none_or(is_role))
}
