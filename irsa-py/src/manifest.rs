//! Manifests: read from files, and written of what exists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use irsa_core::manifest::{self, Declared, Source};
use irsa_core::name::{ClusterRef, Region, RoleArn};
use irsa_core::{Error, ErrorKind, IrsaBinding, Warning, WarningId};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PySlice, PyTuple};
use serde::{Deserialize, Serialize};

use crate::argument::value;
use crate::binding::Wish;
use crate::data::{Field, as_text, data};
use crate::json;
use crate::runtime::{Call, Needs};

as_text!(Region);

/// Stands for the cluster of bindings that name none; by name, since checks of an ARN or an issuer would say more.
const UNNAMED: &str = "unnamed-9c1f7a52d0b64e0f";

/// Where a binding was declared, and what eksctl has to do with its role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Origin {
    /// `FILE:LINE:COLUMN`.
    pub(crate) place: String,
    #[serde(default)]
    pub(crate) made_by_eksctl: bool,
    #[serde(default)]
    pub(crate) existing_role: Option<RoleArn>,
    /// Inline policies of eksctl, each with the declared one that takes its place.
    #[serde(default)]
    pub(crate) replaced_policies: BTreeMap<String, Option<String>>,
}

/// What files declare, as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declarations {
    pub(crate) bindings: Vec<Wish>,
    /// One for each binding.
    pub(crate) origins: Vec<Origin>,
    pub(crate) region: Option<Region>,
    pub(crate) warnings: Vec<Warning>,
}

impl Declarations {
    fn read(paths: &[PathBuf]) -> irsa_core::Result<Self> {
        let unnamed: ClusterRef = UNNAMED.parse()?;
        let read = manifest::read_all(paths.iter().cloned().map(Source::Path), Path::new(""), Some(&unnamed))?;
        let bindings = read.bindings.iter().map(|declared| Wish::of(&declared.binding, &unnamed)).collect();
        let origin = |declared: &Declared| Origin {
            place: declared.place.to_string(),
            made_by_eksctl: declared.made_by_eksctl,
            existing_role: declared.existing_role.clone(),
            replaced_policies: declared.replaced_policies.clone(),
        };
        let warnings = read.ignored.iter().map(|what| Warning::new(WarningId::NotHonoured, what.clone())).collect();
        let origins = read.bindings.iter().map(origin).collect();
        Ok(Self { bindings, origins, region: read.region, warnings })
    }

    fn check(&self) -> irsa_core::Result<()> {
        if self.bindings.len() != self.origins.len() {
            return Err(Error::new(ErrorKind::InvalidInput, "origins: there must be one for each binding"));
        }
        self.bindings.iter().try_for_each(Wish::check)
    }
}

fn each_warning(declarations: &Declarations, show: &mut dyn FnMut(Option<&str>, &Warning)) {
    declarations.warnings.iter().for_each(|warning| show(None, warning));
}

impl Field for Origin {
    fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.place.field(py)
    }
}

fn picked<T: Clone>(all: &[T], at: &[usize]) -> Vec<T> {
    at.iter().filter_map(|index| all.get(*index)).cloned().collect()
}

data! {
    /// The bindings that files declare, made by `load_manifest`: a sequence of bindings.
    ///
    /// Give it, or a slice of it, to `apply_all` as it is: it also knows which roles eksctl made or names, which single
    /// bindings do not.
    Manifest(Declarations), checked by Declarations::check, warning by each_warning {
        /// The bindings, in the order of the files.
        bindings,
        |
        /// Where each binding is declared, `FILE:LINE:COLUMN`; more in plain data.
        origins,
        /// The region of the clusters, where a ClusterConfig names one: the client must be of that region.
        region,
        /// What the files say and cannot be honoured.
        warnings,
    }
    also {
        fn __len__(&self) -> usize {
            self.0.bindings.len()
        }

        fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            Ok(self.0.bindings.field(py)?.try_iter()?.into_any())
        }

        fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
            let Ok(slice) = index.cast::<PySlice>() else { return self.0.bindings.field(py)?.get_item(index) };
            let length = isize::try_from(self.0.bindings.len())?;
            let range = slice.indices(length)?;
            let at = (0..range.slicelength).map(|n| range.start + n.cast_signed() * range.step);
            let at: Vec<usize> = at.map(isize::cast_unsigned).collect();
            let Declarations { bindings, origins, region, warnings } = self.0.clone();
            let (bindings, origins) = (picked(&bindings, &at), picked(&origins, &at));
            Declarations { bindings, origins, region, warnings }.field(py)
        }
    }
}

/// Reads the bindings that files declare: manifests of irsa, or ClusterConfigs of eksctl.
///
/// Args:
///     paths: files, and folders of `*.yaml`, `*.yml` and `*.json` files. Bindings that name no cluster are of the
///         cluster of the client that they are given to.
///
/// Raises:
///     InvalidInputError: a file cannot be read, or is not valid; with file, line and column.
///     TypeError: a path is not a str or an `os.PathLike`, or there is none.
#[pyfunction]
#[pyo3(signature = (*paths))]
pub(crate) fn load_manifest<'py>(py: Python<'py>, paths: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    if paths.is_empty() {
        return Err(PyTypeError::new_err("load_manifest: at least one path is needed"));
    }
    let path = |(index, path): (usize, Bound<'py, PyAny>)| value::<PathBuf>(&format!("paths[{index}]"), &path);
    let paths: Vec<PathBuf> = paths.iter().enumerate().map(path).collect::<PyResult<_>>()?;
    // A file may be a pipe that nobody writes to: Ctrl-C must not wait for it.
    Call::new(Needs::Thread, None, move |_| async move { Declarations::read(&paths) }).wait(py)
}

/// Returns the JSON Schema of the manifest, for editors and other tools.
#[pyfunction]
pub(crate) fn manifest_schema(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    json::to_python(py, &manifest::schema())
}

/// What exists, as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exported {
    pub(crate) manifests: Vec<manifest::Manifest>,
    pub(crate) left_out: Vec<String>,
}

impl Field for manifest::Manifest {
    fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(json::plain(py, self)?)
    }
}

fn each_left_out(exported: &Exported, show: &mut dyn FnMut(Option<&str>, &Warning)) {
    for what in &exported.left_out {
        show(None, &Warning::new(WarningId::NotExpressed, what.clone()));
    }
}

data! {
    /// The bindings of a cluster as manifests that plan to no change.
    Export(Exported), warning by each_left_out {
        /// One manifest for each role, as a dict in the form of a Kubernetes object.
        manifests,
        |
        /// What exists and cannot be declared without a change: it stays as it is when the manifests are applied.
        left_out,
    }
    also {
        /// The same as bindings, for `plan_all` and `apply_all`.
        #[getter]
        fn bindings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            let no_file = |path: &str| Err(Error::new(ErrorKind::InvalidInput, format!("file {path:?} is not read")));
            let unnamed: ClusterRef = UNNAMED.parse().map_err(crate::error::Failure::from)?;
            let wish = |manifest: &manifest::Manifest| {
                let binding: IrsaBinding = manifest.binding(Some(&unnamed), &no_file)?;
                Ok(Wish::of(&binding, &unnamed))
            };
            let wishes: irsa_core::Result<Vec<Wish>> = self.0.manifests.iter().map(wish).collect();
            wishes.map_err(crate::error::Failure::from)?.field(py)
        }

        /// The text of a file with these manifests, which `load_manifest` reads.
        fn to_yaml(&self) -> String {
            manifest::to_yaml(&self.0.manifests)
        }
    }
}
