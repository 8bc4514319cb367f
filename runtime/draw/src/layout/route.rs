//! Lines from the bends of a layered layout.
//!
//! Boxes of a layer share the height of their middles, so that a layer is a band across the
//! picture. A line runs straight through every band and swings only in the gaps between bands:
//! it meets no box on its way. It leaves and enters boxes at ports, spread along their sides.

use std::collections::BTreeMap;

use super::{Blueprint, Point, Rect, Route};

/// Between two ports.
const PORT: f64 = 14.0;

/// Between a port and the corner of its box.
const CORNER: f64 = 16.0;

/// What dagre says of a line: bends from the upper box to the lower one, and its label.
#[derive(Debug, Clone, Default)]
pub(super) struct Bends {
    pub(super) points: Vec<Point>,
    pub(super) label: Option<Rect>,
}

/// Every line. `bends` are in the order of the links.
pub(super) fn all(blueprint: &Blueprint, boxes: &[Rect], bends: Vec<Bends>) -> Vec<Route> {
    let bands = bands(boxes, &bends);
    let ports = ports(blueprint, boxes, &bends);
    let mut routes = Vec::with_capacity(bends.len());
    for ((at, link), bends) in blueprint.links.iter().enumerate().zip(bends) {
        let (Some(from), Some(to)) = (boxes.get(link.from), boxes.get(link.to)) else {
            routes.push(Route::default());
            continue;
        };
        if link.from == link.to {
            routes.push(around(from, &bends));
            continue;
        }
        // From the upper box to the lower one, as dagre has it.
        let (upper, lower) = if link.back { (to, from) } else { (from, to) };
        let port = |end| ports.get(&(at, end)).copied();
        let mut points = vec![Point {
            x: port(End::Upper).unwrap_or(upper.middle.x),
            y: upper.bottom(),
        }];
        for bend in &bends.points {
            let half = bands.get(&band(bend.y)).copied().unwrap_or_default();
            points.push(Point {
                x: bend.x,
                y: bend.y - half,
            });
            if half > 0.0 {
                points.push(Point {
                    x: bend.x,
                    y: bend.y + half,
                });
            }
        }
        points.push(Point {
            x: port(End::Lower).unwrap_or(lower.middle.x),
            y: lower.top(),
        });
        if link.back {
            points.reverse();
        }
        routes.push(Route {
            points: smooth(&points),
            label: bends.label,
            around: false,
        });
    }
    routes
}

/// Half the height of each band, by its middle.
fn bands(boxes: &[Rect], bends: &[Bends]) -> BTreeMap<i64, f64> {
    let mut bands: BTreeMap<i64, f64> = BTreeMap::new();
    let labels = bends.iter().filter_map(|bends| bends.label.as_ref());
    for rect in boxes.iter().chain(labels) {
        let half = bands.entry(band(rect.middle.y)).or_default();
        *half = half.max(rect.size.height / 2.0);
    }
    bands
}

/// Names a band: heights of one layer differ by rounding at most.
#[allow(clippy::cast_possible_truncation)] // A picture is far smaller than an i64.
fn band(y: f64) -> i64 {
    (y * 4.0).round() as i64
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Upper,
    Lower,
}

/// Where lines touch their boxes: as near to straight as their number allows, in the order in
/// which they come in, so that they do not cross.
fn ports(blueprint: &Blueprint, boxes: &[Rect], bends: &[Bends]) -> BTreeMap<(usize, End), f64> {
    let mut sides: BTreeMap<(usize, End), Vec<(f64, usize)>> = BTreeMap::new();
    for ((at, link), bends) in blueprint.links.iter().enumerate().zip(bends) {
        if link.from == link.to {
            continue;
        }
        let (upper, lower) = if link.back {
            (link.to, link.from)
        } else {
            (link.from, link.to)
        };
        let x = |at: usize| boxes.get(at).map_or(0.0, |rect| rect.middle.x);
        let after_upper = bends.points.first().map_or_else(|| x(lower), |bend| bend.x);
        let before_lower = bends.points.last().map_or_else(|| x(upper), |bend| bend.x);
        sides
            .entry((upper, End::Upper))
            .or_default()
            .push((after_upper, at));
        sides
            .entry((lower, End::Lower))
            .or_default()
            .push((before_lower, at));
    }
    let mut ports = BTreeMap::new();
    for ((at, end), mut wanted) in sides {
        let Some(rect) = boxes.get(at) else { continue };
        wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let half = (rect.size.width / 2.0 - CORNER).max(0.0);
        let xs = spread(&wanted, rect.middle.x - half, rect.middle.x + half);
        ports.extend(
            wanted
                .iter()
                .zip(xs)
                .map(|((_, line), x)| ((*line, end), x)),
        );
    }
    ports
}

/// Places along a side, each as near as can be to where it is wanted.
fn spread(wanted: &[(f64, usize)], low: f64, high: f64) -> Vec<f64> {
    let gaps = u32::try_from(wanted.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let gap = PORT.min((high - low) / f64::from(gaps.max(1)));
    let mut xs = Vec::with_capacity(wanted.len());
    let mut least = low;
    for (x, _) in wanted {
        let x = x.max(least).min(high);
        xs.push(x);
        least = x + gap;
    }
    let mut most = high;
    for x in xs.iter_mut().rev() {
        *x = x.min(most);
        most = *x - gap;
    }
    xs
}

/// Leaves out points between which nothing turns.
fn smooth(points: &[Point]) -> Vec<Point> {
    let mut smooth: Vec<Point> = Vec::with_capacity(points.len());
    let same = |a: f64, b: f64| (a - b).abs() < 0.5;
    for (at, point) in points.iter().enumerate() {
        let before = smooth.last();
        let after = points.get(at + 1);
        let straight = before
            .zip(after)
            .is_some_and(|(before, after)| same(before.x, point.x) && same(point.x, after.x));
        if !straight {
            smooth.push(*point);
        }
    }
    smooth
}

/// A line from a box to itself, around its right side.
fn around(rect: &Rect, bends: &Bends) -> Route {
    let reach = bends.points.iter().map(|bend| bend.x);
    let reach = reach.fold(rect.right() + 26.0, f64::max);
    let half = (rect.size.height / 4.0).min(18.0);
    let point = |x, y| Point { x, y };
    Route {
        points: vec![
            point(rect.right(), rect.middle.y - half),
            point(reach, rect.middle.y),
            point(rect.right(), rect.middle.y + half),
        ],
        label: bends.label,
        around: true,
    }
}
