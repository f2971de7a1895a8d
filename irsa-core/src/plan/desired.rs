//! Desired state of a create or update: role, subjects, policies and providers.

use std::collections::{BTreeMap, BTreeSet};

use crate::binding::{check_documents, check_policy_place};
use crate::cluster_identity::{ClusterId, ClusterIdentity};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{PolicyArn, ProviderArn, RoleArn, Subject};
use crate::observe::Observed;
use crate::ownership::Member;
use crate::request::{Request, Verb};
use crate::trust::Derivation;

/// Desired state of the role, whether it exists or not.
pub(super) struct DesiredState<'a> {
    pub(super) home: &'a ClusterIdentity,
    pub(super) arn: RoleArn,
    pub(super) first: Member,
    /// All declared subjects, the first one among them.
    pub(super) declared: BTreeSet<Member>,
    /// Subjects that the request removes by name.
    pub(super) removed: BTreeSet<Member>,
    pub(super) attach: BTreeSet<PolicyArn>,
    pub(super) providers: BTreeMap<ClusterId, ProviderArn>,
}

impl<'a> DesiredState<'a> {
    pub(super) fn of(request: &Request, observed: &'a Observed) -> Result<Self> {
        let binding = &request.binding;
        let home = observed.home(request)?;
        let name = observed.role_name.clone().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, format!("no role name was found for binding {binding}"))
        })?;
        let path = binding.role_path.clone().unwrap_or_default();
        let arn = match (&observed.role, &request.existing_role) {
            (Some(role), _) => role.role.arn.clone(),
            (None, Some(arn)) => arn.clone(),
            (None, None) => RoleArn::new(home.partition.clone(), home.account.clone(), path, name),
        };
        let first = observed.member(request, &binding.first_subject())?;
        let members = |subjects: Vec<Subject>| -> Result<BTreeSet<Member>> {
            subjects.iter().map(|subject| observed.member(request, subject)).collect()
        };
        let removed = match &request.verb {
            Verb::Update { remove_subjects, .. } => members(remove_subjects.iter().cloned().collect())?,
            _ => BTreeSet::new(),
        };
        let declared = members(binding.all_subjects())?;
        // A cluster can be named in two ways, so equal subjects are only recognised once clusters are resolved.
        if let Some(both) = declared.intersection(&removed).next() {
            let subject = both.shown(&home.cluster);
            return Err(Error::invalid("subject", subject, "is to be kept and removed at once"));
        }
        for identity in observed.identities.values() {
            if identity.partition != home.partition {
                let rule = format!("is in partition {}, the role in {}", identity.partition, home.partition);
                return Err(Error::invalid("cluster", identity.cluster.as_str(), rule));
            }
        }
        for (field, arn) in observed
            .policies
            .values()
            .map(|arn| ("policy", arn))
            .chain(binding.permissions_boundary.iter().map(|arn| ("permissions boundary", arn)))
        {
            check_policy_place(field, arn, &home.partition, &home.account)?;
        }
        check_documents(binding, &home.partition)?;
        let attach = observed.policies.values().cloned().collect();
        let providers = observed.cluster_providers(request)?;
        Ok(Self { home, arn, first, declared, removed, attach, providers })
    }

    /// Returns the input of [`derive`](crate::trust::derive): the subjects that come and those that leave.
    pub(super) fn derivation(&self, request: &Request, leaving: BTreeSet<Member>) -> Derivation {
        Derivation {
            providers: self.providers.clone(),
            joining: self.declared.clone(),
            leaving,
            waiting: BTreeSet::new(),
            audience: request.binding.audience.clone(),
            extra: request.binding.trust_statements.clone(),
        }
    }
}
