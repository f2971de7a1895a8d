//! Steps that bind and release service accounts.

use std::collections::BTreeSet;

use super::Step;
use super::desired::DesiredState;
use crate::error::Result;
use crate::name::{RoleArn, SubjectName};
use crate::observe::{AccountKey, Observed, may_let_in};
use crate::ownership::Member;
use crate::request::Request;
use crate::service_account::{self, Release};
use crate::trust::TrustPolicy;

/// The steps that annotate the declared service accounts, where they differ.
pub(super) fn bound(request: &Request, observed: &Observed, desired: &DesiredState<'_>) -> Result<Vec<Step>> {
    let binding = &request.binding;
    let (mut steps, mut seen) = (Vec::new(), BTreeSet::new());
    for subject in binding.all_subjects().iter().filter(|subject| binding.has_account(subject)) {
        let (Some(name), Some(cluster)) = (subject.service_account(), &subject.cluster) else { continue };
        let key = AccountKey::new(&observed.identity(cluster)?.cluster, &subject.namespace, name);
        // A service account may be named twice: by the name and by the ARN of its cluster.
        let Some(entry) = observed.accounts.get(&key).filter(|_| seen.insert(key.clone())) else { continue };
        let current = entry.account.as_ref();
        let audience = observed.standing_audience(request, &key.cluster)?;
        if let Some(account) = service_account::wanted(
            binding,
            &desired.arn,
            (&key.namespace, name),
            current,
            (request.force, audience.as_deref()),
        )? {
            let existed = current.cloned().map(Box::new);
            steps.push(Step::ApplyServiceAccount { cluster: cluster.clone(), account, existed });
        }
    }
    Ok(steps)
}

/// The steps that release the service accounts of subjects that leave.
pub(super) fn released(
    request: &Request,
    observed: &Observed,
    leaving: &BTreeSet<Member>,
    role: &RoleArn,
) -> Vec<Step> {
    if request.binding.role_only {
        return Vec::new();
    }
    leaving.iter().filter_map(|member| release(observed, member, Some(role))).collect()
}

/// The subjects whose service accounts irsa has bound to the role, and which `trust` does not trust: a run was interrupted
/// before it released them.
pub(super) fn orphaned(observed: &Observed, desired: &DesiredState<'_>, trust: &TrustPolicy) -> BTreeSet<Member> {
    let bound = observed.accounts.iter().filter(|(_, entry)| {
        entry.account.as_ref().is_some_and(|account| service_account::is_bound_by_us(account, &desired.arn))
    });
    let members = bound.map(|(key, _)| key.member()).filter(|member| !desired.declared.contains(member));
    members.filter(|member| !may_let_in(trust, member, &desired.providers)).collect()
}

/// The step that releases the service account of one subject, if it is bound to the role or was created for a binding.
pub(super) fn release(observed: &Observed, member: &Member, role: Option<&RoleArn>) -> Option<Step> {
    let SubjectName::Exact(name) = &member.name else { return None };
    let entry = observed.accounts.get(&AccountKey::new(&member.cluster, &member.namespace, name))?;
    let account = entry.account.as_ref()?;
    match service_account::release(account, role) {
        Release::Nothing => None,
        release => {
            let (cluster, account) = (entry.cluster.clone(), Box::new(account.clone()));
            Some(Step::ReleaseServiceAccount { cluster, account, release })
        }
    }
}
