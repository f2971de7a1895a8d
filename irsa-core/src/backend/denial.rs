//! What a refusal of AWS says itself: the action that is missing, and the policy that stands in its way.
//!
//! Source: IAM user guide, "Troubleshoot access denied error messages". Since 2026 the ARN of the policy may follow.

use crate::hint::{Hint, Obstacle};

/// What to do about a refusal with this message.
pub(super) fn hint(message: &str) -> Hint {
    match parse(message) {
        Some((action, obstacle)) => Hint::GrantAction { action: action.to_owned(), obstacle },
        None => Hint::GrantPermissions,
    }
}

fn parse(message: &str) -> Option<(&str, Option<Obstacle>)> {
    let (_user, rest) = message.split_once(" is not authorized to perform: ")?;
    let (action, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (service, name) = action.split_once(':')?;
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !is_word(service) || !is_word(name) {
        return None;
    }
    let obstacle = match (rest.split_once(" with an explicit deny in a"), rest.split_once(" because no ")) {
        // "a service control policy" or "an identity-based policy", then the end or the ARN of the policy.
        (Some((_, text)), _) => {
            let policy = text.trim_start_matches('n').trim_start();
            let policy = policy.split([':', '(', '\n']).next().unwrap_or(policy).trim_end_matches(['.', ' ']);
            Some(Obstacle { policy: policy.to_owned(), is_explicit: true })
        }
        (None, Some((_, text))) => {
            let policy = text.split(" allows ").next().unwrap_or(text);
            Some(Obstacle { policy: policy.to_owned(), is_explicit: false })
        }
        (None, None) => None,
    };
    // What no policy of the caller allows is only missing.
    Some((action, obstacle.filter(|found| found.is_explicit || found.policy != "identity-based policy")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(rest: &str) -> Option<(String, Option<(String, bool)>)> {
        let message =
            format!("User: arn:aws:sts::123456789012:assumed-role/a b/s is not authorized to perform: {rest}");
        let (action, obstacle) = parse(&message)?;
        Some((action.to_owned(), obstacle.map(|found| (found.policy, found.is_explicit))))
    }

    #[test]
    fn action_and_policy_are_those_of_the_message() {
        let role = "iam:CreateRole on resource: arn:aws:iam::123456789012:role/r";
        for (end, obstacle) in [
            ("", None),
            (" because no identity-based policy allows the iam:CreateRole action", None),
            (
                " because no permissions boundary allows the iam:CreateRole action",
                Some(("permissions boundary", false)),
            ),
            (
                " because no service control policy allows the iam:CreateRole action",
                Some(("service control policy", false)),
            ),
            (" because no session policy allows the iam:CreateRole action", Some(("session policy", false))),
            (" with an explicit deny in a service control policy", Some(("service control policy", true))),
            (" with an explicit deny in an identity-based policy", Some(("identity-based policy", true))),
            (" with an explicit deny in a permissions boundary.", Some(("permissions boundary", true))),
            (
                " with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/p-1",
                Some(("service control policy", true)),
            ),
        ] {
            let obstacle = obstacle.map(|(policy, is_explicit)| (policy.to_owned(), is_explicit));
            assert_eq!(parsed(&format!("{role}{end}")), Some(("iam:CreateRole".to_owned(), obstacle)), "{end}");
        }
        assert_eq!(parsed("eks:DescribeCluster"), Some(("eks:DescribeCluster".to_owned(), None)));
    }

    #[test]
    fn other_texts_say_nothing() {
        for text in ["", "Access denied", "User: u is not authorized to do iam:CreateRole", "no explicit deny in a x"] {
            assert_eq!(hint(text), Hint::GrantPermissions, "{text}");
        }
        for rest in ["", "iam", "iam:", ":CreateRole", "iam:<script> on"] {
            assert_eq!(parsed(rest), None, "{rest}");
        }
    }
}
