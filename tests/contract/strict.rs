//! What AWS refuses and moto takes: these cases run on the sandbox only.

use std::collections::BTreeMap;

use irsa_core::backend::{NewRole, OidcProvider, RoleSettings};
use irsa_core::name::{InlinePolicyName, PolicyArn, RoleName};
use irsa_core::sandbox::RoleState;
use irsa_core::{Error, ErrorKind, Sandbox};
use serde_json::{Value, json};

use super::{World, map};

fn refused<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, code: &str, message: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{error:?}");
    let cause = error.causes().concat();
    assert!(cause.starts_with(&format!("{code}: ")) && cause.contains(message), "{cause}");
}

fn sandbox(world: &World) -> &Sandbox {
    world.sandbox.as_ref().unwrap()
}

fn inline(size: usize) -> Value {
    let empty = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:", "Resource": "*"}]});
    let action = format!("s3:{}", "x".repeat(size - empty.to_string().len()));
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
}

pub(super) async fn names_are_the_same_whatever_their_case(world: &World) {
    let iam = &world.iam;
    let made = iam.create_role(&world.new_role("Mixed")).await.unwrap();
    let upper: RoleName = world.unique("MIXED").parse().unwrap();
    assert_eq!(iam.role(&upper).await.unwrap().as_ref(), Some(&made), "the ARN keeps the case that it was made with");
    let again = NewRole { arn: world.role_arn("/", "mixed"), ..world.new_role("mixed") };
    let message = format!("Role with name {} already exists.", again.arn.name());
    refused(iam.create_role(&again).await, ErrorKind::AlreadyExists, "EntityAlreadyExists", &message);
    let policy: PolicyArn = "arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap();
    iam.attach_policy(&upper, &policy).await.unwrap();
    assert_eq!(iam.attached_policies(made.arn.name()).await.unwrap(), Some(vec![policy.clone()]));
    iam.detach_policy(again.arn.name(), &policy).await.unwrap();
    iam.delete_role(&upper).await.unwrap();
    assert_eq!(iam.role(made.arn.name()).await.unwrap(), None);
}

pub(super) async fn documents_are_checked(world: &World) {
    let (iam, role) = (&world.iam, world.role("documents").await);
    let permissions = json!({"Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}).to_string();
    let trust = world.trust("system:serviceaccount:ns:a").to_string();
    let policy: InlinePolicyName = "p".parse().unwrap();
    let beyond_latin_1 = json!({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::桶"}]});
    for document in ["", "{", "[]", "{\"Statement\": []}", &trust, &beyond_latin_1.to_string()] {
        let result = iam.put_inline_policy(&role, &policy, document).await;
        refused(result, ErrorKind::InvalidInput, "MalformedPolicyDocument", "");
    }
    let before = iam.role(&role).await.unwrap().unwrap().trust_policy;
    for document in ["", "{\"Statement\": {}}", &permissions] {
        let result = iam.update_trust_policy(&role, document).await;
        refused(result, ErrorKind::InvalidInput, "MalformedPolicyDocument", "");
        let new = NewRole { trust_policy: document.to_owned(), ..world.new_role("malformed") };
        refused(iam.create_role(&new).await, ErrorKind::InvalidInput, "MalformedPolicyDocument", "");
    }
    assert_eq!(iam.role(&role).await.unwrap().unwrap().trust_policy, before, "what is refused changes nothing");
    assert_eq!(iam.role(&world.role_name("malformed")).await.unwrap(), None);
}

/// In the words of AWS, which moto's tests have recorded.
pub(super) async fn arns_in_documents_are_checked(world: &World) {
    let (iam, role) = (&world.iam, world.role("arns").await);
    let policy: InlinePolicyName = "p".parse().unwrap();
    let put = async |resource: &str| {
        let statement = json!({"Effect": "Allow", "Action": "s3:Get*", "Resource": resource});
        let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        iam.put_inline_policy(&role, &policy, &document).await
    };
    for (resource, message) in [
        ("arn:aws-cn:s3:::b", "Partition \"aws-cn\" is not valid for resource \"arn:aws-cn:s3:::b\"."),
        ("bucket", "must be an ARN"),
        ("arn:aws:s3::bucket", "five colons"),
        ("arn:aws:iam:us-east-1:123456789012:role/x", "no region"),
    ] {
        refused(put(resource).await, ErrorKind::InvalidInput, "MalformedPolicyDocument", message);
    }
    put("arn:*:s3:::bucket").await.unwrap();
    for (kind, principal, message) in [
        ("AWS", "arn:aws-us-gov:iam::123456789012:root", "Invalid principal in policy: \"AWS\""),
        ("AWS", "arn:aws:iam::123456789012:role/*", "cannot have wildcards"),
        (
            "Federated",
            "arn:aws-cn:iam::123456789012:oidc-provider/a.b",
            "Federated principals must be valid domain names or SAML metadata ARNs",
        ),
    ] {
        let statement = json!({"Effect": "Allow", "Principal": {kind: principal}, "Action": "sts:AssumeRole"});
        let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let result = iam.update_trust_policy(&role, &document).await;
        refused(result, ErrorKind::InvalidInput, "MalformedPolicyDocument", message);
    }
}

pub(super) async fn quotas_hold(world: &World) {
    let (iam, role) = (&world.iam, world.role("quotas").await);
    sandbox(world)
        .edit(|state| {
            state.quotas.attached_policies_per_role = 1;
            state.quotas.roles_per_account = 1;
            Ok(())
        })
        .unwrap();
    let quotas = iam.quotas().await.unwrap();
    assert_eq!((quotas.roles, quotas.roles_quota, quotas.attached_policies_per_role), (Some(1), Some(1), Some(1)));
    let exceeded = |result: Result<(), Error>, message: &str| {
        refused(result, ErrorKind::QuotaExceeded, "LimitExceeded", message);
    };
    let [one, other] = ["ReadOnlyAccess", "AmazonS3ReadOnlyAccess"]
        .map(|name| format!("arn:aws:iam::aws:policy/{name}").parse::<PolicyArn>().unwrap());
    iam.attach_policy(&role, &one).await.unwrap();
    iam.attach_policy(&role, &one).await.unwrap();
    exceeded(iam.attach_policy(&role, &other).await, "Cannot exceed quota for PoliciesPerRole: 1");
    exceeded(iam.create_role(&world.new_role("more")).await.map(drop), "Cannot exceed quota for RolesPerAccount: 1");

    let long = world.trust(&"x".repeat(2048));
    exceeded(iam.update_trust_policy(&role, &long.to_string()).await, "Cannot exceed quota for ACLSizePerRole: 2048");
    let spaced = format!("{}{}", " ".repeat(3000), world.trust("system:serviceaccount:ns:a"));
    iam.update_trust_policy(&role, &spaced).await.unwrap();

    let put = async |name: &str, size: usize| {
        iam.put_inline_policy(&role, &name.parse().unwrap(), &inline(size).to_string()).await
    };
    put("one", 10_000).await.unwrap();
    put("two", 240).await.unwrap();
    let message = format!("Maximum policy size of 10240 bytes exceeded for role {role}");
    exceeded(put("three", 100).await, &message);
    exceeded(put("two", 241).await, &message);
    put("one", 9_999).await.unwrap();
    put("two", 241).await.unwrap();
}

pub(super) async fn tags_are_bounded_and_the_same_whatever_their_case(world: &World) {
    let (iam, role) = (&world.iam, world.role("tags").await);
    let numbered = |from: usize, to: usize| -> BTreeMap<String, String> {
        (from..to).map(|n| (format!("key-{n}"), String::new())).collect()
    };
    iam.tag_role(&role, &map(&[("Team", "a")])).await.unwrap();
    iam.tag_role(&role, &map(&[("team", "b")])).await.unwrap();
    assert_eq!(iam.role(&role).await.unwrap().unwrap().tags, map(&[("team", "b")]));
    iam.untag_role(&role, &["TEAM".to_owned()].into()).await.unwrap();
    iam.tag_role(&role, &numbered(0, 50)).await.unwrap();
    iam.tag_role(&role, &numbered(0, 50)).await.unwrap();
    let more = iam.tag_role(&role, &map(&[("more", "")])).await;
    refused(more, ErrorKind::QuotaExceeded, "LimitExceeded", "The number of tags has reached the maximum limit.");
    let at_once = iam.tag_role(&role, &numbered(0, 51)).await;
    refused(at_once, ErrorKind::InvalidInput, "ValidationError", "less than or equal to 50");
    for (tags, code) in [
        (map(&[("a", ""), ("A", "")]), "InvalidInput"),
        (map(&[("aws:x", "")]), "ValidationError"),
        (map(&[("a<b", "")]), "ValidationError"),
        (map(&[("a", "<")]), "ValidationError"),
        (map(&[(&"k".repeat(129), "")]), "ValidationError"),
    ] {
        refused(iam.tag_role(&role, &tags).await, ErrorKind::InvalidInput, code, "");
    }
    assert_eq!(iam.role(&role).await.unwrap().unwrap().tags, numbered(0, 50));
}

pub(super) async fn settings_are_checked(world: &World) {
    let (iam, role) = (&world.iam, world.role("settings").await);
    for settings in [
        RoleSettings { description: None, max_session_duration: Some(3599) },
        RoleSettings { description: None, max_session_duration: Some(43_201) },
        RoleSettings { description: Some("桶".to_owned()), max_session_duration: None },
        RoleSettings { description: Some("x".repeat(1001)), max_session_duration: None },
    ] {
        let result = iam.update_role(&role, &settings).await;
        refused(result, ErrorKind::InvalidInput, "ValidationError", "1 validation error detected");
        let RoleSettings { description, max_session_duration } = settings;
        let new = NewRole { description, max_session_duration, ..world.new_role("bad") };
        refused(iam.create_role(&new).await, ErrorKind::InvalidInput, "ValidationError", "");
    }
}

pub(super) async fn unknown_policies_and_boundaries_are_refused(world: &World) {
    let (iam, role) = (&world.iam, world.role("boundary").await);
    let unknown: PolicyArn = "arn:aws:iam::aws:policy/Unknown".parse().unwrap();
    let message = "Scope ARN: arn:aws:iam::aws:policy/Unknown does not exist or is not attachable.";
    let put = iam.put_permissions_boundary(&role, &unknown).await;
    refused(put, ErrorKind::NotFound, "NoSuchEntity", message);
    let new = NewRole { permissions_boundary: Some(unknown), ..world.new_role("unknown") };
    refused(iam.create_role(&new).await, ErrorKind::NotFound, "NoSuchEntity", message);
    let linked = "arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy".parse().unwrap();
    let attach = iam.attach_policy(&role, &linked).await;
    let message = "Cannot attach a Service Role Policy to a Customer Role.";
    refused(attach, ErrorKind::InvalidInput, "PolicyNotAttachable", message);
}

pub(super) async fn roles_of_aws_are_not_modified(world: &World) {
    let iam = &world.iam;
    let name: RoleName = "AWSServiceRoleForAmazonEKS".parse().unwrap();
    let trust = json!({"Statement": {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"},
        "Action": "sts:AssumeRole"}});
    let path = "/aws-service-role/eks.amazonaws.com/".parse().unwrap();
    sandbox(world).put_role(&name, RoleState { path, ..RoleState::new(trust) }).unwrap();
    let protected = |result: Result<(), Error>| {
        let message = "Cannot perform the operation on the protected role 'AWSServiceRoleForAmazonEKS' - this role is \
                       only modifiable by AWS";
        refused(result, ErrorKind::AccessDenied, "UnmodifiableEntity", message);
    };
    protected(iam.update_trust_policy(&name, &world.trust("system:serviceaccount:ns:a").to_string()).await);
    protected(iam.tag_role(&name, &map(&[("a", "b")])).await);
    protected(iam.attach_policy(&name, &"arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap()).await);
    protected(iam.delete_role(&name).await);
    assert!(iam.role(&name).await.unwrap().is_some());
    let new = NewRole { arn: world.role_arn("/aws-service-role/x/", "new"), ..world.new_role("new") };
    refused(iam.create_role(&new).await, ErrorKind::InvalidInput, "InvalidInput", "reserved");
}

pub(super) async fn providers_are_bounded(world: &World) {
    let provider = |host: &str, audiences: &[String]| OidcProvider {
        arn: format!("arn:aws:iam::{}:oidc-provider/{host}", world.arn.account()).parse().unwrap(),
        audiences: audiences.to_vec(),
        tags: BTreeMap::new(),
    };
    let many: Vec<String> = (0..101).map(|n| format!("audience-{n}")).collect();
    let result = world.iam.create_provider(&provider("many.example", &many)).await;
    let message = "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100";
    refused(result, ErrorKind::QuotaExceeded, "LimitExceeded", message);
    let empty = provider("empty.example", &[String::new()]);
    refused(world.iam.create_provider(&empty).await, ErrorKind::InvalidInput, "ValidationError", "");
    let full = provider("full.example", &many[..100]);
    world.iam.create_provider(&full).await.unwrap();
    let more = world.iam.add_audience(&full.arn, &"more".parse().unwrap()).await;
    refused(more, ErrorKind::QuotaExceeded, "LimitExceeded", message);
    sandbox(world)
        .edit(|state| {
            state.quotas.providers_per_account = 2;
            Ok(())
        })
        .unwrap();
    let third = world.iam.create_provider(&provider("third.example", &[])).await;
    let message = "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 2";
    refused(third, ErrorKind::QuotaExceeded, "LimitExceeded", message);
}
