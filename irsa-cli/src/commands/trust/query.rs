//! The questions that need AWS or a cluster.

use irsa_core::connect::{Environment, Target};
use irsa_core::name::{ClusterRef, ProviderArn, RoleArn};
use irsa_core::trust::WhoCan;
use irsa_core::{Client, Error, ErrorKind, Result, Warning, WarningId};

use super::{Check, Checked, Policy, Provider, Question, Role, Told};
use crate::connect::Connect;

/// An error, and whether it came before any call of the work itself.
type Early = (bool, Error);

/// Asks.
pub(crate) async fn ask(
    question: &Question,
    environment: &Environment,
    target: &Target,
    connect: &dyn Connect,
) -> Result<Told, Early> {
    let client = async |servers: &[ClusterRef]| {
        connect.connect(environment, target, servers).await.map_err(|error| (true, error))
    };
    let clusters = target.cluster.as_slice();
    match question {
        Question::Check(check) => {
            let checked = check.ask(&client(&[]).await?, target).await.map_err(late)?;
            Ok(Told::Checked(Box::new(checked)))
        }
        Question::WhoCan(role) => {
            let whole = async { who_can(&client(clusters).await?, role, clusters).await.map_err(late) };
            let error = match whole.await {
                Ok(told) if clusters.is_empty() => return Ok(unmatched(told, "no cluster is named".to_owned())),
                Ok(told) => return Ok(Told::WhoCan(Box::new(told))),
                Err((_, error)) => error,
            };
            // The trust policy answers most of the question without the cluster.
            let told = who_can(&client(&[]).await?, role, &[]).await.map_err(late)?;
            let why = std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>().join(": ");
            Ok(unmatched(told, why))
        }
        Question::Audit(wishes) => {
            let audit = client(clusters).await?.audit_trust(clusters, &wishes.ignores).await.map_err(late)?;
            Ok(Told::Audit(audit, Vec::new(), None))
        }
    }
}

fn late(error: Error) -> Early {
    (false, error)
}

async fn who_can(client: &Client, role: &Role, clusters: &[ClusterRef]) -> Result<WhoCan> {
    let found = client.who_can(role.name(), clusters).await?;
    role.check(&found.role_arn)?;
    Ok(found)
}

fn unmatched(mut told: WhoCan, why: String) -> Told {
    let message = format!("service accounts were not looked at, only the trust policy: {why}");
    told.warnings.push(Warning::new(WarningId::ClusterUnread, message));
    Told::WhoCan(Box::new(told))
}

impl Check {
    async fn ask(&self, client: &Client, target: &Target) -> Result<Checked> {
        let of_cluster = async {
            match &self.provider {
                Provider::OfCluster => client.provider_arn(target.cluster()?).await.map(Some),
                Provider::Of { .. } => Ok(None),
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

    /// The provider of the issuer that was given, in the account of the role where no other is given.
    fn provider_of(&self, role: Option<&RoleArn>) -> Result<ProviderArn> {
        match (&self.provider, role) {
            (Provider::Of { issuer, account, partition }, Some(role)) => Ok(ProviderArn::new(
                partition.clone().unwrap_or_else(|| role.partition().clone()),
                account.clone().unwrap_or_else(|| role.account().clone()),
                issuer.clone(),
            )),
            _ => Err(Error::new(ErrorKind::Unexpected, "the provider is not known")),
        }
    }
}

impl Role {
    /// IAM finds a role by its name alone; what was typed may be an ARN of another account or path.
    pub(super) fn check(&self, found: &str) -> Result<()> {
        match self {
            Self::Arn(arn) if arn.to_string() != found => {
                let error = Error::new(ErrorKind::NotFound, format!("role {arn} does not exist"));
                Err(error.with_cause(format!("the role of that name is {found}")))
            }
            _ => Ok(()),
        }
    }
}
