//! What a pattern of `sub` claims means in a cluster: which namespaces and which names of service accounts.
//!
//! The claim is `system:serviceaccount:NAMESPACE:NAME`, and neither part can hold a `:` (Kubernetes documentation, "Managing
//! Service Accounts" and "Object Names and IDs"), so every pattern falls apart into pairs of two patterns, exactly.

use crate::name::SUBJECT_PREFIX;
use crate::trust::evaluate::glob::Glob;
use crate::trust::evaluate::subjects::SubjectPart;
use crate::trust::issuers::{IssuerKind, is_of_a_cluster};

/// The most places that one pattern is told by; one with so many wildcards is told as everything.
const MAX_PATTERNS: usize = 256;
/// The longest pattern of a name: 253 characters, with a `*` beside each.
const MAX_NAME_LENGTH: usize = 2 * 253 + 1;

/// Service accounts by a pattern of the namespace and one of the name, each on its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::trust) struct Place {
    pub(in crate::trust) namespace: String,
    pub(in crate::trust) name: String,
    /// Whether the `:` between the two is not written but covered by a wildcard.
    pub(in crate::trust) runs_on: bool,
}

/// How much a place covers, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::trust) enum Reach {
    /// Every service account of the cluster.
    Cluster,
    /// Names in every namespace.
    AnyNamespace,
    /// All that begins like a pattern which runs on over the `:`.
    OpenEnd,
    /// Namespaces by a pattern.
    Namespaces,
    /// Every name in one namespace.
    AnyName,
    /// Names by a pattern in one namespace.
    Names,
    /// One service account.
    One,
}

impl Place {
    pub(in crate::trust) fn reach(&self) -> Reach {
        match (Part::of(&self.namespace), Part::of(&self.name)) {
            (Part::Any, Part::Any) => Reach::Cluster,
            (Part::Any, _) => Reach::AnyNamespace,
            (Part::Some, Part::Any) if self.runs_on => Reach::OpenEnd,
            (Part::Some, _) => Reach::Namespaces,
            (Part::One, Part::Any) => Reach::AnyName,
            (Part::One, Part::Some) => Reach::Names,
            (Part::One, Part::One) => Reach::One,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        let covers = |mine: &str, theirs: &str| Glob::wild(mine).covers(&Glob::wild(theirs));
        covers(&self.namespace, &other.namespace) && covers(&self.name, &other.name)
    }

    /// As messages show it: `NAMESPACE/NAME`.
    pub(in crate::trust) fn shown(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// How much of the possible names a pattern covers.
enum Part {
    Any,
    Some,
    One,
}

impl Part {
    fn of(pattern: &str) -> Self {
        let wild = |c: char| matches!(c, '*' | '?');
        if pattern.contains('*') && pattern.chars().all(wild) {
            Self::Any
        } else if pattern.contains(wild) {
            Self::Some
        } else {
            Self::One
        }
    }
}

/// The service accounts whose `sub` fits a pattern and none of some others. Of those left out only whole places are taken
/// off: what is left may be less, never more.
pub(in crate::trust) fn places(pattern: &str, except: &[String]) -> Vec<Place> {
    // Of a single subject that is compared without case, the one that Kubernetes can have may be left out.
    if !pattern.contains(['*', '?']) {
        let left = !except.iter().any(|except| Glob::wild(except).matches(pattern));
        let one = account_of(pattern).filter(|_| left).map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        return one.map(|(namespace, name)| Place { namespace, name, runs_on: false }).into_iter().collect();
    }
    let out: Vec<Place> = except.iter().flat_map(|pattern| split(pattern)).collect();
    let mut places: Vec<Place> = Vec::new();
    for place in split(pattern) {
        if !out.iter().chain(&places).any(|other| other.covers(&place)) {
            places.retain(|known| !place.covers(known));
            places.push(place);
        }
    }
    places
}

/// The service account that a `sub` without wildcards names.
pub(in crate::trust) fn account_of(sub: &str) -> Option<(&str, &str)> {
    let (namespace, name) = sub.strip_prefix(SUBJECT_PREFIX)?.split_once(':')?;
    (is_part(namespace, 63, "-") && is_part(name, 253, "-.")).then_some((namespace, name))
}

fn split(pattern: &str) -> Vec<Place> {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut places = Vec::new();
    for start in after_prefix(&pattern) {
        let rest = &pattern[start..];
        // A namespace ends before a `:`, and has at most 63 characters beside wildcards.
        let longest = rest.iter().position(|c| *c == ':').unwrap_or(rest.len()).min(2 * 63);
        for (at, c) in rest.iter().enumerate().take(longest + 1) {
            let (head, tail, runs_on) = match c {
                ':' => (&rest[..at], &rest[at + 1..], false),
                '?' => (&rest[..at], &rest[at + 1..], true),
                '*' => (&rest[..=at], &rest[at..], true),
                _ => continue,
            };
            if tail.len() > MAX_NAME_LENGTH || tail.contains(&':') {
                continue;
            }
            let (namespace, name): (String, String) = (head.iter().collect(), tail.iter().collect());
            if is_part(&namespace, 63, "-*?") && is_part(&name, 253, "-.*?") {
                places.push(Place { namespace, name, runs_on });
            }
            if places.len() > MAX_PATTERNS {
                let star = || "*".to_owned();
                return vec![Place { namespace: star(), name: star(), runs_on: true }];
            }
        }
    }
    places
}

/// Where in a pattern one can be when it has taken the prefix of every `sub`.
fn after_prefix(pattern: &[char]) -> Vec<usize> {
    let settle = |places: &mut Vec<usize>| {
        let mut next = 0;
        while let Some(at) = places.get(next).copied() {
            if pattern.get(at) == Some(&'*') && !places.contains(&(at + 1)) {
                places.push(at + 1);
            }
            next += 1;
        }
    };
    let mut places = vec![0];
    settle(&mut places);
    for c in SUBJECT_PREFIX.chars() {
        let step = |at: &usize| match pattern.get(*at) {
            Some('*') => Some(*at),
            Some('?') => Some(at + 1),
            Some(own) if *own == c => Some(at + 1),
            _ => None,
        };
        let mut next: Vec<usize> = places.iter().filter_map(step).collect();
        next.sort_unstable();
        next.dedup();
        settle(&mut next);
        places = next;
    }
    // What follows a `*` is covered by the `*` itself.
    let covered = |at: usize| at > 0 && pattern.get(at - 1) == Some(&'*') && places.contains(&(at - 1));
    places.iter().copied().filter(|at| !covered(*at)).collect()
}

/// Whether some name of Kubernetes can fit: its alphabet, its length, a letter or digit at both ends.
fn is_part(part: &str, longest: usize, also: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || also.contains(c);
    let no_end = |c: char| matches!(c, '-' | '.');
    !part.is_empty()
        && part.chars().filter(|c| *c != '*').count() <= longest
        && part.chars().all(allowed)
        && !part.starts_with(no_end)
        && !part.ends_with(no_end)
}

/// Whether a part is somebody: a service account that can be, or a subject that tokens of another issuer can have.
pub(in crate::trust) fn is_somebody(kind: IssuerKind, part: &SubjectPart) -> bool {
    match kind {
        IssuerKind::Cluster => !places(&part.pattern, &part.except).is_empty(),
        // Services have no service accounts.
        IssuerKind::Service(..) => is_possible(part) && !is_of_a_cluster(&part.pattern),
        IssuerKind::Unknown => is_possible(part),
    }
}

/// Whether a token can have such a subject: none is empty, and none has a wildcard in it.
fn is_possible(part: &SubjectPart) -> bool {
    !part.pattern.is_empty() && !part.glob().has_literal_wildcard()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(pattern: &str) -> Vec<(String, Reach)> {
        let mut all: Vec<_> = places(pattern, &[]).iter().map(|place| (place.shown(), place.reach())).collect();
        all.sort();
        all
    }

    #[test]
    fn patterns_fall_apart_into_namespaces_and_names() {
        for (pattern, expected) in [
            ("*", vec![("*/*", Reach::Cluster)]),
            ("system:serviceaccount:*", vec![("*/*", Reach::Cluster)]),
            ("system:*:app", vec![("*/app", Reach::AnyNamespace)]),
            ("system:serviceaccount:*:*", vec![("*/*", Reach::Cluster)]),
            ("system:serviceaccount:*:app", vec![("*/app", Reach::AnyNamespace)]),
            ("system:serviceaccount:kube-*", vec![("kube-*/*", Reach::OpenEnd)]),
            ("system:serviceaccount:prod*:*", vec![("prod*/*", Reach::Namespaces)]),
            ("system:serviceaccount:prod*:app", vec![("prod*/app", Reach::Namespaces)]),
            ("system:serviceaccount:ns:*", vec![("ns/*", Reach::AnyName)]),
            ("system:serviceaccount:ns:job-?", vec![("ns/job-?", Reach::Names)]),
            ("system:serviceaccount:ns:a.b", vec![("ns/a.b", Reach::One)]),
            ("*app", vec![("*/*app", Reach::AnyNamespace)]),
            ("*account*", vec![("*/*", Reach::Cluster)]),
            ("system:serviceaccount?ns?app", vec![("ns/app", Reach::One)]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(place, reach)| (place.to_owned(), reach)).collect();
            assert_eq!(shown(pattern), expected, "{pattern}");
        }
        assert_eq!(shown("*default*").len(), 2);
    }

    #[test]
    fn what_no_service_account_can_have_is_no_place() {
        for pattern in [
            "",
            "app",
            "system:serviceaccount:ns",
            "system:serviceaccount:NS:app",
            "system:serviceaccount:ns:App*",
            "system:serviceaccount:ns:a:b",
            "system:serviceaccount:n.s:a",
            "system:serviceaccount::a",
            "system:serviceaccount:ns:-a",
            "repo:org/*",
            "system:serviceaccount:ns:${*}",
        ] {
            assert!(places(pattern, &[]).is_empty(), "{pattern}");
        }
        assert_eq!(account_of("system:serviceaccount:ns:a"), Some(("ns", "a")));
        assert_eq!(account_of("system:serviceaccount:NAMESPACE:NAME"), None);
        assert_eq!(account_of("system:serviceaccount:ns:*"), None);
    }

    #[test]
    fn whole_places_are_taken_off() {
        let except = |pattern: &str, except: &str| places(pattern, &[except.to_owned()]).len();
        assert_eq!(except("system:serviceaccount:ns:*", "system:serviceaccount:ns*"), 0);
        assert_eq!(except("*", "system:*"), 0);
        assert_eq!(except("*", "system:serviceaccount:ns:*"), 1);
        assert_eq!(except("system:serviceaccount:ns:a", "system:serviceaccount:ns:a"), 0);
        assert_eq!(except("system:serviceaccount:ns:a", "system:serviceaccount:ns:b"), 1);
    }

    proptest! {
        #[test]
        fn a_sub_fits_a_pattern_exactly_when_it_is_in_a_place(
            tail in "[a:*?]{0,7}", cut in 0..=SUBJECT_PREFIX.len(), star in any::<bool>(), namespace in "[ab]{1,3}", name in "[ab]{1,3}"
        ) {
            let pattern = format!("{}{}{tail}", &SUBJECT_PREFIX[..cut], if star { "*" } else { "" });
            let sub = format!("{SUBJECT_PREFIX}{namespace}:{name}");
            let fits = |pattern: &str, text: &str| wildmatch::WildMatch::new(pattern).matches(text);
            let placed = places(&pattern, &[]).iter().any(|p| fits(&p.namespace, &namespace) && fits(&p.name, &name));
            prop_assert_eq!(placed, fits(&pattern, &sub), "{} {}", pattern, sub);
        }
    }
}
