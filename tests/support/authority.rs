//! A certificate authority of a test's own, and certificates by it.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, both in PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// A fresh one.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these names that lasts.
    pub fn issue_for(&self, names: &[&str]) -> Pair {
        self.sign(&params(names))
    }

    /// A certificate for `localhost` and 127.0.0.1 until the end of `year`.
    pub fn issue_until(&self, year: i32) -> Pair {
        let mut params = params(&LOCAL);
        params.not_after = date_time_ymd(year, 12, 31);
        self.sign(&params)
    }

    /// A certificate for `localhost` and 127.0.0.1 that lasts.
    pub fn issue(&self) -> Pair {
        self.issue_for(&LOCAL)
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

const LOCAL: [&str; 2] = ["localhost", "127.0.0.1"];

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}
