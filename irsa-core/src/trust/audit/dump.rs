//! Roles from files: one trust policy, or what the `aws iam` commands print.
//!
//! Documents are carried as text and read one by one later, so that a bad one hides no other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::Serialize;

use super::AuditedRole;
use crate::document::parse_strict;
use crate::error::{Error, ErrorKind, Result};

/// The roles of a JSON text: a trust policy alone; what `aws iam get-account-authorization-details`, `aws iam list-roles` or
/// `aws iam get-role` print; or a list of such. `source` is the name of the file, for messages.
///
/// Of a dump, a trust policy that cannot be read is taken as it is: an audit finds it `unreadable`.
///
/// # Errors
/// `InvalidInput` with file and place, where it is no JSON, nothing of these, or where a key stands twice.
pub fn roles_of_text(source: &str, text: &str) -> Result<Vec<AuditedRole>> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.trim_start().starts_with('[') {
        let list: Vec<DocumentText> = serde_json::from_str(text).map_err(|error| malformed(source, &error))?;
        let mut roles = Vec::new();
        for (index, element) in list.iter().enumerate() {
            let place = format!("{source}, element {}", index + 1);
            let found = roles_of_object(&place, &element.0)?;
            // The roles of a list tell themselves who they are; documents do not.
            let of_file = |role: AuditedRole| match role.arn {
                Some(_) => AuditedRole { source: Some(source.to_owned()), ..role },
                None => role,
            };
            roles.extend(found.into_iter().map(of_file));
        }
        return Ok(roles);
    }
    roles_of_object(source, text)
}

fn roles_of_object(source: &str, text: &str) -> Result<Vec<AuditedRole>> {
    let object: Object = serde_json::from_str(text).map_err(|error| malformed(source, &error))?;
    match object {
        Object { details: None, roles: None, role: None, trust_policy: None, statement: Some(_), .. } => {
            parse_strict("trust policy", text).map_err(|error| error.during(format!("{source} cannot be read")))?;
            let source = Some(source.to_owned());
            Ok(vec![AuditedRole { trust_policy: text.to_owned(), source, ..AuditedRole::default() }])
        }
        Object { details: None, roles: None, role: None, arn: None, name: None, .. } => {
            let rule = "must be a trust policy with a Statement, or what `aws iam get-account-authorization-details`, \
                        `aws iam list-roles` or `aws iam get-role` print";
            Err(Error::invalid("file", source, rule))
        }
        object => Ok(object.into_roles(source)),
    }
}

fn malformed(source: &str, error: &serde_json::Error) -> Error {
    let what = if error.is_data() { "cannot be taken for roles" } else { "is not valid JSON" };
    let operation = format!("{source} {what} at line {}, column {}", error.line(), error.column());
    Error::new(ErrorKind::InvalidInput, operation).with_context("file", source).with_cause(error.to_string())
}

/// Whatever stands at the top of a file, or a role inside of it. Unknown keys are those of users, groups, dates and so on; a
/// known one that stands twice is an error.
#[derive(serde::Deserialize)]
struct Object {
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
        Some((self.arn?, version.document?.0.into()))
    }
}

impl Object {
    fn into_roles(self, source: &str) -> Vec<AuditedRole> {
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
        roles.push(AuditedRole {
            arn,
            trust_policy: self.trust_policy.map(|text| text.0).unwrap_or_default(),
            source: Some(source),
            attached: self.attached.into_iter().flatten().map(|policy| policy.policy_arn).collect(),
            managed: BTreeMap::new(),
            inline: self.inline.into_iter().flatten().map(|policy| policy.policy_document.0).collect(),
            tags: self.tags.into_iter().flatten().map(|tag| (tag.key, tag.value)).collect::<BTreeMap<_, _>>(),
            permissions_boundary: self.boundary.map(|boundary| boundary.permissions_boundary_arn),
        });
        roles
    }
}

/// The text of a document that stands in another one as JSON, or as a string of JSON or of URL-encoded JSON (IAM API
/// reference, `GetRole`: RFC 3986, where `+` is itself). Keys that stand twice are kept for whoever reads it.
struct DocumentText(String);

impl<'de> Deserialize<'de> for DocumentText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json(text) = Json::deserialize(deserializer)?;
        if !text.starts_with('"') {
            return Ok(Self(text));
        }
        let inside: String = serde_json::from_str(&text).map_err(serde::de::Error::custom)?;
        // No JSON begins with `%`; a document that begins with white space is encoded with it.
        let encoded = inside.starts_with('%');
        Ok(Self(if encoded { percent_decode_str(&inside).decode_utf8_lossy().into_owned() } else { inside }))
    }
}

/// JSON as it was read, without white space.
struct Json(String);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = Vec::new();
        serde::de::DeserializeSeed::deserialize(Writing(&mut text), deserializer)?;
        String::from_utf8(text).map(Self).map_err(serde::de::Error::custom)
    }
}

struct Writing<'a>(&'a mut Vec<u8>);

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
            if seq.next_element_seed(Writing(&mut *self.0))?.is_none() {
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
        let mut first = true;
        while let Some(key) = map.next_key::<String>()? {
            if !first {
                self.0.push(b',');
            }
            first = false;
            self.put::<A::Error>(&key)?;
            self.0.push(b':');
            map.next_value_seed(Writing(&mut *self.0))?;
        }
        self.0.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:*"}]}"#;
    const ARN: &str = "arn:aws:iam::123456789012:role/p/r";

    fn read(value: &Value) -> Vec<AuditedRole> {
        roles_of_text("f.json", &value.to_string()).unwrap()
    }

    fn trust() -> Value {
        serde_json::from_str(TRUST).unwrap()
    }

    #[test]
    fn a_trust_policy_alone_is_kept_as_it_is() {
        let text = format!("\u{FEFF}\n {TRUST}");
        let [role] = &roles_of_text("f.json", &text).unwrap()[..] else { panic!("one role") };
        assert_eq!((role.trust_policy.trim(), role.source.as_deref(), &role.arn), (TRUST, Some("f.json"), &None));
    }

    #[test]
    fn what_the_aws_commands_print_is_read() {
        let role = json!({"Path": "/p/", "RoleName": "r", "RoleId": "AROA", "Arn": ARN, "CreateDate": "2026-11-24",
            "AssumeRolePolicyDocument": trust(), "MaxSessionDuration": 3600,
            "Tags": [{"Key": "team", "Value": "data"}],
            "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/b"}});
        for text in
            [json!({"Roles": [role]}), json!({"Role": role}), json!([{"Role": role}]), json!([role]), role.clone()]
        {
            let roles = read(&text);
            let [found] = &roles[..] else { panic!("one role in {text}") };
            assert_eq!(found.arn.as_ref().map(ToString::to_string).as_deref(), Some(ARN));
            assert_eq!((found.trust_policy.as_str(), found.source.as_deref()), (TRUST, Some("f.json")));
            assert_eq!(found.tags.get("team").map(String::as_str), Some("data"));
            assert_eq!(found.permissions_boundary.as_deref(), Some("arn:aws:iam::123456789012:policy/b"));
        }
    }

    #[test]
    fn a_dump_is_read_whole() {
        let encoded: String =
            percent_encoding::utf8_percent_encode(TRUST, percent_encoding::NON_ALPHANUMERIC).collect();
        let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        let text = json!({"UserDetailList": [{"UserName": "u"}], "RoleDetailList": [
            {"RoleName": "r", "Arn": ARN, "AssumeRolePolicyDocument": encoded,
             "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": policy}, {"PolicyName": "q", "PolicyDocument": "%7B%7D"}],
             "AttachedManagedPolicies": [{"PolicyName": "a", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}],
             "InstanceProfileList": []},
            {"RoleName": "odd", "Arn": "arn:odd", "AssumeRolePolicyDocument": TRUST},
            {"RoleName": "none", "Arn": ARN},
        ], "Policies": [
            {"Arn": "arn:aws:iam::aws:policy/AdministratorAccess", "PolicyVersionList": [
                {"VersionId": "v2", "Document": "%7B%7D", "IsDefaultVersion": true},
                {"VersionId": "v1", "Document": policy, "IsDefaultVersion": false}]},
            {"Arn": "arn:aws:iam::123456789012:policy/unused", "PolicyVersionList": [
                {"VersionId": "v1", "Document": policy, "IsDefaultVersion": true}]},
        ], "IsTruncated": false});
        let roles = read(&text);
        assert_eq!(roles.len(), 3);
        assert_eq!(roles[0].trust_policy, TRUST);
        assert_eq!(roles[0].inline, [policy.to_string(), "{}".to_owned()]);
        assert_eq!(roles[0].attached, ["arn:aws:iam::aws:policy/AdministratorAccess"]);
        let managed: Vec<_> = roles[0].managed.iter().map(|(arn, text)| (arn.as_str(), &**text)).collect();
        assert_eq!(managed, [("arn:aws:iam::aws:policy/AdministratorAccess", "{}")]);
        assert!(roles[1].managed.is_empty());
        assert_eq!(roles[1].source.as_deref(), Some("f.json, role arn:odd"));
        assert_eq!(roles[2].trust_policy, "");
    }

    #[test]
    fn a_list_may_hold_documents() {
        let roles = read(&json!([trust(), {"RoleName": "r", "Arn": ARN, "AssumeRolePolicyDocument": trust()}]));
        let sources: Vec<_> = roles.iter().map(|role| role.source.as_deref().unwrap()).collect();
        assert_eq!(sources, ["f.json, element 1", "f.json"]);
    }

    #[test]
    fn a_bad_document_hides_no_other_role() {
        let twice = r#"{"Statement":[{"Effect":"Allow","Effect":"Deny"}]}"#;
        let text = format!(
            r#"{{"Roles":[{{"Arn":"{ARN}","AssumeRolePolicyDocument":{twice}}},{{"Arn":"{ARN}","AssumeRolePolicyDocument":7}}]}}"#
        );
        let roles = roles_of_text("f.json", &text).unwrap();
        let documents: Vec<_> = roles.iter().map(|role| role.trust_policy.as_str()).collect();
        assert_eq!(documents, [twice, "7"], "the key that stands twice is still there to be found");
    }

    #[test]
    fn errors_name_file_and_place() {
        let refused = |text: &str| {
            let error = roles_of_text("dir/f.json", text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            format!("{error}: {}", error.causes().join(": "))
        };
        assert!(refused("{\n\"a\": }").contains("dir/f.json is not valid JSON at line 2, column 6"));
        assert!(refused("").contains("dir/f.json"));
        let twice = refused(r#"{"Roles": [{"Arn": "a", "Arn": "b"}]}"#);
        assert!(twice.contains("dir/f.json") && twice.contains("duplicate field `Arn`"), "{twice}");
        let twice = refused(r#"{"Statement": [{"Effect": "Allow", "Effect": "Deny"}]}"#);
        assert!(twice.contains("dir/f.json") && twice.contains("stands twice"), "{twice}");
        for text in [r#"{"name": "package"}"#, r#"{"Version": "2012-10-17"}"#, r#"{"UserDetailList": []}"#] {
            assert!(refused(text).contains("must be a trust policy"), "{text}");
        }
        let text = r#"[{"Statement": []}, {"x": 1}]"#;
        assert!(refused(text).contains("dir/f.json, element 2"));
        assert!(refused(r#"{"RoleDetailList": [{"Arn": 5}]}"#).contains("cannot be taken for roles at line 1"));
        refused(&"[".repeat(100_000));
        refused("7");
    }

    proptest! {
        #[test]
        fn whatever_is_read_never_panics(text in "[\\[\\]{}\":,a-z0-9% ]{0,60}") {
            let _ = roles_of_text("f", &text);
        }

        #[test]
        fn documents_are_carried_unchanged(text in "[\u{1}-\u{FF}]{0,20}", quarters in -99..99, flag in any::<bool>()) {
            let number = f64::from(quarters) / 4.0;
            let value = json!({"Statement": [{"a": text, "b": [number, quarters, flag, null, {}, []]}], "c": i64::MIN});
            let roles = read(&json!({"Roles": [{"Arn": ARN, "AssumeRolePolicyDocument": value}]}));
            prop_assert_eq!(&roles[0].trust_policy, &value.to_string());
        }
    }
}
