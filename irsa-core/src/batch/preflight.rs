//! Dry runs of a plan's service accounts before it is applied, where it was made from access reviews alone.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::name::{ClusterRef, Namespace};
use crate::observe::{Backends, NamespaceStatus, ObservedAccount, check_write};
use crate::plan::{Plan, Step};
use crate::report::Warning;
use crate::request::Request;

/// Dry runs of the accounts that a plan writes, where it was made from reviews alone: what a fleet does first for each
/// binding.
pub(super) async fn rehearse(backends: &Backends, request: &Request, plan: &Plan) -> Result<Vec<Warning>> {
    let made: BTreeSet<(&ClusterRef, &Namespace)> = plan
        .steps()
        .filter_map(|step| match step {
            Step::CreateNamespace { cluster, namespace } => Some((cluster, namespace)),
            _ => None,
        })
        .collect();
    let written = plan.steps().filter_map(|step| match step {
        // In a namespace that is still to be made nothing can be rehearsed: the rights were reviewed.
        Step::ApplyServiceAccount { cluster, account, existed } if !made.contains(&(cluster, &account.namespace)) => {
            let there = existed.as_deref().cloned();
            let namespace = Some(NamespaceStatus::Active);
            Some((ObservedAccount { cluster: cluster.clone(), account: there, namespace }, account))
        }
        _ => None,
    });
    let written: Vec<_> = written.collect();
    let each = written.iter().map(|(there, account)| check_write(backends, request, there, account, None));
    let checked = futures::future::try_join_all(each).await?;
    Ok(checked.into_iter().filter_map(|checked| checked.warning).collect())
}
