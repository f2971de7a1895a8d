//! Which environment, cluster and namespace are meant.

use super::{S3, Shell, shell};

/// A kubeconfig whose current context names a namespace.
const KUBECONFIG: &str = "
current-context: here
contexts:
- {name: here, context: {cluster: c, user: u, namespace: team}}
- {name: there, context: {cluster: c, user: u, namespace: other}}
- {name: nowhere, context: {cluster: c, user: u}}
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {}}]
";

fn of_config_map(namespace: &str, environment: &str) -> Shell {
    let shell = shell().with_variable("vpc_name", "");
    let cluster = shell.sandbox.default_cluster();
    cluster.put_config_map(namespace, "global", &[("hostname", "x.example"), ("environment", environment)]).unwrap();
    shell
}

#[test]
fn the_environment_is_that_of_the_variable() {
    let shell = of_config_map("default", "other");
    assert_eq!(shell.with_variable("vpc_name", "sandbox").done(&format!("-c sa -p {S3}")), "sandbox-sa-role\n");
}

#[test]
fn the_environment_is_that_of_the_config_map() {
    let shell = of_config_map("default", "sandbox");
    assert_eq!(shell.done(&format!("-c sa -p {S3}")), "sandbox-sa-role\n");
    let reads = shell.sandbox.calls().iter().filter(|call| call.method == "config_value").count();
    assert_eq!(reads, 1);
    assert_eq!(shell.done("-l sa"), "AmazonS3ReadOnlyAccess\n");
    // It lives in the namespace of the environment, wherever the account is.
    assert_eq!(shell.done(&format!("-c sa2 -p {S3} -n kube-system")), "sandbox-sa2-role\n");
    let shell = of_config_map("team", "sandbox").with_variable("KUBECTL_NAMESPACE", "team");
    assert_eq!(shell.done(&format!("-c sa -p {S3} -n default")), "sandbox-sa-role\n");
}

#[test]
fn an_environment_that_nothing_tells_is_named() {
    let shell = shell().with_variable("vpc_name", "");
    let line = format!("-c sa -p {S3}");
    shell.fails(1, &line, "hint: set the variable vpc_name, or name the cluster with --cluster");
    let cluster = shell.sandbox.default_cluster();
    cluster.put_config_map("default", "global", &[("environment", "")]).unwrap();
    shell.fails(1, &line, "config map default/global has no key environment");
    cluster.put_config_map("default", "global", &[("environment", "a b")]).unwrap();
    shell.fails(1, &line, "key environment of config map default/global is not the name of an environment");
    cluster.deny("get", "configmaps").unwrap();
    shell.fails(1, &line, "configmaps \"global\" is forbidden");
    assert!(shell.roles().is_empty());
    // An environment that names no cluster of EKS.
    shell.with_variable("vpc_name", "sandbx").fails(1, &line, "cluster sandbx does not exist");
}

#[test]
fn a_cluster_need_not_have_the_name_of_the_environment() {
    let line = format!("-c sa -p {S3} --cluster sandbox");
    assert_eq!(shell().with_variable("vpc_name", "qaplanx").done(&line), "qaplanx-sa-role\n");
    assert_eq!(of_config_map("default", "qaplanx").done(&line), "qaplanx-sa-role\n");
    // Nothing names the environment: then it has the name of the cluster.
    let shell = shell().with_variable("vpc_name", "");
    assert_eq!(shell.done(&line), "sandbox-sa-role\n");
    // Where the role is named, nothing else is asked for.
    shell.sandbox.faults().clear_calls();
    assert_eq!(shell.done(&format!("{line} --role-name r --force")), "r\n");
    assert!(shell.sandbox.calls().iter().all(|call| call.method != "config_value"));
}

#[test]
fn the_namespace_is_the_first_that_is_told() {
    let shell = shell().with_file("config", KUBECONFIG);
    for namespace in ["team", "other", "variable", "option"] {
        shell.sandbox.default_cluster().add_namespace(namespace).unwrap();
    }
    let kubeconfig = shell.path().join("config").display().to_string();
    let namespace = |shell: &Shell, options: &str| {
        let document = shell.gen3(&format!("-c sa -p {S3} --dry-run -o json {options}")).json();
        document["binding"].as_str().unwrap().to_owned()
    };
    assert_eq!(namespace(&shell, ""), "default/sa");
    let shell = shell.with_variable("KUBECONFIG", &kubeconfig);
    assert_eq!(namespace(&shell, ""), "team/sa");
    assert_eq!(namespace(&shell, "--context there"), "other/sa");
    assert_eq!(namespace(&shell, "--context nowhere"), "default/sa");
    let shell = shell.with_variable("KUBECTL_NAMESPACE", "variable");
    assert_eq!(namespace(&shell, "--context there"), "variable/sa");
    assert_eq!(namespace(&shell, "-n option"), "option/sa");
    // As in the script, an empty one is none.
    let ran = shell.run_words(&["iam-serviceaccount", "-c", "sa", "-p", S3, "-n", "", "--dry-run", "-o", "json"]);
    assert_eq!(ran.json()["binding"], "variable/sa");
}

#[test]
fn the_sandbox_has_an_environment_too() {
    let shell = Shell::new().with_variable("IRSA_CLUSTER", "").with_variable("KUBECONFIG", "absent");
    let ran = shell.run_live(&format!("iam-serviceaccount --sandbox -q -c sa -p {S3}"));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "sandbox-sa-role\n"), "{ran}");
    // Its file holds the config map in plain sight.
    let file = shell.path().join("irsa-sandbox.json");
    let mut state: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let namespace = &mut state["clusters"]["sandbox"]["namespaces"]["default"];
    namespace["config_maps"] = serde_json::json!({"global": {"environment": "qaplanx"}});
    std::fs::write(&file, state.to_string()).unwrap();
    let ran = shell.run_live(&format!("iam-serviceaccount --sandbox -q -c sa2 -p {S3}"));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "qaplanx-sa2-role\n"), "{ran}");
}

#[test]
fn without_an_api_server_to_ask_the_variable_is_needed() {
    let shell = Shell::new().with_variable("IRSA_CLUSTER", "");
    let ran = shell.run_live(&format!("iam-serviceaccount -c sa -p {S3}"));
    assert_eq!(ran.code, 2, "{ran}");
    assert!(ran.stderr.contains("cannot tell the gen3 environment"), "{ran}");
    assert!(ran.stderr.contains("hint: set the variable vpc_name"), "{ran}");
}
