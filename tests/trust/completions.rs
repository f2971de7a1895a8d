//! The answer of three values by brute force: every question that the naive evaluator asks is answered in all ways that
//! can matter.

use irsa_core::trust::Decision;
use serde_json::Value;

use super::comparison::known;
use super::naive::{Question, Request, Values, allows, condition_holds, list};

/// How many evaluations are tried before a document is given up.
const MOST: usize = 30_000;

/// What the completions of a request say.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    /// Some completion allows.
    pub(super) allow: bool,
    /// Some completion denies.
    pub(super) deny: bool,
    /// The completions that were tried are all that can be told apart: two that differ in nothing tested are one.
    pub(super) complete: bool,
    tried: usize,
}

impl Outcomes {
    /// The answer, of which `Unknown` is proved and the other two are where `complete`.
    pub(super) fn decision(&self) -> Decision {
        match (self.allow, self.deny) {
            (true, true) => Decision::Unknown,
            (true, false) => Decision::Allow,
            _ => Decision::Deny,
        }
    }
}

/// All that a trust policy may say to a request.
pub(super) fn outcomes(document: &Value, request: &Request) -> Outcomes {
    let mut outcomes = Outcomes { complete: of_strings(document), ..Outcomes::default() };
    explore(document, request.clone(), &mut outcomes);
    outcomes
}

fn explore(document: &Value, mut request: Request, found: &mut Outcomes) {
    found.tried += 1;
    if found.tried > MOST {
        found.complete = false;
    }
    if (found.allow && found.deny) || found.tried > MOST {
        return;
    }
    match allows(document, &request) {
        Ok(true) => found.allow = true,
        Ok(false) => found.deny = true,
        Err(Question::Star) => {
            for star in [false, true] {
                request.star = Some(star);
                explore(document, request.clone(), found);
            }
        }
        Err(Question::Whim(what)) => {
            found.complete = false;
            for whim in [false, true] {
                request.whims.insert(what.clone(), whim);
                explore(document, request.clone(), found);
            }
        }
        Err(Question::Key(key)) => {
            for values in universe(document, &request, &key) {
                request.keys.insert(key.clone(), values);
                explore(document, request.clone(), found);
            }
        }
    }
}

/// A test that a document makes of a key.
struct Test<'a> {
    operator: &'a str,
    wanted: Vec<&'a Value>,
}

fn tests<'a>(document: &'a Value, key: &str) -> Vec<Test<'a>> {
    let mut tests = Vec::new();
    for statement in list(&document["Statement"]) {
        for (operator, keys) in statement.get("Condition").and_then(Value::as_object).into_iter().flatten() {
            for (name, wanted) in keys.as_object().into_iter().flatten() {
                if name.to_lowercase() == key {
                    tests.push(Test { operator, wanted: list(wanted) });
                }
            }
        }
    }
    tests
}

/// Every text of a document.
fn texts<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => into.push(text),
        Value::Array(list) => list.iter().for_each(|value| texts(value, into)),
        Value::Object(object) => object.values().for_each(|value| texts(value, into)),
        _ => {}
    }
}

/// The values of a key that a document can tell apart: none, and words (several of them under set operators).
fn universe(document: &Value, request: &Request, key: &str) -> Vec<Values> {
    let tests = tests(document, key);
    let variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
    let mut all = Vec::new();
    texts(document, &mut all);
    let has_variables = variables && all.iter().any(|text| text.contains("${"));
    let of_a_set = tests.iter().any(|test| test.operator.contains(':'));
    let wanted = tests.iter().flat_map(|test| &test.wanted).map(|w| w.as_str().map_or_else(|| w.to_string(), str::to_owned));
    let mut words = words(&wanted.collect::<Vec<_>>());
    if has_variables {
        // A variable may carry the value of one key into the test of another.
        words.extend(all.iter().filter(|text| text.len() < 8).map(|text| (*text).to_owned()));
        for known in request.keys.values().flatten().flatten() {
            let parts: Vec<&str> = known.split(':').collect();
            for first in 0..parts.len() {
                words.extend((first..parts.len()).map(|last| parts[first..=last].join(":")));
            }
        }
    }
    // Under a set operator an empty text is no value at all.
    words.retain(|word| !word.is_empty());
    if !of_a_set {
        words.push(String::new());
    }
    words.sort_unstable();
    words.dedup();
    if !has_variables {
        words = told_apart(words, &tests, key, request);
    }
    let mut universe = vec![None];
    universe.extend(words.iter().map(|word| Some(vec![word.clone()])));
    if of_a_set {
        for (i, first) in words.iter().enumerate() {
            for (j, second) in words.iter().enumerate().skip(i + 1) {
                universe.push(Some(vec![first.clone(), second.clone()]));
                let three = words.iter().skip(j + 1).map(|third| Some(vec![first.clone(), second.clone(), third.clone()]));
                universe.extend(three);
            }
        }
    }
    universe
}

/// The literals, one word for each pattern, and all words of up to three of their characters and of a foreign one.
fn words(wanted: &[String]) -> Vec<String> {
    let mut words = vec!["z".to_owned(), "zz".to_owned()];
    let mut letters = vec!['z'];
    for text in wanted {
        words.extend([text.clone(), text.to_uppercase(), text.replace('*', "").replace('?', "z")]);
        letters.extend(text.chars().filter(|c| c.is_ascii_alphanumeric()).take(3));
    }
    if wanted.iter().any(|text| text.contains(['*', '?'])) {
        letters.sort_unstable();
        letters.dedup();
        letters.truncate(4);
        for a in &letters {
            for b in &letters {
                words.extend(letters.iter().map(|c| format!("{a}{b}{c}")));
                words.push(format!("{a}{b}"));
            }
            words.push(a.to_string());
        }
    }
    words
}

/// One word of those that answer every test alike.
fn told_apart(words: Vec<String>, tests: &[Test<'_>], key: &str, request: &Request) -> Vec<String> {
    let mut seen = Vec::new();
    let new = |word: &String| {
        let mut request = request.clone();
        request.keys.insert(key.to_owned(), Some(vec![word.clone()]));
        let answers: Vec<_> = tests
            .iter()
            .flat_map(|test| test.wanted.iter().map(|wanted| (test.operator, *wanted)))
            .map(|(operator, wanted)| condition_holds(operator, key, &[wanted], false, &request).ok())
            .collect();
        let new = !seen.contains(&answers);
        seen.push(answers);
        new
    };
    words.into_iter().filter(new).collect()
}

/// Whether every operator of a document is one of strings, so that the words above are all that can be told apart.
fn of_strings(document: &Value) -> bool {
    list(&document["Statement"])
        .into_iter()
        .filter_map(|statement| statement.get("Condition")?.as_object())
        .flat_map(|condition| condition.keys())
        .all(|operator| {
            let operator = operator.to_lowercase();
            let plain = operator.rsplit(':').next().unwrap_or_default();
            let plain = plain.strip_suffix("ifexists").unwrap_or(plain);
            plain == "null" || known(plain).is_some_and(|(test, _)| test.starts_with("string"))
        })
}
