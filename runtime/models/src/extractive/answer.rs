//! Chooses the units that answer best together, and sets them as a quoted, cited text.

use std::collections::BTreeSet;
use std::collections::HashMap;

use ropewalk_core::citation;
use ropewalk_embed::{EmbedError, Embedder, cosine};

use super::passages::Passage;
use super::support::{Evidence, shrink};
use super::terms::{Terms, coverage};
use super::units::{Kind, Unit};

/// Weight of the question's words in a unit and its title.
const WORDS: f64 = 0.3;
/// What each rank that the tool put a passage lower costs.
const RANK: f64 = 0.02;
/// What a heading that says what the question asks gives the units that follow it.
const HEADING: f64 = 0.5;
/// From this cosine on, a heading says what the question asks.
const HEADING_MATCHES: f64 = 0.6;
/// A further unit must score at least this share of the best one's score.
const NEARLY_AS_GOOD: f64 = 0.87;
/// The same where a heading says what is asked: what stands under it is the answer.
const NEARLY_AS_GOOD_AS_A_SECTION: f64 = 0.95;
/// What a unit loses that says nothing by itself: a bare link, an entry of a table of contents, a
/// sentence whose beginning the passage cuts off.
const SAYS_LITTLE: f64 = 0.15;
/// Words that a unit needs to say something.
const FEWEST_WORDS: usize = 4;
/// Units closer than this to a chosen one say the same again.
const SAME_AGAIN: f64 = 0.9;
/// Most units chosen for their own sake.
const MOST_UNITS: usize = 4;
/// Most items of a list or rows of a table that follow their introduction.
const MOST_ITEMS: usize = 12;
/// Bytes of a unit that are embedded at most.
const EMBEDDED_BYTES: usize = 800;
/// Most units that are scored for one answer.
const MOST_SCORED: usize = 300;

/// A unit's place and how well it answers.
#[derive(Debug, Clone)]
struct Scored {
    passage: usize,
    unit: usize,
    score: f64,
    vector: Vec<f32>,
}

/// What the passages are worth for a question.
pub(super) struct Weighed {
    /// What speaks for an answer.
    pub evidence: Evidence,
    scored: Vec<Scored>,
    heading_matches: HashMap<(usize, String), f64>,
}

/// Scores every unit against the question.
pub(super) fn weigh(
    embedder: &Embedder,
    terms: &Terms,
    question: &str,
    passages: &[Passage],
) -> Result<Weighed, EmbedError> {
    let asked = terms.of_question(question);
    let shrink = shrink(asked.len());
    let mut texts = vec![question.to_owned()];
    let mut headings: Vec<(usize, String)> = Vec::new();
    for (index, passage) in passages.iter().enumerate() {
        let inner = passage.units.iter().filter_map(|unit| unit.heading.clone());
        for heading in std::iter::once(passage.heading().to_owned()).chain(inner) {
            let key = (index, heading);
            if !key.1.is_empty() && !headings.contains(&key) {
                texts.push(key.1.clone());
                headings.push(key);
            }
        }
    }
    let units: Vec<(usize, usize, &Unit)> = passages
        .iter()
        .enumerate()
        .flat_map(|(p, passage)| {
            passage
                .units
                .iter()
                .enumerate()
                .map(move |(u, unit)| (p, u, unit))
        })
        .take(MOST_SCORED)
        .collect();
    texts.extend(units.iter().map(|(_, _, unit)| clip(&unit.plain)));
    let mut vectors = embedder.embed(&texts)?.into_iter();
    let asked_vector = vectors.next().unwrap_or_default();
    let heading_matches: HashMap<(usize, String), f64> = headings
        .into_iter()
        .map(|key| {
            let vector = vectors.next().unwrap_or_default();
            (key, f64::from(cosine(&asked_vector, &vector)))
        })
        .collect();

    let titles: Vec<_> = passages
        .iter()
        .map(|passage| terms.stems(&passage.title))
        .collect();
    let mut anywhere = BTreeSet::new();
    anywhere.extend(titles.iter().flatten().cloned());
    let mut evidence = Evidence {
        words: asked.len(),
        ..Evidence::default()
    };
    let mut scored = Vec::with_capacity(units.len());
    for ((p, u, unit), vector) in units.into_iter().zip(vectors) {
        let stems = terms.stems(&unit.plain);
        let title = titles.get(p);
        let heading = unit.heading.as_deref().map(|heading| terms.stems(heading));
        let words = coverage(asked.iter(), |stem| {
            stems.contains(stem)
                || title.is_some_and(|title| title.contains(stem))
                || heading
                    .as_ref()
                    .is_some_and(|heading| heading.contains(stem))
        });
        anywhere.extend(stems);
        anywhere.extend(heading.into_iter().flatten());
        let alike = f64::from(cosine(&asked_vector, &vector));
        evidence.cosine = evidence.cosine.max(alike);
        evidence.in_one_sentence = evidence.in_one_sentence.max(words);
        let rank = f64::from(u32::try_from(p).unwrap_or(u32::MAX));
        let name = heading_of(passages, p, unit);
        let lift = heading_matches.get(&(p, name)).map_or(0.0, |matches| {
            let above = ((matches - HEADING_MATCHES) / (1.0 - HEADING_MATCHES)).clamp(0.0, 1.0);
            above * nearness(passages, p, u)
        });
        let little = if says_little(unit, u == 0) {
            SAYS_LITTLE
        } else {
            0.0
        };
        let score = alike + WORDS * shrink * words - RANK * rank + HEADING * lift - little;
        scored.push(Scored {
            passage: p,
            unit: u,
            score,
            vector,
        });
    }
    evidence.anywhere = coverage(asked.iter(), |stem| anywhere.contains(stem));
    let names: Vec<_> = asked.iter().filter(|term| term.entity).collect();
    if !names.is_empty() {
        evidence.missing_names = 1.0 - coverage(names.into_iter(), |stem| anywhere.contains(stem));
    }
    Ok(Weighed {
        evidence,
        scored,
        heading_matches,
    })
}

/// The heading a unit stands under.
fn heading_of(passages: &[Passage], passage: usize, unit: &Unit) -> String {
    let outer = || {
        passages
            .get(passage)
            .map(|p| p.heading().to_owned())
            .unwrap_or_default()
    };
    unit.heading.clone().unwrap_or_else(outer)
}

/// 1 for the first unit under a heading, then less.
fn nearness(passages: &[Passage], passage: usize, unit: usize) -> f64 {
    let units = passages
        .get(passage)
        .map(|p| p.units.as_slice())
        .unwrap_or_default();
    let Some(here) = units.get(unit) else {
        return 0.0;
    };
    let before = units
        .iter()
        .take(unit)
        .filter(|other| other.heading == here.heading)
        .count();
    1.0 / (1.0 + f64::from(u32::try_from(before).unwrap_or(u32::MAX)))
}

/// The answer: quoted pieces, each followed by its passage's marker.
pub(super) fn compose(passages: &[Passage], weighed: &Weighed) -> String {
    let chosen = choose(passages, weighed);
    // Passages in the order of their best unit, units in the order of the text.
    let mut order: Vec<usize> = Vec::new();
    for (passage, _) in &chosen {
        if !order.contains(passage) {
            order.push(*passage);
        }
    }
    let mut pieces = Vec::new();
    for index in order {
        let Some(passage) = passages.get(index) else {
            continue;
        };
        let mut units = BTreeSet::new();
        for (_, unit) in chosen.iter().filter(|(passage, _)| *passage == index) {
            complete(passage, *unit, &mut units);
        }
        let mut run: Vec<&Unit> = Vec::new();
        let mut last = None;
        for at in units {
            let Some(unit) = passage.units.get(at) else {
                continue;
            };
            // Items of one list and rows of one table read on even where some are left out.
            let reads_on = last.is_none_or(|last| at == last + 1)
                || unit.kind != Kind::Sentence
                    && run.last().is_some_and(|before| before.block == unit.block);
            if !reads_on {
                pieces.push(set(&std::mem::take(&mut run), passage));
            }
            run.push(unit);
            last = Some(at);
        }
        pieces.push(set(&run, passage));
    }
    pieces.join("\n\n")
}

/// Units by passage and position, the best first.
fn choose(passages: &[Passage], weighed: &Weighed) -> Vec<(usize, usize)> {
    let mut order: Vec<&Scored> = weighed.scored.iter().collect();
    order.sort_by(|a, b| b.score.total_cmp(&a.score));
    let Some(best) = order.first().copied() else {
        return Vec::new();
    };
    let mut chosen = vec![best];
    // Under a heading that asks the same, the text that follows is the answer.
    let heading = |scored: &Scored| {
        let unit = passages
            .get(scored.passage)
            .and_then(|p| p.units.get(scored.unit));
        unit.map(|unit| heading_of(passages, scored.passage, unit))
            .unwrap_or_default()
    };
    let name = (best.passage, heading(best));
    let section = weighed
        .heading_matches
        .get(&name)
        .is_some_and(|matches| *matches >= HEADING_MATCHES);
    if section {
        let next = weighed.scored.iter().find(|other| {
            other.passage == best.passage && other.unit == best.unit + 1 && heading(other) == name.1
        });
        chosen.extend(next);
    }
    let share = if section {
        NEARLY_AS_GOOD_AS_A_SECTION
    } else {
        NEARLY_AS_GOOD
    };
    for candidate in order.iter().skip(1) {
        if chosen.len() >= MOST_UNITS || candidate.score < share * best.score {
            break;
        }
        let again = chosen.iter().any(|other| {
            (other.passage, other.unit) == (candidate.passage, candidate.unit)
                || f64::from(cosine(&other.vector, &candidate.vector)) > SAME_AGAIN
        });
        if !again {
            chosen.push(candidate);
        }
    }
    chosen
        .iter()
        .map(|scored| (scored.passage, scored.unit))
        .collect()
}

/// Adds a unit and what it cannot stand without: the sentence a pronoun points back to, the
/// introduction of a code block or list, and what an introduction introduces.
fn complete(passage: &Passage, unit: usize, into: &mut BTreeSet<usize>) {
    let Some(here) = passage.units.get(unit) else {
        return;
    };
    into.insert(unit);
    let before = unit
        .checked_sub(1)
        .and_then(|at| Some((at, passage.units.get(at)?)));
    if let Some((at, before)) = before {
        let pronoun = here.kind == Kind::Sentence
            && before.kind == Kind::Sentence
            && before.block == here.block
            && points_back(&here.plain);
        let introduced = here.kind == Kind::Code && introduces(before);
        if pronoun || introduced {
            into.insert(at);
        }
    }
    if here.kind == Kind::Item || here.kind == Kind::Row {
        let first = passage
            .units
            .iter()
            .position(|other| other.block == here.block);
        let lead = first.and_then(|first| first.checked_sub(1));
        if let Some(lead) = lead
            && passage.units.get(lead).is_some_and(introduces)
        {
            // Only next to its introduction does an item read on from it.
            if first == Some(unit) {
                into.insert(lead);
            }
        }
    }
    if introduces(here) {
        let mut following = passage.units.iter().enumerate().skip(unit + 1);
        if let Some((at, next)) = following.next() {
            into.insert(at);
            if next.kind != Kind::Code {
                into.extend(
                    following
                        .take(MOST_ITEMS)
                        .take_while(|(_, other)| {
                            other.block == next.block && other.kind != Kind::Sentence
                        })
                        .map(|(at, _)| at),
                );
            }
        }
    }
}

fn says_little(unit: &Unit, first: bool) -> bool {
    if matches!(unit.kind, Kind::Code | Kind::Row) {
        return false;
    }
    let link = |word: &&str| word.trim_start_matches(['<', '(']).starts_with("http");
    let words = unit
        .plain
        .split_whitespace()
        .filter(|word| !link(word))
        .count();
    let cut_off = first
        && unit.kind == Kind::Sentence
        && unit
            .plain
            .starts_with(|c: char| c.is_lowercase() || matches!(c, ',' | ';' | ')'));
    words < FEWEST_WORDS || cut_off || unit.text.contains("](#")
}

fn introduces(unit: &Unit) -> bool {
    unit.kind == Kind::Sentence && unit.plain.ends_with(':')
}

fn points_back(sentence: &str) -> bool {
    const PRONOUNS: [&str; 10] = [
        "it", "this", "they", "these", "that", "those", "he", "she", "its", "their",
    ];
    let first = sentence
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    PRONOUNS.contains(&first.to_lowercase().as_str())
}

/// Neighbouring units of one passage as text, with the marker behind.
fn set(units: &[&Unit], passage: &Passage) -> String {
    let mut text = String::new();
    let mut before: Option<&Unit> = None;
    for unit in units {
        let same = before.is_some_and(|before| before.block == unit.block);
        if before.is_some() {
            text.push_str(match (same, unit.kind) {
                (true, Kind::Sentence) => " ",
                (true, _) => "\n",
                (false, _) => "\n\n",
            });
        }
        if unit.kind == Kind::Row
            && !same
            && let Some(head) = &unit.head
        {
            text.push_str(head);
            text.push('\n');
        }
        text.push_str(&quoted(unit));
        before = Some(unit);
    }
    let marker = passage.id.as_ref().map_or_else(
        || format!("(from {})", passage.source),
        |id| format!("[{id}]"),
    );
    let apart = before.is_some_and(|last| matches!(last.kind, Kind::Code | Kind::Row));
    text.push_str(if apart { "\n\n" } else { " " });
    text.push_str(&marker);
    text
}

/// A unit's words. A reference of the document's own, `[3]`, would pass for a citation here, so
/// it gets round brackets.
fn quoted(unit: &Unit) -> String {
    let mut text = unit.text.clone();
    if unit.kind != Kind::Code {
        for id in citation::check(&unit.text, &[]).unresolved {
            text = text.replace(&format!("[{id}]"), &format!("({id})"));
        }
    }
    text
}

fn clip(text: &str) -> String {
    let mut end = text.len().min(EMBEDDED_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
