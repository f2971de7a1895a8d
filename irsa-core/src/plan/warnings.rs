//! Warnings of a plan, and the policies, subjects and statements of its role that are not declared.

use std::collections::BTreeSet;

use serde_json::Value;

use super::desired::DesiredState;
use super::ownership_check::managed_elsewhere;
use super::{Plan, Step};
use crate::cluster_identity::ClusterId;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{Audience, RoleName, SubjectName};
use crate::observe::ObservedRole;
use crate::ownership::{Member, Ownership};
use crate::report::{Undeclared, Warning, WarningId};
use crate::request::Request;
use crate::trust::{Decision, TrustPolicy, WebIdentity, own_kind};

/// Adds the undeclared policies, subjects and statements that the role keeps.
pub(super) fn undeclared(
    request: &Request,
    desired: &DesiredState<'_>,
    role: &ObservedRole,
    tags: &Ownership,
    policy: &TrustPolicy,
    plan: &mut Plan,
) {
    let (mut detached, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    for step in plan.steps() {
        match step {
            Step::DetachPolicy(arn) => drop(detached.insert(arn.clone())),
            Step::DeleteInlinePolicy(name, _) => drop(deleted.insert(name.clone())),
            _ => {}
        }
    }
    let managed = role.attached.iter().filter(|arn| !desired.attach.contains(*arn) && !detached.contains(*arn));
    let inline = role
        .inline
        .keys()
        .filter(|name| !request.binding.inline_policies.contains_key(*name) && !deleted.contains(*name));
    let members = tags.members();
    let subjects = members.iter().filter(|member| !desired.declared.contains(*member));
    let statements = policy.statements().filter(|statement| own_kind(statement).is_none());
    // A foreign statement that trusts declared subjects alone adds nothing that is undeclared.
    let statements = statements.filter(|statement| !lists_only_declared(statement, desired));
    let mut undeclared: Vec<Undeclared> =
        managed.map(|arn| Undeclared::ManagedPolicy { arn: arn.to_string() }).collect();
    undeclared.extend(inline.map(|name| Undeclared::InlinePolicy { name: name.to_string() }));
    undeclared.extend(subjects.map(|member| Undeclared::Subject { subject: member.shown(&desired.home.cluster) }));
    undeclared.extend(statements.map(|statement| {
        let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).map(str::to_owned);
        Undeclared::TrustStatement { sid, statement: Value::Object(statement.clone()) }
    }));
    plan.undeclared = undeclared;
}

fn lists_only_declared(statement: &serde_json::Map<String, Value>, desired: &DesiredState<'_>) -> bool {
    let Some(web) = WebIdentity::read(statement) else { return false };
    let declared: BTreeSet<String> = desired.declared.iter().map(Member::sub).collect();
    web.providers.len() == 1
        && desired.providers.values().any(|provider| web.trusts(provider))
        && web.exact.iter().chain(&web.patterns).all(|sub| declared.contains(sub))
}

/// A role without policies.
pub(super) fn no_policies(role: &RoleName) -> Warning {
    Warning::new(WarningId::NoPolicies, format!("role {role} has no policies: pods that assume it have no permissions"))
}

/// A role that gen3's script created for the service account.
pub(super) fn taken_over(role: &ObservedRole) -> Option<Warning> {
    let message = format!(
        "role {} was created for this service account by gen3's script: irsa manages it from here on, and deletes it with the \
         binding",
        role.role.arn.name()
    );
    role.is_taken_over().then(|| Warning::new(WarningId::TakenOver, message))
}

/// Subject patterns, which trust service accounts that do not exist yet.
pub(super) fn patterns(request: &Request) -> impl Iterator<Item = Warning> {
    request.binding.subjects.iter().filter(|subject| subject.service_account().is_none()).map(|subject| {
        let (namespace, pattern) = (&subject.namespace, subject.name.as_str());
        let message = format!(
            "pattern {subject} trusts every service account of namespace {namespace} whose name matches {pattern}, also those \
             created later"
        );
        Warning::new(WarningId::PatternLetsIn, message)
    })
}

/// Declared statements that trust more than single subjects: wildcards are accepted, with a warning.
pub(super) fn declared_statements(request: &Request, desired: &DesiredState<'_>) -> Vec<Warning> {
    let statements = request.binding.trust_statements.iter();
    statements
        .filter_map(|statement| {
            let policy = TrustPolicy::empty().with_statements(vec![statement.clone()]);
            let document = policy.read().ok()?;
            let (mut open, mut shown) = (BTreeSet::new(), Vec::new());
            for provider in desired.providers.values() {
                for audience in document.audiences(provider) {
                    let parts = document.subjects(provider, &audience).parts;
                    open.extend(parts.into_iter().filter(|part| !part.is_one_subject()).map(|part| part.pattern));
                }
            }
            if !open.is_empty() {
                let patterns: Vec<&str> = open.iter().map(String::as_str).collect();
                shown.push(format!("service accounts by pattern: {}", patterns.join(", ")));
            }
            if document.lets_in_any_principal() {
                shown.push("principals of every AWS account that meet its conditions".to_owned());
            }
            let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
            let called =
                sid.map_or_else(|| "a declared statement".to_owned(), |sid| format!("the declared statement {sid}"));
            let message = format!("{called} of the trust policy trusts {}", shown.join("; and "));
            (!shown.is_empty()).then(|| Warning::new(WarningId::PatternLetsIn, message))
        })
        .collect()
}

/// A new audience applies to all subjects of the role, and only declared service accounts are annotated with it.
pub(super) fn audience(request: &Request, desired: &DesiredState<'_>, role: &ObservedRole) -> Option<Warning> {
    let audience = request.binding.audience.as_ref()?;
    let changes = desired.providers.values().filter_map(|provider| role.trust.own_audience(provider));
    let changed = changes.into_iter().any(|current| current != audience.as_str());
    let others = role.present(&desired.providers).into_iter().filter(|member| !desired.declared.contains(member));
    let names: Vec<String> = others.map(|member| member.shown(&desired.home.cluster)).collect();
    let message = format!(
        "the audience becomes {audience} for all subjects of the role, but the service accounts {} still request tokens for \
         another audience",
        names.join(", ")
    );
    (changed && !names.is_empty()).then(|| Warning::new(WarningId::AudienceChanged, message))
}

/// Checks that the trust policy trusts every declared subject: statements that irsa did not write may deny it.
///
/// # Errors
/// `Conflict` for a subject that is denied whatever the request says.
pub(super) fn check_trusted(
    request: &Request,
    desired: &DesiredState<'_>,
    policy: &TrustPolicy,
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    for member in &desired.declared {
        let Some(provider) = desired.providers.get(&member.cluster) else { continue };
        let declared = request.binding.audience.as_ref().map(ToString::to_string);
        let audience =
            declared.or_else(|| policy.own_audience(provider)).unwrap_or_else(|| Audience::sts().to_string());
        if policy.admits(provider, &member.sub(), &audience) {
            continue;
        }
        let shown = member.shown(&desired.home.cluster);
        if matches!(member.name, SubjectName::Pattern(_)) {
            let message = format!(
                "the trust policy does not trust all service accounts that match {shown}: a statement denies some of them"
            );
            warnings.push(Warning::new(WarningId::ForeignTrust, message));
            continue;
        }
        let check = policy.check(provider, &member.sub(), &audience)?;
        if check.decision == Decision::Unknown {
            let message = format!("whether {shown} can assume the role depends on {}", check.conditions.join("; "));
            warnings.push(Warning::new(WarningId::ForeignTrust, message));
            continue;
        }
        return Err(Error::new(ErrorKind::Conflict, format!("the trust policy cannot trust {shown}"))
            .with_cause(check.reasons.join("; "))
            .with_hint("change the statement that denies it, then run the command again"));
    }
    Ok(())
}

/// Statements that irsa did not write and that trust more than a list of single subjects.
pub(super) fn foreign_statements(desired: &DesiredState<'_>, policy: &TrustPolicy) -> Vec<Warning> {
    let declared: BTreeSet<String> = desired.declared.iter().map(Member::sub).collect();
    policy
        .foreign_allows()
        .filter_map(|statement| {
            let document = policy.alone(statement).read().ok()?;
            let sid =
                statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).unwrap_or("without a Sid");
            let mut open = BTreeSet::new();
            for provider in desired.providers.values() {
                for audience in document.audiences(provider) {
                    let parts = document.subjects(provider, &audience).parts;
                    open.extend(parts.into_iter().filter(|part| !part.is_one_subject()).map(|part| part.pattern));
                }
            }
            open.retain(|pattern| !declared.contains(pattern));
            let patterns: Vec<&str> = open.iter().map(String::as_str).collect();
            let message = format!(
                "statement {sid} of the trust policy trusts more service accounts than are declared: {}",
                patterns.join(", ")
            );
            (!patterns.is_empty()).then(|| Warning::new(WarningId::ForeignTrust, message))
        })
        .collect()
}

/// Subjects that leave keep their sessions until these expire.
pub(super) fn sessions(home: &ClusterId, role: &ObservedRole, leaving: &BTreeSet<Member>) -> Option<Warning> {
    let names: Vec<String> = leaving.iter().map(|member| member.shown(home)).collect();
    let seconds = role.role.max_session_duration;
    let message =
        format!("sessions that {} started before this change stay valid for up to {seconds} seconds", names.join(", "));
    (!names.is_empty()).then(|| Warning::new(WarningId::SessionsRemain, message))
}

/// Subjects of irsa's own statement that no tag records.
pub(super) fn untagged(subs: &BTreeSet<String>) -> impl Iterator<Item = Warning> {
    subs.iter().map(|sub| {
        let message = format!("{sub} is removed from irsa's own statement of the trust policy: no tag records it");
        Warning::new(WarningId::SubjectWithoutTag, message)
    })
}

/// Subjects that are to be removed and were not trusted: all but `left`.
pub(super) fn nothing_to_remove(desired: &DesiredState<'_>, left: &BTreeSet<Member>) -> Vec<Warning> {
    let warning = |member: &Member| {
        let subject = member.shown(&desired.home.cluster);
        let message = format!("subject {subject} is not in role {}, so there is nothing to remove", desired.arn.name());
        Warning::new(WarningId::NothingToRemove, message)
    };
    desired.removed.difference(left).map(warning).collect()
}

/// A role that is adopted, and the tool that may still manage it.
pub(super) fn adopted(role: &ObservedRole) -> Vec<Warning> {
    let name = role.role.arn.name();
    let message = format!("role {name} was not created by irsa: it is adopted, and kept when the binding is deleted");
    let mut warnings = vec![Warning::new(WarningId::Adopted, message)];
    if let Some(other) = managed_elsewhere(&role.role.tags) {
        let message = format!("role {name} belongs to {other}, which may revert or delete it");
        warnings.push(Warning::new(WarningId::ManagedElsewhere, message));
    }
    warnings
}

/// A role that has everything, and that irsa does not manage.
pub(super) fn not_managed(role: &RoleName) -> Warning {
    let message = format!("role {role} was not created by irsa, has everything that is declared and is left as it is");
    Warning::new(WarningId::NotManaged, message).with_hint(Hint::ManageRole)
}
