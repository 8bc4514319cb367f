//! Where boxes and lines go: sizes in, places out.
//!
//! The layers come from dagre. What it gives are bends at the middle of each layer; [`route`]
//! makes lines of them that cross no box. Graphs beyond what dagre does in reasonable time get
//! the [`plain`] layout.

mod layered;
mod plain;
mod route;

/// Boxes and lines that dagre is asked for at most.
const MOST_LAYERED: usize = 1000;

/// What is to be placed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blueprint {
    pub(crate) boxes: Vec<Size>,
    pub(crate) links: Vec<Link>,
}

/// What leads from a box to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The size of its label; nothing where it has none.
    pub(crate) label: Option<Size>,
    /// Whether it leads against the direction of the others.
    pub(crate) back: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Size {
    pub(crate) width: f64,
    pub(crate) height: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// A box or a label, by its middle.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rect {
    pub(crate) middle: Point,
    pub(crate) size: Size,
}

impl Rect {
    pub(crate) fn left(&self) -> f64 {
        self.middle.x - self.size.width / 2.0
    }

    pub(crate) fn right(&self) -> f64 {
        self.middle.x + self.size.width / 2.0
    }

    pub(crate) fn top(&self) -> f64 {
        self.middle.y - self.size.height / 2.0
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.middle.y + self.size.height / 2.0
    }
}

/// A line from box to box.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Route {
    /// From its start to its tip. Between two points it runs straight down or up, or swings
    /// from one column to another.
    pub(crate) points: Vec<Point>,
    /// Where its label is; none for a line without, and where there is no room.
    pub(crate) label: Option<Rect>,
    /// Whether it leads from a box to itself: around its right side.
    pub(crate) around: bool,
}

/// Everything in its place, from the origin on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placed {
    /// In the order of the blueprint.
    pub(crate) boxes: Vec<Rect>,
    /// In the order of the blueprint.
    pub(crate) routes: Vec<Route>,
    pub(crate) size: Size,
}

/// Places everything.
pub(crate) fn place(blueprint: &Blueprint) -> Placed {
    let labels = blueprint.links.iter().filter(|link| link.label.is_some());
    let mut placed = if blueprint.boxes.len() + labels.count() <= MOST_LAYERED
        && blueprint.links.len() <= 2 * MOST_LAYERED
    {
        layered::place(blueprint)
    } else {
        plain::place(blueprint)
    };
    to_origin(&mut placed);
    placed
}

/// Moves everything so that it begins at the origin, and measures it.
fn to_origin(placed: &mut Placed) {
    let (mut low, mut high) = (
        Point {
            x: f64::MAX,
            y: f64::MAX,
        },
        Point { x: 0.0, y: 0.0 },
    );
    let mut spots = Vec::new();
    let labels = placed
        .routes
        .iter()
        .filter_map(|route| route.label.as_ref());
    for rect in placed.boxes.iter().chain(labels) {
        spots.push(Point {
            x: rect.left(),
            y: rect.top(),
        });
        spots.push(Point {
            x: rect.right(),
            y: rect.bottom(),
        });
    }
    spots.extend(
        placed
            .routes
            .iter()
            .flat_map(|route| route.points.iter().copied()),
    );
    for spot in &spots {
        low = Point {
            x: low.x.min(spot.x),
            y: low.y.min(spot.y),
        };
    }
    let moved = |point: &mut Point| {
        point.x -= low.x;
        point.y -= low.y;
    };
    for rect in &mut placed.boxes {
        moved(&mut rect.middle);
    }
    for route in &mut placed.routes {
        route.points.iter_mut().for_each(moved);
        if let Some(label) = &mut route.label {
            moved(&mut label.middle);
        }
    }
    for spot in &spots {
        high = Point {
            x: high.x.max(spot.x - low.x),
            y: high.y.max(spot.y - low.y),
        };
    }
    placed.size = Size {
        width: high.x,
        height: high.y,
    };
}
