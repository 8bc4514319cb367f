//! What a person sees while they wait. Standard output is left to results.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ropewalk_vector::ingest::IngestProgress;

/// A line on standard error.
pub(crate) fn say(line: &str) {
    // Nothing can be done when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line on standard output. A reader that has gone away ends the printing, not the program.
pub(crate) fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A bar on standard error; nothing when that is not a terminal.
pub(crate) fn bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {wide_msg}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(what.to_owned());
    if std::io::stderr().is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

/// Shows how far an ingestion is.
pub(crate) fn show(bar: &ProgressBar, at: &IngestProgress) {
    bar.set_length(at.files_total as u64);
    bar.set_position(at.files_done as u64);
    bar.set_message(format!("{} passages embedded  {}", at.embedded, at.file));
}
