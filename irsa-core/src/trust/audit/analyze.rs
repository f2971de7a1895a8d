//! What there is to find of one role, by who really gets in.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Ground, Standing};
use super::draft::{Raw, Repair};
use super::explain;
use super::finding::OtherPrincipal;
use super::issuer_messages;
use super::issuer_rules::{self, IssuerRules};
use super::messages;
use super::parsed_role::{Reading, Seen};
use super::principals::others;
use super::privilege::power;
use super::rules::FindingId;
use super::severity::Severity;
use super::statement::label;
use super::subject_pattern::{Place, Reach, is_somebody};
use super::unusable_principals::unusable_principals;
use crate::name::ProviderArn;
use crate::trust::evaluate::caller::UNNAMED_AUDIENCE;
use crate::trust::evaluate::decision::Decision;
use crate::trust::evaluate::document::{Effect, Statement};
use crate::trust::evaluate::operator::Truth;
use crate::trust::evaluate::strangers::keeps_tokens_out;
use crate::trust::issuers::{Coverage, IssuerKind, TokenAudience};

/// Everything about a role that findings come from.
#[derive(Debug)]
pub(in crate::trust) struct Facts {
    pub(in crate::trust) trusting: bool,
    pub(in crate::trust) seen: Vec<Seen>,
    pub(in crate::trust) others: Vec<OtherPrincipal>,
    pub(in crate::trust) raw: Vec<Raw>,
}

/// Looks at a role from all sides.
pub(in crate::trust) fn facts(reading: &Reading<'_>, ground: &Ground<'_>) -> Facts {
    let open = reading.of_any_provider();
    let others = others(reading);
    let mut raw = Vec::new();
    anybody(reading, open, &others, &mut raw);
    let told: BTreeSet<usize> = raw.iter().filter_map(|found| found.statement).collect();
    let mut seen = Vec::new();
    for provider in reading.providers(ground, false) {
        let standing = reading.standing(ground, &provider);
        if standing == Standing::Missing {
            stale_provider(reading, &provider, &mut raw);
            continue;
        }
        let kind = reading.kind(ground, &provider);
        let (of_provider, any_audience) = reading.seen(&provider, kind, standing);
        let judging = Judging { reading, ground, provider: &provider, kind, standing, seen: &of_provider, told: &told };
        if kind.is_cluster() {
            judging.subjects(&mut raw);
        } else {
            IssuerRules { reading, provider: &provider, kind, open: &told }.check(&of_provider, &mut raw);
        }
        judging.audiences(&any_audience, &mut raw);
        seen.extend(of_provider);
    }
    if open == Truth::Unknown && seen.is_empty() && raw.is_empty() {
        of_aws(reading, &mut raw);
    }
    let trusting = !reading.named.is_empty() || open == Truth::True || !seen.is_empty();
    let takes_tokens = reading.document.statements.iter().any(|statement| !statement.principal.federated.is_empty());
    unusable_principals(reading, &mut raw);
    if trusting || takes_tokens {
        elsewhere(reading, &mut raw);
        other_sides(&others, &seen, &mut raw);
        powerful(reading, &seen, &mut raw);
        explain::nobody(reading, ground, &seen, &mut raw);
    }
    if let ([note, ..], true) = (reading.document.notes(), trusting || takes_tokens || !raw.is_empty()) {
        let mut found = Raw::new(FindingId::RefusedByIam, None, note.clone());
        found.evidence = reading.document.notes().to_vec();
        raw.push(found);
    }
    placeholders(reading, &mut raw);
    raw.sort_by_key(|found| (found.statement, found.id));
    Facts { trusting, seen, others, raw }
}

/// The judging of one provider.
struct Judging<'a> {
    reading: &'a Reading<'a>,
    ground: &'a Ground<'a>,
    provider: &'a ProviderArn,
    kind: IssuerKind,
    standing: Standing<'a>,
    seen: &'a [Seen],
    /// The statements of which it is told already that they let everybody in.
    told: &'a BTreeSet<usize>,
}

/// What one finding of subjects is gathered under: kind and statement.
type Found<'a> = BTreeMap<(FindingId, usize), Vec<(&'a Seen, &'a Place)>>;

impl Judging<'_> {
    fn subjects(&self, raw: &mut Vec<Raw>) {
        let mut found: Found<'_> = BTreeMap::new();
        for seen in self.seen {
            let Some(statement) = seen.statement() else { continue };
            for place in &seen.places {
                for id in self.ids(seen, place, statement) {
                    found.entry((id, statement)).or_default().push((seen, place));
                }
            }
        }
        for ((id, statement), subjects) in &found {
            raw.push(self.finding(*id, *statement, subjects));
        }
    }

    /// Under which ids a place is a finding.
    fn ids(&self, seen: &Seen, place: &Place, statement: usize) -> Vec<FindingId> {
        let reach = place.reach();
        if seen.part.decision == Decision::Unknown {
            let read = self.reading.document.statements.get(statement);
            // Whether `{"AWS": "*"}` covers tokens does not matter where everybody of AWS gets in, or where tokens do not fit.
            let of_aws = |read: &Statement| read.principal.is_all_of_aws() || read.principal.everyone;
            if read.is_some_and(|read| {
                (read.principal.is_all_of_aws() && self.told.contains(&statement))
                    || (of_aws(read) && keeps_tokens_out(read))
            }) {
                return Vec::new();
            }
            let wide = matches!(reach, Reach::Cluster | Reach::AnyNamespace);
            if !(wide && explain::is_up_to_the_caller(self.reading, statement, self.provider, |_| false)) {
                return vec![FindingId::Undecided];
            }
        }
        match reach {
            Reach::Cluster => vec![explain::of_everybody(self.reading, statement, self.provider)],
            Reach::AnyNamespace => vec![FindingId::AnyNamespace],
            Reach::OpenEnd => vec![FindingId::OpenEnd],
            Reach::Namespaces => vec![FindingId::NamespacePattern],
            Reach::AnyName => vec![FindingId::AnyName],
            Reach::Names => vec![FindingId::NamePattern],
            Reach::One => {
                let mut ids = Vec::new();
                if place.name == "default" {
                    ids.push(FindingId::DefaultServiceAccount);
                }
                let accounts = self.ground.accounts(self.provider);
                let known = !self.reading.is_made_up(&place.shown());
                if accounts.is_some_and(|accounts| known && !accounts.has(&place.namespace, &place.name)) {
                    ids.push(FindingId::StaleSubject);
                }
                ids
            }
        }
    }

    fn finding(&self, id: FindingId, statement: usize, subjects: &[(&Seen, &Place)]) -> Raw {
        let cluster = self.ground.called(self.provider);
        let mut found = Raw::new(id, statement, messages::message(id, &cluster, subjects));
        found.provider = Some(self.provider.clone());
        found.severity = severity(id, subjects);
        found.evidence = messages::evidence(subjects);
        if id != FindingId::Undecided {
            let conditions: BTreeSet<&String> = subjects.iter().flat_map(|(seen, _)| &seen.part.conditions).collect();
            found.evidence.extend(conditions.into_iter().map(|condition| format!("where {condition}")));
        }
        if let Some(read) = self.reading.document.statements.get(statement) {
            found.evidence.extend(explain::tests(read, self.provider, id));
        }
        if let (Some(accounts), true) = (self.ground.accounts(self.provider), id != FindingId::StaleSubject) {
            let mut parts: Vec<&Seen> = subjects.iter().map(|(seen, _)| *seen).collect();
            parts.dedup_by_key(|seen| &seen.part.pattern);
            for seen in parts.iter().take(messages::MAX_LISTED).filter(|seen| !seen.part.is_one_subject()) {
                found.evidence.push(accounts.fitting(&seen.part.pattern, &seen.part.except).shown());
            }
        }
        found.repair = match id {
            FindingId::OtherProviderCondition | FindingId::SeveralProviders => Repair::Keys,
            FindingId::AnySubject
            | FindingId::EveryoneBut
            | FindingId::AnyNamespace
            | FindingId::OpenEnd
            | FindingId::NamespacePattern => Repair::Subjects,
            FindingId::AnyName if found.severity > Severity::Low => Repair::Subjects,
            FindingId::StaleSubject => {
                Repair::Leave(subjects.iter().map(|(seen, _)| seen.part.pattern.clone()).collect())
            }
            _ => Repair::None,
        };
        found
    }

    /// Statements that let in tokens of an audience that nobody has named.
    fn audiences(&self, open: &BTreeSet<usize>, raw: &mut Vec<Raw>) {
        let service = self.kind.service();
        // Where the audience names the tenant, everybody can assume the role without it, which is a finding already.
        let by_audience =
            service.is_some_and(|service| service.audience_of_tenant().is_some()) && self.kind.is_shared();
        let is_wide = |seen: &Seen| {
            let coverage = issuer_rules::coverage(self.kind, seen.part.glob());
            matches!(coverage, Coverage::Everybody | Coverage::AnyTenant | Coverage::Tenants(_))
        };
        let is_found = |statement: usize| {
            let of_statement = self.seen.iter().filter(|seen| seen.statement() == Some(statement));
            let mut open = of_statement.filter(|seen| seen.audiences.contains(UNNAMED_AUDIENCE));
            by_audience && open.any(is_wide)
        };
        if service.is_some_and(|service| service.audience == TokenAudience::None) {
            return;
        }
        for statement in open.iter().copied().filter(|statement| !is_found(*statement)) {
            let (severity, takes) = match self.standing {
                Standing::Takes(audiences) if audiences.len() <= 1 => {
                    (Severity::Low, format!("the provider takes {} only, today", messages::few(audiences)))
                }
                Standing::Takes(audiences) => {
                    (Severity::Medium, format!("the provider takes {}", messages::few(audiences)))
                }
                _ if self.reading.is_built_in(self.provider) => (Severity::Medium, "AWS takes any audience".to_owned()),
                _ => (Severity::Medium, "which audiences the provider takes is not known".to_owned()),
            };
            let cluster = match self.kind {
                IssuerKind::Cluster => self.ground.called(self.provider),
                kind => kind.shown(self.provider.issuer()),
            };
            let message = format!(
                "tokens of {cluster} for any audience that the provider takes will do: whoever is handed such a token for another service can use it for this role"
            );
            let mut found = Raw::new(FindingId::NoAudience, statement, message);
            (found.severity, found.provider, found.repair) = (severity, Some(self.provider.clone()), Repair::Audience);
            let key = format!("{}:aud", self.provider.issuer().host_path());
            found.evidence = vec![format!("nothing keeps other audiences out by {key}"), takes];
            found.evidence.extend(issuer_messages::advice(found.id, self.kind, self.provider.issuer()));
            raw.push(found);
        }
    }
}

fn severity(id: FindingId, subjects: &[(&Seen, &Place)]) -> Severity {
    let reach = subjects.iter().map(|(_, place)| place.reach()).min();
    match (id, reach) {
        (FindingId::Undecided, Some(Reach::Cluster | Reach::AnyNamespace)) => Severity::Medium,
        (FindingId::Undecided, Some(Reach::OpenEnd | Reach::Namespaces)) => Severity::Low,
        (FindingId::Undecided, _) => Severity::Info,
        (FindingId::AnyName, _) => {
            let shared = |place: &Place| matches!(place.namespace.as_str(), "kube-system" | "default");
            if subjects.iter().any(|(_, place)| shared(place)) { Severity::Medium } else { Severity::Low }
        }
        _ => id.severity(),
    }
}

/// Principals that are wildcards.
fn anybody(reading: &Reading<'_>, open: Truth, others: &[OtherPrincipal], raw: &mut Vec<Raw>) {
    for (index, statement) in reading.document.statements.iter().enumerate() {
        let called = reading.statements().find(|(at, _)| *at == index).map(|(at, found)| label(at, found));
        let wild: Vec<&OtherPrincipal> = others
            .iter()
            .filter(|other| Some(&other.statement) == called.as_ref() && other.principal == "*")
            .filter(|other| other.kind != "federated")
            .filter(|other| other.actions.iter().any(|action| action == "sts:AssumeRole"))
            .collect();
        let everybody = statement.principal.everyone || statement.principal.inverted;
        let any_provider = statement.effect == Effect::Allow
            && statement.concerns
            && open != Truth::False
            && !keeps_tokens_out(statement)
            && (everybody || statement.principal.federated.iter().any(|arn| arn == "*"));
        let strangers = if wild.is_empty() { Truth::False } else { reading.document.admits_strangers(statement) };
        let (message, conditional) = match (strangers, any_provider) {
            (Truth::True, _) => {
                ("principals of every AWS account may assume it: whoever has an account of AWS gets in", false)
            }
            (_, true) if open == Truth::True => (
                "tokens of every OIDC provider of the account may assume it: whoever can get a token of any of them gets in",
                false,
            ),
            (Truth::Unknown, _) => ("principals of every AWS account may assume it where the conditions hold", true),
            (Truth::False, true) => {
                ("tokens of every OIDC provider of the account may assume it where the conditions hold", true)
            }
            (Truth::False, false) => continue,
        };
        let mut found = Raw::new(FindingId::AnyPrincipal, index, message);
        if conditional {
            found.severity = Severity::Medium;
        }
        found.evidence = wild.iter().map(|other| messages::principal(other)).collect();
        found
            .evidence
            .extend(statement.tests.iter().take(messages::MAX_LISTED).map(crate::trust::evaluate::explain::shown));
        found.repair = Repair::Principal;
        raw.push(found);
    }
}

/// Where only `{"AWS": "*"}` may let tokens in, and no provider is known whose subjects could be told.
fn of_aws(reading: &Reading<'_>, raw: &mut Vec<Raw>) {
    for (index, statement) in reading.document.statements.iter().enumerate() {
        let open = statement.principal.is_all_of_aws() && !keeps_tokens_out(statement);
        if statement.effect == Effect::Allow && statement.concerns && open {
            let message = "whether principals of AWS by a wildcard cover tokens of OIDC providers is not documented:                            if they do, tokens of every provider of the account get in";
            let mut found = Raw::new(FindingId::Undecided, index, message);
            (found.severity, found.repair) = (Severity::Medium, Repair::Principal);
            raw.push(found);
        }
    }
}

fn stale_provider(reading: &Reading<'_>, provider: &ProviderArn, raw: &mut Vec<Raw>) {
    for index in naming(reading, provider) {
        let message = format!(
            "it trusts the OIDC provider {provider}, which does not exist: whoever can create a provider of that \
             issuer in the account opens the role again"
        );
        let mut found = Raw::new(FindingId::StaleProvider, index, message);
        (found.provider, found.repair) = (Some(provider.clone()), Repair::Provider);
        raw.push(found);
    }
}

fn elsewhere(reading: &Reading<'_>, raw: &mut Vec<Raw>) {
    for provider in reading.named.iter().filter(|provider| !reading.is_own(provider)) {
        for index in naming(reading, provider) {
            let account = provider.account();
            let message = format!(
                "it names an OIDC provider of account {account}, which STS never takes for a role of another account: nobody gets in by it"
            );
            let mut found = Raw::new(FindingId::ProviderElsewhere, index, message);
            found.evidence = vec![provider.to_string()];
            found.provider = Some(provider.clone());
            raw.push(found);
        }
    }
}

/// The Allow statements that name a provider.
fn naming(reading: &Reading<'_>, provider: &ProviderArn) -> Vec<usize> {
    let arn = provider.to_string();
    let statements = reading.document.statements.iter().enumerate();
    let naming = statements.filter(|(_, statement)| {
        statement.effect == Effect::Allow
            && !statement.principal.inverted
            && statement.principal.federated.contains(&arn)
    });
    naming.map(|(index, _)| index).collect()
}

/// Services and other accounts beside service accounts.
fn other_sides(others: &[OtherPrincipal], seen: &[Seen], raw: &mut Vec<Raw>) {
    let services: Vec<String> =
        others.iter().filter(|other| other.kind == "service").map(|other| other.principal.clone()).collect();
    if !services.is_empty() && !seen.is_empty() {
        let mut holders: Vec<String> = seen.iter().map(holder).collect();
        holders.sort_unstable();
        holders.dedup();
        let message = format!("{} and {} may assume it", messages::few(&holders), messages::few(&services));
        let mut found = Raw::new(FindingId::MixedTrust, None, message);
        found.evidence = others.iter().filter(|other| other.kind == "service").map(messages::principal).collect();
        raw.push(found);
    }
    let foreign: Vec<&OtherPrincipal> =
        others.iter().filter(|other| other.kind == "aws" && other.other_account == Some(true)).collect();
    if let [first, ..] = foreign[..] {
        let names: Vec<String> = foreign.iter().map(|other| other.principal.clone()).collect();
        let message = format!("principals of another AWS account may assume it: {}", messages::few(&names));
        let mut found = Raw::new(FindingId::OtherAccount, super::parsed_role::index_of(&first.statement), message);
        if foreign.iter().all(|other| other.conditional) {
            found.severity = Severity::Info;
        }
        found.evidence = foreign.iter().take(messages::MAX_LISTED).map(|other| messages::principal(other)).collect();
        raw.push(found);
    }
}

/// Who holds the tokens of some subjects.
fn holder(seen: &Seen) -> String {
    match seen.kind {
        IssuerKind::Cluster => "service accounts".to_owned(),
        kind => format!("subjects of {}", kind.shown(seen.provider.issuer())),
    }
}

/// Statements that have yet to be filled in.
fn placeholders(reading: &Reading<'_>, raw: &mut Vec<Raw>) {
    let gaps = reading.template.as_ref().map(|template| &template.gaps[..]).unwrap_or_default();
    for of_statement in gaps.chunk_by(|one, other| one.statement == other.statement) {
        let mut names: Vec<String> = of_statement.iter().map(|gap| gap.placeholder.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let (noun, verb) = if names.len() == 1 { ("placeholder", "is") } else { ("placeholders", "are") };
        let message =
            format!("the {noun} {} {verb} not filled in: the rest is judged as if it were", messages::few(&names));
        let mut found = Raw::new(FindingId::Placeholder, of_statement.first().map(|gap| gap.statement), message);
        let lines =
            of_statement.iter().map(|gap| format!("{} in {}", gap.placeholder, gap.place.trim_end_matches(',')));
        found.evidence = lines.take(messages::MAX_LISTED).collect();
        if of_statement.len() > messages::MAX_LISTED {
            found.evidence.push(format!("and {} more", of_statement.len() - messages::MAX_LISTED));
        }
        raw.push(found);
    }
}

fn powerful(reading: &Reading<'_>, seen: &[Seen], raw: &mut Vec<Raw>) {
    let several = |seen: &&Seen| {
        let of_cluster = seen.places.iter().any(|place| place.reach() != Reach::One);
        // Elsewhere a pattern is several, such as the branches of a repository.
        let elsewhere = !seen.kind.is_cluster() && !seen.part.is_one_subject() && is_somebody(seen.kind, &seen.part);
        seen.part.decision == Decision::Allow && (of_cluster || elsewhere)
    };
    let open: Vec<&Seen> = seen.iter().filter(several).collect();
    if open.is_empty() {
        return;
    }
    let Some(why) = power(reading.role) else { return };
    let patterns: Vec<String> = open.iter().map(|seen| messages::part(&seen.part)).collect();
    let named =
        if open.iter().all(|seen| seen.kind.is_cluster()) { "named service accounts" } else { "single subjects" };
    let message = format!(
        "it can do nearly everything or become any role ({why}), and lets in more than {named}: {}",
        messages::few(&patterns)
    );
    let mut found = Raw::new(FindingId::PowerfulRole, None, message);
    if reading.role.permissions_boundary.is_some() {
        found.severity = Severity::Medium;
    }
    found.evidence = patterns.into_iter().take(messages::MAX_LISTED).chain([why]).collect();
    raw.push(found);
}
