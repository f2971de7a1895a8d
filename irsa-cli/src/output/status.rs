//! What exists, for people: a block for one binding or provider, a table for many.

use std::fmt::Write as _;

use anstyle::Style;
use comfy_table::{ContentArrangement, Table, presets};
use irsa_core::{BindingState, BindingStatus, ProviderStatus};

use crate::printer::{CHANGED, ERROR, FAINT, GOOD, STRONG, plain, styled};

/// One binding.
pub(super) fn binding(view: &BindingStatus) -> String {
    let owned = match (view.owned, &view.origin) {
        (true, Some(origin)) => format!("irsa ({origin})"),
        (true, None) => "irsa".to_owned(),
        (false, _) => "somebody else".to_owned(),
    };
    let state = styled(style_of(view.state), view.state.as_str());
    let mut text = format!("{}\n", styled(STRONG, &plain(&format!("{}/{}", view.namespace, view.service_account))));
    block(
        &mut text,
        &[
            ("state", vec![state]),
            ("cluster", vec![plain(&view.cluster)]),
            (
                "role",
                view.role_arn
                    .iter()
                    .chain(view.role_name.iter().filter(|_| view.role_arn.is_none()))
                    .map(|r| plain(r))
                    .collect(),
            ),
            ("made by", view.role_name.iter().map(|_| owned.clone()).collect()),
            ("annotation", vec![view.annotation.as_deref().map_or_else(none, plain)]),
            ("automount token", view.automount_token.iter().map(ToString::to_string).collect()),
            ("managed policies", listed(&view.managed_policies)),
            ("inline policies", listed(&view.inline_policies)),
            ("subjects", listed(&view.subjects)),
        ],
    );
    let issues = view.issues.iter().map(|p| format!("{} {}", plain(&p.message), styled(FAINT, &format!("[{}]", p.id))));
    block(&mut text, &[("issues", issues.collect())]);
    text
}

/// Many bindings.
pub(super) fn bindings(views: &[BindingStatus]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["SERVICE ACCOUNT", "ROLE", "POLICIES", "STATE", "ISSUES"]);
    for view in views {
        let issues: Vec<&str> = view.issues.iter().map(|issue| issue.id.as_str()).collect();
        table.add_row([
            plain(&format!("{}/{}", view.namespace, view.service_account)),
            view.role_name.as_deref().or(view.role_arn.as_deref()).map_or_else(|| "-".to_owned(), plain),
            (view.managed_policies.len() + view.inline_policies.len()).to_string(),
            view.state.as_str().to_owned(),
            if issues.is_empty() { "-".to_owned() } else { issues.join(", ") },
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// The OIDC provider of a cluster.
pub(super) fn provider(view: &ProviderStatus) -> String {
    let mut text = format!("{}\n", styled(STRONG, &plain(&view.cluster)));
    let exists = if view.exists { styled(GOOD, "yes") } else { styled(ERROR, "no") };
    let tags: Vec<String> = view.tags.iter().map(|(key, value)| plain(&format!("{key}={value}"))).collect();
    let audiences = if view.exists { listed(&view.audiences) } else { Vec::new() };
    block(
        &mut text,
        &[
            ("exists", vec![exists]),
            ("provider", vec![plain(&view.arn)]),
            ("issuer", vec![plain(&view.issuer)]),
            ("audiences", audiences),
            ("tags", tags),
            ("trusted by", view.trusted_by.iter().flatten().map(|role| plain(role)).collect()),
        ],
    );
    text
}

/// Names and values, one below the other; a name without values is left out.
pub(super) fn block(text: &mut String, rows: &[(&str, Vec<String>)]) {
    const WIDTH: usize = 16;
    for (name, values) in rows {
        for (at, value) in values.iter().enumerate() {
            let name = if at == 0 { *name } else { "" };
            let value = value.replace('\n', &format!("\n{:1$}", "", WIDTH + 4));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:WIDTH$}  {value}");
        }
    }
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
        let drifted = view(json!({"state": "drifted", "issues": [{"id": "trust-wide", "message": "it does not fit"}]}));
        assert_eq!(
            strip_str(&binding(&drifted)).to_string(),
            "\
default/a
  state             drifted
  cluster           arn:aws:eks:us-east-1:123456789012:cluster/demo
  role              arn:aws:iam::123456789012:role/r
  made by           irsa (created)
  annotation        arn:aws:iam::123456789012:role/r
  managed policies  p
                    q
  inline policies   none
  subjects          default/a
  issues            it does not fit [trust-wide]
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
    fn a_provider_that_does_not_exist_is_shown_as_it_would_be() {
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
