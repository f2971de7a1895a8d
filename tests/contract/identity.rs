//! EKS and STS.

use irsa_core::ErrorKind;
use irsa_core::backend::TokenExchange;
use irsa_core::name::{ClusterRef, Namespace, Partition};
use secrecy::SecretString;

use super::{World, account_name, annotated};

pub(super) async fn a_cluster_is_described_by_name_and_by_arn(world: &World) {
    let by_name = world.identity.cluster(&world.name).await.unwrap().unwrap();
    assert_eq!((&by_name.arn, by_name.issuer.as_ref()), (&world.arn, Some(&world.issuer)));
    assert_eq!((by_name.status.as_str(), by_name.outpost), ("ACTIVE", false));
    assert!(by_name.endpoint.is_some() && by_name.certificate_authority.is_some());
    let by_arn = world.identity.cluster(&ClusterRef::Arn(world.arn.clone())).await.unwrap();
    assert_eq!(by_arn, Some(by_name));
}

pub(super) async fn a_cluster_that_is_not_there_is_none(world: &World) {
    let name = world.unique("no");
    let arn = format!("arn:aws:eks:{}:{}:cluster/{name}", world.arn.region(), world.arn.account());
    let elsewhere = format!("arn:aws:eks:eu-north-1:{}:cluster/{}", world.arn.account(), world.arn.name());
    for absent in [name, arn, elsewhere] {
        assert_eq!(world.identity.cluster(&absent.parse().unwrap()).await.unwrap(), None, "{absent}");
    }
}

pub(super) async fn a_cluster_named_by_its_issuer_is_not_asked_for(world: &World) {
    let error = world.identity.cluster(&ClusterRef::Issuer(world.issuer.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

pub(super) async fn an_arn_of_another_account_is_the_wrong_cluster(world: &World) {
    let other = format!("arn:aws:eks:{}:999999999999:cluster/{}", world.arn.region(), world.arn.name());
    let error = world.identity.cluster(&other.parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongCluster);
    assert!(error.causes().concat().contains(&world.arn.to_string()), "both are named: {:?}", error.causes());
}

pub(super) async fn the_caller_is_told(world: &World) {
    let caller = world.identity.caller_identity().await.unwrap();
    assert_eq!((&caller.account, caller.partition), (world.arn.account(), Partition::of_region("us-east-1")));
    assert!(caller.arn.starts_with("arn:aws:") && caller.arn.contains(caller.account.as_str()), "{}", caller.arn);
}

/// A namespace with an account, a role that lets it in, and its token.
async fn exchange_of(world: &World, role: &str) -> (Namespace, TokenExchange) {
    let namespace = world.namespace().await;
    let account = annotated(&namespace, &[]);
    world.cluster.apply_service_account(&account, irsa_core::DryRun::No, irsa_core::Takeover::Refuse).await.unwrap();
    let trust = world.trust(&format!("system:serviceaccount:{namespace}:app")).to_string();
    let new = irsa_core::backend::NewRole { trust_policy: trust, ..world.new_role(role) };
    world.iam.create_role(&new).await.unwrap();
    let token = world.hands.token(&namespace, &account_name()).await;
    (namespace, TokenExchange { role: new.arn, session_name: "contract".to_owned(), token })
}

/// moto does not look at the token: that it lets the right ones in says little of it, and much of our back end.
pub(super) async fn a_token_of_a_subject_that_is_let_in_is_exchanged(world: &World) {
    let (_, request) = exchange_of(world, "exchange").await;
    let session = world.identity.exchange(&request).await.unwrap();
    let wanted = format!("assumed-role/{}/contract", request.role.name());
    assert!(session.assumed_role_arn.ends_with(&wanted), "{}", session.assumed_role_arn);
}

pub(super) async fn tokens_are_refused_as_sts_refuses_them(world: &World) {
    let sandbox = world.sandbox.as_ref().unwrap();
    let (namespace, good) = exchange_of(world, "exchange").await;
    let refused = async |request: TokenExchange, code: &str, message: &str| {
        let error = world.identity.exchange(&request).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, Some(code)));
        assert_eq!(error.causes(), [format!("{code}: {message}")]);
    };
    let not_authorized = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let missing = TokenExchange { role: world.role_arn("/", "missing"), ..good.clone() };
    refused(missing, "AccessDenied", not_authorized).await;
    let elsewhere = TokenExchange { role: world.role_arn("/path/", "exchange"), ..good.clone() };
    refused(elsewhere, "AccessDenied", not_authorized).await;

    sandbox.default_cluster().put_service_account(namespace.as_str(), "other", Default::default()).unwrap();
    let token = |name: &str, audience: &str| {
        sandbox.default_cluster().token(&namespace, &name.parse().unwrap(), audience).unwrap()
    };
    let other = TokenExchange { token: token("other", "sts.amazonaws.com"), ..good.clone() };
    refused(other, "AccessDenied", not_authorized).await;
    let audience = TokenExchange { token: token("app", "sts.amazonaws.com.cn"), ..good.clone() };
    refused(audience, "InvalidIdentityToken", "Incorrect token audience").await;
    let garbage = TokenExchange { token: SecretString::from("garbage"), ..good.clone() };
    refused(garbage, "InvalidIdentityToken", "Provided Token is not a Login With Amazon token").await;
    sandbox.remove_provider(&world.issuer).unwrap();
    let message = format!("No OpenIDConnect provider found in your account for {}", world.issuer);
    refused(good.clone(), "InvalidIdentityToken", &message).await;

    let bad = TokenExchange { session_name: "x".to_owned(), ..good };
    assert_eq!(world.identity.exchange(&bad).await.unwrap_err().code(), Some("ValidationError"));
}

pub(super) async fn a_cluster_in_the_making_has_no_issuer(world: &World) {
    world.sandbox.as_ref().unwrap().default_cluster().set_status("CREATING").unwrap();
    let described = world.identity.cluster(&world.name).await.unwrap().unwrap();
    assert_eq!((described.status.as_str(), described.issuer, described.endpoint), ("CREATING", None, None));
}
