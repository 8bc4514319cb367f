//! Graphs with one mistake each, and what mends it.

mod flow;
mod names;
mod values;

use ropewalk_core::graph::diagnostic::{Code, Severity};

/// A graph with one mistake.
pub struct Case {
    pub code: Code,
    pub severity: Severity,
    /// The graph; `§` stands before the place of the mistake.
    bad: &'static str,
    /// What mends it: this text, and what it becomes.
    mend: (&'static str, &'static str),
}

/// A graph that does not run.
const fn error(code: Code, bad: &'static str, mend: (&'static str, &'static str)) -> Case {
    Case {
        code,
        severity: Severity::Error,
        bad,
        mend,
    }
}

/// A graph that runs, and probably not as meant.
const fn warning(code: Code, bad: &'static str, mend: (&'static str, &'static str)) -> Case {
    Case {
        severity: Severity::Warning,
        ..error(code, bad, mend)
    }
}

pub fn cases() -> impl Iterator<Item = &'static Case> {
    names::CASES.iter().chain(flow::CASES).chain(values::CASES)
}

impl Case {
    /// Line and column of the mistake, and the graph.
    pub fn marked(&self) -> (usize, usize, String) {
        let (before, after) = self.bad.split_once('§').expect("a mark");
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        (line, column, format!("{before}{after}"))
    }

    /// The graph without the mistake.
    pub fn mended(&self) -> String {
        let (_, _, text) = self.marked();
        let mended = text.replacen(self.mend.0, self.mend.1, 1);
        assert_ne!(text, mended, "{}: nothing mended", self.code);
        mended
    }
}
