//! Bindings and providers as they exist: a block for one, a table for many.

use anstyle::Style;
use irsa_core::{BindingState, BindingStatus, ProviderStatus};

use super::table::{block, table};
use crate::printer::{CHANGED, ERROR, FAINT, GOOD, STRONG, plain, styled};

pub(super) fn binding(binding: &BindingStatus) -> String {
    let manager = match (binding.owned, &binding.origin) {
        (true, Some(origin)) => format!("irsa ({origin})"),
        (true, None) => "irsa".to_owned(),
        (false, _) => "not irsa".to_owned(),
    };
    let has_role = binding.role_name.is_some();
    let role = binding.role_arn.as_ref().or(binding.role_name.as_ref());
    let issues = binding.issues.iter().map(|issue| {
        let id = styled(FAINT, &format!("[{}]", issue.id));
        format!("{} {id}", plain(&issue.message))
    });
    let name = plain(&format!("{}/{}", binding.namespace, binding.service_account));
    let rows = [
        ("state", vec![styled(style_of(binding.state), binding.state.as_str())]),
        ("cluster", vec![plain(&binding.cluster)]),
        ("role", role.map(|role| plain(role)).into_iter().collect()),
        ("managed by", if has_role { vec![plain(&manager)] } else { Vec::new() }),
        ("annotation", vec![binding.annotation.as_deref().map_or_else(none, plain)]),
        ("automount token", binding.automount_token.iter().map(ToString::to_string).collect()),
        ("managed policies", listed(&binding.managed_policies)),
        ("inline policies", listed(&binding.inline_policies)),
        ("subjects", listed(&binding.subjects)),
        ("issues", issues.collect()),
    ];
    format!("{}\n{}", styled(STRONG, &name), block(&rows))
}

pub(super) fn bindings(bindings: &[BindingStatus]) -> String {
    let row = |binding: &BindingStatus| {
        let role = binding.role_name.as_deref().or(binding.role_arn.as_deref());
        let issues: Vec<&str> = binding.issues.iter().map(|issue| issue.id.as_str()).collect();
        [
            plain(&format!("{}/{}", binding.namespace, binding.service_account)),
            role.map_or_else(|| "-".to_owned(), plain),
            (binding.managed_policies.len() + binding.inline_policies.len()).to_string(),
            binding.state.as_str().to_owned(),
            if issues.is_empty() { "-".to_owned() } else { issues.join(", ") },
        ]
    };
    table(["SERVICE ACCOUNT", "ROLE", "POLICIES", "STATE", "ISSUES"], bindings.iter().map(row))
}

pub(super) fn provider(provider: &ProviderStatus) -> String {
    let exists = if provider.exists { styled(GOOD, "yes") } else { styled(ERROR, "no") };
    let tags = provider.tags.iter().map(|(key, value)| plain(&format!("{key}={value}")));
    let rows = [
        ("exists", vec![exists]),
        ("provider", vec![plain(&provider.arn)]),
        ("issuer", vec![plain(&provider.issuer)]),
        ("audiences", if provider.exists { listed(&provider.audiences) } else { Vec::new() }),
        ("tags", tags.collect()),
        ("trusted by", provider.trusted_by.iter().flatten().map(|role| plain(role)).collect()),
    ];
    format!("{}\n{}", styled(STRONG, &plain(&provider.cluster)), block(&rows))
}

fn listed(values: &[String]) -> Vec<String> {
    if values.is_empty() { vec![none()] } else { values.iter().map(|value| plain(value)).collect() }
}

fn none() -> String {
    styled(FAINT, "none")
}

fn style_of(state: BindingState) -> Style {
    match state {
        BindingState::Ok => GOOD,
        BindingState::Dangling => ERROR,
        _ => CHANGED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;
    use serde_json::json;

    fn view(value: serde_json::Value) -> BindingStatus {
        let mut whole = json!({
            "cluster": "arn:aws:eks:us-east-1:123456789012:cluster/demo", "namespace": "default", "service_account": "a",
            "role_name": "r", "role_arn": "arn:aws:iam::123456789012:role/r", "managed_policies": ["p", "q"],
            "inline_policies": [], "subjects": ["default/a"], "annotation": "arn:aws:iam::123456789012:role/r",
            "owned": true, "origin": "created", "state": "ok", "issues": [],
        });
        for (key, value) in value.as_object().unwrap() {
            whole[key] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_binding_is_a_block() {
        let drifted = view(json!({"state": "drifted", "issues": [{"id": "trust-wide", "message": "the two differ"}]}));
        assert_eq!(
            strip_str(&binding(&drifted)).to_string(),
            "\
default/a
  state             drifted
  cluster           arn:aws:eks:us-east-1:123456789012:cluster/demo
  role              arn:aws:iam::123456789012:role/r
  managed by        irsa (created)
  annotation        arn:aws:iam::123456789012:role/r
  managed policies  p
                    q
  inline policies   none
  subjects          default/a
  issues            the two differ [trust-wide]
"
        );
    }

    #[test]
    fn bindings_are_a_table() {
        let dangling = json!({"service_account": "much-longer", "role_name": null, "state": "dangling",
            "managed_policies": [], "issues": [{"id": "role-missing", "message": "m"}]});
        assert_eq!(
            bindings(&[view(json!({})), view(dangling)]),
            "\
SERVICE ACCOUNT      ROLE                              POLICIES  STATE     ISSUES
default/a            r                                 2         ok        -
default/much-longer  arn:aws:iam::123456789012:role/r  0         dangling  role-missing
"
        );
    }

    #[test]
    fn a_missing_provider_is_shown_with_its_future_arn() {
        let view: ProviderStatus = serde_json::from_value(json!({
            "cluster": "c", "issuer": "https://i", "arn": "arn", "exists": false, "audiences": [], "tags": {},
        }))
        .unwrap();
        assert_eq!(
            strip_str(&provider(&view)).to_string(),
            "c\n  exists            no\n  provider          arn\n  issuer            https://i\n"
        );
    }
}
