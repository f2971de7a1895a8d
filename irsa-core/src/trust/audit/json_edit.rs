//! Small changes to a trust policy as JSON: what is not touched stays as it was written.

use serde_json::{Map, Value, json};

use crate::document::strings;
use crate::name::ProviderArn;
use crate::trust::evaluate::document::names_provider;
use crate::trust::evaluate::policy_value::is_of_an_issuer;
use crate::trust::render::statement::nobody;

/// Whether a condition key is one of this claim of a provider; keys have no case.
pub(in crate::trust) fn is_claim(key: &str, provider: &ProviderArn, claim: &str) -> bool {
    let own = provider.issuer().host_path();
    key.rsplit_once(':')
        .is_some_and(|(issuer, name)| issuer.eq_ignore_ascii_case(own) && name.eq_ignore_ascii_case(claim))
}

/// Whether a condition key is one of some claim of a provider's tokens.
pub(in crate::trust) fn is_of(key: &str, provider: &ProviderArn) -> bool {
    let own = provider.issuer().host_path();
    key.rsplit_once(':').is_some_and(|(issuer, _)| issuer.eq_ignore_ascii_case(own))
}

/// Whether a condition key is one of tokens of another provider.
pub(in crate::trust) fn is_foreign(key: &str, provider: &ProviderArn) -> bool {
    is_of_an_issuer(key) && !is_of(key, provider)
}

/// Whether a condition key is one of this provider, written with the whole ARN or URL in place of the issuer.
pub(in crate::trust) fn is_misspelt(key: &str, provider: &ProviderArn) -> bool {
    let own = provider.issuer().host_path();
    let issuer = key.rsplit_once(':').map_or(key, |(issuer, _)| issuer);
    let behind = issuer.rsplit_once(":oidc-provider/").or_else(|| issuer.split_once("://"));
    behind.is_some_and(|(_, issuer)| issuer.trim_end_matches('/').eq_ignore_ascii_case(own.trim_end_matches('/')))
}

/// Whether a federated principal names a provider.
pub(in crate::trust) fn names(principal: &str, provider: &ProviderArn) -> bool {
    names_provider(principal, &provider.to_string())
}

/// One value as it is, several as a list.
pub(in crate::trust) fn one_or_list(mut values: Vec<String>) -> Value {
    match values.len() {
        1 => Value::String(values.swap_remove(0)),
        _ => json!(values),
    }
}

/// A statement by its number, from 0.
pub(in crate::trust) fn statement(document: &mut Value, index: usize) -> Option<&mut Map<String, Value>> {
    match document.get_mut("Statement")? {
        Value::Array(list) => list.get_mut(index)?.as_object_mut(),
        Value::Object(only) if index == 0 => Some(only),
        _ => None,
    }
}

/// The statements as a list, even where there is only one.
fn list(document: &mut Value) -> Option<&mut Vec<Value>> {
    let statements = document.get_mut("Statement")?;
    if statements.is_object() {
        *statements = Value::Array(vec![statements.take()]);
    }
    statements.as_array_mut()
}

/// Takes a statement out. Where none would be left, one stays that lets nobody in: IAM takes no policy without.
pub(in crate::trust) fn remove(document: &mut Value, index: usize) -> Option<()> {
    let list = list(document)?;
    if index >= list.len() {
        return None;
    }
    list.remove(index);
    if list.is_empty() {
        list.push(nobody());
    }
    Some(())
}

/// Replaces a value of a member that may be single or a list; a member that would be empty goes.
pub(in crate::trust) fn replace_in(object: &mut Map<String, Value>, key: &str, old: &str, new: &[String]) {
    let standing = strings(object.get(key));
    let mut values: Vec<String> = standing.into_iter().filter(|value| value != old).collect();
    values.extend(new.iter().cloned());
    if values.is_empty() {
        object.shift_remove(key);
    } else {
        object.insert(key.to_owned(), one_or_list(values));
    }
}

/// Takes a provider out of the federated principals, however it is named.
fn leave_out(kinds: &mut Map<String, Value>, provider: &ProviderArn) {
    let named = strings(kinds.get("Federated"));
    for name in named.iter().filter(|name| names(name, provider)) {
        replace_in(kinds, "Federated", name, &[]);
    }
}

/// Takes a provider out of the principals of a statement, and the statement if nobody is left in it.
pub(in crate::trust) fn remove_principal(document: &mut Value, index: usize, provider: &ProviderArn) -> Option<()> {
    let kinds = statement(document, index)?.get_mut("Principal")?.as_object_mut()?;
    leave_out(kinds, provider);
    if kinds.is_empty() {
        return remove(document, index);
    }
    Some(())
}

/// Gives a provider a statement of its own, right behind that which names others as well; its number.
///
/// A statement whose principal is a wildcard becomes one of this provider alone.
pub(in crate::trust) fn isolate(document: &mut Value, index: usize, provider: &ProviderArn) -> Option<usize> {
    let shared = statement(document, index)?;
    let principal = shared.get_mut("Principal")?;
    let named = strings(principal.get("Federated"));
    let text = named.iter().find(|name| names(name, provider)).cloned().unwrap_or_else(|| provider.to_string());
    let own = json!({"Federated": text});
    let Some(kinds) = principal.as_object_mut().filter(|_| !named.iter().any(|arn| arn == "*")) else {
        *principal = own;
        return Some(index);
    };
    if kinds.len() == 1 && named.iter().all(|name| names(name, provider)) && !named.is_empty() {
        return Some(index);
    }
    leave_out(kinds, provider);
    let mut alone = shared.clone();
    alone.insert("Principal".to_owned(), own);
    let list = list(document)?;
    if let Some(sid) = alone.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()) {
        let is_free = |sid: &str| !list.iter().any(|other| other.get("Sid").and_then(Value::as_str) == Some(sid));
        let sid = (2..).map(|number| format!("{sid}{number}")).find(|sid| is_free(sid))?;
        alone.insert("Sid".to_owned(), Value::String(sid));
    }
    list.insert(index + 1, Value::Object(alone));
    Some(index + 1)
}
