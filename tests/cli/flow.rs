//! The main job, line by line, in the text that people read.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::Shell;

#[test]
fn a_binding_from_its_dry_run_to_its_end() {
    let shell = Shell::new();
    assert_snapshot!(shell.run("create my-serviceaccount -p AmazonS3ReadOnlyAccess --dry-run"), @r"
    exit 0
    -- stdout
    default/my-serviceaccount: created (dry run)
      + create role             sandbox-default-my-serviceaccount
      + attach policy           arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
      + create service account  default/my-serviceaccount
    role arn:aws:iam::123456789012:role/sandbox-default-my-serviceaccount
    -- stderr
    ");
    assert_eq!(shell.run("create my-serviceaccount -p AmazonS3ReadOnlyAccess --check").code, 3);
    assert_snapshot!(shell.run("create my-serviceaccount -p AmazonS3ReadOnlyAccess"), @r"
    exit 0
    -- stdout
    default/my-serviceaccount: created
      + create role             sandbox-default-my-serviceaccount
      + attach policy           arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
      + create service account  default/my-serviceaccount
    role arn:aws:iam::123456789012:role/sandbox-default-my-serviceaccount
    -- stderr

    Pods get the role through their service account:

        spec:
          template:
            spec:
              serviceAccountName: my-serviceaccount

    Restart running pods to give them the role:

        kubectl -n default rollout restart deployment NAME
    ");
    assert_snapshot!(shell.run("create my-serviceaccount -p AmazonS3ReadOnlyAccess"), @r"
    exit 0
    -- stdout
    default/my-serviceaccount: unchanged
    role arn:aws:iam::123456789012:role/sandbox-default-my-serviceaccount
    -- stderr
    ");
    assert_eq!(shell.run("create my-serviceaccount -p AmazonS3ReadOnlyAccess --check").code, 0);
    assert_snapshot!(shell.run("get my-serviceaccount"), @r"
    exit 0
    -- stdout
    default/my-serviceaccount
      state             ok
      cluster           arn:aws:eks:us-east-1:123456789012:cluster/sandbox
      role              arn:aws:iam::123456789012:role/sandbox-default-my-serviceaccount
      managed by        irsa (created)
      annotation        arn:aws:iam::123456789012:role/sandbox-default-my-serviceaccount
      managed policies  arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
      inline policies   none
      subjects          default/my-serviceaccount
    -- stderr
    ");
    let update = "update my-serviceaccount --add-policy AmazonSQSReadOnlyAccess --remove-policy AmazonS3ReadOnlyAccess";
    // What goes leaves before what comes.
    assert_snapshot!(shell.run(update), @r"
    exit 0
    -- stdout
    default/my-serviceaccount: updated
      - detach policy  arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
      + attach policy  arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess
    role arn:aws:iam::123456789012:role/sandbox-default-my-serviceaccount
    -- stderr
    ");
    // Once more: nothing to remove, which is no failure.
    assert_snapshot!(shell.run(update), @r"
    exit 0
    -- stdout
    default/my-serviceaccount: unchanged
    role arn:aws:iam::123456789012:role/sandbox-default-my-serviceaccount
    -- stderr
    warning: policy AmazonS3ReadOnlyAccess is not on role sandbox-default-my-serviceaccount, so there is nothing to remove [nothing-to-remove]
    ");
    // What create does not name is kept, and told.
    assert_snapshot!(shell.run("create my-serviceaccount -p AmazonS3ReadOnlyAccess"), @r"
    exit 0
    -- stdout
    default/my-serviceaccount: updated
      + attach policy  arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
      = keep managed policy arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess (undeclared)
    role arn:aws:iam::123456789012:role/sandbox-default-my-serviceaccount
    -- stderr
    ");
    assert_snapshot!(shell.run("list"), @r"
    exit 0
    -- stdout
    SERVICE ACCOUNT            ROLE                               POLICIES  STATE  ISSUES
    default/my-serviceaccount  sandbox-default-my-serviceaccount  2         ok     -
    -- stderr
    ");
    let deleted = shell.run("delete my-serviceaccount");
    assert!(deleted.code == 0 && deleted.stdout.starts_with("default/my-serviceaccount: deleted\n"), "{deleted}");
    assert_snapshot!(shell.run("delete my-serviceaccount"), @r"
    exit 0
    -- stdout
    default/my-serviceaccount: unchanged (nothing to delete)
    -- stderr
    ");
    assert_snapshot!(shell.run("list"), @r"
    exit 0
    -- stdout
    -- stderr
    no bindings found on cluster sandbox
    ");
}

#[test]
fn the_document_of_a_deleted_inline_policy_is_printed_in_full() {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
    let shell = Shell::new().with_file("my bucket.json", policy).with_file("bucket.json", policy);
    assert_eq!(shell.run("create jobs-worker -p ./bucket.json -n default").code, 0);
    let deleted = shell.run("delete jobs-worker");
    assert!(deleted.stdout.contains("  - delete inline policy    bucket\n"), "{deleted}");
    assert!(deleted.stdout.contains(policy), "{deleted}");
}

#[test]
fn the_provider_of_a_cluster() {
    let shell = Shell::new();
    let arn = shell.run("provider show -o json").json()["arn"].as_str().unwrap().to_owned();
    let named = |text: String| text.replace(&arn, "[PROVIDER]");
    assert_snapshot!(named(shell.run("provider delete").to_string()), @r"
    exit 0
    -- stdout
    arn:aws:eks:us-east-1:123456789012:cluster/sandbox: deleted
      - delete provider  [PROVIDER]
    -- stderr
    ");
    assert_snapshot!(named(shell.run("create a").to_string()), @r#"
    exit 1
    -- stdout
    -- stderr
    error: cluster arn:aws:eks:us-east-1:123456789012:cluster/sandbox has no OIDC provider in IAM
      caused by: there is no [PROVIDER]; STS would answer "No OpenIDConnect provider found in your account"
      hint: create it together with the binding by --create-provider, or create it alone with `irsa provider create`
    "#);
    let shown = shell.run("provider show");
    assert!(shown.stdout.contains("exists            no"), "{shown}");
    assert_eq!(shown.stderr, "hint: create it with `irsa provider create`\n");
    assert_eq!(shell.run("provider create --check").code, 3);
    assert_snapshot!(named(shell.run("provider create").to_string()), @r"
    exit 0
    -- stdout
    arn:aws:eks:us-east-1:123456789012:cluster/sandbox: created
      + create provider  [PROVIDER]
    -- stderr
    ");
    assert!(shell.run("provider create").stdout.ends_with("cluster/sandbox: unchanged\n"));
}

#[test]
fn the_sandbox_is_kept_in_a_file_of_the_current_folder() {
    let shell = Shell::new().with_variable("IRSA_CLUSTER", "somewhere-else");
    assert_eq!(shell.run_live("create a -p AmazonS3ReadOnlyAccess --sandbox -q").code, 0);
    assert!(shell.path().join("irsa-sandbox.json").is_file());
    assert_eq!(shell.run_live("--sandbox get a").code, 0);
    assert_eq!(shell.run_live("get a --sandbox=other.json").code, 1);
}

#[test]
fn the_role_of_a_binding_is_shown_without_its_account() {
    let shell = Shell::new();
    assert_eq!(shell.run("create sa --role-only -p AmazonS3ReadOnlyAccess -q").code, 0);
    assert_eq!(shell.run("get sa -o json").json()["state"], "unbound");
    shell.sandbox.faults().clear_calls();
    let shown = shell.run("get sa --role-only -o json").json();
    assert_eq!((&shown["state"], &shown["issues"]), (&json!("ok"), &json!([])));
    assert!(shell.sandbox.calls().iter().all(|call| !call.method.contains("service_account")));
    assert_eq!(shell.run("get other --role-only").code, 1);

    assert_eq!(shell.run("create jobs/b --create-namespace --subject default/c --subject-pattern jobs/x-* -q").code, 0);
    shell.sandbox.faults().clear_calls();
    let listed = |line: &str| -> Vec<String> {
        let text = |view: &Value, key: &str| view[key].as_str().unwrap_or("-").to_owned();
        let views = shell.run(line).json();
        let views = views.as_array().unwrap().iter();
        views
            .map(|v| {
                [text(v, "namespace"), text(v, "service_account"), text(v, "annotation"), text(v, "state")].join(" ")
            })
            .collect()
    };
    assert_eq!(
        listed("list --role-only -o json"),
        ["default c - ok", "default sa - ok", "jobs b - ok", "jobs x-* - ok"]
    );
    assert_eq!(listed("list --role-only -n jobs -o json"), ["jobs b - ok", "jobs x-* - ok"]);
    assert!(shell.sandbox.calls().iter().all(|call| !call.method.contains("service_account")));
}
