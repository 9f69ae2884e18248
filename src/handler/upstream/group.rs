//! An upstream as all event loops share it: its addresses, its limits, and what its health checks found.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use arc_swap::ArcSwap;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

use crate::config::Upstream;
use crate::handler::Error;
use crate::handler::upstream::balance::choose;
use crate::handler::upstream::endpoint::Turn;
use crate::handler::upstream::limit::{NoPlace, Places};
use crate::handler::upstream::meters::Meters;
use crate::handler::upstream::resolve::Names;
use crate::handler::upstream::{Endpoint, Lease, Trouble, health, resolve, tls};
use crate::telemetry::Metrics;

/// One upstream at work.
pub struct Group {
    pub(super) config: Arc<Upstream>,
    pub(super) endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    pub(super) names: Names,
    pub(super) tls: Option<TlsConnector>,
    turn: AtomicUsize,
    places: Option<Places>,
    meters: Meters,
}

impl Group {
    /// Puts `upstream` to work. Names are looked up and health is checked on the caller's runtime, from now on and for
    /// as long as anybody has the group.
    ///
    /// # Errors
    /// The files of its `tls`.
    pub fn start(upstream: &Arc<Upstream>, metrics: &Metrics) -> Result<Arc<Self>, tls::Unusable> {
        let tls = upstream.tls.as_ref().map(|tls| tls::connector(upstream, tls)).transpose()?;
        if upstream.tls.as_ref().is_some_and(|tls| !tls.verify) {
            warn!(
                "upstream `{}` is not verified (tls.verify = false): whoever answers in its place reads and \
                 changes everything",
                upstream.name
            );
        }
        let meters = Meters::new(metrics, upstream);
        let depth = &meters.queue_depth;
        let group = Arc::new(Self {
            config: Arc::clone(upstream),
            endpoints: ArcSwap::default(),
            names: Names::new(upstream),
            tls,
            turn: AtomicUsize::new(0),
            places: upstream.limit.map(|limit| Places::new(limit, depth.clone())),
            meters,
        });
        resolve::start(&group);
        health::start(&group);
        Ok(group)
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &Arc<Upstream> {
        &self.config
    }

    /// Its metric handles.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// A place under `max_connections`, for which this may wait, and the endpoint whose turn it is; `avoid` only where
    /// there is no other.
    ///
    /// # Errors
    /// [`Error::UpstreamFull`], [`Error::UpstreamQueueTimeout`]; [`Error::UpstreamConnect`] where none is up, or no
    /// address is known.
    pub async fn lease(self: &Arc<Self>, avoid: Option<&Endpoint>) -> Result<Lease, Error> {
        let place = match &self.places {
            Some(places) => Some(self.place(places).await?),
            None => None,
        };
        let is_other = |one: &Endpoint| avoid.is_none_or(|avoid| avoid.id != one.id);
        let endpoint = match self.choose(is_other).or_else(|| self.choose(|_| true)) {
            Some(endpoint) => endpoint,
            None => self.first_found().await?,
        };
        Ok(Lease::new(Arc::clone(self), endpoint, place))
    }

    /// What [`Group::lease`] gives, where nobody needs to wait for it.
    #[must_use]
    pub fn free_lease(self: &Arc<Self>) -> Option<Lease> {
        if self.places.is_some() {
            return None;
        }
        let endpoint = self.choose(|_| true)?;
        Some(Lease::new(Arc::clone(self), endpoint, None))
    }

    async fn place(&self, places: &Places) -> Result<OwnedSemaphorePermit, Error> {
        let refused = match places.take().await {
            Ok(place) => return Ok(place),
            Err(refused) => refused,
        };
        let upstream = self.config.name.clone();
        let limit = places.limit();
        Err(match refused {
            NoPlace::Full => {
                self.meters.count_error(Trouble::QueueFull);
                let (limit, length) = (limit.max_connections, limit.queue_length);
                Error::UpstreamFull { upstream, limit, length }
            }
            NoPlace::Late(limit) => {
                self.meters.count_error(Trouble::QueueTimeout);
                Error::UpstreamQueueTimeout { upstream, limit }
            }
        })
    }

    pub(super) fn choose(&self, is_wanted: impl Fn(&Endpoint) -> bool) -> Option<Arc<Endpoint>> {
        let endpoints = self.endpoints.load();
        choose(self.config.balance, &endpoints, &self.turn, is_wanted).cloned()
    }

    /// Waits for the first lookup, where it is still under way.
    async fn first_found(&self) -> Result<Arc<Endpoint>, Error> {
        if self.endpoints.load().is_empty() {
            self.names.looked_up(self.config.connect_timeout).await;
        }
        self.choose(|_| true).ok_or_else(|| self.nobody())
    }

    fn nobody(&self) -> Error {
        let count = self.endpoints.load().len();
        let (trouble, problem) = match count {
            0 => (Trouble::Resolve, self.names.problem()),
            _ => (Trouble::Down, format!("health checks hold all its addresses down ({count})")),
        };
        self.meters.count_error(trouble);
        Error::UpstreamConnect { upstream: self.config.name.clone(), problem }
    }

    /// An endpoint as logs name it: its configured URL, and the address where that is a name.
    pub(super) fn describe(&self, endpoint: &Endpoint) -> String {
        let url = self.config.origins.get(endpoint.place).map(|one| self.config.url(one));
        let (url, address) = (url.unwrap_or_default(), endpoint.address.to_string());
        if url.contains(&address) { url } else { format!("{url} ({address})") }
    }

    /// Notes a request that an endpoint failed.
    pub(super) fn blame(&self, endpoint: &Endpoint, problem: &str) {
        let failures = endpoint.blame();
        let (name, described) = (&self.config.name, || self.describe(endpoint));
        if endpoint.may_warn() {
            warn!("upstream `{name}`: {}: {problem}", described());
        }
        let Some(eject) = self.config.eject.filter(|eject| failures >= eject.failures) else {
            return;
        };
        let is_other =
            |one: &Arc<Endpoint>| one.id != endpoint.id && one.is_up() && !one.is_ejected();
        if !endpoint.is_ejected() && self.endpoints.load().iter().any(is_other) {
            endpoint.eject(eject.lasts);
            self.meters.ejections.inc();
            warn!(
                "upstream `{name}`: {} is left out for {:?} after {failures} failures in a row",
                described(),
                eject.lasts
            );
        }
    }

    /// Notes a health check.
    pub(super) fn checked(&self, endpoint: &Endpoint, result: Result<(), health::Ill>) {
        let Some(health) = &self.config.health else { return };
        let turn = endpoint.checked(result.is_ok(), health.rise, health.fall);
        let (name, described) = (&self.config.name, || self.describe(endpoint));
        match (turn, result) {
            (Some(Turn::Down), Err(ill)) => {
                warn!("upstream `{name}`: {} is down: {ill}", described());
            }
            (Some(_), _) => info!("upstream `{name}`: {} is up again", described()),
            (None, Err(ill)) => {
                tracing::debug!("upstream `{name}`: {}: a check failed: {ill}", described());
            }
            (None, Ok(())) => {}
        }
        if turn.is_some() {
            self.show();
        }
    }

    /// Brings `cofferdam_upstream_up` up to now.
    pub(super) fn show(&self) {
        let endpoints = self.endpoints.load();
        for (place, up) in self.meters.up.iter().enumerate() {
            let is_up = endpoints.iter().any(|one| one.place == place && one.is_up());
            up.set(is_up.into());
        }
    }
}
