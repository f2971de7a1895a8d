//! The symbolic answer: which subjects of a provider a trust policy lets in, as patterns less patterns.
//!
//! Every statement is a set of subjects, given provider and audience: its tests of `sub` are unions of patterns, negated ones
//! complements, and all of them must hold. What else it tests is true, false or in doubt. So each statement has a set for
//! certain and a set at most, and who gets in is what an Allow covers and no Deny does.

use super::budget::Work;
use super::caller::WebIdentityCaller;
use super::condition::Test;
use super::decision::Decision;
use super::document::{Effect, Statement, TrustDocument};
use super::explain;
use super::glob::Glob;
use super::operator::{Family, Truth};
use super::policy_value::{Held, Resolved, Value, held};
use super::solver::{OpenTest, settled};
use super::subject_region::{Region, Union};
use crate::name::ProviderArn;

/// A set of `sub` claims of one provider with one audience: who is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectSet {
    /// The parts, which may overlap only where the decision is the same; a subject that is in none is denied.
    pub parts: Vec<SubjectPart>,
}

/// The subjects that fit a pattern and none of some others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubjectPart {
    /// An exact `sub`, or a pattern of `*` and `?`; a literal one of these is written `${*}`, as IAM does. What is compared
    /// without case is shown in lower case, as names in Kubernetes are.
    pub pattern: String,
    /// Those of the pattern that are not part of it: exact ones or patterns.
    pub except: Vec<String>,
    /// `Allow`, or `Unknown` where it depends on `conditions`.
    pub decision: Decision,
    /// The Allow statement that lets them in, by its Sid or its number.
    pub statement: String,
    /// What an unknown one depends on, in words.
    pub conditions: Vec<String>,
    /// Whether just these get in by that decision. Otherwise nobody else does, but fewer may.
    pub exact: bool,
    /// What would make it impossible for them to get in, in words.
    pub impossible_if: Vec<String>,
    region: Region,
}

impl SubjectPart {
    /// Whether a `sub` is in this part.
    pub fn contains(&self, subject: &str) -> bool {
        self.region.contains(subject)
    }

    /// The pattern itself.
    pub(in crate::trust) fn glob(&self) -> &Glob {
        &self.region.glob
    }

    /// Whether it is one subject, and not a pattern.
    pub fn is_one_subject(&self) -> bool {
        self.region.glob.is_literal()
    }
}

impl SubjectSet {
    /// The decision for one `sub`. Where its part is not exact, it is `Unknown` or the decision of the part.
    pub fn decide(&self, subject: &str) -> Decision {
        let of = |decision| self.parts.iter().any(|part| part.decision == decision && part.contains(subject));
        if of(Decision::Allow) {
            return Decision::Allow;
        }
        if of(Decision::Unknown) { Decision::Unknown } else { Decision::Deny }
    }

    fn union(&self, decisions: &[Decision]) -> Union {
        let parts = self.parts.iter().filter(|part| decisions.contains(&part.decision));
        Union { regions: parts.map(|part| part.region.clone()).collect(), exact: true }
    }

    /// Whether everybody whom a pattern covers is let in.
    pub(in crate::trust) fn admits_all_of(&self, pattern: &str) -> bool {
        let all = Union { regions: vec![Region::of(Glob::wild(pattern))], exact: true };
        all.minus(&self.union(&[Decision::Allow]), &Work::new()).regions.is_empty()
    }

    /// Whether more than single ones of those whom a pattern covers may be let in.
    pub(in crate::trust) fn meets_pattern(&self, pattern: &str) -> bool {
        let pattern = Glob::wild(pattern);
        self.parts.iter().any(|part| match part.region.glob.intersect(&pattern, &Work::new()) {
            Some(met) => met.iter().any(|glob| !glob.is_literal()),
            None => true,
        })
    }

    /// Who is let in here and by none of the others, as patterns; who may be, where none of them may.
    pub(in crate::trust) fn beyond(&self, others: &[Self], work: &Work) -> Vec<String> {
        let known = |decisions: &[Decision]| {
            others.iter().fold(Union::nothing(), |all, set| all.and(set.union(decisions), work))
        };
        let for_certain = self.union(&[Decision::Allow]).minus(&known(&[Decision::Allow]), work);
        let in_doubt = self.union(&[Decision::Unknown]).minus(&known(&[Decision::Allow, Decision::Unknown]), work);
        let regions = for_certain.regions.into_iter().chain(in_doubt.regions);
        regions.map(|region| region.glob.to_string()).collect()
    }

    /// Whether nobody gets in, under no circumstances.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// The subjects that a statement is about.
struct Sets {
    /// Whatever is not given.
    certain: Union,
    /// Under some completion of what is not given.
    at_most: Union,
    /// What it depends on.
    conditions: Vec<String>,
}

impl TrustDocument {
    /// Which subjects of a provider may assume the role with an audience. Pure and total.
    ///
    /// Conjunctions of literals and patterns are told exactly. Where several statements depend on what is not given, or where
    /// it would take too many patterns, a part is told too large and marked so.
    pub fn subjects(&self, provider: &ProviderArn, audience: &str) -> SubjectSet {
        self.subjects_within(provider, audience, &Work::new())
    }

    /// The same, as far as there is work left; the rest is told too large.
    pub(in crate::trust) fn subjects_within(&self, provider: &ProviderArn, audience: &str, work: &Work) -> SubjectSet {
        let caller = WebIdentityCaller::new(provider.clone(), "", audience);
        let arn = provider.to_string();
        let sets: Vec<(&Statement, Sets)> = self
            .statements
            .iter()
            .map(|statement| (statement, sets_of(statement, &caller, &arn, work)))
            .filter(|(_, sets)| !sets.at_most.regions.is_empty())
            .collect();
        let denies = || sets.iter().filter(|(statement, _)| statement.effect == Effect::Deny);
        let denied = denies().fold(Union::nothing(), |all, (_, sets)| all.and(sets.certain.clone(), work));
        let deniable = denies().fold(Union::nothing(), |all, (_, sets)| all.and(sets.at_most.clone(), work));
        let in_doubt = sets.iter().filter(|(_, sets)| !sets.conditions.is_empty()).count();

        let allows = || sets.iter().filter(|(statement, _)| statement.effect == Effect::Allow);
        let gone = vec![
            format!("the account has no provider {provider} any more"),
            format!("the provider does not take the audience {audience}"),
        ];
        let (mut parts, mut allowed) = (Vec::new(), Union::nothing());
        for (statement, set) in allows() {
            let certain = set.certain.clone().minus(&deniable, work).or_nothing();
            for region in &certain.regions {
                // A Deny that is told too large leaves too little here, and the rest in doubt.
                parts.push(part(region, statement, Decision::Allow, (true, Vec::new()), gone.clone()));
            }
            allowed = allowed.and(certain, work);
        }
        for (statement, set) in allows() {
            let open = set.at_most.clone().minus(&denied, work).minus(&allowed, work);
            for region in &open.regions {
                let mut conditions = set.conditions.clone();
                for (deny, sets) in denies().filter(|(_, sets)| !sets.conditions.is_empty()) {
                    let meets = sets
                        .at_most
                        .regions
                        .iter()
                        .any(|other| region.glob.intersect(&other.glob, work).is_none_or(|met| !met.is_empty()));
                    if meets {
                        conditions.extend(
                            sets.conditions.iter().map(|condition| format!("{} denies: {condition}", deny.label)),
                        );
                    }
                }
                let told = !conditions.is_empty();
                if !told {
                    conditions.push("the statements together, which are too many to tell".to_owned());
                }
                let impossible =
                    conditions.iter().filter(|_| told).map(|condition| match condition.contains(" denies: ") {
                        true => format!("this holds: {condition}"),
                        false => format!("this does not hold: {condition}"),
                    });
                let impossible = impossible.chain(gone.iter().cloned()).collect();
                // One thing in doubt can turn out either way; several may depend on each other.
                let exact = told && open.exact && deniable.exact && in_doubt == 1 && conditions.len() == 1;
                parts.push(part(region, statement, Decision::Unknown, (exact, conditions), impossible));
            }
        }
        SubjectSet { parts }
    }
}

fn part(
    region: &Region,
    statement: &Statement,
    decision: Decision,
    (exact, conditions): (bool, Vec<String>),
    impossible_if: Vec<String>,
) -> SubjectPart {
    SubjectPart {
        pattern: region.glob.to_string(),
        except: region.except.iter().map(ToString::to_string).collect(),
        decision,
        statement: statement.label.clone(),
        conditions,
        exact,
        impossible_if,
        region: region.clone(),
    }
}

fn sets_of(statement: &Statement, caller: &WebIdentityCaller, provider: &str, work: &Work) -> Sets {
    let mut certain = Union::nothing();
    let mut at_most = Union::nothing();
    let mut conditions = Vec::new();
    let mut about = statement.is_about(provider);
    if about == Truth::Unknown {
        let open = super::solver::Open::of(statement, caller, provider).tests();
        let doubts = open.iter().filter(|open| !matches!(open, OpenTest::Test { .. }));
        conditions.extend(doubts.map(|open| explain::condition(statement, open)));
    }
    let (mut of_subject, mut exact) = (Vec::new(), true);
    for test in &statement.tests {
        if is_of_subject(test, caller) {
            of_subject.push(test);
            continue;
        }
        let of_subject = test.values.iter().flat_map(Value::variables).any(|key| is_subject_key(key, caller));
        let truth = if of_subject { Truth::Unknown } else { settled(test, caller) };
        exact &= !of_subject;
        if truth == Truth::Unknown {
            let given = held(&test.key, caller) != Held::NotGiven;
            conditions.push(explain::condition(statement, &OpenTest::Test { test, given, globs: None }));
        }
        about = about.and(truth);
    }
    if about == Truth::False {
        return Sets { certain, at_most, conditions };
    }
    at_most = Union::all();
    let mut least = Union::all();
    for test in of_subject {
        match limits(test, caller) {
            Some((small, large, open)) => {
                let of_itself = test.values.iter().flat_map(Value::variables).any(|key| is_subject_key(key, caller));
                exact &= !of_itself;
                if open {
                    conditions.push(explain::condition(statement, &OpenTest::Test { test, given: true, globs: None }));
                }
                (least, at_most) = match test.operator.negated {
                    // None of the patterns: fewer patterns let more through.
                    true => (least.without(&large, work), at_most.without(&small, work)),
                    false => (least.within(&small, work), at_most.within(&large, work)),
                };
            }
            None => {
                conditions.push(explain::condition(statement, &OpenTest::Test { test, given: true, globs: None }));
                (least, exact) = (Union::nothing(), false);
            }
        }
    }
    at_most.exact &= exact;
    if about == Truth::True && least.exact {
        certain = least;
    }
    if !at_most.exact && certain.regions.is_empty() && conditions.is_empty() {
        conditions.push(format!("the conditions of {} together, which are too many to tell", statement.label));
    }
    Sets { certain, at_most, conditions }
}

/// Whether a test is one of this provider's `sub`.
fn is_of_subject(test: &Test, caller: &WebIdentityCaller) -> bool {
    let marked = WebIdentityCaller { subject: "subject".to_owned(), audience: "audience".to_owned(), ..caller.clone() };
    held(&test.key, &marked) == Held::One("subject") && test.operator.family != Family::Null
}

/// The patterns that a test of `sub` compares with: for certain, at most, and whether they differ; nothing where its operator
/// does not compare texts.
fn limits(test: &Test, caller: &WebIdentityCaller) -> Option<(Vec<Glob>, Vec<Glob>, bool)> {
    if !matches!(test.operator.family, Family::Equals | Family::EqualsIgnoreCase | Family::Like) {
        return None;
    }
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for value in &test.values {
        // A variable for the subject itself: whoever it is, it depends on the whole.
        let of_itself = value.variables().any(|key| is_subject_key(key, caller));
        match value.resolve(caller) {
            _ if of_itself => large.push(Glob::all()),
            Resolved::Fully(glob) => {
                small.push(glob.clone());
                large.push(glob);
            }
            Resolved::Within(glob, _) => large.push(glob),
            Resolved::Never => {}
        }
    }
    let open = small.len() != large.len();
    Some((small, large, open))
}

fn is_subject_key(key: &str, caller: &WebIdentityCaller) -> bool {
    key.rsplit_once(':').is_some_and(|(issuer, claim)| {
        issuer.eq_ignore_ascii_case(caller.provider.issuer().host_path()) && claim.eq_ignore_ascii_case("sub")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    const HOST: &str = "issuer.example/id/A";
    const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/issuer.example/id/A";

    fn document(statements: Json) -> TrustDocument {
        TrustDocument::from_value(&json!({"Version": "2012-10-17", "Statement": statements})).unwrap()
    }

    fn statement(effect: &str, condition: Json) -> Json {
        json!({"Effect": effect, "Principal": {"Federated": PROVIDER}, "Action": "sts:*", "Condition": condition})
    }

    fn sub(operator: &str, values: Json) -> Json {
        json!({operator: {format!("{HOST}:sub"): values}})
    }

    fn told(statements: Json) -> Vec<(String, Vec<String>, Decision, bool)> {
        let set = document(statements).subjects(&PROVIDER.parse().unwrap(), "sts.amazonaws.com");
        set.parts.into_iter().map(|part| (part.pattern, part.except, part.decision, part.exact)).collect()
    }

    fn one(pattern: &str, except: &[&str]) -> (String, Vec<String>, Decision, bool) {
        (pattern.to_owned(), except.iter().map(ToString::to_string).collect(), Decision::Allow, true)
    }

    #[test]
    fn conjunctions_and_complements_are_exact() {
        let both = json!({"StringLike": {format!("{HOST}:sub"): ["a*", "b"]}, "StringNotEquals": {format!("{HOST}:sub"): ["ab", "c"]}});
        assert_eq!(told(statement("Allow", both)), [one("a*", &["ab"]), one("b", &[])]);
        let literal = told(statement("Allow", sub("StringEquals", json!("ns:*"))));
        assert_eq!(literal, [one("ns:${*}", &[])]);
        assert_eq!(told(statement("Allow", json!({}))), [one("*", &[])]);
        let nobody = json!({"StringEquals": {format!("{HOST}:aud"): "other"}});
        assert_eq!(told(statement("Allow", nobody)), []);
    }

    #[test]
    fn a_deny_is_taken_away() {
        let allow = statement("Allow", sub("StringLike", json!("a*")));
        let inside = statement("Deny", sub("StringEquals", json!("ab")));
        assert_eq!(told(json!([allow, inside])), [one("a*", &["ab"])]);
        let all_but = statement("Deny", sub("StringNotLike", json!("*b")));
        assert_eq!(told(json!([allow, all_but])), [one("a*b", &[])]);
    }

    #[test]
    fn what_is_in_doubt_is_told_apart() {
        let mut condition = sub("StringEquals", json!("a"));
        condition["IpAddress"] = json!({"aws:SourceIp": "10.0.0.0/8"});
        let set = document(json!([statement("Allow", condition), statement("Allow", sub("StringEquals", json!("b")))]));
        let set = set.subjects(&PROVIDER.parse().unwrap(), "sts.amazonaws.com");
        assert_eq!(
            (set.decide("a"), set.decide("b"), set.decide("c")),
            (Decision::Unknown, Decision::Allow, Decision::Deny)
        );
        let open = set.parts.iter().find(|part| part.decision == Decision::Unknown).unwrap();
        assert!(open.exact && open.conditions[0].contains("aws:SourceIp"), "{open:?}");
        assert!(open.impossible_if[0].starts_with("this does not hold: IpAddress"), "{:?}", open.impossible_if);
    }

    fn test_of_sub() -> impl Strategy<Value = (String, Json)> {
        let operators = [
            "StringEquals",
            "StringLike",
            "StringNotEquals",
            "StringNotLike",
            "StringEqualsIgnoreCase",
            "ForAllValues:StringLike",
            "StringLikeIfExists",
        ];
        let value =
            prop_oneof![Just("a"), Just("ab"), Just("*"), Just("a*"), Just("*b"), Just("?"), Just("B"), Just("*a*")];
        (prop::sample::select(operators.to_vec()), proptest::collection::vec(value, 1..3))
            .prop_map(|(operator, values)| (operator.to_owned(), json!(values)))
    }

    fn random_statement() -> impl Strategy<Value = Json> {
        let other = prop_oneof![
            4 => Just(None),
            1 => Just(Some(("IpAddress", "aws:SourceIp", "10.0.0.0/8"))),
            1 => Just(Some(("StringEquals", "issuer.example/id/A:aud", "other"))),
            1 => Just(Some(("StringNotEquals", "else.example:sub", "x"))),
        ];
        (prop::sample::select(vec!["Allow", "Allow", "Deny"]), proptest::collection::vec(test_of_sub(), 0..3), other)
            .prop_map(|(effect, tests, other)| {
                let mut condition = json!({});
                for (operator, values) in tests {
                    condition[operator] = json!({format!("{HOST}:sub"): values});
                }
                if let Some((operator, key, value)) = other {
                    let mut keys = condition[operator].as_object().cloned().unwrap_or_default();
                    keys.insert(key.to_owned(), json!(value));
                    condition[operator] = json!(keys);
                }
                statement(effect, condition)
            })
    }

    proptest! {
        #[test]
        fn the_set_agrees_with_the_evaluation_of_each(statements in proptest::collection::vec(random_statement(), 1..4)) {
            let document = document(json!(statements));
            let provider: ProviderArn = PROVIDER.parse().unwrap();
            let set = document.subjects(&provider, "sts.amazonaws.com");
            let exact = set.parts.iter().all(|part| part.exact);
            for subject in ["", "a", "b", "ab", "aa", "bb", "aab", "abb", "ba", "bab", "c", "B", "aB", "AB"] {
                let expected = document.decide(&WebIdentityCaller::new(provider.clone(), subject, "sts.amazonaws.com"));
                let told = set.decide(subject);
                let agrees = told == expected || (!exact && told == Decision::Unknown);
                prop_assert!(agrees, "{subject}: told {told}, evaluated {expected}: {set:?}");
            }
        }
    }
}
