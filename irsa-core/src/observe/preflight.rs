//! Whether we may write the accounts that must be written, found out before the first write.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use super::service_accounts::{AccountKey, DryRunAnswer, NamespaceStatus, ObservedAccount, target_arn};
use super::{Backends, Observed};
use crate::backend::{
    AccessReview, ClusterBackend, DRY_RUN_UNSUPPORTED, Difference, DryRun, NewServiceAccount, Precondition,
    ServiceAccount, changed_by_admission,
};
use crate::error::{ConflictReason, Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::name::{Namespace, ServiceAccountRef};
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};
use crate::service_account::{self, Release};
use crate::text::{did_you_mean, nearest};

/// Makes sure that every account that needs a write may be written, by a dry run of exactly what will be written.
pub(super) async fn check_writes(
    backends: &Backends,
    request: &Request,
    observed: &mut Observed,
    mut dry_runs: BTreeMap<AccountKey, DryRunAnswer>,
) -> Result<()> {
    check_releases(backends, request, observed).await?;
    if matches!(request.verb, Verb::Delete { .. }) {
        return Ok(());
    }
    let Some(role) = target_arn(request, observed)? else { return Ok(()) };
    let binding = &request.binding;
    let (mut checks, mut seen, mut ending) = (Vec::new(), BTreeSet::new(), Vec::new());
    for subject in binding.all_subjects().iter().filter(|subject| binding.has_account(subject)) {
        let Some(name) = subject.service_account() else { continue };
        let cluster = subject.cluster.as_ref().unwrap_or(&binding.cluster);
        let key = AccountKey::new(&observed.identity(cluster)?.cluster, &subject.namespace, name);
        let Some(account) = observed.accounts.get(&key).filter(|_| seen.insert(key.clone())) else { continue };
        ending.extend(ending_namespace(account, &key));
        let audience = observed.standing_audience(request, &key.cluster)?;
        let settings = (request.force, audience.as_deref());
        let wanted =
            service_account::wanted(binding, &role, (&key.namespace, &key.name), account.account.as_ref(), settings)?;
        let Some(wanted) = wanted else { continue };
        let answer = dry_runs.remove(&key).filter(|dry_run| dry_run.sent == wanted).map(|dry_run| dry_run.answer);
        checks.push((key, account.clone(), wanted, answer));
    }
    observed.warnings.append(&mut ending);
    let each = checks
        .iter()
        .map(|(_, account, wanted, answer)| check_write(backends, request, account, wanted, answer.as_ref()));
    let checked = futures::future::try_join_all(each).await?;
    for ((key, ..), checked) in checks.iter().zip(checked) {
        observed.warnings.extend(checked.warning);
        if let Some(account) = observed.accounts.get_mut(key).filter(|_| checked.namespace_missing) {
            account.namespace = Some(NamespaceStatus::Missing);
        }
    }
    Ok(())
}

/// The warning of an account whose namespace is being deleted, and it with it.
fn ending_namespace(account: &ObservedAccount, key: &AccountKey) -> Option<Warning> {
    let ending = account.namespace == Some(NamespaceStatus::Terminating) && account.account.is_some();
    let service_account = ServiceAccountRef::new(&key.namespace, &key.name);
    let message =
        format!("namespace {} is being deleted, and service account {service_account} with it", key.namespace);
    ending.then(|| Warning::new(WarningId::NamespaceTerminating, message))
}

/// What a check of a write found out.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) warning: Option<Warning>,
    /// The namespace may not be read, and the dry run told that it does not exist.
    namespace_missing: bool,
}

impl From<Option<Warning>> for Checked {
    fn from(warning: Option<Warning>) -> Self {
        Self { warning, namespace_missing: false }
    }
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
    let role = target_arn(request, observed)?;
    let mut reviews = Vec::new();
    for key in leaving {
        let Some(entry) = observed.accounts.get(&key) else { continue };
        let verb = match entry.account.as_ref().map(|account| service_account::release(account, role.as_ref())) {
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
        let service_account = ServiceAccountRef::new(&key.namespace, &key.name);
        let why = format!("we may not {} {}", review.verb, review.resource);
        if request.dry_run == DryRun::No {
            return Err(Error::new(
                ErrorKind::AccessDenied,
                format!("service account {service_account} cannot be let go"),
            )
            .with_cause(why)
            .with_hint(Hint::GrantPermissions));
        }
        let message = format!("service account {service_account} may not be let go with these credentials: {why}");
        observed.warnings.push(Warning::new(WarningId::WriteUnverified, message));
    }
    Ok(())
}

/// Makes sure that one account may be written; `answer` is that of a dry run that was made already.
pub(crate) async fn check_write(
    backends: &Backends,
    request: &Request,
    account: &ObservedAccount,
    wanted: &NewServiceAccount,
    answer: Option<&Result<ServiceAccount>>,
) -> Result<Checked> {
    let backend = backends.cluster(&account.cluster)?;
    match account.namespace {
        Some(NamespaceStatus::Missing) if account.account.is_none() => {
            return check_missing_namespace(backend.as_ref(), request, wanted).await;
        }
        Some(NamespaceStatus::Terminating) if account.account.is_none() => {
            return Err(namespace_terminating(&wanted.namespace));
        }
        _ => {}
    }
    if backends.reading.is_some() {
        return rights(backend.as_ref(), request, wanted, false).await.map(Checked::from);
    }
    let answer = match answer {
        _ if !Invariant::DryRun.is_enforced() => return Ok(Checked::default()),
        Some(answer) => answer.clone(),
        None => backend.apply_service_account(wanted, DryRun::Yes, request.force.into()).await,
    };
    let answer = match answer {
        // The account came in between. The write will see what to do with it; here it is asked whether there can be one.
        Err(error)
            if error.conflict_reason() == Some(ConflictReason::Stale)
                && wanted.precondition == Precondition::Absent =>
        {
            let anyhow = NewServiceAccount { precondition: Precondition::Anything, ..wanted.clone() };
            backend.apply_service_account(&anyhow, DryRun::Yes, request.force.into()).await
        }
        answer => answer,
    };
    let service_account = ServiceAccountRef::new(&wanted.namespace, &wanted.name);
    match answer {
        Ok(would_be) => {
            let differences = Difference::of_account(wanted, &would_be);
            let operation = format!("service account {service_account} cannot be written as it is asked for");
            changed_by_admission(operation, "would store", &differences).map_or_else(|| Ok(Checked::default()), Err)
        }
        Err(error) if error.code() == Some(DRY_RUN_UNSUPPORTED) => {
            review(backend.as_ref(), request, wanted, false).await.map(Checked::from)
        }
        // Who plans seldom may write. What a policy denies, whoever asks, is refused in a preview too.
        Err(error) if is_of_rights(&error) && request.dry_run == DryRun::Yes => {
            let why = error.causes().into_iter().next().unwrap_or_default();
            let message = format!("service account {service_account} may not be written with these credentials: {why}");
            Ok(Some(Warning::new(WarningId::WriteUnverified, message)).into())
        }
        Err(error) if error.conflict_reason() == Some(ConflictReason::NamespaceTerminating) => {
            Err(namespace_terminating(&wanted.namespace))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            check_missing_namespace(backend.as_ref(), request, wanted).await
        }
        Err(error) => Err(error.during(format!("service account {service_account} cannot be written"))),
    }
}

/// Whether these credentials lack a right (RBAC). What stands before the API server, such as a proxy, has no such code.
fn is_of_rights(error: &Error) -> bool {
    error.kind() == ErrorKind::AccessDenied && error.code() == Some("Forbidden")
}

/// Where the namespace does not exist, it is created if that is asked for: then the rights are all that can be checked.
async fn check_missing_namespace(
    backend: &dyn ClusterBackend,
    request: &Request,
    wanted: &NewServiceAccount,
) -> Result<Checked> {
    if !request.create_namespace {
        return Err(missing_namespace(backend, &wanted.namespace).await);
    }
    let warning = review(backend, request, wanted, true).await?;
    Ok(Checked { warning, namespace_missing: true })
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
    let service_account = ServiceAccountRef::new(&wanted.namespace, &wanted.name);
    let why =
        if namespace_missing { "its namespace is still to be made" } else { "a webhook does not support dry runs" };
    let message = format!("the write of service account {service_account} was checked by an access review only: {why}");
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
    let service_account = ServiceAccountRef::new(&wanted.namespace, &wanted.name);
    if let Some((denied, _)) = reviews.iter().zip(answers).find(|(_, allowed)| !allowed) {
        let why = format!("we may not {} {}", denied.verb, denied.resource);
        if request.dry_run == DryRun::Yes {
            let message = format!("service account {service_account} may not be written with these credentials: {why}");
            return Ok(Some(Warning::new(WarningId::WriteUnverified, message)));
        }
        return Err(Error::new(
            ErrorKind::AccessDenied,
            format!("service account {service_account} cannot be written"),
        )
        .with_cause(why)
        .with_hint(Hint::GrantPermissions));
    }
    Ok(None)
}

/// The refusal to create anything in a namespace that is being deleted.
pub(crate) fn namespace_terminating(namespace: &Namespace) -> Error {
    Error::new(ErrorKind::Conflict, format!("namespace {namespace} is being deleted"))
        .with_conflict_reason(ConflictReason::NamespaceTerminating)
        .with_context("namespace", namespace.as_str())
        .with_cause("nothing can be created in it; it is gone once its content and its finalizers are")
        .with_hint(format!(
            "wait until it is gone, then create it again: `kubectl wait --for=delete namespace/{namespace}`"
        ))
}

async fn missing_namespace(backend: &dyn ClusterBackend, namespace: &Namespace) -> Error {
    let known = backend.namespaces().await.unwrap_or_default();
    let near =
        nearest(namespace.as_str(), known.iter().filter(|known| !known.terminating).map(|known| known.name.as_str()));
    let hint = Hint::CreateNamespace { near: did_you_mean(&near) };
    Error::new(ErrorKind::NotFound, format!("namespace {namespace} does not exist"))
        .with_code("NotFound")
        .with_context("namespace", namespace.as_str())
        .with_hint(hint)
}
