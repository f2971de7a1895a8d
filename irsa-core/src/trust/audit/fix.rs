//! The repaired document of a finding: the least change that ends it, and that lets nobody in who was not let in before.
//!
//! A repair that does more than take something out is proposed only after both were proved on the symbolic answer.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::analyze::facts;
use super::context::{Ground, Standing};
use super::draft::{PLACEHOLDER, Raw, Repair};
use super::issuer_rules::coverage;
use super::json_edit;
use super::parsed_role::Reading;
use super::principals::others;
use super::rules::FindingId;
use super::subject_pattern::{Reach, places};
use crate::document::strings;
use crate::name::{Audience, Issuer, ProviderArn, SUBJECT_PREFIX};
use crate::ownership::Ownership;
use crate::trust::evaluate::caller::{UNNAMED_AUDIENCE, WebIdentityCaller};
use crate::trust::evaluate::decision::Decision;
use crate::trust::evaluate::glob::Glob;
use crate::trust::evaluate::operator::{Family, Operator};
use crate::trust::evaluate::policy_value::is_of_an_issuer;
use crate::trust::issuers::{Coverage, IssuerKind};

/// The most audiences of a document whose repairs are proved.
const MAX_AUDIENCES: usize = 100;

/// The document with a finding repaired; `all` are the findings of the document as it is.
pub(in crate::trust) fn repaired(
    reading: &Reading<'_>,
    ground: &Ground<'_>,
    found: &Raw,
    all: &[Raw],
) -> Option<Value> {
    let index = found.statement.filter(|_| found.repair != Repair::None && !reading.work.is_spent())?;
    let repairing = Repairing { reading, ground, found, index };
    let before = all.iter().filter(|raw| raw.id == found.id).count();
    let proved = |fixed: Value| {
        let fixed = reading.with(fixed).ok()?;
        let gone = facts(&fixed, ground).raw.iter().filter(|raw| raw.id == found.id).count() < before;
        // Others than the provider of the finding keep their own statements as they were.
        let mut providers: BTreeSet<ProviderArn> = found.provider.iter().cloned().collect();
        if providers.is_empty() {
            providers = reading.providers(ground, true);
            providers.extend(fixed.providers(ground, true));
        }
        (gone && !locks_out(reading, &fixed, ground) && admits_no_more(reading, &fixed, providers))
            .then_some(fixed.value)
    };
    let least = repairing.least();
    // What is only taken out of an Allow is gone, and lets nobody in.
    if matches!(found.repair, Repair::Leave(_) | Repair::Provider) {
        return least;
    }
    least.and_then(proved).or_else(|| repairing.anew().and_then(proved))
}

struct Repairing<'a> {
    reading: &'a Reading<'a>,
    ground: &'a Ground<'a>,
    found: &'a Raw,
    index: usize,
}

impl Repairing<'_> {
    /// The least change.
    fn least(&self) -> Option<Value> {
        let mut value = self.reading.value.clone();
        let provider = self.found.provider.as_ref();
        match &self.found.repair {
            Repair::None => return None,
            Repair::Principal => {
                let statement = json_edit::statement(&mut value, self.index)?;
                let principal = self.principal()?;
                statement.insert("Principal".to_owned(), principal);
            }
            Repair::Provider => json_edit::remove_principal(&mut value, self.index, provider?)?,
            Repair::Leave(subjects) => {
                let provider = provider?;
                let at = json_edit::isolate(&mut value, self.index, provider)?;
                if leave(json_edit::statement(&mut value, at)?, provider, subjects)? {
                    json_edit::remove(&mut value, at)?;
                }
            }
            Repair::Audience => {
                let provider = provider?;
                let at = json_edit::isolate(&mut value, self.index, provider)?;
                let open = |_: &Operator, text: &str| Glob::wild(text).matches(UNNAMED_AUDIENCE);
                demand(json_edit::statement(&mut value, at)?, provider, "aud", open, &self.audiences(provider)?)?;
            }
            Repair::Subjects => {
                let provider = provider?;
                let at = json_edit::isolate(&mut value, self.index, provider)?;
                self.name_subjects(json_edit::statement(&mut value, at)?, provider)?;
            }
            Repair::Keys => {
                let provider = provider?;
                let at = json_edit::isolate(&mut value, self.index, provider)?;
                // What another issuer says about its subjects says nothing about those of a service.
                let own: fn(&str, &ProviderArn) -> bool = match self.kind(provider) {
                    IssuerKind::Cluster => json_edit::is_foreign,
                    IssuerKind::Service(..) | IssuerKind::Unknown => json_edit::is_misspelt,
                };
                rename_keys(json_edit::statement(&mut value, at)?, provider, own)?;
                if !self.kind(provider).is_cluster() {
                    return Some(value);
                }
                let renamed = self.reading.with(value.clone()).ok()?;
                let open = renamed
                    .seen(provider, IssuerKind::Cluster, renamed.standing(self.ground, provider))
                    .0
                    .iter()
                    .any(|seen| {
                        seen.statement() == Some(at) && seen.places.iter().any(|place| place.reach() == Reach::Cluster)
                    });
                if open {
                    self.name_subjects(json_edit::statement(&mut value, at)?, provider)?;
                }
            }
        }
        Some(value)
    }

    /// The statement written anew, where it cannot be mended.
    fn anew(&self) -> Option<Value> {
        if !matches!(self.found.repair, Repair::Subjects | Repair::Keys | Repair::Audience) {
            return None;
        }
        let provider = self.found.provider.as_ref().filter(|provider| self.kind(provider).is_cluster())?;
        let mut value = self.reading.value.clone();
        let at = json_edit::isolate(&mut value, self.index, provider)?;
        let host = provider.issuer().host_path();
        let statement = json_edit::statement(&mut value, at)?;
        let tests = json!({"StringEquals": {
            format!("{host}:aud"): json_edit::one_or_list(self.audiences(provider)?),
            format!("{host}:sub"): json_edit::one_or_list(self.meant(provider)),
        }});
        statement.insert("Condition".to_owned(), tests);
        Some(value)
    }

    fn kind(&self, provider: &ProviderArn) -> IssuerKind {
        self.reading.kind(self.ground, provider)
    }

    fn name_subjects(&self, statement: &mut Map<String, Value>, provider: &ProviderArn) -> Option<()> {
        if !self.kind(provider).is_cluster() {
            return close_patterns(statement, provider, self.kind(provider));
        }
        let wanted = match self.found.id {
            FindingId::AnyNamespace => Reach::AnyNamespace,
            FindingId::OpenEnd => Reach::OpenEnd,
            FindingId::NamespacePattern => Reach::Namespaces,
            FindingId::AnyName => Reach::AnyName,
            _ => Reach::Cluster,
        };
        let open = |operator: &Operator, text: &str| {
            operator.family == Family::Like && places(text, &[]).iter().any(|place| place.reach() == wanted)
        };
        demand(statement, provider, "sub", open, &self.meant(provider))
    }

    /// The subjects that are meant: of those who get in already, the service accounts whose annotation names the role, else
    /// those on record in irsa's tags.
    fn meant(&self, provider: &ProviderArn) -> Vec<String> {
        let audiences = self.reading.audiences(self.reading.standing(self.ground, provider));
        let let_in = |sub: &String| {
            audiences.iter().any(|audience| {
                let caller = WebIdentityCaller::new(provider.clone(), sub.clone(), audience.clone());
                self.reading.document.decide(&caller) == Decision::Allow
            })
        };
        let role = self.reading.role.arn.as_ref().map(ToString::to_string);
        let accounts = role.and_then(|role| Some(self.ground.accounts(provider)?.annotated(&role).to_vec()));
        let annotated = accounts.unwrap_or_default().into_iter();
        let mut subs: Vec<String> = annotated
            .map(|account| format!("{}{}:{}", SUBJECT_PREFIX, account.namespace, account.name))
            .filter(let_in)
            .collect();
        if subs.is_empty() {
            let cluster = self.ground.cluster(provider);
            let host = provider.issuer().host_path();
            let is_here = |known: &str| cluster.is_none_or(|cluster| cluster == known) || known == host;
            let members = Ownership::from_tags(&self.reading.role.tags).members().into_iter();
            let here = members.filter(|member| is_here(member.cluster.as_str())).map(|member| member.sub());
            subs = here.filter(|sub| !sub.contains(['*', '?'])).filter(let_in).collect();
        }
        if subs.is_empty() {
            subs.push(PLACEHOLDER.to_owned());
        }
        subs
    }

    /// The audiences that tokens for this role should have. Of an issuer that is not a cluster they are those that the
    /// provider takes, since nobody else knows what its tokens are made for.
    fn audiences(&self, provider: &ProviderArn) -> Option<Vec<String>> {
        let sts = Audience::sts().to_string();
        match self.reading.standing(self.ground, provider) {
            Standing::Takes(audiences) if !audiences.is_empty() && !audiences.contains(&sts) => {
                Some(audiences.to_vec())
            }
            Standing::Takes(audiences) if !self.kind(provider).is_cluster() => {
                (!audiences.is_empty()).then(|| audiences.to_vec())
            }
            _ => self.kind(provider).is_cluster().then(|| vec![sts]),
        }
    }

    /// Principals in place of a wildcard: the role's own account for AWS, the providers whose keys are tested for tokens.
    fn principal(&self) -> Option<Value> {
        let read = self.reading.document.statements.get(self.index)?;
        let arn = self.reading.role.arn.as_ref()?;
        let (mut kinds, root) = (Map::new(), format!("arn:{}:iam::{}:root", arn.partition(), arn.account()));
        if let Some((_, statement)) = self.reading.statements().find(|(at, _)| *at == self.index)
            && let Some(named) = statement.get("Principal").and_then(Value::as_object)
        {
            kinds = named.clone();
        }
        if read.principal.everyone || read.principal.is_all_of_aws() {
            json_edit::replace_in(&mut kinds, "AWS", "*", &[root]);
        }
        if read.principal.everyone || read.principal.federated.iter().any(|arn| arn == "*") {
            let issuers = read.tests.iter().filter(|test| is_of_an_issuer(&test.key));
            let issuers = issuers.filter_map(|test| Issuer::from_host_path(test.key.rsplit_once(':')?.0).ok());
            let mut providers: Vec<String> = issuers
                .map(|issuer| ProviderArn::new(arn.partition().clone(), arn.account().clone(), issuer).to_string())
                .collect();
            providers.dedup();
            json_edit::replace_in(&mut kinds, "Federated", "*", &providers);
        }
        (!kinds.is_empty()).then_some(Value::Object(kinds))
    }
}

/// Makes a statement demand that a claim is one of some values: those in the place of a value that is too open, or a test
/// of its own where there is none.
fn demand(
    statement: &mut Map<String, Value>,
    provider: &ProviderArn,
    claim: &str,
    open: impl Fn(&Operator, &str) -> bool,
    values: &[String],
) -> Option<()> {
    let condition = statement.entry("Condition").or_insert_with(|| json!({})).as_object_mut()?;
    for (name, keys) in condition.iter_mut() {
        let operator = Operator::parse(name);
        if operator.negated || !is_of_text(operator.family) {
            continue;
        }
        for (_, held) in keys.as_object_mut()?.iter_mut().filter(|(key, _)| json_edit::is_claim(key, provider, claim)) {
            let standing = strings(Some(held));
            if !standing.iter().any(|text| open(&operator, text)) {
                continue;
            }
            let kept = standing.into_iter().filter(|text| !open(&operator, text));
            let mut all: Vec<String> = Vec::new();
            for value in kept.chain(values.iter().cloned()) {
                if !all.contains(&value) {
                    all.push(value);
                }
            }
            *held = json_edit::one_or_list(all);
            return Some(());
        }
    }
    let equals = match condition.keys().find(|name| name.eq_ignore_ascii_case("StringEquals")).cloned() {
        Some(name) => condition.get_mut(&name)?,
        None => condition.entry("StringEquals").or_insert_with(|| json!({})),
    };
    let equals = equals.as_object_mut()?;
    // Two tests of one key cannot stand under one operator.
    if equals.keys().any(|key| json_edit::is_claim(key, provider, claim)) {
        return None;
    }
    equals.insert(format!("{}:{claim}", provider.issuer().host_path()), json_edit::one_or_list(values.to_vec()));
    Some(())
}

fn is_of_text(family: Family) -> bool {
    matches!(family, Family::Equals | Family::EqualsIgnoreCase | Family::Like)
}

/// Writes the names of tenants in full where a pattern ends within one; nothing where that is not possible for all of them.
fn close_patterns(statement: &mut Map<String, Value>, provider: &ProviderArn, kind: IssuerKind) -> Option<()> {
    let service = kind.service()?;
    let condition = statement.get_mut("Condition")?.as_object_mut()?;
    for (name, keys) in condition.iter_mut() {
        let operator = Operator::parse(name);
        if operator.negated || operator.family != Family::Like {
            continue;
        }
        for (_, held) in keys.as_object_mut()?.iter_mut().filter(|(key, _)| json_edit::is_claim(key, provider, "sub")) {
            let mut closed: Vec<String> = Vec::new();
            for value in strings(Some(held)) {
                let values = match service.coverage(&Glob::wild(&value)) {
                    Coverage::Tenants(_) => service.closed(&value)?,
                    _ => vec![value],
                };
                closed.extend(values.into_iter().filter(|value| !closed.contains(value)).collect::<Vec<_>>());
            }
            *held = json_edit::one_or_list(closed);
        }
    }
    Some(())
}

/// Turns tests of other issuers' keys into tests of the provider's own, by operators that fail without the key.
fn rename_keys(
    statement: &mut Map<String, Value>,
    provider: &ProviderArn,
    is_meant: impl Fn(&str, &ProviderArn) -> bool,
) -> Option<()> {
    let condition = statement.get("Condition")?.as_object()?;
    let mut renamed: Map<String, Value> = Map::new();
    for (name, keys) in condition {
        for (key, held) in keys.as_object()? {
            let (_, claim) = key.rsplit_once(':')?;
            let claim = claim.to_ascii_lowercase();
            let (name, key) = match is_meant(key, provider) && matches!(claim.as_str(), "sub" | "aud") {
                true => (plain(name), format!("{}:{claim}", provider.issuer().host_path())),
                false => (name.clone(), key.clone()),
            };
            let of_operator = renamed.entry(name).or_insert_with(|| json!({})).as_object_mut()?;
            of_operator.entry(key).or_insert_with(|| held.clone());
        }
    }
    statement.insert("Condition".to_owned(), Value::Object(renamed));
    Some(())
}

/// The operator without its set prefix and without `IfExists`.
fn plain(operator: &str) -> String {
    let name = operator.split_once(':').map_or(operator, |(_, name)| name);
    let cut = name.len().saturating_sub("IfExists".len());
    let has_suffix = name.get(cut..).is_some_and(|end| end.eq_ignore_ascii_case("IfExists"));
    if has_suffix { name[..cut].to_owned() } else { name.to_owned() }
}

/// Takes subjects out of the tests of a statement; whether none is left. Nothing where one of them is not written there.
fn leave(statement: &mut Map<String, Value>, provider: &ProviderArn, subjects: &[String]) -> Option<bool> {
    let (mut left, mut empty) = (subjects.to_vec(), false);
    for (name, keys) in statement.get_mut("Condition")?.as_object_mut()? {
        let operator = Operator::parse(name);
        if operator.negated || !is_of_text(operator.family) {
            continue;
        }
        for (_, held) in keys.as_object_mut()?.iter_mut().filter(|(key, _)| json_edit::is_claim(key, provider, "sub")) {
            let standing = strings(Some(held));
            let is = |text: &str, subject: &str| match operator.family {
                Family::EqualsIgnoreCase => subject.eq_ignore_ascii_case(text),
                _ => subject == text,
            };
            let goes = |text: &String| subjects.iter().any(|subject| is(text, subject));
            left.retain(|subject| !standing.iter().any(|text| is(text, subject)));
            let kept: Vec<String> = standing.iter().filter(|text| !goes(text)).cloned().collect();
            if kept.len() < standing.len() {
                empty |= kept.is_empty();
                *held = json_edit::one_or_list(kept);
            }
        }
    }
    left.is_empty().then_some(empty)
}

/// Whether the new document keeps out somebody of an issuer that is not a cluster, other than by closing a pattern that covers
/// several tenants: nobody here knows which pipelines of a service use the role.
fn locks_out(old: &Reading<'_>, new: &Reading<'_>, ground: &Ground<'_>) -> bool {
    let named = old.named.iter().filter(|provider| old.is_own(provider));
    let issuers = named.map(|provider| (old.kind(ground, provider), provider));
    issuers.filter(|(kind, _)| !kind.is_cluster()).any(|(kind, provider)| {
        let audiences = old.audiences(old.standing(ground, provider));
        audiences.iter().any(|audience| {
            let (before, after) = (old.subjects(provider, audience), new.subjects(provider, audience));
            let keeps_example = |tenant: &str| {
                let example = kind.service().and_then(|service| service.example_of(tenant));
                example.is_none_or(|example| before.decide(&example) == after.decide(&example))
            };
            let is_closed = |pattern: &String| match coverage(kind, &Glob::wild(pattern)) {
                Coverage::Everybody | Coverage::AnyTenant => true,
                Coverage::Tenants(tenant) => keeps_example(&tenant),
                Coverage::OneTenant(_) | Coverage::Narrow => false,
            };
            (after.is_empty() && !before.is_empty())
                || !before.beyond(std::slice::from_ref(&after), &old.work).iter().all(is_closed)
        })
    })
}

/// Whether nobody gets in by the new document who did not by the old one, and nobody for certain who only may have.
fn admits_no_more(old: &Reading<'_>, new: &Reading<'_>, providers: BTreeSet<ProviderArn>) -> bool {
    if new.of_any_provider() > old.of_any_provider() {
        return false;
    }
    for provider in providers {
        let mut audiences = old.audiences(Standing::NotKnown);
        audiences.extend(new.audiences(Standing::NotKnown));
        audiences.insert(UNNAMED_AUDIENCE.to_owned());
        // What is not proved is not proposed.
        if audiences.len() > MAX_AUDIENCES || old.work.is_spent() {
            return false;
        }
        for audience in audiences {
            let before = old.subjects(&provider, &audience);
            let beyond = new.subjects(&provider, &audience).beyond(std::slice::from_ref(&before), &old.work);
            if !beyond.iter().all(|pattern| pattern == PLACEHOLDER) {
                return false;
            }
        }
    }
    let before = others(old);
    others(new).iter().all(|other| {
        before.iter().any(|known| {
            let same = known.kind == other.kind || known.kind == "everyone";
            let named = known.principal == other.principal || known.principal == "*";
            same && named && other.actions.iter().all(|action| known.actions.contains(action))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::audit::finding::Finding;
    use crate::trust::audit::fixtures::{
        BLUE, HOST, ROLE, STS, allow, allow_sub, arn, around, found_in, provider, role,
    };
    use crate::trust::audit::{AuditedRole, Surroundings};
    use crate::trust::{TrustDocument, audit};
    use proptest::prelude::*;

    const APP: &str = "system:serviceaccount:ns:app";

    fn fix_in(role: &AuditedRole, around: &Surroundings, id: FindingId) -> Value {
        let found = found_in(role, around);
        let finding = found.iter().find(|finding| finding.id == id);
        finding.unwrap_or_else(|| panic!("{id} in {found:?}")).fix.clone().unwrap_or_else(|| panic!("no fix of {id}"))
    }

    /// The only statement of the repaired document.
    fn fixed(statement: Value, id: FindingId) -> Value {
        let fix = fix_in(&role(statement), &around(), id);
        assert_eq!(fix["Version"], "2012-10-17");
        fix["Statement"].clone()
    }

    fn aud() -> Value {
        json!({"StringEquals": {format!("{HOST}:aud"): STS}})
    }

    #[test]
    fn the_annotated_service_account_is_meant() {
        let fix = fixed(allow(aud()), FindingId::AnySubject);
        assert_eq!(fix, allow_sub("StringEquals", json!(APP)));
        let like = |subs: Value| allow_sub("StringLike", subs);
        let fix = fixed(
            like(json!(["system:serviceaccount:prod:app", "system:serviceaccount:*:app"])),
            FindingId::AnyNamespace,
        );
        assert_eq!(fix, like(json!(["system:serviceaccount:prod:app", APP])));
        let mut but = allow_sub("StringNotEquals", json!("system:serviceaccount:ns:bad"));
        let fix = fixed(but.clone(), FindingId::EveryoneBut);
        but["Condition"]["StringEquals"][format!("{HOST}:sub")] = json!(APP);
        assert_eq!(fix, but);
    }

    #[test]
    fn else_the_subject_on_record_or_a_placeholder() {
        let mut tagged = role(allow(aud()));
        let owner = format!("{HOST}/ns/worker");
        tagged.tags.insert("irsa.gen3.org/owner".to_owned(), owner);
        let nothing = Surroundings::default();
        let sub = |fix: &Value| fix["Statement"]["Condition"]["StringEquals"][format!("{HOST}:sub")].clone();
        assert_eq!(sub(&fix_in(&tagged, &nothing, FindingId::AnySubject)), "system:serviceaccount:ns:worker");
        assert_eq!(sub(&fix_in(&role(allow(aud())), &nothing, FindingId::AnySubject)), PLACEHOLDER);
        assert!(WebIdentityCaller::service_account(provider(HOST), PLACEHOLDER, STS).is_err(), "nobody can have it");
        // Who was not let in is not let in by a repair either.
        let narrow = allow_sub("StringLike", json!("system:serviceaccount:prod*:*"));
        let fix = fix_in(&role(narrow), &around(), FindingId::NamespacePattern);
        assert_eq!(fix["Statement"]["Condition"]["StringLike"][format!("{HOST}:sub")], PLACEHOLDER);
    }

    #[test]
    fn each_provider_gets_a_statement_of_its_own() {
        let mut shared =
            allow(json!({"StringEqualsIfExists": {format!("{HOST}:sub"): APP, format!("{HOST}:aud"): STS}}));
        shared["Sid"] = json!("Web");
        shared["Principal"]["Federated"] = json!([arn(HOST), arn(BLUE)]);
        let other =
            json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
        let fix = fix_in(&role(json!([shared, other])), &around(), FindingId::SeveralProviders);
        let mut rest = shared.clone();
        rest["Principal"]["Federated"] = json!(arn(HOST));
        let own = json!({"Sid": "Web2", "Effect": "Allow", "Principal": {"Federated": arn(BLUE)},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {format!("{BLUE}:sub"): APP, format!("{BLUE}:aud"): STS}}});
        assert_eq!(fix["Statement"], json!([rest, own, other]));
    }

    #[test]
    fn keys_of_another_issuer_are_made_own() {
        let whole = allow(
            json!({"ForAllValues:StringLikeIfExists": {format!("{}:sub", arn(HOST)): APP, format!("{HOST}:aud"): STS}}),
        );
        let fix = fixed(whole, FindingId::OtherProviderCondition);
        let expected = json!({"StringLike": {format!("{HOST}:sub"): APP},
            "ForAllValues:StringLikeIfExists": {format!("{HOST}:aud"): STS}});
        assert_eq!(fix["Condition"], expected);
    }

    #[test]
    fn audiences_stale_principals_and_subjects_are_put_right() {
        let open = allow(json!({"StringEquals": {format!("{HOST}:sub"): APP}}));
        assert_eq!(fixed(open, FindingId::NoAudience)["Condition"]["StringEquals"][format!("{HOST}:aud")], STS);
        let any = allow(json!({"StringLike": {format!("{HOST}:sub"): APP, format!("{HOST}:aud"): ["*"]}}));
        assert_eq!(fixed(any, FindingId::NoAudience)["Condition"]["StringLike"][format!("{HOST}:aud")], STS);

        let gone = arn("oidc.eks.us-east-1.amazonaws.com/id/GONE");
        let mut stale = allow_sub("StringEquals", json!(APP));
        stale["Principal"]["Federated"] = json!([gone, arn(HOST)]);
        assert_eq!(fixed(stale.clone(), FindingId::StaleProvider), allow_sub("StringEquals", json!(APP)));
        stale["Principal"]["Federated"] = json!(gone);
        assert_eq!(fixed(stale, FindingId::StaleProvider)[0]["Sid"], "IrsaNobody");

        let left = "system:serviceaccount:ns:left";
        let subs = fixed(allow_sub("StringEquals", json!([left, APP])), FindingId::StaleSubject);
        assert_eq!(subs, allow_sub("StringEquals", json!(APP)));
        let keep = allow_sub("StringEquals", json!(APP));
        let fix =
            fix_in(&role(json!([allow_sub("StringEquals", json!(left)), keep])), &around(), FindingId::StaleSubject);
        assert_eq!(fix["Statement"], json!([keep]));
    }

    #[test]
    fn wildcards_become_the_principals_that_are_meant() {
        let mut any = json!({"Effect": "Allow", "Principal": {"AWS": ["*"], "Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
        assert_eq!(
            fixed(any.clone(), FindingId::AnyPrincipal)["Principal"],
            json!({"AWS": "arn:aws:iam::123456789012:root", "Service": "ec2.amazonaws.com"})
        );
        any["Principal"] = json!("*");
        assert_eq!(fixed(any, FindingId::AnyPrincipal)["Principal"], json!({"AWS": "arn:aws:iam::123456789012:root"}));
    }

    fn sub() -> impl Strategy<Value = Value> {
        let one = prop::sample::select(vec![
            "system:serviceaccount:ns:app",
            "system:serviceaccount:ns:*",
            "system:serviceaccount:kube-system:*",
            "system:serviceaccount:*:app",
            "system:serviceaccount:prod*:app",
            "system:serviceaccount:prod*",
            "system:serviceaccount:*:*",
            "*",
            "*app",
            "system:serviceaccount:NS:App",
            "system:serviceaccount:default:default",
            "system:serviceaccount:gone:app",
        ]);
        proptest::collection::vec(one, 1..4).prop_map(|subs| if subs.len() == 1 { json!(subs[0]) } else { json!(subs) })
    }

    fn test() -> impl Strategy<Value = (String, String, Value)> {
        let operators = vec![
            "StringEquals",
            "StringEquals",
            "StringLike",
            "StringLike",
            "StringNotEquals",
            "StringNotLike",
            "StringEqualsIfExists",
            "ForAllValues:StringLike",
            "ForAnyValue:StringEquals",
            "StringEqualsIgnoreCase",
        ];
        let host = prop::sample::select(vec![HOST, HOST, HOST, BLUE, "other.example/x"]);
        let of_sub = (prop::sample::select(operators.clone()), host.clone(), sub())
            .prop_map(|(operator, host, subs)| (operator.to_owned(), format!("{host}:sub"), subs));
        let audience = prop::sample::select(vec![json!(STS), json!("*"), json!(["vault", STS])]);
        let of_audience = (prop::sample::select(operators), host, audience)
            .prop_map(|(operator, host, values)| (operator.to_owned(), format!("{host}:aud"), values));
        let address = Just(("IpAddress".to_owned(), "aws:SourceIp".to_owned(), json!("10.0.0.0/8")));
        prop_oneof![6 => of_sub, 5 => of_audience, 1 => address]
    }

    fn statement() -> impl Strategy<Value = Value> {
        let principal = prop_oneof![
            6 => Just(json!({"Federated": arn(HOST)})),
            2 => Just(json!({"Federated": [arn(HOST), arn(BLUE)]})),
            1 => Just(json!({"Federated": arn("gone.example")})),
            1 => Just(json!({"Federated": arn(BLUE), "Service": "ec2.amazonaws.com"})),
            1 => Just(json!({"AWS": "*", "Federated": arn(HOST)})),
            1 => Just(json!({"Federated": "*"})),
            1 => Just(json!("*")),
        ];
        let action =
            prop::sample::select(vec!["sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithWebIdentity", "sts:*"]);
        let effect = prop::sample::select(vec!["Allow", "Allow", "Allow", "Deny"]);
        (effect, principal, action, proptest::collection::vec(test(), 0..4)).prop_map(
            |(effect, principal, action, tests)| {
                let mut condition = json!({});
                for (operator, key, values) in tests {
                    let mut keys = condition[&operator].as_object().cloned().unwrap_or_default();
                    keys.insert(key, values);
                    condition[operator] = json!(keys);
                }
                json!({"Effect": effect, "Principal": principal, "Action": action, "Condition": condition})
            },
        )
    }

    fn any_role() -> impl Strategy<Value = AuditedRole> {
        (proptest::collection::vec(statement(), 1..4), any::<bool>(), any::<bool>()).prop_map(
            |(mut all, tagged, single)| {
                let statements = if single { all.swap_remove(0) } else { json!(all) };
                let mut made = role(statements);
                if tagged {
                    made.tags.insert("irsa.gen3.org/owner".to_owned(), format!("{HOST}/prod/app"));
                }
                made
            },
        )
    }

    /// Every subject of the small universe.
    fn subjects() -> Vec<String> {
        let namespaces = ["ns", "prod", "prod-evil", "kube-system", "default", "gone", "fresh"];
        let names = ["app", "default", "fresh", "webapp"];
        let each = namespaces.iter().flat_map(|namespace| names.iter().map(move |name| (namespace, name)));
        each.map(|(namespace, name)| format!("{SUBJECT_PREFIX}{namespace}:{name}")).collect()
    }

    fn decide(document: &TrustDocument, host: &str, sub: &str, audience: &str) -> Decision {
        document.decide(&WebIdentityCaller::new(provider(host), sub, audience))
    }

    fn count(found: &[Finding], id: FindingId) -> usize {
        found.iter().filter(|finding| finding.id == id).count()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_repair_ends_its_finding_and_lets_nobody_new_in(made in any_role(), known in any::<bool>()) {
            let around = if known { around() } else { Surroundings::default() };
            let found = audit([made.clone()], &around, &[]).findings;
            let old = TrustDocument::parse(&made.trust_policy).unwrap();
            for finding in found.iter().filter(|finding| finding.fix.is_some()) {
                let text = finding.fix.as_ref().map(ToString::to_string).unwrap();
                let new = TrustDocument::parse(&text).unwrap();
                let left = found_in(&AuditedRole { trust_policy: text, ..made.clone() }, &around);
                prop_assert!(count(&left, finding.id) < count(&found, finding.id), "{finding:?}");
                for host in [HOST, BLUE, "gone.example", "unheard-of.example"] {
                    for (sub, audience) in subjects().iter().flat_map(|sub| [STS, "vault", "else"].map(|aud| (sub, aud))) {
                        let (before, after) = (decide(&old, host, sub, audience), decide(&new, host, sub, audience));
                        let no_more = after == Decision::Deny || before == Decision::Allow || before == after;
                        prop_assert!(no_more, "{host} {sub} {audience}: {before} became {after} by {finding:?}");
                    }
                }
            }
        }

        #[test]
        fn everybody_is_found_exactly_when_a_stranger_gets_in(made in any_role()) {
            let found = found_in(&made, &Surroundings::default());
            let document = TrustDocument::parse(&made.trust_policy).unwrap();
            let stranger = format!("{SUBJECT_PREFIX}fresh:fresh");
            // As a principal, or by the keys that are tested behind a wildcard.
            let open = [HOST, BLUE, "gone.example", "other.example/x"].into_iter().filter(|host| made.trust_policy.contains(host));
            let strangers = open.clone().any(|host| {
                [STS, "vault", "*", "else"].iter().any(|aud| decide(&document, host, &stranger, aud) == Decision::Allow)
            });
            let everybody = [FindingId::AnySubject, FindingId::EveryoneBut, FindingId::OtherProviderCondition, FindingId::SeveralProviders];
            prop_assert_eq!(everybody.iter().any(|id| count(&found, *id) > 0), strangers);

            let others = subjects();
            let audience = open.clone().any(|host| {
                // Of an issuer that is no cluster's, whoever is named is somebody.
                let elsewhere = ["somebody", "xapp"].map(str::to_owned);
                let named = elsewhere.iter().filter(|_| !host.starts_with("oidc.eks."));
                others.iter().chain(named).any(|sub| decide(&document, host, sub, "else") == Decision::Allow)
            });
            prop_assert_eq!(count(&found, FindingId::NoAudience) > 0, audience);
            let of_a_stranger = subjects().into_iter().filter(|sub| sub.contains(":fresh:")).collect::<Vec<_>>();
            let anywhere = open.clone().any(|host| {
                let tokens = of_a_stranger.iter().flat_map(|sub| [STS, "vault", "*", "else"].map(|aud| (sub, aud)));
                tokens.into_iter().any(|(sub, aud)| decide(&document, host, sub, aud) == Decision::Allow)
            });
            // Of an issuer of which nothing is known, `*app` is a subject of whomever.
            let any_namespace = count(&found, FindingId::AnyNamespace) + count(&found, FindingId::AnyTenant) > 0;
            prop_assert!(!anywhere || strangers || any_namespace, "{found:?}");
            prop_assert!(!any_namespace || anywhere, "{found:?}");
        }
    }

    #[test]
    fn one_whom_the_tags_name_is_not_of_another_cluster() {
        let mut tagged = role(allow(aud()));
        tagged.tags.insert(
            "irsa.gen3.org/owner".to_owned(),
            "arn:aws:eks:us-east-1:123456789012:cluster/other/ns/worker".to_owned(),
        );
        let mut around = around();
        around.clusters.get_mut(&provider(HOST)).unwrap().1.clear();
        let fix = fix_in(&tagged, &around, FindingId::AnySubject);
        assert_eq!(fix["Statement"]["Condition"]["StringEquals"][format!("{HOST}:sub")], PLACEHOLDER);
        assert_eq!(tagged.arn.map(|arn| arn.to_string()).as_deref(), Some(ROLE));
    }
}
