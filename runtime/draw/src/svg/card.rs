//! Boxes: one per node, told apart by colour and by shape.

use std::fmt::{self, Write};

use super::arrange::{
    ABOVE, Card, HEADER, Mark, NAME_LINE, NAME_SIZE, PADDING, SECOND_SIZE, STACK,
};
use super::{Escaped, Number, Words};
use crate::layout::Rect;
use crate::overlay::NodeState;
use crate::scene::Kind;
use crate::words;

/// A node: its box, its texts, and what became of it.
pub(super) fn draw(out: &mut String, card: &Card, rect: &Rect) -> fmt::Result {
    let front = card.front(rect);
    let step = card.step;
    let state = step.run.as_ref().map(|run| run.state);
    write!(out, r#"<g class="node {}"#, step.kind.word())?;
    if let Some(state) = state {
        write!(out, " {}", class(state))?;
    }
    writeln!(out, r#"" data-path="{}">"#, Escaped(&step.path))?;
    writeln!(out, "<title>{}</title>", Escaped(&words::step_about(step)))?;
    shape(out, card, &front)?;
    texts(out, card, &front)?;
    if let Some(state) = state {
        badge(out, state, &front)?;
    }
    out.write_str("</g>\n")
}

fn class(state: NodeState) -> &'static str {
    match state {
        NodeState::Waiting => "waiting",
        NodeState::Running => "running",
        NodeState::Done => "done",
        NodeState::Failed => "failed",
        NodeState::Skipped => "skipped",
    }
}

fn shape(out: &mut String, card: &Card, front: &Rect) -> fmt::Result {
    let kind = card.step.kind;
    let open = card.inner.is_some();
    if kind == Kind::Map {
        let mut back = *front;
        back.middle.x += STACK;
        back.middle.y += STACK;
        rectangle(out, "box behind", &back, 9.0)?;
    }
    let round = match kind {
        Kind::Human => front.size.height / 2.0,
        Kind::Set => 2.0,
        _ => 9.0,
    };
    rectangle(out, "box", front, round)?;
    match kind {
        _ if open => {
            let mut panel = *front;
            panel.size.width -= PADDING;
            panel.size.height -= HEADER + PADDING / 2.0;
            panel.middle.y += (HEADER - PADDING / 2.0) / 2.0;
            rectangle(out, "panel", &panel, 6.0)
        }
        Kind::Graph => {
            let mut inside = *front;
            inside.size.width -= 8.0;
            inside.size.height -= 8.0;
            rectangle(out, "trim", &inside, 6.0)
        }
        Kind::Function | Kind::Tool => {
            let (top, bottom) = (Number(front.top()), Number(front.bottom()));
            let (left, right) = (Number(front.left() + 6.0), Number(front.right() - 6.0));
            write!(out, r#"<path class="trim" d="M{left} {top}V{bottom}"#)?;
            if kind == Kind::Function {
                write!(out, "M{right} {top}V{bottom}")?;
            }
            out.write_str("\"/>\n")
        }
        _ => Ok(()),
    }
}

fn rectangle(out: &mut String, class: &str, rect: &Rect, round: f64) -> fmt::Result {
    let (x, y) = (Number(rect.left()), Number(rect.top()));
    let (width, height) = (Number(rect.size.width), Number(rect.size.height));
    let round = Number(round);
    writeln!(
        out,
        r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{round}"/>"#
    )
}

fn texts(out: &mut String, card: &Card, front: &Rect) -> fmt::Result {
    let open = card.inner.is_some();
    let x = if open {
        front.left() + PADDING
    } else {
        front.middle.x
    };
    let class = |closed, opened| if open { opened } else { closed };
    let mut y = front.top() + ABOVE + NAME_SIZE;
    for line in &card.name {
        let words = Words {
            class: class("name", "name head"),
            size: NAME_SIZE,
            at: (x, y),
            text: line,
        };
        writeln!(out, "{words}")?;
        y += NAME_LINE;
    }
    let words = Words {
        class: class("second", "second head"),
        size: SECOND_SIZE,
        at: (x, y - 1.0),
        text: &card.second,
    };
    writeln!(out, "{words}")
}

/// What became of a node, told without colour: a sign at the corner of its box.
fn badge(out: &mut String, state: NodeState, front: &Rect) -> fmt::Result {
    let sign = match state {
        NodeState::Waiting => return Ok(()),
        NodeState::Running => "M-2.5 -3.5L3.5 0L-2.5 3.5Z",
        NodeState::Done => "M-3.5 0.3L-1 2.8L3.6 -2.6",
        NodeState::Failed => "M-2.8 -2.8L2.8 2.8M-2.8 2.8L2.8 -2.8",
        NodeState::Skipped => "M-3.2 0H3.2",
    };
    let (x, y) = (Number(front.right() - 3.0), Number(front.top() + 3.0));
    writeln!(
        out,
        r#"<g class="badge" transform="translate({x} {y})"><circle r="7.5"/><path d="{sign}"/></g>"#
    )
}

/// The dot where a graph starts, the ring where it ends.
pub(super) fn mark(out: &mut String, mark: &Mark) -> fmt::Result {
    let (x, y) = (Number(mark.rect.middle.x), Number(mark.rect.middle.y));
    let radius = mark.rect.size.width / 2.0;
    let (what, title) = if mark.start {
        ("start", "Start")
    } else {
        ("end", "End")
    };
    write!(out, r#"<g class="mark {what}"><title>{title}</title>"#)?;
    if mark.start {
        write!(
            out,
            r#"<circle class="dot" cx="{x}" cy="{y}" r="{}"/>"#,
            Number(radius)
        )?;
    } else {
        let (ring, dot) = (Number(radius - 1.0), Number(radius - 4.5));
        write!(
            out,
            r#"<circle class="ring" cx="{x}" cy="{y}" r="{ring}"/>"#
        )?;
        write!(out, r#"<circle class="dot" cx="{x}" cy="{y}" r="{dot}"/>"#)?;
    }
    out.write_str("</g>\n")
}
