//! The one reader of trust policies as users have them: a policy alone, or what the `aws iam` commands print.

use std::collections::BTreeSet;

use serde_json::Value;

use super::AuditedRole;
use super::iam_export::{DocumentText, Kind, Object};
use crate::document::{malformed, one_or_many, parse_named, parse_strict, statements, unwrapped};
use crate::error::{Error, ErrorKind, Result};
use crate::name::RoleArn;
use crate::report::{Warning, WarningId};
use crate::trust::evaluate::document::TrustDocument;

/// How to get at a trust policy.
const TRUST_POLICY_HINT: &str = "a trust policy has a Principal; of a role it is the AssumeRolePolicyDocument";

/// The most names that a message lists.
const MAX_NAMED: usize = 10;

/// The roles that some texts hold.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RoleDocuments {
    /// The roles. A part that cannot be read is one too, with the reason in [`AuditedRole::unreadable`], so that an audit
    /// reports it.
    pub roles: Vec<AuditedRole>,
    /// The parts that are permissions policies, which say nothing of who may assume a role.
    pub skipped: Vec<String>,
    /// Why some parts cannot be read; each hides no other.
    pub errors: Vec<Error>,
}

/// The roles of a JSON text: a trust policy alone; what `aws iam get-account-authorization-details`, `aws iam list-roles` or
/// `aws iam get-role` print; or a list of such. It may be URL-encoded, or be in a JSON string. `source` is the name of the
/// file, for messages.
///
/// A trust policy that cannot be read hides no other: it is a role with the reason. Permissions policies are skipped.
pub fn roles_of_text(source: &str, text: &str) -> RoleDocuments {
    let mut found = RoleDocuments::default();
    let text = unwrapped(text);
    if !text.trim_start().starts_with('[') {
        found.add(source, &text);
        return found;
    }
    let list: Vec<DocumentText> = match serde_json::from_str(&text) {
        Ok(list) => list,
        Err(error) => {
            found.fail(source, malformed(source, &text, &error).with_context("file", source));
            return found;
        }
    };
    for (index, element) in list.iter().enumerate() {
        let place = format!("{source}, element {}", index + 1);
        let known = found.roles.len();
        found.add(&place, &element.text);
        // The roles of a list say themselves who they are; documents do not.
        for role in found.roles.iter_mut().skip(known).filter(|role| role.arn.is_some()) {
            role.source = Some(source.to_owned());
        }
    }
    found
}

/// The one trust policy of a text of any form that [`roles_of_text`] takes, and whose it is where the text says so.
///
/// # Errors
/// `InvalidInput` with line and column, or with the statement, where it cannot be read; where it is a permissions policy;
/// where it holds several roles, with their names.
pub fn trust_document_of_text(source: &str, text: &str) -> Result<(Option<RoleArn>, TrustDocument)> {
    let (role, text) = one_role(source, text)?;
    let document = TrustDocument::parse(&text)
        .map_err(|error| error.during(format!("{source} cannot be read as a trust policy")))?;
    Ok((role, document))
}

/// The statements of a text that holds one statement, a list of them, or a trust policy of any form that [`roles_of_text`]
/// takes. They are not checked.
pub(crate) fn trust_statements_of_text(text: &str) -> Result<Vec<Value>> {
    trust_statements(parse_strict("trust statement", &unwrapped(text))?)
}

/// The same of JSON that is parsed already.
pub(crate) fn trust_statements(value: Value) -> Result<Vec<Value>> {
    const NAME: &str = "the document";
    const HOLDERS: [&str; 5] = ["Statement", "Role", "Roles", "RoleDetailList", "AssumeRolePolicyDocument"];
    let is_document = |value: &Value| HOLDERS.iter().any(|key| value.get(key).is_some());
    if !one_or_many(Some(&value)).iter().any(is_document) {
        return Ok(match value {
            Value::Array(statements) => statements,
            statement => vec![statement],
        });
    }
    let (_, document) = one_role(NAME, &value.to_string())?;
    let document = parse_named(NAME, &document)?;
    Ok(one_or_many(document.get("Statement")).to_vec())
}

/// Whose trust policy a text holds, and the policy. What is nothing else is taken for one, so that whoever reads it says why
/// it is not.
fn one_role(source: &str, text: &str) -> Result<(Option<RoleArn>, String)> {
    let plain = unwrapped(text);
    let mut found = roles_of_text(source, &plain);
    let invalid = |what: String| Error::new(ErrorKind::InvalidInput, what).with_context("file", source);
    if let ([], [_, ..]) = (&found.roles[..], &found.skipped[..]) {
        let error = invalid(format!("{source} is a permissions policy, not a trust policy"));
        return Err(error.with_hint(TRUST_POLICY_HINT));
    }
    if found.roles.is_empty() {
        return Err(invalid(format!("{source} holds no role")));
    }
    if found.roles.len() > 1 {
        let names: Vec<String> = found.roles.iter().map(name_of).collect();
        let error = invalid(format!("{source} holds {} roles, and one is asked about", names.len()));
        return Err(error.with_cause(few(&names)).with_hint("`aws iam get-role` prints a single one"));
    }
    match found.roles.pop() {
        Some(role) if role.arn.is_some() || role.unreadable.is_empty() => {
            if let [first, rest @ ..] = &role.unreadable[..] {
                let error = invalid(format!("{source} cannot be read as a trust policy"))
                    .with_cause(std::iter::once(first).chain(rest).cloned().collect::<Vec<_>>().join(": "));
                return Err(error);
            }
            Ok((role.arn, role.trust_policy))
        }
        _ => Ok((None, plain.into_owned())),
    }
}

fn name_of(role: &AuditedRole) -> String {
    let named = role.arn.as_ref().map(|arn| arn.name().to_string());
    named.or_else(|| role.source.clone()).unwrap_or_default()
}

fn few(names: &[String]) -> String {
    match names.len().checked_sub(MAX_NAMED) {
        Some(more) if more > 0 => format!("{} and {more} more", names[..MAX_NAMED].join(", ")),
        _ => names.join(", "),
    }
}

impl RoleDocuments {
    /// Adds what another text holds.
    pub fn extend(&mut self, other: Self) {
        self.roles.extend(other.roles);
        self.skipped.extend(other.skipped);
        self.errors.extend(other.errors);
    }

    /// Adds a text that cannot be read.
    pub fn fail(&mut self, source: &str, error: Error) {
        let mut unreadable = vec![error.to_string()];
        unreadable.extend(error.causes());
        self.roles.push(AuditedRole { source: Some(source.to_owned()), unreadable, ..AuditedRole::default() });
        self.errors.push(error);
    }

    /// What to say of the parts that were skipped.
    pub fn warning(&self) -> Option<Warning> {
        let message = match &self.skipped[..] {
            [] => return None,
            [one] => format!("{one} is a permissions policy, not a trust policy: it is skipped"),
            all => format!(
                "{} documents are permissions policies, not trust policies: they are skipped: {}",
                all.len(),
                few(all)
            ),
        };
        Some(Warning::new(WarningId::PermissionsPolicySkipped, message))
    }

    /// The refusal of documents that are all permissions policies.
    pub fn nothing_to_audit(&self) -> Option<Error> {
        let warning = self.warning().filter(|_| self.roles.is_empty())?;
        let error =
            Error::new(ErrorKind::InvalidInput, "there is no trust policy to audit").with_cause(warning.message);
        Some(error.with_hint(TRUST_POLICY_HINT))
    }

    fn add(&mut self, source: &str, text: &str) {
        let object: Object = match serde_json::from_str(text) {
            Ok(object) => object,
            Err(error) => return self.fail(source, malformed(source, text, &error).with_context("file", source)),
        };
        match object.kind() {
            Kind::Roles => self.roles.extend(object.into_roles(source)),
            Kind::Permissions => self.skipped.push(source.to_owned()),
            Kind::Document if is_permissions(text) => self.skipped.push(source.to_owned()),
            Kind::Document => match parse_named(source, text) {
                Err(error) => self.fail(source, error.with_context("file", source)),
                Ok(_) => self.roles.push(AuditedRole {
                    trust_policy: text.to_owned(),
                    source: Some(source.to_owned()),
                    ..AuditedRole::default()
                }),
            },
            Kind::Other => {
                let rule = "must be a trust policy with a Statement, or what `aws iam get-account-authorization-details`, \
                            `aws iam list-roles` or `aws iam get-role` print";
                self.fail(source, Error::invalid("file", source, rule));
            }
        }
    }
}

/// Whether a document is a permissions policy: it names resources, and no principal.
fn is_permissions(text: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(text) else { return false };
    let keys: BTreeSet<&str> =
        statements(&document).flat_map(|statement| statement.keys().map(String::as_str)).collect();
    let has = |names: [&str; 2]| names.iter().any(|name| keys.contains(name));
    has(["Resource", "NotResource"]) && !has(["Principal", "NotPrincipal"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:*"}]}"#;
    const ARN: &str = "arn:aws:iam::123456789012:role/p/r";

    fn read(value: &Value) -> Vec<AuditedRole> {
        let found = roles_of_text("f.json", &value.to_string());
        assert!(found.errors.is_empty() && found.skipped.is_empty(), "{found:?}");
        found.roles
    }

    fn trust() -> Value {
        serde_json::from_str(TRUST).unwrap()
    }

    #[test]
    fn a_trust_policy_alone_is_kept_as_it_is() {
        let text = format!("\u{FEFF}\n {TRUST}");
        let [role] = &roles_of_text("f.json", &text).roles[..] else { panic!("one role") };
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
        assert_eq!(roles[2].unreadable, ["the role has no AssumeRolePolicyDocument"]);
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
        let found = roles_of_text("f.json", &text);
        let documents: Vec<_> = found.roles.iter().map(|role| role.trust_policy.as_str()).collect();
        assert_eq!(documents, [twice, "7"], "the duplicate key is still there to be found");
        assert_eq!(found.roles[0].unreadable, ["duplicate key \"Effect\""]);
    }

    #[test]
    fn errors_name_file_and_place() {
        let refused = |text: &str| {
            let found = roles_of_text("dir/f.json", text);
            let ([error], [role]) = (&found.errors[..], &found.roles[..]) else { panic!("{text}: {found:?}") };
            assert_eq!((error.kind(), role.source.as_deref()), (ErrorKind::InvalidInput, Some("dir/f.json")), "{text}");
            let said = format!("{error}: {}", error.causes().join(": "));
            assert_eq!(role.unreadable.join(": "), said.trim_end_matches(": "), "{text}");
            said
        };
        assert!(refused("{\n\"a\": }").contains("dir/f.json is not valid JSON at line 2, column 6: expected value"));
        assert!(refused("").contains("dir/f.json is not valid JSON at line 1, column 0: it is empty"));
        let twice = refused(r#"{"Roles": [{"Arn": "a", "Arn": "b"}]}"#);
        assert!(
            twice.contains("dir/f.json cannot be read at line 1") && twice.ends_with("duplicate key \"Arn\""),
            "{twice}"
        );
        let twice = refused("{\"Statement\": [{\"Effect\": \"Allow\",\n \"Effect\": \"Deny\"}]}");
        assert_eq!(twice, "dir/f.json cannot be read at line 2, column 9: duplicate key \"Effect\"");
        for text in [r#"{"name": "package"}"#, r#"{"Version": "2012-10-17"}"#, r#"{"UserDetailList": []}"#] {
            assert!(refused(text).contains("must be a trust policy"), "{text}");
        }
        assert!(refused(r#"{"RoleDetailList": [{"Arn": 5}]}"#).contains("cannot be read at line 1"));
        refused(&"[".repeat(100_000));
        refused("7");
    }

    #[test]
    fn a_bad_element_hides_no_other() {
        let found = roles_of_text("f.json", r#"[{"Statement": []}, {"x": 1}, {"Statement": []}]"#);
        let sources: Vec<_> = found.roles.iter().filter_map(|role| role.source.as_deref()).collect();
        assert_eq!(sources, ["f.json, element 1", "f.json, element 2", "f.json, element 3"]);
        assert!(
            found.roles[1].unreadable[0].contains("must be a trust policy") && found.errors.len() == 1,
            "{found:?}"
        );
    }

    #[test]
    fn encoded_texts_are_read() {
        let encoded: String =
            percent_encoding::utf8_percent_encode(TRUST, percent_encoding::NON_ALPHANUMERIC).collect();
        for text in [encoded.clone(), format!("{encoded}\n"), json!(TRUST).to_string(), json!(encoded).to_string()] {
            let [role] = &roles_of_text("f", &text).roles[..] else { panic!("{text}") };
            assert_eq!((role.trust_policy.as_str(), &role.unreadable[..]), (TRUST, &[][..]), "{text}");
        }
    }

    #[test]
    fn permissions_policies_are_skipped() {
        let allow = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [allow]});
        let boundary = json!({"Statement": {"Effect": "Deny", "NotAction": "s3:*", "NotResource": "*"}});
        for text in [
            policy.clone(),
            boundary,
            json!({"RoleName": "r", "PolicyName": "p", "PolicyDocument": policy}),
            json!({"PolicyVersion": {"Document": policy, "VersionId": "v1"}}),
            json!({"Policies": [{"PolicyName": "p", "Arn": "arn:aws:iam::123456789012:policy/p"}]}),
        ] {
            let found = roles_of_text("f.json", &text.to_string());
            assert_eq!((found.roles.len(), &found.skipped[..]), (0, &["f.json".to_owned()][..]), "{text}");
            let error = trust_document_of_text("f.json", &text.to_string()).unwrap_err();
            assert_eq!(error.to_string(), "f.json is a permissions policy, not a trust policy");
        }
        let mut found = roles_of_text("f.json", &json!([policy, trust(), policy]).to_string());
        assert_eq!((found.roles.len(), found.skipped.len()), (1, 2));
        assert!(found.warning().unwrap().message.contains("f.json, element 1, f.json, element 3"));
        found.skipped.truncate(1);
        assert!(found.warning().unwrap().message.starts_with("f.json, element 1 is a permissions policy"));
        found.skipped.clear();
        assert_eq!(found.warning(), None);
        // What names a resource beside a principal is a trust policy that IAM refuses.
        let both = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:*", "Resource": "*"}});
        assert_eq!(read(&both).len(), 1);
    }

    #[test]
    fn one_document_is_read_from_whatever_holds_one() {
        let role = json!({"RoleName": "r", "Arn": ARN, "AssumeRolePolicyDocument": trust()});
        for text in [json!({"Role": role}), json!({"Roles": [role]}), json!([role]), role.clone()] {
            let (arn, document) = trust_document_of_text("f", &text.to_string()).unwrap();
            assert_eq!(
                (arn.map(|arn| arn.to_string()).as_deref(), document.statements.len()),
                (Some(ARN), 1),
                "{text}"
            );
            assert_eq!(trust_statements(text).unwrap(), [trust()["Statement"][0].clone()]);
        }
        let statement = trust()["Statement"][0].clone();
        for text in [statement.clone(), json!([statement]), trust(), json!([trust()])] {
            assert_eq!(
                trust_statements_of_text(&text.to_string()).unwrap(),
                std::slice::from_ref(&statement),
                "{text}"
            );
        }
        assert!(trust_document_of_text("f", TRUST).unwrap().0.is_none());

        let said = |text: Value| {
            let error = trust_document_of_text("f", &text.to_string()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            format!("{error}: {}", error.causes().join(": "))
        };
        let other = json!({"RoleName": "other", "AssumeRolePolicyDocument": trust()});
        assert_eq!(said(json!({"Roles": [role, other]})), "f holds 2 roles, and one is asked about: r, f, role other");
        assert_eq!(said(json!({"Roles": []})), "f holds no role: ");
        assert!(said(json!({"Role": {"RoleName": "r", "Arn": ARN}})).contains("no AssumeRolePolicyDocument"));
        assert!(said(json!({"Statement": [{"Effect": "allow"}]})).contains("Effect must be"));
        assert!(said(json!({"name": "package"})).contains("unknown key"));
    }

    proptest! {
        #[test]
        fn whatever_is_read_never_panics(text in "[\\[\\]{}\":,a-z0-9% ]{0,60}") {
            let found = roles_of_text("f", &text);
            prop_assert_eq!(found.errors.len(), found.roles.iter().filter(|role| !role.unreadable.is_empty() && role.trust_policy.is_empty()).count());
            let _ = (trust_document_of_text("f", &text), trust_statements_of_text(&text));
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
