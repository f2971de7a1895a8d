//! Names of Kubernetes: namespaces, service accounts, labels and annotations.

use std::fmt;

use super::checked_string;

checked_string! {
    /// A namespace: a DNS label, at most 63 characters of `a-z 0-9 -`.
    ///
    /// Source: Kubernetes documentation, "Object Names and IDs", DNS-1123 label.
    Namespace, "namespace", namespace
}

checked_string! {
    /// The name of a service account: a DNS subdomain, at most 253 characters of `a-z 0-9 - .`.
    ///
    /// Source: Kubernetes documentation, "Object Names and IDs", DNS-1123 subdomain.
    ServiceAccountName, "service account name", service_account_name
}

checked_string! {
    /// A pattern for names of service accounts: `*` stands for any characters, `?` for one.
    ///
    /// Source: IAM user guide, "String condition operators", `StringLike`.
    ServiceAccountPattern, "service account pattern", service_account_pattern
}

checked_string! {
    /// The key of an annotation: `[PREFIX/]NAME`, the prefix a DNS subdomain, the name at most 63 characters.
    ///
    /// Source: Kubernetes documentation, "Annotations", syntax.
    AnnotationKey, "annotation key", qualified_name
}

checked_string! {
    /// The key of a label: `[PREFIX/]NAME`, the prefix a DNS subdomain, the name at most 63 characters.
    ///
    /// Source: Kubernetes documentation, "Labels and Selectors", syntax.
    LabelKey, "label key", qualified_name
}

checked_string! {
    /// The value of a label: at most 63 characters of `A-Z a-z 0-9 - _ .`, letters or digits at both ends.
    ///
    /// Source: Kubernetes documentation, "Labels and Selectors", syntax.
    LabelValue, "label value", label_value
}

/// A service account within its cluster, written `NAMESPACE/NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServiceAccountRef<'a> {
    namespace: &'a Namespace,
    name: &'a ServiceAccountName,
}

impl<'a> ServiceAccountRef<'a> {
    pub(crate) fn new(namespace: &'a Namespace, name: &'a ServiceAccountName) -> Self {
        Self { namespace, name }
    }
}

impl fmt::Display for ServiceAccountRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl ServiceAccountPattern {
    /// Whether the pattern covers a name.
    pub fn matches(&self, name: &str) -> bool {
        wildmatch::WildMatch::new(self.as_str()).matches(name)
    }
}

fn dns_label(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.starts_with(ends)
        && text.ends_with(ends)
        && text.chars().all(|c| ends(c) || c == '-')
}

fn dns_subdomain(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &str| part.starts_with(ends) && part.ends_with(ends) && part.chars().all(|c| ends(c) || c == '-');
    (1..=253).contains(&text.len()) && text.split('.').all(part)
}

fn namespace(text: &str) -> Result<(), String> {
    let rule = "must be 1 to 63 characters of a-z 0-9 -, letters or digits at both ends";
    dns_label(text).then_some(()).ok_or_else(|| rule.to_owned())
}

fn service_account_name(text: &str) -> Result<(), String> {
    let rule = "must be 1 to 253 characters of a-z 0-9 - and ., letters or digits at both ends of each part";
    dns_subdomain(text).then_some(()).ok_or_else(|| rule.to_owned())
}

fn service_account_pattern(text: &str) -> Result<(), String> {
    let rule = "must be 1 to 253 characters of a-z 0-9 - . with at least one * or ?";
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.*?".contains(c);
    let ok = (1..=253).contains(&text.len()) && text.contains(['*', '?']) && text.chars().all(allowed);
    ok.then_some(()).ok_or_else(|| rule.to_owned())
}

fn name_part(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.starts_with(ends)
        && text.ends_with(ends)
        && text.chars().all(|c| ends(c) || "-_.".contains(c))
}

fn qualified_name(text: &str) -> Result<(), String> {
    let ok = match text.split_once('/') {
        Some((prefix, name)) => dns_subdomain(prefix) && name_part(name),
        None => name_part(text),
    };
    let rule = "must be [PREFIX/]NAME: the prefix a DNS name, the name 1 to 63 characters of A-Z a-z 0-9 - _ .";
    ok.then_some(()).ok_or_else(|| rule.to_owned())
}

fn label_value(text: &str) -> Result<(), String> {
    let rule = "must be at most 63 characters of A-Z a-z 0-9 - _ ., letters or digits at both ends";
    (text.is_empty() || name_part(text)).then_some(()).ok_or_else(|| rule.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_follow_dns() {
        for good in ["a", "my-serviceaccount", "a.b-c.d", "1", &"a".repeat(253)] {
            assert!(ServiceAccountName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "My_SA", "a..b", "-a", "a-", "a.-b", &"a".repeat(254)] {
            assert!(ServiceAccountName::new(bad).is_err(), "{bad}");
        }
        assert!(Namespace::new("kube-system").is_ok());
        for bad in ["a.b", "", &"a".repeat(64)] {
            assert!(Namespace::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_need_a_wildcard_and_match_as_iam_does() {
        assert!(ServiceAccountPattern::new("job").is_err());
        let pattern = ServiceAccountPattern::new("job-?*");
        assert!(pattern.as_ref().is_ok_and(|p| p.matches("job-a.b") && !p.matches("job-") && !p.matches("xjob-a")));
    }

    #[test]
    fn keys_have_one_optional_prefix() {
        for good in ["a", "eks.amazonaws.com/role-arn", "A_b.c"] {
            assert!(AnnotationKey::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "UP.per/x", "a b"] {
            assert!(LabelKey::new(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,70}") {
            let _ = (Namespace::new(&text), ServiceAccountName::new(&text), ServiceAccountPattern::new(&text));
            let _ = (AnnotationKey::new(&text), LabelValue::new(&text));
        }
    }
}
