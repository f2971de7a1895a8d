//! The symbolic answer, who gets in, against the answer for one caller after another.

use irsa_core::trust::{Decision, SubjectPart, SubjectSet, WebIdentityCaller};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::comparison::{glob, pattern};
use super::generate::{AUDIENCES, Family, OWN, SUBJECTS, document};
use super::properties::{config, read};

/// Whether a subject fits a part as it is written; what is compared without case is written in small letters.
fn written(part: &SubjectPart, subject: &str) -> Option<bool> {
    let texts = [&part.pattern].into_iter().chain(&part.except).map(|text| text.replace("${*}", "\u{1}"));
    let fits = |text: String| (!text.contains('$')).then(|| glob(&pattern(&text), &subject.replace('*', "\u{1}")));
    let fits = texts.map(fits).collect::<Option<Vec<bool>>>()?;
    let cased = subject.chars().any(char::is_uppercase);
    (!cased).then(|| fits[0] && !fits[1..].contains(&true))
}

/// Nobody gets in that the set leaves out; where only exact parts speak of a subject, they say the truth.
pub(super) fn set_agrees(document: &Value, audience: &str) -> Result<SubjectSet, TestCaseError> {
    let trust = read(document);
    let provider = OWN.parse().unwrap();
    let set = trust.subjects(&provider, audience);
    for subject in SUBJECTS {
        let truth = trust.decide(&WebIdentityCaller::new(provider.clone(), subject, audience));
        let said = set.decide(subject);
        let what = format!("{subject} for {audience} on {document}: {said} of {set:?}, truly {truth}");
        let parts: Vec<&SubjectPart> = set.parts.iter().filter(|part| part.contains(subject)).collect();
        prop_assert!(said != Decision::Deny || truth == Decision::Deny, "left out: {what}");
        prop_assert!(!parts.iter().all(|part| part.exact) || said == truth, "exact parts are wrong: {what}");
        prop_assert_eq!(parts.is_empty(), said == Decision::Deny, "parts and decision: {}", what);
    }
    for part in &set.parts {
        for subject in SUBJECTS {
            let written = written(part, subject).unwrap_or_else(|| part.contains(subject));
            prop_assert_eq!(written, part.contains(subject), "{} in {:?} of {}", subject, part, document);
        }
        prop_assert!(part.decision != Decision::Deny, "a part that denies: {part:?} of {document}");
        prop_assert_eq!(part.conditions.is_empty(), part.decision == Decision::Allow, "{:?} of {}", part, document);
    }
    Ok(set)
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn the_set_is_right_where_all_is_known(document in document(Family::Known), audience in select(&AUDIENCES)) {
        let set = set_agrees(&document, audience)?;
        let exact = set.parts.iter().all(|part| part.exact && part.decision == Decision::Allow);
        prop_assert!(exact || document.to_string().contains("${"), "literals and patterns are told exactly: {set:?} of {document}");
    }

    #[test]
    fn the_set_is_never_too_narrow(document in document(Family::Open), audience in select(&AUDIENCES)) {
        set_agrees(&document, audience)?;
    }

    #[test]
    fn the_set_is_never_too_narrow_on_wild_documents(document in document(Family::Wild), audience in select(&AUDIENCES)) {
        set_agrees(&document, audience)?;
    }
}

/// Documents whose set was once told wrong.
#[test]
fn sets_that_were_wrong() {
    for (version, operator, value) in [
        ("2012-10-17", "StringEquals", "${oidc.example.com/id/A:sub}"),
        ("2012-10-17", "StringNotLike", "*${oidc.example.com/id/A:sub}"),
        ("2008-10-17", "StringLike", "system:serviceaccount:a:${*}"),
        ("2008-10-17", "StringEquals", "${oidc.example.com/id/A:aud}"),
        ("2012-10-17", "StringEqualsIgnoreCase", "SYSTEM:SERVICEACCOUNT:A:B"),
        ("2012-10-17", "StringEqualsIgnoreCase", "system:serviceaccount:${oidc.example.com/id/A:aud}:b"),
        ("2012-10-17", "StringNotEqualsIgnoreCase", "system:serviceaccount:${oidc.example.com/id/A:aud}:b"),
    ] {
        let mut statement = json!({"Effect": "Allow", "Principal": "*", "Action": "*"});
        statement["Condition"] = json!({operator: {"oidc.example.com/id/A:sub": value}});
        for audience in AUDIENCES {
            set_agrees(&json!({"Version": version, "Statement": statement}), audience).unwrap();
        }
    }
}
