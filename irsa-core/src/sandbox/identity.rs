//! The sandbox as EKS and STS.

use async_trait::async_trait;

use super::responses::{Answer, Refusal};
use super::state::{ClusterState, SandboxState};
use super::sts::exchange;
use super::{Request, Sandbox};
use crate::backend::{CallerIdentity, ClusterDescription, IdentityBackend, Session, TokenExchange, TokenExchanger};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ClusterArn, ClusterRef};

#[async_trait]
impl IdentityBackend for Sandbox {
    async fn cluster(&self, cluster: &ClusterRef) -> Result<Option<ClusterDescription>> {
        if let ClusterRef::Issuer(issuer) = cluster {
            return Err(Error::new(ErrorKind::InvalidInput, format!("cannot describe cluster {issuer}"))
                .with_cause("EKS knows clusters by name, not by issuer"));
        }
        let request = Request::read("cluster", cluster, format!("cannot describe cluster {cluster}"));
        self.read(request, |state| state.describe(cluster)).await
    }

    async fn caller_identity(&self) -> Result<CallerIdentity> {
        self.read(Request::read("caller_identity", "", "cannot tell who is calling"), |state| {
            let arn = format!("arn:{}:iam::{}:user/sandbox", state.partition, state.account);
            Ok(CallerIdentity { partition: state.partition.clone(), account: state.account.clone(), arn })
        })
        .await
    }
}

#[async_trait]
impl TokenExchanger for Sandbox {
    async fn exchange(&self, request: &TokenExchange) -> Result<Session> {
        let operation = format!("cannot exchange a token for a session of role {}", request.role.name());
        self.read(Request::read("exchange", &request.role, operation), |state| exchange(state, request)).await
    }
}

impl SandboxState {
    /// What EKS says of a cluster. EKS is asked for names only, so an ARN of another account meets what is here.
    fn describe(&self, cluster: &ClusterRef) -> Answer<Option<ClusterDescription>> {
        let ClusterRef::Arn(wanted) = cluster else { return Ok(self.described_as(cluster)) };
        let here = ClusterArn::new(
            self.partition.clone(),
            wanted.region().clone(),
            self.account.clone(),
            wanted.name().clone(),
        );
        match self.described_as(&ClusterRef::Arn(here)) {
            Some(other) if other.arn != *wanted => {
                let error = Error::new(ErrorKind::WrongCluster, format!("cannot describe cluster {wanted}"))
                    .with_cause(format!("EKS describes {} to these credentials", other.arn))
                    .with_hint(format!("use credentials of account {}", wanted.account()));
                Err(error.into())
            }
            described => Ok(described),
        }
    }

    fn described_as(&self, cluster: &ClusterRef) -> Option<ClusterDescription> {
        let key = self.cluster_key(cluster);
        let arn: ClusterArn = match &key {
            ClusterRef::Name(name) => self.cluster_arn(name),
            ClusterRef::Arn(arn) => arn.clone(),
            ClusterRef::Issuer(_) => return None,
        };
        let described = self.clusters.get(&key)?;
        let made = described.status != "CREATING";
        Some(ClusterDescription {
            arn,
            status: described.status.clone(),
            issuer: described.issuer.clone().filter(|_| made && !described.outpost),
            endpoint: described.endpoint.clone().filter(|_| made),
            certificate_authority: described.certificate_authority.clone().filter(|_| made),
            outpost: described.outpost,
        })
    }

    /// The cluster whose API server is called.
    pub(super) fn reach(&self, cluster: &ClusterRef) -> Answer<&ClusterState> {
        self.clusters.get(&self.cluster_key(cluster)).ok_or_else(|| unreachable(cluster))
    }

    /// The same, to be written to.
    pub(super) fn reach_mut(&mut self, cluster: &ClusterRef) -> Answer<&mut ClusterState> {
        let key = self.cluster_key(cluster);
        self.clusters.get_mut(&key).ok_or_else(|| unreachable(cluster))
    }
}

fn unreachable(cluster: &ClusterRef) -> Refusal {
    Refusal::unreachable(format!("the sandbox has no cluster {cluster}, so its API server cannot be reached"))
}
