//! EKS and STS.

use async_trait::async_trait;
use aws_sdk_eks::operation::describe_cluster::DescribeClusterError;
use aws_sdk_eks::types::Cluster;
use secrecy::ExposeSecret;

use super::AwsBackend;
use super::answer::parsed;
use super::call::Call;
use crate::backend::{Caller, ClusterDescription, IdentityBackend, Session, TokenExchange};
use crate::error::{Error, ErrorKind, Result};
use crate::name::ClusterRef;

#[async_trait]
impl IdentityBackend for AwsBackend {
    async fn cluster(&self, cluster: &ClusterRef) -> Result<Option<ClusterDescription>> {
        let (name, region) = match cluster {
            ClusterRef::Name(name) => (name, &self.region),
            ClusterRef::Arn(arn) => (arn.name(), arn.region()),
            ClusterRef::Issuer(issuer) => {
                return Err(Error::new(ErrorKind::InvalidInput, format!("cannot describe cluster {issuer}"))
                    .with_cause("EKS knows clusters by name, not by issuer"));
            }
        };
        let call = Call::eks("DescribeCluster", format!("cannot describe cluster {cluster} in {region}"));
        let request = self.eks.describe_cluster().name(name.as_str()).customize();
        // The same client for every region: connections and credentials are shared.
        let elsewhere = aws_sdk_eks::config::Region::new(region.to_string());
        let request = request.config_override(aws_sdk_eks::config::Builder::new().region(elsewhere));
        let found = call.find(request.send(), DescribeClusterError::is_resource_not_found_exception).await?;
        let Some(found) = found else {
            return Ok(None);
        };
        let found = found.cluster.ok_or_else(|| call.malformed("it describes no cluster"))?;
        let description = description(&call, found)?;
        match cluster {
            ClusterRef::Arn(arn) if *arn != description.arn => {
                Err(Error::new(ErrorKind::WrongCluster, call.doing.clone())
                    .with_cause(format!("EKS describes {} to these credentials", description.arn))
                    .with_hint(format!("use credentials of account {}", arn.account())))
            }
            _ => Ok(Some(description)),
        }
    }

    async fn caller(&self) -> Result<Caller> {
        let call = Call::sts("GetCallerIdentity", "cannot tell who is calling");
        let caller = call.send(self.sts.get_caller_identity().send()).await?;
        let arn = caller.arn.ok_or_else(|| call.malformed("it names no ARN"))?;
        Ok(Caller {
            partition: parsed(&call, "partition", arn.split(':').nth(1))?,
            account: parsed(&call, "account", caller.account.as_deref())?,
            arn,
        })
    }

    async fn exchange(&self, request: &TokenExchange) -> Result<Session> {
        let doing = format!("cannot exchange a token for a session of role {}", request.role.name());
        let call = Call::sts("AssumeRoleWithWebIdentity", doing).with_token(&request.token);
        let exchange = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(request.role.to_string())
            .role_session_name(&request.session_name)
            .web_identity_token(request.token.expose_secret());
        let session = call.send(exchange.send()).await?;
        // The credentials in the answer are dropped here.
        let user = session.assumed_role_user.ok_or_else(|| call.malformed("it names no session"))?;
        Ok(Session {
            assumed_role_arn: user.arn,
            subject: session.subject_from_web_identity_token,
            audience: session.audience,
            provider: session.provider,
        })
    }
}

/// EKS API reference, `Cluster`: all but name and ARN may be absent until the cluster is active.
fn description(call: &Call<'_>, cluster: Cluster) -> Result<ClusterDescription> {
    let issuer = cluster.identity.and_then(|identity| identity.oidc).and_then(|oidc| oidc.issuer);
    let issuer = issuer.filter(|issuer| !issuer.is_empty());
    Ok(ClusterDescription {
        arn: parsed(call, "cluster ARN", cluster.arn.as_deref())?,
        status: cluster.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        issuer: issuer.map(|issuer| parsed(call, "issuer", Some(&issuer))).transpose()?,
        endpoint: cluster.endpoint,
        certificate_authority: cluster.certificate_authority.and_then(|authority| authority.data),
        outpost: cluster.outpost_config.is_some(),
    })
}
