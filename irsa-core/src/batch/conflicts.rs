//! What can be refused from the requests alone: bindings that are declared twice, that fight over a service account, or that
//! want different things of one role.

use std::collections::HashMap;

use super::resolved_clusters::{ResolvedClusters, SubjectKey, conflict};
use super::shared_roles;
use crate::binding::IrsaBinding;
use crate::error::{Error, Result};
use crate::name::Subject;
use crate::request::{Request, Verb};

/// Refuses requests that contradict each other.
///
/// # Errors
/// `InvalidInput`, with the places of the two requests in the context as `first` and `second`, counted from 0.
pub(super) fn check(requests: &[Request], known: &ResolvedClusters<'_>) -> Result<()> {
    check_duplicates(requests, known)?;
    let _ = shared_roles::groups(requests, known)?;
    let declared = requests.iter().enumerate().filter(|(_, request)| !matches!(request.verb, Verb::Delete { .. }));
    let declared: Vec<(usize, &Request, Vec<Subject>)> =
        declared.map(|(at, request)| (at, request, bound(&request.binding))).collect();
    let mut accounts: HashMap<SubjectKey, (usize, &Request)> = HashMap::new();
    for (at, request, subjects) in &declared {
        for subject in subjects {
            let subject_key = known.subject_key(&request.binding, subject);
            match accounts.get(&subject_key) {
                Some((first, other)) if first != at => match known.is_one_role(other, request) {
                    // A long default name is told by the cluster's ARN.
                    Some(true) => {}
                    None if known.is_unknown() => {}
                    _ => return Err(conflicting_owners(subject, (*first, &other.binding), (*at, &request.binding))),
                },
                Some(_) => {}
                None => drop(accounts.insert(subject_key, (*at, request))),
            }
        }
    }
    Ok(())
}

/// The subjects whose accounts get the annotation.
pub(super) fn bound(binding: &IrsaBinding) -> Vec<Subject> {
    binding.all_subjects().into_iter().filter(|subject| binding.has_account(subject)).collect()
}

/// A binding is named by its first subject, so no two can have the same one. But the role that one had before may go beside
/// it.
fn check_duplicates(requests: &[Request], known: &ResolvedClusters<'_>) -> Result<()> {
    let mut seen: HashMap<SubjectKey, usize> = HashMap::new();
    for (at, request) in requests.iter().enumerate() {
        let binding = &request.binding;
        let subject_key = known.subject_key(binding, &binding.first_subject());
        let Some(first) = seen.get(&subject_key).copied() else {
            let _ = seen.insert(subject_key, at);
            continue;
        };
        let other = &requests[first];
        let is_former = |one: &Request, of: &Request| {
            let named =
                |request: &Request| matches!(request.verb, Verb::Delete { .. }) && request.binding.role_name.is_some();
            let beside = of.verb == Verb::Create || named(of);
            named(one) && beside && known.is_one_role(one, of) != Some(true)
        };
        if !is_former(request, other) && !is_former(other, request) {
            return Err(conflict(format!("binding {binding} is declared twice"), first, at)
                .with_hint("join the two: what both name is one role"));
        }
    }
    Ok(())
}

fn conflicting_owners(
    subject: &Subject,
    (first, one): (usize, &IrsaBinding),
    (second, other): (usize, &IrsaBinding),
) -> Error {
    let place = format!("{}/{}", subject.namespace, subject.name.as_str());
    conflict(format!("bindings {one} and {other} fight over service account {place}"), first, second)
        .with_cause("each would annotate it with a role of its own, and an account has one role")
        .with_hint("leave it out of one of them, or make it trust-only there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::IrsaBindingBuilder;
    use crate::error::ErrorKind;
    use crate::name::ClusterRef;
    use std::collections::BTreeMap;

    fn sa(place: &str) -> IrsaBindingBuilder {
        let (namespace, name) = place.split_once('/').unwrap();
        IrsaBinding::builder("demo", namespace, name)
    }

    fn refusal(bindings: Vec<IrsaBindingBuilder>) -> String {
        let requests: Vec<Request> = bindings.into_iter().map(|b| Request::create(b.build().unwrap())).collect();
        match check(&requests, &ResolvedClusters::default()) {
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
        let r = |place: &str| sa(place).with_role_name("r");
        let nodes = |service: &str| {
            let principal = format!("{service}.amazonaws.com");
            serde_json::json!({
                "Sid": "Nodes", "Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole",
            })
        };
        for (bindings, words) in [
            (vec![sa("a/x"), sa("b/x"), sa("a/x")], ["declared twice", "[0,2]"]),
            (vec![sa("a/x").with_subject("b/y"), sa("b/y")], ["fight over service account b/y", "[0,1]"]),
            (vec![sa("a/x").with_subject("c/z"), sa("b/y").with_subject("c/z")], ["fight over", "c/z"]),
            (vec![r("a/x"), sa("b/y").with_role_name("R")], ["both declare role r", "[0,1]"]),
            // Default names can meet.
            (vec![sa("a-b/c"), sa("a/b-c")], ["both declare role demo-a-b-c", "[0,1]"]),
            (
                vec![r("a/x").with_subject("b/y").with_description("one"), r("b/y").with_description("two")],
                ["different things", "description"],
            ),
            (
                vec![r("a/x").with_subject("b/y").with_tag("k", "1"), r("b/y").with_tag("k", "2")],
                ["different things", "tag k"],
            ),
            (
                vec![
                    r("a/x").with_subject("b/y").with_inline_document("p", document("s3:*")),
                    r("b/y").with_inline_document("p", document("sqs:*")),
                ],
                ["different things", "inline policy p"],
            ),
            // Two that the first one names, and that contradict each other.
            (
                vec![
                    r("a/x").with_subject("b/y").with_subject("c/z"),
                    r("b/y").with_description("one"),
                    r("c/z").with_description("two"),
                ],
                ["bindings b/y and c/z want different things", "[1,2]"],
            ),
            (
                vec![r("a/x").with_subject("b/y").with_tag("Team", "1"), r("b/y").with_tag("team", "1")],
                ["different things", "only in case"],
            ),
            (
                vec![
                    r("a/x").with_subject("b/y").with_trust_statement_value(nodes("ec2")),
                    r("b/y").with_trust_statement_value(nodes("lambda")),
                ],
                ["different things", "have this Sid"],
            ),
            // An account of neither.
            (
                vec![
                    r("a/x").with_subject("b/y").with_subject("c/z").with_label("l", "1"),
                    r("b/y").with_subject("c/z").with_label("l", "2"),
                ],
                ["different things of service account c/z", "labels"],
            ),
            (
                vec![r("a/x").with_subject("b/y"), r("b/y").with_subject("c/z"), r("c/z")],
                ["both declare role r", "[0,2]"],
            ),
        ] {
            let text = refusal(bindings);
            assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text:?}");
        }
    }

    #[test]
    fn what_fits_together_passes() {
        let r = |place: &str| sa(place).with_role_name("r");
        let all = || r("a/x").with_subject("b/y").with_subject("c/z");
        for bindings in [
            vec![sa("a/x"), sa("b/x"), sa("a/y")],
            vec![sa("a/x").with_trust_only_subject("b/y"), sa("b/y")],
            vec![sa("a/x").with_role_only(true).with_subject("b/y"), sa("b/y")],
            vec![r("a/x").with_subject("b/y").with_tag("k", "1"), r("b/y").with_tag("k", "1")],
            vec![r("a/x").with_subject("b/y").with_exact(true), r("b/y")],
            // Whether it is that role cannot be told yet.
            vec![
                sa("a/x").with_role_name("r").with_subject(format!("b/{}", "y".repeat(60))),
                sa(&format!("b/{}", "y".repeat(60))),
            ],
            // Its own binding says what an account is like.
            vec![r("a/x").with_subject("b/y").with_label("l", "1"), r("b/y").with_label("l", "2")],
            vec![r("b/y"), all(), r("c/z")],
            vec![r("b/y"), r("c/z"), all()],
            vec![IrsaBinding::builder("demo", "a", "x"), IrsaBinding::builder("blue", "a", "x")],
            // A name and an ARN can be one cluster.
            vec![
                r("a/x").with_subject("arn:aws:eks:us-east-1:123456789012:cluster/blue:b/y"),
                IrsaBinding::builder("blue", "b", "y").with_role_name("r"),
            ],
        ] {
            assert_eq!(refusal(bindings), "");
        }
    }

    #[test]
    fn a_role_that_a_binding_had_before_may_go_beside_it() {
        let of = |role: &str| sa("a/x").with_role_name(role).build().unwrap();
        let check = |requests: &[Request]| check(requests, &ResolvedClusters::default());
        let (create, delete) = (|role: &str| Request::create(of(role)), |role: &str| Request::delete(of(role)));
        assert!(check(&[create("new"), delete("old")]).is_ok() && check(&[delete("old"), create("new")]).is_ok());
        assert!(check(&[create("new"), delete("NEW")]).is_err() && check(&[delete("NEW"), create("new")]).is_err());
        assert!(check(&[delete("old"), delete("older")]).is_ok() && check(&[delete("old"), delete("old")]).is_err());
    }

    #[tokio::test]
    async fn clusters_are_told_apart_by_what_they_are() {
        let arn = "arn:aws:eks:us-east-1:123456789012:cluster/demo";
        let named = |cluster: &str| {
            let role = cluster.replace([':', '/'], "-");
            Request::create(IrsaBinding::builder(cluster, "a", "x").with_role_name(role).build().unwrap())
        };
        let requests = [named("demo"), named(arn)];
        assert!(check(&requests, &ResolvedClusters::default()).is_ok());
        let sandbox = crate::sandbox::Sandbox::new();
        let _ = sandbox.add_cluster(&"demo".parse().unwrap()).unwrap();
        let clusters: Vec<ClusterRef> = requests.iter().map(|request| request.binding.cluster.clone()).collect();
        let given = BTreeMap::new();
        let resolved =
            crate::cluster_identity::resolve(&sandbox, &given, &clusters, crate::cluster_identity::Demand::Usable);
        let resolved = resolved.await.unwrap();
        assert!(check(&requests, &ResolvedClusters::of(&resolved)).unwrap_err().to_string().contains("twice"));
    }

    #[tokio::test]
    async fn of_a_role_that_is_attached_and_declared_the_declaring_binding_is_named() {
        let sandbox = crate::sandbox::Sandbox::new();
        let _ = sandbox.add_cluster(&"demo".parse().unwrap()).unwrap();
        let named = |place: &str| Request::create(sa(place).with_role_name("r").build().unwrap());
        let arn: crate::name::RoleArn = "arn:aws:iam::123456789012:role/r".parse().unwrap();
        let attached = |place: &str| named(place).with_existing_role(arn.clone());
        let requests = [attached("a/x"), attached("b/y"), named("c/z")];
        let (given, clusters) = (BTreeMap::new(), ["demo".parse().unwrap()]);
        let resolved =
            crate::cluster_identity::resolve(&sandbox, &given, &clusters, crate::cluster_identity::Demand::Usable);
        let resolved = resolved.await.unwrap();
        let known = ResolvedClusters::of(&resolved);
        let error = check(&requests, &known).unwrap_err();
        assert_eq!(error.to_string(), "bindings c/z and a/x both declare role r");
        assert_eq!(error.context().iter().map(|(_, at)| at.as_str()).collect::<Vec<_>>(), ["2", "0"]);
        assert!(check(&requests[..2], &known).is_ok(), "bindings that attach a role may share it");
    }
}
