//! What a plan tells besides its steps: what nobody declared, and what the user should know.

use std::collections::BTreeSet;

use serde_json::Value;

use super::goal::Goal;
use super::{Plan, Step};
use crate::cluster_identity::ClusterId;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Audience, RoleName, SubjectName};
use crate::observe::ObservedRole;
use crate::ownership::{Member, Ownership};
use crate::report::{Undeclared, Warning, WarningId};
use crate::request::Request;
use crate::trust::{Decision, TrustPolicy, WebIdentity, own_kind};

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
    let mut extra: Vec<Undeclared> = managed.map(|arn| Undeclared::ManagedPolicy { arn: arn.to_string() }).collect();
    extra.extend(inline.map(|name| Undeclared::InlinePolicy { name: name.to_string() }));
    extra.extend(subjects.map(|member| Undeclared::Subject { subject: member.shown(&goal.home.cluster) }));
    extra.extend(statements.map(|statement| {
        let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).map(str::to_owned);
        Undeclared::TrustStatement { sid, statement: Value::Object(statement.clone()) }
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

/// A role that was another program's until now.
pub(super) fn taken_over(role: &ObservedRole) -> Option<Warning> {
    let message = format!(
        "role {} was made for this service account by gen3's script: it is irsa's from now on, and goes with the binding",
        role.role.arn.name()
    );
    role.is_taken_over().then(|| Warning::new(WarningId::TakenOver, message))
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

/// Whom declared further statements let in beside single subjects: a wildcard is not refused, but never passed over.
pub(super) fn declared_statements(request: &Request, goal: &Goal<'_>) -> Vec<Warning> {
    let statements = request.binding.trust_statements.iter();
    statements
        .filter_map(|statement| {
            let policy = TrustPolicy::empty().with_statements(vec![statement.clone()]);
            let document = policy.read().ok()?;
            let (mut open, mut shown) = (BTreeSet::new(), Vec::new());
            for provider in goal.providers.values() {
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
                shown.push("principals of every AWS account, as far as its conditions let them".to_owned());
            }
            let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
            let called =
                sid.map_or_else(|| "a declared statement".to_owned(), |sid| format!("the declared statement {sid}"));
            let message = format!("{called} of the trust policy lets in {}", shown.join("; and "));
            (!shown.is_empty()).then(|| Warning::new(WarningId::PatternLetsIn, message))
        })
        .collect()
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

/// Every declared subject must really be let in: other people's statements may deny it.
///
/// # Errors
/// `Conflict` for a subject that is denied whatever the request says.
pub(super) fn check_let_in(
    request: &Request,
    goal: &Goal<'_>,
    policy: &TrustPolicy,
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    for member in &goal.declared {
        let Some(provider) = goal.providers.get(&member.cluster) else { continue };
        let declared = request.binding.audience.as_ref().map(ToString::to_string);
        let audience =
            declared.or_else(|| policy.own_audience(provider)).unwrap_or_else(|| Audience::sts().to_string());
        if policy.admits(provider, &member.sub(), &audience) {
            continue;
        }
        let shown = member.shown(&goal.home.cluster);
        if matches!(member.name, SubjectName::Pattern(_)) {
            let message = format!("the trust policy does not let in all whom {shown} covers: a statement denies");
            warnings.push(Warning::new(WarningId::ForeignTrust, message));
            continue;
        }
        let check = policy.check(provider, &member.sub(), &audience)?;
        if check.decision == Decision::Unknown {
            let message = format!("whether {shown} gets in depends on {}", check.conditions.join("; "));
            warnings.push(Warning::new(WarningId::ForeignTrust, message));
            continue;
        }
        return Err(Error::new(ErrorKind::Conflict, format!("the trust policy cannot let {shown} in"))
            .with_cause(check.reasons.join("; "))
            .with_hint("change the statement that denies by hand, then run the command again"));
    }
    Ok(())
}

/// Statements of others that let in more than single subjects whom they list.
pub(super) fn foreign_statements(goal: &Goal<'_>, policy: &TrustPolicy) -> Vec<Warning> {
    let declared: BTreeSet<String> = goal.declared.iter().map(Member::sub).collect();
    policy
        .foreign_allows()
        .filter_map(|statement| {
            let document = policy.alone(statement).read().ok()?;
            let sid =
                statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).unwrap_or("without a Sid");
            let mut open = BTreeSet::new();
            for provider in goal.providers.values() {
                for audience in document.audiences(provider) {
                    let parts = document.subjects(provider, &audience).parts;
                    open.extend(parts.into_iter().filter(|part| !part.is_one_subject()).map(|part| part.pattern));
                }
            }
            open.retain(|pattern| !declared.contains(pattern));
            let patterns: Vec<&str> = open.iter().map(String::as_str).collect();
            let message = format!(
                "statement {sid} of the trust policy lets in more service accounts than are declared: {}",
                patterns.join(", ")
            );
            (!patterns.is_empty()).then(|| Warning::new(WarningId::ForeignTrust, message))
        })
        .collect()
}

/// Subjects that leave keep the sessions they have.
pub(super) fn sessions(home: &ClusterId, role: &ObservedRole, leaving: &BTreeSet<Member>) -> Option<Warning> {
    let names: Vec<String> = leaving.iter().map(|member| member.shown(home)).collect();
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
