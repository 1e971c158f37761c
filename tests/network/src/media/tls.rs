//! The certificates of the media store: an authority and a server certificate that it has issued.
//!
//! Both derive from the network's seed and nothing else, so a restarted network has the authority that its clients already
//! trust. Two certificates are needed: rustls refuses a server certificate that is an authority itself (rustls-webpki,
//! `CaUsedAsEndEntity`). Never trust this authority for anything but a simulation: its key is no secret.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SerialNumber, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::keys::Seed;

/// PKCS #8 in front of an Ed25519 private key (RFC 8410, section 7).
const PKCS8_ED25519: [u8; 16] = [
    0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Clients connect to these names.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What the media store's listener needs, and what its clients must trust.
pub struct Certificates {
    /// The listener's configuration.
    pub server: Arc<ServerConfig>,
    /// The authority's certificate, in PEM.
    pub authority: String,
}

impl Certificates {
    /// The certificates of this seed, valid from 2020 to 2120.
    ///
    /// # Errors
    /// The cryptographic library refuses.
    pub fn derive(seed: &Seed) -> anyhow::Result<Self> {
        let mut params = params(seed, "media authority", "Rookery simulated network")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let (key, _) = key(seed, "media authority")?;
        let authority = CertifiedIssuer::self_signed(params, key)?;

        let (key, pkcs8) = self::key(seed, "media server")?;
        let mut params = self::params(seed, "media server", "Rookery simulated media store")?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &authority)?;

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(pkcs8))
            .context("the media store's certificate does not fit its key")?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            server: Arc::new(server),
            authority: authority.pem(),
        })
    }
}

fn params(seed: &Seed, purpose: &str, name: &str) -> anyhow::Result<CertificateParams> {
    let names = if purpose == "media server" {
        NAMES.as_slice()
    } else {
        &[]
    };
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params.serial_number = Some(SerialNumber::from_slice(&seed.word(purpose, &[]).to_be_bytes()));
    Ok(params)
}

fn key(seed: &Seed, purpose: &str) -> anyhow::Result<(KeyPair, PrivatePkcs8KeyDer<'static>)> {
    let mut der = PKCS8_ED25519.to_vec();
    der.extend_from_slice(&seed.bytes(purpose, &[1]));
    let pkcs8 = PrivatePkcs8KeyDer::from(der);
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519)?;
    Ok((key, pkcs8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_network_has_the_authority_that_its_clients_trust() {
        let authority = |seed: &str| Certificates::derive(&Seed::new(seed)).unwrap().authority;
        assert_eq!(authority("a"), authority("a"));
        assert_ne!(authority("a"), authority("b"));
        assert!(authority("a").starts_with("-----BEGIN CERTIFICATE-----"));
    }
}
