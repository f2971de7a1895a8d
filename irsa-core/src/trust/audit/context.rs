//! What an audit stands on: the surroundings, made ready to be asked about each role.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Surroundings;
use super::account_index::AccountIndex;
use crate::name::{AccountId, Issuer, ProviderArn};
use crate::trust::issuers::IssuerKind;

/// The surroundings with the accounts of each cluster in an index.
#[derive(Debug)]
pub(in crate::trust) struct Ground<'a> {
    providers: Option<&'a BTreeMap<ProviderArn, Vec<String>>>,
    /// The accounts whose providers are known.
    known: BTreeSet<&'a AccountId>,
    clusters: BTreeMap<&'a ProviderArn, (&'a str, AccountIndex<'a>)>,
    /// What is behind the issuers that were asked about: many roles have the same few.
    kinds: RefCell<HashMap<String, IssuerKind>>,
}

/// Whether a provider exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trust) enum Standing<'a> {
    /// It does, and takes these audiences.
    Takes(&'a [String]),
    Missing,
    NotKnown,
}

impl<'a> Ground<'a> {
    pub(in crate::trust) fn new(around: &'a Surroundings) -> Self {
        let clusters = &around.clusters;
        Self {
            providers: around.providers.as_ref(),
            known: around.providers.iter().flatten().map(|(arn, _)| arn.account()).collect(),
            clusters: clusters
                .iter()
                .map(|(arn, (name, accounts))| (arn, (name.as_str(), AccountIndex::new(accounts))))
                .collect(),
            kinds: RefCell::default(),
        }
    }

    /// What is behind an issuer, as far as its form tells.
    pub(in crate::trust) fn kind(&self, issuer: &Issuer) -> IssuerKind {
        let mut kinds = self.kinds.borrow_mut();
        if let Some(kind) = kinds.get(issuer.host_path()) {
            return *kind;
        }
        let kind = IssuerKind::of(issuer);
        kinds.insert(issuer.host_path().to_owned(), kind);
        kind
    }

    pub(in crate::trust) fn standing(&self, provider: &ProviderArn) -> Standing<'a> {
        let Some(providers) = self.providers else { return Standing::NotKnown };
        match providers.get(provider) {
            Some(audiences) => Standing::Takes(audiences),
            // Those of another account than was read may well exist.
            None if !self.known.is_empty() && !self.known.contains(provider.account()) => Standing::NotKnown,
            None => Standing::Missing,
        }
    }

    /// The service accounts of the cluster that a provider stands for, where they were read.
    pub(in crate::trust) fn accounts(&self, provider: &ProviderArn) -> Option<&AccountIndex<'a>> {
        self.clusters.get(provider).map(|(_, index)| index)
    }

    /// How the cluster of a provider is called, where it is known.
    pub(in crate::trust) fn cluster(&self, provider: &ProviderArn) -> Option<&'a str> {
        self.clusters.get(provider).map(|(name, _)| *name)
    }

    /// Every provider that is known to exist in an account.
    pub(in crate::trust) fn providers_of<'b>(
        &'b self,
        account: &'b AccountId,
    ) -> impl Iterator<Item = &'a ProviderArn> + 'b {
        let listed = self.providers.into_iter().flatten().map(|(arn, _)| arn);
        listed.chain(self.clusters.keys().copied()).filter(move |arn| arn.account() == account)
    }

    /// The cluster of a provider in messages.
    pub(in crate::trust) fn called(&self, provider: &ProviderArn) -> String {
        match self.cluster(provider) {
            Some(name) => format!("cluster {name}"),
            None => format!("the cluster with issuer {}", provider.issuer().url()),
        }
    }
}
