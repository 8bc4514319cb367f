//! What every picture must be: XML, nothing over anything else, every node and edge there.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::samples::{FAN, NESTED, REVIEW, graph, large, review_run, scene};
use crate::{Overlay, Picture};

/// A box of the picture.
#[derive(Debug, Clone, Copy)]
struct Rect {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Rect {
    fn overlaps(self, other: Rect) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    fn holds(self, other: Rect) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && other.x + other.width <= self.x + self.width
            && other.y + other.height <= self.y + self.height
    }
}

/// What an SVG holds: boxes, nodes by path, lines by edge.
#[derive(Debug, Default)]
struct Seen {
    size: (f64, f64),
    boxes: Vec<Rect>,
    paths: Vec<String>,
    edges: Vec<String>,
}

fn seen(svg: &str) -> Seen {
    let mut seen = Seen::default();
    let mut reader = Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    loop {
        let element = match reader
            .read_event()
            .unwrap_or_else(|error| panic!("{error}: {svg}"))
        {
            Event::Eof => return seen,
            Event::Start(element) | Event::Empty(element) => element,
            _ => continue,
        };
        let attribute = |name: &str| {
            let found = element.attributes().map(Result::unwrap);
            let found = found.into_iter().find(|found| found.key.as_ref() == name);
            found.map(|found| found.value.into_owned())
        };
        let number = |name: &str| {
            attribute(name)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0.0)
        };
        if element.name().as_ref() == "svg" {
            seen.size = (number("width"), number("height"));
        }
        if attribute("class").as_deref() == Some("box") {
            seen.boxes.push(Rect {
                x: number("x"),
                y: number("y"),
                width: number("width"),
                height: number("height"),
            });
        }
        seen.paths.extend(attribute("data-path"));
        let class = attribute("class").unwrap_or_default();
        if class.split(' ').any(|word| word == "edge") {
            seen.edges.extend(attribute("data-edge"));
        }
    }
}

fn nothing_overlaps(seen: &Seen) {
    for (at, one) in seen.boxes.iter().enumerate() {
        for other in seen.boxes.iter().skip(at + 1) {
            let apart = !one.overlaps(*other) || one.holds(*other) || other.holds(*one);
            assert!(apart, "{one:?} and {other:?}");
        }
    }
}

#[test]
fn every_node_is_there_and_nothing_lies_over_anything_else() {
    for text in [REVIEW, FAN, NESTED] {
        let graph = graph(text);
        let seen = seen(&crate::svg(&graph, None));
        for node in graph.flow().node_weights() {
            assert!(seen.paths.contains(&node.name), "{}", node.name);
        }
        assert!(seen.size.0 > 50.0 && seen.size.1 > 50.0);
        nothing_overlaps(&seen);
    }
}

#[test]
fn a_run_is_laid_over_the_graph() {
    let graph = graph(REVIEW);
    let plain = crate::svg(&graph, None);
    let run = crate::svg(&graph, Some(&review_run(&graph)));
    for (class, there) in [("failed", true), ("skipped", true), ("waiting", true)] {
        let marked = run.contains(&format!("{class}\" data-path"));
        assert_eq!(marked, there, "{class}");
        assert!(!plain.contains(&format!("{class}\" data-path")));
    }
    assert!(
        run.contains("1 min 15 s") && run.contains("taken 2×"),
        "times and counts are shown"
    );
    assert!(
        run.contains("no &lt;connection&gt; &amp; &quot;more&quot;")
            || run.contains("no &lt;connection")
    );
    let empty = crate::svg(&graph, Some(&Overlay::default()));
    assert!(!empty.contains("failed\" data-path"));
}

#[test]
fn graphs_of_any_size_are_drawn() {
    for nodes in [1, 2, 50, 500] {
        let seen = seen(&crate::svg(&large(nodes), None));
        assert!(seen.paths.len() >= nodes, "{} of {nodes}", seen.paths.len());
        nothing_overlaps(&seen);
    }
}

#[test]
fn what_lies_within_is_shown_or_not() {
    let graph = graph(NESTED);
    let open = seen(&Picture::of(&graph, None, true).svg());
    let closed = seen(&Picture::of(&graph, None, false).svg());
    assert!(open.paths.len() > closed.paths.len());
    assert_eq!(closed.paths.len(), graph.flow().node_count());
}

#[test]
fn texts_for_others_name_every_node() {
    for text in [REVIEW, FAN, NESTED] {
        let graph = graph(text);
        let (mermaid, dot) = (crate::mermaid(&graph, None), crate::dot(&graph, None));
        assert!(mermaid.starts_with("flowchart TD\n"), "{mermaid}");
        for node in graph.flow().node_weights() {
            assert!(mermaid.contains(&node.name), "{}", node.name);
            assert!(dot.contains(&node.name), "{}", node.name);
        }
        layout::gv::DotParser::new(&dot)
            .process()
            .unwrap_or_else(|error| panic!("{error}: {dot}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Names that no compiler would let through do not break out of any format.
    #[test]
    fn hostile_names_stay_names(
        names in prop::collection::vec("[\"'<>&\\]\\[`{}|#;\\\\\n\u{202e}ä中😀a-z -]{1,30}", 1..8),
        lines in prop::collection::vec((0_usize..8, 0_usize..8, any::<bool>(), "[\"<>&\\]`|#\n;a-z]{0,40}"), 0..12),
    ) {
        let lines: Vec<_> = lines
            .into_iter()
            .map(|(from, to, back, label)| (from % names.len(), to % names.len(), back, label))
            .collect();
        let scene = scene(&names, &lines);
        let picture = Picture { scene };
        let seen = seen(&picture.svg());
        prop_assert_eq!(seen.paths.len(), names.len());
        nothing_overlaps(&seen);
        let dot = picture.dot();
        prop_assert!(layout::gv::DotParser::new(&dot).process().is_ok(), "{}", dot);
        // One line for each node and edge, and what frames them: a name makes no lines.
        let mermaid = picture.mermaid();
        let arrows = mermaid.lines().filter(|line| line.contains("-->") || line.contains("-.->"));
        prop_assert!(arrows.count() <= lines.len() + 2 * names.len() + 2, "{}", mermaid);
        prop_assert!(!mermaid.contains('<') || mermaid.contains("<br/>"), "{}", mermaid);
    }
}
