//! Options of every command, before or after its name.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use crate::connect::{DEFAULT_SANDBOX_FILE, Options};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document, also on failure.
    Json,
    /// YAML; of `export` only, where it is the default.
    Yaml,
    /// SARIF 2.1.0, for code scanning; of `trust audit` only.
    Sarif,
}

/// When text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Cluster by name or ARN [env: IRSA_CLUSTER] [default: that of the current kubeconfig context, if an EKS one]
    #[arg(long, global = true, value_name = "NAME|ARN", display_order = 100)]
    pub(crate) cluster: Option<String>,

    /// AWS region
    #[arg(long, global = true, display_order = 101)]
    pub(crate) region: Option<String>,

    /// AWS profile
    #[arg(long, global = true, display_order = 102)]
    pub(crate) profile: Option<String>,

    /// URL that takes all calls to AWS
    #[arg(long, global = true, value_name = "URL", display_order = 103)]
    pub(crate) endpoint_url: Option<String>,

    /// Kubeconfig file [default: KUBECONFIG, ~/.kube/config, in-cluster, else through EKS]
    #[arg(long, global = true, value_name = "FILE", display_order = 104)]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig [default: the one that belongs to the cluster]
    #[arg(long, global = true, value_name = "NAME", display_order = 105)]
    pub(crate) context: Option<String>,

    /// Issuer of the cluster's tokens, with --account in place of asking EKS
    #[arg(long, global = true, value_name = "URL", display_order = 106)]
    pub(crate) issuer: Option<String>,

    /// Account of the roles, with --issuer
    #[arg(long, global = true, value_name = "ID", display_order = 107)]
    pub(crate) account: Option<String>,

    /// Use no AWS and no cluster, but a sandbox kept in FILE [default file: irsa-sandbox.json]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = DEFAULT_SANDBOX_FILE,
        display_order = 108
    )]
    pub(crate) sandbox: Option<PathBuf>,

    /// Longest time for one binding, such as 90s or 5m
    #[arg(long, global = true, value_name = "DURATION", default_value = "2m", value_parser = duration, display_order = 109)]
    pub(crate) timeout: Duration,

    /// Output: text or json; of trust audit also sarif, of export yaml
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        display_order = 110
    )]
    pub(crate) output: OutputFormat,

    /// Print results and errors only
    #[arg(short, long, global = true, display_order = 111)]
    pub(crate) quiet: bool,

    /// Log to standard error; twice for every call
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 112)]
    pub(crate) verbose: u8,

    /// Colour: auto, always or never
    #[arg(
        long = "color",
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        display_order = 113
    )]
    pub(crate) colour: Colour,
}

impl Global {
    /// What the options say of where the work is done.
    pub(crate) fn options(&self) -> Options {
        Options {
            cluster: self.cluster.clone(),
            region: self.region.clone(),
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            issuer: self.issuer.clone(),
            account: self.account.clone(),
            sandbox: self.sandbox.clone(),
            timeout: Some(self.timeout),
            max_connections: None,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than nothing".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; such as 90s or 5m")),
    }
}
