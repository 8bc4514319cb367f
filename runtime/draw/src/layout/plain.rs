//! A layout for graphs too large to be looked at as a whole: layers by the longest way, boxes
//! side by side in their order, lines straight from box to box, no labels. It takes linear time.

use super::{Blueprint, Placed, Point, Rect, Route, Size};

const BESIDE: f64 = 24.0;
const BETWEEN: f64 = 64.0;

pub(super) fn place(blueprint: &Blueprint) -> Placed {
    let layers = layers(blueprint);
    let deepest = layers.iter().copied().max().unwrap_or_default();
    let mut sizes = vec![Size::default(); deepest + 1];
    for (size, layer) in blueprint.boxes.iter().zip(&layers) {
        if let Some(all) = sizes.get_mut(*layer) {
            all.width += size.width + BESIDE;
            all.height = all.height.max(size.height);
        }
    }
    let widest = sizes.iter().map(|size| size.width).fold(0.0, f64::max);
    // Where the next box of each layer goes.
    let mut next = Vec::with_capacity(sizes.len());
    let mut y = 0.0;
    for size in &sizes {
        next.push(Point {
            x: (widest - size.width) / 2.0,
            y: y + size.height / 2.0,
        });
        y += size.height + BETWEEN;
    }
    let mut boxes = Vec::with_capacity(blueprint.boxes.len());
    for (size, layer) in blueprint.boxes.iter().zip(&layers) {
        let Some(next) = next.get_mut(*layer) else {
            continue;
        };
        boxes.push(Rect {
            middle: Point {
                x: next.x + size.width / 2.0,
                y: next.y,
            },
            size: *size,
        });
        next.x += size.width + BESIDE;
    }
    let routes = blueprint.links.iter().map(|link| {
        let ends = boxes.get(link.from).zip(boxes.get(link.to));
        ends.map_or_else(Route::default, |(from, to)| line(from, to, link))
    });
    Placed {
        routes: routes.collect(),
        boxes,
        size: Size::default(),
    }
}

fn line(from: &Rect, to: &Rect, link: &super::Link) -> Route {
    if link.from == link.to {
        let at = |x, y| Point { x, y };
        let points = vec![
            at(from.right(), from.middle.y - 8.0),
            at(from.right() + BESIDE - 4.0, from.middle.y),
            at(from.right(), from.middle.y + 8.0),
        ];
        return Route {
            points,
            label: None,
            around: true,
        };
    }
    let (start, tip) = if link.back {
        (from.top(), to.bottom())
    } else {
        (from.bottom(), to.top())
    };
    let points = vec![
        Point {
            x: from.middle.x,
            y: start,
        },
        Point {
            x: to.middle.x,
            y: tip,
        },
    ];
    Route {
        points,
        label: None,
        around: false,
    }
}

/// The layer of each box: one below the lowest of those that lead to it.
fn layers(blueprint: &Blueprint) -> Vec<usize> {
    let count = blueprint.boxes.len();
    let mut layers = vec![0_usize; count];
    let mut open = vec![0_usize; count];
    let mut after = vec![Vec::new(); count];
    for link in blueprint
        .links
        .iter()
        .filter(|link| !link.back && link.from != link.to)
    {
        if let (Some(after), Some(open)) = (after.get_mut(link.from), open.get_mut(link.to)) {
            after.push(link.to);
            *open += 1;
        }
    }
    let free = open.iter().enumerate().filter(|(_, open)| **open == 0);
    let mut ready: Vec<usize> = free.map(|(at, _)| at).collect();
    while let Some(at) = ready.pop() {
        let layer = layers.get(at).copied().unwrap_or_default();
        for to in after.get_mut(at).map(std::mem::take).unwrap_or_default() {
            let (Some(place), Some(open)) = (layers.get_mut(to), open.get_mut(to)) else {
                continue;
            };
            *place = (*place).max(layer + 1);
            *open -= 1;
            if *open == 0 {
                ready.push(to);
            }
        }
    }
    layers
}
