//! What the calls give: reports, plans, and what exists.

use std::ops::Deref;

use irsa_core::name::{RoleArn, RoleName};
use irsa_core::{Action, BindingState, Hint, IssueId, Outcome, Undeclared, Warning, WarningId};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::{Field, as_text, data};
use crate::json;

as_text!(Action, BindingState, Hint, IssueId, Outcome, RoleArn, RoleName, WarningId);

/// Values that serialise as a text or as a dict.
macro_rules! as_plain {
    ($($type:ty),*) => {
        $(impl Field for $type {
            fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok(json::plain(py, self)?)
            }
        })*
    };
}
as_plain!(Undeclared);

data! {
    /// What one call did to a binding.
    Report(irsa_core::Report), warning by of_report {
        /// The service account, `NAMESPACE/NAME`.
        binding,
        /// The name of the role; None for a delete that found nothing.
        role_name,
        /// Whether anything was changed.
        changed,
        |
        /// The ARN of the role.
        role_arn,
        /// What was changed, in the order in which it was begun; nothing where all was as wanted.
        steps,
        /// What is on the role and was not declared, as dicts.
        undeclared,
        /// What one should know.
        warnings,
    }
}

pub(crate) fn of_report(report: &irsa_core::Report, show: &mut dyn FnMut(Option<&str>, &Warning)) {
    report.warnings.iter().for_each(|warning| show(Some(&report.binding), warning));
}

fn of_plan(plan: &Planned, show: &mut dyn FnMut(Option<&str>, &Warning)) {
    of_report(&plan.0, show);
}

/// What would be done: a report whose steps are all planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Planned(pub(crate) irsa_core::Report);

impl Deref for Planned {
    type Target = irsa_core::Report;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

data! {
    /// What a call would do to a binding.
    Plan(Planned), warning by of_plan {
        /// The service account, `NAMESPACE/NAME`.
        binding,
        /// The name of the role.
        role_name,
        /// Whether anything would be changed.
        changed,
        |
        /// The ARN of the role.
        role_arn,
        /// What would be changed, in a safe order; nothing where all is as wanted.
        steps,
        /// What is on the role and was not declared, as dicts.
        undeclared,
        /// What one should know.
        warnings,
    }
}

data! {
    /// One change, and what became of it.
    Step(irsa_core::StepReport) {
        /// What is done, such as `"create_role"`.
        action,
        /// What it is done to, such as the name of a role or `NAMESPACE/NAME`.
        target,
        /// `"done"`, `"failed"`, `"not_run"`, `"rolled_back"`, or `"planned"`.
        outcome,
        |
        /// Why it failed.
        error,
        |
        /// The new or the lost value, such as an inline policy.
        detail,
    }
}

data! {
    /// A fact that did not stop the work but that one should know.
    WarningMessage(irsa_core::Warning) {
        /// Its stable id, such as `"nothing-to-remove"`.
        id,
        /// The fact in words.
        message,
        |
        /// What can be done about it.
        hint,
    }
}

data! {
    /// A binding as it stands, whoever made it.
    BindingStatus(irsa_core::BindingStatus) {
        /// The namespace.
        namespace,
        /// The service account; for a role that only patterns let in, the pattern.
        service_account,
        /// The name of the role.
        role_name,
        /// `"ok"`, `"drifted"`, `"dangling"`, `"unbound"` or `"unknown"`.
        state,
        |
        /// The ARN of the cluster, or the issuer where that names it.
        cluster,
        /// The ARN of the role, as it is or as the annotation gives it.
        role_arn,
        /// ARNs of the managed policies on the role.
        managed_policies,
        /// Names of the inline policies on the role.
        inline_policies,
        /// Every subject of the role on known clusters, `[CLUSTER:]NAMESPACE/NAME`.
        subjects,
        /// The role that the service account is annotated with.
        annotation,
        /// `automountServiceAccountToken` of the service account, where it is set.
        automount_token,
        /// Whether the role carries irsa's owner tag.
        owned,
        /// `"created"` or `"adopted"`, where owned.
        origin,
        /// What does not fit.
        issues,
    }
}

data! {
    /// One thing that does not fit.
    Issue(irsa_core::Issue) {
        /// Its stable id, such as `"subject-not-trusted"`.
        id,
        /// The thing in words.
        message,
        |
    }
}

data! {
    /// The OIDC provider of a cluster.
    Provider(irsa_core::ProviderStatus) {
        /// The ARN that the provider has, or would have.
        arn,
        /// Whether it exists.
        exists,
        |
        /// The ARN of the cluster, or the issuer where that names it.
        cluster,
        /// The URL of the issuer.
        issuer,
        /// The audiences that it takes.
        audiences,
        /// Its tags.
        tags,
    }
}
