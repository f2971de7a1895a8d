//! What fails after something was called: exit 1, told apart by kind, with nothing left unmentioned.

use insta::assert_snapshot;

use super::Shell;

#[test]
fn what_is_missing_is_named_with_the_nearest_and_leaves_nothing_made() {
    let shell = Shell::new();
    for (line, kind, words) in [
        ("create a --cluster sandbx", "not_found", "cluster sandbx does not exist"),
        ("create a -p AmazonS3ReadOnlyAcces", "not_found", "did you mean AmazonS3ReadOnlyAccess"),
        ("create a -n nowhere", "not_found", "namespace nowhere does not exist"),
        ("create a --audience other", "not_found", "does not take the audience other"),
        ("update a -p AmazonS3ReadOnlyAccess", "not_found", "default/a"),
        ("get a", "not_found", "default/a"),
    ] {
        let ran = shell.run(&format!("{line} -o json"));
        assert_eq!(ran.code, 1, "{line}: {ran}");
        assert_eq!(ran.json()["error"]["kind"], kind, "{line}: {ran}");
        assert!(ran.stderr.contains(words), "{line}: {ran}");
    }
    assert!(shell.sandbox.state().unwrap().roles.is_empty());
}

const DENIED: (&str, &str) = ("AccessDenied", "User: arn:aws:iam::123456789012:user/x is not authorized");

#[test]
fn a_refused_write_is_told_with_what_was_rolled_back() {
    let shell = Shell::new();
    shell.sandbox.faults().fail_before("attach_policy", DENIED);
    assert_snapshot!(shell.run("create a -p AmazonS3ReadOnlyAccess"), @r"
    exit 1
    -- stdout
    default/a: failed
      < create role             sandbox-default-a  rolled back
      ! attach policy           arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess  failed: cannot attach policy arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess to role sandbox-default-a: AccessDenied: User: arn:aws:iam::123456789012:user/x is not authorized
      < create service account  default/a  rolled back
    -- stderr
    error: cannot attach policy arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess to role sandbox-default-a
      caused by: AccessDenied: User: arn:aws:iam::123456789012:user/x is not authorized
    ");
}

#[test]
fn time_runs_out() {
    let shell = Shell::new();
    shell.sandbox.faults().hang("role");
    let ran = shell.run("get a --timeout 50ms -o json");
    assert_eq!((ran.code, &ran.json()["error"]["kind"]), (1, &"timeout".into()), "{ran}");
}

#[test]
fn an_interruption_says_how_to_go_on() {
    let shell = Shell::new().interrupted();
    assert_snapshot!(shell.run("create a"), @r"
    exit 130
    -- stdout
    -- stderr
    error: interrupted
      hint: rerun the command to finish
    ");
    assert_snapshot!(shell.run("list"), @r"
    exit 130
    -- stdout
    -- stderr
    error: interrupted
    ");
    let ran = shell.run("create a -o json");
    assert_eq!(ran.json()["error"]["kind"], "interrupted");
}
