//! What the suite needs and the traits cannot do: other people's writes, and removing what only people remove.

use std::fmt::Debug;

use async_trait::async_trait;
use irsa_core::aws::{AwsBackend, config_loader};
use irsa_core::backend::FieldOwner;
use irsa_core::name::{Namespace, PolicyArn, RoleName, ServiceAccountName};
use irsa_core::sandbox::AdmissionState;
use irsa_core::{KubeCluster, Sandbox};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::SecretString;
use serde_json::{Value, json};

#[async_trait]
pub(super) trait Hands: Debug + Send + Sync {
    /// Makes a customer-managed policy.
    async fn add_policy(&self, path: &str, name: &str) -> PolicyArn;
    /// Removes the customer-managed policies whose names begin so.
    async fn remove_policies(&self, prefix: &str);
    /// Makes an instance profile that holds a role.
    async fn add_instance_profile(&self, name: &str, role: &RoleName);
    async fn remove_instance_profile(&self, name: &str, role: &RoleName);
    /// Changes annotations of an account as another field manager, without applying; `None` takes one away.
    async fn update_as(&self, manager: &str, namespace: &Namespace, name: &str, annotations: &[(&str, Option<&str>)]);
    /// Makes a config map.
    async fn put_config_map(&self, namespace: &Namespace, name: &str, data: &[(&str, &str)]);
    /// Begins to delete an account, which then stays for a finalizer until its namespace is removed.
    async fn end_account(&self, namespace: &Namespace, name: &str);
    /// Begins to delete a namespace, which then stays until its content is gone.
    async fn end_namespace(&self, namespace: &Namespace);
    /// Removes a namespace and all that is in it, if it is there.
    async fn remove_namespace(&self, name: &str);
    /// Makes a webhook or policy of a name that sees one namespace.
    async fn admit(&self, name: &str, namespace: &Namespace, admission: &AdmissionState);
    /// Removes the webhooks and policies whose names begin so.
    async fn remove_admission(&self, prefix: &str);
    /// Limits the service accounts of a namespace to those that it has, which are so many.
    async fn limit_accounts(&self, namespace: &Namespace, most: u64);
    /// Sets `automountServiceAccountToken` of an account as another field manager, without applying.
    async fn set_automount_as(&self, manager: &str, namespace: &Namespace, name: &str, automount: bool);
    /// A projected token of an account for STS.
    async fn token(&self, namespace: &Namespace, name: &ServiceAccountName) -> SecretString;
}

#[derive(Debug)]
pub(super) struct SandboxHands(pub(super) Sandbox);

#[async_trait]
impl Hands for SandboxHands {
    async fn add_policy(&self, path: &str, name: &str) -> PolicyArn {
        self.0.add_policy(path, name).unwrap()
    }

    async fn remove_policies(&self, prefix: &str) {
        let removed = self.0.edit(|state| {
            state.policies.retain(|name, _| !name.starts_with(prefix));
            Ok(())
        });
        removed.unwrap();
    }

    async fn add_instance_profile(&self, name: &str, role: &RoleName) {
        self.0.add_instance_profile(name, role).unwrap();
    }

    async fn remove_instance_profile(&self, name: &str, _: &RoleName) {
        self.0.remove_instance_profile(name).unwrap();
    }

    async fn update_as(&self, manager: &str, namespace: &Namespace, name: &str, annotations: &[(&str, Option<&str>)]) {
        self.0.default_cluster().update_as(manager, namespace.as_str(), name, annotations).unwrap();
    }

    async fn put_config_map(&self, namespace: &Namespace, name: &str, data: &[(&str, &str)]) {
        self.0.default_cluster().put_config_map(namespace.as_str(), name, data).unwrap();
    }

    async fn end_account(&self, namespace: &Namespace, name: &str) {
        let ended = self.0.default_cluster().edit(|cluster| {
            let accounts = &mut cluster.namespaces.get_mut(namespace).unwrap().service_accounts;
            accounts.get_mut(name).unwrap().deleting = true;
            Ok(())
        });
        ended.unwrap();
    }

    async fn end_namespace(&self, namespace: &Namespace) {
        let ended = self.0.default_cluster().edit(|cluster| {
            cluster.namespaces.get_mut(namespace).unwrap().terminating = true;
            Ok(())
        });
        ended.unwrap();
    }

    async fn remove_namespace(&self, name: &str) {
        self.0.default_cluster().remove_namespace(name).unwrap();
    }

    async fn admit(&self, name: &str, namespace: &Namespace, admission: &AdmissionState) {
        let admission = AdmissionState { namespace: Some(namespace.clone()), ..admission.clone() };
        self.0.default_cluster().add_admission(name, admission).unwrap();
    }

    async fn remove_admission(&self, prefix: &str) {
        let removed = self.0.default_cluster().edit(|cluster| {
            cluster.admission.retain(|name, _| !name.starts_with(prefix));
            Ok(())
        });
        removed.unwrap();
    }

    async fn limit_accounts(&self, namespace: &Namespace, most: u64) {
        let limited = self.0.default_cluster().edit(|cluster| {
            cluster.namespaces.get_mut(namespace).unwrap().service_account_quota = Some(most);
            Ok(())
        });
        limited.unwrap();
    }

    async fn set_automount_as(&self, manager: &str, namespace: &Namespace, name: &str, automount: bool) {
        let set = self.0.default_cluster().edit(|cluster| {
            let accounts = &mut cluster.namespaces.get_mut(namespace).unwrap().service_accounts;
            let account = accounts.get_mut(name).unwrap();
            account.automount_token = Some(automount);
            let owner = FieldOwner { manager: manager.to_owned(), automount_token: true, ..FieldOwner::default() };
            account.owners.push(owner);
            Ok(())
        });
        set.unwrap();
    }

    async fn token(&self, namespace: &Namespace, name: &ServiceAccountName) -> SecretString {
        self.0.default_cluster().token(namespace, name, "sts.amazonaws.com").unwrap()
    }
}

/// The test bed's own clients: the SDK and kube, not our code.
#[derive(Debug)]
pub(super) struct BedHands {
    config: aws_config::SdkConfig,
    iam: aws_sdk_iam::Client,
    kube: KubeClient,
}

/// A client that can be printed.
#[derive(Clone)]
struct KubeClient(kube::Client);

impl Debug for KubeClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("kube::Client")
    }
}

/// Our back end for the cluster of a kubeconfig.
pub(super) async fn kube(kubeconfig: &str) -> KubeCluster {
    KubeCluster::from_kubeconfig(Kubeconfig::read_from(kubeconfig).unwrap(), None).await.unwrap().chosen()
}

impl BedHands {
    pub(super) async fn new(moto: &str, kubeconfig: &str) -> Self {
        let credentials = aws_sdk_iam::config::Credentials::new("testing", "testing", None, None, "test bed");
        let loader = config_loader().endpoint_url(moto).region("us-east-1").credentials_provider(credentials);
        let config = loader.load().await;
        let options = KubeConfigOptions::default();
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let client = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        Self {
            iam: aws_sdk_iam::Client::new(&config),
            kube: KubeClient(kube::Client::try_from(client).unwrap()),
            config,
        }
    }

    pub(super) fn aws(&self) -> AwsBackend {
        AwsBackend::new(&self.config).unwrap()
    }

    fn accounts(&self, namespace: &Namespace) -> Api<core::ServiceAccount> {
        Api::namespaced(self.kube.0.clone(), namespace.as_str())
    }

    fn namespaces(&self) -> Api<core::Namespace> {
        Api::all(self.kube.0.clone())
    }

    /// The policies, or their bindings, of a kind.
    fn policies(&self, kind: &str) -> Api<DynamicObject> {
        let plural = match kind.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None => format!("{kind}s"),
        };
        let resource = ApiResource {
            group: "admissionregistration.k8s.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "admissionregistration.k8s.io/v1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_lowercase(),
        };
        Api::all_with(self.kube.0.clone(), &resource)
    }

    /// A policy that sees the service accounts of one namespace, and its binding.
    async fn add_policy_of(&self, kind: &str, name: &str, namespace: &Namespace, rules: &Value, actions: Option<&str>) {
        let mut spec = json!({"failurePolicy": "Fail", "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["serviceaccounts"],
                "operations": ["CREATE", "UPDATE"]}],
        }});
        spec.as_object_mut().unwrap().extend(rules.as_object().unwrap().clone());
        let mut binding = json!({"policyName": name});
        if let Some(actions) = actions {
            binding["validationActions"] = json!([actions]);
        }
        for (kind, spec) in [(kind.to_owned(), spec), (format!("{kind}Binding"), binding)] {
            let object = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
                "metadata": {"name": name}, "spec": spec});
            let object = serde_json::from_value(object).unwrap();
            self.policies(&kind).create(&PostParams::default(), &object).await.unwrap();
        }
    }
}

const MUTATING: &str = "MutatingAdmissionPolicy";
const VALIDATING: &str = "ValidatingAdmissionPolicy";

/// The mutations that set or remove keys of a map of the metadata, as CEL expressions of JSON patches.
fn mutations(field: &str, changes: &std::collections::BTreeMap<String, Option<String>>) -> Vec<Value> {
    let expression = |(key, value): (&String, &Option<String>)| {
        let path = format!("/metadata/{field}/{}", key.replace('~', "~0").replace('/', "~1"));
        match value {
            Some(value) => format!(
                "has(object.metadata.{field}) ? [JSONPatch{{op: \"add\", path: {path:?}, value: {value:?}}}] : \
                 [JSONPatch{{op: \"add\", path: \"/metadata/{field}\", value: {{{key:?}: {value:?}}}}}]"
            ),
            None => format!(
                "has(object.metadata.{field}) && {key:?} in object.metadata.{field} ? \
                 [JSONPatch{{op: \"remove\", path: {path:?}}}] : []"
            ),
        }
    };
    changes
        .iter()
        .map(|change| json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression(change)}}))
        .collect()
}

#[async_trait]
impl Hands for BedHands {
    async fn add_policy(&self, path: &str, name: &str) -> PolicyArn {
        let document = json!({"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]});
        let request = self.iam.create_policy().path(path).policy_name(name).policy_document(document.to_string());
        request.send().await.unwrap().policy.unwrap().arn.unwrap().parse().unwrap()
    }

    async fn remove_policies(&self, prefix: &str) {
        let own = self.iam.list_policies().scope(aws_sdk_iam::types::PolicyScopeType::Local).send().await.unwrap();
        for policy in own.policies.unwrap_or_default() {
            if policy.policy_name.is_some_and(|name| name.starts_with(prefix)) {
                self.iam.delete_policy().set_policy_arn(policy.arn).send().await.unwrap();
            }
        }
    }

    async fn add_instance_profile(&self, name: &str, role: &RoleName) {
        self.iam.create_instance_profile().instance_profile_name(name).send().await.unwrap();
        let add = self.iam.add_role_to_instance_profile().instance_profile_name(name);
        add.role_name(role.as_str()).send().await.unwrap();
    }

    async fn remove_instance_profile(&self, name: &str, role: &RoleName) {
        let remove = self.iam.remove_role_from_instance_profile().instance_profile_name(name);
        remove.role_name(role.as_str()).send().await.unwrap();
        self.iam.delete_instance_profile().instance_profile_name(name).send().await.unwrap();
    }

    async fn update_as(&self, manager: &str, namespace: &Namespace, name: &str, annotations: &[(&str, Option<&str>)]) {
        let annotations: serde_json::Map<_, _> =
            annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let accounts = self.accounts(namespace);
        let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        if accounts.get_opt(name).await.unwrap().is_none() {
            let account: core::ServiceAccount =
                serde_json::from_value(json!({"metadata": {"name": name, "annotations": annotations}})).unwrap();
            accounts.create(&params, &account).await.unwrap();
            return;
        }
        let patch = json!({"metadata": {"annotations": annotations}});
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        accounts.patch(name, &params, &Patch::Merge(patch)).await.unwrap();
    }

    async fn put_config_map(&self, namespace: &Namespace, name: &str, data: &[(&str, &str)]) {
        let data: std::collections::BTreeMap<_, _> = data.iter().copied().collect();
        let map = serde_json::from_value(json!({"metadata": {"name": name}, "data": data})).unwrap();
        let maps: Api<core::ConfigMap> = Api::namespaced(self.kube.0.clone(), namespace.as_str());
        maps.create(&PostParams::default(), &map).await.unwrap();
    }

    async fn end_account(&self, namespace: &Namespace, name: &str) {
        let accounts = self.accounts(namespace);
        let held = json!({"metadata": {"finalizers": ["example.org/held"]}});
        accounts.patch(name, &PatchParams::default(), &Patch::Merge(held)).await.unwrap();
        accounts.delete(name, &DeleteParams::default()).await.unwrap();
    }

    async fn end_namespace(&self, namespace: &Namespace) {
        // No controller runs in the bed that would finish it.
        self.namespaces().delete(namespace.as_str(), &DeleteParams::default()).await.unwrap();
    }

    async fn remove_namespace(&self, name: &str) {
        if self.namespaces().get_opt(name).await.unwrap().is_none() {
            return;
        }
        let accounts = self.accounts(&Namespace::new(name).unwrap());
        for account in accounts.list(&Default::default()).await.unwrap() {
            let (name, metadata) = (account.metadata.name.unwrap(), json!({"metadata": {"finalizers": null}}));
            if account.metadata.finalizers.is_some() {
                accounts.patch(&name, &PatchParams::default(), &Patch::Merge(metadata)).await.unwrap();
            }
        }
        accounts.delete_collection(&DeleteParams::default(), &Default::default()).await.unwrap();
        let _ = self.namespaces().delete(name, &DeleteParams::default()).await;
        let Some(mut namespace) = self.namespaces().get_opt(name).await.unwrap() else { return };
        namespace.spec = None;
        let _ = self.namespaces().replace_subresource("finalize", name, &PostParams::default(), &namespace).await;
    }

    async fn admit(&self, name: &str, namespace: &Namespace, admission: &AdmissionState) {
        let mut changes = mutations("annotations", &admission.annotations);
        changes.extend(mutations("labels", &admission.labels));
        changes.extend(admission.automount_token.map(|automount| {
            let patch =
                format!("[JSONPatch{{op: \"add\", path: \"/automountServiceAccountToken\", value: {automount}}}]");
            json!({"patchType": "JSONPatch", "jsonPatch": {"expression": patch}})
        }));
        if !changes.is_empty() {
            let rules = json!({"reinvocationPolicy": "Never", "mutations": changes});
            self.add_policy_of(MUTATING, name, namespace, &rules, None).await;
        }
        let demand = admission.demand_automount_token.map(|automount| {
            let field = "object.automountServiceAccountToken";
            let message = format!("automountServiceAccountToken must be {automount}");
            (format!("has({field}) && {field} == {automount}"), message, "Deny")
        });
        let fails =
            |message: &Option<String>, action| message.clone().map(|message| ("1 == 2".to_owned(), message, action));
        let validations =
            demand.into_iter().chain(fails(&admission.deny, "Deny")).chain(fails(&admission.warn, "Warn"));
        for (expression, message, action) in validations {
            let rules = json!({"validations": [{"expression": expression, "message": message}]});
            self.add_policy_of(VALIDATING, name, namespace, &rules, Some(action)).await;
        }
    }

    async fn remove_admission(&self, prefix: &str) {
        for kind in [MUTATING, VALIDATING] {
            for kind in [format!("{kind}Binding"), kind.to_owned()] {
                let policies = self.policies(&kind);
                for policy in policies.list(&Default::default()).await.unwrap() {
                    let name = policy.metadata.name.unwrap();
                    if name.starts_with(prefix) {
                        policies.delete(&name, &DeleteParams::default()).await.unwrap();
                    }
                }
            }
        }
    }

    async fn limit_accounts(&self, namespace: &Namespace, most: u64) {
        let quotas: Api<core::ResourceQuota> = Api::namespaced(self.kube.0.clone(), namespace.as_str());
        let hard = json!({"count/serviceaccounts": most.to_string()});
        let quota = serde_json::from_value(json!({"metadata": {"name": "few"}, "spec": {"hard": hard}})).unwrap();
        quotas.create(&PostParams::default(), &quota).await.unwrap();
        // No controller runs in the bed that would count.
        let status = json!({"status": {"hard": hard, "used": hard}});
        quotas.patch_status("few", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }

    async fn set_automount_as(&self, manager: &str, namespace: &Namespace, name: &str, automount: bool) {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({"automountServiceAccountToken": automount}));
        self.accounts(namespace).patch(name, &params, &patch).await.unwrap();
    }

    async fn token(&self, namespace: &Namespace, name: &ServiceAccountName) -> SecretString {
        let audiences = Some(vec!["sts.amazonaws.com".to_owned()]);
        let spec = TokenRequestSpec { audiences, ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let accounts = self.accounts(namespace);
        let answer = accounts.create_token_request(name.as_str(), &PostParams::default(), &request).await.unwrap();
        SecretString::from(answer.status.unwrap().token.unwrap())
    }
}
