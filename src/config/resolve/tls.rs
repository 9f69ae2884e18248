//! `tls = { … }` of a listener.

use super::{require, value, word};
use crate::config::raw::{Field, ListenerTls};
use crate::config::report::Problem;
use crate::config::source::Source;
use crate::config::{ClientAuth, Tls};

const CLIENT_AUTH: [(&str, bool); 2] = [("require", true), ("optional", false)];

/// The files by their absolute paths; `None` after noting what is missing.
pub(super) fn tls(field: &Field<ListenerTls>, source: &mut Source<'_>) -> Option<Tls> {
    let raw = field.value.as_ref()?;
    let section = (&field.span, raw.meant.as_slice());
    let mend = "name the PEM file with the chain: certificate = \"cert.pem\"";
    require(raw.certificate.as_ref(), "certificate", section, mend, source);
    let mend = "name the PEM file with the private key: key = \"key.pem\"";
    require(raw.key.as_ref(), "key", section, mend, source);
    let is_required = word(raw.client_auth.as_ref(), "client_auth", &CLIENT_AUTH, true, source);
    if let (Some(field), None) = (&raw.client_auth, &raw.client_ca) {
        let problem = Problem::at(&field.span, "`client_auth` needs `client_ca`");
        source
            .wrong(problem.help(
                "say who vouches for clients: client_ca = \"ca.pem\", or remove client_auth",
            ));
    }
    let path = |field| value(field).map(|path: &String| source.resolve_path(path));
    let ca = path(raw.client_ca.as_ref());
    Some(Tls {
        defined_at: source.line_of(&field.span),
        certificate: path(raw.certificate.as_ref())?,
        key: path(raw.key.as_ref())?,
        client: ca.map(|ca| ClientAuth { ca, is_required }),
    })
}
