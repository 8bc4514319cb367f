//! What is written in a picture: second lines, labels of edges, and what a pointer brings up.

use ropewalk_core::graph::definition::GraphDefinition;
use ropewalk_core::graph::ir::{ChannelId, Condition, Edge, Work};
use ropewalk_ink::is_unseen;

use crate::overlay::{NodeState, Sum};
use crate::scene::{Line, Step};

/// What the kind of a node is about, in a few words.
pub(crate) fn detail(work: &Work, definition: &GraphDefinition) -> String {
    match work {
        Work::Agent { agent, .. } => agent.settings.name.clone(),
        Work::Model { engine, .. } => engine.clone().unwrap_or_default(),
        Work::Tool { name, .. } | Work::Function { name, .. } => name.clone(),
        Work::Map { over, each, .. } => {
            let of = each.work.kind();
            let list = one_line(over.source());
            match detail(&each.work, definition) {
                name if name.is_empty() => format!("{of}, over {list}"),
                name => format!("{of} {name}, over {list}"),
            }
        }
        Work::Graph { graph, .. } => graph.name().to_owned(),
        Work::Human { who, .. } => who.clone().unwrap_or_default(),
        Work::Set { values } => {
            let names = values.iter().filter_map(|(id, _)| channel(definition, *id));
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Channels are numbered as the definition lists them.
fn channel(definition: &GraphDefinition, id: ChannelId) -> Option<&str> {
    let (name, _) = definition.channels.get_index(id.0 as usize)?;
    Some(name)
}

/// What stands beside an edge.
pub(crate) fn edge_label(edge: &Edge) -> Vec<String> {
    let mut label = Vec::new();
    match &edge.condition {
        Condition::Always => {}
        Condition::When(expression) => label.push(one_line(expression.source())),
        Condition::Otherwise | Condition::NoCase(..) => label.push("else".to_owned()),
        Condition::Case(expression, value) => {
            let of = one_line(expression.source());
            let value = one_line(value);
            // The expression is worth its room only while it leaves room for the value.
            if of.chars().count() <= 14 {
                label.push(format!("{of} = {value}"));
            } else {
                label.push(value);
            }
        }
        Condition::OnError => label.push("error".to_owned()),
    }
    label.extend(edge.max_visits.map(most_visits));
    label
}

fn most_visits(most: u32) -> String {
    match most {
        1 => "max 1 visit".to_owned(),
        most => format!("max {most} visits"),
    }
}

/// When an edge is taken, in full.
pub(crate) fn edge_about(edge: &Edge) -> String {
    let mut about = match &edge.condition {
        Condition::Always => "always".to_owned(),
        Condition::When(expression) => format!("when {}", one_line(expression.source())),
        Condition::Otherwise => "when no other condition holds".to_owned(),
        Condition::Case(expression, value) => {
            format!(
                "when {} is {}",
                one_line(expression.source()),
                one_line(value)
            )
        }
        Condition::NoCase(expression, values) => {
            let values: Vec<String> = values.iter().map(|value| one_line(value)).collect();
            let of = one_line(expression.source());
            format!("when {of} is none of {}", values.join(", "))
        }
        Condition::OnError => "when the node has failed".to_owned(),
    };
    if let Some(most) = edge.max_visits {
        about.push_str("; back in a loop, ");
        about.push_str(&most_visits(most));
    }
    about
}

/// The small line under a name.
pub(crate) fn second_line(step: &Step) -> String {
    let kind = step.kind.word();
    match &step.run {
        None if step.detail.is_empty() => kind.to_owned(),
        None => format!("{kind} · {}", one_line(&step.detail)),
        Some(sum) => {
            let mut parts = vec![kind.to_owned()];
            parts.extend(state_word(sum.state).map(str::to_owned));
            parts.extend(sum.millis.map(|millis| took(sum, millis)));
            if sum.visits > 1 {
                parts.push(format!("{}×", sum.visits));
            }
            parts.join(" · ")
        }
    }
}

fn took(sum: &Sum, millis: u64) -> String {
    // The items of a map ran beside each other; the longest says most.
    let most = if sum.items > 1 { "≤ " } else { "" };
    format!("{most}{}", duration(millis))
}

/// Done goes without saying: its time stands there.
fn state_word(state: NodeState) -> Option<&'static str> {
    match state {
        NodeState::Done => None,
        NodeState::Waiting => Some("waiting"),
        NodeState::Running => Some("running"),
        NodeState::Failed => Some("failed"),
        NodeState::Skipped => Some("skipped"),
    }
}

/// Everything that is known of a node.
pub(crate) fn step_about(step: &Step) -> String {
    let mut head = format!("{}: {}", step.path, step.kind.word());
    if !step.detail.is_empty() {
        head.push(' ');
        head.push_str(&one_line(&step.detail));
    }
    let mut lines = vec![head];
    lines.extend(step.about.iter().cloned());
    if let Some(sum) = &step.run {
        let mut said = state_word(sum.state).unwrap_or("done").to_owned();
        if let Some(millis) = sum.millis {
            said.push_str(&format!(", {}", took(sum, millis)));
        }
        if sum.visits > 0 {
            let times = if sum.visits == 1 { "time" } else { "times" };
            said.push_str(&format!(", started {} {times}", sum.visits));
        }
        if sum.items > 1 {
            said.push_str(&format!(", {} of {} failed", sum.failed, sum.items));
        }
        lines.push(said);
        lines.extend(sum.note.clone());
    }
    lines.join("\n")
}

/// Everything that is known of an edge.
pub(crate) fn line_about(line: &Line, from: &str, to: &str) -> String {
    let mut about = format!("{from} → {to}: {}", line.about);
    match line.taken {
        None => {}
        Some(0) => about.push_str("; not taken"),
        Some(1) => about.push_str("; taken once"),
        Some(taken) => about.push_str(&format!("; taken {taken} times")),
    }
    about
}

/// A time as a person says it.
pub(crate) fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..10_000 => format!("{seconds}.{} s", millis % 1000 / 100),
        10_000..60_000 => format!("{seconds} s"),
        60_000..3_600_000 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A text without line breaks and runs of blanks.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// One line of at most so many letters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let seen: String = text
        .chars()
        .map(|c| if is_unseen(c) { ' ' } else { c })
        .collect();
    ropewalk_ink::cut(&one_line(&seen), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let said = [0, 999, 1_250, 59_999, 61_000, 3_600_000, 90_061_000];
        let said: Vec<String> = said.into_iter().map(duration).collect();
        let expected = [
            "0 ms",
            "999 ms",
            "1.2 s",
            "59 s",
            "1 min 01 s",
            "1 h 00 min",
            "25 h 01 min",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_label_is_one_line() {
        assert_eq!(one_line("  a\n\tb\u{0}c  d "), "a b c d");
    }
}
