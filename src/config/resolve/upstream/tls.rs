//! `tls = { … }` of an upstream. The files themselves are read when the proxy starts, and by `check`.

use rustls::pki_types::ServerName;

use crate::config::Origin;
use crate::config::raw::{self, Field};
use crate::config::report::Problem;
use crate::config::source::{Complaint, Source};
use crate::config::upstream::{Identity, Tls};

use super::super::address::Scheme;
use super::super::{parsed, value, value_or};
use super::Places;

/// The TLS of an upstream with these places; `None` where there is none, or after noting what is wrong.
pub(super) fn of(
    field: Option<&Field<raw::UpstreamTls>>,
    places: &Places,
    source: &mut Source<'_>,
) -> Option<Tls> {
    if places.scheme != Scheme::Https {
        if let Some(field) = field {
            let problem = Problem::at(&field.span, "`tls` is for https:// upstreams");
            source.wrong(problem.help("write https:// in its url, or remove `tls`"));
        }
        return None;
    }
    let default = raw::UpstreamTls::default();
    let raw = value(field).unwrap_or(&default);
    let verify = value_or(raw.verify.as_ref(), true);
    if let (false, Some(ca)) = (verify, &raw.ca) {
        let problem = Problem::at(&ca.span, "nothing is verified by `ca` where `verify` is false");
        source.wrong(problem.help("remove one of the two"));
    }
    if raw.server_name.is_none() {
        has_verifiable_names(places, source);
    }
    Some(Tls {
        defined_at: source.line_of(field.map_or(&places.at, |field| &field.span)),
        ca: value(raw.ca.as_ref()).map(|path| source.resolve_path(path)),
        server_name: parsed(raw.server_name.as_ref(), source, server_name),
        identity: identity(raw, source),
        verify,
    })
}

fn server_name(text: &str) -> Result<ServerName<'static>, Complaint> {
    ServerName::try_from(text.to_owned()).map_err(|_| {
        let mend = "write the name in the app's certificate, as \"app.internal\"";
        Complaint::new(format!("`{text}` is no name that a certificate could have"), mend)
    })
}

/// Where no `server_name` is written, each URL's own host is verified.
fn has_verifiable_names(places: &Places, source: &mut Source<'_>) {
    for origin in &places.origins {
        if let Origin::Tcp { host, .. } = origin
            && server_name(host).is_err()
        {
            let message = format!("`{host}` is no name that a certificate could have");
            let problem = Problem::at(&places.at, message);
            source.wrong(problem.help("write tls = { server_name = \"…\" } with the one it has"));
        }
    }
}

/// Both of `certificate` and `key`, or neither.
fn identity(raw: &raw::UpstreamTls, source: &mut Source<'_>) -> Option<Identity> {
    let (there, missing) = match (&raw.certificate, &raw.key) {
        (Some(certificate), Some(key)) => {
            let path =
                |field: &Field<String>| field.value.as_ref().map(|path| source.resolve_path(path));
            return Some(Identity { certificate: path(certificate)?, key: path(key)? });
        }
        (Some(certificate), None) => (certificate, "key"),
        (None, Some(key)) => (key, "certificate"),
        (None, None) => return None,
    };
    if !raw.meant.contains(&missing) {
        let problem = Problem::at(&there.span, format!("`{missing}` is missing beside this"));
        source.wrong(problem.help(format!("write {missing} = \"FILE.pem\" too, or remove this")));
    }
    None
}
