//! Trust policies: one caller and all callers of a provider are answered alike, and never by a panic.
#![no_main]

use irsa_core::trust::{Decision, TrustDocument, WebIdentityCaller};
use libfuzzer_sys::fuzz_target;

const SUBJECTS: [&str; 3] =
    ["system:serviceaccount:default:sa", "system:serviceaccount:kube-system:default", "system:serviceaccount:a:b*c?"];

fuzz_target!(|text: &str| {
    let Ok(document) = TrustDocument::parse(text) else { return };
    let _ = document.notes();
    for provider in document.providers() {
        for audience in ["sts.amazonaws.com", "other"] {
            let set = document.subjects(&provider, audience);
            for subject in SUBJECTS {
                let caller = WebIdentityCaller::new(provider.clone(), subject, audience);
                let check = document.check(&caller);
                assert_eq!(check.decision, document.decide(&caller));
                assert_eq!(check.conditions.is_empty(), check.decision != Decision::Unknown, "{check:?}");
                // The set may be wider than the truth, never narrower.
                let left_out = set.decide(subject) == Decision::Deny && check.decision == Decision::Allow;
                assert!(!left_out, "{subject} is let in, and not in the set {set:?}");
            }
        }
    }
});
