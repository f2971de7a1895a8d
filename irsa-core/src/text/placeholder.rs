//! Placeholders: the parts of a text that somebody has yet to fill in, such as `${ACCOUNT_ID}`, `<account>` or `REPLACE_ME`.
//!
//! This is the one place that knows what they look like. Policy variables of IAM (`${aws:PrincipalTag/team}`, `${*}`) are not
//! placeholders, nor are AWS's example values (account 111122223333, id EXAMPLED539D4633E53DE1B71EXAMPLE).

use std::ops::Range;

/// The longest placeholder between delimiters, in bytes.
const MAX_DELIMITED: usize = 200;

/// A part of a text that has yet to be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placeholder<'a> {
    /// The part as written, with its delimiters.
    pub(crate) text: &'a str,
    /// Its position, in bytes.
    pub(crate) start: usize,
}

/// Returns the placeholders of a text in their order. They do not overlap.
pub(crate) fn placeholders(text: &str) -> Vec<Placeholder<'_>> {
    let Delimited { mut found, skipped } = delimited(text);
    let is_free = |found: &[Range<usize>], span: &Range<usize>| {
        !found.iter().chain(&skipped).any(|other| other.start < span.end && span.start < other.end)
    };
    for span in arn_fields(text, &found).into_iter().chain(eks_regions(text)).chain(words(text)) {
        if is_free(&found, &span) {
            found.push(span);
        }
    }
    found.sort_by_key(|span| span.start);
    found.into_iter().filter_map(|span| Some(Placeholder { start: span.start, text: text.get(span)? })).collect()
}

/// Parts between delimiters: placeholders, and policy variables, which are to be left alone.
#[derive(Default)]
struct Delimited {
    found: Vec<Range<usize>>,
    skipped: Vec<Range<usize>>,
}

enum Part {
    Placeholder(usize),
    Variable(usize),
}

fn delimited(text: &str) -> Delimited {
    let mut parts = Delimited::default();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        at += match delimited_part(rest) {
            Some(Part::Placeholder(length)) => {
                parts.found.push(at..at + length);
                length
            }
            Some(Part::Variable(length)) => {
                parts.skipped.push(at..at + length);
                length
            }
            None => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    parts
}

/// The placeholder or policy variable that a text begins with.
fn delimited_part(text: &str) -> Option<Part> {
    let found = |length: Option<usize>| length.map(Part::Placeholder);
    match text.as_bytes().first()? {
        b'$' => match text.as_bytes().get(1)? {
            b'{' => {
                let length = enclosed(text, "${", "}")?;
                let inside = text.get(2..length - 1)?.trim();
                Some(if is_policy_variable(inside) { Part::Variable(length) } else { Part::Placeholder(length) })
            }
            b'(' => found(enclosed(text, "$(", ")")),
            _ => found(shell_variable(text)),
        },
        b'<' => found(enclosed(text, "<<", ">>").or_else(|| enclosed(text, "<", ">"))),
        b'{' => found(enclosed(text, "{{", "}}").or_else(|| {
            let length = enclosed(text, "{", "}")?;
            is_identifier(text.get(1..length - 1)?).then_some(length)
        })),
        b'[' => {
            let length = enclosed(text, "[", "]")?;
            let inside = text.get(1..length - 1)?;
            let is_words = inside.chars().all(|c| c.is_ascii_alphanumeric() || "_- ".contains(c));
            found((is_words && (inside.contains(['_', ' ']) || is_word(inside))).then_some(length))
        }
        b'%' => found(format_directive(text)),
        b'@' => found(enclosed(text, "@", "@").filter(|length| text.get(1..length - 1).is_some_and(is_constant))),
        _ => None,
    }
}

/// The length of a part between two delimiters, which holds one line and no delimiter but in pairs.
fn enclosed(text: &str, open: &str, close: &str) -> Option<usize> {
    let inside = text.strip_prefix(open)?;
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(rest) = inside.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(close) && depth == 0 {
            let starts_well =
                inside.starts_with(|c: char| !c.is_whitespace() && c != '=' || matches!(open, "{{" | "${"));
            return (at > 0 && starts_well).then_some(open.len() + at + close.len());
        }
        match rest.chars().next()? {
            '\n' => return None,
            '{' if close == "}" => depth += 1,
            '}' if close == "}" => depth = depth.saturating_sub(1),
            '(' if close == ")" => depth += 1,
            ')' if close == ")" => depth = depth.saturating_sub(1),
            '<' if close == ">" => return None,
            c => at += c.len_utf8() - 1,
        }
        at += 1;
        if at > MAX_DELIMITED {
            return None;
        }
    }
    None
}

/// Whether `${...}` is a policy variable: a condition key, perhaps with a default, or an escaped character.
///
/// Source: IAM user guide, "IAM policy elements: Variables and tags".
fn is_policy_variable(inside: &str) -> bool {
    // Prefixes of the Serverless Framework, which no service of AWS has.
    const TEMPLATES: [&str; 6] = ["self", "opt", "env", "param", "sls", "cf"];
    if matches!(inside, "*" | "?" | "$") {
        return true;
    }
    let key = inside.split_once(',').map_or(inside, |(key, _)| key);
    key.split_once(':').is_some_and(|(service, name)| {
        let is_key = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
        !service.is_empty()
            && service.chars().all(is_key)
            && !TEMPLATES.contains(&service)
            && !name.is_empty()
            // `${AWS::AccountId}` is of CloudFormation, `${NAME:-default}` of shells.
            && !name.starts_with([':', '-', '=', '?', '+'])
    })
}

/// `$NAME`. Some parts of ARNs begin with `$` and mean themselves.
fn shell_variable(text: &str) -> Option<usize> {
    const LITERAL: [&str; 7] = ["LATEST", "Latest", "Default", "default", "connect", "disconnect", "aws"];
    let name = text.strip_prefix('$')?;
    let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    let name = name.get(..length)?;
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && !LITERAL.contains(&name))
        .then_some(1 + length)
}

/// `%s` and its like, `%(name)s`, `%NAME%`.
fn format_directive(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('%')?;
    let (directive, named) = match enclosed(rest, "(", ")").or_else(|| enclosed(rest, "[", "]")) {
        Some(length) => (rest.get(length..)?, length),
        None => {
            let position = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| rest[*at..].starts_with('$'));
            position.map_or((rest, 0), |at| (&rest[at + 1..], at + 1))
        }
    };
    let mut letters = directive.chars();
    let is_directive = matches!(letters.next(), Some('s' | 'd' | 'v' | 'q'))
        && !letters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    if is_directive {
        return Some(1 + named + 1);
    }
    let length = enclosed(text, "%", "%")?;
    // Two hexadecimal digits between percent signs are of an encoded text.
    let name = text.get(1..length - 1)?;
    (is_constant(name) && name.len() > 2).then_some(length)
}

fn is_identifier(text: &str) -> bool {
    // Bitbucket writes UUIDs in braces.
    let is_uuid = text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    !is_uuid
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// Whether it is written as the names of constants are: `ACCOUNT_ID`.
fn is_constant(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-".contains(c))
}

/// Partition and account of an ARN where they are none (AWS General Reference, "Amazon Resource Names").
fn arn_fields(text: &str, delimited: &[Range<usize>]) -> Vec<Range<usize>> {
    let inside = |at: usize| delimited.iter().any(|span| span.contains(&at));
    let colons: Vec<usize> = text.match_indices(':').map(|(at, _)| at).filter(|at| !inside(*at)).take(5).collect();
    let [scheme, partition, _, region, account] = colons[..] else { return Vec::new() };
    if text.get(..scheme) != Some("arn") {
        return Vec::new();
    }
    let is_wild = |field: &str| field.contains(['*', '?']);
    let is_partition =
        |field: &str| field.starts_with("aws") && field.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    // `aws` has the managed policies, `cloudfront` its identities.
    let is_account = |field: &str| field.chars().all(|c| c.is_ascii_digit()) || matches!(field, "aws" | "cloudfront");
    type IsValid<'a> = &'a dyn Fn(&str) -> bool;
    let fields: [(Range<usize>, IsValid<'_>); 2] =
        [(scheme + 1..partition, &is_partition), (region + 1..account, &is_account)];
    let is_open = |(span, is_valid): &(Range<usize>, IsValid<'_>)| {
        text.get(span.clone()).is_some_and(|field| !field.is_empty() && !is_wild(field) && !is_valid(field))
    };
    fields.into_iter().filter(is_open).map(|(span, _)| span).collect()
}

/// The region of issuers of EKS where it is none, such as `region-code` in AWS's own examples.
fn eks_regions(text: &str) -> Vec<Range<usize>> {
    let is_region = |label: &str| {
        label.rsplit_once('-').is_some_and(|(head, number)| {
            !number.is_empty()
                && number.chars().all(|c| c.is_ascii_digit())
                && head.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        })
    };
    let hosts = text.match_indices("oidc.eks.").chain(text.match_indices("oidc-eks."));
    let labels = hosts.filter_map(|(at, host)| {
        let start = at + host.len();
        let length = text.get(start..)?.find('.')?;
        Some(start..start + length)
    });
    let is_open = |span: &Range<usize>| {
        text.get(span.clone()).is_some_and(|label| {
            !label.is_empty()
                && !is_region(label)
                && label.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        })
    };
    labels.filter(is_open).collect()
}

fn words(text: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = text.get(at..).and_then(|rest| rest.find(is_part)) {
        let start = at + begin;
        let rest = &text[start..];
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if is_word(&rest[..length]) {
            found.push(start..start + length);
        }
        at = start + length;
    }
    found
}

/// Whether a word without delimiters is a placeholder. Words that could be names of something are none.
fn is_word(word: &str) -> bool {
    /// Whatever the case, and with or without `-` and `_`.
    const ANY_CASE: [&str; 8] = [
        "accountid",
        "accountnumber",
        "awsaccountid",
        "awsaccountnumber",
        "changeme",
        "fillmein",
        "regioncode",
        "replaceme",
    ];
    const IMPERATIVES: [&str; 6] = ["YOUR", "REPLACE", "INSERT", "CHANGE", "ENTER", "FILL"];
    const MARKS: [&str; 5] = ["PLACEHOLDER", "TODO", "FIXME", "TBD", "CHANGEME"];
    let plain: String = word.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    if ANY_CASE.contains(&plain.as_str()) || ((4..=40).contains(&plain.len()) && plain.chars().all(|c| c == 'x')) {
        return true;
    }
    let is_yours =
        word.get(..5).is_some_and(|head| ["your-", "your_"].iter().any(|yours| head.eq_ignore_ascii_case(yours)));
    if is_yours {
        return true;
    }
    let is_upper = word.chars().any(|c| c.is_ascii_uppercase()) && !word.chars().any(|c| c.is_ascii_lowercase());
    let parts: Vec<&str> = word.split(['-', '_']).filter(|part| !part.is_empty()).collect();
    let ([first, ..], [.., last]) = (&parts[..], &parts[..]) else { return false };
    if !is_upper {
        return false;
    }
    let is_marked = parts.iter().any(|part| MARKS.contains(part))
        || (word.len() > 4 && word.starts_with("__") && word.ends_with("__"))
        || (parts.len() > 1 && (IMPERATIVES.contains(first) || *last == "HERE"));
    match parts.len() {
        _ if is_marked => true,
        1 => SINGLE.contains(first),
        _ => LAST.contains(last) && parts.iter().all(|part| LAST.contains(part) || OTHERS.contains(part)),
    }
}

/// Words that stand for what they name where they are written alone, in capitals.
const SINGLE: [&str; 19] = [
    "ACCOUNT",
    "ACCOUNTID",
    "AUDIENCE",
    "BRANCH",
    "GROUP",
    "ISSUER",
    "NAME",
    "NAMESPACE",
    "ORG",
    "ORGANIZATION",
    "OWNER",
    "PARTITION",
    "PROJECT",
    "REGION",
    "REPO",
    "REPOSITORY",
    "SERVICEACCOUNT",
    "SUBJECT",
    "WORKSPACE",
];

/// Words that a placeholder of several ends in.
const LAST: [&str; 22] = [
    "ACCOUNT",
    "ARN",
    "BRANCH",
    "BUCKET",
    "DOMAIN",
    "HOST",
    "HOSTPATH",
    "ID",
    "ISSUER",
    "NAME",
    "NAMESPACE",
    "NUMBER",
    "ORG",
    "ORGANIZATION",
    "OWNER",
    "PATH",
    "PROVIDER",
    "REGION",
    "REPO",
    "REPOSITORY",
    "URI",
    "URL",
];

/// Words that others of its words may be.
const OTHERS: [&str; 37] = [
    "ACCT",
    "APP",
    "AWS",
    "CLIENT",
    "CLUSTER",
    "EKS",
    "ENV",
    "ENVIRONMENT",
    "EXTERNAL",
    "GITHUB",
    "GITLAB",
    "GROUP",
    "HOSTED",
    "IAM",
    "IDENTITY",
    "K8S",
    "KEY",
    "KMS",
    "KUBERNETES",
    "MY",
    "NS",
    "OIDC",
    "POLICY",
    "POOL",
    "PROJECT",
    "QUEUE",
    "ROLE",
    "S3",
    "SA",
    "SERVICE",
    "SERVICEACCOUNT",
    "TABLE",
    "TENANT",
    "TOPIC",
    "USER",
    "VPC",
    "ZONE",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<&str> {
        placeholders(text).into_iter().map(|placeholder| placeholder.text).collect()
    }

    #[test]
    fn finds_what_documentation_and_templates_leave_open() {
        for (text, expected) in [
            ("arn:aws:iam::ACCOUNT_ID:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/AAAA", vec!["ACCOUNT_ID"]),
            ("arn:aws:iam::AWS-account-ID:root", vec!["AWS-account-ID"]),
            ("arn:aws:iam::account:role/r", vec!["account"]),
            ("arn:aws:iam::XXXXXXXXXXXX:role/r", vec!["XXXXXXXXXXXX"]),
            ("arn:${AWS::Partition}:iam::${AWS::AccountId}:root", vec!["${AWS::Partition}", "${AWS::AccountId}"]),
            ("arn:PARTITION:iam::123456789012:root", vec!["PARTITION"]),
            (
                "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root",
                vec!["${data.aws_caller_identity.current.account_id}"],
            ),
            ("arn:aws:iam::1234${SUFFIX}:root", vec!["${SUFFIX}"]),
            ("oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub", vec!["region-code"]),
            ("oidc.eks.${AWS_REGION}.amazonaws.com/id/<OIDC_ID>:aud", vec!["${AWS_REGION}", "<OIDC_ID>"]),
            ("oidc.eks.REGION.amazonaws.com/id/XXXXXXXX", vec!["REGION", "XXXXXXXX"]),
            ("system:serviceaccount:NAMESPACE:NAME", vec!["NAMESPACE", "NAME"]),
            ("system:serviceaccount:<namespace>:<service account>", vec!["<namespace>", "<service account>"]),
            ("system:serviceaccount:{{ .Release.Namespace }}:{{name}}", vec!["{{ .Release.Namespace }}", "{{name}}"]),
            ("system:serviceaccount:{namespace}:%s", vec!["{namespace}", "%s"]),
            ("$PROVIDER_ARN", vec!["$PROVIDER_ARN"]),
            ("${ISSUER_HOSTPATH}:sub", vec!["${ISSUER_HOSTPATH}"]),
            ("${VAR:-default}", vec!["${VAR:-default}"]),
            ("${self:custom.account}", vec!["${self:custom.account}"]),
            ("$(aws sts get-caller-identity --query Account)", vec!["$(aws sts get-caller-identity --query Account)"]),
            ("repo:ORG/REPO:ref:refs/heads/BRANCH", vec!["ORG", "REPO", "BRANCH"]),
            ("repo:your-org/your_repo:*", vec!["your-org", "your_repo"]),
            ("[ACCOUNT_ID] [account_id] [your account]", vec!["[ACCOUNT_ID]", "[account_id]", "[your account]"]),
            ("%(account)s %[1]s %2$s %ACCOUNT_ID% %d", vec!["%(account)s", "%[1]s", "%2$s", "%ACCOUNT_ID%", "%d"]),
            ("@ACCOUNT_ID@ __ACCOUNT__ <<account>>", vec!["@ACCOUNT_ID@", "__ACCOUNT__", "<<account>>"]),
            (
                "REPLACE_ME changeme INSERT_ROLE_HERE MY_ORG TODO",
                vec!["REPLACE_ME", "changeme", "INSERT_ROLE_HERE", "MY_ORG", "TODO"],
            ),
            (
                "AWS_ACCOUNT_ID OIDC_PROVIDER EKS_CLUSTER_NAME S3_BUCKET_NAME",
                vec!["AWS_ACCOUNT_ID", "OIDC_PROVIDER", "EKS_CLUSTER_NAME", "S3_BUCKET_NAME"],
            ),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn leaves_values_and_policy_variables_alone() {
        for text in [
            "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
            "arn:aws-us-gov:iam::123456789012:role/gen3_service/ADMIN_ROLE",
            "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
            "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1",
            "arn:aws:iam::*:role/argocd",
            "arn:aws:iam::12:role/too-few-digits",
            "arn:aws:s3:::bucket/${aws:PrincipalTag/team}/*",
            "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
            "arn:aws:execute-api:us-east-1:123456789012:api/$default/GET/{proxy+}",
            "arn:aws:iot:us-east-1:123456789012:topic/$aws/things/x",
            "system:serviceaccount:${aws:PrincipalTag/ns, 'default'}:app",
            "system:serviceaccount:ns:${oidc.eks.us-east-1.amazonaws.com/id/A:sub}",
            "${*}${?}${$}",
            "system:serviceaccount:account:name",
            "system:serviceaccount:my-namespace:my-service-account",
            "system:serviceaccount:jobs:job-[a-z]*",
            "oidc.eks.*.amazonaws.com/id/A",
            "repo:my-org/todo:ref:refs/heads/main",
            "{c2f1d0e3-7f5e-4c8e-9a35-1d9c3ff2f5a1}:{a1b2c3d4-0000-4c8e-9a35-1d9c3ff2f5a1}",
            "EKS_CLUSTER_ROLE",
            "ROLE",
            "a < b and c > d",
            "%7B%22Version%22%3A%C3%A9%7D",
            "100% sure, 50%discount",
            "me@example.com",
            "",
            "$",
            "${",
            "<>",
            "{}",
            "[]",
            "%",
            "%%",
        ] {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_never_overlaps(text in r"[$<>{}\[\]()%@:._, \nA-Za-z0-9é-]{0,60}", arn in any::<bool>()) {
            let text = if arn { format!("arn:aws:{text}") } else { text };
            let mut end = 0;
            for placeholder in placeholders(&text) {
                prop_assert!(placeholder.start >= end && !placeholder.text.is_empty());
                prop_assert_eq!(text.get(placeholder.start..placeholder.start + placeholder.text.len()), Some(placeholder.text));
                end = placeholder.start + placeholder.text.len();
            }
        }
    }
}
