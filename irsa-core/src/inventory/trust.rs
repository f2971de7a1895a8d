//! The reads of an audit: roles, providers and the service accounts of clusters, at the same time as far as they do not
//! depend on each other.

use std::collections::{BTreeMap, BTreeSet};

use futures::{FutureExt, StreamExt};

use crate::backend::{Role, RoleDetail, ServiceAccount};
use crate::binding::ROLE_ARN_ANNOTATION;
use crate::client::Client;
use crate::cluster_identity::{ClusterIdentity, Demand, resolve};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{AccountId, ClusterRef, InlinePolicyName, ProviderArn, RoleArn, RoleName};
use crate::observe::{Backends, check_cluster};
use crate::report::{Warning, WarningId};
use crate::text::{did_you_mean, nearest};
use crate::tolerance::OptionalRead;
use crate::trust::{Audit, AuditedRole, Ignore, KnownAccount, Surroundings, TrustDocument, WhoCan, audit, who_can};

/// How many providers, or inline policies, are read at the same time.
const AT_ONCE: usize = 8;

impl Client {
    /// Audits every role of the account. Clusters that are named add their service accounts to what findings are judged by;
    /// one that cannot be read is a warning, and its service accounts are not judged.
    ///
    /// # Errors
    /// `AccessDenied` when the roles may not be read.
    pub async fn audit_trust(&self, clusters: &[ClusterRef], ignore: &[Ignore]) -> Result<Audit> {
        let read = async {
            let backends = &self.backends;
            let (roles, listed, clusters) =
                futures::join!(backends.iam.roles(), backends.iam.providers(), read_clusters(backends, clusters));
            let (roles, (clusters, mut warnings)) = (roles?, clusters?);
            let home = roles.first().map(|role| role.role.arn.account().clone());
            let named = roles.iter().filter_map(|role| TrustDocument::parse(&role.role.trust_policy).ok());
            let mut wanted: BTreeSet<ProviderArn> = named.flat_map(|document| document.providers()).collect();
            let clusters = known(clusters, home.as_ref());
            wanted.extend(clusters.keys().cloned());
            let providers = match listed {
                Ok(listed) => existing(backends, listed.into_iter().filter(|arn| wanted.contains(arn)).collect()).await,
                Err(error) => Err(error),
            };
            let around = Surroundings { providers: providers_or(providers, &mut warnings)?, clusters };
            Ok((roles, around, warnings))
        };
        let (roles, around, warnings) = self.in_time("reading the roles", read).await?;
        let mut audit = audit(roles.into_iter().map(audited), &around, ignore);
        audit.warnings = warnings;
        Ok(audit)
    }

    /// Who can assume a role, matched with the service accounts of clusters; one that cannot be read is a warning.
    ///
    /// # Errors
    /// `NotFound` with the nearest names; `InvalidInput` for a trust policy that cannot be read.
    pub async fn who_can(&self, role: &RoleName, clusters: &[ClusterRef]) -> Result<WhoCan> {
        let read = async {
            let backends = &self.backends;
            let (role, clusters) = futures::join!(read_role(backends, role), read_clusters(backends, clusters));
            let (role, (clusters, mut warnings)) = (role?, clusters?);
            let home = role.arn.as_ref().map(RoleArn::account);
            let named = TrustDocument::parse(&role.trust_policy)?.providers();
            let clusters = known(clusters, home);
            let own = named
                .iter()
                .chain(clusters.keys())
                .filter(|provider| home.is_none_or(|home| home == provider.account()));
            let providers = existing(backends, own.cloned().collect()).await;
            let around = Surroundings { providers: providers_or(providers, &mut warnings)?, clusters };
            Ok((role, around, warnings))
        };
        let (role, around, warnings) = self.in_time("reading the role", read).await?;
        let mut answer = who_can(&role, &around)?;
        answer.warnings = warnings;
        Ok(answer)
    }

    /// The trust policy of a role, read for evaluation.
    ///
    /// # Errors
    /// `NotFound` with the nearest names; `InvalidInput` for a trust policy that cannot be read.
    pub async fn trust_document(&self, role: &RoleName) -> Result<(RoleArn, TrustDocument)> {
        let found = self.in_time("reading the role", find_role(&self.backends, role)).await?;
        let document = TrustDocument::parse(&found.trust_policy)
            .map_err(|error| error.during(format!("the trust policy of {} cannot be read", found.arn)))?;
        Ok((found.arn, document))
    }
}

fn audited(detail: RoleDetail) -> AuditedRole {
    let RoleDetail { role, attached, inline, .. } = detail;
    AuditedRole {
        arn: Some(role.arn),
        trust_policy: role.trust_policy,
        unreadable: Vec::new(),
        source: None,
        attached: attached.iter().map(ToString::to_string).collect(),
        inline: inline.into_iter().map(|policy| policy.document).collect(),
        tags: role.tags,
        // What a policy of the account allows would take a call more for each.
        managed: BTreeMap::new(),
        permissions_boundary: role.permissions_boundary,
    }
}

async fn find_role(backends: &Backends, name: &RoleName) -> Result<Role> {
    if let Some(role) = backends.iam.role(name).await? {
        return Ok(role);
    }
    let error = Error::new(ErrorKind::NotFound, format!("role {name} does not exist"));
    // The names are only a help: where they may not be read, there is none.
    let all = backends.iam.roles().await.unwrap_or_default();
    let names: Vec<&str> = all.iter().map(|role| role.role.arn.name().as_str()).collect();
    match did_you_mean(&nearest(name.as_str(), names)) {
        Some(hint) => Err(error.with_hint(hint)),
        None => Err(error),
    }
}

async fn read_role(backends: &Backends, name: &RoleName) -> Result<AuditedRole> {
    let iam = backends.iam.as_ref();
    let (role, attached, names) =
        futures::try_join!(find_role(backends, name), iam.attached_policies(name), iam.inline_policy_names(name))?;
    let names: Vec<InlinePolicyName> = names.unwrap_or_default();
    let each: Vec<_> = names.iter().map(|policy| iam.inline_policy(name, policy)).collect();
    let inline: Vec<_> = futures::stream::iter(each).buffered(AT_ONCE).collect().await;
    let inline = inline.into_iter().collect::<Result<Vec<_>>>()?;
    let (attached, inline) = (attached.unwrap_or_default(), inline.into_iter().flatten().collect());
    Ok(audited(RoleDetail { role, attached, inline, instance_profiles: Vec::new() }))
}

/// Those of some providers that exist, with their audiences.
async fn existing(backends: &Backends, wanted: BTreeSet<ProviderArn>) -> Result<BTreeMap<ProviderArn, Vec<String>>> {
    let each = wanted.into_iter().map(|arn| async move { backends.iam.provider(&arn).await }.boxed());
    let found: Vec<_> = futures::stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
    let found = found.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(found.into_iter().flatten().map(|provider| (provider.arn, provider.audiences)).collect())
}

fn providers_or(
    read: Result<BTreeMap<ProviderArn, Vec<String>>>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<BTreeMap<ProviderArn, Vec<String>>>> {
    OptionalRead::AuditContext.tolerate_with(read, |error| {
        let message = format!("the OIDC providers could not be read, so that they are not judged: {}", chain(&error));
        warnings.push(Warning::new(WarningId::ProvidersUnread, message));
    })
}

/// A cluster that was read.
struct Cluster {
    identity: ClusterIdentity,
    accounts: Vec<KnownAccount>,
}

async fn read_clusters(backends: &Backends, clusters: &[ClusterRef]) -> Result<(Vec<Cluster>, Vec<Warning>)> {
    let each = clusters.iter().map(|cluster| async move { (cluster, read_cluster(backends, cluster).await) }.boxed());
    let (mut read, mut warnings) = (Vec::new(), Vec::new());
    for (name, found) in futures::future::join_all(each).await {
        warnings.extend(backends.warnings.get(name).cloned());
        let found = OptionalRead::AuditContext.tolerate_with(found, |error| {
            let message = format!(
                "the service accounts of cluster {name} could not be read, so that they are not judged: {}",
                chain(&error)
            );
            warnings.push(Warning::new(WarningId::ClusterUnread, message));
        })?;
        if let Some((cluster, warning)) = found {
            read.push(cluster);
            warnings.extend(warning);
        }
    }
    Ok((read, warnings))
}

async fn read_cluster(backends: &Backends, name: &ClusterRef) -> Result<(Cluster, Option<Warning>)> {
    let backend = backends.cluster(name)?;
    let fingerprint = async { if backend.through_eks() { Ok(None) } else { backend.fingerprint().await.map(Some) } };
    let (identities, fingerprint, accounts) = futures::try_join!(
        resolve(backends.identity.as_ref(), &backends.given, std::slice::from_ref(name), Demand::Usable),
        fingerprint,
        backend.service_accounts(),
    )?;
    let identity = identities.into_values().next();
    let identity =
        identity.ok_or_else(|| Error::new(ErrorKind::Unexpected, format!("cluster {name} was not resolved")))?;
    // The accounts of another cluster would be taken for those that this one does not have.
    let warning = match fingerprint {
        Some(fingerprint) => check_cluster(name, &identity, &fingerprint)?,
        None => None,
    };
    Ok((Cluster { identity, accounts: accounts.into_iter().map(account).collect() }, warning))
}

fn account(account: ServiceAccount) -> KnownAccount {
    let role_arn = account.annotations.get(ROLE_ARN_ANNOTATION).filter(|value| !value.is_empty()).cloned();
    KnownAccount { namespace: account.namespace.to_string(), name: account.name.to_string(), role_arn }
}

/// Clusters by the provider that stands for them in the account of the roles.
fn known(clusters: Vec<Cluster>, home: Option<&AccountId>) -> BTreeMap<ProviderArn, (String, Vec<KnownAccount>)> {
    let each = clusters.into_iter().filter_map(|Cluster { identity, accounts }| {
        let provider = identity.provider_in(home.unwrap_or(&identity.account))?;
        Some((provider, (identity.cluster.to_string(), accounts)))
    });
    each.collect()
}

fn chain(error: &Error) -> String {
    std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>().join(": ")
}
