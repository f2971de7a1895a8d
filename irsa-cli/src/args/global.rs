//! Global options, accepted before or after the command.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use irsa_core::connect::Config;

/// The file of the sandbox, if none is named.
pub(crate) const DEFAULT_SANDBOX_FILE: &str = "irsa-sandbox.json";

/// Output format of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document, also on failure.
    Json,
    /// YAML, for `export` only, where it is the default.
    Yaml,
    /// SARIF 2.1.0 for code scanning, for `trust audit` only.
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
    /// Cluster name or ARN [env: IRSA_CLUSTER] [default: the EKS cluster of the current kubeconfig context]
    #[arg(long, global = true, value_name = "NAME|ARN", display_order = 100)]
    pub(crate) cluster: Option<String>,

    /// AWS region
    #[arg(long, global = true, display_order = 101)]
    pub(crate) region: Option<String>,

    /// AWS profile
    #[arg(long, global = true, display_order = 102)]
    pub(crate) profile: Option<String>,

    /// Endpoint URL to use for all AWS calls
    #[arg(long, global = true, value_name = "URL", display_order = 103)]
    pub(crate) endpoint_url: Option<String>,

    /// Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, in-cluster, or else through EKS]
    #[arg(long, global = true, value_name = "FILE", display_order = 104)]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Kubeconfig context [default: the one that belongs to the cluster]
    #[arg(long, global = true, value_name = "NAME", display_order = 105)]
    pub(crate) context: Option<String>,

    /// OIDC issuer URL of the cluster; with --account, skips the EKS lookup
    #[arg(long, global = true, value_name = "URL", display_order = 106)]
    pub(crate) issuer: Option<String>,

    /// AWS account of the roles; used with --issuer
    #[arg(long, global = true, value_name = "ID", display_order = 107)]
    pub(crate) account: Option<String>,

    /// Run against a local sandbox stored in FILE instead of AWS and a cluster [default file: irsa-sandbox.json]
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

    /// Time limit for one binding, such as 90s or 5m
    #[arg(long, global = true, value_name = "DURATION", default_value = "2m", value_parser = duration, display_order = 109)]
    pub(crate) timeout: Duration,

    /// Output format: text or json; also yaml (export) and sarif (trust audit)
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

    /// Print only results and errors
    #[arg(short, long, global = true, display_order = 111)]
    pub(crate) quiet: bool,

    /// Log to stderr; repeat (-vv) to log every API call
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 112)]
    pub(crate) verbose: u8,

    /// Color the output: auto, always or never
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
    /// The options that choose the AWS account and the clusters.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.cluster = self.cluster.clone();
        config.region = self.region.clone();
        config.profile = self.profile.clone();
        config.endpoint_url = self.endpoint_url.clone();
        config.kubeconfig = self.kubeconfig.clone();
        config.context = self.context.clone();
        config.issuer = self.issuer.clone();
        config.account = self.account.clone();
        config.sandbox = self.sandbox.clone();
        config.timeout = Some(self.timeout);
        config
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than 0s".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; expected a duration such as 90s or 5m")),
    }
}
