//! The rules of the API server for service accounts and namespaces: who may do what, what it refuses, in its words.

use std::collections::BTreeMap;

use super::apply::{Fields, apply, update};
use super::defaults::uid;
use super::responses::{Answer, Refusal};
use super::state::{ClusterState, NamespaceState, ServiceAccountState};
use crate::backend::{
    ClusterNamespace, DryRun, FIELD_MANAGER, NewServiceAccount, Precondition, ServiceAccount, Takeover,
};
use crate::error::ConflictReason;
use crate::hint::Hint;
use crate::name::{AnnotationKey, LabelKey, LabelValue, Namespace, ServiceAccountName};

/// The most bytes of all annotations of an object (Kubernetes documentation, "Annotations").
const MAX_ANNOTATIONS: usize = 262_144;

/// What to do about a write that met another one.
const SEE_AGAIN: &str = "somebody changed it at the same time; the same command again sees what is there now";

impl ClusterState {
    /// Whether the user may do something; everywhere means in every namespace.
    pub(super) fn may(&self, verb: &str, resource: &str, namespace: Option<&Namespace>) -> bool {
        !self.denied.iter().any(|denial| {
            (denial.verb == "*" || denial.verb == verb)
                && denial.resource == resource
                && denial.namespace.as_ref().is_none_or(|denied| namespace.is_none_or(|asked| asked == denied))
        })
    }

    /// Refuses what the user may not do.
    pub(super) fn check(&self, verb: &str, resource: &str, namespace: Option<&Namespace>, name: &str) -> Answer<()> {
        if self.may(verb, resource, namespace) {
            return Ok(());
        }
        let object = if name.is_empty() { resource.to_owned() } else { format!("{resource} {name:?}") };
        let place = match namespace {
            Some(namespace) => format!("in the namespace {:?}", namespace.as_str()),
            None => "at the cluster scope".to_owned(),
        };
        let user = &self.user;
        let message = format!(
            "{object} is forbidden: User {user:?} cannot {verb} resource {resource:?} in API group \"\" {place}"
        );
        let hint = Hint::GrantPermissions;
        Err(Refusal::kubernetes("Forbidden", message).with_hint(hint))
    }

    pub(super) fn account(&self, namespace: &Namespace, name: &ServiceAccountName) -> Option<&ServiceAccountState> {
        self.namespaces.get(namespace)?.service_accounts.get(name)
    }

    /// All accounts of a namespace, or of all.
    pub(super) fn accounts(&self, only: Option<&Namespace>) -> Vec<ServiceAccount> {
        let namespaces = self.namespaces.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
        namespaces
            .flat_map(|(namespace, held)| {
                held.service_accounts.iter().map(|(name, account)| described(namespace, name, account))
            })
            .collect()
    }

    pub(super) fn described_namespaces(&self) -> impl Iterator<Item = ClusterNamespace> {
        let described = |(name, held): (&Namespace, &NamespaceState)| ClusterNamespace {
            name: name.to_string(),
            terminating: held.terminating,
        };
        self.namespaces.iter().map(described)
    }

    pub(super) fn create_namespace(&mut self, namespace: &Namespace) -> Answer<()> {
        self.check("create", "namespaces", None, "")?;
        if self.namespaces.contains_key(namespace) {
            let message = format!("namespaces {:?} already exists", namespace.as_str());
            return Err(Refusal::kubernetes("AlreadyExists", message));
        }
        self.next_revision();
        self.namespaces.insert(namespace.clone(), NamespaceState::default());
        Ok(())
    }

    /// Server-side apply by irsa, kept.
    pub(super) fn apply_account(&mut self, new: &NewServiceAccount, takeover: Takeover) -> Answer<ServiceAccount> {
        let mut next = self.applied(new, DryRun::No, takeover)?;
        if self.account(&new.namespace, &new.name) != Some(&next) {
            next.resource_version = self.next_revision();
            self.put(&new.namespace, &new.name, next.clone())?;
        }
        Ok(described(&new.namespace, &new.name, &next))
    }

    /// What server-side apply by irsa would make of an account, with its resource version of before.
    pub(super) fn applied(
        &self,
        new: &NewServiceAccount,
        dry_run: DryRun,
        takeover: Takeover,
    ) -> Answer<ServiceAccountState> {
        let (namespace, name) = (&new.namespace, &new.name);
        self.check("patch", "serviceaccounts", Some(namespace), name.as_str())?;
        check_metadata(name, &new.labels, &new.annotations)?;
        let live = self.account(namespace, name);
        check_precondition(name, live, &new.precondition)?;
        let fields =
            Fields { labels: &new.labels, annotations: &new.annotations, automount_token: new.automount_token };
        let next = match live {
            Some(live) => apply(live, FIELD_MANAGER, fields, takeover == Takeover::Force)?,
            None => {
                self.check_creation(namespace, name)?;
                let made = ServiceAccountState { uid: uid(self.revision + 1), ..ServiceAccountState::default() };
                apply(&made, FIELD_MANAGER, fields, takeover == Takeover::Force)?
            }
        };
        self.admitted((namespace, name), live, next, dry_run)
    }

    /// A JSON patch that tests each value and the resource version before it takes the annotations away.
    pub(super) fn remove_annotations(
        &mut self,
        account: &ServiceAccount,
        keys: &BTreeMap<String, String>,
    ) -> Answer<ServiceAccount> {
        let (namespace, name) = (&account.namespace, &account.name);
        self.check("patch", "serviceaccounts", Some(namespace), name.as_str())?;
        let live = self.account(namespace, name).ok_or_else(|| no_account(name))?;
        let same = live.uid == account.uid && live.resource_version.to_string() == account.resource_version;
        if !same || keys.iter().any(|(key, value)| live.annotations.get(key) != Some(value)) {
            return Err(modified(name));
        }
        let gone = keys.keys().map(|key| (key.clone(), None)).collect();
        let next = update(live, FIELD_MANAGER, &BTreeMap::new(), &gone);
        let mut next = self.admitted((namespace, name), Some(live), next, DryRun::No)?;
        if next != *live {
            next.resource_version = self.next_revision();
            self.put(namespace, name, next.clone())?;
        }
        Ok(described(namespace, name, &next))
    }

    pub(super) fn delete_account(&mut self, account: &ServiceAccount) -> Answer<()> {
        let (namespace, name) = (&account.namespace, &account.name);
        self.check("delete", "serviceaccounts", Some(namespace), name.as_str())?;
        let live = self.account(namespace, name).ok_or_else(|| no_account(name))?;
        let version = live.resource_version.to_string();
        let differs = [("UID", &account.uid, &live.uid), ("ResourceVersion", &account.resource_version, &version)];
        if let Some((what, wanted, found)) = differs.into_iter().find(|(_, wanted, found)| wanted != found) {
            let message = format!(
                "Operation cannot be fulfilled on ServiceAccount {:?}: the {what} in the precondition ({wanted}) does \
                 not match the {what} in record ({found}). The object might have been modified",
                name.as_str()
            );
            return Err(stale(message));
        }
        if live.deleting {
            return Ok(());
        }
        self.next_revision();
        if let Some(held) = self.namespaces.get_mut(namespace) {
            held.service_accounts.remove(name);
        }
        Ok(())
    }

    /// Keeps an account as it is.
    pub(super) fn put(
        &mut self,
        namespace: &Namespace,
        name: &ServiceAccountName,
        account: ServiceAccountState,
    ) -> Answer<()> {
        let held = self.namespaces.get_mut(namespace).ok_or_else(|| no_namespace(namespace))?;
        held.service_accounts.insert(name.clone(), account);
        Ok(())
    }

    fn check_creation(&self, namespace: &Namespace, name: &ServiceAccountName) -> Answer<()> {
        self.check("create", "serviceaccounts", Some(namespace), name.as_str())?;
        let held = self.namespaces.get(namespace).ok_or_else(|| no_namespace(namespace))?;
        if held.terminating {
            let message = format!(
                "serviceaccounts {:?} is forbidden: unable to create new content in namespace {namespace} because it is \
                 being terminated",
                name.as_str()
            );
            let reason = ConflictReason::NamespaceTerminating;
            return Err(Refusal::kubernetes("Forbidden", message).with_conflict_reason(reason));
        }
        Ok(())
    }
}

/// An account as the API server gives it.
pub(super) fn described(
    namespace: &Namespace,
    name: &ServiceAccountName,
    account: &ServiceAccountState,
) -> ServiceAccount {
    ServiceAccount {
        namespace: namespace.clone(),
        name: name.clone(),
        uid: account.uid.clone(),
        // An account that a dry run would make has none.
        resource_version: match account.resource_version {
            0 => String::new(),
            version => version.to_string(),
        },
        labels: account.labels.clone(),
        annotations: account.annotations.clone(),
        automount_token: account.automount_token,
        owners: account.owners.clone(),
        deleting: account.deleting,
    }
}

pub(super) fn no_account(name: &ServiceAccountName) -> Refusal {
    Refusal::kubernetes("NotFound", format!("serviceaccounts {:?} not found", name.as_str()))
}

pub(super) fn no_namespace(namespace: &Namespace) -> Refusal {
    Refusal::kubernetes("NotFound", format!("namespaces {:?} not found", namespace.as_str()))
}

fn modified(name: &ServiceAccountName) -> Refusal {
    let message = format!(
        "Operation cannot be fulfilled on serviceaccounts {:?}: the object has been modified; please apply your changes \
         to the latest version and try again",
        name.as_str()
    );
    stale(message)
}

/// The object is not as it was read.
fn stale(message: String) -> Refusal {
    Refusal::kubernetes("Conflict", message).with_conflict_reason(ConflictReason::Stale).with_hint(SEE_AGAIN)
}

fn check_precondition(
    name: &ServiceAccountName,
    live: Option<&ServiceAccountState>,
    expected: &Precondition,
) -> Answer<()> {
    let (wanted_uid, wanted_version) = match expected {
        Precondition::Anything => return Ok(()),
        Precondition::Absent => return if live.is_some() { Err(modified(name)) } else { Ok(()) },
        Precondition::Version { uid, resource_version } => (uid, resource_version),
    };
    let found = live.map(|live| (live.uid.as_str(), live.resource_version.to_string()));
    match found {
        Some((uid, version)) if uid == wanted_uid && version == *wanted_version => Ok(()),
        Some((uid, _)) if uid == wanted_uid => Err(modified(name)),
        other => {
            let found = other.map_or_else(String::new, |(uid, _)| uid.to_owned());
            let message = format!(
                "Operation cannot be fulfilled on serviceaccounts {:?}: Precondition failed: UID in precondition: \
                 {wanted_uid}, UID in object meta: {found}",
                name.as_str()
            );
            Err(stale(message))
        }
    }
}

fn check_metadata(
    name: &ServiceAccountName,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Answer<()> {
    let invalid = |field: &str, value: &str, rule: String| {
        let message = format!("ServiceAccount {:?} is invalid: metadata.{field}: {value}{rule}", name.as_str());
        Refusal::kubernetes("Invalid", message)
    };
    let value = |value: &str| format!("Invalid value: {value:?}: ");
    for (key, text) in labels {
        LabelKey::new(key).map_err(|error| invalid("labels", &value(key), error.to_string()))?;
        LabelValue::new(text).map_err(|error| invalid("labels", &value(text), error.to_string()))?;
    }
    for key in annotations.keys() {
        AnnotationKey::new(key).map_err(|error| invalid("annotations", &value(key), error.to_string()))?;
    }
    let total: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if total > MAX_ANNOTATIONS {
        return Err(invalid("annotations", "Too long: ", format!("may not be more than {MAX_ANNOTATIONS} bytes")));
    }
    Ok(())
}
