//! The drop-in for gen3's script `iam-serviceaccount`. B1 to B28 are the bugs and limits that the script had: each is done
//! right, by the test of its name.

mod options;
mod places;
mod policies;
mod roles;
mod script;
mod surroundings;

use irsa_core::name::{ClusterRef, RoleName};
use irsa_core::sandbox::RoleState;
use irsa_core::{ROLE_ARN_ANNOTATION, Sandbox};
use serde_json::{Value, json};

use super::{Ran, Shell};

const S3: &str = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
const GET: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
const PUT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}]}"#;

/// A shell as on an admin box of the environment `sandbox`, whose cluster has the same name.
fn shell() -> Shell {
    Shell::new().with_variable("IRSA_CLUSTER", "").with_variable("vpc_name", "sandbox")
}

impl Shell {
    /// Runs the drop-in.
    fn gen3(&self, options: &str) -> Ran {
        self.run(&format!("iam-serviceaccount {options}"))
    }

    /// Runs the drop-in, which must end well; what is on standard output.
    fn done(&self, options: &str) -> String {
        let ran = self.gen3(options);
        assert_eq!(ran.code, 0, "{options}: {ran}");
        ran.stdout
    }

    /// Runs the drop-in, which must fail with this code and these words, with nothing for its caller to read; what it says.
    fn fails(&self, code: u8, options: &str, words: &str) -> String {
        let ran = self.gen3(options);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{options}: {ran}");
        assert!(ran.stderr.contains(words), "{options}: {ran}");
        ran.stderr
    }

    fn role(&self, name: &str) -> Option<RoleState> {
        self.sandbox.state().unwrap().roles.get(&RoleName::new(name).unwrap()).cloned()
    }

    /// Whether a managed policy is on a role.
    fn has(&self, role: &str, policy: &str) -> bool {
        self.role(role).is_some_and(|role| role.attached.iter().any(|arn| arn.to_string() == policy))
    }

    /// The names of all roles.
    fn roles(&self) -> Vec<String> {
        self.sandbox.state().unwrap().roles.keys().map(ToString::to_string).collect()
    }

    /// The role that a service account is annotated with.
    fn annotation(&self, namespace: &str, name: &str) -> Option<String> {
        let state = self.sandbox.state().unwrap();
        let account = state.clusters.values().next()?.namespaces.get(namespace)?.service_accounts.get(name)?;
        account.annotations.get(ROLE_ARN_ANNOTATION).cloned()
    }

    /// Makes what the script made: a role with a policy and copies of a file, and the annotation.
    fn script(&self, namespace: &str, account: &str, role: &str, copies: &[(&str, &str)]) {
        let mut made = RoleState::new(trust_of_script(&self.sandbox, namespace, account));
        made.attached.insert(S3.parse().unwrap());
        for (name, document) in copies {
            made.inline.insert(name.parse().unwrap(), serde_json::from_str(document).unwrap());
        }
        self.sandbox.put_role(&RoleName::new(role).unwrap(), made).unwrap();
        let arn = format!("arn:aws:iam::123456789012:role/{role}");
        let annotations = [(ROLE_ARN_ANNOTATION, Some(arn.as_str()))];
        self.sandbox.default_cluster().update_as("kubectl-annotate", namespace, account, &annotations).unwrap();
    }
}

/// The trust policy that the script wrote.
fn trust_of_script(sandbox: &Sandbox, namespace: &str, account: &str) -> Value {
    let state = sandbox.state().unwrap();
    let cluster: ClusterRef = "sandbox".parse().unwrap();
    let issuer = state.clusters[&cluster].issuer.clone().unwrap();
    let host = issuer.host_path();
    json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "", "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{host}")},
        "Condition": {"StringEquals": {
            format!("{host}:aud"): "sts.amazonaws.com",
            format!("{host}:sub"): format!("system:serviceaccount:{namespace}:{account}"),
        }},
    }]})
}
