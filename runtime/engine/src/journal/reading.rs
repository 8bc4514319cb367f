//! What a run has read, as its log tells it: the same after a crash, in a fork, on another machine.
//!
//! All parts of a run count for the run: what an item of a map or an agent inside another has read
//! may have gone into anything that comes after.

use std::collections::BTreeMap;

use ropewalk_core::event::{EffectOutcome, EffectRequest, Event};
use ropewalk_core::policy::Exposure;
use ropewalk_core::tool::{Permission, ToolOutcome};
use ropewalk_core::untrusted::suspicions;
use serde::{Deserialize, Serialize};

use super::past::take_inside;
use crate::path;

/// What a run has read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Reading {
    exposure: Exposure,
    /// What results of calls that may run add to it, by the place of their judgement.
    judged: BTreeMap<String, Exposure>,
    /// The same of calls at work, by slot.
    at_work: BTreeMap<String, Exposure>,
}

impl Reading {
    pub(crate) fn exposure(&self) -> &Exposure {
        &self.exposure
    }

    /// Takes the next event.
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::CallJudged {
                place, judgement, ..
            } if judgement.verdict.permission != Permission::Deny => {
                self.judged.insert(place.clone(), judgement.reads.clone());
            }
            Event::Exposed { reads, .. } => self.exposure.join(reads),
            Event::EffectStarted {
                slot,
                request: EffectRequest::Tool { call },
                ..
            } => {
                let judged = self.judged.get(&path::judgement(slot, &call.id));
                let reads = judged.cloned();
                let reads = reads.unwrap_or_else(|| Exposure::of_the_unknown(&call.name));
                self.at_work.insert(slot.clone(), reads);
            }
            Event::EffectEnded { slot, outcome } => {
                if let Some(mut reads) = self.at_work.remove(slot) {
                    if let EffectOutcome::Tool { outcome } = outcome
                        && is_suspect(outcome)
                    {
                        reads.suspect.extend(reads.untrusted.iter().cloned());
                    }
                    self.exposure.join(&reads);
                }
            }
            Event::NodeEnded { path, .. } | Event::ItemEnded { path, .. } => {
                take_inside(&mut self.judged, path);
            }
            _ => {}
        }
    }
}

fn is_suspect(outcome: &ToolOutcome) -> bool {
    let data = outcome.structured().map(ToString::to_string);
    !suspicions(outcome.text()).is_empty() || data.is_some_and(|data| !suspicions(&data).is_empty())
}
