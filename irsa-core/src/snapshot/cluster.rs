//! A cluster as a fleet reads it: its accounts and namespaces from one list each, and what is the same for many bindings
//! asked for once. What may not be listed is read one by one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;

use super::memo::Memo;
use crate::backend::{
    AccessReview, ApiServerFingerprint, ClusterBackend, ClusterNamespace, ConfigMapReader, DryRun, NewServiceAccount,
    ServiceAccount, Takeover,
};
use crate::binding::ROLE_ARN_ANNOTATION;
use crate::error::Result;
use crate::name::{Namespace, RoleArn, ServiceAccountName};
use crate::service_account::is_bound_by_us;
use crate::tolerance::OptionalRead;

/// The accounts of a cluster, found by their place and by their annotation.
#[derive(Debug, Default)]
struct Listed {
    accounts: Vec<ServiceAccount>,
    by_place: HashMap<(Namespace, ServiceAccountName), usize>,
    by_annotation: HashMap<String, Vec<usize>>,
}

impl Listed {
    fn new(accounts: Vec<ServiceAccount>) -> Self {
        let mut listed = Self { accounts, ..Self::default() };
        for (at, account) in listed.accounts.iter().enumerate() {
            listed.by_place.insert((account.namespace.clone(), account.name.clone()), at);
            if let Some(role) = account.annotations.get(ROLE_ARN_ANNOTATION) {
                listed.by_annotation.entry(role.clone()).or_default().push(at);
            }
        }
        listed
    }
}

/// One cluster for the time of one plan. Writes go through; what was read does not show them.
#[derive(Debug)]
pub(crate) struct ClusterSnapshot {
    inner: Arc<dyn ClusterBackend>,
    /// Nothing where they may not be listed.
    accounts: Memo<(), Option<Arc<Listed>>>,
    namespaces: Memo<(), Arc<Vec<ClusterNamespace>>>,
    each_namespace: Memo<Namespace, Option<ClusterNamespace>>,
    fingerprint: Memo<(), ApiServerFingerprint>,
    reviews: Memo<AccessReview, bool>,
}

impl ClusterSnapshot {
    pub(crate) fn new(inner: Arc<dyn ClusterBackend>) -> Self {
        let (accounts, namespaces, each_namespace, fingerprint, reviews) = Default::default();
        Self { inner, accounts, namespaces, each_namespace, fingerprint, reviews }
    }

    /// Lists the accounts and makes sure of the cluster ahead of the first who asks.
    pub(crate) async fn prepare(&self) {
        let fingerprint = async { if self.inner.through_eks() { None } else { self.fingerprint().await.ok() } };
        let _ = futures::join!(self.listed(), self.all_namespaces(), fingerprint);
    }

    async fn listed(&self) -> Result<Option<Arc<Listed>>> {
        let ask = async {
            let accounts = OptionalRead::ServiceAccounts.tolerate(self.inner.service_accounts().await)?;
            Ok(accounts.map(|accounts| Arc::new(Listed::new(accounts))))
        };
        self.accounts.get_or_fetch(&(), ask).await
    }

    async fn all_namespaces(&self) -> Result<Arc<Vec<ClusterNamespace>>> {
        self.namespaces.get_or_fetch(&(), async { self.inner.namespaces().await.map(Arc::new) }).await
    }

    /// The accounts that irsa has annotated with a role; none where they may not be listed.
    pub(crate) async fn bound(&self, role: &RoleArn) -> Result<Vec<ServiceAccount>> {
        let Some(listed) = self.listed().await? else { return Ok(Vec::new()) };
        let annotated = listed.by_annotation.get(&role.to_string()).into_iter().flatten();
        let annotated = annotated.filter_map(|at| listed.accounts.get(*at));
        Ok(annotated.filter(|account| is_bound_by_us(account, role)).cloned().collect())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ClusterBackend for ClusterSnapshot {
    fn through_eks(&self) -> bool {
        self.inner.through_eks()
    }

    async fn fingerprint(&self) -> Result<ApiServerFingerprint> {
        self.fingerprint.get_or_fetch(&(), self.inner.fingerprint()).await
    }

    async fn service_account(
        &self,
        namespace: &Namespace,
        name: &ServiceAccountName,
    ) -> Result<Option<ServiceAccount>> {
        match self.listed().await? {
            Some(listed) => {
                let at = listed.by_place.get(&(namespace.clone(), name.clone()));
                Ok(at.and_then(|at| listed.accounts.get(*at)).cloned())
            }
            None => self.inner.service_account(namespace, name).await,
        }
    }

    async fn service_accounts(&self) -> Result<Vec<ServiceAccount>> {
        match self.listed().await? {
            Some(listed) => Ok(listed.accounts.clone()),
            None => self.inner.service_accounts().await,
        }
    }

    async fn service_accounts_in(&self, namespace: &Namespace) -> Result<Vec<ServiceAccount>> {
        match self.listed().await? {
            Some(listed) => Ok(listed.accounts.iter().filter(|a| a.namespace == *namespace).cloned().collect()),
            None => self.inner.service_accounts_in(namespace).await,
        }
    }

    async fn namespace(&self, namespace: &Namespace) -> Result<Option<ClusterNamespace>> {
        match self.all_namespaces().await {
            Ok(all) => Ok(all.iter().find(|known| known.name == namespace.as_str()).cloned()),
            Err(_) => self.each_namespace.get_or_fetch(namespace, self.inner.namespace(namespace)).await,
        }
    }

    async fn namespaces(&self) -> Result<Vec<ClusterNamespace>> {
        self.all_namespaces().await.map(|all| all.as_ref().clone())
    }

    fn config_maps(&self) -> Option<&dyn ConfigMapReader> {
        self.inner.config_maps()
    }

    async fn create_namespace(&self, namespace: &Namespace) -> Result<()> {
        self.inner.create_namespace(namespace).await
    }

    async fn allowed(&self, review: &AccessReview) -> Result<bool> {
        self.reviews.get_or_fetch(review, self.inner.allowed(review)).await
    }

    async fn apply_service_account(
        &self,
        account: &NewServiceAccount,
        dry_run: DryRun,
        takeover: Takeover,
    ) -> Result<ServiceAccount> {
        self.inner.apply_service_account(account, dry_run, takeover).await
    }

    async fn remove_annotations(
        &self,
        account: &ServiceAccount,
        keys: &BTreeMap<String, String>,
    ) -> Result<ServiceAccount> {
        self.inner.remove_annotations(account, keys).await
    }

    async fn delete_service_account(&self, account: &ServiceAccount) -> Result<()> {
        self.inner.delete_service_account(account).await
    }
}
