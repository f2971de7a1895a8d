//! Trust policies with placeholders: filled in with values of the right form, so that the rest can be judged, and put back
//! into what is reported.
//!
//! The same placeholder gets the same value everywhere in a document. Where a statement names one provider, the keys of an
//! issuer that is yet to be filled in are taken for that provider's: templates call the two by different names.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::statement::is_about;
use crate::document::{one_or_many, strings};
use crate::name::{EksHost, Issuer, ProviderArn, SUBJECT_PREFIX};
use crate::text::placeholder::{Placeholder, placeholders};
use crate::trust::evaluate::glob::Glob;
use crate::trust::evaluate::policy_value::is_of_an_issuer;

/// The most values that are told apart; the placeholders beyond share one.
const MAX_VALUES: usize = 1000;

/// A placeholder, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::trust) struct Gap {
    /// The number of the statement, from 0.
    pub(in crate::trust) statement: usize,
    /// The placeholder as written.
    pub(in crate::trust) placeholder: String,
    /// Where it stands: part of the statement, and the text that it is in.
    pub(in crate::trust) place: String,
}

/// What was filled in where.
#[derive(Debug)]
pub(in crate::trust) struct Template {
    pub(in crate::trust) gaps: Vec<Gap>,
    /// Whole strings: as written, by what they became.
    whole: HashMap<String, String>,
    /// Parts of texts: what they became, and as written; the longest first.
    parts: Vec<(String, String)>,
    /// What each value that was made up begins with.
    marks: [String; 2],
}

impl Template {
    /// Fills in the placeholders of a trust policy; nothing where it has none.
    pub(in crate::trust) fn fill(document: &Value) -> Option<(Self, Value)> {
        let statements = one_or_many(document.get("Statement"));
        if !statements.iter().any(is_open) {
            return None;
        }
        let mut filler = Filler::new(document);
        let filled: Vec<Value> = statements
            .iter()
            .enumerate()
            .map(|(index, statement)| match statement {
                Value::Object(statement) => {
                    filler.statement = index;
                    Value::Object(filler.fill_statement(statement))
                }
                other => other.clone(),
            })
            .collect();
        if filler.gaps.is_empty() {
            return None;
        }
        let mut document = document.clone();
        document["Statement"] = match document.get("Statement") {
            Some(Value::Array(_)) => Value::Array(filled),
            _ => filled.into_iter().next()?,
        };
        Some((filler.done(), document))
    }

    /// Whether a text holds a value that was made up.
    pub(in crate::trust) fn is_made_up(&self, text: &str) -> bool {
        self.marks.iter().any(|mark| text.contains(mark.as_str()))
    }

    /// A text as it would be with the placeholders in it.
    pub(in crate::trust) fn restore_text(&self, text: &str) -> String {
        if let Some(written) = self.whole.get(text) {
            return written.clone();
        }
        let mut text = text.to_owned();
        for (filled, written) in &self.parts {
            if text.contains(filled.as_str()) {
                text = text.replace(filled.as_str(), written);
            }
        }
        text
    }

    /// A document with the placeholders in it again, keys included.
    pub(in crate::trust) fn restore(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.restore_text(text)),
            Value::Array(list) => Value::Array(list.iter().map(|value| self.restore(value)).collect()),
            Value::Object(object) => {
                object.iter().map(|(key, value)| (self.restore_text(key), self.restore(value))).collect()
            }
            other => other.clone(),
        }
    }
}

/// What a placeholder stands for, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A part of a name: of a namespace, a role, a host.
    Label,
    /// The host of an issuer.
    Host,
    /// The region of an issuer of EKS; one of China has hosts of its own.
    Region { china: bool },
    /// The number of an account.
    Account,
}

struct Filler {
    /// The number of the statement that is being filled in.
    statement: usize,
    gaps: Vec<Gap>,
    /// The strings of the document.
    originals: HashSet<String>,
    values: BTreeMap<(String, Kind), String>,
    whole: HashMap<String, String>,
    /// What labels and hosts begin with, and what accounts begin with.
    marks: [String; 2],
}

impl Filler {
    fn new(document: &Value) -> Self {
        let text = document.to_string();
        let unused = |mut candidates: Box<dyn Iterator<Item = String>>, last: &str| {
            candidates.find(|mark| !text.contains(mark.as_str())).unwrap_or_else(|| last.to_owned())
        };
        let label = unused(Box::new((0..16).map(|n| format!("placeholder{}", "x".repeat(n)))), "placeholder0x");
        let account = unused(Box::new((0..16).map(|n| format!("90{n:02}000"))), "9099000");
        let mut originals = HashSet::new();
        collect_strings(document, &mut originals);
        Self {
            statement: 0,
            gaps: Vec::new(),
            originals,
            values: BTreeMap::new(),
            whole: HashMap::new(),
            marks: [label, account],
        }
    }

    fn done(self) -> Template {
        let mut parts: Vec<(String, String)> =
            self.values.into_iter().map(|((written, _), value)| (value, written)).collect();
        let longest_first =
            |parts: &mut Vec<(String, String)>| parts.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        longest_first(&mut parts);
        let mut template = Template { gaps: self.gaps, whole: HashMap::new(), parts, marks: self.marks };
        // What does not come out of its parts is put back as a whole, in texts too.
        let more: Vec<(String, String)> = self
            .whole
            .iter()
            .filter(|(filled, written)| template.restore_text(filled) != **written)
            .map(|(filled, written)| (filled.clone(), written.clone()))
            .take(MAX_VALUES)
            .collect();
        template.parts.extend(more);
        longest_first(&mut template.parts);
        template.whole = self.whole;
        template
    }

    fn fill_statement(&mut self, statement: &Map<String, Value>) -> Map<String, Value> {
        let mut filled = statement.clone();
        let tested = self.tested_hosts(statement);
        let mut hosts: Vec<String> = Vec::new();
        if let Some(Value::Object(kinds)) = statement.get("Principal") {
            let mut principal = kinds.clone();
            for (kind, value) in kinds {
                let place = format!("Principal.{kind}");
                let value = match kind.as_str() {
                    "Federated" => self.each(value, |filler, text| filler.federated(text, statement, &tested, &place)),
                    _ => self.each(value, |filler, text| filler.fill(text, false, &place)),
                };
                principal.insert(kind.clone(), value);
            }
            let named = strings(principal.get("Federated"));
            let parsed = named.iter().filter_map(|arn| arn.parse::<ProviderArn>().ok());
            hosts = parsed.map(|arn| arn.issuer().host_path().to_owned()).collect();
            hosts.dedup();
            filled.insert("Principal".to_owned(), Value::Object(principal));
        }
        for key in ["Action", "NotAction"] {
            if let Some(actions) = statement.get(key) {
                let usual = if hosts.is_empty() { "sts:AssumeRole" } else { "sts:AssumeRoleWithWebIdentity" };
                let value = self.each(actions, |filler, text| {
                    let open = filler.note(text, key);
                    if open { filler.keep(usual.to_owned(), text) } else { text.to_owned() }
                });
                filled.insert(key.to_owned(), value);
            }
        }
        if let Some(Value::Object(operators)) = statement.get("Condition") {
            let operators = operators.iter().map(|(operator, keys)| match keys {
                Value::Object(keys) => (operator.clone(), Value::Object(self.fill_keys(operator, keys, &hosts))),
                other => (operator.clone(), other.clone()),
            });
            filled.insert("Condition".to_owned(), Value::Object(operators.collect()));
        }
        filled
    }

    /// The hosts whose keys a statement tests, each once.
    fn tested_hosts(&mut self, statement: &Map<String, Value>) -> Vec<String> {
        let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
        let keys = operators.filter_map(|(_, keys)| keys.as_object()).flat_map(Map::keys);
        let mut hosts: Vec<String> = Vec::new();
        for (issuer, claim) in keys.filter_map(|key| split_key(key)) {
            if !is_open_text(issuer) && !is_of_an_issuer(&format!("{issuer}:{claim}")) {
                continue;
            }
            let host = self.substitute(issuer, true);
            if !hosts.iter().any(|known| known.eq_ignore_ascii_case(&host)) {
                hosts.push(host);
            }
        }
        hosts
    }

    /// A principal of an identity provider.
    fn federated(&mut self, text: &str, statement: &Map<String, Value>, tested: &[String], place: &str) -> String {
        let Some(placeholder) = only_placeholder(text) else { return self.fill(text, false, place) };
        self.note(text, place);
        let account = self.value(placeholder, Kind::Account);
        let by_saml =
            is_about(statement, "sts:AssumeRoleWithSAML") && !is_about(statement, "sts:AssumeRoleWithWebIdentity");
        let filled = match tested {
            _ if by_saml => format!("arn:aws:iam::{account}:saml-provider/{}", self.value(placeholder, Kind::Label)),
            [host] if Issuer::from_host_path(host).is_ok() => format!("arn:aws:iam::{account}:oidc-provider/{host}"),
            _ => format!("arn:aws:iam::{account}:oidc-provider/{}", self.value(placeholder, Kind::Host)),
        };
        self.keep(filled, text)
    }

    fn fill_keys(&mut self, operator: &str, keys: &Map<String, Value>, hosts: &[String]) -> Map<String, Value> {
        let mut filled = Map::new();
        for (key, values) in keys {
            let mut own = self.key(key, values, hosts);
            if filled.contains_key(&own) {
                // Two placeholders under one operator are hardly the same key.
                own = self.substitute(key, true);
            }
            let own = self.keep(own, key);
            let place = format!("a value of {operator} {key},");
            let values = self.each(values, |filler, text| filler.condition_value(text, &own, &place));
            filled.insert(own, values);
        }
        filled
    }

    /// A condition key.
    fn key(&mut self, key: &str, values: &Value, hosts: &[String]) -> String {
        if !self.note(key, "the condition key") {
            return key.to_owned();
        }
        let only = if let [host] = hosts { Some(host) } else { None };
        let Some((issuer, claim)) = split_key(key) else {
            let of = |claim: &str| only.map(|host| format!("{host}:{claim}"));
            let values = strings(Some(values));
            let guessed = match values.iter().any(|value| value.starts_with(SUBJECT_PREFIX)) {
                true => of("sub"),
                false => of("aud").filter(|_| values.iter().any(|value| value == "sts.amazonaws.com")),
            };
            return guessed.unwrap_or_else(|| self.substitute(key, true));
        };
        let host = self.substitute(issuer, true);
        let claim = self.substitute(claim, false);
        // A provider that is to be filled in itself may be the one that is meant; any other must fit.
        let fits = |only: &&String| self.is_made_up(only) || Glob::wild(&with_wildcards(issuer)).matches(only);
        match only.filter(fits) {
            Some(only) if is_open_text(issuer) => format!("{only}:{claim}"),
            _ => format!("{host}:{claim}"),
        }
    }

    /// A value of a condition, under a key that is filled in.
    fn condition_value(&mut self, text: &str, key: &str, place: &str) -> String {
        const ACCOUNTS: [&str; 2] = ["aws:principalaccount", "aws:sourceaccount"];
        if !self.note(text, place) {
            return text.to_owned();
        }
        let filled = match only_placeholder(text) {
            Some(placeholder) if ACCOUNTS.contains(&key.to_ascii_lowercase().as_str()) => {
                self.value(placeholder, Kind::Account)
            }
            Some(placeholder) if self.is_subject_of_a_cluster(key) => {
                let label = self.value(placeholder, Kind::Label);
                format!("{SUBJECT_PREFIX}{label}:{label}")
            }
            _ => {
                let filled = self.substitute(text, false);
                let both = text.strip_prefix(SUBJECT_PREFIX).and_then(only_placeholder);
                match both {
                    Some(_) => format!("{filled}:{}", &filled[SUBJECT_PREFIX.len()..]),
                    None => filled,
                }
            }
        };
        self.keep(filled, text)
    }

    /// Whether a key is the subject of a cluster's tokens, or of an issuer that is yet to be filled in.
    fn is_subject_of_a_cluster(&self, key: &str) -> bool {
        key.rsplit_once(':').is_some_and(|(issuer, claim)| {
            let is_eks = || Issuer::from_host_path(issuer).is_ok_and(|issuer| EksHost::of_issuer(&issuer).is_some());
            claim.eq_ignore_ascii_case("sub") && (self.is_made_up(issuer) || is_eks())
        })
    }

    fn is_made_up(&self, text: &str) -> bool {
        self.marks.iter().any(|mark| text.contains(mark.as_str()))
    }

    /// Fills in a text, and notes what was open in it.
    fn fill(&mut self, text: &str, is_key: bool, place: &str) -> String {
        if !self.note(text, place) {
            return text.to_owned();
        }
        let filled = self.substitute(text, is_key);
        self.keep(filled, text)
    }

    fn each(&mut self, value: &Value, mut fill: impl FnMut(&mut Self, &str) -> String) -> Value {
        let mut one = |value: &Value| match value {
            Value::String(text) => Value::String(fill(self, text)),
            other => other.clone(),
        };
        match value {
            Value::Array(list) => Value::Array(list.iter().map(one).collect()),
            single => one(single),
        }
    }

    /// Notes the placeholders of a text; whether there are any.
    fn note(&mut self, text: &str, place: &str) -> bool {
        let found = placeholders(text);
        for Placeholder { text: placeholder, .. } in &found {
            let place = if text == *placeholder { place.to_owned() } else { format!("{place} {text:?}") };
            let gap = Gap { statement: self.statement, placeholder: (*placeholder).to_owned(), place };
            if self.gaps.len() < MAX_VALUES && !self.gaps.contains(&gap) {
                self.gaps.push(gap);
            }
        }
        !found.is_empty()
    }

    /// Remembers what a whole text became.
    fn keep(&mut self, filled: String, written: &str) -> String {
        let clear = self.is_made_up(&filled) || !self.originals.contains(&filled);
        if filled != written && clear {
            self.whole.entry(filled.clone()).or_insert_with(|| written.to_owned());
        }
        filled
    }

    /// A text with a value in place of each placeholder, by where in it that stands.
    fn substitute(&mut self, text: &str, is_key: bool) -> String {
        let (mut filled, mut at, mut colons) = (String::with_capacity(text.len()), 0, 0);
        let is_arn = text.starts_with("arn:");
        for Placeholder { text: placeholder, start } in placeholders(text) {
            let (before, after) = (&text[at..start], &text[start + placeholder.len()..]);
            colons += before.matches(':').count();
            filled.push_str(before);
            let begins_host = (is_arn && before.ends_with("oidc-provider/")) || (is_key && start == 0);
            let ends_host = after.is_empty() || after.starts_with(['/', ':']);
            let whole_field = before.ends_with(':') && after.starts_with(':');
            filled.push_str(&match colons {
                1 if is_arn => "aws".to_owned(),
                4 if is_arn && whole_field => self.value(placeholder, Kind::Account),
                // The rest of a number.
                4 if is_arn => {
                    let field = text.split(':').nth(4).unwrap_or_default();
                    let digits = field.chars().filter(char::is_ascii_digit).count();
                    "0".repeat(12_usize.saturating_sub(digits))
                }
                _ if begins_host && ends_host => self.value(placeholder, Kind::Host),
                _ if ["oidc.eks.", "oidc-eks."].iter().any(|host| before.ends_with(host)) && after.starts_with('.') => {
                    let china =
                        after.starts_with(".amazonaws.com.cn") || after.starts_with(".api.amazonwebservices.com.cn");
                    self.value(placeholder, Kind::Region { china })
                }
                _ => self.value(placeholder, Kind::Label),
            });
            at = start + placeholder.len();
        }
        filled + &text[at..]
    }

    /// The value of a placeholder.
    fn value(&mut self, placeholder: &str, kind: Kind) -> String {
        if let Some(known) = self.values.get(&(placeholder.to_owned(), kind)) {
            return known.clone();
        }
        let number = self.values.len().min(MAX_VALUES) + 1;
        let [label, account] = &self.marks;
        let value = match kind {
            Kind::Label => format!("{label}{number}"),
            Kind::Host => format!("{label}{number}.example"),
            Kind::Region { china: false } => format!("us-{label}{number}-1"),
            Kind::Region { china: true } => format!("cn-{label}{number}-1"),
            Kind::Account => format!("{account}{number:05}"),
        };
        if number <= MAX_VALUES {
            self.values.insert((placeholder.to_owned(), kind), value.clone());
        }
        value
    }
}

/// Issuer and claim of a condition key, split at its last colon outside of placeholders.
fn split_key(key: &str) -> Option<(&str, &str)> {
    let found = placeholders(key);
    let inside = |at: usize| found.iter().any(|open| (open.start..open.start + open.text.len()).contains(&at));
    let at = key.match_indices(':').map(|(at, _)| at).rfind(|at| !inside(*at))?;
    Some((key.get(..at)?, key.get(at + 1..)?))
}

fn is_open_text(text: &str) -> bool {
    !placeholders(text).is_empty()
}

/// Whether a statement has a placeholder in what is filled in.
fn is_open(statement: &Value) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::String(text) => is_open_text(text),
            Value::Array(list) => list.iter().any(any),
            Value::Object(object) => object.iter().any(|(key, value)| is_open_text(key) || any(value)),
            _ => false,
        }
    }
    ["Principal", "Action", "NotAction", "Condition"].iter().filter_map(|key| statement.get(key)).any(any)
}

/// A text with `*` in place of each placeholder.
fn with_wildcards(text: &str) -> String {
    let (mut pattern, mut at) = (String::with_capacity(text.len()), 0);
    for Placeholder { text: placeholder, start } in placeholders(text) {
        pattern.push_str(&text[at..start]);
        pattern.push('*');
        at = start + placeholder.len();
    }
    pattern + &text[at..]
}

/// The placeholder that a text consists of.
fn only_placeholder(text: &str) -> Option<&str> {
    placeholders(text).first().map(|placeholder| placeholder.text).filter(|placeholder| *placeholder == text.trim())
}

fn collect_strings(value: &Value, into: &mut HashSet<String>) {
    match value {
        Value::String(text) => drop(into.insert(text.clone())),
        Value::Array(list) => list.iter().for_each(|value| collect_strings(value, into)),
        Value::Object(object) => {
            for (key, value) in object {
                into.insert(key.clone());
                collect_strings(value, into);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::TrustDocument;
    use crate::trust::audit::finding::Finding;
    use crate::trust::audit::fixtures::{HOST, STS, allow, allow_sub, arn, around, found_in, role};
    use crate::trust::audit::rules::FindingId;
    use crate::trust::audit::severity::Severity;
    use crate::trust::audit::{Surroundings, who_can};
    use proptest::prelude::*;
    use serde_json::json;

    fn found(document: &Value) -> Vec<Finding> {
        let audited = crate::trust::AuditedRole { trust_policy: document.to_string(), ..role(json!([])) };
        found_in(&audited, &Surroundings::default())
    }

    fn ids(document: &Value) -> Vec<(FindingId, Severity)> {
        let each = found(document).into_iter().filter(|found| found.id != FindingId::Placeholder);
        let mut ids: Vec<_> = each.map(|found| (found.id, found.severity)).collect();
        ids.sort_unstable();
        ids
    }

    fn document(statements: Value) -> Value {
        json!({"Version": "2012-10-17", "Statement": statements})
    }

    /// The document of `cases/trust/placeholder-any.json`.
    #[test]
    fn a_template_that_is_open_is_reported_as_that_and_as_a_template() {
        let mut open = allow(json!({"StringEquals": {format!("{HOST}:aud"): STS}}));
        open["Principal"]["Federated"] = json!(arn(HOST).replace("123456789012", "ACCOUNT_ID"));
        let found = found(&document(json!([open])));
        let [any, template] = &found[..] else { panic!("{found:?}") };
        assert_eq!((any.id, any.severity), (FindingId::AnySubject, Severity::High));
        assert_eq!((template.id, template.severity), (FindingId::Placeholder, Severity::Info));
        assert_eq!(template.statement.as_deref(), Some("statement 1"));
        assert!(template.message.contains("ACCOUNT_ID"), "{}", template.message);
        let place = format!("Principal.Federated {}", open["Principal"]["Federated"]);
        assert_eq!(template.evidence, [format!("ACCOUNT_ID in {place}")]);
        // The repair leaves the template a template.
        let fix = any.fix.as_ref().unwrap();
        assert_eq!(fix["Statement"][0]["Principal"], open["Principal"]);
        assert_eq!(
            fix["Statement"][0]["Condition"]["StringEquals"][format!("{HOST}:sub")],
            "system:serviceaccount:NAMESPACE:NAME"
        );
    }

    #[test]
    fn what_documentation_prints_is_clean_once_filled_in() {
        let usual = |provider: &str, issuer: &str, namespace: &str, name: &str| {
            let mut statement = allow_sub("StringEquals", json!(format!("system:serviceaccount:{namespace}:{name}")));
            let keys = json!({format!("{issuer}:sub"): statement["Condition"]["StringEquals"][format!("{HOST}:sub")],
                format!("{issuer}:aud"): STS});
            statement["Principal"]["Federated"] = json!(provider);
            statement["Condition"]["StringEquals"] = keys;
            statement
        };
        let eks = "oidc.eks.<region>.amazonaws.com/id/<id>";
        for statement in [
            // gen3's instructions.
            usual("$PROVIDER_ARN", "${ISSUER_HOSTPATH}", "default", "my-serviceaccount"),
            usual("arn:aws:iam::${account}:oidc-provider/${oidc}", "${oidc}", "${ns}", "${sa}"),
            usual(
                "${aws_iam_openid_connect_provider.this.arn}",
                "${replace(var.url, \"https://\", \"\")}",
                "${var.ns}",
                "x",
            ),
            usual("{{ provider_arn }}", "{{ issuer }}", "{{ namespace }}", "{{ name }}"),
            usual(&format!("arn:aws:iam::<account>:oidc-provider/{eks}"), eks, "<namespace>", "<service account>"),
            usual("arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/${Oidc}", "${Oidc}", "a", "b"),
            usual(&arn(HOST), "OIDC_PROVIDER", "NAMESPACE", "SERVICE_ACCOUNT_NAME"),
            usual(
                &arn("oidc.eks.cn-north-1.amazonaws.com.cn/id/%s"),
                "oidc.eks.cn-north-1.amazonaws.com.cn/id/%s",
                "a",
                "b",
            ),
        ] {
            assert_eq!(ids(&document(statement.clone())), [], "{statement}");
            assert!(found(&document(statement.clone())).iter().all(|found| found.fix.is_none()), "{statement}");
        }
    }

    #[test]
    fn nothing_that_is_made_up_is_ever_reported() {
        let statements = json!([
            {"Sid": "Web", "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
             "Principal": {"Federated": ["$PROVIDER_ARN", "arn:aws:iam::<account>:oidc-provider/<host>/id/<id>"]},
             "Condition": {"StringLikeIfExists": {"<host>/id/<id>:sub": "system:serviceaccount:{{ns}}:*", "${KEY}": "${SUBJECT}"},
                "IpAddress": {"aws:SourceIp": "<cidr>"}}},
            {"Effect": "Allow", "Action": "${ACTION}", "Principal": {"AWS": ["arn:aws:iam::${OTHER}:root", "*"], "Service": "%s"},
             "Condition": {"StringLike": {"aws:PrincipalOrgID": "${ORG}*"}}},
        ]);
        let audited = crate::trust::AuditedRole { trust_policy: document(statements).to_string(), ..role(json!([])) };
        let (template, _) = Template::fill(&serde_json::from_str(&audited.trust_policy).unwrap()).unwrap();
        let who = who_can(&audited, &around()).unwrap();
        let said = serde_json::to_string(&(found_in(&audited, &around()), who)).unwrap();
        for mark in &template.marks {
            let numbered = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
            assert!(!said.split(mark).skip(1).any(numbered), "{mark}: {said}");
        }
        for written in ["$PROVIDER_ARN", "<account>", "<host>", "{{ns}}", "${OTHER}", "%s"] {
            assert!(said.contains(written), "{written}: {said}");
        }
    }

    #[test]
    fn a_key_of_another_issuer_stays_one() {
        let mut other = allow_sub("StringEquals", json!("system:serviceaccount:ns:app"));
        let key = HOST.replace("us-east-1", "${REGION}").replace("/id/A", "/id/B");
        other["Condition"] = json!({"StringEquals": {format!("{key}:sub"): "system:serviceaccount:ns:app"}});
        assert_eq!(ids(&document(other)), [(FindingId::AdmitsNobody, Severity::Info)]);
    }

    #[test]
    fn a_principal_of_an_open_account_is_of_no_other_account() {
        let by = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::${ACCOUNT}:root"}, "Action": "sts:AssumeRole"});
        let web = allow_sub("StringEquals", json!("system:serviceaccount:ns:app"));
        assert_eq!(ids(&document(json!([web, by]))), []);
    }

    /// Values that occur in the documents below, and what templates have in their place.
    fn open_values() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
        let one = |value: &'static str, forms: &'static [&'static str]| {
            proptest::option::of(prop::sample::select(forms)).prop_map(move |form| form.map(|form| (value, form)))
        };
        let each = (
            one("123456789012", &["ACCOUNT_ID", "${AWS_ACCOUNT_ID}", "<account>", "{{ account }}", "XXXXXXXXXXXX"]),
            one("us-east-1", &["REGION", "${AWS_REGION}", "<region>", "region-code"]),
            one("0123456789ABCDEF", &["OIDC_ID", "${ID}", "<id>", "XXXXXXXX"]),
            one("team", &["NAMESPACE", "${NS}", "<namespace>", "%s"]),
            one("worker", &["${SA}", "<name>", "{{ .Values.name }}", "YOUR_SERVICE_ACCOUNT"]),
            one("o-exampleorg", &["ORG_ID", "${ORG}", "<organization>"]),
        );
        each.prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].into_iter().flatten().collect())
    }

    fn concrete() -> impl Strategy<Value = Value> {
        const EKS: &str = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF";
        let sub = prop::sample::select(vec![
            "system:serviceaccount:team:worker",
            "system:serviceaccount:team:*",
            "system:serviceaccount:team*:worker",
            "system:serviceaccount:*:worker",
            "system:serviceaccount:team:worker-?",
            "system:serviceaccount:kube-system:*",
            "system:serviceaccount:team:Worker",
            "*",
        ]);
        let operator =
            prop::sample::select(vec!["StringEquals", "StringLike", "StringNotEquals", "StringEqualsIfExists"]);
        let web = (proptest::option::of((operator, sub)), any::<bool>()).prop_map(|(test, audience)| {
            let mut condition = json!({});
            if let Some((operator, sub)) = test {
                condition[operator][format!("{EKS}:sub")] = json!(sub);
            }
            if audience {
                condition["StringEquals"][format!("{EKS}:aud")] = json!(STS);
            }
            json!({"Effect": "Allow", "Principal": {"Federated": arn(EKS)}, "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": condition})
        });
        let aws = prop::sample::select(vec![
            json!({}),
            json!({"StringEquals": {"aws:PrincipalOrgID": "o-exampleorg"}}),
            json!({"StringEquals": {"aws:PrincipalAccount": "123456789012"}}),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/*"}}),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/worker"}}),
        ]);
        let aws = aws.prop_map(|condition| {
            json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition})
        });
        let statement = prop_oneof![3 => web, 1 => aws];
        proptest::collection::vec(statement, 1..3).prop_map(|statements| document(json!(statements)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_template_is_judged_as_what_it_becomes(filled in concrete(), open in open_values()) {
            let text = open.iter().fold(filled.to_string(), |text, (value, form)| text.replace(value, form));
            let written: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(ids(&written), ids(&filled), "{}", text);
            let named = found(&written).iter().any(|found| found.id == FindingId::Placeholder);
            let before = filled.to_string();
            prop_assert_eq!(named, text != before);
            for finding in found(&written) {
                let Some(fix) = finding.fix else { continue };
                // Filled in the same way, the repair of the template repairs what it becomes.
                let fixed = open.iter().fold(fix.to_string(), |text, (value, form)| text.replace(form, value));
                prop_assert!(TrustDocument::parse(&fixed).is_ok(), "{}", fixed);
                let count = |of: &[(FindingId, Severity)]| of.iter().filter(|(id, _)| *id == finding.id).count();
                let left = ids(&serde_json::from_str(&fixed).unwrap());
                prop_assert!(count(&left) < count(&ids(&filled)), "{} by {}", finding.id, fixed);
            }
        }

        #[test]
        fn whatever_is_filled_in_comes_back(filled in concrete(), open in open_values()) {
            let text = open.iter().fold(filled.to_string(), |text, (value, form)| text.replace(value, form));
            let written: Value = serde_json::from_str(&text).unwrap();
            match Template::fill(&written) {
                Some((template, made)) => prop_assert_eq!(template.restore(&made), written),
                None => prop_assert_eq!(text, filled.to_string()),
            }
        }
    }
}
