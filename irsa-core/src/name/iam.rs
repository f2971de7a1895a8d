//! Names and bounded values of IAM: partitions, accounts, roles, paths, tags, durations.

use super::{checked_string, iam_name_character, text_of};

checked_string! {
    /// An AWS partition: `aws`, `aws-cn`, `aws-us-gov`, `aws-iso`, ...
    ///
    /// Source: AWS General Reference, "ARN format".
    Partition, "partition", partition
}

checked_string! {
    /// The id of an AWS account: 12 digits.
    ///
    /// Source: AWS Account Management reference, "AWS account identifiers".
    AccountId, "account id", account_id
}

checked_string! {
    /// The name of a role: 1 to 64 characters of `A-Z a-z 0-9 _ + = , . @ -`; unique in an account without regard to case.
    ///
    /// Source: IAM API reference, `CreateRole`, `RoleName`.
    RoleName, "role name", role_name
}

checked_string! {
    /// The path of a role: `/`, or 1 to 512 printable ASCII characters that begin and end with `/`.
    ///
    /// Source: IAM API reference, `CreateRole`, `Path`.
    RolePath, "role path", role_path
}

checked_string! {
    /// The description of a role: at most 1000 characters of Latin-1.
    ///
    /// Source: IAM API reference, `CreateRole`, `Description`.
    Description, "description", description
}

checked_string! {
    /// The name of an inline policy: 1 to 128 characters of `A-Z a-z 0-9 _ + = , . @ -`.
    ///
    /// Source: IAM API reference, `PutRolePolicy`, `PolicyName`.
    InlinePolicyName, "inline policy name", inline_policy_name
}

checked_string! {
    /// The key of a tag: 1 to 128 letters, digits, spaces and `_ . : / = + - @`; `aws:` at the start is reserved.
    ///
    /// Source: IAM API reference, `Tag`.
    TagKey, "tag key", tag_key
}

checked_string! {
    /// The value of a tag: at most 256 letters, digits, spaces and `_ . : / = + - @`.
    ///
    /// Source: IAM API reference, `Tag`.
    TagValue, "tag value", tag_value
}

checked_string! {
    /// An audience of a token, a client id of the OIDC provider: 1 to 255 visible ASCII characters.
    ///
    /// Source: IAM API reference, `AddClientIDToOpenIDConnectProvider`, `ClientID`.
    Audience, "audience", audience
}

impl Default for RolePath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl Audience {
    /// `sts.amazonaws.com`: what tokens for STS are made for, in every partition.
    pub fn sts() -> Self {
        Self("sts.amazonaws.com".to_owned())
    }
}

/// The longest session of a role, in seconds: 3600 to 43200.
///
/// Source: IAM API reference, `CreateRole`, `MaxSessionDuration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct SessionDuration(u32);

/// The lifetime of the projected token, in seconds: 600 to 86400.
///
/// Source: the pod identity webhook raises less to 600; EKS' API server lowers more to 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct TokenExpiration(u32);

macro_rules! seconds {
    ($name:ident, $field:literal, $lowest:literal, $highest:literal) => {
        impl $name {
            /// Checks the number of seconds.
            ///
            /// # Errors
            /// [`InvalidInput`](crate::ErrorKind::InvalidInput) outside the bounds.
            pub fn new(seconds: u32) -> super::invalid::Result<Self> {
                if ($lowest..=$highest).contains(&seconds) {
                    return Ok(Self(seconds));
                }
                let rule = concat!("must be ", $lowest, " to ", $highest, " seconds");
                Err(crate::name::InvalidName::new($field, seconds.to_string(), rule))
            }

            /// The number of seconds.
            pub fn seconds(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = super::InvalidName;
            fn try_from(seconds: u32) -> super::invalid::Result<Self> {
                Self::new(seconds)
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}
seconds!(SessionDuration, "max session duration", 3600, 43200);
seconds!(TokenExpiration, "token expiration", 600, 86400);

fn partition(text: &str) -> Result<(), String> {
    let rule = "must be aws, aws-cn, aws-us-gov or another partition of AWS";
    let known = text == "aws" || text.strip_prefix("aws-").is_some_and(|rest| !rest.is_empty());
    if !known {
        return Err(rule.to_owned());
    }
    text_of(text, 3..=32, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-', rule)
}

fn account_id(text: &str) -> Result<(), String> {
    text_of(text, 12..=12, |c| c.is_ascii_digit(), "must be 12 digits")
}

fn role_name(text: &str) -> Result<(), String> {
    let check =
        |name| text_of(name, 1..=64, iam_name_character, "must be 1 to 64 characters of A-Z a-z 0-9 _ + = , . @ -");
    let is_arn = text.starts_with("arn:") && text.contains(":role/");
    match text.rsplit_once('/').filter(|(_, name)| is_arn && check(name).is_ok()) {
        Some((_, name)) => Err(format!("must be the name of the role, {name:?}, not its ARN")),
        None => check(text),
    }
}

fn inline_policy_name(text: &str) -> Result<(), String> {
    text_of(text, 1..=128, iam_name_character, "must be 1 to 128 characters of A-Z a-z 0-9 _ + = , . @ -")
}

fn role_path(text: &str) -> Result<(), String> {
    let rule = "must begin and end with / and have at most 512 printable ASCII characters";
    if !text.starts_with('/') || !text.ends_with('/') {
        return Err(rule.to_owned());
    }
    text_of(text, 1..=512, |c| c.is_ascii_graphic(), rule)
}

fn description(text: &str) -> Result<(), String> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{A1}'..='\u{FF}');
    text_of(text, 0..=1000, allowed, "must have at most 1000 characters of Latin-1")
}

fn tag_character(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)
}

fn tag_key(text: &str) -> Result<(), String> {
    if text.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("aws:")) {
        return Err("must not begin with aws:, which AWS keeps for itself".to_owned());
    }
    text_of(text, 1..=128, tag_character, "must be 1 to 128 letters, digits, spaces and _ . : / = + - @")
}

fn tag_value(text: &str) -> Result<(), String> {
    text_of(text, 0..=256, tag_character, "must be at most 256 letters, digits, spaces and _ . : / = + - @")
}

fn audience(text: &str) -> Result<(), String> {
    text_of(text, 1..=255, |c| c.is_ascii_graphic(), "must be 1 to 255 visible ASCII characters")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn role_names_follow_iam() {
        for good in ["a", "gen3--qa--fence", "a+=,.@-_b", &"x".repeat(64)] {
            assert!(RoleName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "rôle", &"x".repeat(65)] {
            let error = RoleName::new(bad).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains("role name") && error.contains("1 to 64"), "{error}");
        }
    }

    #[test]
    fn an_arn_in_place_of_a_role_name_is_refused_with_the_name() {
        for (text, rule) in [
            ("arn:aws:iam::123456789012:role/made", "must be the name of the role, \"made\", not its ARN"),
            ("arn:aws-cn:iam::123456789012:role/path/to/made", "must be the name of the role, \"made\", not its ARN"),
            ("arn:aws:iam::123456789012:role/path/", "must be 1 to 64 characters"),
            ("arn:aws:iam::123456789012:policy/made", "must be 1 to 64 characters"),
        ] {
            let error = RoleName::new(text).unwrap_err().to_string();
            assert!(error.contains(rule), "{error}");
        }
    }

    #[test]
    fn paths_begin_and_end_with_a_slash() {
        for good in ["/", "/gen3_service/", "/a/b/"] {
            assert!(RolePath::new(good).is_ok(), "{good}");
        }
        for bad in ["", "gen3", "/gen3", "gen3/", "/a b/", &format!("/{}/", "x".repeat(511))] {
            assert!(RolePath::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tags_keep_the_reserved_prefix_out() {
        assert!(TagKey::new("irsa.gen3.org/owner").is_ok());
        for bad in ["", "AWS:x", "a*b", &"x".repeat(129)] {
            assert!(TagKey::new(bad).is_err(), "{bad}");
        }
        assert!(TagValue::new("").is_ok());
        assert!(TagValue::new("a<b").is_err());
    }

    #[test]
    fn durations_are_bounded() {
        assert_eq!(SessionDuration::new(3600).map(SessionDuration::seconds).ok(), Some(3600));
        assert!(SessionDuration::new(3599).is_err() && SessionDuration::new(43201).is_err());
        assert!(TokenExpiration::new(599).is_err() && TokenExpiration::new(86401).is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,80}") {
            let _ = (RoleName::new(&text), RolePath::new(&text), TagKey::new(&text), TagValue::new(&text));
            let _ = (Partition::new(&text), AccountId::new(&text), Description::new(&text), Audience::new(&text));
        }
    }
}
