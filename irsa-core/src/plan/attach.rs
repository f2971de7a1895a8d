//! Plans requests that name an existing role by its ARN: only service accounts are annotated if the role needs no change.

use super::desired::DesiredState;
use super::order::Phase;
use super::satisfied::has_all;
use super::{Plan, prerequisites, service_accounts, warnings};
use crate::binding::{AUDIENCE_ANNOTATION, IrsaBinding};
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{Audience, ProviderArn, RoleArn};
use crate::observe::{AccountKey, Observed, ObservedRole, UnreadRole, existing};
use crate::ownership::Member;
use crate::report::{Warning, WarningId};
use crate::request::Request;
use crate::trust::Decision;

/// Returns the plan for an existing role that stays as it is; `None` where the role is managed: irsa owns it, the request
/// adopts it, or it lacks something that the request asks for.
///
/// # Errors
/// `NotFound` where the role does not exist. `NotOwned` where it does not trust a service account. `InvalidInput` for a role
/// of another partition, or of another account from which more is asked than its ARN.
pub(super) fn plan(request: &Request, observed: &Observed, desired: &DesiredState<'_>) -> Result<Option<Plan>> {
    let Some(arn) = request.existing_role.as_ref().filter(|_| request.leader.is_none()) else { return Ok(None) };
    if *arn.partition() != desired.home.partition {
        let rule = format!(
            "is in partition {}, the cluster in {}: no token is exchanged for a role of another partition",
            arn.partition(),
            desired.home.partition
        );
        return Err(Error::invalid("role ARN", arn.to_string(), rule));
    }
    match (&observed.unread, &observed.role) {
        (Some(unread), _) => unverified(request, observed, desired, arn, unread).map(Some),
        (None, Some(role)) if role.role.arn == *arn => verified(request, observed, desired, role),
        (None, _) => Err(Error::new(ErrorKind::NotFound, format!("role {arn} does not exist"))
            .with_code("NoSuchEntity")
            .with_hint("a role that is named by its ARN is never created: check the ARN")),
    }
}

/// A role that cannot be read: the service accounts are annotated, with a warning.
fn unverified(
    request: &Request,
    observed: &Observed,
    desired: &DesiredState<'_>,
    arn: &RoleArn,
    unread: &UnreadRole,
) -> Result<Plan> {
    let asked = asks_of_role(&request.binding);
    let why = match (unread, asked) {
        (UnreadRole::Elsewhere, Some(what)) => {
            let rule = format!(
                "is in another account than the cluster, {}, so its {what} cannot be set",
                desired.home.account
            );
            return Err(Error::invalid("role ARN", arn.to_string(), rule));
        }
        (UnreadRole::Denied(error), Some(_)) => return Err(error.clone()),
        (UnreadRole::Elsewhere, None) => "it is in another account".to_owned(),
        (UnreadRole::Denied(error), None) => error.causes().into_iter().next().unwrap_or_else(|| error.to_string()),
    };
    let mut plan = annotating(request, observed, desired)?;
    let issuer = desired.home.issuer.as_ref().map(|issuer| format!(" {}", issuer.host_path())).unwrap_or_default();
    let message = format!(
        "the trust policy of role {arn} was not verified ({why}): it must trust service account {} by the OIDC provider{issuer} \
         of its own account",
        desired.first.shown(&desired.home.cluster),
    );
    plan.warnings.push(Warning::new(WarningId::TrustUnverified, message));
    Ok(plan)
}

/// A role that was read: annotations are enough if it trusts every service account already.
fn verified(
    request: &Request,
    observed: &Observed,
    desired: &DesiredState<'_>,
    role: &ObservedRole,
) -> Result<Option<Plan>> {
    let adopted = request.adopt && !role.ownership.is_owned();
    let managed = adopted || role.ownership.records(&desired.first);
    let asks = !request.binding.trust_statements.is_empty() || !has_all(request, desired, role);
    if managed || asks || role.ownership.deletion.is_some() {
        return Ok(None);
    }
    let mut warnings = Vec::new();
    for member in &desired.declared {
        let Some(provider) = desired.providers.get(&member.cluster) else { continue };
        let audience = audience(request, observed, (role, provider), member);
        let check = role.trust.check(provider, &member.sub(), &audience)?;
        let shown = member.shown(&desired.home.cluster);
        match check.decision {
            Decision::Allow => {}
            Decision::Unknown => {
                let message = format!("whether {shown} can assume the role depends on {}", check.conditions.join("; "));
                warnings.push(Warning::new(WarningId::ForeignTrust, message));
            }
            // The role of another binding: that binding has to share it.
            Decision::Deny if role.ownership.is_owned() => return Ok(None),
            Decision::Deny => return Err(not_trusted(role, &shown, &check.reasons)),
        }
    }
    let mut plan = annotating(request, observed, desired)?;
    plan.stages.add(Phase::Providers, prerequisites::providers(request, observed, desired)?);
    plan.warnings.extend(warnings);
    plan.warnings.extend(warnings::foreign_statements(desired, &role.trust));
    Ok(Some(plan))
}

/// A plan of the service accounts alone.
fn annotating(request: &Request, observed: &Observed, desired: &DesiredState<'_>) -> Result<Plan> {
    let mut plan = Plan::new(request, Some(desired.arn.clone()));
    plan.warnings.extend(observed.warnings.iter().cloned());
    plan.stages.add(Phase::CreateRole, prerequisites::namespaces(request, observed));
    plan.stages.add(Phase::Annotate, service_accounts::bound(request, observed, desired)?);
    Ok(plan)
}

/// The audience of the tokens that pods of a subject will have.
fn audience(
    request: &Request,
    observed: &Observed,
    (role, provider): (&ObservedRole, &ProviderArn),
    member: &Member,
) -> String {
    let declared = request.binding.audience.as_ref().map(ToString::to_string);
    let annotated = || {
        let account = existing(observed, &AccountKey::of_member(member)?)?;
        account.annotations.get(AUDIENCE_ANNOTATION).cloned()
    };
    let audience = declared.or_else(|| role.trust.own_audience(provider)).or_else(annotated);
    audience.unwrap_or_else(|| Audience::sts().to_string())
}

/// The first setting of the role that a binding asks for.
fn asks_of_role(binding: &IrsaBinding) -> Option<&'static str> {
    let asked = [
        ("policies", !binding.policies.is_empty()),
        ("inline policies", !binding.inline_policies.is_empty()),
        ("trust statements", !binding.trust_statements.is_empty()),
        ("permissions boundary", binding.permissions_boundary.is_some()),
        ("description", binding.description.is_some()),
        ("maximum session duration", binding.max_session_duration.is_some()),
        ("tags", !binding.tags.is_empty()),
        ("policies and subjects", binding.exact),
    ];
    asked.into_iter().find_map(|(what, asked)| asked.then_some(what))
}

fn not_trusted(role: &ObservedRole, subject: &str, reasons: &[String]) -> Error {
    let arn = &role.role.arn;
    Error::new(ErrorKind::NotOwned, format!("role {} does not trust service account {subject}", arn.name()))
        .with_cause(reasons.join("; "))
        .with_context("role", arn.to_string())
        .with_hint(Hint::AdoptRoleOrTrust)
}
