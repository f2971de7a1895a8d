//! Principals that can never use the action of their statement: it is for tokens, and they are principals of AWS.

use super::draft::Raw;
use super::messages;
use super::parsed_role::Reading;
use super::rules::FindingId;
use crate::trust::evaluate::document::Effect;

/// Finds Allow statements about `sts:AssumeRoleWithWebIdentity` for principals of AWS accounts and services, which call
/// `sts:AssumeRole`.
///
/// Source: STS API reference, `AssumeRoleWithWebIdentity`: a call without credentials, whose principal is that of the token.
pub(in crate::trust) fn unusable_principals(reading: &Reading<'_>, raw: &mut Vec<Raw>) {
    for (index, statement) in reading.document.statements.iter().enumerate() {
        let principal = &statement.principal;
        let only_for_tokens = statement.concerns && !statement.assumes;
        if statement.effect != Effect::Allow || !only_for_tokens || principal.inverted || principal.everyone {
            continue;
        }
        // Whether the wildcard covers callers with a token is not documented.
        let named = principal.others.iter().filter(|(_, text)| text != "*");
        let unusable: Vec<String> = named.map(|(kind, text)| format!("{kind} {text}")).collect();
        if unusable.is_empty() {
            continue;
        }
        let alone = principal.federated.is_empty() && !principal.is_all_of_aws();
        let who = if alone { "nobody can assume the role" } else { "some of its principals cannot assume the role" };
        let message = format!(
            "{who} by it: {} would have to call sts:AssumeRole, and its action is {}",
            messages::few(&unusable),
            statement.actions.join(", ")
        );
        let mut found = Raw::new(FindingId::AdmitsNobody, index, message);
        found.evidence = unusable.into_iter().take(messages::MAX_LISTED).collect();
        raw.push(found);
    }
}

#[cfg(test)]
mod tests {
    use crate::trust::audit::Surroundings;
    use crate::trust::audit::fixtures::{HOST, arn, found_in, role};
    use crate::trust::audit::rules::FindingId;
    use serde_json::{Value, json};

    const WEB: &str = "sts:AssumeRoleWithWebIdentity";

    fn found(principal: Value, action: Value) -> Vec<(FindingId, String)> {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": action});
        let found = found_in(&role(statement), &Surroundings::default());
        found.into_iter().map(|finding| (finding.id, finding.message)).collect()
    }

    #[test]
    fn principals_of_aws_have_no_tokens() {
        for principal in [
            json!({"AWS": "arn:aws:iam::123456789012:root"}),
            json!({"AWS": ["123456789012", "arn:aws:iam::123456789012:role/argocd"]}),
            json!({"Service": "ec2.amazonaws.com"}),
        ] {
            for action in [json!(WEB), json!([WEB, "sts:TagSession"])] {
                let found = found(principal.clone(), action);
                let [(FindingId::AdmitsNobody, message)] = &found[..] else { panic!("{principal}: {found:?}") };
                assert!(message.starts_with("nobody can assume the role by it: "), "{message}");
            }
        }
        let mixed = found(json!({"AWS": "123456789012", "Federated": arn(HOST)}), json!(WEB));
        let message = mixed.iter().find(|(id, _)| *id == FindingId::AdmitsNobody).map(|(_, message)| message);
        assert!(message.is_some_and(|message| message.starts_with("some of its principals cannot")), "{mixed:?}");
    }

    #[test]
    fn an_action_that_they_can_use_is_no_finding() {
        let root = || json!({"AWS": "arn:aws:iam::123456789012:root"});
        for action in [json!("sts:AssumeRole"), json!("sts:*"), json!([WEB, "sts:AssumeRole"]), json!("sts:TagSession")]
        {
            assert_eq!(found(root(), action.clone()), [], "{action}");
        }
        let wild = found(json!({"AWS": "*"}), json!(WEB));
        assert!(wild.iter().all(|(id, _)| *id != FindingId::AdmitsNobody), "{wild:?}");
    }
}
