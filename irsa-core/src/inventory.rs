//! What exists, whoever made it: one binding, found from its account and its role, and where the two do not fit. All of a
//! cluster are in `list`, and as manifests in `export`.

mod export;
mod list;
mod trust;

use std::collections::BTreeSet;

pub use self::export::Export;
use crate::backend::{OidcProvider, ServiceAccount};
use crate::binding::{AUDIENCE_ANNOTATION, IrsaBinding, ROLE_ARN_ANNOTATION};
use crate::client::Client;
use crate::cluster_identity::{ClusterId, ClusterIdentity, Demand, resolve};
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{
    ClusterRef, Namespace, ProviderArn, RoleArn, RoleName, ServiceAccountName, ServiceAccountRef, SubjectName,
};
use crate::naming::{Convention, Naming};
use crate::observe::{Backends, Documents, ObservedRole, check_cluster, read_role};
use crate::ownership::Member;
use crate::status::{BindingState, BindingStatus, Issue, IssueId};
use crate::text::{did_you_mean, nearest};
use crate::trust::{Decision, member_of};

impl Client {
    /// One binding as it stands, whoever made it: the role named, else that of the annotation, else the default one.
    ///
    /// # Errors
    /// `NotFound` with the nearest bindings when there is neither; `Conflict` when annotation and owned role differ.
    #[tracing::instrument(skip_all, fields(binding = %ServiceAccountRef::new(namespace, service_account)))]
    pub async fn get(
        &self,
        cluster: &ClusterRef,
        namespace: &Namespace,
        service_account: &ServiceAccountName,
        role_name: Option<&RoleName>,
    ) -> Result<BindingStatus> {
        let naming = Naming { convention: &Convention::Irsa, cluster: cluster.name(), namespace, service_account };
        self.in_time("reading the binding", get(&self.backends, cluster, naming, (role_name, false))).await
    }

    /// One binding as it stands, as [`get`](Self::get) gives it, by the names and the convention of `binding`. By that of
    /// gen3's script a role of the default name counts also without a tag, if it lets the service account in. Of one that is
    /// role-only no service account is looked at, and no API server is needed.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    #[tracing::instrument(name = "get", skip_all, fields(binding = %binding))]
    pub async fn view(&self, binding: &IrsaBinding) -> Result<BindingStatus> {
        let role = (binding.role_name.as_ref(), binding.role_only);
        self.in_time("reading the binding", get(&self.backends, &binding.cluster, binding.naming(), role)).await
    }
}

/// The service account of a binding.
#[derive(Clone, Copy)]
enum Account<'a> {
    There(&'a ServiceAccount),
    Missing,
    /// Only the role is looked at.
    NotAsked,
}

impl<'a> Account<'a> {
    fn of(account: Option<&'a ServiceAccount>) -> Self {
        account.map_or(Self::Missing, Self::There)
    }

    fn there(self) -> Option<&'a ServiceAccount> {
        match self {
            Self::There(account) => Some(account),
            Self::Missing | Self::NotAsked => None,
        }
    }
}

/// What is the same for every binding of a cluster.
struct Place {
    identity: ClusterIdentity,
    arn: Option<ProviderArn>,
    provider: Option<OidcProvider>,
}

impl Place {
    fn id(&self) -> &ClusterId {
        &self.identity.cluster
    }
}

async fn place_of(backends: &Backends, cluster: &ClusterRef) -> Result<Place> {
    let clusters = std::slice::from_ref(cluster);
    let mut all = resolve(backends.identity.as_ref(), &backends.given, clusters, Demand::Usable).await?;
    let identity = all
        .remove(cluster)
        .ok_or_else(|| Error::new(ErrorKind::Unexpected, format!("cluster {cluster} was not resolved")))?;
    let arn = identity.provider_in(&identity.account);
    let provider = match &arn {
        Some(arn) => backends.iam.provider(arn).await?,
        None => None,
    };
    Ok(Place { identity, arn, provider })
}

/// Makes sure of the cluster: the bindings of another one would be shown as drifted.
async fn sure(backends: &Backends, cluster: &ClusterRef, identity: &ClusterIdentity) -> Result<()> {
    let backend = backends.cluster(cluster)?;
    if !backend.through_eks() {
        check_cluster(cluster, identity, &backend.fingerprint().await?)?;
    }
    Ok(())
}

async fn get(
    backends: &Backends,
    cluster: &ClusterRef,
    naming: Naming<'_>,
    (role_name, role_only): (Option<&RoleName>, bool),
) -> Result<BindingStatus> {
    let Naming { namespace, service_account: name, .. } = naming;
    let account = async {
        match role_only {
            true => Ok(None),
            false => backends.cluster(cluster)?.service_account(namespace, name).await,
        }
    };
    let (located, account) = futures::join!(place_of(backends, cluster), account);
    let (located, account) = (located?, account?);
    let default = naming.default(&located.identity);
    let annotated = account.as_ref().and_then(annotation).map(str::parse::<RoleArn>);
    let read = async |name: Option<RoleName>| match name {
        Some(name) => read_role(backends, &name, &Documents::None, false).await,
        None => Ok(None),
    };
    let by_annotation = match (&annotated, role_name) {
        (Some(Ok(arn)), None) if *arn.account() == located.identity.account => Some(arn.name().clone()),
        _ => None,
    };
    let chosen = role_name.cloned().or(by_annotation.clone());
    let own = default.filter(|default| chosen.is_none() || (role_name.is_none() && chosen.as_ref() != Some(default)));
    let older = if own.is_some() { naming.by_script() } else { None };
    let (chosen, own, older, checked) = futures::try_join!(read(chosen), read(own), read(older), async {
        if role_only { Ok(()) } else { sure(backends, cluster, &located.identity).await }
    })?;
    let () = checked;
    let member =
        Member { cluster: located.id().clone(), namespace: namespace.clone(), name: SubjectName::Exact(name.clone()) };
    let is_own = |role: &ObservedRole| role.ownership.records(&member);
    if let (Some(Ok(arn)), Some(own)) = (&annotated, own.as_ref().filter(|role| is_own(role)))
        && *arn != own.role.arn
    {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("service account {} has two roles", ServiceAccountRef::new(namespace, name)),
        )
        .with_cause(format!("its annotation names {arn}, and {} is owned by this binding", own.role.arn))
        .with_hint(Hint::NameRole));
    }
    let lets_in = |role: &ObservedRole| trusted(&located, role).members.contains(&member);
    let counts = |role: &ObservedRole| is_own(role) || (*naming.convention != Convention::Irsa && lets_in(role));
    let role = chosen.or(own.filter(counts)).or(older.filter(counts));
    let dangling = || match (&annotated, role_name) {
        (Some(Ok(arn)), Some(named)) => arn.name().as_str().eq_ignore_ascii_case(named.as_str()),
        (annotated, named) => annotated.is_some() && named.is_none(),
    };
    if role.is_none() && !dangling() {
        let known = if role_only { Vec::new() } else { bound_names(backends, cluster).await };
        return Err(nothing(&ServiceAccountRef::new(namespace, name).to_string(), role_name, role_only, &known));
    }
    let account = if role_only { Account::NotAsked } else { Account::of(account.as_ref()) };
    Ok(view(&located, (namespace, name.as_str()), role.as_ref(), account))
}

/// The service accounts of a cluster that are annotated; none where they may not be listed.
async fn bound_names(backends: &Backends, cluster: &ClusterRef) -> Vec<String> {
    let known = match backends.cluster(cluster) {
        Ok(backend) => backend.service_accounts().await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let bound = known.iter().filter(|account| annotation(account).is_some());
    bound.map(|account| ServiceAccountRef::new(&account.namespace, &account.name).to_string()).collect()
}

fn nothing(wanted: &str, role_name: Option<&RoleName>, role_only: bool, known: &[String]) -> Error {
    if let Some(name) = role_name {
        return Error::new(ErrorKind::NotFound, format!("role {name} does not exist"))
            .with_code("NoSuchEntity")
            .with_hint(Hint::OmitRoleName);
    }
    let near = nearest(wanted, known.iter().map(String::as_str));
    let error = Error::new(ErrorKind::NotFound, format!("there is no binding {wanted}"));
    if role_only {
        return error
            .with_cause("there is no role of the default name that is of this binding; no annotation was looked at")
            .with_hint(Hint::NameUnlistedRole);
    }
    error
        .with_cause("the service account has no annotation, and there is no role of this binding")
        .with_hint(did_you_mean(&near).map_or(Hint::ListBindings, Hint::from))
}

/// The value of the role annotation; the webhook takes an empty one for none.
fn annotation(account: &ServiceAccount) -> Option<&str> {
    account.annotations.get(ROLE_ARN_ANNOTATION).map(String::as_str).filter(|value| !value.is_empty())
}

/// Who of the cluster may be let in by a role.
struct Trusted {
    /// Service accounts, and patterns of names in one namespace.
    members: BTreeSet<Member>,
    /// What is wider than that, or cannot be read.
    wider: BTreeSet<String>,
}

/// Every subject of the cluster that a role may let in, with whatever audience.
fn trusted(located: &Place, role: &ObservedRole) -> Trusted {
    let mut trusted = Trusted { members: BTreeSet::new(), wider: BTreeSet::new() };
    let Some(provider) = &located.arn else { return trusted };
    let document = match role.trust.read() {
        Ok(document) => document,
        Err(error) => {
            trusted.wider.insert(format!("whoever: {error}"));
            return trusted;
        }
    };
    for audience in document.audiences(provider) {
        for part in document.subjects(provider, &audience).parts {
            match member_of(located.id(), &part.pattern) {
                Some(member) => drop(trusted.members.insert(member)),
                None => drop(trusted.wider.insert(part.pattern)),
            }
        }
    }
    trusted
}

/// A binding from what was read of it. Pure.
fn view(
    located: &Place,
    (namespace, name): (&Namespace, &str),
    role: Option<&ObservedRole>,
    account: Account<'_>,
) -> BindingStatus {
    let annotated = account.there().and_then(annotation);
    let mut members = role.map(|role| trusted(located, role).members).unwrap_or_default();
    members.extend(role.map(|role| role.ownership.members()).unwrap_or_default());
    let issues = issues(located, (namespace, name), role, account);
    let has = |id: IssueId| issues.iter().any(|issue| issue.id == id);
    let state = if has(IssueId::RoleMissing) {
        BindingState::Dangling
    } else if has(IssueId::RoleElsewhere) {
        BindingState::Unknown
    } else if has(IssueId::AccountMissing) || has(IssueId::AnnotationMissing) {
        BindingState::Unbound
    } else if issues.is_empty() {
        BindingState::Ok
    } else {
        BindingState::Drifted
    };
    let named = annotated.and_then(|value| value.parse::<RoleArn>().ok());
    BindingStatus {
        cluster: located.id().to_string(),
        namespace: namespace.to_string(),
        service_account: name.to_owned(),
        role_name: role.map(|role| role.role.arn.name().to_string()).or(named.map(|arn| arn.name().to_string())),
        role_arn: role.map(|role| role.role.arn.to_string()).or(annotated.map(str::to_owned)),
        managed_policies: role.map(|role| role.attached.iter().map(ToString::to_string).collect()).unwrap_or_default(),
        inline_policies: role.map(|role| role.inline.keys().map(ToString::to_string).collect()).unwrap_or_default(),
        subjects: members.iter().map(|member| member.shown(located.id())).collect(),
        annotation: annotated.map(str::to_owned),
        automount_token: account.there().and_then(|account| account.automount_token),
        owned: role.is_some_and(|role| role.ownership.is_owned()),
        origin: role.and_then(|role| role.ownership.origin).map(|origin| origin.as_str().to_owned()),
        state,
        issues,
    }
}

fn issues(
    located: &Place,
    (namespace, name): (&Namespace, &str),
    role: Option<&ObservedRole>,
    account: Account<'_>,
) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut issue = |id: IssueId, message: String| issues.push(Issue::new(id, message));
    let annotated = account.there().and_then(annotation);
    match (role, annotated.map(str::parse::<RoleArn>)) {
        (_, Some(Err(error))) => issue(IssueId::AnnotationMalformed, format!("the annotation is no role ARN: {error}")),
        (_, Some(Ok(arn))) if *arn.account() != located.identity.account => {
            issue(IssueId::RoleElsewhere, format!("{arn} is in another account, which is not looked into"));
        }
        (None, Some(Ok(arn))) => issue(IssueId::RoleMissing, format!("{arn} does not exist")),
        (Some(role), Some(Ok(arn))) if arn != role.role.arn => {
            issue(IssueId::AnnotationDiffers, format!("the annotation names {arn}"));
        }
        _ => {}
    }
    // What a pattern lets in need not exist.
    if !name.contains(['*', '?']) {
        match account {
            Account::Missing => {
                issue(IssueId::AccountMissing, format!("service account {namespace}/{name} does not exist"));
            }
            Account::There(_) if annotated.is_none() => {
                issue(
                    IssueId::AnnotationMissing,
                    format!("service account {namespace}/{name} has no annotation {ROLE_ARN_ANNOTATION}"),
                );
            }
            Account::There(_) | Account::NotAsked => {}
        }
    }
    let Some(provider) = &located.arn else { return issues };
    let declared = match account {
        Account::There(account) => account.annotations.get(AUDIENCE_ANNOTATION).cloned(),
        // The role alone can tell.
        Account::NotAsked => role.and_then(|role| role.trust.own_audience(provider)),
        Account::Missing => None,
    };
    let audience = declared.as_deref().unwrap_or("sts.amazonaws.com");
    match &located.provider {
        None => issue(IssueId::ProviderMissing, format!("there is no OIDC provider {provider}")),
        Some(known) if !known.audiences.iter().any(|known| known == audience) => {
            issue(IssueId::AudienceRefused, format!("the OIDC provider does not take the audience {audience}"));
        }
        Some(_) => {}
    }
    if let Some(role) = role {
        let sub = format!("system:serviceaccount:{namespace}:{name}");
        let pattern = name.contains(['*', '?']);
        match role.trust.check(provider, &sub, audience) {
            Err(error) => issue(IssueId::TrustUnreadable, error.to_string()),
            Ok(_) if pattern && role.trust.admits(provider, &sub, audience) => {}
            Ok(check) if check.decision == Decision::Allow => {}
            Ok(check) if check.decision == Decision::Unknown => {
                let message =
                    format!("whether the trust policy lets {sub} in depends on {}", check.conditions.join("; "));
                issue(IssueId::SubjectInDoubt, message);
            }
            Ok(check) => {
                let message = format!(
                    "the trust policy does not let {sub} in with provider and audience {audience}: {}",
                    check.reasons.join("; ")
                );
                issue(IssueId::SubjectNotTrusted, message);
            }
        }
        for wider in trusted(located, role).wider {
            issue(
                IssueId::TrustWide,
                format!("the trust policy lets in {wider}, which is more than names of one namespace"),
            );
        }
    }
    issues
}
