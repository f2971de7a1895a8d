//! Which role is meant, and what is on it.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{AccountKey, Backends, Identities, Observed, ObservedRole, UnreadRole, existing, is_elsewhere};
use crate::backend::{IamBackend, InlinePolicy, Role, RoleDetail};
use crate::binding::ROLE_ARN_ANNOTATION;
use crate::document::PolicyDocument;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{InlinePolicyName, InvalidName, RoleArn, RoleName, ServiceAccountRef};
use crate::ownership::{Member, Ownership};
use crate::request::{Request, Verb};
use crate::retry::until_consistent;
use crate::text::{did_you_mean, nearest};
use crate::tolerance::OptionalRead;
use crate::trust::TrustPolicy;

/// Of which inline policies the documents are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Documents {
    /// Of those declared, without waiting for the list of names; of all, where the role has one of the `replaced`.
    Declared { names: BTreeSet<InlinePolicyName>, replaced: BTreeSet<InlinePolicyName> },
    /// Of all, since they may be taken away and are then reported in full.
    All,
    /// Of none.
    None,
}

impl Documents {
    fn of(request: &Request) -> Self {
        let takes_away = match &request.verb {
            Verb::Delete { .. } => true,
            Verb::Update { remove_policies, remove_inline_policies, .. } => {
                request.binding.exact || !remove_policies.is_empty() || !remove_inline_policies.is_empty()
            }
            Verb::Create => request.binding.exact,
        };
        if takes_away {
            return Self::All;
        }
        let names = request.binding.inline_policies.keys().cloned().collect();
        Self::Declared { names, replaced: request.replaced.keys().cloned().collect() }
    }
}

/// A role name with what was found under it.
pub(super) struct Candidate {
    name: Option<RoleName>,
    pub(super) role: Option<ObservedRole>,
    /// What was found under the name that gen3's script gave, where that is another one.
    by_script: Option<ObservedRole>,
    /// Why nothing was read of a role that is meant by its ARN.
    pub(super) unread: Option<UnreadRole>,
}

/// Whether the role is the one of its name, whatever accounts are annotated with.
pub(super) fn is_meant_by_name(request: &Request) -> bool {
    request.verb == Verb::Create || request.binding.role_name.is_some()
}

/// Reads the role under the name given or the default name; before the cluster is known, where the name needs no hash.
pub(super) async fn observe_role(
    backends: &Backends,
    request: &Request,
    identities: Identities<'_>,
) -> Result<Candidate> {
    if let Some(arn) = &request.existing_role {
        return existing_role(backends, request, arn, identities).await;
    }
    let binding = &request.binding;
    let early = binding.role_name.clone().or_else(|| binding.naming().short());
    let older = if early.is_some() { None } else { binding.naming().by_script() };
    let current = async {
        let name = match early {
            Some(name) => Some(name),
            None => {
                let identities = identities.await?;
                identities.get(&binding.cluster).and_then(|identity| binding.naming().default(identity))
            }
        };
        let role = read_named(backends, name.as_ref(), request).await?;
        Ok((name, role))
    };
    let ((name, role), by_script) = futures::try_join!(current, read_named(backends, older.as_ref(), request))?;
    Ok(Candidate { name, role, by_script, unread: None })
}

/// Reads the role of an ARN, if it is in the account of the cluster and may be read. Who is to adopt it must read it.
async fn existing_role(
    backends: &Backends,
    request: &Request,
    arn: &RoleArn,
    identities: Identities<'_>,
) -> Result<Candidate> {
    let unread = |unread| Candidate { name: Some(arn.name().clone()), role: None, by_script: None, unread };
    if is_elsewhere(request, &identities.await?) {
        return Ok(unread(Some(UnreadRole::Elsewhere)));
    }
    match read_for(backends, arn.name(), request).await {
        // Adoption writes the role, so it has to be read.
        Err(error) if OptionalRead::NamedRole.tolerates(&error) && !request.adopt => {
            Ok(unread(Some(UnreadRole::Denied(error))))
        }
        read => Ok(Candidate { role: read?, ..unread(None) }),
    }
}

async fn read_named(backends: &Backends, name: Option<&RoleName>, request: &Request) -> Result<Option<ObservedRole>> {
    match name {
        Some(name) => read_for(backends, name, request).await,
        None => Ok(None),
    }
}

async fn read_for(backends: &Backends, name: &RoleName, request: &Request) -> Result<Option<ObservedRole>> {
    let profiles = matches!(request.verb, Verb::Delete { .. });
    read_role(backends, name, &Documents::of(request), profiles).await
}

/// Reads a role with everything on it, at the same time; then the documents that the list of names tells.
pub(crate) async fn read_role(
    backends: &Backends,
    name: &RoleName,
    documents: &Documents,
    profiles: bool,
) -> Result<Option<ObservedRole>> {
    let iam = backends.iam.as_ref();
    let declared = match documents {
        Documents::Declared { names, .. } => names.clone(),
        Documents::All | Documents::None => BTreeSet::new(),
    };
    let declared = declared.iter().map(|policy| read_inline(iam, name, policy));
    let profiles = async { if profiles { iam.instance_profiles(name).await } else { Ok(None) } };
    let (role, attached, names, declared, profiles) = futures::try_join!(
        until_consistent(false, || iam.role(name)),
        iam.attached_policies(name),
        iam.inline_policy_names(name),
        futures::future::try_join_all(declared),
        profiles,
    )?;
    let Some(role) = role else { return Ok(None) };
    let mut inline: BTreeMap<InlinePolicyName, Option<PolicyDocument>> =
        names.into_iter().flatten().map(|policy| (policy, None)).collect();
    for (policy, stored) in declared {
        if let Some(stored) = stored {
            inline.insert(policy, Some(PolicyDocument::from_stored(&stored.document)?));
        }
    }
    // What others wrote counts in the quota that ours must fit into.
    let undeclared = |names: &BTreeSet<InlinePolicyName>| inline.keys().any(|name| !names.contains(name));
    let all = match documents {
        Documents::All => true,
        Documents::Declared { names, replaced } => {
            (!names.is_empty() && undeclared(names)) || inline.keys().any(|name| replaced.contains(name))
        }
        Documents::None => false,
    };
    if all {
        let unread = inline.iter().filter(|(_, document)| document.is_none()).map(|(policy, _)| policy);
        let each = unread.map(|policy| read_inline(iam, name, policy));
        let read: Vec<_> = futures::future::try_join_all(each).await?;
        for (policy, stored) in read {
            let document = stored.map(|stored| PolicyDocument::from_stored(&stored.document)).transpose()?;
            inline.insert(policy, document);
        }
    }
    role_of(role, attached.into_iter().flatten().collect(), inline, profiles.unwrap_or_default()).map(Some)
}

/// An inline policy with its name.
fn read_inline<'a>(
    iam: &'a dyn IamBackend,
    role: &'a RoleName,
    policy: &'a InlinePolicyName,
) -> BoxFuture<'a, Result<(InlinePolicyName, Option<InlinePolicy>)>> {
    async move { Ok((policy.clone(), iam.inline_policy(role, policy).await?)) }.boxed()
}

/// A role from its parts.
fn role_of(
    role: Role,
    attached: BTreeSet<crate::name::PolicyArn>,
    inline: BTreeMap<InlinePolicyName, Option<PolicyDocument>>,
    instance_profiles: Vec<String>,
) -> Result<ObservedRole> {
    let trust = TrustPolicy::from_stored(&role.trust_policy)
        .map_err(|error| error.during(format!("cannot read the trust policy of role {}", role.arn.name())))?;
    let ownership = Ownership::from_tags(&role.tags);
    Ok(ObservedRole { role, trust, ownership, attached, inline, instance_profiles })
}

/// A role as it was read in bulk.
pub(crate) fn in_bulk(detail: RoleDetail) -> Result<ObservedRole> {
    let inline = detail
        .inline
        .into_iter()
        .map(|policy| Ok((policy.name, Some(PolicyDocument::from_stored(&policy.document)?))))
        .collect::<Result<_>>()?;
    role_of(detail.role, detail.attached.into_iter().collect(), inline, detail.instance_profiles)
}

/// The role that is meant.
pub(super) struct Decided {
    /// Nothing where nothing was found that could be meant.
    pub(super) name: Option<RoleName>,
    pub(super) role: Option<ObservedRole>,
    /// Why the role was not read.
    pub(super) unread: Option<UnreadRole>,
}

impl Decided {
    fn of(name: Option<RoleName>, role: Option<ObservedRole>) -> Self {
        Self { name, role, unread: None }
    }
}

/// Decides which role is meant.
///
/// A create means the name given or the default one. An update or delete means the name given; else the role of the
/// account's annotation; else the default one, if it is ours. Where a name would be cut, a role that is ours under the
/// name that gen3's script cut stands in for the default one. The role of an annotation may be in another account: of it,
/// a delete takes only the annotation away.
pub(super) async fn decide(
    backends: &Backends,
    request: &Request,
    observed: &Observed,
    candidate: Candidate,
) -> Result<Decided> {
    let first = observed.member(request, &request.binding.first_subject())?;
    let providers = observed.cluster_providers(request)?;
    let by_convention = |role: ObservedRole| role.by_convention(&request.binding.convention, &first, &providers);
    let Candidate { name, role, by_script, unread } = candidate;
    let by_script = by_script.map(by_convention).filter(|role| role.ownership.records(&first));
    let role = role.map(by_convention).or(by_script);
    // IAM's names are unique without regard to case: the role's own spelling counts.
    let own_name = |role: &ObservedRole| role.role.arn.name().clone();
    if is_meant_by_name(request) {
        if matches!(request.verb, Verb::Update { .. }) && role.is_none() {
            return Err(no_binding(backends, request, name.as_ref()).await);
        }
        return Ok(Decided { name: role.as_ref().map(own_name).or(name), role, unread });
    }
    let finders = request.finders();
    let finders = finders.iter().map(|subject| observed.member(request, subject)).collect::<Result<Vec<Member>>>()?;
    // The tags of a role that a delete keeps go first: what is left to undo then is irsa's own statement.
    let owned = |role: &ObservedRole| role.ownership.is_owned() || matches!(request.verb, Verb::Delete { .. });
    let is_ours =
        |role: &ObservedRole| owned(role) && finders.iter().any(|finder| role.has_subject(finder, &providers));
    let ours = role.filter(is_ours);
    let annotated = annotated_role(request, observed)?;
    match (annotated, ours) {
        (Some(arn), Some(role)) if arn == role.role.arn => Ok(Decided::of(Some(arn.name().clone()), Some(role))),
        (Some(arn), Some(role)) => Err(two_roles(request, &arn, &role.role.arn)),
        (Some(arn), None) if !observed.home(request)?.has_role(&arn) => match request.verb {
            Verb::Delete { .. } => {
                let unread = Some(UnreadRole::Elsewhere);
                Ok(Decided { unread, ..Decided::of(Some(arn.name().clone()), None) })
            }
            Verb::Create | Verb::Update { .. } => Err(of_another_account(request, &arn)),
        },
        (Some(arn), None) => {
            let found = read_for(backends, arn.name(), request).await?.map(by_convention);
            // GetRole goes by name: a role of that name in another path is another role, unless it is this binding's.
            match found {
                Some(role) if role.role.arn == arn || is_ours(&role) => {
                    Ok(Decided::of(Some(arn.name().clone()), Some(role)))
                }
                found if matches!(request.verb, Verb::Update { .. }) => {
                    Err(dangling(request, &arn, found.map(|role| role.role.arn).as_ref()))
                }
                _ => Ok(Decided::of(Some(arn.name().clone()), None)),
            }
        }
        (None, Some(role)) => Ok(Decided::of(Some(own_name(&role)), Some(role))),
        (None, None) if matches!(request.verb, Verb::Delete { .. }) => Ok(Decided::of(None, None)),
        (None, None) => Err(no_binding(backends, request, name.as_ref()).await),
    }
}

/// The role that the account of the first subject is annotated with; of a delete, that of any subject.
fn annotated_role(request: &Request, observed: &Observed) -> Result<Option<RoleArn>> {
    let mut value = None;
    for subject in &request.finders() {
        let key = AccountKey::of_member(&observed.member(request, subject)?);
        let account = key.and_then(|key| existing(observed, &key));
        value = value.or(account.and_then(|account| account.annotations.get(ROLE_ARN_ANNOTATION)));
        // The webhook takes an empty value for none.
        value = value.filter(|value| !value.is_empty());
    }
    let Some(value) = value else { return Ok(None) };
    let arn = value.parse().map_err(|invalid: InvalidName| {
        let error = Error::new(ErrorKind::Conflict, untold(request)).with_source(invalid);
        error.with_hint(correct_annotation(request))
    })?;
    Ok(Some(arn))
}

fn correct_annotation(request: &Request) -> Hint {
    Hint::CorrectAnnotation { role_named: request.binding.role_name.is_some() }
}

fn untold(request: &Request) -> String {
    format!("cannot tell which role service account {} is bound to", request.binding)
}

fn of_another_account(request: &Request, arn: &RoleArn) -> Error {
    Error::new(ErrorKind::Conflict, untold(request))
        .with_cause(format!("its annotation names a role of another account: {arn}"))
        .with_hint(correct_annotation(request))
}

fn two_roles(request: &Request, annotated: &RoleArn, owned: &RoleArn) -> Error {
    Error::new(ErrorKind::Conflict, format!("service account {} has two roles", request.binding))
        .with_cause(format!("its annotation names {annotated}, and {owned} is owned by this binding"))
        .with_hint(Hint::NameRole)
}

/// The role of the annotation does not exist, though one of its name may, in another path.
fn dangling(request: &Request, arn: &RoleArn, namesake: Option<&RoleArn>) -> Error {
    let annotation = format!("the annotation of service account {} names it", request.binding);
    let error = Error::new(ErrorKind::NotFound, format!("role {arn} does not exist")).with_code("NoSuchEntity");
    match namesake {
        // Creating the binding would be refused because of the same annotation.
        Some(found) => error
            .with_cause(format!("{annotation}, and the role of that name is {found}"))
            .with_hint(correct_annotation(request)),
        None => error.with_cause(annotation).with_hint(Hint::CreateBinding),
    }
}

/// Nothing there to update: names the nearest bindings of the namespace.
async fn no_binding(backends: &Backends, request: &Request, tried: Option<&RoleName>) -> Error {
    let binding = &request.binding;
    let cause = match tried {
        Some(name) => format!("the service account has no annotation, and there is no role {name} of this binding"),
        None => "the service account has no annotation".to_owned(),
    };
    let error = Error::new(ErrorKind::NotFound, format!("there is no binding {binding}")).with_cause(cause);
    let accounts = match backends.cluster(&binding.cluster) {
        Ok(cluster) if !binding.role_only => cluster.service_accounts().await.unwrap_or_default(),
        _ => Vec::new(),
    };
    let bound = accounts.iter().filter(|account| account.annotations.contains_key(ROLE_ARN_ANNOTATION));
    let names: Vec<String> =
        bound.map(|account| ServiceAccountRef::new(&account.namespace, &account.name).to_string()).collect();
    let near = nearest(&binding.to_string(), names.iter().map(String::as_str));
    error.with_hint(did_you_mean(&near).map_or(Hint::ListOrCreateBinding, Hint::from))
}
