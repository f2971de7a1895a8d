//! What a service answers that it stored, compared with what was asked for: an answer of success does not mean that it is the
//! same.

use std::collections::BTreeMap;
use std::fmt;

use super::{NewServiceAccount, ServiceAccount};
use crate::error::{ConflictReason, Error, ErrorKind};

/// A field that is stored otherwise than it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field as messages name it, such as `annotation eks.amazonaws.com/role-arn`.
    pub field: String,
    /// The value that was asked for.
    pub asked: String,
    /// The value that is stored; nothing where there is none.
    pub stored: Option<String>,
}

impl Difference {
    /// The difference between two values of a field, if there is one.
    pub fn of(field: impl Into<String>, asked: impl ToString, stored: Option<impl ToString>) -> Option<Self> {
        let (asked, stored) = (asked.to_string(), stored.map(|stored| stored.to_string()));
        (stored.as_ref() != Some(&asked)).then(|| Self { field: field.into(), asked, stored })
    }

    /// The keys of a map that do not have the value that was asked for; `what` is what each of them is.
    pub fn of_map<'a>(
        what: &'a str,
        asked: &'a BTreeMap<String, String>,
        stored: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = Self> + 'a {
        asked.iter().filter_map(move |(key, value)| Self::of(format!("{what} {key}"), value, stored.get(key)))
    }

    /// Where a service account is stored otherwise than it was applied. What others have in it besides does not count.
    pub(crate) fn of_account(asked: &NewServiceAccount, stored: &ServiceAccount) -> Vec<Self> {
        let automount = asked.automount_token.and_then(|asked| {
            let stored = stored.automount_token;
            Self::of("automountServiceAccountToken", asked, stored)
        });
        Self::of_map("annotation", &asked.annotations, &stored.annotations)
            .chain(Self::of_map("label", &asked.labels, &stored.labels))
            .chain(automount)
            .collect()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stored {
            Some(stored) => write!(f, "{} as {stored:?} instead of {:?}", self.field, self.asked),
            None => write!(f, "no {} instead of {:?}", self.field, self.asked),
        }
    }
}

/// The error for what IAM, or what answers for it, stored otherwise; nothing where there are no differences. `what` is what was
/// written, such as `role r`.
pub fn stored_differently(what: impl fmt::Display, differences: &[Difference]) -> Option<Error> {
    let operation = format!("{what} is not stored as it was asked for");
    let error = of_differences(operation, "IAM stored", differences)?;
    let error = error.with_conflict_reason(ConflictReason::StoredDifferently);
    Some(
        error.with_hint(
            "what answers for IAM changes it: look for a proxy on the way, or another implementation of IAM",
        ),
    )
}

/// The error for what admission changes of a service account; nothing where there are no differences. `verb` is what happens,
/// such as "would store".
pub(crate) fn changed_by_admission(operation: String, verb: &str, differences: &[Difference]) -> Option<Error> {
    let happens = format!("an admission webhook or policy of the cluster changes it: the API server {verb}");
    let error = of_differences(operation, &happens, differences)?.with_conflict_reason(ConflictReason::Admission);
    Some(error.with_hint(
        "exempt the service account in that webhook or policy: `kubectl get mutatingwebhookconfigurations` and `kubectl get \
         mutatingadmissionpolicies` list them",
    ))
}

fn of_differences(operation: String, happens: &str, differences: &[Difference]) -> Option<Error> {
    let first = differences.first()?;
    let all: Vec<String> = differences.iter().map(ToString::to_string).collect();
    Some(
        Error::new(ErrorKind::Conflict, operation)
            .with_cause(format!("{happens} {}", all.join(", ")))
            .with_context("field", first.field.clone())
            .with_context("asked", first.asked.clone())
            .with_context("stored", first.stored.clone().unwrap_or_default()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Precondition;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_field_of_an_account_is_compared() {
        let asked = NewServiceAccount {
            namespace: "a".parse().unwrap(),
            name: "b".parse().unwrap(),
            labels: map(&[("l", "1")]),
            annotations: map(&[("k", "1"), ("m", "2")]),
            automount_token: Some(false),
            precondition: Precondition::Anything,
        };
        let stored = ServiceAccount {
            namespace: asked.namespace.clone(),
            name: asked.name.clone(),
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
            labels: asked.labels.clone(),
            annotations: map(&[("k", "1"), ("m", "2"), ("other", "x")]),
            automount_token: asked.automount_token,
            owners: Vec::new(),
            deleting: false,
        };
        assert_eq!(Difference::of_account(&asked, &stored), []);
        let unasked = NewServiceAccount { automount_token: None, ..asked.clone() };
        let automounts = ServiceAccount { automount_token: Some(true), ..stored.clone() };
        assert_eq!(Difference::of_account(&unasked, &automounts), []);
        let changed =
            ServiceAccount { labels: map(&[]), annotations: map(&[("k", "0")]), automount_token: None, ..stored };
        let differences = Difference::of_account(&asked, &changed);
        let error = changed_by_admission("x".to_owned(), "would store", &differences).unwrap();
        assert_eq!(error.conflict_reason(), Some(ConflictReason::Admission));
        assert_eq!(
            error.causes(),
            [
                "an admission webhook or policy of the cluster changes it: the API server would store annotation k as \"0\" \
              instead of \"1\", no annotation m instead of \"2\", no label l instead of \"1\", no \
              automountServiceAccountToken instead of \"false\""
            ]
        );
        assert!(stored_differently("role r", &[]).is_none());
    }
}
