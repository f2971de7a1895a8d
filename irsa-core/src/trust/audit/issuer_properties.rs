//! Repairs of trust policies for issuers that are not clusters, on generated documents.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Surroundings;
use super::fixtures::{STS, arn, found_in, provider, role};
use super::issuer_tests::{ISSUERS, allow, service, takes};
use super::rules::FindingId as Id;
use crate::name::Issuer;
use crate::trust::evaluate::caller::WebIdentityCaller;
use crate::trust::evaluate::decision::Decision;
use crate::trust::{TrustDocument, usual_audience};

/// Values of a test of the subject, good ones and bad ones.
fn subs(subject: &'static str) -> impl Strategy<Value = Value> {
    let one = prop_oneof![
        3 => Just(subject.to_owned()),
        1 => Just("*".to_owned()),
        2 => (0..subject.len()).prop_map(|at| format!("{}*", &subject[..at])),
        2 => (0..subject.len(), 0..subject.len()).prop_map(|(a, b)| format!("{}*{}", &subject[..a.min(b)], &subject[a.max(b)..])),
        1 => Just("system:serviceaccount:ns:app".to_owned()),
    ];
    proptest::collection::vec(one, 1..3).prop_map(|subs| json!(subs))
}

fn any_statement() -> impl Strategy<Value = (usize, Value)> {
    let operators =
        ["StringEquals", "StringLike", "StringLike", "StringNotLike", "StringLikeIfExists", "ForAllValues:StringLike"];
    (0..ISSUERS.len()).prop_flat_map(move |at| {
        let (host, _, subject) = ISSUERS[at];
        let key = prop::sample::select(vec![
            host.to_owned(),
            host.to_owned(),
            arn(host),
            "oidc.eks.us-east-1.amazonaws.com/id/B".to_owned(),
        ]);
        let sub = proptest::option::weighted(0.8, (prop::sample::select(operators.to_vec()), key, subs(subject)));
        let aud =
            proptest::option::weighted(0.6, prop::sample::select(vec![json!(STS), json!("*"), json!(["vault", "x"])]));
        (sub, aud).prop_map(move |(sub, aud)| {
            let mut condition = json!({});
            if let Some((operator, key, subs)) = sub {
                condition[operator][format!("{key}:sub")] = subs;
            }
            if let Some(aud) = aud {
                condition["StringLike"][format!("{host}:aud")] = aud;
            }
            (at, allow(host, condition))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_repair_locks_no_pipeline_out_and_adds_nothing_of_a_cluster(
        (at, statement) in any_statement(), known in proptest::option::of(prop::sample::select(vec![STS, "vault", "https://gitlab.com"]))
    ) {
        let (host, _, subject) = ISSUERS[at];
        // Of an issuer that is not known, service accounts are those of a cluster.
        let is_cluster = service(host).is_none() && statement.to_string().contains("system:serviceaccount:");
        prop_assume!(!is_cluster);
        let made = role(statement);
        let around = known.map_or_else(Surroundings::default, |audience| takes(host, &[audience, "x"]));
        let old = TrustDocument::parse(&made.trust_policy).unwrap();
        let usual = usual_audience(&Issuer::from_host_path(host).unwrap()).to_string();
        for finding in found_in(&made, &around) {
            let Some(fix) = finding.fix.clone() else { continue };
            for text in ["system:serviceaccount:NAMESPACE:NAME", STS] {
                let known = made.trust_policy.contains(text) || around.providers.iter().flatten().any(|(_, audiences)| audiences.iter().any(|audience| audience == text));
                prop_assert!(!fix.to_string().contains(text) || known, "{text}: {finding:?}");
            }
            let new = TrustDocument::from_value(&fix).unwrap();
            // A subject of the service whose tenant the old document names.
            let audiences = known.map_or_else(|| vec![STS, "vault", "x", "else", usual.as_str()], |audience| vec![audience, "x"]);
            for audience in audiences {
                let caller = WebIdentityCaller::new(provider(host), subject, audience);
                let (before, after) = (old.decide(&caller), new.decide(&caller));
                let closed = matches!(finding.id, Id::OtherProviderCondition | Id::TenantPattern) && after == Decision::Deny;
                prop_assert!(after == before || closed, "{host} {audience}: {before} became {after} by {finding:?}");
            }
        }
    }
}
