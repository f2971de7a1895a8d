//! The queries that need AWS or a cluster.

use irsa_core::connect::Target;
use irsa_core::name::{ClusterRef, ProviderArn, RoleArn};
use irsa_core::trust::WhoCan;
use irsa_core::{Client, Error, ErrorKind, Result, Warning, WarningId};

use super::{Check, Policy, Provider, Query, Role};
use crate::answer::{Answer, AuditAnswer, Failure, TrustCheckAnswer};
use crate::commands::Context;

pub(super) async fn answer(query: &Query, context: &Context<'_>, target: &Target) -> Result<Answer, Failure> {
    let client =
        async |servers: &[ClusterRef]| connect_to(context, target, servers).await.map_err(Failure::before_any_call);
    let clusters = target.cluster.as_slice();
    match query {
        Query::Check(check) => {
            let answer = check.ask(&client(&[]).await?, target).await.map_err(Failure::after_a_call)?;
            Ok(Answer::TrustCheck(Box::new(answer)))
        }
        Query::WhoCan(role) => {
            let complete = async {
                let client = connect_to(context, target, clusters).await?;
                who_can(&client, role, clusters).await
            };
            let error = match complete.await {
                Ok(who) if clusters.is_empty() => return Ok(unmatched(who, "no cluster is named")),
                Ok(who) => return Ok(Answer::WhoCan(Box::new(who))),
                Err(error) => error,
            };
            // The trust policy answers most of the question without the cluster.
            let who = who_can(&client(&[]).await?, role, &[]).await.map_err(Failure::after_a_call)?;
            let why = std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>().join(": ");
            Ok(unmatched(who, &why))
        }
        Query::Audit { options, ignores } => {
            let audit = client(clusters).await?.audit_trust(clusters, ignores).await.map_err(Failure::after_a_call)?;
            Ok(Answer::Audit(Box::new(AuditAnswer { audit, files: Vec::new(), unread: None, options: *options })))
        }
    }
}

async fn connect_to(context: &Context<'_>, target: &Target, servers: &[ClusterRef]) -> Result<Client> {
    context.connect.connect(&context.process.environment, target, servers).await
}

async fn who_can(client: &Client, role: &Role, clusters: &[ClusterRef]) -> Result<WhoCan> {
    let found = client.who_can(role.name(), clusters).await?;
    role.check(&found.role_arn)?;
    Ok(found)
}

fn unmatched(mut who: WhoCan, why: &str) -> Answer {
    let message = format!("only the trust policy was analyzed, not the service accounts: {why}");
    who.warnings.push(Warning::new(WarningId::ClusterUnread, message));
    Answer::WhoCan(Box::new(who))
}

impl Check {
    async fn ask(&self, client: &Client, target: &Target) -> Result<TrustCheckAnswer> {
        let of_cluster = async {
            match &self.provider {
                Provider::OfCluster => client.provider_arn(target.cluster()?).await.map(Some),
                Provider::OfIssuer { .. } => Ok(None),
            }
        };
        let read = async {
            match &self.policy {
                Policy::Given(document, role) => Ok((role.clone(), document.clone())),
                Policy::Of(role) => {
                    let (arn, document) = client.trust_document(role.name()).await?;
                    role.check(&arn.to_string())?;
                    Ok((Some(arn), document))
                }
            }
        };
        let (provider, (arn, document)) = tokio::try_join!(of_cluster, read)?;
        let provider = match provider {
            Some(provider) => provider,
            None => self.provider_of(arn.as_ref())?,
        };
        Ok(self.decide(&document, provider, arn))
    }

    /// Provider of the issuer that was given, by default in the account of the role.
    fn provider_of(&self, role: Option<&RoleArn>) -> Result<ProviderArn> {
        match (&self.provider, role) {
            (Provider::OfIssuer { issuer, account, partition }, Some(role)) => Ok(ProviderArn::new(
                partition.clone().unwrap_or_else(|| role.partition().clone()),
                account.clone().unwrap_or_else(|| role.account().clone()),
                issuer.clone(),
            )),
            _ => Err(Error::new(ErrorKind::Unexpected, "the OIDC provider of the check is unknown")),
        }
    }
}

impl Role {
    /// IAM finds a role by its name alone; the ARN that was typed may be of another account or path.
    pub(super) fn check(&self, found: &str) -> Result<()> {
        match self {
            Self::Arn(arn) if arn.to_string() != found => {
                let error = Error::new(ErrorKind::NotFound, format!("role {arn} does not exist"));
                Err(error.with_cause(format!("the role with that name is {found}")))
            }
            _ => Ok(()),
        }
    }
}
