//! Declarations that name one existing role, each by itself, as eksctl's `attachRoleARN` does: irsa shares a role by naming
//! further subjects.

use std::collections::HashMap;

use super::Declared;
use crate::binding::IrsaBinding;
use crate::name::{RoleArn, Subject};

/// Joins declarations that name one existing role (`attachRoleARN` of eksctl), also those of several files.
///
/// The first of them gets the service accounts of all others as subjects. One that wants the same of its service account is
/// then said with it; any other stays a binding of its own, since it has labels, annotations or a cluster of its own, and is
/// trust-only in the first.
pub fn sharing(declared: Vec<Declared>) -> Vec<Declared> {
    let mut joined: Vec<Declared> = Vec::with_capacity(declared.len());
    let mut first_of: HashMap<RoleArn, usize> = HashMap::new();
    for next in declared {
        let Some(arn) = next.existing_role.clone() else {
            joined.push(next);
            continue;
        };
        let known = first_of.get(&arn).and_then(|at| joined.get_mut(*at));
        let Some(Declared { binding: first, .. }) = known else {
            let _ = first_of.insert(arn, joined.len());
            joined.push(next);
            continue;
        };
        // What is declared twice is refused as such.
        let own = next.binding.first_subject();
        if first.all_subjects().contains(&own) {
            joined.push(next);
            continue;
        }
        let alike = is_alike(first, &next.binding);
        let cluster = own.cluster.clone().filter(|cluster| *cluster != first.cluster);
        let subject = Subject { cluster, ..own };
        if !alike {
            let _ = first.trust_only.insert(subject.clone());
        }
        let _ = first.subjects.insert(subject);
        if !alike {
            joined.push(next);
        }
    }
    joined
}

fn is_alike(one: &IrsaBinding, other: &IrsaBinding) -> bool {
    (&one.cluster, &one.labels, &one.annotations, one.role_only)
        == (&other.cluster, &other.labels, &other.annotations, other.role_only)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::error::Error;

    const HEAD: &str =
        "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: CLUSTER}\niam:\n  serviceAccounts:\n";

    fn declared(cluster: &str, entries: &[(&str, &str)]) -> Vec<Declared> {
        let entry = |(name, more): &(&str, &str)| {
            format!("  - {{metadata: {{name: {name}{more}}}, attachRoleARN: \"arn:aws:iam::123456789012:role/r\"}}\n")
        };
        let text = HEAD.replace("CLUSTER", cluster) + &entries.iter().map(entry).collect::<String>();
        let no_file = |path: &str| Err(Error::invalid("file", path, "is not there"));
        read("c.yaml", &text, None, &no_file).unwrap().bindings
    }

    fn shown(declared: &[Declared]) -> Vec<(String, Vec<String>, usize)> {
        let show = |declared: &Declared| {
            let binding = &declared.binding;
            let subjects = binding.subjects.iter().map(ToString::to_string).collect();
            (binding.to_string(), subjects, binding.trust_only.len())
        };
        declared.iter().map(show).collect()
    }

    #[test]
    fn what_is_alike_is_one_binding() {
        let joined = sharing(declared("demo", &[("a", ""), ("b", ""), ("c", ", namespace: jobs")]));
        assert_eq!(shown(&joined), [("default/a".into(), vec!["default/b".into(), "jobs/c".into()], 0)]);
    }

    #[test]
    fn what_differs_keeps_its_own_labels_and_is_let_in_by_the_first() {
        let joined = sharing(declared("demo", &[("a", ""), ("b", ", labels: {x: y}"), ("c", ", annotations: {n: m}")]));
        assert_eq!(
            shown(&joined),
            [
                ("default/a".into(), vec!["default/b".into(), "default/c".into()], 2),
                ("default/b".into(), vec![], 0),
                ("default/c".into(), vec![], 0),
            ]
        );
    }

    #[test]
    fn clusters_of_several_files_share_a_role_too() {
        let mut all = declared("demo", &[("a", "")]);
        all.extend(declared("blue", &[("a", "")]));
        let joined = sharing(all);
        assert_eq!(
            shown(&joined),
            [("default/a".into(), vec!["blue:default/a".into()], 1), ("default/a".into(), vec![], 0)]
        );
    }

    #[test]
    fn what_stands_twice_stays_twice() {
        let joined = sharing(declared("demo", &[("a", ""), ("a", "")]));
        assert_eq!(joined.len(), 2);
    }
}
