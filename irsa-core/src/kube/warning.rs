//! The `Warning` headers of the API server (RFC 7234, 5.5; Kubernetes blog, "Warning: Helpful Warnings Ahead").

use http::HeaderMap;
use http::header::WARNING;

use crate::backend::pass_on_warning;

/// The code of warnings for people; kubectl shows no others.
const MISCELLANEOUS: &str = "299";

/// Passes the warnings of an answer on.
pub(super) fn pass_on(headers: &HeaderMap) {
    for header in headers.get_all(WARNING) {
        texts(&String::from_utf8_lossy(header.as_bytes())).iter().for_each(|text| pass_on_warning(text));
    }
}

/// The texts of one header: `299 - "text"`, or several of them with commas in between. What does not have that form ends it.
fn texts(header: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while let Some((code, after)) = rest.split_once(' ') {
        let Some((_agent, after)) = after.trim_start().split_once(' ') else { break };
        let Some((text, after)) = quoted(after.trim_start()) else { break };
        if code == MISCELLANEOUS {
            texts.push(text);
        }
        // A date may follow.
        let after = after.trim_start();
        let after = quoted(after).map_or(after, |(_, after)| after);
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    texts
}

/// A quoted string at the beginning of a text, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.strip_prefix('"')?.char_indices();
    let mut value = String::new();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &text[at + 2..])),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_read_as_kubectl_reads_them() {
        for (header, expected) in [
            ("299 - \"plain\"", &["plain"][..]),
            // As a real API server wrote it.
            (
                "299 - \"Validation failed for ValidatingAdmissionPolicy 'w' with binding 'w': a \\\"quoted\\\", \\\\ é\"",
                &["Validation failed for ValidatingAdmissionPolicy 'w' with binding 'w': a \"quoted\", \\ é"],
            ),
            ("299 - \"a\", 299 agent \"b, c\"", &["a", "b, c"]),
            ("299 - \"a\" \"Mon, 30 Nov 2026 20:02:40 GMT\", 299 - \"b\"", &["a", "b"]),
            ("110 - \"stale\", 299 - \"b\"", &["b"]),
            ("299 - \"a\", 299 - unquoted, 299 - \"c\"", &["a"]),
            ("299 - \"open", &[]),
            ("299 - \"open\\", &[]),
            ("299 -", &[]),
            ("", &[]),
        ] {
            assert_eq!(texts(header), expected, "{header}");
        }
    }
}
