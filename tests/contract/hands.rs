//! What the suite needs and the traits cannot do: other people's writes, and removing what only people remove.

use std::fmt::Debug;

use async_trait::async_trait;
use irsa_core::aws::{AwsBackend, config_loader};
use irsa_core::name::{Namespace, PolicyArn, RoleName, ServiceAccountName};
use irsa_core::{KubeCluster, Sandbox};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::SecretString;
use serde_json::json;

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
    KubeCluster::from_kubeconfig(Kubeconfig::read_from(kubeconfig).unwrap(), None, true).await.unwrap()
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

    async fn token(&self, namespace: &Namespace, name: &ServiceAccountName) -> SecretString {
        let audiences = Some(vec!["sts.amazonaws.com".to_owned()]);
        let spec = TokenRequestSpec { audiences, ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let accounts = self.accounts(namespace);
        let answer = accounts.create_token_request(name.as_str(), &PostParams::default(), &request).await.unwrap();
        SecretString::from(answer.status.unwrap().token.unwrap())
    }
}
