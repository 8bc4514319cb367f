//! Tool names within the provider's letters.

use std::collections::HashMap;

use ropewalk_core::message::{ChatRequest, Message};

/// Longest tool name that providers take.
const LONGEST_NAME: usize = 64;

/// Tool names as the provider sees them: its letters only, at most 64, each once.
#[derive(Debug, Default)]
pub(super) struct Names {
    to_wire: HashMap<String, String>,
    from_wire: HashMap<String, String>,
}

impl Names {
    pub(super) fn of(request: &ChatRequest) -> Self {
        let mut names = Self::default();
        for tool in &request.tools {
            names.add(&tool.name);
        }
        for message in &request.messages {
            if let Message::Assistant { calls, .. } = message {
                calls.iter().for_each(|call| names.add(&call.name));
            }
        }
        names
    }

    fn add(&mut self, name: &str) {
        if self.to_wire.contains_key(name) {
            return;
        }
        let safe = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        let base: String = name.chars().map(safe).take(LONGEST_NAME).collect();
        let mut wire = if base.is_empty() {
            "_".to_owned()
        } else {
            base.clone()
        };
        let mut number = 2;
        while self.from_wire.contains_key(&wire) {
            let end = format!("_{number}");
            wire = base
                .chars()
                .take(LONGEST_NAME - end.len())
                .collect::<String>()
                + &end;
            number += 1;
        }
        self.from_wire.insert(wire.clone(), name.to_owned());
        self.to_wire.insert(name.to_owned(), wire);
    }

    /// The provider's name for ours.
    pub(super) fn wire(&self, name: &str) -> String {
        self.to_wire
            .get(name)
            .cloned()
            .unwrap_or_else(|| name.to_owned())
    }

    /// Our name for what the provider calls so; a name it made up stays as it is.
    pub(super) fn ours(&self, wire: &str) -> String {
        self.from_wire
            .get(wire)
            .cloned()
            .unwrap_or_else(|| wire.to_owned())
    }
}
