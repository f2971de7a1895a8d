//! Service accounts: what is there on each cluster, read while the rest is read.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use super::{Backends, Identities, Observed, check_cluster};
use crate::backend::{ClusterBackend, DryRun, NewServiceAccount, ServiceAccount};
use crate::cluster_identity::{ClusterId, ClusterIdentity};
use crate::error::{Error, Result};
use crate::name::{ClusterRef, Namespace, RoleArn, ServiceAccountName, Subject, SubjectName};
use crate::ownership::Member;
use crate::report::Warning;
use crate::request::{Request, Verb};
use crate::service_account;
use crate::tolerance::OptionalRead;

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

impl AccountKey {
    /// The account of a subject that is one and not a pattern.
    pub(crate) fn of_member(member: &Member) -> Option<Self> {
        match &member.name {
            SubjectName::Exact(name) => Some(Self::new(&member.cluster, &member.namespace, name)),
            SubjectName::Pattern(_) => None,
        }
    }

    /// The subject that the account is.
    pub(crate) fn member(&self) -> Member {
        let (cluster, namespace) = (self.cluster.clone(), self.namespace.clone());
        Member { cluster, namespace, name: SubjectName::Exact(self.name.clone()) }
    }
}

/// An account as it stands.
#[derive(Clone, Debug)]
pub(crate) struct ObservedAccount {
    /// How its cluster is named in the request.
    pub(crate) cluster: ClusterRef,
    pub(crate) account: Option<ServiceAccount>,
    /// Nothing where it may not be read, or does not matter.
    pub(crate) namespace: Option<NamespaceStatus>,
}

/// Whether accounts can be created in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamespaceStatus {
    Active,
    Terminating,
    Missing,
}

/// What the reads of accounts gave.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) accounts: BTreeMap<AccountKey, ObservedAccount>,
    pub(super) dry_runs: BTreeMap<AccountKey, DryRunAnswer>,
    pub(super) warnings: Vec<Warning>,
}

/// A dry run that was sent before the account was read, since it is reached through EKS and waiting would cost a trip.
#[derive(Debug)]
pub(super) struct DryRunAnswer {
    pub(super) sent: NewServiceAccount,
    pub(super) answer: Result<ServiceAccount>,
}

/// The accounts that a request reads: those that it binds, and those that it lets go.
fn subjects_of(backends: &Backends, request: &Request) -> Vec<Subject> {
    let binding = &request.binding;
    // A subject that leaves may be one of a cluster whose API server nobody can name.
    let reachable = |subject: &Subject| backends.cluster(subject.cluster.as_ref().unwrap_or(&binding.cluster)).is_ok();
    let first = binding.first_subject();
    let is_read = |subject: &Subject| match &request.verb {
        Verb::Delete { .. } => *subject == first || reachable(subject),
        Verb::Create | Verb::Update { .. } => true,
    };
    let bound = binding.all_subjects().into_iter().filter(|subject| binding.has_account(subject));
    let mut subjects: Vec<Subject> = bound.filter(is_read).collect();
    if let Verb::Update { remove_subjects, .. } = &request.verb
        && !binding.role_only
    {
        let leaving = remove_subjects.iter().filter(|subject| subject.service_account().is_some());
        subjects.extend(leaving.filter(|subject| reachable(subject)).cloned());
    }
    subjects
}

/// Reads all accounts and makes sure of the clusters, at the same time.
pub(super) async fn read_accounts(
    backends: &Backends,
    request: &Request,
    identities: Identities<'_>,
) -> Result<Accounts> {
    let subjects = subjects_of(backends, request);
    let binding = &request.binding;
    let clusters: BTreeSet<&ClusterRef> =
        subjects.iter().map(|subject| subject.cluster.as_ref().unwrap_or(&binding.cluster)).collect();
    let of_clusters: Vec<Warning> = clusters.iter().filter_map(|one| backends.warnings.get(*one).cloned()).collect();
    let checks = clusters.into_iter().map(|cluster| make_sure(backends, cluster, identities.clone()).boxed());
    let reads = subjects.iter().map(|subject| read_account(backends, request, subject, identities.clone()).boxed());
    let (warnings, reads) = futures::join!(futures::future::try_join_all(checks), futures::future::join_all(reads));
    let warnings = of_clusters.into_iter().chain(warnings?.into_iter().flatten()).collect();
    let mut accounts = Accounts { warnings, ..Accounts::default() };
    for read in reads {
        let Some((key, account, dry_run)) = read? else { continue };
        if let Some(dry_run) = dry_run {
            accounts.dry_runs.insert(key.clone(), dry_run);
        }
        accounts.accounts.insert(key, account);
    }
    Ok(accounts)
}

/// Makes sure that an API server is the cluster's, where it is not reached through EKS.
async fn make_sure(backends: &Backends, cluster: &ClusterRef, identities: Identities<'_>) -> Result<Option<Warning>> {
    let backend = backends.cluster(cluster);
    let fingerprint = async {
        Ok::<_, Error>(match &backend {
            Ok(b) if !b.through_eks() => Some(b.fingerprint().await?),
            _ => None,
        })
    };
    let (fingerprint, identities) = futures::join!(fingerprint, identities);
    let identities = identities?;
    match identities.get(cluster) {
        // A cluster that is gone has no API server to ask.
        Some(identity) if identity.issuer.is_none() => Ok(None),
        Some(identity) => match (backend, fingerprint?) {
            (Ok(_), Some(fingerprint)) => check_cluster(cluster, identity, &fingerprint),
            (Ok(_), None) => Ok(None),
            (Err(error), _) => Err(error),
        },
        None => Ok(None),
    }
}

type Read = Option<(AccountKey, ObservedAccount, Option<DryRunAnswer>)>;

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
                let (account, status) = futures::join!(
                    backend.service_account(namespace, name),
                    namespace_status(backend.as_ref(), request, namespace)
                );
                Some((account, status))
            }
            Err(_) => None,
        }
    };
    let speculative = async {
        let identities = identities.clone().await?;
        let Ok(backend) = &backend else { return Ok(None) };
        let writes = request.verb == Verb::Create && backend.through_eks() && backends.reading.is_none();
        let (Some(home), true) = (identities.get(&request.binding.cluster), writes) else { return Ok(None) };
        let Some(role) = future_role_arn(request, home) else { return Ok(None) };
        let sent = service_account::wanted(&request.binding, &role, (namespace, name), None, (request.force, None))?;
        let Some(sent) = sent else { return Ok(None) };
        let answer = backend.apply_service_account(&sent, DryRun::Yes, request.force.into()).await;
        Ok::<_, Error>(Some(DryRunAnswer { sent, answer }))
    };
    let (early, dry_run) = futures::join!(early, speculative);
    let dry_run = dry_run?;
    let identities = identities.await?;
    let Some(identity) = identities.get(cluster) else { return Ok(None) };
    let key = AccountKey::new(&identity.cluster, namespace, name);
    let (account, status) = match (early, backend) {
        // Of a cluster that is gone nothing is left to read.
        _ if identity.issuer.is_none() => return Ok(None),
        (Some((account, status)), _) => (account?, status?),
        (None, Err(error)) => return Err(error),
        (None, Ok(_)) => return Ok(None),
    };
    let account = ObservedAccount { cluster: cluster.clone(), account, namespace: status };
    Ok(Some((key, account, dry_run)))
}

/// Whether accounts can be created in the namespace; nothing where it may not be read. For a delete it does not matter.
async fn namespace_status(
    backend: &dyn ClusterBackend,
    request: &Request,
    namespace: &Namespace,
) -> Result<Option<NamespaceStatus>> {
    if matches!(request.verb, Verb::Delete { .. }) {
        return Ok(None);
    }
    let found = OptionalRead::Namespace.tolerate(backend.namespace(namespace).await)?;
    Ok(found.map(|found| match found {
        None => NamespaceStatus::Missing,
        Some(found) if found.terminating => NamespaceStatus::Terminating,
        Some(_) => NamespaceStatus::Active,
    }))
}

/// The ARN that the role of a create has, if it is not there already in another path.
fn future_role_arn(request: &Request, home: &ClusterIdentity) -> Option<RoleArn> {
    let binding = &request.binding;
    if let Some(arn) = &request.existing_role {
        return Some(arn.clone());
    }
    let name = binding.role_name.clone().or_else(|| binding.naming().default(home))?;
    let path = binding.role_path.clone().unwrap_or_default();
    Some(RoleArn::new(home.partition.clone(), home.account.clone(), path, name))
}

/// Reads the accounts that an exact binding lets go: those of subjects that only the role tells of, and those that still
/// have its annotation although nothing tells of them any more, as after a run that broke off.
pub(super) async fn read_undeclared(backends: &Backends, request: &Request, observed: &mut Observed) -> Result<()> {
    let binding = &request.binding;
    if !binding.exact || binding.role_only || matches!(request.verb, Verb::Delete { .. }) {
        return Ok(());
    }
    let Some(arn) = target_arn(request, observed)? else { return Ok(()) };
    let mut reads = Vec::new();
    let providers = observed.cluster_providers(request)?;
    let declared = binding.all_subjects();
    let declared = declared.iter().map(|subject| observed.member(request, subject)).collect::<Result<BTreeSet<_>>>()?;
    let present = observed.role.iter().flat_map(|role| role.present(&providers));
    for member in present.filter(|member| !declared.contains(member)) {
        let Some(key) = AccountKey::of_member(&member) else { continue };
        let cluster = observed.identities.iter().find(|(_, identity)| identity.cluster == member.cluster);
        if let Some((cluster, _)) = cluster.filter(|_| !observed.accounts.contains_key(&key)) {
            reads.push((key, cluster.clone()));
        }
    }
    let each = reads.into_iter().map(|(key, cluster)| {
        async move {
            let account = backends.cluster(&cluster)?.service_account(&key.namespace, &key.name).await?;
            Ok((key, ObservedAccount { cluster, account, namespace: None }))
        }
        .boxed()
    });
    let usable = observed.identities.iter().filter(|(_, identity)| identity.issuer.is_some());
    let lists = usable.map(|(cluster, identity)| bound_on(backends, cluster, &identity.cluster, &arn).boxed());
    let (read, listed) = futures::try_join!(futures::future::try_join_all(each), futures::future::try_join_all(lists))?;
    for (key, account) in read.into_iter().chain(listed.into_iter().flatten()) {
        observed.accounts.entry(key).or_insert(account);
    }
    Ok(())
}

/// The accounts on a cluster that irsa has annotated with a role.
async fn bound_on(
    backends: &Backends,
    cluster: &ClusterRef,
    id: &ClusterId,
    role: &RoleArn,
) -> Result<Vec<(AccountKey, ObservedAccount)>> {
    let bound = backends.bound_accounts(cluster, role).await?.into_iter().map(|account| {
        let key = AccountKey::new(id, &account.namespace, &account.name);
        (key, ObservedAccount { cluster: cluster.clone(), account: Some(account), namespace: None })
    });
    Ok(bound.collect())
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
