//! The sandbox as the API server of one of its clusters: each method of the trait as one call, answered by the rules in
//! `accounts` and `apply`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::accounts::described;
use super::responses::Answer;
use super::state::ClusterState;
use super::{Request, Sandbox};
use crate::backend::{
    AccessReview, ApiServerFingerprint, ClusterBackend, ClusterNamespace, ConfigMapReader, DryRun, IdentityBackend,
    NewServiceAccount, ServiceAccount, Takeover,
};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ClusterRef, Namespace, ServiceAccountName};

/// The API server of one cluster of a [`Sandbox`]: made by [`Sandbox::cluster`].
///
/// Besides the trait it has what a test does by hand, such as [`update_as`](Self::update_as) for another field manager;
/// none of that is a call, so it is neither recorded nor made to fail. All of it fails where the sandbox's file cannot be
/// read or written, and with `NotFound` where there is no such cluster.
#[derive(Clone, Debug)]
pub struct SandboxCluster {
    sandbox: Sandbox,
    name: ClusterRef,
    /// Who is asked for the cluster's description before each call, where it is reached as through EKS.
    described_by: Option<Arc<dyn IdentityBackend>>,
}

#[async_trait]
impl ClusterBackend for SandboxCluster {
    fn through_eks(&self) -> bool {
        self.described_by.is_some()
    }

    async fn fingerprint(&self) -> Result<ApiServerFingerprint> {
        if self.through_eks() {
            return Ok(ApiServerFingerprint::default());
        }
        self.read(Request::read("fingerprint", &self.name, "cannot read the issuer of the API server"), |cluster| {
            let told = ApiServerFingerprint {
                issuer: cluster.issuer.as_ref().map(ToString::to_string),
                endpoint: cluster.endpoint.clone(),
                certificate_authority: cluster.certificate_authority.clone(),
                ..ApiServerFingerprint::default()
            };
            Ok(cluster.fingerprint.clone().unwrap_or(told))
        })
        .await
    }

    async fn service_account(
        &self,
        namespace: &Namespace,
        name: &ServiceAccountName,
    ) -> Result<Option<ServiceAccount>> {
        let operation = format!("cannot read service account {namespace}/{name}");
        self.read(Request::read("service_account", format!("{namespace}/{name}"), operation), |cluster| {
            cluster.check("get", "serviceaccounts", Some(namespace), name.as_str())?;
            Ok(cluster.account(namespace, name).map(|account| described(namespace, name, account)))
        })
        .await
    }

    async fn service_accounts(&self) -> Result<Vec<ServiceAccount>> {
        self.read(
            Request::read("service_accounts", &self.name, "cannot list the service accounts of the cluster"),
            |cluster| {
                cluster.check("list", "serviceaccounts", None, "")?;
                Ok(cluster.accounts(None))
            },
        )
        .await
    }

    async fn service_accounts_in(&self, namespace: &Namespace) -> Result<Vec<ServiceAccount>> {
        let operation = format!("cannot list the service accounts of namespace {namespace}");
        self.read(Request::read("service_accounts_in", namespace, operation), |cluster| {
            cluster.check("list", "serviceaccounts", Some(namespace), "")?;
            Ok(cluster.accounts(Some(namespace)))
        })
        .await
    }

    async fn namespace(&self, namespace: &Namespace) -> Result<Option<ClusterNamespace>> {
        let request = Request::read("namespace", namespace, format!("cannot read namespace {namespace}"));
        self.read(request, |cluster| {
            cluster.check("get", "namespaces", Some(namespace), namespace.as_str())?;
            Ok(cluster.described_namespaces().find(|known| known.name == namespace.as_str()))
        })
        .await
    }

    async fn namespaces(&self) -> Result<Vec<ClusterNamespace>> {
        self.read(Request::read("namespaces", &self.name, "cannot list the namespaces of the cluster"), |cluster| {
            cluster.check("list", "namespaces", None, "")?;
            Ok(cluster.described_namespaces().collect())
        })
        .await
    }

    async fn create_namespace(&self, namespace: &Namespace) -> Result<()> {
        let request = Request::write("create_namespace", namespace, format!("cannot create namespace {namespace}"));
        self.write(request, |cluster| cluster.create_namespace(namespace)).await
    }

    fn config_maps(&self) -> Option<&dyn ConfigMapReader> {
        Some(self)
    }

    async fn allowed(&self, review: &AccessReview) -> Result<bool> {
        let AccessReview { verb, resource, namespace } = review;
        let place = namespace.as_ref().map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        let operation = format!("cannot ask whether we may {verb} {resource}{place}");
        let request = Request::read("allowed", format!("{verb} {resource}{place}"), operation);
        self.read(request, |cluster| Ok(cluster.may(verb, resource, namespace.as_ref()))).await
    }

    async fn apply_service_account(
        &self,
        account: &NewServiceAccount,
        dry_run: DryRun,
        takeover: Takeover,
    ) -> Result<ServiceAccount> {
        let target = format!("{}/{}", account.namespace, account.name);
        match dry_run {
            DryRun::Yes => {
                let operation = format!("the API server would not take service account {target}");
                let request = Request::read("dry_run_service_account", target, operation);
                self.read(request, |cluster| {
                    let applied = cluster.applied(account, DryRun::Yes, takeover)?;
                    Ok(described(&account.namespace, &account.name, &applied))
                })
                .await
            }
            DryRun::No => {
                let operation = format!("cannot write service account {target}");
                let request = Request::write("apply_service_account", target, operation);
                self.write(request, |cluster| cluster.apply_account(account, takeover)).await
            }
        }
    }

    async fn remove_annotations(
        &self,
        account: &ServiceAccount,
        keys: &BTreeMap<String, String>,
    ) -> Result<ServiceAccount> {
        let target = format!("{}/{}", account.namespace, account.name);
        let operation = format!("cannot take annotations from service account {target}");
        let request = Request::write("remove_annotations", target, operation);
        self.write(request, |cluster| cluster.remove_annotations(account, keys)).await
    }

    async fn delete_service_account(&self, account: &ServiceAccount) -> Result<()> {
        let target = format!("{}/{}", account.namespace, account.name);
        let operation = format!("cannot delete service account {target}");
        let request = Request::write("delete_service_account", target, operation);
        self.write(request, |cluster| cluster.delete_account(account)).await
    }
}

#[async_trait]
impl ConfigMapReader for SandboxCluster {
    async fn config_value(&self, namespace: &Namespace, map: &str, key: &str) -> Result<Option<String>> {
        let operation = format!("cannot read config map {namespace}/{map}");
        self.read(Request::read("config_value", format!("{namespace}/{map}"), operation), |cluster| {
            cluster.check("get", "configmaps", Some(namespace), map)?;
            let held = cluster.namespaces.get(namespace).and_then(|held| held.config_maps.get(map));
            Ok(held.and_then(|map| map.get(key)).cloned())
        })
        .await
    }
}

impl SandboxCluster {
    pub(super) fn new(sandbox: Sandbox, name: ClusterRef) -> Self {
        Self { sandbox, name, described_by: None }
    }

    /// The same, reached as through EKS: every call waits for the cluster's description, which `identity` gives. One that
    /// keeps its answers shares them, such as [`Client::identity_backend`](crate::Client::identity_backend).
    #[must_use]
    pub fn reached_through(self, identity: Arc<dyn IdentityBackend>) -> Self {
        Self { described_by: Some(identity), ..self }
    }

    /// The sandbox that it belongs to.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// What it was asked for by.
    pub fn name(&self) -> &ClusterRef {
        &self.name
    }

    async fn read<T>(&self, request: Request, work: impl Fn(&ClusterState) -> Answer<T> + Send + Sync) -> Result<T> {
        self.connected(&request).await?;
        self.sandbox.read(request, |state| work(state.reach(&self.name)?)).await
    }

    async fn write<T>(
        &self,
        request: Request,
        work: impl Fn(&mut ClusterState) -> Answer<T> + Send + Sync,
    ) -> Result<T> {
        self.connected(&request).await?;
        self.sandbox.write(request, |state| work(state.reach_mut(&self.name)?)).await
    }

    /// Waits for what a client must know before it can call at all.
    async fn connected(&self, request: &Request) -> Result<()> {
        let Some(identity) = &self.described_by else { return Ok(()) };
        let operation = || request.operation.clone();
        let described = identity.cluster(&self.name).await.map_err(|error| error.during(operation()))?;
        match described {
            Some(described) if described.endpoint.is_some() => Ok(()),
            Some(described) => Err(Error::new(ErrorKind::Unavailable, operation())
                .with_cause(format!("cluster {} has no endpoint: its status is {}", described.arn, described.status))),
            None => Err(Error::new(ErrorKind::NotFound, operation()).with_cause("EKS has no such cluster")),
        }
    }
}
