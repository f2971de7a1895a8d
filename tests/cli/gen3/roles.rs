//! Roles and what surrounds them: B4, B5, B6, B9 to B13, B21 to B23, and what was once wrong with the script.

use irsa_core::name::{Issuer, RoleName};
use irsa_core::sandbox::{Access, ProviderState, RoleState};
use serde_json::json;

use super::{GET, S3, shell, trust_of_script};

#[test]
fn b4_a_second_create_changes_nothing() {
    let shell = shell().with_file("pol.json", GET);
    for line in [format!("-c sa -p {S3}"), "-c sb -p pol.json".to_owned()] {
        let first = shell.done(&line);
        shell.sandbox.faults().clear_calls();
        let again = shell.gen3(&line);
        assert_eq!((again.code, &again.stdout), (0, &first), "{again}");
        assert!(again.stderr.starts_with("default/s") && again.stderr.contains(": unchanged\n"), "{again}");
        assert!(shell.sandbox.calls().iter().all(|call| call.access == Access::Read));
    }
    // What is missing of it is made.
    shell.sandbox.default_cluster().remove_service_account("default", "sa").unwrap();
    shell.done(&format!("-c sa -p {S3}"));
    assert!(shell.annotation("default", "sa").is_some());
}

#[test]
fn b5_nothing_is_left_of_a_create_that_fails() {
    let shell = shell().with_file("broken.json", "{").with_file("wrong.json", GET.replace("Resource", "Resorce"));
    shell.fails(1, "-c sa -p arn:aws:iam::aws:policy/Nothing", "does not exist");
    shell.fails(2, "-c sa -p broken.json", "broken.json");
    shell.fails(2, "-c sa -p wrong.json", "Resorce");
    shell.fails(1, &format!("-c sa -p {S3} -n nowhere"), "namespace nowhere does not exist");
    assert!(shell.sandbox.calls().iter().all(|call| call.access == Access::Read));
    shell.sandbox.faults().fail_before("attach_policy", ("AccessDenied", "not authorized"));
    let said = shell.fails(1, &format!("-c sa -p {S3}"), "rolled back");
    assert!(said.contains("error: cannot attach policy"), "{said}");
    assert!(shell.roles().is_empty() && shell.annotation("default", "sa").is_none());
}

#[test]
fn b6_a_binding_is_deleted_whole() {
    let shell = shell().with_file("pol.json", GET);
    shell.done(&format!("-c sa -p {S3}"));
    shell.done("-u sa -p AmazonSQSReadOnlyAccess -a a");
    shell.done("-u sa -p pol.json -a a");
    let planned = shell.gen3("--delete sa --dry-run");
    assert!(planned.code == 0 && planned.stderr.contains("deleted (dry run)"), "{planned}");
    assert_eq!(shell.roles(), ["sandbox-sa-role"]);
    assert_eq!(shell.done("--delete sa"), "");
    assert!(shell.roles().is_empty() && shell.annotation("default", "sa").is_none());
    let again = shell.gen3("--delete=sa");
    assert!(again.code == 0 && again.stderr.contains("nothing to delete"), "{again}");
    shell.fails(1, "-l sa", "there is no binding default/sa");
}

#[test]
fn b9_two_namespaces_do_not_share_a_role_unasked() {
    let shell = shell();
    let line = format!("-c sa -p {S3}");
    shell.done(&line);
    let before = shell.role("sandbox-sa-role");
    let said = shell.fails(1, &format!("{line} -n kube-system"), "role sandbox-sa-role belongs to another binding");
    assert!(said.contains("/default/sa") && said.contains("--role-name"), "{said}");
    shell.fails(1, "-u sa -p AmazonSQSReadOnlyAccess -a a -n kube-system", "there is no binding kube-system/sa");
    shell.fails(1, "-l sa -n kube-system", "there is no binding kube-system/sa");
    shell.done("--delete sa -n kube-system");
    assert_eq!(shell.role("sandbox-sa-role"), before);
    assert_eq!(shell.done(&format!("{line} -n kube-system --role-name sandbox-sa-system")), "sandbox-sa-system\n");
    assert_eq!(shell.done("-l sa -n kube-system"), "AmazonS3ReadOnlyAccess\n");
}

#[test]
fn b9_long_names_are_told_apart_and_told_truly() {
    let shell = shell();
    let long = "x".repeat(60);
    let mut names = Vec::new();
    for account in [format!("{long}a"), format!("{long}b")] {
        let name = shell.done(&format!("-c {account} -p {S3}")).trim_end().to_owned();
        assert_eq!(name.len(), 64);
        assert!(name.starts_with("sandbox-xxx") && shell.role(&name).is_some(), "{name}");
        shell.done(&format!("-u {account} -p AmazonSQSReadOnlyAccess -a a"));
        assert_eq!(shell.done(&format!("-l {account}")), "AmazonS3ReadOnlyAccess\nAmazonSQSReadOnlyAccess\n");
        assert_eq!(shell.done(&format!("-c {account} -p {S3}")).trim_end(), name);
        names.push(name);
    }
    assert_ne!(names[0], names[1]);
    shell.done(&format!("--delete {long}a"));
    assert_eq!(shell.roles(), [names[1].as_str()]);
}

#[test]
fn b10_the_trust_policy_follows() {
    let shell = shell();
    let line = format!("-c sa -p {S3}");
    shell.done(&line);
    let trust = |shell: &super::Shell| shell.role("sandbox-sa-role").unwrap().trust_policy.to_string();
    let first = trust(&shell);
    // More service accounts of one role.
    shell.done(&format!("{line} --subject kube-system/sb"));
    assert!(
        trust(&shell).contains("system:serviceaccount:kube-system:sb")
            && shell.annotation("kube-system", "sb").is_some()
    );
    // What somebody changed by hand is put right.
    shell
        .sandbox
        .edit(|state| {
            let role = state.roles.get_mut("sandbox-sa-role").unwrap();
            role.trust_policy = serde_json::from_str(&first.replace(":default:sa", ":default:other")).unwrap();
            Ok(())
        })
        .unwrap();
    shell.done(&line);
    assert!(trust(&shell).contains(":default:sa") && !trust(&shell).contains(":default:other"));
    // The cluster was made anew, with another issuer.
    let issuer: Issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/NEW".parse().unwrap();
    shell
        .sandbox
        .edit(|state| {
            state.clusters.values_mut().for_each(|cluster| cluster.issuer = Some(issuer.clone()));
            state.providers.insert(issuer.clone(), ProviderState::for_sts());
            Ok(())
        })
        .unwrap();
    shell.done(&line);
    assert!(trust(&shell).contains("/id/NEW:sub"), "{}", trust(&shell));
}

#[test]
fn b11_what_belongs_to_others_is_not_written_over() {
    let shell = shell();
    let other = "arn:aws:iam::123456789012:role/other";
    let annotations = [("eks.amazonaws.com/role-arn", Some(other))];
    shell.sandbox.default_cluster().update_as("helm", "default", "sa", &annotations).unwrap();
    let line = format!("-c sa -p {S3}");
    let said = shell.fails(1, &line, "its annotation eks.amazonaws.com/role-arn names another role");
    assert!(said.contains("set by helm") && said.contains("--force"), "{said}");
    assert!(shell.roles().is_empty());
    assert_eq!(shell.annotation("default", "sa").as_deref(), Some(other));
    shell.done(&format!("{line} --force"));
    assert_ne!(shell.annotation("default", "sa").as_deref(), Some(other));
    shell.fails(2, &format!("-c My_SA -p {S3}"), "service account name \"My_SA\"");
}

#[test]
fn b12_the_provider_is_looked_at_first() {
    let shell = shell();
    let line = format!("-c sa -p {S3}");
    let providers = shell.sandbox.state().unwrap().providers;
    let issuer = providers.keys().next().unwrap();
    shell.sandbox.remove_provider(issuer).unwrap();
    shell.fails(1, &line, "has no OIDC provider in IAM");
    shell
        .sandbox
        .edit(|state| {
            state
                .providers
                .insert(issuer.clone(), ProviderState { audiences: vec!["x".into()], ..ProviderState::default() });
            Ok(())
        })
        .unwrap();
    shell.fails(1, &line, "sts.amazonaws.com");
    shell.sandbox.default_cluster().set_status("CREATING").unwrap();
    shell.fails(1, &line, "has no OIDC issuer");
    assert!(shell.roles().is_empty());
    shell.sandbox.default_cluster().set_status("ACTIVE").unwrap();
    shell.done(&format!("{line} --create-provider"));
}

#[test]
fn b13_the_other_annotations_can_be_set() {
    let shell = shell();
    shell.done(&format!(
        "-c sa -p {S3} --sts-regional-endpoints true --token-expiration 3600 --audience sts.amazonaws.com"
    ));
    let state = shell.sandbox.state().unwrap();
    let account = &state.clusters.values().next().unwrap().namespaces["default"].service_accounts["sa"];
    for (key, value) in
        [("sts-regional-endpoints", "true"), ("token-expiration", "3600"), ("audience", "sts.amazonaws.com")]
    {
        assert_eq!(account.annotations[&format!("eks.amazonaws.com/{key}")], value);
    }
}

#[test]
fn b21_what_goes_into_documents_is_checked() {
    let quote = r#"a"b"#;
    let shell = shell();
    for words in [["-c", quote, "-n", "default"], ["-c", "sa", "-n", quote], ["-c", "sa", "--role-name", quote]] {
        let ran = shell.run_words(&[&["iam-serviceaccount", "-p", S3], &words[..]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}: {ran}");
    }
    assert!(shell.sandbox.calls().is_empty());
    shell.with_variable("vpc_name", quote).fails(2, &format!("-c sa -p {S3}"), "vpc_name");
}

#[test]
fn b22_iam_is_waited_for() {
    let shell = shell();
    shell.sandbox.faults().fail_before(("attach_policy", 1), ("NoSuchEntity", "The role cannot be found."));
    assert_eq!(shell.done(&format!("-c sa -p {S3}")), "sandbox-sa-role\n");
    assert!(shell.sandbox.faults().unused().is_empty());
    assert!(shell.has("sandbox-sa-role", S3));
}

#[test]
fn b23_roles_have_tags_and_what_else_is_asked_for() {
    let shell = shell();
    let boundary = shell.sandbox.add_policy("/", "edge").unwrap();
    let settings =
        format!("--tag team=data --description text --role-path /gen3_service/ --permissions-boundary {boundary}");
    shell.done(&format!("-c sa -p {S3} {settings} --max-session-duration 7200"));
    let role = shell.role("sandbox-sa-role").unwrap();
    assert_eq!((role.tags["team"].as_str(), role.tags["irsa.gen3.org/origin"].as_str()), ("data", "created"));
    assert!(role.tags["irsa.gen3.org/owner"].ends_with("/default/sa"));
    assert_eq!((role.path.as_str(), role.description.as_deref()), ("/gen3_service/", Some("text")));
    assert_eq!((role.permissions_boundary, role.max_session_duration), (Some(boundary), 7200));
    assert!(shell.run("list --cluster sandbox").stdout.contains("sandbox-sa-role"));
}

/// uc-cdis/cloud-automation: pull requests 1180 and 1224.
#[test]
fn annotation_provider_and_condition_keys_are_whole() {
    let shell = shell();
    shell.done(&format!("-c sa -p {S3}"));
    assert_eq!(shell.annotation("default", "sa").as_deref(), Some("arn:aws:iam::123456789012:role/sandbox-sa-role"));
    let role = shell.role("sandbox-sa-role").unwrap();
    let statement = &role.trust_policy["Statement"][0];
    let provider = statement["Principal"]["Federated"].as_str().unwrap();
    assert!(!provider.contains("https") && provider.contains(":oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/"));
    let (_, host) = provider.split_once(":oidc-provider/").unwrap();
    let tested: Vec<&String> = statement["Condition"]["StringEquals"].as_object().unwrap().keys().collect();
    assert_eq!(tested, [&format!("{host}:aud"), &format!("{host}:sub")]);
}

/// Pull request 2515: whose role it is, is told by its owner and its trust, not by its name.
#[test]
fn a_role_of_somebody_else_is_not_taken_over() {
    let shell = shell();
    let name = RoleName::new("sandbox-sa-role").unwrap();
    let ours = trust_of_script(&shell.sandbox, "default", "sa");
    let other = trust_of_script(&shell.sandbox, "kube-system", "sa");
    let mut named = ours.clone();
    named["Statement"][0]["Sid"] = json!("Mine");
    let mut wider = ours.clone();
    wider["Statement"].as_array_mut().unwrap().push(json!(
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}));
    let mut tagged = RoleState::new(ours.clone());
    tagged.tags.insert("made-by".into(), "terraform".into());
    let pathed = RoleState { path: "/gen3_service/".parse().unwrap(), ..RoleState::new(ours) };
    let others = [other, named, wider].map(RoleState::new);
    for role in others.into_iter().chain([tagged, pathed]) {
        shell.sandbox.put_role(&name, role.clone()).unwrap();
        let before = shell.role("sandbox-sa-role");
        let said = shell.fails(1, &format!("-c sa -p {S3}"), "exists and was not created by irsa");
        assert!(said.contains("--adopt"), "{said}");
        shell.done("--delete sa");
        assert_eq!(shell.role("sandbox-sa-role"), before, "{role:?}");
    }
    shell.done(&format!("-c sa -p {S3} --adopt"));
    assert_eq!(shell.role("sandbox-sa-role").unwrap().tags["irsa.gen3.org/origin"], "adopted");
}
