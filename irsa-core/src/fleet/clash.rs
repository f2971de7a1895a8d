//! What can be refused from the requests alone: bindings that are declared twice, that fight over a service account, or that
//! want different things of one role.

use std::collections::{BTreeMap, HashMap};

use crate::binding::IrsaBinding;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ClusterRef, Namespace, ServiceAccountName, Subject};
use crate::request::{Request, Verb};

/// A binding, and which of the requests it is of.
type At<'a> = (usize, &'a IrsaBinding);

/// A service account on a cluster that goes by this text.
type Place<'a> = (String, &'a Namespace, &'a ServiceAccountName);

/// Refuses requests that contradict each other. `id` tells clusters apart: their names before any call, what they are after.
///
/// # Errors
/// `InvalidInput`, with the places of the two requests in the context as `first` and `second`, counted from 0.
pub(super) fn check(requests: &[Request], id: &dyn Fn(&ClusterRef) -> String) -> Result<()> {
    twice(requests, id)?;
    let declared = || requests.iter().enumerate().filter(|(_, request)| !matches!(request.verb, Verb::Delete { .. }));
    let mut roles: Vec<(String, Vec<At<'_>>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (at, request) in declared() {
        let Some(name) = role_name(&request.binding) else { continue };
        let group = *known.entry(name.clone()).or_insert(roles.len());
        match roles.get_mut(group) {
            Some((_, bindings)) => bindings.push((at, &request.binding)),
            None => roles.push((name, vec![(at, &request.binding)])),
        }
    }
    for (name, bindings) in &roles {
        one_role(name, bindings, id)?;
    }
    let mut accounts: HashMap<Place<'_>, (usize, &IrsaBinding)> = HashMap::new();
    let subjects: Vec<(usize, &IrsaBinding, Vec<Subject>)> =
        declared().map(|(at, request)| (at, &request.binding, bound(&request.binding))).collect();
    for (at, binding, subjects) in &subjects {
        for subject in subjects {
            let Some(name) = subject.service_account() else { continue };
            let cluster = subject.cluster.as_ref().unwrap_or(&binding.cluster);
            let place = (id(cluster), &subject.namespace, name);
            match accounts.get(&place) {
                Some((first, other)) if role_name(other) != role_name(binding) || role_name(binding).is_none() => {
                    if first != at {
                        return Err(fight(subject, (*first, other), (*at, binding)));
                    }
                }
                Some((first, other)) => one_account(subject, (*first, other), (*at, binding))?,
                None => drop(accounts.insert(place, (*at, binding))),
            }
        }
    }
    Ok(())
}

/// The subjects whose accounts get the annotation.
fn bound(binding: &IrsaBinding) -> Vec<Subject> {
    binding.all_subjects().into_iter().filter(|subject| binding.has_account(subject)).collect()
}

/// The name that the role has, as far as it can be told without a call, in lower case.
fn role_name(binding: &IrsaBinding) -> Option<String> {
    binding.role_name.clone().or_else(|| binding.naming().short()).map(|name| name.as_str().to_ascii_lowercase())
}

fn clash(what: String, first: usize, second: usize) -> Error {
    Error::new(ErrorKind::InvalidInput, what)
        .with_context("first", first.to_string())
        .with_context("second", second.to_string())
}

/// A binding is named by its first subject, so no two can have the same one.
fn twice(requests: &[Request], id: &dyn Fn(&ClusterRef) -> String) -> Result<()> {
    let mut seen: HashMap<Place<'_>, usize> = HashMap::new();
    for (at, request) in requests.iter().enumerate() {
        let binding = &request.binding;
        // The role that a binding had before may go beside it.
        let former = matches!(request.verb, Verb::Delete { .. }) && binding.role_name.is_some();
        let place = (id(&binding.cluster), &binding.namespace, &binding.service_account);
        if former && seen.get(&place).is_some_and(|first| role_name(&requests[*first].binding) != role_name(binding)) {
            continue;
        }
        if let Some(first) = seen.insert(place, at) {
            return Err(clash(format!("binding {binding} is declared twice"), first, at)
                .with_hint("join the two: what both name is one role"));
        }
    }
    Ok(())
}

fn fight(subject: &Subject, (first, one): (usize, &IrsaBinding), (second, other): (usize, &IrsaBinding)) -> Error {
    let place = format!("{}/{}", subject.namespace, subject.name.as_str());
    clash(format!("bindings {one} and {other} fight over service account {place}"), first, second)
        .with_cause("each would annotate it with a role of its own, and an account has one role")
        .with_hint("leave it out of one of them, or make it trust-only there")
}

/// Whether a binding names the service account of another one among its subjects.
pub(super) fn names(binding: &IrsaBinding, other: &IrsaBinding, id: &dyn Fn(&ClusterRef) -> String) -> bool {
    let wanted = other.first_subject();
    binding.subjects.iter().any(|subject| {
        let cluster = subject.cluster.as_ref().unwrap_or(&binding.cluster);
        let same = id(cluster) == id(&other.cluster) || cluster.may_be(&other.cluster);
        same && (&subject.namespace, &subject.name) == (&wanted.namespace, &wanted.name)
    })
}

/// Bindings may share a role where one of them names the service accounts of all others, and where they do not differ in
/// what they want of it.
fn one_role(name: &str, bindings: &[At<'_>], id: &dyn Fn(&ClusterRef) -> String) -> Result<()> {
    let unnamed = |(at, binding): &At<'_>| {
        bindings.iter().find(|(other, of)| other != at && !names(binding, of, id)).map(|(other, of)| (*other, *of))
    };
    let Some((first, one)) = bindings.iter().find(|binding| unnamed(binding).is_none()).copied() else {
        let Some((first, one)) = bindings.first().copied() else { return Ok(()) };
        let Some((second, other)) = unnamed(&(first, one)) else { return Ok(()) };
        return Err(clash(format!("bindings {one} and {other} both declare role {name}"), first, second)
            .with_cause("a role belongs to one binding")
            .with_hint(
                "share it by naming the other service account in subjects, or give one of them another roleName",
            ));
    };
    for (second, other) in bindings.iter().copied().filter(|(at, _)| *at != first) {
        if let Some(what) = difference(one, other) {
            let (before, after) = if first < second { (first, second) } else { (second, first) };
            return Err(clash(
                format!("bindings {one} and {other} want different things of role {name}"),
                before,
                after,
            )
            .with_cause(format!("they differ in {what}"))
            .with_hint("say it in one of the two only, or the same in both"));
        }
    }
    Ok(())
}

/// Two bindings of one role may both bind an account where they do not differ in what they want of it.
fn one_account(subject: &Subject, (first, one): At<'_>, (second, other): At<'_>) -> Result<()> {
    let what = key(&one.labels, &other.labels)
        .map(|key| format!("label {key}"))
        .or_else(|| key(&one.annotations, &other.annotations).map(|key| format!("annotation {key}")))
        .or_else(|| differ(one.token_expiration, other.token_expiration).then(|| "tokenExpiration".to_owned()))
        .or_else(|| {
            differ(one.sts_regional_endpoints, other.sts_regional_endpoints).then(|| "stsRegionalEndpoints".to_owned())
        });
    let Some(what) = what else { return Ok(()) };
    let place = format!("{}/{}", subject.namespace, subject.name.as_str());
    Err(clash(format!("bindings {one} and {other} want different things of service account {place}"), first, second)
        .with_cause(format!("they differ in {what}"))
        .with_hint("make it trust-only in the binding that is not its own: then only its own gives it labels"))
}

fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

/// The first key that both have, with different values.
fn key<K: Ord + ToString, V: PartialEq>(one: &BTreeMap<K, V>, other: &BTreeMap<K, V>) -> Option<String> {
    one.iter().find(|(key, value)| differ(Some(*value), other.get(*key))).map(|(key, _)| key.to_string())
}

/// The setting that both name, with different values.
fn difference(one: &IrsaBinding, other: &IrsaBinding) -> Option<String> {
    let settings = [
        ("rolePath", differ(one.role_path.as_ref(), other.role_path.as_ref())),
        ("description", differ(one.description.as_ref(), other.description.as_ref())),
        ("maxSessionDuration", differ(one.max_session_duration.as_ref(), other.max_session_duration.as_ref())),
        ("permissionsBoundary", differ(one.permissions_boundary.as_ref(), other.permissions_boundary.as_ref())),
        ("audience", differ(one.audience.as_ref(), other.audience.as_ref())),
        ("exact: what one declares, the other takes away", one.exact || other.exact),
    ];
    let setting = settings.into_iter().find(|(_, differ)| *differ).map(|(name, _)| name.to_owned());
    setting
        .or_else(|| key(&one.tags, &other.tags).map(|key| format!("tag {key}")))
        .or_else(|| key(&one.inline_policies, &other.inline_policies).map(|name| format!("inline policy {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::IrsaBindingBuilder;

    fn sa(place: &str) -> IrsaBindingBuilder {
        let (namespace, name) = place.split_once('/').unwrap();
        IrsaBinding::builder("demo", namespace, name)
    }

    fn refusal(bindings: Vec<IrsaBindingBuilder>) -> String {
        let requests: Vec<Request> = bindings.into_iter().map(|b| Request::create(b.build().unwrap())).collect();
        match check(&requests, &ClusterRef::to_string) {
            Ok(()) => String::new(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                let places: Vec<&str> = error.context().iter().map(|(_, at)| at.as_str()).collect();
                format!("{error}: {} [{}]", error.causes().join(" "), places.join(","))
            }
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_both_places() {
        let document =
            |action: &str| serde_json::json!({"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]});
        for (bindings, words) in [
            (vec![sa("a/x"), sa("b/x"), sa("a/x")], ["declared twice", "[0,2]"]),
            (vec![sa("a/x").with_subject("b/y"), sa("b/y")], ["fight over service account b/y", "[0,1]"]),
            (vec![sa("a/x").with_subject("c/z"), sa("b/y").with_subject("c/z")], ["fight over", "c/z"]),
            (vec![sa("a/x").with_role_name("r"), sa("b/y").with_role_name("R")], ["both declare role r", "[0,1]"]),
            // Default names can meet.
            (vec![sa("a-b/c"), sa("a/b-c")], ["both declare role demo-a-b-c", "[0,1]"]),
            (
                vec![
                    sa("a/x").with_role_name("r").with_subject("b/y").with_description("one"),
                    sa("b/y").with_role_name("r").with_description("two"),
                ],
                ["different things", "description"],
            ),
            (
                vec![
                    sa("a/x").with_role_name("r").with_subject("b/y").with_tag("k", "1"),
                    sa("b/y").with_role_name("r").with_tag("k", "2"),
                ],
                ["different things", "tag k"],
            ),
            (
                vec![
                    sa("a/x").with_role_name("r").with_subject("b/y").with_inline_document("p", document("s3:*")),
                    sa("b/y").with_role_name("r").with_inline_document("p", document("sqs:*")),
                ],
                ["different things", "inline policy p"],
            ),
            (
                vec![sa("a/x").with_role_name("r").with_subject("b/y").with_exact(true), sa("b/y").with_role_name("r")],
                ["different things", "exact"],
            ),
        ] {
            let text = refusal(bindings);
            assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text:?}");
        }
    }

    #[test]
    fn what_shares_an_account_must_agree_on_it() {
        for (one, other, what) in [
            (sa("a/x").with_label("l", "1"), sa("b/y").with_label("l", "2"), "label l"),
            (sa("a/x").with_annotation("n", "1"), sa("b/y").with_annotation("n", "2"), "annotation n"),
            (sa("a/x").with_token_expiration(600), sa("b/y").with_token_expiration(700), "tokenExpiration"),
            (
                sa("a/x").with_sts_regional_endpoints(true),
                sa("b/y").with_sts_regional_endpoints(false),
                "stsRegionalEndpoints",
            ),
        ] {
            let (one, other) = (one.with_role_name("r"), other.with_role_name("r"));
            let text = refusal(vec![one.clone().with_subject("b/y"), other.clone()]);
            assert!(text.contains("different things of service account b/y") && text.contains(what), "{text}");
            assert_eq!(refusal(vec![other, one.with_trust_only_subject("b/y")]), "");
        }
    }

    #[test]
    fn one_of_those_that_share_a_role_names_all_others() {
        let of = |place: &str| sa(place).with_role_name("r");
        let all = of("a/x").with_subject("b/y").with_subject("c/z");
        assert_eq!(refusal(vec![of("b/y"), all.clone(), of("c/z")]), "");
        assert_eq!(refusal(vec![of("b/y"), of("c/z"), all]), "");
        let text = refusal(vec![of("a/x").with_subject("b/y"), of("b/y").with_subject("c/z"), of("c/z")]);
        assert!(text.contains("both declare role r") && text.contains("[0,2]"), "{text}");
    }

    #[test]
    fn a_role_that_a_binding_had_before_may_go_beside_it() {
        let of = |role: &str| sa("a/x").with_role_name(role).build().unwrap();
        let check = |requests: &[Request]| check(requests, &ClusterRef::to_string);
        assert!(check(&[Request::create(of("new")), Request::delete(of("old"))]).is_ok());
        assert!(check(&[Request::create(of("new")), Request::delete(of("NEW"))]).is_err());
    }

    #[test]
    fn what_fits_together_passes() {
        for bindings in [
            vec![sa("a/x"), sa("b/x"), sa("a/y")],
            vec![sa("a/x").with_trust_only_subject("b/y"), sa("b/y")],
            vec![sa("a/x").with_role_only(true).with_subject("b/y"), sa("b/y")],
            vec![
                sa("a/x").with_role_name("r").with_subject("b/y").with_tag("k", "1"),
                sa("b/y").with_role_name("r").with_tag("k", "1"),
            ],
            vec![IrsaBinding::builder("demo", "a", "x"), IrsaBinding::builder("blue", "a", "x")],
            // A name and an ARN can be one cluster.
            vec![
                sa("a/x").with_role_name("r").with_subject("arn:aws:eks:us-east-1:123456789012:cluster/blue:b/y"),
                IrsaBinding::builder("blue", "b", "y").with_role_name("r"),
            ],
        ] {
            assert_eq!(refusal(bindings), "");
        }
    }

    #[test]
    fn clusters_are_told_apart_by_what_they_are() {
        let arn = "arn:aws:eks:us-east-1:123456789012:cluster/demo";
        let named = |cluster: &str| {
            Request::create(
                IrsaBinding::builder(cluster, "a", "x")
                    .with_role_name(cluster.replace([':', '/'], "-"))
                    .build()
                    .unwrap(),
            )
        };
        let requests = [named("demo"), named(arn)];
        assert!(check(&requests, &ClusterRef::to_string).is_ok());
        assert!(check(&requests, &|_| "same".to_owned()).unwrap_err().to_string().contains("twice"));
    }
}
