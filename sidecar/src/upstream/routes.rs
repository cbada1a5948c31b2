//! Several applications behind one proxy, by host and path.

use std::{fmt, sync::Arc};

use http::Response;

use super::{Figures, Outbound, Place, ResponseBody, Upstream, UpstreamError, UpstreamTls};

/// The applications behind the gate. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Upstreams(Arc<[Route]>);

#[derive(Debug)]
struct Route {
    place: Place,
    upstream: Arc<Upstream>,
}

impl From<Arc<Upstream>> for Upstreams {
    fn from(upstream: Arc<Upstream>) -> Self {
        Self([Route { place: Place::everywhere(), upstream }].into())
    }
}

impl Upstreams {
    /// Each of these applications for its place.
    ///
    /// # Errors
    /// If there are none, too many, or two for the same place.
    pub fn new(upstreams: impl IntoIterator<Item = (Place, Arc<Upstream>)>) -> Result<Self, InvalidRoutes> {
        let mut routes: Vec<_> =
            upstreams.into_iter().map(|(place, upstream)| Route { place, upstream }).collect();
        for (number, route) in routes.iter().enumerate() {
            if routes.iter().take(number).any(|other| other.place == route.place) {
                return Err(InvalidRoutes::Twice(route.place.clone()));
            }
        }
        if !(1..=MOST).contains(&routes.len()) {
            return Err(InvalidRoutes::Number(routes.len()));
        }
        routes.sort_by_key(|route| route.place.order());
        Ok(Self(routes.into()))
    }

    /// Sends a judged request to the application that it is for, as [`Upstream::forward`] does.
    ///
    /// # Errors
    /// [`UpstreamError::NoPlace`] if there is none for it.
    pub async fn forward(&self, outbound: Outbound<'_>) -> Result<Response<ResponseBody>, UpstreamError> {
        let (host, path) = outbound.place();
        let route = self.0.iter().find(|route| route.place.takes(host, path));
        route.ok_or(UpstreamError::NoPlace)?.upstream.forward(outbound).await
    }

    /// The places and their applications, the most particular first.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Arc<Upstream>)> {
        self.0.iter().map(|route| (&route.place, &route.upstream))
    }

    /// Whether there is one for every request.
    #[must_use]
    pub fn has_default(&self) -> bool {
        self.0.iter().any(|route| route.place.is_everywhere())
    }

    /// Idle connections and connections in use, of all.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        self.iter().map(|(_, upstream)| upstream.connections()).fold((0, 0), |(idle, active), counts| {
            (idle.saturating_add(counts.0), active.saturating_add(counts.1))
        })
    }

    /// How the addresses of all are doing, each beside the place that it is for.
    pub fn figures(&self) -> impl Iterator<Item = (&Place, Figures)> {
        self.iter().flat_map(|(place, upstream)| upstream.figures().map(move |figures| (place, figures)))
    }

    /// Whether there is no application of which an address gets requests.
    #[must_use]
    pub fn are_down(&self) -> bool {
        self.figures().all(|(_, figures)| !figures.is_good)
    }

    /// TLS of each place that has files for it, once where several share them.
    pub fn tls(&self) -> Vec<(&Place, UpstreamTls)> {
        let mut all: Vec<(&Place, UpstreamTls)> = Vec::new();
        for (place, upstream) in self.iter() {
            if let Some(tls) = upstream.tls().filter(|tls| !all.iter().any(|(_, other)| other.is(tls))) {
                all.push((place, tls.clone()));
            }
        }
        all
    }

    /// Requests that were given to another address, since the start.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.iter().map(|(_, upstream)| upstream.retries()).sum()
    }
}

/// Applications that cannot stand behind one proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRoutes {
    /// Two for the same place.
    Twice(Place),
    /// None, or too many.
    Number(usize),
}

impl fmt::Display for InvalidRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice(place) => write!(
                f,
                "there are two upstreams for `{place}`\nhelp: several addresses of one application are one upstream"
            ),
            Self::Number(0) => f.write_str(
                "there is no upstream\nhelp: name the application with `--upstream http://127.0.0.1:3000`",
            ),
            Self::Number(number) => write!(f, "there are {number} upstreams, and {MOST} can be served"),
        }
    }
}

impl std::error::Error for InvalidRoutes {}

const MOST: usize = 256;
