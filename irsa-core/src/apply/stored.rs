//! What IAM stored, compared with what was asked for.

use backon::BackoffBuilder;

use crate::backend::{Difference, IamBackend, NewRole, OidcProvider, Role, stored_differently};
use crate::error::Error;
use crate::retry::{until_consistent, waits};
use crate::trust::TrustPolicy;

/// How often a role or provider is read that its answer described otherwise.
const MAX_READS: usize = 5;

/// The error for a role that is stored otherwise than it was asked for. The answer of its creation counts as far as it fits;
/// where it does not, the role itself is read: another implementation of IAM may answer less than it stores. A role that cannot
/// be read is as its answer said.
pub(super) async fn check_role(iam: &dyn IamBackend, asked: &NewRole, answer: &Role) -> Option<Error> {
    let name = asked.arn.name();
    let mut differences = differences_of_role(asked, answer);
    let mut waits = waits().with_max_times(MAX_READS).build();
    while !differences.is_empty() {
        match (until_consistent(false, || iam.role(name)).await, waits.next()) {
            // It is not seen everywhere yet.
            (Ok(None), Some(wait)) => tokio::time::sleep(wait).await,
            (Ok(None) | Err(_), _) => break,
            (Ok(Some(role)), _) => {
                differences = differences_of_role(asked, &role);
                break;
            }
        }
    }
    stored_differently(format!("role {name}"), &differences)
}

fn differences_of_role(asked: &NewRole, stored: &Role) -> Vec<Difference> {
    let boundary = asked.permissions_boundary.as_ref();
    let description = asked.description.as_ref().filter(|description| !description.is_empty());
    let settings = [
        Difference::of("ARN", &asked.arn, Some(&stored.arn)),
        description.and_then(|asked| Difference::of("description", asked, stored.description.as_ref())),
        asked
            .max_session_duration
            .and_then(|asked| Difference::of("max session duration", asked, Some(stored.max_session_duration))),
        boundary.and_then(|asked| Difference::of("permissions boundary", asked, stored.permissions_boundary.as_ref())),
        difference_of_trust(&asked.trust_policy, &stored.trust_policy),
    ];
    let settings = settings.into_iter().flatten();
    settings.chain(Difference::of_map("tag", &asked.tags, &stored.tags)).collect()
}

/// Trust policies are compared by meaning.
fn difference_of_trust(asked: &str, stored: &str) -> Option<Difference> {
    let same = match (TrustPolicy::from_stored(asked), TrustPolicy::from_stored(stored)) {
        (Ok(asked), Ok(stored)) => asked == stored,
        _ => false,
    };
    if same { None } else { Difference::of("trust policy", asked, Some(stored)) }
}

/// The error for a provider that is stored otherwise than it was asked for, as for [a role](check_role).
pub(super) async fn check_provider(iam: &dyn IamBackend, asked: &OidcProvider, answer: &OidcProvider) -> Option<Error> {
    let mut differences = differences_of_provider(asked, answer);
    if !differences.is_empty()
        && let Ok(Some(stored)) = iam.provider(&asked.arn).await
    {
        differences = differences_of_provider(asked, &stored);
    }
    stored_differently(format!("OIDC provider {}", asked.arn), &differences)
}

fn differences_of_provider(asked: &OidcProvider, stored: &OidcProvider) -> Vec<Difference> {
    let missing = asked.audiences.iter().filter(|audience| !stored.audiences.contains(audience));
    let known = || Some(stored.audiences.join(", ")).filter(|known| !known.is_empty());
    let audiences = missing.filter_map(|audience| Difference::of("audience", audience, known()));
    Difference::of("ARN", &asked.arn, Some(&stored.arn))
        .into_iter()
        .chain(audiences)
        .chain(Difference::of_map("tag", &asked.tags, &stored.tags))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::MockIamBackend;
    use crate::error::ErrorKind;

    fn asked() -> NewRole {
        NewRole {
            arn: "arn:aws:iam::123456789012:role/r".parse().unwrap(),
            trust_policy: r#"{"Version": "2012-10-17", "Statement": []}"#.to_owned(),
            description: Some("d".to_owned()),
            max_session_duration: Some(7200),
            permissions_boundary: None,
            tags: [("team".to_owned(), "data".to_owned())].into(),
        }
    }

    fn stored(asked: &NewRole) -> Role {
        Role {
            arn: asked.arn.clone(),
            id: "AROA1".to_owned(),
            trust_policy: asked.trust_policy.clone(),
            description: asked.description.clone(),
            max_session_duration: 7200,
            permissions_boundary: None,
            tags: asked.tags.clone(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_tells_less_than_is_stored_is_looked_up() {
        let asked = asked();
        let whole = stored(&asked);
        let short = Role { tags: Default::default(), ..whole.clone() };
        let mut silent = MockIamBackend::new();
        silent.expect_role().never();
        assert!(check_role(&silent, &asked, &whole).await.is_none());

        let mut late = MockIamBackend::new();
        let mut reads = vec![Ok(Some(whole)), Ok(None), Ok(None)];
        late.expect_role().times(3).returning(move |_| reads.pop().unwrap());
        assert!(check_role(&late, &asked, &short).await.is_none());

        let mut lossy = MockIamBackend::new();
        let kept = short.clone();
        lossy.expect_role().times(1).returning(move |_| Ok(Some(kept.clone())));
        let error = check_role(&lossy, &asked, &short).await.unwrap();
        assert_eq!(error.causes(), ["IAM stored no tag team instead of \"data\""]);

        // What cannot be read is as it was answered.
        let mut denied = MockIamBackend::new();
        denied.expect_role().times(1).returning(|_| Err(Error::new(ErrorKind::AccessDenied, "cannot read role r")));
        assert!(check_role(&denied, &asked, &short).await.is_some());
    }
}
