//! The ARNs that a binding deals with, each a type of its own, so that one kind is never taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::invalid::{InvalidName, Result};
use super::{
    AccountId, ClusterName, Issuer, Partition, Region, RoleName, RolePath, as_string, iam_name_character, text_of,
};

/// The longest ARN (IAM API reference, `arnType`).
const MAX_ARN_LENGTH: usize = 2048;

/// The ARN of a role: `arn:PARTITION:iam::ACCOUNT:role[/PATH]/NAME`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleArn {
    partition: Partition,
    account: AccountId,
    path: RolePath,
    name: RoleName,
}

/// The ARN of a managed policy: `arn:PARTITION:iam::ACCOUNT|aws:policy[/PATH]/NAME`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PolicyArn {
    partition: Partition,
    account: Option<AccountId>,
    path: String,
    name: String,
}

/// The ARN of an IAM OIDC provider: `arn:PARTITION:iam::ACCOUNT:oidc-provider/HOST/PATH`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderArn {
    partition: Partition,
    account: AccountId,
    issuer: Issuer,
}

/// The ARN of an EKS cluster: `arn:PARTITION:eks:REGION:ACCOUNT:cluster/NAME`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterArn {
    partition: Partition,
    region: Region,
    account: AccountId,
    name: ClusterName,
}

impl RoleArn {
    /// The ARN that a role of this path and name has.
    pub fn new(partition: Partition, account: AccountId, path: RolePath, name: RoleName) -> Self {
        Self { partition, account, path, name }
    }

    /// The partition.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The path, `/` where the ARN has none.
    pub fn path(&self) -> &RolePath {
        &self.path
    }

    /// The name, without the path.
    pub fn name(&self) -> &RoleName {
        &self.name
    }
}

impl PolicyArn {
    /// The ARN of an AWS-managed policy (`account` absent) or a customer-managed one. `path` begins and ends with `/`.
    ///
    /// # Errors
    /// `InvalidInput` when path or name are not those of a policy.
    pub fn new(partition: &Partition, account: Option<&AccountId>, path: &str, name: &str) -> Result<Self> {
        let owner = account.map_or("aws", AccountId::as_str);
        format!("arn:{partition}:iam::{owner}:policy{path}{name}").parse()
    }

    /// The partition.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The account of a customer-managed policy; nothing for an AWS-managed one.
    pub fn account(&self) -> Option<&AccountId> {
        self.account.as_ref()
    }

    /// The path: `/`, `/service-role/`, ...
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name, without the path.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl ProviderArn {
    /// The ARN of the provider of this issuer.
    pub fn new(partition: Partition, account: AccountId, issuer: Issuer) -> Self {
        Self { partition, account, issuer }
    }

    /// The partition.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The issuer whose tokens the provider stands for.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }
}

impl ClusterArn {
    /// The ARN of the cluster of this name.
    pub fn new(partition: Partition, region: Region, account: AccountId, name: ClusterName) -> Self {
        Self { partition, region, account, name }
    }

    /// The partition.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The name.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }
}

/// The five parts after `arn:`.
struct Parts<'a> {
    partition: Partition,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

fn parts<'a>(field: &'static str, text: &'a str, form: &'static str) -> Result<Parts<'a>> {
    if text.len() > MAX_ARN_LENGTH {
        return Err(InvalidName::new(field, text, format!("must have at most {MAX_ARN_LENGTH} characters")));
    }
    let split: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = split[..] else {
        return Err(InvalidName::new(field, text, format!("must have the form {form}")));
    };
    if arn != "arn" {
        return Err(InvalidName::new(field, text, format!("must have the form {form}")));
    }
    let partition = Partition::new(partition).map_err(|part| part.part_of_arn(field, text))?;
    Ok(Parts { partition, service, region, account, resource })
}

/// Refuses an ARN of another kind, saying which kind it is.
fn of_kind(field: &'static str, text: &str, ok: bool, form: &'static str) -> Result<()> {
    if ok {
        return Ok(());
    }
    let kind = match text.splitn(6, ':').nth(5).and_then(|resource| resource.split('/').next()) {
        Some("role") => "; this is the ARN of a role",
        Some("policy") => "; this is the ARN of a policy",
        Some("oidc-provider") => "; this is the ARN of an OIDC provider",
        Some("assumed-role") => "; this is the ARN of a session of a role",
        Some("cluster") => "; this is the ARN of a cluster",
        Some("user") => "; this is the ARN of a user",
        _ => "",
    };
    Err(InvalidName::new(field, text, format!("must have the form {form}{kind}")))
}

/// `/PATH/` and `NAME` of `KIND/PATH/NAME`.
fn path_and_name<'a>(resource: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let rest = resource.strip_prefix(kind)?;
    let slash = rest.rfind('/')?;
    rest.starts_with('/').then(|| (&rest[..=slash], &rest[slash + 1..]))
}

impl FromStr for RoleArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self> {
        const FORM: &str = "arn:PARTITION:iam::ACCOUNT:role/NAME";
        let parts = parts("role ARN", text, FORM)?;
        let found = path_and_name(parts.resource, "role");
        let ok = parts.service == "iam" && parts.region.is_empty();
        let Some((path, name)) = found.filter(|_| ok) else {
            of_kind("role ARN", text, false, FORM)?;
            return Err(InvalidName::new("role ARN", text, FORM));
        };
        let broken = |part: InvalidName| part.part_of("role ARN", text);
        Ok(Self {
            partition: parts.partition,
            account: AccountId::new(parts.account).map_err(broken)?,
            path: RolePath::new(path).map_err(broken)?,
            name: RoleName::new(name).map_err(broken)?,
        })
    }
}

impl FromStr for PolicyArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self> {
        const FORM: &str = "arn:PARTITION:iam::ACCOUNT|aws:policy/NAME";
        let parts = parts("policy ARN", text, FORM)?;
        let found = path_and_name(parts.resource, "policy");
        let ok = parts.service == "iam" && parts.region.is_empty();
        let Some((path, name)) = found.filter(|_| ok) else {
            of_kind("policy ARN", text, false, FORM)?;
            return Err(InvalidName::new("policy ARN", text, FORM));
        };
        let broken = |part: InvalidName| part.part_of("policy ARN", text);
        let account = match parts.account {
            "aws" => None,
            account => Some(AccountId::new(account).map_err(broken)?),
        };
        // IAM API reference, `policyNameType` and `policyPathType`.
        text_of(name, 1..=128, iam_name_character, "its name must be 1 to 128 characters of A-Z a-z 0-9 _ + = , . @ -")
            .and_then(|()| {
                let allowed = |c: char| iam_name_character(c) || c == '/';
                text_of(path, 1..=512, allowed, "its path must be A-Z a-z 0-9 _ + = , . @ - between slashes")
            })
            .map_err(|rule| InvalidName::new("policy ARN", text, rule))?;
        Ok(Self { partition: parts.partition, account, path: path.to_owned(), name: name.to_owned() })
    }
}

impl FromStr for ProviderArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self> {
        const FORM: &str = "arn:PARTITION:iam::ACCOUNT:oidc-provider/HOST/PATH";
        let parts = parts("provider ARN", text, FORM)?;
        let ok = parts.service == "iam" && parts.region.is_empty();
        let Some(host_path) = parts.resource.strip_prefix("oidc-provider/").filter(|_| ok) else {
            of_kind("provider ARN", text, false, FORM)?;
            return Err(InvalidName::new("provider ARN", text, FORM));
        };
        let broken = |part: InvalidName| part.part_of("provider ARN", text);
        Ok(Self {
            partition: parts.partition,
            account: AccountId::new(parts.account).map_err(broken)?,
            issuer: Issuer::from_host_path(host_path).map_err(broken)?,
        })
    }
}

impl FromStr for ClusterArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self> {
        const FORM: &str = "arn:PARTITION:eks:REGION:ACCOUNT:cluster/NAME";
        let parts = parts("cluster ARN", text, FORM)?;
        let Some(name) = parts.resource.strip_prefix("cluster/").filter(|_| parts.service == "eks") else {
            of_kind("cluster ARN", text, false, FORM)?;
            return Err(InvalidName::new("cluster ARN", text, FORM));
        };
        let broken = |part: InvalidName| part.part_of("cluster ARN", text);
        Ok(Self {
            partition: parts.partition,
            region: Region::new(parts.region).map_err(broken)?,
            account: AccountId::new(parts.account).map_err(broken)?,
            name: ClusterName::new(name).map_err(broken)?,
        })
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:iam::{}:role{}{}", self.partition, self.account, self.path, self.name)
    }
}

impl fmt::Display for PolicyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.account.as_ref().map_or("aws", AccountId::as_str);
        write!(f, "arn:{}:iam::{owner}:policy{}{}", self.partition, self.path, self.name)
    }
}

impl fmt::Display for ProviderArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:iam::{}:oidc-provider/{}", self.partition, self.account, self.issuer.host_path())
    }
}

impl fmt::Display for ClusterArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:eks:{}:{}:cluster/{}", self.partition, self.region, self.account, self.name)
    }
}

as_string!(RoleArn);
as_string!(PolicyArn);
as_string!(ProviderArn);
as_string!(ClusterArn);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arns_are_read_and_written_alike() {
        for arn in ["arn:aws:iam::123456789012:role/a", "arn:aws-cn:iam::123456789012:role/gen3/x/a.b"] {
            assert_eq!(arn.parse::<RoleArn>().map(|a| a.to_string()).ok().as_deref(), Some(arn));
        }
        for arn in ["arn:aws:iam::aws:policy/service-role/X", "arn:aws-us-gov:iam::123456789012:policy/mine"] {
            assert_eq!(arn.parse::<PolicyArn>().map(|a| a.to_string()).ok().as_deref(), Some(arn));
        }
        let provider = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC";
        assert_eq!(provider.parse::<ProviderArn>().map(|a| a.to_string()).ok().as_deref(), Some(provider));
        let cluster = "arn:aws:eks:us-east-1:123456789012:cluster/demo";
        assert_eq!(cluster.parse::<ClusterArn>().map(|a| a.to_string()).ok().as_deref(), Some(cluster));
    }

    #[test]
    fn the_wrong_kind_is_named() {
        let error = "arn:aws:iam::123456789012:role/r".parse::<PolicyArn>().err().map(|e| e.to_string());
        assert!(error.as_deref().is_some_and(|e| e.contains("ARN of a role")), "{error:?}");
    }

    #[test]
    fn broken_arns_are_refused() {
        for bad in [
            "",
            "arn",
            "arn:aws:iam::1:role/x",
            "arn:aws:iam::123456789012:role",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam:us-east-1:123456789012:role/x",
            "arn:gcp:iam::123456789012:role/x",
        ] {
            assert!(bad.parse::<RoleArn>().is_err(), "{bad}");
        }
        assert!("arn:aws:iam::aws:policy/a b".parse::<PolicyArn>().is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(arn:)?[a-z]{0,4}:iam:.{0,40}") {
            let _ = (text.parse::<RoleArn>(), text.parse::<PolicyArn>(), text.parse::<ProviderArn>(), text.parse::<ClusterArn>());
        }

        #[test]
        fn what_parses_prints_the_same(text in "arn:aws:iam::[0-9]{12}:role(/[a-z]{1,3}){0,2}/[a-z]{1,8}") {
            prop_assert_eq!(text.parse::<RoleArn>().map(|a| a.to_string()).ok(), Some(text));
        }
    }
}
