//! Text of a plug-in as it may be shown: no tokens, no keys, nothing that moves a terminal's cursor.

/// What stands in place of a secret.
const HIDDEN: &str = "***";
/// The shortest part of an answer that is hidden elsewhere: tokens are longer, words of a sentence shorter.
const MIN_ANSWER: usize = 16;
/// The shortest word that can be a token by its form.
const MIN_TOKEN: usize = 40;

/// The parts of an answer that may be secret.
pub(super) fn of_answer(answer: &str) -> impl Iterator<Item = &str> {
    let words = answer.split(|c: char| c.is_whitespace() || "\"'{},".contains(c));
    words.filter(|word| word.len() >= MIN_ANSWER && !word.starts_with("client.authentication.k8s.io/"))
}

/// The text without the secrets that are known, and without what has the form of a token or of a key in PEM.
pub(super) fn hidden<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> String {
    let text = without_pem(&without_escapes(text));
    let words = text.split(|c: char| c.is_whitespace() || "\"'=,;:<>()[]{}".contains(c));
    let mut secrets: Vec<&str> = words.filter(|word| word.len() >= MIN_TOKEN && is_token(word)).collect();
    let known: Vec<&str> = known.collect();
    secrets.extend(known);
    // Of two that overlap the longer one is hidden first.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.iter().fold(text.clone(), |shown, secret| shown.replace(secret, HIDDEN))
}

/// Tokens of JSON Web Token form, and those of EKS.
fn is_token(word: &str) -> bool {
    word.starts_with("eyJ") || word.starts_with("k8s-aws-v1.")
}

fn without_pem(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(begin) = rest.find("-----BEGIN ") {
        shown.push_str(&rest[..begin]);
        shown.push_str(HIDDEN);
        let block = &rest[begin..];
        let end = block.find("-----END ").and_then(|at| Some(at + 9 + block[at + 9..].find("-----")? + 5));
        rest = &block[end.unwrap_or(block.len())..];
    }
    shown.push_str(rest);
    shown
}

/// Leaves out the escape sequences of terminals (ECMA-48: CSI), and carriage returns.
fn without_escapes(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if chars.next_if_eq(&'[').is_some() {
                    while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
                }
            }
            '\r' => {}
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_hidden_and_the_rest_stays() {
        let jwt = format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", "x".repeat(40));
        let eks = format!("k8s-aws-v1.{}", "y".repeat(40));
        let answer =
            "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"abcdefghijklmnopqrst\"}}";
        for (text, shown) in [
            ("plain text", "plain text"),
            ("got abcdefghijklmnopqrst back", "got *** back"),
            ("uses client.authentication.k8s.io/v1", "uses client.authentication.k8s.io/v1"),
            (&format!("token={jwt}, again \"{jwt}\""), "token=***, again \"***\""),
            (&format!("Bearer {eks}\nnext line"), "Bearer ***\nnext line"),
            ("key: -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- done", "key: *** done"),
            ("cut -----BEGIN PRIVATE KEY-----\nMII", "cut ***"),
            ("\u{1b}[31mred\u{1b}[0m and\r\nmore\u{1b}", "red and\nmore"),
            ("password hunter22 is wrong", "password *** is wrong"),
        ] {
            assert_eq!(hidden(text, of_answer(answer).chain(["hunter22"])), shown);
        }
    }
}
