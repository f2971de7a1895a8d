//! Refusals: everything that is found out before the first write, told apart, with nothing made.

use std::sync::Arc;

use irsa_core::backend::ApiServerFingerprint;
use irsa_core::name::AccountId;
use irsa_core::sandbox::Denial;
use irsa_core::{Client, DryRun, ErrorKind, IrsaBinding, IrsaBindingBuilder, Request, Sandbox, WarningId};
use serde_json::json;

use crate::world::{ROLE, World, text, warned};

/// Runs a create that must be refused, and gives the whole text of the refusal.
async fn refused(world: &World, binding: IrsaBindingBuilder, kind: ErrorKind) -> String {
    let before = world.sandbox.to_json().unwrap();
    let error = world.create(binding).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.report().is_none(), "nothing was begun");
    assert_eq!(world.writes(), [] as [&str; 0]);
    assert_eq!(world.sandbox.to_json().unwrap(), before);
    text(&error)
}

#[tokio::test]
async fn clusters_that_cannot_be_used() {
    let world = World::new();
    let missing = IrsaBinding::builder("demo", "default", "sa").with_role_only(true);
    assert!(refused(&world, missing, ErrorKind::NotFound).await.contains("cluster demo does not exist"));
    world.edit_cluster(|cluster| cluster.status = "CREATING".to_owned());
    assert!(refused(&world, World::binding(), ErrorKind::Unavailable).await.contains("CREATING"));
    world.edit_cluster(|cluster| {
        cluster.status = "ACTIVE".to_owned();
        (cluster.issuer, cluster.outpost) = (None, true);
    });
    assert!(refused(&world, World::binding(), ErrorKind::Unavailable).await.contains("Outpost"));
}

#[tokio::test]
async fn a_provider_that_is_missing_or_takes_another_audience() {
    let world = World::new();
    let other = refused(&world, World::binding().with_audience("other"), ErrorKind::NotFound).await;
    assert!(other.contains("Incorrect token audience") && other.contains("`create_provider`"), "{other}");
    world
        .sandbox
        .edit(|state| {
            state.providers.clear();
            Ok(())
        })
        .unwrap();
    let none = refused(&world, World::binding(), ErrorKind::NotFound).await;
    assert!(none.contains("No OpenIDConnect provider") && none.contains("`create_provider`"), "{none}");
}

#[tokio::test]
async fn policies_that_do_not_exist_or_are_several() {
    let world = World::new();
    let misspelt = refused(&world, World::bare().with_policy("AmazonS3ReadOnlyAcces"), ErrorKind::NotFound).await;
    assert!(misspelt.contains("did you mean AmazonS3ReadOnlyAccess"), "{misspelt}");
    let arn = "arn:aws:iam::123456789012:policy/nothing";
    assert!(refused(&world, World::bare().with_policy(arn), ErrorKind::NotFound).await.contains(arn));
    let boundary = World::binding().with_permissions_boundary(arn);
    assert!(refused(&world, boundary, ErrorKind::NotFound).await.contains(arn));
    world.sandbox.add_policy("/team/", "ReadOnlyAccess").unwrap();
    let several = refused(&world, World::bare().with_policy("ReadOnlyAccess"), ErrorKind::Conflict).await;
    assert!(
        several.contains("policy/team/ReadOnlyAccess") && several.contains("aws:policy/ReadOnlyAccess"),
        "{several}"
    );
    let elsewhere = World::bare().with_policy("arn:aws:iam::210987654321:policy/x");
    assert!(world.create(elsewhere).await.is_err());
    assert!(world.create(World::bare().with_policy("team/ReadOnlyAccess")).await.is_ok(), "with its path it is one");
}

#[tokio::test]
async fn policies_are_found_in_every_path_of_aws() {
    for policy in [
        "AmazonEBSCSIDriverPolicy",
        "service-role/AmazonEBSCSIDriverPolicy",
        "ViewOnlyAccess",
        "job-function/ViewOnlyAccess",
    ] {
        let world = World::new();
        assert!(world.create(World::bare().with_policy(policy)).await.is_ok(), "{policy}");
    }
}

#[tokio::test]
async fn namespaces_and_rights_on_the_cluster() {
    let world = World::new();
    let missing = IrsaBinding::builder("sandbox", "defautl", "sa").with_policy("ReadOnlyAccess");
    let text = refused(&world, missing, ErrorKind::NotFound).await;
    assert!(text.contains("did you mean default?") && text.contains("`create_namespace`"), "{text}");
    let denial = Denial { verb: "patch".to_owned(), resource: "serviceaccounts".to_owned(), namespace: None };
    world.edit_cluster(|cluster| assert!(cluster.denied.insert(denial)));
    let text = refused(&world, World::binding(), ErrorKind::AccessDenied).await;
    assert!(text.contains("forbidden") && text.contains("serviceaccounts"), "{text}");
    let preview = Request::create(World::binding().build().unwrap()).with_dry_run(DryRun::Yes);
    let report = world.client.run(&preview).await.unwrap();
    assert!(report.changed && warned(&report, WarningId::WriteUnverified).is_some());
    assert_eq!(world.writes(), [] as [&str; 0]);
}

#[tokio::test]
async fn another_cluster_than_the_one_that_was_named() {
    let world = World::with_blue();
    let blue = world.sandbox.cluster(&"blue".parse().unwrap());
    let sandbox = Arc::new(world.sandbox.clone());
    let client = Client::new(sandbox.clone(), sandbox).with_cluster("sandbox".parse().unwrap(), Arc::new(blue));
    let error = client.run(&Request::create(World::binding().build().unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongCluster);
    assert_eq!(world.writes(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_cluster_that_tells_nothing_is_refused_or_warned_about() {
    let world = World::new();
    world.edit_cluster(|cluster| cluster.fingerprint = Some(ApiServerFingerprint::default()));
    assert!(refused(&world, World::binding(), ErrorKind::WrongCluster).await.contains("`context`"));
    world.edit_cluster(|cluster| {
        cluster.fingerprint = Some(ApiServerFingerprint { chosen: true, ..ApiServerFingerprint::default() })
    });
    let report = world.create(World::binding()).await.unwrap();
    assert!(warned(&report, WarningId::ClusterUnverified).is_some());
}

#[tokio::test]
async fn quotas_are_counted_before_the_first_write() {
    let world = World::new();
    world
        .sandbox
        .edit(|state| {
            state.quotas.attached_policies_per_role = 1;
            Ok(())
        })
        .unwrap();
    let two = World::binding().with_policy("ReadOnlyAccess");
    let text = refused(&world, two, ErrorKind::QuotaExceeded).await;
    assert!(text.contains("the quota is 1, 0 in use, 2 would be needed"), "{text}");
    world
        .sandbox
        .edit(|state| {
            state.quotas.roles_per_account = 0;
            Ok(())
        })
        .unwrap();
    refused(&world, World::binding(), ErrorKind::QuotaExceeded).await;
    world
        .sandbox
        .edit(|state| {
            (state.quotas.roles_per_account, state.quotas.trust_policy_size) = (9, 300);
            Ok(())
        })
        .unwrap();
    let text = refused(&world, World::binding(), ErrorKind::QuotaExceeded).await;
    assert!(text.contains("ACLSizePerRole") && text.contains("8192"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let error = world.create(World::binding().with_role_path("/other/")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && text(&error).contains("path /, not in /other/"), "{error:?}");
}

#[tokio::test]
async fn updates_of_what_is_not_there_name_the_nearest() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let error = world.update(IrsaBinding::builder("sandbox", "default", "sb")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && text(&error).contains("did you mean default/sa?"), "{error:?}");
    let named = IrsaBinding::builder("sandbox", "default", "sa").with_role_name("nothing");
    assert_eq!(world.update(named).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_removal_that_would_not_end_in_deny_is_refused() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    world.edit_role(ROLE, |role| {
        let mut open = role.trust_policy["Statement"][0].clone();
        open["Sid"] = json!("Open");
        open["Condition"] = json!({});
        role.trust_policy["Statement"].as_array_mut().unwrap().push(open);
    });
    let request = Request::update(World::bare().build().unwrap()).removing_subject("default/b").unwrap();
    world.sandbox.faults().clear_calls();
    let error = world.client.run(&request).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && text(&error).contains("statement Open"), "{error:?}");
    assert_eq!(world.writes(), [] as [&str; 0]);
}

#[tokio::test]
async fn contradictions_within_a_request() {
    let update = Request::update(World::bare().with_policy("x").with_subject("a/b").build().unwrap());
    for error in [
        update.clone().removing_policy("x").unwrap_err(),
        update.clone().removing_subject("a/b").unwrap_err(),
        update.removing_subject("default/sa").unwrap_err(),
        Request::create(World::bare().build().unwrap()).removing_policy("x").unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    // That two names mean one cluster is seen once the cluster is known.
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    let arn = "arn:aws:eks:us-east-1:123456789012:cluster/sandbox";
    let client = world.client.clone().with_cluster(arn.parse().unwrap(), Arc::new(world.sandbox.default_cluster()));
    let request = Request::update(World::bare().with_subject("default/b").build().unwrap());
    let request = request.removing_subject(&format!("{arn}:default/b")).unwrap();
    assert_eq!(client.run(&request).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// IAM refuses such documents when they are written: a role would be made and rolled back.
#[tokio::test]
async fn documents_with_arns_of_another_partition() {
    let resource = |resource: serde_json::Value| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"},
            {"Sid": "Read", "Effect": "Allow", "Action": "s3:Get*", "Resource": resource}]})
    };
    let trust =
        |kind: &str, arn: &str| json!({"Effect": "Allow", "Principal": {kind: arn}, "Action": "sts:AssumeRole"});
    let account: AccountId = "123456789012".parse().unwrap();
    for (region, own, other) in
        [("us-gov-west-1", "aws-us-gov", "aws"), ("cn-north-1", "aws-cn", "aws"), ("us-east-1", "aws", "aws-us-gov")]
    {
        let world = World::of(Sandbox::in_account(account.clone(), region.parse().unwrap()));
        let arn = format!("arn:{other}:s3:::bucket/*");
        let binding =
            || World::bare().with_inline_document("bucket", resource(json!([format!("arn:{own}:s3:::a"), arn])));
        let refusal = refused(&world, binding(), ErrorKind::InvalidInput).await;
        let expected = [
            "inline policy bucket is not valid".to_owned(),
            format!("\"{arn}\": statement 2 (Read): is in partition {other}, the role in {own}"),
            format!("arn:{own}:s3:::bucket/*"),
        ];
        assert!(expected.iter().all(|words| refusal.contains(words)), "{refusal}");
        for (kind, principal) in [("AWS", "root"), ("Federated", "saml-provider/corp")] {
            let principal = format!("arn:{other}:iam::123456789012:{principal}");
            let binding = World::bare().with_trust_statement_value(trust(kind, &principal));
            let refusal = refused(&world, binding, ErrorKind::InvalidInput).await;
            let words = format!("trust statement \"{principal}\": statement 1: is in partition {other}");
            assert!(refusal.contains(&words), "{refusal}");
        }
        // A cluster that is named by its ARN needs no call.
        let cluster = format!("arn:{own}:eks:{region}:123456789012:cluster/sandbox");
        let by_arn =
            IrsaBinding::builder(cluster, "default", "sa").with_inline_document("bucket", resource(json!(arn)));
        assert_eq!(by_arn.build().unwrap_err().kind(), ErrorKind::InvalidInput);
        // Its own partition, any partition, and whatever conditions say.
        let mut fine = resource(json!([format!("arn:{own}:s3:::a"), "arn:*:s3:::b"]));
        fine["Statement"][1]["Condition"] = json!({"ArnLike": {"aws:SourceArn": arn}});
        world.create(World::bare().with_inline_document("bucket", fine)).await.unwrap();
    }
}
