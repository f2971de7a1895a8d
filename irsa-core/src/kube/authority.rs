//! The certificates of an authority, from DER to the form that EKS gives and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::pem;
use crate::backend::certificates;
use crate::error::{Error, ErrorKind, Result};

/// PEM in base64, as `DescribeCluster` has it.
pub(super) fn encode<D: AsRef<[u8]>>(certificates: &[D]) -> String {
    let pem: String = certificates.iter().map(|der| pem::encode("CERTIFICATE", der.as_ref())).collect();
    STANDARD.encode(pem)
}

/// The certificates, each in DER, of PEM in base64.
pub(super) fn decode(text: &str) -> Result<Vec<Vec<u8>>> {
    let found = certificates(text);
    if found.is_empty() {
        let operation = "cannot read the certificate authority of the cluster";
        return Err(Error::new(ErrorKind::Unexpected, operation).with_cause("it is not PEM in base64"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_written_and_read_alike() {
        let ders = vec![vec![1_u8; 100], vec![2; 48], vec![]];
        assert_eq!(decode(&encode(&ders)).ok(), Some(ders[..2].to_vec()));
        for bad in ["", "!", "bm90IHBlbQ=="] {
            assert_eq!(decode(bad).err().map(|error| error.kind()), Some(ErrorKind::Unexpected), "{bad}");
        }
    }
}
