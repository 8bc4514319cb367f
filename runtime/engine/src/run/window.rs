//! When a conversation has outgrown what its engine can read.

use ropewalk_core::agent::Room;
use ropewalk_core::definition::ContextSettings;
use ropewalk_core::message::ChatRequest;
use ropewalk_models::engine::Engine;

/// Tokens kept free for a reply whose length is not bounded; at most a quarter of the window.
const REPLY: u64 = 1_024;

/// The window of one agent at work.
pub(super) struct Window {
    settings: ContextSettings,
    /// The request that was found too large last.
    tried: Option<ChatRequest>,
    /// It cannot be brought down as far as is wished, so that only what must be is done.
    tight: bool,
}

impl Window {
    pub(super) fn new(settings: ContextSettings) -> Self {
        Self {
            settings,
            tried: None,
            tight: false,
        }
    }

    /// What there is room for, if a request is too large. A summary may fill the window; other
    /// requests must leave some of it free.
    pub(super) fn outgrown(
        &mut self,
        engine: &dyn Engine,
        request: &ChatRequest,
        summary: bool,
    ) -> Option<Room> {
        let info = engine.info();
        let window = info.context_tokens?;
        let reply = match request.sampling.max_tokens {
            Some(most) => u64::from(most).min(window / 2),
            None => REPLY.min(window / 4),
        };
        let most = window - reply;
        let (at, target) = self.settings.shares(most);
        let counted = engine.count(request).at_most();
        let bound = if self.tight || summary { most } else { at };
        if counted <= bound {
            return None;
        }
        if counted <= most && self.tried.as_ref() == Some(request) {
            self.tight = true;
            return None;
        }
        self.tried = Some(request.clone());
        Some(Room {
            counted,
            most,
            target,
            // An engine that only quotes has no words of its own.
            summarise: info.id != "extractive",
        })
    }
}
