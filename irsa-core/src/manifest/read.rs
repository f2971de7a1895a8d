//! From the text of a file to bindings, each with its place; every error names file, line and column.

use std::cell::OnceCell;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter};

use super::places::{Part, Place, Places, WHOLE, parts};
use super::{API_VERSION, KIND, Manifest, ReadFile, cluster_config};
use crate::binding::IrsaBinding;
use crate::error::{Error, ErrorKind, Result, did_you_mean, nearest};
use crate::name::{ClusterRef, Region, RoleArn};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilePlace {
    /// The name of the file.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// The column, counted from 1.
    pub column: u64,
}

impl FilePlace {
    /// What stands there is refused.
    pub(super) fn refused(&self, what: String) -> Error {
        self.in_context_of(Error::new(ErrorKind::InvalidInput, format!("{self}: {what}")))
    }

    fn in_context_of(&self, error: Error) -> Error {
        error
            .with_context("file", self.file.clone())
            .with_context("line", self.line.to_string())
            .with_context("column", self.column.to_string())
    }
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A binding that a file declares.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Declared {
    /// The binding.
    pub binding: IrsaBinding,
    /// Where it begins.
    pub place: FilePlace,
    /// Whether its role, where none is named, is one that eksctl has made: to be found by
    /// [`Client::finding_roles`](crate::Client::finding_roles).
    pub made_by_eksctl: bool,
    /// The role that must exist, for [`Request::with_existing_role`](crate::Request::with_existing_role).
    pub existing_role: Option<RoleArn>,
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ManifestFile {
    /// Its bindings, in their order.
    pub bindings: Vec<Declared>,
    /// What it says that cannot be honoured, each with its place.
    pub ignored: Vec<String>,
    /// The region of its clusters, where it names one.
    pub region: Option<Region>,
}

/// What tells which kind of document it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: Option<String>,
    kind: Option<String>,
}

/// Many bindings in one document, as `irsa export -o json` writes them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct List {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    items: Vec<Spanned<Manifest>>,
}

/// One document of a file.
pub(super) struct Document<'a> {
    file: &'a str,
    text: &'a str,
    /// The lines before it.
    before: u64,
    /// Collected when the first one is asked for.
    places: OnceCell<Places>,
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
                let manifest: Manifest = document.parse()?;
                read.bindings.push(document.declared(&manifest, &WHOLE, cluster, file)?);
            }
            (Some("v1"), Some("List")) => {
                let list: List = document.parse()?;
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

/// The documents of a text. A line that begins with `---` ends one wherever it stands (YAML 1.2.2, 9.1.2 and 9.2).
fn documents<'a>(file: &'a str, text: &'a str) -> Vec<Document<'a>> {
    let mut documents = Vec::new();
    let (mut begin, mut before, mut offset, mut number) = (0, 0, 0, 0);
    for line in text.split_inclusive('\n') {
        let marker =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if marker && offset > begin && !is_prologue(&text[begin..offset]) {
            documents.push(Document::new(file, &text[begin..offset], before));
            (begin, before) = (offset, number);
        }
        offset += line.len();
        // A carriage return alone breaks a line too (YAML 1.2.2, 5.4).
        let within = line.strip_suffix('\n').unwrap_or(line);
        number += within.strip_suffix('\r').unwrap_or(within).matches('\r').count() as u64 + 1;
    }
    documents.push(Document::new(file, &text[begin..], before));
    documents
}

/// Whether a text is directives, which stand before the marker of their document (YAML 1.2.2, 9.1.1).
fn is_prologue(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).peekable();
    lines.peek().is_some() && lines.all(|line| line.starts_with('%'))
}

/// The most keys, values, lists and mappings of a document: those of some 100,000 bindings.
const MOST_NODES: usize = 8_000_000;

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        // As many as the bytes that a file may have can hold; what aliases multiply is bounded by itself.
        budget: serde_saphyr::budget! {
            max_events: MOST_NODES * 2,
            max_nodes: MOST_NODES,
        },
    }
}

impl<'a> Document<'a> {
    fn new(file: &'a str, text: &'a str, before: u64) -> Self {
        Self { file, text, before, places: OnceCell::new() }
    }

    /// Parses it as a type.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_saphyr::from_str_with_options(self.text, options()).map_err(|error| self.refused(&error))
    }

    fn declared(
        &self,
        manifest: &Manifest,
        part: &Part,
        cluster: Option<&ClusterRef>,
        file: ReadFile<'_>,
    ) -> Result<Declared> {
        let binding = manifest.binding(cluster, file).map_err(|error| self.placed(error, part))?;
        let place = self.place_of(&manifest.metadata.name, part);
        Ok(Declared { binding, place, made_by_eksctl: false, existing_role: None })
    }

    /// Where a value stands in a part of it; the beginning of the part where it is not found.
    pub(super) fn place_of(&self, value: &str, part: &Part) -> FilePlace {
        self.place(self.find(value, part).unwrap_or(part.start))
    }

    fn find(&self, value: &str, part: &Part) -> Option<Place> {
        self.places.get_or_init(|| Places::of(self.text, options())).find(value, part)
    }

    fn place(&self, (line, column): Place) -> FilePlace {
        FilePlace { file: self.file.to_owned(), line: self.before + line.max(1), column: column.max(1) }
    }

    /// The error of a value, with the place of the value: or else of what it belongs to.
    pub(super) fn placed(&self, error: Error, part: &Part) -> Error {
        let (values, others): (Vec<_>, Vec<_>) = error.context().iter().partition(|(key, _)| *key == "value");
        let named = values.iter().chain(&others).find_map(|(_, value)| {
            // Values of policies are told as JSON.
            let plain = serde_json::from_str::<String>(value).ok();
            self.find(value, part).or_else(|| self.find(&plain?, part))
        });
        let place = self.place(named.unwrap_or(part.start));
        place.in_context_of(error.during(format!("{place}: this binding is not valid")))
    }

    fn refused(&self, error: &serde_saphyr::Error) -> Error {
        let plain = error.without_snippet();
        let place = self.place(plain.location().map_or(WHOLE.start, |place| (place.line(), place.column())));
        let (what, hint) = match plain {
            serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
                let near = nearest(field, expected.iter().copied());
                let hint = did_you_mean(&near).unwrap_or_else(|| format!("known here are {}", expected.join(", ")));
                (format!("key {field:?} is not known"), Some(hint))
            }
            other => (UserMessageFormatter.format_message(other).into_owned(), None),
        };
        let error = place.refused(what);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    fn unknown(&self, version: Option<&str>, kind: Option<&str>) -> Error {
        let place = self.place_of(kind.or(version).unwrap_or_default(), &WHOLE);
        let what = match (version, kind) {
            (Some(version), Some(kind)) => format!("kind {kind:?} of {version:?} is not known"),
            _ => "the document has no apiVersion and kind".to_owned(),
        };
        place.refused(what).with_hint(format!(
            "a binding has apiVersion {API_VERSION} and kind {KIND}; a ClusterConfig of eksctl is read too"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_file(path: &str) -> Result<String> {
        Err(Error::invalid("file", path, "is not there"))
    }

    fn text_of(error: &Error) -> String {
        format!("{error}: {} ({})", error.causes().join(": "), error.hint().unwrap_or_default())
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
            (format!("{head}spec: {{maxSessionDuration: long}}\n"), ["f.yaml:4:28", ""]),
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
        assert!(text_of(&missing).contains("--cluster"), "{missing:?}");
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
