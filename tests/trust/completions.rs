//! The answer of three values by brute force: every question that the naive evaluator asks is answered in all ways that
//! can matter.

use std::collections::BTreeMap;

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
    let complete = of_strings(document) && !has_open_variables(document, request);
    let found = Outcomes { complete, ..Outcomes::default() };
    let mut search = Search { document, request, universes: BTreeMap::new(), found };
    search.explore(request.clone());
    search.found
}

struct Search<'a> {
    document: &'a Value,
    request: &'a Request,
    universes: BTreeMap<String, Vec<Values>>,
    found: Outcomes,
}

impl Search<'_> {
    fn explore(&mut self, mut request: Request) {
        self.found.tried += 1;
        if self.found.tried > MOST {
            self.found.complete = false;
        }
        if (self.found.allow && self.found.deny) || self.found.tried > MOST {
            return;
        }
        match allows(self.document, &request) {
            Ok(true) => self.found.allow = true,
            Ok(false) => self.found.deny = true,
            Err(Question::Star) => {
                for star in [false, true] {
                    request.star = Some(star);
                    self.explore(request.clone());
                }
            }
            Err(Question::Whim(what)) => {
                self.found.complete = false;
                for whim in [false, true] {
                    request.whims.insert(what.clone(), whim);
                    self.explore(request.clone());
                }
            }
            Err(Question::Key(key)) => {
                let new = || universe(self.document, self.request, &key);
                for values in self.universes.entry(key.clone()).or_insert_with(new).clone() {
                    request.keys.insert(key.clone(), values);
                    self.explore(request.clone());
                }
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

fn has_variables(document: &Value) -> bool {
    document.get("Version").and_then(Value::as_str) == Some("2012-10-17")
}

/// Whether a value depends on a key that is not given: it may become anything, of which a few words are tried.
fn has_open_variables(document: &Value, request: &Request) -> bool {
    let mut all = Vec::new();
    texts(document, &mut all);
    let names = all.iter().flat_map(|text| text.split("${").skip(1)).filter_map(|rest| rest.split([',', '}']).next());
    let open = |name: &str| !["*", "?", "$"].contains(&name) && request.values(name.trim()).is_err();
    has_variables(document) && names.into_iter().any(open)
}

/// The values of a key that a document can tell apart: none, and words (several of them under set operators).
fn universe(document: &Value, request: &Request, key: &str) -> Vec<Values> {
    let tests = tests(document, key);
    let of_a_set = tests.iter().any(|test| test.operator.contains(':'));
    let text = |wanted: &&Value| wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
    let open = has_open_variables(document, request);
    let mut words = words(&tests.iter().flat_map(|test| test.wanted.iter().map(text)).collect::<Vec<_>>(), open);
    let mut all = Vec::new();
    texts(document, &mut all);
    if all.iter().any(|text| text.contains("${")) {
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
    if !open {
        words = told_apart(words, &tests, key, has_variables(document), request);
    }
    let mut universe = vec![None];
    universe.extend(words.iter().map(|word| Some(vec![word.clone()])));
    if of_a_set && !open {
        for (i, first) in words.iter().enumerate() {
            for (j, second) in words.iter().enumerate().skip(i + 1) {
                universe.push(Some(vec![first.clone(), second.clone()]));
                let three =
                    words.iter().skip(j + 1).map(|third| Some(vec![first.clone(), second.clone(), third.clone()]));
                universe.extend(three);
            }
        }
    }
    universe
}

/// The literals, one word for each pattern, and all words of up to three of their characters and of a foreign one.
fn words(wanted: &[String], few: bool) -> Vec<String> {
    let mut words = vec!["z".to_owned(), "zz".to_owned()];
    let mut letters = vec!['z'];
    for text in wanted {
        words.extend([text.clone(), text.to_uppercase(), text.replace('*', "").replace('?', "z")]);
        letters.extend(text.chars().filter(|c| c.is_ascii_alphanumeric()).take(3));
    }
    if !few && wanted.iter().any(|text| text.contains(['*', '?'])) {
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
fn told_apart(words: Vec<String>, tests: &[Test<'_>], key: &str, variables: bool, request: &Request) -> Vec<String> {
    let mut seen = Vec::new();
    let mut request = request.clone();
    let mut new = |word: &String| {
        request.keys.insert(key.to_owned(), Some(vec![word.clone()]));
        let answers: Vec<_> = tests
            .iter()
            .flat_map(|test| test.wanted.iter().map(|wanted| (test.operator, *wanted)))
            .map(|(operator, wanted)| condition_holds(operator, key, &[wanted], variables, &request).ok())
            .collect();
        let new = !seen.contains(&answers);
        seen.push(answers);
        new
    };
    words.into_iter().filter(|word| new(word)).collect()
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
