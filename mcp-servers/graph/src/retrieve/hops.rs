//! Where beginnings lead. A passage that shares an entity with a beginning is scored by what is
//! still asked for once the beginning is known: by how like it is to the question and the beginning
//! together, and by the words of the question that the beginning leaves open. A passage keeps the
//! best of the ways that lead to it, and is never worth less than by itself.

use std::collections::HashMap;

use super::Index;
use super::weights::{WEIGHTS, Weights};
use super::words::Asked;

/// An entity in more passages than this links none of them.
const COMMON: usize = 60;
/// What a passage is about links to so many passages that name it.
const FAMOUS: usize = 400;
/// Ways from one beginning that are looked at closely: those most like what is asked for.
const WAYS: usize = 150;
/// What a beginning is worth at least, so that what it leads to can be told apart.
const LEAST: f32 = 0.05;

/// A question as the index understands it.
pub(super) struct Question {
    /// Its words.
    pub(super) asked: Asked,
    /// How well each slot fits, from 0 to 1.
    pub(super) fits: Vec<f32>,
    /// The entities it names.
    pub(super) names: Vec<u32>,
}

impl Question {
    pub(super) fn fit(&self, slot: u32) -> f32 {
        self.fits.get(slot as usize).copied().unwrap_or(0.0)
    }

    /// Whether a passage is about something that the question names.
    pub(super) fn is_about(&self, index: &Index, slot: u32) -> bool {
        let topics = index.names.topics(slot);
        topics.iter().any(|topic| self.names.contains(topic))
    }

    /// How much the rarest name tells that the question and a passage share.
    pub(super) fn names_in(&self, index: &Index, slot: u32) -> f32 {
        let of = index.names.of(slot);
        self.names
            .iter()
            .filter(|name| of.binary_search(name).is_ok())
            .map(|name| index.names.telling(*name))
            .fold(0.0, f32::max)
    }
}

/// A passage with its score and the beginning and entity that led to it.
pub(super) struct Ranked {
    pub(super) slot: u32,
    pub(super) score: f32,
    pub(super) via: Option<(u32, u32)>,
}

/// A way from one passage to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// How much the entity tells that both name.
    pub(super) shared: f32,
    /// Whether the other passage is about something that the first names.
    pub(super) topic: bool,
    /// What both name.
    pub(super) entity: u32,
}

/// Every passage that fits or is led to. `vectors` are those of the question with each seed.
pub(super) fn ranked(
    index: &Index,
    question: &Question,
    seeds: &[u32],
    vectors: &[Vec<f32>],
) -> Vec<Ranked> {
    let weights = &WEIGHTS;
    let mut ranked: HashMap<u32, Ranked> = HashMap::new();
    let begin = |slot: u32| own(index, question, weights, slot);
    let named = question.names.iter().flat_map(|name| {
        let named = index.names.named(*name);
        if named.len() <= FAMOUS {
            named
        } else {
            index.names.about(*name)
        }
    });
    let fitting = (0..index.slots.len() as u32).filter(|slot| question.fit(*slot) > 0.0);
    for slot in fitting.chain(named.copied()).chain(seeds.iter().copied()) {
        let score = begin(slot) * weights.own;
        let via = None;
        ranked.entry(slot).or_insert(Ranked { slot, score, via });
    }
    for (seed, vector) in seeds.iter().zip(vectors) {
        let trust = begin(*seed).max(LEAST).powf(weights.trust);
        let (open, share) = index.words.open(&question.asked, *seed);
        for (slot, way, next) in nearest(index, ways(index, *seed), vector) {
            let rest = index.words.covered(&open, slot);
            let link = weights.led
                + weights.next * next
                + weights.shared * way.shared
                + weights.topic * f32::from(u8::from(way.topic))
                + (weights.rest + weights.gain * share) * rest;
            let score = trust * link * (1.0 - weights.done * (1.0 - share));
            let via = Some((*seed, way.entity));
            let entry = ranked.entry(slot).or_insert(Ranked {
                slot,
                score: f32::NEG_INFINITY,
                via,
            });
            if score > entry.score {
                *entry = Ranked { slot, score, via };
            }
        }
    }
    ranked.into_values().collect()
}

/// What a passage is worth by itself.
fn own(index: &Index, question: &Question, weights: &Weights, slot: u32) -> f32 {
    let about = f32::from(u8::from(question.is_about(index, slot)));
    weights.fits * question.fit(slot)
        + weights.about * about
        + weights.names * question.names_in(index, slot)
}

/// The passages that a passage leads to.
pub(super) fn ways(index: &Index, seed: u32) -> HashMap<u32, Way> {
    let names = &index.names;
    let mut ways: HashMap<u32, Way> = HashMap::new();
    let topics = names.topics(seed);
    for entity in names.of(seed) {
        let telling = names.telling(*entity);
        let named = names.named(*entity);
        let mut add = |slot: u32, shared: f32, topic: bool| {
            if slot == seed {
                return;
            }
            let entity = *entity;
            let way = ways.entry(slot).or_insert(Way {
                shared,
                topic,
                entity,
            });
            // The rarest of what both name, and the first by name where there are several.
            let order = |entity: u32| names.key(entity);
            let better = shared.total_cmp(&way.shared);
            if better
                .then_with(|| order(way.entity).cmp(&order(entity)))
                .is_gt()
            {
                way.entity = entity;
                way.shared = shared;
            }
            way.topic |= topic;
        };
        for slot in names.about(*entity) {
            add(*slot, 0.0, true);
        }
        let most = if topics.contains(entity) {
            FAMOUS
        } else {
            COMMON
        };
        if named.len() <= most {
            let shared = if named.len() <= COMMON { telling } else { 0.0 };
            for slot in named {
                add(*slot, shared, false);
            }
        }
    }
    ways
}

/// The ways most like what is asked for, with how like they are.
fn nearest(index: &Index, ways: HashMap<u32, Way>, vector: &[f32]) -> Vec<(u32, Way, f32)> {
    let mut ways: Vec<(u32, Way, f32)> = ways
        .into_iter()
        .map(|(slot, way)| (slot, way, index.meanings.score(slot, vector)))
        .collect();
    if ways.len() > WAYS {
        let order = |slot: u32| index.at(slot).map(|slot| (&slot.source, slot.number));
        ways.sort_by(|left, right| {
            let like = right.2.total_cmp(&left.2);
            like.then_with(|| order(left.0).cmp(&order(right.0)))
        });
        ways.truncate(WAYS);
    }
    ways
}
