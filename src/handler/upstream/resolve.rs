//! Names of upstreams: looked up on the control runtime, never on an event loop. A lookup that fails changes nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::config::{Origin, Upstream};
use crate::handler::upstream::endpoint::Address;
use crate::handler::upstream::{Endpoint, Group};

/// Until a name is known, it is looked up this often.
const RETRY: Duration = Duration::from_secs(1);
/// Of one name; who answers lookups does not decide how much memory is used.
const MOST_ADDRESSES: usize = 64;

/// What is known of the places of one upstream, in the order of its `urls`.
pub(super) struct Names {
    known: Mutex<Vec<Known>>,
    /// Names whose first lookup has not ended.
    pending: watch::Sender<usize>,
}

#[derive(Default)]
struct Known {
    addresses: Vec<Address>,
    problem: Option<String>,
    server_name: Option<ServerName<'static>>,
}

impl Names {
    pub(super) fn new(upstream: &Upstream) -> Self {
        let known: Vec<_> = upstream.origins.iter().map(|one| known(upstream, one)).collect();
        let pending = known.iter().filter(|one| one.addresses.is_empty()).count();
        Self { known: Mutex::new(known), pending: watch::channel(pending).0 }
    }

    /// Ready when each name was looked up once, or after `limit`.
    pub(super) async fn looked_up(&self, limit: Option<Duration>) {
        let mut pending = self.pending.subscribe();
        let done = pending.wait_for(|pending| *pending == 0);
        let _late_is_as_good_as_failed = timeout(limit.unwrap_or(Duration::MAX), done).await;
    }

    /// Why no address is known.
    pub(super) fn problem(&self) -> String {
        let known = self.known();
        let told = known.iter().find_map(|one| one.problem.clone());
        told.unwrap_or_else(|| "its name is still being looked up".to_owned())
    }

    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What needs no lookup.
fn known(upstream: &Upstream, origin: &Origin) -> Known {
    let name = upstream.tls.as_ref().and_then(|tls| tls.server_name.clone());
    match origin {
        Origin::Unix(path) => {
            Known { addresses: vec![Address::Unix(path.clone())], ..Known::default() }
        }
        Origin::Tcp { host, port } => {
            let addresses = host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, *port));
            Known {
                addresses: addresses.map(Address::Tcp).into_iter().collect(),
                problem: None,
                server_name: name.or_else(|| ServerName::try_from(host.clone()).ok()),
            }
        }
    }
}

/// Takes what is known, and begins to look up the rest.
pub(super) fn start(group: &Arc<Group>) {
    group.renew();
    for (place, origin) in group.config.origins.iter().enumerate() {
        if let Origin::Tcp { host, port } = origin
            && host.parse::<IpAddr>().is_err()
        {
            let name = Name { place, host: host.clone(), port: *port };
            tokio::spawn(follow(Arc::downgrade(group), name, group.config.resolve));
        }
    }
}

struct Name {
    place: usize,
    host: String,
    port: u16,
}

async fn follow(group: Weak<Group>, name: Name, again: Option<Duration>) {
    let mut is_first = true;
    loop {
        let found = look_up(&name).await;
        let Some(group) = group.upgrade() else { return };
        let is_known = group.resolved(&name, found);
        if std::mem::take(&mut is_first) {
            group.names.pending.send_modify(|pending| *pending -= 1);
        }
        drop(group);
        let pause = match (is_known, again) {
            (true, None) => return,
            (true, Some(again)) => again,
            (false, again) => again.map_or(RETRY, |again| again.min(RETRY)),
        };
        sleep(pause).await;
    }
}

async fn look_up(name: &Name) -> io::Result<Vec<Address>> {
    let mut found: Vec<_> = lookup_host((name.host.as_str(), name.port)).await?.collect();
    // Resolvers turn their lists round: the same addresses must be the same set.
    found.sort_unstable();
    found.dedup();
    found.truncate(MOST_ADDRESSES);
    match found.is_empty() {
        true => Err(io::Error::other("it has no address")),
        false => Ok(found.into_iter().map(Address::Tcp).collect()),
    }
}

impl Group {
    /// Takes what a lookup found; whether any address of the name is known.
    fn resolved(&self, name: &Name, found: io::Result<Vec<Address>>) -> bool {
        let mut known = self.names.known();
        let Some(one) = known.get_mut(name.place) else { return false };
        let (upstream, host) = (&self.config.name, &name.host);
        match found {
            Ok(addresses) if one.addresses != addresses => {
                let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                info!("upstream `{upstream}`: {host} is at {}", list.join(", "));
                *one = Known { addresses, problem: None, server_name: one.server_name.take() };
                drop(known);
                self.renew();
                true
            }
            Ok(_) => {
                one.problem = None;
                true
            }
            Err(problem) => {
                let problem = format!("{host} cannot be looked up: {problem}");
                if one.problem.is_none() {
                    let kept = one.addresses.len();
                    warn!("upstream `{upstream}`: {problem}; {kept} addresses are known of before");
                }
                one.problem = Some(problem);
                !one.addresses.is_empty()
            }
        }
    }

    fn renew(&self) {
        let known = self.names.known();
        let wanted = known
            .iter()
            .enumerate()
            .flat_map(|(place, one)| one.addresses.iter().map(move |address| (place, address)));
        let make = |place: usize, address: &Address| {
            let name = known.get(place).and_then(|one| one.server_name.clone());
            Endpoint::new(place, address.clone(), name)
        };
        let old = self.endpoints.load_full();
        self.endpoints.store(Arc::new(renewed(&old, wanted, make)));
        drop(known);
        self.show();
    }
}

/// The endpoints of `wanted`: those that were there before stay what they are, those that are not wanted retire.
fn renewed<'a>(
    old: &[Arc<Endpoint>],
    wanted: impl Iterator<Item = (usize, &'a Address)>,
    make: impl Fn(usize, &Address) -> Endpoint,
) -> Vec<Arc<Endpoint>> {
    let same = |place, address: &Address| {
        old.iter().find(|one| one.place == place && one.address == *address).cloned()
    };
    let new: Vec<_> = wanted
        .map(|(place, address)| {
            same(place, address).unwrap_or_else(|| Arc::new(make(place, address)))
        })
        .collect();
    let is_gone = |one: &&Arc<Endpoint>| !new.iter().any(|kept| kept.id == one.id);
    old.iter().filter(is_gone).for_each(|gone| gone.retire());
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(old: &[Arc<Endpoint>], wanted: &[(usize, &str)]) -> Vec<Arc<Endpoint>> {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(place, address)| (*place, Address::Tcp(address.parse().unwrap())))
            .collect();
        let wanted = wanted.iter().map(|(place, address)| (*place, address));
        renewed(old, wanted, |place, address| Endpoint::new(place, address.clone(), None))
    }

    fn group() -> Arc<Group> {
        let text =
            "listen = \":0\"\n[upstreams.app]\nurls = [\"http://app\", \"http://10.9.9.9\"]\n";
        let config = crate::config::parse(text, std::path::Path::new("x.toml"), &|_| None).unwrap();
        Group::start(&config.upstreams[0], &crate::telemetry::Metrics::new().unwrap()).unwrap()
    }

    fn addresses(group: &Group) -> Vec<String> {
        group.endpoints.load().iter().map(|one| one.address.to_string()).collect()
    }

    #[tokio::test]
    async fn a_lookup_that_fails_keeps_what_was_known() {
        let group = group();
        let name = Name { place: 0, host: "app".into(), port: 80 };
        let found = |list: &[&str]| {
            let list = list.iter().map(|one| Address::Tcp(one.parse().unwrap()));
            Ok(list.collect::<Vec<_>>())
        };
        let up = || group.meters().up.iter().map(|up| up.get()).collect::<Vec<_>>();
        assert_eq!((addresses(&group), up()), (vec!["10.9.9.9:80".into()], vec![0, 1]));
        assert!(!group.resolved(&name, Err(io::Error::other("no such name"))));
        assert!(group.names.problem().contains("app cannot be looked up: no such name"));
        assert!(group.resolved(&name, found(&["10.0.0.1:80", "10.0.0.2:80"])));
        assert_eq!(addresses(&group), ["10.0.0.1:80", "10.0.0.2:80", "10.9.9.9:80"]);
        assert_eq!(up(), [1, 1]);
        let second = Arc::clone(&group.endpoints.load()[1]);
        assert!(group.resolved(&name, Err(io::Error::other("no answer"))));
        assert_eq!(addresses(&group).len(), 3);
        assert!(group.resolved(&name, found(&["10.0.0.2:80", "10.0.0.3:80"])));
        assert_eq!(addresses(&group), ["10.0.0.2:80", "10.0.0.3:80", "10.9.9.9:80"]);
        assert_eq!(group.endpoints.load()[0].id, second.id);
    }

    #[test]
    fn who_stays_is_the_same_and_who_goes_retires() {
        let first = set(&[], &[(0, "10.0.0.1:80"), (0, "10.0.0.2:80"), (1, "10.0.0.1:80")]);
        assert_eq!(first.len(), 3);
        first[1].begin();
        let second = set(&first, &[(0, "10.0.0.2:80"), (0, "10.0.0.3:80"), (1, "10.0.0.1:80")]);
        assert_eq!(second.iter().map(|one| one.in_flight()).collect::<Vec<_>>(), [1, 0, 0]);
        assert_eq!((second[0].id, second[2].id), (first[1].id, first[2].id));
        assert!(first.iter().all(|one| one.id != second[1].id));
        let retired: Vec<_> = first.iter().map(|one| one.is_retired()).collect();
        assert_eq!(retired, [true, false, false]);
        let third = set(&second, &[(0, "10.0.0.1:80")]);
        assert_ne!(third[0].id, first[0].id, "who comes back starts afresh");
        assert!(second.iter().all(|one| one.is_retired()) && !third[0].is_retired());
    }
}
