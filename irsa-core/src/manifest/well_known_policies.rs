//! The seven policies that a ClusterConfig of eksctl names by a word, as the controllers they are for document them now.

use serde::Deserialize;
use serde_json::{Value, json};

use super::or_default;

/// Policies by a word (eksctl, `wellKnownPolicies`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WellKnownPolicies {
    #[serde(deserialize_with = "or_default")]
    image_builder: bool,
    #[serde(deserialize_with = "or_default")]
    auto_scaler: bool,
    #[serde(deserialize_with = "or_default")]
    aws_load_balancer_controller: bool,
    #[serde(rename = "externalDNS", deserialize_with = "or_default")]
    external_dns: bool,
    #[serde(deserialize_with = "or_default")]
    cert_manager: bool,
    #[serde(rename = "ebsCSIController", deserialize_with = "or_default")]
    ebs_csi_controller: bool,
    #[serde(rename = "efsCSIController", deserialize_with = "or_default")]
    efs_csi_controller: bool,
}

/// The partition in ARNs that hold in every partition.
pub(super) const ANY_PARTITION: &str = "*";

impl WellKnownPolicies {
    /// The managed policies, which AWS keeps current.
    pub(super) fn managed(self) -> impl Iterator<Item = &'static str> {
        let policies = [
            (self.image_builder, "AmazonEC2ContainerRegistryPowerUser"),
            (self.ebs_csi_controller, "service-role/AmazonEBSCSIDriverPolicy"),
            (self.efs_csi_controller, "service-role/AmazonEFSCSIDriverPolicy"),
        ];
        policies.into_iter().filter_map(|(wanted, name)| wanted.then_some(name))
    }

    /// The inline policies that eksctl writes for the same words, in the versions that exist: the last part of the name, and
    /// the inline policy of ours that takes its place, or nothing where a managed one does (eksctl,
    /// `pkg/cfn/builder/iam_helper.go`, `createWellKnownPolicies`).
    pub(super) fn of_eksctl(self) -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
        let policies: [(bool, Option<&'static str>, &[&'static str]); 6] = [
            (self.auto_scaler, Some("autoScaler"), &["PolicyAutoScaling"]),
            (
                self.aws_load_balancer_controller,
                Some("awsLoadBalancerController"),
                &["PolicyAWSLoadBalancerController"],
            ),
            (self.external_dns, Some("externalDNS"), &["PolicyExternalDNSChangeSet", "PolicyExternalDNSHostedZones"]),
            (
                self.cert_manager,
                Some("certManager"),
                &["PolicyCertManagerChangeSet", "PolicyCertManagerGetChange", "PolicyCertManagerHostedZones"],
            ),
            // Until July 2025; a managed policy since then.
            (self.ebs_csi_controller, None, &["PolicyEBSCSIController"]),
            (self.efs_csi_controller, None, &["PolicyEFSCSIController"]),
        ];
        let wanted = policies.into_iter().filter(|(wanted, _, _)| *wanted);
        wanted.flat_map(|(_, by, names)| names.iter().map(move |name| (*name, by)))
    }

    /// The inline policies, by name, with the ARNs of a partition or of [`ANY_PARTITION`].
    pub(super) fn inline(self, partition: &str) -> Vec<(&'static str, Value)> {
        let mut policies = Vec::new();
        if self.auto_scaler {
            policies.push(("autoScaler", auto_scaler()));
        }
        if self.aws_load_balancer_controller {
            policies.push(("awsLoadBalancerController", load_balancer_controller(partition)));
        }
        if self.external_dns {
            policies.push(("externalDNS", external_dns(partition)));
        }
        if self.cert_manager {
            policies.push(("certManager", cert_manager(partition)));
        }
        policies
    }
}

fn document(statements: Vec<Value>) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Actions of one service, without its prefix, on resources.
fn allow(service: &str, actions: &[&str], resource: impl Into<Value>) -> Value {
    let actions: Vec<String> = actions.iter().map(|action| format!("{service}:{action}")).collect();
    json!({"Effect": "Allow", "Action": actions, "Resource": resource.into()})
}

fn given(mut statement: Value, condition: Value) -> Value {
    statement["Condition"] = condition;
    statement
}

/// Source: kubernetes/autoscaler, `cluster-autoscaler/cloudprovider/aws/README.md`, the policy for all features.
fn auto_scaler() -> Value {
    let reads = [
        "DescribeAutoScalingGroups",
        "DescribeAutoScalingInstances",
        "DescribeLaunchConfigurations",
        "DescribeScalingActivities",
        "DescribeTags",
        "SetDesiredCapacity",
        "TerminateInstanceInAutoScalingGroup",
    ];
    let machines = [
        "DescribeImages",
        "DescribeInstanceTypes",
        "DescribeLaunchTemplateVersions",
        "GetInstanceTypesFromInstanceRequirements",
    ];
    document(vec![
        allow("autoscaling", &reads, "*"),
        allow("ec2", &machines, "*"),
        allow("eks", &["DescribeNodegroup"], "*"),
    ])
}

/// Source: kubernetes-sigs/external-dns, tutorial for AWS.
fn external_dns(partition: &str) -> Value {
    let zones = format!("arn:{partition}:route53:::hostedzone/*");
    document(vec![
        allow("route53", &["ChangeResourceRecordSets", "ListResourceRecordSets", "ListTagsForResources"], zones),
        allow("route53", &["ListHostedZones", "ListTagsForResource"], "*"),
    ])
}

/// Source: cert-manager's documentation, DNS01 with Route 53.
fn cert_manager(partition: &str) -> Value {
    let (zones, changes) =
        (format!("arn:{partition}:route53:::hostedzone/*"), format!("arn:{partition}:route53:::change/*"));
    let only_txt = json!({"ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]}});
    document(vec![
        allow("route53", &["GetChange"], changes),
        given(allow("route53", &["ChangeResourceRecordSets", "ListResourceRecordSets"], zones), only_txt),
        allow("route53", &["ListHostedZonesByName"], "*"),
    ])
}

/// Source: kubernetes-sigs/aws-load-balancer-controller, `docs/install/iam_policy.json`.
fn load_balancer_controller(partition: &str) -> Value {
    const ELB: &str = "elasticloadbalancing";
    const OWN_REQUEST: &str = "aws:RequestTag/elbv2.k8s.aws/cluster";
    const OWN_RESOURCE: &str = "aws:ResourceTag/elbv2.k8s.aws/cluster";
    let elb = |kinds: &[&str]| -> Value {
        kinds.iter().map(|kind| format!("arn:{partition}:{ELB}:*:*:{kind}")).collect::<Vec<_>>().into()
    };
    let balancers = elb(&["targetgroup/*/*", "loadbalancer/net/*/*", "loadbalancer/app/*/*"]);
    let groups = format!("arn:{partition}:ec2:*:*:security-group/*");
    // The tag of the controller is asked for, or is there already and stays.
    let tagging = json!({"Null": {OWN_REQUEST: "true", OWN_RESOURCE: "false"}});
    let (own_request, own_resource) =
        (json!({"Null": {OWN_REQUEST: "false"}}), json!({"Null": {OWN_RESOURCE: "false"}}));
    let created_group =
        json!({"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}, "Null": {OWN_REQUEST: "false"}});
    let created_balancer = json!({
        "StringEquals": {"elasticloadbalancing:CreateAction": ["CreateTargetGroup", "CreateLoadBalancer"]},
        "Null": {OWN_REQUEST: "false"},
    });
    let linked = json!({"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}});
    let network = [
        "DescribeAccountAttributes",
        "DescribeAddresses",
        "DescribeAvailabilityZones",
        "DescribeCoipPools",
        "DescribeInstances",
        "DescribeInternetGateways",
        "DescribeIpamPools",
        "DescribeNetworkInterfaces",
        "DescribeRouteTables",
        "DescribeSecurityGroups",
        "DescribeSubnets",
        "DescribeTags",
        "DescribeVpcPeeringConnections",
        "DescribeVpcs",
        "GetCoipPoolUsage",
        "GetSecurityGroupsForVpc",
    ];
    let described = [
        "DescribeCapacityReservation",
        "DescribeListenerAttributes",
        "DescribeListenerCertificates",
        "DescribeListeners",
        "DescribeLoadBalancerAttributes",
        "DescribeLoadBalancers",
        "DescribeRules",
        "DescribeSSLPolicies",
        "DescribeTags",
        "DescribeTargetGroupAttributes",
        "DescribeTargetGroups",
        "DescribeTargetHealth",
        "DescribeTrustStores",
    ];
    let changed = [
        "DeleteLoadBalancer",
        "DeleteTargetGroup",
        "ModifyCapacityReservation",
        "ModifyIpPools",
        "ModifyListenerAttributes",
        "ModifyLoadBalancerAttributes",
        "ModifyTargetGroup",
        "ModifyTargetGroupAttributes",
        "SetIpAddressType",
        "SetSecurityGroups",
        "SetSubnets",
    ];
    let listeners = [
        "AddListenerCertificates",
        "CreateListener",
        "CreateRule",
        "DeleteListener",
        "DeleteRule",
        "ModifyListener",
        "ModifyRule",
        "RemoveListenerCertificates",
        "SetRulePriorities",
        "SetWebAcl",
    ];
    let firewall = ["AssociateWebACL", "DisassociateWebACL", "GetWebACL", "GetWebACLForResource"];
    let shield = ["CreateProtection", "DeleteProtection", "DescribeProtection", "GetSubscriptionState"];
    let rules = ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"];
    let listener_kinds =
        elb(&["listener/net/*/*/*", "listener/app/*/*/*", "listener-rule/net/*/*/*", "listener-rule/app/*/*/*"]);
    document(vec![
        given(allow("iam", &["CreateServiceLinkedRole"], "*"), linked),
        allow("ec2", &network, "*"),
        allow(ELB, &described, "*"),
        allow("cognito-idp", &["DescribeUserPoolClient"], "*"),
        allow("acm", &["DescribeCertificate", "ListCertificates"], "*"),
        allow("iam", &["GetServerCertificate", "ListServerCertificates"], "*"),
        allow("waf-regional", &firewall, "*"),
        allow("wafv2", &firewall, "*"),
        allow("shield", &shield, "*"),
        allow("ec2", &[&rules[..], &["CreateSecurityGroup"]].concat(), "*"),
        given(allow("ec2", &["CreateTags"], groups.clone()), created_group),
        given(allow("ec2", &["CreateTags", "DeleteTags"], groups), tagging.clone()),
        given(allow("ec2", &["DeleteSecurityGroup"], "*"), own_resource.clone()),
        given(allow(ELB, &["CreateLoadBalancer", "CreateTargetGroup"], "*"), own_request),
        allow(ELB, &listeners, "*"),
        given(allow(ELB, &["AddTags", "RemoveTags"], balancers.clone()), tagging),
        allow(ELB, &["AddTags", "RemoveTags"], listener_kinds),
        given(allow(ELB, &changed, "*"), own_resource),
        given(allow(ELB, &["AddTags"], balancers), created_balancer),
        allow(ELB, &["DeregisterTargets", "RegisterTargets"], elb(&["targetgroup/*/*"])),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::PolicyDocument;

    const ALL: WellKnownPolicies = WellKnownPolicies {
        image_builder: true,
        auto_scaler: true,
        aws_load_balancer_controller: true,
        external_dns: true,
        cert_manager: true,
        ebs_csi_controller: true,
        efs_csi_controller: true,
    };

    #[test]
    fn all_seven_are_policies_that_iam_takes_and_that_fit_together_on_one_role() {
        assert_eq!(ALL.managed().count() + ALL.inline("aws").len(), 7);
        let documents = ALL.inline("aws-us-gov");
        let size: usize =
            documents.iter().map(|(_, document)| PolicyDocument::from_value(document.clone()).unwrap().size()).sum();
        assert!(size <= crate::binding::INLINE_QUOTA, "{size}");
        let text = format!("{documents:?}");
        assert!(text.contains("arn:aws-us-gov:") && !text.contains("arn:aws:"));
        for (_, document) in ALL.inline(ANY_PARTITION) {
            let document = PolicyDocument::from_value(document).unwrap();
            assert!(["aws", "aws-cn"].iter().all(|name| document.check_partition(&name.parse().unwrap()).is_ok()));
        }
    }

    #[test]
    fn what_eksctl_wrote_is_replaced_by_what_is_declared() {
        let inline: Vec<&str> = ALL.inline("aws").into_iter().map(|(name, _)| name).collect();
        let replaced: Vec<&str> = ALL.of_eksctl().filter_map(|(_, by)| by).collect();
        assert!(inline.iter().all(|name| replaced.contains(name)) && replaced.iter().all(|name| inline.contains(name)));
        assert_eq!(WellKnownPolicies::default().of_eksctl().count(), 0);
    }
}
