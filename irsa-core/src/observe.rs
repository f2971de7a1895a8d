//! Stage two, observe: what is there, in IAM and in the clusters, read at the same time as far as it is independent.
//!
//! Everything that can refuse a request before its first write and that needs a call is found out here.

mod gen3_role;
mod policies;
mod policy_effects;
mod preflight;
mod role;
mod service_accounts;
mod verify_cluster;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{BoxFuture, Shared};

use crate::backend::{ClusterBackend, IamBackend, IdentityBackend, OidcProvider, Quotas, ServiceAccount};
use crate::cluster_identity::{ClusterId, ClusterIdentity, Demand, resolve};
use crate::document::PolicyDocument;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Audience, ClusterRef, InlinePolicyName, PolicyArn, PolicyRef, ProviderArn, RoleArn, RoleName};
use crate::ownership::{Member, Ownership};
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};
use crate::service_account::is_bound_by_us;
use crate::snapshot::ClusterSnapshot;
use crate::tolerance::OptionalRead;
use crate::trust::{OwnKind, TrustPolicy, WebIdentity, member_of, own_kind};

pub(crate) use self::policy_effects::PolicyEffect;
pub(crate) use self::preflight::{check_write, namespace_terminating};
pub(crate) use self::role::{Documents, in_bulk, read_role};
pub(crate) use self::service_accounts::{AccountKey, NamespaceStatus, ObservedAccount};
pub(crate) use self::verify_cluster::check_cluster;

/// The back ends of a client.
#[derive(Clone, Debug)]
pub(crate) struct Backends {
    pub(crate) identity: Arc<dyn IdentityBackend>,
    pub(crate) iam: Arc<dyn IamBackend>,
    pub(crate) clusters: BTreeMap<ClusterRef, Arc<dyn ClusterBackend>>,
    pub(crate) given: BTreeMap<ClusterRef, ClusterIdentity>,
    /// What every answer about a cluster is to say.
    pub(crate) warnings: BTreeMap<ClusterRef, Warning>,
    /// The clusters as they were read for a fleet: then writes are reviewed and not rehearsed while planning.
    pub(crate) reading: Option<Arc<BTreeMap<ClusterRef, Arc<ClusterSnapshot>>>>,
}

impl Backends {
    /// The API server of a cluster.
    ///
    /// # Errors
    /// `InvalidInput` when none was given to the client.
    pub(crate) fn cluster(&self, cluster: &ClusterRef) -> Result<&Arc<dyn ClusterBackend>> {
        self.clusters.get(cluster).ok_or_else(|| {
            Error::invalid("cluster", cluster.to_string(), "no API server was given for it")
                .with_hint("add it with Client::with_cluster, or make the binding role-only")
        })
    }

    /// The accounts of a cluster that irsa has annotated with a role. Who may not list them can still do all the rest.
    pub(crate) async fn bound_accounts(&self, cluster: &ClusterRef, role: &RoleArn) -> Result<Vec<ServiceAccount>> {
        if let Some(read) = self.reading.as_ref().and_then(|reading| reading.get(cluster)) {
            return read.bound(role).await;
        }
        match self.cluster(cluster) {
            Ok(backend) => {
                let listed = OptionalRead::ServiceAccounts.tolerate(backend.service_accounts().await)?;
                let listed = listed.into_iter().flatten();
                Ok(listed.filter(|account| is_bound_by_us(account, role)).collect())
            }
            // The cluster of a subject that is trust-only.
            Err(_) => Ok(Vec::new()),
        }
    }
}

/// Everything about one request that is not in the request.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) identities: BTreeMap<ClusterRef, ClusterIdentity>,
    /// Which role is meant; nothing when nothing was found that could be.
    pub(crate) role_name: Option<RoleName>,
    pub(crate) role: Option<ObservedRole>,
    /// Why the role is not read that is meant by its ARN.
    pub(crate) unread: Option<UnreadRole>,
    pub(crate) providers: BTreeMap<ProviderArn, Option<OidcProvider>>,
    pub(crate) policies: BTreeMap<PolicyRef, PolicyArn>,
    /// What managed policies do that come or go, where the order of writes depends on it.
    pub(crate) effects: BTreeMap<PolicyArn, PolicyEffect>,
    pub(crate) quotas: Quotas,
    pub(crate) accounts: BTreeMap<AccountKey, ObservedAccount>,
    pub(crate) warnings: Vec<Warning>,
}

/// Why a role that is meant by its ARN is not read.
#[derive(Clone, Debug)]
pub(crate) enum UnreadRole {
    /// It is in another account than the cluster.
    Elsewhere,
    /// It may not be read.
    Denied(Error),
}

/// A role with what is on it.
#[derive(Clone, Debug)]
pub(crate) struct ObservedRole {
    pub(crate) role: crate::backend::Role,
    pub(crate) trust: TrustPolicy,
    pub(crate) ownership: Ownership,
    pub(crate) attached: BTreeSet<PolicyArn>,
    /// Inline policies; the document of one that nothing is to be done with is not read.
    pub(crate) inline: BTreeMap<InlinePolicyName, Option<PolicyDocument>>,
    /// Read only for a delete.
    pub(crate) instance_profiles: Vec<String>,
}

/// Whether a trust policy may let a subject in, with a token for whatever audience. Decided on the safe side.
pub(crate) fn may_let_in(trust: &TrustPolicy, member: &Member, providers: &BTreeMap<ClusterId, ProviderArn>) -> bool {
    providers.get(&member.cluster).is_none_or(|provider| trust.may_admit(provider, &member.sub()))
}

impl ObservedRole {
    /// Whether a subject is on record, or irsa's own statements let it in, as after a run that broke off in between.
    pub(crate) fn has_subject(&self, member: &Member, providers: &BTreeMap<ClusterId, ProviderArn>) -> bool {
        self.ownership.records(member) || self.present(providers).contains(member)
    }

    /// Every subject that irsa's own statements or the tags let in, of the clusters whose providers are given.
    pub(crate) fn present(&self, providers: &BTreeMap<ClusterId, ProviderArn>) -> BTreeSet<Member> {
        let mut members = self.ownership.members();
        let own = self.trust.statements().filter(|statement| own_kind(statement) == Some(OwnKind::Subjects));
        for web in own.filter_map(WebIdentity::read) {
            for (cluster, _) in providers.iter().filter(|(_, provider)| web.trusts(provider)) {
                members.extend(web.exact.iter().chain(&web.patterns).filter_map(|sub| member_of(cluster, sub)));
            }
        }
        members
    }
}

impl Observed {
    /// The identity of the binding's own cluster.
    pub(crate) fn home(&self, request: &Request) -> Result<&ClusterIdentity> {
        self.identity(&request.binding.cluster)
    }

    pub(crate) fn identity(&self, cluster: &ClusterRef) -> Result<&ClusterIdentity> {
        self.identities
            .get(cluster)
            .ok_or_else(|| Error::new(ErrorKind::Unexpected, format!("cluster {cluster} was not resolved")))
    }

    /// The audience that the role's trust policy demands of tokens of a cluster, where it is another than that of STS.
    pub(crate) fn standing_audience(&self, request: &Request, cluster: &ClusterId) -> Result<Option<String>> {
        let providers = self.cluster_providers(request)?;
        let audience = self
            .role
            .as_ref()
            .zip(providers.get(cluster))
            .and_then(|(role, provider)| role.trust.own_audience(provider));
        Ok(audience.filter(|audience| audience != Audience::sts().as_str()))
    }

    /// A subject as the unit that tags record.
    pub(crate) fn member(&self, request: &Request, subject: &crate::name::Subject) -> Result<Member> {
        let cluster = subject.cluster.as_ref().unwrap_or(&request.binding.cluster);
        Ok(Member {
            cluster: self.identity(cluster)?.cluster.clone(),
            namespace: subject.namespace.clone(),
            name: subject.name.clone(),
        })
    }

    /// The providers of all clusters of the request, in the account of the role.
    pub(crate) fn cluster_providers(&self, request: &Request) -> Result<BTreeMap<ClusterId, ProviderArn>> {
        let account = &self.home(request)?.account;
        let known = self.identities.values();
        Ok(known.filter_map(|identity| Some((identity.cluster.clone(), identity.provider_in(account)?))).collect())
    }
}

/// The identities, awaited by everybody who needs them and asked for once.
type Identities<'a> = Shared<BoxFuture<'a, Result<BTreeMap<ClusterRef, ClusterIdentity>>>>;

/// Reads what a request needs.
///
/// In dependent requests: the clusters' descriptions, the role, the policies, the quotas and the accounts at once, then
/// the providers and the dry run of the accounts at once.
pub(crate) async fn observe(backends: &Backends, request: &Request) -> Result<Observed> {
    let identities: Identities<'_> = resolve_all(backends, request).boxed().shared();
    let (tell, told) = oneshot::channel();
    let (observed, policies, quotas, providers) = futures::join!(
        observe_role_and_accounts(backends, request, identities.clone(), tell),
        policies::observe_policies(backends, request, async { told.await.ok() }),
        observe_quotas(backends, request, identities.clone()),
        observe_providers(backends, request, identities.clone()),
    );
    let mut observed = observed?;
    let (policies, (quotas, warnings)) = (policies?, quotas?);
    observed.providers = providers?;
    observed.policies = policies.arns;
    observed.effects = policies.effects;
    observed.quotas = quotas;
    observed.warnings.extend(policies.warnings.into_iter().chain(warnings));
    Ok(observed)
}

/// The identities of all clusters of a request. Those that only subjects who leave live on may be gone.
async fn resolve_all(backends: &Backends, request: &Request) -> Result<BTreeMap<ClusterRef, ClusterIdentity>> {
    let declared = request.binding.clusters();
    let leaving: Vec<ClusterRef> =
        request.clusters().into_iter().filter(|cluster| !declared.contains(cluster)).collect();
    let demand = match request.verb {
        Verb::Delete { .. } => Demand::ArnIsEnough,
        Verb::Create | Verb::Update { .. } => Demand::Usable,
    };
    let (identity, given) = (backends.identity.as_ref(), &backends.given);
    let (mut all, more) = futures::try_join!(
        resolve(identity, given, &declared, demand),
        resolve(identity, given, &leaving, Demand::ArnIsEnough),
    )?;
    all.extend(more);
    Ok(all)
}

/// Where the binding's cluster is gone, the providers of the role's other clusters tell which statement is not theirs.
async fn resolve_others_of_role(backends: &Backends, request: &Request, observed: &mut Observed) -> Result<()> {
    let gone = observed.home(request)?.issuer.is_none();
    let Some(role) = observed.role.as_ref().filter(|_| gone) else { return Ok(()) };
    let known: BTreeSet<&str> = observed.identities.values().map(|identity| identity.cluster.as_str()).collect();
    let members = role.ownership.members();
    let others = members.iter().map(|member| member.cluster.as_str()).filter(|cluster| !known.contains(cluster));
    let others: BTreeSet<ClusterRef> = others.filter_map(|cluster| cluster.parse().ok()).collect();
    let each = others.iter().map(|cluster| {
        let one = std::slice::from_ref(cluster);
        resolve(backends.identity.as_ref(), &backends.given, one, Demand::ArnIsEnough).boxed()
    });
    // What cannot be resolved is left as it is.
    for found in futures::future::join_all(each).await.into_iter().flatten() {
        observed.identities.extend(found);
    }
    Ok(())
}

/// Role and accounts: the role's ARN is what the dry run of the accounts waits for, and nothing else. The role is told as
/// soon as it is known.
async fn observe_role_and_accounts(
    backends: &Backends,
    request: &Request,
    identities: Identities<'_>,
    tell: oneshot::Sender<Option<ObservedRole>>,
) -> Result<Observed> {
    let mut tell = Some(tell);
    let candidate = async {
        let candidate = role::observe_role(backends, request, identities.clone()).await;
        if let (Ok(candidate), true) = (&candidate, role::is_meant_by_name(request)) {
            tell_once(&mut tell, &candidate.role);
        }
        candidate
    };
    let (resolved, role, accounts) = futures::join!(
        identities.clone(),
        candidate,
        service_accounts::read_accounts(backends, request, identities.clone()),
    );
    let identities = resolved?;
    let accounts = accounts?;
    let mut observed = Observed {
        identities,
        role_name: None,
        role: None,
        unread: None,
        providers: BTreeMap::new(),
        policies: BTreeMap::new(),
        effects: BTreeMap::new(),
        quotas: Quotas::default(),
        accounts: accounts.accounts,
        warnings: accounts.warnings,
    };
    let decided = role::decide(backends, request, &observed, role?).await?;
    (observed.role_name, observed.role, observed.unread) = (decided.name, decided.role, decided.unread);
    policies::check_removals(backends, request, &observed).await?;
    tell_once(&mut tell, &observed.role);
    resolve_others_of_role(backends, request, &mut observed).await?;
    service_accounts::read_undeclared(backends, request, &mut observed).await?;
    preflight::check_writes(backends, request, &mut observed, accounts.dry_runs).await?;
    Ok(observed)
}

/// Tells the role, once. Who no longer waits for it has failed.
fn tell_once(tell: &mut Option<oneshot::Sender<Option<ObservedRole>>>, role: &Option<ObservedRole>) {
    if let Some(tell) = tell.take() {
        drop(tell.send(role.clone()));
    }
}

/// Whether the role that a request names by its ARN is in another account than its cluster.
fn is_elsewhere(request: &Request, identities: &BTreeMap<ClusterRef, ClusterIdentity>) -> bool {
    let home = identities.get(&request.binding.cluster);
    let own = |arn: &RoleArn| home.is_some_and(|home| home.has_role(arn));
    request.existing_role.as_ref().is_some_and(|arn| !own(arn))
}

async fn observe_quotas(
    backends: &Backends,
    request: &Request,
    identities: Identities<'_>,
) -> Result<(Quotas, Vec<Warning>)> {
    if matches!(request.verb, Verb::Delete { .. }) || request.leader.is_some() {
        return Ok(Default::default());
    }
    if request.existing_role.is_some() && identities.await.is_ok_and(|identities| is_elsewhere(request, &identities)) {
        return Ok(Default::default());
    }
    let mut warnings = Vec::new();
    let quotas = OptionalRead::Quotas.tolerate_with(backends.iam.quotas().await, |error| {
        let why = error.causes().into_iter().next().unwrap_or_default();
        let message = format!("the quotas of the account could not be read, so they are not checked before: {why}");
        warnings.push(Warning::new(WarningId::QuotasUnknown, message));
    })?;
    Ok((quotas.unwrap_or_default(), warnings))
}

async fn observe_providers(
    backends: &Backends,
    request: &Request,
    identities: Identities<'_>,
) -> Result<BTreeMap<ProviderArn, Option<OidcProvider>>> {
    if matches!(request.verb, Verb::Delete { .. }) || request.leader.is_some() {
        return Ok(BTreeMap::new());
    }
    let identities = identities.await?;
    let Some(home) = identities.get(&request.binding.cluster) else { return Ok(BTreeMap::new()) };
    if is_elsewhere(request, &identities) {
        return Ok(BTreeMap::new());
    }
    let arns: BTreeSet<ProviderArn> = identities.values().filter_map(|i| i.provider_in(&home.account)).collect();
    let each = arns
        .into_iter()
        .map(|arn| async move { backends.iam.provider(&arn).await.map(|provider| (arn, provider)) }.boxed());
    Ok(futures::future::try_join_all(each).await?.into_iter().collect())
}

/// The account that was read under a key, if it exists.
pub(crate) fn existing<'a>(observed: &'a Observed, key: &AccountKey) -> Option<&'a ServiceAccount> {
    observed.accounts.get(key).and_then(|account| account.account.as_ref())
}
