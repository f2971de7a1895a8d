//! The IAM OIDC provider of a cluster: shown, made, deleted.

use std::collections::BTreeMap;

use crate::backend::{DryRun, OidcProvider, Takeover};
use crate::client::Client;
use crate::cluster_identity::{ClusterIdentity, Demand, resolve};
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::name::{Audience, ClusterRef, ProviderArn};
use crate::plan::{Plan, Step};
use crate::report::Report;
use crate::status::ProviderStatus;
use crate::trust::TrustPolicy;

impl Client {
    /// The OIDC provider of a cluster, whether it exists or not.
    ///
    /// # Errors
    /// `NotFound` for a cluster that does not exist, `Unavailable` for one without an issuer.
    pub async fn provider(&self, cluster: &ClusterRef) -> Result<ProviderStatus> {
        let (identity, arn) = self.located(cluster).await?;
        let provider = self.in_time("reading the provider", self.backends.iam.provider(&arn)).await?;
        let exists = provider.is_some();
        let (audiences, tags) = provider.map(|provider| (provider.audiences, provider.tags)).unwrap_or_default();
        Ok(ProviderStatus {
            cluster: identity.cluster.to_string(),
            issuer: arn.issuer().url(),
            arn: arn.to_string(),
            exists,
            audiences,
            tags,
            trusted_by: None,
        })
    }

    /// Makes the provider of a cluster, or adds the audiences that it lacks; none given means `sts.amazonaws.com`.
    ///
    /// # Errors
    /// Those of [`provider`](Self::provider), `QuotaExceeded`, `AccessDenied`.
    pub async fn create_provider(
        &self,
        cluster: &ClusterRef,
        audiences: &[Audience],
        dry_run: DryRun,
    ) -> Result<Report> {
        let (identity, arn) = self.located(cluster).await?;
        let default = [Audience::sts()];
        let wanted = if audiences.is_empty() { &default[..] } else { audiences };
        let there = self.in_time("reading the provider", self.backends.iam.provider(&arn)).await?;
        let steps = match there {
            None => {
                let audiences = wanted.iter().map(ToString::to_string).collect();
                vec![Step::CreateProvider(OidcProvider { arn, audiences, tags: BTreeMap::new() })]
            }
            Some(provider) => {
                let missing =
                    wanted.iter().filter(|audience| !provider.audiences.iter().any(|known| known == audience.as_str()));
                missing
                    .map(|audience| Step::AddAudience { provider: arn.clone(), audience: audience.clone() })
                    .collect()
            }
        };
        self.conclude(&identity, steps, dry_run).await
    }

    /// Deletes the provider of a cluster. Refused while roles trust it, unless forced.
    ///
    /// # Errors
    /// `Conflict` naming the roles that trust it; `AccessDenied` when the roles may not be read and the delete is not forced.
    pub async fn delete_provider(&self, cluster: &ClusterRef, takeover: Takeover, dry_run: DryRun) -> Result<Report> {
        let (identity, arn) = self.located(cluster).await?;
        let reads = async { futures::join!(self.backends.iam.provider(&arn), self.trusting(&arn, takeover)) };
        let (there, trusting) = self.in_time("reading the provider", async { Ok(reads.await) }).await?;
        let (there, trusting) = (there?, trusting?);
        if there.is_some() && !trusting.is_empty() {
            return Err(Error::new(ErrorKind::Conflict, format!("provider {arn} cannot be deleted"))
                .with_cause(format!("roles trust it: {}", trusting.join(", ")))
                .with_hint(Hint::ForceProviderDelete));
        }
        let steps = there.map(|_| Step::DeleteProvider(arn)).into_iter().collect();
        self.conclude(&identity, steps, dry_run).await
    }

    /// The ARN that the OIDC provider of a cluster has, whether it exists or not; IAM is not asked.
    ///
    /// # Errors
    /// `NotFound` for a cluster that does not exist, `Unavailable` for one without an issuer.
    pub async fn provider_arn(&self, cluster: &ClusterRef) -> Result<ProviderArn> {
        self.located(cluster).await.map(|(_, arn)| arn)
    }

    async fn located(&self, cluster: &ClusterRef) -> Result<(ClusterIdentity, ProviderArn)> {
        let (backends, clusters) = (&self.backends, std::slice::from_ref(cluster));
        let resolved = resolve(backends.identity.as_ref(), &backends.given, clusters, Demand::Usable);
        let mut identities = self.in_time("reading the cluster", resolved).await?;
        let identity = identities.remove(cluster);
        let arn = identity.as_ref().and_then(|identity| identity.provider_in(&identity.account));
        identity
            .zip(arn)
            .ok_or_else(|| Error::new(ErrorKind::Unavailable, format!("cluster {cluster} has no OIDC issuer")))
    }

    /// The names of the roles that trust a provider.
    async fn trusting(&self, arn: &ProviderArn, takeover: Takeover) -> Result<Vec<String>> {
        if takeover == Takeover::Force || !Invariant::TrustedProvider.is_enforced() {
            return Ok(Vec::new());
        }
        let roles = self.backends.iam.roles().await.map_err(|error| {
            error.during("cannot tell whether roles trust the provider").with_hint(Hint::GrantReadOrForce)
        })?;
        // What cannot be read may trust it.
        let trusts = |text: &str| TrustPolicy::from_stored(text).map_or(true, |policy| policy.may_admit_anybody(arn));
        Ok(roles
            .into_iter()
            .filter(|role| trusts(&role.role.trust_policy))
            .map(|role| role.role.arn.name().to_string())
            .collect())
    }

    async fn conclude(&self, identity: &ClusterIdentity, steps: Vec<Step>, dry_run: DryRun) -> Result<Report> {
        let plan = Plan::of_provider(identity.cluster.as_str(), steps);
        if dry_run == DryRun::Yes {
            return Ok(plan.report());
        }
        crate::apply::apply(&self.backends, &plan, self.terms()).await
    }
}
