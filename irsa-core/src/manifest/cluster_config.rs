//! A ClusterConfig of eksctl, as far as it declares bindings: `iam.serviceAccounts`. What else it holds is for eksctl; what
//! concerns bindings and cannot be honoured is named.

mod entry;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use self::entry::{Cluster, Entry};
use super::declared::{Declared, ManifestFile};
use super::document::Document;
use super::or_default;
use super::source_map::{WHOLE, parts};
use super::well_known_policies::ANY_PARTITION;
use crate::error::{Error, Result};
use crate::name::{ClusterRef, InvalidName, Partition, Region};

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
    #[serde(default, deserialize_with = "or_default")]
    tags: BTreeMap<String, String>,
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
    let invalid = |invalid: InvalidName| document.placed(invalid.into(), &WHOLE);
    let _: ClusterRef = config.metadata.name.parse().map_err(invalid)?;
    let region = config.metadata.region.map(Region::new).transpose().map_err(invalid)?;
    if let (Some(one), Some(other)) = (&read.region, &region)
        && one != other
    {
        let error = Error::invalid("region", other.as_str(), format!("an earlier document of the file says {one}"));
        return Err(document.placed(error.with_hint("put clusters of different regions into different files"), &WHOLE));
    }
    let partition =
        region.as_ref().map_or(ANY_PARTITION.to_owned(), |region| Partition::of_region(region.as_str()).to_string());
    read.region = read.region.take().or(region);
    if !config.iam.pod_identity_associations.is_empty() {
        let place = document.place_of("podIdentityAssociations", &WHOLE);
        read.ignored.push(format!("{place}: podIdentityAssociations are not IRSA, and are left to eksctl"));
    }
    for addon in config.addons.iter().filter(|addon| addon.wants_role()) {
        let place = document.place_of(&addon.name, &WHOLE);
        read.ignored.push(format!("{place}: the role of addon {} is left to eksctl", addon.name));
    }
    let cluster = Cluster { name: &config.metadata.name, partition: &partition, tags: &config.metadata.tags };
    let entries = &config.iam.service_accounts;
    for (Spanned { value: entry, .. }, part) in entries.iter().zip(parts(entries)) {
        let place = document.place_of(entry.name(), &part);
        let mapped = entry.mapped(&cluster).map_err(|error| document.placed(error, &part))?;
        for (key, what) in mapped.ignored {
            let place = document.place_of(&key, &part);
            read.ignored.push(format!("{place}: {what}"));
        }
        read.bindings.push(Declared {
            binding: mapped.binding,
            place,
            made_by_eksctl: mapped.made_by_eksctl,
            existing_role: mapped.existing_role,
            replaced_policies: mapped.replaced_policies,
        });
    }
    Ok(())
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
        let role = |role: &crate::IrsaBinding| role.role_name.as_ref().map(ToString::to_string);
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
            attachPolicyARNs:\n    roleName: ''\n    permissionsBoundary: ''\n    tags:\n    attachRoleARN: ''\n    \
            attachPolicy: {}\n    wellKnownPolicies: {autoScaler: }\n    subjectPattern: ''\n";
        let read = read("c.yaml", &format!("{head}{entry}"), None, &no_file).unwrap();
        assert_eq!(read.bindings[0].binding.to_string(), "default/a");
        assert!(read.bindings[0].made_by_eksctl && read.bindings[0].binding.inline_policies.is_empty());
    }

    fn one(entry: &str) -> (super::Declared, Vec<String>) {
        let head = "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: demo, region: us-east-1, \
            tags: {CostCenter: 42, Team: all, alpha.eksctl.io/x: y}}\niam:\n  serviceAccounts:\n  - ";
        let mut read = read("c.yaml", &format!("{head}{entry}\n"), None, &no_file).unwrap();
        (read.bindings.remove(0), read.ignored)
    }

    #[test]
    fn role_only_leaves_labels_and_annotations_out() {
        let (declared, ignored) = one(
            "{metadata: {name: a, labels: {l: x}, annotations: {eks.amazonaws.com/token-expiration: '60'}}, roleOnly: true}",
        );
        let binding = declared.binding;
        assert!(binding.role_only && binding.labels.is_empty() && binding.token_expiration.is_none());
        let places = ["c.yaml:6:26: labels are ignored: ", "c.yaml:6:42: annotations are ignored: "];
        assert_eq!(ignored.len(), 2, "{ignored:?}");
        let fits = |(told, place): (&String, &str)| told.starts_with(place) && told.contains("roleOnly");
        assert!(ignored.iter().zip(places).all(fits), "{ignored:?}");
    }

    #[test]
    fn annotations_of_the_webhook_are_settings() {
        let (declared, ignored) = one(
            "{metadata: {name: a, labels: {app.kubernetes.io/managed-by: eksctl, l: x}, annotations: {eks.amazonaws.com/role-arn: x, \
             eks.amazonaws.com/sts-regional-endpoints: 'true', eks.amazonaws.com/token-expiration: '3600', \
             eks.amazonaws.com/audience: b, other: c}}}",
        );
        let binding = declared.binding;
        assert_eq!(
            (binding.sts_regional_endpoints, binding.labels.len(), binding.annotations.len()),
            (Some(true), 1, 1)
        );
        let seconds = binding.token_expiration.map(crate::name::TokenExpiration::seconds);
        assert_eq!((seconds, binding.audience.map(String::from)), (Some(3600), Some("b".to_owned())));
        assert_eq!(ignored.len(), 2, "{ignored:?}");
        let (_, ignored) = one("{metadata: {name: a, annotations: {eks.amazonaws.com/sts-regional-endpoints: 'yes', \
             eks.amazonaws.com/token-expiration: 1h}}}");
        let told = ignored.join("\n");
        assert!(told.contains("\"yes\" is neither") && told.contains("\"1h\" is not 600 to 86400"), "{told}");
    }

    #[test]
    fn tags_of_the_cluster_are_on_every_role_that_eksctl_makes() {
        let tags = |entry: &str| {
            let (declared, ignored) = one(entry);
            let tags = declared.binding.tags.iter().map(|(key, value)| format!("{key}={value}"));
            (tags.collect::<Vec<_>>().join(" "), ignored)
        };
        assert_eq!(tags("{metadata: {name: a}}").0, "CostCenter=42 Team=all");
        assert_eq!(tags("{metadata: {name: a}, tags: {team: mine, Team2: x}}").0, "CostCenter=42 Team2=x team=mine");
        let (attached, ignored) =
            tags("{metadata: {name: a}, attachRoleARN: 'arn:aws:iam::999999999999:role/x', tags: {Own: x}}");
        assert!(attached.is_empty() && ignored[0].contains("tags are ignored"), "{attached} {ignored:?}");
    }

    #[test]
    fn a_pattern_is_trusted_and_no_service_account_is_made_for_it() {
        let (declared, ignored) = one("{metadata: {name: a}, subjectPattern: other}");
        let binding = declared.binding;
        assert_eq!((binding.subjects.len(), &binding.trust_only), (1, &binding.subjects));
        assert!(ignored[0].contains("subjectPattern"), "{ignored:?}");
        let (declared, ignored) = one("{metadata: {name: a}, subjectPattern: a}");
        assert!(declared.binding.subjects.is_empty() && ignored.is_empty());
    }

    #[test]
    fn what_eksctl_wrote_for_an_entry_is_known_by_its_name() {
        let (declared, _) = one(
            "{metadata: {name: a, namespace: n}, attachPolicy: {Statement: {Effect: Deny, Action: '*', Resource: '*'}}, \
             wellKnownPolicies: {externalDNS: true, efsCSIController: true}}",
        );
        let by = |name: &str, by: Option<&str>| {
            (format!("eksctl-demo-addon-iamserviceaccount-n-a-{name}"), by.map(str::to_owned))
        };
        assert_eq!(
            declared.replaced_policies,
            [
                by("PolicyExternalDNSChangeSet", Some("externalDNS")),
                by("PolicyExternalDNSHostedZones", Some("externalDNS")),
                by("PolicyEFSCSIController", None),
                by("Policy1", Some("attachPolicy")),
            ]
            .into()
        );
        assert_eq!(declared.request().unwrap().binding, declared.binding);
        let name = "x".repeat(80);
        let (long, _) = one(&format!("{{metadata: {{name: {name}}}, wellKnownPolicies: {{externalDNS: true}}}}"));
        assert!(long.replaced_policies.is_empty());
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
            ("attachRoleARN:", "attachPolicy: {Statement: []}\n      attachRoleARN:", "contradicts attachPolicy"),
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
