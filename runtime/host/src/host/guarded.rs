//! What calls pass before they are made: what is offered, judged, found and kept.

use std::sync::Arc;

use ropewalk_core::policy::{Exposure, Judgement, Verdict};
use ropewalk_core::tool::{Permission, ToolCall, ToolSpec};
use serde_json::Value;

use super::Host;
use crate::audit::Seen;
use crate::catalogue::CataloguedTool;
use crate::guard::{self, Guarded, Held};
use crate::search;

impl Host {
    /// Tools that are not offered until somebody has looked at them.
    pub fn held(&self) -> Vec<Held> {
        self.registry.catalogue().held()
    }

    /// Servers that were seen for the first time, with how many of their tools were agreed to.
    pub fn first_seen(&self) -> Vec<(String, usize)> {
        self.registry.first_seen()
    }

    /// Agrees to a tool as it is: it is offered from now on.
    ///
    /// # Errors
    /// When there is no such tool, or the pins cannot be written.
    pub fn agree(&self, server: &str, tool: &str) -> Result<(), String> {
        let spec = self.definition(server, tool);
        let spec = spec.ok_or_else(|| format!("server `{server}` offers no tool `{tool}`"))?;
        self.registry
            .guard
            .agree(server, tool, &spec)
            .map_err(|error| error.to_string())?;
        self.registry.changing().release(&spec);
        self.registry.to_be_read_again();
        Ok(())
    }

    /// The definition of a tool by its server and its name there, held back or not.
    pub fn definition(&self, server: &str, tool: &str) -> Option<ToolSpec> {
        let found = self.registry.catalogue().at(server, tool)?;
        Some(found.spec.clone())
    }

    /// Whether a call may run, by what it carries and what its caller has read; and what reading its
    /// result adds to that. A tool there is none of is denied.
    pub fn judge(&self, call: &ToolCall, exposure: &Exposure) -> Judgement {
        let tool = self.registry.catalogue().get(&call.name);
        let judged = tool.and_then(|tool| self.judged(&tool, &call.arguments, exposure));
        judged.unwrap_or_else(|| {
            let mut judgement = Judgement::from(Permission::Deny);
            for reason in &mut judgement.verdict.reasons {
                reason.why = self.unknown(&call.name);
            }
            judgement
        })
    }

    /// The same for a tool by its server and its name there; nothing when there is no such tool.
    pub fn judge_at(
        &self,
        server: &str,
        tool: &str,
        arguments: &Value,
        exposure: &Exposure,
    ) -> Option<Judgement> {
        let tool = self.registry.catalogue().at(server, tool)?;
        self.judged(&tool, arguments, exposure)
    }

    fn judged(
        &self,
        tool: &CataloguedTool,
        arguments: &Value,
        exposure: &Exposure,
    ) -> Option<Judgement> {
        let server = self.registry.servers.get(&tool.server)?;
        let guarded = Guarded {
            server: &tool.server,
            name: &tool.own_name,
            spec: &tool.spec,
            ours: server.is_built_in(),
            held: tool.held.as_ref(),
            suspicions: &tool.suspicions,
        };
        Some(self.registry.guard.judge(&guarded, arguments, exposure))
    }

    /// How a user lets a call run that came out like this.
    pub fn how_to_allow(&self, tool: &str, verdict: &Verdict) -> String {
        let origin = self.origin(tool).filter(|origin| !origin.built_in);
        let names = origin
            .as_ref()
            .map(|origin| (origin.server.as_str(), origin.name.as_str()));
        guard::how_to_allow(names, verdict)
    }

    /// Names of the tools that fit a request, best first; up to `count`. The first search reads all
    /// tools, which takes about a hundredth of a second for each.
    ///
    /// # Errors
    /// When they cannot be searched, in words.
    pub async fn find(&self, request: &str, count: usize) -> Result<Vec<String>, String> {
        let (changes, read) = {
            let searched = self.registry.searched();
            (searched.changes, searched.read.clone())
        };
        let catalogue = match read {
            Some(catalogue) => catalogue,
            None => {
                let tools = self.tools();
                let read = tokio::task::spawn_blocking(move || search::Catalogue::read(tools));
                let read = read.await.map_err(|error| error.to_string())?;
                let read = Arc::new(read?);
                let mut searched = self.registry.searched();
                // Of tools that changed meanwhile, nothing is kept.
                if searched.changes == changes {
                    searched.read = Some(Arc::clone(&read));
                }
                drop(searched);
                read
            }
        };
        let request = request.to_owned();
        let found = tokio::task::spawn_blocking(move || catalogue.find(&request, count)).await;
        let found = found.map_err(|error| error.to_string())?;
        found.map_err(|error| error.to_string())
    }

    /// Keeps what was seen of a call in the audit log, where there is one.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn witness(&self, seen: Seen) -> Result<(), String> {
        let Some(log) = self.registry.guard.audit().cloned() else {
            return Ok(());
        };
        let (server, tool) = match self.origin(&seen.tool) {
            Some(origin) => (origin.server, origin.name),
            None => (String::new(), seen.tool.clone()),
        };
        let kept = tokio::task::spawn_blocking(move || log.append(&server, &tool, seen)).await;
        match kept {
            Ok(kept) => kept.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}
