//! One role read for judging: its document, and everybody whom tokens of OIDC providers let in.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::audit::AuditedRole;
use super::condition::Truth;
use super::decision::Decision;
use super::document::{Effect, TrustDocument};
use super::ground::{Ground, Standing};
use super::place::{Place, places};
use super::subjects::{SubjectPart, SubjectSet};
use crate::document::{LONGEST_DOCUMENT, one_or_many, parse_strict};
use crate::error::Result;
use crate::name::{Audience, ProviderArn};

/// An audience that nobody has: who is let in with it is let in with any. `.invalid` is kept free (RFC 2606).
pub(super) const UNNAMED_AUDIENCE: &str = "any-audience.invalid";
/// An issuer that nobody has: who of it is let in, is let in whatever the provider.
const UNNAMED_ISSUER: &str = "https://any-issuer.invalid";

/// A role whose trust policy could be read.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) role: &'a AuditedRole,
    pub(super) value: Value,
    pub(super) document: TrustDocument,
}

/// Subjects of a provider who get in, or may.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) provider: ProviderArn,
    pub(super) part: SubjectPart,
    /// The audiences by which they do, of those that were asked about.
    pub(super) audiences: BTreeSet<String>,
    pub(super) places: Vec<Place>,
}

impl Seen {
    /// The number of the statement, from 0.
    pub(super) fn statement(&self) -> Option<usize> {
        index_of(&self.part.statement)
    }
}

/// The number, from 0, of the statement that is called so.
pub(super) fn index_of(label: &str) -> Option<usize> {
    let number = label.strip_prefix("statement ")?.split(' ').next()?;
    number.parse::<usize>().ok()?.checked_sub(1)
}

impl<'a> Reading<'a> {
    /// Reads the trust policy of a role.
    ///
    /// # Errors
    /// `InvalidInput`, as [`TrustDocument::parse`].
    pub(super) fn of(role: &'a AuditedRole) -> Result<Self> {
        let text = &role.trust_policy;
        if text.len() > LONGEST_DOCUMENT || !text.is_ascii() {
            TrustDocument::parse(text)?;
        }
        let value = parse_strict("trust policy", text)?;
        let document = TrustDocument::from_value(&value)?;
        Ok(Self { role, value, document })
    }

    /// The same role with another document.
    pub(super) fn with(&self, value: Value) -> Result<Self> {
        let document = TrustDocument::from_value(&value)?;
        Ok(Self { role: self.role, value, document })
    }

    pub(super) fn statements(&self) -> impl Iterator<Item = (usize, &Map<String, Value>)> {
        let list = one_or_many(self.value.get("Statement")).iter().enumerate();
        list.filter_map(|(index, statement)| Some((index, statement.as_object()?)))
    }

    /// Whether STS would ever take a provider for this role: it looks in the role's own account.
    pub(super) fn is_own(&self, provider: &ProviderArn) -> bool {
        let arn = self.role.arn.as_ref();
        arn.is_none_or(|arn| arn.account() == provider.account() && arn.partition() == provider.partition())
    }

    /// Whether it lets in, or may let in, callers of providers that it does not name.
    pub(super) fn of_any_provider(&self) -> Truth {
        let Some(unnamed) = self.unnamed_provider() else { return Truth::False };
        let named = unnamed.to_string();
        let open = |truth| {
            let about = self.document.statements.iter().filter(|statement| statement.effect == Effect::Allow);
            about.into_iter().any(|statement| statement.is_about(&named) >= truth)
        };
        if !open(Truth::Unknown) {
            return Truth::False;
        }
        let audiences = self.audiences(Standing::NotKnown);
        let found = audiences.iter().map(String::as_str).chain([UNNAMED_AUDIENCE]).flat_map(|audience| {
            let SubjectSet { parts } = self.document.subjects(&unnamed, audience);
            parts.into_iter().map(|part| if part.decision == Decision::Allow { Truth::True } else { Truth::Unknown })
        });
        found.max().unwrap_or(Truth::False)
    }

    fn unnamed_provider(&self) -> Option<ProviderArn> {
        let issuer = UNNAMED_ISSUER.parse().ok()?;
        match &self.role.arn {
            Some(arn) => Some(ProviderArn::new(arn.partition().clone(), arn.account().clone(), issuer)),
            None => Some(ProviderArn::new("aws".parse().ok()?, "000000000000".parse().ok()?, issuer)),
        }
    }

    /// The providers whose subjects are to be told: those of the role's account that it names; and where it is open to any,
    /// all that are known.
    pub(super) fn providers(&self, ground: &Ground<'_>, open: Truth) -> BTreeSet<ProviderArn> {
        let mut providers = self.document.providers();
        if let (Some(arn), true) = (&self.role.arn, open != Truth::False) {
            providers.extend(ground.providers_of(arn.account()).cloned());
        }
        providers.retain(|provider| self.is_own(provider));
        providers
    }

    /// The audiences to ask about: those that the provider takes; else those that the document names, and that of STS.
    pub(super) fn audiences(&self, standing: Standing<'_>) -> BTreeSet<String> {
        if let Standing::Takes(audiences) = standing {
            return audiences.iter().cloned().collect();
        }
        let tests = self.document.statements.iter().flat_map(|statement| &statement.tests);
        let of_audience = tests.filter(|test| test.key.to_ascii_lowercase().ends_with(":aud"));
        let mut named: BTreeSet<String> =
            of_audience.flat_map(|test| &test.values).map(|value| value.text.clone()).collect();
        named.insert(Audience::sts().to_string());
        named
    }

    /// Everybody of a provider who gets in, or may, by some audience.
    pub(super) fn seen(&self, provider: &ProviderArn, standing: Standing<'_>) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        for audience in self.audiences(standing) {
            self.see(provider, &audience, &mut all);
        }
        // Where the audiences of the provider are known, it is not one of them; otherwise it may be.
        if standing == Standing::NotKnown {
            self.see(provider, UNNAMED_AUDIENCE, &mut all);
        }
        all
    }

    fn see(&self, provider: &ProviderArn, audience: &str, all: &mut Vec<Seen>) {
        for part in self.document.subjects(provider, audience).parts {
            let same = |seen: &&mut Seen| {
                let known = &seen.part;
                known.pattern == part.pattern
                    && known.statement == part.statement
                    && known.decision == part.decision
                    && known.except == part.except
            };
            match all.iter_mut().find(same) {
                Some(known) => drop(known.audiences.insert(audience.to_owned())),
                None => {
                    let places = places(&part.pattern, &part.except);
                    let audiences = BTreeSet::from([audience.to_owned()]);
                    all.push(Seen { provider: provider.clone(), part, audiences, places });
                }
            }
        }
    }
}
