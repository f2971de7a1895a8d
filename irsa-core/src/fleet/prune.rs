//! Prune: the bindings of a set that a manifest no longer has.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::RoleDetail;
use crate::binding::IrsaBinding;
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
    /// Deletes, to be applied together with what is declared; the owner of a role comes after its further subjects.
    pub requests: Vec<Request>,
    /// The number of bindings that go: roles, each with all its subjects.
    pub bindings: usize,
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
                    .with_hint("grant iam:GetAccountAuthorizationDetails and iam:ListRoles, or leave --prune out")
            })?;
        let kept = Kept::of(&declared, &clusters);
        let mut prunable = Prunable::default();
        for detail in roles.iter().filter(|detail| detail.role.tags.get(SET_TAG).is_some_and(|there| there == set)) {
            prunable.add(detail, &clusters, &kept)?;
        }
        // Where only roles are declared, no API server is at hand.
        for request in &mut prunable.requests {
            request.binding.role_only = !self.backends.clusters.contains_key(&request.binding.cluster);
        }
        Ok(prunable)
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

    fn has(&self, detail: &RoleDetail, members: &BTreeSet<Member>) -> bool {
        let name = detail.role.arn.name().as_str().to_ascii_lowercase();
        self.roles.contains(&name) || members.iter().any(|member| self.members.contains(member))
    }
}

impl Prunable {
    fn add(&mut self, detail: &RoleDetail, clusters: &BTreeMap<ClusterRef, Identity>, kept: &Kept) -> Result<()> {
        let ownership = Ownership::from_tags(&detail.role.tags);
        let members = ownership.members();
        let home = |id: &ClusterId| clusters.iter().find(|(_, identity)| identity.cluster == *id).map(|(name, _)| name);
        if !ownership.is_owned() || kept.has(detail, &members) {
            return Ok(());
        }
        let name = detail.role.arn.name();
        let Some(owner) = members.iter().find(|member| ownership.is_owner(member)) else {
            let message = format!("role {name} belongs to the set, but its owner's record is cut: it is kept");
            self.warnings.push(Warning::new(WarningId::RoleKept, message));
            return Ok(());
        };
        if home(&owner.cluster).is_none() {
            return Ok(());
        }
        self.bindings += 1;
        let builder = |member: &Member, cluster: &ClusterRef, account: &str| {
            let namespace = member.namespace.as_str();
            IrsaBinding::builder(cluster.to_string(), namespace, account).with_role_name(name.as_str()).build()
        };
        let reached = |member: &&Member| home(&member.cluster).is_some();
        // A delete takes one service account out; patterns, which name none, go first.
        let (exact, patterns): (Vec<&Member>, Vec<&Member>) =
            members.iter().filter(reached).partition(|member| matches!(member.name, SubjectName::Exact(_)));
        if let (false, Some(cluster)) = (patterns.is_empty(), home(&owner.cluster)) {
            let mut update = Request::update(builder(owner, cluster, owner.name.as_str())?);
            for pattern in patterns {
                update = update.removing_subject(&pattern.shown(&owner.cluster))?;
            }
            self.requests.push(update);
        }
        let further = exact.into_iter().filter(|member| *member != owner);
        for member in further.chain([owner]) {
            if let Some(cluster) = home(&member.cluster) {
                self.requests.push(Request::delete(builder(member, cluster, member.name.as_str())?));
            }
        }
        Ok(())
    }
}
