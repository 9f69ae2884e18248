//! `listen`, `[server]`, `[admin]`, `[accounting]`, `[log]` and `[trace]`.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::limits::count_or_off;
use super::{address, name, number, parsed, require, tls, value, value_or, word};
use crate::config::raw::{self, Field, File, Off, Size};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::config::{
    Access, AccessFormat, Accounting, Address, Admin, Level, Listener, Log, LogFormat, Server,
    Trace,
};

/// What the listener of the top-level `listen` is called.
const MAIN_LISTENER: &str = "http";

/// hyper's smallest buffer for a head.
const LEAST_HEADER_SIZE: u64 = 8 << 10;
const MOST_HEADER_SIZE: u64 = 1 << 20;

pub(super) fn server(file: &File, source: &mut Source<'_>) -> Option<Server> {
    let written = value_or(file.server.as_ref(), raw::Server::default());
    let listeners = listeners(file, &written, source);
    let time = |field: &Option<Field<Off<Duration>>>, default: u64| {
        value_or(field.as_ref(), Off::On(Duration::from_secs(default))).on()
    };
    let max_body_size = value_or(written.max_body_size.as_ref(), Off::On(Size(8 << 20)));
    Some(Server {
        workers: workers(&written, source),
        max_connections: number(
            written.max_connections.as_ref(),
            "max_connections",
            1..=1_000_000,
            16_384,
            source,
        ),
        header_timeout: time(&written.header_timeout, 10),
        idle_timeout: time(&written.idle_timeout, 75),
        body_timeout: time(&written.body_timeout, 30),
        body_total_timeout: time(&written.body_total_timeout, 600),
        send_timeout: time(&written.send_timeout, 60),
        drain_timeout: value_or(written.drain_timeout.as_ref(), Duration::from_secs(30)),
        handover_timeout: value_or(written.handover_timeout.as_ref(), Duration::from_secs(30)),
        max_requests_per_connection: max_requests(&written, source),
        max_header_size: max_header_size(&written, source),
        max_headers: number(written.max_headers.as_ref(), "max_headers", 1..=256, 100, source),
        max_body_size: max_body_size.on().map(|size| size.0),
        trusted_proxies: trusted_proxies(&written, source),
        listeners: listeners?,
    })
}

fn workers(written: &raw::Server, source: &mut Source<'_>) -> usize {
    match number(written.workers.as_ref(), "workers", 0..=1024, 0, source) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

fn max_requests(written: &raw::Server, source: &mut Source<'_>) -> Option<usize> {
    let field = written.max_requests_per_connection.as_ref();
    let most = count_or_off(field, "max_requests_per_connection", 1_000_000_000, 0, source);
    (most > 0).then_some(most)
}

fn max_header_size(written: &raw::Server, source: &mut Source<'_>) -> usize {
    let Size(bytes) = value_or(written.max_header_size.as_ref(), Size(64 << 10));
    if let Some(field) = &written.max_header_size
        && !(LEAST_HEADER_SIZE..=MOST_HEADER_SIZE).contains(&bytes)
    {
        let problem = Problem::at(&field.span, "`max_header_size` must be from 8KiB to 1MiB");
        source.wrong(problem.help(
            "write max_header_size = \"64KiB\", the default, or another size within these limits",
        ));
    }
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn trusted_proxies(written: &raw::Server, source: &mut Source<'_>) -> Vec<IpNet> {
    let list = value(written.trusted_proxies.as_ref()).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|field| parsed(Some(field), source, network)).collect()
}

fn network(text: &str) -> Result<IpNet, Complaint> {
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.ok_or_else(|| {
        let mend = "write \"10.0.0.7\" or \"10.0.0.0/8\"";
        Complaint::new(format!("`{text}` is no address and no network"), mend)
    })
}

/// A listener as found, with the places of its name and its address.
struct Found {
    listener: Listener,
    name_at: Span,
    address_at: Span,
}

/// All listeners; `None` if one is wrong or there is none.
fn listeners(file: &File, written: &raw::Server, source: &mut Source<'_>) -> Option<Vec<Listener>> {
    let list = value(written.listeners.as_ref()).map(Vec::as_slice).unwrap_or_default();
    let meant = |key| file.meant.contains(&key) || written.meant.contains(&key);
    let misspelt = meant("listen") || meant("listeners");
    if file.listen.is_none() && list.is_empty() && !misspelt {
        let problem = Problem::at(&(0..0), "nothing to listen at");
        source.wrong(problem.help("write at the top: listen = \"127.0.0.1:8080\""));
        return None;
    }
    let mut found: Vec<Found> = Vec::new();
    if let Some(field) = &file.listen
        && let Some(address) = address::address(Some(field), source)
    {
        let listener = Listener::plain(MAIN_LISTENER, address);
        let (name_at, address_at) = (field.span.clone(), field.span.clone());
        found.push(Found { listener, name_at, address_at });
    }
    found.extend(list.iter().filter_map(|field| one_listener(field, source)));
    distinct(&found, source);
    Some(found.into_iter().map(|found| found.listener).collect())
}

fn one_listener(field: &Field<raw::Listener>, source: &mut Source<'_>) -> Option<Found> {
    let raw = field.value.as_ref()?;
    let section = (&field.span, raw.meant.as_slice());
    require(raw.name.as_ref(), "name", section, "give it a name: name = \"internal\"", source);
    let mend = "write where to listen: address = \"127.0.0.1:8081\"";
    require(raw.address.as_ref(), "address", section, mend, source);
    let name = parsed(raw.name.as_ref(), source, |text| match text {
        "admin" => Err(Complaint::new(
            "`admin` is the operator's listener",
            "choose another name, or set [admin] address",
        )),
        _ => name::label(text),
    });
    let address = address::address(raw.address.as_ref(), source);
    let tls = raw.tls.as_ref().map(|field| tls::tls(field, source));
    let tls = tls.map_or(Some(None), |tls| tls.map(Some));
    let proxy_protocol = value_or(raw.proxy_protocol.as_ref(), false);
    Some(Found {
        listener: Listener { name: name?, address: address?, tls: tls?, proxy_protocol },
        name_at: raw.name.as_ref()?.span.clone(),
        address_at: raw.address.as_ref()?.span.clone(),
    })
}

/// Two listeners share neither name nor address; port 0 takes a free one each time.
fn distinct(found: &[Found], source: &mut Source<'_>) {
    let is_fixed = |address: &Address| !matches!(address, Address::Tcp(a) if a.port() == 0);
    for (index, later) in found.iter().enumerate() {
        for earlier in &found[..index] {
            if earlier.listener.name == later.listener.name {
                let message = format!("two listeners are named `{}`", later.listener.name);
                let problem =
                    Problem::at(&later.name_at, message).also(&earlier.name_at, "the first");
                source.wrong(problem.help("give each its own name; that of `listen` is `http`"));
            }
            let address = &later.listener.address;
            if *address == earlier.listener.address && is_fixed(address) {
                let problem = Problem::at(&later.address_at, "two listeners have one address");
                let problem = problem.also(&earlier.address_at, "the first");
                source.wrong(problem.help("remove one, or choose another port"));
            }
        }
    }
}

pub(super) fn admin(file: &File, source: &mut Source<'_>) -> Option<Admin> {
    let default = Admin { address: Address::Tcp(([127, 0, 0, 1], 9180).into()), is_default: true };
    let Some(field) = value(file.admin.as_ref()).and_then(|admin| admin.address.as_ref()) else {
        return Some(default);
    };
    match field.value.clone()? {
        Off::Off => None,
        Off::On(text) => {
            let field = Field { value: Some(text), span: field.span.clone() };
            let address = address::address(Some(&field), source)?;
            Some(Admin { address, is_default: false })
        }
    }
}

pub(super) fn accounting(file: &File) -> Accounting {
    let written = value_or(file.accounting.as_ref(), raw::Accounting::default());
    Accounting {
        interval: value_or(written.interval.as_ref(), Duration::from_millis(20)),
        stall_after: value_or(written.stall_after.as_ref(), Duration::from_millis(100)),
    }
}

const LEVELS: [(&str, Level); 5] = [
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];
const FORMATS: [(&str, LogFormat); 3] =
    [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
const ACCESS: [(&str, AccessFormat); 4] = [
    ("off", AccessFormat::Off),
    ("text", AccessFormat::Text),
    ("json", AccessFormat::Json),
    ("combined", AccessFormat::Combined),
];
/// Parameters that carry what lets their finder in.
const SECRETS: [&str; 14] = [
    "access_token",
    "api_key",
    "apikey",
    "client_secret",
    "id_token",
    "jwt",
    "passwd",
    "password",
    "refresh_token",
    "secret",
    "session",
    "sig",
    "signature",
    "token",
];

pub(super) fn log(file: &File, source: &mut Source<'_>) -> Log {
    let written = value_or(file.log.as_ref(), raw::Log::default());
    let access = value_or(written.access.as_ref(), raw::Access::default());
    Log {
        level: word(written.level.as_ref(), "level", &LEVELS, Level::Info, source),
        format: word(written.format.as_ref(), "format", &FORMATS, LogFormat::Auto, source),
        access: self::access(&access, source),
    }
}

fn access(written: &raw::Access, source: &mut Source<'_>) -> Access {
    let format = word(written.format.as_ref(), "format", &ACCESS, AccessFormat::Off, source);
    if let (Some(field), None) = (&written.file, &written.format) {
        let problem = Problem::at(&field.span, "nothing is written to this file");
        source
            .wrong(problem.help("say how lines look: format = \"combined\", \"json\" or \"text\""));
    }
    let file = value(written.file.as_ref()).map(|path| source.resolve_path(path));
    let names = match value(written.redact.as_ref()) {
        Some(list) => list.iter().filter_map(|field| value(Some(field))).cloned().collect(),
        None => SECRETS.map(str::to_owned).to_vec(),
    };
    let redact = names.into_iter().map(|name: String| name.to_ascii_lowercase()).collect();
    Access { format, file, redact }
}

pub(super) fn trace(file: &File) -> Trace {
    let written = value_or(file.trace.as_ref(), raw::Trace::default());
    Trace {
        request_id: value_or(written.request_id.as_ref(), true),
        traceparent: value_or(written.traceparent.as_ref(), true),
        sampled: value_or(written.sampled.as_ref(), true),
    }
}
