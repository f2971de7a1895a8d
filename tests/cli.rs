//! The program as its users see it: lines in; streams and exit out. In memory, in a folder of its own, with nothing of the
//! surroundings of whoever runs the tests.

mod bad_input;
mod batch;
mod completion;
mod eksctl;
mod failures;
mod flow;
mod gen3;
mod help;
mod hints;
mod json;
mod streams;
mod trust;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use irsa_cli::{Connect, Live, Process, Stdin};
use irsa_core::backend::ConfigMapReader;
use irsa_core::connect::{Environment, Target};
use irsa_core::name::ClusterRef;
use irsa_core::{Client, Result, Sandbox};
use serde_json::Value;
use tempfile::TempDir;

/// A shell with a sandbox in memory behind `irsa`, on whose cluster `sandbox` everything is done.
struct Shell {
    folder: TempDir,
    sandbox: Sandbox,
    process: Process,
    interrupted: bool,
}

/// What a line gave. Its `Display` is what snapshots hold.
#[must_use = "look at what came of it"]
struct Ran {
    code: u8,
    stdout: String,
    stderr: String,
}

impl Shell {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut environment = Environment::default().with_directory(folder.path());
        environment.variables.insert("IRSA_CLUSTER".to_owned(), "sandbox".to_owned());
        let process = Process { environment, ..Process::default() };
        Self { folder, sandbox: Sandbox::new(), process, interrupted: false }
    }

    /// Sets a variable, or takes it away where the value is empty.
    fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.process.environment.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A shell with a sandbox that holds this state.
    fn with_sandbox(mut self, state: &str) -> Self {
        self.sandbox = Sandbox::from_state(serde_json::from_str(state).unwrap()).unwrap();
        self
    }

    /// A shell whose user presses Ctrl-C while AWS keeps silent.
    fn interrupted(mut self) -> Self {
        self.interrupted = true;
        self
    }

    /// Sends a text to standard input.
    fn with_stdin(mut self, text: String) -> Self {
        self.process.stdin = Stdin::Text(text);
        self
    }

    /// Writes a file into the current folder.
    fn with_file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(name), content).unwrap();
        self
    }

    /// Runs `irsa` with these words, on the sandbox in memory.
    fn run(&self, line: &str) -> Ran {
        self.run_with(&InMemory { sandbox: self.sandbox.clone(), silent: self.interrupted }, line)
    }

    /// Runs a program of another name with these words, which may hold white space.
    fn run_words(&self, words: &[&str]) -> Ran {
        let connect = InMemory { sandbox: self.sandbox.clone(), silent: self.interrupted };
        self.run_each(&connect, words.iter().copied())
    }

    /// Runs `irsa` with these words, with the back ends of the program itself.
    fn run_live(&self, line: &str) -> Ran {
        self.run_with(&Live, line)
    }

    fn run_with(&self, connect: &dyn Connect, line: &str) -> Ran {
        self.run_each(connect, std::iter::once("irsa").chain(line.split_whitespace()))
    }

    fn run_each<'a>(&self, connect: &dyn Connect, words: impl IntoIterator<Item = &'a str>) -> Ran {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let exit = irsa_cli::run(words, &self.process, connect, &mut stdout, &mut stderr);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&self.place(), "[FOLDER]");
        Ran { code: exit.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn place(&self) -> String {
        self.path().display().to_string()
    }
}

impl Ran {
    /// Standard output as the one JSON document that it must be.
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}\n-- stdout\n{}-- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

#[derive(Debug)]
struct InMemory {
    sandbox: Sandbox,
    silent: bool,
}

#[async_trait]
impl Connect for InMemory {
    async fn connect(&self, _: &Environment, target: &Target, servers: &[ClusterRef]) -> Result<Client> {
        if self.silent {
            std::future::pending::<()>().await;
        }
        let back_end = Arc::new(self.sandbox.clone());
        let client = Client::new(back_end.clone(), back_end).with_timeout(target.timeout);
        Ok(servers.iter().fold(client, |client, cluster| {
            client.with_cluster(cluster.clone(), Arc::new(self.sandbox.cluster(cluster)))
        }))
    }

    async fn server(&self, _: &Environment, _: &Target) -> Result<Arc<dyn ConfigMapReader>> {
        Ok(Arc::new(self.sandbox.default_cluster()))
    }

    async fn interrupted(&self) {
        if !self.silent {
            std::future::pending::<()>().await;
        }
    }
}
