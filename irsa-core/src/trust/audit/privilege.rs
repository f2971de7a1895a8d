//! Whether a role can do so much that who assumes it matters more.

use serde_json::Value;

use super::AuditedRole;
use crate::document::{parse_strict, statements, strings};
use crate::trust::evaluate::glob::Glob;

/// AWS-managed policies that can give everything, or give themselves everything (AWS managed policy reference).
const POWERFUL: [&str; 3] = ["AdministratorAccess", "IAMFullAccess", "PowerUserAccess"];

/// Why a role is powerful, in words; nothing where it is not known to be.
///
/// What a managed policy allows is known where its document is, or its name. A Deny elsewhere is not weighed.
pub(in crate::trust) fn power(role: &AuditedRole) -> Option<String> {
    let managed = role.attached.iter().find(|arn| {
        let name = arn.split_once(":iam::aws:policy/").map(|(_, name)| name);
        name.is_some_and(|name| POWERFUL.contains(&name))
    });
    let why = match managed {
        Some(arn) => format!("{arn} is attached"),
        None => {
            let managed = role.managed.iter().find_map(|(arn, document)| Some(allows(arn, &power_of(document)?)));
            let inline =
                || role.inline.iter().find_map(|document| Some(allows("an inline policy", &power_of(document)?)));
            managed.or_else(inline)?
        }
    };
    Some(match &role.permissions_boundary {
        Some(boundary) => format!("{why}, within the boundary {boundary}"),
        None => why,
    })
}

fn allows(policy: &str, action: &str) -> String {
    format!("{policy} allows {action} on every resource")
}

/// What a document allows that makes a role powerful.
fn power_of(document: &str) -> Option<String> {
    let document = parse_strict("policy", document).ok()?;
    statements(&document).find_map(|statement| {
        let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        let everywhere = strings(statement.get("Resource")).iter().any(|resource| resource == "*");
        if !allows || !everywhere || statement.contains_key("Condition") {
            return None;
        }
        if statement.contains_key("NotAction") {
            let left_out = strings(statement.get("NotAction"));
            let iam_is_left_out = left_out.iter().any(|action| covers(action, "iam:*"));
            return (!iam_is_left_out).then(|| format!("all but {}", left_out.join(", ")));
        }
        strings(statement.get("Action")).into_iter().find(|action| is_powerful(action))
    })
}

fn is_powerful(action: &str) -> bool {
    ["iam:*", "sts:assumerole"].iter().any(|power| covers(action, power))
}

/// Whether an action with wildcards covers another; actions have no case (IAM user guide, "Action").
fn covers(action: &str, other: &str) -> bool {
    Glob::wild(&action.to_ascii_lowercase()).covers(&Glob::wild(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_inline(statement: Value) -> Option<String> {
        let inline = vec![json!({"Version": "2012-10-17", "Statement": statement}).to_string()];
        power(&AuditedRole { inline, ..AuditedRole::default() })
    }

    #[test]
    fn managed_policies_are_known_by_name() {
        let of = |arn: &str| power(&AuditedRole { attached: vec![arn.to_owned()], ..AuditedRole::default() });
        for arn in ["arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws-cn:iam::aws:policy/IAMFullAccess"] {
            assert!(of(arn).is_some_and(|why| why.contains(arn)), "{arn}");
        }
        for arn in ["arn:aws:iam::123456789012:policy/AdministratorAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"] {
            assert_eq!(of(arn), None);
        }
    }

    #[test]
    fn managed_policies_are_looked_into_where_they_are_known() {
        let document = json!({"Statement": {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}}).to_string();
        let managed = [("arn:aws:iam::123456789012:policy/team".to_owned(), document.into())].into();
        let why = power(&AuditedRole { managed, ..AuditedRole::default() }).unwrap();
        assert_eq!(why, "arn:aws:iam::123456789012:policy/team allows iam:* on every resource");
    }

    #[test]
    fn inline_policies_are_looked_into() {
        for action in ["*", "iam:*", "IAM:*", "sts:*", "sts:AssumeRole", "sts:Assume*", "*:*"] {
            let statement = json!({"Effect": "Allow", "Action": ["s3:Get*", action], "Resource": "*"});
            assert!(of_inline(statement).is_some_and(|why| why.contains(action)), "{action}");
        }
        for statement in [
            json!({"Effect": "Deny", "Action": "*", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b"}),
            json!({"Effect": "Allow", "Action": ["s3:*", "iam:Get*", "sts:AssumeRoleWithWebIdentity"], "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"a:b": "true"}}}),
            json!({"Effect": "Allow", "NotAction": ["iam:*", "s3:*"], "Resource": "*"}),
        ] {
            assert_eq!(of_inline(statement.clone()), None, "{statement}");
        }
        assert!(of_inline(json!({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})).is_some());
        assert_eq!(power(&AuditedRole { inline: vec!["no json".to_owned()], ..AuditedRole::default() }), None);
    }

    #[test]
    fn a_boundary_is_told() {
        let role = AuditedRole {
            attached: vec!["arn:aws:iam::aws:policy/PowerUserAccess".to_owned()],
            permissions_boundary: Some("arn:aws:iam::123456789012:policy/edge".to_owned()),
            ..AuditedRole::default()
        };
        assert!(
            power(&role).is_some_and(|why| why.ends_with("within the boundary arn:aws:iam::123456789012:policy/edge"))
        );
    }
}
