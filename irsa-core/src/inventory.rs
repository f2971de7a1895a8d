//! What exists: bindings found from both sides, the annotated accounts and the roles that trust the cluster's provider,
//! whoever made them, and where the two do not fit.

mod export;

use std::collections::{BTreeMap, BTreeSet};

pub use self::export::Export;
use crate::backend::{OidcProvider, RoleDetail, ServiceAccount};
use crate::binding::{AUDIENCE_ANNOTATION, IrsaBinding, ROLE_ARN_ANNOTATION};
use crate::client::Client;
use crate::convention::{Convention, Naming};
use crate::document::PolicyDocument;
use crate::error::{Error, ErrorKind, Result, did_you_mean, nearest};
use crate::identity::{ClusterId, Demand, Identity, resolve};
use crate::name::{ClusterRef, Namespace, ProviderArn, RoleArn, RoleName, ServiceAccountName, SubjectName};
use crate::observe::{Backends, Documents, ObservedRole, check_cluster, place, read_role, role_of};
use crate::ownership::Member;
use crate::trust::{Decision, member_of};
use crate::view::{BindingState, BindingView, Problem};

impl Client {
    /// One binding as it stands, whoever made it: the role named, else that of the annotation, else the default one.
    ///
    /// # Errors
    /// `NotFound` with the nearest bindings when there is neither; `Conflict` when annotation and owned role differ.
    pub async fn get(
        &self,
        cluster: &ClusterRef,
        namespace: &Namespace,
        service_account: &ServiceAccountName,
        role_name: Option<&RoleName>,
    ) -> Result<BindingView> {
        let naming = Naming { convention: &Convention::Irsa, cluster: cluster.name(), namespace, service_account };
        self.in_time("reading the binding", get(&self.backends, cluster, naming, (role_name, false))).await
    }

    /// One binding as it stands, as [`get`](Self::get) gives it, by the names and the convention of `binding`. By that of
    /// gen3's script a role of the default name counts also without a tag, if it lets the service account in. Of one that is
    /// role-only no service account is looked at, and no API server is needed.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub async fn view(&self, binding: &IrsaBinding) -> Result<BindingView> {
        let role = (binding.role_name.as_ref(), binding.role_only);
        self.in_time("reading the binding", get(&self.backends, &binding.cluster, binding.naming(), role)).await
    }

    /// All bindings of a cluster, or of one namespace, in the order of their names.
    ///
    /// # Errors
    /// `AccessDenied` when roles or service accounts may not be listed.
    pub async fn list(&self, cluster: &ClusterRef, namespace: Option<&Namespace>) -> Result<Vec<BindingView>> {
        self.in_time("reading the bindings", list(&self.backends, cluster, namespace)).await
    }

    /// All bindings of a cluster, or of one namespace, by their roles alone: no service account is looked at, and no API
    /// server is needed. What only an annotation tells of is not among them.
    ///
    /// # Errors
    /// `AccessDenied` when roles may not be listed.
    pub async fn list_roles(&self, cluster: &ClusterRef, namespace: Option<&Namespace>) -> Result<Vec<BindingView>> {
        self.in_time("reading the bindings", list_roles(&self.backends, cluster, namespace)).await
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
    identity: Identity,
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
async fn sure(backends: &Backends, cluster: &ClusterRef, identity: &Identity) -> Result<()> {
    let backend = backends.cluster(cluster)?;
    if !backend.through_eks() {
        check_cluster(cluster, identity, &backend.anchor().await?)?;
    }
    Ok(())
}

async fn get(
    backends: &Backends,
    cluster: &ClusterRef,
    naming: Naming<'_>,
    (role_name, role_only): (Option<&RoleName>, bool),
) -> Result<BindingView> {
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
            format!("service account {} has two roles", place(namespace, name)),
        )
        .with_cause(format!("its annotation names {arn}, and {} is owned by this binding", own.role.arn))
        .with_hint("say which one is meant with --role-name"));
    }
    let lets_in = |role: &ObservedRole| trusted(&located, role).members.contains(&member);
    let counts = |role: &ObservedRole| is_own(role) || (*naming.convention != Convention::Irsa && lets_in(role));
    let role = chosen.or(own.filter(counts)).or(older.filter(counts));
    if role.is_none() && annotated.is_none() {
        return Err(nothing(backends, cluster, namespace, name).await);
    }
    let account = if role_only { Account::NotAsked } else { Account::of(account.as_ref()) };
    Ok(view(&located, (namespace, name.as_str()), role.as_ref(), account))
}

async fn nothing(backends: &Backends, cluster: &ClusterRef, namespace: &Namespace, name: &ServiceAccountName) -> Error {
    let wanted = place(namespace, name);
    let known = match backends.cluster(cluster) {
        Ok(backend) => backend.service_accounts().await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let bound = known.iter().filter(|account| annotation(account).is_some());
    let names: Vec<String> = bound.map(|account| place(&account.namespace, &account.name)).collect();
    let near = nearest(&wanted, names.iter().map(String::as_str));
    Error::new(ErrorKind::NotFound, format!("there is no binding {wanted}"))
        .with_cause("the service account has no annotation, and there is no role of this binding")
        .with_hint(did_you_mean(&near).unwrap_or_else(|| "`irsa list` shows what there is".to_owned()))
}

async fn list(backends: &Backends, cluster: &ClusterRef, namespace: Option<&Namespace>) -> Result<Vec<BindingView>> {
    let backend = backends.cluster(cluster)?;
    let accounts = async {
        match namespace {
            Some(namespace) => backend.service_accounts_in(namespace).await,
            None => backend.service_accounts().await,
        }
    };
    let located = async {
        let located = place_of(backends, cluster).await?;
        sure(backends, cluster, &located.identity).await?;
        Ok(located)
    };
    let (located, accounts, roles) = futures::join!(located, accounts, backends.iam.roles());
    let (located, accounts, roles) = (located?, accounts?, roles?);
    // A role whose stored policy cannot be read must not hide the others.
    let roles: Vec<ObservedRole> = roles.into_iter().filter_map(|detail| observed(detail).ok()).collect();
    let mut views = Vec::new();
    let mut seen: BTreeSet<(String, RoleArn)> = BTreeSet::new();
    for account in accounts.iter().filter(|account| annotation(account).is_some()) {
        let arn = annotation(account).and_then(|value| value.parse::<RoleArn>().ok());
        let role = roles.iter().find(|role| Some(&role.role.arn) == arn.as_ref());
        if let Some(arn) = arn {
            seen.insert((place(&account.namespace, &account.name), arn));
        }
        views.push(view(&located, (&account.namespace, account.name.as_str()), role, Account::There(account)));
    }
    let by_place: BTreeMap<String, &ServiceAccount> =
        accounts.iter().map(|account| (place(&account.namespace, &account.name), account)).collect();
    for role in &roles {
        // A pattern is shown where no annotated account came in by it.
        let covered = seen.iter().any(|(_, arn)| *arn == role.role.arn);
        for (member, shown) in let_in(&located, role, namespace) {
            let pattern = matches!(member.name, SubjectName::Pattern(_));
            if (pattern && covered) || seen.contains(&(shown.clone(), role.role.arn.clone())) {
                continue;
            }
            let account = Account::of(by_place.get(&shown).copied());
            views.push(view(&located, (&member.namespace, member.name.as_str()), Some(role), account));
        }
    }
    Ok(in_order(views))
}

async fn list_roles(
    backends: &Backends,
    cluster: &ClusterRef,
    namespace: Option<&Namespace>,
) -> Result<Vec<BindingView>> {
    let (located, roles) = futures::try_join!(place_of(backends, cluster), backends.iam.roles())?;
    let mut views = Vec::new();
    for role in roles.into_iter().filter_map(|detail| observed(detail).ok()) {
        for (member, _) in let_in(&located, &role, namespace) {
            let account = (&member.namespace, member.name.as_str());
            views.push(view(&located, account, Some(&role), Account::NotAsked));
        }
    }
    Ok(in_order(views))
}

/// The subjects of the cluster that a role lets in, of one namespace if one is given, with how they are written.
fn let_in(located: &Place, role: &ObservedRole, namespace: Option<&Namespace>) -> Vec<(Member, String)> {
    let members = trusted(located, role).members.into_iter();
    let in_scope = members.filter(|member| namespace.is_none_or(|namespace| *namespace == member.namespace));
    in_scope.map(|member| (member.clone(), member.shown(located.id()))).collect()
}

fn in_order(mut views: Vec<BindingView>) -> Vec<BindingView> {
    views.sort_by(|a, b| {
        (&a.namespace, &a.service_account, &a.role_name).cmp(&(&b.namespace, &b.service_account, &b.role_name))
    });
    views
}

fn observed(detail: RoleDetail) -> Result<ObservedRole> {
    let inline = detail
        .inline
        .into_iter()
        .map(|policy| Ok((policy.name, Some(PolicyDocument::from_stored(&policy.document)?))))
        .collect::<Result<_>>()?;
    role_of(detail.role, detail.attached.into_iter().collect(), inline, detail.instance_profiles)
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
) -> BindingView {
    let annotated = account.there().and_then(annotation);
    let mut members = role.map(|role| trusted(located, role).members).unwrap_or_default();
    members.extend(role.map(|role| role.ownership.members()).unwrap_or_default());
    let problems = problems(located, (namespace, name), role, account);
    let has = |id: &str| problems.iter().any(|problem| problem.id == id);
    let state = if has("role-missing") {
        BindingState::Dangling
    } else if has("role-elsewhere") {
        BindingState::Unknown
    } else if has("account-missing") || has("annotation-missing") {
        BindingState::Unbound
    } else if problems.is_empty() {
        BindingState::Ok
    } else {
        BindingState::Drifted
    };
    let named = annotated.and_then(|value| value.parse::<RoleArn>().ok());
    BindingView {
        cluster: located.id().to_string(),
        namespace: namespace.to_string(),
        service_account: name.to_owned(),
        role_name: role.map(|role| role.role.arn.name().to_string()).or(named.map(|arn| arn.name().to_string())),
        role_arn: role.map(|role| role.role.arn.to_string()).or(annotated.map(str::to_owned)),
        managed_policies: role.map(|role| role.attached.iter().map(ToString::to_string).collect()).unwrap_or_default(),
        inline_policies: role.map(|role| role.inline.keys().map(ToString::to_string).collect()).unwrap_or_default(),
        subjects: members.iter().map(|member| member.shown(located.id())).collect(),
        annotation: annotated.map(str::to_owned),
        owned: role.is_some_and(|role| role.ownership.is_owned()),
        origin: role.and_then(|role| role.ownership.origin).map(|origin| origin.as_str().to_owned()),
        state,
        problems,
    }
}

fn problems(
    located: &Place,
    (namespace, name): (&Namespace, &str),
    role: Option<&ObservedRole>,
    account: Account<'_>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |id: &str, message: String| problems.push(Problem::new(id, message));
    let annotated = account.there().and_then(annotation);
    match (role, annotated.map(str::parse::<RoleArn>)) {
        (_, Some(Err(error))) => problem("annotation-malformed", format!("the annotation is no role ARN: {error}")),
        (_, Some(Ok(arn))) if *arn.account() != located.identity.account => {
            problem("role-elsewhere", format!("{arn} is in another account, which is not looked into"));
        }
        (None, Some(Ok(arn))) => problem("role-missing", format!("{arn} does not exist")),
        (Some(role), Some(Ok(arn))) if arn != role.role.arn => {
            problem("annotation-differs", format!("the annotation names {arn}"));
        }
        _ => {}
    }
    // What a pattern lets in need not exist.
    if !name.contains(['*', '?']) {
        match account {
            Account::Missing => {
                problem("account-missing", format!("service account {namespace}/{name} does not exist"));
            }
            Account::There(_) if annotated.is_none() => {
                problem(
                    "annotation-missing",
                    format!("service account {namespace}/{name} has no annotation {ROLE_ARN_ANNOTATION}"),
                );
            }
            Account::There(_) | Account::NotAsked => {}
        }
    }
    let Some(provider) = &located.arn else { return problems };
    let declared = account.there().and_then(|account| account.annotations.get(AUDIENCE_ANNOTATION)).map(String::as_str);
    let audience = declared.unwrap_or("sts.amazonaws.com");
    match &located.provider {
        None => problem("provider-missing", format!("there is no OIDC provider {provider}")),
        Some(known) if !known.audiences.iter().any(|known| known == audience) => {
            problem("audience-refused", format!("the OIDC provider does not take the audience {audience}"));
        }
        Some(_) => {}
    }
    if let Some(role) = role {
        let sub = format!("system:serviceaccount:{namespace}:{name}");
        let pattern = name.contains(['*', '?']);
        match role.trust.check(provider, &sub, audience) {
            Err(error) => problem("trust-unreadable", error.to_string()),
            Ok(_) if pattern && role.trust.admits(provider, &sub, audience) => {}
            Ok(check) if check.decision == Decision::Allow => {}
            Ok(check) if check.decision == Decision::Unknown => {
                let message =
                    format!("whether the trust policy lets {sub} in depends on {}", check.conditions.join("; "));
                problem("subject-in-doubt", message);
            }
            Ok(check) => {
                let message = format!(
                    "the trust policy does not let {sub} in with provider and audience {audience}: {}",
                    check.because.join("; ")
                );
                problem("subject-not-trusted", message);
            }
        }
        for wider in trusted(located, role).wider {
            problem(
                "trust-wide",
                format!("the trust policy lets in {wider}, which is more than names of one namespace"),
            );
        }
    }
    problems
}
