//! The clusters of a batch as far as they are known, which tell its subjects and roles apart.

use std::collections::BTreeMap;

use crate::binding::IrsaBinding;
use crate::cluster_identity::ClusterIdentity;
use crate::error::{Error, ErrorKind};
use crate::name::{ClusterRef, Namespace, RoleName, Subject, SubjectName};
use crate::request::Request;

/// A subject: its cluster as far as that is known, its namespace and its name.
pub(super) type SubjectKey = (String, Namespace, SubjectName);

/// What is known of the clusters: nothing before any call.
#[derive(Clone, Copy, Default)]
pub(super) struct ResolvedClusters<'a>(Option<&'a BTreeMap<ClusterRef, ClusterIdentity>>);

impl<'a> ResolvedClusters<'a> {
    /// Whether nothing is known, as before any call.
    pub(super) fn is_unknown(&self) -> bool {
        self.0.is_none()
    }

    /// What was resolved.
    pub(super) fn of(clusters: &'a BTreeMap<ClusterRef, ClusterIdentity>) -> Self {
        Self(Some(clusters))
    }

    pub(super) fn identity(&self, cluster: &ClusterRef) -> Option<&'a ClusterIdentity> {
        self.0?.get(cluster)
    }

    /// Unique key of a cluster: its name before it is resolved, its identity afterwards.
    pub(super) fn id(&self, cluster: &ClusterRef) -> String {
        self.identity(cluster).map_or_else(|| cluster.to_string(), |identity| identity.cluster.to_string())
    }

    /// Where a subject of a binding is.
    pub(super) fn subject_key(&self, binding: &IrsaBinding, subject: &Subject) -> SubjectKey {
        let cluster = self.id(subject.cluster.as_ref().unwrap_or(&binding.cluster));
        (cluster, subject.namespace.clone(), subject.name.clone())
    }

    /// Name of the role; `None` if it is not known before the cluster is resolved.
    pub(super) fn role_name(&self, binding: &IrsaBinding) -> Option<RoleName> {
        let default = || match self.identity(&binding.cluster) {
            Some(identity) => binding.naming().default(identity),
            None => binding.naming().short(),
        };
        binding.role_name.clone().or_else(default)
    }

    /// Unique key of the role of a request; `None` if it is not known yet, and for a role of another account, which is never
    /// written. The account of a cluster is known once it is resolved.
    pub(super) fn role_key(&self, request: &Request) -> Option<String> {
        let named = || self.role_name(&request.binding).map(|name| name.as_str().to_ascii_lowercase());
        match (&request.existing_role, self.identity(&request.binding.cluster)) {
            (None, _) => named(),
            (Some(arn), Some(home)) => home.has_role(arn).then(named).flatten(),
            (Some(arn), None) => Some(arn.to_string().to_ascii_lowercase()),
        }
    }

    /// Whether two requests refer to the same role; `None` if that is not known yet.
    pub(super) fn is_one_role(&self, one: &Request, other: &Request) -> Option<bool> {
        let names = (self.role_name(&one.binding)?, self.role_name(&other.binding)?);
        if !names.0.as_str().eq_ignore_ascii_case(names.1.as_str()) {
            return Some(false);
        }
        let account = |request: &Request| {
            let home = || self.identity(&request.binding.cluster).map(|home| home.account.clone());
            request.existing_role.as_ref().map(|arn| arn.account().clone()).or_else(home)
        };
        match (account(one), account(other)) {
            (Some(one), Some(other)) => Some(one == other),
            (None, None) => Some(true),
            _ => None,
        }
    }
}

/// The error of two requests, counted from 0, that contradict each other.
pub(super) fn conflict(what: String, first: usize, second: usize) -> Error {
    Error::new(ErrorKind::InvalidInput, what)
        .with_context("first", first.to_string())
        .with_context("second", second.to_string())
}
