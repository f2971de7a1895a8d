//! Whether conditions keep out strangers where the principal is a wildcard: principals of an AWS account and an organization
//! that the document does not name, who call STS themselves.
//!
//! Source: IAM user guide, "AWS global condition context keys": the value and the availability of each key.

use super::condition::Test;
use super::document::{Effect, Statement, TrustDocument};
use super::operator::{Family, Truth};
use super::policy_value::{Value, is_of_an_issuer};

/// Keys whose value the caller chooses, so that they keep nobody out (same source, and STS API reference).
const CHOSEN: [&str; 5] =
    ["aws:referer", "aws:requestedregion", "aws:securetransport", "aws:useragent", "sts:rolesessionname"];

/// Whether the caller chooses the value of a condition key.
pub(in crate::trust) fn is_chosen_by_the_caller(key: &str) -> bool {
    CHOSEN.contains(&key.to_ascii_lowercase().as_str())
}

/// What a condition key tells of a principal of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// Its ARN.
    Arn,
    /// Its account.
    Account,
    /// Its unique id, with the session name behind a colon.
    UserId,
    /// Its organization, absent where its account is in none.
    Organization,
    /// Its place in an organization, absent likewise.
    OrganizationPath,
    /// The resource that a service of AWS calls for, absent where the principal calls itself.
    SourceArn,
    /// Account, organization or service behind such a call, absent likewise.
    Source,
    /// Whether a service of AWS calls.
    ByService,
    /// What the caller chooses.
    Chosen,
    /// A claim of a token, which a principal of AWS does not have.
    Claim,
    Other,
}

impl Key {
    fn of(key: &str) -> Self {
        match key.to_ascii_lowercase().as_str() {
            "aws:principalarn" => Self::Arn,
            "aws:principalaccount" => Self::Account,
            "aws:userid" => Self::UserId,
            "aws:principalorgid" => Self::Organization,
            "aws:principalorgpaths" => Self::OrganizationPath,
            "aws:sourcearn" => Self::SourceArn,
            "aws:sourceaccount"
            | "aws:sourceorgid"
            | "aws:sourceorgpaths"
            | "aws:sourceowner"
            | "aws:principalservicename"
            | "aws:principalservicenameslist" => Self::Source,
            "aws:principalisawsservice" | "aws:viaawsservice" => Self::ByService,
            _ if is_chosen_by_the_caller(key) => Self::Chosen,
            _ if is_of_an_issuer(key) => Self::Claim,
            _ => Self::Other,
        }
    }

    /// Whether some stranger's request lacks it.
    fn may_be_absent(self) -> bool {
        matches!(self, Self::Organization | Self::OrganizationPath | Self::SourceArn | Self::Source | Self::Claim)
    }

    /// Whether some stranger's own request has it.
    fn may_be_present(self) -> bool {
        !matches!(self, Self::SourceArn | Self::Source | Self::Claim)
    }

    /// Whether it names who calls, or for whom. Requests with a token are not signed, and lack all of these.
    fn is_of_a_principal(self) -> bool {
        matches!(
            self,
            Self::Arn | Self::Account | Self::Organization | Self::OrganizationPath | Self::SourceArn | Self::Source
        )
    }
}

/// Which strangers a value of a test covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cover {
    /// It names somebody.
    Nobody,
    /// It depends on a variable, or on luck: not every account number fits `1234*`.
    Unknown,
    /// Whoever arranges it, such as by the name of a role.
    Some,
    All,
}

impl TrustDocument {
    /// Whether a statement that names every principal of AWS lets strangers call `sts:AssumeRole`.
    pub(in crate::trust) fn admits_strangers(&self, statement: &Statement) -> Truth {
        let principal = &statement.principal;
        let wild = principal.everyone || principal.inverted || principal.is_all_of_aws();
        if statement.effect != Effect::Allow || !wild || !statement.assumes {
            return Truth::False;
        }
        let admitted = statement.tests.iter().map(holds_for_some).fold(Truth::True, Truth::and);
        if admitted == Truth::False || self.statements.iter().any(denies_all) { Truth::False } else { admitted }
    }
}

/// Whether a statement denies every stranger.
fn denies_all(statement: &Statement) -> bool {
    let principal = &statement.principal;
    let everybody = !principal.inverted && (principal.everyone || principal.is_all_of_aws());
    statement.effect == Effect::Deny
        && everybody
        && statement.assumes
        && statement.in_doubt.is_none()
        && statement.tests.iter().all(|test| holds_for_all(test) == Truth::True)
}

/// Whether a statement tests what only a principal of AWS has, so that tokens of OIDC providers do not fit.
pub(in crate::trust) fn keeps_tokens_out(statement: &Statement) -> bool {
    statement.tests.iter().any(|test| Key::of(&test.key).is_of_a_principal() && test.of_absent() == Truth::False)
}

/// Whether a test holds for some stranger.
fn holds_for_some(test: &Test) -> Truth {
    let key = Key::of(&test.key);
    let absent = if key.may_be_absent() { test.of_absent() } else { Truth::False };
    let present = match (key, test.operator.family) {
        (Key::Claim, _) => Truth::False,
        (Key::Other, _) | (_, Family::Other) => Truth::Unknown,
        (_, Family::Null) => match (test.wants_null(false), key.may_be_present()) {
            (Truth::True, false) => Truth::Unknown,
            (truth, _) => truth,
        },
        (Key::ByService, Family::Bool) if says(test, false) => Truth::True,
        (Key::Chosen, Family::Bool) if !says(test, true) => Truth::Unknown,
        (Key::Chosen, _) => Truth::from(!test.values.is_empty()),
        (_, Family::Equals | Family::EqualsIgnoreCase | Family::Like | Family::Arn) => {
            let cover = cover(test, key);
            match (test.operator.negated, cover, key.may_be_present()) {
                (false, None | Some(Cover::Nobody), _) => Truth::False,
                (false, Some(Cover::Some | Cover::All), true) => Truth::True,
                // A service of AWS that somebody else has sent.
                (false, ..) | (true, Some(Cover::Unknown), _) => Truth::Unknown,
                (true, Some(Cover::All), _) => Truth::False,
                (true, ..) => Truth::True,
            }
        }
        _ => Truth::Unknown,
    };
    present.or(absent)
}

/// Whether a test holds for every stranger.
fn holds_for_all(test: &Test) -> Truth {
    let key = Key::of(&test.key);
    let absent = if key.may_be_absent() { test.of_absent() } else { Truth::True };
    let present = match (key, test.operator.family) {
        _ if !key.may_be_present() => Truth::True,
        (Key::Other | Key::Chosen, _) | (_, Family::Other) => Truth::Unknown,
        (_, Family::Null) => test.wants_null(false),
        (Key::ByService, Family::Bool) => Truth::from(says(test, false)),
        (_, Family::Equals | Family::EqualsIgnoreCase | Family::Like | Family::Arn) => {
            match (test.operator.negated, cover(test, key)) {
                (false, Some(Cover::All)) | (true, None | Some(Cover::Nobody)) => Truth::True,
                (_, Some(Cover::Unknown)) => Truth::Unknown,
                _ => Truth::False,
            }
        }
        _ => Truth::Unknown,
    };
    present.and(absent)
}

fn says(test: &Test, wanted: bool) -> bool {
    test.values.iter().any(|value| value.text.eq_ignore_ascii_case(if wanted { "true" } else { "false" }))
}

/// Which strangers the values of a test cover together; nothing where it has none.
fn cover(test: &Test, key: Key) -> Option<Cover> {
    test.values.iter().map(|value| cover_of(value, test.operator.family, key)).max()
}

fn cover_of(value: &Value, family: Family, key: Key) -> Cover {
    // What the role's own account or organization is: as good as named.
    const OWN: [&str; 3] = ["aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths"];
    if value.variables().any(|key| !OWN.contains(&key.to_ascii_lowercase().as_str())) {
        return Cover::Unknown;
    }
    if !matches!(family, Family::Like | Family::Arn) {
        return Cover::Nobody;
    }
    let text = without_variables(&value.text);
    if is_anything(&text) {
        return Cover::All;
    }
    match key {
        Key::Arn | Key::SourceArn => of_arn(&text, key),
        Key::UserId => of_part(text.split(':').next().unwrap_or_default()),
        Key::OrganizationPath => of_part(text.split('/').next().unwrap_or_default()),
        _ => of_part(&text),
    }
}

/// Variables as one letter, so that what is around them can be looked at.
fn without_variables(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (_, after))) =
        rest.split_once("${").and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        plain.push_str(before);
        plain.push('x');
        rest = after;
    }
    plain + rest
}

fn is_anything(pattern: &str) -> bool {
    pattern.contains('*') && pattern.chars().all(|c| matches!(c, '*' | '?'))
}

/// The part of a value that tells strangers apart. Every organization's id begins with `o-`.
fn of_part(part: &str) -> Cover {
    match part.strip_prefix("o-").unwrap_or(part) {
        part if !part.contains(['*', '?']) => Cover::Nobody,
        part if is_anything(part) => Cover::Some,
        _ => Cover::Unknown,
    }
}

/// An ARN is of whom its account says; that of a bucket has none, and its name is unique.
fn of_arn(pattern: &str, key: Key) -> Cover {
    const DIGITS: usize = 12;
    let fields: Vec<&str> = pattern.splitn(6, ':').collect();
    let is_open = |field: &&str| field.ends_with('*');
    match (fields.get(4), fields.get(5)) {
        (Some(account), Some(name)) if account.is_empty() && key == Key::SourceArn => {
            let head = name.find(['*', '?']).unwrap_or(name.len());
            if head == 0 { Cover::Some } else { of_part(name.split('/').next().unwrap_or_default()) }
        }
        // Twelve digits, whatever follows.
        (Some(account), _)
            if !account.chars().take(DIGITS).any(|c| matches!(c, '*' | '?')) && account.len() >= DIGITS =>
        {
            Cover::Nobody
        }
        (Some(account), Some(name)) if is_anything(account) && is_anything(name) => Cover::All,
        (Some(account), None) if is_anything(account) => Cover::All,
        (Some(account), Some(_)) => of_part(account),
        (Some(_), None) => Cover::Unknown,
        // `arn:aws:*`: everything that may follow is open.
        (None, _) if fields.last().is_some_and(is_open) && fields.first() == Some(&"arn") => Cover::All,
        (None, _) if pattern.contains(['*', '?']) => Cover::Unknown,
        (None, _) => Cover::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn statement(effect: &str, condition: Json) -> Json {
        json!({"Effect": effect, "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition})
    }

    fn admits(statements: Json) -> Truth {
        let document = TrustDocument::from_value(&json!({"Version": "2012-10-17", "Statement": statements})).unwrap();
        document.admits_strangers(&document.statements[0])
    }

    fn allows(condition: Json) -> Truth {
        admits(json!([statement("Allow", condition)]))
    }

    #[test]
    fn keys_that_name_who_calls_keep_strangers_out() {
        for condition in [
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/argocd"}}),
            json!({"ArnEquals": {"AWS:PRINCIPALARN": ["arn:aws:iam::123456789012:role/*", "arn:aws:iam::210987654321:*"]}}),
            json!({"StringLike": {"aws:PrincipalArn": "arn:*:iam::123456789012*"}}),
            json!({"StringEquals": {"aws:PrincipalArn": "*"}}),
            json!({"StringEqualsIfExists": {"aws:PrincipalArn": "arn:aws:iam::123456789012:root"}}),
            json!({"StringEquals": {"aws:PrincipalAccount": ["123456789012", "210987654321"]}}),
            json!({"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::${aws:ResourceAccount}:role/*"}}),
            json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
            json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*"}}),
            json!({"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*/"}}),
            json!({"StringEquals": {"aws:SourceOrgID": "o-a1b2c3d4e5"}}),
            json!({"StringEquals": {"aws:SourceAccount": "123456789012"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::bucket"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:*"}}),
            json!({"StringEquals": {"aws:PrincipalServiceName": "cloudtrail.amazonaws.com"}}),
            json!({"ForAnyValue:StringEquals": {"aws:PrincipalServiceNamesList": "cloudtrail.amazonaws.com"}}),
            json!({"StringLike": {"aws:userid": "AROAEXAMPLE:*"}}),
            json!({"ForAllValues:StringEquals": {"aws:PrincipalAccount": "123456789012"}}),
            json!({"StringNotLike": {"aws:PrincipalArn": "*"}}),
            json!({"StringEquals": {"issuer.example/id/A:sub": "x"}}),
        ] {
            assert_eq!(allows(condition.clone()), Truth::False, "{condition}");
        }
    }

    #[test]
    fn conditions_that_strangers_meet_keep_nobody_out() {
        for condition in [
            json!({}),
            json!({"ArnLike": {"aws:PrincipalArn": "*"}}),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/argocd"}}),
            json!({"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*"}}),
            json!({"StringLike": {"aws:PrincipalArn": ["arn:aws:iam::123456789012:role/x", "arn:aws:*"]}}),
            json!({"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}}),
            json!({"StringNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/x"}}),
            json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
            json!({"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*"}}),
            json!({"StringEqualsIfExists": {"aws:SourceAccount": "123456789012"}}),
            json!({"StringNotEquals": {"aws:SourceArn": "arn:aws:s3:::bucket"}}),
            json!({"StringLike": {"aws:PrincipalOrgID": "o-*"}}),
            json!({"Null": {"aws:PrincipalOrgID": "false"}}),
            json!({"StringLike": {"aws:userid": "*:session"}}),
            json!({"Bool": {"aws:PrincipalIsAWSService": "false"}}),
            json!({"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"sts:RoleSessionName": "x"}}),
            json!({"StringNotEquals": {"issuer.example/id/A:sub": "x"}}),
        ] {
            assert_eq!(allows(condition.clone()), Truth::True, "{condition}");
        }
    }

    #[test]
    fn what_depends_on_other_things_is_unknown() {
        for condition in [
            json!({"StringLike": {"aws:PrincipalAccount": "1234*"}}),
            json!({"StringLike": {"aws:PrincipalOrgID": "o-a*"}}),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::12345678901?:role/x"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}),
            json!({"StringEquals": {"aws:PrincipalAccount": "${aws:PrincipalTag/account}"}}),
            json!({"StringEquals": {"aws:PrincipalTag/team": "data"}}),
            json!({"StringEquals": {"sts:ExternalId": "secret"}}),
            json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
            json!({"Bool": {"aws:PrincipalIsAWSService": "true"}}),
            json!({"Null": {"aws:SourceAccount": "false"}}),
            json!({"Frobnicate": {"aws:PrincipalArn": "x"}}),
        ] {
            assert_eq!(allows(condition.clone()), Truth::Unknown, "{condition}");
        }
    }

    #[test]
    fn a_deny_of_all_others_keeps_strangers_out() {
        let all = || statement("Allow", json!({}));
        for (condition, expected) in [
            (json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}), Truth::False),
            (
                json!({"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"},
                "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}),
                Truth::False,
            ),
            (json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/*"}}), Truth::False),
            (json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/argocd"}}), Truth::True),
            (json!({"StringEquals": {"aws:PrincipalAccount": "123456789012"}}), Truth::True),
            (
                json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}, "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
                Truth::True,
            ),
            (json!({"ForAnyValue:StringNotLike": {"aws:PrincipalOrgPaths": "o-1/*"}}), Truth::True),
            (json!({"Null": {"aws:PrincipalOrgID": "true"}}), Truth::True),
            (json!({}), Truth::False),
        ] {
            assert_eq!(admits(json!([all(), statement("Deny", condition.clone())])), expected, "{condition}");
        }
        let mut of_tokens = statement("Deny", json!({}));
        of_tokens["Action"] = json!("sts:AssumeRoleWithWebIdentity");
        assert_eq!(admits(json!([all(), of_tokens])), Truth::True);
    }
}
