//! Graphs as pictures: [`mermaid`] for documents and pull requests, [`dot`] for Graphviz, [`svg`]
//! to look at. An [`Overlay`] lays over it what a run did. Text in, text out: nothing here reads
//! or writes a file.
//!
//! A picture is made in two steps, and the modules follow them:
//! - [`overlay`]: what a run did, as the caller tells it, and summed up by box.
//! - `scene`: what there is to draw, the same for every format; `words` is what is written in it.
//! - `mermaid` and `dot`: a scene as text for others to lay out.
//! - `svg`: a scene drawn here, with `layout` for places and `text` for widths.
//!
//! ```
//! use ropewalk_core::graph::{compile_text, library::Empty};
//!
//! let text = "
//! name: double
//! channels: {n: number, twice: number}
//! input: [n]
//! output: [twice]
//! nodes:
//!   double: {set: {twice: n * 2}}
//! ";
//! let graph = compile_text("double.yaml", text, &Empty).into_result().unwrap();
//! assert!(ropewalk_draw::mermaid(&graph, None).contains("double"));
//! assert!(ropewalk_draw::svg(&graph, None).starts_with("<svg "));
//! ```

mod dot;
mod layout;
mod mermaid;
pub mod overlay;
mod scene;
mod svg;
mod text;
mod words;

#[cfg(test)]
mod samples;

pub use overlay::{EdgeKey, NodeRun, NodeState, Overlay};
use ropewalk_core::graph::ir::Graph;

use overlay::Sums;
use scene::Scene;

/// A graph as a Mermaid flowchart, opened up.
pub fn mermaid(graph: &Graph, overlay: Option<&Overlay>) -> String {
    Picture::of(graph, overlay, true).mermaid()
}

/// A graph in the DOT language, opened up.
pub fn dot(graph: &Graph, overlay: Option<&Overlay>) -> String {
    Picture::of(graph, overlay, true).dot()
}

/// A graph as an SVG document, opened up.
pub fn svg(graph: &Graph, overlay: Option<&Overlay>) -> String {
    Picture::of(graph, overlay, true).svg()
}

/// A graph, ready to be drawn in any format.
#[derive(Debug, Clone)]
pub struct Picture {
    scene: Scene,
}

impl Picture {
    /// Takes from a graph, and from what a run did, everything that is shown. `expand`: whether
    /// the graphs and the bodies of maps within it are opened up.
    pub fn of(graph: &Graph, overlay: Option<&Overlay>, expand: bool) -> Self {
        let sums = overlay.map(Sums::of);
        Self {
            scene: Scene::of(graph, sums.as_ref(), expand),
        }
    }

    /// As a Mermaid flowchart.
    pub fn mermaid(&self) -> String {
        mermaid::draw(&self.scene)
    }

    /// In the DOT language.
    pub fn dot(&self) -> String {
        dot::draw(&self.scene)
    }

    /// As an SVG document.
    pub fn svg(&self) -> String {
        svg::draw(&self.scene)
    }
}
