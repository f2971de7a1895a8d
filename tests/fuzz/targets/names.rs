//! Names, ARNs and issuers: what parses is written as it was read, and reads the same again.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use irsa_core::name::{
    AccountId, Audience, ClusterArn, ClusterRef, InlinePolicyName, Issuer, Namespace, PolicyArn, PolicyRef,
    ProviderArn, RoleArn, RoleName, RolePath, ServiceAccountName, Subject,
};
use libfuzzer_sys::fuzz_target;

fn round<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Debug,
{
    let Ok(value) = text.parse::<T>() else { return };
    let written = value.to_string();
    assert_eq!(written.parse::<T>().ok().as_ref(), Some(&value), "{text:?} is written {written:?}");
}

fuzz_target!(|text: &str| {
    round::<RoleArn>(text);
    round::<PolicyArn>(text);
    round::<ProviderArn>(text);
    round::<ClusterArn>(text);
    round::<ClusterRef>(text);
    round::<Issuer>(text);
    round::<Subject>(text);
    round::<PolicyRef>(text);
    round::<RoleName>(text);
    round::<RolePath>(text);
    round::<InlinePolicyName>(text);
    round::<Namespace>(text);
    round::<ServiceAccountName>(text);
    round::<Audience>(text);
    round::<AccountId>(text);
});
