//! `routes` and `check --explain`: which route answers, in which order they are tried, and why.

use std::io::{self, Write};
use std::path::Path;

use http::header::{HOST, HeaderMap};
use http::{HeaderName, HeaderValue, Method, Uri};

use crate::app::AppError;
use crate::app::run::load;
use crate::config::{Action, Config, HostMatch, PathMatch, Route, Scheme, Segment};
use crate::route::table::Mismatch;
use crate::route::{Table, Target};
use crate::server::hygiene::path;

/// Prints the routes of `file` in match order.
///
/// # Errors
/// A configuration that is wrong.
pub fn routes(file: &Path) -> Result<(), AppError> {
    let config = load(file)?;
    let table = table(&config);
    let rows: Vec<[String; 5]> = table.iter().map(|(_, route)| row(route)).collect();
    print(&["NAME", "MATCH", "WHEN", "ANSWER", "DEFINED"], &rows).map_err(AppError::runtime)
}

/// Prints which route of `file` answers `request`, and why those before it do not.
///
/// # Errors
/// A configuration that is wrong; a request that cannot be read.
pub fn explain(file: &Path, request: &str) -> Result<(), AppError> {
    let config = load(file)?;
    let asked = Asked::parse(request).map_err(AppError::Usage)?;
    let table = table(&config);
    let target = asked.target();
    let mut out = io::stdout().lock();
    for (rule, route) in table.iter() {
        let told = match rule.matches(&target) {
            Err(mismatch) => format!("  no   {:20} {}", route.name, why(mismatch)),
            Ok(captures) => {
                let params = captures.iter().map(|(name, value)| format!(" {name}={value}"));
                format!("→ yes  {:20} {}{}", route.name, answer(route), params.collect::<String>())
            }
        };
        writeln!(out, "{told}").map_err(AppError::runtime)?;
        if told.starts_with('→') {
            return Ok(());
        }
    }
    writeln!(out, "no route matches: 404 no_route").map_err(AppError::runtime)
}

fn table(config: &Config) -> Table<&Route> {
    Table::new(config.routes.iter().map(|route| (route, route)))
}

fn why(mismatch: Mismatch) -> &'static str {
    match mismatch {
        Mismatch::Scheme => "another scheme",
        Mismatch::Host => "another host",
        Mismatch::Path => "another path",
        Mismatch::Method => "another method",
        Mismatch::Headers => "a header is missing or has another value",
    }
}

/// A request as written on the command line: `[METHOD] URL [-H NAME:VALUE]…`.
struct Asked {
    method: Method,
    uri: Uri,
    path: String,
    unslashed: Option<String>,
    headers: HeaderMap,
}

impl Asked {
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().peekable();
        let is_method = |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase());
        let method = words.next_if(is_method).unwrap_or("GET");
        let method = method.parse().map_err(|_| format!("`{method}` is no method"))?;
        let url = words.next().ok_or("there is no URL: write \"GET http://host/path\"")?;
        let uri: Uri = url.parse().map_err(|problem| format!("`{url}` is no URL: {problem}"))?;
        let path = if uri.path().is_empty() { "/" } else { uri.path() };
        let path =
            path::canonical(path).map_err(|problem| format!("400 bad_request: {problem}"))?;
        let path = path.into_owned();
        let mut headers = HeaderMap::new();
        while let Some(word) = words.next() {
            let header = match word {
                "-H" => words.next().ok_or("-H needs NAME:VALUE")?,
                other => return Err(format!("`{other}` is not understood: write -H NAME:VALUE")),
            };
            let (name, value) = parse_header(header)?;
            headers.append(name, value);
        }
        Ok(Self { method, unslashed: path::unslashed(&path), path, uri, headers })
    }

    fn target(&self) -> Target<'_> {
        let host_header = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        let is_https = self.uri.scheme_str() == Some("https");
        Target {
            scheme: if is_https { Scheme::Https } else { Scheme::Http },
            host: self.uri.authority().map(|authority| authority.as_str()).or(host_header),
            path: &self.path,
            unslashed: self.unslashed.as_deref(),
            method: &self.method,
            headers: &self.headers,
        }
    }
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("`{text}` is no header: write NAME:VALUE");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    Ok((name, value.trim().parse().map_err(|_| wrong())?))
}

fn row(route: &Route) -> [String; 5] {
    let scheme = match route.scheme {
        None => "",
        Some(Scheme::Http) => "http://",
        Some(Scheme::Https) => "https://",
    };
    let host = match &route.host {
        HostMatch::Any => String::new(),
        HostMatch::Exact(host) => host.clone(),
        HostMatch::Suffix(suffix) => format!("*{suffix}"),
    };
    let methods = route.methods.iter().map(|method| method.as_str().to_owned());
    let headers = route
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    let when: Vec<String> = methods.chain(headers).collect();
    [
        route.name.clone(),
        format!("{scheme}{host}{}", path(&route.path)),
        when.join(" "),
        answer(route),
        route.defined_at.clone(),
    ]
}

fn path(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(path) => path.clone(),
        PathMatch::Prefix(prefix) => format!("{}/…", prefix.trim_end_matches('/')),
        PathMatch::Pattern(segments) => segments.iter().map(segment).collect(),
    }
}

fn segment(segment: &Segment) -> String {
    match segment {
        Segment::Literal(literal) => format!("/{literal}"),
        Segment::Param(name) => format!("/{{{name}}}"),
        Segment::Rest(name) => format!("/{{*{name}}}"),
    }
}

fn answer(route: &Route) -> String {
    match &route.action {
        Action::Call(function) => format!("call {}", function.name),
        Action::Detach(function, _) => format!("call {}, detached", function.name),
        Action::Proxy(upstream) => format!("proxy {}", upstream.name),
        Action::Respond(respond) => format!("respond {}", respond.status.as_u16()),
        Action::Redirect(redirect) => {
            format!("redirect {} {}", redirect.status.as_u16(), redirect.written)
        }
        Action::Files(files) => format!("files {}", files.root.display()),
    }
}

/// Prints columns as wide as their widest cell.
///
/// # Errors
/// Whoever reads it has left.
pub fn print(head: &[&str; 5], rows: &[[String; 5]]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = io::stdout().lock();
    let mut line = |cells: &[&str]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    line(head)?;
    rows.iter().try_for_each(|row| line(&row.each_ref().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_from_one_line() {
        let asked = Asked::parse("POST http://h/p?q=1 -H X-Tenant:blue").unwrap();
        let target = asked.target();
        assert_eq!((target.method, target.host, target.path), (&Method::POST, Some("h"), "/p"));
        assert_eq!(target.headers["x-tenant"], "blue");
        assert_eq!(Asked::parse("/p").unwrap().target().host, None);
        for wrong in ["", "POST", "GET /p -X", "GET /p -H", "GET /p -H novalue"] {
            assert!(Asked::parse(wrong).is_err(), "{wrong}");
        }
    }
}
