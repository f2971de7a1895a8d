//! Manifests: planned, applied, pruned, exported and read again.

use std::path::Path;

use insta::assert_snapshot;
use irsa_core::name::PolicyArn;
use serde_json::{Value, json};

use super::Shell;

const TWO: &str = r#"
apiVersion: irsa.gen3.org/v1alpha1
kind: IrsaBinding
metadata: {name: reader}
spec:
  policies: [AmazonS3ReadOnlyAccess]
  inlinePolicies: {bucket: {file: bucket.json}}
  tags: {team: data}
---
apiVersion: irsa.gen3.org/v1alpha1
kind: IrsaBinding
metadata: {name: sender, namespace: kube-system}
spec:
  roleName: sender
  policies: [AmazonSQSFullAccess]
  subjects: [{namespace: default, serviceAccount: other}]
"#;

const BUCKET: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#;

fn shell() -> Shell {
    Shell::new().with_file("two.yaml", TWO).with_file("bucket.json", BUCKET)
}

/// A manifest of so many bindings.
fn many(n: usize) -> String {
    let one = |n| {
        format!(
            "apiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\nmetadata: {{name: sa-{n}}}\nspec: {{policies: [AmazonS3ReadOnlyAccess]}}\n"
        )
    };
    (0..n).map(one).collect::<Vec<_>>().join("---\n")
}

#[test]
fn a_plan_reads_like_a_diff_and_apply_does_it() {
    let shell = shell();
    assert_snapshot!("plan_new", shell.run("plan -f two.yaml"));
    assert_eq!(shell.run("plan -f two.yaml --check -q").code, 3);
    assert_snapshot!("apply_new", shell.run("apply -f two.yaml"));
    assert_snapshot!("apply_again", shell.run("apply -f two.yaml"));
    assert_eq!(shell.run("plan -f two.yaml --check").code, 0);
    let shell = shell.with_file("bucket.json", BUCKET.replace("s3:GetObject", "s3:Get*"));
    let role = irsa_core::name::RoleName::new("sender").unwrap();
    shell
        .sandbox
        .edit(|state| {
            state.roles.get_mut(&role).unwrap().attached.clear();
            let reader = state.roles.get_mut("sandbox-default-reader").unwrap();
            assert_eq!(reader.tags.insert("team".to_owned(), "other".to_owned()).as_deref(), Some("data"));
            Ok(())
        })
        .unwrap();
    let planned = shell.run("plan -f two.yaml");
    assert!(planned.stdout.contains("~ team: other -> data"), "{planned}");
    assert_snapshot!("plan_drifted", planned);
}

#[test]
fn json_has_the_keys_of_the_contract() {
    let shell = shell();
    let planned = shell.run("plan -f two.yaml -o json").json();
    assert_eq!((&planned["changed"], &planned["warnings"]), (&json!(true), &json!([])));
    assert_eq!(planned["bindings"][0]["binding"], "default/reader");
    assert_eq!(planned["bindings"][0]["steps"][0]["outcome"], "planned");
    let applied = shell.run("apply -f two.yaml -o json").json();
    assert_eq!(applied["bindings"][1]["steps"][0]["outcome"], "done");
    let again = shell.run("apply -f two.yaml -o json").json();
    assert_eq!((&again["changed"], &again["bindings"][0]["steps"]), (&json!(false), &json!([])));
}

#[test]
fn one_that_is_refused_stops_no_other() {
    let shell = shell().with_file(
        "bad.yaml",
        many(2).replace(
            "sa-0}\nspec: {policies: [AmazonS3ReadOnlyAccess]",
            "sa-0}\nspec: {policies: [AmazonS3ReadOnlyAcces]",
        ),
    );
    let ran = shell.run("apply -f bad.yaml");
    assert_snapshot!("apply_refused", &ran);
    let shown = shell.run("apply -f bad.yaml -o json").json();
    assert_eq!(shown["error"]["message"], "1 of 2 bindings failed");
    assert_eq!(shown["bindings"][0]["error"]["kind"], "not_found");
    assert_eq!((&shown["succeeded"], &shown["failed"], &shown["not_run"]), (&json!(1), &json!(1), &json!(0)));
}

#[test]
fn what_is_wrong_in_a_file_is_told_before_any_call() {
    let shell = shell()
        .with_file("unknown.yaml", TWO.replace("policies: [AmazonSQS", "polices: [AmazonSQS"))
        .with_file("twice.yaml", format!("{TWO}---{TWO}"))
        .with_file("empty.yaml", "# nothing\n");
    assert_snapshot!("unknown_key", shell.run("apply -f unknown.yaml"));
    assert_snapshot!("declared_twice", shell.run("apply -f twice.yaml"));
    assert_snapshot!("nothing_to_prune_by", shell.run("apply -f empty.yaml --applyset s --prune"));
    assert_eq!(shell.run("apply -f missing.yaml").code, 2);
    assert_eq!(shell.run("apply").code, 2);
    assert_eq!(shell.run("apply -f two.yaml --prune").code, 2);
    assert_eq!(shell.run("apply -f empty.yaml").code, 0);
    assert_eq!(shell.sandbox.calls(), []);
}

#[test]
fn files_folders_and_standard_input_are_read() {
    let shell = shell().with_stdin(many(1));
    std::fs::create_dir(shell.path().join("folder")).unwrap();
    let shell = shell.with_file("folder/a.yaml", many(1)).with_file(
        "folder/b.json",
        serde_json::to_string(
            &json!({"apiVersion": "irsa.gen3.org/v1alpha1", "kind": "IrsaBinding", "metadata": {"name": "from-json"}}),
        )
        .unwrap(),
    );
    let names = |line: &str| -> Vec<String> {
        let shown = shell.run(line).json();
        shown["bindings"].as_array().unwrap().iter().map(|b| b["binding"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("plan -f folder -o json"), ["default/sa-0", "default/from-json"]);
    assert_eq!(names("plan -f - -f two.yaml -o json"), ["default/sa-0", "default/reader", "kube-system/sender"]);
}

#[test]
#[cfg(unix)]
fn a_manifest_that_is_lost_stops_a_prune() {
    let shell = Shell::new();
    std::fs::create_dir(shell.path().join("folder")).unwrap();
    let shell = shell.with_file("folder/a.yaml", many(1)).with_file("folder/b.yaml", many(1).replace("sa-0", "sa-1"));
    assert_eq!(shell.run("apply -f folder --applyset mine -q").code, 0);
    std::fs::remove_file(shell.path().join("folder/b.yaml")).unwrap();
    std::os::unix::fs::symlink("../gone", shell.path().join("folder/b.yaml")).unwrap();
    let refused = shell.run("apply -f folder --applyset mine --prune --confirm-prune");
    assert!(refused.code == 2 && refused.stderr.contains("folder/b.yaml"), "{refused}");
    assert_eq!(shell.sandbox.state().unwrap().roles.len(), 2);
}

#[test]
fn an_export_says_what_declaring_would_change() {
    let shell = Shell::new();
    assert_eq!(shell.run("create pat-1 --role-name pat -q").code, 0);
    let edited = shell.sandbox.edit(|state| {
        let role = state.roles.get_mut("pat").unwrap();
        role.tags.clear();
        let condition = &mut role.trust_policy["Statement"][0]["Condition"];
        let keys = condition["StringEquals"].as_object().unwrap().clone();
        let like = keys.into_iter().map(|(key, value)| match key.ends_with(":sub") {
            true => (key, json!("system:serviceaccount:default:pat-*")),
            false => (key, value),
        });
        *condition = json!({"StringLike": like.collect::<serde_json::Map<_, _>>()});
        Ok(())
    });
    edited.unwrap();
    let exported = shell.run("export");
    let told = "binding default/pat-1 of role pat stays as it is: to declare it would update trust policy";
    assert!(exported.stderr.contains(told), "{exported}");
}

#[test]
fn line_breaks_at_the_end_of_a_value_are_exported() {
    let shell = Shell::new();
    let description = "\ntrail\n\n";
    let words = ["irsa", "create", "a", "--role-name", "a", "--description", description];
    assert_eq!(shell.run_words(&words).code, 0);
    let exported = shell.run("export");
    let shell = shell.with_file("exported.yaml", &exported.stdout);
    let planned = shell.run("plan -f exported.yaml --check");
    assert_eq!(planned.code, 0, "{exported}{planned}");
}

#[test]
fn a_prune_removes_what_the_set_no_longer_has_and_nothing_else() {
    let shell =
        shell().with_file("three.yaml", many(3)).with_file("one.yaml", many(1)).with_file("many.yaml", many(12));
    assert_eq!(shell.run("apply -f two.yaml --applyset other -q").code, 0);
    assert_eq!(shell.run("create by-hand -q").code, 0);
    assert_eq!(shell.run("apply -f three.yaml --applyset mine -q").code, 0);
    assert_snapshot!("plan_prune", shell.run("plan -f one.yaml --applyset mine --prune"));
    assert_snapshot!("apply_prune", shell.run("apply -f one.yaml --applyset mine --prune"));
    let left: Vec<String> = shell.sandbox.state().unwrap().roles.keys().map(ToString::to_string).collect();
    assert_eq!(left, ["sandbox-default-by-hand", "sandbox-default-reader", "sandbox-default-sa-0", "sender"]);
    assert_eq!(shell.run("plan -f one.yaml --applyset mine --prune --check").code, 0);
    // Another set keeps what is its own.
    assert_snapshot!("another_set", shell.run("apply -f two.yaml --applyset mine"));
    assert_eq!(shell.run("apply -f many.yaml --applyset mine -q").code, 0);
    assert_snapshot!("more_than_a_few", shell.run("apply -f one.yaml --applyset mine --prune -q"));
    assert_eq!(shell.run("apply -f one.yaml --applyset mine --prune --confirm-prune -q").code, 0);
    assert_eq!(shell.sandbox.state().unwrap().roles.len(), 4);
}

/// A shell with a second cluster, `blue`.
fn shell_with_blue(manifest: &str) -> Shell {
    let shell = Shell::new().with_file("two.yaml", manifest);
    let blue = "blue".parse().unwrap();
    let _ = shell.sandbox.add_cluster(&blue).unwrap();
    let issuer = shell.sandbox.state().unwrap().clusters[&blue].issuer.clone().unwrap();
    shell.sandbox.add_provider(&issuer).unwrap();
    shell
}

const ON_TWO: &str = r#"
apiVersion: irsa.gen3.org/v1alpha1
kind: IrsaBinding
metadata: {name: reader}
spec:
  policies: [AmazonS3ReadOnlyAccess]
  subjects: [{cluster: blue, namespace: default, serviceAccount: other}]
---
apiVersion: irsa.gen3.org/v1alpha1
kind: IrsaBinding
metadata: {name: reader}
spec: {cluster: blue, policies: [AmazonS3ReadOnlyAccess]}
"#;

#[test]
fn bindings_of_several_clusters_are_told_with_theirs() {
    let shell = shell_with_blue(ON_TWO);
    assert_snapshot!("apply_on_two_clusters", shell.run("apply -f two.yaml --applyset mine"));
    let again = shell.run("plan -f two.yaml -o json").json();
    let clusters: Vec<&Value> =
        again["bindings"].as_array().unwrap().iter().map(|binding| &binding["cluster"]).collect();
    assert_eq!(clusters, ["sandbox", "blue"]);
    // What is declared no more is told with its cluster as well.
    let (first, _) = ON_TWO.split_once("---").unwrap();
    let shell = shell.with_file("one.yaml", first);
    assert_snapshot!("prune_on_two_clusters", shell.run("apply -f one.yaml --applyset mine --prune"));
}

#[test]
fn a_cluster_that_no_binding_is_of_is_refused() {
    let shell = shell_with_blue(ON_TWO);
    for line in
        ["plan -f two.yaml --cluster green", "plan -f two.yaml --issuer https://a.example --account 123456789012"]
    {
        let (_, blue) = ON_TWO.split_once("---").unwrap();
        let shell = shell_with_blue(blue);
        let refused = shell.run(line);
        assert!(
            refused.code == 2 && refused.stderr.contains("no binding in the manifests is for cluster"),
            "{refused}"
        );
        assert_eq!(shell.sandbox.calls(), []);
    }
    // It is that of bindings that name none.
    assert_eq!(shell.run("plan -f two.yaml --cluster sandbox").code, 0);
    assert_eq!(shell.run("plan -f two.yaml --cluster arn:aws:eks:us-east-1:123456789012:cluster/sandbox").code, 0);
}

#[test]
fn what_is_exported_plans_to_no_change() {
    let shell = shell();
    assert_eq!(shell.run("apply -f two.yaml -q").code, 0);
    // As gen3's script makes it: no tag, no audience but in the trust, an inline policy.
    let issuer = shell.sandbox.state().unwrap().clusters.values().next().unwrap().issuer.clone().unwrap();
    let host = issuer.host_path().to_owned();
    let trust = |condition: Value| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "", "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
            {"Effect": "Allow", "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{host}")},
             "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}]})
    };
    let by_hand = trust(json!({"StringEquals": {format!("{host}:aud"): "sts.amazonaws.com",
        format!("{host}:sub"): ["system:serviceaccount:default:script-sa", "system:serviceaccount:default:second"]}}));
    let mut role = irsa_core::sandbox::RoleState::new(by_hand);
    role.path = "/gen3_service/".parse().unwrap();
    role.attached.insert("arn:aws:iam::aws:policy/AmazonSQSFullAccess".parse::<PolicyArn>().unwrap());
    role.inline.insert("pol-1795".parse().unwrap(), serde_json::from_str(BUCKET).unwrap());
    role.tags.insert("made-by".into(), "script".into());
    shell.sandbox.put_role(&"demo-script-sa-role".parse().unwrap(), role).unwrap();
    let mut account = irsa_core::sandbox::ServiceAccountState::default();
    account.annotations.insert(
        "eks.amazonaws.com/role-arn".into(),
        "arn:aws:iam::123456789012:role/gen3_service/demo-script-sa-role".into(),
    );
    shell.sandbox.default_cluster().put_service_account("default", "script-sa", account).unwrap();

    let exported = shell.run("export");
    assert_snapshot!("export", &exported);
    let shell = shell.with_file("exported.yaml", &exported.stdout);
    assert_snapshot!("plan_exported", shell.run("plan -f exported.yaml --check"));
    let as_json = shell.run("export -o json");
    assert_eq!(as_json.json()["items"].as_array().unwrap().len(), 3);
    let shell = shell.with_file("exported.json", &as_json.stdout);
    assert_eq!(shell.run("plan -f exported.json --check -q").code, 0);

    // Taken under management, with the same rights.
    let before = shell.sandbox.state().unwrap().roles
        [&"demo-script-sa-role".parse::<irsa_core::name::RoleName>().unwrap()]
        .clone();
    let adopted = shell.run("apply -f exported.yaml --adopt");
    assert_snapshot!("adopt_exported", &adopted);
    let after = shell.sandbox.state().unwrap().roles
        [&"demo-script-sa-role".parse::<irsa_core::name::RoleName>().unwrap()]
        .clone();
    assert_eq!(
        (before.attached, before.inline, before.trust_policy),
        (after.attached, after.inline, after.trust_policy)
    );
    assert!(after.tags.contains_key("irsa.gen3.org/owner"));
    assert_eq!(shell.run("plan -f exported.yaml --adopt --check -q").code, 0);
}

#[test]
fn a_cluster_config_of_eksctl_finds_the_roles_that_eksctl_made() {
    let shell = Shell::new().with_file("cluster.yaml", "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\n\
        metadata: {name: sandbox, region: us-east-1}\niam:\n  serviceAccounts:\n    - metadata: {name: a}\n      attachPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]\n");
    let name = "eksctl-sandbox-addon-iamserviceaccount-Role1-1NIFRE".parse().unwrap();
    let mut role = irsa_core::sandbox::RoleState::new(json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}));
    for (key, value) in [
        ("alpha.eksctl.io/cluster-name", "sandbox"),
        ("alpha.eksctl.io/iamserviceaccount-name", "default/a"),
        ("aws:cloudformation:stack-name", "eksctl-sandbox-addon"),
    ] {
        role.tags.insert(key.into(), value.into());
    }
    shell.sandbox.put_role(&name, role).unwrap();
    let refused = shell.run("apply -f cluster.yaml");
    assert!(refused.code == 1 && refused.stderr.contains("was not created by irsa"), "{refused}");
    let adopted = shell.run("apply -f cluster.yaml --adopt");
    assert!(adopted.code == 0 && adopted.stderr.contains("CloudFormation stack eksctl-sandbox-addon"), "{adopted}");
    assert_eq!(shell.sandbox.state().unwrap().roles.len(), 1);
}

#[test]
fn a_role_of_terraform_is_adopted_with_a_warning() {
    let shell = Shell::new().with_file(
        "app.yaml",
        "apiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\nmetadata: {name: a}\nspec: {roleName: other-role}\n",
    );
    let mut role = irsa_core::sandbox::RoleState::new(json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}));
    role.tags.insert("ManagedBy".into(), "Terraform".into());
    shell.sandbox.put_role(&"other-role".parse().unwrap(), role).unwrap();
    let refused = shell.run("apply -f app.yaml -o json");
    assert!(refused.code == 1 && refused.stderr.contains("was not created by irsa"), "{refused}");
    let adopted = shell.run("apply -f app.yaml --adopt -o json");
    let warnings = adopted.json()["bindings"][0]["warnings"].to_string();
    assert!(adopted.code == 0 && warnings.contains("managed-elsewhere") && warnings.contains("terraform"), "{adopted}");
}

#[test]
fn the_schema_is_one_that_says_what_is_required() {
    let schema = Shell::new().run("schema").json();
    let of = |reference: &Value| &schema["$defs"][reference.as_str().unwrap().trim_start_matches("#/$defs/")];
    let (list, one) = (of(&schema["then"]["$ref"]), of(&schema["else"]["$ref"]));
    assert_eq!(one["required"], json!(["apiVersion", "kind", "metadata"]));
    assert_eq!(list["required"], json!(["apiVersion", "kind", "items"]));
    assert_eq!(of(&list["properties"]["items"]["items"]["$ref"]), one);
    assert_eq!((&one["additionalProperties"], &list["additionalProperties"]), (&json!(false), &json!(false)));
}

#[test]
fn the_example_of_gen3_is_thirty_bindings_in_six_namespaces() {
    let shell = Shell::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let example = std::fs::read_to_string(folder.join("gen3-fleet.yaml")).unwrap();
    std::fs::create_dir(shell.path().join("gen3-fleet")).unwrap();
    for entry in std::fs::read_dir(folder.join("gen3-fleet")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, shell.path().join("gen3-fleet").join(path.file_name().unwrap())).unwrap();
    }
    for name in example.lines().flat_map(|line| line.split([' ', '[', ']', ',']).filter(|word| is_own_policy(word))) {
        // Two roles share some of them.
        let _ = shell.sandbox.add_policy("/", name);
    }
    let shell = shell.with_file("fleet.yaml", &example);
    let applied = shell.run("apply -f fleet.yaml --create-namespace --writes-per-second 0 -o json");
    assert_eq!(applied.code, 0, "{applied}");
    let state = shell.sandbox.state().unwrap();
    assert_eq!(state.roles.len(), 30);
    let namespaces = &state.clusters.values().next().unwrap().namespaces;
    assert_eq!(namespaces.values().filter(|held| !held.service_accounts.is_empty()).count(), 6);
    assert_eq!(shell.run("plan -f fleet.yaml --check -q").code, 0);
}

fn is_own_policy(word: &str) -> bool {
    let begins = ["bucket_", "demo--default--", "demo-Kubecost", "RDSExport", "AmazonS3CSI", "eks-s3-csi"];
    begins.iter().any(|begin| word.starts_with(begin)) && !word.ends_with(':')
}

#[test]
fn entries_of_one_existing_role_keep_their_own_labels() {
    let config = |entries: &str| {
        format!(
            "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {{name: sandbox}}\niam:\n  serviceAccounts:\n{entries}"
        )
    };
    let entry = |name: &str, labels: &str| {
        let arn = "arn:aws:iam::123456789012:role/by-hand";
        format!("  - {{metadata: {{name: {name}, labels: {{{labels}}}}}, attachRoleARN: \"{arn}\"}}\n")
    };
    let shell = Shell::new()
        .with_file("one.yaml", config(&(entry("a", "of: a") + &entry("b", "of: b") + &entry("c", "of: a"))))
        .with_file("two.yaml", config(&entry("d", "of: d")));
    assert_eq!(shell.run("create a --role-name by-hand --role-only -q").code, 0);
    shell
        .sandbox
        .edit(|state| {
            state.roles.values_mut().for_each(|role| role.tags.clear());
            Ok(())
        })
        .unwrap();
    let applied = shell.run("apply -f one.yaml -f two.yaml --adopt");
    assert_snapshot!("apply_one_existing_role", applied);
    let state = shell.sandbox.state().unwrap();
    let accounts = &state.clusters.values().next().unwrap().namespaces["default"].service_accounts;
    let labels: Vec<String> =
        accounts.iter().map(|(name, account)| format!("{name}: {}", account.labels["of"])).collect();
    assert_eq!(labels, ["a: a", "b: b", "c: a", "d: d"]);
    assert_eq!(shell.run("apply -f two.yaml -f one.yaml --check").code, 0);
}

#[test]
fn a_prune_looks_at_accounts_where_only_roles_are_declared_now() {
    let manifest = |entries: &[(&str, &str, &str)]| {
        let entry = |(cluster, name, more): &(&str, &str, &str)| {
            format!(
                "---\napiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\nmetadata: {{name: {name}}}\n\
                 spec: {{cluster: {cluster}, policies: [AmazonS3ReadOnlyAccess]{more}}}\n"
            )
        };
        entries.iter().map(entry).collect::<String>()
    };
    let (x, role) = (("sandbox", "x", ""), ("blue", "z", ", roleOnly: true"));
    let shell = shell_with_blue(&manifest(&[x, ("blue", "y", ""), role]))
        .with_file("left.yaml", manifest(&[x, role]))
        .with_file("roles.yaml", manifest(&[role]));
    assert_eq!(shell.run("apply -f two.yaml --applyset mine -q").code, 0);
    let accounts = |shell: &Shell| {
        let state = shell.sandbox.state().unwrap();
        state.clusters.values().map(|cluster| cluster.namespaces["default"].service_accounts.len()).sum::<usize>()
    };
    assert_eq!(accounts(&shell), 2);
    assert_eq!(shell.run("apply -f left.yaml --applyset mine --prune -q").code, 0);
    assert_eq!(accounts(&shell), 1);
    // Where nothing but roles is declared, no API server is asked, and that is told.
    assert_eq!(shell.run("apply -f two.yaml --applyset mine -q").code, 0);
    let alone = shell.run("apply -f roles.yaml --applyset mine --prune");
    assert!(alone.code == 0 && alone.stderr.contains("service account default/y is not looked at"), "{alone}");
    assert_eq!(accounts(&shell), 2);
}

#[test]
fn what_only_a_call_shows_to_be_one_account_is_placed_and_no_wrong_usage() {
    let binding = |cluster: &str, role: &str| {
        format!(
            "---\napiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\nmetadata: {{name: a}}\nspec: {{cluster: \"{cluster}\", roleName: {role}}}\n"
        )
    };
    let arn = "arn:aws:eks:us-east-1:123456789012:cluster/sandbox";
    let shell = Shell::new().with_file("two.yaml", binding("sandbox", "x") + &binding(arn, "y"));
    let refused = shell.run("plan -f two.yaml");
    assert_eq!(refused.code, 1, "{refused}");
    let places = "two.yaml:9:18: binding default/a is declared twice (see also two.yaml:4:18)";
    assert!(refused.stderr.contains(places), "{refused}");
}
