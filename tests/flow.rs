//! Create and update, end to end on the sandbox: from nothing, from every half-made state, and again.

use irsa_core::name::InlinePolicyName;
use irsa_core::sandbox::{RoleState, ServiceAccountState};
use irsa_core::{
    CREATED_ANNOTATION, ErrorKind, Hint, IrsaBinding, Outcome, ROLE_ARN_ANNOTATION, Request, Undeclared, WarningId,
};
use serde_json::json;

use crate::world::{ROLE, World, actions, ec2_trust, text, warned};

fn inline() -> serde_json::Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]})
}

#[tokio::test]
async fn from_nothing_to_a_binding_that_works_and_again_unchanged() {
    let world = World::new();
    let report = world.create(World::binding()).await.unwrap();
    assert_eq!(actions(&report), ["create_role", "attach_policy", "create_service_account"]);
    assert!(report.changed && report.steps.iter().all(|step| step.outcome == Outcome::Done));
    let arn = report.role_arn.unwrap().to_string();
    assert_eq!(arn, "arn:aws:iam::123456789012:role/sandbox-default-sa");
    assert_eq!(world.annotation("default/sa").await, Some(arn));
    assert!(world.can_assume("sandbox", "default/sa", ROLE).await);
    assert!(!world.can_assume("sandbox", "default/other", ROLE).await);

    world.sandbox.faults().clear_calls();
    let again = world.create(World::binding()).await.unwrap();
    assert!(
        !again.changed && again.steps.is_empty() && again.undeclared.is_empty() && again.warnings.is_empty(),
        "{again:?}"
    );
    assert_eq!(world.writes(), [] as [&str; 0]);
}

#[tokio::test]
async fn every_setting_arrives_and_stays_where_it_is_not_named_again() {
    let world = World::new();
    let full = World::binding()
        .with_role_name("reader")
        .with_role_path("/gen3_service/")
        .with_description("reads")
        .with_max_session_duration(7200)
        .with_permissions_boundary("arn:aws:iam::aws:policy/PowerUserAccess")
        .with_tag("team", "data")
        .with_inline_document("bucket", inline())
        .with_trust_statement_value(ec2_trust()["Statement"][0].clone())
        .with_token_expiration(3600)
        .with_sts_regional_endpoints(true)
        .with_label("app", "x")
        .with_annotation("note", "y");
    world.create(full.clone()).await.unwrap();
    let role = world.role("reader").unwrap();
    assert_eq!(
        (role.path.as_str(), role.description.as_deref(), role.max_session_duration),
        ("/gen3_service/", Some("reads"), 7200)
    );
    assert_eq!(
        role.permissions_boundary.map(|arn| arn.to_string()).as_deref(),
        Some("arn:aws:iam::aws:policy/PowerUserAccess")
    );
    assert_eq!(role.tags.get("team").map(String::as_str), Some("data"));
    assert_eq!(role.inline[&InlinePolicyName::new("bucket").unwrap()], inline());
    assert!(role.trust_policy.to_string().contains("ec2.amazonaws.com"));
    let account = world.account_on("sandbox", "default/sa").await.unwrap();
    let annotation = |key: &str| account.annotations.get(key).map(String::as_str);
    assert_eq!(annotation("eks.amazonaws.com/token-expiration"), Some("3600"));
    assert_eq!(annotation("eks.amazonaws.com/sts-regional-endpoints"), Some("true"));
    assert_eq!((annotation("note"), account.labels.get("app").map(String::as_str)), (Some("y"), Some("x")));

    assert!(!world.create(full).await.unwrap().changed);
    let less = world.create(World::bare().with_role_name("reader")).await.unwrap();
    assert!(!less.changed, "what is not named stays: {less:?}");
    assert_eq!(less.undeclared.len(), 2, "both policies are kept and listed: {:?}", less.undeclared);
}

#[tokio::test]
async fn every_half_made_state_is_repaired() {
    type Damage = (&'static str, fn(&World), &'static [&'static str]);
    let damages: [Damage; 7] = [
        (
            "account deleted",
            |w| w.edit_cluster(|c| c.namespaces.values_mut().for_each(|n| n.service_accounts.clear())),
            &["create_service_account"],
        ),
        (
            "annotation removed",
            |w| {
                w.edit_cluster(|c| {
                    c.namespaces
                        .values_mut()
                        .flat_map(|n| n.service_accounts.values_mut())
                        .for_each(|a| drop(a.annotations.remove(ROLE_ARN_ANNOTATION)))
                })
            },
            &["annotate_service_account"],
        ),
        ("policy detached", |w| w.edit_role(ROLE, |r| r.attached.clear()), &["attach_policy"]),
        ("trust replaced", |w| w.edit_role(ROLE, |r| r.trust_policy = ec2_trust()), &["update_trust_policy"]),
        (
            "trust widened by hand",
            |w| w.edit_role(ROLE, |r| r.trust_policy["Statement"][0]["Condition"] = json!({})),
            &["update_trust_policy"],
        ),
        ("role deleted", |w| w.sandbox.remove_role(&ROLE.parse().unwrap()).unwrap(), &["create_role", "attach_policy"]),
        ("origin tag lost", |w| w.edit_role(ROLE, |r| drop(r.tags.remove("team"))), &["tag_role"]),
    ];
    for (name, damage, repair) in damages {
        let world = World::new();
        world.create(World::binding().with_tag("team", "data")).await.unwrap();
        damage(&world);
        let report = world.create(World::binding().with_tag("team", "data")).await.unwrap();
        assert_eq!(actions(&report), repair, "{name}");
        assert!(world.can_assume("sandbox", "default/sa", ROLE).await, "{name}");
        assert!(!world.create(World::binding()).await.unwrap().changed, "{name}");
    }
}

#[tokio::test]
async fn a_role_that_a_broken_run_left_without_tags_is_finished() {
    let world = World::new();
    world.create(World::bare()).await.unwrap();
    world.edit_role(ROLE, |role| role.tags.clear());
    let report = world.create(World::binding()).await.unwrap();
    assert_eq!(actions(&report), ["tag_role", "attach_policy"]);
    assert_eq!(world.role(ROLE).unwrap().tags.get("irsa.gen3.org/origin").map(String::as_str), Some("created"));
}

#[tokio::test]
async fn a_role_of_somebody_else_is_adopted_only_when_asked_and_loses_nothing() {
    let world = World::new();
    let mut role = RoleState::new(ec2_trust());
    role.attached.insert("arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap());
    world.sandbox.put_role(&ROLE.parse().unwrap(), role).unwrap();
    let error = world.create(World::binding()).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (ErrorKind::NotOwned, Some(&Hint::AdoptRole)), "{error:?}");

    let request = Request::create(World::binding().with_exact(true).build().unwrap()).with_adopt(true);
    let report = world.client.run(&request).await.unwrap();
    assert!(warned(&report, WarningId::Adopted).is_some());
    let role = world.role(ROLE).unwrap();
    assert_eq!(role.attached.len(), 2);
    assert!(role.trust_policy.to_string().contains("ec2.amazonaws.com"));
    assert_eq!(role.tags.get("irsa.gen3.org/origin").map(String::as_str), Some("adopted"));
    assert!(world.can_assume("sandbox", "default/sa", ROLE).await);
    assert!(report.undeclared.iter().any(|extra| matches!(extra, Undeclared::TrustStatement { .. })));
    assert!(!world.create(World::binding()).await.unwrap().changed);
}

#[tokio::test]
async fn a_role_made_by_another_tool_that_trusts_us_needs_no_trust_write() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.edit_role(ROLE, |role| {
        role.tags.clear();
        role.trust_policy["Statement"][0]["Sid"] = json!("");
    });
    let request = Request::create(World::binding().build().unwrap()).with_adopt(true);
    assert_eq!(actions(&world.client.run(&request).await.unwrap()), ["tag_role"]);
}

#[tokio::test]
async fn the_role_of_another_binding_is_never_merged_into() {
    let world = World::new();
    world.create(World::binding().with_role_name("shared")).await.unwrap();
    let other = IrsaBinding::builder("sandbox", "default", "other").with_role_name("SHARED");
    for adopt in [false, true] {
        let request = Request::create(other.clone().build().unwrap()).with_adopt(adopt).with_force(true);
        let error = world.client.run(&request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(text(&error).contains("default/sa") && error.hint() == Some(&Hint::ShareRole), "{error:?}");
    }
}

#[tokio::test]
async fn an_annotation_of_another_role_is_a_conflict_unless_forced() {
    let world = World::new();
    world.edit_cluster(|cluster| {
        let mut account = ServiceAccountState::default();
        account.annotations.insert(ROLE_ARN_ANNOTATION.to_owned(), "arn:aws:iam::123456789012:role/other".to_owned());
        let accounts = &mut cluster.namespaces.get_mut("default").unwrap().service_accounts;
        accounts.insert("sa".parse().unwrap(), account);
    });
    let error = world.create(World::binding()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && text(&error).contains("role/other"), "{error:?}");
    assert_eq!(world.writes(), [] as [&str; 0]);
    let forced = Request::create(World::binding().build().unwrap()).with_force(true);
    world.client.run(&forced).await.unwrap();
    assert!(world.annotation("default/sa").await.unwrap().ends_with(ROLE));
    let account = world.account_on("sandbox", "default/sa").await.unwrap();
    assert!(!account.annotations.contains_key(CREATED_ANNOTATION), "an account that was there is not ours to delete");
}

#[tokio::test]
async fn update_adds_and_removes_what_is_named_and_nothing_else() {
    let world = World::new();
    world.create(World::binding().with_inline_document("bucket", inline())).await.unwrap();
    let request = Request::update(
        World::bare().with_policy("AmazonSQSReadOnlyAccess").with_subject("kube-system/b").build().unwrap(),
    );
    let report = world.client.run(&request).await.unwrap();
    assert_eq!(actions(&report), ["attach_policy", "tag_role", "update_trust_policy", "create_service_account"]);
    assert!(
        world.can_assume("sandbox", "default/sa", ROLE).await
            && world.can_assume("sandbox", "kube-system/b", ROLE).await
    );
    assert!(!world.client.run(&request).await.unwrap().changed);

    let remove = Request::update(World::bare().build().unwrap())
        .removing_policy("AmazonS3ReadOnlyAccess")
        .unwrap()
        .removing_policy("bucket")
        .unwrap()
        .removing_subject("kube-system/b")
        .unwrap();
    let report = world.client.run(&remove).await.unwrap();
    assert_eq!(
        actions(&report),
        ["untag_role", "update_trust_policy", "detach_policy", "delete_inline_policy", "delete_service_account"]
    );
    assert!(
        !world.can_assume("sandbox", "kube-system/b", ROLE).await
            && world.can_assume("sandbox", "default/sa", ROLE).await
    );
    assert!(world.account_on("sandbox", "kube-system/b").await.is_none());
    assert!(warned(&report, WarningId::SessionsRemain).is_some());

    let again = world.client.run(&remove).await.unwrap();
    assert!(!again.changed);
    assert!(warned(&again, WarningId::SessionsRemain).is_none(), "nobody left");
    assert_eq!(again.warnings.iter().filter(|w| w.id == WarningId::NothingToRemove).count(), 3, "{:?}", again.warnings);
}

#[tokio::test]
async fn any_subject_of_a_role_updates_it_by_its_own_name() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    let b = IrsaBinding::builder("sandbox", "default", "b");
    let report = world.update(b.clone().with_policy("AmazonSQSReadOnlyAccess")).await.unwrap();
    assert_eq!((report.role_name.unwrap().as_str(), report.steps.len()), (ROLE, 1));
    let both = world.create(b.with_role_name(ROLE)).await.unwrap();
    assert!(!both.changed, "naming the shared role is no other binding: {both:?}");
}

#[tokio::test]
async fn exact_takes_away_what_is_not_declared() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b").with_inline_document("bucket", inline())).await.unwrap();
    let report = world.create(World::bare().with_policy("AmazonSQSReadOnlyAccess").with_exact(true)).await.unwrap();
    let done = actions(&report);
    for action in ["untag_role", "detach_policy", "delete_inline_policy", "attach_policy", "update_trust_policy"] {
        assert!(done.contains(&action), "{action}: {done:?}");
    }
    let order = |action| done.iter().position(|known| *known == action);
    assert!(
        order("update_trust_policy") < order("attach_policy"),
        "who leaves is gone before permissions come: {done:?}"
    );
    assert!(!world.can_assume("sandbox", "default/b", ROLE).await);
    assert!(
        !world.create(World::bare().with_policy("AmazonSQSReadOnlyAccess").with_exact(true)).await.unwrap().changed
    );
}

#[tokio::test]
async fn permissions_leave_before_subjects_come() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let request = Request::update(
        World::bare().with_policy("AmazonSQSReadOnlyAccess").with_subject("default/b").build().unwrap(),
    )
    .removing_policy("AmazonS3ReadOnlyAccess")
    .unwrap();
    let done = world.client.run(&request).await.unwrap();
    assert_eq!(actions(&done)[..1], ["detach_policy"]);
    assert_eq!(actions(&done).iter().rev().nth(1), Some(&"update_trust_policy"));
}

#[tokio::test]
async fn one_role_for_subjects_on_several_clusters() {
    let world = World::with_blue();
    let binding = World::binding()
        .with_subject("blue:default/x")
        .with_subject("blue:kube-system/job-*")
        .with_trust_only_subject("default/t");
    let report = world.create(binding.clone()).await.unwrap();
    assert!(warned(&report, WarningId::PatternLetsIn).is_some());
    let arn = report.role_arn.unwrap().to_string();
    let annotation = |account: Option<irsa_core::backend::ServiceAccount>| {
        account.and_then(|a| a.annotations.get(ROLE_ARN_ANNOTATION).cloned())
    };
    assert_eq!(annotation(world.account_on("blue", "default/x").await), Some(arn));
    assert!(world.account_on("sandbox", "default/t").await.is_none(), "trust-only");
    for (cluster, place, expected) in [
        ("sandbox", "default/sa", true),
        ("blue", "default/x", true),
        ("blue", "kube-system/job-7", true),
        ("sandbox", "default/t", true),
        ("blue", "default/sa", false),
        ("sandbox", "default/x", false),
        ("sandbox", "kube-system/job-7", false),
    ] {
        assert_eq!(world.can_assume(cluster, place, ROLE).await, expected, "{cluster}:{place}");
    }
    assert!(!world.create(binding).await.unwrap().changed);
    // A run that knows one cluster only leaves the other's statement alone.
    assert!(!world.create(World::binding()).await.unwrap().changed);
    assert!(world.can_assume("blue", "default/x", ROLE).await);
}

#[tokio::test]
async fn more_subjects_than_tags_are_kept_all_the_same() {
    let world = World::new();
    world
        .sandbox
        .edit(|state| {
            state.quotas.trust_policy_size = 8192;
            Ok(())
        })
        .unwrap();
    let many = (0..60).fold(World::binding(), |binding, n| binding.with_trust_only_subject(format!("default/s{n}")));
    world.create(many.clone()).await.unwrap();
    for n in [0, 59] {
        assert!(world.can_assume("sandbox", &format!("default/s{n}"), ROLE).await);
    }
    assert!(!world.create(many).await.unwrap().changed);
    let more = world.update(World::bare().with_trust_only_subject("default/late")).await.unwrap();
    assert_eq!(actions(&more), ["update_trust_policy"]);
    assert!(
        world.can_assume("sandbox", "default/late", ROLE).await
            && world.can_assume("sandbox", "default/s59", ROLE).await
    );
}

#[tokio::test]
async fn a_role_only_binding_needs_no_api_server() {
    let world = World::new();
    world.edit_cluster(|cluster| cluster.namespaces.clear());
    let report = world.create(World::binding().with_role_only(true)).await.unwrap();
    assert_eq!(actions(&report), ["create_role", "attach_policy"]);
    assert!(
        world
            .sandbox
            .calls()
            .iter()
            .all(|call| !call.method.contains("service_account") && call.method != "fingerprint")
    );
}

#[tokio::test]
async fn long_default_names_are_cut_the_same_way_each_time() {
    let world = World::new();
    let long = IrsaBinding::builder("sandbox", "default", "a".repeat(80)).with_policy("ReadOnlyAccess");
    let first = world.create(long.clone()).await.unwrap();
    assert_eq!(first.role_name.as_ref().unwrap().as_str().len(), 64);
    let again = world.create(long).await.unwrap();
    assert_eq!((again.changed, again.role_name), (false, first.role_name));
}

#[tokio::test]
async fn a_missing_namespace_is_made_when_asked() {
    let world = World::new();
    let binding = IrsaBinding::builder("sandbox", "jobs", "sa").with_policy("ReadOnlyAccess").build().unwrap();
    let report = world.client.run(&Request::create(binding.clone()).with_create_namespace(true)).await.unwrap();
    assert_eq!(actions(&report), ["create_role", "create_namespace", "attach_policy", "create_service_account"]);
    assert!(warned(&report, WarningId::WriteUnverified).is_some());
    assert!(!world.client.run(&Request::create(binding)).await.unwrap().changed);
}

#[tokio::test]
async fn a_missing_provider_or_audience_is_made_when_asked() {
    let world = World::new();
    world
        .sandbox
        .edit(|state| {
            state.providers.clear();
            Ok(())
        })
        .unwrap();
    let request = Request::create(World::binding().build().unwrap()).with_create_provider(true);
    assert_eq!(actions(&world.client.run(&request).await.unwrap())[0], "create_provider");
    let other = Request::create(World::binding().with_audience("other").build().unwrap()).with_create_provider(true);
    assert_eq!(
        actions(&world.client.run(&other).await.unwrap()),
        ["add_audience", "update_trust_policy", "annotate_service_account"]
    );
}

#[tokio::test]
async fn where_tags_cannot_be_written_with_the_role_they_are_written_after() {
    let (account, region) = ("123456789012".parse().unwrap(), "us-gov-west-1".parse().unwrap());
    let world = World::of(irsa_core::Sandbox::in_account(account, region));
    world.sandbox.faults().fail_before(("create_role", 1), ("InvalidAction", "tags are not supported"));
    let report = world.create(World::binding()).await.unwrap();
    assert!(warned(&report, WarningId::TagsSeparate).is_some());
    assert!(report.role_arn.unwrap().to_string().starts_with("arn:aws-us-gov:"));
    let role = world.role(ROLE).unwrap();
    assert!(role.tags.contains_key("irsa.gen3.org/owner"));
    assert!(role.attached.iter().all(|arn| arn.partition().as_str() == "aws-us-gov"));
    assert!(
        role.trust_policy.to_string().contains("\"sts.amazonaws.com\""),
        "the audience is the same in every partition"
    );
    assert!(!world.create(World::binding()).await.unwrap().changed);
}

#[tokio::test]
async fn quotas_that_may_not_be_read_are_a_warning() {
    let world = World::new();
    world.sandbox.faults().fail_before("quotas", ("AccessDenied", "not authorized to perform: iam:GetAccountSummary"));
    let report = world.create(World::binding()).await.unwrap();
    assert!(warned(&report, WarningId::QuotasUnknown).is_some());
}

#[tokio::test]
async fn a_self_hosted_cluster_is_known_by_its_issuer_alone() {
    use irsa_core::ClusterIdentity;
    let world = World::new();
    let issuer: irsa_core::name::Issuer = "https://issuer.example/path".parse().unwrap();
    world.sandbox.add_provider(&issuer).unwrap();
    let cluster: irsa_core::name::ClusterRef = issuer.url().parse().unwrap();
    let identity =
        ClusterIdentity::given(&cluster, issuer, "123456789012".parse().unwrap(), "aws".parse().unwrap(), None);
    let client = world.client.clone().with_cluster_identity(cluster, identity);
    let binding = IrsaBinding::builder("https://issuer.example/path", "default", "sa").with_role_name("reader");
    let request = Request::create(binding.with_role_only(true).build().unwrap());
    client.run(&request).await.unwrap();
    assert_eq!(world.role("reader").unwrap().tags["irsa.gen3.org/owner"], "issuer.example/path/default/sa");
    assert!(!client.run(&request).await.unwrap().changed);
    assert!(world.sandbox.calls().iter().all(|call| call.method != "cluster"), "EKS is not asked");
}

#[tokio::test]
async fn a_plan_is_applied_once() {
    let world = World::new();
    let request = Request::create(World::binding().build().unwrap());
    let plan = world.client.plan(&request).await.unwrap();
    world.sandbox.faults().fail_before(("attach_policy", 1), ("ServiceFailure", "try again"));
    // A plan that broke off can be finished.
    assert!(world.client.apply(&plan).await.is_err());
    assert!(world.client.apply(&plan).await.unwrap().changed);
    let writes = world.writes().len();
    for again in [&plan, &plan.clone()] {
        let error = world.client.apply(again).await.unwrap_err();
        assert_eq!((error.kind(), world.writes().len()), (ErrorKind::Conflict, writes), "{error:?}");
    }
    // What has nothing to do may be applied as often as one likes.
    let unchanged = world.client.plan(&request).await.unwrap();
    for _ in 0..2 {
        assert!(!world.client.apply(&unchanged).await.unwrap().changed);
    }
}
