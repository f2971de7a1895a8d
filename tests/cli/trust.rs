//! What trust policies really allow: asked of files, which calls nothing, and of the sandbox.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::Shell;

const ISSUER: &str = "https://oidc.eks.us-east-1.amazonaws.com/id/A";

/// A trust policy with this condition, on lines of its own.
fn document(condition: &Value) -> String {
    let statement = json!({
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition,
    });
    format!("{:#}\n", json!({"Version": "2012-10-17", "Statement": [statement]}))
}

fn good() -> String {
    document(&json!({"StringEquals": {
        "oidc.eks.us-east-1.amazonaws.com/id/A:aud": "sts.amazonaws.com",
        "oidc.eks.us-east-1.amazonaws.com/id/A:sub": "system:serviceaccount:jobs:worker",
    }}))
}

fn open() -> String {
    document(&json!({"StringEquals": {"oidc.eks.us-east-1.amazonaws.com/id/A:aud": "sts.amazonaws.com"}}))
}

/// A shell with trust policies, and nothing that leads to a cluster.
fn shell() -> Shell {
    let from = json!({
        "StringEquals": {"oidc.eks.us-east-1.amazonaws.com/id/A:sub": "system:serviceaccount:jobs:worker"},
        "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
    });
    let shell = Shell::new().with_variable("IRSA_CLUSTER", "").with_file("good.json", good());
    shell.with_file("open.json", open()).with_file("from.json", document(&from))
}

#[test]
fn a_check_of_a_file_calls_nothing() {
    let shell = shell();
    let check = |file: &str, subject: &str| {
        shell.run(&format!("trust check --document {file} --issuer {ISSUER} --subject {subject}"))
    };
    assert_snapshot!("check_allow", check("good.json", "jobs/worker"));
    assert_snapshot!("check_deny", check("good.json", "jobs/other"));
    assert_snapshot!("check_unknown", check("from.json", "jobs/worker"));
    let other = format!("trust check --document good.json --issuer {ISSUER} --subject jobs/worker --audience other");
    assert_eq!(shell.run(&other).code, 1);
    let other =
        format!("trust check --document good.json --issuer {ISSUER} --subject jobs/worker --account 210987654321");
    assert_eq!(shell.run(&other).code, 1);
    let other =
        format!("trust check --document good.json --issuer {ISSUER}B --subject jobs/worker --account 123456789012");
    assert_eq!(shell.run(&other).code, 1);
    assert!(shell.sandbox.calls().is_empty());
}

#[test]
fn a_check_has_the_keys_of_the_contract() {
    let shell = shell();
    let check = |file: &str, subject: &str| {
        let ran = shell.run(&format!("trust check --document {file} --issuer {ISSUER} --subject {subject} -o json"));
        (ran.code, ran.json())
    };
    let (code, allowed) = check("good.json", "jobs/worker");
    assert_eq!((code, &allowed["decision"], &allowed["conditions"]), (0, &json!("allow"), &json!([])));
    assert!(!allowed["because"].as_array().unwrap().is_empty());
    assert_eq!(allowed["provider"], "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A");
    let (code, denied) = check("good.json", "jobs/other");
    assert_eq!((code, &denied["decision"], &denied["conditions"]), (1, &json!("deny"), &json!([])));
    let (code, unknown) = check("from.json", "jobs/worker");
    assert_eq!((code, &unknown["decision"]), (4, &json!("unknown")));
    assert!(unknown["conditions"][0].as_str().unwrap().contains("aws:SourceIp"), "{unknown}");
}

#[test]
fn a_document_comes_from_standard_input_too() {
    let check = format!("trust check --document - --issuer {ISSUER} --subject jobs/worker");
    assert_eq!(shell().with_stdin(format!("\u{feff}{}", good())).run(&check).code, 0);
    let nothing = shell().run(&check);
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("standard input cannot be read as a trust policy"), "{nothing}");
}

#[test]
fn a_check_of_a_role_asks_for_it() {
    let shell = Shell::new();
    assert_eq!(shell.run("create jobs -p AmazonS3ReadOnlyAccess").code, 0);
    let arn = "arn:aws:iam::123456789012:role/sandbox-default-jobs";
    for (role, subject, code) in [
        ("sandbox-default-jobs", "default/jobs", 0),
        (arn, "default/jobs", 0),
        ("sandbox-default-jobs", "default/other", 1),
    ] {
        let ran = shell.run(&format!("trust check --role {role} --subject {subject} -o json"));
        assert_eq!((ran.code, &ran.json()["role_arn"]), (code, &json!(arn)), "{ran}");
    }
    let issuer = shell.run("provider show -o json").json()["issuer"].as_str().unwrap().to_owned();
    // The account is that of the role, and no cluster is needed.
    let shell = shell.with_variable("IRSA_CLUSTER", "");
    let given = format!("trust check --role sandbox-default-jobs --issuer {issuer} --subject default/jobs -o json");
    assert_eq!(shell.run(&given).json()["decision"], "allow");
    assert_eq!(shell.run(&format!("{given} --account 210987654321")).json()["decision"], "deny");
    let missing = shell.run("trust check --role sandbox-default-job --subject a/b --cluster sandbox -o json");
    assert_eq!((missing.code, &missing.json()["error"]["kind"]), (1, &json!("not_found")), "{missing}");
    assert!(missing.stderr.contains("sandbox-default-jobs"), "the nearest is named: {missing}");
    let elsewhere = shell.run(&format!(
        "trust check --role {} --subject a/b --cluster sandbox -o json",
        arn.replace("role/", "role/p/")
    ));
    assert_eq!(elsewhere.json()["error"]["kind"], "not_found", "{elsewhere}");
}

#[test]
fn a_document_and_a_cluster_need_no_issuer() {
    let shell = Shell::new();
    let provider = shell.run("provider show -o json").json();
    let (arn, host) = (provider["arn"].as_str().unwrap(), provider["issuer"].as_str().unwrap());
    let text = good()
        .replace("arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A", arn)
        .replace("oidc.eks.us-east-1.amazonaws.com/id/A", host.trim_start_matches("https://"));
    let shell = shell.with_file("mine.json", text);
    let roles = |shell: &Shell| shell.sandbox.calls().iter().filter(|call| call.method.contains("role")).count();
    assert_eq!(shell.run("trust check --document mine.json --subject jobs/worker").code, 0);
    assert_eq!(shell.run("trust check --document mine.json --subject jobs/other").code, 1);
    assert_eq!(roles(&shell), 0);
}

#[test]
fn bad_input_is_refused_before_anything_is_called() {
    let long = format!("{{\"Statement\": [\"{}\"]}}", "x".repeat(131_073));
    let shell = shell()
        .with_file("broken.json", "{\n  \"Statement\": [}\n")
        .with_file("twice.json", r#"{"Statement": [], "Statement": []}"#)
        .with_file("misspelt.json", good().replace("Principal", "Principle"))
        .with_file("beyond.json", good().replace("worker", "桶"))
        .with_file("deep.json", "[".repeat(100_000))
        .with_file("long.json", long)
        .with_file("latin1.json", b"{\"\xe9\": 1}")
        .with_file("two.json", good().replace("\"arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A\"",
            "[\"arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A\", \"arn:aws:iam::210987654321:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A\"]"));
    std::fs::create_dir(shell.path().join("empty")).unwrap();
    let mut said = String::new();
    let issuer = format!("--issuer {ISSUER}");
    for line in [
        "trust",
        "trust check",
        "trust check --subject a/b",
        "trust check --document good.json --role r --subject a/b",
        "trust check --document good.json --subject a/b",
        "trust check --document good.json --subject b ISSUER",
        "trust check --document good.json --subject a/B ISSUER",
        "trust check --document good.json --subject a/b --audience= ISSUER",
        "trust check --document good.json --subject a/b --issuer http://x.example",
        "trust check --document good.json --subject a/b ISSUER --account 12",
        "trust check --document good.json --subject a/b ISSUER --partition mars",
        "trust check --document good.json --subject a/b ISSUER --partition aws-cn",
        "trust check --document good.json --subject a/b --partition aws",
        "trust check --document good.json --subject a/b ISSUER --sandbox",
        "trust check --document good.json --subject a/b ISSUERB",
        "trust check --document two.json --subject a/b ISSUER",
        "trust check --document missing.json --subject a/b ISSUER",
        "trust check --document broken.json --subject a/b ISSUER",
        "trust check --document twice.json --subject a/b ISSUER",
        "trust check --document misspelt.json --subject a/b ISSUER",
        "trust check --document beyond.json --subject a/b ISSUER",
        "trust check --document deep.json --subject a/b ISSUER",
        "trust check --document long.json --subject a/b ISSUER",
        "trust check --document latin1.json --subject a/b ISSUER",
        "trust check --document empty --subject a/b ISSUER",
        "trust check --role a/b --subject a/b ISSUER",
        "trust check --role arn:aws:iam::123456789012:policy/p --subject a/b ISSUER",
        "trust check --document good.json --subject a/b ISSUER -o sarif",
        "trust who-can",
        "trust who-can a/b",
        "trust audit --fail-on severe",
        "trust audit -f good.json --ignore any-subjekt",
        "trust audit -f good.json --ignore any-subject:",
        "trust audit -f good.json --cluster demo",
        "trust audit -f missing.json",
        "trust audit -f empty",
        "trust audit -f broken.json",
        "trust audit -f broken.json -f twice.json -f good.json -o sarif",
        "trust audit -f latin1.json",
        "list -o sarif",
    ] {
        let ran = shell.run(&line.replace("ISSUER", &issuer));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{line}: {ran}");
        let cut: Vec<String> = ran.stderr.lines().map(|line| line.chars().take(300).collect()).collect();
        said += &format!("$ irsa {line}\n{}\n", cut.join("\n"));
    }
    assert!(shell.sandbox.calls().is_empty());
    assert_snapshot!(said);
}
