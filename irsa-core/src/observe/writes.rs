//! Whether we may write the accounts that must be written, found out before the first write.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use super::accounts::{AccountKey, DryRun, ObservedAccount};
use super::{Backends, Observed, place};
use crate::account::{self, Release};
use crate::backend::{
    AccessReview, ClusterBackend, DRY_RUN_UNSUPPORTED, Expected, NewServiceAccount, ServiceAccount, WriteMode,
};
use crate::error::{Error, ErrorKind, Result, did_you_mean, nearest};
use crate::guard::Guard;
use crate::hint::Hint;
use crate::name::{ClusterRef, Namespace, RoleArn};
use crate::plan::{Plan, Step};
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};

/// Makes sure that every account that needs a write may be written, by a dry run of exactly what will be written.
pub(super) async fn check_writes(
    backends: &Backends,
    request: &Request,
    observed: &mut Observed,
    mut dry_runs: BTreeMap<AccountKey, DryRun>,
) -> Result<()> {
    check_releases(backends, request, observed).await?;
    if matches!(request.verb, Verb::Delete { .. }) {
        return Ok(());
    }
    let Some(role) = target_arn(request, observed)? else { return Ok(()) };
    let binding = &request.binding;
    let (mut checks, mut seen) = (Vec::new(), BTreeSet::new());
    for subject in binding.all_subjects().iter().filter(|subject| binding.has_account(subject)) {
        let Some(name) = subject.service_account() else { continue };
        let cluster = subject.cluster.as_ref().unwrap_or(&binding.cluster);
        let key = AccountKey::new(&observed.identity(cluster)?.cluster, &subject.namespace, name);
        let Some(account) = observed.accounts.get(&key).filter(|_| seen.insert(key.clone())) else { continue };
        let audience = observed.standing_audience(request, &key.cluster)?;
        let settings = (request.force, audience.as_deref());
        let wanted = account::wanted(binding, &role, (&key.namespace, &key.name), account.account.as_ref(), settings)?;
        let Some(wanted) = wanted else { continue };
        let answer = dry_runs.remove(&key).filter(|dry_run| dry_run.sent == wanted).map(|dry_run| dry_run.answer);
        checks.push((account.clone(), wanted, answer));
    }
    let each =
        checks.iter().map(|(account, wanted, answer)| check_write(backends, request, account, wanted, answer.as_ref()));
    let warnings = futures::future::try_join_all(each).await?;
    observed.warnings.extend(warnings.into_iter().flatten());
    Ok(())
}

/// Makes sure that the accounts of subjects that leave may be changed: they go when nobody is let in any more.
async fn check_releases(backends: &Backends, request: &Request, observed: &mut Observed) -> Result<()> {
    let leaving: BTreeSet<AccountKey> = match &request.verb {
        Verb::Delete { .. } => observed.accounts.keys().cloned().collect(),
        Verb::Update { remove_subjects, .. } => {
            let members = remove_subjects.iter().map(|subject| observed.member(request, subject));
            let members = members.collect::<Result<Vec<_>>>()?;
            members.iter().filter_map(AccountKey::of_member).collect()
        }
        Verb::Create => BTreeSet::new(),
    };
    let Some(role) = target_arn(request, observed)? else { return Ok(()) };
    let mut reviews = Vec::new();
    for key in leaving {
        let Some(entry) = observed.accounts.get(&key) else { continue };
        let verb = match entry.account.as_ref().map(|account| account::release(account, &role)) {
            Some(Release::Delete) => "delete",
            Some(Release::Unannotate(_)) => "patch",
            Some(Release::Nothing) | None => continue,
        };
        let review = AccessReview { verb, resource: "serviceaccounts", namespace: Some(key.namespace.clone()) };
        reviews.push((key, entry.cluster.clone(), review));
    }
    let each = reviews
        .iter()
        .map(|(_, cluster, review)| async move { backends.cluster(cluster)?.allowed(review).await }.boxed());
    let answers = futures::future::try_join_all(each).await?;
    for ((key, _, review), _) in reviews.iter().zip(answers).filter(|(_, allowed)| !allowed) {
        let place = place(&key.namespace, &key.name);
        let why = format!("we may not {} {}", review.verb, review.resource);
        if !request.preview {
            return Err(Error::new(ErrorKind::AccessDenied, format!("service account {place} cannot be let go"))
                .with_cause(why)
                .with_hint(Hint::GrantPermissions));
        }
        let message = format!("service account {place} may not be let go with these credentials: {why}");
        observed.warnings.push(Warning::new(WarningId::WriteUnverified, message));
    }
    Ok(())
}

/// The ARN that accounts are annotated with.
pub(super) fn target_arn(request: &Request, observed: &Observed) -> Result<Option<RoleArn>> {
    let home = observed.home(request)?;
    let path = request.binding.role_path.clone().unwrap_or_default();
    Ok(match (&observed.role, &observed.role_name) {
        (Some(role), _) => Some(role.role.arn.clone()),
        (None, Some(_)) if request.existing_role.is_some() => request.existing_role.clone(),
        (None, Some(name)) => Some(RoleArn::new(home.partition.clone(), home.account.clone(), path, name.clone())),
        (None, None) => None,
    })
}

async fn check_write(
    backends: &Backends,
    request: &Request,
    account: &ObservedAccount,
    wanted: &NewServiceAccount,
    answer: Option<&Result<ServiceAccount>>,
) -> Result<Option<Warning>> {
    let backend = backends.cluster(&account.cluster)?;
    if account.account.is_none() && account.namespace_exists == Some(false) {
        if !request.create_namespace {
            return Err(missing_namespace(backend.as_ref(), &wanted.namespace).await);
        }
        return review(backend.as_ref(), request, wanted, true).await;
    }
    if backends.reading.is_some() {
        return rights(backend.as_ref(), request, wanted, false).await;
    }
    let answer = match answer {
        _ if !Guard::DryRun.stands() => return Ok(None),
        Some(answer) => answer.clone(),
        None => backend.apply_service_account(wanted, WriteMode::DryRun, request.force).await,
    };
    let answer = match answer {
        // The account came in between. The write will see what to do with it; here it is asked whether there can be one.
        Err(error) if error.kind() == ErrorKind::Conflict && wanted.expected == Expected::Absent => {
            let anyhow = NewServiceAccount { expected: Expected::Anything, ..wanted.clone() };
            backend.apply_service_account(&anyhow, WriteMode::DryRun, request.force).await
        }
        answer => answer,
    };
    let place = place(&wanted.namespace, &wanted.name);
    match answer {
        Ok(_) => Ok(None),
        Err(error) if error.code() == Some(DRY_RUN_UNSUPPORTED) => {
            review(backend.as_ref(), request, wanted, false).await
        }
        Err(error) if error.kind() == ErrorKind::AccessDenied && request.preview => {
            let why = error.causes().into_iter().next().unwrap_or_default();
            let message = format!("service account {place} may not be written with these credentials: {why}");
            Ok(Some(Warning::new(WarningId::WriteUnverified, message)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if request.create_namespace {
                return review(backend.as_ref(), request, wanted, true).await;
            }
            Err(missing_namespace(backend.as_ref(), &wanted.namespace).await)
        }
        Err(error) => Err(error.during(format!("service account {place} cannot be written"))),
    }
}

/// Where no dry run is possible, the server is asked for our rights, and a warning says that no more is known.
async fn review(
    backend: &dyn ClusterBackend,
    request: &Request,
    wanted: &NewServiceAccount,
    namespace_missing: bool,
) -> Result<Option<Warning>> {
    if let Some(denied) = rights(backend, request, wanted, namespace_missing).await? {
        return Ok(Some(denied));
    }
    let place = place(&wanted.namespace, &wanted.name);
    let why =
        if namespace_missing { "its namespace is still to be made" } else { "a webhook does not support dry runs" };
    let message = format!("the write of service account {place} was checked by an access review only: {why}");
    Ok(Some(Warning::new(WarningId::WriteUnverified, message)))
}

/// Asks the server for our rights; for a preview it is a warning that they are missing.
async fn rights(
    backend: &dyn ClusterBackend,
    request: &Request,
    wanted: &NewServiceAccount,
    namespace_missing: bool,
) -> Result<Option<Warning>> {
    let review = |verb, resource, namespace| AccessReview { verb, resource, namespace };
    let mut reviews = vec![
        review("create", "serviceaccounts", Some(wanted.namespace.clone())),
        review("patch", "serviceaccounts", Some(wanted.namespace.clone())),
    ];
    if namespace_missing {
        reviews.push(review("create", "namespaces", None));
    }
    let answers = futures::future::try_join_all(reviews.iter().map(|review| backend.allowed(review))).await?;
    let place = place(&wanted.namespace, &wanted.name);
    if let Some((denied, _)) = reviews.iter().zip(answers).find(|(_, allowed)| !allowed) {
        let why = format!("we may not {} {}", denied.verb, denied.resource);
        if request.preview {
            let message = format!("service account {place} may not be written with these credentials: {why}");
            return Ok(Some(Warning::new(WarningId::WriteUnverified, message)));
        }
        return Err(Error::new(ErrorKind::AccessDenied, format!("service account {place} cannot be written"))
            .with_cause(why)
            .with_hint(Hint::GrantPermissions));
    }
    Ok(None)
}

/// Dry runs of the accounts that a plan writes, where it was made from reviews alone: what a fleet does first for each
/// binding.
pub(crate) async fn rehearse(backends: &Backends, request: &Request, plan: &Plan) -> Result<Vec<Warning>> {
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
            Some((ObservedAccount { cluster: cluster.clone(), account: there, namespace_exists: Some(true) }, account))
        }
        _ => None,
    });
    let written: Vec<_> = written.collect();
    let each = written.iter().map(|(there, account)| check_write(backends, request, there, account, None));
    let warnings = futures::future::try_join_all(each).await?;
    Ok(warnings.into_iter().flatten().collect())
}

async fn missing_namespace(backend: &dyn ClusterBackend, namespace: &Namespace) -> Error {
    let known = backend.namespaces().await.unwrap_or_default();
    let near = nearest(namespace.as_str(), known.iter().map(String::as_str));
    let hint = Hint::CreateNamespace { near: did_you_mean(&near) };
    Error::new(ErrorKind::NotFound, format!("namespace {namespace} does not exist"))
        .with_code("NotFound")
        .with_context("namespace", namespace.as_str())
        .with_hint(hint)
}
