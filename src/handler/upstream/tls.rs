//! TLS to upstreams: whom we believe, and what we show of ourselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use crate::config::Upstream;
use crate::config::upstream::{Identity, Protocol, Tls};

/// HTTP/2 as ALPN names it (RFC 7301).
pub const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";
/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 4 << 20;

/// The files of an upstream's `tls` that are of no use, with the mend.
#[derive(Debug, thiserror::Error)]
#[error("error: upstream `{upstream}`: {problem}\n --> {defined_at}\n  = help: {mend}\n")]
pub struct Unusable {
    upstream: String,
    defined_at: String,
    problem: String,
    mend: &'static str,
}

/// What is wrong with one of them.
struct Fault {
    problem: String,
    mend: &'static str,
}

/// Makes connections as `tls` says.
///
/// # Errors
/// A file that cannot be read or does not hold what it should; no roots on this machine.
pub fn connector(upstream: &Upstream, tls: &Tls) -> Result<TlsConnector, Unusable> {
    let config = client(upstream.protocol, tls).map_err(|fault| Unusable {
        upstream: upstream.name.clone(),
        defined_at: tls.defined_at.clone(),
        problem: fault.problem,
        mend: fault.mend,
    })?;
    Ok(TlsConnector::from(Arc::new(config)))
}

fn client(protocol: Protocol, tls: &Tls) -> Result<ClientConfig, Fault> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|problem| {
            let mend = "this is a defect of the proxy: report it";
            Fault { problem: problem.to_string(), mend }
        })?;
    let builder = if tls.verify {
        builder.with_root_certificates(roots(tls.ca.as_deref())?)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
    };
    let mut config = match &tls.identity {
        Some(identity) => {
            let (chain, key) = read_identity(identity)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|problem| unfit(identity, &problem))?
        }
        None => builder.with_no_client_auth(),
    };
    let alpn = match protocol {
        Protocol::Http1 => HTTP1,
        Protocol::Http2 => HTTP2,
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let problem = "this machine has no root certificates".to_owned();
            let mend = "install its ca-certificates, or write tls = { ca = \"FILE.pem\" }";
            return Err(Fault { problem, mend });
        }
        return Ok(roots);
    };
    for certificate in certificates("ca", path)? {
        roots.add(certificate).map_err(|problem| Fault {
            problem: format!("`tls.ca`: {}: {problem}", path.display()),
            mend: "name a file of X.509 certificates that may sign others",
        })?;
    }
    Ok(roots)
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let pem = read(key, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Fault {
            problem: format!("`tls.{key}`: {} holds no certificate in PEM", path.display()),
            mend: "name a file that has -----BEGIN CERTIFICATE----- in it",
        }),
    }
}

fn read_identity(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Fault> {
    let chain = certificates("certificate", &identity.certificate)?;
    let pem = read("key", &identity.key)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| Fault {
        problem: format!("`tls.key`: {} holds no private key in PEM", identity.key.display()),
        mend: "name a file that has -----BEGIN PRIVATE KEY----- in it, without a passphrase",
    })?;
    Ok((chain, key))
}

fn unfit(identity: &Identity, problem: &rustls::Error) -> Fault {
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    Fault {
        problem: format!("`tls.certificate` {certificate} and `tls.key` {key}: {problem}"),
        mend: "name a certificate, the chain after it, and the private key that belongs to it",
    }
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, Fault> {
    let unreadable = |why: String| Fault {
        problem: format!("`tls.{key}`: cannot read {}: {why}", path.display()),
        mend: "check the path, which starts at the configuration's folder, and who may read it",
    };
    let size = std::fs::metadata(path).map_err(|why| unreadable(why.to_string()))?.len();
    if size > MAX_SIZE {
        return Err(unreadable(format!("{size} bytes are more than the {MAX_SIZE} that are read")));
    }
    std::fs::read(PathBuf::from(path)).map_err(|why| unreadable(why.to_string()))
}

/// `verify = false`: any certificate will do, though whoever shows it must have its key.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
