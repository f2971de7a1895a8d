//! Stage one, resolve: which cluster, issuer, account and partition a binding speaks of.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::backend::{CallerIdentity, ClusterDescription, IdentityBackend};
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{AccountId, ClusterArn, ClusterRef, Issuer, Partition, ProviderArn, Region, RoleArn};

/// How long the description of a cluster is kept.
const CACHE_TTL: Duration = Duration::from_secs(600);

/// What stands for a cluster in tags and hashes: its ARN, or the issuer's host and path where it has none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterId(String);

impl ClusterId {
    /// From the text in a tag.
    pub(crate) fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A cluster as far as bindings are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterIdentity {
    /// What stands for it in tags and hashes.
    pub cluster: ClusterId,
    /// The partition.
    pub partition: Partition,
    /// The account of the cluster, and of the roles of bindings that it is the first cluster of.
    pub account: AccountId,
    /// The issuer of its tokens; unknown for a cluster that is gone, which can still be cleaned up after.
    pub issuer: Option<Issuer>,
    /// The URL of the API server, as EKS gives it.
    pub endpoint: Option<String>,
    /// The certificate authority of the API server, PEM in base64, as EKS gives it.
    pub certificate_authority: Option<String>,
}

impl ClusterIdentity {
    /// Given by the user in place of asking EKS. Where the cluster has a name and a region, its ARN stands for it.
    pub fn given(
        cluster: &ClusterRef,
        issuer: Issuer,
        account: AccountId,
        partition: Partition,
        region: Option<Region>,
    ) -> Self {
        let id = match (cluster, region) {
            (ClusterRef::Arn(arn), _) => arn.to_string(),
            (ClusterRef::Name(name), Some(region)) => {
                ClusterArn::new(partition.clone(), region, account.clone(), name.clone()).to_string()
            }
            _ => issuer.host_path().to_owned(),
        };
        let (endpoint, certificate_authority) = (None, None);
        Self { cluster: ClusterId(id), partition, account, issuer: Some(issuer), endpoint, certificate_authority }
    }

    fn described(description: ClusterDescription) -> Self {
        Self {
            cluster: ClusterId(description.arn.to_string()),
            partition: description.arn.partition().clone(),
            account: description.arn.account().clone(),
            issuer: description.issuer,
            endpoint: description.endpoint,
            certificate_authority: description.certificate_authority,
        }
    }

    /// A cluster that is gone, of which only the ARN is left.
    fn gone(arn: &ClusterArn) -> Self {
        Self {
            cluster: ClusterId(arn.to_string()),
            partition: arn.partition().clone(),
            account: arn.account().clone(),
            issuer: None,
            endpoint: None,
            certificate_authority: None,
        }
    }

    /// Whether a role is in the account of this cluster.
    pub(crate) fn has_role(&self, arn: &RoleArn) -> bool {
        (arn.account(), arn.partition()) == (&self.account, &self.partition)
    }

    /// The provider that stands for this cluster in the account of a role.
    pub(crate) fn provider_in(&self, account: &AccountId) -> Option<ProviderArn> {
        let issuer = self.issuer.clone()?;
        Some(ProviderArn::new(self.partition.clone(), account.clone(), issuer))
    }
}

/// Whether a cluster that is gone is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// It must exist and have an issuer.
    Usable,
    /// Its ARN is enough: only cleaning up is to be done.
    ArnIsEnough,
}

/// The identities of clusters, all asked for at the same time.
///
/// # Errors
/// `NotFound` for a cluster that does not exist, `Unavailable` for one that has no issuer (yet).
pub(crate) async fn resolve(
    backend: &dyn IdentityBackend,
    given: &BTreeMap<ClusterRef, ClusterIdentity>,
    clusters: &[ClusterRef],
    demand: Demand,
) -> Result<BTreeMap<ClusterRef, ClusterIdentity>> {
    let each = clusters.iter().map(|cluster| {
        async move {
            let identity = match given.get(cluster) {
                Some(identity) => identity.clone(),
                None => resolve_one(backend, cluster, demand).await?,
            };
            Ok((cluster.clone(), identity))
        }
        .boxed()
    });
    futures::future::try_join_all(each).await.map(|pairs| pairs.into_iter().collect())
}

async fn resolve_one(backend: &dyn IdentityBackend, cluster: &ClusterRef, demand: Demand) -> Result<ClusterIdentity> {
    if let ClusterRef::Issuer(issuer) = cluster {
        let caller = backend.caller_identity().await?;
        return Ok(ClusterIdentity::given(cluster, issuer.clone(), caller.account, caller.partition, None));
    }
    match (backend.cluster(cluster).await?, cluster) {
        (Some(description), _) => {
            if demand == Demand::Usable {
                check_issuer(&description)?;
            }
            Ok(ClusterIdentity::described(description))
        }
        (None, ClusterRef::Arn(arn)) if demand == Demand::ArnIsEnough => Ok(ClusterIdentity::gone(arn)),
        (None, _) => Err(missing(cluster, demand)),
    }
}

fn missing(cluster: &ClusterRef, demand: Demand) -> Error {
    let hint = match (demand, cluster) {
        (Demand::ArnIsEnough, _) => Hint::from("to clean up after a cluster that is gone, give its ARN"),
        _ => Hint::CheckCluster,
    };
    Error::new(ErrorKind::NotFound, format!("cluster {cluster} does not exist"))
        .with_code("ResourceNotFoundException")
        .with_context("cluster", cluster.to_string())
        .with_hint(hint)
}

fn check_issuer(description: &ClusterDescription) -> Result<()> {
    if description.issuer.is_some() {
        return Ok(());
    }
    let name = description.arn.name();
    let error = Error::new(ErrorKind::Unavailable, format!("cluster {name} has no OIDC issuer"))
        .with_context("cluster", description.arn.to_string());
    Err(if description.outpost {
        error.with_cause("it is a local cluster on an Outpost, which IRSA does not support").with_hint(
            "run the workload in a cluster in the region, or give issuer and account of a provider of your own",
        )
    } else {
        error
            .with_cause(format!("its status is {}; EKS gives the issuer once it is ACTIVE", description.status))
            .with_hint(format!("wait with `aws eks wait cluster-active --name {name}`, then run the command again"))
    })
}

/// An identity back end that remembers clusters for ten minutes and asks once for all who ask at the same time.
#[derive(Debug)]
pub(crate) struct CachedIdentityBackend {
    inner: Arc<dyn IdentityBackend>,
    clusters: Mutex<HashMap<ClusterRef, Arc<Mutex<Kept>>>>,
}

/// The last usable answer, and since when it is kept.
type Kept = Option<(Instant, ClusterDescription)>;

impl CachedIdentityBackend {
    pub(crate) fn new(inner: Arc<dyn IdentityBackend>) -> Self {
        Self { inner, clusters: Mutex::default() }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl IdentityBackend for CachedIdentityBackend {
    async fn cluster(&self, cluster: &ClusterRef) -> Result<Option<ClusterDescription>> {
        let slot = Arc::clone(self.clusters.lock().await.entry(cluster.clone()).or_default());
        let mut slot = slot.lock().await;
        if let Some((since, description)) = slot.as_ref()
            && since.elapsed() < CACHE_TTL
        {
            return Ok(Some(description.clone()));
        }
        let description = self.inner.cluster(cluster).await?;
        // Only a usable answer is kept: a cluster that is being made changes soon.
        *slot = description.clone().filter(|d| d.issuer.is_some()).map(|d| (Instant::now(), d));
        Ok(description)
    }

    async fn caller_identity(&self) -> Result<CallerIdentity> {
        self.inner.caller_identity().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::MockIdentityBackend;

    const ARN: &str = "arn:aws:eks:us-east-1:123456789012:cluster/demo";

    fn description(issuer: Option<&str>, status: &str) -> ClusterDescription {
        ClusterDescription {
            arn: ARN.parse().unwrap(),
            status: status.to_owned(),
            issuer: issuer.map(|issuer| issuer.parse().unwrap()),
            endpoint: None,
            certificate_authority: None,
            outpost: status == "OUTPOST",
        }
    }

    async fn resolved(answer: Option<ClusterDescription>, cluster: &str, demand: Demand) -> Result<ClusterIdentity> {
        let mut backend = MockIdentityBackend::new();
        backend.expect_cluster().returning(move |_| Ok(answer.clone()));
        let cluster: ClusterRef = cluster.parse()?;
        let mut all = resolve(&backend, &BTreeMap::new(), std::slice::from_ref(&cluster), demand).await?;
        Ok(all.remove(&cluster).unwrap())
    }

    #[tokio::test]
    async fn a_cluster_gives_account_and_partition_without_asking_sts() {
        let answer = Some(description(Some("https://issuer.example/id/A"), "ACTIVE"));
        let identity = resolved(answer, "demo", Demand::Usable).await.unwrap();
        assert_eq!((identity.account.as_str(), identity.cluster.as_str()), ("123456789012", ARN));
        let provider = identity.provider_in(&identity.account).unwrap().to_string();
        assert_eq!(provider, "arn:aws:iam::123456789012:oidc-provider/issuer.example/id/A");
    }

    #[tokio::test]
    async fn missing_and_unfinished_clusters_are_told_apart() {
        let missing = resolved(None, "demo", Demand::Usable).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let creating = resolved(Some(description(None, "CREATING")), "demo", Demand::Usable).await.unwrap_err();
        assert_eq!(creating.kind(), ErrorKind::Unavailable);
        assert!(creating.causes()[0].contains("CREATING"));
        let outpost = resolved(Some(description(None, "OUTPOST")), "demo", Demand::Usable).await.unwrap_err();
        assert!(outpost.causes()[0].contains("Outpost"));
    }

    #[tokio::test]
    async fn a_cluster_that_is_gone_is_known_by_its_arn() {
        let identity = resolved(None, ARN, Demand::ArnIsEnough).await.unwrap();
        assert_eq!((identity.issuer, identity.account.as_str()), (None, "123456789012"));
        assert!(resolved(None, "demo", Demand::ArnIsEnough).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn clusters_are_remembered_for_ten_minutes() {
        let mut backend = MockIdentityBackend::new();
        let answer = description(Some("https://issuer.example/id/A"), "ACTIVE");
        backend.expect_cluster().times(2).returning(move |_| Ok(Some(answer.clone())));
        let cached = CachedIdentityBackend::new(Arc::new(backend));
        let cluster: ClusterRef = "demo".parse().unwrap();
        for _ in 0..3 {
            cached.cluster(&cluster).await.unwrap();
        }
        tokio::time::advance(Duration::from_secs(601)).await;
        cached.cluster(&cluster).await.unwrap();
    }
}
