//! One role read for judging: its document, and everybody whom tokens of OIDC providers let in.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::AuditedRole;
use super::context::{Ground, Standing};
use super::json_edit;
use super::subject_pattern::{Place, is_somebody, places};
use super::template::Template;
use crate::document::{MAX_DOCUMENT_LENGTH, one_or_many, parse_strict};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Audience, Issuer, ProviderArn, RoleArn, SUBJECT_PREFIX};
use crate::ownership::Ownership;
use crate::trust::evaluate::budget::Work;
use crate::trust::evaluate::caller::{UNNAMED_AUDIENCE, WebIdentityCaller};
use crate::trust::evaluate::condition::Test;
use crate::trust::evaluate::decision::Decision;
use crate::trust::evaluate::document::{Effect, TrustDocument};
use crate::trust::evaluate::operator::{Family, Truth};
use crate::trust::evaluate::policy_value::{Value, is_of_an_issuer};
use crate::trust::evaluate::subjects::{SubjectPart, SubjectSet};
use crate::trust::issuers::IssuerKind;

/// An issuer that nobody has: who of it is let in, is let in whatever the provider.
const UNNAMED_ISSUER: &str = "https://any-issuer.invalid";

/// A role whose trust policy could be read.
#[derive(Debug)]
pub(in crate::trust) struct Reading<'a> {
    pub(in crate::trust) role: &'a AuditedRole,
    /// The document, with placeholders filled in.
    pub(in crate::trust) value: Json,
    /// What was filled in, where the document has placeholders.
    pub(in crate::trust) template: Option<Rc<Template>>,
    pub(in crate::trust) document: TrustDocument,
    /// The OIDC providers that it names, those that are built in among them.
    pub(in crate::trust) named: BTreeSet<ProviderArn>,
    /// Those that AWS knows without a provider in the account, as if the account had them.
    built_in: BTreeSet<ProviderArn>,
    /// What may still be spent on this role, whatever is asked.
    pub(in crate::trust) work: Rc<Work>,
}

/// Subjects of a provider who get in, or may.
#[derive(Clone, Debug)]
pub(in crate::trust) struct Seen {
    pub(in crate::trust) provider: Rc<ProviderArn>,
    pub(in crate::trust) kind: IssuerKind,
    pub(in crate::trust) part: SubjectPart,
    /// The audiences by which they do, of those that were asked about.
    pub(in crate::trust) audiences: BTreeSet<String>,
    /// What it covers of a cluster; nothing for another issuer.
    pub(in crate::trust) places: Vec<Place>,
}

impl Seen {
    /// The number of the statement, from 0.
    pub(in crate::trust) fn statement(&self) -> Option<usize> {
        index_of(&self.part.statement)
    }
}

/// The number, from 0, of the statement that is called so.
pub(in crate::trust) fn index_of(label: &str) -> Option<usize> {
    let number = label.strip_prefix("statement ")?.split(' ').next()?;
    number.parse::<usize>().ok()?.checked_sub(1)
}

impl<'a> Reading<'a> {
    /// Reads the trust policy of a role.
    ///
    /// # Errors
    /// `InvalidInput`, as [`TrustDocument::parse`], or with why there is nothing to read.
    pub(in crate::trust) fn of(role: &'a AuditedRole) -> Result<Self> {
        if let [first, causes @ ..] = &role.unreadable[..] {
            let error = Error::new(ErrorKind::InvalidInput, first.clone());
            return Err(if causes.is_empty() { error } else { error.with_cause(causes.join(": ")) });
        }
        let text = &role.trust_policy;
        if text.len() > MAX_DOCUMENT_LENGTH || !text.is_ascii() {
            TrustDocument::parse(text)?;
        }
        let written = parse_strict("trust policy", text)?;
        let (template, value) = match Template::fill(&written) {
            Some((template, filled)) => (Some(Rc::new(template)), filled),
            None => (None, written),
        };
        Self::new(role, value, template, Rc::new(Work::of_role()))
    }

    /// The same role with another document.
    pub(in crate::trust) fn with(&self, value: Json) -> Result<Self> {
        Self::new(self.role, value, self.template.clone(), Rc::clone(&self.work))
    }

    fn new(role: &'a AuditedRole, value: Json, template: Option<Rc<Template>>, work: Rc<Work>) -> Result<Self> {
        let document = TrustDocument::from_value(&value)?;
        let mut named = document.providers();
        let issuers = document.built_in_issuers().into_iter();
        let built_in: BTreeSet<ProviderArn> = issuers.filter_map(|issuer| provider_of(role, issuer)).collect();
        named.extend(built_in.iter().cloned());
        Ok(Self { role, value, template, document, named, built_in, work })
    }

    /// The provider that a federated principal names.
    pub(in crate::trust) fn provider_named(&self, principal: &str) -> Option<ProviderArn> {
        let built_in = || self.built_in.iter().find(|provider| provider.issuer().host_path() == principal).cloned();
        principal.parse().ok().or_else(built_in)
    }

    /// Whether AWS knows a provider that the document names, without one in the account.
    pub(in crate::trust) fn is_built_in(&self, provider: &ProviderArn) -> bool {
        self.built_in.contains(provider)
    }

    /// Whether a provider exists. One that is built in always does, and takes any audience; of one that is to be filled in,
    /// nothing is known.
    pub(in crate::trust) fn standing<'b>(&self, ground: &Ground<'b>, provider: &ProviderArn) -> Standing<'b> {
        match ground.standing(provider) {
            Standing::Missing if self.built_in.contains(provider) || self.is_made_up(&provider.to_string()) => {
                Standing::NotKnown
            }
            standing => standing,
        }
    }

    /// What is behind an issuer: from its form, and where that says nothing from the clusters that are known, the subjects
    /// that the document tests, and the role's tags.
    pub(in crate::trust) fn kind(&self, ground: &Ground<'_>, provider: &ProviderArn) -> IssuerKind {
        match ground.kind(provider.issuer()) {
            IssuerKind::Unknown if ground.cluster(provider).is_some() || self.is_recorded(provider) => {
                IssuerKind::Cluster
            }
            IssuerKind::Unknown => self.kind_by_subjects(provider),
            kind => kind,
        }
    }

    fn kind_by_subjects(&self, provider: &ProviderArn) -> IssuerKind {
        let tests = self.document.statements.iter().flat_map(|statement| &statement.tests);
        let own = |test: &&Test| {
            json_edit::is_claim(&test.key, provider, "sub") || json_edit::is_claim(&test.key, provider, "aud")
        };
        let kinds = tests.filter(own).flat_map(|test| &test.values).map(|value| IssuerKind::by_subject(&value.text));
        // A service account says most.
        kinds
            .min_by_key(|kind| match kind {
                IssuerKind::Cluster => 0,
                IssuerKind::Service(..) => 1,
                IssuerKind::Unknown => 2,
            })
            .unwrap_or(IssuerKind::Unknown)
    }

    /// Whether the role's tags name a service account of a cluster with this issuer.
    fn is_recorded(&self, provider: &ProviderArn) -> bool {
        let tags = &self.role.tags;
        let members = || Ownership::from_tags(tags).members().into_iter();
        !tags.is_empty() && members().any(|member| member.cluster.as_str() == provider.issuer().host_path())
    }

    /// A text of this reading as it would be with the placeholders of the document in it.
    pub(in crate::trust) fn as_written(&self, text: &str) -> String {
        self.template.as_ref().map_or_else(|| text.to_owned(), |template| template.restore_text(text))
    }

    /// Whether a text holds what was filled in for a placeholder, so that nothing is known of it.
    pub(in crate::trust) fn is_made_up(&self, text: &str) -> bool {
        self.template.as_ref().is_some_and(|template| template.is_made_up(text))
    }

    /// Who of a provider gets in with an audience, or may.
    pub(in crate::trust) fn subjects(&self, provider: &ProviderArn, audience: &str) -> SubjectSet {
        self.document.subjects_within(provider, audience, &self.work)
    }

    pub(in crate::trust) fn statements(&self) -> impl Iterator<Item = (usize, &Map<String, Json>)> {
        let list = one_or_many(self.value.get("Statement")).iter().enumerate();
        list.filter_map(|(index, statement)| Some((index, statement.as_object()?)))
    }

    /// Whether STS would ever take a provider for this role: it looks in the role's own account.
    pub(in crate::trust) fn is_own(&self, provider: &ProviderArn) -> bool {
        let arn = self.role.arn.as_ref();
        let is_account =
            |arn: &RoleArn| arn.account() == provider.account() || self.is_made_up(provider.account().as_str());
        arn.is_none_or(|arn| is_account(arn) && arn.partition() == provider.partition())
    }

    /// Whether some statement is, or may be, about callers of providers that it does not name.
    fn is_wild(&self) -> bool {
        self.document.statements.iter().any(|statement| {
            let principal = &statement.principal;
            let wild = principal.everyone || principal.inverted || principal.is_all_of_aws();
            let any = wild || statement.in_doubt.is_some() || principal.federated.iter().any(|arn| arn == "*");
            statement.effect == Effect::Allow && statement.concerns && any
        })
    }

    /// Whether it lets in, or may let in, callers of providers that it does not name, whatever the provider.
    pub(in crate::trust) fn of_any_provider(&self) -> Truth {
        if !self.is_wild() {
            return Truth::False;
        }
        let Some(unnamed) = self.unnamed_provider() else { return Truth::False };
        let audiences = self.audiences(Standing::NotKnown);
        let found = audiences.iter().map(String::as_str).chain([UNNAMED_AUDIENCE]).flat_map(|audience| {
            let SubjectSet { parts } = self.subjects(&unnamed, audience);
            parts.into_iter().map(|part| if part.decision == Decision::Allow { Truth::True } else { Truth::Unknown })
        });
        found.max().unwrap_or(Truth::False)
    }

    fn unnamed_provider(&self) -> Option<ProviderArn> {
        self.provider_of(UNNAMED_ISSUER)
    }

    /// The provider of an issuer in the account of the role; where that is not known, in one that nobody has.
    fn provider_of(&self, issuer: &str) -> Option<ProviderArn> {
        provider_of(self.role, issuer.parse().ok()?)
    }

    /// The providers whose subjects are to be told: those of the role's account that it names; and where its principal is a
    /// wildcard, or all are wanted, those that are known and those whose keys it tests.
    pub(in crate::trust) fn providers(&self, ground: &Ground<'_>, all: bool) -> BTreeSet<ProviderArn> {
        let mut providers = self.named.clone();
        if all || self.is_wild() {
            let known = self.role.arn.iter().flat_map(|arn| ground.providers_of(arn.account()));
            providers.extend(known.cloned());
            let keys = self.document.statements.iter().flat_map(|statement| &statement.tests).map(|test| &test.key);
            let issuers: BTreeSet<&str> =
                keys.filter(|key| is_of_an_issuer(key)).filter_map(|key| Some(key.rsplit_once(':')?.0)).collect();
            let named = |issuer: &&&str| {
                let is_it = |known: &ProviderArn| known.issuer().host_path().eq_ignore_ascii_case(issuer);
                !providers.iter().any(is_it)
            };
            let tested: Vec<ProviderArn> = issuers
                .iter()
                .filter(named)
                .filter_map(|issuer| self.provider_of(&format!("https://{issuer}")))
                .collect();
            providers.extend(tested);
        }
        providers.retain(|provider| self.is_own(provider));
        providers
    }

    /// The audiences that its tests name, and that of STS.
    fn named_audiences(&self) -> BTreeSet<String> {
        let texts = self.audience_tests().flat_map(|test| &test.values).map(|value| value.text.clone());
        // A subject under the key of the audience is a mistake, and no audience.
        let mut named: BTreeSet<String> = texts.filter(|text| !text.starts_with(SUBJECT_PREFIX)).collect();
        named.insert(Audience::sts().to_string());
        named
    }

    fn audience_tests(&self) -> impl Iterator<Item = &Test> {
        let tests = self.document.statements.iter().flat_map(|statement| &statement.tests);
        tests.filter(|test| {
            test.key.len() > 4 && test.key.as_bytes()[test.key.len() - 4..].eq_ignore_ascii_case(b":aud")
        })
    }

    /// The audiences to ask about: those that the provider takes; else those that the document names, and that of STS.
    pub(in crate::trust) fn audiences(&self, standing: Standing<'_>) -> BTreeSet<String> {
        match standing {
            Standing::Takes(audiences) => audiences.iter().cloned().collect(),
            Standing::Missing | Standing::NotKnown => self.named_audiences(),
        }
    }

    /// Everybody of a provider who gets in, or may, by some audience; and the numbers of the statements that let somebody in
    /// with an audience that nobody has named.
    pub(in crate::trust) fn seen(
        &self,
        provider: &ProviderArn,
        kind: IssuerKind,
        standing: Standing<'_>,
    ) -> (Vec<Seen>, BTreeSet<usize>) {
        let (mut all, shared) = (Vec::new(), Rc::new(provider.clone()));
        let asked = self.audiences(standing);
        let named = self.named_audiences();
        // By equality alone, all audiences that are not named are alike.
        let literal = self.audience_tests().all(|test| test.operator.family == Family::Equals)
            && !named.iter().any(|audience| audience.contains("${"));
        let (told_apart, mut alike): (BTreeSet<String>, BTreeSet<String>) =
            asked.into_iter().partition(|audience| !literal || named.contains(audience));
        for audiences in self.alike(provider, told_apart) {
            let Some(first) = audiences.first() else { continue };
            let parts = self.subjects(provider, first).parts;
            see(&shared, kind, parts, &audiences, &mut all);
        }
        let parts = self.subjects(provider, UNNAMED_AUDIENCE).parts;
        let lets_in = |part: &&SubjectPart| part.decision == Decision::Allow && is_somebody(kind, part);
        let certain = parts.iter().filter(lets_in);
        let open = certain.filter_map(|part| index_of(&part.statement)).collect();
        if standing == Standing::NotKnown {
            alike.insert(UNNAMED_AUDIENCE.to_owned());
        }
        if !alike.is_empty() {
            see(&shared, kind, parts, &alike, &mut all);
        }
        (all, open)
    }
}

impl Reading<'_> {
    /// Audiences by what the tests of them say: those of which all say the same are alike.
    fn alike(&self, provider: &ProviderArn, audiences: BTreeSet<String>) -> Vec<BTreeSet<String>> {
        let by_variable = |value: &Value| value.variables().next().is_some();
        let tests = || self.document.statements.iter().flat_map(|statement| &statement.tests);
        if tests().flat_map(|test| &test.values).any(by_variable) {
            return audiences.into_iter().map(|audience| BTreeSet::from([audience])).collect();
        }
        let mut groups: BTreeMap<Vec<Truth>, BTreeSet<String>> = BTreeMap::new();
        for audience in audiences {
            let caller = WebIdentityCaller::new(provider.clone(), "", audience.as_str());
            let said = self.audience_tests().map(|test| test.holds(&caller)).collect();
            groups.entry(said).or_default().insert(audience);
        }
        groups.into_values().collect()
    }
}

/// The provider of an issuer in the account of a role; where that is not known, in one that nobody has.
fn provider_of(role: &AuditedRole, issuer: Issuer) -> Option<ProviderArn> {
    match &role.arn {
        Some(arn) => Some(ProviderArn::new(arn.partition().clone(), arn.account().clone(), issuer)),
        None => Some(ProviderArn::new("aws".parse().ok()?, "000000000000".parse().ok()?, issuer)),
    }
}

/// Adds the parts for some audiences.
fn see(
    provider: &Rc<ProviderArn>,
    kind: IssuerKind,
    parts: Vec<SubjectPart>,
    audiences: &BTreeSet<String>,
    all: &mut Vec<Seen>,
) {
    for part in parts {
        let same = |seen: &&mut Seen| {
            let known = &seen.part;
            known.pattern == part.pattern
                && known.statement == part.statement
                && known.decision == part.decision
                && known.except == part.except
        };
        match all.iter_mut().find(same) {
            Some(known) => known.audiences.extend(audiences.iter().cloned()),
            None => {
                let places = if kind.is_cluster() { places(&part.pattern, &part.except) } else { Vec::new() };
                all.push(Seen { provider: Rc::clone(provider), kind, part, audiences: audiences.clone(), places });
            }
        }
    }
}
