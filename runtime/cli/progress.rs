//! What a person sees while they wait. Standard output is left to results.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ropewalk_core::event::{EffectRequest, Event};
use ropewalk_core::secret;
use ropewalk_vector::ingest::IngestProgress;

/// A line on standard error, without secrets.
pub(crate) fn say(line: &str) {
    // Nothing can be done when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", secret::redactor().redact(line));
}

/// A line on standard output, without secrets. A reader that has gone away ends the printing, not
/// the program.
pub(crate) fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{}", secret::redactor().redact(line));
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

/// A bar of bytes on standard error; nothing when that is not a terminal.
pub(crate) fn transfer(what: &str) -> ProgressBar {
    let bar = bar(what);
    let style = ProgressStyle::with_template(
        "{prefix} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {wide_msg}",
    );
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// A line that says what a run is doing; nothing when standard error is not a terminal.
pub(crate) fn waiting() -> ProgressBar {
    let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
        line.set_style(style);
    }
    if std::io::stderr().is_terminal() {
        // Nothing is drawn before the first tick: a quick answer shows no line at all.
        line.enable_steady_tick(Duration::from_millis(500));
    }
    line
}

/// Shows what a run is doing.
pub(crate) fn follow(line: &ProgressBar, event: &Event) {
    match event {
        Event::EffectStarted { request, .. } => match request {
            EffectRequest::Model { .. } => line.set_message("the engine is thinking"),
            EffectRequest::Tool { call } => line.set_message(call.name.clone()),
            EffectRequest::Function { name, .. } => line.set_message(name.clone()),
            EffectRequest::Decision { .. } => {}
        },
        Event::EffectProgressed { message, .. } => line.set_message(message.clone()),
        _ => {}
    }
}

/// Shows how far an ingestion is.
pub(crate) fn show(bar: &ProgressBar, at: &IngestProgress) {
    bar.set_length(at.files_total as u64);
    bar.set_position(at.files_done as u64);
    bar.set_message(format!("{} passages embedded  {}", at.embedded, at.file));
}
