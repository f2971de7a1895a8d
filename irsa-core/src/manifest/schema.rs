//! The JSON Schema of the manifest, and what of it the types of the manifest do not say by themselves.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::read::List;
use super::{API_VERSION, KIND, Manifest};

// What names look like, for editors; the rules that count are those of `crate::name`, and a test holds the two together.
pub(super) const IAM_NAME: &str = r"^[A-Za-z0-9_+=,.@-]+$";
pub(super) const PATH: &str = r"^/([!-~]*/)?$";
pub(super) const LABEL: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
pub(super) const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
pub(super) const PATTERN: &str = r"^[-a-z0-9.*?]*[*?][-a-z0-9.*?]*$";
pub(super) const CLUSTER: &str = r"^([A-Za-z0-9][-_A-Za-z0-9]{0,99}|arn:[^ ]+:cluster/[^ ]+|https://[^ ]+)$";
pub(super) const POLICY_ARN: &str = r"^arn:[a-z0-9-]+:iam::(\d{12}|aws):policy/";
pub(super) const VISIBLE: &str = r"^[!-~]+$";
pub(super) const LATIN_1: &str = r"^[\t\n\r -~\u00A1-\u00FF]*$";

/// The key of a label or an annotation.
pub(super) fn qualified() -> Value {
    let prefix = r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?";
    json!({"pattern": format!("^{prefix}[A-Za-z0-9]([-_.A-Za-z0-9]{{0,61}}[A-Za-z0-9])?$")})
}

/// The key of a tag; its letters may be those of any script.
pub(super) fn tag_key() -> Value {
    json!({"minLength": 1, "maxLength": 128, "pattern": r"^(?![Aa][Ww][Ss]:)[^!-*,;<>?\[-^`{-~]+$"})
}

/// The name of an inline policy.
pub(super) fn inline_name() -> Value {
    json!({"minLength": 1, "maxLength": 128, "pattern": IAM_NAME})
}

/// A subject that has this key.
pub(super) fn named(key: &str) -> Value {
    json!({"required": [key], "properties": {key: {"type": "string"}}})
}

/// What an inline policy can be.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) enum InlinePolicySchema {
    /// A file with the document, as seen from the folder of the manifest.
    File(FileSchema),
    /// The document itself.
    Document(DocumentSchema),
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) struct FileSchema {
    file: String,
}

#[derive(JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) struct DocumentSchema {
    statement: Value,
}

/// The JSON Schema of a document of a manifest, for editors: one [`Manifest`], or a `List` of them.
pub fn schema() -> Value {
    let mut generator = SchemaGenerator::default();
    let (one, list) = (generator.subschema_for::<Manifest>(), generator.subschema_for::<List>());
    // Not `anyOf`, by which an editor could only say that neither fits.
    json!({
        "$schema": generator.settings().meta_schema,
        "title": KIND,
        "description": format!("Bindings of AWS IAM roles to Kubernetes service accounts, {API_VERSION}."),
        "if": {"properties": {"kind": {"const": "List"}}, "required": ["kind"]},
        "then": list,
        "else": one,
        "$defs": generator.take_definitions(true),
    })
}
