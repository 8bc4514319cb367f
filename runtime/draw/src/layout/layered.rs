//! Layers by dagre.

use dagre::graph::{Graph, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel, Ranker};

use super::route::{self, Bends};
use super::{Blueprint, Placed, Point, Rect, Size};

/// Boxes up to which layers are chosen for the shortest lines; beyond that, that takes too long.
const MOST_EXACT: usize = 150;

/// Between boxes of a layer.
const BESIDE: f64 = 36.0;

/// Between lines of a layer.
const LINES: f64 = 18.0;

/// Between two layers; half of it on either side of a layer of labels.
const BETWEEN: f64 = 52.0;

pub(super) fn place(blueprint: &Blueprint) -> Placed {
    let mut graph: Graph<NodeLabel, EdgeLabel> = Graph::with_options(GraphOptions {
        directed: true,
        multigraph: true,
        compound: false,
    });
    for (at, size) in blueprint.boxes.iter().enumerate() {
        let label = NodeLabel {
            width: size.width,
            height: size.height,
            ..NodeLabel::default()
        };
        graph.set_node(name(at), Some(label));
    }
    for (at, link) in blueprint.links.iter().enumerate() {
        let size = link.label.unwrap_or_default();
        let label = EdgeLabel {
            width: size.width,
            height: size.height,
            labelpos: dagre::layout::types::LabelPos::Center,
            // Lines on the way forward are drawn straighter than those back.
            weight: if link.back { 1 } else { 2 },
            ..EdgeLabel::default()
        };
        let (from, to) = ends(link);
        graph.set_edge(name(from), name(to), Some(label), Some(&name(at)));
    }
    let options = LayoutOptions {
        nodesep: BESIDE,
        edgesep: LINES,
        ranksep: BETWEEN,
        ranker: if blueprint.boxes.len() <= MOST_EXACT {
            Ranker::NetworkSimplex
        } else {
            Ranker::TightTree
        },
        ..LayoutOptions::default()
    };
    dagre::layout(&mut graph, Some(options));
    let boxes: Vec<Rect> = blueprint
        .boxes
        .iter()
        .enumerate()
        .map(|(at, size)| {
            let placed = graph.node(&name(at));
            let spot = placed.and_then(|label| Some((label.x?, label.y?)));
            rect(spot, *size)
        })
        .collect();
    let bends = blueprint
        .links
        .iter()
        .enumerate()
        .map(|(at, link)| {
            let (from, to) = ends(link);
            let placed = graph.edge(&name(from), &name(to), Some(&name(at)));
            let spot = placed.and_then(|label| Some((label.x?, label.y?)));
            Bends {
                points: placed.map_or_else(Vec::new, |label| inner(&label.points)),
                label: link.label.map(|size| rect(spot, size)),
            }
        })
        .collect();
    let routes = route::all(blueprint, &boxes, bends);
    Placed {
        boxes,
        routes,
        size: Size::default(),
    }
}

/// Loop-backs are handed over the other way round: then there is no cycle, and what is a loop is
/// for the graph to say and not for dagre to guess.
fn ends(link: &super::Link) -> (usize, usize) {
    if link.back {
        (link.to, link.from)
    } else {
        (link.from, link.to)
    }
}

/// Bends without the ends, which lie on the boxes.
fn inner(points: &[dagre::Point]) -> Vec<Point> {
    let inner = points.get(1..points.len().saturating_sub(1));
    let inner = inner.unwrap_or_default().iter();
    inner
        .map(|point| Point {
            x: point.x,
            y: point.y,
        })
        .collect()
}

fn rect(spot: Option<(f64, f64)>, size: Size) -> Rect {
    let (x, y) = spot.unwrap_or_default();
    Rect {
        middle: Point { x, y },
        size,
    }
}

/// Ids of nodes and edges: of equal length, so that they sort as numbers do.
fn name(at: usize) -> String {
    format!("{at:06}")
}
