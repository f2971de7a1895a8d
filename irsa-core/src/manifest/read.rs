//! From the text of a file to bindings, each with its place; every error names file, line and column.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::declared::{Declared, ManifestFile};
use super::document::{Document, documents};
use super::source_map::{Part, WHOLE, parts};
use super::{API_VERSION, KIND, Manifest, ReadFile, cluster_config};
use crate::error::{Error, Result};
use crate::name::ClusterRef;

/// What tells which kind of document it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: Option<String>,
    kind: Option<String>,
}

/// Many bindings in one document, as `irsa export -o json` writes them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct List {
    #[serde(rename = "apiVersion")]
    #[schemars(extend("const" = "v1"))]
    _api_version: String,
    #[serde(rename = "kind")]
    #[schemars(extend("const" = "List"))]
    _kind: String,
    /// The bindings.
    #[schemars(with = "Vec<Manifest>")]
    items: Vec<Spanned<Manifest>>,
}

/// Reads the text of a file: YAML of one or many documents, or JSON.
///
/// `name` is the file's name in errors, `cluster` the cluster of bindings that name none, `file` gives the files that it
/// names.
///
/// # Errors
/// `InvalidInput` with file, line and column, in the text and in the context: for what is no YAML, an unknown key (with the
/// nearest known one), a value that IAM, EKS or Kubernetes would refuse, and a document of a kind that is not known.
pub fn read(name: &str, text: &str, cluster: Option<&ClusterRef>, file: ReadFile<'_>) -> Result<ManifestFile> {
    let mut read = ManifestFile::default();
    for document in documents(name, text) {
        let head: Option<Head> = document.parse()?;
        let Some(head) = head else { continue };
        match (head.api_version.as_deref(), head.kind.as_deref()) {
            (Some(API_VERSION), Some(KIND)) => {
                let manifest: Manifest = document.parse_typed()?;
                read.bindings.push(document.declared(&manifest, &WHOLE, cluster, file)?);
            }
            (Some("v1"), Some("List")) => {
                let list: List = document.parse_typed()?;
                for (manifest, part) in list.items.iter().zip(parts(&list.items)) {
                    read.bindings.push(document.declared(&manifest.value, &part, cluster, file)?);
                }
            }
            (Some(version), Some("ClusterConfig")) if version.starts_with("eksctl.io/") => {
                cluster_config::read(&document, &mut read)?;
            }
            (version, kind) => return Err(document.unknown(version, kind)),
        }
    }
    Ok(read)
}

impl Document<'_> {
    fn declared(
        &self,
        manifest: &Manifest,
        part: &Part,
        cluster: Option<&ClusterRef>,
        file: ReadFile<'_>,
    ) -> Result<Declared> {
        let binding = manifest.binding(cluster, file).map_err(|error| self.placed(error, part))?;
        let place = self.place_of(&manifest.metadata.name, part);
        Ok(Declared { binding, place, made_by_eksctl: false, existing_role: None, replaced_policies: BTreeMap::new() })
    }

    fn unknown(&self, version: Option<&str>, kind: Option<&str>) -> Error {
        let place = self.place_of(kind.or(version).unwrap_or_default(), &WHOLE);
        let what = match (version, kind) {
            (Some(version), Some(kind)) => format!("kind {kind:?} of {version:?} is not known"),
            (None, Some(_)) => "the document has no apiVersion".to_owned(),
            (Some(_), None) => "the document has no kind".to_owned(),
            (None, None) => "the document has no apiVersion and kind".to_owned(),
        };
        place.refused(what).with_hint(format!(
            "a binding has apiVersion {API_VERSION} and kind {KIND}; a ClusterConfig of eksctl is read too"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::Hint;

    fn no_file(path: &str) -> Result<String> {
        Err(Error::invalid("file", path, "is not there"))
    }

    fn text_of(error: &Error) -> String {
        format!(
            "{error}: {} ({})",
            error.causes().join(": "),
            error.hint().map(ToString::to_string).unwrap_or_default()
        )
    }

    fn refused(text: &str) -> String {
        read("f.yaml", text, Some(&"demo".parse().unwrap()), &no_file)
            .map_or_else(|error| text_of(&error), |_| String::new())
    }

    const WHOLE: &str = r#"
# A comment.
apiVersion: irsa.gen3.org/v1alpha1
kind: IrsaBinding
metadata: {name: one, namespace: jobs, labels: {a: b}, annotations: {c/d: e}}
spec:
  cluster: blue
  roleName: s3-reader
  rolePath: /gen3_service/
  description: text
  maxSessionDuration: 7200
  permissionsBoundary: arn:aws:iam::123456789012:policy/boundary
  tags: {team: data}
  policies: [AmazonS3ReadOnlyAccess, "arn:aws:iam::123456789012:policy/mine"]
  inlinePolicies:
    bucket: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}
    other: {file: policies/other.json}
  subjects:
    - {namespace: other, serviceAccount: x}
    - {cluster: green, namespace: a, serviceAccountPattern: "job-*"}
    - {namespace: b, serviceAccount: y, trustOnly: true}
  trustStatements: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]
  audience: sts.amazonaws.com
  tokenExpiration: 86400
  stsRegionalEndpoints: true
  exact: true
---
apiVersion: irsa.gen3.org/v1alpha1
kind: IrsaBinding
metadata:
  name: two
"#;

    #[test]
    fn every_field_reaches_the_binding() {
        let file = |path: &str| {
            assert_eq!(path, "policies/other.json");
            Ok(r#"{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}"#.to_owned())
        };
        let read = read("f.yaml", WHOLE, Some(&"demo".parse().unwrap()), &file).unwrap();
        let [one, two] = &read.bindings[..] else { panic!("{read:?}") };
        let binding = &one.binding;
        assert_eq!((binding.cluster.to_string(), binding.to_string()), ("blue".into(), "jobs/one".into()));
        assert_eq!((binding.policies.len(), binding.inline_policies.len(), binding.subjects.len()), (2, 2, 3));
        assert_eq!((binding.trust_only.len(), binding.trust_statements.len(), binding.exact), (2, 1, true));
        assert!(
            binding.token_expiration.is_some() && binding.permissions_boundary.is_some() && binding.labels.len() == 1
        );
        assert_eq!((one.place.line, one.place.column), (5, 18));
        assert_eq!((two.binding.to_string(), two.binding.cluster.to_string()), ("default/two".into(), "demo".into()));
        assert_eq!(two.place.to_string(), "f.yaml:31:9");
    }

    #[test]
    fn null_is_not_said_and_directives_belong_to_their_document() {
        let text = format!(
            "%YAML 1.2\n# c\n---\napiVersion: {API_VERSION}\nkind: {KIND}\nmetadata:\n  name: a\n  annotations:\n  labels: null\nspec:\n---\n"
        );
        let text = text
            + &format!(
                "apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata: {{name: b}}\nspec: {{policies: null, tags: , exact: null}}\n"
            );
        let read = read("f", &text, Some(&"demo".parse().unwrap()), &no_file).unwrap();
        let names: Vec<String> = read.bindings.iter().map(|declared| declared.binding.to_string()).collect();
        assert_eq!(names, ["default/a", "default/b"]);
        assert_eq!(read.bindings[0].place.line, 7);
    }

    #[test]
    fn json_is_read_too() {
        let text = r#"{"apiVersion": "irsa.gen3.org/v1alpha1", "kind": "IrsaBinding", "metadata": {"name": "a"}}"#;
        let read = read("f.json", text, Some(&"demo".parse().unwrap()), &no_file).unwrap();
        assert_eq!(read.bindings[0].binding.to_string(), "default/a");
        assert!(super::read("f", "", None, &no_file).unwrap().bindings.is_empty());
        assert!(super::read("f", "# nothing\n---\n---\n", None, &no_file).unwrap().bindings.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let head = "apiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\nmetadata: {name: a}\n";
        for (text, words) in [
            (
                format!("{head}spec:\n  polices: [x]\n"),
                ["f.yaml:5:3: key \"polices\" is not known", "did you mean policies?"],
            ),
            // Carriage returns break lines as well, in this document and in those before.
            (format!("# a\r# b\r\r\n{head}---\n{head}specs: {{}}\n"), ["f.yaml:11:1: key \"specs\"", ""]),
            (format!("{head}specs: {{}}\n"), ["f.yaml:4:1: key \"specs\"", "did you mean spec?"]),
            (
                format!("{head}---\n{head}spec: {{subjects: [{{namspace: b}}]}}\n"),
                ["f.yaml:8:", "did you mean namespace?"],
            ),
            (format!("{head}spec:\n  zzzzzzzzzzzz: 1\n"), ["f.yaml:5:3", "known here are cluster, roleName"]),
            (
                format!("{head}spec:\n  roleName: a b\n"),
                ["f.yaml:5:13: this binding is not valid", "role name \"a b\""],
            ),
            (format!("{head}spec: {{maxSessionDuration: 60}}\n"), ["f.yaml:4:28", "3600"]),
            (format!("{head}spec: {{maxSessionDuration: long}}\n"), ["f.yaml:4:28: a whole number of 0 or more", ""]),
            (format!("{head}spec: {{tokenExpiration: -1}}\n"), ["f.yaml:4:25: a whole number of 0 or more", ""]),
            (
                format!("{head}spec: {{maxSessionDuration: \"3600\"}}\n"),
                ["f.yaml:4:", "a whole number of 0 or more is needed here"],
            ),
            (format!("{head}spec: {{exact: \"true\"}}\n"), ["f.yaml:4:", "true or false is needed here"]),
            (
                format!("{head}spec: {{tags: {{a: 5}}}}\n"),
                ["f.yaml:4:18: a text is needed here, which must be quoted", ""],
            ),
            (
                format!("{head}spec: {{subjects: [{{namespace: \"blue:x\", serviceAccount: y}}]}}\n"),
                ["f.yaml:4:31", "namespace \"blue:x\""],
            ),
            ("kind: IrsaBinding\n".to_owned(), ["f.yaml:1:7: the document has no apiVersion", ""]),
            (format!("{head}spec: {{exact: 7}}\n"), ["f.yaml:4:15: true or false is needed", ""]),
            (format!("{head}spec: {{tags: x}}\n"), ["f.yaml:4:14: a mapping of keys", ""]),
            (format!("{head}spec: {{policies: x}}\n"), ["f.yaml:4:18: a list is needed", ""]),
            (format!("{head}spec: {{roleName: [x]}}\n"), ["f.yaml:4:18: a single value is needed", ""]),
            (
                format!("{head}spec: {{roleName: a, roleName: b}}\n"),
                ["f.yaml:4:21: duplicate mapping key `roleName` is not allowed here: ", ""],
            ),
            (format!("{head}spec: {{roleName: null, rolePath: 7}}\n"), ["f.yaml:4:", ""]),
            (format!("{head}spec: {{policies: [null]}}\n"), ["f.yaml:4:19: null is not allowed here: ", ""]),
            // Values of a policy, or else the policy.
            (
                format!(
                    "{head}spec:\n  inlinePolicies:\n    p: {{Statement: [{{Effect: Maybe, Action: a:b, Resource: x}}]}}\n"
                ),
                ["f.yaml:6:30: this binding is not valid", "inline policy p"],
            ),
            (
                format!("{head}spec:\n  inlinePolicies:\n    q: {{Statement: [{{Action: a:b, Resource: x}}]}}\n"),
                ["f.yaml:6:5: this binding is not valid", "must have an Effect"],
            ),
            (format!("{head}spec: {{tags: {{{}}}}}\n", many_tags()), ["f.yaml:4:8", "tags"]),
            (format!("{head}spec: {{subjects: [{{namespace: b}}]}}\n"), ["f.yaml:4:", "neither serviceAccount nor"]),
            (
                format!("{head}spec: {{subjects: [{{namespace: b, serviceAccount: 'x*'}}]}}\n"),
                ["f.yaml:4:", "serviceAccountPattern"],
            ),
            (format!("{head}spec: {{inlinePolicies: {{p: {{file: x}}}}}}\n"), ["f.yaml:4:", "is not there"]),
            ("apiVersion: v1\nkind: ConfigMap\n".to_owned(), ["f.yaml:2:7: kind \"ConfigMap\"", "IrsaBinding"]),
            ("a: b\n".to_owned(), ["f.yaml:1:1: the document has no apiVersion", "ClusterConfig"]),
            ("a: [\n".to_owned(), ["f.yaml:", ""]),
            (
                "apiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\nmetadata: {namespace: a}\n".to_owned(),
                ["f.yaml:3:", "name"],
            ),
        ] {
            let refusal = refused(&text);
            assert!(
                !refusal.is_empty() && words.iter().all(|word| refusal.contains(word)),
                "{text}: {words:?}: {refusal}"
            );
        }
        let missing = read("f", head, None, &no_file).unwrap_err();
        assert_eq!(missing.hint(), Some(&Hint::NameClusterOfBinding), "{missing:?}");
    }

    #[test]
    fn aliases_may_stand_for_what_many_share_and_may_not_multiply() {
        let entry =
            |n: usize, value: &str| format!("  - {{metadata: {{name: sa-{n}}}, permissionsBoundary: {value}}}\n");
        let config =
            "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: c}\niam:\n  serviceAccounts:\n";
        let first = entry(0, "&b arn:aws:iam::123456789012:policy/boundary");
        let shared = (1..300).fold(config.to_owned() + &first, |text, n| text + &entry(n, "*b"));
        let read = read("f", &shared, None, &no_file).unwrap();
        assert!(read.bindings.iter().all(|declared| declared.binding.permissions_boundary.is_some()));

        let tenfold = |n: usize| format!("a{}: &a{} [{}]\n", n + 1, n + 1, vec![format!("*a{n}"); 10].join(", "));
        let laughs = (0..9).fold("a0: &a0 lol\n".to_owned(), |text, n| text + &tenfold(n));
        let begun = std::time::Instant::now();
        let refusal = refused(&laughs);
        assert!(refusal.contains("f.yaml:") && refusal.contains("anchors, or aliases"), "{refusal}");
        let deep = format!("a: {}{}\n", "[".repeat(100), "]".repeat(100));
        assert!(refused(&deep).contains("too deeply"), "{}", refused(&deep));
        assert!(begun.elapsed().as_secs() < 60, "also on a busy machine: {:?}", begun.elapsed());
    }

    #[test]
    fn a_text_that_stands_elsewhere_too_is_placed_where_it_is_wrong() {
        let head =
            |name: &str| format!("apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata: {{name: {name}, namespace: jobs");
        for (text, place) in [
            (head("a") + "}\nspec:\n  subjects:\n  - namespace: jobs\n", "f.yaml:6:16"),
            (head("we--b") + "}\nspec:\n  rolePath: we--b\n", "f.yaml:5:13"),
            (head("a") + ", labels: {a: -jobs, b: c}}\n", "f.yaml:3:50"),
            (head("a") + "}\nspec:\n  trustStatements:\n  - {Effect: Allow}\n", "f.yaml:5:3"),
            (head("a") + "}\nspec:\n  cluster: \"arn:x\"\n", "f.yaml:5:12"),
            (head("a") + "}\nspec:\n  inlinePolicies:\n    p: {file: gone.json}\n", "f.yaml:6:15"),
        ] {
            assert!(refused(&text).starts_with(&format!("{place}: ")), "{text}: {place}: {}", refused(&text));
        }
    }

    fn many_tags() -> String {
        (0..60).map(|n| format!("k{n}: v")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_stands_twice_is_placed_where_it_is_wrong() {
        let entry = |name: &str, role: &str| {
            format!(
                "  - {{apiVersion: {API_VERSION}, kind: {KIND}, metadata: {{name: {name}}}, spec: {{roleName: {role}}}}}\n"
            )
        };
        let list = |entries: &[String]| format!("apiVersion: v1\nkind: List\nitems:\n{}", entries.concat());
        let text = list(&[entry("a", "one"), entry("b", "a"), entry("a", "two")]);
        let read = read("f", &text, Some(&"demo".parse().unwrap()), &no_file).unwrap();
        let places: Vec<String> = read.bindings.iter().map(|declared| declared.place.to_string()).collect();
        let column = entry("a", "x").find("a}").unwrap() + 1;
        assert_eq!(places, [format!("f:4:{column}"), format!("f:5:{column}"), format!("f:6:{column}")]);

        let refusal = refused(&list(&[entry("a", "x.y"), entry("b", "\"x/y\""), entry("c", "x.y")]));
        assert!(refusal.starts_with("f.yaml:5:"), "{refusal}");
        let unplaced = list(&[entry("a", "b"), entry("b", "x").replace("roleName: x", "exact: true, roleOnly: 1")]);
        assert!(refused(&unplaced).starts_with("f.yaml:5:"), "{}", refused(&unplaced));
    }

    #[test]
    fn reading_takes_time_by_length() {
        let text = |n: usize| {
            let config =
                "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: c}\niam:\n  serviceAccounts:\n";
            let entry =
                |n| format!("  - {{metadata: {{name: sa-{n}}}, attachPolicyARNs: [\"arn:aws:iam::aws:policy/P\"]}}\n");
            (0..n).fold(config.to_owned(), |text, n| text + &entry(n))
        };
        let time = |n: usize| {
            let (text, begun) = (text(n), std::time::Instant::now());
            assert_eq!(read("f", &text, None, &no_file).unwrap().bindings.len(), n);
            begun.elapsed()
        };
        // Thirty times as many would take nine hundred times as long if each place were looked for in the whole text.
        let (few, many) = (time(100), time(3000));
        assert!(many < few * 200, "{few:?} {many:?}");
    }

    #[test]
    fn what_it_writes_it_reads() {
        let manifest: Manifest = documents("f", WHOLE)[0].parse().unwrap();
        let text = serde_saphyr::to_string(&manifest).unwrap();
        let again: Manifest = documents("f", &text)[0].parse().unwrap();
        assert_eq!(again, manifest);
    }

    #[test]
    fn texts_that_look_like_something_else_are_written_as_texts() {
        let texts = [
            "5",
            "-5",
            "1.10",
            "1e3",
            "0x1F",
            "0o17",
            "1_000",
            "true",
            "False",
            "yes",
            "on",
            "null",
            "~",
            "",
            ".inf",
            ".nan",
            "2024-01-01",
            "12:30:45",
            "007",
            "a: b",
            "# c",
            "- d",
            "\ttab",
            " space ",
            "*x",
            "&y",
            "!z",
            "@w",
            "multi\nline\n",
        ];
        let numbered = texts.iter().enumerate();
        let tags = numbered.map(|(at, text)| (format!("{at}"), (*text).to_owned())).collect();
        let spec = super::super::Spec { tags, description: Some("123".to_owned()), ..Default::default() };
        let manifest = Manifest { spec, ..Manifest::default() };
        let text = serde_saphyr::to_string(&manifest).unwrap();
        let again: Manifest = documents("f", &text)[0].parse_typed().unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(again, manifest);
    }

    #[test]
    fn the_schema_knows_every_key() {
        let schema = super::super::schema().to_string();
        for key in [
            "apiVersion",
            "inlinePolicies",
            "serviceAccountPattern",
            "trustOnly",
            "tokenExpiration",
            "additionalProperties\":false",
        ] {
            assert!(schema.contains(key), "{key}");
        }
    }
}
