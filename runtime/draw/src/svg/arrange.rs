//! Texts measured, boxes sized and placed, from the innermost graph outwards.

use crate::layout::{self, Blueprint, Link, Placed, Rect, Route, Size};
use crate::overlay::NodeState;
use crate::scene::{Kind, Line, Scene, Step};
use crate::{text, words};

pub(super) const NAME_SIZE: f64 = 13.0;
pub(super) const NAME_LINE: f64 = 17.0;
pub(super) const SECOND_SIZE: f64 = 11.0;
pub(super) const LABEL_SIZE: f64 = 11.0;
pub(super) const LABEL_LINE: f64 = 14.0;

/// Between the text of a box and its side.
pub(super) const PADDING: f64 = 16.0;
/// Above the first line and below the last.
pub(super) const ABOVE: f64 = 10.0;
/// By how much the boxes behind that of a map look out.
pub(super) const STACK: f64 = 5.0;
/// What an open box shows above what lies within.
pub(super) const HEADER: f64 = 48.0;

const MOST_TEXT: f64 = 190.0;
const MOST_LABEL: f64 = 190.0;
const LEAST_WIDTH: f64 = 104.0;
const START: f64 = 14.0;
const END: f64 = 18.0;

/// Where something is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Corner {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// A scene with everything in its place.
#[derive(Debug)]
pub(super) struct Arranged<'a> {
    pub(super) scene: &'a Scene,
    pub(super) placed: Placed,
    cards: Vec<Card<'a>>,
    /// Labels as they are shown, in the order of the lines.
    labels: Vec<Vec<String>>,
    marked: bool,
}

/// A node with its texts.
#[derive(Debug)]
pub(super) struct Card<'a> {
    pub(super) step: &'a Step,
    pub(super) name: Vec<String>,
    pub(super) second: String,
    pub(super) inner: Option<Arranged<'a>>,
    size: Size,
}

/// A line as it is drawn.
pub(super) struct Drawn<'a> {
    /// None for what leads from the start and to the end.
    pub(super) line: Option<&'a Line>,
    pub(super) about: String,
    pub(super) route: &'a Route,
    pub(super) label: &'a [String],
    /// Whether the run went along it, where a run is shown.
    pub(super) taken: Option<bool>,
}

/// The start or the end.
pub(super) struct Mark<'a> {
    pub(super) rect: &'a Rect,
    pub(super) start: bool,
}

impl<'a> Arranged<'a> {
    pub(super) fn of(scene: &'a Scene) -> Self {
        let cards: Vec<Card<'a>> = scene.steps.iter().map(Card::of).collect();
        let labels: Vec<Vec<String>> = scene.lines.iter().map(shown_label).collect();
        let marked = !scene.starts.is_empty();
        let mut blueprint = Blueprint::default();
        blueprint.boxes.extend(cards.iter().map(|card| card.size));
        for (line, label) in scene.lines.iter().zip(&labels) {
            blueprint.links.push(Link {
                from: line.from,
                to: line.to,
                label: label_size(label),
                back: line.back,
            });
        }
        if marked {
            let start = blueprint.boxes.len();
            blueprint.boxes.push(Size {
                width: START,
                height: START,
            });
            blueprint.boxes.push(Size {
                width: END,
                height: END,
            });
            let link = |from, to| Link {
                from,
                to,
                label: None,
                back: false,
            };
            let starts = scene.starts.iter().map(|to| link(start, *to));
            let ends = scene.ends.iter().map(|from| link(*from, start + 1));
            blueprint.links.extend(starts.chain(ends));
        }
        Self {
            scene,
            placed: layout::place(&blueprint),
            cards,
            labels,
            marked,
        }
    }

    pub(super) fn cards(&self) -> impl Iterator<Item = (&Card<'a>, &Rect)> {
        self.cards.iter().zip(&self.placed.boxes)
    }

    pub(super) fn marks(&self) -> impl Iterator<Item = Mark<'_>> {
        let rects = self.placed.boxes.iter().skip(self.cards.len());
        rects
            .zip([true, false])
            .map(|(rect, start)| Mark { rect, start })
    }

    /// Every line; those on which the run went last, so that they lie on top.
    pub(super) fn lines(&self) -> Vec<Drawn<'_>> {
        let mut drawn: Vec<Drawn<'_>> = Vec::with_capacity(self.placed.routes.len());
        let name = |at: usize| self.scene.steps.get(at).map_or("", |step| &step.name);
        for ((line, label), route) in self
            .scene
            .lines
            .iter()
            .zip(&self.labels)
            .zip(&self.placed.routes)
        {
            drawn.push(Drawn {
                line: Some(line),
                about: words::line_about(line, name(line.from), name(line.to)),
                route,
                label,
                taken: line.taken.map(|taken| taken > 0),
            });
        }
        if self.marked {
            let state = |at: usize| self.scene.steps.get(at)?.run.as_ref().map(|run| run.state);
            let begun = |at: &usize| state(*at).map(|state| state != NodeState::Waiting);
            let over = |at: &usize| state(*at).map(|state| state == NodeState::Done);
            let starts = self.scene.starts.iter().map(begun);
            let taken = starts.chain(self.scene.ends.iter().map(over));
            let routes = self.placed.routes.iter().skip(self.scene.lines.len());
            drawn.extend(routes.zip(taken).map(|(route, taken)| Drawn {
                line: None,
                about: String::new(),
                route,
                label: &[],
                taken,
            }));
        }
        drawn.sort_by_key(|drawn| drawn.taken == Some(true));
        drawn
    }
}

impl<'a> Card<'a> {
    fn of(step: &'a Step) -> Self {
        let inner = step.inner.as_ref().map(Arranged::of);
        let second = words::second_line(step);
        match inner {
            None => Self::closed(step, &second),
            Some(inner) => Self::open(step, &second, inner),
        }
    }

    fn closed(step: &'a Step, second: &str) -> Self {
        let name = text::wrap(&step.name, NAME_SIZE, MOST_TEXT);
        let second = text::fit(second, SECOND_SIZE, MOST_TEXT);
        let widths = name.iter().map(|line| text::width(line, NAME_SIZE));
        let widest = widths.fold(text::width(&second, SECOND_SIZE), f64::max);
        let lines = if name.len() > 1 { 2.0 } else { 1.0 };
        let height = 2.0 * ABOVE + lines * NAME_LINE + SECOND_SIZE + 3.0;
        let behind = behind(step);
        Self {
            size: Size {
                width: (widest + 2.0 * PADDING).max(LEAST_WIDTH) + behind,
                height: height + behind,
            },
            step,
            name,
            second,
            inner: None,
        }
    }

    fn open(step: &'a Step, second: &str, inner: Arranged<'a>) -> Self {
        let most = MOST_TEXT.max(inner.placed.size.width);
        let name = text::fit(&step.name, NAME_SIZE, most);
        let second = text::fit(second, SECOND_SIZE, most);
        let widest = text::width(&name, NAME_SIZE).max(text::width(&second, SECOND_SIZE));
        let behind = behind(step);
        Self {
            size: Size {
                // The text begins at the left, and what shows the state lies at the right.
                width: (widest + PADDING).max(inner.placed.size.width) + 2.0 * PADDING + behind,
                height: HEADER + inner.placed.size.height + 2.0 * PADDING + behind,
            },
            step,
            name: vec![name],
            second,
            inner: Some(inner),
        }
    }

    /// What lies within, and where.
    pub(super) fn opened(&self, rect: &Rect) -> Option<(&Arranged<'a>, Corner)> {
        let inner = self.inner.as_ref()?;
        let spare = rect.size.width - behind(self.step) - inner.placed.size.width;
        let corner = Corner {
            x: rect.left() + spare / 2.0,
            y: rect.top() + HEADER + PADDING / 2.0,
        };
        Some((inner, corner))
    }

    /// The box without those that look out behind it.
    pub(super) fn front(&self, rect: &Rect) -> Rect {
        let behind = behind(self.step);
        let mut front = *rect;
        front.size.width -= behind;
        front.size.height -= behind;
        front.middle.x -= behind / 2.0;
        front.middle.y -= behind / 2.0;
        front
    }
}

fn behind(step: &Step) -> f64 {
    if step.kind == Kind::Map { STACK } else { 0.0 }
}

fn shown_label(line: &Line) -> Vec<String> {
    let mut label = line.label.clone();
    if let Some(taken) = line.taken.filter(|taken| *taken > 1) {
        label.push(format!("taken {taken}×"));
    }
    label
        .iter()
        .map(|text| text::fit(text, LABEL_SIZE, MOST_LABEL))
        .collect()
}

fn label_size(label: &[String]) -> Option<Size> {
    let widths = label.iter().map(|text| text::width(text, LABEL_SIZE));
    let widest = widths.fold(0.0, f64::max);
    let lines: f64 = label.iter().map(|_| LABEL_LINE).sum();
    (!label.is_empty()).then_some(Size {
        width: widest + 10.0,
        height: lines + 4.0,
    })
}
