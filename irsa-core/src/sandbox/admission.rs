//! Admission: what webhooks and policies of the cluster do to service accounts that are written, and what they deny.
//!
//! Messages as real API servers write them (apiserver, `plugin/policy/validating`, `plugin/webhook/errors` and
//! `plugin/resourcequota`). What admission changes keeps its field managers, as there.

use std::collections::BTreeMap;

use super::responses::{Answer, Refusal};
use super::state::{AdmissionState, ClusterState, ServiceAccountState};
use crate::backend::{DRY_RUN_UNSUPPORTED, DryRun, pass_on_warning};
use crate::error::{ConflictReason, ErrorKind};
use crate::name::{Namespace, ServiceAccountName};

impl ClusterState {
    /// The account that is stored when one is created (`live` is nothing) or changed.
    pub(super) fn admitted(
        &self,
        (namespace, name): (&Namespace, &ServiceAccountName),
        live: Option<&ServiceAccountState>,
        mut account: ServiceAccountState,
        dry_run: DryRun,
    ) -> Answer<ServiceAccountState> {
        let concerned = || {
            let seen = |admission: &AdmissionState| admission.namespace.as_ref().is_none_or(|only| only == namespace);
            self.admission.iter().filter(move |(_, admission)| seen(admission))
        };
        for (webhook, admission) in concerned() {
            if admission.no_dry_run && dry_run == DryRun::Yes {
                let message = format!("admission webhook {webhook:?} does not support dry run");
                return Err(Refusal::kubernetes(DRY_RUN_UNSUPPORTED, message));
            }
            set(&mut account.annotations, &admission.annotations);
            set(&mut account.labels, &admission.labels);
            account.automount_token = admission.automount_token.or(account.automount_token);
        }
        for (policy, admission) in concerned() {
            if let Some(warning) = &admission.warn {
                let failed =
                    format!("Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{policy}'");
                pass_on_warning(&format!("{failed}: {warning}"));
            }
            let demanded =
                admission.demand_automount_token.filter(|demanded| account.automount_token != Some(*demanded));
            let demand = demanded.map(|demanded| format!("automountServiceAccountToken must be {demanded}"));
            if let Some(why) = admission.deny.clone().or(demand) {
                let why = format!("ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: {why}");
                let message = format!("serviceaccounts {:?} is forbidden: {why}", name.as_str());
                let refusal = Refusal::kubernetes("Invalid", message).with_conflict_reason(ConflictReason::Admission);
                return Err(refusal.with_hint(
                    "an admission webhook or policy of the cluster denies this whoever asks: give the service account what it \
                     demands (labels, annotations, automountServiceAccountToken), or have it changed",
                ));
            }
        }
        if live.is_none() {
            self.check_quota(namespace, name)?;
        }
        Ok(account)
    }

    fn check_quota(&self, namespace: &Namespace, name: &ServiceAccountName) -> Answer<()> {
        let Some(held) = self.namespaces.get(namespace) else { return Ok(()) };
        let used = held.service_accounts.len() as u64;
        match held.service_account_quota {
            Some(quota) if used >= quota => {
                let message = format!(
                    "serviceaccounts {:?} is forbidden: exceeded quota: quota, requested: count/serviceaccounts=1, used: \
                     count/serviceaccounts={used}, limited: count/serviceaccounts={quota}",
                    name.as_str()
                );
                let refusal = Refusal::kubernetes("Forbidden", message).of_kind(ErrorKind::QuotaExceeded);
                Err(refusal.with_hint(
                    "delete service accounts that are not used, or raise the ResourceQuota of the namespace",
                ))
            }
            _ => Ok(()),
        }
    }
}

fn set(values: &mut BTreeMap<String, String>, changes: &BTreeMap<String, Option<String>>) {
    for (key, value) in changes {
        match value {
            Some(value) => values.insert(key.clone(), value.clone()),
            None => values.remove(key),
        };
    }
}
