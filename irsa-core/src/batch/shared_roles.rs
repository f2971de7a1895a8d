//! Roles that several requests of a fleet declare. One of them, the leader, plans the role with all that is wanted of it; the
//! others bind their service accounts only, after the leader.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::resolved_clusters::{ResolvedClusters, SubjectKey, conflict};
use crate::backend::IamBackend;
use crate::binding::{IrsaBinding, check_together};
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{ClusterRef, Namespace, RoleName, ServiceAccountName, Subject};
use crate::ownership::{Member, Ownership};
use crate::plan::Plan;
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};

/// Requests that declare one role, by their places in the fleet.
#[derive(Debug)]
pub(super) struct Group {
    /// As it is, else as the leader writes it.
    name: RoleName,
    /// The leader, who names the others or comes first.
    leader: usize,
    /// All, in the order of the fleet.
    members: Vec<usize>,
}

/// The roles that several requests declare.
///
/// # Errors
/// `InvalidInput` where nobody names all others, and where two want different things of the role or of an account; with the
/// places of the two in the context.
pub(super) fn groups(requests: &[Request], known: &ResolvedClusters<'_>) -> Result<Vec<Group>> {
    let mut by_role: Vec<(RoleName, Vec<usize>)> = Vec::new();
    let mut at_role: HashMap<String, usize> = HashMap::new();
    for (at, request) in requests.iter().enumerate().filter(|(_, request)| request.verb == Verb::Create) {
        let Some((key, name)) = known.role_key(request).zip(known.role_name(&request.binding)) else { continue };
        let group = *at_role.entry(key).or_insert(by_role.len());
        match by_role.get_mut(group) {
            Some((_, members)) => members.push(at),
            None => by_role.push((name, vec![at])),
        }
    }
    by_role
        .into_iter()
        .filter(|(_, members)| members.len() > 1)
        .map(|(name, members)| {
            let leader = leader(requests, &name, &members, known)?;
            let name = known.role_name(&requests[leader].binding).unwrap_or(name);
            let group = Group { name, leader, members };
            let _ = group.whole(requests, known)?;
            Ok(group)
        })
        .collect()
}

/// Who answers for the role: the first that names all others. Those that name one existing role by its ARN need not be named.
fn leader(requests: &[Request], name: &RoleName, members: &[usize], known: &ResolvedClusters<'_>) -> Result<usize> {
    let of = |at: usize| &requests[at].binding;
    // Who names all others names at least as many.
    let candidates = members.iter().filter(|at| of(**at).subjects.len() + 1 >= members.len());
    let names_all = |at: &&usize| {
        let named = Named::of(of(**at), known);
        members.iter().all(|other| other == *at || named.has(of(*other)))
    };
    if let Some(leader) = candidates.clone().find(names_all) {
        return Ok(*leader);
    }
    let Some(first) = members.first().copied() else { return Ok(0) };
    // Bindings that attach an existing role need not name each other, so the fault is that of one that declares it.
    let declares = |at: &&usize| requests[**at].existing_role.is_none();
    let Some(first) = members.iter().find(declares).copied() else { return Ok(first) };
    let named = Named::of(of(first), known);
    let unnamed = |at: &&usize| **at != first && !named.has(of(**at)) && !Named::of(of(**at), known).has(of(first));
    let next = members.iter().find(|at| **at != first);
    let second = members.iter().find(unnamed).or(next).copied().unwrap_or(first);
    let (one, other) = (of(first), of(second));
    Err(conflict(format!("bindings {one} and {other} both declare role {name}"), first, second)
        .with_cause("a role belongs to one binding, and none of these names the service accounts of all others")
        .with_hint("share it by naming the other service account in subjects, or give one of them another roleName"))
}

/// The service accounts that a binding names among its subjects, each with its clusters.
struct Named<'a> {
    known: &'a ResolvedClusters<'a>,
    accounts: HashMap<(&'a Namespace, &'a ServiceAccountName), Vec<&'a ClusterRef>>,
}

impl<'a> Named<'a> {
    fn of(binding: &'a IrsaBinding, known: &'a ResolvedClusters<'a>) -> Self {
        let mut accounts: HashMap<_, Vec<_>> = HashMap::new();
        for subject in &binding.subjects {
            let Some(name) = subject.service_account() else { continue };
            let cluster = subject.cluster.as_ref().unwrap_or(&binding.cluster);
            accounts.entry((&subject.namespace, name)).or_default().push(cluster);
        }
        Self { known, accounts }
    }

    fn has(&self, other: &IrsaBinding) -> bool {
        let clusters = self.accounts.get(&(&other.namespace, &other.service_account));
        clusters
            .into_iter()
            .flatten()
            .any(|cluster| self.known.id(cluster) == self.known.id(&other.cluster) || cluster.may_be(&other.cluster))
    }
}

impl Group {
    /// What all members together want: the binding of the leader, and of each other one what is left for it to do.
    fn whole(
        &self,
        requests: &[Request],
        known: &ResolvedClusters<'_>,
    ) -> Result<(IrsaBinding, Vec<(usize, IrsaBinding)>)> {
        let of = |at: usize| &requests[at].binding;
        let mut whole = of(self.leader).clone();
        let others: Vec<usize> = self.members.iter().copied().filter(|at| *at != self.leader).collect();
        for at in &others {
            let differ = absorb(&mut whole, of(*at)).or_else(|| self.requests_differ(requests, *at));
            if let Some(what) = differ {
                return Err(self.different(requests, *at, &format!("they differ in {what}")));
            }
            check_together(&whole).map_err(|error| self.different(requests, *at, &error.to_string()))?;
        }
        let binders = self.binders(requests, known)?;
        let binds = |at: usize, subject: &Subject| {
            binders.get(&known.subject_key(of(at), subject)).is_none_or(|binder| *binder == at)
        };
        let left = others.iter().map(|at| (*at, self.left(of(*at), &whole, &|subject| binds(*at, subject)))).collect();
        // One cluster may be named in two ways.
        let mut named: HashSet<_> =
            whole.all_subjects().iter().map(|subject| known.subject_key(&whole, subject)).collect();
        let mut declared = Vec::new();
        for subject in others
            .iter()
            .flat_map(|at| of(*at).all_subjects())
            .filter(|subject| named.insert(known.subject_key(&whole, subject)))
        {
            let elsewhere = subject.cluster.clone().filter(|cluster| known.id(cluster) != known.id(&whole.cluster));
            declared.push(Subject { cluster: elsewhere, ..subject });
        }
        whole.subjects.extend(declared);
        let unbound = whole.subjects.iter().filter(|subject| {
            let exact = subject.service_account().is_some();
            exact && binders.get(&known.subject_key(&whole, subject)) != Some(&self.leader)
        });
        let unbound: Vec<Subject> = unbound.cloned().collect();
        whole.trust_only.extend(unbound);
        Ok((whole, left))
    }

    /// What is left of a binding whose role is the leader's: its accounts.
    fn left(&self, binding: &IrsaBinding, whole: &IrsaBinding, binds: &dyn Fn(&Subject) -> bool) -> IrsaBinding {
        let mut left = binding.clone();
        left.role_name = Some(self.name.clone());
        left.role_path = whole.role_path.clone();
        left.audience = whole.audience.clone();
        (left.description, left.max_session_duration, left.permissions_boundary) = (None, None, None);
        left.tags.clear();
        left.policies.clear();
        left.inline_policies.clear();
        left.trust_statements.clear();
        left.exact = false;
        let unbound: Vec<Subject> = left.subjects.iter().filter(|subject| !binds(subject)).cloned().collect();
        left.trust_only.extend(unbound);
        left
    }

    /// Which member binds each account: the one whose own it is, else the first one that names it.
    fn binders(&self, requests: &[Request], known: &ResolvedClusters<'_>) -> Result<HashMap<SubjectKey, usize>> {
        let mut binders = HashMap::new();
        for at in &self.members {
            let binding = &requests[*at].binding;
            // Of one that is role-only nobody touches the account.
            let _ = binders.insert(known.subject_key(binding, &binding.first_subject()), *at);
        }
        let own: HashSet<SubjectKey> = binders.keys().cloned().collect();
        let others = self.members.iter().copied().filter(|at| *at != self.leader);
        for at in std::iter::once(self.leader).chain(others) {
            let binding = &requests[at].binding;
            for subject in binding.subjects.iter().filter(|subject| binding.has_account(subject)) {
                let subject_key = known.subject_key(binding, subject);
                match binders.get(&subject_key).copied() {
                    Some(_) if own.contains(&subject_key) => {}
                    Some(first) => one_account(subject, (first, &requests[first].binding), (at, binding))?,
                    None => drop(binders.insert(subject_key, at)),
                }
            }
        }
        Ok(binders)
    }

    fn requests_differ(&self, requests: &[Request], at: usize) -> Option<String> {
        let of = |at: usize| &requests[at];
        let differ = |other: &usize| {
            if of(*other).set != of(at).set {
                return Some("set".to_owned());
            }
            let arns = of(*other).existing_role.as_ref().zip(of(at).existing_role.as_ref());
            let same = |(one, other): (&crate::name::RoleArn, &crate::name::RoleArn)| {
                one.to_string().eq_ignore_ascii_case(&other.to_string())
            };
            (!arns.is_none_or(same)).then(|| "the ARN of the role".to_owned())
        };
        self.members.iter().take_while(|other| **other != at).chain([&self.leader]).find_map(differ)
    }

    /// Two members want what does not go together: the later one, and the first that it contradicts.
    fn different(&self, requests: &[Request], at: usize, what: &str) -> Error {
        let of = |at: usize| &requests[at].binding;
        let contradicts = |other: &&usize| **other != at && absorb(&mut of(**other).clone(), of(at)).is_some();
        let other = self.members.iter().find(contradicts).copied().unwrap_or(self.leader);
        let (first, second) = (other.min(at), other.max(at));
        let name = &self.name;
        conflict(
            format!("bindings {} and {} want different things of role {name}", of(first), of(second)),
            first,
            second,
        )
        .with_cause(what)
        .with_hint("say it in one of the two only, or the same in both")
    }
}

/// Adds what another binding wants of the role; tells the first setting that both name, with different values.
fn absorb(whole: &mut IrsaBinding, other: &IrsaBinding) -> Option<String> {
    fn differ<T: Clone + PartialEq>(whole: &mut Option<T>, other: &Option<T>) -> bool {
        *whole = whole.take().or_else(|| other.clone());
        other.is_some() && whole != other
    }
    fn key<K: Clone + Ord + ToString, V: Clone + PartialEq>(
        whole: &mut BTreeMap<K, V>,
        other: &BTreeMap<K, V>,
    ) -> Option<String> {
        let differs = other.iter().find(|(key, value)| whole.get(*key).is_some_and(|there| there != *value));
        let differs = differs.map(|(key, _)| key.to_string());
        whole.extend(other.iter().map(|(key, value)| (key.clone(), value.clone())));
        differs
    }
    let settings = [
        ("rolePath", differ(&mut whole.role_path, &other.role_path)),
        ("description", differ(&mut whole.description, &other.description)),
        ("maxSessionDuration", differ(&mut whole.max_session_duration, &other.max_session_duration)),
        ("permissionsBoundary", differ(&mut whole.permissions_boundary, &other.permissions_boundary)),
        ("audience", differ(&mut whole.audience, &other.audience)),
    ];
    whole.exact |= other.exact;
    whole.policies.extend(other.policies.iter().cloned());
    let more = other.trust_statements.iter().filter(|statement| !whole.trust_statements.contains(statement));
    let more: Vec<_> = more.cloned().collect();
    whole.trust_statements.extend(more);
    let tag = key(&mut whole.tags, &other.tags);
    let inline = key(&mut whole.inline_policies, &other.inline_policies);
    let setting = settings.into_iter().find(|(_, differs)| *differs).map(|(name, _)| name.to_owned());
    setting.or(tag.map(|key| format!("tag {key}"))).or(inline.map(|name| format!("inline policy {name}")))
}

/// Two bindings may name one account of neither, where they want the same of it.
fn one_account(
    subject: &Subject,
    (first, one): (usize, &IrsaBinding),
    (second, other): (usize, &IrsaBinding),
) -> Result<()> {
    let what = [
        ("labels", one.labels != other.labels),
        ("annotations", one.annotations != other.annotations),
        ("tokenExpiration", one.token_expiration != other.token_expiration),
        ("stsRegionalEndpoints", one.sts_regional_endpoints != other.sts_regional_endpoints),
        ("automountServiceAccountToken", one.automount_token != other.automount_token),
    ];
    let Some((what, _)) = what.into_iter().find(|(_, differ)| *differ) else { return Ok(()) };
    let place = format!("{}/{}", subject.namespace, subject.name.as_str());
    let (first, second) = (first.min(second), first.max(second));
    Err(conflict(format!("bindings {one} and {other} want different things of service account {place}"), first, second)
        .with_cause(format!("they differ in {what}"))
        .with_hint("name it in one of the two only, or make it trust-only in the other"))
}

/// The requests as they are planned, each in its place: leaders with all that is wanted of their role, the others with what
/// is left. Of a role that is there, the leader is its owner, or else on its record, if any of them is.
///
/// # Errors
/// Those of [`groups`].
pub(super) async fn join<'a>(
    iam: &dyn IamBackend,
    requests: &'a [Request],
    known: &ResolvedClusters<'_>,
) -> Result<Cow<'a, [Request]>> {
    let groups = groups(requests, known)?;
    if groups.is_empty() {
        return Ok(Cow::Borrowed(requests));
    }
    let mut joined = requests.to_vec();
    let roles = futures::future::join_all(groups.iter().map(|group| iam.role(&group.name))).await;
    for (mut group, role) in groups.into_iter().zip(roles) {
        let ownership = match &role {
            Ok(Some(role)) => Ownership::from_tags(&role.tags),
            // What cannot be read is an error of the leader's own plan.
            _ => Ownership::default(),
        };
        let of = |at: &usize| member(&requests[*at].binding, known);
        let recorded = |at: &&usize| of(at).is_some_and(|member| ownership.records(&member));
        let attaches = |at: &usize| requests[*at].existing_role.is_some() && !requests[*at].adopt;
        if group.members.iter().all(attaches) && !group.members.iter().any(|at| recorded(&at)) {
            // Nobody writes the role: each is annotated with it if it trusts it.
            continue;
        }
        if let Ok(Some(role)) = role {
            let owner = group.members.iter().find(|at| of(at).is_some_and(|member| ownership.is_owner(&member)));
            // Who owns the role may make it exact; else who is on its record may speak for it.
            let leader = owner.or_else(|| Some(&group.leader).filter(recorded));
            group.leader = leader.or_else(|| group.members.iter().find(recorded)).copied().unwrap_or(group.leader);
            group.name = role.arn.name().clone();
        }
        let (whole, left) = group.whole(requests, known)?;
        let replaced: Vec<_> = group.members.iter().flat_map(|at| requests[*at].replaced.clone()).collect();
        joined[group.leader].replaced.extend(replaced);
        if group.members.iter().any(|at| requests[*at].existing_role.is_none()) {
            joined[group.leader].existing_role = None;
        }
        joined[group.leader].binding = whole;
        for (at, binding) in left {
            joined[at].binding = binding;
            joined[at].leader = Some(group.leader);
            joined[at].replaced.clear();
        }
    }
    Ok(Cow::Owned(joined))
}

fn member(binding: &IrsaBinding, known: &ResolvedClusters<'_>) -> Option<Member> {
    let Subject { namespace, name, .. } = binding.first_subject();
    Some(Member { cluster: known.identity(&binding.cluster)?.cluster.clone(), namespace, name })
}

/// Refuses the plans of those whose leader is refused.
pub(super) fn refuse_blocked(requests: &[Request], plans: &mut [Result<Plan>]) {
    for (at, request) in requests.iter().enumerate() {
        let Some(leader) = request.leader.and_then(|leader| plans.get(leader)) else { continue };
        let binds = plans.get(at).is_some_and(|plan| plan.as_ref().is_ok_and(|plan| !plan.is_empty()));
        let held = blocked(requests, at, leader.as_ref().map(|plan| plan.warnings.as_slice()), binds);
        if let (Some(error), Some(plan)) = (held, plans.get_mut(at)) {
            *plan = Err(error);
        }
    }
}

/// Why the accounts of a request may not be bound: its leader failed, or left the role to whoever made it.
pub(super) fn blocked(
    requests: &[Request],
    at: usize,
    leader: Result<&[Warning], &Error>,
    binds: bool,
) -> Option<Error> {
    let binding = &requests.get(at)?.binding;
    let name = &requests.get(requests.get(at)?.leader?)?.binding;
    let role = binding.role_name.as_ref().map(ToString::to_string).unwrap_or_default();
    match leader {
        Err(error) => Some(
            Error::new(error.kind(), format!("service account {binding} is not bound to role {role}"))
                .with_cause(format!("binding {name} declares the role too, comes first, and failed: {error}"))
                .with_hint("mend that first; the same command again finishes the work"),
        ),
        Ok(warnings) => {
            let unmanaged = warnings.iter().any(|warning| warning.id == WarningId::NotManaged);
            (unmanaged && binds).then(|| {
                Error::new(ErrorKind::NotOwned, format!("role {role} exists and was not created by irsa"))
                    .with_cause(format!(
                        "service account {binding} would be changed for it, and adoption was not asked for"
                    ))
                    .with_hint(Hint::AdoptRole)
            })
        }
    }
}
