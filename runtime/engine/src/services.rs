//! What runs work with: engines, tools and registered functions.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use ropewalk_core::graph::channel::Reducers;
use ropewalk_core::policy::{Exposure, Judgement, Verdict};
use ropewalk_core::tool::{Permission, ToolCall, ToolOutcome, ToolSpec};
use ropewalk_host::audit::Seen;
use ropewalk_host::sampling::Payer;
use ropewalk_host::search::Catalogue;
use ropewalk_host::{Caller, Host, ToolProgress};
use ropewalk_models::engine::Engine;
use ropewalk_models::registry::Registry;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// What reasons, by name.
pub trait Engines: Send + Sync {
    /// The engine of a name, or the run's own.
    ///
    /// # Errors
    /// A sentence that says what is there instead.
    fn engine(&self, name: Option<&str>) -> Result<Arc<dyn Engine>, String>;

    /// Every name there is. A graph that names another is refused before it runs; where it is not
    /// known which there are, none is.
    fn names(&self) -> Option<Vec<String>> {
        None
    }
}

impl Engines for Registry {
    fn engine(&self, name: Option<&str>) -> Result<Arc<dyn Engine>, String> {
        match self.get(name) {
            Some(engine) => Ok(Arc::new(engine)),
            None => Err(format!(
                "there is no engine `{}`; there are: {}",
                name.unwrap_or_default(),
                self.names().join(", ")
            )),
        }
    }

    fn names(&self) -> Option<Vec<String>> {
        Some(Registry::names(self))
    }
}

/// One engine in the place of every other: a script, a recording.
pub struct StandIn(pub Arc<dyn Engine>);

impl Engines for StandIn {
    fn engine(&self, _: Option<&str>) -> Result<Arc<dyn Engine>, String> {
        Ok(Arc::clone(&self.0))
    }
}

/// One engine, by its id or its kind, or by no name.
pub struct OneEngine(pub Arc<dyn Engine>);

impl Engines for OneEngine {
    fn engine(&self, name: Option<&str>) -> Result<Arc<dyn Engine>, String> {
        let own = &self.0.info().id;
        match name {
            Some(name) if name != own && !own.starts_with(&format!("{name}:")) => Err(format!(
                "there is no engine `{name}` here, only `{own}`; leave `engine` out, or configure it"
            )),
            _ => Ok(Arc::clone(&self.0)),
        }
    }
}

/// No engine at all, for graphs without models.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEngine;

impl Engines for NoEngine {
    fn engine(&self, _: Option<&str>) -> Result<Arc<dyn Engine>, String> {
        Err("there is no engine here".to_owned())
    }
}

/// What calls tools.
#[async_trait]
pub trait Tools: Send + Sync {
    /// Every tool there is.
    fn tools(&self) -> Vec<ToolSpec>;

    /// Whether a call runs, asks or is refused, by what it carries and what the run has read, and
    /// what reading its result adds to that.
    fn judge(&self, call: &ToolCall, exposure: &Exposure) -> Judgement;

    /// Whether results of a tool are such as nobody vouches for.
    fn is_outside(&self, tool: &str) -> bool {
        let call = ToolCall {
            id: String::new(),
            name: tool.to_owned(),
            arguments: Value::Object(Map::new()),
        };
        let reads = self.judge(&call, &Exposure::default()).reads;
        !reads.untrusted.is_empty()
    }

    /// How a user lets a call run that was judged like this.
    fn how_to_allow(&self, call: &ToolCall, verdict: &Verdict) -> String;

    /// Told of what is decided about a call before it is made, and of its end. A decision that
    /// cannot be kept is a no.
    ///
    /// # Errors
    /// Why it cannot be kept, in words.
    async fn witness(&self, seen: Seen) -> Result<(), String> {
        let _ = seen;
        Ok(())
    }

    /// Names of the tools that fit a request, best first; up to `count`.
    ///
    /// # Errors
    /// Why they cannot be searched, in words.
    async fn find(&self, request: &str, count: usize) -> Result<Vec<String>, String> {
        // By words alone: that takes no time.
        let catalogue = Catalogue::new(self.tools(), None).map_err(|error| error.to_string())?;
        catalogue
            .find(request, count)
            .map_err(|error| error.to_string())
    }

    /// One call. `key` names the effect, so that a server that has seen it need not do it again.
    async fn call(
        &self,
        call: &ToolCall,
        key: &str,
        cancel: &CancellationToken,
        meanwhile: Meanwhile,
    ) -> ToolOutcome;
}

/// Who hears of what happens while a tool works.
#[derive(Clone)]
pub struct Meanwhile {
    /// Hears how far it is.
    pub progress: Arc<dyn Fn(ToolProgress) + Send + Sync>,
    /// Bears what its server has completed by a model.
    pub payer: Arc<dyn Payer>,
}

#[async_trait]
impl Tools for Host {
    fn tools(&self) -> Vec<ToolSpec> {
        Host::tools(self)
    }

    fn judge(&self, call: &ToolCall, exposure: &Exposure) -> Judgement {
        Host::judge(self, call, exposure)
    }

    fn how_to_allow(&self, call: &ToolCall, verdict: &Verdict) -> String {
        Host::how_to_allow(self, &call.name, verdict)
    }

    async fn witness(&self, seen: Seen) -> Result<(), String> {
        Host::witness(self, seen).await
    }

    async fn find(&self, request: &str, count: usize) -> Result<Vec<String>, String> {
        Host::find(self, request, count).await
    }

    async fn call(
        &self,
        call: &ToolCall,
        key: &str,
        cancel: &CancellationToken,
        meanwhile: Meanwhile,
    ) -> ToolOutcome {
        let caller = Caller {
            key: Some(key),
            cancel,
            progress: meanwhile.progress,
            desk: None,
            payer: Some(meanwhile.payer),
        };
        Host::call(self, call, caller).await
    }
}

/// No tools at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTools;

#[async_trait]
impl Tools for NoTools {
    fn tools(&self) -> Vec<ToolSpec> {
        Vec::new()
    }

    fn judge(&self, _: &ToolCall, _: &Exposure) -> Judgement {
        Permission::Deny.into()
    }

    fn how_to_allow(&self, _: &ToolCall, _: &Verdict) -> String {
        "there are no tools here".to_owned()
    }

    async fn call(
        &self,
        call: &ToolCall,
        _: &str,
        _: &CancellationToken,
        _: Meanwhile,
    ) -> ToolOutcome {
        ToolOutcome::Error {
            message: format!("there is no tool `{}`: no server offers any", call.name),
        }
    }
}

type Returned = Result<Value, String>;
type Pending = Pin<Box<dyn Future<Output = Returned> + Send>>;
type Now = dyn Fn(Map<String, Value>) -> Returned + Send + Sync;
type Later = dyn Fn(FunctionCall) -> Pending + Send + Sync;

/// A call of a registered function.
#[derive(Debug, Clone)]
pub struct FunctionCall {
    /// Its arguments, by name.
    pub arguments: Map<String, Value>,
    /// Names this call to the outside: the same after a crash.
    pub key: String,
}

/// A registered function.
#[derive(Clone)]
pub(crate) enum Function {
    /// Ends at once, touches nothing: it is simply run again after a crash.
    Now(Arc<Now>),
    /// Takes time; run again after a crash.
    Later(Arc<Later>),
    /// Touches the world: logged before and after.
    Effect {
        work: Arc<Later>,
        /// Doing it twice does no harm.
        repeatable: bool,
    },
}

type Reduce = dyn Fn(Value, &Value) -> Returned + Send + Sync;

/// Rust functions that graphs may name.
#[derive(Clone, Default)]
pub struct Functions {
    functions: HashMap<String, Function>,
    reducers: HashMap<String, Arc<Reduce>>,
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Functions")
            .field("functions", &self.functions.keys())
            .field("reducers", &self.reducers.keys())
            .finish()
    }
}

impl Functions {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// A function that ends at once and touches nothing.
    #[must_use]
    pub fn with(
        mut self,
        name: &str,
        work: impl Fn(Map<String, Value>) -> Returned + Send + Sync + 'static,
    ) -> Self {
        let function = Function::Now(Arc::new(work));
        self.functions.insert(name.to_owned(), function);
        self
    }

    /// A function that takes time and touches nothing.
    #[must_use]
    pub fn with_async<F>(
        mut self,
        name: &str,
        work: impl Fn(FunctionCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Returned> + Send + 'static,
    {
        let function = Function::Later(Arc::new(move |call| Box::pin(work(call))));
        self.functions.insert(name.to_owned(), function);
        self
    }

    /// A function that touches the world: it is logged before and after, and never done twice
    /// unless it is `repeatable`.
    #[must_use]
    pub fn with_effect<F>(
        mut self,
        name: &str,
        repeatable: bool,
        work: impl Fn(FunctionCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Returned> + Send + 'static,
    {
        let function = Function::Effect {
            work: Arc::new(move |call| Box::pin(work(call))),
            repeatable,
        };
        self.functions.insert(name.to_owned(), function);
        self
    }

    /// A reducer: what is there and what is written, to what is there then. It must touch
    /// nothing.
    #[must_use]
    pub fn with_reducer(
        mut self,
        name: &str,
        reduce: impl Fn(Value, &Value) -> Returned + Send + Sync + 'static,
    ) -> Self {
        self.reducers.insert(name.to_owned(), Arc::new(reduce));
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Function> {
        self.functions.get(name)
    }

    /// Names of functions.
    pub fn names(&self) -> Vec<String> {
        self.functions.keys().cloned().collect()
    }

    /// Names of reducers.
    pub fn reducer_names(&self) -> Vec<String> {
        self.reducers.keys().cloned().collect()
    }
}

impl Reducers for Functions {
    fn reduce(&self, name: &str, current: Value, written: &Value) -> Result<Value, String> {
        match self.reducers.get(name) {
            Some(reduce) => reduce(current, written),
            None => Err(format!("there is no reducer `{name}`; register it")),
        }
    }
}

impl Services {
    /// The name of the run's own engine; nothing where there is none.
    pub(crate) fn engine_name(&self) -> String {
        let engine = self.engines.engine(None);
        engine.map_or_else(|_| String::new(), |engine| engine.info().id.clone())
    }
}

/// What runs work with.
#[derive(Clone)]
pub struct Services {
    /// What reasons.
    pub engines: Arc<dyn Engines>,
    /// What calls tools.
    pub tools: Arc<dyn Tools>,
    /// Functions that graphs may name.
    pub functions: Arc<Functions>,
    /// Where logs are kept; without one a run lives in memory only.
    pub store: Option<Arc<dyn Store>>,
}
