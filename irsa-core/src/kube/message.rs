//! What the API server's messages are about, by their forms, where it gives no typed reason for a refusal: RBAC, quotas and
//! admission all answer `Forbidden`. Only text that the API server itself wrote decides, never what a policy or webhook adds.

/// The user that the API server takes a caller without credentials for (apiserver, `user.Anonymous`).
const ANONYMOUS: &str = "system:anonymous";

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// These credentials may not do it (apiserver, `responsewriters.forbiddenMessage`).
    Rights,
    /// The same for a caller without credentials.
    AnonymousRights,
    /// A ResourceQuota (apiserver, `plugin/resourcequota`).
    Quota,
    /// A webhook on the way has side effects, so that it does not take dry runs (apiserver, `NewDryRunUnsupportedErr`).
    DryRun,
    /// A webhook denies it (apiserver, `webhook/errors.ToStatusErr`), with a status of its own choice, or a policy or another
    /// admission plug-in does (`admission.NewForbidden`).
    Admission,
    /// Something else, or a message of another server.
    Other,
}

/// What a message is about.
pub(super) fn subject(message: &str) -> Subject {
    if let Some(rest) = message.strip_prefix("admission webhook ") {
        return match quoted(rest) {
            Some((_, " does not support dry run")) => Subject::DryRun,
            Some((_, rest)) if rest.starts_with(" denied the request") => Subject::Admission,
            _ => Subject::Other,
        };
    }
    match forbidden_because(message) {
        Some(why) if refused_user(why) == Some(ANONYMOUS) => Subject::AnonymousRights,
        Some(why) if refused_user(why).is_some() => Subject::Rights,
        Some(why) if why.starts_with("exceeded quota: ") || why.starts_with("status unknown for quota: ") => {
            Subject::Quota
        }
        Some(_) => Subject::Admission,
        None => Subject::Other,
    }
}

/// What stands behind `RESOURCE "NAME" is forbidden: `, `RESOURCE is forbidden: ` or `forbidden: ` at the beginning of a
/// message (apimachinery, `errors.NewForbidden`).
fn forbidden_because(message: &str) -> Option<&str> {
    if let Some(why) = message.strip_prefix("forbidden: ") {
        return Some(why);
    }
    let (resource, rest) = message.split_once(' ')?;
    if resource.is_empty() || !resource.chars().all(|c| c.is_ascii_alphanumeric() || "./-".contains(c)) {
        return None;
    }
    let rest = quoted(rest).map_or(rest, |(_, rest)| rest.strip_prefix(' ').unwrap_or(rest));
    rest.strip_prefix("is forbidden: ")
}

/// The user in `User "USER" cannot VERB resource "RESOURCE" in API group "GROUP"`, whatever follows, or in
/// `User "USER" cannot VERB path "PATH"`.
fn refused_user(why: &str) -> Option<&str> {
    let (user, rest) = quoted(why.strip_prefix("User ")?)?;
    let (verb, rest) = rest.strip_prefix(" cannot ")?.split_once(' ')?;
    if !verb.chars().all(|c| c.is_ascii_lowercase()) {
        return None;
    }
    if let Some(path) = rest.strip_prefix("path ") {
        return quoted(path).map(|_| user);
    }
    let (_, rest) = quoted(rest.strip_prefix("resource ")?)?;
    quoted(rest.strip_prefix(" in API group ")?).map(|_| user)
}

/// A string in quotation marks at the beginning of a text, as Go's `%q` writes it, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })?;
    Some((&inner[..end], &inner[end + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As real API servers (1.36) wrote them.
    #[test]
    fn messages_of_the_api_server_are_told_apart() {
        for (message, expected) in [
            (
                r#"serviceaccounts "z" is forbidden: User "weak" cannot patch resource "serviceaccounts" in API group "" in the namespace "ns""#,
                Subject::Rights,
            ),
            (
                r#"namespaces is forbidden: User "system:serviceaccount:a:b" cannot list resource "namespaces" in API group "" at the cluster scope"#,
                Subject::Rights,
            ),
            (
                r#"serviceaccounts "z" is forbidden: User "a \"b\"" cannot create resource "serviceaccounts/token" in API group "" in the namespace "ns": no such policy"#,
                Subject::Rights,
            ),
            (
                r#"forbidden: User "system:anonymous" cannot get path "/.well-known/openid-configuration""#,
                Subject::AnonymousRights,
            ),
            (
                r#"users "x" is forbidden: User "y" cannot impersonate resource "users" in API group "" at the cluster scope"#,
                Subject::Rights,
            ),
            (
                r#"serviceaccounts "q1" is forbidden: exceeded quota: q, requested: count/serviceaccounts=1, used: count/serviceaccounts=2, limited: count/serviceaccounts=2"#,
                Subject::Quota,
            ),
            (
                r#"serviceaccounts "q1" is forbidden: status unknown for quota: q, resources: count/serviceaccounts"#,
                Subject::Quota,
            ),
            (
                r#"serviceaccounts "a" is forbidden: ValidatingAdmissionPolicy 'demand' with binding 'demand' denied request: you cannot do this, metadata.uid does not support dry run"#,
                Subject::Admission,
            ),
            (r#"admission webhook "w.example" denied the request: does not support dry run"#, Subject::Admission),
            (r#"admission webhook "w.example" denied the request without explanation"#, Subject::Admission),
            (
                r#"serviceaccounts "a" is forbidden: unable to create new content in namespace x because it is being terminated"#,
                Subject::Admission,
            ),
            (r#"admission webhook "w.example" does not support dry run"#, Subject::DryRun),
            (r#"ServiceAccount "a" is invalid: metadata.uid: Invalid value: "u": field is immutable"#, Subject::Other),
            (r#"serviceaccounts "forbidden: User" not found"#, Subject::Other),
            ("the server rejected our request due to an error in our request", Subject::Other),
            ("", Subject::Other),
        ] {
            assert_eq!(subject(message), expected, "{message}");
        }
    }

    proptest! {
        /// Whatever a policy or a webhook says, it is a policy or a webhook that said it.
        #[test]
        fn what_others_say_decides_nothing(
            said in prop_oneof![
                ".*",
                Just(r#"User "x" cannot patch resource "serviceaccounts" in API group """#.to_owned()),
                Just("\": does not support dry run".to_owned()),
                Just(r#" is forbidden: User "x" cannot get path "/""#.to_owned()),
                Just("exceeded quota: q".to_owned()),
            ],
        ) {
            let webhook = format!("admission webhook \"w\" denied the request: {said}");
            prop_assert_eq!(subject(&webhook), Subject::Admission);
            let policy = format!("serviceaccounts \"a\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: {said}");
            prop_assert_eq!(subject(&policy), Subject::Admission);
            let invalid = format!("ServiceAccount \"a\" is invalid: metadata.annotations: Invalid value: {said:?}: {said}");
            prop_assert_eq!(subject(&invalid), Subject::Other);
        }
    }
}
