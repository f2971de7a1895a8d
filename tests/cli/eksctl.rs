//! ClusterConfigs of eksctl, as their users have them: what eksctl made is adopted without a change of rights, and what eksctl
//! ignores does not stop the rest.

use irsa_core::sandbox::RoleState;
use serde_json::{Value, json};

use super::{Ran, Shell};

const DEMO: &str = r#"{"region": "us-west-2",
    "providers": {"https://oidc.eks.us-west-2.amazonaws.com/id/AAAA": {"audiences": ["sts.amazonaws.com"]}},
    "clusters": {"demo": {"issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/AAAA"}}}"#;

fn config(metadata: &str, entries: &[&str]) -> String {
    let entries: String = entries.iter().map(|entry| format!("  - {entry}\n")).collect();
    format!(
        "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {{name: demo, region: us-west-2{metadata}}}\n\
         iam:\n  withOIDC: true\n  serviceAccounts:\n{entries}"
    )
}

fn shell(entries: &[&str]) -> Shell {
    Shell::new().with_variable("IRSA_CLUSTER", "").with_sandbox(DEMO).with_file("cluster.yaml", config("", entries))
}

/// The trust policy that eksctl writes.
fn trust(subject: &str, audience: &str) -> Value {
    let host = "oidc.eks.us-west-2.amazonaws.com/id/AAAA";
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{host}")},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"StringEquals": {
            format!("{host}:sub"): format!("system:serviceaccount:{subject}"),
            format!("{host}:aud"): audience,
        }},
    }]})
}

impl Shell {
    fn role_of(&self, name: &str) -> RoleState {
        self.sandbox.state().unwrap().roles[&name.parse::<irsa_core::name::RoleName>().unwrap()].clone()
    }

    fn role_arn_of(&self, place: &str) -> Option<String> {
        let (namespace, name) = place.split_once('/').unwrap();
        let state = self.sandbox.state().unwrap();
        let held = state.clusters.values().next().unwrap().namespaces[namespace].service_accounts.get(name).cloned();
        held?.annotations.get(irsa_core::ROLE_ARN_ANNOTATION).cloned()
    }

    /// Nothing changes any more, whichever way one looks at it.
    fn assert_settled(&self, line: &str) {
        for line in [format!("plan -f {line} --check"), format!("apply -f {line} --check")] {
            let ran = self.run(&line);
            assert_eq!(ran.code, 0, "{line}: {ran}");
        }
    }
}

fn inline_names(role: &RoleState) -> Vec<String> {
    role.inline.keys().map(ToString::to_string).collect()
}

fn warnings(ran: &Ran) -> Vec<String> {
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let document = ran.json();
    let of_bindings = all(&document["bindings"]).into_iter().flat_map(|binding| all(&binding["warnings"]));
    let ids = all(&document["warnings"]).into_iter().chain(of_bindings);
    ids.map(|warning| warning["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn labels_with_role_only_are_ignored_with_a_warning() {
    let entry = "{metadata: {name: a, labels: {aws-usage: cluster-ops}}, wellKnownPolicies: {autoScaler: true}, \
                 roleName: demo-autoscaler, roleOnly: true}";
    let shell = shell(&[entry, "{metadata: {name: b}, roleName: other}"]);
    let applied = shell.run("apply -f cluster.yaml");
    assert_eq!(applied.code, 0, "{applied}");
    assert!(applied.stderr.contains("cluster.yaml:7:26: labels are ignored: with roleOnly"), "{applied}");
    assert_eq!(shell.sandbox.state().unwrap().roles.len(), 2);
    assert_eq!(shell.role_arn_of("default/a"), None);
    shell.assert_settled("cluster.yaml");
}

#[test]
fn the_role_of_a_load_balancer_controller_is_adopted_in_place() {
    let entry = "{metadata: {name: aws-load-balancer-controller, namespace: kube-system}, \
                 wellKnownPolicies: {awsLoadBalancerController: true}}";
    let shell = shell(&[entry]).with_sandbox(include_str!("eksctl/load-balancer-controller.json"));
    let role = "eksctl-demo-addon-iamserviceaccount-kube-sys-Role1-1ABC";
    let names = inline_names(&shell.role_of(role));
    let applied = shell.run("apply -f cluster.yaml --adopt -o json");
    assert_eq!(applied.code, 0, "{applied}");
    let report = applied.json();
    let steps = report["bindings"][0]["steps"].as_array().unwrap();
    let actions: Vec<&str> = steps.iter().map(|step| step["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["put_inline_policy", "tag_role"]);
    assert!(steps[0]["detail"]["before"]["Statement"].is_array(), "{}", steps[0]);
    let adopted = shell.role_of(role);
    assert_eq!(inline_names(&adopted), names, "CloudFormation finds it under its name");
    assert_eq!(report["bindings"][0]["undeclared"], json!([]));
    shell.assert_settled("cluster.yaml");
    shell.assert_settled("cluster.yaml --adopt");

    let exported = shell.run("export --cluster demo");
    assert!(exported.code == 0 && exported.stderr.is_empty(), "{exported}");
    let shell = shell.with_file("exported.yaml", exported.stdout);
    shell.assert_settled("exported.yaml");
    assert_eq!(shell.role_of(role), adopted);

    // A CloudFormation that writes its own again is answered in place again.
    let name = adopted.inline.keys().next().unwrap().clone();
    let edited = shell.sandbox.edit(|state| {
        let role = state.roles.values_mut().next().unwrap();
        let old =
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]});
        drop(role.inline.insert(name.clone(), old));
        Ok(())
    });
    edited.unwrap();
    assert_eq!(shell.run("apply -f cluster.yaml -q").code, 0);
    assert_eq!(shell.role_of(role).inline, adopted.inline);
}

/// Name and actions of an inline policy.
type InlinePolicy = (&'static str, &'static [&'static str]);

/// What eksctl writes for each word that becomes inline policies, by the last part of the name, and how many of ours take
/// their place.
const WORDS: [(&str, &[InlinePolicy], usize); 6] = [
    (
        "autoScaler",
        &[("PolicyAutoScaling", &["autoscaling:DescribeAutoScalingGroups", "autoscaling:SetDesiredCapacity"])],
        1,
    ),
    ("awsLoadBalancerController", &[("PolicyAWSLoadBalancerController", &["elasticloadbalancing:DescribeRules"])], 1),
    (
        "externalDNS",
        &[
            ("PolicyExternalDNSChangeSet", &["route53:ChangeResourceRecordSets"]),
            ("PolicyExternalDNSHostedZones", &["route53:ListHostedZones", "route53:ListResourceRecordSets"]),
        ],
        1,
    ),
    (
        "certManager",
        &[
            ("PolicyCertManagerChangeSet", &["route53:ChangeResourceRecordSets"]),
            ("PolicyCertManagerGetChange", &["route53:GetChange"]),
            ("PolicyCertManagerHostedZones", &["route53:ListResourceRecordSets", "route53:ListHostedZonesByName"]),
        ],
        1,
    ),
    ("ebsCSIController", &[("PolicyEBSCSIController", &["ec2:AttachVolume"])], 0),
    ("efsCSIController", &[("PolicyEFSCSIController", &["elasticfilesystem:CreateAccessPoint"])], 0),
];

#[test]
fn what_eksctl_wrote_for_a_well_known_word_is_not_doubled() {
    for (word, written, left) in WORDS {
        let entry = format!("{{metadata: {{name: a}}, wellKnownPolicies: {{{word}: true}}}}");
        let shell = shell(&[&entry]);
        let stack = "eksctl-demo-addon-iamserviceaccount-default-a";
        let mut role = RoleState::new(trust("default:a", "sts.amazonaws.com"));
        for (name, actions) in written {
            let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
            role.inline.insert(format!("{stack}-{name}").parse().unwrap(), document);
        }
        role.inline.insert("by-hand".parse().unwrap(), json!({"Statement": []}));
        for (key, value) in [("cluster-name", "demo"), ("iamserviceaccount-name", "default/a")] {
            role.tags.insert(format!("alpha.eksctl.io/{key}"), value.to_owned());
        }
        shell.sandbox.put_role(&"eksctl-Role1-X".parse().unwrap(), role).unwrap();
        let refused = shell.run("apply -f cluster.yaml");
        assert!(refused.code == 1 && refused.stderr.contains("not created by irsa"), "{word}: {refused}");
        let applied = shell.run("apply -f cluster.yaml --adopt");
        assert_eq!(applied.code, 0, "{word}: {applied}");
        let role = shell.role_of("eksctl-Role1-X");
        let names = inline_names(&role);
        let of_eksctl = names.iter().filter(|name| name.starts_with(stack)).count();
        assert_eq!((names.len(), of_eksctl, role.attached.len()), (left + 1, left, 1 - left), "{word}: {names:?}");
        shell.assert_settled("cluster.yaml");
        let exported = shell.run("export --cluster demo");
        let shell = shell.with_file("exported.yaml", exported.stdout);
        shell.assert_settled("exported.yaml");
    }
}

#[test]
fn a_role_that_has_both_keeps_the_declared_one() {
    let entry = "{metadata: {name: a}, roleName: r, wellKnownPolicies: {externalDNS: true}}";
    let shell = shell(&[entry]);
    assert_eq!(shell.run("apply -f cluster.yaml -q").code, 0);
    let made = shell.role_of("r");
    let edited = shell.sandbox.edit(|state| {
        let role = state.roles.values_mut().next().unwrap();
        let document = role.inline.values().next().unwrap().clone();
        let old = "eksctl-demo-addon-iamserviceaccount-default-a-PolicyExternalDNSHostedZones";
        drop(role.inline.insert(old.parse().unwrap(), document));
        Ok(())
    });
    edited.unwrap();
    let applied = shell.run("apply -f cluster.yaml");
    assert!(applied.code == 0 && applied.stdout.contains("delete inline policy"), "{applied}");
    assert_eq!(shell.role_of("r"), made);
}

#[test]
fn tags_of_the_cluster_are_on_the_role() {
    let entry = "{metadata: {name: app}, attachPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]}";
    let shell = shell(&[]).with_file("cluster.yaml", config(", tags: {CostCenter: \"42\"}", &[entry]));
    assert_eq!(shell.run("apply -f cluster.yaml -q").code, 0);
    assert_eq!(shell.role_of("demo-default-app").tags.get("CostCenter").map(String::as_str), Some("42"));
    shell.assert_settled("cluster.yaml");
}

fn attached(entry: &str, audience: &str) -> Shell {
    let shell = shell(&[entry]);
    let role = RoleState::new(trust("default:app", audience));
    shell.sandbox.put_role(&"made".parse().unwrap(), role).unwrap();
    shell
}

const ATTACH: &str = "{metadata: {name: app}, attachRoleARN: 'arn:aws:iam::123456789012:role/made'}";

#[test]
fn a_role_that_trusts_the_service_account_already_is_only_annotated() {
    let shell = attached(ATTACH, "sts.amazonaws.com");
    let before = shell.role_of("made");
    assert_eq!(shell.run("plan -f cluster.yaml --check").code, 3);
    let applied = shell.run("apply -f cluster.yaml -o json");
    assert!(applied.code == 0 && warnings(&applied).is_empty(), "{applied}");
    assert_eq!(shell.role_arn_of("default/app").as_deref(), Some("arn:aws:iam::123456789012:role/made"));
    assert_eq!(shell.role_of("made"), before);
    shell.assert_settled("cluster.yaml");

    let got = shell.run("get app --cluster demo -o json").json();
    assert_eq!((&got["state"], &got["owned"], &got["role_name"]), (&json!("ok"), &json!(false), &json!("made")));
    assert_eq!(shell.run("list --cluster demo -o json").json()[0], got);
    let exported = shell.run("export --cluster demo");
    let shell = shell.with_file("exported.yaml", exported.stdout);
    shell.assert_settled("exported.yaml");

    let deleted = shell.run("delete app --cluster demo");
    assert!(deleted.code == 0 && deleted.stderr.contains("role made is kept"), "{deleted}");
    assert!(shell.role_arn_of("default/app").is_none() && shell.role_of("made") == before);
    assert_eq!(shell.run("delete app --cluster demo").code, 0);
}

#[test]
fn a_role_that_does_not_trust_the_service_account_is_refused_and_adopted_when_asked() {
    for (entry, audience) in [
        (ATTACH.replace("name: app", "name: other"), "sts.amazonaws.com"),
        // Pods ask for tokens of the usual audience.
        (ATTACH.to_owned(), "own.example"),
    ] {
        let shell = attached(&entry, audience);
        let refused = shell.run("apply -f cluster.yaml");
        assert!(refused.code == 1 && refused.stderr.contains("does not trust service account default/"), "{refused}");
        assert!(shell.role_arn_of("default/app").is_none() && shell.role_arn_of("default/other").is_none());
        assert_eq!(shell.run("apply -f cluster.yaml --adopt -q").code, 0);
        shell.assert_settled("cluster.yaml");
    }
    // Told of the other audience, they ask for that.
    let entry = ATTACH.replace("{name: app}", "{name: app, annotations: {eks.amazonaws.com/audience: own.example}}");
    let shell = attached(&entry, "own.example");
    let edited = shell.sandbox.edit(|state| {
        state.providers.values_mut().for_each(|provider| provider.audiences.push("own.example".to_owned()));
        Ok(())
    });
    edited.unwrap();
    assert_eq!(shell.run("apply -f cluster.yaml -q").code, 0);
    shell.assert_settled("cluster.yaml");
}

#[test]
fn a_role_of_another_account_is_annotated_and_never_looked_at() {
    let arn = "arn:aws:iam::999999999999:role/made";
    let entry = "{metadata: {name: app}, attachRoleARN: 'arn:aws:iam::999999999999:role/made'}";
    // One of the same name in this account is another role, and has its own binding.
    let shell = shell(&[entry, "{metadata: {name: b}, roleName: made}"]);
    let applied = shell.run("apply -f cluster.yaml -o json");
    assert!(applied.code == 0 && warnings(&applied).contains(&"trust-unverified".to_owned()), "{applied}");
    assert_eq!(shell.role_arn_of("default/app").as_deref(), Some(arn));
    assert!(!shell.role_of("made").trust_policy.to_string().contains("default:app"));
    let again = shell.run("apply -f cluster.yaml --adopt -o json");
    assert!(again.code == 0 && again.json()["changed"] == json!(false), "{again}");
    assert!(warnings(&again).contains(&"trust-unverified".to_owned()), "{again}");
    shell.assert_settled("cluster.yaml");

    let got = shell.run("get app --cluster demo -o json").json();
    assert_eq!((&got["state"], &got["role_arn"]), (&json!("unknown"), &json!(arn)));
    let listed = shell.run("list --cluster demo -o json").json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let exported = shell.run("export --cluster demo");
    assert!(exported.code == 0 && exported.stderr.contains("which is in another account"), "{exported}");

    let shell = shell.with_file("rest.yaml", config("", &["{metadata: {name: b}, roleName: made}"]));
    let deleted = shell.run("delete app --cluster demo");
    assert!(deleted.code == 0 && deleted.stderr.contains("it is in another account"), "{deleted}");
    assert_eq!(shell.role_arn_of("default/app"), None);
    assert_eq!(shell.run("delete app --cluster demo").code, 0);
    shell.assert_settled("rest.yaml");
}

#[test]
fn an_annotation_of_another_account_that_irsa_did_not_set_stays() {
    let shell = shell(&[]);
    let arn = "arn:aws:iam::999999999999:role/made";
    let annotations = [(irsa_core::ROLE_ARN_ANNOTATION, arn)];
    let cluster = shell.sandbox.cluster(&"demo".parse().unwrap());
    cluster.apply_as("helm", "default", "app", &annotations).unwrap();
    let kept = shell.run("delete app --cluster demo");
    assert!(kept.code == 0 && kept.stderr.contains("irsa did not set it"), "{kept}");
    assert_eq!(shell.role_arn_of("default/app").as_deref(), Some(arn));
    assert_eq!(shell.run("delete app --cluster demo --force").code, 0);
    assert_eq!(shell.role_arn_of("default/app"), None);
}

#[test]
fn roles_of_one_name_in_two_accounts_are_two_roles() {
    let of = |name: &str, account: &str| {
        format!("{{metadata: {{name: {name}}}, attachRoleARN: 'arn:aws:iam::{account}:role/made'}}")
    };
    let entries =
        [of("app", "123456789012"), of("b", "999999999999"), of("c", "999999999999"), of("d", "888888888888")];
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let shell = attached(entries[0], "sts.amazonaws.com").with_file("cluster.yaml", config("", &entries));
    let applied = shell.run("apply -f cluster.yaml -o json");
    assert!(applied.code == 0 && warnings(&applied).len() == 3, "{applied}");
    shell.assert_settled("cluster.yaml");
}

#[test]
fn a_role_of_another_partition_or_that_is_not_there_is_refused() {
    for (arn, words) in [
        ("arn:aws-cn:iam::123456789012:role/made", "is in partition aws-cn, the cluster in aws"),
        ("arn:aws:iam::123456789012:role/nothing", "role/nothing does not exist"),
        ("arn:aws:iam::123456789012:role/path/made", "role/path/made does not exist"),
    ] {
        let shell = attached(&ATTACH.replace("arn:aws:iam::123456789012:role/made", arn), "sts.amazonaws.com");
        let refused = shell.run("plan -f cluster.yaml");
        assert!(refused.code == 1 && refused.stderr.contains(words), "{arn}: {refused}");
    }
}

#[test]
fn a_role_that_may_not_be_read_is_annotated_with_a_warning() {
    let shell = attached(ATTACH, "sts.amazonaws.com");
    shell.sandbox.faults().fail_before("role", ("AccessDenied", "not authorized to perform: iam:GetRole"));
    let applied = shell.run("apply -f cluster.yaml -o json");
    assert_eq!((applied.code, warnings(&applied)), (0, vec!["trust-unverified".to_owned()]), "{applied}");
    assert!(applied.stdout.contains("iam:GetRole") && shell.role_arn_of("default/app").is_some(), "{applied}");
    // Who adopts it has to read it.
    assert_eq!(shell.run("apply -f cluster.yaml --adopt").code, 1);
}
