//! What a fresh sandbox holds, and how a state that was written by hand is completed and checked.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::state::{
    ClusterState, IamChanges, NamespaceState, PolicyState, ProviderState, RoleState, SandboxQuotas, SandboxState,
};
use crate::error::{Error, Result};
use crate::name::{
    AccountId, Audience, ClusterArn, ClusterName, ClusterRef, EksHost, Issuer, Namespace, Partition, PolicyArn, Region,
    RoleName,
};

/// The state as a file gives it: what is left out is as in a fresh sandbox.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    partition: Option<Partition>,
    account: Option<AccountId>,
    region: Option<Region>,
    quotas: Option<SandboxQuotas>,
    last_id: Option<u64>,
    providers: Option<BTreeMap<Issuer, ProviderState>>,
    roles: Option<BTreeMap<RoleName, RoleState>>,
    policies: Option<BTreeMap<String, PolicyState>>,
    instance_profiles: Option<BTreeMap<String, RoleName>>,
    iam_changes: Option<IamChanges>,
    clusters: Option<BTreeMap<ClusterRef, ClusterState>>,
}

impl<'de> Deserialize<'de> for SandboxState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Given::deserialize(deserializer).map(Self::from)
    }
}

impl From<Given> for SandboxState {
    fn from(given: Given) -> Self {
        let region = given.region.unwrap_or_else(|| Region::constant("us-east-1"));
        let account = given.account.unwrap_or_else(|| AccountId::constant("123456789012"));
        let partition = given.partition.unwrap_or_else(|| Partition::of_region(region.as_str()));
        let fresh = Self::in_partition(partition, account, region);
        Self {
            quotas: given.quotas.unwrap_or(fresh.quotas),
            last_id: given.last_id.unwrap_or(fresh.last_id),
            providers: given.providers.unwrap_or(fresh.providers),
            roles: given.roles.unwrap_or(fresh.roles),
            policies: given.policies.unwrap_or(fresh.policies),
            instance_profiles: given.instance_profiles.unwrap_or(fresh.instance_profiles),
            iam_changes: given.iam_changes.unwrap_or(fresh.iam_changes),
            clusters: given.clusters.unwrap_or(fresh.clusters),
            ..fresh
        }
    }
}

impl Default for SandboxState {
    fn default() -> Self {
        Self::fresh(AccountId::constant("123456789012"), Region::constant("us-east-1"))
    }
}

impl Default for SandboxQuotas {
    fn default() -> Self {
        Self {
            roles_per_account: 1000,
            trust_policy_size: 2048,
            attached_policies_per_role: 10,
            inline_policy_size: 10_240,
            tags_per_role: 50,
            providers_per_account: 100,
        }
    }
}

impl Default for PolicyState {
    fn default() -> Self {
        Self { path: "/".to_owned(), document: None }
    }
}

impl Default for ClusterState {
    fn default() -> Self {
        let namespaces = ["default", "kube-system"].map(|name| (Namespace::constant(name), NamespaceState::default()));
        Self {
            status: "ACTIVE".to_owned(),
            issuer: None,
            endpoint: None,
            certificate_authority: None,
            outpost: false,
            fingerprint: None,
            user: "irsa".to_owned(),
            denied: BTreeSet::new(),
            admission: BTreeMap::new(),
            revision: 0,
            namespaces: namespaces.into(),
        }
    }
}

impl SandboxState {
    /// The state of a fresh sandbox in this account and region: an active cluster `sandbox` and its OIDC provider.
    pub fn fresh(account: AccountId, region: Region) -> Self {
        Self::in_partition(Partition::of_region(region.as_str()), account, region)
    }

    fn in_partition(partition: Partition, account: AccountId, region: Region) -> Self {
        let mut state = Self {
            partition,
            account,
            region,
            quotas: SandboxQuotas::default(),
            last_id: 0,
            providers: BTreeMap::new(),
            roles: BTreeMap::new(),
            policies: BTreeMap::new(),
            instance_profiles: BTreeMap::new(),
            iam_changes: IamChanges::default(),
            clusters: BTreeMap::new(),
        };
        let cluster = ClusterRef::Name(ClusterName::constant(super::Sandbox::CLUSTER));
        let described = state.new_cluster(&cluster);
        if let Some(issuer) = described.issuer.clone() {
            state.providers.insert(issuer, ProviderState::for_sts());
        }
        state.clusters.insert(cluster, described);
        state
    }

    /// An active cluster as EKS would make it: issuer, endpoint and authority follow from its ARN alone.
    pub(super) fn new_cluster(&self, cluster: &ClusterRef) -> ClusterState {
        let (text, region) = match cluster {
            ClusterRef::Issuer(issuer) => {
                return ClusterState { issuer: Some(issuer.clone()), ..ClusterState::default() };
            }
            ClusterRef::Arn(arn) => (arn.to_string(), arn.region()),
            ClusterRef::Name(name) => (self.cluster_arn(name).to_string(), &self.region),
        };
        let id: String = Sha256::digest(&text).iter().take(16).map(|byte| format!("{byte:02X}")).collect();
        let authority = format!("-----BEGIN CERTIFICATE-----\n{id}\n-----END CERTIFICATE-----\n");
        ClusterState {
            endpoint: Some(EksHost::endpoint(region, &id)),
            certificate_authority: Some(STANDARD.encode(authority)),
            issuer: Some(Issuer::of_eks(region, &id)),
            ..ClusterState::default()
        }
    }

    /// The ARN of a cluster of the sandbox's own region.
    pub(super) fn cluster_arn(&self, name: &ClusterName) -> ClusterArn {
        ClusterArn::new(self.partition.clone(), self.region.clone(), self.account.clone(), name.clone())
    }

    /// The key under which a cluster stands: its name where it is one of the region, however it was named.
    pub(super) fn cluster_key(&self, cluster: &ClusterRef) -> ClusterRef {
        match cluster {
            ClusterRef::Arn(arn) if *arn == self.cluster_arn(arn.name()) => ClusterRef::Name(arn.name().clone()),
            other => other.clone(),
        }
    }

    /// The number of the next unique id.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Gives ids to what was written by hand without one, and refuses what no account can hold.
    pub(super) fn complete(mut self) -> Result<Self> {
        self.complete_clusters()?;
        let mut names = BTreeSet::new();
        for (name, role) in &self.roles {
            if !names.insert(name.as_str().to_lowercase()) {
                let rule = "two roles may not have names that differ in case alone";
                return Err(Error::invalid("roles", name.as_str(), rule));
            }
            let documents = role.inline.values().chain([&role.trust_policy]);
            if let Some(other) = documents.into_iter().find(|document| !document.is_object()) {
                let rule = format!("a policy of role {name} must be a JSON object");
                return Err(Error::invalid("roles", other.to_string(), rule));
            }
        }
        let mut names = BTreeSet::new();
        for (name, policy) in &self.policies {
            if !names.insert(name.to_lowercase()) {
                let rule = "two policies may not have names that differ in case alone";
                return Err(Error::invalid("policies", name.as_str(), rule));
            }
            PolicyArn::new(&self.partition, Some(&self.account), &policy.path, name)?;
        }
        if let Some((name, role)) = self.instance_profiles.iter().find(|(_, role)| !self.roles.contains_key(*role)) {
            let rule = format!("instance profile {name} must hold a role that exists");
            return Err(Error::invalid("instance_profiles", role.as_str(), rule));
        }
        // An id that was written by hand is never given away again.
        let given = self.roles.values().filter_map(|role| role.id.strip_prefix(ROLE_ID)?.parse().ok()).max();
        self.last_id = self.last_id.max(given.unwrap_or(0));
        for role in self.roles.values_mut().filter(|role| role.id.is_empty()) {
            self.last_id += 1;
            role.id = role_id(self.last_id);
        }
        Ok(self)
    }

    fn complete_clusters(&mut self) -> Result<()> {
        for (cluster, mut described) in std::mem::take(&mut self.clusters) {
            let key = self.cluster_key(&cluster);
            if let ClusterRef::Arn(arn) = &key
                && (*arn.account() != self.account || *arn.partition() != self.partition)
            {
                let rule = "a cluster must be in the sandbox's partition and account";
                return Err(Error::invalid("clusters", arn.to_string(), rule));
            }
            described.complete();
            if self.clusters.insert(key.clone(), described).is_some() {
                return Err(Error::invalid("clusters", key.to_string(), "is there by name and by ARN"));
            }
        }
        Ok(())
    }
}

impl ClusterState {
    /// The number of the next write.
    pub(super) fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    fn complete(&mut self) {
        let accounts = || self.namespaces.values().flat_map(|namespace| namespace.service_accounts.values());
        let given = accounts().map(|account| account.resource_version).max();
        self.revision = self.revision.max(given.unwrap_or(0));
        let accounts = self.namespaces.values_mut().flat_map(|namespace| namespace.service_accounts.values_mut());
        for account in accounts.filter(|account| account.resource_version == 0 || account.uid.is_empty()) {
            self.revision += 1;
            if account.resource_version == 0 {
                account.resource_version = self.revision;
            }
            if account.uid.is_empty() {
                account.uid = uid(self.revision);
            }
        }
    }
}

impl ProviderState {
    /// A provider that takes tokens for STS.
    pub fn for_sts() -> Self {
        Self { audiences: vec![Audience::sts().to_string()], ..Self::default() }
    }
}

/// What the unique id of a role begins with: with ten digits it is as long as IAM's.
const ROLE_ID: &str = "AROASANDBOX";

/// The unique id of a role.
pub(super) fn role_id(number: u64) -> String {
    format!("{ROLE_ID}{number:010}")
}

/// The uid of a service account.
pub(super) fn uid(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Result<SandboxState> {
        serde_json::from_value::<SandboxState>(value).unwrap().complete()
    }

    #[test]
    fn a_fresh_sandbox_has_a_cluster_and_its_provider() {
        let state = SandboxState::default();
        assert_eq!((state.account.as_str(), state.partition.as_str()), ("123456789012", "aws"));
        let cluster = &state.clusters[&"sandbox".parse::<ClusterRef>().unwrap()];
        assert_eq!(cluster.namespaces.keys().map(Namespace::as_str).collect::<Vec<_>>(), ["default", "kube-system"]);
        let provider = &state.providers[cluster.issuer.as_ref().unwrap()];
        assert_eq!(provider.audiences, ["sts.amazonaws.com"]);
    }

    #[test]
    fn states_are_read_as_they_are_written() {
        let mut state = SandboxState::default();
        let cluster = state.new_cluster(&"https://issuer.example/x".parse().unwrap());
        state.clusters.insert("https://issuer.example/x".parse().unwrap(), cluster);
        let text = super::super::file::print(&state).unwrap();
        assert_eq!(serde_json::from_str::<SandboxState>(&text).unwrap(), state);
    }

    #[test]
    fn what_is_written_by_hand_gets_ids_of_its_own() {
        let state = read(json!({
            "roles": {"a": {"trust_policy": {}}, "b": {"trust_policy": {}, "id": "AROASANDBOX0000000007"}},
            "clusters": {"c": {"namespaces": {"x": {"service_accounts": {"one": {}, "two": {"resource_version": 5}}}}}}
        }))
        .unwrap();
        assert_eq!(state.roles["a"].id, "AROASANDBOX0000000008");
        let accounts = &state.clusters[&"c".parse::<ClusterRef>().unwrap()].namespaces["x"].service_accounts;
        assert_ne!(accounts["one"].uid, accounts["two"].uid);
        assert_eq!((accounts["one"].resource_version, accounts["two"].resource_version), (6, 5));
    }

    #[test]
    fn a_cluster_of_the_region_is_one_by_name_and_by_arn() {
        let arn = |region: &str, account: &str| format!("arn:aws:eks:{region}:{account}:cluster/c");
        let here = arn("us-east-1", "123456789012");
        let state = read(json!({"clusters": {here.clone(): {}}})).unwrap();
        assert_eq!(state.clusters.keys().map(ToString::to_string).collect::<Vec<_>>(), ["c"]);
        assert!(read(json!({"clusters": {here: {}, "c": {}}})).is_err());
        assert!(read(json!({"clusters": {arn("us-east-1", "210987654321"): {}}})).is_err());
        assert!(read(json!({"clusters": {arn("eu-west-1", "123456789012"): {}}})).is_ok());
    }

    #[test]
    fn what_no_account_can_hold_is_refused() {
        for state in [
            json!({"roles": {"a": {"trust_policy": {}}, "A": {"trust_policy": {}}}}),
            json!({"roles": {"a": {"trust_policy": "{}"}}}),
            json!({"policies": {"a b": {}}}),
            json!({"policies": {"a": {}, "A": {}}}),
            json!({"policies": {"a": {"path": "x"}}}),
            json!({"instance_profiles": {"p": "gone"}}),
        ] {
            let error = read(state.clone()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidInput, "{state}");
        }
    }
}
