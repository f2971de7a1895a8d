//! Input that is refused by itself: exit 2, the field, the value and the rule on standard error, and nothing called.

use insta::assert_snapshot;

use super::Shell;

const ARN: &str = "arn:aws:eks:us-east-1:123456789012:cluster/demo";

/// A shell with files that policies can be read from.
fn shell() -> Shell {
    let allow = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
    Shell::new()
        .with_file("good.json", allow)
        .with_file("broken.json", "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [}\n")
        .with_file("misspelt.json", allow.replace("Resource", "Resorce"))
        .with_file("twice.json", r#"{"Version": "2012-10-17", "Version": "2008-10-17", "Statement": []}"#)
        .with_file("long.json", " ".repeat(1024 * 1024 + 1))
        .with_file("latin1.json", b"{\"\xe9\": 1}")
        .with_file("sid.json", allow.replace("\"Effect\"", "\"Sid\": \"a b\", \"Effect\""))
        .with_file("policy.yaml", "Version: \"2012-10-17\"\nStatement: []\n")
        .with_file("policy.v2", allow)
}

/// Runs lines that must be refused; the snapshot is what each of them says.
fn refused(lines: &[&str]) -> String {
    let shell = shell();
    let mut said = String::new();
    for line in lines {
        let ran = shell.run(line);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{line}: {ran}");
        assert!(ran.stderr.starts_with("error: "), "{line}: {ran}");
        assert!(!ran.stderr.contains("--help says"), "a hint that helps with nothing: {line}: {ran}");
        said += &format!("$ irsa {line}\n{}", ran.stderr);
    }
    assert!(shell.sandbox.calls().is_empty(), "something was called: {:?}", shell.sandbox.calls());
    said
}

#[test]
fn names() {
    let long = format!("create {}", "x".repeat(254));
    let role = format!("create a --role-name {}", "r".repeat(65));
    assert_snapshot!(refused(&[
        "create My_Account",
        "create a/b/c",
        "create default/",
        "create a -n Jobs",
        "create jobs/a -n other",
        &long,
        "create a --cluster my.cluster",
        "create a --cluster https://oidc.example/id/A",
        "create a --role-name s3/reader",
        &role,
        "create a --role-path gen3_service",
        "get a --role-name s3:reader",
        "get -- -a",
        "list -n A",
        "create a --region Mars",
    ]));
}

#[test]
fn arns() {
    let other_account = format!("create a --cluster {ARN} -p arn:aws:iam::210987654321:policy/p");
    let other_partition = format!("create a --cluster {ARN} -p arn:aws-cn:iam::aws:policy/AmazonS3ReadOnlyAccess");
    let other_region = format!("create a --cluster {ARN} --region eu-west-1");
    let other_cluster =
        format!("create a --cluster {ARN} --subject arn:aws-cn:eks:cn-north-1:123456789012:cluster/x:b/c");
    assert_snapshot!(refused(&[
        "create a -p arn:aws:iam::123456789012:role/r",
        "create a -p arn:aws:s3:::bucket",
        "create a --permissions-boundary boundary",
        "create a --cluster arn:aws:iam::123456789012:role/r",
        &other_account,
        &other_partition,
        &other_region,
        &other_cluster,
    ]));
}

#[test]
fn documents() {
    assert_snapshot!(refused(&[
        "create a -p ./broken.json",
        "create a -p misspelt.json",
        "create a -p twice.json",
        "create a -p long.json",
        "create a -p latin1.json",
        "create a -p missing.json",
        "create a -p file://missing",
        "create a -p ./",
        "create a --inline-policy good.json",
        "create a --inline-policy bad*name=good.json",
        "create a -p good.json --inline-policy good=./good.json",
        "create a --trust-statement good.json",
        "create a -p sid.json",
        "create a -p policy.yaml",
        "create a -p ./policy.yaml",
        "create a --inline-policy p=policy.yaml",
        "create a --trust-statement policy.yaml",
        "update a --add-policy policy.v2",
    ]));
}

#[test]
fn settings() {
    assert_snapshot!(refused(&[
        "create a --tag team",
        "create a --tag aws:team=x",
        "create a --tag team=x --tag Team=x",
        "create a --tag irsa.gen3.org/owner=me",
        "create a --label app.kubernetes.io/managed-by=Helm",
        "create a --label team=-",
        "create a --annotation eks.amazonaws.com/role-arn=x",
        "create a --max-session-duration 60",
        "create a --max-session-duration 1h",
        "create a --token-expiration 90000",
        "create a --sts-regional-endpoints yes",
        "create a --audience=",
        "create a --subject b",
        "create a --subject jobs/*",
        "create a --subject-pattern jobs/worker",
        "create a --timeout 0s",
        "create a --timeout soon",
        "provider create --audience=",
        "permissions provider creat",
    ]));
}

#[test]
fn contradictions() {
    assert_snapshot!(refused(&[
        "create a --sandbox --profile dev",
        "create a --sandbox --region us-east-1",
        "create a --sandbox --kubeconfig k",
        "create a --sandbox --context c",
        "create a --sandbox --endpoint-url http://localhost",
        "create a --issuer https://oidc.example/id/A",
        "create a --account 123456789012",
        "create a --issuer http://oidc.example --account 123456789012",
        "create a --issuer https://oidc.example --account 12",
        "create a --endpoint-url localhost:5000",
        "create a --role-only --create-namespace",
        "create a --role-only --label team=x",
        "update a -p P --remove-policy P",
        "update a --add-subject b/c --remove-subject b/c",
        "update a --remove-subject default/a",
        "delete a --keep-role --force",
    ]));
}

#[test]
fn unknown_words() {
    assert_snapshot!(refused(&[
        "creat a",
        "create a --polcy P",
        "create",
        "create a -o yaml",
        "create a b",
        "completions tcsh"
    ]));
}

/// What aws-iam-authenticator's users had: the current context is not in the file.
const DANGLING: &str = r"
apiVersion: v1
kind: Config
current-context: aws
clusters:
- {name: dev-app, cluster: {server: 'https://ABCDEF0123456789ABCDEF0123456789.gr7.us-east-1.eks.amazonaws.com'}}
contexts:
- {name: dev-app, context: {cluster: dev-app, user: u}}
users:
- name: u
  user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws-iam-authenticator, args: [token, -i, demo]}}
";

#[test]
fn a_context_that_does_not_exist_is_named_with_those_that_do() {
    let with = |kubeconfig| {
        let shell = Shell::new().with_variable("IRSA_CLUSTER", "").with_file("config", DANGLING);
        shell.with_variable("KUBECONFIG", kubeconfig)
    };
    let (shell, missing) = (with("config"), with("missing"));
    assert_snapshot!(shell.run("create a"), @r#"
    exit 2
    -- stdout
    -- stderr
    error: cannot use the kubeconfig [FOLDER]/config
      caused by: the current context "aws" does not exist
      hint: the kubeconfig has the context "dev-app"
    "#);
    assert_snapshot!(shell.run("create a --context dev-ap"), @r#"
    exit 2
    -- stdout
    -- stderr
    error: cannot use the kubeconfig [FOLDER]/config
      caused by: context "dev-ap" does not exist
      hint: did you mean dev-app?
    "#);
    assert_snapshot!(shell.run("list --cluster demo --context nope"), @r#"
    exit 2
    -- stdout
    -- stderr
    error: cannot use the kubeconfig [FOLDER]/config
      caused by: context "nope" does not exist
      hint: the kubeconfig has the context "dev-app"
    "#);
    assert_snapshot!(shell.run("create a --role-only --cluster demo --context nope"), @r#"
    exit 2
    -- stdout
    -- stderr
    error: cannot use the kubeconfig [FOLDER]/config
      caused by: context "nope" does not exist
      hint: the kubeconfig has the context "dev-app"
    "#);
    assert_snapshot!(missing.run("create a --context nope"), @r#"
    exit 2
    -- stdout
    -- stderr
    error: cannot use the kubeconfig
      caused by: context "nope" does not exist
      hint: there is no kubeconfig at [FOLDER]/missing: name the file, or set KUBECONFIG
    "#);
}

#[test]
fn without_a_cluster_nothing_is_guessed() {
    let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: kind-x\ncontexts:\n- {name: kind-x, context: {cluster: c, user: u}}\n";
    let shell = Shell::new().with_variable("IRSA_CLUSTER", "").with_file("config", kubeconfig);
    assert_snapshot!(shell.run("list"), @r"
    exit 2
    -- stdout
    -- stderr
    error: no cluster is named
      caused by: there is no kubeconfig with a current context
      hint: name it with --cluster or IRSA_CLUSTER, or try things out with --sandbox
    ");
    assert_snapshot!(shell.run("list --kubeconfig config"), @r#"
    exit 2
    -- stdout
    -- stderr
    error: no cluster is named
      caused by: context "kind-x" of the kubeconfig does not say that it is that of an EKS cluster
      hint: name it with --cluster or IRSA_CLUSTER, or try things out with --sandbox
    "#);
    assert_snapshot!(shell.run("list --kubeconfig nowhere"), @r"
    exit 2
    -- stdout
    -- stderr
    error: cannot read the kubeconfig [FOLDER]/nowhere
      caused by: there is no such file
      hint: name a file with --kubeconfig, or leave it out: KUBECONFIG or ~/.kube/config is read
    ");
    let variable = shell.with_variable("KUBECONFIG", "config").run("list");
    assert!(variable.code == 2 && variable.stderr.contains("kind-x"), "{variable}");
}
