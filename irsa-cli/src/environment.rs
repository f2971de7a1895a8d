//! What a run sees of its process: the only place that reads variables, so that tests can give their own.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

/// Kubernetes documentation, "Accessing the Kubernetes API from a Pod".
const POD_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The surroundings of a run.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The environment variables; those that are not Unicode are left out.
    pub variables: BTreeMap<String, String>,
    /// Where the credentials of a pod's service account are mounted. Empty: this is not a pod.
    pub pod_folder: PathBuf,
    /// The current folder, which relative paths start from.
    pub folder: PathBuf,
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// Whether standard input is a terminal, so that somebody can be asked.
    pub stdin_is_terminal: bool,
    /// What can be read from standard input.
    pub stdin: Stdin,
}

/// Standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    #[default]
    Empty,
    /// That of this process; read only where the command line says so.
    OfProcess,
    /// A text.
    Text(String),
}

impl Stdin {
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Self::Empty => Ok(Box::new(io::empty())),
            Self::Text(text) => Ok(Box::new(text.as_bytes())),
            Self::OfProcess if io::stdin().is_terminal() => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a terminal; send a file to it"))
            }
            Self::OfProcess => Ok(Box::new(io::stdin())),
        }
    }

    /// One line that somebody types.
    pub(crate) fn line(&self) -> io::Result<String> {
        let mut line = String::new();
        match self {
            Self::Empty => {}
            Self::Text(text) => line.push_str(text.lines().next().unwrap_or_default()),
            Self::OfProcess => drop(io::stdin().read_line(&mut line)?),
        }
        Ok(line)
    }
}

impl Environment {
    /// The surroundings of this process.
    pub fn of_process() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        Self {
            variables: variables.collect(),
            pod_folder: PathBuf::from(POD_FOLDER),
            folder: std::env::current_dir().unwrap_or_default(),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            stdin_is_terminal: io::stdin().is_terminal(),
            stdin: Stdin::OfProcess,
        }
    }

    /// A variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A path as seen from the current folder.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// The files that kubectl would read: those of KUBECONFIG, else `~/.kube/config`.
    pub(crate) fn kubeconfigs(&self) -> Vec<PathBuf> {
        if let Some(list) = self.variable("KUBECONFIG") {
            return std::env::split_paths(list)
                .filter(|path| !path.as_os_str().is_empty())
                .map(|path| self.path(&path))
                .collect();
        }
        let home = self.variable("HOME").or_else(|| self.variable("USERPROFILE"));
        home.map(|home| Path::new(home).join(".kube").join("config")).into_iter().collect()
    }

    /// The token of the pod that this is, if it is one and has a token: `automountServiceAccountToken` may be off.
    pub(crate) fn pod_token(&self) -> Option<String> {
        self.variable("KUBERNETES_SERVICE_HOST")?;
        std::fs::read_to_string(self.pod_folder.join("token")).ok()
    }

    /// Whether text in colour is wanted on a stream, if nothing was said (no-color.org).
    pub(crate) fn takes_colour(&self, terminal: bool) -> bool {
        terminal && self.variable("NO_COLOR").is_none() && self.variable("TERM") != Some("dumb")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Environment {
        let variables = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Environment { variables, folder: PathBuf::from("/folder"), ..Environment::default() }
    }

    #[test]
    fn kubeconfigs_are_those_of_kubectl() {
        let paths = |pairs: &[(&str, &str)]| with(pairs).kubeconfigs();
        assert_eq!(paths(&[("KUBECONFIG", "a:/b"), ("HOME", "/home/x")]), [Path::new("/folder/a"), Path::new("/b")]);
        assert_eq!(paths(&[("KUBECONFIG", ""), ("HOME", "/home/x")]), [Path::new("/home/x/.kube/config")]);
        assert!(paths(&[]).is_empty());
    }

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        assert!(with(&[]).takes_colour(true) && !with(&[]).takes_colour(false));
        assert!(!with(&[("NO_COLOR", "1")]).takes_colour(true) && with(&[("NO_COLOR", "")]).takes_colour(true));
        assert!(!with(&[("TERM", "dumb")]).takes_colour(true));
    }
}
