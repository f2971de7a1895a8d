//! The manifest: bindings as files hold them, and their way to [`IrsaBinding`].
//!
//! [`Manifest`] is one binding in the form of a Kubernetes object, which a controller can use as well. [`read`] takes the
//! text of a file (YAML of one or many documents, or JSON) and tells for each binding where it stands.

mod cluster_config;
mod declared;
mod document;
mod files;
mod read;
mod schema;
mod source_map;
mod well_known_policies;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use self::declared::{Declared, ManifestFile};
pub use self::document::FilePlace;
pub use self::files::{Manifests, Source, read_all};
pub use self::read::read;
pub use self::schema::schema;
use self::schema::{
    CLUSTER, IAM_NAME, InlinePolicySchema, LABEL, LATIN_1, PATH, PATTERN, POLICY_ARN, SUBDOMAIN, VISIBLE, inline_name,
    named, qualified, tag_key,
};
use crate::binding::{IrsaBinding, IrsaBindingBuilder};
use crate::error::{Error, Result};
use crate::hint::Hint;
use crate::name::{ClusterRef, Namespace, SubjectName};

/// The `apiVersion` of [`Manifest`].
pub const API_VERSION: &str = "irsa.gen3.org/v1alpha1";
/// The `kind` of [`Manifest`].
pub const KIND: &str = "IrsaBinding";

/// The `apiVersion` that a manifest must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The only one.
    #[default]
    #[serde(rename = "irsa.gen3.org/v1alpha1")]
    V1Alpha1,
}

/// The `kind` that a manifest must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// The only one.
    #[default]
    IrsaBinding,
}

/// A binding of an AWS IAM role to a Kubernetes service account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format.
    pub api_version: ApiVersion,
    /// The kind of this object.
    pub kind: Kind,
    /// The service account.
    pub metadata: Metadata,
    /// The role, its policies and further subjects.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Spec>")]
    pub spec: Spec,
}

/// The service account that is the first subject of the binding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub name: String,
    /// Its namespace; by default `default`.
    #[serde(default = "default_namespace", deserialize_with = "or_default_namespace")]
    #[schemars(with = "Option<String>", length(min = 1, max = 63), regex(pattern = LABEL))]
    pub namespace: String,
    /// Labels that it gets.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "Option<BTreeMap<String, String>>", extend("propertyNames" = qualified()))]
    pub labels: BTreeMap<String, String>,
    /// Annotations that it gets, besides those of IRSA.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "Option<BTreeMap<String, String>>", extend("propertyNames" = qualified()))]
    pub annotations: BTreeMap<String, String>,
}

/// What is null is not said, as for the API server.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A number, or nothing; a text of digits is none.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(D::Error::custom("a whole number of 0 or more is needed here")),
        },
    }
}

/// True, false, or nothing; a text is none of them.
fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(value)),
        _ => Err(D::Error::custom("true or false is needed here")),
    }
}

fn is_on<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(switch(deserializer)?.unwrap_or_default())
}

fn default_namespace() -> String {
    "default".to_owned()
}

fn or_default_namespace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(default_namespace))
}

/// The role and what belongs to it. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Spec {
    /// The cluster by name or ARN; by default the one that the command names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = CLUSTER))]
    pub cluster: Option<String>,
    /// The name of the role; by default `<cluster>-<namespace>-<service account>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = IAM_NAME))]
    pub role_name: Option<String>,
    /// The path that a new role is made in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = PATH))]
    pub role_path: Option<String>,
    /// The description of the role.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000), regex(pattern = LATIN_1))]
    pub description: Option<String>,
    /// The longest session of the role, in seconds.
    #[serde(deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3600, max = 43200))]
    pub max_session_duration: Option<u32>,
    /// The ARN of the managed policy that bounds the role's permissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = POLICY_ARN))]
    pub permissions_boundary: Option<String>,
    /// Tags of the role.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "Option<BTreeMap<String, String>>", extend("propertyNames" = tag_key()))]
    pub tags: BTreeMap<String, String>,
    /// Managed policies: ARNs, or names with or without their path.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<String>>", inner(length(min = 1)))]
    pub policies: Vec<String>,
    /// Inline policies by name: a document, or `{file: PATH}` with a path from the folder of the manifest.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "Option<BTreeMap<String, InlinePolicySchema>>", extend("propertyNames" = inline_name()))]
    pub inline_policies: BTreeMap<String, Value>,
    /// Further subjects of the role.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<SubjectSpec>>")]
    pub subjects: Vec<SubjectSpec>,
    /// Further statements of the trust policy, for example for EC2.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<BTreeMap<String, Value>>>")]
    pub trust_statements: Vec<Value>,
    /// The audience of the token; by default `sts.amazonaws.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = VISIBLE))]
    pub audience: Option<String>,
    /// The lifetime of the projected token, in seconds.
    #[serde(deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 600, max = 86400))]
    pub token_expiration: Option<u32>,
    /// Whether pods use the STS endpoint of their region.
    #[serde(deserialize_with = "switch", skip_serializing_if = "Option::is_none")]
    pub sts_regional_endpoints: Option<bool>,
    /// `automountServiceAccountToken` of the service accounts: whether pods get a token for the Kubernetes API that they do not
    /// ask for themselves.
    #[serde(deserialize_with = "switch", skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Whether only the role is made and no service account is touched.
    #[serde(deserialize_with = "is_on", skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub role_only: bool,
    /// Whether policies and subjects that are not declared are taken away.
    #[serde(deserialize_with = "is_on", skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub exact: bool,
}

/// A further subject: one service account, or those whose names fit a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [named("serviceAccount"), named("serviceAccountPattern")]))]
pub struct SubjectSpec {
    /// Its cluster; by default that of the binding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = CLUSTER))]
    pub cluster: Option<String>,
    /// Its namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub namespace: String,
    /// The name of the service account; this or `serviceAccountPattern`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub service_account: Option<String>,
    /// A pattern of names, with `*` and `?`: it lets in whatever fits, also later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = PATTERN))]
    pub service_account_pattern: Option<String>,
    /// Whether the service account is left alone: it is only let in by the trust policy.
    #[serde(default, deserialize_with = "is_on", skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub trust_only: bool,
}

/// Gives the text of a file that a manifest names, by its path as it stands there.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<String>;

impl Manifest {
    /// The binding that it declares; `cluster` is that of bindings that name none.
    ///
    /// # Errors
    /// Those of [`IrsaBindingBuilder::build`]; `InvalidInput` where no cluster is named at all, and those of `file`.
    pub fn binding(&self, cluster: Option<&ClusterRef>, file: ReadFile<'_>) -> Result<IrsaBinding> {
        let Metadata { name, namespace, labels, annotations } = &self.metadata;
        let spec = &self.spec;
        let cluster = spec.cluster.clone().or_else(|| cluster.map(ToString::to_string)).ok_or_else(|| {
            Error::invalid("cluster", "", format!("is not named for binding {namespace}/{name}"))
                .with_hint(Hint::NameClusterOfBinding)
        })?;
        let mut builder =
            IrsaBinding::builder(cluster, namespace, name).with_role_only(spec.role_only).with_exact(spec.exact);
        builder = spec.settings(builder);
        for (key, value) in labels {
            builder = builder.with_label(key, value);
        }
        for (key, value) in annotations {
            builder = builder.with_annotation(key, value);
        }
        for policy in &spec.policies {
            builder = builder.with_policy(policy);
        }
        for (name, policy) in &spec.inline_policies {
            builder = match file_of(policy) {
                Some(path) => builder.with_inline_policy(name, file(path)?),
                None => builder.with_inline_document(name, policy.clone()),
            };
        }
        for subject in &spec.subjects {
            let text = subject.text()?;
            builder =
                if subject.trust_only { builder.with_trust_only_subject(text) } else { builder.with_subject(text) };
        }
        for statement in &spec.trust_statements {
            builder = builder.with_trust_statement_value(statement.clone());
        }
        builder.build()
    }
}

/// Manifests as the YAML documents of one file, which [`read`] reads again.
pub fn to_yaml(manifests: &[Manifest]) -> String {
    let documents = manifests.iter().map(|manifest| {
        // JSON is YAML too.
        let json = || serde_json::to_string(manifest).unwrap_or_default();
        let text = serde_saphyr::to_string(manifest).unwrap_or_else(|_| json());
        // Line breaks at the end can be part of the last value.
        if text.ends_with('\n') { text } else { text + "\n" }
    });
    documents.collect::<Vec<_>>().join("---\n")
}

/// The path of an inline policy that stands in a file of its own.
fn file_of(policy: &Value) -> Option<&str> {
    let object = policy.as_object().filter(|object| object.len() == 1)?;
    object.get("file")?.as_str()
}

impl Spec {
    fn settings(&self, mut builder: IrsaBindingBuilder) -> IrsaBindingBuilder {
        if let Some(name) = &self.role_name {
            builder = builder.with_role_name(name);
        }
        if let Some(path) = &self.role_path {
            builder = builder.with_role_path(path);
        }
        if let Some(description) = &self.description {
            builder = builder.with_description(description);
        }
        if let Some(seconds) = self.max_session_duration {
            builder = builder.with_max_session_duration(seconds);
        }
        if let Some(boundary) = &self.permissions_boundary {
            builder = builder.with_permissions_boundary(boundary);
        }
        for (key, value) in &self.tags {
            builder = builder.with_tag(key, value);
        }
        if let Some(audience) = &self.audience {
            builder = builder.with_audience(audience);
        }
        if let Some(seconds) = self.token_expiration {
            builder = builder.with_token_expiration(seconds);
        }
        if let Some(regional) = self.sts_regional_endpoints {
            builder = builder.with_sts_regional_endpoints(regional);
        }
        if let Some(automount) = self.automount_service_account_token {
            builder = builder.with_automount_token(automount);
        }
        builder
    }
}

impl SubjectSpec {
    /// As the builder takes it: `[CLUSTER:]NAMESPACE/NAME`.
    fn text(&self) -> Result<String> {
        let wild = |text: &str| text.contains(['*', '?']);
        let name = match (&self.service_account, &self.service_account_pattern) {
            (Some(name), None) if wild(name) => {
                return Err(Error::invalid("serviceAccount", name, "must name one service account, without * and ?")
                    .with_hint(
                        "a pattern lets in whatever fits, also later; if you mean that, use serviceAccountPattern",
                    ));
            }
            (None, Some(pattern)) if !wild(pattern) => {
                return Err(Error::invalid("serviceAccountPattern", pattern, "must have at least one * or ?")
                    .with_hint("one service account is named with serviceAccount"));
            }
            (Some(name), None) | (None, Some(name)) => name,
            (Some(name), Some(_)) => {
                return Err(Error::invalid(
                    "serviceAccount",
                    name,
                    "contradicts serviceAccountPattern of the same subject",
                ));
            }
            (None, None) => {
                return Err(Error::invalid(
                    "subject",
                    &self.namespace,
                    "names neither serviceAccount nor serviceAccountPattern",
                ));
            }
        };
        // The parts, before they are one text.
        let namespace = Namespace::new(&self.namespace)?;
        let name = SubjectName::parse(name)?;
        let cluster = self.cluster.as_ref().map(|cluster| cluster.parse::<ClusterRef>()).transpose()?;
        let cluster = cluster.map(|cluster| format!("{cluster}:")).unwrap_or_default();
        Ok(format!("{cluster}{namespace}/{}", name.as_str()))
    }
}
