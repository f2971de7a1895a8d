//! The sandbox as the API server of one of its clusters: the trait's methods as calls, and what is done by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use super::accounts::{described, no_account};
use super::apply::{apply, update};
use super::exchange::Claims;
use super::refusal::Answer;
use super::state::{AccountState, ClusterState, Denial, NamespaceState};
use super::{Request, Sandbox};
use crate::backend::{
    AccessReview, Anchor, ClusterBackend, IdentityBackend, NewServiceAccount, ServiceAccount, WriteMode,
};
use crate::error::Result;
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

    async fn anchor(&self) -> Result<Anchor> {
        self.read(Request::read("anchor", &self.name, "read the discovery document"), |cluster| {
            let told = Anchor {
                issuer: cluster.issuer.as_ref().map(ToString::to_string),
                endpoint: cluster.endpoint.clone(),
                certificate_authority: cluster.certificate_authority.clone(),
                ..Anchor::default()
            };
            Ok(cluster.anchor.clone().unwrap_or(told))
        })
        .await
    }

    async fn service_account(
        &self,
        namespace: &Namespace,
        name: &ServiceAccountName,
    ) -> Result<Option<ServiceAccount>> {
        let doing = format!("read service account {namespace}/{name}");
        self.read(Request::read("service_account", format!("{namespace}/{name}"), doing), |cluster| {
            cluster.check("get", "serviceaccounts", Some(namespace), name.as_str())?;
            Ok(cluster.account(namespace, name).map(|account| described(namespace, name, account)))
        })
        .await
    }

    async fn service_accounts(&self) -> Result<Vec<ServiceAccount>> {
        self.read(Request::read("service_accounts", &self.name, "list service accounts"), |cluster| {
            cluster.check("list", "serviceaccounts", None, "")?;
            Ok(cluster.accounts(None))
        })
        .await
    }

    async fn service_accounts_in(&self, namespace: &Namespace) -> Result<Vec<ServiceAccount>> {
        let doing = format!("list service accounts in namespace {namespace}");
        self.read(Request::read("service_accounts_in", namespace, doing), |cluster| {
            cluster.check("list", "serviceaccounts", Some(namespace), "")?;
            Ok(cluster.accounts(Some(namespace)))
        })
        .await
    }

    async fn namespace_exists(&self, namespace: &Namespace) -> Result<bool> {
        let request = Request::read("namespace_exists", namespace, format!("read namespace {namespace}"));
        self.read(request, |cluster| {
            cluster.check("get", "namespaces", Some(namespace), namespace.as_str())?;
            Ok(cluster.namespaces.get(namespace).is_some_and(|held| !held.terminating))
        })
        .await
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        self.read(Request::read("namespaces", &self.name, "list namespaces"), |cluster| {
            cluster.check("list", "namespaces", None, "")?;
            Ok(cluster.namespaces.keys().map(ToString::to_string).collect())
        })
        .await
    }

    async fn create_namespace(&self, namespace: &Namespace) -> Result<()> {
        let request = Request::write("create_namespace", namespace, format!("create namespace {namespace}"));
        self.write(request, |cluster| cluster.create_namespace(namespace)).await
    }

    async fn allowed(&self, review: &AccessReview) -> Result<bool> {
        let AccessReview { verb, resource, namespace } = review;
        let request = Request::read("allowed", format!("{verb} {resource}"), "ask for our rights");
        self.read(request, |cluster| Ok(cluster.may(verb, resource, namespace.as_ref()))).await
    }

    async fn apply_service_account(
        &self,
        account: &NewServiceAccount,
        mode: WriteMode,
        force: bool,
    ) -> Result<ServiceAccount> {
        let target = format!("{}/{}", account.namespace, account.name);
        let doing = format!("apply service account {target}");
        match mode {
            WriteMode::DryRun => {
                let request = Request::read("dry_run_service_account", target, doing);
                self.read(request, |cluster| {
                    let applied = cluster.applied(account, force)?;
                    Ok(described(&account.namespace, &account.name, &applied))
                })
                .await
            }
            WriteMode::Persist => {
                let request = Request::write("apply_service_account", target, doing);
                self.write(request, |cluster| cluster.apply_account(account, force)).await
            }
        }
    }

    async fn remove_annotations(
        &self,
        account: &ServiceAccount,
        keys: &BTreeMap<String, String>,
    ) -> Result<ServiceAccount> {
        let target = format!("{}/{}", account.namespace, account.name);
        let doing = format!("remove annotations of service account {target}");
        let request = Request::write("remove_annotations", target, doing);
        self.write(request, |cluster| cluster.remove_annotations(account, keys)).await
    }

    async fn delete_service_account(&self, account: &ServiceAccount) -> Result<()> {
        let target = format!("{}/{}", account.namespace, account.name);
        let doing = format!("delete service account {target}");
        let request = Request::write("delete_service_account", target, doing);
        self.write(request, |cluster| cluster.delete_account(account)).await
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

    /// Sets the status, such as `CREATING`, in which EKS tells no issuer.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`], as for all that is done by hand.
    pub fn set_status(&self, status: &str) -> Result<()> {
        self.edit(|cluster| {
            status.clone_into(&mut cluster.status);
            Ok(())
        })
    }

    /// Sets what the API server tells of itself: `Anchor::default()` when nothing can be read, `None` for the truth.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`].
    pub fn set_anchor(&self, anchor: Option<Anchor>) -> Result<()> {
        self.edit(|cluster| {
            cluster.anchor = anchor;
            Ok(())
        })
    }

    /// Denies a verb (`*`: all of them) on `serviceaccounts` or `namespaces`, everywhere.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`].
    pub fn deny(&self, verb: &str, resource: &str) -> Result<()> {
        self.edit(|cluster| {
            cluster.denied.insert(Denial { verb: verb.to_owned(), resource: resource.to_owned(), namespace: None });
            Ok(())
        })
    }

    /// Makes a namespace; one that is there stays as it is.
    ///
    /// # Errors
    /// `InvalidInput` for a name that no namespace has; those of [`Sandbox::edit`].
    pub fn add_namespace(&self, name: &str) -> Result<()> {
        let name = Namespace::new(name)?;
        self.edit(|cluster| {
            cluster.namespaces.entry(name).or_default();
            Ok(())
        })
    }

    /// Removes a namespace and all that is in it.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`].
    pub fn remove_namespace(&self, name: &str) -> Result<()> {
        self.edit(|cluster| {
            cluster.namespaces.remove(name);
            Ok(())
        })
    }

    /// Makes or replaces a service account, and its namespace where that is missing; an empty uid means a new one.
    ///
    /// # Errors
    /// `InvalidInput` for names that no account has; those of [`Sandbox::edit`].
    pub fn put_service_account(&self, namespace: &str, name: &str, account: AccountState) -> Result<()> {
        let (namespace, name) = (Namespace::new(namespace)?, ServiceAccountName::new(name)?);
        self.edit(|cluster| {
            cluster.namespaces.entry(namespace).or_default().service_accounts.insert(name, account);
            Ok(())
        })
    }

    /// Removes a service account.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`].
    pub fn remove_service_account(&self, namespace: &str, name: &str) -> Result<()> {
        self.edit(|cluster| {
            let held: Option<&mut NamespaceState> = cluster.namespaces.get_mut(namespace);
            held.map(|held| held.service_accounts.remove(name));
            Ok(())
        })
    }

    /// Lets another manager change annotations, as `kubectl annotate` does (`None` takes one away). An account that is
    /// not there is made.
    ///
    /// # Errors
    /// `InvalidInput` for names that no account has; those of [`Sandbox::edit`].
    pub fn update_as(
        &self,
        manager: &str,
        namespace: &str,
        name: &str,
        annotations: &[(&str, Option<&str>)],
    ) -> Result<()> {
        let owned = |(key, value): &(&str, Option<&str>)| ((*key).to_owned(), value.map(str::to_owned));
        let annotations = annotations.iter().map(owned).collect();
        self.change(namespace, name, |account| Ok(update(account, manager, &BTreeMap::new(), &annotations)))
    }

    /// Lets another manager apply exactly these annotations by server-side apply, taking over what others own. An account
    /// that is not there is made.
    ///
    /// # Errors
    /// `InvalidInput` for names that no account has; those of [`Sandbox::edit`].
    pub fn apply_as(&self, manager: &str, namespace: &str, name: &str, annotations: &[(&str, &str)]) -> Result<()> {
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.change(namespace, name, |account| {
            let applied = apply(account, manager, &BTreeMap::new(), &annotations, true);
            applied.map_err(|refusal| refusal.during("apply"))
        })
    }

    /// A projected token of a service account, as a pod would get it. Nobody signed it, and it does not expire.
    ///
    /// # Errors
    /// `NotFound` when there is no such account, or the cluster has no issuer; those of [`Sandbox::state`].
    pub fn token(&self, namespace: &Namespace, name: &ServiceAccountName, audience: &str) -> Result<SecretString> {
        let state = self.sandbox.state()?;
        let token = state.reach(&self.name).and_then(|cluster| {
            let issuer = cluster.issuer.as_ref().filter(|_| cluster.account(namespace, name).is_some());
            let issuer = issuer.ok_or_else(|| no_account(name))?;
            let sub = format!("system:serviceaccount:{namespace}:{name}");
            Ok(Claims { iss: issuer.url(), sub, aud: vec![audience.to_owned()] }.token())
        });
        token.map_err(|refusal| refusal.during(&format!("make a token of {namespace}/{name}")))
    }

    fn change(
        &self,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&AccountState) -> Result<AccountState>,
    ) -> Result<()> {
        let (namespace, name) = (Namespace::new(namespace)?, ServiceAccountName::new(name)?);
        self.edit(|cluster| {
            let known = cluster.account(&namespace, &name).cloned();
            let mut next = change(&known.clone().unwrap_or_default())?;
            if known.as_ref() != Some(&next) {
                next.resource_version = cluster.next_revision();
                cluster.namespaces.entry(namespace).or_default().service_accounts.insert(name, next);
            }
            Ok(())
        })
    }

    /// Waits for what a client must know before it can call at all.
    async fn connected(&self) -> Result<()> {
        if let Some(identity) = &self.described_by {
            identity.cluster(&self.name).await?;
        }
        Ok(())
    }

    async fn read<T>(&self, request: Request, work: impl FnOnce(&ClusterState) -> Answer<T> + Send) -> Result<T> {
        self.connected().await?;
        self.sandbox.read(request, |state| work(state.reach(&self.name)?)).await
    }

    async fn write<T>(&self, request: Request, work: impl FnOnce(&mut ClusterState) -> Answer<T> + Send) -> Result<T> {
        self.connected().await?;
        self.sandbox.write(request, |state| work(state.reach_mut(&self.name)?)).await
    }
}
