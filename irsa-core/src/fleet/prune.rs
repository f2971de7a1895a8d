//! Prune: the bindings of a set that a manifest no longer has.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::{LISTING_ROLES, RoleDetail};
use crate::binding::{IrsaBinding, ROLE_ARN_ANNOTATION};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::{ClusterId, Identity};
use crate::name::{ClusterRef, SubjectName};
use crate::ownership::{Member, Ownership, SET_TAG};
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};

/// What a prune removes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Prunable {
    /// Deletes, to be applied together with what is declared: one for each role, with all its subjects.
    pub requests: Vec<Request>,
    /// What belongs to the set and cannot be removed.
    pub warnings: Vec<Warning>,
}

impl Client {
    /// The bindings of a set, on the clusters that are declared, that are not declared any more.
    ///
    /// Only roles with irsa's owner tag and the tag of the set are looked at.
    ///
    /// # Errors
    /// `InvalidInput` where nothing is declared: an empty manifest is more likely a mistake than a wish. `AccessDenied`
    /// where the roles may not be listed.
    pub async fn prunable(&self, set: &str, declared: &[Request]) -> Result<Prunable> {
        let declared: Vec<&Request> =
            declared.iter().filter(|request| !matches!(request.verb, Verb::Delete { .. })).collect();
        if declared.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, format!("set {set} is not pruned: nothing is declared"))
                .with_hint("an empty manifest would remove every binding of the set; delete them with `irsa delete`"));
        }
        let mut clusters: BTreeMap<ClusterRef, Identity> = BTreeMap::new();
        for cluster in declared.iter().flat_map(|request| request.clusters()).collect::<BTreeSet<_>>() {
            let (cluster, identity) = self.identity_of(cluster).await;
            clusters.insert(cluster, identity?);
        }
        let roles =
            self.in_time("reading the roles of the account", self.backends.iam.roles()).await.map_err(|error| {
                error
                    .during(format!("cannot tell which bindings of set {set} are not declared any more"))
                    .granting(&format!("{LISTING_ROLES}, or leave --prune out"))
            })?;
        let kept = Kept::of(&declared, &clusters);
        let mut prunable = Prunable::default();
        for detail in roles.iter().filter(|detail| detail.role.tags.get(SET_TAG).is_some_and(|there| there == set)) {
            let users = self.in_time("reading the service accounts", self.users(detail, &clusters, &kept)).await?;
            prunable.add(detail, &clusters, &kept, (&users, &self.backends.clusters))?;
        }
        Ok(prunable)
    }

    /// The declared subjects of a role that is declared no more which still use it: an account that is annotated with it, and
    /// whatever cannot be looked at.
    async fn users(
        &self,
        detail: &RoleDetail,
        clusters: &BTreeMap<ClusterRef, Identity>,
        kept: &Kept,
    ) -> Result<BTreeSet<Member>> {
        let mut users = BTreeSet::new();
        if kept.has_role(detail) {
            return Ok(users);
        }
        let members = Ownership::from_tags(&detail.role.tags).members();
        for member in members.into_iter().filter(|member| kept.members.contains(member)) {
            let reached = clusters.iter().filter(|(_, identity)| identity.cluster == member.cluster);
            let backend = reached.filter_map(|(name, _)| self.backends.clusters.get(name)).next();
            let uses = match (&member.name, backend) {
                (SubjectName::Exact(name), Some(backend)) => {
                    let account = backend.service_account(&member.namespace, name).await?;
                    let arn = detail.role.arn.to_string();
                    account.is_some_and(|account| account.annotations.get(ROLE_ARN_ANNOTATION) == Some(&arn))
                }
                _ => true,
            };
            if uses {
                users.insert(member);
            }
        }
        Ok(users)
    }
}

/// What is declared, in the words of roles.
struct Kept {
    members: BTreeSet<Member>,
    roles: BTreeSet<String>,
}

impl Kept {
    fn of(declared: &[&Request], clusters: &BTreeMap<ClusterRef, Identity>) -> Self {
        let (mut members, mut roles) = (BTreeSet::new(), BTreeSet::new());
        for request in declared {
            let binding = &request.binding;
            members.extend(binding.all_subjects().into_iter().filter_map(|subject| {
                let identity = clusters.get(subject.cluster.as_ref().unwrap_or(&binding.cluster))?;
                Some(Member { cluster: identity.cluster.clone(), namespace: subject.namespace, name: subject.name })
            }));
            let default = || binding.naming().default(clusters.get(&binding.cluster)?);
            let name = binding.role_name.clone().or_else(default);
            roles.extend(name.map(|name| name.as_str().to_ascii_lowercase()));
        }
        Self { members, roles }
    }

    fn has_role(&self, detail: &RoleDetail) -> bool {
        self.roles.contains(&detail.role.arn.name().as_str().to_ascii_lowercase())
    }
}

impl Prunable {
    /// Tells of a role that is declared no more, but whose service accounts have not moved to their new one yet.
    fn warn_of_users(&mut self, detail: &RoleDetail, users: &BTreeSet<Member>) {
        let name = detail.role.arn.name();
        let Some(home) = users.iter().next().map(|member| &member.cluster) else { return };
        let shown: Vec<String> = users.iter().map(|member| member.shown(home)).collect();
        let message = format!(
            "role {name} is declared no more, but {} uses it as far as can be seen, and is declared with another role: it is \
             kept; a prune after the move removes it, and so does `irsa delete` with --role-name {name}",
            shown.join(", ")
        );
        self.warnings.push(Warning::new(WarningId::RoleKept, message));
    }

    /// Tells of what is not declared any more in a role that is kept, since part of it is.
    fn warn_of_undeclared(
        &mut self,
        detail: &RoleDetail,
        members: &BTreeSet<Member>,
        clusters: &BTreeMap<ClusterRef, Identity>,
        kept: &Kept,
    ) {
        let name = detail.role.arn.name();
        let Some(home) = members.iter().next().map(|member| &member.cluster) else { return };
        let here = |member: &&Member| clusters.values().any(|identity| identity.cluster == member.cluster);
        for member in members.iter().filter(here).filter(|member| !kept.members.contains(*member)) {
            let place = member.shown(home);
            let way = match member.name {
                SubjectName::Exact(_) => format!("`irsa delete {place}`"),
                _ => format!("`irsa update` with --remove-subject {place}"),
            };
            let message = format!(
                "subject {place} of role {name} is declared no more, and keeps its rights: {way} takes it out, as \
                 --exact does"
            );
            self.warnings.push(Warning::new(WarningId::RoleKept, message));
        }
    }

    fn add<T>(
        &mut self,
        detail: &RoleDetail,
        clusters: &BTreeMap<ClusterRef, Identity>,
        kept: &Kept,
        (users, reached): (&BTreeSet<Member>, &BTreeMap<ClusterRef, T>),
    ) -> Result<()> {
        let ownership = Ownership::from_tags(&detail.role.tags);
        let members = ownership.members();
        let home = |id: &ClusterId| clusters.iter().find(|(_, identity)| identity.cluster == *id).map(|(name, _)| name);
        let name = detail.role.arn.name();
        if !ownership.is_owned() {
            return Ok(());
        }
        if kept.has_role(detail) {
            self.warn_of_undeclared(detail, &members, clusters, kept);
            return Ok(());
        }
        if !users.is_empty() {
            self.warn_of_users(detail, users);
            return Ok(());
        }
        let Some(owner) = members.iter().find(|member| ownership.is_owner(member)) else {
            let message = format!("role {name} belongs to the set, but its owner's record is cut: it is kept");
            self.warnings.push(Warning::new(WarningId::RoleKept, message));
            return Ok(());
        };
        if home(&owner.cluster).is_none() {
            return Ok(());
        }
        // A binding whose first subject has an account at hand, so that others' accounts are let go as well.
        let at_hand = |member: &&Member| {
            let exact = matches!(member.name, SubjectName::Exact(_));
            exact && home(&member.cluster).is_some_and(|cluster| reached.contains_key(cluster))
        };
        let first = [owner].into_iter().chain(&members).find(at_hand).unwrap_or(owner);
        let Some(cluster) = home(&first.cluster) else { return Ok(()) };
        let (namespace, account) = (first.namespace.as_str(), first.name.as_str());
        let mut binding = IrsaBinding::builder(cluster.to_string(), namespace, account)
            .with_role_name(name.as_str())
            // Where only roles are declared, no API server is at hand.
            .with_role_only(!reached.contains_key(cluster));
        for member in members.iter().filter(|member| *member != first) {
            let Some(at) = home(&member.cluster) else { continue };
            let place = format!("{}/{}", member.namespace, member.name.as_str());
            let subject = if at == cluster { place } else { format!("{at}:{place}") };
            let has_account = matches!(member.name, SubjectName::Exact(_)) && reached.contains_key(at);
            binding =
                if has_account { binding.with_subject(subject) } else { binding.with_trust_only_subject(subject) };
        }
        self.requests.push(Request::delete(binding.build()?));
        Ok(())
    }
}
