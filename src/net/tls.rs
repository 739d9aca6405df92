//! `[tls]`: whose certificate is believed, and what the server is shown of one's own. Read once, for HTTP and for
//! streams.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, InvalidMessage, RootCertStore, SignatureScheme};
use secrecy::ExposeSecret;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::config::settings::{Opt, SettingError, Settings};
use crate::logging::Log;

const ENABLED: Opt = Opt::new("tls", "enabled", "yes");
const VERIFY: Opt = Opt::new("tls", "verify", "yes");
const CA_CERT: Opt = Opt::new("tls", "ca_cert", "");
const CLIENT_CERT: Opt = Opt::secret("tls", "client_cert");
/// The options that this module reads.
pub(super) const OPTIONS: &[Opt] = &[ENABLED, VERIFY, CA_CERT, CLIENT_CERT];

/// What `[tls]` says.
pub(super) struct Trust {
    /// Whose certificates are believed; `None` where nothing is verified.
    roots: Option<Vec<Certificate<'static>>>,
    client: Option<(Vec<Certificate<'static>>, PrivateKey<'static>)>,
}

impl Trust {
    /// Reads `[tls]`; `why` says why there has to be TLS.
    ///
    /// # Errors
    /// Options that are unusable, or TLS that is switched off.
    pub(super) fn from_settings(settings: &Settings<'_>, log: &Log, why: &str) -> Result<Self, SettingError> {
        if !settings.boolean(&ENABLED)? {
            return Err(settings.invalid(&ENABLED, format!("yes, because {why}")));
        }
        // An error means that a provider is there already, which is as good.
        let _ = ring::default_provider().install_default();
        let roots = if settings.boolean(&VERIFY)? {
            Some(roots(settings)?)
        } else {
            log.warning(format_args!("[tls] verify=no: a man in the middle can impersonate the server"));
            None
        };
        let client = match settings.client_certificate(&CLIENT_CERT)? {
            None => None,
            Some((certificate, key)) => {
                let chain = certificates(&certificate).ok_or_else(|| unusable(settings))?;
                let key = PrivateKey::from_pem(key.expose_secret().as_bytes());
                Some((chain, key.map_err(|_| unusable(settings))?))
            }
        };
        Ok(Self { roots, client })
    }

    /// Makes of it what the HTTP client takes.
    pub(super) fn for_http(self) -> TlsConfig {
        let mut config = TlsConfig::builder().disable_verification(self.roots.is_none());
        if let Some(roots) = &self.roots {
            config = config.root_certs(RootCerts::new_with_certs(roots));
        }
        if let Some((chain, key)) = self.client {
            config = config.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        config.build()
    }

    /// Makes of it what a stream takes; the same as [`Trust::for_http`] in every respect.
    ///
    /// # Errors
    /// A client certificate that does not go with its key.
    pub(super) fn for_stream(self, settings: &Settings<'_>) -> Result<Arc<ClientConfig>, SettingError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(|_| settings.invalid(&ENABLED, "versions of TLS that the program has".to_owned()))?;
        let builder = match &self.roots {
            Some(believed) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(believed.iter().map(der));
                builder.with_root_certificates(roots)
            }
            None => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(NothingVerified { provider }))
            }
        };
        let config = match self.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::try_from(key.der().to_vec()).map_err(|_| unusable(settings))?;
                builder
                    .with_client_auth_cert(chain.iter().map(der).collect(), key)
                    .map_err(|_| unusable(settings))?
            }
        };
        Ok(Arc::new(config))
    }
}

/// Tells whether what came was no message of TLS, as where another protocol is spoken on the port.
pub(super) fn is_another_protocol(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(
        error,
        Some(rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion
        ))
    )
}

fn der(certificate: &Certificate<'static>) -> CertificateDer<'static> {
    CertificateDer::from(certificate.der().to_vec())
}

fn unusable(settings: &Settings<'_>) -> SettingError {
    settings.invalid(&CLIENT_CERT, "a PEM certificate and its private key".to_owned())
}

fn roots(settings: &Settings<'_>) -> Result<Vec<Certificate<'static>>, SettingError> {
    let Some(texts) = settings.ca_certificates(&CA_CERT)? else {
        let found = rustls_native_certs::load_native_certs().certs;
        return Ok(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect());
    };
    let mut chain = Vec::new();
    for text in &texts {
        let more = certificates(text);
        chain.extend(more.ok_or_else(|| settings.invalid(&CA_CERT, "PEM certificates".to_owned()))?);
    }
    Ok(chain)
}

/// Returns the certificates of a PEM text; `None` where it has none or a damaged one.
fn certificates(text: &str) -> Option<Vec<Certificate<'static>>> {
    let mut found = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        match item.ok()? {
            PemItem::Certificate(certificate) => found.push(certificate),
            PemItem::PrivateKey(_) => {}
            _ => return None,
        }
    }
    (!found.is_empty()).then_some(found)
}

/// `[tls] verify=no`: any certificate of whoever has its key.
#[derive(Debug)]
struct NothingVerified {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for NothingVerified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
