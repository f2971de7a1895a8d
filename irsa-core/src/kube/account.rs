//! Service accounts, from what the API server says to what irsa knows, and back.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::{Map, Value, json};

use crate::backend::{FieldOwner, NewServiceAccount, Precondition, ServiceAccount};
use crate::error::Result;
use crate::name::{Namespace, ServiceAccountName};

/// The account that the API server described.
pub(super) fn read(account: core::ServiceAccount) -> Result<ServiceAccount> {
    let metadata = account.metadata;
    let owners = metadata.managed_fields.unwrap_or_default();
    Ok(ServiceAccount {
        namespace: Namespace::new(metadata.namespace.unwrap_or_default())?,
        name: ServiceAccountName::new(metadata.name.unwrap_or_default())?,
        uid: metadata.uid.unwrap_or_default(),
        resource_version: metadata.resource_version.unwrap_or_default(),
        labels: metadata.labels.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
        automount_token: account.automount_service_account_token,
        owners: owners.into_iter().map(owner).collect(),
        deleting: metadata.deletion_timestamp.is_some(),
    })
}

/// The configuration that server-side apply is sent: these fields and no others.
pub(super) fn configuration(account: &NewServiceAccount) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(account.name));
    metadata.insert("namespace".to_owned(), json!(account.namespace));
    // Sending an empty map would own the map itself.
    if !account.labels.is_empty() {
        metadata.insert("labels".to_owned(), json!(account.labels));
    }
    if !account.annotations.is_empty() {
        metadata.insert("annotations".to_owned(), json!(account.annotations));
    }
    match &account.precondition {
        Precondition::Anything => {}
        // Compared with the account that is there, if one is: none has this version, which is that of an empty etcd.
        Precondition::Absent => drop(metadata.insert("resourceVersion".to_owned(), json!("1"))),
        Precondition::Version { uid, resource_version } => {
            metadata.insert("uid".to_owned(), json!(uid));
            metadata.insert("resourceVersion".to_owned(), json!(resource_version));
        }
    }
    let mut configuration = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
    if let Some(automount) = account.automount_token {
        configuration["automountServiceAccountToken"] = json!(automount);
    }
    configuration
}

/// The JSON patch that takes annotations away from exactly this version of an account (RFC 6902).
pub(super) fn removal<'a>(resource_version: &str, keys: impl Iterator<Item = (&'a String, &'a String)>) -> Value {
    let mut patch = vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": resource_version})];
    for (key, value) in keys {
        // RFC 6901 writes `~` as `~0` and `/` as `~1`.
        let path = format!("/metadata/annotations/{}", key.replace('~', "~0").replace('/', "~1"));
        patch.push(json!({"op": "test", "path": path, "value": value}));
        patch.push(json!({"op": "remove", "path": path}));
    }
    Value::Array(patch)
}

/// Who owns which fields, from one entry of `managedFields` ("Server-Side Apply", `FieldsV1`).
fn owner(entry: ManagedFieldsEntry) -> FieldOwner {
    let mut owner = FieldOwner {
        manager: entry.manager.unwrap_or_default(),
        apply: entry.operation.as_deref() == Some("Apply"),
        ..FieldOwner::default()
    };
    let fields = entry.fields_v1.map(|fields| fields.0).unwrap_or_default();
    for (field, inner) in entries(&fields) {
        match field {
            "f:metadata" => {}
            "f:automountServiceAccountToken" => {
                owner.automount_token = true;
                continue;
            }
            _ => {
                owner.other_fields |= field != ".";
                continue;
            }
        }
        for (field, inner) in entries(inner) {
            match field {
                "f:annotations" => owner.annotations.extend(keys(inner)),
                "f:labels" => owner.labels.extend(keys(inner)),
                // `.` stands for the object itself, which is no field.
                "." => {}
                _ => owner.other_fields = true,
            }
        }
    }
    owner
}

fn entries(fields: &Value) -> impl Iterator<Item = (&str, &Value)> {
    fields.as_object().into_iter().flatten().map(|(field, inner)| (field.as_str(), inner))
}

fn keys(fields: &Value) -> BTreeSet<String> {
    entries(fields).filter_map(|(field, _)| field.strip_prefix("f:")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn owners_are_read_from_managed_fields() {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "secrets": [{"name": "s"}],
        "automountServiceAccountToken": false, "metadata": {
        "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "annotations": {"k": "v"},
        "managedFields": [
            {"manager": "irsa", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:metadata": {"f:annotations": {"f:eks.amazonaws.com/role-arn": {}}, "f:labels": {"f:l": {}}}}},
            {"manager": "kubectl", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, "f:k": {}}}, "f:secrets": {"k:{\"name\":\"s\"}": {}}}},
            {"manager": "gc", "operation": "Update", "fieldsV1": {"f:metadata": {"f:ownerReferences": {}}}},
            {"manager": "helm", "operation": "Update", "fieldsV1": {"f:automountServiceAccountToken": {}}},
            {"operation": "Update"}
        ]}});
        let account = read(serde_json::from_value(account).unwrap()).unwrap();
        let set = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>();
        let owner = |manager: &str, apply, annotations: &[&str], labels: &[&str], other_fields| FieldOwner {
            manager: manager.to_owned(),
            apply,
            annotations: set(annotations),
            labels: set(labels),
            automount_token: manager == "helm",
            other_fields,
        };
        assert_eq!(
            account.owners,
            [
                owner("irsa", true, &["eks.amazonaws.com/role-arn"], &["l"], false),
                owner("kubectl", false, &["k"], &[], true),
                owner("gc", false, &[], &[], true),
                owner("helm", false, &[], &[], false),
                owner("", false, &[], &[], false),
            ]
        );
        assert_eq!((account.uid.as_str(), account.resource_version.as_str()), ("u", "7"));
        assert_eq!(account.automount_token, Some(false));
    }

    #[test]
    fn only_what_is_given_is_applied() {
        let mut account = NewServiceAccount {
            namespace: Namespace::new("n").unwrap(),
            name: ServiceAccountName::new("a").unwrap(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            automount_token: None,
            precondition: Precondition::Anything,
        };
        let bare = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "n"}});
        assert_eq!(configuration(&account), bare);
        account.annotations.insert("k".to_owned(), "v".to_owned());
        account.precondition = Precondition::Version { uid: "u".to_owned(), resource_version: "7".to_owned() };
        let sent = configuration(&account);
        let metadata =
            json!({"name": "a", "namespace": "n", "annotations": {"k": "v"}, "uid": "u", "resourceVersion": "7"});
        assert_eq!(sent["metadata"], metadata);
        account.precondition = Precondition::Absent;
        let metadata = json!({"name": "a", "namespace": "n", "annotations": {"k": "v"}, "resourceVersion": "1"});
        assert_eq!(configuration(&account)["metadata"], metadata);
        account.automount_token = Some(false);
        assert_eq!(configuration(&account)["automountServiceAccountToken"], json!(false));
    }

    #[test]
    fn a_removal_tests_before_it_removes() {
        let keys = BTreeMap::from([("eks.amazonaws.com/a~b".to_owned(), "v".to_owned())]);
        let path = "/metadata/annotations/eks.amazonaws.com~1a~0b";
        let patch = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "test", "path": path, "value": "v"},
            {"op": "remove", "path": path},
        ]);
        assert_eq!(removal("7", keys.iter()), patch);
    }
}
