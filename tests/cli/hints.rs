//! Hints can be followed: they name options that the command has, and following one does not lead back to the same error.

use irsa_core::ROLE_ARN_ANNOTATION;

use super::{Ran, Shell};

/// A cluster of gen3 with a role that terraform made at a path of its own.
const VPC1: &str = r#"{
    "providers": {"https://oidc.eks.us-east-1.amazonaws.com/id/AAAA": {"audiences": ["sts.amazonaws.com"]}},
    "clusters": {"vpc1": {"issuer": "https://oidc.eks.us-east-1.amazonaws.com/id/AAAA"}},
    "roles": {"vpc1--default--audit-sqs-sender": {
        "path": "/gen3_service/",
        "trust_policy": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}}}"#;

fn shell() -> Shell {
    Shell::new().with_variable("IRSA_CLUSTER", "vpc1").with_sandbox(VPC1)
}

/// The hint, without the calls of other programs or commands in it.
fn hint(ran: &Ran) -> String {
    let hint = ran.stderr.lines().find_map(|line| line.trim_start().strip_prefix("hint: "));
    hint.unwrap_or_default().split('`').step_by(2).collect()
}

fn options(text: &str) -> Vec<String> {
    let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
    words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn an_annotation_that_names_another_role_is_replaced_by_what_the_hint_says() {
    for (service_account, role, annotation, cause) in [
        (
            "manifestservice-sa",
            "vpc1--default--manifest-service-sa",
            "arn:aws:iam::999999999999:role/vpc1--default--manifest-service-sa",
            "names a role of another account: arn:aws:iam::999999999999",
        ),
        (
            "audit-sa",
            "vpc1--default--audit-sqs-sender",
            "arn:aws:iam::123456789012:role/vpc1--default--audit-sqs-sender",
            "names the role without its path, or in another one: arn:aws:iam::123456789012:role/vpc1--",
        ),
    ] {
        let shell = shell();
        let cluster = shell.sandbox.cluster(&"vpc1".parse().unwrap());
        cluster
            .apply_as("argocd-controller", "default", service_account, &[(ROLE_ARN_ANNOTATION, annotation)])
            .unwrap();
        let line = format!("create {service_account} --role-name {role} --adopt");
        let refused = shell.run(&line);
        assert_eq!(refused.code, 1, "{refused}");
        assert!(refused.stderr.contains(cause) && refused.stderr.contains("set by argocd-controller"), "{refused}");
        assert_eq!(options(&hint(&refused)), ["--force"], "what was asked for is no remedy: {refused}");
        let followed = shell.run(&format!("{line} --force"));
        assert_eq!(followed.code, 0, "{followed}");
        let got = shell.run(&format!("get {service_account} -o json")).json();
        assert_eq!((&got["state"], &got["role_name"]), (&"ok".into(), &role.into()), "{got}");
    }
}

#[test]
fn an_update_of_a_role_that_the_annotation_names_without_its_path_can_be_made_as_the_hint_says() {
    let shell = shell();
    let cluster = shell.sandbox.cluster(&"vpc1".parse().unwrap());
    let annotation = "arn:aws:iam::123456789012:role/vpc1--default--audit-sqs-sender";
    cluster.apply_as("argocd-controller", "default", "audit-sa", &[(ROLE_ARN_ANNOTATION, annotation)]).unwrap();
    let refused = shell.run("update audit-sa --add-policy AmazonS3ReadOnlyAccess");
    assert_eq!(refused.code, 1, "{refused}");
    assert!(refused.stderr.contains("role/gen3_service/vpc1--default--audit-sqs-sender"), "{refused}");
    assert!(!refused.stderr.contains("irsa create"), "it exists: {refused}");
    assert_eq!(options(&hint(&refused)), ["--role-name"], "{refused}");
    let mut line =
        "update audit-sa --add-policy AmazonS3ReadOnlyAccess --role-name vpc1--default--audit-sqs-sender".to_owned();
    for next in ["--force", "--adopt"] {
        let refused = shell.run(&line);
        assert!(refused.code == 1 && options(&hint(&refused)).contains(&next.to_owned()), "{refused}");
        line = format!("{line} {next}");
    }
    let followed = shell.run(&line);
    assert_eq!(followed.code, 0, "{followed}");
    assert_eq!(shell.run("get audit-sa -o json").json()["state"], "ok");
}

#[test]
fn hints_of_a_manifest_name_options_and_keys_that_it_has() {
    const HEAD: &str = "apiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\nmetadata: ";
    let help = shell().run("apply --help").stdout;
    let schema = shell().run("schema").stdout;
    for (binding, code, kind, remedy) in [
        ("{name: a}\nspec: {roleName: vpc1--default--audit-sqs-sender}", 1, "was not created by irsa", "--adopt"),
        ("{name: a, namespace: missing}\n", 1, "namespace missing", "--create-namespace"),
        ("{name: a}\nspec: {cluster: elsewhere}", 1, "cluster elsewhere does not exist", ""),
        ("{name: a}\nspec: {policies: [Nothing]}", 1, "policy Nothing does not exist", ""),
    ] {
        let shell = shell().with_file("bindings.yaml", format!("{HEAD}{binding}"));
        for verb in ["plan", "apply"] {
            let ran = shell.run(&format!("{verb} -f bindings.yaml"));
            assert_eq!(ran.code, code, "{ran}");
            assert!(ran.stderr.contains(kind), "{ran}");
            let hint = hint(&ran);
            assert!(!hint.is_empty() && hint.contains(remedy), "{ran}");
            for option in options(&hint) {
                assert!(
                    help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")),
                    "{option}: {ran}"
                );
            }
            for key in hint.split_whitespace().filter_map(|word| word.strip_prefix("spec.")) {
                let key = key.trim_matches(|c: char| !c.is_ascii_alphanumeric());
                assert!(schema.contains(&format!("\"{key}\"")), "{key}: {ran}");
            }
        }
    }
}

#[test]
fn a_sandbox_without_the_cluster_names_the_place_of_its_clusters() {
    let shell = Shell::new().with_variable("IRSA_CLUSTER", "").with_file("sandbox.json", VPC1);
    let ran = shell.run_live("get a --cluster vpc2 --sandbox=sandbox.json");
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("cluster vpc2 does not exist"), "{ran}");
    assert!(ran.stderr.contains("`clusters` in the sandbox's file") && !ran.stderr.contains("aws eks"), "{ran}");
}

#[test]
fn placeholders_are_to_be_filled_in_where_they_are_written() {
    const HEAD: &str = "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\n";
    let entry = |placeholder: &str| {
        format!(
            "{HEAD}metadata: {{name: \"{placeholder}\", region: us-west-2}}\niam:\n  serviceAccounts:\n  - metadata: {{name: a}}\n"
        )
    };
    for placeholder in ["${CLUSTER_NAME}", "<cluster-name>", "{{cluster}}"] {
        let shell = shell().with_variable("IRSA_CLUSTER", "").with_file("cluster.yaml", entry(placeholder));
        let ran = shell.run("plan -f cluster.yaml");
        assert_eq!(ran.code, 2, "{ran}");
        assert!(ran.stderr.contains("cluster.yaml:3:18"), "{ran}");
        assert!(ran.stderr.contains(&format!("hint: replace the placeholder {placeholder} with its value")), "{ran}");
    }
    let ran = shell().run("create a --cluster ${CLUSTER}");
    assert!(ran.code == 2 && ran.stderr.contains("replace the placeholder ${CLUSTER} with its value"), "{ran}");
}
