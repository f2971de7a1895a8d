//! One test of a condition: an operator on a key with its values, and what it says of a caller.
//!
//! Source: IAM user guide, "IAM JSON policy elements: Condition operators".

use std::net::IpAddr;
use std::str::FromStr;

use super::caller::WebIdentityCaller;
use super::operator::{Family, Operator, Order, Set, Truth};
use super::policy_value::{Held, Resolved, Value, held};
use super::typed_value::{Network, boolean, date, number};

/// One operator on one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::trust) struct Test {
    pub(in crate::trust) operator: Operator,
    /// As it stands in the document; condition keys have no case.
    pub(in crate::trust) key: String,
    pub(in crate::trust) values: Vec<Value>,
}

impl Test {
    /// What it says of a caller.
    pub(in crate::trust) fn holds(&self, caller: &WebIdentityCaller) -> Truth {
        let Operator { family, negated, .. } = &self.operator;
        match held(&self.key, caller) {
            _ if *family == Family::Other => Truth::Unknown,
            Held::NotGiven => Truth::Unknown,
            Held::Nothing => self.of_absent(),
            // The only value is both any and all of them.
            Held::One(actual) => {
                let fits = self.values.iter().map(|value| self.fits(value, actual, caller));
                let any = fits.fold(Truth::False, Truth::or);
                if *negated { !any } else { any }
            }
        }
    }

    /// What it says where the key is absent.
    pub(in crate::trust) fn of_absent(&self) -> Truth {
        let Operator { family, negated, if_exists, set, .. } = &self.operator;
        match (family, set) {
            (Family::Other, _) => Truth::Unknown,
            (Family::Null, _) => self.wants_null(true),
            _ if *if_exists => Truth::True,
            (_, Some(Set::All)) => Truth::True,
            // IAM user guide, "Single-valued vs. multivalued context keys": ForAnyValue is false without the key.
            (_, Some(Set::Any)) => Truth::False,
            _ => Truth::from(*negated),
        }
    }

    /// For `Null`: whether one of the values is the truth about absence.
    pub(in crate::trust) fn wants_null(&self, absent: bool) -> Truth {
        let each = self.values.iter().map(|value| match value.text.to_ascii_lowercase().as_str() {
            "true" => Truth::from(absent),
            "false" => Truth::from(!absent),
            _ => Truth::Unknown,
        });
        each.fold(Truth::False, Truth::or)
    }

    /// Whether a value of the request fits a value of the policy; unknown where it is not of the operator's type.
    fn fits(&self, value: &Value, actual: &str, caller: &WebIdentityCaller) -> Truth {
        match self.operator.family {
            Family::Equals | Family::EqualsIgnoreCase | Family::Like => match value.plain() {
                Some(glob) => Truth::from(glob.matches(actual)),
                None => match value.resolve(caller) {
                    Resolved::Fully(glob) => Truth::from(glob.matches(actual)),
                    Resolved::Never => Truth::False,
                    Resolved::Within(glob, _) if !glob.matches(actual) => Truth::False,
                    Resolved::Within(..) => Truth::Unknown,
                },
            },
            Family::Null => self.wants_null(false),
            Family::Numeric(order) => compare(order, number(actual), number(&value.text)),
            Family::Date(order) => compare(order, date(actual), date(&value.text)),
            Family::Bool => match (boolean(actual), boolean(&value.text)) {
                (Some(actual), Some(wanted)) => Truth::from(actual == wanted),
                _ => Truth::Unknown,
            },
            Family::Ip => match (IpAddr::from_str(actual), Network::parse(&value.text)) {
                (Ok(address), Some(network)) => Truth::from(network.holds(address)),
                _ => Truth::Unknown,
            },
            Family::Arn => match value.resolve(caller) {
                Resolved::Fully(glob) => glob.matches_arn(actual).map_or(Truth::Unknown, Truth::from),
                Resolved::Never => Truth::False,
                Resolved::Within(..) => Truth::Unknown,
            },
            Family::Binary | Family::Other => Truth::Unknown,
        }
    }
}

fn compare(order: Order, actual: Option<f64>, wanted: Option<f64>) -> Truth {
    match (actual, wanted) {
        (Some(actual), Some(wanted)) => Truth::from(order.holds(actual, wanted)),
        _ => Truth::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> WebIdentityCaller {
        let provider = "arn:aws:iam::123456789012:oidc-provider/issuer.example/id/A".parse().unwrap();
        WebIdentityCaller::new(provider, "system:serviceaccount:ns:app", "sts.amazonaws.com")
    }

    fn holds(operator: &str, key: &str, values: &[&str]) -> Truth {
        let operator = Operator::parse(operator);
        let values = values.iter().map(|value| Value::parse(value, operator.family, true)).collect();
        Test { operator, key: key.to_owned(), values }.holds(&caller())
    }

    const SUB: &str = "issuer.example/id/A:sub";

    #[test]
    fn keys_have_no_case_and_values_have() {
        assert_eq!(held("ISSUER.example/ID/a:SUB", &caller()), Held::One("system:serviceaccount:ns:app"));
        assert_eq!(held("issuer.example/id/A:aud", &caller()), Held::One("sts.amazonaws.com"));
        for key in ["other.example:sub", "arn:aws:iam::1:oidc-provider/issuer.example/id/A:sub", "issuer.example:sub"] {
            assert_eq!(held(key, &caller()), Held::Nothing, "{key}");
        }
        for key in ["aws:SourceIp", "aws:RequestTag/a:b", "issuer.example/id/A:amr", "sub", "saml:aud"] {
            assert_eq!(held(key, &caller()), Held::NotGiven, "{key}");
        }
        assert_eq!(holds("StringEquals", SUB, &["System:serviceaccount:ns:app"]), Truth::False);
        assert_eq!(holds("stringequalsIGNORECASE", SUB, &["System:serviceaccount:NS:app"]), Truth::True);
    }

    #[test]
    fn several_values_are_an_or_and_negated_ones_a_nor() {
        assert_eq!(holds("StringEquals", SUB, &["x", "system:serviceaccount:ns:app"]), Truth::True);
        assert_eq!(holds("StringNotEquals", SUB, &["x", "system:serviceaccount:ns:app"]), Truth::False);
        assert_eq!(holds("StringNotLike", SUB, &["x*", "y*"]), Truth::True);
        assert_eq!(holds("StringEquals", SUB, &[]), Truth::False);
    }

    #[test]
    fn an_absent_key_is_told_by_the_operator() {
        for (operator, expected) in [
            ("StringEquals", Truth::False),
            ("StringNotEquals", Truth::True),
            ("StringLikeIfExists", Truth::True),
            ("ForAllValues:StringLike", Truth::True),
            ("ForAnyValue:StringLike", Truth::False),
            ("ForAnyValue:StringNotLike", Truth::False),
            ("NumericLessThan", Truth::False),
            ("NotIpAddress", Truth::True),
            ("Null", Truth::Unknown),
            ("Frobnicate", Truth::Unknown),
        ] {
            assert_eq!(holds(operator, "other.example:sub", &["x"]), expected, "{operator}");
        }
        assert_eq!(holds("Null", "other.example:sub", &["true"]), Truth::True);
        assert_eq!(holds("Null", SUB, &["true"]), Truth::False);
        assert_eq!(holds("Null", SUB, &["false"]), Truth::True);
    }

    #[test]
    fn variables_are_resolved_as_far_as_they_can_be() {
        assert_eq!(holds("StringEquals", SUB, &["${issuer.example/id/A:sub}"]), Truth::True);
        assert_eq!(holds("StringLike", SUB, &["system:${*}:*"]), Truth::False);
        assert_eq!(holds("StringLike", SUB, &["system:serviceaccount:${aws:PrincipalTag/ns}:app"]), Truth::Unknown);
        assert_eq!(holds("StringLike", SUB, &["system:serviceaccount:${aws:PrincipalTag/ns}:other"]), Truth::False);
        let with_default = "system:serviceaccount:${other.example:sub, 'ns'}:app";
        assert_eq!(holds("StringEquals", SUB, &[with_default]), Truth::True);
    }

    #[test]
    fn what_is_of_another_type_is_unknown() {
        for operator in ["NumericEquals", "DateGreaterThan", "Bool", "IpAddress", "ArnLike", "BinaryEquals"] {
            assert_eq!(holds(operator, SUB, &["1"]), Truth::Unknown, "{operator}");
        }
    }
}
