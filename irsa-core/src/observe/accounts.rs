//! Service accounts: what is there, whether it is the right cluster, whether we may write what we want.

use std::collections::{BTreeMap, BTreeSet};

use super::{Backends, Identities, Observed, place};
use crate::account;
use crate::backend::{
    AccessReview, Anchor, ClusterBackend, DRY_RUN_UNSUPPORTED, NewServiceAccount, ServiceAccount, WriteMode,
};
use crate::error::{Error, ErrorKind, Result, did_you_mean, nearest};
use crate::identity::{ClusterId, Identity};
use crate::name::{ClusterRef, Namespace, RoleArn, ServiceAccountName, Subject};
use crate::ownership::default_role_name;
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};

/// Which account, on which cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AccountKey {
    pub(crate) cluster: ClusterId,
    pub(crate) namespace: Namespace,
    pub(crate) name: ServiceAccountName,
}

impl AccountKey {
    pub(crate) fn new(cluster: &ClusterId, namespace: &Namespace, name: &ServiceAccountName) -> Self {
        Self { cluster: cluster.clone(), namespace: namespace.clone(), name: name.clone() }
    }
}

/// An account as it stands.
#[derive(Clone, Debug)]
pub(crate) struct ObservedAccount {
    /// How its cluster is named in the request.
    pub(crate) cluster: ClusterRef,
    pub(crate) account: Option<ServiceAccount>,
    /// Whether the namespace exists; nothing where that may not be read.
    pub(crate) namespace_exists: Option<bool>,
}

/// What the reads of accounts gave.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) accounts: BTreeMap<AccountKey, ObservedAccount>,
    pub(super) dry_runs: BTreeMap<AccountKey, DryRun>,
    pub(super) warnings: Vec<Warning>,
}

/// A dry run that was sent before the account was read, since it is reached through EKS and waiting would cost a trip.
#[derive(Debug)]
pub(super) struct DryRun {
    sent: NewServiceAccount,
    answer: Result<ServiceAccount>,
}

/// The accounts that a request reads: those that it binds, and those that it lets go.
fn subjects_of(request: &Request) -> Vec<Subject> {
    let binding = &request.binding;
    let bound = binding.all_subjects().into_iter().filter(|subject| binding.has_account(subject));
    let mut subjects: Vec<Subject> = match &request.verb {
        Verb::Delete { .. } => bound.take(1).collect(),
        Verb::Create | Verb::Update { .. } => bound.collect(),
    };
    if let Verb::Update { remove_subjects, .. } = &request.verb
        && !binding.role_only
    {
        subjects.extend(remove_subjects.iter().filter(|subject| subject.service_account().is_some()).cloned());
    }
    subjects
}

/// Reads all accounts and makes sure of the clusters, at the same time.
pub(super) async fn read_accounts(
    backends: &Backends,
    request: &Request,
    identities: Identities<'_>,
) -> Result<Accounts> {
    let subjects = subjects_of(request);
    let binding = &request.binding;
    let clusters: BTreeSet<&ClusterRef> =
        subjects.iter().map(|subject| subject.cluster.as_ref().unwrap_or(&binding.cluster)).collect();
    let checks = clusters.into_iter().map(async |cluster| {
        let backend = backends.cluster(cluster);
        let (anchor, identities) = futures::join!(
            async {
                Ok::<_, Error>(match &backend {
                    Ok(b) if !b.through_eks() => Some(b.anchor().await?),
                    _ => None,
                })
            },
            identities.clone()
        );
        let identities = identities?;
        match identities.get(cluster) {
            // A cluster that is gone has no API server to ask.
            Some(identity) if identity.issuer.is_none() => Ok(None),
            Some(identity) => match (backend, anchor?) {
                (Ok(_), Some(anchor)) => check_cluster(cluster, identity, &anchor),
                (Ok(_), None) => Ok(None),
                (Err(error), _) => Err(error),
            },
            None => Ok(None),
        }
    });
    let reads = subjects.iter().map(|subject| read_account(backends, request, subject, identities.clone()));
    let (warnings, reads) = futures::join!(futures::future::try_join_all(checks), futures::future::join_all(reads));
    let mut accounts = Accounts { warnings: warnings?.into_iter().flatten().collect(), ..Accounts::default() };
    for read in reads {
        let Some((key, account, dry_run)) = read? else { continue };
        if let Some(dry_run) = dry_run {
            accounts.dry_runs.insert(key.clone(), dry_run);
        }
        accounts.accounts.insert(key, account);
    }
    Ok(accounts)
}

type Read = Option<(AccountKey, ObservedAccount, Option<DryRun>)>;

async fn read_account(
    backends: &Backends,
    request: &Request,
    subject: &Subject,
    identities: Identities<'_>,
) -> Result<Read> {
    let cluster = subject.cluster.as_ref().unwrap_or(&request.binding.cluster);
    let Some(name) = subject.service_account() else { return Ok(None) };
    let namespace = &subject.namespace;
    let backend = backends.cluster(cluster);
    let early = async {
        match &backend {
            Ok(backend) => {
                let (account, exists) = futures::join!(
                    backend.service_account(namespace, name),
                    namespace_exists(backend.as_ref(), request, namespace)
                );
                Some((account, exists))
            }
            Err(_) => None,
        }
    };
    let speculative = async {
        let identities = identities.clone().await?;
        let Ok(backend) = &backend else { return Ok(None) };
        let writes = request.verb == Verb::Create && backend.through_eks();
        let (Some(home), true) = (identities.get(&request.binding.cluster), writes) else { return Ok(None) };
        let Some(role) = future_role_arn(request, home) else { return Ok(None) };
        let sent = account::wanted(&request.binding, &role, (namespace, name), None, request.force)?;
        let Some(sent) = sent else { return Ok(None) };
        let answer = backend.apply_service_account(&sent, WriteMode::DryRun, request.force).await;
        Ok::<_, Error>(Some(DryRun { sent, answer }))
    };
    let (early, dry_run) = futures::join!(early, speculative);
    let dry_run = dry_run?;
    let identities = identities.await?;
    let Some(identity) = identities.get(cluster) else { return Ok(None) };
    let key = AccountKey::new(&identity.cluster, namespace, name);
    let (account, namespace_exists) = match (early, backend) {
        // Of a cluster that is gone nothing is left to read.
        _ if identity.issuer.is_none() => return Ok(None),
        (Some((account, exists)), _) => (account?, exists?),
        (None, Err(error)) => return Err(error),
        (None, Ok(_)) => return Ok(None),
    };
    let account = ObservedAccount { cluster: cluster.clone(), account, namespace_exists };
    Ok(Some((key, account, dry_run)))
}

/// Whether the namespace exists; nothing where we may not know. A delete does not care.
async fn namespace_exists(
    backend: &dyn ClusterBackend,
    request: &Request,
    namespace: &Namespace,
) -> Result<Option<bool>> {
    if matches!(request.verb, Verb::Delete { .. }) {
        return Ok(None);
    }
    match backend.namespace_exists(namespace).await {
        Ok(exists) => Ok(Some(exists)),
        Err(error) if error.kind() == ErrorKind::AccessDenied => Ok(None),
        Err(error) => Err(error),
    }
}

/// The ARN that the role of a create has, if it is not there already in another path.
fn future_role_arn(request: &Request, home: &Identity) -> Option<RoleArn> {
    let binding = &request.binding;
    let name = binding
        .role_name
        .clone()
        .or_else(|| default_role_name(binding.cluster.name(), home, &binding.namespace, &binding.service_account))?;
    let path = binding.role_path.clone().unwrap_or_default();
    Some(RoleArn::new(home.partition.clone(), home.account.clone(), path, name))
}

/// Whether an API server is that of a cluster: the first fact that can be read on both sides decides.
///
/// # Errors
/// `WrongCluster` when it is another one, or when nothing can be compared and the user did not choose it by name.
pub(crate) fn check_cluster(cluster: &ClusterRef, identity: &Identity, anchor: &Anchor) -> Result<Option<Warning>> {
    let url = |text: &str| text.trim_end_matches('/').to_owned();
    let wanted = identity.issuer.as_ref().map(|issuer| url(&issuer.url()));
    for (what, found) in [("issues tokens of", &anchor.issuer), ("gave us a token of", &anchor.token_issuer)] {
        if let (Some(wanted), Some(found)) = (&wanted, found) {
            return if *wanted == url(found) { Ok(None) } else { Err(wrong(cluster, anchor, what, found, wanted)) };
        }
    }
    let of_both = |own: &Option<String>, eks: &Option<String>, same: &dyn Fn(&str) -> bool| match (own, eks) {
        (Some(_), Some(eks)) => Some(same(eks)),
        _ => None,
    };
    let endpoint = of_both(&anchor.endpoint, &identity.endpoint, &|eks| anchor.is_at(eks));
    let authority =
        of_both(&anchor.certificate_authority, &identity.certificate_authority, &|eks| anchor.is_trusted_by(eks));
    match (endpoint, authority) {
        (Some(true), _) | (_, Some(true)) => Ok(None),
        (Some(false), Some(false)) => {
            let (found, wanted) = (anchor.endpoint.as_deref(), identity.endpoint.as_deref());
            Err(wrong(cluster, anchor, "is at", found.unwrap_or_default(), wanted.unwrap_or_default()))
        }
        _ if anchor.chosen => {
            let message = format!(
                "that the API server is that of cluster {cluster} could not be checked: its issuer may not be read"
            );
            Ok(Some(Warning::new(WarningId::ClusterUnverified, message)))
        }
        _ => Err(Error::new(
            ErrorKind::WrongCluster,
            format!("cannot tell whether the API server is that of cluster {cluster}"),
        )
        .with_cause("its issuer may not be read, and EKS gives another endpoint")
        .with_hint(
            "name the context with --context, or grant the ClusterRole system:service-account-issuer-discovery",
        )),
    }
}

fn wrong(cluster: &ClusterRef, anchor: &Anchor, what: &str, found: &str, wanted: &str) -> Error {
    let server = anchor.endpoint.as_deref().unwrap_or("the API server");
    Error::new(ErrorKind::WrongCluster, format!("the API server is not that of cluster {cluster}"))
        .with_cause(format!("{server} {what} {found}, cluster {cluster} has {wanted}"))
        .with_context("found", found.to_owned())
        .with_context("wanted", wanted.to_owned())
        .with_hint("choose the context of that cluster with --context, or the cluster of that context with --cluster")
}

/// Makes sure that every account that needs a write may be written, by a dry run of exactly what will be written.
pub(super) async fn check_writes(
    backends: &Backends,
    request: &Request,
    observed: &mut Observed,
    mut dry_runs: BTreeMap<AccountKey, DryRun>,
) -> Result<()> {
    if matches!(request.verb, Verb::Delete { .. }) {
        return Ok(());
    }
    let Some(role) = target_arn(request, observed)? else { return Ok(()) };
    let binding = &request.binding;
    let mut checks = Vec::new();
    for subject in binding.all_subjects().iter().filter(|subject| binding.has_account(subject)) {
        let Some(name) = subject.service_account() else { continue };
        let cluster = subject.cluster.as_ref().unwrap_or(&binding.cluster);
        let key = AccountKey::new(&observed.identity(cluster)?.cluster, &subject.namespace, name);
        let Some(account) = observed.accounts.get(&key) else { continue };
        let wanted =
            account::wanted(binding, &role, (&key.namespace, &key.name), account.account.as_ref(), request.force)?;
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

/// The ARN that accounts are annotated with.
fn target_arn(request: &Request, observed: &Observed) -> Result<Option<RoleArn>> {
    let home = observed.home(request)?;
    let path = request.binding.role_path.clone().unwrap_or_default();
    Ok(match (&observed.role, &observed.role_name) {
        (Some(role), _) => Some(role.role.arn.clone()),
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
    let answer = match answer {
        Some(answer) => answer.clone(),
        None => backend.apply_service_account(wanted, WriteMode::DryRun, request.force).await,
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
            .with_hint("`irsa permissions` prints the rights that are needed"));
    }
    let why =
        if namespace_missing { "its namespace is still to be made" } else { "a webhook does not support dry runs" };
    let message = format!("the write of service account {place} was checked by an access review only: {why}");
    Ok(Some(Warning::new(WarningId::WriteUnverified, message)))
}

async fn missing_namespace(backend: &dyn ClusterBackend, namespace: &Namespace) -> Error {
    let known = backend.namespaces().await.unwrap_or_default();
    let near = nearest(namespace.as_str(), known.iter().map(String::as_str));
    let make = "make it first, or with --create-namespace";
    let hint = did_you_mean(&near).map_or_else(|| make.to_owned(), |near| format!("{near} Otherwise {make}"));
    Error::new(ErrorKind::NotFound, format!("namespace {namespace} does not exist"))
        .with_code("NotFound")
        .with_context("namespace", namespace.as_str())
        .with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate authority as EKS gives it.
    fn pem(certificate: &str) -> String {
        let pem = format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem)
    }

    fn identity() -> Identity {
        let cluster: ClusterRef = "arn:aws:eks:us-east-1:123456789012:cluster/demo".parse().unwrap();
        let issuer = "https://issuer.example/id/A".parse().unwrap();
        let mut identity =
            Identity::given(&cluster, issuer, "123456789012".parse().unwrap(), "aws".parse().unwrap(), None);
        identity.endpoint = Some("https://demo.example".to_owned());
        identity.certificate_authority = Some(pem("Q0E="));
        identity
    }

    fn check(anchor: Anchor) -> Result<Option<Warning>> {
        check_cluster(&"demo".parse().unwrap(), &identity(), &anchor)
    }

    #[test]
    fn the_first_fact_that_can_be_read_decides() {
        let text = |text: &str| Some(text.to_owned());
        let other = text("https://other.example");
        let right = |anchor| assert_eq!(check(anchor).ok(), Some(None));
        right(Anchor { issuer: text("https://issuer.example/id/A"), endpoint: other.clone(), ..Anchor::default() });
        right(Anchor {
            token_issuer: text("https://issuer.example/id/A/"),
            endpoint: other.clone(),
            ..Anchor::default()
        });
        right(Anchor { endpoint: text("https://demo.example/"), ..Anchor::default() });
        right(Anchor { endpoint: other.clone(), certificate_authority: Some(pem("Q0E=")), ..Anchor::default() });
        for wrong in [
            Anchor { issuer: other.clone(), endpoint: text("https://demo.example"), ..Anchor::default() },
            Anchor { token_issuer: other.clone(), chosen: true, ..Anchor::default() },
            Anchor {
                endpoint: other.clone(),
                certificate_authority: Some(pem("WA==")),
                chosen: true,
                ..Anchor::default()
            },
            Anchor { endpoint: other, ..Anchor::default() },
            Anchor::default(),
        ] {
            assert_eq!(check(wrong.clone()).unwrap_err().kind(), ErrorKind::WrongCluster, "{wrong:?}");
        }
    }

    #[test]
    fn a_chosen_context_that_tells_nothing_is_a_warning() {
        let warning = check(Anchor { chosen: true, ..Anchor::default() }).unwrap().unwrap();
        assert_eq!(warning.id, WarningId::ClusterUnverified);
    }
}
