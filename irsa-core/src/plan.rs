//! Plans a request: the difference between current and desired state as steps, without I/O. Their order is in [`order`].

mod attach;
mod delete;
mod desired;
mod existing_role;
mod inline_policies;
mod managed_policies;
mod order;
mod ownership_check;
mod permission_set;
mod policy_changes;
mod prerequisites;
mod quotas;
mod replaced;
mod role_tags;
mod satisfied;
mod service_accounts;
mod step;
mod tag_changes;
mod trust_change;
mod undo_delete;
mod upsert;
mod warnings;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Serialize, Serializer};

use self::order::Phase;
pub(crate) use self::order::Stages;
use self::quotas::QuotaUsage;
pub(crate) use self::quotas::check_roles;
pub(crate) use self::step::{RoleSnapshot, Step, TrustStep};
use crate::backend::Role;
use crate::error::Result;
use crate::name::{ClusterRef, RoleArn, RoleName};
use crate::observe::Observed;
use crate::report::{Outcome, Report, StepReport, Undeclared, Warning};
use crate::request::{Request, Verb};

/// The steps that a request needs, in the order in which they are safe. Made by [`Client::plan`](crate::Client::plan),
/// printed by a dry run and consumed by [`Client::apply`](crate::Client::apply): the same value.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) binding: String,
    /// The cluster of the binding: reports name the cluster of whatever is in another one.
    home: Option<ClusterRef>,
    pub(crate) role_name: Option<RoleName>,
    pub(crate) role_arn: Option<RoleArn>,
    /// The role before the plan, where the plan changes it: reports show the old values.
    previous_role: Option<Box<Role>>,
    pub(crate) stages: Stages,
    pub(crate) undeclared: Vec<Undeclared>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) force: bool,
    /// What the steps need of IAM's quotas.
    quota_usage: Vec<QuotaUsage>,
    /// Whether this plan, or a clone of it, was applied to its end.
    pub(crate) applied: Arc<AtomicBool>,
}

impl Plan {
    fn new(request: &Request, role_arn: Option<RoleArn>) -> Self {
        Self {
            home: Some(request.binding.cluster.clone()),
            role_name: role_arn.as_ref().map(|arn| arn.name().clone()),
            role_arn,
            force: request.force,
            ..Self::without_role(request.binding.to_string())
        }
    }

    /// An empty plan that no role belongs to.
    fn without_role(binding: String) -> Self {
        Self {
            binding,
            home: None,
            role_name: None,
            role_arn: None,
            previous_role: None,
            stages: Stages::default(),
            undeclared: Vec::new(),
            warnings: Vec::new(),
            force: false,
            quota_usage: Vec::new(),
            applied: Arc::default(),
        }
    }

    /// A plan for the OIDC provider of a cluster alone.
    pub(crate) fn of_provider(cluster: &str, steps: Vec<Step>) -> Self {
        let mut plan = Self::without_role(cluster.to_owned());
        plan.stages.add(Phase::Providers, steps);
        plan
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Whether it creates the role: then nothing of the role can have changed since it was read.
    pub(crate) fn makes_role(&self) -> bool {
        self.steps().any(|step| matches!(step, Step::CreateRole(_)))
    }

    /// The plan as a report: every step is `planned`.
    pub fn report(&self) -> Report {
        Report {
            binding: self.binding.clone(),
            role_name: self.role_name.clone(),
            role_arn: self.role_arn.clone(),
            changed: !self.is_empty(),
            steps: self.steps().map(|step| step.report(self, Outcome::Planned)).collect(),
            undeclared: self.undeclared.clone(),
            warnings: self.warnings.clone(),
        }
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.steps()
    }
}

/// The steps as a report has them, each `planned`.
impl IntoIterator for &Plan {
    type Item = StepReport;
    type IntoIter = std::vec::IntoIter<StepReport>;

    fn into_iter(self) -> Self::IntoIter {
        self.report().steps.into_iter()
    }
}

/// As the report of the plan.
impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.report().serialize(serializer)
    }
}

/// Plans a request from the observed state. No I/O, no clock.
///
/// # Errors
/// Every refusal that needs no further read: `NotOwned`, `AlreadyExists`, `Conflict`, `NotFound` for providers,
/// `QuotaExceeded`, `InvalidInput` for ARNs of another account.
pub(crate) fn plan(request: &Request, observed: &Observed) -> Result<Plan> {
    match &request.verb {
        Verb::Create | Verb::Update { .. } => upsert::plan(request, observed),
        Verb::Delete { keep_role } => delete::plan(request, observed, *keep_role),
    }
}
