//! A client's side of TLS: whom it trusts, what it brings, what it asks for.

use std::io::{self, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls::{SupportedProtocolVersion, version};

use super::authority::{Authority, Pair};
use super::http::{Connection, TIMEOUT};
use super::place::{Place, Stream};

/// Whom certificates are for.
pub const HOST: &str = "localhost";

/// Both versions that are spoken.
pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// How a client connects; its sessions are resumed by its clones.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Believes this authority, has no certificate and asks for no protocol.
    pub fn of(authority: &Authority) -> Self {
        Self::in_version(authority, None, None)
    }

    /// As [`Trust::of`], with a certificate of its own, and one version of TLS only.
    pub fn in_version(
        authority: &Authority,
        version: Option<&'static SupportedProtocolVersion>,
        own: Option<&Pair>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let versions = version.map_or(VERSIONS.to_vec(), |only| vec![only]);
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = CertificateDer::pem_slice_iter(own.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
            }
        };
        config.resumption = Resumption::in_memory_sessions(8);
        Self(Arc::new(config))
    }

    /// Asks for these protocols (ALPN).
    pub fn asking(&self, protocols: &[&str]) -> Self {
        let mut config = (*self.0).clone();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self(Arc::new(config))
    }

    /// For other clients.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }

    /// Connects, and shakes hands.
    pub fn open(&self, place: impl Into<Place>) -> io::Result<Connection> {
        self.open_after(place, b"")
    }

    /// Connects, sends `first` as it stands, and shakes hands. In TLS 1.3 a server that dislikes the client's
    /// certificate says so only afterwards.
    pub fn open_after(&self, place: impl Into<Place>, first: &[u8]) -> io::Result<Connection> {
        let mut stream = place.into().connect(TIMEOUT)?;
        stream.write_all(first)?;
        let name = ServerName::try_from(HOST).unwrap();
        let mut session = ClientConnection::new(self.config(), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        let stream = Stream::Tls(Box::new(StreamOwned::new(session, stream)));
        Ok(Connection::from_stream(stream))
    }
}

/// What a connection of [`Trust::open`] agreed on.
///
/// # Panics
/// Without TLS.
#[track_caller]
pub fn session(connection: &Connection) -> &ClientConnection {
    match connection.stream() {
        Stream::Tls(stream) => &stream.conn,
        other => panic!("no TLS: {other:?}"),
    }
}
