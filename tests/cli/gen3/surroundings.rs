//! What the drop-in takes from its surroundings, leaves in them and tells: B15, B19, B24, B25, B26, B28. That no proxy is
//! forced (B27) is tested where servers are reached, and end to end.

use insta::assert_snapshot;
use irsa_core::sandbox::At;

use super::super::{Connect, Environment, Target};
use super::{GET, S3, shell};

#[test]
fn b15_nothing_is_left_in_the_working_folder() {
    let shell = shell().with_file("pol.json", GET);
    let files = || {
        let entries = std::fs::read_dir(shell.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    for line in [
        "-c sa -p pol.json",
        "-c sa -p arn:aws:iam::aws:policy/Nothing",
        "-u sa -p nothing -a d",
        "-u sa -p pol.json -a d",
        "-u sa -p pol.json -a x",
        "-l sa",
        "--delete sa",
    ] {
        let _ = shell.gen3(line);
        assert_eq!(files(), ["pol.json"], "{line}");
    }
}

#[test]
fn b19_variables_of_the_script_do_not_leak_in() {
    let mut shell = shell();
    for (name, value) in [
        ("ROLE_NAME", "leaked"),
        ("POLICY_SCRIPT", S3),
        ("UPDATE_ACTION", "a"),
        ("ACTION", "c"),
        ("SERVICE_ACCOUNT_NAME", "leaked"),
        ("NAMESPACE_SCRIPT", "kube-system"),
    ] {
        shell = shell.with_variable(name, value);
    }
    shell.fails(2, "-c sa", "-c requires a policy");
    shell.fails(2, "", "no service account given");
    assert_eq!(shell.done(&format!("-c sa -p {S3}")), "sandbox-sa-role\n");
    assert!(shell.annotation("default", "sa").is_some());
}

/// Surroundings in which nothing may be reached.
#[derive(Debug)]
struct Unreachable;

#[async_trait::async_trait]
impl Connect for Unreachable {
    async fn connect(
        &self,
        _: &Environment,
        _: &Target,
        _: &[irsa_core::name::ClusterRef],
    ) -> irsa_core::Result<irsa_core::Client> {
        panic!("a client was made")
    }

    async fn server(
        &self,
        _: &Environment,
        _: &Target,
    ) -> irsa_core::Result<std::sync::Arc<dyn irsa_core::backend::ConfigMapReader>> {
        panic!("an API server was reached")
    }

    async fn interrupted(&self) {}
}

#[test]
fn b24_help_needs_neither_aws_nor_a_cluster() {
    let shell = shell().with_variable("vpc_name", "").with_variable("KUBECONFIG", "/nowhere");
    for line in ["-h", "--help", "-c sa -h", "-hc sa", "-p X --help"] {
        let ran = shell.run_with(&Unreachable, &format!("iam-serviceaccount {line}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
        // What the script's own help tells, in correct words.
        for words in
            ["-c, --create <NAME>", "-u, --update", "-l, --list", "-p, --policy", "-a, --action", "-n, --namespace"]
        {
            assert!(ran.stdout.contains(words), "{words}: {ran}");
        }
        assert!(!ran.stdout.contains("namepace"), "{ran}");
    }
}

#[test]
fn b25_a_dry_run_and_a_document_for_programs() {
    let shell = shell();
    let line = format!("-c sa -p {S3}");
    assert_snapshot!(shell.gen3(&format!("{line} --dry-run")), @r"
    exit 0
    -- stdout
    sandbox-sa-role
    -- stderr
    default/sa: created (dry run)
      + create role             sandbox-sa-role
      + attach policy           arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
      + create service account  default/sa
    role arn:aws:iam::123456789012:role/sandbox-sa-role
    ");
    assert_eq!(shell.gen3(&format!("{line} --check")).code, 3);
    assert!(shell.roles().is_empty());
    let made = shell.gen3(&format!("{line} -o json")).json();
    assert_eq!((&made["role_name"], &made["changed"]), (&"sandbox-sa-role".into(), &true.into()));
    assert_eq!(shell.gen3(&format!("{line} --check")).code, 0);
    let listed = shell.gen3("-l sa -o json").json();
    assert_eq!((&listed["managed_policies"][0], &listed["state"]), (&S3.into(), &"ok".into()));
    let failed = shell.gen3("-u sa -p nothing -a d -o json");
    assert_eq!((failed.code, &failed.json()["error"]["kind"]), (1, &"not_found".into()));
    assert_eq!(shell.gen3("--delete sa -o json").json()["changed"], true);
}

#[test]
fn b26_pods_that_run_are_spoken_of() {
    let shell = shell();
    assert_snapshot!(shell.gen3(&format!("-c sa -p {S3}")), @r"
    exit 0
    -- stdout
    sandbox-sa-role
    -- stderr
    default/sa: created
      + create role             sandbox-sa-role
      + attach policy           arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
      + create service account  default/sa
    role arn:aws:iam::123456789012:role/sandbox-sa-role

    Pods get the role through their service account:

        spec:
          template:
            spec:
              serviceAccountName: sa

    Restart running pods to give them the role:

        kubectl -n default rollout restart deployment NAME
    ");
    // A policy reaches pods that run: nothing is to be done.
    assert_snapshot!(shell.gen3("-u sa -p AmazonSQSReadOnlyAccess -a a"), @r"
    exit 0
    -- stdout
    -- stderr
    default/sa: updated
      + attach policy  arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess
    role arn:aws:iam::123456789012:role/sandbox-sa-role
    ");
    assert_eq!(shell.gen3(&format!("-c sb -p {S3} -q")).stderr, "");
}

#[test]
fn b28_no_failure_is_hidden() {
    let line = format!("-c sa -p {S3}");
    let calls = {
        let shell = shell().with_variable("vpc_name", "");
        shell.sandbox.default_cluster().put_config_map("default", "global", &[("environment", "sandbox")]).unwrap();
        shell.done(&line);
        shell.sandbox.calls()
    };
    assert!(calls.len() > 10, "{calls:?}");
    // Whatever call fails: the code says so, and the caller reads no name.
    for call in &calls {
        let shell = shell().with_variable("vpc_name", "");
        shell.sandbox.default_cluster().put_config_map("default", "global", &[("environment", "sandbox")]).unwrap();
        shell.sandbox.faults().fail_before(At::every(call.method), ("AccessDenied", "not authorized"));
        let ran = shell.gen3(&line);
        // That the quotas are not known, or the policy, or the namespace, is no failure: the write tells.
        let allowed = ["quotas", "policy", "namespace"].contains(&call.method);
        let expected = if allowed { (0, "sandbox-sa-role\n") } else { (1, "") };
        assert_eq!((ran.code, ran.stdout.as_str()), expected, "{}: {ran}", call.method);
        assert!(allowed || (ran.stderr.contains("error: ") && shell.roles().is_empty()), "{}: {ran}", call.method);
    }
}
