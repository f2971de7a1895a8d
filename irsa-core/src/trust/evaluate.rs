//! The evaluation of a trust policy for one caller: three-valued, then refined over the completions of what is not given.
//!
//! Source: IAM user guide, "Policy evaluation logic": a Deny wins, and without an Allow the answer is no.

pub(super) mod budget;
pub(super) mod caller;
pub(super) mod condition;
pub(super) mod decision;
pub(super) mod document;
pub(super) mod explain;
pub(super) mod glob;
mod glob_product;
pub(super) mod operator;
pub(super) mod policy_value;
pub(super) mod solver;
pub(super) mod strangers;
mod subject_region;
pub(super) mod subjects;
pub(super) mod typed_value;

use self::caller::WebIdentityCaller;
use self::decision::{Decision, TrustCheck};
use self::document::{Effect, Statement, TrustDocument};
use self::operator::Truth;
use self::solver::{Open, refine};

/// The statements that count for a caller, with what they say.
pub(super) struct Weighed<'a> {
    pub(super) provider: String,
    pub(super) statements: Vec<(&'a Statement, Truth)>,
}

impl TrustDocument {
    /// Whether a caller may assume the role. Pure and total.
    pub fn decide(&self, caller: &WebIdentityCaller) -> Decision {
        self.weigh(caller).decide(caller)
    }

    /// Whether a caller may assume the role, with the reasons in words. Pure and total.
    pub fn check(&self, caller: &WebIdentityCaller) -> TrustCheck {
        let weighed = self.weigh(caller);
        let decision = weighed.decide(caller);
        let conditions = if decision == Decision::Unknown { weighed.conditions(caller) } else { Vec::new() };
        TrustCheck {
            decision,
            reasons: explain::reasons(&weighed, caller, decision),
            conditions,
            notes: self.notes().to_vec(),
        }
    }

    fn weigh(&self, caller: &WebIdentityCaller) -> Weighed<'_> {
        let provider = caller.provider.to_string();
        let statements =
            self.statements.iter().map(|statement| (statement, statement.applies(caller, &provider))).collect();
        Weighed { provider, statements }
    }
}

impl<'a> Weighed<'a> {
    pub(super) fn of(&self, effect: Effect, truth: Truth) -> impl Iterator<Item = &'a Statement> {
        let wanted = move |(statement, is): &&(&'a Statement, Truth)| statement.effect == effect && *is == truth;
        self.statements.iter().filter(wanted).map(|(statement, _)| *statement)
    }

    fn has(&self, effect: Effect, truth: Truth) -> bool {
        self.of(effect, truth).next().is_some()
    }

    fn decide(&self, caller: &WebIdentityCaller) -> Decision {
        if self.has(Effect::Deny, Truth::True) {
            return Decision::Deny;
        }
        let (allowed, denial_open) = (self.has(Effect::Allow, Truth::True), self.has(Effect::Deny, Truth::Unknown));
        match (allowed, denial_open) {
            (true, false) => Decision::Allow,
            (false, _) if !self.has(Effect::Allow, Truth::Unknown) => Decision::Deny,
            _ => {
                let open = |effect| {
                    let open = self.of(effect, Truth::Unknown);
                    open.map(|statement| Open::of(statement, caller, &self.provider)).collect()
                };
                refine(allowed, open(Effect::Allow), open(Effect::Deny))
            }
        }
    }

    /// What the statements in doubt depend on.
    fn conditions(&self, caller: &WebIdentityCaller) -> Vec<String> {
        let allowed = self.has(Effect::Allow, Truth::True);
        let mut conditions = Vec::new();
        for (statement, truth) in &self.statements {
            // Where somebody lets the caller in for certain, only a Deny can still matter.
            let matters = *truth == Truth::Unknown && (statement.effect == Effect::Deny || !allowed);
            if !matters {
                continue;
            }
            for open in Open::of(statement, caller, &self.provider).tests() {
                let condition = explain::condition(statement, &open);
                if !conditions.contains(&condition) {
                    conditions.push(condition);
                }
            }
        }
        conditions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const HOST: &str = "oidc.eks.us-east-1.amazonaws.com/id/DEMO";
    const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/DEMO";

    fn caller() -> WebIdentityCaller {
        WebIdentityCaller::service_account(PROVIDER.parse().unwrap(), "ns/app", "sts.amazonaws.com").unwrap()
    }

    fn check(statements: Value) -> TrustCheck {
        let document = json!({"Version": "2012-10-17", "Statement": statements});
        TrustDocument::from_value(&document).unwrap().check(&caller())
    }

    fn statement(effect: &str, condition: Value) -> Value {
        json!({"Effect": effect, "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity",
               "Condition": condition})
    }

    fn allow(condition: Value) -> Value {
        statement("Allow", condition)
    }

    fn key(claim: &str) -> String {
        format!("{HOST}:{claim}")
    }

    #[test]
    fn what_tools_write_is_decided() {
        let fits =
            json!({"StringEquals": {key("sub"): "system:serviceaccount:ns:app", key("aud"): "sts.amazonaws.com"}});
        assert_eq!(check(allow(fits)).decision, Decision::Allow);
        let other = json!({"StringEquals": {key("sub"): "system:serviceaccount:ns:apps"}});
        let answer = check(allow(other));
        assert_eq!(answer.decision, Decision::Deny);
        assert!(answer.reasons[0].contains("did you mean system:serviceaccount:ns:apps?"), "{:?}", answer.reasons);
        assert_eq!(check(allow(json!({}))).decision, Decision::Allow);
    }

    #[test]
    fn usual_mistakes_are_named() {
        let because = |condition: Value| check(allow(condition)).reasons.concat();
        let wild = because(json!({"StringEquals": {key("sub"): "system:serviceaccount:ns:*"}}));
        assert!(wild.contains("StringLike as wildcards"), "{wild}");
        let arn = because(json!({"StringEquals": {format!("{PROVIDER}:sub"): "system:serviceaccount:ns:app"}}));
        assert!(arn.contains("the key is a whole ARN"), "{arn}");
        let url = because(json!({"StringEquals": {format!("https://{HOST}:sub"): "system:serviceaccount:ns:app"}}));
        assert!(url.contains(&format!("the key is a URL, and must be {HOST}:sub")), "{url}");
        let case = because(json!({"StringEquals": {key("sub"): "system:serviceaccount:ns:App"}}));
        assert!(case.contains("differ in case"), "{case}");
        let swapped = because(json!({"StringEquals": {key("aud"): "system:serviceaccount:ns:app"}}));
        assert!(swapped.contains("under the key of the audience"), "{swapped}");
        let other = because(json!({"StringEquals": {"oidc.eks.us-east-1.amazonaws.com/id/OLD:sub": "x"}}));
        assert!(other.contains("another issuer"), "{other}");
        let mut ordinary = allow(json!({}));
        ordinary["Action"] = json!("sts:AssumeRole");
        assert!(check(ordinary).reasons.concat().contains("it is about sts:AssumeRole"));
    }

    #[test]
    fn placeholders_are_named_with_the_text_that_contains_them() {
        let subject = "system:serviceaccount:${NAMESPACE}:app";
        let mut open = allow(json!({"StringEquals": {key("sub"): subject, key("aud"): "sts.amazonaws.com"}}));
        open["Principal"]["Federated"] = json!(PROVIDER.replace("123456789012", "ACCOUNT_ID"));
        let answer = check(json!([open]));
        assert_eq!(answer.decision, Decision::Deny);
        let named = format!(
            "statement 1 has placeholders that were not filled in, and is evaluated as written: [ACCOUNT_ID in {}, \
             ${{NAMESPACE}} in {subject}]",
            PROVIDER.replace("123456789012", "ACCOUNT_ID")
        );
        assert_eq!(answer.reasons[1..], [named]);

        let mut action = allow(json!({}));
        action["Action"] = json!("${ACTION}");
        let named = "statement 1 has a placeholder that was not filled in, and is evaluated as written: ${ACTION}";
        assert_eq!(check(json!([action])).reasons[1..], [named]);

        // Neither a policy variable nor a statement that has no say is one.
        let variable = allow(json!({"StringEquals": {"aws:PrincipalTag/a": "${aws:PrincipalTag/b}"}}));
        let mut ordinary = allow(json!({}));
        ordinary["Action"] = json!("sts:AssumeRole");
        ordinary["Principal"] = json!({"AWS": "arn:aws:iam::ACCOUNT_ID:root"});
        let denial = statement("Deny", json!({}));
        for statements in [json!([variable, ordinary]), json!([open, denial])] {
            let because = check(statements).reasons;
            assert!(!because.iter().any(|line| line.contains("placeholder")), "{because:?}");
        }
        // A Deny that does not apply as it is written may apply once it is filled in.
        let denial =
            statement("Deny", json!({"StringEquals": {key("sub"): "system:serviceaccount:{{namespace}}:app"}}));
        let answer = check(json!([allow(json!({})), denial]));
        assert_eq!(answer.decision, Decision::Allow);
        assert!(answer.reasons[1].starts_with("statement 2 has a placeholder"), "{:?}", answer.reasons);
    }

    #[test]
    fn what_is_not_given_is_unknown_and_named() {
        let answer = check(allow(json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})));
        assert_eq!(answer.decision, Decision::Unknown);
        assert_eq!(answer.conditions, ["IpAddress aws:SourceIp 10.0.0.0/8 (statement 1)"]);
        assert_eq!(check(allow(json!({"Frobnicate": {key("sub"): "x"}}))).decision, Decision::Unknown);
        let mut aws = allow(json!({}));
        aws["Principal"] = json!({"AWS": "*"});
        assert_eq!(check(aws).decision, Decision::Unknown);
    }

    #[test]
    fn what_makes_no_difference_leaves_no_doubt() {
        let either = |operator: &str| allow(json!({operator: {"aws:PrincipalTag/a": "x"}}));
        assert_eq!(check(json!([either("StringEquals"), either("StringNotEquals")])).decision, Decision::Allow);
        assert_eq!(check(json!([either("StringEquals"), either("StringEquals")])).decision, Decision::Unknown);
        let both = json!({"StringEquals": {"aws:PrincipalTag/a": "x"}, "StringLike": {"aws:PrincipalTag/a": "y*"}});
        assert_eq!(check(allow(both)).decision, Decision::Deny);
        let numbers = json!({"NumericLessThan": {"aws:MultiFactorAuthAge": "5"}, "NumericGreaterThan": {"aws:MultiFactorAuthAge": "7"}});
        assert_eq!(check(allow(numbers)).decision, Decision::Deny);
        let inside =
            json!({"IpAddress": {"aws:SourceIp": "10.1.0.0/16"}, "NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}});
        assert_eq!(check(allow(inside)).decision, Decision::Deny);
    }

    #[test]
    fn a_deny_wins_and_one_in_doubt_leaves_doubt() {
        let denied = statement("Deny", json!({"StringLike": {key("sub"): "system:serviceaccount:ns:*"}}));
        assert_eq!(check(json!([allow(json!({})), denied])).decision, Decision::Deny);
        let doubt = statement("Deny", json!({"Bool": {"aws:SecureTransport": "false"}}));
        assert_eq!(check(json!([allow(json!({})), doubt])).decision, Decision::Unknown);
        let everybody = json!({"Effect": "Deny", "Principal": "*", "Action": "*"});
        assert_eq!(check(json!([allow(json!({})), everybody])).decision, Decision::Deny);
    }

    #[test]
    fn what_iam_would_not_store_is_evaluated_with_a_note() {
        let mut inverted = allow(json!({}));
        inverted["NotPrincipal"] = json!({"AWS": "arn:aws:iam::123456789012:root"});
        inverted.as_object_mut().unwrap().remove("Principal");
        let answer = check(inverted);
        assert_eq!(answer.decision, Decision::Allow);
        assert!(answer.notes[0].contains("NotPrincipal"), "{:?}", answer.notes);
        let mut nobody = allow(json!({}));
        nobody.as_object_mut().unwrap().remove("Principal");
        assert_eq!(check(nobody).decision, Decision::Unknown);
    }
}
