//! All bindings of a cluster, from both sides or by their roles alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Account, Place, annotation, place_of, sure, trusted, view};
use crate::backend::ServiceAccount;
use crate::client::Client;
use crate::error::Result;
use crate::name::{ClusterRef, Namespace, RoleArn, ServiceAccountRef, SubjectName};
use crate::observe::{Backends, ObservedRole, in_bulk};
use crate::ownership::Member;
use crate::status::BindingStatus;

impl Client {
    /// All bindings of a cluster, or of one namespace, in the order of their names.
    ///
    /// # Errors
    /// `AccessDenied` when roles or service accounts may not be listed.
    pub async fn list(&self, cluster: &ClusterRef, namespace: Option<&Namespace>) -> Result<Vec<BindingStatus>> {
        self.in_time("reading the bindings", list(&self.backends, cluster, namespace)).await
    }

    /// All bindings of a cluster, or of one namespace, by their roles alone: no service account is looked at, and no API
    /// server is needed. What only an annotation tells of is not among them.
    ///
    /// # Errors
    /// `AccessDenied` when roles may not be listed.
    pub async fn list_roles(&self, cluster: &ClusterRef, namespace: Option<&Namespace>) -> Result<Vec<BindingStatus>> {
        self.in_time("reading the bindings", list_roles(&self.backends, cluster, namespace)).await
    }
}

async fn list(backends: &Backends, cluster: &ClusterRef, namespace: Option<&Namespace>) -> Result<Vec<BindingStatus>> {
    let backend = backends.cluster(cluster)?;
    let accounts = async {
        match namespace {
            Some(namespace) => backend.service_accounts_in(namespace).await,
            None => backend.service_accounts().await,
        }
    };
    let located = async {
        let located = place_of(backends, cluster).await?;
        sure(backends, cluster, &located.identity).await.map(|()| located)
    };
    let (located, accounts, roles) = futures::join!(located, accounts, backends.iam.roles());
    let (located, accounts, roles) = (located?, accounts?, roles?);
    // A role whose stored policy cannot be read must not hide the others.
    let roles: Vec<ObservedRole> = roles.into_iter().filter_map(|detail| in_bulk(detail).ok()).collect();
    let by_arn: HashMap<&RoleArn, &ObservedRole> = roles.iter().map(|role| (&role.role.arn, role)).collect();
    let mut views = Vec::new();
    // The places of the accounts that are annotated with a role.
    let mut seen: HashMap<RoleArn, BTreeSet<String>> = HashMap::new();
    for account in accounts.iter().filter(|account| annotation(account).is_some()) {
        let arn = annotation(account).and_then(|value| value.parse::<RoleArn>().ok());
        let role = arn.as_ref().and_then(|arn| by_arn.get(arn)).copied();
        if let Some(arn) = arn {
            seen.entry(arn).or_default().insert(ServiceAccountRef::new(&account.namespace, &account.name).to_string());
        }
        views.push(view(&located, (&account.namespace, account.name.as_str()), role, Account::There(account)));
    }
    let by_place: BTreeMap<String, &ServiceAccount> = accounts
        .iter()
        .map(|account| (ServiceAccountRef::new(&account.namespace, &account.name).to_string(), account))
        .collect();
    for role in &roles {
        let annotated = seen.get(&role.role.arn);
        for (member, shown) in let_in(&located, role, namespace) {
            // A pattern is shown where no annotated account came in by it.
            let pattern = matches!(member.name, SubjectName::Pattern(_));
            if annotated.is_some_and(|places| pattern || places.contains(&shown)) {
                continue;
            }
            let account = Account::of(by_place.get(&shown).copied());
            views.push(view(&located, (&member.namespace, member.name.as_str()), Some(role), account));
        }
    }
    Ok(in_order(views))
}

async fn list_roles(
    backends: &Backends,
    cluster: &ClusterRef,
    namespace: Option<&Namespace>,
) -> Result<Vec<BindingStatus>> {
    let (located, roles) = futures::try_join!(place_of(backends, cluster), backends.iam.roles())?;
    let mut views = Vec::new();
    for role in roles.into_iter().filter_map(|detail| in_bulk(detail).ok()) {
        for (member, _) in let_in(&located, &role, namespace) {
            let account = (&member.namespace, member.name.as_str());
            views.push(view(&located, account, Some(&role), Account::NotAsked));
        }
    }
    Ok(in_order(views))
}

/// The subjects of the cluster that a role lets in or has on record, of one namespace if one is given, with how they are
/// written.
fn let_in(located: &Place, role: &ObservedRole, namespace: Option<&Namespace>) -> Vec<(Member, String)> {
    let mut members = trusted(located, role).members;
    members.extend(role.ownership.members().into_iter().filter(|member| member.cluster == *located.id()));
    let in_scope =
        members.into_iter().filter(|member| namespace.is_none_or(|namespace| *namespace == member.namespace));
    in_scope.map(|member| (member.clone(), member.shown(located.id()))).collect()
}

fn in_order(mut views: Vec<BindingStatus>) -> Vec<BindingStatus> {
    views.sort_by(|a, b| {
        (&a.namespace, &a.service_account, &a.role_name).cmp(&(&b.namespace, &b.service_account, &b.role_name))
    });
    views
}
