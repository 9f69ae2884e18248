//! The PEM files of a listener's TLS, and the settings of rustls made of them: all that is wrong with a file says which
//! one and how to mend it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{Error as RustlsError, RootCertStore, ServerConfig};
use x509_parser::parse_x509_certificate;

use crate::config::{ClientAuth, Tls};

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 1 << 20;
/// What is agreed on with a client that asks, most wanted first (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What is wrong with the files.
#[derive(Debug, Hash, thiserror::Error)]
#[error("{what} — {mend}")]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) mend: &'static str,
}

/// What the files hold.
#[derive(Hash)]
pub(super) struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What is made of them.
pub(super) struct Made {
    /// For handshakes.
    pub(super) config: ServerConfig,
    /// When the certificate ends, in seconds since the Unix epoch.
    pub(super) expires: i64,
}

impl Files {
    /// Reads all of them.
    ///
    /// # Errors
    /// One that cannot be read, or is too large to be what it should.
    pub(super) fn read(settings: &Tls) -> Result<Self, Fault> {
        Ok(Self {
            certificate: read(&settings.certificate, "certificate")?,
            key: read(&settings.key, "key")?,
            client_ca: match &settings.client {
                Some(client) => Some(read(&client.ca, "client_ca")?),
                None => None,
            },
        })
    }

    /// Makes them what handshakes need.
    ///
    /// # Errors
    /// One that holds something else; a key that is not the certificate's.
    pub(super) fn make(&self, settings: &Tls) -> Result<Made, Fault> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&self.certificate, &settings.certificate)?;
        let expires = expiry(&chain, &settings.certificate)?;
        let key = private_key(&self.key, &settings.key)?;
        let verifier = match (&settings.client, &self.client_ca) {
            (Some(client), Some(pem)) => verifier(client, pem, &provider)?,
            _ => WebPkiClientVerifier::no_client_auth(),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unexpected)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|problem| unfit(&problem, settings))?;
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
        config.ticketer = ring::Ticketer::new().map_err(unexpected)?;
        Ok(Made { config, expires })
    }
}

fn read(path: &Path, key: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes));
    if let Err(problem) = read {
        let what = format!("cannot read the {key} {}: {problem}", path.display());
        return Err(Fault { what, mend: mend(problem.kind()) });
    }
    if bytes.len() as u64 > MAX_SIZE {
        let what = format!("the {key} {} is larger than {MAX_SIZE} bytes", path.display());
        return Err(Fault { what, mend: "is it a PEM file?" });
    }
    Ok(bytes)
}

fn mend(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => {
            "check the path: a relative one starts at the configuration's folder"
        }
        io::ErrorKind::IsADirectory => "name the file in it",
        io::ErrorKind::PermissionDenied => "let the user who runs this read it and its folders",
        _ => "check the path",
    }
}

/// At least one.
fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = read.map_err(|problem| garbled(path, &problem))?;
    if chain.is_empty() {
        let what = format!("{} holds no certificate in PEM", path.display());
        return Err(Fault { what, mend: "it must have a `-----BEGIN CERTIFICATE-----`" });
    }
    Ok(chain)
}

fn garbled(path: &Path, problem: &PemError) -> Fault {
    let what = match problem {
        PemError::MissingSectionEnd { .. } => "it ends in the middle of a section".to_owned(),
        PemError::IllegalSectionStart { .. } => "a line with BEGIN is malformed".to_owned(),
        other => other.to_string(),
    };
    let what = format!("{} is no PEM file: {what}", path.display());
    Fault { what, mend: "write the file anew" }
}

/// The end of the first; all of them must be certificates.
fn expiry(chain: &[CertificateDer<'_>], path: &Path) -> Result<i64, Fault> {
    let mut first = None;
    for der in chain {
        let (_, certificate) = parse_x509_certificate(der).map_err(|_| no_certificate(path))?;
        first.get_or_insert(certificate.validity().not_after.timestamp());
    }
    first.ok_or_else(|| no_certificate(path))
}

fn no_certificate(path: &Path) -> Fault {
    let what = format!("{} holds something that is no X.509 certificate", path.display());
    Fault { what, mend: "write the file anew" }
}

fn private_key(pem: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|problem| match problem {
        PemError::NoItemsFound if pem.windows(9).any(|word| word == b"ENCRYPTED") => Fault {
            what: format!("the private key in {} is encrypted", path.display()),
            mend: "write it without a passphrase: openssl pkey -in KEY -out PLAIN",
        },
        PemError::NoItemsFound => Fault {
            what: format!("{} holds no private key in PEM", path.display()),
            mend: "it must have a `-----BEGIN PRIVATE KEY-----`",
        },
        other => garbled(path, &other),
    })
}

fn verifier(
    client: &ClientAuth,
    pem: &[u8],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Fault> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(pem, &client.ca)? {
        roots.add(authority).map_err(|_| no_certificate(&client.ca))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if client.is_required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(unexpected)
}

/// What rustls says of a chain and a key that were read.
fn unfit(problem: &RustlsError, settings: &Tls) -> Fault {
    let (certificate, key) = (settings.certificate.display(), settings.key.display());
    match problem {
        RustlsError::InconsistentKeys(_) => Fault {
            what: format!("the key in {key} is not that of the certificate in {certificate}"),
            mend: "name the two that were made together; in a chain the listener's own certificate comes first",
        },
        RustlsError::InvalidCertificate(_) => no_certificate(&settings.certificate),
        _ => Fault {
            what: format!("the private key in {key} cannot be used: {problem}"),
            mend: "take an RSA key of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519",
        },
    }
}

fn unexpected(problem: impl std::fmt::Display) -> Fault {
    Fault { what: format!("TLS cannot be set up: {problem}"), mend: "check the files" }
}
