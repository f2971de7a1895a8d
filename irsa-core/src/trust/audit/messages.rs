//! Findings in words: who gets in, by what.

use super::finding::OtherPrincipal;
use super::parsed_role::Seen;
use super::rules::FindingId;
use super::subject_pattern::Place;
use crate::trust::evaluate::subjects::SubjectPart;

/// Longer lists are cut.
pub(in crate::trust) const MAX_LISTED: usize = 5;

/// A list in a sentence, cut where it is long.
pub(in crate::trust) fn few(texts: &[String]) -> String {
    match texts {
        [] => "nothing".to_owned(),
        texts if texts.len() <= MAX_LISTED => texts.join(", "),
        texts => format!("{} and {} more", texts[..MAX_LISTED].join(", "), texts.len() - MAX_LISTED),
    }
}

/// A pattern with what is not part of it.
pub(in crate::trust) fn part(part: &SubjectPart) -> String {
    match &part.except[..] {
        [] => part.pattern.clone(),
        except => format!("{} except {}", part.pattern, few(except)),
    }
}

pub(in crate::trust) fn principal(other: &OtherPrincipal) -> String {
    let condition = if other.conditional { ", where conditions hold" } else { "" };
    format!("{} {} by {}{condition} ({})", other.kind, other.principal, other.actions.join(", "), other.statement)
}

/// Who gets in that should not.
pub(in crate::trust) fn message(id: FindingId, cluster: &str, subjects: &[(&Seen, &Place)]) -> String {
    let mut shown: Vec<String> = subjects.iter().map(|(_, place)| place.shown()).collect();
    shown.dedup();
    let names = few(&shown);
    let of = |part: fn(&Place) -> &str| {
        let mut parts: Vec<String> = subjects.iter().map(|(_, place)| part(place).to_owned()).collect();
        parts.sort_unstable();
        parts.dedup();
        few(&parts)
    };
    let namespaces = || of(|place| &place.namespace);
    let anywhere = "whoever can create a pod anywhere there gets in";
    match id {
        FindingId::AnySubject => {
            format!("any service account of any namespace of {cluster} may assume it: {anywhere}")
        }
        FindingId::EveryoneBut => {
            let mut except: Vec<String> = subjects.iter().flat_map(|(seen, _)| seen.part.except.clone()).collect();
            except.dedup();
            format!("every service account of {cluster} but {} may assume it: {anywhere}", few(&except))
        }
        FindingId::OtherProviderCondition => format!(
            "any service account of any namespace of {cluster} may assume it, since the conditions test what only tokens of \
             another provider have: {anywhere}"
        ),
        FindingId::SeveralProviders => format!(
            "any service account of any namespace of {cluster} may assume it, since the conditions test the tokens of another \
             of the providers that the statement names: {anywhere}"
        ),
        FindingId::AnyNamespace => format!(
            "service accounts called {} of any namespace of {cluster} may assume it: whoever can create a service account or \
             a pod in any namespace gets in",
            of(|place| &place.name)
        ),
        FindingId::OpenEnd => format!(
            "any service account of every namespace of {cluster} that fits {} may assume it, since the pattern runs on over \
             the `:`: whoever can create a namespace of such a name, or a pod in one, gets in",
            namespaces()
        ),
        FindingId::NamespacePattern => format!(
            "service accounts of every namespace of {cluster} that fits {} may assume it ({names}): whoever can create a \
             namespace of such a name, or a pod in one, gets in",
            namespaces()
        ),
        FindingId::AnyName => format!(
            "any service account of namespace {} of {cluster} may assume it: whoever can create a pod there gets in",
            namespaces()
        ),
        FindingId::NamePattern => format!(
            "service accounts of {cluster} by a pattern of their name may assume it ({names}): whoever can create one that \
             fits gets in"
        ),
        FindingId::DefaultServiceAccount => format!(
            "the service account {names} of {cluster} may assume it: every pod of the namespace that names no service \
             account gets in"
        ),
        FindingId::StaleSubject => format!(
            "service accounts of {cluster} that do not exist may assume it ({names}): whoever can create one of that name \
             gets in"
        ),
        FindingId::Undecided => {
            format!("whether service accounts of {cluster} may assume it depends on other things: {names}")
        }
        id => format!("{}: {names}", id.title()),
    }
}

/// The parts that show it, and what those in doubt depend on.
pub(in crate::trust) fn evidence(subjects: &[(&Seen, &Place)]) -> Vec<String> {
    let mut parts: Vec<&SubjectPart> = subjects.iter().map(|(seen, _)| &seen.part).collect();
    parts.dedup();
    let mut lines: Vec<String> = parts.iter().take(MAX_LISTED).map(|seen| format!("lets in {}", part(seen))).collect();
    if parts.len() > MAX_LISTED {
        lines.push(format!("and {} more", parts.len() - MAX_LISTED));
    }
    let mut conditions: Vec<String> =
        parts.iter().flat_map(|part| &part.conditions).map(|condition| format!("if {condition}")).collect();
    conditions.dedup();
    lines.extend(conditions.into_iter().take(MAX_LISTED));
    lines
}
