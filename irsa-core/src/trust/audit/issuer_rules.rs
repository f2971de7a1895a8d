//! Findings on issuers that are not clusters: services whose customers may share an issuer, and issuers of which nothing is known.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Raw;
use super::draft::Repair;
use super::explain;
use super::issuer_messages::{self, Trusted};
use super::json_edit;
use super::messages;
use super::parsed_role::{Reading, Seen};
use super::rules::FindingId;
use super::severity::Severity;
use super::subject_pattern::is_somebody;
use crate::name::ProviderArn;
use crate::trust::evaluate::caller::UNNAMED_AUDIENCE;
use crate::trust::evaluate::condition::Test;
use crate::trust::evaluate::decision::Decision;
use crate::trust::evaluate::document::{Effect, Statement};
use crate::trust::evaluate::explain::shown;
use crate::trust::evaluate::glob::{Glob, WILDCARD};
use crate::trust::evaluate::operator::{Family, Order, Set, Truth};
use crate::trust::issuers::{Claim, Coverage, IssuerKind};

/// The rules for the subjects of one issuer.
#[derive(Debug)]
pub(in crate::trust) struct IssuerRules<'a> {
    pub(in crate::trust) reading: &'a Reading<'a>,
    pub(in crate::trust) provider: &'a ProviderArn,
    pub(in crate::trust) kind: IssuerKind,
    /// The statements by which everybody of AWS can assume the role, which is a finding already.
    pub(in crate::trust) open: &'a BTreeSet<usize>,
}

/// What the claims beside subject and audience that a statement tests say about who can assume the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClaimTests {
    /// Only tokens of one tenant have them.
    OneTenant,
    /// Every tenant can have such tokens.
    NoLimit,
    /// It is not known who has such tokens.
    NotKnown,
}

impl IssuerRules<'_> {
    /// Finds statements that trust more subjects than seem to be meant.
    pub(in crate::trust) fn check(&self, seen: &[Seen], raw: &mut Vec<Raw>) {
        let mut found: BTreeMap<(FindingId, usize), Vec<Trusted<'_>>> = BTreeMap::new();
        for seen in seen {
            let Some(statement) = seen.statement() else { continue };
            let coverage = coverage(self.kind, seen.part.glob());
            if let Some(id) = self.id(seen, &coverage, statement) {
                found.entry((id, statement)).or_default().push((seen, coverage));
            }
        }
        for ((id, statement), subjects) in &found {
            raw.push(self.finding(*id, *statement, subjects));
        }
        self.for_all_values(raw);
    }

    /// Under which id some subjects are a finding.
    fn id(&self, seen: &Seen, coverage: &Coverage, index: usize) -> Option<FindingId> {
        let statement = self.reading.document.statements.get(index)?;
        if !is_somebody(self.kind, &seen.part) {
            return None;
        }
        if seen.part.decision == Decision::Unknown {
            // Whether `{"AWS": "*"}` covers tokens makes no difference where everybody of AWS can assume the role.
            if statement.principal.is_all_of_aws() && self.open.contains(&index) {
                return None;
            }
            match self.claim_tests(statement, index) {
                ClaimTests::OneTenant => return None,
                ClaimTests::NoLimit => {}
                ClaimTests::NotKnown => return Some(FindingId::Undecided),
            }
        }
        match coverage {
            Coverage::Narrow => None,
            _ if self.is_of_one_tenant_by_audience(seen) => None,
            Coverage::Everybody => Some(explain::of_everybody(self.reading, index, self.provider)),
            Coverage::AnyTenant => Some(FindingId::AnyTenant),
            Coverage::Tenants(_) => Some(FindingId::TenantPattern),
            Coverage::OneTenant(_) => Some(FindingId::AnyProject),
        }
    }

    /// Whether the audience names the tenant, and only audiences that are known can assume the role.
    fn is_of_one_tenant_by_audience(&self, seen: &Seen) -> bool {
        let by_audience = self.kind.service().is_some_and(|service| service.audience_of_tenant().is_some());
        by_audience && self.kind.is_shared() && !seen.audiences.contains(UNNAMED_AUDIENCE)
    }

    fn claim_tests(&self, statement: &Statement, index: usize) -> ClaimTests {
        if statement.tests.iter().any(|test| self.is_of_one_tenant(test)) {
            return ClaimTests::OneTenant;
        }
        if statement.tests.iter().any(|test| self.is_open(test)) {
            return ClaimTests::NotKnown;
        }
        match explain::is_up_to_the_caller(self.reading, index, self.provider, |test| self.is_no_limit(test)) {
            true => ClaimTests::NoLimit,
            false => ClaimTests::NotKnown,
        }
    }

    /// The claim that a test is about, where AWS documents a key for it.
    fn claim(&self, test: &Test) -> Option<&'static Claim> {
        let service = self.kind.service()?;
        if json_edit::is_of(&test.key, self.provider) {
            return service.claim(test.key.rsplit_once(':')?.1);
        }
        service.claim(&test.key)
    }

    /// Whether only tokens of one tenant can pass a test.
    fn is_of_one_tenant(&self, test: &Test) -> bool {
        let Some(claim) = self.claim(test) else { return false };
        let operator = &test.operator;
        let wild = match operator.family {
            Family::Equals | Family::EqualsIgnoreCase | Family::Numeric(Order::Equal) => false,
            Family::Like => true,
            _ => return false,
        };
        let fails_without = claim.always || test.of_absent() == Truth::False;
        let values = || test.values.iter().map(|value| value.text.as_str());
        !operator.negated
            && fails_without
            && values().next().is_some()
            && values().all(|value| claim.is_of_one_tenant(value, wild))
    }

    /// Whether a test of subject or audience compares with something that is not known here, such as a policy variable.
    fn is_open(&self, test: &Test) -> bool {
        let named = ["sub", "aud"].iter().any(|claim| json_edit::is_claim(&test.key, self.provider, claim));
        let of_text =
            matches!(test.operator.family, Family::Equals | Family::EqualsIgnoreCase | Family::Like | Family::Null);
        let variable = test.values.iter().any(|value| value.variables().next().is_some());
        named && (!of_text || variable)
    }

    /// Whether tokens of every tenant can pass a test.
    fn is_no_limit(&self, test: &Test) -> bool {
        // Of an issuer that is not known nobody can tell which claims its tokens have.
        if self.kind.service().is_none() {
            return false;
        }
        let own = json_edit::is_of(&test.key, self.provider);
        self.claim(test).is_some() || (own && test.of_absent() == Truth::True)
    }

    fn finding(&self, id: FindingId, statement: usize, subjects: &[Trusted<'_>]) -> Raw {
        let mut found =
            Raw::new(id, statement, issuer_messages::message(id, self.kind, self.provider.issuer(), subjects));
        found.provider = Some(self.provider.clone());
        found.severity = self.severity(id, subjects);
        found.evidence = issuer_messages::evidence(id, subjects);
        if let Some(read) = self.reading.document.statements.get(statement) {
            found.evidence.extend(explain::tests(read, self.provider, id));
            if id != FindingId::Undecided {
                found.evidence.extend(self.claims_without_effect(read));
            }
        }
        found.evidence.extend(issuer_messages::advice(id, self.kind, self.provider.issuer()));
        found.repair = match id {
            FindingId::OtherProviderCondition | FindingId::SeveralProviders => Repair::Keys,
            FindingId::TenantPattern => Repair::Subjects,
            _ => Repair::None,
        };
        found
    }

    /// The tests of further claims that keep nobody out.
    fn claims_without_effect(&self, statement: &Statement) -> Vec<String> {
        let of_claim = |test: &&Test| {
            let named = ["sub", "aud"].iter().any(|claim| json_edit::is_claim(&test.key, self.provider, claim));
            json_edit::is_of(&test.key, self.provider) && !named
        };
        let tests = statement.tests.iter().filter(of_claim).take(messages::MAX_LISTED);
        let why = |test: &Test| match self.claim(test) {
            Some(_) if test.of_absent() == Truth::True => "holds for a token without the claim",
            Some(_) => "can be met by tokens of everybody",
            None => "holds for a token without the claim, and AWS documents no such condition key",
        };
        tests.map(|test| format!("{} {}", shown(test), why(test))).collect()
    }

    fn severity(&self, id: FindingId, subjects: &[Trusted<'_>]) -> Severity {
        let widest = subjects.iter().map(|(_, coverage)| coverage).min();
        let default = id.severity();
        match (id, widest) {
            (FindingId::Undecided, Some(Coverage::Everybody | Coverage::AnyTenant)) => Severity::Medium,
            (FindingId::Undecided, Some(Coverage::Tenants(_))) => Severity::Low,
            (FindingId::Undecided, _) => Severity::Info,
            // Only customers of the owner have tokens of an issuer of its own.
            _ if self.kind.owner().is_some() => default.min(Severity::Medium),
            // In which part of its subjects an issuer that is not known names the tenant is not known either.
            (FindingId::AnyTenant, _) if self.kind.service().is_none() => Severity::Medium,
            _ => default,
        }
    }

    /// `ForAllValues` on claims of the issuer's tokens.
    fn for_all_values(&self, raw: &mut Vec<Raw>) {
        for (index, statement) in self.reading.document.statements.iter().enumerate() {
            let of_claim =
                |test: &&Test| test.operator.set == Some(Set::All) && json_edit::is_of(&test.key, self.provider);
            let tests: Vec<&Test> = statement.tests.iter().filter(of_claim).collect();
            let names = |name: &String| json_edit::names(name, self.provider);
            let is_about = || statement.principal.federated.iter().any(names);
            if statement.effect != Effect::Allow || tests.is_empty() || !is_about() {
                continue;
            }
            let is_always_there = |test: &&Test| {
                let named = ["sub", "aud"].iter().any(|claim| json_edit::is_claim(&test.key, self.provider, claim));
                named || self.claim(test).is_some_and(|claim| claim.always)
            };
            let always = tests.iter().all(is_always_there);
            let message = match always {
                true => {
                    "ForAllValues holds for a token without the claim. Tokens have these claims, so that it makes no difference today"
                }
                false => "ForAllValues holds for a token without the claim: whoever has such a token passes the test",
            };
            let mut found = Raw::new(FindingId::ForAllValues, index, message);
            if always {
                found.severity = Severity::Info;
            }
            found.provider = Some(self.provider.clone());
            found.evidence = tests.iter().take(messages::MAX_LISTED).map(|test| shown(test)).collect();
            raw.push(found);
        }
    }
}

/// How many tenants a pattern of subjects covers.
pub(in crate::trust) fn coverage(kind: IssuerKind, subjects: &Glob) -> Coverage {
    if let Some(service) = kind.service() {
        return service.coverage(subjects);
    }
    if subjects.covers(&Glob::wild("?*")) {
        return Coverage::Everybody;
    }
    // Subjects are written from the outside in, wherever the form is known.
    if subjects.marked().starts_with(WILDCARD) { Coverage::AnyTenant } else { Coverage::Narrow }
}
