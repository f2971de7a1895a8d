//! An audit in SARIF 2.1.0, as GitHub code scanning takes it (GitHub documentation, "SARIF support for code scanning").

use std::collections::BTreeMap;
use std::path::{Component, Path};

use irsa_core::trust::{Audit, Finding, FindingId, Severity};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::source_map::{SourceMaps, Span, numbered};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Everything but the unreserved characters (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The whole log, with one run.
pub(super) fn log(audit: &Audit, sources: &SourceMaps<'_>) -> Value {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let results: Vec<Value> = audit.findings.iter().map(|finding| result(finding, sources, &mut counts)).collect();
    let driver = json!({
        "name": "irsa",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "informationUri": env!("CARGO_PKG_REPOSITORY"),
        "rules": FindingId::ALL.iter().map(|id| rule(*id, audit)).collect::<Vec<_>>(),
    });
    let run = json!({
        "tool": {"driver": driver},
        "automationDetails": {"id": "irsa-trust-audit/"},
        "columnKind": "unicodeCodePoints",
        "results": results,
    });
    json!({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})
}

fn rule(id: FindingId, audit: &Audit) -> Value {
    let of_id = audit.findings.iter().filter(|finding| finding.id == id).map(|finding| finding.severity);
    // Code scanning shows the severity of the rule, which must not be less than that of a finding.
    let severity = of_id.fold(id.severity(), Severity::max);
    json!({
        "id": id.as_str(),
        "shortDescription": {"text": id.title()},
        "fullDescription": {"text": id.description()},
        "help": {"text": id.description(), "markdown": id.description()},
        "defaultConfiguration": {"level": level(severity)},
        "properties": {"tags": ["security", "aws", "iam"], "precision": "high", "security-severity": score(severity)},
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// In the middle of the range that code scanning calls high, medium or low.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "1.0",
    }
}

fn result(finding: &Finding, sources: &SourceMaps<'_>, counts: &mut BTreeMap<String, usize>) -> Value {
    let found = sources.location(finding);
    let uri = match (found, &finding.role_arn) {
        (Some((file, _)), _) => uri(&file.path),
        (None, Some(arn)) => synthetic(arn),
        (None, None) => uri(Path::new(finding.source.as_deref().unwrap_or_default())),
    };
    let span = found.and_then(|(_, span)| span);
    let (first, last) = span.map_or((1, 1), |span| (span.first, span.last));
    let mut location = json!({"physicalLocation": {
        "artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": first, "endLine": last},
    }});
    if let Some(arn) = &finding.role_arn {
        location["logicalLocations"] = json!([{"fullyQualifiedName": arn, "kind": "resource"}]);
    }
    json!({
        "ruleId": finding.id.as_str(),
        "ruleIndex": FindingId::ALL.iter().position(|id| *id == finding.id),
        "level": level(finding.severity),
        "message": {"text": message(finding)},
        "locations": [location],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint(finding, &uri, span, counts)},
        "properties": {"severity": finding.severity.as_str()},
    })
}

fn message(finding: &Finding) -> String {
    let evidence = finding.evidence.iter().map(|line| format!("\n- {line}"));
    std::iter::once(finding.message.clone()).chain(evidence).collect()
}

/// A relative URI that stays within the directory.
fn uri(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(utf8_percent_encode(&name.to_string_lossy(), ESCAPED).to_string()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// File name for a role that was read from AWS, since code scanning hides results without a file.
fn synthetic(arn: &str) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').filter(|part| !part.is_empty()).collect();
    format!("{}.json", uri(Path::new(&parts.join("/"))))
}

/// Identity of a finding, wherever it is in its file: made of rule, role and statement alone.
fn fingerprint(finding: &Finding, uri: &str, span: Option<Span<'_>>, counts: &mut BTreeMap<String, usize>) -> String {
    let label = finding.statement.as_deref();
    let statement = match (label.map(|label| (label, numbered(label))), span) {
        (Some((_, Some((_, Some(sid)))) | (sid, None)), _) => sid.to_owned(),
        (Some(_), Some(span)) => serde_json::from_str::<Value>(span.text).unwrap_or_default().to_string(),
        (label, _) => label.map(|(label, _)| label.to_owned()).unwrap_or_default(),
    };
    let whose = finding.role_arn.as_deref().unwrap_or(uri);
    let digest = Sha256::digest([finding.id.as_str(), whose, &statement].join("\0"));
    let hash: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let count = counts.entry(hash.clone()).or_default();
    *count += 1;
    format!("{hash}:{count}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source_map::AuditedFile;

    const TEXT: &str = r#"{
  "Statement": [
    {"Sid": "", "Effect": "Allow"},
    {"Sid": "Named", "Effect": "Allow"}
  ]
}"#;

    fn audit(findings: Value) -> Audit {
        serde_json::from_value(json!({"findings": findings, "roles": 1, "trusting": 1})).unwrap()
    }

    fn finding(changes: Value) -> Value {
        let mut finding = json!({"id": "any-subject", "severity": "high", "role_arn": null, "source": "p/a b.json",
            "statement": "statement 1", "message": "Anybody gets in.", "evidence": ["no test of sub"], "fix": null});
        for (key, value) in changes.as_object().unwrap() {
            finding[key] = value.clone();
        }
        finding
    }

    fn results(findings: Value, text: &str) -> Vec<Value> {
        let (name, path) = ("p/a b.json".to_owned(), "p/a b.json".into());
        let files = [AuditedFile { name, path, text: text.to_owned() }];
        let log = log(&audit(findings), &SourceMaps::new(&files));
        log["runs"][0]["results"].as_array().unwrap().clone()
    }

    fn hash(result: &Value) -> &str {
        result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap()
    }

    #[test]
    fn a_result_points_at_its_statement() {
        let [one, two] =
            &results(json!([finding(json!({})), finding(json!({"statement": "statement 2 (Named)"}))]), TEXT)[..]
        else {
            panic!("two results");
        };
        let place = &one["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"], json!({"uri": "p/a%20b.json", "uriBaseId": "%SRCROOT%"}));
        assert_eq!(place["region"], json!({"startLine": 3, "endLine": 3}));
        assert_eq!(two["locations"][0]["physicalLocation"]["region"]["startLine"], 4);
        assert_eq!(one["message"]["text"], "Anybody gets in.\n- no test of sub");
        assert_eq!((&one["level"], &one["ruleId"]), (&json!("error"), &json!("any-subject")));
    }

    #[test]
    fn a_rule_is_found_by_its_index_and_never_milder_than_its_findings() {
        let log = log(&audit(json!([finding(json!({"id": "any-name", "severity": "high"}))])), &SourceMaps::new(&[]));
        let run = &log["runs"][0];
        let index = usize::try_from(run["results"][0]["ruleIndex"].as_u64().unwrap()).unwrap();
        let rule = &run["tool"]["driver"]["rules"][index];
        assert_eq!((&rule["id"], &rule["properties"]["security-severity"]), (&json!("any-name"), &json!("8.0")));
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), FindingId::ALL.len());
    }

    #[test]
    fn fingerprints_stay_when_lines_move() {
        let findings =
            || json!([finding(json!({})), finding(json!({"statement": "statement 2 (Named)"})), finding(json!({}))]);
        let before = results(findings(), TEXT);
        let moved = TEXT.replace("[\n", "[\n\n\n").replace("\"Allow\"", "  \"Allow\"");
        let after = results(findings(), &moved);
        let hashes = |results: &[Value]| results.iter().map(|one| hash(one).to_owned()).collect::<Vec<_>>();
        assert_eq!(hashes(&before), hashes(&after));
        assert_ne!(before[0]["locations"], after[0]["locations"]);
        // The same thing found twice is two results.
        let [one, named, again] = &before[..] else { panic!("three results") };
        assert!(hash(one).ends_with(":1") && hash(again).ends_with(":2"));
        // A statement of another number is known by its name, one without a name by what it says.
        let inserted = TEXT.replace("[\n", "[{\"Effect\": \"Deny\"},\n");
        let findings =
            json!([finding(json!({"statement": "statement 2"})), finding(json!({"statement": "statement 3 (Named)"}))]);
        let later = results(findings, &inserted);
        assert_eq!((hash(&later[0]), hash(&later[1])), (hash(one), hash(named)));
    }

    #[test]
    fn a_role_of_the_account_has_a_name_in_place_of_a_file() {
        let arn = "arn:aws:iam::123456789012:role/p/r+x";
        let role = finding(json!({"role_arn": arn, "source": null}));
        let result = &results(json!([role]), TEXT)[0];
        let location = &result["locations"][0];
        assert_eq!(
            location["physicalLocation"]["artifactLocation"]["uri"],
            "arn/aws/iam/123456789012/role/p/r%2Bx.json"
        );
        assert_eq!(location["logicalLocations"][0]["fullyQualifiedName"], arn);
        assert_eq!(location["physicalLocation"]["region"]["startLine"], 1);
    }

    #[test]
    fn uris_are_relative_and_escaped() {
        for (path, text) in
            [("a/b.json", "a/b.json"), ("/a/../é#%.json", "a/%C3%A9%23%25.json"), ("a:b/c.json", "a%3Ab/c.json")]
        {
            assert_eq!(uri(Path::new(path)), text);
        }
    }
}
