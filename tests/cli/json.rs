//! `-o json`: what programs rely on. Exactly one document on standard output, also on failure.

use serde_json::json;

use super::Shell;

#[test]
fn reports_have_the_keys_of_the_contract() {
    let shell = Shell::new();
    let planned = shell.run("create a -p AmazonS3ReadOnlyAccess --dry-run -o json").json();
    assert_eq!(planned["binding"], "default/a");
    assert_eq!(planned["role_name"], "sandbox-default-a");
    assert_eq!(planned["role_arn"], "arn:aws:iam::123456789012:role/sandbox-default-a");
    assert_eq!(planned["changed"], true);
    assert_eq!(planned["steps"][0]["action"], "create_role");
    assert_eq!(planned["steps"][0]["target"], "sandbox-default-a");
    assert_eq!(planned["steps"][0]["outcome"], "planned");
    assert_eq!((&planned["undeclared"], &planned["warnings"]), (&json!([]), &json!([])));

    let done = shell.run("-o json create a -p AmazonS3ReadOnlyAccess");
    assert_eq!(done.json()["steps"][0]["outcome"], "done");
    // Advice is for people.
    assert!(!done.stderr.contains("serviceAccountName"), "{done}");
    let unchanged = shell.run("create a -p AmazonS3ReadOnlyAccess -o json").json();
    assert_eq!((&unchanged["changed"], &unchanged["steps"]), (&json!(false), &json!([])));
    let nothing = shell.run("delete b -o json").json();
    assert_eq!((&nothing["changed"], &nothing["role_arn"]), (&json!(false), &json!(null)));
}

#[test]
fn warnings_are_in_the_document_and_on_standard_error() {
    let shell = Shell::new();
    let ran = shell.run("create a -o json");
    assert_eq!(ran.json()["warnings"][0]["id"], "no-policies");
    assert!(ran.stderr.starts_with("warning: ") && ran.stderr.ends_with("[no-policies]\n"), "{ran}");
}

#[test]
fn views_have_the_keys_of_the_contract() {
    let shell = Shell::new();
    assert_eq!(shell.run("list -o json").json(), json!([]));
    assert_eq!(shell.run("create a -p AmazonS3ReadOnlyAccess").code, 0);
    let one = shell.run("get a -o json").json();
    let role = "arn:aws:iam::123456789012:role/sandbox-default-a";
    assert_eq!(
        one,
        json!({
            "cluster": "arn:aws:eks:us-east-1:123456789012:cluster/sandbox",
            "namespace": "default",
            "service_account": "a",
            "role_name": "sandbox-default-a",
            "role_arn": role,
            "managed_policies": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"],
            "inline_policies": [],
            "subjects": ["default/a"],
            "annotation": role,
            "owned": true,
            "origin": "created",
            "state": "ok",
            "issues": [],
        })
    );
    assert_eq!(shell.run("list -o json").json(), json!([one]));
    assert_eq!(shell.run("list -n kube-system -o json").json(), json!([]));
}

#[test]
fn a_failure_is_one_document_too() {
    let shell = Shell::new();
    // Found wrong while parsing, while reading, and while asking.
    let parsed = shell.run("create a --polcy P -o json");
    assert_eq!(parsed.code, 2);
    assert_eq!(
        parsed.json(),
        json!({"error": {
            "kind": "invalid_input", "code": null, "message": "unexpected argument '--polcy' found", "caused_by": [],
            "hint": "a similar argument exists: '--policy'",
        }})
    );
    let read = shell.run("create My -o json");
    assert_eq!((read.code, &read.json()["error"]["kind"]), (2, &json!("invalid_input")));
    let asked = shell.run("create a -n nowhere -o json").json();
    assert_eq!(asked["error"]["message"], "namespace nowhere does not exist");
    assert_eq!(asked["error"]["caused_by"], json!([]));
    assert!(asked["error"]["hint"].is_string());
}

#[test]
fn a_failure_keeps_the_report_as_far_as_there_is_one() {
    let shell = Shell::new();
    shell.sandbox.faults().fail_before("attach_policy", ("AccessDenied", "not authorized"));
    let document = shell.run("create a -p AmazonS3ReadOnlyAccess -o json").json();
    assert_eq!((&document["binding"], &document["error"]["code"]), (&json!("default/a"), &json!("AccessDenied")));
    assert_eq!(document["steps"][1]["outcome"], "failed");
}

#[test]
fn permissions_are_two_documents_in_one() {
    let shell = Shell::new();
    let cluster = "--cluster arn:aws:eks:us-east-1:123456789012:cluster/demo";
    let needed = shell.run(&format!("permissions create {cluster} --user jane -n jobs -o json")).json();
    assert_eq!(needed["iam"]["Version"], "2012-10-17");
    assert_eq!(needed["rbac"][0]["metadata"], json!({"name": "irsa", "namespace": "jobs"}));
    assert_eq!(needed["rbac"][1]["subjects"][0]["name"], "jane");
    // Which cluster it is may be unknown, but nothing is asked.
    assert_eq!(Shell::new().with_variable("IRSA_CLUSTER", "").run("permissions").code, 0);
    assert!(shell.sandbox.calls().is_empty());
    // The parts of the text are one JSON and several YAML documents.
    let text = shell.run(&format!("permissions get {cluster}")).stdout;
    let parts: Vec<&str> = text.split("---\n").collect();
    assert!(serde_json::from_str::<serde_json::Value>(parts[0]).is_ok());
    assert!(parts.len() == 4 && parts[1..].iter().all(|part| part.starts_with("apiVersion: rbac")), "{text}");
}
