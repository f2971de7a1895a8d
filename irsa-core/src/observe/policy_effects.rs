//! What managed policies do that come to a role or leave it: whether they allow, deny, or both. The order of writes depends
//! on it.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use super::{Backends, ObservedRole};
use crate::document::PolicyDocument;
use crate::error::{Error, Result};
use crate::name::PolicyArn;
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};
use crate::tolerance::OptionalRead;

/// What the document of a managed policy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyEffect {
    Allows,
    Denies,
    Both,
    /// The document may not be read, or cannot be understood.
    Unknown,
}

impl PolicyEffect {
    fn of(document: &PolicyDocument) -> Self {
        match (document.has_allow(), document.has_deny()) {
            (true, true) => Self::Both,
            (false, true) => Self::Denies,
            (_, false) => Self::Allows,
        }
    }
}

/// What is known of the effects, and what could not be read.
pub(super) type Effects = (BTreeMap<PolicyArn, PolicyEffect>, Vec<Warning>);

/// Reads the documents of the managed policies that come and go. Only where there is an order to choose: where more than
/// one thing changes in what the role may do. Subjects come after all of it and leave before, whatever it is. `versions` are
/// the versions in effect, as far as they are known already.
pub(super) async fn observe_effects(
    backends: &Backends,
    request: &Request,
    declared: &BTreeSet<PolicyArn>,
    versions: &BTreeMap<PolicyArn, String>,
    role: Option<&ObservedRole>,
) -> Result<Effects> {
    let changing = changing(request, declared, role);
    let each = changing.into_iter().map(|arn| {
        async move {
            let effect = effect(backends, &arn, versions.get(&arn)).await;
            (arn, effect)
        }
        .boxed()
    });
    let (mut effects, mut warnings) = Effects::default();
    for (arn, effect) in futures::future::join_all(each).await {
        let warn = |error: Error| warnings.push(unread(&arn, &error));
        let effect = OptionalRead::PolicyDocument.tolerate_with(effect, warn)?;
        effects.insert(arn, effect.unwrap_or(PolicyEffect::Unknown));
    }
    Ok((effects, warnings))
}

/// The managed policies that are attached or detached, where more than that changes.
fn changing(request: &Request, declared: &BTreeSet<PolicyArn>, role: Option<&ObservedRole>) -> BTreeSet<PolicyArn> {
    if matches!(request.verb, Verb::Delete { .. }) {
        return BTreeSet::new();
    }
    let binding = &request.binding;
    let (mut changing, mut others) = (declared.clone(), binding.inline_policies.len());
    others += usize::from(binding.permissions_boundary.is_some());
    if let Some(role) = role {
        let leaving = |arn: &&PolicyArn| !declared.contains(*arn) && (binding.exact || request.removes(arn));
        changing = declared.difference(&role.attached).chain(role.attached.iter().filter(leaving)).cloned().collect();
        others += role
            .inline
            .iter()
            .filter(|(name, document)| binding.exact || request.removes_inline(name, document.as_ref()))
            .count();
    }
    if changing.len() + others > 1 { changing } else { BTreeSet::new() }
}

async fn effect(backends: &Backends, arn: &PolicyArn, version: Option<&String>) -> Result<PolicyEffect> {
    let text = backends.iam.policy_version(arn, version.cloned()).await?;
    // Where it is gone by now, the write will tell.
    let Some(text) = text else { return Ok(PolicyEffect::Unknown) };
    PolicyDocument::from_stored(&text).map(|document| PolicyEffect::of(&document))
}

fn unread(arn: &PolicyArn, error: &Error) -> Warning {
    let why = error.causes().into_iter().next().unwrap_or_else(|| error.to_string());
    let message =
        format!("whether policy {arn} denies anything could not be read, so the order of writes is a guess: {why}");
    Warning::new(WarningId::PolicyUnverified, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::IrsaBinding;
    use serde_json::json;

    #[test]
    fn effects_are_told_by_the_statements() {
        let of = |effects: &[&str]| {
            let statements: Vec<_> =
                effects.iter().map(|effect| json!({"Effect": effect, "Action": "*", "Resource": "*"})).collect();
            PolicyEffect::of(&PolicyDocument::from_value(json!({"Statement": statements})).unwrap())
        };
        assert_eq!(of(&["Allow"]), PolicyEffect::Allows);
        assert_eq!(of(&["Deny", "Deny"]), PolicyEffect::Denies);
        assert_eq!(of(&["Allow", "Deny"]), PolicyEffect::Both);
    }

    #[test]
    fn one_change_has_no_order() {
        let arns = |names: &[&str]| -> BTreeSet<PolicyArn> {
            names.iter().map(|name| format!("arn:aws:iam::aws:policy/{name}").parse().unwrap()).collect()
        };
        let create = |exact| {
            let binding = IrsaBinding::builder("demo", "default", "sa").with_exact(exact);
            Request::create(binding.build().unwrap())
        };
        assert_eq!(changing(&create(false), &arns(&["a"]), None), arns(&[]));
        assert_eq!(changing(&create(false), &arns(&["a", "b"]), None), arns(&["a", "b"]));
        let delete = Request::delete(create(false).binding);
        assert_eq!(changing(&delete, &arns(&["a", "b"]), None), arns(&[]));
        let document = json!({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}});
        let inline = IrsaBinding::builder("demo", "default", "sa").with_inline_document("x", document);
        let request = Request::create(inline.build().unwrap());
        assert_eq!(changing(&request, &arns(&["a"]), None), arns(&["a"]));
        assert_eq!(changing(&request, &arns(&[]), None), arns(&[]));
    }
}
