//! What a trust policy admits, as far as a plan must know it: by the evaluator, and on the safe side where that is in doubt.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::name::{Audience, ProviderArn};
use crate::trust::evaluate::budget::Work;
use crate::trust::evaluate::caller::{UNNAMED_AUDIENCE, WebIdentityCaller};
use crate::trust::evaluate::decision::Decision;
use crate::trust::evaluate::document::TrustDocument;
use crate::trust::evaluate::subjects::SubjectSet;
use crate::trust::{TrustCheck, TrustPolicy};

impl TrustPolicy {
    /// A policy of one statement, or of some, in place of those of this one.
    pub(crate) fn with_statements(&self, statements: Vec<Value>) -> Self {
        let mut document = self.0.clone();
        document["Statement"] = Value::Array(statements);
        Self(document)
    }

    /// A policy of one statement of this one alone.
    pub(crate) fn alone(&self, statement: &Map<String, Value>) -> Self {
        self.with_statements(vec![json!(statement)])
    }

    /// The policy, read for evaluation.
    ///
    /// # Errors
    /// `Unexpected` for a stored policy that cannot be understood: then nothing may be decided by it.
    pub(crate) fn read(&self) -> Result<TrustDocument> {
        TrustDocument::from_value(&self.0).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the trust policy of the role cannot be understood")
                .with_source(error)
                .with_hint("bring it into a form that IAM documents by hand, then run the command again")
        })
    }

    /// Whether a subject, or everybody whom a pattern covers, is let in with an audience, for certain.
    pub(crate) fn admits(&self, provider: &ProviderArn, sub: &str, audience: &str) -> bool {
        let Ok(document) = self.read() else { return false };
        match sub.contains(['*', '?']) {
            true => document.subjects(provider, audience).admits_all_of(sub),
            false => document.decide(&WebIdentityCaller::new(provider.clone(), sub, audience)) == Decision::Allow,
        }
    }

    /// The evaluation for one subject with an audience.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub(crate) fn check(&self, provider: &ProviderArn, sub: &str, audience: &str) -> Result<TrustCheck> {
        Ok(self.read()?.check(&WebIdentityCaller::new(provider.clone(), sub, audience)))
    }

    /// Whether a subject, or more than single ones of a pattern, may be let in with any audience.
    pub(crate) fn may_admit(&self, provider: &ProviderArn, sub: &str) -> bool {
        let Ok(document) = self.read() else { return true };
        document.audiences(provider).iter().any(|audience| match sub.contains(['*', '?']) {
            true => document.subjects(provider, audience).meets_pattern(sub),
            false => document.decide(&WebIdentityCaller::new(provider.clone(), sub, audience)) != Decision::Deny,
        })
    }

    /// Whether anybody of a provider may be let in.
    pub(crate) fn may_admit_anybody(&self, provider: &ProviderArn) -> bool {
        let Ok(document) = self.read() else { return true };
        document.audiences(provider).iter().any(|audience| !document.subjects(provider, audience).is_empty())
    }

    /// Who is let in by this policy and by none of others, as patterns; who may be, where none of them may.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), for any of them.
    pub(crate) fn beyond(&self, others: &[&Self]) -> Result<BTreeSet<String>> {
        let own = self.read()?;
        let others: Vec<TrustDocument> = others.iter().map(|other| other.read()).collect::<Result<_>>()?;
        let mut found = BTreeSet::new();
        for provider in own.providers() {
            for audience in own.audiences(&provider) {
                let theirs: Vec<SubjectSet> = others.iter().map(|other| other.subjects(&provider, &audience)).collect();
                found.extend(own.subjects(&provider, &audience).beyond(&theirs, &Work::new()));
            }
        }
        Ok(found)
    }
}

impl TrustDocument {
    /// Audiences that stand for all: those that the document tells apart, that of STS, and one that it does not name.
    pub(crate) fn audiences(&self, provider: &ProviderArn) -> BTreeSet<String> {
        let mut audiences = BTreeSet::from([Audience::sts().to_string(), UNNAMED_AUDIENCE.to_owned()]);
        audiences.extend(self.tested_audiences(provider));
        audiences
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cluster_identity::ClusterId;
    use crate::ownership::{Member, Ownership};
    use crate::trust::{Derivation, derive, member_of};

    const DEMO: &str = "arn:aws:eks:us-east-1:123456789012:cluster/demo";
    const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/issuer.example/A";

    fn member(name: &str) -> Member {
        member_of(&ClusterId::from_text(DEMO), &format!("system:serviceaccount:ns:{name}")).unwrap()
    }

    fn statement(effect: &str, sid: &str, condition: Value) -> Value {
        json!({"Sid": sid, "Effect": effect, "Principal": {"Federated": PROVIDER},
               "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition})
    }

    fn like(pattern: &str) -> Value {
        json!({"StringLike": {"issuer.example/A:sub": pattern}})
    }

    fn policy(statements: Vec<Value>) -> TrustPolicy {
        TrustPolicy::empty().with_statements(statements)
    }

    fn derivation(joining: &[&str], leaving: &[&str]) -> Derivation {
        let members = |names: &[&str]| names.iter().map(|name| member(name)).collect();
        let providers = BTreeMap::from([(ClusterId::from_text(DEMO), PROVIDER.parse().unwrap())]);
        Derivation { providers, joining: members(joining), leaving: members(leaving), ..Derivation::default() }
    }

    fn refusal(standing: &TrustPolicy, derivation: &Derivation) -> String {
        let error = derive(standing, &Ownership::default(), derivation).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        error.causes().concat()
    }

    #[test]
    fn patterns_are_admitted_whole_or_not() {
        let provider = PROVIDER.parse().unwrap();
        let standing = policy(vec![statement("Allow", "A", like("system:serviceaccount:ns:job-*"))]);
        let admits = |name: &str| standing.admits(&provider, &member(name).sub(), "sts.amazonaws.com");
        assert!(admits("job-*") && admits("job-a*") && admits("job-1") && !admits("*"));
        assert!(
            standing.may_admit(&provider, &member("*-1").sub()) && !standing.may_admit(&provider, &member("x*").sub())
        );
    }

    #[test]
    fn who_leaves_must_be_out_of_patterns_too() {
        let standing = policy(vec![statement("Allow", "Wide", like("system:serviceaccount:ns:*"))]);
        assert!(refusal(&standing, &derivation(&[], &["a"])).contains("statement Wide, which irsa did not write"));
        let own = derivation(&["job-*"], &["job-1"]);
        assert!(refusal(&TrustPolicy::empty(), &own).contains("a pattern that is a subject of the role itself"));
    }

    #[test]
    fn who_leaves_must_be_out_whatever_the_audience_and_the_context() {
        let mut condition = like("system:serviceaccount:ns:*");
        condition["StringEquals"] = json!({"issuer.example/A:aud": "other"});
        let standing = policy(vec![statement("Allow", "Other", condition)]);
        assert!(refusal(&standing, &derivation(&[], &["a"])).contains("statement Other"));
        let mut condition = like("system:serviceaccount:ns:*");
        condition["IpAddress"] = json!({"aws:SourceIp": "10.0.0.0/8"});
        let standing = policy(vec![statement("Allow", "Inside", condition)]);
        assert!(refusal(&standing, &derivation(&[], &["a"])).contains("statement Inside"));
    }

    #[test]
    fn who_is_kept_out_by_a_deny_may_leave() {
        let wide = statement("Allow", "Wide", like("system:serviceaccount:ns:*"));
        let deny = statement("Deny", "NotA", like("system:serviceaccount:ns:a"));
        assert!(derive(&policy(vec![wide, deny]), &Ownership::default(), &derivation(&[], &["a"])).is_ok());
    }

    #[test]
    fn a_write_that_would_let_somebody_in_by_taking_a_deny_away_is_refused() {
        let wide = statement("Allow", "Wide", like("system:serviceaccount:ns:*"));
        let nobody =
            json!({"Sid": "IrsaNobody", "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity"});
        let cause = refusal(&policy(vec![wide, nobody]), &derivation(&["a"], &[]));
        assert!(cause.contains("it would let in system:serviceaccount:ns:*"), "{cause}");
    }

    #[test]
    fn a_policy_that_cannot_be_understood_is_not_written() {
        let strange = policy(vec![json!({"Effect": "Allow", "Principle": "*", "Action": "*"})]);
        let error = derive(&strange, &Ownership::default(), &derivation(&["a"], &[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        assert!(strange.may_admit(&PROVIDER.parse().unwrap(), "x"));
    }
}
