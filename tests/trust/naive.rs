//! Trust policies evaluated in the most naive way, straight from the IAM user guide, for a request of which everything is
//! known. Nothing is shared with the evaluator that is tested against it.
//!
//! What is not known of a request is a [`Question`]; `completions.rs` answers it in every way.

use std::collections::BTreeMap;

use serde_json::Value;

use super::comparison;

/// The values of a key; a key of which it is known that the request has none is `None`.
pub(super) type Values = Option<Vec<String>>;

/// What an evaluation would have to know.
#[derive(Debug, PartialEq)]
pub(super) enum Question {
    /// The values of a condition key, in lower case.
    Key(String),
    /// Whether `{"AWS": "*"}` covers web identities.
    Star,
    /// Anything that the user guide leaves open.
    Whim(String),
}

pub(super) type Answer<T> = Result<T, Question>;

/// A call of `sts:AssumeRoleWithWebIdentity`.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// The ARN of the caller's provider.
    pub(super) provider: String,
    /// Condition keys in lower case.
    pub(super) keys: BTreeMap<String, Values>,
    pub(super) star: Option<bool>,
    pub(super) whims: BTreeMap<String, bool>,
}

impl Request {
    pub(super) fn new(provider: &str, subject: &str, audience: &str) -> Self {
        let issuer = issuer_of(provider).to_lowercase();
        let keys = [("sub", subject), ("aud", audience)];
        let keys = keys.map(|(claim, value)| (format!("{issuer}:{claim}"), Some(vec![value.to_owned()])));
        Self { provider: provider.to_owned(), keys: keys.into(), star: None, whims: BTreeMap::new() }
    }

    /// Key names have no case (user guide, "Condition"); the token has claims of one provider only.
    pub(super) fn values(&self, key: &str) -> Answer<Values> {
        let key = key.to_lowercase();
        if let Some(values) = self.keys.get(&key) {
            return Ok(values.clone());
        }
        let own = key.rsplit_once(':').is_some_and(|(issuer, _)| issuer == issuer_of(&self.provider).to_lowercase());
        let first = key.split(':').next().unwrap_or_default();
        let of_a_provider = key.contains(':') && (first.contains(['.', '/']) || ["arn", "https"].contains(&first));
        if of_a_provider && !own {
            return Ok(None);
        }
        Err(Question::Key(key))
    }

    fn whim(&self, what: String) -> Answer<bool> {
        self.whims.get(&what).copied().ok_or(Question::Whim(what))
    }
}

fn issuer_of(provider: &str) -> &str {
    provider.split_once("oidc-provider/").expect("the ARN of a provider").1
}

/// "Single or list" (user guide, "Grammar of the IAM JSON policy language").
pub(super) fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |list| list.iter().collect())
}

/// An explicit deny wins, an allow is needed (user guide, "Policy evaluation logic").
pub(super) fn allows(document: &Value, request: &Request) -> Answer<bool> {
    let variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
    let mut allowed = false;
    for statement in list(&document["Statement"]) {
        if applies(statement, variables, request)? {
            match statement["Effect"].as_str() {
                Some("Allow") => allowed = true,
                Some("Deny") => return Ok(false),
                other => panic!("no effect: {other:?}"),
            }
        }
    }
    Ok(allowed)
}

fn applies(statement: &Value, variables: bool, request: &Request) -> Answer<bool> {
    if !action(statement) || !principal(statement, request)? {
        return Ok(false);
    }
    // A trust policy has no Resource; what IAM would make of one is nowhere said.
    let every = |resource: &Value| list(resource).iter().all(|resource| *resource == "*");
    if let Some(resource) = statement.get("Resource")
        && !every(resource)
        && !request.whim(format!("resource {resource}"))?
    {
        return Ok(false);
    }
    let Some(condition) = statement.get("Condition") else { return Ok(true) };
    for (operator, keys) in condition.as_object().expect("an object") {
        for (key, wanted) in keys.as_object().expect("an object") {
            if !condition_holds(operator, key, &list(wanted), variables, request)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Names of actions have no case and take wildcards (user guide, "Action").
fn action(statement: &Value) -> bool {
    let covers = |patterns: &Value| {
        let mut patterns =
            list(patterns).into_iter().map(|pattern| pattern.as_str().expect("an action").to_lowercase());
        patterns.any(|pattern| comparison::glob(&comparison::pattern(&pattern), "sts:assumerolewithwebidentity"))
    };
    statement.get("Action").is_some_and(covers) || statement.get("NotAction").is_some_and(|not| !covers(not))
}

/// User guide, "Principal" and "NotPrincipal": no partial wildcards, ARNs are compared as they are.
fn principal(statement: &Value, request: &Request) -> Answer<bool> {
    let covers = |principal: &Value| {
        let Some(kinds) = principal.as_object() else {
            return if principal == "*" { Ok(true) } else { request.whim(format!("principal {principal}")) };
        };
        for (kind, names) in kinds {
            for name in list(names).into_iter().map(|name| name.as_str().expect("a name")) {
                let covered = match (kind.as_str(), name) {
                    ("Federated", name) => name == "*" || name == request.provider,
                    ("AWS", "*") => request.star.ok_or(Question::Star)?,
                    _ => false,
                };
                if covered {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    };
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), None) => covers(principal),
        (None, Some(not)) => Ok(!covers(not)?),
        _ => request.whim("principal".to_owned()),
    }
}

/// One key under one operator (user guide, "Condition operators" and "Single-valued vs. multivalued context keys").
pub(super) fn condition_holds(
    operator: &str,
    key: &str,
    wanted: &[&Value],
    variables: bool,
    request: &Request,
) -> Answer<bool> {
    let operator = operator.to_lowercase();
    let open = || request.whim(format!("{operator} {} {wanted:?}", key.to_lowercase()));
    let (set, plain) = match operator.split_once(':') {
        Some((set @ ("foranyvalue" | "forallvalues"), plain)) => (set, plain),
        Some(_) => return open(),
        None => ("", operator.as_str()),
    };
    if plain == "null" {
        if set.is_empty() && wanted.iter().all(|w| ["true", "false"].contains(&text(w).as_str())) {
            let absent = request.values(key)?.is_none();
            return Ok(wanted.iter().any(|w| text(w) == absent.to_string()));
        }
        return open();
    }
    let (plain, if_exists) = plain.strip_suffix("ifexists").map_or((plain, false), |plain| (plain, true));
    let Some((test, negated)) = comparison::known(plain) else { return open() };
    let Some(values) = request.values(key)? else {
        return Ok(if_exists || set == "forallvalues" || (negated && set != "foranyvalue"));
    };
    let one = |value: &String| {
        for w in wanted {
            let matches = comparison::matches(test, &text(w), value, variables, request)?;
            if matches.map_or_else(|| request.whim(format!("{test} {w} {value:?}")), Ok)? {
                return Ok(!negated);
            }
        }
        Ok(negated)
    };
    let each = values.iter().map(one).collect::<Answer<Vec<bool>>>()?;
    // Without a set operator a key should have one value; of several, any may match and none may match if negated.
    let all = set == "forallvalues" || (set.is_empty() && negated);
    Ok(if all { each.iter().all(|holds| *holds) } else { each.iter().any(|holds| *holds) })
}

/// Values may be strings, numbers and booleans (user guide, "Grammar").
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
