//! IAM that stores something else than it was asked for, as a proxy before it or another implementation of it may: what it
//! answers is compared, and nothing of it is kept.

use irsa_core::sandbox::IamChanges;
use irsa_core::{ConflictReason, DryRun, Error, IrsaBinding, Outcome, Request};
use serde_json::json;

use crate::world::{ROLE, World, actions, ec2_trust, text};

fn world(changes: IamChanges) -> World {
    let world = World::new();
    let edited = world.sandbox.edit(|state| {
        state.iam_changes = changes;
        Ok(())
    });
    edited.unwrap();
    world
}

async fn refused(world: &World, binding: irsa_core::IrsaBindingBuilder) -> Error {
    let error = world.create(binding).await.unwrap_err();
    assert_eq!(error.conflict_reason(), Some(ConflictReason::StoredDifferently), "{error:?}");
    error
}

#[tokio::test]
async fn a_role_that_is_stored_otherwise_is_rolled_back_with_field_and_values() {
    let boundary = "arn:aws:iam::aws:policy/PowerUserAccess";
    let role = |path: &str| format!("arn:aws:iam::123456789012:role{path}{ROLE}");
    for (changes, words) in [
        (
            IamChanges { role_path: Some("/theirs/".parse().unwrap()), ..IamChanges::default() },
            format!("ARN as {:?} instead of {:?}", role("/theirs/"), role("/ours/")),
        ),
        (
            IamChanges { description: Some("theirs".to_owned()), ..IamChanges::default() },
            "description as \"theirs\" instead of \"ours\"".to_owned(),
        ),
        (
            IamChanges { max_session_duration: Some(3600), ..IamChanges::default() },
            "max session duration as \"3600\" instead of \"7200\"".to_owned(),
        ),
        (
            IamChanges {
                permissions_boundary: Some("arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap()),
                ..IamChanges::default()
            },
            format!("permissions boundary as \"arn:aws:iam::aws:policy/ReadOnlyAccess\" instead of {boundary:?}"),
        ),
        (IamChanges { trust_policy: Some(ec2_trust()), ..IamChanges::default() }, "trust policy as ".to_owned()),
        (
            IamChanges {
                lost_tags: ["irsa.gen3.org/owner".to_owned(), "team".to_owned()].into(),
                ..IamChanges::default()
            },
            "no tag irsa.gen3.org/owner instead of ".to_owned(),
        ),
    ] {
        let world = world(changes.clone());
        let binding = World::binding()
            .with_role_path("/ours/")
            .with_description("ours")
            .with_max_session_duration(7200)
            .with_permissions_boundary(boundary)
            .with_tag("team", "data");
        let error = refused(&world, binding).await;
        let told = text(&error);
        assert!(told.starts_with(&format!("role {ROLE} is not stored as it was asked for: ")), "{told}");
        assert!(told.contains(&words), "{words}: {told}");
        let report = error.report().unwrap();
        assert_eq!(report.steps[0].outcome, Outcome::RolledBack, "{report:?}");
        assert!(report.steps[1..].iter().all(|step| step.outcome == Outcome::NotRun), "{report:?}");
        assert!(!report.changed && world.role(ROLE).is_none());
        assert!(world.account_on("sandbox", "default/sa").await.is_none());
    }
}

#[tokio::test]
async fn what_was_not_asked_for_may_be_anything() {
    let changes = IamChanges {
        description: Some("theirs".to_owned()),
        max_session_duration: Some(7200),
        permissions_boundary: Some("arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap()),
        ..IamChanges::default()
    };
    assert_eq!(actions(&world(changes).create(World::binding()).await.unwrap())[0], "create_role");
}

#[tokio::test]
async fn a_provider_that_is_stored_otherwise_is_told_before_a_role_is_made() {
    let changes = IamChanges { audiences: Some(vec!["other".to_owned()]), ..IamChanges::default() };
    let world = world(changes);
    let emptied = world.sandbox.edit(|state| {
        state.providers.clear();
        Ok(())
    });
    emptied.unwrap();
    let request = Request::create(World::binding().build().unwrap()).with_create_provider(true);
    let error = world.client.run(&request).await.unwrap_err();
    assert_eq!(error.conflict_reason(), Some(ConflictReason::StoredDifferently));
    assert!(text(&error).contains("audience as \"other\" instead of \"sts.amazonaws.com\""), "{error:?}");
    let report = error.report().unwrap();
    assert_eq!((report.steps[0].action.as_str(), report.steps[0].outcome), ("create_provider", Outcome::Failed));
    assert!(report.changed && world.role(ROLE).is_none(), "the provider stays, and is told");
    let alone = world.client.create_provider(&"sandbox".parse().unwrap(), &[], DryRun::No).await.unwrap();
    assert_eq!(actions(&alone), ["add_audience"], "the next run adds what it lacks");
}

/// The sandbox's file says it too.
#[tokio::test]
async fn a_file_can_tell_what_the_cluster_and_iam_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let policies = json!({
        "strip": {"namespace": "jobs", "annotations": {"eks.amazonaws.com/role-arn": null}},
        "demand": {"demand_automount_token": false, "warn": "mind the gap"},
    });
    let namespaces = json!({"default": {"service_account_quota": 2}, "jobs": {}, "old": {"terminating": true}});
    let issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/A";
    let state = json!({
        "iam_changes": {"lost_tags": ["team"]},
        "providers": {issuer: {"audiences": ["sts.amazonaws.com"]}},
        "clusters": {"sandbox": {"issuer": issuer, "admission": policies, "namespaces": namespaces}},
    });
    std::fs::write(&path, state.to_string()).unwrap();
    let world = World::of(irsa_core::Sandbox::open(&path).unwrap());
    let reason = async |binding: irsa_core::IrsaBindingBuilder| {
        let result = world.create(binding).await;
        result.map_err(|error| error.conflict_reason())
    };
    let at = |namespace: &str| IrsaBinding::builder("sandbox", namespace, "sa").with_automount_token(false);
    assert_eq!(reason(World::bare()).await.unwrap_err(), Some(ConflictReason::Admission));
    assert_eq!(reason(at("jobs")).await.unwrap_err(), Some(ConflictReason::Admission));
    assert_eq!(reason(at("old")).await.unwrap_err(), Some(ConflictReason::NamespaceTerminating));
    let tagged = reason(at("default").with_tag("team", "data")).await.unwrap_err();
    assert_eq!(tagged, Some(ConflictReason::StoredDifferently));
    let report = reason(at("default")).await.unwrap();
    assert!(report.warnings.iter().any(|warning| warning.message.ends_with("mind the gap")), "{report:?}");
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written.contains("\"demand_automount_token\": false") && written.contains("\"automount_token\": false"));
}
