//! The rights that irsa itself needs.

use irsa_core::name::ClusterRef;
use irsa_core::{Command, Holder, Scope};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::argument::{Wanted, value};
use crate::data::{data, texts};
use crate::error::{Failure, Result, invalid};

/// The verbs of a client, and the commands that make their calls.
const VERBS: [(&str, Command); 16] = [
    ("plan", Command::Plan),
    ("apply", Command::Create),
    ("plan_all", Command::Plan),
    ("apply_all", Command::Apply),
    ("prune", Command::Apply),
    ("update", Command::Update),
    ("delete", Command::Delete),
    ("get", Command::Get),
    ("list", Command::List),
    ("export", Command::Export),
    ("check_trust", Command::TrustCheck),
    ("who_can", Command::TrustWhoCan),
    ("audit_trust", Command::TrustAudit),
    ("provider", Command::ProviderShow),
    ("create_provider", Command::ProviderCreate),
    ("delete_provider", Command::ProviderDelete),
];

/// The rights, as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rights {
    iam: Value,
    rbac: Vec<Value>,
}

data! {
    /// The least rights that verbs of a client need.
    Permissions(Rights) {
        /// The IAM policy document, as a dict.
        iam,
        /// The Kubernetes objects, as dicts: roles of RBAC and their bindings.
        rbac,
        |
    }
}

/// The rights of verbs. `scope` holds the keywords of `irsa.permissions`.
#[pyfunction]
#[pyo3(signature = (verbs, scope, /))]
pub(crate) fn permissions(verbs: &Bound<'_, PyAny>, scope: &Bound<'_, PyDict>) -> PyResult<Permissions> {
    let mut commands = texts("verbs", verbs)?.iter().map(|verb| command(verb)).collect::<Result<Vec<_>>>()?;
    if commands.is_empty() {
        commands.extend(VERBS.map(|(_, command)| command));
    }
    let needed = irsa_core::permissions(&commands, &limits(scope)?);
    Ok(Permissions(Rights { iam: needed.iam, rbac: needed.rbac }))
}

fn command(verb: &str) -> Result<Command> {
    let known = VERBS.iter().find(|(known, _)| verb.strip_suffix("_async").unwrap_or(verb) == *known);
    known.map(|(_, command)| *command).ok_or_else(|| {
        let names = VERBS.map(|(name, _)| name).join(", ");
        invalid(format!("verbs: {verb:?} is not a verb of a client: they are {names}"))
    })
}

fn limits(keywords: &Bound<'_, PyDict>) -> PyResult<Scope> {
    fn given<T: Wanted>(keywords: &Bound<'_, PyDict>, name: &str) -> PyResult<Option<T>> {
        let given = keywords.get_item(name)?.filter(|given| !given.is_none());
        given.map(|given| value(name, &given)).transpose()
    }
    macro_rules! parsed {
        ($name:literal) => {
            given::<String>(keywords, $name)?.map(|text| text.parse()).transpose().map_err(Failure::from)?
        };
    }
    let flag = |name: &str| Ok::<_, PyErr>(given::<bool>(keywords, name)?.unwrap_or_default());
    let cluster: Option<ClusterRef> = parsed!("cluster");
    let mut scope = cluster.as_ref().map_or_else(Scope::default, Scope::of_cluster);
    scope.issuer = parsed!("issuer").or(scope.issuer);
    scope.account = parsed!("account").or(scope.account);
    scope.region = parsed!("region").or(scope.region);
    scope.role_name = parsed!("role_name");
    scope.role_path = parsed!("role_path");
    scope.permissions_boundary = parsed!("permissions_boundary");
    scope.namespace = parsed!("namespace");
    scope.holder = match (given(keywords, "user")?, given(keywords, "group")?) {
        (Some(_), Some(_)) => return Err(invalid("user contradicts group: give only one of them".to_owned()).into()),
        (Some(user), None) => Holder::User(user),
        (None, Some(group)) => Holder::Group(group),
        (None, None) => Holder::default(),
    };
    scope.create_namespace = flag("create_namespace")?;
    scope.create_provider = flag("create_provider")?;
    scope.role_only = flag("role_only")?;
    scope.dry_run = flag("dry_run")?;
    Ok(scope)
}
