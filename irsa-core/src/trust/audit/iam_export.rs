//! What the `aws iam` commands print, as far as an audit takes it.
//!
//! Documents are carried as text and read one by one later, so that a bad one hides no other.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::Serialize;

use super::AuditedRole;
use crate::document::{decoded, duplicate};

/// What is at the top of a file, or a role inside of it. Unknown keys are those of users, groups, dates and so on; a known
/// one that is given twice is an error.
#[derive(serde::Deserialize)]
pub(super) struct Object {
    #[serde(rename = "RoleDetailList")]
    details: Option<Vec<Self>>,
    #[serde(rename = "Roles")]
    roles: Option<Vec<Self>>,
    #[serde(rename = "Role")]
    role: Option<Box<Self>>,
    #[serde(rename = "RoleName")]
    name: Option<String>,
    #[serde(rename = "Arn")]
    arn: Option<String>,
    #[serde(rename = "AssumeRolePolicyDocument")]
    trust_policy: Option<DocumentText>,
    #[serde(rename = "RolePolicyList")]
    inline: Option<Vec<Inline>>,
    #[serde(rename = "AttachedManagedPolicies")]
    attached: Option<Vec<Attached>>,
    #[serde(rename = "Tags")]
    tags: Option<Vec<Tag>>,
    #[serde(rename = "PermissionsBoundary")]
    boundary: Option<Boundary>,
    #[serde(rename = "Policies")]
    policies: Option<Vec<Policy>>,
    #[serde(rename = "Statement")]
    statement: Option<IgnoredAny>,
    /// Of `aws iam get-role-policy`.
    #[serde(rename = "PolicyDocument")]
    policy_document: Option<IgnoredAny>,
    /// Of `aws iam get-policy-version`.
    #[serde(rename = "PolicyVersion")]
    policy_version: Option<IgnoredAny>,
}

/// What a file holds, by the keys at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Roles, or one.
    Roles,
    /// A policy document alone.
    Document,
    /// What IAM answers of permissions policies.
    Permissions,
    Other,
}

/// A managed policy of a dump: those of the account, and those of AWS that are attached.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    arn: Option<String>,
    policy_version_list: Option<Vec<Version>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    document: Option<DocumentText>,
    #[serde(default)]
    is_default_version: bool,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inline {
    policy_document: DocumentText,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    policy_arn: String,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Boundary {
    permissions_boundary_arn: String,
}

impl Policy {
    /// The document of the version that counts.
    fn in_force(self) -> Option<(String, Arc<str>)> {
        let version = self.policy_version_list?.into_iter().find(|version| version.is_default_version)?;
        Some((self.arn?, version.document?.text.into()))
    }
}

impl Object {
    pub(super) fn kind(&self) -> Kind {
        let lists =
            self.details.is_some() || self.roles.is_some() || self.role.is_some() || self.trust_policy.is_some();
        match () {
            () if lists => Kind::Roles,
            () if self.statement.is_some() => Kind::Document,
            () if self.policy_document.is_some() || self.policy_version.is_some() || self.policies.is_some() => {
                Kind::Permissions
            }
            () if self.arn.is_some() || self.name.is_some() => Kind::Roles,
            () => Kind::Other,
        }
    }

    pub(super) fn into_roles(self, source: &str) -> Vec<AuditedRole> {
        let inside = self.details.into_iter().flatten().chain(self.roles.into_iter().flatten());
        let mut roles: Vec<AuditedRole> =
            inside.chain(self.role.map(|role| *role)).flat_map(|role| role.into_roles(source)).collect();
        let documents: BTreeMap<String, Arc<str>> =
            self.policies.into_iter().flatten().filter_map(Policy::in_force).collect();
        for role in &mut roles {
            let known = |arn: &String| Some((arn.clone(), Arc::clone(documents.get(arn)?)));
            role.managed.extend(role.attached.iter().filter_map(known));
        }
        if self.trust_policy.is_none() && self.arn.is_none() && self.name.is_none() {
            return roles;
        }
        let arn = self.arn.as_deref().and_then(|arn| arn.parse().ok());
        // An ARN that is none would leave nobody knowing which role it is.
        let source = match (&arn, self.arn.or(self.name)) {
            (None, Some(name)) => format!("{source}, role {name}"),
            _ => source.to_owned(),
        };
        let (trust_policy, unreadable) = match self.trust_policy {
            None => (String::new(), vec!["the role has no AssumeRolePolicyDocument".to_owned()]),
            Some(document) => (document.text, document.unreadable),
        };
        roles.push(AuditedRole {
            arn,
            trust_policy,
            unreadable,
            source: Some(source),
            attached: self.attached.into_iter().flatten().map(|policy| policy.policy_arn).collect(),
            managed: BTreeMap::new(),
            inline: self.inline.into_iter().flatten().map(|policy| policy.policy_document.text).collect(),
            tags: self.tags.into_iter().flatten().map(|tag| (tag.key, tag.value)).collect::<BTreeMap<_, _>>(),
            permissions_boundary: self.boundary.map(|boundary| boundary.permissions_boundary_arn),
        });
        roles
    }
}

/// The text of a document in another one, where it is JSON, or a string of JSON or of URL-encoded JSON.
pub(super) struct DocumentText {
    pub(super) text: String,
    /// Why it cannot be read, where that is known already.
    unreadable: Vec<String>,
}

impl<'de> Deserialize<'de> for DocumentText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json { text, given_twice } = Json::deserialize(deserializer)?;
        if text.starts_with('"') {
            let inside: String = serde_json::from_str(&text).map_err(serde::de::Error::custom)?;
            return Ok(Self { text: decoded(&inside).into_owned(), unreadable: Vec::new() });
        }
        // The line that would be found in the text is not that of the file, so the key alone is given.
        Ok(Self { text, unreadable: given_twice.as_deref().map(duplicate).into_iter().collect() })
    }
}

/// JSON as it was read, without white space.
struct Json {
    text: String,
    /// The first key that is given twice in an object.
    given_twice: Option<String>,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mut text, mut given_twice) = (Vec::new(), None);
        serde::de::DeserializeSeed::deserialize(Writing(&mut text, &mut given_twice), deserializer)?;
        let text = String::from_utf8(text).map_err(serde::de::Error::custom)?;
        Ok(Self { text, given_twice })
    }
}

struct Writing<'a>(&'a mut Vec<u8>, &'a mut Option<String>);

impl Writing<'_> {
    fn put<E: serde::de::Error>(&mut self, value: impl Serialize) -> Result<(), E> {
        serde_json::to_writer(&mut *self.0, &value).map_err(E::custom)
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Writing<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Writing<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: serde::de::Error>(mut self, value: bool) -> Result<(), E> {
        self.put(value)
    }

    fn visit_i64<E: serde::de::Error>(mut self, value: i64) -> Result<(), E> {
        self.put(value)
    }

    fn visit_u64<E: serde::de::Error>(mut self, value: u64) -> Result<(), E> {
        self.put(value)
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> Result<(), E> {
        self.put(value)
    }

    fn visit_str<E: serde::de::Error>(mut self, value: &str) -> Result<(), E> {
        self.put(value)
    }

    fn visit_unit<E: serde::de::Error>(mut self) -> Result<(), E> {
        self.put(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        let mut first = true;
        loop {
            let end = self.0.len();
            if !first {
                self.0.push(b',');
            }
            if seq.next_element_seed(Writing(&mut *self.0, &mut *self.1))?.is_none() {
                self.0.truncate(end);
                break;
            }
            first = false;
        }
        self.0.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !keys.is_empty() {
                self.0.push(b',');
            }
            self.put::<A::Error>(&key)?;
            self.0.push(b':');
            map.next_value_seed(Writing(&mut *self.0, &mut *self.1))?;
            if self.1.is_none() && keys.contains(&key) {
                *self.1 = Some(key.clone());
            }
            keys.insert(key);
        }
        self.0.push(b'}');
        Ok(())
    }
}
