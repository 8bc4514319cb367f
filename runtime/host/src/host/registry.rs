//! The servers of a host and their tools, and who looks after them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crate::catalogue::{self, Catalogue};
use crate::connection::Listing;
use crate::guard::Guard;
use crate::search;
use crate::server::Server;

/// How long a server's tools are left alone after it said that they changed: it may say so again
/// and again.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Registry {
    pub(super) servers: BTreeMap<String, Server>,
    catalogue: RwLock<Catalogue>,
    pub(super) guard: Guard,
    /// Servers that were seen for the first time, with how many of their tools were agreed to.
    first_seen: Mutex<Vec<(String, usize)>>,
    /// The tools to be searched, read when they first are, and again when they changed.
    searched: Mutex<Searched>,
}

/// What a search goes through, and how often the tools changed before.
#[derive(Default)]
pub(super) struct Searched {
    pub(super) changes: u64,
    pub(super) read: Option<Arc<search::Catalogue>>,
}

impl Registry {
    /// Of these servers; nothing is known of their tools yet.
    pub(super) fn new(
        servers: BTreeMap<String, Server>,
        catalogue: Catalogue,
        guard: Guard,
    ) -> Self {
        Self {
            servers,
            catalogue: RwLock::new(catalogue),
            guard,
            first_seen: Mutex::default(),
            searched: Mutex::default(),
        }
    }

    /// Servers that were seen for the first time, with how many of their tools were agreed to.
    pub(super) fn first_seen(&self) -> Vec<(String, usize)> {
        let seen = self.first_seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.catalogue
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changing(&self) -> RwLockWriteGuard<'_, Catalogue> {
        self.catalogue
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a server offers now. Pins are files, and schemas take time to read: that is done
    /// beside the async threads, and while nobody waits for the catalogue.
    pub(super) async fn take(registry: &Arc<Self>, server: &str, listing: Listing) {
        let (taking, name) = (Arc::clone(registry), server.to_owned());
        let taken = tokio::task::spawn_blocking(move || taking.listed(&name, listing)).await;
        if let Err(error) = taken {
            tracing::error!(server, %error, "its tools were not taken");
        }
    }

    fn listed(&self, server: &str, listing: Listing) {
        let ours = self.servers.get(server).is_some_and(Server::is_built_in);
        let guard = (!ours).then_some(&self.guard);
        let specs = self.changing().named(server, listing.tools);
        let (tools, first) = catalogue::let_in(server, specs, guard);
        self.changing().replace(server, tools);
        if first > 0 {
            let seen = self.first_seen.lock();
            let mut seen = seen.unwrap_or_else(PoisonError::into_inner);
            seen.push((server.to_owned(), first));
        }
        self.to_be_read_again();
    }

    pub(super) fn to_be_read_again(&self) {
        let mut searched = self.searched();
        searched.changes = searched.changes.wrapping_add(1);
        searched.read = None;
    }

    pub(super) fn searched(&self) -> MutexGuard<'_, Searched> {
        self.searched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries a server that is down, and looks again at tools that changed.
pub(super) async fn keep(registry: Arc<Registry>, name: String) {
    let Some(server) = registry.servers.get(&name) else {
        return;
    };
    loop {
        let pause = server.peace().and_then(|peace| peace.left);
        let listing = tokio::select! {
            () = server.turned.notified() => server.found(),
            () = server.changed.notified() => {
                tokio::time::sleep(LOOK_PAUSE).await;
                server.look().await
            }
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {
                server.revive().await;
                server.found()
            }
        };
        if let Some(listing) = listing {
            Registry::take(&registry, &name, listing).await;
            // Nobody looks at what changes while runs go on; the next start asks.
            for held in registry.catalogue().held() {
                if held.server == name {
                    tracing::warn!("{held}");
                }
            }
        }
    }
}
