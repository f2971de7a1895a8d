//! What must hold of a run: which states are the same, what changed between two, and whether a report names it.

use std::collections::{BTreeMap, BTreeSet};

use irsa_core::sandbox::SandboxState;
use irsa_core::{CREATED_ANNOTATION, ErrorKind, Outcome, ROLE_ARN_ANNOTATION, Report, Result, WarningId};
use serde_json::{Value, json};

use crate::holdings::lets_in;
use crate::world::ROLE;

/// A state without what differs from run to run: ids, versions, and the order in which statements stand.
pub(super) fn meaning(state: &SandboxState) -> SandboxState {
    let mut state = state.clone();
    state.last_id = 0;
    for role in state.roles.values_mut() {
        role.id = String::new();
        role.trust_policy = sorted(&role.trust_policy);
        // A mark of a delete has its time and a random word.
        if let Some(origin) = role.tags.get_mut("irsa.gen3.org/origin")
            && let Some((mark, _)) = origin.match_indices(':').nth(1).map(|(at, _)| origin.split_at(at))
        {
            *origin = mark.to_owned();
        }
    }
    state.providers.values_mut().for_each(|provider| provider.audiences.sort());
    for cluster in state.clusters.values_mut() {
        cluster.revision = 0;
        for account in cluster.namespaces.values_mut().flat_map(|held| held.service_accounts.values_mut()) {
            account.uid = String::new();
            account.resource_version = 0;
        }
    }
    state
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(sorted).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => {
            let fields: BTreeMap<&String, Value> = fields.iter().map(|(key, value)| (key, sorted(value))).collect();
            json!(fields)
        }
        other => other.clone(),
    }
}

/// Every subject that the trust policy of any role names.
pub(super) fn subjects(state: &SandboxState) -> BTreeSet<String> {
    let texts = state.roles.values().map(|role| role.trust_policy.to_string());
    let named = |text: String| -> Vec<String> {
        text.split('"').filter(|part| part.starts_with("system:")).map(str::to_owned).collect()
    };
    texts.flat_map(named).collect()
}

/// Every subject that the trust policy of any role names, or its tags record.
pub(super) fn let_in(state: &SandboxState) -> BTreeSet<String> {
    let tags = state.roles.values().flat_map(|role| &role.tags).filter(|(key, _)| key.starts_with("irsa.gen3.org/"));
    let mut found: BTreeSet<String> = tags
        .filter_map(|(_, value)| {
            let mut parts = value.rsplit('/');
            let (name, namespace) = (parts.next()?, parts.next()?);
            Some(format!("system:serviceaccount:{namespace}:{name}"))
        })
        .collect();
    found.extend(subjects(state));
    found
}

/// The accounts that are annotated with a role that does not let them in, and were not before: pods that start now fail.
pub(super) fn misled(before: &SandboxState, after: &SandboxState) -> Vec<String> {
    let mut found = Vec::new();
    for (cluster, held) in &after.clusters {
        for (namespace, held) in &held.namespaces {
            for (name, account) in &held.service_accounts {
                let Some(arn) = account.annotations.get(ROLE_ARN_ANNOTATION) else { continue };
                let known = before.clusters.get(cluster).and_then(|held| held.namespaces.get(namespace));
                let known = known.and_then(|held| held.service_accounts.get(name));
                if known.is_some_and(|known| known.annotations.get(ROLE_ARN_ANNOTATION) == Some(arn)) {
                    continue;
                }
                // Of a role of another account nothing can be seen.
                if !arn.contains(&format!("::{}:", after.account)) {
                    continue;
                }
                let role = arn.rsplit('/').next().and_then(|role| after.roles.get(role));
                let place = format!("{namespace}/{name}");
                if !role.is_some_and(|role| lets_in(after, role, &cluster.to_string(), &place)) {
                    found.push(format!("{cluster}:{place} is annotated with {arn}, which does not let it in"));
                }
            }
        }
    }
    found
}

/// The accounts that irsa did not make and that are gone all the same.
pub(super) fn lost_accounts(before: &SandboxState, after: &SandboxState) -> Vec<String> {
    let mut found = Vec::new();
    for (cluster, held) in &before.clusters {
        for (namespace, held) in &held.namespaces {
            let theirs = held
                .service_accounts
                .iter()
                .filter(|(_, account)| !account.annotations.contains_key(CREATED_ANNOTATION));
            let there = after.clusters.get(cluster).and_then(|held| held.namespaces.get(namespace));
            let lost = theirs.filter(|(name, _)| there.is_some_and(|held| !held.service_accounts.contains_key(*name)));
            found.extend(lost.map(|(name, _)| format!("{cluster}:{namespace}/{name} was deleted, and is not ours")));
        }
    }
    found
}

/// The role that a run made whose later write was refused for good, and that is there although nothing says that it stays.
pub(super) fn not_rolled_back(result: &Result<Report>, before: &SandboxState, after: &SandboxState) -> Option<String> {
    let error = result.as_ref().err()?;
    let for_good = matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::InvalidInput | ErrorKind::QuotaExceeded);
    let report = error.report().filter(|_| for_good)?;
    let made = after.roles.contains_key(ROLE) && !before.roles.contains_key(ROLE);
    let left = report.warnings.iter().any(|warning| warning.id == WarningId::LeftBehind);
    (made && !left).then(|| format!("the role stays although the run was refused for good: {}", error.kind()))
}

/// One thing in the world that a step can make, change or take away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Thing {
    kind: &'static str,
    name: String,
}

/// Everything in the world that irsa writes to, with its value.
pub(super) fn things(state: &SandboxState) -> BTreeMap<Thing, Value> {
    let mut found = BTreeMap::new();
    let mut put = |kind, name: String, value: Value| drop(found.insert(Thing { kind, name }, value));
    for (name, role) in &state.roles {
        put("role", name.to_string(), json!(role.id));
        put("trust", name.to_string(), sorted(&role.trust_policy));
        put("tags", name.to_string(), json!(role.tags));
        put("boundary", name.to_string(), json!(role.permissions_boundary));
        put("settings", name.to_string(), json!([role.description, role.max_session_duration]));
        for arn in &role.attached {
            put("attached", arn.to_string(), json!(role.id));
        }
        for (policy, document) in &role.inline {
            put("inline", policy.to_string(), json!([role.id, document]));
        }
    }
    for (issuer, provider) in &state.providers {
        put("provider", issuer.host_path().to_owned(), json!(provider.audiences));
    }
    for (cluster, held) in &state.clusters {
        for (namespace, held) in &held.namespaces {
            put("namespace", format!("{cluster}:{namespace}"), json!(held.terminating));
            for (name, account) in &held.service_accounts {
                let value = json!([account.uid, account.annotations, account.labels]);
                put("account", format!("{cluster}:{namespace}/{name}"), value);
            }
        }
    }
    found
}

/// The things that differ between two states.
pub(super) fn difference(before: &SandboxState, after: &SandboxState) -> BTreeSet<Thing> {
    let (before, after) = (things(before), things(after));
    before.keys().chain(after.keys()).filter(|thing| before.get(*thing) != after.get(*thing)).cloned().collect()
}

/// Whether a step of this action and target is about a thing.
fn concerns(action: &str, target: &str, thing: &Thing) -> bool {
    let kinds: &[&str] = match action {
        "create_role" | "delete_role" => &["role", "trust", "tags", "boundary", "settings"],
        "update_trust_policy" => &["trust"],
        "update_role" => &["settings"],
        "put_permissions_boundary" => &["boundary"],
        "tag_role" | "untag_role" => &["tags"],
        "attach_policy" | "detach_policy" => &["attached"],
        "put_inline_policy" | "delete_inline_policy" => &["inline"],
        "create_namespace" => &["namespace"],
        "create_provider" | "add_audience" | "delete_provider" => &["provider"],
        "create_service_account" | "annotate_service_account" | "delete_service_account" | "remove_annotations" => {
            &["account"]
        }
        other => panic!("no step does {other}"),
    };
    let same = match thing.kind {
        // A provider is named by its ARN, which ends in host and path of the issuer.
        "provider" => target.ends_with(&thing.name),
        "namespace" | "account" => thing.name == target || thing.name.split_once(':').is_some_and(|(_, n)| n == target),
        _ => thing.name == target,
    };
    kinds.contains(&thing.kind) && same
}

/// What a run did that its report does not name; `parts` are the states before and after each part of the run, without
/// what other writers did in between.
pub(super) fn unnamed(result: &Result<Report>, parts: &[(&SandboxState, &SandboxState)]) -> Vec<String> {
    let report = match result {
        Ok(report) => Some(report),
        Err(error) => error.report(),
    };
    let touched: BTreeSet<Thing> = parts.iter().flat_map(|(before, after)| difference(before, after)).collect();
    let named = |thing: &Thing| {
        let begun = |outcome| matches!(outcome, Outcome::Done | Outcome::Failed | Outcome::RolledBack);
        report.is_some_and(|report| {
            report.steps.iter().any(|step| begun(step.outcome) && concerns(step.action.as_str(), &step.target, thing))
        })
    };
    touched.iter().filter(|thing| !named(thing)).map(|thing| format!("{thing:?} is not named")).collect()
}

/// What a report says was rolled back, or says nothing of, and yet is there.
pub(super) fn left_unsaid(result: &Result<Report>, before: &SandboxState, after: &SandboxState) -> Vec<String> {
    let Some(report) = result.as_ref().err().and_then(|error| error.report()) else { return Vec::new() };
    let rolled_back = report.steps.iter().any(|step| step.outcome == Outcome::RolledBack);
    if !rolled_back {
        return Vec::new();
    }
    let left: Vec<&str> =
        report.warnings.iter().filter(|w| w.id == WarningId::LeftBehind).map(|w| w.message.as_str()).collect();
    let mut found = Vec::new();
    for thing in difference(before, after) {
        let told =
            report.steps.iter().filter(|step| concerns(step.action.as_str(), &step.target, &thing)).any(|step| {
                match step.outcome {
                    Outcome::Done => {
                        left.iter().any(|message| message.contains(&format!("{} {}", step.action, step.target)))
                    }
                    Outcome::Failed => true,
                    _ => false,
                }
            });
        if !told {
            found.push(format!("{thing:?} stays after taking back, and no warning says so"));
        }
    }
    found
}
