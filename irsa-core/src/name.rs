//! Names that parse: a value of these types is one that IAM, EKS or Kubernetes accepts, whoever made it.
//!
//! Each type's documentation gives its rule and the source of the rule.

mod arn;
mod cluster;
mod cluster_ref;
mod eks_host;
mod iam;
mod invalid;
mod kubernetes;
mod partition;
mod policy;
mod subject;

pub use self::arn::{ClusterArn, PolicyArn, ProviderArn, RoleArn};
pub use self::cluster::{ClusterName, Issuer, Region};
pub use self::cluster_ref::ClusterRef;
pub use self::eks_host::EksHost;
pub use self::iam::{
    AccountId, Audience, Description, InlinePolicyName, Partition, RoleName, RolePath, SessionDuration, TagKey,
    TagValue, TokenExpiration,
};
pub use self::invalid::InvalidName;
pub(crate) use self::kubernetes::ServiceAccountRef;
pub use self::kubernetes::{AnnotationKey, LabelKey, LabelValue, Namespace, ServiceAccountName, ServiceAccountPattern};
pub use self::policy::PolicyRef;
pub(crate) use self::subject::SUBJECT_PREFIX;
pub use self::subject::{Subject, SubjectName};

/// A string type whose values all passed a check.
///
/// `$check` takes the text and returns the broken rule, if any, as a sentence part: "must ...".
macro_rules! checked_string {
    ($(#[$doc:meta])* $name:ident, $field:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses the text.
            ///
            /// # Errors
            /// [`InvalidName`](crate::name::InvalidName), naming the value and the rule.
            pub fn new(text: impl Into<String>) -> std::result::Result<Self, $crate::name::InvalidName> {
                let text = text.into();
                match $check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(rule) => Err($crate::name::InvalidName::new($field, text, rule)),
                }
            }

            /// A constant of this crate, which passes the check.
            #[allow(dead_code, reason = "not every type has constants")]
            pub(crate) fn constant(text: &'static str) -> Self {
                debug_assert!($check(text).is_ok(), "{text:?} is no {}", $field);
                Self(text.to_owned())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::name::InvalidName;
            fn from_str(text: &str) -> std::result::Result<Self, $crate::name::InvalidName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::name::InvalidName;
            fn try_from(text: String) -> std::result::Result<Self, $crate::name::InvalidName> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::name::InvalidName;
            fn try_from(text: &str) -> std::result::Result<Self, $crate::name::InvalidName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}
pub(crate) use checked_string;

/// A type made of parts that is written as one string: serde and the conversions through `Display` and `FromStr`.
macro_rules! as_string {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = $crate::name::InvalidName;
            fn try_from(text: String) -> std::result::Result<Self, $crate::name::InvalidName> {
                text.parse()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::name::InvalidName;
            fn try_from(text: &str) -> std::result::Result<Self, $crate::name::InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.to_string())
            }
        }
    };
}
pub(crate) use as_string;

/// The broken rule of a text of bounded length over an alphabet, if it is broken.
fn text_of(
    text: &str,
    lengths: std::ops::RangeInclusive<usize>,
    allowed: impl Fn(char) -> bool,
    rule: &str,
) -> Result<(), String> {
    let length = text.chars().count();
    if !lengths.contains(&length) {
        return Err(format!("{rule}; it has {length} characters"));
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(format!("{rule}; {c:?} is not allowed")),
        None => Ok(()),
    }
}

/// `[\w+=,.@-]`, the alphabet of IAM's names.
fn iam_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}
