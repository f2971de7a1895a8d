//! A ClusterConfig of eksctl, as far as it declares bindings: `iam.serviceAccounts`. What else it holds is for eksctl; what
//! concerns bindings and cannot be honoured is named.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::document::Document;
use super::or_default;
use super::places::{WHOLE, parts};
use super::read::{Declared, ManifestFile};
use super::well_known::WellKnownPolicies;
use crate::binding::IrsaBinding;
use crate::error::{Error, Result};
use crate::name::{ClusterRef, Partition, Region, RoleArn};

/// The name of the inline policy that `attachPolicy` becomes.
const ATTACHED: &str = "attachPolicy";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterConfig {
    metadata: ClusterMetadata,
    #[serde(default, deserialize_with = "or_default")]
    iam: ClusterIam,
    #[serde(default, deserialize_with = "or_default")]
    addons: Vec<Addon>,
}

#[derive(Debug, Deserialize)]
struct ClusterMetadata {
    name: String,
    region: Option<String>,
}

/// Strict, since a misspelt `serviceAccounts` would declare nothing: all keys that eksctl knows.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct ClusterIam {
    #[serde(deserialize_with = "or_default")]
    service_accounts: Vec<Spanned<Entry>>,
    #[serde(deserialize_with = "or_default")]
    pod_identity_associations: Vec<IgnoredAny>,
    #[serde(rename = "withOIDC")]
    _with_oidc: Option<IgnoredAny>,
    #[serde(rename = "serviceRoleARN")]
    _service_role_arn: Option<IgnoredAny>,
    #[serde(rename = "serviceRolePermissionsBoundary")]
    _service_role_permissions_boundary: Option<IgnoredAny>,
    #[serde(rename = "fargatePodExecutionRoleARN")]
    _fargate_role_arn: Option<IgnoredAny>,
    #[serde(rename = "fargatePodExecutionRolePermissionsBoundary")]
    _fargate_role_permissions_boundary: Option<IgnoredAny>,
    #[serde(rename = "autoCreatePodIdentityAssociations")]
    _auto_create_pod_identity_associations: Option<IgnoredAny>,
    #[serde(rename = "vpcResourceControllerPolicy")]
    _vpc_resource_controller_policy: Option<IgnoredAny>,
}

/// An addon, as far as it can ask for a role of its service account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addon {
    name: String,
    #[serde(rename = "attachPolicyARNs")]
    attach_policy_arns: Option<IgnoredAny>,
    attach_policy: Option<IgnoredAny>,
    well_known_policies: Option<IgnoredAny>,
    #[serde(rename = "serviceAccountRoleARN")]
    service_account_role_arn: Option<IgnoredAny>,
}

impl Addon {
    fn wants_role(&self) -> bool {
        [&self.attach_policy_arns, &self.attach_policy, &self.well_known_policies, &self.service_account_role_arn]
            .into_iter()
            .any(Option::is_some)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    metadata: EntryMetadata,
    #[serde(default, rename = "attachPolicyARNs", deserialize_with = "or_default")]
    attach_policy_arns: Vec<String>,
    attach_policy: Option<Value>,
    #[serde(rename = "attachRoleARN")]
    attach_role_arn: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    well_known_policies: WellKnownPolicies,
    permissions_boundary: Option<String>,
    role_name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    role_only: bool,
    #[serde(default, deserialize_with = "or_default")]
    tags: BTreeMap<String, String>,
    subject_pattern: Option<String>,
    /// What eksctl writes; it declares nothing.
    #[serde(default, rename = "status")]
    _status: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryMetadata {
    name: String,
    namespace: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    annotations: BTreeMap<String, String>,
}

impl EntryMetadata {
    fn namespace(&self) -> String {
        given(&self.namespace).map_or_else(super::default_namespace, str::to_owned)
    }
}

/// What a key says; eksctl takes an empty text for none.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// Refuses what can only be a misspelt `iam`: other keys are eksctl's.
fn check_keys(document: &Document<'_>) -> Result<()> {
    let keys: BTreeMap<String, IgnoredAny> = document.parse()?;
    let misspelt = |key: &str| key != "iam" && strsim::osa_distance(&key.to_ascii_lowercase(), "iam") <= 1;
    match keys.keys().find(|key| misspelt(key)) {
        Some(key) => {
            let place = document.place_of(key, &WHOLE);
            Err(place.refused(format!("key {key:?} is not known")).with_hint("did you mean iam?"))
        }
        None => Ok(()),
    }
}

/// Reads the bindings of a ClusterConfig.
pub(super) fn read(document: &Document<'_>, read: &mut ManifestFile) -> Result<()> {
    check_keys(document)?;
    let config: ClusterConfig = document.parse()?;
    let cluster: Result<ClusterRef> = config.metadata.name.parse();
    cluster.map_err(|error| document.placed(error, &WHOLE))?;
    let region = config.metadata.region.map(Region::new).transpose().map_err(|error| document.placed(error, &WHOLE))?;
    if let (Some(one), Some(other)) = (&read.region, &region)
        && one != other
    {
        let error = Error::invalid("region", other.as_str(), format!("an earlier document of the file says {one}"));
        return Err(document.placed(error.with_hint("put clusters of different regions into different files"), &WHOLE));
    }
    let partition =
        region.as_ref().map_or_else(|| Partition::of_region(""), |region| Partition::of_region(region.as_str()));
    read.region = read.region.take().or(region);
    if !config.iam.pod_identity_associations.is_empty() {
        let place = document.place_of("podIdentityAssociations", &WHOLE);
        read.ignored.push(format!("{place}: podIdentityAssociations are not IRSA, and are left to eksctl"));
    }
    for addon in config.addons.iter().filter(|addon| addon.wants_role()) {
        let place = document.place_of(&addon.name, &WHOLE);
        read.ignored.push(format!("{place}: the role of addon {} is left to eksctl", addon.name));
    }
    let entries = &config.iam.service_accounts;
    for (Spanned { value: entry, .. }, part) in entries.iter().zip(parts(entries)) {
        let place = document.place_of(&entry.metadata.name, &part);
        let binding =
            entry.binding(&config.metadata.name, &partition).map_err(|error| document.placed(error, &part))?;
        let eksctl = |key: &&String| key.starts_with("alpha.eksctl.io/") || key.starts_with("aws:");
        for key in entry.tags.keys().filter(eksctl) {
            read.ignored.push(format!("{place}: tag {key} is written by eksctl and CloudFormation only"));
        }
        if given(&entry.subject_pattern).is_some() {
            read.ignored.push(format!(
                "{place}: besides subjectPattern the service account {}/{} itself is let in",
                entry.metadata.namespace(),
                entry.metadata.name
            ));
        }
        let existing_role = given(&entry.attach_role_arn).map(str::parse::<RoleArn>).transpose()?;
        let made_by_eksctl = given(&entry.role_name).is_none() && existing_role.is_none();
        read.bindings.push(Declared { binding, place, made_by_eksctl, existing_role });
    }
    Ok(())
}

impl Entry {
    fn binding(&self, cluster: &str, partition: &Partition) -> Result<IrsaBinding> {
        let EntryMetadata { name, labels, annotations, .. } = &self.metadata;
        let namespace = self.metadata.namespace();
        let mut builder = IrsaBinding::builder(cluster, &namespace, name).with_role_only(self.role_only);
        if let Some(arn) = given(&self.attach_role_arn) {
            let arn: RoleArn = arn.parse()?;
            let further = [
                ("roleName", given(&self.role_name).is_some()),
                ("attachPolicyARNs", !self.attach_policy_arns.is_empty()),
                ("attachPolicy", self.attach_policy.is_some()),
                ("wellKnownPolicies", self.well_known_policies != WellKnownPolicies::default()),
                ("permissionsBoundary", given(&self.permissions_boundary).is_some()),
                ("subjectPattern", given(&self.subject_pattern).is_some()),
            ];
            // As eksctl has it: such a role is somebody else's, and only the account is annotated.
            if let Some((key, _)) = further.into_iter().find(|(_, given)| *given) {
                return Err(Error::invalid("attachRoleARN", arn.to_string(), format!("contradicts {key}")));
            }
            builder = builder.with_role_name(arn.name().as_str()).with_role_path(arn.path().as_str());
        }
        if let Some(role) = given(&self.role_name) {
            builder = builder.with_role_name(role);
        }
        if let Some(boundary) = given(&self.permissions_boundary) {
            builder = builder.with_permissions_boundary(boundary);
        }
        for policy in &self.attach_policy_arns {
            builder = builder.with_policy(policy);
        }
        for policy in self.well_known_policies.managed() {
            builder = builder.with_policy(policy);
        }
        for (name, document) in self.well_known_policies.inline(partition) {
            builder = builder.with_inline_document(name, document);
        }
        if let Some(document) = &self.attach_policy {
            builder = builder.with_inline_document(ATTACHED, document.clone());
        }
        if let Some(pattern) = given(&self.subject_pattern) {
            builder = builder.with_subject(format!("{namespace}/{pattern}"));
        }
        let own = |key: &&String| !key.starts_with("alpha.eksctl.io/") && !key.starts_with("aws:");
        for (key, value) in self.tags.iter().filter(|(key, _)| own(key)) {
            builder = builder.with_tag(key, value);
        }
        for (key, value) in labels {
            builder = builder.with_label(key, value);
        }
        for (key, value) in annotations {
            builder = builder.with_annotation(key, value);
        }
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use crate::error::Error;
    use crate::hint::Hint;

    const CONFIG: &str = r#"
apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {name: demo, region: us-gov-west-1, version: "1.31"}
nodeGroups: [{name: ng, instanceType: m5.large}]
iam:
  withOIDC: true
  podIdentityAssociations: [{namespace: a, serviceAccountName: b}]
  serviceAccounts:
    - metadata: {name: s3-reader, namespace: jobs, labels: {aws-usage: application}}
      attachPolicyARNs: ["arn:aws-us-gov:iam::aws:policy/AmazonS3ReadOnlyAccess"]
      tags: {Owner: me, alpha.eksctl.io/cluster-name: demo}
    - metadata: {name: everything}
      wellKnownPolicies:
        {imageBuilder: true, autoScaler: true, awsLoadBalancerController: true, externalDNS: true, certManager: true,
        ebsCSIController: true, efsCSIController: true}
      roleName: everything
      permissionsBoundary: arn:aws-us-gov:iam::123456789012:policy/boundary
      subjectPattern: "job-*"
    - metadata: {name: inline, annotations: {a/b: c}}
      attachPolicy: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}
      roleOnly: false
      status: {roleARN: arn:aws-us-gov:iam::123456789012:role/x}
    - metadata: {name: attached, namespace: jobs}
      attachRoleARN: arn:aws-us-gov:iam::123456789012:role/made/by-hand
    - metadata: {name: too, namespace: jobs}
      attachRoleARN: arn:aws-us-gov:iam::123456789012:role/made/by-hand
"#;

    fn no_file(path: &str) -> crate::Result<String> {
        Err(Error::invalid("file", path, "is not there"))
    }

    #[test]
    fn a_cluster_config_is_read_as_it_is() {
        let read = read("c.yaml", CONFIG, None, &no_file).unwrap();
        assert_eq!(read.region.as_ref().map(ToString::to_string).as_deref(), Some("us-gov-west-1"));
        let [reader, everything, inline, attached, too] = &read.bindings[..] else { panic!("{read:?}") };
        assert_eq!(
            (reader.binding.to_string(), reader.binding.cluster.to_string()),
            ("jobs/s3-reader".into(), "demo".into())
        );
        assert_eq!((reader.binding.policies.len(), reader.binding.tags.len(), reader.made_by_eksctl), (1, 1, true));
        let binding = &everything.binding;
        assert_eq!((binding.policies.len(), binding.inline_policies.len(), binding.subjects.len()), (3, 4, 1));
        assert!(binding.permissions_boundary.is_some() && !everything.made_by_eksctl);
        assert!(inline.binding.inline_policies.keys().any(|name| name.as_str() == "attachPolicy"));
        let role = |role: &super::IrsaBinding| role.role_name.as_ref().map(ToString::to_string);
        assert_eq!((role(&attached.binding).as_deref(), attached.made_by_eksctl), (Some("by-hand"), false));
        assert_eq!(attached.existing_role.as_ref().map(|arn| arn.name().as_str()), Some("by-hand"));
        assert_eq!(too.existing_role, attached.existing_role);
        assert_eq!(attached.place.line, 24);
        let ignored = read.ignored.join("\n");
        for words in ["c.yaml:8:", "podIdentityAssociations", "tag alpha.eksctl.io/cluster-name", "subjectPattern"] {
            assert!(ignored.contains(words), "{words}: {ignored}");
        }
    }

    #[test]
    fn what_is_empty_is_not_said() {
        let head = "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: demo}\n";
        let count = |text: &str| read("c.yaml", &format!("{head}{text}"), None, &no_file).unwrap().bindings.len();
        assert_eq!(count("iam:\n"), 0);
        assert_eq!(count("iam:\n  serviceAccounts:\n"), 0);
        let entry = "iam:\n  serviceAccounts:\n  - metadata: {name: a, namespace: '', labels: , annotations: }\n    \
            attachPolicyARNs:\n    roleName: ''\n    permissionsBoundary: ''\n    tags:\n    attachRoleARN: ''\n";
        let read = read("c.yaml", &format!("{head}{entry}"), None, &no_file).unwrap();
        assert_eq!(read.bindings[0].binding.to_string(), "default/a");
        assert!(read.bindings[0].made_by_eksctl);
    }

    #[test]
    fn placeholders_are_named_where_they_are_written() {
        let head = "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: CLUSTER, region: us-west-2}\n\
            iam:\n  serviceAccounts:\n  - metadata: {name: app, namespace: NS}\n    attachPolicyARNs: [POLICY]\n";
        let (cluster, namespace, policy) = ("demo", "default", "arn:aws:iam::aws:policy/ReadOnlyAccess");
        let fill = |cluster: &str, namespace: &str, policy: &str| {
            head.replace("CLUSTER", cluster).replace("NS", namespace).replace("POLICY", policy)
        };
        assert!(read("c.yaml", &fill(cluster, namespace, policy), None, &no_file).is_ok());
        for (text, place, placeholder) in [
            (fill("\"${CLUSTER}\"", namespace, policy), "c.yaml:3:18:", "${CLUSTER}"),
            (fill(cluster, "\"{{ns}}\"", policy), "c.yaml:6:38:", "{{ns}}"),
            (fill(cluster, namespace, "arn:aws:iam::<account>:policy/x"), "c.yaml:7:24:", "<account>"),
        ] {
            let error = read("c.yaml", &text, None, &no_file).unwrap_err();
            assert!(error.to_string().starts_with(place), "{error}");
            assert_eq!(error.hint(), Some(&Hint::FillIn { placeholder: placeholder.to_owned() }));
        }
    }

    #[test]
    fn roles_of_addons_are_named() {
        let text = "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: demo}\naddons:\n- {name: vpc-cni, \
            attachPolicyARNs: [x]}\n- {name: coredns}\n";
        let ignored = read("c.yaml", text, None, &no_file).unwrap().ignored;
        assert_eq!(ignored, ["c.yaml:5:10: the role of addon vpc-cni is left to eksctl"]);
    }

    #[test]
    fn its_entries_are_strict() {
        for (from, to, words) in [
            ("attachPolicyARNs", "attachPolicyARNS", "did you mean attachPolicyARNs?"),
            ("serviceAccounts", "serviceaccounts", "did you mean serviceAccounts?"),
            ("\niam:", "\nIAM:", "did you mean iam?"),
            ("\niam:", "\niamm:", "did you mean iam?"),
            ("\niam:", "\nima:", "did you mean iam?"),
            ("ebsCSIController", "ebsCsiController", "did you mean ebsCSIController"),
            ("name: s3-reader", "name: S3_reader", "service account name"),
            ("attachRoleARN:", "attachPolicy: {}\n      attachRoleARN:", "contradicts attachPolicy"),
        ] {
            let error = read("c.yaml", &CONFIG.replace(from, to), None, &no_file).unwrap_err();
            let text = format!(
                "{error} {} {}",
                error.causes().join(" "),
                error.hint().map(ToString::to_string).unwrap_or_default()
            );
            assert!(text.contains("c.yaml:") && text.contains(words), "{text}");
        }
    }
}
