//! What takes several actions of IAM, by whatever client: every role at once, and managed policies by name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;

use futures::future::{join, join_all};

use super::{IamBackend, ManagedPolicy, RoleDetail, RoleSettings};
use crate::error::{Error, Result};
use crate::name::{Partition, PolicyArn};
use crate::tolerance::OptionalRead;

/// Which managed policies a list has (IAM API reference, `ListPolicies`, `Scope`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyScope {
    /// Those of AWS.
    Aws,
    /// Those of the account.
    Local,
}

/// The paths of the AWS-managed policies (AWS Managed Policy reference guide, the ARNs of its policies).
const AWS_PATHS: [&str; 4] = ["/", "/service-role/", "/job-function/", "/aws-service-role/"];

/// Up to so many names are asked for one by one; for more, the list of the AWS-managed policies (two pages) is read.
const LIST_THRESHOLD: usize = 8;

/// Joins the two lists that have every role: `details` of `GetAccountAuthorizationDetails`, and the `settings` by name
/// of `ListRoles`, which alone has description and longest session (IAM API reference, `RoleDetail` lacks both).
///
/// # Errors
/// Those of [`IamBackend::role`], which tells of a role that was made between the two lists.
pub async fn join_settings(
    iam: &dyn IamBackend,
    details: Vec<RoleDetail>,
    mut settings: HashMap<String, RoleSettings>,
) -> Result<Vec<RoleDetail>> {
    let mut roles = Vec::with_capacity(details.len());
    for mut detail in details {
        let name = detail.role.arn.name();
        match settings.remove(name.as_str()) {
            Some(settings) => {
                detail.role.description = settings.description;
                detail.role.max_session_duration =
                    settings.max_session_duration.unwrap_or(detail.role.max_session_duration);
            }
            // Made, or deleted, between the two lists.
            None => match iam.role(name).await? {
                Some(role) => {
                    detail.role.description = role.description;
                    detail.role.max_session_duration = role.max_session_duration;
                }
                None => continue,
            },
        }
        roles.push(detail);
    }
    Ok(roles)
}

/// Which version of a managed policy to read: the one that is given, else the default one, which takes `GetPolicy`.
///
/// # Errors
/// Those of [`IamBackend::policy`].
pub async fn version_to_read(iam: &dyn IamBackend, arn: &PolicyArn, version: Option<String>) -> Result<Option<String>> {
    match version {
        Some(version) => Ok(Some(version)),
        None => Ok(iam.policy(arn).await?.and_then(|policy| policy.default_version)),
    }
}

/// What one look-up gave: `name` is the one that it could find, or nothing where it could find all.
struct LookUp<'a> {
    name: Option<&'a str>,
    found: Result<Vec<ManagedPolicy>>,
}

/// The managed policies of these names. IAM finds a policy by ARN only, so each path of AWS is tried, beside the list of
/// the account's own; `list` reads a whole list.
///
/// # Errors
/// Those of the calls; one that was denied counts only for the names that no other one found.
pub async fn policies_named<F>(
    iam: &dyn IamBackend,
    partition: &Partition,
    names: &BTreeSet<String>,
    list: impl Fn(PolicyScope) -> F + Send + Sync,
) -> Result<Vec<ManagedPolicy>>
where
    F: Future<Output = Result<Vec<ManagedPolicy>>> + Send,
{
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let own = async { LookUp { name: None, found: list(PolicyScope::Local).await } };
    let aws = async {
        if names.len() > LIST_THRESHOLD {
            return vec![LookUp { name: None, found: list(PolicyScope::Aws).await }];
        }
        let candidates = names.iter().flat_map(|name| AWS_PATHS.iter().map(move |path| (name, path)));
        let look_ups = candidates.map(|(name, path)| async move {
            let found = match PolicyArn::new(partition, None, path, name) {
                Ok(arn) => iam.policy(&arn).await.map(|policy| policy.into_iter().collect()),
                Err(invalid) => Err(invalid.into()),
            };
            LookUp { name: Some(name.as_str()), found }
        });
        join_all(look_ups).await
    };
    let (own, mut look_ups) = join(own, aws).await;
    look_ups.push(own);
    merged(names, look_ups)
}

/// What was found. A look-up that was denied counts only for the names that no other one found.
fn merged(names: &BTreeSet<String>, look_ups: Vec<LookUp<'_>>) -> Result<Vec<ManagedPolicy>> {
    let mut found: BTreeMap<PolicyArn, ManagedPolicy> = BTreeMap::new();
    let mut denied: Vec<(Option<&str>, Error)> = Vec::new();
    for look_up in look_ups {
        match look_up.found {
            Ok(policies) => {
                let wanted = policies.into_iter().filter(|policy| names.contains(policy.arn.name()));
                found.extend(wanted.map(|policy| (policy.arn.clone(), policy)));
            }
            Err(error) if OptionalRead::Policy.tolerates(&error) => denied.push((look_up.name, error)),
            Err(error) => return Err(error),
        }
    }
    let missing = |name: &str| !found.keys().any(|arn| arn.name() == name);
    for (only, error) in denied {
        if only.map_or_else(|| names.iter().any(|name| missing(name)), missing) {
            return Err(error);
        }
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn policy(arn: &str) -> ManagedPolicy {
        ManagedPolicy { arn: arn.parse().unwrap(), attachable: true, default_version: Some("v1".to_owned()) }
    }

    fn denied() -> Error {
        Error::new(ErrorKind::AccessDenied, "cannot list the managed policies")
    }

    #[test]
    fn a_denied_look_up_counts_only_for_names_that_nobody_found() {
        let names: BTreeSet<String> = ["a".to_owned()].into();
        let aws = || LookUp { name: Some("a"), found: Ok(vec![policy("arn:aws:iam::aws:policy/a")]) };
        let list = || LookUp { name: None, found: Err(denied()) };
        let elsewhere = || LookUp { name: Some("a"), found: Err(denied()) };
        let nothing = || LookUp { name: Some("a"), found: Ok(vec![]) };

        assert_eq!(merged(&names, vec![aws(), list(), elsewhere()]).unwrap().len(), 1);
        assert_eq!(merged(&names, vec![nothing(), list()]).unwrap_err().kind(), ErrorKind::AccessDenied);
        assert_eq!(merged(&names, vec![nothing(), elsewhere()]).unwrap_err().kind(), ErrorKind::AccessDenied);
        assert!(merged(&names, vec![nothing()]).unwrap().is_empty());
    }

    #[test]
    fn other_failures_are_failures() {
        let names: BTreeSet<String> = ["a".to_owned()].into();
        let found = LookUp { name: Some("a"), found: Ok(vec![policy("arn:aws:iam::aws:policy/a")]) };
        let throttled = LookUp { name: None, found: Err(Error::new(ErrorKind::Throttled, "x")) };
        assert_eq!(merged(&names, vec![found, throttled]).unwrap_err().kind(), ErrorKind::Throttled);
    }

    #[test]
    fn lists_are_filtered_and_each_policy_is_named_once() {
        let names: BTreeSet<String> = ["a".to_owned()].into();
        let policies = || {
            ["arn:aws:iam::123456789012:policy/x/a", "arn:aws:iam::aws:policy/a", "arn:aws:iam::aws:policy/b"]
                .map(policy)
                .to_vec()
        };
        let look_ups = vec![
            LookUp { name: None, found: Ok(policies()) },
            LookUp { name: Some("a"), found: Ok(vec![policies()[1].clone()]) },
        ];
        assert_eq!(
            merged(&names, look_ups).unwrap(),
            policies()[1..2].iter().chain(&policies()[..1]).cloned().collect::<Vec<_>>()
        );
    }
}
