//! OIDC providers.

use irsa_core::ErrorKind;
use irsa_core::backend::OidcProvider;
use irsa_core::name::{Audience, ProviderArn};

use super::{World, map};

fn provider(world: &World) -> OidcProvider {
    let arn = format!("arn:aws:iam::{}:oidc-provider/{}.example/x", world.arn.account(), world.prefix);
    let arn: ProviderArn = arn.parse().unwrap();
    OidcProvider { arn, audiences: vec!["sts.amazonaws.com".to_owned()], tags: map(&[("team", "data")]) }
}

pub(super) async fn a_provider_is_made_read_and_deleted(world: &World) {
    let provider = provider(world);
    let arn = &provider.arn;
    assert_eq!(world.iam.provider(arn).await.unwrap(), None);
    world.iam.create_provider(&provider).await.unwrap();
    assert_eq!(world.iam.provider(arn).await.unwrap().as_ref(), Some(&provider));
    assert!(world.iam.providers().await.unwrap().contains(arn));
    let error = world.iam.create_provider(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    world.iam.delete_provider(arn).await.unwrap();
    assert_eq!(world.iam.provider(arn).await.unwrap(), None);
    // IAM documents both: no change, and that it is not found.
    if let Err(error) = world.iam.delete_provider(arn).await {
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

/// moto has no `AddClientIDToOpenIDConnectProvider`.
pub(super) async fn audiences_are_added_once(world: &World) {
    let provider = provider(world);
    let missing = world.iam.add_audience(&provider.arn, &Audience::sts()).await.unwrap_err();
    assert_eq!((missing.kind(), missing.code()), (ErrorKind::NotFound, Some("NoSuchEntity")));
    world.iam.create_provider(&provider).await.unwrap();
    for _ in 0..2 {
        world.iam.add_audience(&provider.arn, &Audience::new("other").unwrap()).await.unwrap();
        let found = world.iam.provider(&provider.arn).await.unwrap().unwrap();
        assert_eq!(found.audiences, ["sts.amazonaws.com", "other"]);
    }
}
