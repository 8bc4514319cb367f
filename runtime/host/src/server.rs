//! One server over its life: reached again when its connection is lost, left in peace when it
//! fails, asked one thing at a time where that matters.

mod ending;

use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::CallToolResult;
use serde_json::{Map, Value};
use tokio::io::DuplexStream;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::breaker::{Breaker, Peace};
use crate::call::CallAsked;
use crate::config::ServerConfig;
use crate::connection::{Connection, Listing};
use crate::deadline::Deadline;
use crate::failure::{self, CallFailure};
use crate::handler::{Call, Callback, ClientEnd, Offer};
use crate::host::{Caller, Endpoint, HostOptions};
use crate::inquiry::{Desk, Nobody};
use crate::oauth::Authority;
use crate::oauth::vault::Keeping;
use crate::sampling::Payer;

use ending::{Ended, Leaving, refusal};

/// How long a server in this process may take to answer the handshake.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Ingestion through a built-in server may take hours, and reports progress.
const BUILT_IN_CALL_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// A configured server, whether it runs or not.
pub(crate) struct Server {
    way: Way,
    end: ClientEnd,
    desk: Arc<dyn Desk>,
    /// Told when there may be other tools.
    pub(crate) changed: Arc<Notify>,
    /// Told when there is a new connection, or none any more.
    pub(crate) turned: Notify,
    /// Whoever finds the connection lost reaches the server again while the others wait.
    line: Mutex<Option<Arc<Connection>>>,
    /// Held by the one call that changes something.
    changing: Mutex<()>,
    state: StdMutex<State>,
}

/// How it is reached.
enum Way {
    Config {
        config: Box<ServerConfig>,
        authority: Option<Arc<Authority>>,
    },
    /// Once: it ends with the program.
    BuiltIn(StdMutex<Option<DuplexStream>>),
}

#[derive(Default)]
struct State {
    breaker: Breaker,
    /// The protocol version agreed on last.
    protocol: String,
    /// What a new connection found.
    listing: Option<Listing>,
    /// Until when the tools are good, where the server says so.
    fresh_until: Option<Instant>,
}

/// How a call is to be made.
pub(crate) struct CallPlan<'a> {
    /// The tool's name on the server.
    pub(crate) tool: &'a str,
    pub(crate) arguments: Map<String, Value>,
    /// Calling twice does no harm.
    pub(crate) repeatable: bool,
    /// It changes nothing, so that others may run beside it.
    pub(crate) read_only: bool,
    /// Names the effect, the same on every attempt.
    pub(crate) key: Option<&'a str>,
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) progress: Callback,
    /// Who answers what the server asks; the host's own where nobody else does.
    pub(crate) desk: Option<Arc<dyn Desk>>,
    /// Who bears what the server has completed.
    pub(crate) payer: Option<Arc<dyn Payer>>,
}

impl Server {
    pub(crate) fn new(name: &str, endpoint: Endpoint, options: &HostOptions) -> Self {
        let mut offer = Offer {
            server: name.to_owned(),
            attended: options.desk.is_attended(),
            sampler: None,
            roots: Vec::new(),
        };
        let changed = Arc::new(Notify::new());
        let (way, end) = match endpoint {
            Endpoint::BuiltIn(io) => {
                offer.sampler.clone_from(&options.sampler);
                let end = ClientEnd::new(offer, Arc::clone(&changed));
                (Way::BuiltIn(StdMutex::new(Some(io))), end)
            }
            Endpoint::Config(config) => {
                offer.sampler = options.sampler.clone().filter(|_| config.sampling);
                offer.roots = config.root_uris();
                let end = ClientEnd::new(offer, Arc::clone(&changed));
                let keeping = Keeping {
                    folder: options
                        .state
                        .as_ref()
                        .map(|state| state.join("credentials")),
                    keyring: options.keyring,
                };
                let authority = config.url.as_ref().map(|url| {
                    Arc::new(Authority::new(
                        url,
                        config.oauth.clone(),
                        keeping,
                        end.clone(),
                    ))
                });
                let config = Box::new(config);
                (Way::Config { config, authority }, end)
            }
        };
        Self {
            way,
            end,
            desk: Arc::clone(&options.desk),
            changed,
            turned: Notify::new(),
            line: Mutex::default(),
            changing: Mutex::default(),
            state: StdMutex::default(),
        }
    }

    pub(crate) fn config(&self) -> Option<&ServerConfig> {
        match &self.way {
            Way::Config { config, .. } => Some(config),
            Way::BuiltIn(_) => None,
        }
    }

    pub(crate) fn is_built_in(&self) -> bool {
        self.config().is_none()
    }

    /// The protocol version agreed on last.
    pub(crate) fn protocol(&self) -> String {
        self.state().protocol.clone()
    }

    /// Why it is left in peace, if it is.
    pub(crate) fn peace(&self) -> Option<Peace> {
        self.state().breaker.peace(Instant::now())
    }

    /// Whether the time is over for which the server said its tools are good.
    pub(crate) fn is_stale(&self) -> bool {
        self.state()
            .fresh_until
            .is_some_and(|until| until <= Instant::now())
    }

    /// Starts or reaches it for the first time. The host's own desk is asked where need be.
    pub(crate) async fn start(&self) -> Result<Listing, String> {
        self.reach(&self.desk).await.map_err(|ended| match ended {
            Ended::Unreachable(reason) => reason,
            ended => ended.told(),
        })?;
        let listing = self.state().listing.take();
        listing.ok_or_else(|| "it was started already".to_owned())
    }

    /// Tries a server that was left in peace for long enough. Nobody is asked anything.
    pub(crate) async fn revive(&self) {
        let nobody: Arc<dyn Desk> = Arc::new(Nobody);
        if let Err(ended) = self.reach(&nobody).await {
            let server = &self.end.offer().server;
            tracing::debug!(server, reason = ended.told(), "still down");
        }
    }

    async fn reach(&self, desk: &Arc<dyn Desk>) -> Result<(), Ended> {
        let mut leave = self
            .leave()
            .map_err(|peace| Ended::Refused(refusal(&peace)))?;
        let reached = self.connection(desk, None, leave.to_try).await;
        leave.settle(reached.as_ref().err());
        reached.map(drop)
    }

    /// Tools that a new connection found.
    pub(crate) fn found(&self) -> Option<Listing> {
        self.state().listing.take()
    }

    /// Tools that the server has now; `None` where it cannot be asked.
    pub(crate) async fn look(&self) -> Option<Listing> {
        let connection = self.line.lock().await.clone()?;
        if connection.is_lost() {
            return None;
        }
        let limit = self.config().map_or(START_TIMEOUT, ServerConfig::timeout);
        match tokio::time::timeout(limit, connection.list()).await {
            Ok(Ok(listing)) => {
                self.state().fresh_until = fresh_until(&listing);
                Some(listing)
            }
            Ok(Err(reason)) => {
                tracing::debug!(reason, "changed tools cannot be listed");
                None
            }
            Err(_) => None,
        }
    }

    /// One call. It ends by its deadline whatever the server does.
    pub(crate) async fn call(&self, plan: CallPlan<'_>) -> Result<CallToolResult, String> {
        let patience = self.patience().0;
        let (deadline, call) = self.begun(
            plan.desk.clone(),
            plan.payer.clone(),
            Arc::clone(&plan.progress),
        );
        let _turn = tokio::select! {
            biased;
            () = plan.cancel.cancelled() => return Err(CANCELLED.to_owned()),
            turn = self.turn(plan.read_only) => turn,
            () = deadline.over() => return Err(format!(
                "its turn did not come within {} s: calls that change something run one after \
                 another, and another one holds the server", patience.as_secs_f64()
            )),
        };
        let leave = tokio::select! {
            biased;
            () = plan.cancel.cancelled() => return Err(CANCELLED.to_owned()),
            leave = self.leave_in_time() => leave,
            () = deadline.over() => return Err(refusal(&self.peace().unwrap_or_default())),
        };
        let mut leave = leave.map_err(|peace| refusal(&peace))?;
        let outcome = tokio::select! {
            biased;
            () = plan.cancel.cancelled() => return Err(CANCELLED.to_owned()),
            outcome = self.attempt(&plan, &call, leave.to_try) => outcome,
            () = deadline.over() => Err(Ended::Call(failure::late(patience))),
        };
        leave.settle(outcome.as_ref().err());
        if leave.to_try && matches!(outcome, Err(Ended::Call(CallFailure::Late(_)))) {
            // It hangs: the next try begins with a new connection. Calls that still get answers
            // on this one keep it.
            *self.line.lock().await = None;
        }
        outcome.map_err(|ended| ended.told())
    }

    /// The turn of a call that changes something; others need none.
    async fn turn(&self, read_only: bool) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        if read_only {
            None
        } else {
            Some(self.changing.lock().await)
        }
    }

    /// Reads something from the server: changes nothing, so that it may be tried again and needs no
    /// turn.
    pub(crate) async fn read<T>(
        &self,
        caller: &Caller<'_>,
        action: impl AsyncFn(&Connection, &Arc<Call>) -> Result<T, CallFailure>,
    ) -> Result<T, String> {
        let (deadline, call) = self.begun(
            caller.desk.clone(),
            caller.payer.clone(),
            Arc::clone(&caller.progress),
        );
        let mut leave = self.leave().map_err(|peace| refusal(&peace))?;
        let attempt = async {
            let mut repeated = false;
            loop {
                let connection = self
                    .connection(&call.desk, Some(&call), leave.to_try)
                    .await?;
                match action(&connection, &call).await {
                    Err(CallFailure::Lost(_)) if !repeated => {
                        repeated = true;
                        self.drop_line(&connection).await;
                    }
                    outcome => return outcome.map_err(Ended::Call),
                }
            }
        };
        let outcome = tokio::select! {
            biased;
            () = caller.cancel.cancelled() => return Err(CANCELLED.to_owned()),
            outcome = attempt => outcome,
            () = deadline.over() => Err(Ended::Call(failure::late(self.patience().0))),
        };
        leave.settle(outcome.as_ref().err());
        outcome.map_err(Ended::told)
    }

    /// How long nothing may be heard of a call, and how long it may take in all.
    fn patience(&self) -> (Duration, Duration) {
        match self.config() {
            Some(config) => (config.timeout(), config.max_timeout()),
            None => (BUILT_IN_CALL_TIMEOUT, BUILT_IN_CALL_TIMEOUT),
        }
    }

    /// A call that begins now.
    fn begun(
        &self,
        desk: Option<Arc<dyn Desk>>,
        payer: Option<Arc<dyn Payer>>,
        progress: Callback,
    ) -> (Arc<Deadline>, Arc<Call>) {
        let (patience, limit) = self.patience();
        let deadline = Arc::new(Deadline::new(patience, limit.max(patience)));
        let desk = desk.unwrap_or_else(|| Arc::clone(&self.desk));
        let call = Call::new(desk, Arc::clone(&deadline), progress).paid_by(payer);
        (deadline, Arc::new(call))
    }

    /// When the connection is lost on the way, a call that may be repeated is, once.
    async fn attempt(
        &self,
        plan: &CallPlan<'_>,
        call: &Arc<Call>,
        to_try: bool,
    ) -> Result<CallToolResult, Ended> {
        let asked = CallAsked {
            tool: plan.tool,
            arguments: plan.arguments.clone(),
            key: plan.key,
        };
        let mut repeated = false;
        loop {
            let connection = self.connection(&call.desk, Some(call), to_try).await?;
            match connection.call(&asked, call).await {
                Ok(result) => return Ok(result),
                Err(CallFailure::Lost(_)) if plan.repeatable && !repeated => {
                    repeated = true;
                    self.drop_line(&connection).await;
                }
                Err(CallFailure::Lost(reason)) => {
                    self.drop_line(&connection).await;
                    return Err(Ended::Call(CallFailure::Lost(reason)));
                }
                Err(failure) => return Err(Ended::Call(failure)),
            }
        }
    }

    /// Ends the connection, and the child with it. Calls under way end with it.
    pub(crate) async fn close(&self) {
        let connection = self.line.lock().await.take();
        if let Some(connection) = connection.and_then(Arc::into_inner) {
            connection.close().await;
        }
    }

    /// The connection, made anew if it is lost. `call` is whom it is made for; its clock stands
    /// still while a person is asked.
    async fn connection(
        &self,
        desk: &Arc<dyn Desk>,
        call: Option<&Arc<Call>>,
        to_try: bool,
    ) -> Result<Arc<Connection>, Ended> {
        let mut line = self.line.lock().await;
        if let Some(connection) = line.as_ref().filter(|line| !line.is_lost()) {
            return Ok(Arc::clone(connection));
        }
        *line = None;
        if !to_try && let Some(peace) = self.peace() {
            // Somebody else found out while this one waited.
            return Err(Ended::Refused(refusal(&peace)));
        }
        let quiet: Callback = Arc::new(|_| {});
        let _waiting = call.map(|call| {
            let waiting = Call::new(
                Arc::clone(desk),
                Arc::clone(&call.deadline),
                Arc::clone(&quiet),
            );
            self.end.enter(Arc::new(waiting))
        });
        // Rare and large: every call would carry the room for it.
        let opened = Box::pin(self.open(desk, quiet)).await;
        let (connection, listing) = opened.map_err(Ended::Unreachable)?;
        let connection = Arc::new(connection);
        *line = Some(Arc::clone(&connection));
        {
            let mut state = self.state();
            state.protocol = connection.protocol();
            state.fresh_until = fresh_until(&listing);
            state.listing = Some(listing);
        }
        self.turned.notify_one();
        Ok(connection)
    }

    async fn open(
        &self,
        desk: &Arc<dyn Desk>,
        quiet: Callback,
    ) -> Result<(Connection, Listing), String> {
        let limit = self
            .config()
            .map_or(START_TIMEOUT, ServerConfig::start_timeout);
        let deadline = Arc::new(Deadline::new(limit, limit));
        let opening = Arc::new(Call::new(Arc::clone(desk), Arc::clone(&deadline), quiet));
        match &self.way {
            Way::Config { config, authority } => {
                let authority = authority.as_ref();
                Connection::open(config, &self.end, authority, &self.changed, &opening).await
            }
            Way::BuiltIn(io) => {
                let io = io.lock().unwrap_or_else(PoisonError::into_inner).take();
                let Some(io) = io else {
                    return Err("the built-in server has ended; start the program again".to_owned());
                };
                tokio::select! {
                    made = Connection::duplex(io, &self.end, &self.changed) => made,
                    () = deadline.over() => Err("the built-in server does not answer".to_owned()),
                }
            }
        }
    }

    /// Forgets a connection, unless another is in use already.
    async fn drop_line(&self, lost: &Arc<Connection>) {
        let mut line = self.line.lock().await;
        if line
            .as_ref()
            .is_some_and(|connection| Arc::ptr_eq(connection, lost))
        {
            *line = None;
        }
    }

    /// Leave to ask, after whoever is reaching the server just now.
    async fn leave_in_time(&self) -> Result<Leaving<'_>, Peace> {
        match self.leave() {
            Err(peace) if peace.left.is_none() => {
                drop(self.line.lock().await);
                self.leave()
            }
            leave => leave,
        }
    }

    fn leave(&self) -> Result<Leaving<'_>, Peace> {
        Leaving::of(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const CANCELLED: &str = "the call was cancelled";

fn fresh_until(listing: &Listing) -> Option<Instant> {
    (!listing.fresh.is_zero())
        .then(|| Instant::now().checked_add(listing.fresh))
        .flatten()
}
