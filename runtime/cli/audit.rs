//! `ropewalk audit`: what was decided about calls of tools, and what came of them.

use std::str::FromStr;

use anyhow::anyhow;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};
use ropewalk_core::unseen::with_unseen_named;
use ropewalk_host::audit::{AuditLog, Line, What};

use crate::arguments::guarding::{Audit, AuditFilter};
use crate::progress::{print, say};
use crate::{Ending, workplace};

/// Characters of arguments in a line.
const MOST_ARGUMENTS: usize = 120;

pub(crate) fn run(audit: Option<Audit>, filter: &AuditFilter) -> anyhow::Result<Ending> {
    let log = AuditLog::new(&workplace::home());
    match audit {
        Some(Audit::Verify { json }) => verify(&log, json),
        None => list(&log, filter),
    }
}

fn verify(log: &AuditLog, json: bool) -> anyhow::Result<Ending> {
    let verified = log.verify()?;
    let whole = verified.flaws.is_empty();
    if json {
        print(&serde_json::to_string(&verified)?);
    } else {
        for flaw in &verified.flaws {
            print(&format!("line {}: {}", flaw.line, flaw.what));
        }
        let lines = verified.lines;
        let says = if whole {
            "as they were written"
        } else {
            "not whole"
        };
        say(&format!("{lines} lines, {says}"));
    }
    Ok(if whole { Ending::Done } else { Ending::Failed })
}

fn list(log: &AuditLog, filter: &AuditFilter) -> anyhow::Result<Ending> {
    let since = filter.since.as_deref().map(moment).transpose()?;
    let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|it| it == is);
    let wanted = |line: &Line| {
        fits(&filter.run, &line.run)
            && fits(&filter.server, &line.server)
            && fits(&filter.tool, &line.tool)
            && since.is_none_or(|since| line.at >= since)
            && (!filter.denied || matches!(&line.what, What::Decided(it) if !it.runs))
    };
    let mut none = true;
    for line in log.lines()?.filter(wanted) {
        none = false;
        if filter.json {
            print(&serde_json::to_string(&line)?);
        } else {
            tell(&line);
        }
    }
    if none && !filter.json {
        say("nothing was decided yet that this asks for");
    }
    Ok(Ending::Done)
}

fn tell(line: &Line) {
    let Line {
        at,
        run,
        server,
        tool,
        ..
    } = line;
    let at = at.strftime("%Y-%m-%d %H:%M:%SZ");
    let call = format!("{server}.{tool}");
    match &line.what {
        What::Decided(decided) => {
            let word = if decided.runs { "runs" } else { "refused" };
            let arguments = with_unseen_named(&line.arguments.to_string());
            let cut: String = arguments.chars().take(MOST_ARGUMENTS).collect();
            let more = if cut.len() < arguments.len() {
                "…"
            } else {
                ""
            };
            let by = &decided.by;
            print(&format!(
                "{at}  {run}  {word:<7}  {call} {cut}{more}  by {by}"
            ));
            for reason in &decided.reasons {
                print(&format!("    {reason}"));
            }
        }
        What::Ended(ended) => {
            let word = if ended.ok { "ended" } else { "failed" };
            let bytes = ended.bytes;
            print(&format!("{at}  {run}  {word:<7}  {call}  {bytes} bytes"));
        }
    }
}

/// A moment: so long ago, a date, or a time.
fn moment(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(at) = Timestamp::from_str(text) {
        return Ok(at);
    }
    if let Ok(date) = Date::from_str(text) {
        return Ok(date.to_zoned(TimeZone::UTC)?.timestamp());
    }
    let unclear = || {
        anyhow!(
            "`{text}` is no moment; write an age such as 2h or 3d, or a date such as 2026-11-28"
        )
    };
    let age = Span::from_str(text).map_err(|_| unclear())?;
    let age = age.to_duration(SpanRelativeTo::days_are_24_hours());
    Ok(Timestamp::now() - age.map_err(|_| unclear())?.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_ages_dates_and_times() {
        let day = moment("2026-11-28").unwrap();
        assert_eq!(day.to_string(), "2026-11-28T00:00:00Z");
        assert_eq!(moment("2026-11-28T00:00:00Z").unwrap(), day);
        let ago = |text: &str| {
            let moment = moment(text).unwrap();
            Timestamp::now().duration_since(moment).as_secs()
        };
        assert!((7_200..7_260).contains(&ago("2h")), "{}", ago("2h"));
        assert!((259_200..259_260).contains(&ago("3d")), "{}", ago("3d"));
        assert!(moment("yesterday").is_err());
    }
}
