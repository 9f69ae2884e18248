//! A self-signed certificate (ECDSA P-256) for all that speak TLS.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Its files.
pub struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// A new one, for the loopback address.
    pub fn create() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(folder.path().join("chain.pem"), &chain).unwrap();
        fs::write(folder.path().join("key.pem"), &key).unwrap();
        fs::write(folder.path().join("both.pem"), chain + &key).unwrap();
        Self { folder }
    }

    /// The certificate.
    pub fn chain(&self) -> PathBuf {
        self.folder.path().join("chain.pem")
    }

    /// Its key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Certificate and key in one file.
    pub fn both(&self) -> PathBuf {
        self.folder.path().join("both.pem")
    }

    /// Where they are; others may leave files here too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
