//! An evaluation in words: which statement does what, and what would have to be otherwise.

use super::Weighed;
use super::caller::WebIdentityCaller;
use super::condition::Test;
use super::decision::Decision;
use super::document::{Effect, Principal, Statement};
use super::glob::Glob;
use super::operator::{Family, Truth};
use super::policy_value::{Held, held, is_of_an_issuer, not_an_issuer};
use super::solver::OpenTest;
use crate::name::SUBJECT_PREFIX;
use crate::text::placeholder::{Placeholder, placeholders};
use crate::trust::issuers::is_documented;

/// Longer lists are cut in messages.
const MAX_SHOWN: usize = 5;

/// Why the decision is what it is, one line for each statement that matters.
pub(in crate::trust) fn reasons(weighed: &Weighed<'_>, caller: &WebIdentityCaller, decision: Decision) -> Vec<String> {
    let mut lines = Vec::new();
    let denied = weighed.of(Effect::Deny, Truth::True).next().is_some();
    for (statement, truth) in &weighed.statements {
        let label = &statement.label;
        let line = match (statement.effect, truth) {
            // Where one denies, nothing else matters.
            _ if denied && !is_denial(statement, *truth) => continue,
            (Effect::Deny, Truth::True) => format!("{label} denies it, and a Deny wins: {}", why(statement)),
            (Effect::Deny, Truth::Unknown) => format!("{label} may deny it: {}", open(statement, caller, weighed)),
            (Effect::Deny, Truth::False) => continue,
            (Effect::Allow, Truth::True) => format!("{label} allows it: {}", why(statement)),
            (Effect::Allow, Truth::Unknown) => format!("{label} may allow it: {}", open(statement, caller, weighed)),
            (Effect::Allow, Truth::False) => {
                format!("{label} does not allow it: {}", why_not(statement, caller, &weighed.provider))
            }
        };
        lines.push(line);
    }
    if !weighed.statements.iter().any(|(statement, _)| statement.effect == Effect::Allow) {
        lines.push("no statement allows anything".to_owned());
    }
    let matters = |(statement, truth): &&(&Statement, Truth)| !denied || is_denial(statement, *truth);
    lines.extend(weighed.statements.iter().filter(matters).filter_map(|(statement, _)| placeholders_of(statement)));
    let in_doubt =
        weighed.of(Effect::Allow, Truth::Unknown).chain(weighed.of(Effect::Deny, Truth::Unknown)).count() > 0;
    if in_doubt && !denied && decision != Decision::Unknown {
        lines.push(format!("whatever is not known makes no difference: {decision}"));
    }
    lines
}

fn is_denial(statement: &Statement, truth: Truth) -> bool {
    (statement.effect, truth) == (Effect::Deny, Truth::True)
}

/// The placeholders of a statement, with the texts that contain them.
fn placeholders_of(statement: &Statement) -> Option<String> {
    let is_open = |action: &String| !placeholders(action).is_empty();
    if !statement.concerns && !statement.actions.iter().any(is_open) {
        return None;
    }
    let actions = statement.actions.iter().map(String::as_str);
    let others = statement.principal.others.iter().map(|(_, text)| text.as_str());
    let principals = statement.principal.federated.iter().map(String::as_str).chain(others);
    let tests = statement
        .tests
        .iter()
        .flat_map(|test| std::iter::once(test.key.as_str()).chain(test.values.iter().map(|value| value.text.as_str())));
    let mut found: Vec<String> = Vec::new();
    for text in actions.chain(principals).chain(tests) {
        for Placeholder { text: placeholder, .. } in placeholders(text) {
            let shown = if placeholder == text { text.to_owned() } else { format!("{placeholder} in {text}") };
            if !found.contains(&shown) {
                found.push(shown);
            }
        }
    }
    let shown: Vec<&str> = found.iter().map(String::as_str).collect();
    let noun = if shown.len() == 1 { "a placeholder that was" } else { "placeholders that were" };
    (!shown.is_empty())
        .then(|| format!("{} has {noun} not filled in, and is evaluated as written: {}", statement.label, list(&shown)))
}

fn why(statement: &Statement) -> String {
    match statement.tests.len() {
        0 => "it is about this provider, and has no condition".to_owned(),
        1 => format!("its condition holds: {}", shown(&statement.tests[0])),
        _ => format!("its conditions hold: {}", statement.tests.iter().map(shown).collect::<Vec<_>>().join(", ")),
    }
}

fn open(statement: &Statement, caller: &WebIdentityCaller, weighed: &Weighed<'_>) -> String {
    let open = super::solver::Open::of(statement, caller, &weighed.provider).tests();
    format!("it depends on {}", open.iter().map(what).collect::<Vec<_>>().join(", "))
}

/// What an unknown answer depends on.
pub(in crate::trust) fn condition(statement: &Statement, open: &OpenTest<'_>) -> String {
    format!("{} ({})", what(open), statement.label)
}

fn what(open: &OpenTest<'_>) -> String {
    match open {
        OpenTest::AllOfAws { .. } => {
            "whether the principal {\"AWS\": \"*\"} covers callers with a web identity".to_owned()
        }
        OpenTest::Doubt { why, .. } => format!("what IAM makes of it, since {why}"),
        OpenTest::Test { test, given, .. } => {
            let variables: Vec<&str> = test.values.iter().flat_map(super::policy_value::Value::variables).collect();
            match (given, variables.is_empty(), test.operator.family) {
                (_, _, Family::Other) => format!("{}, an operator that is not known", shown(test)),
                (true, false, _) => format!("{} in {}", variables.join(", "), shown(test)),
                (true, true, _) => format!("{}, whose value is of another type", shown(test)),
                (false, ..) if is_documented(&test.key) == Some(false) => {
                    format!("{}, a claim that AWS documents no condition key for", shown(test))
                }
                (false, ..) => shown(test),
            }
        }
    }
}

pub(in crate::trust) fn shown(test: &Test) -> String {
    let values: Vec<&str> = test.values.iter().map(|value| value.text.as_str()).collect();
    format!("{} {} {}", test.operator.name, test.key, list(&values))
}

fn list(values: &[&str]) -> String {
    match values {
        [] => "(no value)".to_owned(),
        [one] => (*one).to_owned(),
        many => {
            let more = many.len().saturating_sub(MAX_SHOWN);
            let shown = many.iter().take(MAX_SHOWN).copied().collect::<Vec<_>>().join(", ");
            if more > 0 { format!("[{shown}, and {more} more]") } else { format!("[{shown}]") }
        }
    }
}

/// The first thing that keeps a statement from applying.
fn why_not(statement: &Statement, caller: &WebIdentityCaller, provider: &str) -> String {
    if !statement.concerns {
        let actions: Vec<&str> = statement.actions.iter().map(String::as_str).collect();
        return format!("it is about {}, not about sts:AssumeRoleWithWebIdentity", list(&actions));
    }
    if statement.principal.covers(provider) == Truth::False {
        return wrong_principal(&statement.principal, provider);
    }
    match statement.tests.iter().find(|test| test.holds(caller) == Truth::False) {
        Some(test) => failed(test, caller),
        None => "it does not apply".to_owned(),
    }
}

fn wrong_principal(principal: &Principal, provider: &str) -> String {
    if principal.inverted {
        return format!("its NotPrincipal names {provider}");
    }
    let named: Vec<&str> = principal.federated.iter().map(String::as_str).collect();
    if named.is_empty() {
        let others: Vec<String> = principal.others.iter().map(|(kind, text)| format!("{kind} {text}")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        return format!("its principal is {}, not the OIDC provider {provider}", list(&others));
    }
    let hint = if named.iter().any(|arn| arn.eq_ignore_ascii_case(provider)) {
        "; they differ in case"
    } else if named.iter().any(|arn| tail(arn) == tail(provider)) {
        "; the issuer is the same, but not the partition or account"
    } else {
        ""
    };
    format!("its principal is {}, not {provider}{hint}", list(&named))
}

/// What stands behind partition and account.
fn tail(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or(arn)
}

fn failed(test: &Test, caller: &WebIdentityCaller) -> String {
    let wanted = shown(test);
    match held(&test.key, caller) {
        Held::Nothing => {
            let own = caller.provider.issuer().host_path();
            let hint = if let Some(form) = not_an_issuer(&test.key) {
                format!("; the key is {form}, and must be {own}:sub or {own}:aud")
            } else if is_of_an_issuer(&test.key) {
                format!("; the key is that of another issuer than {own}")
            } else {
                String::new()
            };
            format!("{wanted} fails, since tokens of this provider do not have the key{hint}")
        }
        Held::NotGiven => format!("{wanted} fails"),
        Held::One(actual) => format!("{wanted} fails, since it is {actual}{}", hint(test, actual, caller)),
    }
}

/// What the author of a failed test may have meant.
fn hint(test: &Test, actual: &str, caller: &WebIdentityCaller) -> String {
    let values = || test.values.iter().map(|value| value.text.as_str());
    if test.operator.negated || !matches!(test.operator.family, Family::Equals | Family::Like) {
        return String::new();
    }
    if test.operator.family == Family::Equals && values().any(|value| Glob::wild(value).matches(actual)) {
        return "; StringEquals takes * and ? as they stand, StringLike as wildcards".to_owned();
    }
    if values().any(|value| value.eq_ignore_ascii_case(actual)) {
        return "; they differ in case".to_owned();
    }
    if actual == caller.audience && values().any(|value| value.starts_with(SUBJECT_PREFIX)) {
        return "; a subject is tested under the key of the audience".to_owned();
    }
    match crate::text::did_you_mean(&crate::text::nearest(actual, values())) {
        Some(near) => format!("; {near}"),
        None => String::new(),
    }
}
