//! What a plan tells besides its steps: what nobody declared, and what the user should know.

use std::collections::BTreeSet;

use serde_json::Value;

use super::goal::Goal;
use super::{Plan, Step};
use crate::name::RoleName;
use crate::observe::ObservedRole;
use crate::ownership::{Member, Ownership};
use crate::report::{Extra, Warning, WarningId};
use crate::request::Request;
use crate::trust::{TrustPolicy, WebIdentity, may_admit, own_kind};

/// Policies, subjects and statements that are kept although nobody declared them.
pub(super) fn extras(
    request: &Request,
    goal: &Goal<'_>,
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
    let managed = role.attached.iter().filter(|arn| !goal.attach.contains(*arn) && !detached.contains(*arn));
    let inline = role
        .inline
        .keys()
        .filter(|name| !request.binding.inline_policies.contains_key(*name) && !deleted.contains(*name));
    let members = tags.members();
    let subjects = members.iter().filter(|member| !goal.declared.contains(*member));
    let statements = policy.statements().filter(|statement| own_kind(statement).is_none());
    // A foreign statement that only lets declared subjects in holds nothing that nobody declared.
    let statements = statements.filter(|statement| !lists_only_declared(statement, goal));
    let mut extra: Vec<Extra> = managed.map(|arn| Extra::ManagedPolicy { arn: arn.to_string() }).collect();
    extra.extend(inline.map(|name| Extra::InlinePolicy { name: name.to_string() }));
    extra.extend(subjects.map(|member| Extra::Subject { subject: member.shown(&goal.home.cluster) }));
    extra.extend(statements.map(|statement| {
        let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).map(str::to_owned);
        Extra::TrustStatement { sid, statement: Value::Object(statement.clone()) }
    }));
    plan.extra = extra;
}

fn lists_only_declared(statement: &serde_json::Map<String, Value>, goal: &Goal<'_>) -> bool {
    let Some(web) = WebIdentity::read(statement) else { return false };
    let declared: BTreeSet<String> = goal.declared.iter().map(Member::sub).collect();
    web.providers.len() == 1
        && goal.providers.values().any(|provider| web.trusts(provider))
        && web.exact.iter().chain(&web.patterns).all(|sub| declared.contains(sub))
}

/// A role without any policy.
pub(super) fn no_policies(role: &RoleName) -> Warning {
    Warning::new(WarningId::NoPolicies, format!("role {role} has no policy: its subjects may do nothing yet"))
}

/// What patterns let in.
pub(super) fn patterns(request: &Request) -> impl Iterator<Item = Warning> {
    request.binding.subjects.iter().filter(|subject| subject.service_account().is_none()).map(|subject| {
        let (namespace, pattern) = (&subject.namespace, subject.name.as_str());
        let message = format!(
            "pattern {subject} lets in every service account of namespace {namespace} whose name fits {pattern}, also those made later"
        );
        Warning::new(WarningId::PatternLetsIn, message)
    })
}

/// A new audience is demanded of all subjects, and only the declared ones are told.
pub(super) fn audience(request: &Request, goal: &Goal<'_>, role: &ObservedRole) -> Option<Warning> {
    let audience = request.binding.audience.as_ref()?;
    let changes = goal.providers.values().filter_map(|provider| role.trust.own_audience(provider));
    let changed = changes.into_iter().any(|standing| standing != audience.as_str());
    let others = role.present(&goal.providers).into_iter().filter(|member| !goal.declared.contains(member));
    let names: Vec<String> = others.map(|member| member.shown(&goal.home.cluster)).collect();
    let message = format!(
        "the audience is now {audience} for all subjects of the role, but the accounts of {} still ask for tokens of another",
        names.join(", ")
    );
    (changed && !names.is_empty()).then(|| Warning::new(WarningId::AudienceChanged, message))
}

/// Statements of others that let more in than they list, or that may keep our subjects out.
pub(super) fn foreign_statements(goal: &Goal<'_>, policy: &TrustPolicy) -> Vec<Warning> {
    let foreign = policy.statements().filter(|statement| own_kind(statement).is_none());
    foreign
        .filter_map(|statement| {
            let name =
                statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).unwrap_or("without a Sid");
            let deny = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
            let open = WebIdentity::read(statement).is_none()
                && goal.providers.values().any(|provider| may_admit(statement, Some(provider)));
            let message = match (deny, open) {
                (true, _) => format!("statement {name} of the trust policy denies, and may keep the subjects out"),
                (_, true) => {
                    format!("statement {name} of the trust policy may let in more service accounts than are declared")
                }
                _ => return None,
            };
            Some(Warning::new(WarningId::ForeignTrust, message))
        })
        .collect()
}

/// Subjects that leave keep the sessions they have.
pub(super) fn sessions(goal: &Goal<'_>, role: &ObservedRole, leaving: &BTreeSet<Member>) -> Option<Warning> {
    let names: Vec<String> = leaving.iter().map(|member| member.shown(&goal.home.cluster)).collect();
    let seconds = role.role.max_session_duration;
    let message = format!(
        "sessions that {} began before this end by themselves after at most {seconds} seconds",
        names.join(", ")
    );
    (!names.is_empty()).then(|| Warning::new(WarningId::SessionsRemain, message))
}

/// Subjects that stood in our own statement without a record.
pub(super) fn untagged(subs: &BTreeSet<String>) -> impl Iterator<Item = Warning> {
    subs.iter().map(|sub| {
        let message =
            format!("{sub} stood in irsa's own statement of the trust policy without a tag, and is taken out");
        Warning::new(WarningId::SubjectWithoutTag, message)
    })
}
