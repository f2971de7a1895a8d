//! The trust policy that the subjects of a role make: a pure function, used to plan a write and to check it afterwards.

pub(super) mod statement;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use self::statement::{audience_or_default, nobody, own_sid, own_statement};
use super::{OwnKind, TrustPolicy, WebIdentity, own_kind};
use crate::cluster_identity::ClusterId;
use crate::document::{canonical_statement, strings};
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{Audience, ProviderArn, SubjectName};
use crate::ownership::{Member, Ownership};

/// What a trust policy is derived from, besides the policy that stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Derivation {
    /// The providers of the clusters that are known, in the role's account.
    pub(crate) providers: BTreeMap<ClusterId, ProviderArn>,
    /// Subjects to be let in, besides those that the tags record.
    pub(crate) joining: BTreeSet<Member>,
    /// Subjects that must not be let in any more, whatever tags record.
    pub(crate) leaving: BTreeSet<Member>,
    /// Subjects that irsa's own statements must not let in yet, whatever tags record.
    pub(crate) waiting: BTreeSet<Member>,
    /// The declared audience; otherwise that of the standing statement, otherwise `sts.amazonaws.com`.
    pub(crate) audience: Option<Audience>,
    /// Declared further statements.
    pub(crate) extra: Vec<Value>,
}

/// A derived trust policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Derived {
    pub(crate) policy: TrustPolicy,
    /// `sub`s that stood in irsa's own statements without a tag, and are taken out.
    pub(crate) untagged: BTreeSet<String>,
}

/// Derives the trust policy of a role from the one that stands there, the ownership tags, and what joins and leaves.
///
/// # Errors
/// `Conflict` when a leaving subject may still be let in, by a statement that does not simply list it, and when the result
/// would let somebody in whom neither the policy that stands there nor tags and request do.
pub(crate) fn derive(standing: &TrustPolicy, ownership: &Ownership, derivation: &Derivation) -> Result<Derived> {
    let mut foreign: Vec<Value> = Vec::new();
    let mut extra: Vec<Value> = Vec::new();
    let mut own: Vec<Map<String, Value>> = Vec::new();
    for statement in standing.statements() {
        match own_kind(statement) {
            None => foreign.extend(without_leaving(statement, derivation)),
            Some(OwnKind::Extra) => extra.extend(without_leaving(statement, derivation)),
            Some(OwnKind::Subjects) => own.push(statement.clone()),
            Some(OwnKind::Nobody) => {}
        }
    }
    let mut members = ownership.members();
    members.extend(derivation.joining.iter().cloned());
    members.retain(|member| !derivation.leaving.contains(member) && !derivation.waiting.contains(member));

    let foreigners = standing.with_statements(foreign.clone());
    let (mut untagged, mut own_made) = (BTreeSet::new(), Vec::new());
    let mut statements = foreign.clone();
    for (cluster, provider) in &derivation.providers {
        let (mine, others) = own.into_iter().partition(|s| is_for(s, provider));
        own = others;
        let standing_subs = subs_of(&mine);
        let audience = audience_or_default(derivation.audience.as_ref(), audience_of(&mine));
        let of_cluster = || members.iter().filter(|member| member.cluster == *cluster);
        // A record that was cut in its tag is known by its hash only: such a subject stays where it stands.
        let cut = standing_subs.iter().filter(|sub| {
            let recorded = |m: &Member| ownership.overflow || ownership.records(m);
            let stays = |m: &Member| !derivation.leaving.contains(m) && !derivation.waiting.contains(m);
            member_of(cluster, sub).is_some_and(|m| recorded(&m) && stays(&m))
        });
        let mut kept: BTreeSet<String> = of_cluster().map(Member::sub).collect();
        kept.extend(cut.cloned());
        untagged.extend(
            standing_subs
                .iter()
                .filter(|sub| {
                    let leaving = member_of(cluster, sub).is_some_and(|m| derivation.leaving.contains(&m));
                    !kept.contains(*sub) && !leaving
                })
                .cloned(),
        );
        // Whom a foreign statement lists by name stays there. One that merely covers a subject may be narrowed any day.
        let listed: BTreeSet<String> = foreigners
            .statements()
            .filter_map(WebIdentity::read)
            .filter(|web| web.trusts(provider))
            .flat_map(|web| web.exact.into_iter().chain(web.patterns))
            .collect();
        let in_foreign = |sub: &String| {
            !standing_subs.contains(sub) && listed.contains(sub) && foreigners.admits(provider, sub, &audience)
        };
        let (patterns, exact): (BTreeSet<String>, BTreeSet<String>) =
            kept.into_iter().filter(|sub| !in_foreign(sub)).partition(|sub| sub.contains(['*', '?']));
        for (subs, like) in [(exact, false), (patterns, true)] {
            if !subs.is_empty() {
                own_made.push(own_statement(provider, &subs, &audience, like));
            }
        }
    }
    statements.extend(own_made.iter().cloned());
    // Statements for providers of clusters that are not part of this request keep the subjects that a record accounts for.
    let elsewhere: BTreeSet<String> =
        members.iter().filter(|member| !derivation.providers.contains_key(&member.cluster)).map(Member::sub).collect();
    for statement in own {
        let accounted =
            |sub: &str| elsewhere.contains(sub) || (ownership.is_partial() && !leaves_elsewhere(derivation, sub));
        for sub in subs_of(std::slice::from_ref(&statement)) {
            if !accounted(&sub) && !leaves_elsewhere(derivation, &sub) {
                untagged.insert(sub);
            }
        }
        statements.extend(without(&statement, &|sub| !accounted(sub)).map(Value::Object));
    }
    statements.extend(with_extra(extra, &foreign, &derivation.extra)?);
    if statements.is_empty() {
        statements.push(nobody());
    }
    let policy = standing.with_statements(statements);
    check_gone(&policy, derivation)?;
    own_made.extend(derivation.extra.iter().cloned());
    check_nobody_new(&policy, standing, &standing.with_statements(own_made))?;
    Ok(Derived { policy, untagged })
}

/// Nobody who leaves may be let in any more, whatever the audience.
fn check_gone(policy: &TrustPolicy, derivation: &Derivation) -> Result<()> {
    for member in &derivation.leaving {
        // Of a cluster whose provider is not known, nothing can be told about other people's statements.
        let Some(provider) = derivation.providers.get(&member.cluster) else { continue };
        if policy.may_admit(provider, &member.sub()) {
            let mut statements = policy.statements();
            let by = statements.find(|statement| policy.alone(statement).may_admit(provider, &member.sub()));
            return Err(still_admitted(member, by));
        }
    }
    Ok(())
}

/// Whoever the new policy lets in, the one that stands there does, or the declaration.
fn check_nobody_new(policy: &TrustPolicy, standing: &TrustPolicy, declared: &TrustPolicy) -> Result<()> {
    if policy == standing {
        return Ok(());
    }
    let new = policy.beyond(&[standing, declared])?;
    if new.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = new.into_iter().collect();
    Err(Error::new(ErrorKind::Conflict, "the trust policy cannot be written")
        .with_cause(format!(
            "it would let in {}, whom neither the policy that stands there nor the declaration lets in",
            names.join(", ")
        ))
        .with_hint("a Deny with a Sid that starts with `Irsa` may keep them out now: give it another Sid, or change the statement that it works against"))
}

/// Whether a subject of a cluster whose provider is not known is to be let in no more.
fn leaves_elsewhere(derivation: &Derivation, sub: &str) -> bool {
    let gone = |member: &&Member| !derivation.providers.contains_key(&member.cluster);
    derivation.leaving.iter().filter(gone).any(|member| member.sub() == sub)
}

/// Whether a statement of irsa's own is the one for a provider, even where somebody changed it.
fn is_for(statement: &Map<String, Value>, provider: &ProviderArn) -> bool {
    let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default();
    let federated = statement.get("Principal").map(|principal| strings(principal.get("Federated"))).unwrap_or_default();
    sid == own_sid(provider, false) || sid == own_sid(provider, true) || federated.contains(&provider.to_string())
}

fn subs_of(statements: &[Map<String, Value>]) -> BTreeSet<String> {
    let webs = statements.iter().filter_map(WebIdentity::read);
    webs.flat_map(|web| web.exact.into_iter().chain(web.patterns)).collect()
}

fn audience_of(statements: &[Map<String, Value>]) -> Option<String> {
    statements.iter().filter_map(WebIdentity::read).find_map(|web| web.audiences.into_iter().next())
}

/// The member that a `sub` of a cluster's provider stands for.
pub(crate) fn member_of(cluster: &ClusterId, sub: &str) -> Option<Member> {
    let (namespace, name) = sub.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    Some(Member {
        cluster: cluster.clone(),
        namespace: crate::name::Namespace::new(namespace).ok()?,
        name: SubjectName::parse(name).ok()?,
    })
}

/// A foreign statement without the leaving subjects, as far as it lists them; nothing when that leaves it empty.
fn without_leaving(statement: &Map<String, Value>, derivation: &Derivation) -> Option<Value> {
    let mut kept = Some(statement.clone());
    for member in &derivation.leaving {
        let Some(provider) = derivation.providers.get(&member.cluster) else { continue };
        let current = kept?;
        let concerned = WebIdentity::read(&current).is_some_and(|web| web.trusts(provider));
        kept = if concerned { without(&current, &|listed| listed == member.sub()) } else { Some(current) };
    }
    kept.map(Value::Object)
}

fn still_admitted(member: &Member, statement: Option<&Map<String, Value>>) -> Error {
    let subject = format!("{}/{}", member.namespace, member.name.as_str());
    let sid = |statement: &Map<String, Value>| {
        let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
        sid.map_or_else(|| Value::Object(statement.clone()).to_string(), str::to_owned)
    };
    let (by, hint) = match statement {
        Some(own) if own_kind(own) == Some(OwnKind::Subjects) => {
            (format!("statement {}, by a pattern that is a subject of the role itself", sid(own)), Hint::RemovePattern)
        }
        Some(foreign) => (
            format!("statement {}, which irsa did not write", sid(foreign)),
            Hint::from("change that statement by hand, then run the command again"),
        ),
        None => ("statements together".to_owned(), "change them by hand, then run the command again".into()),
    };
    Error::new(ErrorKind::Conflict, format!("subject {subject} cannot be taken out of the trust policy"))
        .with_cause(format!("it may still be let in by {by}"))
        .with_hint(hint)
}

/// A statement of a known form without some of its subjects; nothing when none is left. Unchanged ones keep their text.
fn without(statement: &Map<String, Value>, leaves: &dyn Fn(&str) -> bool) -> Option<Map<String, Value>> {
    let Some(web) = WebIdentity::read(statement) else { return Some(statement.clone()) };
    let all: BTreeSet<&String> = web.exact.iter().chain(&web.patterns).collect();
    let left: Vec<&String> = all.iter().copied().filter(|sub| !leaves(sub)).collect();
    if left.len() == all.len() {
        return Some(statement.clone());
    }
    if left.is_empty() {
        return None;
    }
    let mut changed = statement.clone();
    let conditions = changed.get_mut("Condition").and_then(Value::as_object_mut)?;
    for keys in conditions.values_mut().filter_map(Value::as_object_mut) {
        for (key, values) in keys.iter_mut() {
            if key.to_ascii_lowercase().ends_with(":sub") {
                *values = if let [one] = left[..] { json!(one) } else { json!(left) };
            }
        }
    }
    Some(changed)
}

/// The declared further statements beside those that stand: equal ones are kept, same Sids replaced, new ones numbered.
fn with_extra(mut standing: Vec<Value>, foreign: &[Value], declared: &[Value]) -> Result<Vec<Value>> {
    let sid_of = |value: &Value| value.get("Sid").and_then(Value::as_str).unwrap_or_default().to_owned();
    for statement in declared {
        let meaning = |value: &Value| {
            let mut value = value.clone();
            if let Some(object) = value.as_object_mut() {
                object.shift_remove("Sid");
            }
            canonical_statement(&value)
        };
        let wanted = meaning(statement);
        if standing.iter().chain(foreign).any(|known| meaning(known) == wanted) {
            continue;
        }
        let sid = match sid_of(statement) {
            sid if sid.is_empty() => free_sid(&standing),
            sid => sid,
        };
        if let Some(other) = foreign.iter().find(|known| sid_of(known) == sid) {
            return Err(Error::new(ErrorKind::Conflict, format!("trust statement {sid} cannot be added"))
                .with_cause(format!("the trust policy has another statement of that Sid: {other}"))
                .with_hint("give the statement another Sid, or change the one that is there by hand"));
        }
        standing.retain(|known| sid_of(known) != sid);
        let mut object = Map::from_iter([("Sid".to_owned(), Value::String(sid))]);
        for (key, value) in statement.as_object().into_iter().flatten().filter(|(key, _)| *key != "Sid") {
            object.insert(key.clone(), value.clone());
        }
        standing.push(Value::Object(object));
    }
    Ok(standing)
}

fn free_sid(standing: &[Value]) -> String {
    let taken = |sid: &str| standing.iter().any(|known| known.get("Sid").and_then(Value::as_str) == Some(sid));
    let mut number = 1;
    while taken(&format!("IrsaExtra{number}")) {
        number += 1;
    }
    format!("IrsaExtra{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::{ORIGIN_TAG, OWNER_TAG};
    use proptest::prelude::*;

    const DEMO: &str = "arn:aws:eks:us-east-1:123456789012:cluster/demo";
    const HOST: &str = "oidc.eks.us-east-1.amazonaws.com/id/DEMO";

    fn provider() -> ProviderArn {
        format!("arn:aws:iam::123456789012:oidc-provider/{HOST}").parse().unwrap()
    }

    fn member(name: &str) -> Member {
        member_of(&ClusterId::from_text(DEMO), &format!("system:serviceaccount:default:{name}")).unwrap()
    }

    fn owned_by(owner: &str, further: &[&str]) -> Ownership {
        let mut tags = BTreeMap::from([
            (OWNER_TAG.to_owned(), member(owner).tag_value()),
            (ORIGIN_TAG.to_owned(), "created".to_owned()),
        ]);
        tags.extend(further.iter().map(|name| (member(name).tag_key(), member(name).tag_value())));
        Ownership::from_tags(&tags)
    }

    fn derivation() -> Derivation {
        let providers = BTreeMap::from([(ClusterId::from_text(DEMO), provider())]);
        Derivation { providers, ..Derivation::default() }
    }

    fn eksctl(name: &str) -> Value {
        json!({"Effect": "Allow", "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Principal": {"Federated": provider().to_string()},
            "Condition": {"StringEquals": {format!("{HOST}:sub"): format!("system:serviceaccount:default:{name}"), format!("{HOST}:aud"): "sts.amazonaws.com"}}})
    }

    fn policy(statements: Vec<Value>) -> TrustPolicy {
        TrustPolicy(json!({"Version": "2012-10-17", "Statement": statements}))
    }

    fn admits(policy: &TrustPolicy, name: &str) -> bool {
        policy.admits(&provider(), &format!("system:serviceaccount:default:{name}"), "sts.amazonaws.com")
    }

    fn derived(standing: &TrustPolicy, ownership: &Ownership, derivation: &Derivation) -> TrustPolicy {
        derive(standing, ownership, derivation).unwrap().policy
    }

    #[test]
    fn a_new_role_gets_one_statement_that_tests_sub_and_aud() {
        let made = derived(&TrustPolicy::empty(), &owned_by("a", &["b"]), &derivation());
        let expected = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": provider().to_string()},
            "Sid": own_sid(&provider(), false),
            "Condition": {"StringEquals": {
                format!("{HOST}:aud"): "sts.amazonaws.com",
                format!("{HOST}:sub"): ["system:serviceaccount:default:a", "system:serviceaccount:default:b"]}}}]});
        assert_eq!(made, TrustPolicy(expected));
        assert!(crate::document::check(made.as_value(), crate::document::DocumentKind::Trust).is_ok());
    }

    #[test]
    fn patterns_get_a_statement_of_their_own() {
        let made = derived(&TrustPolicy::empty(), &owned_by("a", &["job-*"]), &derivation());
        assert_eq!(made.statements().count(), 2);
        assert!(admits(&made, "job-1") && admits(&made, "a") && !admits(&made, "b"));
        assert!(made.minified().contains("StringLike"));
    }

    #[test]
    fn deriving_again_changes_nothing() {
        let first = derived(&TrustPolicy::empty(), &owned_by("a", &["b", "job-*"]), &derivation());
        assert_eq!(derived(&first, &owned_by("a", &["b", "job-*"]), &derivation()), first);
    }

    #[test]
    fn a_subject_in_a_foreign_statement_is_present_already() {
        let standing = policy(vec![eksctl("a")]);
        assert_eq!(derived(&standing, &owned_by("a", &[]), &derivation()), standing);
        let with_b = derived(&standing, &owned_by("a", &["b"]), &derivation());
        assert!(admits(&with_b, "b") && with_b.statements().count() == 2);
    }

    #[test]
    fn who_leaves_is_out_whoever_let_it_in() {
        let standing = policy(vec![eksctl("a")]);
        let leaving = Derivation { leaving: BTreeSet::from([member("a")]), ..derivation() };
        let left = derived(&standing, &owned_by("a", &[]), &leaving);
        assert!(!admits(&left, "a"));
        assert_eq!(left.as_value()["Statement"], json!([nobody()]));
        let back = derived(&left, &owned_by("a", &[]), &derivation());
        assert!(admits(&back, "a") && !back.minified().contains("IrsaNobody"));
    }

    #[test]
    fn a_foreign_statement_that_may_admit_who_leaves_is_refused_and_named() {
        let mut open = eksctl("a");
        open["Sid"] = json!("Open");
        open["Condition"] = json!({"StringEquals": {format!("{HOST}:aud"): "sts.amazonaws.com"}});
        let leaving = Derivation { leaving: BTreeSet::from([member("a")]), ..derivation() };
        let error = derive(&policy(vec![open]), &owned_by("a", &[]), &leaving).unwrap_err();
        assert!(error.kind() == ErrorKind::Conflict && error.causes()[0].contains("statement Open"));
    }

    #[test]
    fn the_case_of_condition_keys_makes_no_difference() {
        let mut shouted = eksctl("a");
        let sub = "system:serviceaccount:default:a";
        let key = |claim: &str| format!("{}:{claim}", HOST.to_uppercase());
        shouted["Condition"] = json!({"StringEquals": {key("SUB"): sub, key("AUD"): "sts.amazonaws.com"}});
        let standing = policy(vec![shouted]);
        assert!(admits(&standing, "a"));
        let leaving = Derivation { leaving: BTreeSet::from([member("a")]), ..derivation() };
        assert!(!derived(&standing, &owned_by("a", &[]), &leaving).minified().contains(sub));
    }

    #[test]
    fn a_subject_without_a_tag_is_taken_out_of_our_own_statement() {
        let standing = derived(&TrustPolicy::empty(), &owned_by("a", &["b"]), &derivation());
        let result = derive(&standing, &owned_by("a", &[]), &derivation()).unwrap();
        assert_eq!(result.untagged, BTreeSet::from(["system:serviceaccount:default:b".to_owned()]));
        assert!(!admits(&result.policy, "b"));
    }

    #[test]
    fn statements_of_clusters_that_are_not_asked_about_stay() {
        let standing = derived(&TrustPolicy::empty(), &owned_by("a", &[]), &derivation());
        let none = Derivation { providers: BTreeMap::new(), ..derivation() };
        let nobody_known = derive(&standing, &Ownership::default(), &none).unwrap();
        assert_eq!(nobody_known.untagged.len(), 1, "a statement that no record accounts for is stale");
        assert_eq!(derived(&standing, &owned_by("a", &[]), &none), standing);
        let leaving = Derivation { leaving: BTreeSet::from([member("a")]), ..none };
        assert!(!admits(&derived(&standing, &owned_by("a", &[]), &leaving), "a"));
    }

    #[test]
    fn the_audience_stays_where_none_is_declared() {
        let other = Derivation { audience: Some(Audience::new("other").unwrap()), ..derivation() };
        let standing = derived(&TrustPolicy::empty(), &owned_by("a", &[]), &other);
        assert_eq!(derived(&standing, &owned_by("a", &[]), &derivation()), standing);
        assert_eq!(standing.own_audience(&provider()).as_deref(), Some("other"));
    }

    #[test]
    fn further_statements_are_numbered_and_not_repeated() {
        let ec2 = json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
        let wanted = Derivation { extra: vec![ec2], ..derivation() };
        let first = derived(&TrustPolicy::empty(), &owned_by("a", &[]), &wanted);
        assert!(first.minified().contains("IrsaExtra1"));
        assert_eq!(derived(&first, &owned_by("a", &[]), &wanted), first);
        assert_eq!(derived(&first, &owned_by("a", &[]), &derivation()), first);
        assert_eq!(first.foreign_allows().count(), 0);
    }

    #[test]
    fn a_changed_own_statement_is_put_right() {
        let mut standing = derived(&TrustPolicy::empty(), &owned_by("a", &[]), &derivation());
        standing.0["Statement"][0]["Condition"] = json!({"StringLike": {format!("{HOST}:sub"): "*"}});
        let repaired = derived(&standing, &owned_by("a", &[]), &derivation());
        assert!(admits(&repaired, "a") && !admits(&repaired, "b"));
    }

    #[test]
    fn forms_of_other_tools_are_read() {
        let like = |key: &str| {
            json!({"Sid": "", "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": [provider().to_string()]},
            "Condition": {"StringEquals": {format!("{HOST}:aud"): ["sts.amazonaws.com"]},
                key: {format!("{HOST}:sub"): ["system:serviceaccount:default:a", "system:serviceaccount:jobs:*"]}}})
        };
        let terraform = policy(vec![like("StringLike")]);
        assert!(admits(&terraform, "a") && !admits(&terraform, "b"));
        assert!(terraform.admits(&provider(), "system:serviceaccount:jobs:x", "sts.amazonaws.com"));
        assert!(!terraform.admits(&provider(), "system:serviceaccount:default:a", "other"));
        let all_values = policy(vec![like("ForAllValues:StringLike")]);
        assert!(admits(&all_values, "a") && !admits(&all_values, "b"));
    }

    proptest! {
        #[test]
        fn exactly_the_members_are_let_in(members in proptest::collection::btree_set("[a-d]", 1..4), leaving in "[a-d]", foreign in "[a-d]") {
            let names: Vec<&str> = members.iter().map(String::as_str).collect();
            let ownership = owned_by(names[0], &names[1..]);
            let wanted = Derivation { leaving: BTreeSet::from([member(&leaving)]), ..derivation() };
            let made = derived(&policy(vec![eksctl(&foreign)]), &ownership, &wanted);
            for name in ["a", "b", "c", "d"] {
                let expected = name != leaving && (members.contains(name) || foreign == name);
                prop_assert_eq!(admits(&made, name), expected, "{}", name);
            }
            prop_assert_eq!(&derived(&made, &ownership, &wanted), &made);
        }
    }
}
