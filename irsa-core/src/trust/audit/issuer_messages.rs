//! Messages of findings on issuers that are not clusters.

use super::messages;
use super::parsed_role::Seen;
use super::rules::FindingId;
use crate::name::Issuer;
use crate::trust::issuers::{Coverage, IssuerKind, TokenAudience};

/// Some subjects that one statement trusts.
pub(in crate::trust) type Trusted<'a> = (&'a Seen, Coverage);

/// Who can assume the role, and why that is a finding.
pub(in crate::trust) fn message(id: FindingId, kind: IssuerKind, issuer: &Issuer, subjects: &[Trusted<'_>]) -> String {
    let tokens = format!("whoever can get a token of {}", kind.shown(issuer));
    let holders = holders(kind);
    let mut patterns: Vec<String> = subjects.iter().map(|(seen, _)| messages::part(&seen.part)).collect();
    patterns.dedup();
    let patterns = messages::few(&patterns);
    match id {
        FindingId::AnySubject => format!("{holders} can assume it: {tokens}"),
        FindingId::EveryoneBut => {
            let mut except: Vec<String> = subjects.iter().flat_map(|(seen, _)| seen.part.except.clone()).collect();
            except.dedup();
            format!("{holders} can assume it, except {}: {tokens}", messages::few(&except))
        }
        FindingId::OtherProviderCondition => format!(
            "{holders} can assume it, since the conditions test what only tokens of another provider have: {tokens}"
        ),
        FindingId::SeveralProviders => format!(
            "{holders} can assume it, since the conditions test the tokens of another of the providers that the statement \
             names: {tokens}"
        ),
        FindingId::AnyTenant => match kind {
            IssuerKind::Service(service, _) => {
                format!("{patterns} can assume it, whose {} is left open: {tokens} with such a subject", service.tenant)
            }
            IssuerKind::Cluster | IssuerKind::Unknown => {
                format!(
                    "{patterns} can assume it, a pattern whose beginning is left open: {tokens} with such a subject"
                )
            }
        },
        FindingId::TenantPattern => {
            let names = subjects.iter().filter_map(|(_, coverage)| match coverage {
                Coverage::Tenants(name) => Some(format!("{name}-evil")),
                _ => None,
            });
            let mut names: Vec<String> = names.collect();
            names.dedup();
            format!(
                "{patterns} can assume it, which covers the {} {} too: whoever can register such a name can assume it",
                tenant(kind),
                messages::few(&names)
            )
        }
        FindingId::AnyProject => {
            let names = subjects.iter().filter_map(|(_, coverage)| match coverage {
                Coverage::OneTenant(name) => Some(name.clone()),
                _ => None,
            });
            let mut names: Vec<String> = names.collect();
            names.dedup();
            let of_one = kind.service().map_or("anything", |service| service.holders);
            format!("{of_one} of {} {} can assume it", tenant(kind), messages::few(&names))
        }
        FindingId::Undecided => {
            format!("whether subjects of {} can assume it depends on other things: {patterns}", kind.shown(issuer))
        }
        id => format!("{}: {patterns}", id.title()),
    }
}

/// Everybody with a token of an issuer.
fn holders(kind: IssuerKind) -> String {
    match kind {
        IssuerKind::Service(service, form) => match form.owner {
            Some(owner) => format!("{} of the {owner}", service.holders),
            None => format!("{} of any {}", service.holders, service.tenant),
        },
        IssuerKind::Cluster | IssuerKind::Unknown => "any subject".to_owned(),
    }
}

fn tenant(kind: IssuerKind) -> &'static str {
    kind.service().map_or("tenant", |service| service.tenant)
}

/// The subjects that show a finding, and what those in doubt depend on.
pub(in crate::trust) fn evidence(id: FindingId, subjects: &[Trusted<'_>]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (seen, _) in subjects.iter().take(messages::MAX_LISTED) {
        let line = format!("trusts {}", messages::part(&seen.part));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if subjects.len() > messages::MAX_LISTED {
        lines.push(format!("and {} more", subjects.len() - messages::MAX_LISTED));
    }
    if id == FindingId::Undecided {
        let mut conditions: Vec<String> = Vec::new();
        for condition in subjects.iter().flat_map(|(seen, _)| &seen.part.conditions) {
            let line = format!("if {condition}");
            if !conditions.contains(&line) {
                conditions.push(line);
            }
        }
        lines.extend(conditions.into_iter().take(messages::MAX_LISTED));
    }
    lines
}

/// What tokens of a service say about who holds them, so that the right test can be written.
pub(in crate::trust) fn advice(id: FindingId, kind: IssuerKind, issuer: &Issuer) -> Vec<String> {
    let Some(service) = kind.service() else { return Vec::new() };
    let (host, name) = (issuer.host_path(), service.name);
    let mut lines = Vec::new();
    match id {
        FindingId::Undecided | FindingId::AnyProject | FindingId::ForAllValues => return lines,
        FindingId::NoAudience => {
            if let TokenAudience::Usual(audience) = service.audience {
                lines.push(format!("tokens of {name} for AWS usually have the audience {audience}"));
            }
            return lines;
        }
        _ => {}
    }
    if !service.subject.is_empty() {
        lines.push(format!("{host}:sub has the form {} in tokens of {name}", service.subject));
    }
    if let Some(what) = service.audience_of_tenant().filter(|_| kind.is_shared()) {
        lines.push(format!("{host}:aud names the {what} in tokens of {name}"));
    }
    let claims: Vec<String> = service.tenant_claims().map(str::to_owned).collect();
    if !claims.is_empty() {
        lines.push(format!("AWS also has condition keys for {} of tokens of {name}", messages::few(&claims)));
    }
    lines
}
