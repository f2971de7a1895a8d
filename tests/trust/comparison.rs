//! How one value of a policy compares with one value of a request, operator by operator (IAM user guide, "Condition
//! operators" and "Variables and tags").

use std::net::IpAddr;

use super::naive::{Answer, Request};

/// A character of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Many,
}

/// The positive form of an operator in lower case, and whether it is negated.
pub(super) fn known(operator: &str) -> Option<(&'static str, bool)> {
    Some(match operator {
        "stringequals" => ("stringequals", false),
        "stringnotequals" => ("stringequals", true),
        "stringequalsignorecase" => ("stringequalsignorecase", false),
        "stringnotequalsignorecase" => ("stringequalsignorecase", true),
        "stringlike" => ("stringlike", false),
        "stringnotlike" => ("stringlike", true),
        "numericequals" => ("numericequals", false),
        "numericnotequals" => ("numericequals", true),
        "numericlessthan" => ("numericlessthan", false),
        "numericlessthanequals" => ("numericlessthanequals", false),
        "numericgreaterthan" => ("numericgreaterthan", false),
        "numericgreaterthanequals" => ("numericgreaterthanequals", false),
        "dateequals" => ("dateequals", false),
        "datenotequals" => ("dateequals", true),
        "datelessthan" => ("datelessthan", false),
        "datelessthanequals" => ("datelessthanequals", false),
        "dategreaterthan" => ("dategreaterthan", false),
        "dategreaterthanequals" => ("dategreaterthanequals", false),
        "bool" => ("bool", false),
        "binaryequals" => ("binaryequals", false),
        "ipaddress" => ("ipaddress", false),
        "notipaddress" => ("ipaddress", true),
        "arnequals" | "arnlike" => ("arnlike", false),
        "arnnotequals" | "arnnotlike" => ("arnlike", true),
        _ => return None,
    })
}

/// Whether the value of the request matches; `None` where one of the two is not of the operator's type.
pub(super) fn matches(
    test: &str,
    wanted: &str,
    value: &str,
    variables: bool,
    request: &Request,
) -> Answer<Option<bool>> {
    if !test.starts_with("string") && test != "arnlike" {
        return Ok(typed(test, wanted, value));
    }
    let wanted = if variables { expanded(wanted, request)? } else { Some(pattern(wanted)) };
    // "If the variable has no value, there is no equal or like value."
    let Some(wanted) = wanted else { return Ok(Some(false)) };
    Ok(match test {
        "stringlike" => Some(glob(&wanted, value)),
        "stringequals" => Some(literally(&wanted) == value),
        "stringequalsignorecase" => Some(literally(&wanted).to_lowercase() == value.to_lowercase()),
        _ => arn_like(&wanted, value),
    })
}

/// Every `*` and `?` of a text is a wildcard; there is no way to escape them but variables.
pub(super) fn pattern(text: &str) -> Vec<Token> {
    text.chars()
        .map(|c| match c {
            '*' => Token::Many,
            '?' => Token::One,
            c => Token::Literal(c),
        })
        .collect()
}

fn literally(tokens: &[Token]) -> String {
    let literal = |token: &Token| match token {
        Token::Literal(c) => *c,
        Token::One => '?',
        Token::Many => '*',
    };
    tokens.iter().map(literal).collect()
}

/// A table of what fits so far: `fits[i]` says that the tokens so far match the first i characters.
pub(super) fn glob(tokens: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for token in tokens {
        let before = fits.clone();
        for i in 0..=text.len() {
            fits[i] = match token {
                Token::Many => before[..=i].contains(&true),
                Token::One => i > 0 && before[i - 1],
                Token::Literal(c) => i > 0 && before[i - 1] && text[i - 1] == *c,
            };
        }
    }
    fits[text.len()]
}

/// `${key}`, `${key, 'default'}`, `${*}`, `${?}`, `${$}`; what is put in is literal. `None` where a variable has no value.
fn expanded(text: &str, request: &Request) -> Answer<Option<Vec<Token>>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, following)) = after.split_once('}') else { break };
        tokens.extend(pattern(before));
        let (key, default) = match name.split_once(',') {
            Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
            None => (name.trim(), None),
        };
        let value = match key {
            "*" | "?" | "$" => Some(key.to_owned()),
            key => match request.values(key)? {
                // "You can't use multivalued context keys as policy variables."
                Some(values) => <[String; 1]>::try_from(values).ok().map(|[value]| value),
                None => default.map(str::to_owned),
            },
        };
        let Some(value) = value else { return Ok(None) };
        tokens.extend(value.chars().map(Token::Literal));
        rest = following;
    }
    tokens.extend(pattern(rest));
    Ok(Some(tokens))
}

/// "Each of the six colon-delimited components of the ARN is checked separately."
fn arn_like(wanted: &[Token], value: &str) -> Option<bool> {
    let value: Vec<&str> = value.splitn(6, ':').collect();
    let wanted: Vec<&[Token]> = wanted.splitn(6, |token| *token == Token::Literal(':')).collect();
    if value.len() != 6 || wanted.len() != 6 || value[0] != "arn" {
        return None;
    }
    Some(wanted.iter().zip(value).all(|(wanted, value)| glob(wanted, value)))
}

fn typed(test: &str, wanted: &str, value: &str) -> Option<bool> {
    if let Some(order) = test.strip_prefix("numeric") {
        return ordered(order, number(value)?, number(wanted)?);
    }
    if let Some(order) = test.strip_prefix("date") {
        return ordered(order, seconds(value)?, seconds(wanted)?);
    }
    match test {
        "bool" => Some(truth(wanted)? == truth(value)?),
        "ipaddress" => in_range(wanted, value),
        _ => None,
    }
}

fn ordered<T: PartialOrd>(order: &str, value: T, wanted: T) -> Option<bool> {
    Some(match order {
        "equals" => value == wanted,
        "lessthan" => value < wanted,
        "lessthanequals" => value <= wanted,
        "greaterthan" => value > wanted,
        "greaterthanequals" => value >= wanted,
        _ => return None,
    })
}

fn truth(text: &str) -> Option<bool> {
    text.parse().ok()
}

fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A W3C date of year, month, day and perhaps the time in UTC, or seconds of the epoch.
fn seconds(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let fields = |text: &str, separator| {
        text.split(separator).map(|field| field.parse::<i64>().ok()).collect::<Option<Vec<i64>>>()
    };
    let [year, month, day] = fields(date, '-')?.try_into().ok()?;
    let [hours, minutes, rest] = fields(time.strip_suffix('Z')?, ':')?.try_into().ok()?;
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let of_month = |month| match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap(year)),
        _ => 31,
    };
    let days =
        (1970..year).map(|year| 365 + i64::from(leap(year))).sum::<i64>() + (1..month).map(of_month).sum::<i64>();
    Some((((days + day - 1) * 24 + hours) * 60 + minutes) * 60 + rest)
}

fn in_range(range: &str, address: &str) -> Option<bool> {
    let (base, length) = range.split_once('/').map_or((range, None), |(base, length)| (base, Some(length)));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let ((base, width), (address, other)) = (bits(base.parse().ok()?), bits(address.parse().ok()?));
    let length: u32 = length.map_or(Some(width), |length| length.parse().ok())?;
    Some(width == other && (length == 0 || base >> (128 - length) == address >> (128 - length)))
}
