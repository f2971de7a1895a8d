//! Credential plug-ins that make tokens for EKS: for which cluster, and with which AWS credentials.

use std::fmt;

use ::kube::config::{ExecConfig, Kubeconfig};
use secrecy::SecretString;

use crate::name::{ClusterName, Region, RoleArn};

/// The credential plug-in of a context.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ContextPlugin {
    /// The program that is run.
    pub command: String,
    /// What it would sign a token with, where it is `aws eks get-token` or `aws-iam-authenticator token` itself; else why
    /// that cannot be told, to be put behind "it".
    pub token: Result<EksTokenRequest, String>,
}

/// The token that a plug-in makes for an EKS cluster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EksTokenRequest {
    /// The cluster that the token is for.
    pub cluster: ClusterName,
    /// The region that the plug-in is given.
    pub region: Option<Region>,
    /// The credentials that sign it, or assume the role that does.
    pub credentials: PluginCredentials,
    /// The role that is assumed first.
    pub role: Option<PluginRole>,
}

/// The AWS credentials that a plug-in begins with.
#[derive(Clone)]
#[non_exhaustive]
pub enum PluginCredentials {
    /// Those that the environment gives to any program.
    Environment,
    /// Those of a profile, whatever the environment holds (`--profile`).
    Profile(String),
    /// Those of a profile, unless the environment holds access keys (`AWS_PROFILE`).
    ProfileUnlessKeys(String),
    /// Access keys that the kubeconfig holds.
    Keys {
        /// The id of the access key.
        id: String,
        /// The secret.
        secret: SecretString,
        /// The session token, for temporary keys.
        session_token: Option<SecretString>,
    },
}

impl fmt::Debug for PluginCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::Environment => "Environment".to_owned(),
            Self::Profile(name) => format!("Profile({name:?})"),
            Self::ProfileUnlessKeys(name) => format!("ProfileUnlessKeys({name:?})"),
            Self::Keys { .. } => "Keys".to_owned(),
        })
    }
}

/// A role that a plug-in assumes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginRole {
    /// The ARN.
    pub arn: RoleArn,
    /// The name of the session.
    pub session_name: String,
    /// The external id, where one is given.
    pub external_id: Option<String>,
}

/// Variables that lead to other credentials than the environment of this process does.
const OTHER_SOURCES: [&str; 7] = [
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "HOME",
];

/// The session name that awscli gives (`eks/get_token.py`).
const AWSCLI_SESSION: &str = "EKSGetTokenAuth";
/// aws-iam-authenticator leaves the name to the SDK, which counts seconds.
const AUTHENTICATOR_SESSION: &str = "aws-iam-authenticator";

/// The credential plug-in of a context; nothing where it has none, or other credentials that are taken first.
pub fn plugin_of_context(kubeconfig: &Kubeconfig, context: &str) -> Option<ContextPlugin> {
    let user = kubeconfig.contexts.iter().find(|named| named.name == context)?.context.as_ref()?.user.as_ref()?;
    let auth = kubeconfig.auth_infos.iter().find(|named| named.name == *user)?.auth_info.as_ref()?;
    if super::connect::has_other_credentials(auth) {
        return None;
    }
    let exec = auth.exec.as_ref()?;
    let command = exec.command.clone()?;
    Some(ContextPlugin { command, token: EksTokenRequest::of(exec) })
}

/// The arguments of a program that makes tokens.
struct Invocation<'a> {
    is_awscli: bool,
    /// Whether another program runs it, such as `aws-vault exec PROFILE -- aws ...`.
    is_wrapped: bool,
    arguments: Vec<&'a str>,
}

impl<'a> Invocation<'a> {
    fn of(exec: &'a ExecConfig) -> Option<Self> {
        let words: Vec<&str> = exec.command.iter().chain(exec.args.iter().flatten()).map(String::as_str).collect();
        let program = |word: &'a str| word.rsplit(['/', '\\']).next().unwrap_or(word).trim_end_matches(".exe");
        let at = words
            .iter()
            .position(|word| matches!(program(word), "aws" | "aws-iam-authenticator" | "heptio-authenticator-aws"))?;
        let is_awscli = program(words[at]) == "aws";
        let made = Self { is_awscli, is_wrapped: at > 0, arguments: words[at + 1..].to_vec() };
        let place = |wanted: &str| made.arguments.iter().position(|word| *word == wanted);
        let makes_tokens = if is_awscli { place("eks")? < place("get-token")? } else { place("token").is_some() };
        makes_tokens.then_some(made)
    }

    /// The value of an option, `--name value` or `--name=value`; the last one counts.
    fn option(&self, names: &[&str]) -> Option<&'a str> {
        let words = &self.arguments;
        let mut given = words.iter().enumerate().filter_map(|(at, word)| {
            let (name, value) = word.split_once('=').map_or((*word, None), |(name, value)| (name, Some(value)));
            names.contains(&name).then(|| value.or_else(|| words.get(at + 1).copied()))?
        });
        given.next_back()
    }
}

/// The value of a variable that the kubeconfig gives to a plug-in.
fn variable<'a>(exec: &'a ExecConfig, name: &str) -> Option<&'a str> {
    let set = exec.env.iter().flatten().rfind(|set| set.get("name").is_some_and(|set| set == name))?;
    set.get("value").map(String::as_str).filter(|value| !value.is_empty())
}

/// The cluster that a plug-in asks a token for, directly or behind a wrapper, and its region:
/// `aws eks get-token --cluster-name X` or `aws-iam-authenticator token -i X`.
pub(super) fn cluster_of(exec: &ExecConfig) -> Option<(ClusterName, Option<Region>)> {
    let invocation = Invocation::of(exec)?;
    let names: &[&str] = if invocation.is_awscli { &["--cluster-name"] } else { &["-i", "--cluster-id"] };
    let name = ClusterName::new(invocation.option(names)?).ok()?;
    let region = invocation.option(&["--region"]);
    let region = region.or_else(|| variable(exec, "AWS_REGION")).or_else(|| variable(exec, "AWS_DEFAULT_REGION"));
    Some((name, region.and_then(|region| Region::new(region).ok())))
}

impl EksTokenRequest {
    /// What a plug-in would do, or why that cannot be told.
    fn of(exec: &ExecConfig) -> Result<Self, String> {
        let (Some(invocation), Some((cluster, region))) = (Invocation::of(exec), cluster_of(exec)) else {
            return Err("is not known to make tokens for EKS".to_owned());
        };
        if invocation.is_wrapped {
            return Err("decides itself which AWS credentials it uses".to_owned());
        }
        if let Some(name) = OTHER_SOURCES.into_iter().find(|name| variable(exec, name).is_some()) {
            return Err(format!("takes its AWS credentials from elsewhere: the kubeconfig sets {name}"));
        }
        let credentials = match invocation.option(&["--profile"]).filter(|_| invocation.is_awscli) {
            Some(profile) => PluginCredentials::Profile(profile.to_owned()),
            None => Self::of_variables(exec)?,
        };
        let role = invocation.option(if invocation.is_awscli { &["--role-arn"] } else { &["-r", "--role"] });
        let role = match role.filter(|arn| !arn.is_empty()) {
            None => None,
            Some(arn) => {
                let arn = arn.parse().map_err(|_| format!("assumes {arn:?}, which is not the ARN of a role"))?;
                let of_authenticator = |names: &[&str]| invocation.option(names).filter(|_| !invocation.is_awscli);
                let default = if invocation.is_awscli { AWSCLI_SESSION } else { AUTHENTICATOR_SESSION };
                let session_name = of_authenticator(&["-s", "--session-name"]).unwrap_or(default).to_owned();
                let external_id = of_authenticator(&["-e", "--external-id"]).map(str::to_owned);
                Some(PluginRole { arn, session_name, external_id })
            }
        };
        Ok(Self { cluster, region, credentials, role })
    }

    /// In the order of botocore and the SDK for Go: access keys, then the profile.
    fn of_variables(exec: &ExecConfig) -> Result<PluginCredentials, String> {
        match (variable(exec, "AWS_ACCESS_KEY_ID"), variable(exec, "AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => {
                let session_token = variable(exec, "AWS_SESSION_TOKEN").map(SecretString::from);
                return Ok(PluginCredentials::Keys { id: id.to_owned(), secret: secret.into(), session_token });
            }
            (None, None) => {}
            _ => return Err("has only half of an access key in the kubeconfig".to_owned()),
        }
        let profile = variable(exec, "AWS_PROFILE").or_else(|| variable(exec, "AWS_DEFAULT_PROFILE"));
        Ok(match profile {
            Some(profile) => PluginCredentials::ProfileUnlessKeys(profile.to_owned()),
            None => PluginCredentials::Environment,
        })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/admin";

    fn exec(command: &str, args: &str, env: &[(&str, &str)]) -> ExecConfig {
        let env: Vec<_> = env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let args: Vec<&str> = args.split_whitespace().collect();
        serde_json::from_value(json!({"command": command, "args": args, "env": env})).unwrap()
    }

    fn asked(command: &str, args: &str, env: &[(&str, &str)]) -> Result<EksTokenRequest, String> {
        EksTokenRequest::of(&exec(command, args, env))
    }

    #[test]
    fn the_credentials_are_those_that_the_plugin_would_use() {
        let get = "eks get-token --cluster-name demo";
        for (args, env, credentials) in [
            (get, &[][..], "Environment"),
            ("--profile dev eks get-token --cluster-name demo", &[("AWS_PROFILE", "other")], "Profile(\"dev\")"),
            ("eks get-token --cluster-name demo --profile=dev", &[("AWS_ACCESS_KEY_ID", "half")], "Profile(\"dev\")"),
            (get, &[("AWS_PROFILE", "dev")], "ProfileUnlessKeys(\"dev\")"),
            (get, &[("AWS_DEFAULT_PROFILE", "dev")], "ProfileUnlessKeys(\"dev\")"),
            (get, &[("AWS_PROFILE", "")], "Environment"),
            (get, &[("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t")], "Keys"),
        ] {
            let found = asked("aws", args, env).unwrap();
            assert_eq!(format!("{:?}", found.credentials), credentials, "{args} {env:?}");
            assert_eq!((found.cluster.as_str(), found.role), ("demo", None));
            assert!(!format!("{:?}", found.credentials).contains("s3cr3t"));
        }
        let env = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S"), ("AWS_SESSION_TOKEN", "T")];
        let PluginCredentials::Keys { id, secret, session_token } = asked("aws", get, &env).unwrap().credentials else {
            unreachable!()
        };
        let session_token = session_token.unwrap();
        assert_eq!((id.as_str(), secret.expose_secret(), session_token.expose_secret()), ("A", "S", "T"));
    }

    #[test]
    fn role_and_region_are_taken_into_account() {
        let role = |session: &str, external: Option<&str>| {
            Some(PluginRole {
                arn: ROLE.parse().unwrap(),
                session_name: session.to_owned(),
                external_id: external.map(str::to_owned),
            })
        };
        let get = format!("eks get-token --region eu-west-1 --cluster-name demo --role-arn {ROLE}");
        let found = asked("/usr/local/bin/aws", &get, &[]).unwrap();
        assert_eq!(found.role, role("EKSGetTokenAuth", None));
        assert_eq!(found.region.map(String::from).as_deref(), Some("eu-west-1"));
        let found = asked("aws-iam-authenticator", &format!("token -i demo -r {ROLE}"), &[("AWS_REGION", "eu-west-1")]);
        let found = found.unwrap();
        assert_eq!(found.role, role("aws-iam-authenticator", None));
        assert_eq!(found.region.map(String::from).as_deref(), Some("eu-west-1"));
        let all = format!("token --cluster-id demo --role={ROLE} -s me --external-id x");
        assert_eq!(asked("aws-iam-authenticator.exe", &all, &[]).unwrap().role, role("me", Some("x")));
        assert_eq!(asked("aws-iam-authenticator", "token -i demo", &[]).unwrap().role, None);
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        let get = "eks get-token --cluster-name demo";
        for (command, args, env, why) in [
            ("aws-vault", "exec dev -- aws eks get-token --cluster-name demo", &[][..], "decides itself"),
            ("kubelogin", "get-token", &[], "is not known to make tokens for EKS"),
            ("aws", "eks get-token --cluster-id 0f0f", &[], "is not known to make tokens for EKS"),
            ("aws", get, &[("AWS_CONFIG_FILE", "/x")], "the kubeconfig sets AWS_CONFIG_FILE"),
            ("aws", get, &[("AWS_ROLE_ARN", ROLE)], "the kubeconfig sets AWS_ROLE_ARN"),
            ("aws", get, &[("AWS_ACCESS_KEY_ID", "A")], "only half of an access key"),
            ("aws", "eks get-token --cluster-name demo --role-arn admin", &[], "not the ARN of a role"),
        ] {
            let error = asked(command, args, env).unwrap_err();
            assert!(error.contains(why), "{command} {args}: {error}");
        }
    }

    #[test]
    fn a_context_has_the_plugin_of_its_user() {
        let kubeconfig: Kubeconfig = serde_json::from_value(json!({
            "contexts": [
                {"name": "a", "context": {"cluster": "c", "user": "exec"}},
                {"name": "b", "context": {"cluster": "c", "user": "token"}},
                {"name": "c", "context": {"cluster": "c", "user": "none"}},
                {"name": "d", "context": {"cluster": "c"}},
            ],
            "users": [
                {"name": "exec", "user": {"exec": {"command": "aws", "args": ["eks", "get-token", "--cluster-name", "demo"]}}},
                {"name": "token", "user": {"exec": {"command": "aws"}, "token": "t"}},
            ],
        }))
        .unwrap();
        let found = plugin_of_context(&kubeconfig, "a").unwrap();
        assert_eq!((found.command.as_str(), found.token.unwrap().cluster.as_str()), ("aws", "demo"));
        for other in ["b", "c", "d", "e"] {
            assert!(plugin_of_context(&kubeconfig, other).is_none(), "{other}");
        }
    }
}
