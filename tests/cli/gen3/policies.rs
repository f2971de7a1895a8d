//! What `-p` and `-a` mean: B1, B2, B3, B7, B8, B14, B16, B17, B18, B20.

use irsa_core::Sandbox;
use serde_json::{Value, json};

use super::{GET, PUT, S3, shell};

#[test]
fn b1_policies_of_the_account_by_arn_and_by_name() {
    let shell = shell();
    let mine = shell.sandbox.add_policy("/team/", "mine").unwrap().to_string();
    for policy in [mine.as_str(), "mine", "team/mine"] {
        shell.done(&format!("-c sa -p {policy}"));
        assert!(shell.has("sandbox-sa-role", &mine), "{policy}");
        shell.done(&format!("-u sa -p {policy} -a d"));
        assert!(shell.role("sandbox-sa-role").unwrap().attached.is_empty(), "{policy}");
        shell.done(&format!("-u sa -p {policy} -a a"));
        assert_eq!(shell.done("-l sa"), "mine\n", "{policy}");
    }
    let elsewhere = "arn:aws:iam::210987654321:policy/mine";
    shell.fails(1, &format!("-c other -p {elsewhere}"), "does not exist");
}

#[test]
fn b2_policies_of_aws_by_name() {
    let shell = shell();
    shell.done("-c sa -p AmazonS3ReadOnlyAccess");
    shell.done("-u sa -p AmazonEBSCSIDriverPolicy -a a");
    assert_eq!(shell.done("-l sa"), "AmazonS3ReadOnlyAccess\nAmazonEBSCSIDriverPolicy\n");
    shell.done("-u sa -p AmazonS3ReadOnlyAccess -a d");
    assert_eq!(shell.done("-l sa"), "AmazonEBSCSIDriverPolicy\n");
}

#[test]
fn b3_other_partitions() {
    for (region, partition, host) in [
        ("us-gov-west-1", "aws-us-gov", "oidc.eks.us-gov-west-1.amazonaws.com/id/"),
        ("cn-north-1", "aws-cn", "oidc.eks.cn-north-1.amazonaws.com.cn/id/"),
    ] {
        let mut shell = shell();
        shell.sandbox = Sandbox::in_account("123456789012".parse().unwrap(), region.parse().unwrap());
        let managed = format!("arn:{partition}:iam::aws:policy/AmazonS3ReadOnlyAccess");
        assert_eq!(shell.done("-c sa -p AmazonS3ReadOnlyAccess"), "sandbox-sa-role\n");
        shell.done(&format!("-u sa -p {managed} -a d"));
        shell.done(&format!("-u sa -p {managed} -a a"));
        let role = shell.role("sandbox-sa-role").unwrap();
        assert!(shell.has("sandbox-sa-role", &managed), "{role:?}");
        let provider = &role.trust_policy["Statement"][0]["Principal"]["Federated"];
        let begins = format!("arn:{partition}:iam::123456789012:oidc-provider/{host}");
        assert!(provider.as_str().unwrap().starts_with(&begins), "{provider}");
        let arn = format!("arn:{partition}:iam::123456789012:role/sandbox-sa-role");
        assert_eq!(shell.annotation("default", "sa"), Some(arn));
        shell.fails(1, &format!("-c b -p {S3}"), "does not exist");
    }
}

#[test]
fn b7_a_file_has_one_policy_of_one_name() {
    let shell = shell().with_file("pol.v2.json", GET).with_file("replicatePolicy", GET);
    let inline = |name: &str| -> Option<Value> { shell.role("sandbox-sa-role").unwrap().inline.get(name).cloned() };
    shell.done("-c sa -p pol.v2.json");
    shell.done("-u sa -p pol.v2.json -a a");
    shell.done("-u sa -p ./pol.v2.json -a a");
    assert_eq!(shell.done("-l sa"), "pol.v2\n");
    // A file without a suffix is a file too, since it is there.
    shell.done("-u sa -p replicatePolicy -a a");
    assert_eq!(shell.done("-l sa"), "pol.v2\nreplicatePolicy\n");
    // A changed file changes the policy.
    std::fs::write(shell.path().join("pol.v2.json"), PUT).unwrap();
    shell.done("-u sa -p pol.v2.json -a a");
    assert_eq!(inline("pol.v2"), serde_json::from_str(PUT).unwrap());
}

#[test]
fn a_file_that_is_there_comes_before_arns_and_names() {
    let shell = shell().with_file("AmazonS3ReadOnlyAccess", GET);
    shell.done("-c sa -p AmazonS3ReadOnlyAccess");
    assert!(shell.role("sandbox-sa-role").unwrap().inline.contains_key("AmazonS3ReadOnlyAccess"));
    assert!(!shell.has("sandbox-sa-role", S3));
    std::fs::remove_file(shell.path().join("AmazonS3ReadOnlyAccess")).unwrap();
    shell.done("-u sa -p AmazonS3ReadOnlyAccess -a a");
    assert!(shell.has("sandbox-sa-role", S3));
    // A folder is no file.
    std::fs::create_dir(shell.path().join("AmazonSQSReadOnlyAccess")).unwrap();
    shell.done("-u sa -p AmazonSQSReadOnlyAccess -a a");
    assert!(shell.has("sandbox-sa-role", "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"));
}

#[test]
fn b7_copies_that_mean_the_same_are_replaced() {
    let shell = shell().with_file("pol.json", GET);
    let spaced = GET.replace("\"s3:GetObject\"", "[ \"s3:GetObject\" ]");
    shell.script(
        "default",
        "sa",
        "sandbox-sa-role",
        &[("pol-1595000000", &spaced), ("pol-1695000000", PUT), ("other-1695000000", GET)],
    );
    let ran = shell.gen3("-u sa -p pol.json -a a -o json");
    let steps: Vec<String> =
        ran.json()["steps"].as_array().unwrap().iter().map(|step| step["action"].to_string()).collect();
    // The right is held all the way: what grants it comes before what granted it goes.
    let position = |action: &str| steps.iter().position(|step| step.contains(action)).unwrap();
    assert!(position("put_inline_policy") < position("delete_inline_policy"), "{ran}");
    // What says something else stays, and is told.
    assert_eq!(shell.done("-l sa"), "AmazonS3ReadOnlyAccess\nother-1695000000\npol\npol-1695000000\n");
    let extra = &shell.gen3("-u sa -p pol.json -a a -o json").json()["undeclared"];
    assert!(extra.as_array().unwrap().contains(&json!({"kind": "inline_policy", "name": "pol-1695000000"})), "{extra}");
}

#[test]
fn b8_a_file_tells_which_policy_goes() {
    let copies = [("pol-1595000000", GET), ("pol-1695000000", PUT), ("pol-x", GET), ("other-1695000000", GET)];
    for line in ["-u sa -p pol.json -a d", "-u sa -p ./gone/pol.json -a d", "-u sa -p pol -a d"] {
        let shell = shell().with_file("pol.json", GET);
        shell.script("default", "sa", "sandbox-sa-role", &copies);
        shell.done("-u sa -p pol.json -a a");
        assert!(shell.done("-l sa").contains("\npol\n"));
        shell.done(line);
        assert_eq!(shell.done("-l sa"), "AmazonS3ReadOnlyAccess\nother-1695000000\npol-x\n", "{line}");
    }
    // One copy by its own name.
    let shell = shell();
    shell.script("default", "sa", "sandbox-sa-role", &copies);
    shell.done("-u sa -p pol-1595000000 -a d");
    assert_eq!(shell.done("-l sa"), "AmazonS3ReadOnlyAccess\nother-1695000000\npol-1695000000\npol-x\n");
}

#[test]
fn b8_files_that_the_script_called_the_same_are_told_apart() {
    let shell = shell().with_file("policy.fence.json", GET).with_file("policy.sower.json", PUT);
    let copies = [("policy-1590000000", GET), ("policy-1590000099", PUT)];
    shell.script("default", "sa", "sandbox-sa-role", &copies);
    shell.done("-u sa -p policy.sower.json -a d");
    assert_eq!(shell.done("-l sa"), "AmazonS3ReadOnlyAccess\npolicy-1590000000\n");
    // A file that is gone does not say which of them was made of it.
    shell.fails(1, "-u sa -p gone/policy.fence.json -a d", "role sandbox-sa-role has no inline policy of that name");
    assert_eq!(shell.done("-l sa"), "AmazonS3ReadOnlyAccess\npolicy-1590000000\n");
}

#[test]
fn b8_a_file_means_no_managed_policy() {
    let shell = shell().with_file("mine.json", GET);
    shell.sandbox.add_policy("/", "mine").unwrap();
    shell.done("-c sa -p mine");
    let ran = shell.gen3("-u sa -p mine.json -a d");
    assert!(ran.code == 0 && ran.stderr.contains("inline policy mine is not on role"), "{ran}");
    assert_eq!(shell.done("-l sa"), "mine\n");
    shell.done("-u sa -p mine.json -a a");
    // Both have the name now.
    shell.fails(1, "-u sa -p mine -a d", "policy mine is not one policy but 2");
}

#[test]
fn b14_white_space_and_nothing_are_what_they_are() {
    let shell = shell().with_file("my policy.json", GET);
    let ran = shell.run_words(&["iam-serviceaccount", "-c", "sa", "-p", "my policy.json"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(shell.done("-l sa"), "my-policy\n");
    for words in [["-c", "sa", "-p", ""], ["-c", "", "-p", S3], ["-c", "sa", "-p", "a b"], ["-l", "sa", "-n", "a b"]] {
        let ran = shell.run_words(&[&["iam-serviceaccount"], &words[..]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}: {ran}");
    }
}

#[test]
fn b16_a_policy_that_does_not_exist_is_never_taken_for_one() {
    let shell = shell();
    shell.fails(1, "-c sa -p AmazonS3ReadOnlyAcces", "did you mean AmazonS3ReadOnlyAccess");
    shell.fails(1, "-c sa -p arn:aws:iam::aws:policy/AmazonS3ReadOnlyAcces", "does not exist");
    assert!(shell.roles().is_empty());
}

#[test]
fn b17_actions_are_a_u_and_d() {
    let shell = shell();
    shell.done(&format!("-c sa -p {S3}"));
    for action in ["x", "A", "add", "update", "delete", "ad"] {
        shell.fails(2, &format!("-u sa -p AmazonSQSReadOnlyAccess -a {action}"), "must be a or u to add, or d");
    }
    shell.done("-u sa -p AmazonSQSReadOnlyAccess -a u");
    assert_eq!(shell.done("-l sa"), "AmazonS3ReadOnlyAccess\nAmazonSQSReadOnlyAccess\n");
}

#[test]
fn b18_an_unknown_policy_is_told() {
    let shell = shell().with_file("pol.json", GET);
    shell.done("-c sa -p pol.json");
    shell.fails(1, "-u sa -p nothing -a a", "policy nothing does not exist");
    let said = shell.fails(1, "-u sa -p poll -a d", "policy poll does not exist");
    assert!(said.contains("role sandbox-sa-role has none of that name either"), "{said}");
    assert!(said.contains("did you mean pol?"), "{said}");
    shell.fails(1, "-u sa -p arn:aws:iam::aws:policy/Nothing -a d", "does not exist");
    let said = shell.fails(1, "-u sa -p ./poll.json -a d", "cannot remove inline policy poll");
    assert!(
        said.contains("role sandbox-sa-role has no inline policy of that name") && said.contains("did you mean pol?"),
        "{said}"
    );
    // A policy that there is, but not on the role, is gone already; so is that of a file that is there.
    let shell = shell.with_file("x.json", GET);
    for line in
        [format!("-u sa -p {S3} -a d"), "-u sa -p AmazonS3ReadOnlyAccess -a d".into(), "-u sa -p x.json -a d".into()]
    {
        let ran = shell.gen3(&line);
        assert!(ran.code == 0 && ran.stderr.contains("[nothing-to-remove]"), "{ran}");
    }
    shell.fails(1, "-u other -p pol.json -a a", "there is no binding default/other");
}

#[test]
fn b20_names_are_no_programs() {
    let shell = shell();
    for policy in [r#"x")"#, r#"" or true or ""#, "$(id)", "`id`", "a;b", "a\"b", "a'b"] {
        let ran = shell.run_words(&["iam-serviceaccount", "-c", "sa", "-p", policy]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{policy}: {ran}");
        assert!(ran.stderr.contains("error: policy"), "{policy}: {ran}");
    }
    assert!(shell.sandbox.calls().is_empty());
}
