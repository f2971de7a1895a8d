//! The repaired document of a finding: the least change that ends it, and that lets nobody in who was not let in before.
//!
//! A repair is proposed only after both were proved on the symbolic answer; otherwise there is none.

use serde_json::{Map, Value, json};

use super::caller::{Caller, SUBJECT_PREFIX};
use super::condition::{Family, Operator, Truth, is_of_an_issuer};
use super::decision::Decision;
use super::edit;
use super::finding_id::FindingId;
use super::glob::Glob;
use super::ground::{Ground, Standing};
use super::judge::{Raw, facts};
use super::place::{Reach, places};
use super::principals::others;
use super::reading::{Reading, UNNAMED_AUDIENCE};
use super::subjects::SubjectPart;
use crate::document::strings;
use crate::name::{Audience, Issuer, ProviderArn};
use crate::ownership::Ownership;

/// Stands for a subject that nobody can tell. No service account can have it, since names have no upper-case letters.
pub(super) const PLACEHOLDER: &str = "system:serviceaccount:NAMESPACE:NAME";

/// What has to be done to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// Nothing in the document is wrong, or nobody can tell how it should be.
    None,
    /// Name those who are meant.
    Subjects,
    /// Test the keys of the principal's own issuer.
    Keys,
    /// Test the audience.
    Audience,
    /// Take subjects out.
    Leave(Vec<String>),
    /// Take the provider out.
    Provider,
    /// Name the principals in place of a wildcard.
    Principal,
}

/// The document with a finding repaired; `all` are the findings of the document as it is.
pub(super) fn repaired(reading: &Reading<'_>, ground: &Ground<'_>, found: &Raw, all: &[Raw]) -> Option<Value> {
    let index = found.statement.filter(|_| found.repair != Repair::None)?;
    let repairing = Repairing { reading, ground, found, index };
    let before = all.iter().filter(|raw| raw.id == found.id).count();
    let proved = |fixed: Value| {
        let fixed = reading.with(fixed).ok()?;
        let gone = facts(&fixed, ground).raw.iter().filter(|raw| raw.id == found.id).count() < before;
        (gone && admits_no_more(reading, &fixed, ground)).then_some(fixed.value)
    };
    repairing.least().and_then(proved).or_else(|| repairing.anew().and_then(proved))
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
                let statement = edit::statement(&mut value, self.index)?;
                let principal = self.principal()?;
                statement.insert("Principal".to_owned(), principal);
            }
            Repair::Provider => edit::remove_principal(&mut value, self.index, provider?)?,
            Repair::Leave(subjects) => {
                let provider = provider?;
                let at = edit::isolate(&mut value, self.index, provider)?;
                if leave(edit::statement(&mut value, at)?, provider, subjects)? {
                    edit::remove(&mut value, at)?;
                }
            }
            Repair::Audience => {
                let provider = provider?;
                let at = edit::isolate(&mut value, self.index, provider)?;
                let open = |_: &Operator, text: &str| Glob::wild(text).matches(UNNAMED_AUDIENCE);
                demand(edit::statement(&mut value, at)?, provider, "aud", open, &self.audiences(provider))?;
            }
            Repair::Subjects => {
                let provider = provider?;
                let at = edit::isolate(&mut value, self.index, provider)?;
                self.name_subjects(edit::statement(&mut value, at)?, provider)?;
            }
            Repair::Keys => {
                let provider = provider?;
                let at = edit::isolate(&mut value, self.index, provider)?;
                rename_keys(edit::statement(&mut value, at)?, provider)?;
                let renamed = self.reading.with(value.clone()).ok()?;
                let open = renamed.seen(provider, self.ground.standing(provider)).iter().any(|seen| {
                    seen.statement() == Some(at) && seen.places.iter().any(|place| place.reach() == Reach::Cluster)
                });
                if open {
                    self.name_subjects(edit::statement(&mut value, at)?, provider)?;
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
        let provider = self.found.provider.as_ref()?;
        let mut value = self.reading.value.clone();
        let at = edit::isolate(&mut value, self.index, provider)?;
        let host = provider.issuer().host_path();
        let statement = edit::statement(&mut value, at)?;
        let tests = json!({"StringEquals": {
            format!("{host}:aud"): edit::one_or_list(self.audiences(provider)),
            format!("{host}:sub"): edit::one_or_list(self.meant(provider)),
        }});
        statement.insert("Condition".to_owned(), tests);
        Some(value)
    }

    fn name_subjects(&self, statement: &mut Map<String, Value>, provider: &ProviderArn) -> Option<()> {
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
        let audiences = self.reading.audiences(self.ground.standing(provider));
        let let_in = |sub: &String| {
            audiences.iter().any(|audience| {
                let caller = Caller::new(provider.clone(), sub.clone(), audience.clone());
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

    /// The audiences that tokens for this role should have.
    fn audiences(&self, provider: &ProviderArn) -> Vec<String> {
        let sts = Audience::sts().to_string();
        match self.ground.standing(provider) {
            Standing::Takes(audiences) if !audiences.is_empty() && !audiences.contains(&sts) => audiences.to_vec(),
            _ => vec![sts],
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
            edit::replace_in(&mut kinds, "AWS", "*", &[root]);
        }
        if read.principal.everyone || read.principal.federated.iter().any(|arn| arn == "*") {
            let issuers = read.tests.iter().filter(|test| is_of_an_issuer(&test.key));
            let issuers = issuers.filter_map(|test| Issuer::from_host_path(test.key.rsplit_once(':')?.0).ok());
            let mut providers: Vec<String> = issuers
                .map(|issuer| ProviderArn::new(arn.partition().clone(), arn.account().clone(), issuer).to_string())
                .collect();
            providers.dedup();
            edit::replace_in(&mut kinds, "Federated", "*", &providers);
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
        for (_, held) in keys.as_object_mut()?.iter_mut().filter(|(key, _)| edit::is_claim(key, provider, claim)) {
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
            *held = edit::one_or_list(all);
            return Some(());
        }
    }
    let equals = match condition.keys().find(|name| name.eq_ignore_ascii_case("StringEquals")).cloned() {
        Some(name) => condition.get_mut(&name)?,
        None => condition.entry("StringEquals").or_insert_with(|| json!({})),
    };
    let equals = equals.as_object_mut()?;
    // Two tests of one key cannot stand under one operator.
    if equals.keys().any(|key| edit::is_claim(key, provider, claim)) {
        return None;
    }
    equals.insert(format!("{}:{claim}", provider.issuer().host_path()), edit::one_or_list(values.to_vec()));
    Some(())
}

fn is_of_text(family: Family) -> bool {
    matches!(family, Family::Equals | Family::EqualsIgnoreCase | Family::Like)
}

/// Turns tests of other issuers' keys into tests of the provider's own, by operators that fail without the key.
fn rename_keys(statement: &mut Map<String, Value>, provider: &ProviderArn) -> Option<()> {
    let condition = statement.get("Condition")?.as_object()?;
    let mut renamed: Map<String, Value> = Map::new();
    for (name, keys) in condition {
        for (key, held) in keys.as_object()? {
            let (_, claim) = key.rsplit_once(':')?;
            let claim = claim.to_ascii_lowercase();
            let (name, key) = match edit::is_foreign(key, provider) && matches!(claim.as_str(), "sub" | "aud") {
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

/// Takes subjects out of the tests of a statement; whether none is left.
fn leave(statement: &mut Map<String, Value>, provider: &ProviderArn, subjects: &[String]) -> Option<bool> {
    let (mut found, mut empty) = (false, false);
    for (name, keys) in statement.get_mut("Condition")?.as_object_mut()? {
        let operator = Operator::parse(name);
        if operator.negated || !is_of_text(operator.family) {
            continue;
        }
        for (_, held) in keys.as_object_mut()?.iter_mut().filter(|(key, _)| edit::is_claim(key, provider, "sub")) {
            let standing = strings(Some(held));
            let goes = |text: &String| match operator.family {
                Family::EqualsIgnoreCase => subjects.iter().any(|subject| subject.eq_ignore_ascii_case(text)),
                _ => subjects.contains(text),
            };
            let kept: Vec<String> = standing.iter().filter(|text| !goes(text)).cloned().collect();
            if kept.len() < standing.len() {
                found = true;
                empty |= kept.is_empty();
                *held = edit::one_or_list(kept);
            }
        }
    }
    found.then_some(empty)
}

/// Whether nobody gets in by the new document who did not by the old one, and nobody for certain who only may have.
fn admits_no_more(old: &Reading<'_>, new: &Reading<'_>, ground: &Ground<'_>) -> bool {
    if new.of_any_provider() > old.of_any_provider() {
        return false;
    }
    let mut providers = old.providers(ground, Truth::True);
    providers.extend(new.providers(ground, Truth::True));
    for provider in providers {
        let mut audiences = old.audiences(Standing::NotKnown);
        audiences.extend(new.audiences(Standing::NotKnown));
        audiences.insert(UNNAMED_AUDIENCE.to_owned());
        for audience in audiences {
            let (before, after) =
                (old.document.subjects(&provider, &audience), new.document.subjects(&provider, &audience));
            let was_in = |part: &SubjectPart| {
                before.parts.iter().any(|known| {
                    let as_sure = known.decision == Decision::Allow || part.decision == Decision::Unknown;
                    as_sure && known.covers(part)
                })
            };
            if !after.parts.iter().all(|part| part.pattern == PLACEHOLDER || was_in(part)) {
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
