//! Stage three, plan: the pure difference between what is wanted and what is there, as steps in a safe order.
//!
//! # Order
//! A plan is a list of stages; the steps of one stage run at the same time. For new sessions, after any prefix of the
//! writes, no subject holds a permission that it holds neither before nor in the end, and what it holds before and in the
//! end it holds all the way: removed subjects leave first, then what denies comes, then permissions leave, then the boundary
//! changes, then permissions come, then what denies leaves, then subjects come, then their accounts are annotated.

mod accounts;
mod attach;
mod content;
mod converge;
mod delete;
mod documents;
mod findings;
mod goal;
mod limits;
mod managed;
mod permissions;
mod prerequisites;
mod replaced;
mod standing;
mod step;
mod undo_delete;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Serialize, Serializer};

use self::limits::Use;
pub(crate) use self::limits::check_roles;
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
    /// The cluster of the binding: what is on others is told with theirs.
    home: Option<ClusterRef>,
    pub(crate) role_name: Option<RoleName>,
    pub(crate) role_arn: Option<RoleArn>,
    /// The role as it was, where something changes: reports tell what is written over.
    was: Option<Box<Role>>,
    pub(crate) stages: Vec<Vec<Step>>,
    pub(crate) extra: Vec<Undeclared>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) force: bool,
    /// What the steps need of IAM's quotas.
    uses: Vec<Use>,
    /// Whether this plan, or a clone of it, was applied to its end.
    pub(crate) applied: Arc<AtomicBool>,
}

impl Plan {
    fn new(request: &Request, role_arn: Option<RoleArn>) -> Self {
        let role_name = role_arn.as_ref().map(|arn| arn.name().clone());
        let binding = request.binding.to_string();
        let (stages, extra, warnings, uses) = Default::default();
        let home = Some(request.binding.cluster.clone());
        let (was, force, applied) = (None, request.force, Arc::default());
        Self { binding, home, role_name, role_arn, was, stages, extra, warnings, force, uses, applied }
    }

    /// A plan without a role, for steps that are all independent.
    pub(crate) fn of_steps(target: &str, steps: Vec<Step>) -> Self {
        let (role_name, role_arn, stages, extra, warnings, uses) = Default::default();
        let binding = target.to_owned();
        let (home, was, force, applied) = (None, None, false, Arc::default());
        let mut plan = Self { binding, home, role_name, role_arn, was, stages, extra, warnings, force, uses, applied };
        plan.then(steps);
        plan
    }

    /// Adds a stage, unless it is empty.
    fn then(&mut self, steps: Vec<Step>) {
        if !steps.is_empty() {
            self.stages.push(steps);
        }
    }

    /// Adds a stage for each step.
    fn one_by_one(&mut self, steps: Vec<Step>) {
        steps.into_iter().for_each(|step| self.then(vec![step]));
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Whether the role is still to be made, so that nothing of it can have changed since it was read.
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
            undeclared: self.extra.clone(),
            warnings: self.warnings.clone(),
        }
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.iter().flatten()
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

/// Plans a request from what was observed. No I/O, no clock.
///
/// # Errors
/// Every refusal that needs no further read: `NotOwned`, `AlreadyExists`, `Conflict`, `NotFound` for providers,
/// `QuotaExceeded`, `InvalidInput` for ARNs of another account.
pub(crate) fn plan(request: &Request, observed: &Observed) -> Result<Plan> {
    match &request.verb {
        Verb::Create | Verb::Update { .. } => converge::plan(request, observed),
        Verb::Delete { keep_role } => delete::plan(request, observed, *keep_role),
    }
}

/// Those of the wanted tags that are not there with that value.
fn tags_to_write(wanted: &BTreeMap<String, String>, there: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let differs = |(key, value): &(&String, &String)| there.get(*key) != Some(*value);
    wanted.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect()
}
