//! The roles that eksctl has made: CloudFormation names them, so that they are found by the annotation of the service
//! account or by the tags of the stack.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::binding::{IrsaBinding, ROLE_ARN_ANNOTATION};
use crate::client::Client;
use crate::error::Result;
use crate::name::{ClusterRef, RoleArn, RoleName, ServiceAccountRef};
use crate::tolerance::OptionalRead;

/// The tag with `NAMESPACE/NAME` of the service account (eksctl, `api.IAMServiceAccountNameTag`).
const ACCOUNT_TAG: &str = "alpha.eksctl.io/iamserviceaccount-name";
/// The tag with the name of the cluster (eksctl, `api.ClusterNameTag`).
const CLUSTER_TAG: &str = "alpha.eksctl.io/cluster-name";

impl Client {
    /// The names of the roles that eksctl has made for bindings, in their order; nothing where there is none.
    ///
    /// The annotation of the service account tells it where its role is there, else the tags of the role; where roles may not
    /// be listed, the annotation alone. An annotation whose role is gone names the role that is made anew, in its own
    /// account only.
    ///
    /// # Errors
    /// Those of listing roles and service accounts, but for `AccessDenied`.
    pub async fn finding_roles(&self, bindings: &[IrsaBinding]) -> Result<Vec<Option<RoleName>>> {
        if bindings.is_empty() {
            return Ok(Vec::new());
        }
        let reads = async { futures::join!(self.backends.iam.roles(), self.annotated(bindings)) };
        let (roles, annotated) = self.in_time("looking for the roles of eksctl", async { Ok(reads.await) }).await?;
        let annotated = annotated?;
        let roles = OptionalRead::Roles.tolerate(roles)?.unwrap_or_default();
        let mut tagged: HashMap<(&str, &str), &RoleName> = HashMap::new();
        for detail in &roles {
            let tags = &detail.role.tags;
            if let (Some(account), Some(cluster)) = (tags.get(ACCOUNT_TAG), tags.get(CLUSTER_TAG)) {
                tagged.insert((cluster, account), detail.role.arn.name());
            }
        }
        let there: BTreeSet<&RoleArn> = roles.iter().map(|detail| &detail.role.arn).collect();
        let own_account = roles.first().map(|detail| detail.role.arn.account());
        let found = bindings.iter().map(|binding| {
            let account = ServiceAccountRef::new(&binding.namespace, &binding.service_account).to_string();
            let by_annotation = annotated.get(&(binding.cluster.clone(), account.clone()));
            let standing = by_annotation.filter(|arn| there.contains(arn));
            let by_tag = || tagged.get(&(binding.cluster.name()?.as_str(), account.as_str())).copied();
            let gone = || by_annotation.filter(|arn| own_account.is_none_or(|own| own == arn.account()));
            standing.map(RoleArn::name).or_else(by_tag).or_else(|| gone().map(RoleArn::name)).cloned()
        });
        Ok(found.collect())
    }

    /// The roles that the accounts of the bindings' clusters are annotated with.
    async fn annotated(&self, bindings: &[IrsaBinding]) -> Result<BTreeMap<(ClusterRef, String), RoleArn>> {
        let clusters: BTreeSet<&ClusterRef> = bindings.iter().map(|binding| &binding.cluster).collect();
        let mut annotated = BTreeMap::new();
        for cluster in clusters {
            let Ok(backend) = self.backends.cluster(cluster) else { continue };
            let accounts = OptionalRead::ServiceAccounts.tolerate(backend.service_accounts().await)?;
            for account in accounts.into_iter().flatten() {
                let role = account.annotations.get(ROLE_ARN_ANNOTATION).and_then(|arn| arn.parse::<RoleArn>().ok());
                if let Some(role) = role {
                    let account = ServiceAccountRef::new(&account.namespace, &account.name).to_string();
                    annotated.insert((cluster.clone(), account), role);
                }
            }
        }
        Ok(annotated)
    }
}
