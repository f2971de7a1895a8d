//! A binding as Python asks for it: keyword arguments in, the library's builder behind.

use std::collections::BTreeMap;

use irsa_core::name::{ClusterRef, Subject};
use irsa_core::{IrsaBinding, PolicyDocument};
use pyo3::prelude::*;
use pyo3::types::PyMapping;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::argument::{Given, named, value};
use crate::data::{data, items, texts};
use crate::error::Result;
use crate::json::{self, Input};

/// A cluster for checks that come before one is known.
const SOME_CLUSTER: &str = "cluster";

/// What is asked for, as it came but for documents, which are parsed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    #[serde(default)]
    pub(crate) cluster: Option<String>,
    #[serde(default)]
    pub(crate) role_name: Option<String>,
    #[serde(default)]
    pub(crate) role_path: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) max_session_duration: Option<u32>,
    #[serde(default)]
    pub(crate) permissions_boundary: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) policies: Vec<String>,
    #[serde(default, deserialize_with = "documents_or_texts")]
    pub(crate) inline: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) subjects: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) trust_only_subjects: Vec<String>,
    #[serde(default, deserialize_with = "statements_or_texts")]
    pub(crate) trust_statements: Vec<Value>,
    #[serde(default)]
    pub(crate) audience: Option<String>,
    #[serde(default)]
    pub(crate) token_expiration: Option<u32>,
    #[serde(default)]
    pub(crate) sts_regional_endpoints: Option<bool>,
    #[serde(default)]
    pub(crate) automount_token: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) role_only: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) exact: bool,
}

impl Wish {
    /// The binding on a cluster, checked.
    pub(crate) fn on(&self, cluster: &ClusterRef) -> irsa_core::Result<IrsaBinding> {
        let cluster = self.cluster.clone().unwrap_or_else(|| cluster.to_string());
        let mut builder = IrsaBinding::builder(cluster, &self.namespace, &self.service_account)
            .with_role_only(self.role_only)
            .with_exact(self.exact);
        macro_rules! given {
            ($($field:ident: $with:ident),*) => { $(if let Some(value) = &self.$field { builder = builder.$with(value.clone()); })* };
        }
        given!(role_name: with_role_name, role_path: with_role_path, description: with_description);
        given!(max_session_duration: with_max_session_duration, permissions_boundary: with_permissions_boundary);
        given!(audience: with_audience, token_expiration: with_token_expiration);
        given!(sts_regional_endpoints: with_sts_regional_endpoints, automount_token: with_automount_token);
        macro_rules! each {
            ($($field:ident: $with:ident),*) => { $(for value in &self.$field { builder = builder.$with(value.clone()); })* };
        }
        each!(policies: with_policy, subjects: with_subject, trust_only_subjects: with_trust_only_subject);
        each!(trust_statements: with_trust_statement_value);
        macro_rules! pairs {
            ($($field:ident: $with:ident),*) => { $(for (key, value) in &self.$field { builder = builder.$with(key, value.clone()); })* };
        }
        pairs!(tags: with_tag, inline: with_inline_document, labels: with_label, annotations: with_annotation);
        builder.build()
    }

    /// What asks for a binding again; `unnamed` is the cluster of one that names none.
    pub(crate) fn of(binding: &IrsaBinding, unnamed: &ClusterRef) -> Self {
        fn text<T: ToString>(value: Option<&T>) -> Option<String> {
            value.map(ToString::to_string)
        }
        fn texts<K: ToString, V: ToString>(map: &BTreeMap<K, V>) -> BTreeMap<String, String> {
            map.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
        }
        // Patterns are always trust-only.
        let (trust_only, bound): (Vec<&Subject>, Vec<&Subject>) = binding
            .subjects
            .iter()
            .partition(|subject| subject.service_account().is_some() && binding.trust_only.contains(*subject));
        let subjects = |some: Vec<&Subject>| some.into_iter().map(ToString::to_string).collect();
        let inline = binding.inline_policies.iter();
        Self {
            namespace: binding.namespace.to_string(),
            service_account: binding.service_account.to_string(),
            cluster: (binding.cluster != *unnamed).then(|| binding.cluster.to_string()),
            role_name: text(binding.role_name.as_ref()),
            role_path: text(binding.role_path.as_ref()),
            description: text(binding.description.as_ref()),
            max_session_duration: binding.max_session_duration.map(|duration| duration.seconds()),
            permissions_boundary: text(binding.permissions_boundary.as_ref()),
            tags: texts(&binding.tags),
            policies: binding.policies.iter().map(ToString::to_string).collect(),
            inline: inline.map(|(name, document)| (name.to_string(), document.as_value().clone())).collect(),
            subjects: subjects(bound),
            trust_only_subjects: subjects(trust_only),
            trust_statements: binding.trust_statements.clone(),
            audience: text(binding.audience.as_ref()),
            token_expiration: binding.token_expiration.map(|expiration| expiration.seconds()),
            sts_regional_endpoints: binding.sts_regional_endpoints,
            automount_token: binding.automount_token,
            labels: texts(&binding.labels),
            annotations: texts(&binding.annotations),
            role_only: binding.role_only,
            exact: binding.exact,
        }
    }

    /// Everything that needs no call.
    pub(crate) fn check(&self) -> irsa_core::Result<()> {
        self.on(&SOME_CLUSTER.parse()?).map(|_| ())
    }
}

data! {
    /// What is wanted: one IAM role, the service accounts that may assume it, its policies and its settings.
    ///
    /// What is not given is left as it is on what exists already.
    ///
    /// Args:
    ///     namespace, service_account: the service account.
    ///     cluster: its cluster, by name or ARN; by default that of the client.
    ///     role_name: by default `<cluster>-<namespace>-<service account>`.
    ///     role_path: the path of the role, used when it is made.
    ///     description: of the role.
    ///     max_session_duration: of the role, 3600 to 43200 seconds.
    ///     permissions_boundary: the ARN of the managed policy that bounds the role's permissions.
    ///     tags: of the role.
    ///     policies: managed policies, by ARN or by name.
    ///     inline: inline policies by name, each a dict or a str of JSON.
    ///     subjects: further service accounts, `[CLUSTER:]NAMESPACE/NAME`; a name with `*` or `?` is a pattern.
    ///     trust_only_subjects: further service accounts that are let in, but not annotated.
    ///     trust_statements: further statements of the trust policy, each a dict or a str of JSON; a whole trust policy,
    ///         also as `get_role` answers it, stands for its statements.
    ///     audience: of the tokens; by default `sts.amazonaws.com`.
    ///     token_expiration: the lifetime of the tokens, 600 to 86400 seconds.
    ///     sts_regional_endpoints: whether pods use the STS endpoint of their region.
    ///     automount_token: `automountServiceAccountToken` of the service accounts, whether pods get a token for the
    ///         Kubernetes API unasked.
    ///     labels, annotations: of the service accounts.
    ///     role_only: make the role alone; no service account is touched and no API server is needed.
    ///     exact: take away policies and subjects that are not declared here.
    ///
    /// Raises:
    ///     InvalidInputError: AWS or Kubernetes would refuse it, or two arguments contradict each other.
    ///     TypeError: an argument has another type.
    Binding(Wish), checked by Wish::check, shown by crate::data::constructor {
        /// The namespace.
        namespace,
        /// The service account.
        service_account,
        |
        /// Managed policies.
        policies,
        /// The cluster, where it is not that of the client.
        cluster,
        /// The name of the role, where it is not the default.
        role_name,
        /// The path of the role.
        role_path,
        /// The description of the role.
        description,
        /// The longest session of the role, in seconds.
        max_session_duration,
        /// The permissions boundary of the role.
        permissions_boundary,
        /// Tags of the role.
        tags,
        /// Inline policies by name.
        inline,
        /// Further service accounts.
        subjects,
        /// Further service accounts that are let in, but not annotated.
        trust_only_subjects,
        /// Further statements of the trust policy.
        trust_statements,
        /// The audience of the tokens.
        audience,
        /// The lifetime of the tokens, in seconds.
        token_expiration,
        /// Whether pods use the STS endpoint of their region.
        sts_regional_endpoints,
        /// `automountServiceAccountToken` of the service accounts.
        automount_token,
        /// Labels of the service accounts.
        labels,
        /// Annotations of the service accounts.
        annotations,
        /// Whether the role alone is made.
        role_only,
        /// Whether what is not declared is taken away.
        exact,
    }
    also {
        #[new]
        #[pyo3(signature = (namespace, service_account, *, cluster = None, role_name = None, role_path = None,
            description = None, max_session_duration = None, permissions_boundary = None, tags = None, policies = None,
            inline = None, subjects = None, trust_only_subjects = None, trust_statements = None, audience = None,
            token_expiration = None, sts_regional_endpoints = None, automount_token = None, labels = None,
            annotations = None, role_only = None, exact = None))]
        #[pyo3(text_signature = "(namespace, service_account, *, cluster=None, role_name=None, role_path=None, \
            description=None, max_session_duration=None, permissions_boundary=None, tags=None, policies=None, inline=None, \
            subjects=None, trust_only_subjects=None, trust_statements=None, audience=None, token_expiration=None, \
            sts_regional_endpoints=None, automount_token=None, labels=None, annotations=None, role_only=False, \
            exact=False)")]
        #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
        fn new(
            namespace: Given<'_, String>,
            service_account: Given<'_, String>,
            cluster: Option<Given<'_, String>>,
            role_name: Option<Given<'_, String>>,
            role_path: Option<Given<'_, String>>,
            description: Option<Given<'_, String>>,
            max_session_duration: Option<Given<'_, u32>>,
            permissions_boundary: Option<Given<'_, String>>,
            tags: Option<&Bound<'_, PyAny>>,
            policies: Option<&Bound<'_, PyAny>>,
            inline: Option<&Bound<'_, PyAny>>,
            subjects: Option<&Bound<'_, PyAny>>,
            trust_only_subjects: Option<&Bound<'_, PyAny>>,
            trust_statements: Option<&Bound<'_, PyAny>>,
            audience: Option<Given<'_, String>>,
            token_expiration: Option<Given<'_, u32>>,
            sts_regional_endpoints: Option<Given<'_, bool>>,
            automount_token: Option<Given<'_, bool>>,
            labels: Option<&Bound<'_, PyAny>>,
            annotations: Option<&Bound<'_, PyAny>>,
            role_only: Option<Given<'_, bool>>,
            exact: Option<Given<'_, bool>>,
        ) -> PyResult<Self> {
            named!(namespace, service_account, cluster, role_name, role_path, description, max_session_duration);
            named!(permissions_boundary, audience, token_expiration, sts_regional_endpoints, automount_token);
            named!(role_only, exact);
            let wish = Wish {
                namespace,
                service_account,
                cluster,
                role_name,
                role_path,
                description,
                max_session_duration,
                permissions_boundary,
                tags: pairs("tags", tags)?,
                policies: list("policies", policies)?,
                inline: documents("inline", inline)?,
                subjects: list("subjects", subjects)?,
                trust_only_subjects: list("trust_only_subjects", trust_only_subjects)?,
                trust_statements: statements("trust_statements", trust_statements)?,
                audience,
                token_expiration,
                sts_regional_endpoints,
                automount_token,
                labels: pairs("labels", labels)?,
                annotations: pairs("annotations", annotations)?,
                role_only: role_only.unwrap_or_default(),
                exact: exact.unwrap_or_default(),
            };
            wish.check().map_err(crate::error::Failure::from)?;
            Ok(Self(wish))
        }
    }
}

/// Documents of plain data, of which some can be texts.
fn documents_or_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Value>, D::Error> {
    let given: BTreeMap<String, Value> = or_default(deserializer)?;
    let parsed = |(name, value)| match value {
        Value::String(text) => PolicyDocument::parse(&text).map(|document| (name, document.into())),
        value => Ok((name, value)),
    };
    given.into_iter().map(parsed).collect::<irsa_core::Result<_>>().map_err(D::Error::custom)
}

/// Statements of plain data, of which some can be texts.
fn statements_or_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    let given: Vec<Value> = or_default(deserializer)?;
    let parsed = |value| match value {
        Value::String(text) => statements_of(text),
        value => Ok(vec![value]),
    };
    let parsed = given.into_iter().map(parsed).collect::<irsa_core::Result<Vec<_>>>().map_err(D::Error::custom)?;
    Ok(parsed.into_iter().flatten().collect())
}

/// None is nothing, as for the keywords.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The statements of a JSON text, which the builder reads strictly.
fn statements_of(text: String) -> irsa_core::Result<Vec<Value>> {
    let binding = IrsaBinding::builder(SOME_CLUSTER, "default", "probe").with_trust_statement(text).build()?;
    Ok(binding.trust_statements)
}

fn list(argument: &str, object: Option<&Bound<'_, PyAny>>) -> Result<Vec<String>> {
    object.map_or_else(|| Ok(Vec::new()), |object| texts(argument, object))
}

/// What a dict holds by text; `argument` is how errors call it.
fn by_name<'py>(argument: &str, object: Option<&Bound<'py, PyAny>>) -> Result<Vec<(String, Bound<'py, PyAny>)>> {
    let Some(object) = object else { return Ok(Vec::new()) };
    let Ok(mapping) = object.cast::<PyMapping>() else {
        return Err(json::wrong_type(argument, "a dict", object).into());
    };
    let mut found = Vec::new();
    for (key, held) in json::pairs(argument, mapping)? {
        found.push((value(&format!("a key of {argument}"), &key)?, held));
    }
    Ok(found)
}

pub(crate) fn pairs(argument: &str, object: Option<&Bound<'_, PyAny>>) -> Result<BTreeMap<String, String>> {
    let pair = |(key, held): (String, Bound<'_, PyAny>)| {
        let text = value(&format!("{argument}[{key:?}]"), &held)?;
        Ok((key, text))
    };
    by_name(argument, object)?.into_iter().map(pair).collect()
}

fn documents(argument: &str, object: Option<&Bound<'_, PyAny>>) -> Result<BTreeMap<String, Value>> {
    let document = |(name, value): (String, Bound<'_, PyAny>)| {
        let place = format!("{argument}[{name:?}]");
        let document = match Input::new(&place, &value)? {
            Input::Text(text) => {
                PolicyDocument::parse(&text).map_err(|error| error.during(format!("{place} is refused")))?.into()
            }
            Input::Value(value) => value,
        };
        Ok((name, document))
    };
    by_name(argument, object)?.into_iter().map(document).collect()
}

fn statements(argument: &str, object: Option<&Bound<'_, PyAny>>) -> Result<Vec<Value>> {
    let Some(object) = object else { return Ok(Vec::new()) };
    let statement = |(index, item): (usize, &Bound<'_, PyAny>)| {
        let place = format!("{argument}[{index}]");
        match Input::new(&place, item)? {
            Input::Value(value) => Ok(vec![value]),
            Input::Text(text) => Ok(statements_of(text).map_err(|error| error.during(format!("{place} is refused")))?),
        }
    };
    let each = items(argument, object)?.iter().enumerate().map(statement).collect::<Result<Vec<_>>>()?;
    Ok(each.into_iter().flatten().collect())
}
