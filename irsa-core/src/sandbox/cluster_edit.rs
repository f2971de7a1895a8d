//! What a test or a person does to a cluster by hand: its status, its rights, what other field managers write. None of it
//! is a call.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::SandboxCluster;
use super::accounts::no_account;
use super::apply::{Fields, apply, update};
use super::state::{AdmissionState, ClusterState, Denial, NamespaceState, ServiceAccountState};
use super::sts::Claims;
use crate::backend::ApiServerFingerprint;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Namespace, ServiceAccountName};

impl SandboxCluster {
    /// Changes the cluster in any way, as [`Sandbox::edit`](super::Sandbox::edit) does.
    ///
    /// # Errors
    /// `NotFound` when there is no such cluster; those of [`Sandbox::edit`](super::Sandbox::edit).
    pub fn edit<T>(&self, change: impl FnOnce(&mut ClusterState) -> Result<T>) -> Result<T> {
        self.sandbox().edit(|state| {
            let key = state.cluster_key(self.name());
            match state.clusters.get_mut(&key) {
                Some(cluster) => change(cluster),
                None => Err(Error::new(ErrorKind::NotFound, format!("the sandbox has no cluster {key}"))),
            }
        })
    }

    /// Removes the cluster, as EKS does; its provider stays.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`](super::Sandbox::edit).
    pub fn remove(&self) -> Result<()> {
        self.sandbox().edit(|state| {
            let key = state.cluster_key(self.name());
            state.clusters.remove(&key);
            Ok(())
        })
    }

    /// Sets the status, such as `CREATING`, in which EKS tells no issuer.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`](super::Sandbox::edit), as for all that is done by hand.
    pub fn set_status(&self, status: &str) -> Result<()> {
        self.edit(|cluster| {
            status.clone_into(&mut cluster.status);
            Ok(())
        })
    }

    /// Sets what the API server tells of itself: `ApiServerFingerprint::default()` when nothing can be read, `None` for the truth.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`](super::Sandbox::edit).
    pub fn set_fingerprint(&self, fingerprint: Option<ApiServerFingerprint>) -> Result<()> {
        self.edit(|cluster| {
            cluster.fingerprint = fingerprint;
            Ok(())
        })
    }

    /// Denies a verb (`*`: all of them) on `serviceaccounts`, `namespaces` or `configmaps`, everywhere.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`](super::Sandbox::edit).
    pub fn deny(&self, verb: &str, resource: &str) -> Result<()> {
        self.edit(|cluster| {
            cluster.denied.insert(Denial { verb: verb.to_owned(), resource: resource.to_owned(), namespace: None });
            Ok(())
        })
    }

    /// Adds or replaces an admission webhook or policy.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`](super::Sandbox::edit).
    pub fn add_admission(&self, name: &str, admission: AdmissionState) -> Result<()> {
        self.edit(|cluster| {
            cluster.admission.insert(name.to_owned(), admission);
            Ok(())
        })
    }

    /// Makes a namespace; one that is there stays as it is.
    ///
    /// # Errors
    /// `InvalidInput` for a name that no namespace has; those of [`Sandbox::edit`](super::Sandbox::edit).
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
    /// Those of [`Sandbox::edit`](super::Sandbox::edit).
    pub fn remove_namespace(&self, name: &str) -> Result<()> {
        self.edit(|cluster| {
            cluster.namespaces.remove(name);
            Ok(())
        })
    }

    /// Makes or replaces a service account, and its namespace where that is missing; an empty uid means a new one.
    ///
    /// # Errors
    /// `InvalidInput` for names that no account has; those of [`Sandbox::edit`](super::Sandbox::edit).
    pub fn put_service_account(&self, namespace: &str, name: &str, account: ServiceAccountState) -> Result<()> {
        let (namespace, name) = (Namespace::new(namespace)?, ServiceAccountName::new(name)?);
        self.edit(|cluster| {
            cluster.namespaces.entry(namespace).or_default().service_accounts.insert(name, account);
            Ok(())
        })
    }

    /// Makes or replaces a config map, and its namespace where that is missing.
    ///
    /// # Errors
    /// `InvalidInput` for a name that no namespace has; those of [`Sandbox::edit`](super::Sandbox::edit).
    pub fn put_config_map(&self, namespace: &str, name: &str, data: &[(&str, &str)]) -> Result<()> {
        let namespace = Namespace::new(namespace)?;
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.edit(|cluster| {
            cluster.namespaces.entry(namespace).or_default().config_maps.insert(name.to_owned(), data);
            Ok(())
        })
    }

    /// Removes a service account.
    ///
    /// # Errors
    /// Those of [`Sandbox::edit`](super::Sandbox::edit).
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
    /// `InvalidInput` for names that no account has; those of [`Sandbox::edit`](super::Sandbox::edit).
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
    /// `InvalidInput` for names that no account has; those of [`Sandbox::edit`](super::Sandbox::edit).
    pub fn apply_as(&self, manager: &str, namespace: &str, name: &str, annotations: &[(&str, &str)]) -> Result<()> {
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.change(namespace, name, |account| {
            let fields = Fields { labels: &BTreeMap::new(), annotations: &annotations, automount_token: None };
            let applied = apply(account, manager, fields, true);
            applied.map_err(|refusal| refusal.during(&format!("cannot write service account {namespace}/{name}")))
        })
    }

    fn change(
        &self,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&ServiceAccountState) -> Result<ServiceAccountState>,
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

    /// A projected token of a service account, as a pod would get it. Nobody signed it, and it does not expire.
    ///
    /// # Errors
    /// `NotFound` when there is no such account, or the cluster has no issuer; those of
    /// [`Sandbox::state`](super::Sandbox::state).
    pub fn token(&self, namespace: &Namespace, name: &ServiceAccountName, audience: &str) -> Result<SecretString> {
        let state = self.sandbox().state()?;
        let token = state.reach(self.name()).and_then(|cluster| {
            let issuer = cluster.issuer.as_ref().filter(|_| cluster.account(namespace, name).is_some());
            let issuer = issuer.ok_or_else(|| no_account(name))?;
            let sub = format!("system:serviceaccount:{namespace}:{name}");
            Ok(Claims { iss: issuer.url(), sub, aud: vec![audience.to_owned()] }.token())
        });
        token.map_err(|refusal| refusal.during(&format!("cannot make a token of {namespace}/{name}")))
    }
}
