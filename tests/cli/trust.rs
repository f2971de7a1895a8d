//! What trust policies really allow: asked of files, which calls nothing, and of the sandbox.

use insta::assert_snapshot;
use irsa_core::sandbox::At;
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
    assert!(!allowed["reasons"].as_array().unwrap().is_empty());
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
    assert!(nothing.stderr.contains("caused by: it is empty"), "{nothing}");
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
    assert_eq!((missing.code, &missing.json()["error"]["kind"]), (4, &json!("not_found")), "{missing}");
    assert!(missing.stderr.contains("sandbox-default-jobs"), "the nearest is named: {missing}");
    let elsewhere = shell.run(&format!(
        "trust check --role {} --subject a/b --cluster sandbox -o json",
        arn.replace("role/", "role/p/")
    ));
    assert_eq!(elsewhere.json()["error"]["kind"], "not_found", "{elsewhere}");
}

/// What `aws iam` prints of a role, in every form in which it comes to be in a file.
#[test]
fn a_check_reads_what_an_audit_reads() {
    let arn = "arn:aws:iam::123456789012:role/p/worker";
    let policy: Value = serde_json::from_str(&good()).unwrap();
    let encoded: String = good().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let role = |policy: &Value| json!({"RoleName": "worker", "Arn": arn, "CreateDate": "2026-11-24", "AssumeRolePolicyDocument": policy});
    let files = [
        ("role.json", json!({"Role": role(&policy)}).to_string(), Some(arn)),
        ("encoded-role.json", json!({"Role": role(&json!(encoded))}).to_string(), Some(arn)),
        ("list.json", json!({"Roles": [role(&policy)]}).to_string(), Some(arn)),
        ("details.json", json!({"RoleDetailList": [role(&policy)], "Policies": []}).to_string(), Some(arn)),
        ("queried.json", role(&policy).to_string(), Some(arn)),
        ("encoded.json", encoded.clone(), None),
        ("string.json", json!(good()).to_string(), None),
    ];
    let other =
        json!({"RoleName": "other", "Arn": "arn:aws:iam::123456789012:role/other", "AssumeRolePolicyDocument": policy});
    let bucket = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}});
    let shell = shell()
        .with_file("two.json", json!({"Roles": [role(&policy), other]}).to_string())
        .with_file("bucket.json", bucket.to_string());
    let shell = files.iter().fold(shell, |shell, (name, text, _)| shell.with_file(name, text));
    for (name, _, arn) in &files {
        for (subject, decision, code) in [("jobs/worker", "allow", 0), ("jobs/other", "deny", 1)] {
            let line = format!("trust check --document {name} --issuer {ISSUER} --subject {subject} -o json");
            let ran = shell.run(&line);
            assert_eq!((ran.code, ran.json()["decision"].as_str()), (code, Some(decision)), "{line}: {ran}");
            assert_eq!(ran.json()["role_arn"].as_str(), *arn, "{line}");
        }
        let audit = shell.run(&format!("trust audit -f {name} -o json"));
        assert_eq!((audit.code, &audit.json()["findings"]), (0, &json!([])), "{name}: {audit}");
        // Its statements are read as further ones of a role too.
        let stem = name.trim_end_matches(".json");
        let extra = shell.run(&format!("create {stem} --cluster sandbox --role-only --trust-statement {name}"));
        assert_eq!(extra.code, 0, "{name}: {extra}");
        let asked = format!("trust check --role sandbox-default-{stem} --issuer {ISSUER} --subject jobs/worker");
        assert_eq!(shell.run(&asked).code, 0, "{name}");
    }
    for (name, words) in [
        ("two.json", "two.json holds 2 roles, and one is asked about\n  caused by: worker, other"),
        ("bucket.json", "bucket.json is a permissions policy, not a trust policy"),
    ] {
        let ran = shell.run(&format!("trust check --document {name} --issuer {ISSUER} --subject a/b"));
        assert_eq!(ran.code, 2, "{ran}");
        assert!(ran.stderr.contains(words) && ran.stderr.contains("hint: "), "{ran}");
    }
    // The account is that of the role, where the document names no provider of the issuer.
    let elsewhere =
        shell.run(&format!("trust check --document role.json --issuer {ISSUER}B --subject jobs/worker -o json"));
    assert_eq!((elsewhere.code, &elsewhere.json()["decision"]), (1, &json!("deny")), "{elsewhere}");
}

#[test]
fn a_check_that_finds_out_nothing_is_no_deny() {
    let shell = Shell::new();
    assert_eq!(shell.run("create jobs -p AmazonS3ReadOnlyAccess").code, 0);
    let check = "trust check --role sandbox-default-jobs --subject default/other";
    assert_eq!(shell.run(check).code, 1);
    let undecided = |shell: &Shell, line: &str, kind: &str| {
        let ran = shell.run(&format!("{line} -o json"));
        let told = ran.json();
        assert_eq!((ran.code, &told["error"]["kind"]), (4, &json!(kind)), "{line}: {ran}");
        assert_eq!((&told["decision"], &told["conditions"]), (&json!("unknown"), &json!([])), "{line}: {ran}");
        assert!(ran.stderr.starts_with("error: "), "{ran}");
        assert_eq!(shell.run(line).code, 4, "{line}");
    };
    undecided(&shell, "trust check --role renamed --subject default/other", "not_found");
    undecided(&shell, &format!("{check} --cluster elsewhere"), "not_found");
    let of_another = check.replace("sandbox-default-jobs", "arn:aws:iam::210987654321:role/sandbox-default-jobs");
    undecided(&shell, &of_another, "not_found");
    for (code, kind) in [("AccessDenied", "access_denied"), ("ServiceUnavailable", "unavailable")] {
        shell.sandbox.faults().fail_before(At::every("role"), (code, "not now"));
        undecided(&shell, &format!("{check} --timeout 300ms"), kind);
        shell.sandbox.faults().clear();
    }
    shell.sandbox.faults().hang("role");
    undecided(&shell, &format!("{check} --timeout 200ms"), "timeout");
    shell.sandbox.faults().clear();
    // What is typed wrong is still usage, and an interruption an interruption.
    assert_eq!(shell.run("trust check --role a/b --subject default/other").code, 2);
    assert_eq!(shell.interrupted().run(check).code, 130);
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
        "trust audit -f broken.json -f twice.json -o sarif",
        "trust audit -f good.json --sandbox",
        "trust audit -f good.json --account 123456789012",
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

#[test]
fn a_file_that_is_no_policy_hides_no_other() {
    let shell = Shell::new()
        .with_file("open.json", good().replace("sub", "xyz"))
        .with_file("broken.json", "{")
        .with_file("package.json", "{\"name\": \"package\"}");
    std::fs::create_dir(shell.path().join(".terraform")).unwrap();
    std::fs::write(shell.path().join(".terraform/modules.json"), "{}").unwrap();
    let ran = shell.run("trust audit -f . -o json");
    assert_eq!(ran.code, 2, "{ran}");
    let told = ran.json();
    let unread: Vec<&Value> =
        told["findings"].as_array().unwrap().iter().filter(|found| found["id"] == "unreadable").collect();
    let sources: Vec<&str> = unread.iter().filter_map(|found| found["source"].as_str()).collect();
    assert_eq!(sources, ["broken.json", "package.json"], "{ran}");
    assert!(unread.len() < told["findings"].as_array().unwrap().len(), "{ran}");
    assert_eq!(told["error"]["kind"], "invalid_input", "{ran}");
    let sarif = shell.run("trust audit -f . -o sarif");
    let results = sarif.json()["runs"][0]["results"].as_array().unwrap().len();
    assert_eq!((sarif.code, results), (2, told["findings"].as_array().unwrap().len()), "{sarif}");
    let text = shell.run("trust audit -f .");
    assert!(text.code == 2 && text.stderr.contains("cannot audit 2 files") && text.stdout.contains("open.json"));
}

#[test]
fn of_a_folder_each_file_has_its_own_reason() {
    let twice =
        good().replacen("{\n", "{\n  \"Id\": \"one\",\n", 1).replace("\"Statement\"", "\"Id\": \"two\", \"Statement\"");
    let nested =
        good().replace("\"StringEquals\"", "\"comment\": \"one\",\n        \"comment\": \"two\", \"StringEquals\"");
    let bucket =
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "NotResource": "*"}]}"#;
    let inline = json!({"RoleName": "r", "PolicyName": "p", "PolicyDocument": {"Statement": []}}).to_string();
    let shell = Shell::new()
        .with_file("bucket.json", bucket)
        .with_file("comment.json", nested)
        .with_file("good.json", good())
        .with_file("inline.json", inline)
        .with_file("latin1.json", b"{\"\xe9\": 1}")
        .with_file("twice.json", twice)
        .with_file("utf16.json", b"\xff\xfe{\x00}\x00")
        .with_file("yaml.json", "Version: \"2012-10-17\"\n");
    let ran = shell.run("trust audit -f . -o json");
    let told = ran.json();
    assert_eq!((ran.code, &told["roles"], &told["trusting"]), (2, &json!(6), &json!(1)), "{ran}");
    let warning = &told["warnings"][0];
    assert_eq!(warning["id"], "permissions-policy-skipped");
    assert!(warning["message"].as_str().unwrap().ends_with("bucket.json, inline.json"), "{warning}");
    assert!(ran.stderr.contains("[permissions-policy-skipped]"), "{ran}");
    let unreadable: Vec<Value> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| json!([found["id"], found["source"], found["message"], found["evidence"]]))
        .collect();
    let line = |file: &str, what: &str, why: &str| {
        json!(["unreadable", file, format!("who may assume the role is not known: {what}"), [why]])
    };
    assert_eq!(
        unreadable,
        [
            line("comment.json", "comment.json cannot be read at line 12, column 17", "duplicate key \"comment\""),
            line("latin1.json", "cannot read latin1.json", "byte 3 is not UTF-8"),
            line("twice.json", "twice.json cannot be read at line 4, column 6", "duplicate key \"Id\""),
            line("utf16.json", "cannot read utf16.json", "it is UTF-16: save it as UTF-8"),
            line("yaml.json", "yaml.json is not valid JSON at line 1, column 1", "expected value"),
        ]
    );
    // Each can be accepted by itself, and what is skipped is no role.
    let one = shell.run("trust audit -f good.json -f bucket.json");
    assert!(one.code == 0 && one.stderr.contains("bucket.json is a permissions policy"), "{one}");
    assert!(one.stderr.ends_with("no findings in 1 role, 1 of which trusts an OIDC provider\n"), "{one}");
    let none = shell.run("trust audit -f bucket.json -f inline.json");
    assert!(none.code == 2 && none.stderr.contains("there is no trust policy to audit"), "{none}");
    let missing = shell.run("trust audit -f good.json -f missing -o json");
    assert_eq!((missing.code, missing.json()["findings"].as_array().unwrap().len()), (2, 1), "{missing}");
}

/// A sandbox with three roles of service accounts, one of which lets in every other one too.
fn account() -> Shell {
    let shell = Shell::new();
    for line in ["create good -p AmazonS3ReadOnlyAccess", "create other -p AmazonS3ReadOnlyAccess", "create open -q"] {
        assert_eq!(shell.run(line).code, 0);
    }
    let opened = shell.sandbox.edit(|state| {
        let role = state.roles.get_mut("sandbox-default-open");
        let statement = role.and_then(|role| role.trust_policy["Statement"].get_mut(0)).unwrap();
        statement["Sid"] = json!("Mine");
        statement["Condition"]["StringEquals"].as_object_mut().unwrap().retain(|key, _| key.ends_with(":aud"));
        Ok(())
    });
    opened.unwrap();
    shell
}

#[test]
fn who_can_names_the_service_accounts_that_exist() {
    let shell = account();
    let one = shell.run("trust who-can sandbox-default-good -o json").json();
    assert_eq!(one["role_arn"], "arn:aws:iam::123456789012:role/sandbox-default-good");
    let subjects = one["subjects"].as_array().unwrap();
    assert_eq!(subjects.len(), 1);
    assert_eq!(subjects[0]["pattern"], "system:serviceaccount:default:good");
    assert_eq!(subjects[0]["cluster"], "arn:aws:eks:us-east-1:123456789012:cluster/sandbox");
    assert_eq!((&subjects[0]["decision"], &subjects[0]["exact"]), (&json!("allow"), &json!(true)));
    assert_eq!(subjects[0]["service_accounts"], json!(["default/good"]));
    assert_eq!(subjects[0]["annotated"], json!(["default/good"]));
    assert_eq!((&one["findings"], &one["warnings"]), (&json!([]), &json!([])));

    let open = shell.run("trust who-can arn:aws:iam::123456789012:role/sandbox-default-open -o json").json();
    let accounts = open["subjects"][0]["service_accounts"].as_array().unwrap();
    assert!(
        ["default/good", "default/other", "default/open"].iter().all(|one| accounts.contains(&json!(one))),
        "{open}"
    );
    assert_eq!(
        (&open["subjects"][0]["annotated"], &open["findings"][0]["id"]),
        (&json!(["default/open"]), &json!("any-subject"))
    );
    assert_snapshot!("who_can_good", shell.run("trust who-can sandbox-default-good"));
}

#[test]
fn who_can_does_without_a_cluster() {
    let shell = account();
    shell.sandbox.faults().fail_before(At::every("service_accounts"), ("Forbidden", "not yours"));
    let denied = shell.run("trust who-can sandbox-default-good -o json");
    assert_eq!(denied.code, 0, "{denied}");
    assert_eq!(denied.json()["subjects"][0]["service_accounts"], json!(null));
    assert_eq!(denied.json()["warnings"][0]["id"], "cluster-unread");
    assert!(denied.stderr.contains("warning: ") && denied.stderr.contains("not yours"), "{denied}");
    // Neither option nor kubeconfig names a cluster.
    let shell = account().with_variable("IRSA_CLUSTER", "");
    let none = shell.run("trust who-can sandbox-default-good");
    assert!(none.code == 0 && none.stdout.contains("system:serviceaccount:default:good"), "{none}");
    assert!(none.stderr.contains("no cluster is named") && none.stderr.contains("[cluster-unread]"), "{none}");
    let silent = account();
    silent.sandbox.faults().hang("service_accounts");
    let ran = silent.run("trust who-can sandbox-default-good --timeout 200ms -o json");
    assert_eq!((ran.code, &ran.json()["warnings"][0]["id"]), (0, &json!("cluster-unread")), "{ran}");
}

#[test]
fn a_missing_role_is_told_with_the_nearest() {
    let shell = account();
    let missing = shell.run("trust who-can sandbox-default-goof -o json");
    assert_eq!((missing.code, &missing.json()["error"]["kind"]), (1, &json!("not_found")), "{missing}");
    assert!(missing.stderr.contains("did you mean sandbox-default-good"), "{missing}");
    let elsewhere = shell.run("trust who-can arn:aws:iam::210987654321:role/sandbox-default-good");
    assert_eq!(elsewhere.code, 1);
    assert!(elsewhere.stderr.contains("arn:aws:iam::123456789012:role/sandbox-default-good"), "{elsewhere}");
}

#[test]
fn the_account_is_audited_with_a_cluster_or_without() {
    let shell = account();
    let found = shell.run("trust audit -o json");
    let document = found.json();
    assert_eq!((found.code, &document["roles"], &document["trusting"]), (0, &json!(3), &json!(3)), "{found}");
    let finding = &document["findings"][0];
    assert_eq!((&finding["id"], &finding["severity"]), (&json!("any-subject"), &json!("high")), "{found}");
    assert_eq!(finding["role_arn"], "arn:aws:iam::123456789012:role/sandbox-default-open");
    assert_eq!(finding["statement"], "statement 1 (Mine)");
    assert!(finding["message"].is_string() && finding["evidence"].is_array() && finding["fix"].is_object(), "{found}");
    assert!(
        document["findings"].as_array().unwrap().iter().all(|one| one["role_arn"] == finding["role_arn"]),
        "{found}"
    );
    assert!(found.stderr.ends_with(" in 3 roles, 3 of which trust an OIDC provider\n"), "{found}");
    assert_eq!(shell.run("trust audit --fail-on high").code, 1);
    let accepted = shell.run("trust audit --fail-on medium --ignore any-subject:sandbox-default-open -o json");
    assert_eq!(accepted.code, 0, "{accepted}");
    assert_eq!(shell.run("trust audit --fail-on high --ignore any-subject:sandbox-default-good").code, 1);

    // A stale subject is known only where the service accounts are.
    let stale = |shell: &Shell, line: &str| {
        let ran = shell.run(line);
        let ids =
            ran.json()["findings"].as_array().unwrap().iter().map(|one| one["id"].to_string()).collect::<Vec<_>>();
        ids.contains(&"\"stale-subject\"".to_owned())
    };
    shell.sandbox.default_cluster().remove_service_account("default", "other").unwrap();
    assert!(stale(&shell, "trust audit -o json"));
    let shell = shell.with_variable("IRSA_CLUSTER", "");
    assert!(!stale(&shell, "trust audit -o json"));
    assert!(stale(&shell, "trust audit -o json --cluster sandbox"));
}

#[test]
fn roles_that_may_not_be_read_are_a_failure() {
    let shell = account();
    shell.sandbox.faults().fail_before(At::every("roles"), ("AccessDenied", "not authorized"));
    let ran = shell.run("trust audit -o json");
    assert_eq!((ran.code, &ran.json()["error"]["kind"]), (1, &json!("access_denied")), "{ran}");
    // Where findings are to fail, 1 means findings.
    let limited = shell.run("trust audit --fail-on high -o json");
    assert_eq!((limited.code, &limited.json()["error"]["kind"]), (4, &json!("access_denied")), "{limited}");
    assert_eq!(limited.json().get("decision"), None);
    // A log without results would close every alert that is open.
    assert_eq!(shell.run("trust audit -o sarif").stdout, "");
}

#[test]
fn files_are_audited_without_calling_anything() {
    let shell = shell();
    assert_snapshot!("audit_files", shell.run("trust audit -f good.json -f open.json --show-fixes"));
    let document = shell.run("trust audit -f . -o json").json();
    let finding = &document["findings"][0];
    assert_eq!((&document["roles"], &document["trusting"]), (&json!(3), &json!(3)));
    assert_eq!(
        (&finding["id"], &finding["source"], &finding["role_arn"]),
        (&json!("any-subject"), &json!("open.json"), &json!(null))
    );
    for (limit, code) in [("high", 1), ("low", 1), ("info", 1)] {
        assert_eq!(shell.run(&format!("trust audit -f open.json --fail-on {limit}")).code, code);
        assert_eq!(shell.run(&format!("trust audit -f good.json --fail-on {limit}")).code, 0);
    }
    assert_eq!(shell.run("trust audit -f open.json --fail-on high --ignore any-subject:*.json").code, 0);
    let read = shell.with_stdin(open()).run("trust audit -f - --fail-on high");
    assert!(read.code == 1 && read.stdout.contains("standard input"), "{read}");
}

#[test]
fn a_template_fails_where_what_it_becomes_would_fail() {
    let template = |text: String| text.replace("123456789012", "ACCOUNT_ID").replace("us-east-1", "${AWS_REGION}");
    let shell = shell().with_file("open-template.json", template(open())).with_file("template.json", template(good()));
    for (file, limit, code) in [("open-template", "high", 1), ("template", "low", 0), ("template", "info", 1)] {
        let ran = shell.run(&format!("trust audit -f {file}.json --fail-on {limit}"));
        assert_eq!(ran.code, code, "{file} {limit}: {ran}");
    }
    assert_snapshot!("audit_template", shell.run("trust audit -f open-template.json --show-fixes"));
}

#[test]
fn a_dump_is_audited_role_by_role() {
    let role = |name: &str, policy: &str| {
        let arn = format!("arn:aws:iam::123456789012:role/{name}");
        let policy: Value = serde_json::from_str(policy).unwrap();
        json!({"RoleName": name, "Arn": arn, "AssumeRolePolicyDocument": policy})
    };
    let dump = json!({"RoleDetailList": [role("good", &good()), role("wide", &open())], "UserDetailList": []});
    let shell = shell().with_file("dump.json", format!("{dump:#}"));
    let found = shell.run("trust audit -f dump.json -o json --fail-on high");
    assert_eq!((found.code, &found.json()["roles"]), (1, &json!(2)));
    assert_eq!(found.json()["findings"][0]["role_arn"], "arn:aws:iam::123456789012:role/wide");
    for (ignored, code) in [("any-subject", 0), ("any-subject:w*", 0), ("any-subject:good", 1), ("no-audience:wide", 1)]
    {
        assert_eq!(
            shell.run(&format!("trust audit -f dump.json --fail-on high --ignore {ignored}")).code,
            code,
            "{ignored}"
        );
    }
    // In SARIF, the line is that of the statement of this very role.
    let log = shell.run("trust audit -f dump.json -o sarif").json();
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "dump.json");
    let text = format!("{dump:#}");
    let line = usize::try_from(place["region"]["startLine"].as_u64().unwrap()).unwrap();
    let before = text.lines().take(line - 1).filter(|line| line.contains("\"Effect\"")).count();
    assert_eq!((text.lines().nth(line - 1).unwrap().trim(), before), ("{", 1));
}

const GITHUB: &str = "token.actions.githubusercontent.com";

/// A trust policy for tokens of another issuer than a cluster.
fn of_issuer(host: &str, condition: &Value) -> String {
    let arn = format!("arn:aws:iam::123456789012:oidc-provider/{host}");
    let principal = if host.starts_with("cognito") { host.to_owned() } else { arn };
    let statement = json!({"Effect": "Allow", "Principal": {"Federated": principal},
        "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition});
    format!("{:#}\n", json!({"Version": "2012-10-17", "Statement": [statement]}))
}

#[test]
fn findings_on_other_issuers_are_in_their_own_words() {
    let (sub, aud) = (format!("{GITHUB}:sub"), format!("{GITHUB}:aud"));
    let shell = Shell::new()
        .with_file("a.json", of_issuer(GITHUB, &json!({"StringEquals": {aud.clone(): "sts.amazonaws.com"}})))
        .with_file(
            "b.json",
            of_issuer(
                GITHUB,
                &json!({"StringEquals": {aud: "sts.amazonaws.com"}, "StringLike": {sub: "repo:my-org*"}}),
            ),
        )
        .with_file(
            "c.json",
            of_issuer(
                "gitlab.com",
                &json!({"StringEquals": {"gitlab.com:sub": "project_path:g/p:ref_type:branch:ref:*"}}),
            ),
        )
        .with_file("d.json", of_issuer("idp.example.com", &json!({"StringEquals": {"idp.example.com:aud": "a"}})))
        .with_file("e.json", of_issuer("cognito-identity.amazonaws.com", &json!({})));
    assert_snapshot!("audit_other_issuers", shell.run("trust audit -f . --show-fixes"));
}

#[test]
fn a_check_takes_any_subject_of_its_issuer() {
    let (sub, aud) = (format!("{GITHUB}:sub"), format!("{GITHUB}:aud"));
    let condition = json!({"StringEquals": {aud: "sts.amazonaws.com"}, "StringLike": {sub: "repo:my-org/app:*"}});
    let terraform = json!({"StringEquals": {"app.terraform.io:aud": "aws.workload.identity"}});
    let shell = shell()
        .with_file("github.json", of_issuer(GITHUB, &condition))
        .with_file("terraform.json", of_issuer("app.terraform.io", &terraform))
        .with_file("cognito.json", of_issuer("cognito-identity.amazonaws.com", &json!({})));
    let main = "repo:my-org/app:ref:refs/heads/main";
    let github = |subject: &str| {
        shell.run(&format!("trust check --document github.json --issuer https://{GITHUB} --subject {subject}"))
    };
    assert_eq!((github(main).code, github("repo:evil/app:x").code), (0, 1));
    assert_snapshot!("check_github", github(main));
    // The audience is the usual one of the issuer, unless it is given.
    let terraform = "trust check --document terraform.json --issuer https://app.terraform.io --subject organization:o";
    assert_eq!(shell.run(terraform).code, 0);
    assert_eq!(shell.run(&format!("{terraform} --audience sts.amazonaws.com")).code, 1);
    // Amazon Cognito is in no account, and has no ARN.
    let cognito =
        "trust check --document cognito.json --issuer https://cognito-identity.amazonaws.com --subject x -o json";
    assert_eq!(shell.run(cognito).json()["provider"], "cognito-identity.amazonaws.com");
    let of_cluster = shell.run(&format!("trust check --role r --subject {main} --cluster demo"));
    assert_eq!(of_cluster.code, 2, "{of_cluster}");
    assert!(
        of_cluster.stderr.contains("hint: for a subject of another issuer, such as GitHub Actions, use --issuer"),
        "{of_cluster}"
    );
    assert!(shell.sandbox.calls().is_empty());
}

#[test]
fn who_can_names_the_service_behind_an_issuer() {
    let shell = account();
    let edited = shell.sandbox.edit(|state| {
        let role = state.roles.get_mut("sandbox-default-good");
        let statements = role.and_then(|role| role.trust_policy["Statement"].as_array_mut()).unwrap();
        let pool = json!({"StringEquals": {"cognito-identity.amazonaws.com:aud": "us-east-1:pool"}});
        let document: Value = serde_json::from_str(&of_issuer("cognito-identity.amazonaws.com", &pool)).unwrap();
        statements.push(document["Statement"][0].clone());
        Ok(())
    });
    edited.unwrap();
    let who = shell.run("trust who-can sandbox-default-good -o json").json();
    let identities = &who["subjects"][0];
    assert_eq!(identities["issuer_name"], "Amazon Cognito", "{who}");
    assert_eq!(identities["cluster"], "https://cognito-identity.amazonaws.com");
    assert_eq!((&identities["service_accounts"], &who["findings"]), (&json!(null), &json!([])));
    assert_eq!(who["subjects"][1].get("issuer_name"), None, "a cluster has none");
    let text = shell.run("trust who-can sandbox-default-good").stdout;
    let row = text.lines().find(|line| line.starts_with("* ")).unwrap_or_default();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["*", "Amazon", "Cognito", "allow", "-"], "{text}");
}
