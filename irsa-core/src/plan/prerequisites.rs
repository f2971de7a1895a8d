//! What must be there before role and accounts: OIDC providers and namespaces.

use std::collections::{BTreeMap, BTreeSet};

use super::Step;
use super::desired::DesiredState;
use crate::backend::OidcProvider;
use crate::cluster_identity::ClusterId;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::Audience;
use crate::observe::{NamespaceStatus, Observed};
use crate::request::Request;

/// The providers that the subjects need: there, with the audience, or to be made.
pub(super) fn providers(request: &Request, observed: &Observed, desired: &DesiredState<'_>) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let needed = |cluster: &ClusterId| desired.declared.iter().any(|member| member.cluster == *cluster);
    for (cluster, arn) in desired.providers.iter().filter(|(cluster, _)| needed(cluster)) {
        let standing = observed.role.as_ref().and_then(|role| role.trust.own_audience(arn));
        let audience = match (&request.binding.audience, standing) {
            (Some(audience), _) => audience.clone(),
            (None, Some(standing)) => Audience::new(standing)?,
            (None, None) => Audience::sts(),
        };
        let hint = Hint::CreateProvider;
        match observed.providers.get(arn).and_then(Option::as_ref) {
            Some(provider) if provider.audiences.iter().any(|known| known == audience.as_str()) => {}
            Some(_) if request.create_provider => steps.push(Step::AddAudience { provider: arn.clone(), audience }),
            Some(provider) => {
                let known = provider.audiences.join(", ");
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("the OIDC provider does not take the audience {audience}"),
                )
                .with_cause(format!("provider {arn} takes {known}; STS would answer \"Incorrect token audience\""))
                .with_hint(hint));
            }
            None if request.create_provider => steps.push(Step::CreateProvider(OidcProvider {
                arn: arn.clone(),
                audiences: vec![audience.to_string()],
                tags: BTreeMap::new(),
            })),
            None => {
                return Err(Error::new(ErrorKind::NotFound, format!("cluster {cluster} has no OIDC provider in IAM"))
                    .with_cause(format!(
                        "there is no {arn}; STS would answer \"No OpenIDConnect provider found in your account\""
                    ))
                    .with_code("NoSuchEntity")
                    .with_hint(hint));
            }
        }
    }
    Ok(steps)
}

/// The namespaces that are missing, where they may be made; that they are missing otherwise was refused while observing.
pub(super) fn namespaces(request: &Request, observed: &Observed) -> Vec<Step> {
    let missing: BTreeSet<_> = observed
        .accounts
        .iter()
        .filter(|(_, account)| {
            request.create_namespace && account.account.is_none() && account.namespace == Some(NamespaceStatus::Missing)
        })
        .map(|(key, account)| (account.cluster.clone(), key.namespace.clone()))
        .collect();
    missing.into_iter().map(|(cluster, namespace)| Step::CreateNamespace { cluster, namespace }).collect()
}
