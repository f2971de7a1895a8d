//! The environment of the user: variables and directories. It is passed in; nothing here reads the process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::proxy::ProxySettings;

/// Kubernetes documentation, "Accessing the Kubernetes API from a Pod".
const POD_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The environment that connections are looked up in. The default one is empty: no variables, not a pod.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Environment {
    /// The environment variables; those that are not Unicode are left out.
    pub variables: BTreeMap<String, String>,
    /// The directory that relative paths start from. Empty: the current one of the process.
    pub directory: PathBuf,
    /// The directory with the credentials of the pod's service account, read only where `KUBERNETES_SERVICE_HOST` is set.
    pub pod_directory: PathBuf,
}

impl Environment {
    /// The environment of these variables, such as `std::env::vars_os()`.
    pub fn new<K, V>(variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let unicode = |(key, value): (K, V)| Some((key.into().into_string().ok()?, value.into().into_string().ok()?));
        Self {
            variables: variables.into_iter().filter_map(unicode).collect(),
            directory: PathBuf::new(),
            pod_directory: PathBuf::from(POD_DIRECTORY),
        }
    }

    /// Sets the directory that relative paths start from.
    #[must_use]
    pub fn with_directory(self, directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..self }
    }

    /// Sets the directory with the credentials of the pod's service account.
    #[must_use]
    pub fn with_pod_directory(self, directory: impl Into<PathBuf>) -> Self {
        Self { pod_directory: directory.into(), ..self }
    }

    /// The value of a variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A path as seen from the [directory](Self::directory).
    pub fn path(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    /// The files that kubectl would read: those of `KUBECONFIG`, else `~/.kube/config`.
    pub fn kubeconfigs(&self) -> Vec<PathBuf> {
        if let Some(list) = self.variable("KUBECONFIG") {
            return std::env::split_paths(list)
                .filter(|path| !path.as_os_str().is_empty())
                .map(|path| self.path(&path))
                .collect();
        }
        let home = self.variable("HOME").or_else(|| self.variable("USERPROFILE"));
        home.map(|home| Path::new(home).join(".kube").join("config")).into_iter().collect()
    }

    /// The proxies of the environment, for AWS and API servers alike.
    pub(super) fn proxies(&self) -> ProxySettings {
        ProxySettings::from_variables(|name| self.variable(name).map(str::to_owned))
    }

    /// The token of the pod that the program runs in. A pod has none where `automountServiceAccountToken` is off.
    pub(super) fn pod_token(&self) -> Option<String> {
        self.variable("KUBERNETES_SERVICE_HOST")?;
        std::fs::read_to_string(self.pod_directory.join("token")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeconfigs_are_those_of_kubectl() {
        let paths =
            |pairs: &[(&str, &str)]| Environment::new(pairs.iter().copied()).with_directory("/directory").kubeconfigs();
        assert_eq!(paths(&[("KUBECONFIG", "a:/b"), ("HOME", "/home/x")]), [Path::new("/directory/a"), Path::new("/b")]);
        assert_eq!(paths(&[("KUBECONFIG", ""), ("HOME", "/home/x")]), [Path::new("/home/x/.kube/config")]);
        assert!(paths(&[]).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn variables_that_are_not_unicode_are_left_out() {
        use std::os::unix::ffi::OsStringExt;

        let broken = OsString::from_vec(vec![0xff]);
        let environment = Environment::new([(OsString::from("A"), broken), (OsString::from("B"), OsString::from("b"))]);
        assert_eq!(environment.variables.into_iter().collect::<Vec<_>>(), [("B".to_owned(), "b".to_owned())]);
    }
}
