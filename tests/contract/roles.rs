//! Roles, their policies and their settings.

use std::collections::BTreeSet;

use irsa_core::backend::{NewRole, PolicyFilter, RoleSettings};
use irsa_core::name::{InlinePolicyName, PolicyArn, RoleName};
use irsa_core::{Error, ErrorKind};
use serde_json::{Value, json};

use super::{World, map};

const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";

fn policy(text: &str) -> PolicyArn {
    text.parse().unwrap()
}

fn inline(name: &str) -> InlinePolicyName {
    name.parse().unwrap()
}

fn document(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn keys(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

async fn trust_of(world: &World, name: &RoleName) -> Value {
    json_of(&world.iam.role(name).await.unwrap().unwrap().trust_policy)
}

pub(super) async fn what_is_not_there_is_none(world: &World) {
    let (iam, name) = (&world.iam, world.role_name("none"));
    assert_eq!(iam.role(&name).await.unwrap(), None);
    assert_eq!(iam.attached_policies(&name).await.unwrap(), None);
    assert_eq!(iam.inline_policy_names(&name).await.unwrap(), None);
    assert_eq!(iam.inline_policy(&name, &inline("p")).await.unwrap(), None);
    // moto knows no roles here: it lists no instance profiles for a role that there is not.
    let profiles = iam.instance_profiles(&name).await.unwrap();
    assert_eq!(profiles.filter(|_| world.sandbox.is_some()), None);
    let absent = format!("arn:aws:iam::{}:policy/{}", world.arn.account(), world.unique("none"));
    for absent in [&absent, "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAcces"] {
        assert_eq!(iam.policy(&policy(absent)).await.unwrap(), None, "{absent}");
    }
    let name = world.role("bare").await;
    assert_eq!(iam.attached_policies(&name).await.unwrap(), Some(vec![]));
    assert_eq!(iam.inline_policy_names(&name).await.unwrap(), Some(vec![]));
    assert_eq!(iam.inline_policy(&name, &inline("p")).await.unwrap(), None);
    assert_eq!(iam.instance_profiles(&name).await.unwrap(), Some(vec![]));
}

pub(super) async fn a_role_is_read_as_it_was_made(world: &World) {
    let boundary = world.hands.add_policy("/", &world.unique("boundary")).await;
    let new = NewRole {
        arn: world.role_arn("/gen3_service/", "full"),
        description: Some("what it is for".to_owned()),
        max_session_duration: Some(7200),
        permissions_boundary: Some(boundary.clone()),
        tags: map(&[("irsa.gen3.org/origin", "created"), ("team", "data team")]),
        ..world.new_role("full")
    };
    let made = world.iam.create_role(&new).await.unwrap();
    let read = world.iam.role(new.arn.name()).await.unwrap().unwrap();
    for role in [&made, &read] {
        assert_eq!((&role.arn, role.id.is_empty()), (&new.arn, false));
        assert_eq!(json_of(&role.trust_policy), json_of(&new.trust_policy));
        assert_eq!(role.description, new.description);
        assert_eq!(role.max_session_duration, 7200);
    }
    assert_eq!(read.permissions_boundary, Some(boundary.to_string()));
    assert_eq!(read.tags, new.tags);

    let plain = world.iam.create_role(&world.new_role("plain")).await.unwrap();
    assert_eq!((plain.max_session_duration, plain.arn.path().as_str()), (3600, "/"));
    assert_ne!(plain.id, made.id);
}

pub(super) async fn a_role_is_made_once(world: &World) {
    let new = NewRole { arn: world.role_arn("/other/", "once"), ..world.new_role("once") };
    world.role("once").await;
    let error = world.iam.create_role(&new).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::AlreadyExists, Some("EntityAlreadyExists")));
    let message = format!("EntityAlreadyExists: Role with name {} already exists.", new.arn.name());
    assert_eq!(error.causes(), [message]);
}

pub(super) async fn writes_to_a_role_that_is_gone_are_not_found(world: &World) {
    let (iam, name) = (&world.iam, world.role_name("gone"));
    let settings = RoleSettings { description: Some("x".to_owned()), max_session_duration: Some(3600) };
    let trust = world.trust("system:serviceaccount:ns:a").to_string();
    let check = |what: &str, result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("NoSuchEntity")), "{what}");
        assert!(error.to_string().starts_with("cannot "), "{error}");
    };
    check("trust", iam.update_trust_policy(&name, &trust).await);
    check("update", iam.update_role(&name, &settings).await);
    check("boundary", iam.put_permissions_boundary(&name, &policy(READ_ONLY)).await);
    check("tag", iam.tag_role(&name, &map(&[("a", "b")])).await);
    check("untag", iam.untag_role(&name, &keys(&["a"])).await);
    check("attach", iam.attach_policy(&name, &policy(READ_ONLY)).await);
    check("detach", iam.detach_policy(&name, &policy(READ_ONLY)).await);
    check("put inline", iam.put_inline_policy(&name, &inline("p"), &document("s3:Get*").to_string()).await);
    check("delete inline", iam.delete_inline_policy(&name, &inline("p")).await);
    check("delete", iam.delete_role(&name).await);
}

pub(super) async fn the_trust_policy_is_replaced(world: &World) {
    let name = world.role("trust").await;
    let wanted = world.trust("system:serviceaccount:ns:b");
    for _ in 0..2 {
        world.iam.update_trust_policy(&name, &wanted.to_string()).await.unwrap();
        assert_eq!(trust_of(world, &name).await, wanted);
    }
}

pub(super) async fn settings_that_are_not_named_stay(world: &World) {
    let new = NewRole {
        description: Some("first".to_owned()),
        max_session_duration: Some(7200),
        ..world.new_role("settings")
    };
    world.iam.create_role(&new).await.unwrap();
    let second = Some("second".to_owned());
    for (settings, description, longest) in [
        (RoleSettings { description: second.clone(), max_session_duration: None }, "second", 7200),
        (RoleSettings { description: None, max_session_duration: Some(5400) }, "second", 5400),
        (RoleSettings { description: None, max_session_duration: Some(5400) }, "second", 5400),
        (RoleSettings { description: Some("third".to_owned()), max_session_duration: Some(3600) }, "third", 3600),
    ] {
        // moto, unlike IAM, takes the description away where `UpdateRole` does not name one.
        if world.sandbox.is_none() && settings.description.is_none() {
            continue;
        }
        world.iam.update_role(new.arn.name(), &settings).await.unwrap();
        let role = world.iam.role(new.arn.name()).await.unwrap().unwrap();
        assert_eq!((role.description.as_deref(), role.max_session_duration), (Some(description), longest));
    }
}

pub(super) async fn the_boundary_is_replaced(world: &World) {
    let name = world.role("boundary").await;
    let (one, other) = (world.unique("one"), world.unique("other"));
    let (one, other) = (world.hands.add_policy("/", &one).await, world.hands.add_policy("/", &other).await);
    for boundary in [&one, &other, &other] {
        world.iam.put_permissions_boundary(&name, boundary).await.unwrap();
        let role = world.iam.role(&name).await.unwrap().unwrap();
        assert_eq!(role.permissions_boundary, Some(boundary.to_string()));
    }
}

pub(super) async fn tags_are_merged_and_taken_away(world: &World) {
    let new = NewRole { tags: map(&[("a", "1"), ("b", "2")]), ..world.new_role("tags") };
    world.iam.create_role(&new).await.unwrap();
    let name = new.arn.name();
    for _ in 0..2 {
        world.iam.tag_role(name, &map(&[("b", "3"), ("c", "")])).await.unwrap();
        let tags = world.iam.role(name).await.unwrap().unwrap().tags;
        assert_eq!(tags, map(&[("a", "1"), ("b", "3"), ("c", "")]));
    }
    for _ in 0..2 {
        world.iam.untag_role(name, &keys(&["b", "never"])).await.unwrap();
        assert_eq!(world.iam.role(name).await.unwrap().unwrap().tags, map(&[("a", "1"), ("c", "")]));
    }
}

pub(super) async fn policies_are_attached_and_detached(world: &World) {
    let (iam, name) = (&world.iam, world.role("attach").await);
    let own = world.hands.add_policy("/team/", &world.unique("own")).await;
    for arn in [&policy(READ_ONLY), &own, &own] {
        iam.attach_policy(&name, arn).await.unwrap();
    }
    let mut attached = iam.attached_policies(&name).await.unwrap().unwrap();
    attached.sort();
    let mut wanted = vec![policy(READ_ONLY), own.clone()];
    wanted.sort();
    assert_eq!(attached, wanted);
    iam.detach_policy(&name, &own).await.unwrap();
    assert_eq!(iam.attached_policies(&name).await.unwrap(), Some(vec![policy(READ_ONLY)]));
    let again = iam.detach_policy(&name, &own).await.unwrap_err();
    assert_eq!((again.kind(), again.code()), (ErrorKind::NotFound, Some("NoSuchEntity")));

    let misspelt = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAcces";
    let error = iam.attach_policy(&name, &policy(misspelt)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("NoSuchEntity")));
    assert_eq!(error.causes(), [format!("NoSuchEntity: Policy {misspelt} does not exist or is not attachable.")]);
}

pub(super) async fn inline_policies_are_written_replaced_and_deleted(world: &World) {
    let (iam, name, bucket) = (&world.iam, world.role("inline").await, inline("bucket"));
    for action in ["s3:Get*", "s3:Put*", "s3:Put*"] {
        iam.put_inline_policy(&name, &bucket, &document(action).to_string()).await.unwrap();
        let found = iam.inline_policy(&name, &bucket).await.unwrap().unwrap();
        assert_eq!((&found.name, json_of(&found.document)), (&bucket, document(action)));
    }
    // What IAM would URL-encode comes back as it was.
    let odd = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "A", "Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::a/b c+d%20é/*"}]});
    iam.put_inline_policy(&name, &inline("odd+=,.@-_"), &odd.to_string()).await.unwrap();
    assert_eq!(json_of(&iam.inline_policy(&name, &inline("odd+=,.@-_")).await.unwrap().unwrap().document), odd);
    let mut names = iam.inline_policy_names(&name).await.unwrap().unwrap();
    names.sort();
    assert_eq!(names, [bucket.clone(), inline("odd+=,.@-_")]);
    iam.delete_inline_policy(&name, &bucket).await.unwrap();
    let again = iam.delete_inline_policy(&name, &bucket).await.unwrap_err();
    assert_eq!((again.kind(), again.code()), (ErrorKind::NotFound, Some("NoSuchEntity")));
}

pub(super) async fn a_role_with_something_on_it_is_not_deleted(world: &World) {
    let (iam, name, profile) = (&world.iam, world.role("delete").await, world.unique("profile"));
    let refused = async |what: &str| {
        let error = iam.delete_role(&name).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("DeleteConflict")), "{what}");
        assert_eq!(error.causes(), [format!("DeleteConflict: Cannot delete entity, {what}.")]);
        assert!(iam.role(&name).await.unwrap().is_some());
    };
    iam.put_inline_policy(&name, &inline("p"), &document("s3:Get*").to_string()).await.unwrap();
    iam.attach_policy(&name, &policy(READ_ONLY)).await.unwrap();
    refused("must detach all policies first").await;
    iam.detach_policy(&name, &policy(READ_ONLY)).await.unwrap();
    refused("must delete policies first").await;
    iam.delete_inline_policy(&name, &inline("p")).await.unwrap();
    world.hands.add_instance_profile(&profile, &name).await;
    assert_eq!(iam.instance_profiles(&name).await.unwrap(), Some(vec![profile.clone()]));
    refused("must remove roles from instance profile first").await;
    world.hands.remove_instance_profile(&profile, &name).await;
    iam.delete_role(&name).await.unwrap();
    assert_eq!(iam.role(&name).await.unwrap(), None);
    assert_eq!(iam.delete_role(&name).await.unwrap_err().kind(), ErrorKind::NotFound);
}

pub(super) async fn bulk_reads_equal_point_reads(world: &World) {
    let iam = &world.iam;
    let full = NewRole {
        arn: world.role_arn("/path/", "bulk"),
        description: Some("text".to_owned()),
        max_session_duration: Some(7200),
        tags: map(&[("a", "1")]),
        ..world.new_role("bulk")
    };
    iam.create_role(&full).await.unwrap();
    let name = full.arn.name();
    let boundary = world.hands.add_policy("/", &world.unique("boundary")).await;
    iam.put_permissions_boundary(name, &boundary).await.unwrap();
    iam.attach_policy(name, &policy(READ_ONLY)).await.unwrap();
    iam.put_inline_policy(name, &inline("bucket"), &document("s3:Get*").to_string()).await.unwrap();
    world.hands.add_instance_profile(&world.unique("profile"), name).await;
    let plain = world.role("plain").await;

    let all = iam.roles().await.unwrap();
    for name in [name, &plain] {
        let found: Vec<_> = all.iter().filter(|detail| detail.role.arn.name() == name).collect();
        let [detail] = found[..] else { panic!("{name} is there {} times", found.len()) };
        let role = iam.role(name).await.unwrap().unwrap();
        assert_eq!(json_of(&detail.role.trust_policy), json_of(&role.trust_policy));
        let mut bulk = detail.role.clone();
        bulk.trust_policy.clone_from(&role.trust_policy);
        assert_eq!(bulk, role);
        assert_eq!(Some(&detail.attached), iam.attached_policies(name).await.unwrap().as_ref());
        assert_eq!(Some(&detail.instance_profiles), iam.instance_profiles(name).await.unwrap().as_ref());
        let names: Vec<_> = detail.inline.iter().map(|policy| policy.name.clone()).collect();
        assert_eq!(Some(names), iam.inline_policy_names(name).await.unwrap());
        for policy in &detail.inline {
            let point = iam.inline_policy(name, &policy.name).await.unwrap().unwrap();
            assert_eq!(json_of(&policy.document), json_of(&point.document));
        }
    }
}

pub(super) async fn policies_are_found_by_name_in_any_path(world: &World) {
    let own = world.hands.add_policy("/team/", &world.unique("own")).await;
    let aws = [READ_ONLY, "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"].map(policy);
    let names = keys(&["AmazonS3ReadOnlyAccess", "AmazonEBSCSIDriverPolicy", "AmazonS3ReadOnlyAcces", own.name()]);
    let found = world.iam.policies(&PolicyFilter::Named(names)).await.unwrap();
    for policy in &found {
        assert_eq!(world.iam.policy(&policy.arn).await.unwrap().as_ref(), Some(policy), "both tell the same");
    }
    let found: BTreeSet<PolicyArn> = found.into_iter().map(|policy| policy.arn).collect();
    assert_eq!(found, aws.iter().cloned().chain([own.clone()]).collect());
    assert!(world.iam.policies(&PolicyFilter::Named(BTreeSet::new())).await.unwrap().is_empty());
    for arn in aws.iter().chain([&own]) {
        assert_eq!(world.iam.policy(arn).await.unwrap().map(|found| found.arn).as_ref(), Some(arn));
    }
    let all = world.iam.policies(&PolicyFilter::All).await.unwrap();
    let all: BTreeSet<String> = all.into_iter().map(|known| known.arn.name().to_owned()).collect();
    for name in ["AmazonS3ReadOnlyAccess", "AmazonEBSCSIDriverPolicy", own.name()] {
        assert!(all.contains(name), "{name}");
    }
}

pub(super) async fn the_document_in_effect_can_be_read(world: &World) {
    let own = world.hands.add_policy("/", &world.unique("read")).await;
    for (arn, denies) in [(READ_ONLY, false), ("arn:aws:iam::aws:policy/AWSDenyAll", true), (&own.to_string(), false)] {
        let known = world.iam.policy(&policy(arn)).await.unwrap().unwrap();
        let text = world.iam.policy_version(&known.arn, known.default_version).await.unwrap().unwrap();
        let in_effect = world.iam.policy_version(&known.arn, None).await.unwrap();
        assert_eq!(in_effect.as_deref(), Some(text.as_str()));
        let document = irsa_core::PolicyDocument::from_stored(&text).unwrap();
        assert_eq!(document.has_deny(), denies, "{arn}: {text}");
        assert_eq!(world.iam.policy_version(&known.arn, Some("v999".to_owned())).await.unwrap(), None);
    }
    let unknown = policy("arn:aws:iam::aws:policy/Unknown");
    assert_eq!(world.iam.policy_version(&unknown, Some("v1".to_owned())).await.unwrap(), None);
}

pub(super) async fn quotas_are_told(world: &World) {
    world.role("counted").await;
    let quotas = world.iam.quotas().await.unwrap();
    assert!(quotas.roles.is_some_and(|roles| roles >= 1), "{quotas:?}");
    assert!(quotas.providers.is_some_and(|providers| providers >= 1), "{quotas:?}");
    for quota in
        [quotas.roles_quota, quotas.trust_policy_size, quotas.attached_policies_per_role, quotas.inline_policy_size]
    {
        assert!(quota.is_some_and(|quota| quota > 0), "{quotas:?}");
    }
}
