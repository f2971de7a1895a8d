//! What the role of a create or update shall be, whatever it is now: names, subjects, policies, tags.

use std::collections::{BTreeMap, BTreeSet};

use crate::binding::{MAX_TAGS, check_documents, check_policy_place};
use crate::cluster_identity::{ClusterId, ClusterIdentity};
use crate::error::{Error, ErrorKind, Result};
use crate::invariants::Invariant;
use crate::name::{PolicyArn, ProviderArn, RoleArn, Subject};
use crate::observe::Observed;
use crate::ownership::{Member, ORIGIN_TAG, OVERFLOW_TAG, OWNER_TAG, Origin, SET_TAG, SUBJECT_TAG_PREFIX};
use crate::request::{Request, Verb};
use crate::trust::Derivation;

/// What the role shall be, whatever it is now.
pub(super) struct Goal<'a> {
    pub(super) home: &'a ClusterIdentity,
    pub(super) arn: RoleArn,
    pub(super) first: Member,
    /// Every subject that is declared, the first one among them.
    pub(super) declared: BTreeSet<Member>,
    pub(super) leaving: BTreeSet<Member>,
    pub(super) attach: BTreeSet<PolicyArn>,
    pub(super) providers: BTreeMap<ClusterId, ProviderArn>,
}

impl<'a> Goal<'a> {
    pub(super) fn of(request: &Request, observed: &'a Observed) -> Result<Self> {
        let binding = &request.binding;
        let home = observed.home(request)?;
        let name = observed.role_name.clone().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, format!("no role name was found for binding {binding}"))
        })?;
        let path = binding.role_path.clone().unwrap_or_default();
        let arn = match (&observed.role, &request.existing_role) {
            (Some(role), _) => role.role.arn.clone(),
            (None, Some(arn)) => arn.clone(),
            (None, None) => RoleArn::new(home.partition.clone(), home.account.clone(), path, name),
        };
        let first = observed.member(request, &binding.first_subject())?;
        let members = |subjects: Vec<Subject>| -> Result<BTreeSet<Member>> {
            subjects.iter().map(|subject| observed.member(request, subject)).collect()
        };
        let leaving = match &request.verb {
            Verb::Update { remove_subjects, .. } => members(remove_subjects.iter().cloned().collect())?,
            _ => BTreeSet::new(),
        };
        let declared = members(binding.all_subjects())?;
        // Names of clusters differ where clusters do not: only now can it be seen that both are the same subject.
        if let Some(both) = declared.intersection(&leaving).next() {
            let subject = both.shown(&home.cluster);
            return Err(Error::invalid("subject", subject, "is to be kept and removed at once"));
        }
        for identity in observed.identities.values() {
            if identity.partition != home.partition {
                let rule = format!("is in partition {}, the role in {}", identity.partition, home.partition);
                return Err(Error::invalid("cluster", identity.cluster.as_str(), rule));
            }
        }
        for (field, arn) in observed
            .policies
            .values()
            .map(|arn| ("policy", arn))
            .chain(binding.permissions_boundary.iter().map(|arn| ("permissions boundary", arn)))
        {
            check_policy_place(field, arn, &home.partition, &home.account)?;
        }
        check_documents(binding, &home.partition)?;
        let attach = observed.policies.values().cloned().collect();
        let providers = observed.cluster_providers(request)?;
        Ok(Self { home, arn, first, declared, leaving, attach, providers })
    }

    /// From what the trust policy follows.
    pub(super) fn derivation(&self, request: &Request, leaving: BTreeSet<Member>) -> Derivation {
        Derivation {
            providers: self.providers.clone(),
            joining: self.declared.clone(),
            leaving,
            waiting: BTreeSet::new(),
            audience: request.binding.audience.clone(),
            extra: request.binding.trust_statements.clone(),
        }
    }

    /// The tags that record ownership and subjects, and those of the user, for a role that has the tags `standing`.
    ///
    /// Where there is no room for all subjects, those on record stay on record, and a tag tells that there are more.
    pub(super) fn tags(
        &self,
        request: &Request,
        owner: &Member,
        members: &BTreeSet<Member>,
        origin: Option<Origin>,
        standing: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let declared = request.binding.tags.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        let mut tags: BTreeMap<String, String> = declared.collect();
        tags.extend(request.set.iter().map(|set| (SET_TAG.to_owned(), set.to_string())));
        let ours =
            |key: &str| [OWNER_TAG, ORIGIN_TAG, OVERFLOW_TAG].contains(&key) || key.starts_with(SUBJECT_TAG_PREFIX);
        let others = standing.keys().filter(|key| !ours(key) && !tags.contains_key(*key)).count();
        let own = [OWNER_TAG, ORIGIN_TAG].len();
        // One is left free: undoing an interrupted delete takes a tag for a moment.
        let room = MAX_TAGS.saturating_sub(others + tags.len() + own + 1);
        tags.insert(OWNER_TAG.to_owned(), owner.tag_value());
        if let Some(origin) = origin {
            tags.insert(ORIGIN_TAG.to_owned(), origin.as_str().to_owned());
        }
        let mut further: Vec<&Member> = members.iter().filter(|member| *member != owner).collect();
        if !Invariant::SubjectTags.is_enforced() {
            further.clear();
        }
        if further.len() > room || standing.contains_key(OVERFLOW_TAG) {
            tags.insert(OVERFLOW_TAG.to_owned(), "true".to_owned());
            further.sort_by_key(|member| !standing.contains_key(&member.tag_key()));
            further.truncate(room.saturating_sub(1));
        }
        tags.extend(further.into_iter().map(|member| (member.tag_key(), member.tag_value())));
        tags
    }
}
