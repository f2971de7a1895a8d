//! States and sequences that crashes, other tools and other people leave behind, and what must not come of them.

use std::sync::Arc;
use std::time::Duration;

use irsa_core::backend::FieldOwner;
use irsa_core::sandbox::{Denial, RoleState, ServiceAccountState};
use irsa_core::{Client, IrsaBinding, ROLE_ARN_ANNOTATION, Request, Sandbox, WarningId};
use serde_json::{Value, json};

use crate::world::{ROLE, World, actions, ec2_trust, warned};

const DENIED: (&str, &str) = ("AccessDenied", "no");

fn issuer(world: &World, cluster: &str) -> String {
    world.sandbox.state().unwrap().clusters[&cluster.parse::<irsa_core::name::ClusterRef>().unwrap()]
        .issuer
        .clone()
        .unwrap()
        .host_path()
        .to_owned()
}
fn eks(world: &World, cluster: &str, subs: Value) -> Value {
    let host = issuer(world, cluster);
    json!({"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{host}")},
        "Condition": {"StringEquals": {format!("{host}:aud"): "sts.amazonaws.com", format!("{host}:sub"): subs}}})
}
fn push(world: &World, statement: Value) {
    world.edit_role(ROLE, |role| role.trust_policy["Statement"].as_array_mut().unwrap().push(statement));
}
fn of(name: &str) -> irsa_core::IrsaBindingBuilder {
    IrsaBinding::builder("sandbox", "default", name)
}

#[tokio::test]
async fn exact_adopt_twice() {
    let world = World::new();
    let mut role = RoleState::new(ec2_trust());
    role.attached.insert("arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap());
    world.sandbox.put_role(&ROLE.parse().unwrap(), role).unwrap();
    let request = Request::create(World::binding().with_exact(true).build().unwrap()).with_adopt(true);
    world.client.run(&request).await.unwrap();
    let again = world.client.run(&request).await.unwrap();
    assert!(!again.changed, "{:?}", actions(&again));
}

#[tokio::test]
async fn delete_keeps_role_with_foreign_allow_of_other_provider() {
    let world = World::with_blue();
    world.create(World::binding()).await.unwrap();
    push(&world, eks(&world, "blue", json!("system:serviceaccount:default:sa")));
    assert!(world.can_assume("blue", "default/sa", ROLE).await);
    let report = world.delete(of("sa")).await.unwrap();
    assert!(world.role(ROLE).is_some(), "{:?}", actions(&report));
}

#[tokio::test]
async fn gone_cluster_same_name_elsewhere() {
    let mut world = World::with_blue();
    world.create(World::binding().with_subject("blue:default/sa")).await.unwrap();
    assert!(world.can_assume("blue", "default/sa", ROLE).await);
    world.sandbox.default_cluster().remove().unwrap();
    let back_end = Arc::new(world.sandbox.clone());
    world.client = Client::new(back_end.clone(), back_end);
    let arn = "arn:aws:eks:us-east-1:123456789012:cluster/sandbox";
    world.delete(IrsaBinding::builder(arn, "default", "sa")).await.unwrap();
    assert!(world.can_assume("blue", "default/sa", ROLE).await);
}

#[tokio::test]
async fn long_subject_remains() {
    let world = World::new();
    let long = "b".repeat(250);
    world.create(World::binding().with_subject(format!("default/{long}"))).await.unwrap();
    assert!(world.can_assume("sandbox", &format!("default/{long}"), ROLE).await);
    world.delete(of("sa")).await.unwrap();
    assert!(world.role(ROLE).is_some());
    assert!(world.can_assume("sandbox", &format!("default/{long}"), ROLE).await);
}

#[tokio::test]
async fn long_owner_remains() {
    let world = World::new();
    let long = "b".repeat(250);
    let created = world
        .create(of(&long).with_policy("ReadOnlyAccess").with_role_name("r1").with_subject("default/b"))
        .await
        .unwrap();
    let _ = created;
    world.delete(of("b")).await.unwrap();
    assert!(world.role("r1").is_some());
}

#[tokio::test]
async fn mixed_case_key_removal() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let host = issuer(&world, "sandbox");
    let upper = host.to_uppercase();
    push(
        &world,
        json!({"Sid": "Tf", "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{host}")},
        "Condition": {"StringEquals": {format!("{upper}:AUD"): "sts.amazonaws.com", format!("{upper}:SUB"): "system:serviceaccount:default:b"}}}),
    );
    let request = Request::update(World::bare().build().unwrap()).removing_subject("default/b").unwrap();
    let result = world.client.run(&request).await;
    assert!(result.is_err() || !world.role(ROLE).unwrap().trust_policy.to_string().contains("default:b"));
}

#[tokio::test]
async fn extra_statement_admits_removed() {
    let world = World::new();
    let extra = eks(&world, "sandbox", json!(["system:serviceaccount:default:b", "system:serviceaccount:default:c"]));
    world.create(World::binding().with_trust_statement_value(extra).with_subject("default/b")).await.unwrap();
    let request = Request::update(World::bare().build().unwrap()).removing_subject("default/b").unwrap();
    let result = world.client.run(&request).await;
    assert!(result.is_err() || !world.can_assume("sandbox", "default/b", ROLE).await);
}

#[tokio::test]
async fn extra_statement_same_sid() {
    let world = World::new();
    let mut one = ec2_trust()["Statement"][0].clone();
    one["Sid"] = json!("Node");
    world.create(World::binding().with_trust_statement_value(one.clone())).await.unwrap();
    one["Principal"] = json!({"Service": "ecs-tasks.amazonaws.com"});
    let result = world.create(World::binding().with_policy("ReadOnlyAccess").with_trust_statement_value(one)).await;
    assert!(result.is_ok() || result.unwrap_err().report().is_none(), "refused only after writes");
}

#[tokio::test]
async fn two_extras_same_sid() {
    let world = World::new();
    let mut one = ec2_trust()["Statement"][0].clone();
    one["Sid"] = json!("Node");
    let mut two = one.clone();
    two["Principal"] = json!({"Service": "ecs-tasks.amazonaws.com"});
    let binding = World::binding().with_trust_statement_value(one).with_trust_statement_value(two);
    let Ok(built) = binding.build() else { return };
    let result = world.client.run(&Request::create(built.clone())).await;
    assert!(result.is_err() || world.role(ROLE).unwrap().trust_policy.to_string().contains("ec2.amazonaws"));
}

#[tokio::test]
async fn pattern_in_string_equals_counts_as_present() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    push(&world, eks(&world, "sandbox", json!("system:serviceaccount:default:job-*")));
    world.update(World::bare().with_subject("default/job-*")).await.unwrap();
    assert!(world.can_assume("sandbox", "default/job-1", ROLE).await);
}

#[tokio::test]
async fn deny_document_replaced_before_detach() {
    let world = World::new();
    let deny = |what: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": what, "Resource": "*"}]});
    world
        .create(World::bare().with_policy("AmazonS3FullAccess").with_inline_document("guard", deny("s3:DeleteObject")))
        .await
        .unwrap();
    let request = Request::update(World::bare().with_inline_document("guard", deny("ec2:*")).build().unwrap())
        .removing_policy("AmazonS3FullAccess")
        .unwrap();
    let plan = world.client.plan(&request).await.unwrap().report();
    let at = |a: &str| actions(&plan).iter().position(|x| *x == a).unwrap();
    assert!(at("detach_policy") < at("put_inline_policy"));
}

#[tokio::test]
async fn own_statement_opened_by_hand_gets_permissions_first() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.edit_role(ROLE, |r| r.trust_policy["Statement"][0]["Condition"] = json!({}));
    let plan = world
        .client
        .plan(&Request::create(World::binding().with_policy("AdministratorAccess").build().unwrap()))
        .await
        .unwrap()
        .report();
    let at = |a: &str| actions(&plan).iter().position(|x| *x == a).unwrap();
    assert!(at("update_trust_policy") < at("attach_policy"));
}

#[tokio::test]
async fn adopt_after_tags_lost_removes_subjects() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    world.edit_role(ROLE, |r| r.tags.clear());
    let request = Request::create(World::binding().build().unwrap()).with_adopt(true);
    world.client.run(&request).await.unwrap();
    assert!(world.can_assume("sandbox", "default/b", ROLE).await);
}

#[tokio::test]
async fn subject_by_foreign_statement_by_its_own_name() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    push(&world, eks(&world, "sandbox", json!("system:serviceaccount:default:b")));
    world.update(World::bare().with_subject("default/b")).await.unwrap();
    let r = world.update(of("b").with_policy("ReadOnlyAccess")).await;
    let d = world.delete(of("b")).await;
    assert!(r.is_ok());
    assert!(d.unwrap().changed);
}

#[tokio::test]
async fn subject_named_twice() {
    for existing in [false, true] {
        let world = World::new();
        if existing {
            world.edit_cluster(|c| {
                c.namespaces
                    .get_mut("default")
                    .unwrap()
                    .service_accounts
                    .insert("b".parse().unwrap(), ServiceAccountState::default());
            });
        }
        let arn = "arn:aws:eks:us-east-1:123456789012:cluster/sandbox";
        let client = world.client.clone().with_cluster(arn.parse().unwrap(), Arc::new(world.sandbox.default_cluster()));
        let request = Request::create(
            World::binding().with_subject("default/b").with_subject(format!("{arn}:default/b")).build().unwrap(),
        );
        let result = client.run(&request).await;
        assert!(result.is_ok());
        assert_eq!(actions(&result.unwrap()).iter().filter(|a| a.contains("service_account")).count(), 2);
    }
}

#[tokio::test]
async fn ambiguous_removal() {
    let world = World::new();
    let mine = world.sandbox.add_policy("/team/", "ReadOnlyAccess").unwrap();
    let doc =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]});
    world
        .create(
            World::bare()
                .with_policy("arn:aws:iam::aws:policy/ReadOnlyAccess")
                .with_policy(mine.to_string())
                .with_inline_document("ReadOnlyAccess", doc),
        )
        .await
        .unwrap();
    let request = Request::update(World::bare().build().unwrap()).removing_policy("ReadOnlyAccess").unwrap();
    let result = world.client.run(&request).await;
    assert!(result.is_err() || actions(&result.unwrap()).len() == 1);
}

#[tokio::test]
async fn added_by_arn_removed_by_name() {
    let world = World::new();
    world.create(World::bare()).await.unwrap();
    let request = Request::update(World::bare().with_policy("arn:aws:iam::aws:policy/ReadOnlyAccess").build().unwrap())
        .removing_policy("ReadOnlyAccess");
    let Ok(request) = request else { return };
    let result = world.client.run(&request).await;
    assert!(result.is_err());
}

#[tokio::test]
async fn annotation_without_path_orphans_role() {
    let world = World::new();
    world.create(World::binding().with_role_name("reader").with_role_path("/p/")).await.unwrap();
    world.edit_cluster(|c| {
        let a = c.namespaces.get_mut("default").unwrap().service_accounts.get_mut("sa").unwrap();
        a.annotations.insert(ROLE_ARN_ANNOTATION.to_owned(), "arn:aws:iam::123456789012:role/reader".to_owned());
    });
    let report = world.delete(of("sa")).await;
    assert!(report.is_err() || world.role("reader").is_none() || !report.unwrap().warnings.is_empty());
}

#[tokio::test]
async fn provider_of_another_is_rolled_back() {
    let world = World::new();
    let iss = world.sandbox.state().unwrap().clusters[&"sandbox".parse::<irsa_core::name::ClusterRef>().unwrap()]
        .issuer
        .clone()
        .unwrap();
    world.sandbox.remove_provider(&iss).unwrap();
    let other = iss.clone();
    world.sandbox.faults().just_before(("create_provider", 1), move |s| s.add_provider(&other).unwrap());
    world.sandbox.faults().fail_before("attach_policy", DENIED);
    let request = Request::create(World::binding().build().unwrap()).with_create_provider(true);
    world.client.run(&request).await.unwrap_err();
    assert!(world.sandbox.state().unwrap().providers.contains_key(&iss));
}

#[tokio::test(start_paused = true)]
async fn rollback_has_no_deadline() {
    let world = World::new();
    world.sandbox.faults().fail_before("attach_policy", DENIED).hang("delete_role");
    let result = tokio::time::timeout(Duration::from_secs(3600), world.create(World::binding())).await;
    assert!(result.is_ok(), "still hanging after an hour");
}

#[tokio::test]
async fn delete_checks_rights_first() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    for verb in ["patch", "delete", "update"] {
        let denial = Denial { verb: verb.to_owned(), resource: "serviceaccounts".to_owned(), namespace: None };
        world.edit_cluster(|c| assert!(c.denied.insert(denial)));
    }
    world.delete(of("sa")).await.unwrap_err();
    assert!(world.role(ROLE).is_some(), "role is gone, account could not be written");
}

#[tokio::test]
async fn audience_of_a_later_subject() {
    let world = World::new();
    let request = Request::create(World::binding().with_audience("other").build().unwrap()).with_create_provider(true);
    world.client.run(&request).await.unwrap();
    world.update(World::bare().with_subject("default/c")).await.unwrap();
    let c = world.account_on("sandbox", "default/c").await.unwrap();
    assert_eq!(c.annotations.get("eks.amazonaws.com/audience").map(String::as_str), Some("other"));
}

#[tokio::test]
async fn audience_of_an_account_made_again() {
    let world = World::new();
    let request = Request::create(World::binding().with_audience("other").build().unwrap()).with_create_provider(true);
    world.client.run(&request).await.unwrap();
    world.edit_cluster(|c| c.namespaces.values_mut().for_each(|n| n.service_accounts.clear()));
    world.create(World::binding()).await.unwrap();
    let c = world.account_on("sandbox", "default/sa").await.unwrap();
    assert_eq!(c.annotations.get("eks.amazonaws.com/audience").map(String::as_str), Some("other"));
}

#[tokio::test]
async fn remove_subject_of_cluster_without_provider() {
    let world = World::with_blue();
    world.create(World::binding().with_subject("blue:default/x")).await.unwrap();
    let iss = world.sandbox.state().unwrap().clusters[&"blue".parse::<irsa_core::name::ClusterRef>().unwrap()]
        .issuer
        .clone()
        .unwrap();
    world.sandbox.remove_provider(&iss).unwrap();
    let request = Request::update(World::bare().build().unwrap()).removing_subject("blue:default/x").unwrap();
    world.client.plan(&request.clone().with_create_provider(true)).await.unwrap();
    let r = world.client.run(&request).await;
    assert!(r.is_ok());
}

#[tokio::test]
async fn remove_trust_only_subject_without_api_server() {
    let world = World::new();
    let blue: irsa_core::name::ClusterRef = "blue".parse().unwrap();
    world.sandbox.add_cluster(&blue).unwrap();
    let iss = world.sandbox.state().unwrap().clusters[&"blue".parse::<irsa_core::name::ClusterRef>().unwrap()]
        .issuer
        .clone()
        .unwrap();
    world.sandbox.add_provider(&iss).unwrap();
    world.create(World::binding().with_trust_only_subject("blue:default/x")).await.unwrap();
    let request = Request::update(World::bare().build().unwrap()).removing_subject("blue:default/x").unwrap();
    let r = world.client.run(&request).await;
    assert!(r.is_ok());
}

#[tokio::test]
async fn delete_broken_off_without_account() {
    let world = World::new();
    world.create(World::binding().with_role_only(true).with_subject("default/b")).await.unwrap();
    world.sandbox.faults().throttle("update_trust_policy", 1);
    world.delete(of("sa").with_role_only(true)).await.unwrap_err();
    let again = world.delete(of("sa").with_role_only(true)).await.unwrap();
    assert!(!world.can_assume("sandbox", "default/sa", ROLE).await, "changed: {}", again.changed);
}

#[tokio::test]
async fn exact_leaves_annotation_and_force_kills() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    world.create(World::binding().with_exact(true)).await.unwrap();
    assert!(world.role(ROLE).is_some(), "delete b --force deleted the role of sa");
}

#[tokio::test]
async fn exact_releases_accounts() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    world.create(World::binding().with_exact(true)).await.unwrap();
    assert_eq!(world.annotation("default/b").await, None);
}

#[tokio::test]
async fn adopt_overwrites_inline() {
    let world = World::new();
    let doc =
        |a: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": a, "Resource": "*"}]});
    let mut role = RoleState::new(ec2_trust());
    role.inline.insert("bucket".parse().unwrap(), doc("s3:PutObject"));
    world.sandbox.put_role(&ROLE.parse().unwrap(), role).unwrap();
    let request = Request::create(World::bare().with_inline_document("bucket", doc("s3:GetObject")).build().unwrap())
        .with_adopt(true);
    let r = world.client.run(&request).await;
    assert!(r.is_err() || format!("{:?}", r).contains("PutObject"));
}

#[tokio::test]
async fn inline_quota_counts_undeclared() {
    let world = World::new();
    let doc = |n: usize| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{}", "x".repeat(n))}]});
    world.create(World::bare().with_inline_document("a", doc(9000))).await.unwrap();
    world.sandbox.faults().clear_calls();
    let _e = world
        .update(
            World::bare().with_policy("ReadOnlyAccess").with_description("new").with_inline_document("b", doc(2000)),
        )
        .await
        .unwrap_err();
    assert_eq!(world.writes(), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn force_delete_with_instance_profile() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.sandbox.add_instance_profile("nodes", &ROLE.parse().unwrap()).unwrap();
    let d = Request::delete(of("sa").build().unwrap()).with_force(true);
    let _ = world.client.run(&d).await;
    assert!(world.role(ROLE).is_none_or(|r| !r.attached.is_empty()));
}

#[tokio::test]
async fn huge_timeout() {
    let world = World::new();
    let client = world.client.clone().with_timeout(Duration::MAX);
    client.run(&Request::create(World::binding().build().unwrap())).await.unwrap();
}

#[tokio::test]
async fn version_is_added() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.edit_role(ROLE, |r| {
        r.trust_policy.as_object_mut().unwrap().shift_remove("Version");
    });
    let r = world.create(World::binding()).await.unwrap();
    assert!(!r.changed);
}

#[tokio::test]
async fn pattern_heir() {
    let world = World::new();
    world.create(World::binding().with_subject("default/job-*")).await.unwrap();
    world.delete(of("sa")).await.unwrap();
    let _ = world.delete(of("sa").with_role_name(ROLE)).await;
    let created = world.create(World::binding()).await;
    assert!(created.is_ok());
}

#[tokio::test]
async fn force_delete_order() {
    let world = World::new();
    world.create(World::bare().with_policy("AdministratorAccess").with_policy("AWSDenyAll")).await.unwrap();
    let plan = world.client.plan(&Request::delete(of("sa").build().unwrap()).with_force(true)).await.unwrap().report();
    assert_eq!(actions(&plan)[..2], ["tag_role", "update_trust_policy"]);
}

#[tokio::test]
async fn tags_refused_and_tag_denied() {
    let sandbox = Sandbox::in_account("123456789012".parse().unwrap(), "cn-north-1".parse().unwrap());
    let back_end = Arc::new(sandbox.clone());
    let client = Client::new(back_end.clone(), back_end)
        .with_cluster("sandbox".parse().unwrap(), Arc::new(sandbox.default_cluster()));
    sandbox.faults().fail_before(("create_role", 1), ("InvalidParameterValue", "tags")).fail_before("tag_role", DENIED);
    let e = client.run(&Request::create(World::binding().build().unwrap())).await.unwrap_err();
    let left = sandbox.state().unwrap().roles.len();
    assert!(
        left == 0 || e.report().unwrap().warnings.iter().any(|w| w.id == WarningId::LeftBehind),
        "{left} roles left, none mentioned"
    );
}

#[tokio::test]
async fn member_exact_ousts_owner() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    let _ = world.create(of("b").with_role_name(ROLE).with_exact(true)).await;
    assert!(world.can_assume("sandbox", "default/sa", ROLE).await);
}

#[tokio::test]
async fn issuer_alphabet() {
    let world = World::new();
    let iss: irsa_core::name::Issuer = "https://oidc.example/a~b".parse().unwrap();
    let cluster: irsa_core::name::ClusterRef = iss.url().parse().unwrap();
    let r = world
        .client
        .run(
            &Request::create(
                IrsaBinding::builder(iss.url(), "default", "sa")
                    .with_role_name("r")
                    .with_role_only(true)
                    .with_policy("ReadOnlyAccess")
                    .build()
                    .unwrap(),
            )
            .with_create_provider(true),
        )
        .await;
    let _ = cluster;
    assert!(r.is_ok() || !world.sandbox.state().unwrap().providers.contains_key(&iss));
}

#[tokio::test]
async fn account_of_another_is_rolled_back() {
    let world = World::new();
    world.sandbox.faults().just_before(("apply_service_account", 1), |s| {
        s.default_cluster()
            .edit(|c| {
                let mut a = ServiceAccountState::default();
                a.annotations.insert("team".to_owned(), "data".to_owned());
                let annotations = ["team".to_owned()].into();
                a.owners.push(FieldOwner { manager: "helm".into(), annotations, ..FieldOwner::default() });
                c.namespaces.get_mut("default").unwrap().service_accounts.insert("sa".parse().unwrap(), a);
                Ok(())
            })
            .unwrap();
    });
    world.sandbox.faults().fail_before("attach_policy", DENIED);
    world.create(World::binding()).await.unwrap_err();
    assert!(world.account_on("sandbox", "default/sa").await.is_some_and(|a| a.annotations.contains_key("team")));
}

#[tokio::test]
async fn subject_named_twice_existing() {
    let world = World::new();
    world.edit_cluster(|c| {
        c.namespaces
            .get_mut("default")
            .unwrap()
            .service_accounts
            .insert("b".parse().unwrap(), ServiceAccountState::default());
    });
    let arn = "arn:aws:eks:us-east-1:123456789012:cluster/sandbox";
    let client = world.client.clone().with_cluster(arn.parse().unwrap(), Arc::new(world.sandbox.default_cluster()));
    let request = Request::create(
        World::binding().with_subject("default/b").with_subject(format!("{arn}:default/b")).build().unwrap(),
    );
    let result = client.run(&request).await;
    assert!(result.is_ok());
}

#[tokio::test]
async fn gone_cluster_deletes_from_role_of_other_cluster() {
    let mut world = World::with_blue();
    world
        .create(IrsaBinding::builder("blue", "default", "sa").with_policy("ReadOnlyAccess").with_role_name("shared"))
        .await
        .unwrap();
    world.sandbox.default_cluster().remove().unwrap();
    let back_end = Arc::new(world.sandbox.clone());
    world.client = Client::new(back_end.clone(), back_end);
    let arn = "arn:aws:eks:us-east-1:123456789012:cluster/sandbox";
    let _ = world.delete(IrsaBinding::builder(arn, "default", "sa").with_role_name("shared")).await;
    assert!(world.can_assume("blue", "default/sa", "shared").await);
}

#[tokio::test]
async fn owner_tag_lost_delete_of_other_subject() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    world.edit_role(ROLE, |r| drop(r.tags.remove("irsa.gen3.org/owner")));
    let _ = world.delete(of("b")).await;
    assert!(world.can_assume("sandbox", "default/sa", ROLE).await);
}

#[tokio::test]
async fn force_delete_of_a_role_that_is_nobodys() {
    let world = World::new();
    let mut role = RoleState::new(ec2_trust());
    role.attached.insert("arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap());
    world.sandbox.put_role(&"prod-db".parse().unwrap(), role).unwrap();
    world.edit_cluster(|c| {
        let mut a = ServiceAccountState::default();
        a.annotations.insert(ROLE_ARN_ANNOTATION.to_owned(), "arn:aws:iam::123456789012:role/prod-db".to_owned());
        c.namespaces.get_mut("default").unwrap().service_accounts.insert("sa".parse().unwrap(), a);
    });
    let _ = world.client.run(&Request::delete(of("sa").build().unwrap()).with_force(true)).await;
    assert!(world.role("prod-db").is_some());
}

#[tokio::test]
async fn recreated_cluster_old_provider_statement() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    let new: irsa_core::name::Issuer =
        "https://oidc.eks.us-east-1.amazonaws.com/id/00000000000000000000000000000000".parse().unwrap();
    let n2 = new.clone();
    world.edit_cluster(|c| c.issuer = Some(n2));
    world.sandbox.add_provider(&new).unwrap();
    let mut w = World { sandbox: world.sandbox.clone(), client: world.client.clone() };
    let back_end = Arc::new(world.sandbox.clone());
    w.client = Client::new(back_end.clone(), back_end)
        .with_cluster("sandbox".parse().unwrap(), Arc::new(world.sandbox.default_cluster()));
    w.create(World::binding()).await.unwrap();
    let rm = Request::update(World::bare().build().unwrap()).removing_subject("default/b").unwrap();
    w.client.run(&rm).await.unwrap();
    assert!(!w.role(ROLE).unwrap().trust_policy.to_string().contains("default:b"));
}

#[tokio::test]
async fn audience_change_annotates_only_named() {
    // audience is changed while other subjects are on record: their accounts keep the old audience
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    let req = Request::create(World::binding().with_audience("other").build().unwrap()).with_create_provider(true);
    let r = world.client.run(&req).await.unwrap();
    let b = world.account_on("sandbox", "default/b").await.unwrap();
    assert!(
        b.annotations.contains_key("eks.amazonaws.com/audience") || warned(&r, WarningId::AudienceChanged).is_some()
    );
}
