//! TLS in front of a fake upstream: it ends TLS, notes what the client showed, and passes bytes on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::authority::{Authority, Pair};
use super::background::Background;
use super::place::Place;

/// What a client showed in a handshake that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The name it asked for.
    pub name: Option<String>,
    /// What ALPN chose.
    pub protocol: Option<String>,
    /// Certificates of its own.
    pub certificates: usize,
}

/// Ends TLS; ends itself when dropped.
pub struct TlsFront {
    address: SocketAddr,
    shown: Arc<Mutex<Vec<Shown>>>,
    _running: Background,
}

impl TlsFront {
    /// In front of `behind`, with this certificate; offers `alpn`, and demands a certificate by `clients` where given.
    pub fn start(behind: &Place, pair: &Pair, alpn: &[&str], clients: Option<&Authority>) -> Self {
        let Place::Tcp(behind) = *behind else { panic!("over TCP only") };
        let acceptor = TlsAcceptor::from(Arc::new(config(pair, alpn, clients)));
        let shown = Arc::new(Mutex::default());
        let noted = Arc::clone(&shown);
        let (running, port) =
            Background::serve(move |listener| accept(listener, acceptor, behind, noted));
        Self { address: ([127, 0, 0, 1], port).into(), shown, _running: running }
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The handshakes that succeeded, in order.
    pub fn shown(&self) -> Vec<Shown> {
        self.shown.lock().unwrap().clone()
    }
}

fn config(pair: &Pair, alpn: &[&str], clients: Option<&Authority>) -> ServerConfig {
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
            roots.add(root).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    behind: SocketAddr,
    shown: Arc<Mutex<Vec<Shown>>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shown) = (acceptor.clone(), Arc::clone(&shown));
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let session = stream.get_ref().1;
            shown.lock().unwrap().push(Shown {
                name: session.server_name().map(str::to_owned),
                protocol: session
                    .alpn_protocol()
                    .map(|name| String::from_utf8_lossy(name).into_owned()),
                certificates: session.peer_certificates().map_or(0, <[_]>::len),
            });
            let Ok(mut behind) = TcpStream::connect(behind).await else { return };
            let _either_side_left = copy_bidirectional(&mut stream, &mut behind).await;
        });
    }
}
