//! Get, list and providers: what exists, whoever made it, and where it does not fit.

use irsa_core::name::{Audience, ClusterRef, Namespace, ServiceAccountName};
use irsa_core::sandbox::{RoleState, ServiceAccountState};
use irsa_core::{BindingState, BindingStatus, DryRun, ErrorKind, ROLE_ARN_ANNOTATION, Takeover};
use serde_json::json;

use crate::world::{ROLE, World, actions, ec2_trust, text};

fn sandbox() -> ClusterRef {
    "sandbox".parse().unwrap()
}

async fn get(world: &World, name: &str) -> irsa_core::Result<BindingStatus> {
    let (namespace, name) = (Namespace::new("default").unwrap(), ServiceAccountName::new(name).unwrap());
    world.client.get(&sandbox(), &namespace, &name, None).await
}

fn annotate(world: &World, name: &str, role: &str) {
    world.edit_cluster(|cluster| {
        let accounts = &mut cluster.namespaces.get_mut("default").unwrap().service_accounts;
        let account: &mut ServiceAccountState = accounts.entry(name.parse().unwrap()).or_default();
        account.annotations.insert(ROLE_ARN_ANNOTATION.to_owned(), format!("arn:aws:iam::123456789012:role/{role}"));
    });
}

fn issue_ids(view: &BindingStatus) -> Vec<&str> {
    view.issues.iter().map(|issue| issue.id.as_str()).collect()
}

#[tokio::test]
async fn a_binding_of_ours_is_ok() {
    let world = World::new();
    world.create(World::binding().with_subject("kube-system/b")).await.unwrap();
    let view = get(&world, "sa").await.unwrap();
    assert_eq!((view.state, view.owned, view.origin.as_deref()), (BindingState::Ok, true, Some("created")));
    assert_eq!(view.managed_policies, ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]);
    assert_eq!(view.subjects, ["default/sa", "kube-system/b"]);
    assert_eq!(view.annotation, view.role_arn);
    let value = serde_json::to_value(&view).unwrap();
    for key in [
        "namespace",
        "service_account",
        "role_name",
        "role_arn",
        "managed_policies",
        "inline_policies",
        "subjects",
        "annotation",
        "owned",
        "origin",
        "state",
        "issues",
    ] {
        assert!(value.get(key).is_some(), "{key}");
    }
}

#[tokio::test]
async fn each_thing_that_does_not_fit_is_named() {
    type Case = (fn(&World), BindingState, &'static str);
    let cases: [Case; 6] = [
        (|w| w.sandbox.remove_role(&ROLE.parse().unwrap()).unwrap(), BindingState::Dangling, "role-missing"),
        (|w| w.edit_cluster(|c| c.namespaces.clear()), BindingState::Unbound, "account-missing"),
        (|w| w.edit_role(ROLE, |r| r.trust_policy = ec2_trust()), BindingState::Drifted, "subject-not-trusted"),
        (
            |w| {
                w.sandbox
                    .edit(|s| {
                        s.providers.clear();
                        Ok(())
                    })
                    .unwrap()
            },
            BindingState::Drifted,
            "provider-missing",
        ),
        (
            |w| {
                w.sandbox
                    .edit(|s| {
                        s.providers.values_mut().for_each(|p| p.audiences = vec!["x".into()]);
                        Ok(())
                    })
                    .unwrap()
            },
            BindingState::Drifted,
            "audience-refused",
        ),
        (
            |w| {
                w.edit_cluster(|c| {
                    c.namespaces
                        .values_mut()
                        .flat_map(|n| n.service_accounts.values_mut())
                        .for_each(|a| a.annotations.clear())
                })
            },
            BindingState::Unbound,
            "annotation-missing",
        ),
    ];
    for (damage, state, issue) in cases {
        let world = World::new();
        world.create(World::binding()).await.unwrap();
        damage(&world);
        let view = get(&world, "sa").await.unwrap();
        assert_eq!((view.state, issue_ids(&view)[0]), (state, issue));
    }
}

#[tokio::test]
async fn nothing_there_names_the_nearest() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let error = get(&world, "sb").await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && text(&error).contains("default/sa"), "{error:?}");
}

#[tokio::test]
async fn the_list_is_found_from_both_sides_whoever_made_them() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    // A role of another tool that trusts an account which nobody annotated, and an annotation that leads nowhere.
    let mut trust = world.role(ROLE).unwrap().trust_policy;
    trust["Statement"][0]["Sid"] = json!("");
    let text = trust.to_string().replace("default:sa", "jobs:worker");
    world
        .sandbox
        .put_role(&"by-eksctl".parse().unwrap(), RoleState::new(serde_json::from_str(&text).unwrap()))
        .unwrap();
    annotate(&world, "lost", "nothing");
    let views = world.client.list(&sandbox(), None).await.unwrap();
    let shown: Vec<(String, BindingState, bool)> = views
        .iter()
        .map(|view| (format!("{}/{}", view.namespace, view.service_account), view.state, view.owned))
        .collect();
    assert_eq!(
        shown,
        [
            ("default/lost".to_owned(), BindingState::Dangling, false),
            ("default/sa".to_owned(), BindingState::Ok, true),
            ("jobs/worker".to_owned(), BindingState::Unbound, false),
        ]
    );
    let only = world.client.list(&sandbox(), Some(&Namespace::new("jobs").unwrap())).await.unwrap();
    assert_eq!(only.len(), 1);
}

#[tokio::test]
async fn providers_are_made_shown_and_not_deleted_while_trusted() {
    let world = World::new();
    assert!(world.client.provider(&sandbox()).await.unwrap().exists);
    world.create(World::binding()).await.unwrap();
    let error = world.client.delete_provider(&sandbox(), Takeover::Refuse, DryRun::No).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && text(&error).contains(ROLE), "{error:?}");
    world.delete(World::bare()).await.unwrap();
    assert_eq!(
        actions(&world.client.delete_provider(&sandbox(), Takeover::Refuse, DryRun::No).await.unwrap()),
        ["delete_provider"]
    );
    assert!(!world.client.delete_provider(&sandbox(), Takeover::Refuse, DryRun::No).await.unwrap().changed);
    assert!(!world.client.provider(&sandbox()).await.unwrap().exists);
    assert!(world.client.create_provider(&sandbox(), &[], DryRun::Yes).await.unwrap().changed);
    assert!(!world.client.provider(&sandbox()).await.unwrap().exists, "a preview writes nothing");
    assert_eq!(actions(&world.client.create_provider(&sandbox(), &[], DryRun::No).await.unwrap()), ["create_provider"]);
    let other = [Audience::new("other").unwrap()];
    assert_eq!(actions(&world.client.create_provider(&sandbox(), &other, DryRun::No).await.unwrap()), ["add_audience"]);
    assert!(!world.client.create_provider(&sandbox(), &other, DryRun::No).await.unwrap().changed);
}

#[tokio::test]
async fn a_role_that_is_named_and_not_there_is_not_found() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let (namespace, name) = (Namespace::new("default").unwrap(), ServiceAccountName::new("sa").unwrap());
    let get = async |role: &str| world.client.get(&sandbox(), &namespace, &name, Some(&role.parse().unwrap())).await;
    let error = get("nope").await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && text(&error).contains("role nope does not exist"), "{error:?}");
    // The annotation names it still: that is what dangles.
    world
        .sandbox
        .edit(|state| {
            state.roles.clear();
            Ok(())
        })
        .unwrap();
    assert_eq!(get(ROLE).await.unwrap().state, BindingState::Dangling);
}

#[tokio::test]
async fn roles_alone_are_judged_by_what_they_say_themselves() {
    let world = World::new();
    world
        .sandbox
        .edit(|state| {
            state.providers.values_mut().for_each(|provider| provider.audiences.push("own.example".to_owned()));
            Ok(())
        })
        .unwrap();
    world.create(World::binding().with_audience("own.example")).await.unwrap();
    let lost = irsa_core::IrsaBinding::builder("sandbox", "default", "lost").with_role_only(true);
    world.create(lost).await.unwrap();
    world.edit_role("sandbox-default-lost", |role| role.trust_policy = ec2_trust());
    let views = world.client.list_roles(&sandbox(), None).await.unwrap();
    let [lost, own] = &views[..] else { panic!("{views:?}") };
    assert_eq!((own.state, issue_ids(own)), (BindingState::Ok, vec![]));
    assert_eq!((lost.state, issue_ids(lost)), (BindingState::Drifted, vec!["subject-not-trusted"]));
}
