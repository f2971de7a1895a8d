//! The rules of IAM for OIDC providers.

use super::responses::{Answer, Refusal};
use super::state::{ProviderState, SandboxState};
use crate::backend::OidcProvider;
use crate::name::{Audience, ProviderArn};

/// The most audiences of a provider (IAM user guide, "IAM and AWS STS quotas").
const MAX_AUDIENCES: usize = 100;

impl SandboxState {
    pub(super) fn provider(&self, arn: &ProviderArn) -> Option<&ProviderState> {
        self.is_ours(arn).then(|| self.providers.get(arn.issuer()))?
    }

    pub(super) fn provider_arns(&self) -> Vec<ProviderArn> {
        let arn = |issuer: &_| ProviderArn::new(self.partition.clone(), self.account.clone(), Clone::clone(issuer));
        self.providers.keys().map(arn).collect()
    }

    pub(super) fn create_provider(&mut self, provider: &OidcProvider) -> Answer<OidcProvider> {
        let issuer = provider.arn.issuer();
        if !self.is_ours(&provider.arn) {
            return Err(Refusal::aws("InvalidInput", format!("{} is not of this account", provider.arn)));
        }
        for audience in &provider.audiences {
            check_audience(audience)?;
        }
        if provider.audiences.len() > MAX_AUDIENCES {
            return Err(too_many_audiences());
        }
        let tags = super::roles::merge_tags(&Default::default(), &provider.tags, self.quotas.tags_per_role)?;
        if self.providers.contains_key(issuer) {
            let message = format!("Provider with url {issuer} already exists.");
            return Err(Refusal::aws("EntityAlreadyExists", message));
        }
        let quota = self.quotas.providers_per_account;
        if self.providers.len() as u64 >= quota {
            let message = format!("Cannot exceed quota for OpenIdConnectProvidersPerAccount: {quota}");
            return Err(Refusal::aws("LimitExceeded", message));
        }
        let mut stored = OidcProvider { tags, ..provider.clone() };
        self.iam_changes.change_provider(&mut stored);
        let OidcProvider { audiences, tags, .. } = stored.clone();
        self.providers.insert(issuer.clone(), ProviderState { audiences, tags });
        Ok(stored)
    }

    pub(super) fn add_audience(&mut self, arn: &ProviderArn, audience: &Audience) -> Answer<()> {
        let Some(provider) = self.is_ours(arn).then(|| self.providers.get_mut(arn.issuer())).flatten() else {
            return Err(no_provider(arn));
        };
        if provider.audiences.iter().any(|known| known == audience.as_str()) {
            return Ok(());
        }
        if provider.audiences.len() >= MAX_AUDIENCES {
            return Err(too_many_audiences());
        }
        provider.audiences.push(audience.to_string());
        Ok(())
    }

    pub(super) fn delete_provider(&mut self, arn: &ProviderArn) -> Answer<()> {
        let removed = self.is_ours(arn).then(|| self.providers.remove(arn.issuer())).flatten();
        removed.map(drop).ok_or_else(|| no_provider(arn))
    }

    fn is_ours(&self, arn: &ProviderArn) -> bool {
        *arn.account() == self.account && *arn.partition() == self.partition
    }
}

fn check_audience(audience: &str) -> Answer<()> {
    match Audience::new(audience) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::validation("clientIDList.member", audience, "must have length 1 to 255")),
    }
}

fn too_many_audiences() -> Refusal {
    let message = format!("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MAX_AUDIENCES}");
    Refusal::aws("LimitExceeded", message)
}

fn no_provider(arn: &ProviderArn) -> Refusal {
    Refusal::aws("NoSuchEntity", format!("OpenIDConnect Provider not found for arn {arn}"))
}
