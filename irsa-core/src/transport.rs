//! HTTP connections to AWS and to API servers: pooled, through proxies, with the certificates that are trusted.

// Each of the two back ends needs a part.
#![cfg_attr(not(all(feature = "aws", feature = "kube")), allow(dead_code, unused_imports))]

pub(crate) mod error_chain;
pub(crate) mod pool;
pub(crate) mod proxy_failure;
pub(crate) mod roots;
pub(crate) mod tls;
pub(crate) mod tunnel;
