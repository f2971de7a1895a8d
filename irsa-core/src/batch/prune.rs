//! Prune: the bindings of a set that a manifest no longer has.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::backend::{ClusterBackend, LISTING_ROLES, RoleDetail, ServiceAccount};
use crate::binding::{IrsaBinding, ROLE_ARN_ANNOTATION};
use crate::client::Client;
use crate::cluster_identity::{ClusterId, ClusterIdentity};
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{ClusterRef, RoleArn, Subject, SubjectName};
use crate::observe::in_bulk;
use crate::ownership::{Member, Origin, Ownership, SET_TAG};
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};
use crate::snapshot::ClusterSnapshot;
use crate::tolerance::OptionalRead;

/// What a prune removes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Prunable {
    /// Deletes, to be applied together with what is declared: one for each role, with all its subjects.
    pub requests: Vec<Request>,
    /// What belongs to the set and cannot be removed, and what is left when it is.
    pub warnings: Vec<Warning>,
}

impl Prunable {
    /// More bindings than this are removed only where that was confirmed.
    pub const CONFIRMED_ABOVE: usize = 10;
}

impl Client {
    /// The bindings of a set, on the clusters that are declared, that are not declared any more.
    ///
    /// Only roles with irsa's owner tag and the tag of the set are looked at. A role whose service accounts are declared with
    /// another role is kept until their annotations have moved, and is then among what is removed.
    ///
    /// # Errors
    /// `InvalidInput` where nothing is declared: an empty manifest is more likely a mistake than a wish. `AccessDenied`
    /// where the roles may not be listed. `NotFound`, `Unavailable` and `Timeout` of clusters and API servers.
    pub async fn prunable(&self, set: &str, declared: &[Request]) -> Result<Prunable> {
        let declared: Vec<&Request> =
            declared.iter().filter(|request| !matches!(request.verb, Verb::Delete { .. })).collect();
        if declared.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, format!("set {set} is not pruned: nothing is declared"))
                .with_cause("an empty manifest would remove every binding of the set")
                .with_hint(Hint::DeleteBindings));
        }
        let mut clusters: BTreeMap<ClusterRef, ClusterIdentity> = BTreeMap::new();
        for cluster in declared.iter().flat_map(|request| request.clusters()).collect::<BTreeSet<_>>() {
            let (cluster, identity) = self.identity_of(cluster).await;
            clusters.insert(cluster, identity?);
        }
        let roles =
            self.in_time("reading the roles of the account", self.backends.iam.roles()).await.map_err(|error| {
                let error = error.during(format!("cannot list the bindings of set {set} that are no longer declared"));
                match error.kind() {
                    ErrorKind::AccessDenied => {
                        error.with_hint(Hint::GrantOrOmitPrune { rights: LISTING_ROLES.to_owned() })
                    }
                    _ => error,
                }
            })?;
        // Listed once, and only if a role is met whose service accounts are declared with another one.
        let backends = clusters.iter().filter_map(|(name, id)| Some((id, self.backends.clusters.get(name)?)));
        let read: BTreeMap<ClusterId, ClusterSnapshot> =
            backends.map(|(id, backend)| (id.cluster.clone(), ClusterSnapshot::new(Arc::clone(backend)))).collect();
        let pruning = Pruning { declared: Declared::of(&declared, &clusters), clusters: &clusters, read: &read };
        let mut prunable = Prunable::default();
        for detail in roles.iter().filter(|detail| detail.role.tags.get(SET_TAG).is_some_and(|there| there == set)) {
            let members = pruning.members(detail);
            let users = self.in_time("reading the service accounts", pruning.users(detail, &members)).await?;
            pruning.add(detail, (&members, &users), &mut prunable)?;
        }
        Ok(prunable)
    }
}

/// What is declared, in the words of roles.
#[derive(Default)]
struct Declared {
    /// The subjects of each role, by its name in lower case.
    roles: HashMap<String, BTreeSet<Member>>,
    /// The roles from which an apply takes what is not declared.
    exact: BTreeSet<String>,
    /// Those that get an account and an annotation.
    bound: BTreeSet<Member>,
}

impl Declared {
    fn of(declared: &[&Request], clusters: &BTreeMap<ClusterRef, ClusterIdentity>) -> Self {
        let mut all = Self::default();
        for request in declared {
            let binding = &request.binding;
            let default = || binding.naming().default(clusters.get(&binding.cluster)?);
            let name = binding.role_name.clone().or_else(default);
            let name = name.map(|name| name.as_str().to_ascii_lowercase()).unwrap_or_default();
            if binding.exact {
                let _ = all.exact.insert(name.clone());
            }
            // A role of another account is not the one that has its name in this account.
            let home = clusters.get(&binding.cluster);
            let own = |arn: &RoleArn| home.is_some_and(|home| home.has_role(arn));
            let elsewhere = request.existing_role.as_ref().is_some_and(|arn| !own(arn));
            let mut of_elsewhere = BTreeSet::new();
            let of_role = if elsewhere { &mut of_elsewhere } else { all.roles.entry(name).or_default() };
            for subject in binding.all_subjects() {
                let Some(identity) = clusters.get(subject.cluster.as_ref().unwrap_or(&binding.cluster)) else {
                    continue;
                };
                let has_account = binding.has_account(&subject);
                let Subject { namespace, name, .. } = subject;
                let member = Member { cluster: identity.cluster.clone(), namespace, name };
                if has_account {
                    let _ = all.bound.insert(member.clone());
                }
                let _ = of_role.insert(member);
            }
        }
        all
    }

    /// The declared subjects of a role; nothing where it is declared no more.
    fn subjects_of(&self, detail: &RoleDetail) -> Option<&BTreeSet<Member>> {
        self.roles.get(&key(detail))
    }
}

fn key(detail: &RoleDetail) -> String {
    detail.role.arn.name().as_str().to_ascii_lowercase()
}

/// What a prune goes by.
struct Pruning<'a> {
    declared: Declared,
    clusters: &'a BTreeMap<ClusterRef, ClusterIdentity>,
    /// The clusters whose API servers are at hand.
    read: &'a BTreeMap<ClusterId, ClusterSnapshot>,
}

impl Pruning<'_> {
    fn cluster(&self, id: &ClusterId) -> Option<&ClusterRef> {
        self.clusters.iter().find(|(_, identity)| identity.cluster == *id).map(|(name, _)| name)
    }

    /// The subjects of a role: those on record, and those that irsa's own statements let in, since a record may be cut.
    fn members(&self, detail: &RoleDetail) -> BTreeSet<Member> {
        let account = detail.role.arn.account();
        let known = self.clusters.values();
        let providers = known.filter_map(|identity| Some((identity.cluster.clone(), identity.provider_in(account)?)));
        // Of one whose policy cannot be read, the record is all there is.
        match in_bulk(detail.clone()) {
            Ok(role) => role.present(&providers.collect()),
            Err(_) => Ownership::from_tags(&detail.role.tags).members(),
        }
    }

    /// The subjects of a role that is declared no more which are declared with another one and still annotated with it, as
    /// far as may be seen.
    async fn users(&self, detail: &RoleDetail, members: &BTreeSet<Member>) -> Result<BTreeSet<Member>> {
        let mut users = BTreeSet::new();
        if self.declared.subjects_of(detail).is_some() {
            return Ok(users);
        }
        let arn = detail.role.arn.to_string();
        for member in members.intersection(&self.declared.bound) {
            let (SubjectName::Exact(name), Some(cluster)) = (&member.name, self.read.get(&member.cluster)) else {
                continue;
            };
            let account = OptionalRead::RoleUser.tolerate(cluster.service_account(&member.namespace, name).await)?;
            let is_annotated = |account: ServiceAccount| account.annotations.get(ROLE_ARN_ANNOTATION) == Some(&arn);
            let uses = account.is_none_or(|account| account.is_some_and(is_annotated));
            if uses {
                users.insert(member.clone());
            }
        }
        Ok(users)
    }

    fn add(
        &self,
        detail: &RoleDetail,
        (members, users): (&BTreeSet<Member>, &BTreeSet<Member>),
        prunable: &mut Prunable,
    ) -> Result<()> {
        let ownership = Ownership::from_tags(&detail.role.tags);
        let name = detail.role.arn.name();
        let mut warn = |id: WarningId, message: String| prunable.warnings.push(Warning::new(id, message));
        if !ownership.is_owned() {
            return Ok(());
        }
        if let Some(declared) = self.declared.subjects_of(detail) {
            if self.declared.exact.contains(&key(detail)) && ownership.origin == Some(Origin::Created) {
                return Ok(());
            }
            for member in members.difference(declared) {
                let exact = |other: &&Member| matches!(other.name, SubjectName::Exact(_));
                let staying = declared.iter().filter(exact).find(|other| members.contains(other));
                prunable.warnings.extend(self.undeclared(detail, member, staying));
            }
            return Ok(());
        }
        let Some(owner) = members.iter().find(|member| ownership.is_owner(member)) else {
            let message = format!("role {name} belongs to the set, but its owner's record is cut: it is kept");
            warn(WarningId::RoleKept, message);
            return Ok(());
        };
        if self.cluster(&owner.cluster).is_none() {
            return Ok(());
        }
        if !users.is_empty() {
            let message = format!(
                "role {name} is no longer declared, but {} did not move to the role that is declared for it yet: it is kept, \
                 and goes with a later prune",
                shown(users, &owner.cluster)
            );
            warn(WarningId::RoleKept, message);
            return Ok(());
        }
        let moved: BTreeSet<Member> = members.intersection(&self.declared.bound).cloned().collect();
        if !moved.is_empty() {
            let message = format!(
                "{} left role {name} for another one: pods that were started before still use it, until they are restarted",
                shown(&moved, &owner.cluster)
            );
            warn(WarningId::SessionsRemain, message);
        }
        // A binding whose first subject has an account at hand, so that others' accounts are let go as well.
        let at_hand =
            |member: &&Member| matches!(member.name, SubjectName::Exact(_)) && self.read.contains_key(&member.cluster);
        let first = [owner].into_iter().chain(members).find(at_hand).unwrap_or(owner);
        let Some(cluster) = self.cluster(&first.cluster) else { return Ok(()) };
        let out_of_reach: BTreeSet<Member> = members
            .iter()
            .filter(|member| matches!(member.name, SubjectName::Exact(_)) && !self.read.contains_key(&member.cluster))
            .cloned()
            .collect();
        if !out_of_reach.is_empty() {
            let message = format!(
                "service account {} is not looked at when role {name} goes: no API server is at hand where only roles are \
                 declared",
                shown(&out_of_reach, &owner.cluster)
            );
            warn(WarningId::AccountKept, message);
        }
        let mut binding = IrsaBinding::builder(cluster.to_string(), first.namespace.as_str(), first.name.as_str())
            .with_role_name(name.as_str())
            .with_role_only(!self.read.contains_key(&first.cluster));
        for member in members.iter().filter(|member| *member != first) {
            let Some(at) = self.cluster(&member.cluster) else { continue };
            let place = format!("{}/{}", member.namespace, member.name.as_str());
            let subject = if at == cluster { place } else { format!("{at}:{place}") };
            binding =
                if at_hand(&member) { binding.with_subject(subject) } else { binding.with_trust_only_subject(subject) };
        }
        prunable.requests.push(Request::delete(binding.build()?));
        Ok(())
    }

    /// Tells of a subject that is not declared for a role that is kept; of clusters that are not declared nothing is known.
    fn undeclared(&self, detail: &RoleDetail, member: &Member, staying: Option<&Member>) -> Option<Warning> {
        let name = detail.role.arn.name();
        let several = self.clusters.len() > 1;
        let place = |member: &Member| format!("{}/{}", member.namespace, member.name.as_str());
        let at = self.cluster(&member.cluster)?;
        let elsewhere = |home: &ClusterRef| {
            if at == home { place(member) } else { format!("{at}:{}", place(member)) }
        };
        let on = |cluster: &ClusterRef| several.then(|| cluster.to_string());
        let alone = matches!(member.name, SubjectName::Exact(_)) && !self.declared.bound.contains(member);
        let staying = staying.filter(|_| !alone).and_then(|staying| Some((staying, self.cluster(&staying.cluster)?)));
        let (cluster, subject) = match staying {
            Some((_, home)) => (on(home), elsewhere(home)),
            None => (on(at), place(member)),
        };
        let staying = staying.map(|(staying, _)| place(staying));
        let hint = Hint::RemoveUndeclaredSubject { staying, role_name: name.to_string(), cluster, subject };
        let shown = if several { format!("{at}:{}", place(member)) } else { place(member) };
        let message = format!("subject {shown} of role {name} is no longer declared for it, and keeps its rights");
        Some(Warning::new(WarningId::RoleKept, message).with_hint(hint))
    }
}

fn shown(members: &BTreeSet<Member>, home: &ClusterId) -> String {
    members.iter().map(|member| member.shown(home)).collect::<Vec<_>>().join(", ")
}
