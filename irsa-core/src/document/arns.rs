//! ARNs in policy documents: the forms that IAM accepts for resources and principals, and their partition.

use serde_json::{Map, Value};

use super::{one_or_many, statement_label, statements};
use crate::error::{Error, Result};
use crate::name::{AccountId, Partition};

/// The keys of a statement that hold resources.
const RESOURCES: [&str; 2] = ["Resource", "NotResource"];
/// The kinds of principals that are named by an ARN.
const PRINCIPALS: [&str; 2] = ["AWS", "Federated"];

/// Checks that IAM can read the resources of a statement (IAM user guide, "IAM JSON policy elements: Resource").
///
/// IAM pads an ARN of fewer than six segments, so `arn:aws:s3` is accepted. Whether the partition is that of the account is
/// checked by [`misplaced`].
pub(super) fn check_resources(field: &'static str, statement: &Map<String, Value>, place: &str) -> Result<()> {
    let resources = RESOURCES.iter().flat_map(|key| one_or_many(statement.get(*key))).filter_map(Value::as_str);
    for resource in resources.filter(|resource| *resource != "*") {
        if let Some(rule) = broken_resource(resource) {
            return Err(Error::invalid(field, resource, format!("{place}: {rule}")));
        }
    }
    Ok(())
}

/// Why IAM refuses a resource, whatever the partition of the account.
fn broken_resource(resource: &str) -> Option<&'static str> {
    let segments: Vec<&str> = resource.splitn(6, ':').collect();
    let (_, rest) = segments.split_first()?;
    let [partition, rest @ ..] = rest else { return Some("a resource must be an ARN, or *") };
    if *partition != "*" && Partition::new(*partition).is_err() {
        return Some("a resource must be an ARN, and its partition must be one of AWS, or *");
    }
    let [service, rest @ ..] = rest else { return Some("the ARN of a resource must name a service") };
    if service.is_empty() || service.contains(['*', '?']) {
        return Some("the ARN of a resource must name a service, without wildcards");
    }
    // IAM reads the rest by position: with "::" in a short ARN it cannot tell which segments are left out.
    if segments.len() < 6 && resource.contains("::") {
        return Some("the ARN of a resource must have five colons before the resource, as in arn:aws:s3:::bucket");
    }
    let [region, account, _] = rest else { return None };
    let names_region = !region.is_empty() && !region.contains(['*', '?', '$']);
    match *service {
        "iam" if names_region => Some("the ARN of an IAM resource has no region"),
        // Access points, jobs and the like have a region, and an account too.
        "s3" if names_region && account.is_empty() => Some("the ARN of a bucket has no region"),
        _ => None,
    }
}

/// Checks that IAM can read the principals of a statement (IAM user guide, "AWS JSON policy elements: Principal").
pub(super) fn check_principals(field: &'static str, statement: &Map<String, Value>, place: &str) -> Result<()> {
    for (kind, principal) in principals(statement) {
        let rule = match kind {
            "AWS" => broken_aws_principal(principal),
            _ => broken_federated_principal(principal),
        };
        if let Some(rule) = rule {
            return Err(Error::invalid(field, principal, format!("{place}: {rule}")));
        }
    }
    Ok(())
}

fn broken_aws_principal(principal: &str) -> Option<&'static str> {
    const FORM: &str = "an AWS principal must be an account ID, the ARN of an account, role, user or session, or *";
    let unique_id = || principal.len() >= 16 && principal.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let segments: Vec<&str> = principal.splitn(6, ':').collect();
    match segments[..] {
        ["*"] => None,
        [account] if AccountId::new(account).is_ok() || unique_id() => None,
        ["arn", _, "iam" | "sts", "", account, resource] => match resource {
            _ if principal.contains(['*', '?']) => Some("the ARN of an AWS principal cannot have wildcards"),
            "" => Some(FORM),
            _ if AccountId::new(account).is_err() => Some(FORM),
            _ => None,
        },
        _ => Some(FORM),
    }
}

fn broken_federated_principal(principal: &str) -> Option<&'static str> {
    const FORM: &str = "a Federated principal must be the ARN of an OIDC or SAML provider, or a domain name";
    let segments: Vec<&str> = principal.splitn(6, ':').collect();
    match segments[..] {
        ["*"] => None,
        [domain] => {
            let ok = domain.contains('.') && domain.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
            (!ok).then_some(FORM)
        }
        ["arn", _, "iam", "", account, resource] => {
            let provider = resource.starts_with("oidc-provider/") || resource.starts_with("saml-provider/");
            let ok = provider && AccountId::new(account).is_ok() && !resource.contains(['*', '?']);
            (!ok).then_some(FORM)
        }
        _ => Some(FORM),
    }
}

/// The principals of a statement that may be ARNs, each with its kind.
fn principals(statement: &Map<String, Value>) -> impl Iterator<Item = (&'static str, &str)> {
    let of_kind = |kind: &'static str| {
        let values = statement.get("Principal").and_then(|principal| principal.get(kind));
        one_or_many(values).iter().filter_map(move |value| Some((kind, value.as_str()?)))
    };
    PRINCIPALS.into_iter().flat_map(of_kind)
}

/// An ARN in a document that is of another partition than the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misplaced<'a> {
    /// The number of its statement, from 0.
    index: usize,
    statement: &'a Map<String, Value>,
    /// `Resource`, or the kind of a principal.
    pub(crate) kind: &'static str,
    pub(crate) arn: &'a str,
    pub(crate) partition: &'a str,
}

/// The first resource or principal of a document that IAM refuses for its partition: resources must be of the account's
/// own or of any (`arn:*:...`), principals of the account's own. Values of conditions are free.
pub(crate) fn misplaced<'a>(document: &'a Value, wanted: &Partition) -> Option<Misplaced<'a>> {
    statements(document).enumerate().find_map(|(index, statement)| {
        let resources = one_or_many(statement.get("Resource")).iter().chain(one_or_many(statement.get("NotResource")));
        let resources = resources.filter_map(Value::as_str).map(|resource| ("Resource", resource));
        let mut arns = resources.chain(principals(statement));
        arns.find_map(|(kind, arn)| {
            let partition = arn.split(':').nth(1)?;
            let any = kind == "Resource" && partition == "*";
            (!any && partition != wanted.as_str()).then_some(Misplaced { index, statement, kind, arn, partition })
        })
    })
}

/// Refuses a document with an ARN of another partition than `wanted`, naming the statement, the ARN and both partitions.
///
/// # Errors
/// `InvalidInput`; see [`misplaced`].
pub(crate) fn check_partition(field: &'static str, document: &Value, wanted: &Partition) -> Result<()> {
    let Some(found) = misplaced(document, wanted) else { return Ok(()) };
    let place = statement_label(found.index, found.statement);
    let rule = format!("{place}: is in partition {}, the role in {wanted}", found.partition);
    let rest = found.arn.splitn(3, ':').nth(2).unwrap_or_default();
    Err(Error::invalid(field, found.arn, rule).with_hint(format!("write it as arn:{wanted}:{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(resource: &str) -> String {
        let statement = json!({"Resource": [resource]});
        let error = check_resources("policy document", statement.as_object().unwrap(), "statement 1").err();
        error.map(|error| error.to_string()).unwrap_or_default()
    }

    /// The words of IAM for each are in moto's tests, which were recorded at AWS.
    #[test]
    fn resources_that_iam_cannot_read_are_refused() {
        for (resource, words) in [
            ("", "must be an ARN, or *"),
            ("my-bucket", "must be an ARN, or *"),
            ("a*", "must be an ARN, or *"),
            ("aws:s3:::bucket", "partition must be one of AWS"),
            ("arn::s3:::bucket", "partition must be one of AWS"),
            ("arn:${PARTITION}:s3:::bucket", "partition must be one of AWS"),
            ("arn:aws", "must name a service"),
            ("arn:aws::fdsasf", "must name a service"),
            ("arn:aws::::bucket", "must name a service"),
            ("arn:aws:*:::bucket", "must name a service"),
            ("arn:aws:s3::bucket", "five colons"),
            ("arn:aws:iam:us-east-1:123456789012:role/x", "has no region"),
            ("arn:aws:s3:us-east-1::bucket", "has no region"),
        ] {
            let refusal = refused(resource);
            assert!(refusal.contains(words) && refusal.contains("statement 1"), "{resource}: {refusal:?}");
        }
        for resource in [
            "*",
            "arn:aws:s3:::bucket",
            "arn:aws:s3:::bucket/${aws:PrincipalTag/a:b}/*",
            "arn:*:s3:::bucket",
            "arn:aws-us-gov:ec2:*:*:volume/*",
            "arn:aws:s33:::example_bucket",
            "arn:aws:fdsasf",
            "arn:aws:s3:*:*:accesspoint/*",
            "arn:aws:s3:us-east-1:123456789012:accesspoint/a",
            "arn:aws:iam:::user/example",
            "arn:aws:iam::*:role/*",
        ] {
            assert_eq!(refused(resource), "", "{resource}");
        }
    }

    #[test]
    fn principals_that_iam_cannot_read_are_refused() {
        let refused = |kind: &str, principal: &str| {
            let statement = json!({"Principal": {kind: principal}});
            let error = check_principals("trust statement", statement.as_object().unwrap(), "the statement").err();
            error.map(|error| error.to_string()).unwrap_or_default()
        };
        for (kind, principal, words) in [
            ("AWS", "somebody", "account ID"),
            ("AWS", "12345", "account ID"),
            ("AWS", "arn:aws:iam::ACCOUNT_ID:root", "account ID"),
            ("AWS", "arn:aws:s3:::bucket", "account ID"),
            ("AWS", "arn:aws:iam::123456789012:role/*", "wildcards"),
            ("AWS", "arn:aws:iam::*:root", "wildcards"),
            ("Federated", "issuer", "OIDC or SAML provider"),
            ("Federated", "https://issuer.example", "OIDC or SAML provider"),
            ("Federated", "arn:aws:iam::123456789012:role/x", "OIDC or SAML provider"),
            ("Federated", "arn:aws:iam::123456789012:oidc-provider/*", "OIDC or SAML provider"),
        ] {
            let refusal = refused(kind, principal);
            assert!(refusal.contains(words) && refusal.contains(principal), "{principal}: {refusal:?}");
        }
        for (kind, principal) in [
            ("AWS", "*"),
            ("AWS", "123456789012"),
            ("AWS", "AROAEXAMPLEID0000000A"),
            ("AWS", "arn:aws:iam::123456789012:root"),
            ("AWS", "arn:aws-cn:sts::123456789012:assumed-role/a/b"),
            ("Federated", "cognito-identity.amazonaws.com"),
            ("Federated", "arn:aws:iam::123456789012:saml-provider/corp"),
            ("Federated", "arn:aws:iam::123456789012:oidc-provider/issuer.example/id/A"),
            ("Service", "ec2.amazonaws.com"),
        ] {
            assert_eq!(refused(kind, principal), "", "{principal}");
        }
    }

    #[test]
    fn arns_of_another_partition_are_named_with_their_statement() {
        let gov: Partition = "aws-us-gov".parse().unwrap();
        let error = |statements: Value| {
            let error = check_partition("policy document", &json!({"Statement": statements}), &gov).err();
            let hint = |error: &Error| error.hint().map(ToString::to_string).unwrap_or_default();
            error.map(|error| format!("{error} ({})", hint(&error))).unwrap_or_default()
        };
        let own = json!({"Resource": ["*", "arn:aws-us-gov:s3:::a", "arn:*:s3:::b"],
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:x"}}});
        assert_eq!(error(json!([own])), "");
        for (statement, words) in [
            (
                json!({"Sid": "Read", "Resource": ["arn:aws-us-gov:s3:::a", "arn:aws:s3:::b/*"]}),
                [
                    "\"arn:aws:s3:::b/*\": statement 2 (Read): is in partition aws, the role in aws-us-gov",
                    "(write it as arn:aws-us-gov:s3:::b/*)",
                ],
            ),
            (json!({"NotResource": "arn:aws-cn:s3:::b"}), ["partition aws-cn", "statement 2"]),
            (
                json!({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}),
                ["iam::123456789012:root", "statement 2"],
            ),
            (
                json!({"Principal": {"Federated": ["arn:aws:iam::123456789012:oidc-provider/a.b"]}}),
                ["oidc-provider/a.b", "(write it as arn:aws-us-gov:iam::123456789012:oidc-provider/a.b)"],
            ),
        ] {
            let refusal = error(json!([own, statement]));
            assert!(words.iter().all(|word| refusal.contains(word)), "{words:?}: {refusal}");
        }
    }
}
