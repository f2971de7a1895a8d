//! EKS and STS.

use async_trait::async_trait;
use aws_sdk_eks::operation::describe_cluster::DescribeClusterError;
use aws_sdk_eks::types::Cluster;
use secrecy::ExposeSecret;

use super::AwsBackend;
use super::call::Call;
use crate::backend::{CallerIdentity, ClusterDescription, IdentityBackend, Session, TokenExchange, TokenExchanger};
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
        let call = self.eks_call("DescribeCluster", format!("cannot describe cluster {cluster} in {region}"));
        let request = self.eks.describe_cluster().name(name.as_str()).customize();
        // The same client for every region: connections and credentials are shared.
        let elsewhere = aws_sdk_eks::config::Region::new(region.to_string());
        let request = request.config_override(aws_sdk_eks::config::Builder::new().region(elsewhere));
        let found = call.find(request.send(), DescribeClusterError::is_resource_not_found_exception).await?;
        let Some(found) = found else {
            return Ok(None);
        };
        let found = found.cluster.ok_or_else(|| call.malformed("it describes no cluster"))?;
        call.described(cluster, description(&call, found)?).map(Some)
    }

    async fn caller_identity(&self) -> Result<CallerIdentity> {
        let call = self.sts_call("GetCallerIdentity", "cannot tell who is calling");
        let caller = call.send(self.sts.get_caller_identity().send()).await?;
        let arn = caller.arn.ok_or_else(|| call.malformed("it names no ARN"))?;
        Ok(CallerIdentity {
            partition: call.parsed("partition", arn.split(':').nth(1))?,
            account: call.parsed("account", caller.account.as_deref())?,
            arn,
        })
    }
}

#[async_trait]
impl TokenExchanger for AwsBackend {
    async fn exchange(&self, request: &TokenExchange) -> Result<Session> {
        let doing = format!("cannot exchange a token for a session of role {}", request.role.name());
        let call = self.sts_call("AssumeRoleWithWebIdentity", doing).with_token(&request.token);
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
        arn: call.parsed("cluster ARN", cluster.arn.as_deref())?,
        status: cluster.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        issuer: issuer.map(|issuer| call.parsed("issuer", Some(&issuer))).transpose()?,
        endpoint: cluster.endpoint,
        certificate_authority: cluster.certificate_authority.and_then(|authority| authority.data),
        outpost: cluster.outpost_config.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Answer, Endpoint};
    use super::*;

    fn described(region: &str, rest: &str) -> Answer {
        let arn = format!("arn:aws:eks:{region}:123456789012:cluster/demo");
        let body = format!(r#"{{"cluster":{{"name":"demo","arn":"{arn}"{rest}}}}}"#);
        Answer::new(200, "application/json", body)
    }

    fn by_arn(arn: &str) -> ClusterRef {
        arn.parse().unwrap()
    }

    #[tokio::test]
    async fn a_cluster_is_asked_for_in_its_own_region() {
        let endpoint = Endpoint::new(|request| {
            let west = request.contains("/us-west-2/eks/aws4_request");
            described(if west { "us-west-2" } else { "us-east-1" }, r#","status":"ACTIVE""#)
        });
        let aws = endpoint.backend();
        let east = aws.cluster(&by_arn("demo")).await.unwrap().unwrap();
        assert_eq!(east.arn.region().as_str(), "us-east-1");
        let west = by_arn("arn:aws:eks:us-west-2:123456789012:cluster/demo");
        let west = aws.cluster(&west).await.unwrap().unwrap();
        assert_eq!((west.arn.region().as_str(), west.status.as_str(), west.issuer), ("us-west-2", "ACTIVE", None));
    }

    #[tokio::test]
    async fn a_cluster_of_the_same_name_in_another_account_is_the_wrong_one() {
        let endpoint = Endpoint::new(|_| described("us-east-1", ""));
        let error = endpoint.backend().cluster(&by_arn("arn:aws:eks:us-east-1:999999999999:cluster/demo")).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::WrongCluster);
        let other = endpoint.backend().cluster(&by_arn("other")).await.unwrap_err();
        assert!(other.kind() == ErrorKind::WrongCluster && other.causes()[0].contains("asked for other"), "{other:?}");
    }

    #[tokio::test]
    async fn what_eks_does_not_know_is_absent_and_an_issuer_is_never_asked_for() {
        let gone = r#"{"message":"No cluster found for name: demo.","__type":"ResourceNotFoundException"}"#;
        let endpoint = Endpoint::new(move |_| Answer::new(404, "application/json", gone));
        assert_eq!(endpoint.backend().cluster(&by_arn("demo")).await.unwrap(), None);
        assert!(endpoint.backend().cluster(&by_arn("https://issuer.example/x")).await.is_err());
        assert_eq!(endpoint.requests.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn outposts_and_unreadable_issuers_are_seen() {
        let endpoint = Endpoint::new(|_| {
            described("us-east-1", r#","outpostConfig":{"outpostArns":[],"controlPlaneInstanceType":"x"}"#)
        });
        assert!(endpoint.backend().cluster(&by_arn("demo")).await.unwrap().unwrap().outpost);
        let endpoint = Endpoint::new(|_| described("us-east-1", r#","identity":{"oidc":{"issuer":"ftp://x"}}"#));
        let error = endpoint.backend().cluster(&by_arn("demo")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
    }

    fn exchange() -> TokenExchange {
        TokenExchange {
            role: "arn:aws:iam::123456789012:role/r".parse().unwrap(),
            session_name: "irsa".to_owned(),
            token: "eyJhbGciOi.secret.token".into(),
        }
    }

    #[tokio::test]
    async fn an_exchange_is_unsigned() {
        let endpoint = Endpoint::new(|_| {
            Answer::xml(
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>\
                 arn:aws:sts::123456789012:assumed-role/r/irsa</Arn><AssumedRoleId>A:irsa</AssumedRoleId></AssumedRoleUser>\
                 <SubjectFromWebIdentityToken>system:serviceaccount:a:b</SubjectFromWebIdentityToken>\
                 </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
            )
        });
        let session = endpoint.backend().exchange(&exchange()).await.unwrap();
        assert_eq!(session.subject.as_deref(), Some("system:serviceaccount:a:b"));
        assert!(!endpoint.requests.lock().unwrap()[0].to_lowercase().contains("\nauthorization:"));
    }

    #[tokio::test]
    async fn a_refused_token_is_in_no_message_and_the_credentials_are_not_blamed() {
        let endpoint = Endpoint::new(|_| {
            Answer::error(
                400,
                "ExpiredTokenException",
                "Value 'eyJhbGciOi.secret.token' at 'webIdentityToken' is expired",
            )
        });
        let error = endpoint.backend().exchange(&exchange()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, Some("ExpiredTokenException")));
        assert!(error.hint().is_none() && !format!("{error:?}").contains("secret"), "{error:?}");

        // The SDK prints a request that it cannot make.
        let aws = super::super::fake::unchecked("no-url");
        let error = aws.exchange(&exchange()).await.unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
