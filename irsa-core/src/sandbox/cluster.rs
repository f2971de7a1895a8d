//! The sandbox as the API server of one of its clusters: the trait's methods as calls, and what is done by hand.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::accounts::described;
use super::apply::{apply, update};
use super::refusal::Answer;
use super::state::{AccountState, ClusterState, Denial, NamespaceState};
use super::{Request, Sandbox};
use crate::backend::{
    AccessReview, Anchor, ClusterBackend, IdentityBackend, NewServiceAccount, ServiceAccount, WriteMode,
};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ClusterRef, Namespace, ServiceAccountName};

/// The API server of one cluster of a [`Sandbox`]: made by [`Sandbox::cluster`].
///
/// Besides the trait it has what a test does by hand, such as [`update_as`](Self::update_as) for another field manager;
/// none of that is a call, so it is neither recorded nor made to fail. All of it fails where the sandbox's file cannot be
/// read or written, and with `NotFound` where there is no such cluster.
#[derive(Debug)]
pub struct SandboxCluster {
    sandbox: Sandbox,
    name: ClusterRef,
    /// Where it is reached through EKS: whether EKS has described it to us.
    described: Option<OnceCell<()>>,
}

#[async_trait]
impl ClusterBackend for SandboxCluster {
    fn through_eks(&self) -> bool {
        self.described.is_some()
    }

    async fn anchor(&self) -> Result<Anchor> {
        if self.through_eks() {
            return Ok(Anchor::default());
        }
        self.read(Request::read("anchor", &self.name, "cannot read the issuer of the API server"), |cluster| {
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

    async fn namespace_exists(&self, namespace: &Namespace) -> Result<bool> {
        let request = Request::read("namespace_exists", namespace, format!("cannot read namespace {namespace}"));
        self.read(request, |cluster| {
            cluster.check("get", "namespaces", Some(namespace), namespace.as_str())?;
            Ok(cluster.namespaces.get(namespace).is_some_and(|held| !held.terminating))
        })
        .await
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        self.read(Request::read("namespaces", &self.name, "cannot list the namespaces of the cluster"), |cluster| {
            cluster.check("list", "namespaces", None, "")?;
            let held = cluster.namespaces.iter().filter(|(_, held)| !held.terminating);
            Ok(held.map(|(name, _)| name.to_string()).collect())
        })
        .await
    }

    async fn create_namespace(&self, namespace: &Namespace) -> Result<()> {
        let request = Request::write("create_namespace", namespace, format!("cannot create namespace {namespace}"));
        self.write(request, |cluster| cluster.create_namespace(namespace)).await
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
        mode: WriteMode,
        force: bool,
    ) -> Result<ServiceAccount> {
        let target = format!("{}/{}", account.namespace, account.name);
        match mode {
            WriteMode::DryRun => {
                let operation = format!("the API server would not take service account {target}");
                let request = Request::read("dry_run_service_account", target, operation);
                self.read(request, |cluster| {
                    let applied = cluster.applied(account, force)?;
                    Ok(described(&account.namespace, &account.name, &applied))
                })
                .await
            }
            WriteMode::Persist => {
                let operation = format!("cannot write service account {target}");
                let request = Request::write("apply_service_account", target, operation);
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

impl SandboxCluster {
    pub(super) fn new(sandbox: Sandbox, name: ClusterRef) -> Self {
        Self { sandbox, name, described: None }
    }

    /// Whether it is reached through EKS' own description: the first of its calls then asks EKS for that, in one more
    /// call, and the others wait for it. Each clone asks anew.
    #[must_use]
    pub fn reached_through_eks(self, through_eks: bool) -> Self {
        Self { described: through_eks.then(OnceCell::new), ..self }
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
            applied.map_err(|refusal| refusal.during(&format!("cannot write service account {namespace}/{name}")))
        })
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

    async fn read<T>(&self, request: Request, work: impl FnOnce(&ClusterState) -> Answer<T> + Send) -> Result<T> {
        self.be_described(&request).await?;
        self.sandbox.read(request, |state| work(state.reach(&self.name)?)).await
    }

    async fn write<T>(&self, request: Request, work: impl FnOnce(&mut ClusterState) -> Answer<T> + Send) -> Result<T> {
        self.be_described(&request).await?;
        self.sandbox.write(request, |state| work(state.reach_mut(&self.name)?)).await
    }

    /// Asks EKS for the cluster, once, where it is reached through EKS.
    async fn be_described(&self, request: &Request) -> Result<()> {
        let Some(described) = &self.described else { return Ok(()) };
        let ask =
            || async {
                let unreached = |error: Error| error.during(request.operation.clone());
                match IdentityBackend::cluster(&self.sandbox, &self.name).await.map_err(unreached)? {
                    Some(description) if description.endpoint.is_some() => Ok(()),
                    Some(description) => Err(Error::new(ErrorKind::Unavailable, request.operation.clone())
                        .with_cause(format!("the cluster has no endpoint: its status is {}", description.status))),
                    None => Err(Error::new(ErrorKind::NotFound, request.operation.clone())
                        .with_cause("EKS has no such cluster")),
                }
            };
        described.get_or_try_init(ask).await.map(drop)
    }
}

impl Clone for SandboxCluster {
    fn clone(&self) -> Self {
        Self::new(self.sandbox.clone(), self.name.clone()).reached_through_eks(self.through_eks())
    }
}
