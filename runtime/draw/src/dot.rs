//! Graphs in the DOT language, for Graphviz and whatever else reads it.
//!
//! petgraph can write DOT, but knows no clusters, and an opened graph is one.

use std::fmt::{self, Display, Write};

use ropewalk_ink::is_unseen;

use crate::overlay::NodeState;
use crate::scene::{Kind, Line, Scene, Step};
use crate::svg::light;
use crate::words;

/// Letters of a label; the tooltip has the rest.
const MOST: usize = 60;

const FAILED: (&str, &str) = ("#ffdcd8", "#cf222e");
const QUIET: &str = "#57606a";
const FAINT: &str = "#c4cad1";

/// The whole picture.
pub(crate) fn draw(scene: &Scene) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = whole(&mut out, scene);
    out
}

fn whole(out: &mut String, scene: &Scene) -> fmt::Result {
    let name = Text::of(&scene.name);
    writeln!(out, "digraph {name} {{")?;
    writeln!(out, "  label={name}; labelloc=t; labeljust=l;")?;
    // With `compound`, a line may end at the border of a cluster.
    writeln!(
        out,
        "  compound=true; rankdir=TB; nodesep=0.4; ranksep=0.5;"
    )?;
    writeln!(out, "  fontname=\"Helvetica\"; fontsize=14;")?;
    writeln!(
        out,
        "  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=11, fontcolor=\"#1f2328\"];"
    )?;
    writeln!(
        out,
        "  edge [fontname=\"Helvetica\", fontsize=9, color=\"{QUIET}\", fontcolor=\"{QUIET}\", arrowsize=0.7];"
    )?;
    content(out, scene, "n", 1)?;
    out.write_str("}\n")
}

/// `prefix`: what the ids of this scene begin with.
fn content(out: &mut String, scene: &Scene, prefix: &str, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    let marked = !scene.starts.is_empty();
    if marked {
        let look = format!("label=\"\", style=filled, fillcolor=\"{QUIET}\", color=\"{QUIET}\"");
        writeln!(
            out,
            "{indent}{prefix}start [shape=circle, width=0.16, {look}];"
        )?;
        writeln!(
            out,
            "{indent}{prefix}end [shape=doublecircle, width=0.12, {look}];"
        )?;
    }
    for (at, step) in scene.steps.iter().enumerate() {
        draw_step(out, step, &format!("{prefix}{at}"), depth)?;
    }
    if marked {
        for to in &scene.starts {
            let to = End::into(scene, prefix, *to);
            let heads = to.attribute("lhead").unwrap_or_default();
            writeln!(out, "{indent}{prefix}start -> {} [{heads}];", to.id)?;
        }
        for from in &scene.ends {
            let from = End::out_of(scene, prefix, *from);
            let tails = from.attribute("ltail").unwrap_or_default();
            writeln!(out, "{indent}{} -> {prefix}end [{tails}];", from.id)?;
        }
    }
    for line in &scene.lines {
        draw_line(out, scene, line, prefix, &indent)?;
    }
    Ok(())
}

fn draw_step(out: &mut String, step: &Step, id: &str, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    let label = Text(vec![
        words::cut(&step.name, MOST),
        words::cut(&words::second_line(step), MOST),
    ]);
    let about = words::step_about(step);
    let about = Text(about.lines().map(str::to_owned).collect());
    let look = look(step);
    if let Some(inner) = &step.inner {
        writeln!(out, "{indent}subgraph cluster_{id} {{")?;
        writeln!(out, "{indent}  label={label}; tooltip={about};")?;
        writeln!(
            out,
            "{indent}  labelloc=t; labeljust=l; fontsize=11; {}",
            look.replace(", ", "; ")
        )?;
        content(out, inner, &format!("{id}{SEPARATOR}"), depth + 1)?;
        return writeln!(out, "{indent}}}");
    }
    let shape = shape(step.kind);
    writeln!(
        out,
        "{indent}{id} [label={label}, tooltip={about}, {shape}{look}];"
    )
}

fn shape(kind: Kind) -> &'static str {
    match kind {
        Kind::Agent | Kind::Model => "",
        Kind::Tool => "shape=component, ",
        Kind::Map => "shape=box3d, ",
        Kind::Graph => "peripheries=2, ",
        Kind::Human => "shape=oval, ",
        Kind::Function => "shape=cds, ",
        Kind::Set => "shape=note, ",
    }
}

fn look(step: &Step) -> String {
    let (fill, border) = light(step.kind);
    let state = step.run.as_ref().map(|run| run.state);
    let (fill, border, style, width) = match state {
        None | Some(NodeState::Done) => (fill, border, "rounded,filled", "1.2"),
        Some(NodeState::Running) => (fill, border, "rounded,filled", "3"),
        Some(NodeState::Failed) => (FAILED.0, FAILED.1, "rounded,filled", "2"),
        Some(NodeState::Waiting) => ("#ffffff", border, "rounded,filled,dashed", "1"),
        Some(NodeState::Skipped) => ("#ffffff", FAINT, "rounded,filled,dashed", "1"),
    };
    format!("style=\"{style}\", fillcolor=\"{fill}\", color=\"{border}\", penwidth={width}")
}

fn draw_line(
    out: &mut String,
    scene: &Scene,
    line: &Line,
    prefix: &str,
    indent: &str,
) -> fmt::Result {
    let (from, to) = (
        End::out_of(scene, prefix, line.from),
        End::into(scene, prefix, line.to),
    );
    let mut attributes: Vec<String> = Vec::new();
    let mut label: Vec<String> = line
        .label
        .iter()
        .map(|text| words::cut(text, MOST))
        .collect();
    if let Some(taken) = line.taken.filter(|taken| *taken > 1) {
        label.push(format!("taken {taken}×"));
    }
    if !label.is_empty() {
        attributes.push(format!("label={}", Text(label)));
    }
    let name = |at: usize| scene.steps.get(at).map_or("", |step| &step.name);
    let about = words::line_about(line, name(line.from), name(line.to));
    attributes.push(format!("tooltip={}", Text::of(&about)));
    attributes.extend(from.attribute("ltail"));
    attributes.extend(to.attribute("lhead"));
    if line.back {
        // It does not decide what stands above what.
        attributes.push("style=dashed, constraint=false".to_owned());
    }
    match (line.on_error, line.taken) {
        (_, Some(0)) => attributes.push(format!("color=\"{FAINT}\", penwidth=0.7")),
        (true, _) => attributes.push(format!("color=\"{}\"", FAILED.1)),
        (false, Some(_)) => attributes.push("color=\"#1f2328\", penwidth=1.8".to_owned()),
        (false, None) => {}
    }
    writeln!(
        out,
        "{indent}{} -> {} [{}];",
        from.id,
        to.id,
        attributes.join(", ")
    )
}

/// An end of a line. DOT leads lines only to nodes, so for a cluster it is one of those within,
/// and the line is cut off at the border.
struct End {
    id: String,
    cluster: Option<String>,
}

impl End {
    fn into(scene: &Scene, prefix: &str, at: usize) -> Self {
        Self::find(scene, prefix, at, |inner| inner.starts.first().copied())
    }

    fn out_of(scene: &Scene, prefix: &str, at: usize) -> Self {
        Self::find(scene, prefix, at, |inner| inner.ends.first().copied())
    }

    fn find(
        scene: &Scene,
        prefix: &str,
        at: usize,
        which: impl Fn(&Scene) -> Option<usize>,
    ) -> Self {
        let mut id = format!("{prefix}{at}");
        let mut inner = scene.steps.get(at).and_then(|step| step.inner.as_ref());
        let cluster = inner.map(|_| format!("cluster_{id}"));
        while let Some(scene) = inner {
            let at = which(scene).unwrap_or_default();
            id = format!("{id}{SEPARATOR}{at}");
            inner = scene.steps.get(at).and_then(|step| step.inner.as_ref());
        }
        Self { id, cluster }
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let cluster = self.cluster.as_ref()?;
        Some(format!("{name}={cluster}"))
    }
}

/// Between the numbers in the id of a node within another.
const SEPARATOR: &str = "_";

/// Lines of a text in quotes.
struct Text(Vec<String>);

impl Text {
    fn of(line: &str) -> Self {
        Self(vec![line.to_owned()])
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for (at, line) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\\n")?;
            }
            for c in line.chars() {
                match c {
                    '"' => f.write_str("\\\"")?,
                    // Before some letters a backslash stands for something else, `\N` for the name
                    // of the node; two stand for one.
                    '\\' => f.write_str("\\\\")?,
                    // Some readers take entities for what they stand for.
                    '&' => f.write_str("&amp;")?,
                    c if is_unseen(c) => f.write_char(' ')?,
                    c => f.write_char(c)?,
                }
            }
        }
        f.write_char('"')
    }
}
