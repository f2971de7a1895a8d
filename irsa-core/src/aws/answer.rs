//! From IAM's answers to our types.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use aws_sdk_iam::types;
use percent_encoding::percent_decode_str;

use super::call::Call;
use crate::backend::{ManagedPolicy, ROLE_UNFINISHED, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::name::PolicyArn;

/// What IAM takes for the longest session of a role that names none (IAM API reference, `Role`, `MaxSessionDuration`).
const DEFAULT_SESSION: i32 = 3600;

/// A document of IAM: URL-encoded by RFC 3986, so that `+` is a plus (IAM API reference, `GetRole`).
pub(super) fn document(call: &Call<'_>, text: &str) -> Result<String> {
    // Encoded it begins with %7B; some emulators answer plain JSON.
    if text.trim_start().starts_with('{') {
        return Ok(text.to_owned());
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(document) => Ok(document.into_owned()),
        Err(error) => Err(call.malformed(format!("the document is not UTF-8: {error}"))),
    }
}

/// A name or an ARN that must be there and be one.
pub(super) fn parsed<T>(call: &Call<'_>, what: &str, text: Option<&str>) -> Result<T>
where
    T: FromStr,
    T::Err: Display,
{
    let text = text.ok_or_else(|| call.malformed(format!("it names no {what}")))?;
    text.parse().map_err(|error| call.malformed(error))
}

/// A managed policy.
pub(super) fn managed_policy(call: &Call<'_>, policy: types::Policy) -> Result<ManagedPolicy> {
    let version = policy.default_version_id.ok_or_else(|| call.malformed("it names no default version"))?;
    let arn = parsed(call, "policy ARN", policy.arn.as_deref())?;
    Ok(ManagedPolicy { arn, attachable: policy.is_attachable, default_version: version })
}

/// A role. `description` and `session` apart, since bulk reads have them from another list.
pub(super) fn role(call: &Call<'_>, role: types::Role) -> Result<Role> {
    if !is_arn(&role.arn) {
        return Err(unfinished(call, &role.role_name));
    }
    Ok(Role {
        arn: parsed(call, "role ARN", Some(&role.arn))?,
        id: role.role_id,
        trust_policy: trust_policy(call, role.assume_role_policy_document)?,
        description: role.description,
        max_session_duration: session(call, role.max_session_duration)?,
        permissions_boundary: role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
        tags: tags(role.tags),
    })
}

/// For seconds after its making, a role may have its unique id in place of its ARN (seen by terraform-provider-aws,
/// `waitRoleARNIsNotUniqueID`).
pub(super) fn is_arn(arn: &str) -> bool {
    !arn.starts_with("AROA")
}

fn unfinished(call: &Call<'_>, name: &str) -> Error {
    Error::new(ErrorKind::Unavailable, call.doing.clone())
        .with_code(ROLE_UNFINISHED)
        .with_cause(format!("IAM has not finished making role {name}: it has no ARN yet"))
        .with_hint("try again in a few seconds")
}

pub(super) fn trust_policy(call: &Call<'_>, text: Option<String>) -> Result<String> {
    match text {
        Some(text) => document(call, &text),
        None => Err(call.malformed("the role has no trust policy")),
    }
}

pub(super) fn session(call: &Call<'_>, seconds: Option<i32>) -> Result<u32> {
    let seconds = seconds.unwrap_or(DEFAULT_SESSION);
    u32::try_from(seconds).map_err(|_| call.malformed(format!("a session of {seconds} seconds")))
}

pub(super) fn tags(tags: Option<Vec<types::Tag>>) -> BTreeMap<String, String> {
    tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
}

pub(super) fn attached(call: &Call<'_>, policies: Vec<types::AttachedPolicy>) -> Result<Vec<PolicyArn>> {
    policies.iter().map(|policy| parsed(call, "policy ARN", policy.policy_arn.as_deref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call<'static> {
        Call::iam("GetRole", "cannot read role r")
    }

    #[test]
    fn documents_are_percent_decoded_and_a_plus_is_a_plus() {
        let encoded = "%7B%22Action%22%3A%22s3%3AGet%2B%2541%22%2C%22a%22%3A%22b+c%20d%C3%A9%22%7D";
        assert_eq!(document(&call(), encoded).unwrap(), r#"{"Action":"s3:Get+%41","a":"b+c dé"}"#);
        let plain = r#"{"a":"100%25 +"}"#;
        assert_eq!(document(&call(), plain).unwrap(), plain);
        assert_eq!(document(&call(), "%7B%FF").unwrap_err().kind(), ErrorKind::Unexpected);
    }

    #[test]
    fn a_role_that_is_still_being_made_is_unavailable() {
        let made = types::Role::builder()
            .path("/")
            .role_name("r")
            .role_id("AROAEXAMPLE")
            .arn("AROAEXAMPLE")
            .create_date(aws_smithy_types::DateTime::from_secs(0))
            .build()
            .unwrap();
        let error = role(&call(), made).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some(ROLE_UNFINISHED)));
    }

    #[test]
    fn names_that_break_the_rules_of_the_service_are_its_fault_not_the_users() {
        for text in [None, Some(""), Some("arn:aws:s3:::b")] {
            assert_eq!(parsed::<PolicyArn>(&call(), "policy ARN", text).unwrap_err().kind(), ErrorKind::Unexpected);
        }
        assert_eq!(session(&call(), Some(-1)).unwrap_err().kind(), ErrorKind::Unexpected);
        assert_eq!(session(&call(), None).unwrap(), 3600);
    }
}
