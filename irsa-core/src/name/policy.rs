//! What names a managed policy: its ARN, or its name with or without its path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::invalid::{InvalidName, Result};
use super::{PolicyArn, as_string, iam_name_character};

/// A managed policy as a user names it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PolicyRef {
    /// By ARN.
    Arn(PolicyArn),
    /// By name: an AWS-managed or customer-managed policy in any path, or in the path given (`/service-role/`).
    Name {
        /// The path, with its slashes, where one is given.
        path: Option<String>,
        /// The name.
        name: String,
    },
}

impl PolicyRef {
    /// The name of the policy, without its path.
    pub fn name(&self) -> &str {
        match self {
            Self::Arn(arn) => arn.name(),
            Self::Name { name, .. } => name,
        }
    }

    /// Whether a policy is one that this reference means.
    pub fn matches(&self, arn: &PolicyArn) -> bool {
        match self {
            Self::Arn(wanted) => wanted == arn,
            Self::Name { path, name } => name == arn.name() && path.as_deref().is_none_or(|path| path == arn.path()),
        }
    }
}

impl FromStr for PolicyRef {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with("arn:") {
            return Ok(Self::Arn(text.parse()?));
        }
        let rule =
            "must be an ARN or a name of 1 to 128 characters of A-Z a-z 0-9 _ + = , . @ -, with or without its path";
        let ok =
            |part: &str, longest: usize| (1..=longest).contains(&part.len()) && part.chars().all(iam_name_character);
        let trimmed = text.strip_prefix('/').unwrap_or(text);
        let (path, name) = match trimmed.rsplit_once('/') {
            Some((path, name)) => (Some(path), name),
            None => (None, trimmed),
        };
        if !ok(name, 128) || !path.is_none_or(|path| path.split('/').all(|part| ok(part, 510))) {
            return Err(InvalidName::new("policy", text, rule));
        }
        Ok(Self::Name { path: path.map(|path| format!("/{path}/")), name: name.to_owned() })
    }
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arn(arn) => arn.fmt(f),
            Self::Name { path, name } => write!(f, "{}{name}", path.as_deref().map_or("", |path| &path[1..])),
        }
    }
}

as_string!(PolicyRef);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_an_optional_path() {
        let with_path: Result<PolicyRef> = "service-role/AmazonEBSCSIDriverPolicy".parse();
        let slash: Result<PolicyRef> = "/service-role/AmazonEBSCSIDriverPolicy".parse();
        assert!(matches!((&with_path, &slash), (Ok(a), Ok(b)) if a == b));
        let arn: Result<PolicyArn> = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy".parse();
        assert!(matches!((&with_path, &arn), (Ok(p), Ok(a)) if p.matches(a)));
        for bad in ["", "a b", "a//b", "arn:aws:s3:::bucket", "x/"] {
            assert!(bad.parse::<PolicyRef>().is_err(), "{bad}");
        }
    }
}
