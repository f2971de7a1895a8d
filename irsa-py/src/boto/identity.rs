//! EKS and STS by boto3.

use async_trait::async_trait;
use irsa_core::backend::{
    AwsCall, CallerIdentity, ClusterDescription, IdentityBackend, Session, TokenExchange, TokenExchanger,
};
use irsa_core::name::ClusterRef;
use irsa_core::{Error, ErrorKind, Result};
use secrecy::ExposeSecret;

use super::answer::{CallerAnswer, OneCluster, SessionAnswer};
use super::call::Method;
use super::{Boto3Backend, Boto3Client, keywords};

impl Boto3Backend {
    fn method<'a>(
        &'a self,
        argument: &'static str,
        client: Option<&'a Boto3Client>,
        name: &'static str,
        call: AwsCall<'a>,
    ) -> Result<Method<'a>> {
        let Some(client) = client else {
            let cause = format!("{argument}: no boto3 client was given for it");
            return Err(call.placed(Error::new(ErrorKind::InvalidInput, call.doing().to_owned()).with_cause(cause)));
        };
        Ok(Method { client, name, call, calls: &self.calls })
    }
}

#[async_trait]
impl IdentityBackend for Boto3Backend {
    async fn cluster(&self, cluster: &ClusterRef) -> Result<Option<ClusterDescription>> {
        let eks = self.clients.eks.as_ref();
        let Some(name) = cluster.name() else {
            return Err(Error::new(ErrorKind::InvalidInput, format!("cannot describe cluster {cluster}"))
                .with_cause("EKS knows clusters by name, not by issuer"));
        };
        let call = AwsCall::eks("DescribeCluster", format!("cannot describe cluster {cluster}"));
        if let (ClusterRef::Arn(arn), Some(region)) = (cluster, eks.and_then(|eks| eks.region.as_ref()))
            && arn.region() != region
        {
            return Err(call.placed(
                Error::new(ErrorKind::InvalidInput, call.doing().to_owned())
                    .with_cause(format!("eks: the boto3 client is one of {region}, the cluster is in {}", arn.region()))
                    .with_hint("give a client of the cluster's region"),
            ));
        }
        let method = self.method("eks", eks, "describe_cluster", call)?;
        let found = method.find::<OneCluster>(keywords!["name": name.as_str()], "ResourceNotFoundException").await?;
        let Some(found) = found else { return Ok(None) };
        method.call.described(cluster, found.cluster.description(&method.call)?).map(Some)
    }

    async fn caller_identity(&self) -> Result<CallerIdentity> {
        let call = AwsCall::sts("GetCallerIdentity", "cannot tell who is calling");
        let method = self.method("sts", self.clients.sts.as_ref(), "get_caller_identity", call)?;
        let caller: CallerAnswer = method.send(keywords![]).await?;
        Ok(CallerIdentity {
            partition: method.call.parsed("partition", caller.arn.split(':').nth(1))?,
            account: method.call.parsed("account", caller.account.as_deref())?,
            arn: caller.arn,
        })
    }
}

#[async_trait]
impl TokenExchanger for Boto3Backend {
    async fn exchange(&self, request: &TokenExchange) -> Result<Session> {
        let doing = format!("cannot exchange a token for a session of role {}", request.role.name());
        let call = AwsCall::sts("AssumeRoleWithWebIdentity", doing).with_token(&request.token);
        let method = self.method("sts", self.clients.sts.as_ref(), "assume_role_with_web_identity", call)?;
        // The credentials in the answer are dropped here.
        let session: SessionAnswer = method
            .send(keywords![
                "RoleArn": request.role.to_string(),
                "RoleSessionName": request.session_name.as_str(),
                "WebIdentityToken": request.token.expose_secret(),
            ])
            .await?;
        Ok(Session {
            assumed_role_arn: session.assumed_role_user.arn,
            subject: session.subject_from_web_identity_token,
            audience: session.audience,
            provider: session.provider,
        })
    }
}
