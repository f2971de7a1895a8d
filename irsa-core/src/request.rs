//! What is asked for: a binding, what to do with it, and what that may touch.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::DryRun;
use crate::binding::IrsaBinding;
use crate::document::PolicyDocument;
use crate::error::{Error, Result};
use crate::name::{InlinePolicyName, PolicyArn, PolicyRef, RoleArn, Subject, TagValue};

/// One request: make, change or undo a binding. Planned by [`Client::plan`](crate::Client::plan).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The binding. For an update it holds what is to be added or set; for a delete only its names count.
    pub binding: IrsaBinding,
    /// What to do.
    pub verb: Verb,
    /// Take over a role that carries no owner tag: adds to it and never removes.
    pub adopt: bool,
    /// Take over an annotation or field of another manager; on delete, delete the role even where it would be kept.
    pub force: bool,
    /// Make namespaces that are missing.
    pub create_namespace: bool,
    /// Make the OIDC provider, or add the audience to it, where that is missing.
    pub create_provider: bool,
    /// The set of bindings that this one belongs to: a tag on the role.
    pub set: Option<TagValue>,
    /// The role that must exist already: a create makes none. Where the role needs no change, the service accounts are only
    /// annotated with it, whoever made it; one of another account is never read nor written.
    pub existing_role: Option<RoleArn>,
    /// A refused write check is then a warning, since those who only plan often may not write.
    pub(crate) dry_run: DryRun,
    /// Inline policies of another tool that declared policies take the place of, by name; see
    /// [`replacing_policy`](Self::replacing_policy).
    pub(crate) replaced: BTreeMap<InlinePolicyName, Option<InlinePolicyName>>,
    /// The request of the same fleet that answers for the role: of this one only the accounts are bound.
    pub(crate) leader: Option<usize>,
}

/// What to do with a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// Make it, or repair what is there of it.
    Create,
    /// Change one that exists.
    Update {
        /// Managed or inline policies to take away.
        remove_policies: BTreeSet<PolicyRef>,
        /// Policies to take away that can only be inline ones, with their document where that is known: by the convention
        /// of gen3's script, copies of it go too.
        remove_inline_policies: BTreeMap<InlinePolicyName, Option<PolicyDocument>>,
        /// Subjects to take away.
        remove_subjects: BTreeSet<Subject>,
    },
    /// Undo it.
    Delete {
        /// Keep the role, without this subject.
        keep_role: bool,
    },
}

impl Request {
    fn new(binding: IrsaBinding, verb: Verb) -> Self {
        Self {
            binding,
            verb,
            adopt: false,
            force: false,
            create_namespace: false,
            create_provider: false,
            set: None,
            existing_role: None,
            dry_run: DryRun::No,
            replaced: BTreeMap::new(),
            leader: None,
        }
    }

    /// Make the binding, or repair what is there of it.
    pub fn create(binding: IrsaBinding) -> Self {
        Self::new(binding, Verb::Create)
    }

    /// Change an existing binding: add and set what `binding` holds; what it does not name stays.
    pub fn update(binding: IrsaBinding) -> Self {
        let verb = Verb::Update {
            remove_policies: BTreeSet::new(),
            remove_inline_policies: BTreeMap::new(),
            remove_subjects: BTreeSet::new(),
        };
        Self::new(binding, verb)
    }

    /// Undo the binding: the subjects that it names leave the role, and the role goes with the last of them.
    pub fn delete(binding: IrsaBinding) -> Self {
        Self::new(binding, Verb::Delete { keep_role: false })
    }

    /// Takes a policy away: a managed policy by ARN or name, or an inline policy by name. Only for an update.
    ///
    /// # Errors
    /// `InvalidInput` when it is no policy, is also to be added, or the request is no update.
    pub fn removing_policy(mut self, policy: &str) -> Result<Self> {
        let policy: PolicyRef = policy.parse()?;
        let added = self.binding.policies.contains(&policy)
            || self.binding.inline_policies.keys().any(|name| name.as_str() == policy.to_string());
        match &mut self.verb {
            _ if added => Err(Error::invalid("policy", policy.to_string(), "is to be added and removed at once")),
            Verb::Update { remove_policies, .. } => {
                remove_policies.insert(policy);
                Ok(self)
            }
            _ => Err(Error::invalid("policy", policy.to_string(), "only an update takes policies away")),
        }
    }

    /// Takes an inline policy away, and never a managed one of that name. Only for an update.
    ///
    /// # Errors
    /// `InvalidInput` when it is no name, is also to be added, or the request is no update.
    pub fn removing_inline_policy(mut self, name: &str, document: Option<PolicyDocument>) -> Result<Self> {
        let name = InlinePolicyName::new(name)?;
        match &mut self.verb {
            _ if self.binding.inline_policies.contains_key(&name) => {
                Err(Error::invalid("inline policy", name, "is to be added and removed at once"))
            }
            Verb::Update { remove_inline_policies, .. } => {
                remove_inline_policies.insert(name, document);
                Ok(self)
            }
            _ => Err(Error::invalid("inline policy", name, "only an update takes policies away")),
        }
    }

    /// Takes a subject away, `[CLUSTER:]NAMESPACE/NAME`. Only for an update.
    ///
    /// # Errors
    /// `InvalidInput` when it is no subject, is also to be added, or the request is no update.
    pub fn removing_subject(mut self, subject: &str) -> Result<Self> {
        let subject: Subject = subject.parse()?;
        let first = Subject { cluster: subject.cluster.clone(), ..self.binding.first_subject() };
        match &mut self.verb {
            _ if self.binding.subjects.contains(&subject) => {
                Err(Error::invalid("subject", subject.to_string(), "is to be added and removed at once"))
            }
            _ if subject.cluster.as_ref().is_none_or(|c| *c == self.binding.cluster) && subject == first => {
                let hint = "to take the binding's own service account out, delete the binding";
                Err(Error::invalid("subject", subject.to_string(), "is the one that the binding is named by")
                    .with_hint(hint))
            }
            Verb::Update { remove_subjects, .. } => {
                remove_subjects.insert(subject);
                Ok(self)
            }
            _ => Err(Error::invalid("subject", subject.to_string(), "only an update takes subjects away")),
        }
    }

    /// Replaces an inline policy that another tool wrote for the same purpose, where the role has it, adopted roles included.
    ///
    /// The declared inline policy `by` is written over it, under the name that it has; of several that `by` replaces, the
    /// others are deleted once it is written. Without `by`, managed policies take its place, and it is deleted after they are
    /// attached. Nobody holds a permission on the way that was neither held before nor is wanted.
    ///
    /// # Errors
    /// `InvalidInput` when a name is not one of an inline policy, or the binding declares no inline policy `by`.
    pub fn replacing_policy(mut self, name: &str, by: Option<&str>) -> Result<Self> {
        let name = InlinePolicyName::new(name)?;
        let by = by.map(InlinePolicyName::new).transpose()?;
        if let Some(by) = by.as_ref().filter(|by| !self.binding.inline_policies.contains_key(*by)) {
            return Err(Error::invalid("inline policy", by.as_str(), "is not declared, so it cannot replace another"));
        }
        self.replaced.insert(name, by);
        Ok(self)
    }

    /// Whether the role is kept by a delete.
    #[must_use]
    pub fn with_keep_role(mut self, keep: bool) -> Self {
        if let Verb::Delete { keep_role } = &mut self.verb {
            *keep_role = keep;
        }
        self
    }

    /// Sets [`existing_role`](Self::existing_role). The binding must have the name and path of the role.
    #[must_use]
    pub fn with_existing_role(mut self, arn: impl Into<Option<RoleArn>>) -> Self {
        self.existing_role = arn.into();
        self
    }

    /// Sets [`adopt`](Self::adopt).
    #[must_use]
    pub fn with_adopt(mut self, adopt: bool) -> Self {
        self.adopt = adopt;
        self
    }

    /// Sets [`force`](Self::force).
    #[must_use]
    pub fn with_force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Sets [`create_namespace`](Self::create_namespace).
    #[must_use]
    pub fn with_create_namespace(mut self, create: bool) -> Self {
        self.create_namespace = create;
        self
    }

    /// Sets [`create_provider`](Self::create_provider).
    #[must_use]
    pub fn with_create_provider(mut self, create: bool) -> Self {
        self.create_provider = create;
        self
    }

    /// Whether [`Client::run`](crate::Client::run) and [`Client::apply_all`](crate::Client::apply_all) only check the request,
    /// and report what they would do. A refused write check is then a warning.
    #[must_use]
    pub fn with_dry_run(mut self, dry_run: DryRun) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Whether nothing is written.
    pub fn dry_run(&self) -> DryRun {
        self.dry_run
    }

    /// Sets [`set`](Self::set).
    ///
    /// # Errors
    /// `InvalidInput` for what is no value of a tag, or empty.
    pub fn with_set(mut self, set: &str) -> Result<Self> {
        if set.is_empty() {
            return Err(Error::invalid("set", set, "must have a name"));
        }
        self.set = Some(TagValue::new(set)?);
        Ok(self)
    }

    /// Whether an update takes a managed policy away.
    pub(crate) fn removes(&self, arn: &PolicyArn) -> bool {
        self.removed_policies().any(|policy| policy.matches(arn))
    }

    /// Whether an update takes an inline policy away that has this document.
    pub(crate) fn removes_inline(&self, policy: &InlinePolicyName, found: Option<&PolicyDocument>) -> bool {
        self.removed_policies().any(|name| self.means_inline((&name.to_string(), None), (policy, found)))
            || self
                .removed_inline_policies()
                .any(|(name, known)| self.means_inline((name.as_str(), known.as_ref()), (policy, found)))
    }

    /// Whether a name, of which perhaps the document is known, means an inline policy of the role: that of the name, or a
    /// copy of it. The script cut names at the first dot, so of longer ones only what says the same is a copy for sure.
    pub(crate) fn means_inline(
        &self,
        (name, known): (&str, Option<&PolicyDocument>),
        (policy, found): (&InlinePolicyName, Option<&PolicyDocument>),
    ) -> bool {
        let same = known.is_some() && known == found;
        let is_copy = || self.binding.convention.is_copy(policy, name) && (same || !name.contains('.'));
        name == policy.as_str() || is_copy()
    }

    /// The inline policies, and no others, that an update takes away, with their documents where those are known.
    pub(crate) fn removed_inline_policies(&self) -> impl Iterator<Item = (&InlinePolicyName, &Option<PolicyDocument>)> {
        let removed = match &self.verb {
            Verb::Update { remove_inline_policies, .. } => Some(remove_inline_policies),
            _ => None,
        };
        removed.into_iter().flatten()
    }

    /// The policies that an update takes away.
    pub(crate) fn removed_policies(&self) -> impl Iterator<Item = &PolicyRef> {
        let removed = match &self.verb {
            Verb::Update { remove_policies, .. } => Some(remove_policies),
            _ => None,
        };
        removed.into_iter().flatten()
    }

    /// The subjects by which the role is found: the first, which names the binding; of those that a delete takes away, any,
    /// since some may be gone already.
    pub(crate) fn finders(&self) -> Vec<Subject> {
        match &self.verb {
            Verb::Delete { .. } => self.binding.all_subjects(),
            Verb::Create | Verb::Update { .. } => vec![self.binding.first_subject()],
        }
    }

    /// Every cluster that the request touches.
    pub fn clusters(&self) -> Vec<crate::name::ClusterRef> {
        let mut clusters = self.binding.clusters();
        if let Verb::Update { remove_subjects, .. } = &self.verb {
            for cluster in remove_subjects.iter().filter_map(|subject| subject.cluster.as_ref()) {
                if !clusters.contains(cluster) {
                    clusters.push(cluster.clone());
                }
            }
        }
        clusters
    }
}
