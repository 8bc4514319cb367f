//! The databases that are asked: which are meant, and what is kept of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use indicatif::ProgressBar;
use ropewalk_core::digest::digest;
use ropewalk_core::secret;
use ropewalk_sql::catalogue::{Catalogue, Entry, Kept};
use ropewalk_sql::database::{Limits, Progress};
use ropewalk_sql::guard::Guard;
use ropewalk_sql::link::Meanings;
use ropewalk_sql::source::{Address, Import, Settings, Source};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::arguments::serving::Databases;
use crate::configuration::{self, Configuration, DatabaseConfig, VectorConfig};
use crate::progress::{self, print, say};
use crate::{Ending, workplace};

/// A database that is meant.
pub(crate) struct Wanted {
    name: String,
    /// Whether somebody gave it the name.
    named: bool,
    address: Address,
    semantics: Option<PathBuf>,
    settings: Settings,
}

/// The databases of the command line, or those of the configuration.
pub(crate) fn wanted(
    configuration: &Configuration,
    given: &Databases,
) -> anyhow::Result<Vec<Wanted>> {
    if given.addresses.is_empty() {
        let configured = configuration.databases.iter();
        return configured
            .map(|(name, config)| {
                from_configuration(name, config)
                    .with_context(|| format!("ropewalk.toml: [databases.{name}]"))
            })
            .collect();
    }
    let mut wanted = Vec::new();
    for given in &given.addresses {
        let one = from_command_line(configuration, given)?;
        // Files that are given beside each other are asked together.
        let beside = wanted
            .iter_mut()
            .find_map(|other: &mut Wanted| match &mut other.address {
                Address::Files(paths)
                    if one.named == other.named && (!one.named || one.name == other.name) =>
                {
                    Some(paths)
                }
                _ => None,
            });
        match (&one.address, beside) {
            (Address::Files(more), Some(paths)) => paths.extend(more.iter().cloned()),
            _ => wanted.push(one),
        }
    }
    for one in wanted.iter_mut().filter(|one| !one.named) {
        one.name = one.address.usual_name();
    }
    for given in &given.semantics {
        let (name, file) = named(given);
        let meant = match (name, wanted.as_mut_slice()) {
            (Some(name), all) => all.iter_mut().find(|one| one.name == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(meant) = meant else {
            bail!("--semantics {given}: name one of the databases given with --db: NAME=FILE");
        };
        meant.semantics = Some(PathBuf::from(file));
    }
    Ok(wanted)
}

fn from_configuration(name: &str, config: &DatabaseConfig) -> anyhow::Result<Wanted> {
    let usual = Limits::default();
    let limits = Limits {
        rows: config.max_rows.unwrap_or(usual.rows),
        time: match config.seconds {
            None => usual.time,
            Some(seconds) => Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|time| !time.is_zero())
                .ok_or_else(|| anyhow!("seconds = {seconds} makes no sense"))?,
        },
        ..usual
    };
    Ok(Wanted {
        name: name.to_owned(),
        named: true,
        address: Address::read(&config.address()?)?,
        semantics: config.semantics.clone(),
        settings: Settings {
            rules: config.rules.clone(),
            limits,
            cost: config.max_cost,
        },
    })
}

/// The name of a configured database means that one; anything else is an address.
fn from_command_line(configuration: &Configuration, given: &str) -> anyhow::Result<Wanted> {
    if let Some(config) = configuration.databases.get(given) {
        return from_configuration(given, config)
            .with_context(|| format!("ropewalk.toml: [databases.{given}]"));
    }
    let (name, address) = named(given);
    secret::learn(configuration::passwords(address));
    let address = Address::read(address)?;
    Ok(Wanted {
        named: name.is_some(),
        name: name.map_or_else(|| address.usual_name(), str::to_owned),
        address,
        semantics: None,
        settings: Settings::default(),
    })
}

/// `NAME=REST` taken apart; a name is a plain word.
fn named(given: &str) -> (Option<&str>, &str) {
    let plain = |name: &str| {
        let mut letters = name.chars();
        !name.is_empty() && letters.all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    match given.split_once('=') {
        Some((name, rest)) if plain(name) => (Some(name), rest),
        _ => (None, given),
    }
}

/// What tables are found by, kept from one start to the next.
pub(crate) async fn meanings(config: &VectorConfig) -> anyhow::Result<Arc<Meanings>> {
    let embedder = workplace::embedder(config).await?;
    let home = workplace::home();
    std::fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    Ok(Arc::new(
        Meanings::new(embedder).kept_in(&home.join("meanings.db")),
    ))
}

/// Opens them.
pub(crate) async fn open(
    wanted: Vec<Wanted>,
    meanings: Arc<Meanings>,
    cancel: &CancellationToken,
) -> anyhow::Result<Catalogue> {
    let home = workplace::home();
    let mut entries = Vec::new();
    for wanted in wanted {
        // What one set of rules lets be seen is not for another.
        let rules = digest(&json!(wanted.settings.rules));
        let values = format!("{}-{rules}.json", wanted.address.fingerprint());
        let source = opened(&wanted, cancel).await?;
        let kept = Kept {
            semantics: wanted.semantics,
            examples: Some(home.join("examples.db")),
            descriptions: Some(home.join("descriptions.db")),
            values: Some(home.join("values").join(values)),
        };
        entries.push(Entry::new(source, &kept, Some(Arc::clone(&meanings))).await?);
    }
    Ok(Catalogue::new(entries, Some(meanings))?)
}

/// Opens one; files are read with a bar, and kept as tables for the next time.
async fn opened(wanted: &Wanted, cancel: &CancellationToken) -> anyhow::Result<Source> {
    let bar = match &wanted.address {
        Address::Files(_) => progress::bar("reading files"),
        _ => ProgressBar::hidden(),
    };
    let cache = workplace::home().join("files");
    let mut import = Import {
        cache: Some(&cache),
        progress: &mut |at: Progress| {
            bar.set_length(at.total);
            bar.set_position(at.done);
        },
        cancel,
    };
    let settings = wanted.settings.clone();
    let opened = Source::open(&wanted.name, &wanted.address, settings, &mut import).await;
    bar.finish_and_clear();
    Ok(opened?)
}

/// Says what the users of databases may do that they should not.
pub(crate) async fn warn(catalogue: &Catalogue) {
    for entry in catalogue.entries() {
        let name = entry.source.name();
        match entry.source.engine().excess().await {
            Ok(excess) if excess.is_empty() => {}
            Ok(excess) => say(&format!(
                "warning: database `{name}`: {}; use one who may only read",
                excess.join("; ")
            )),
            Err(error) => say(&format!("warning: database `{name}`: {error}")),
        }
    }
}

/// What can be said of each configured database, or why it cannot be asked.
pub(crate) async fn examined(
    configuration: &Configuration,
) -> Vec<(String, anyhow::Result<String>)> {
    let mut said = Vec::new();
    for (name, config) in &configuration.databases {
        let says = match from_configuration(name, config) {
            Ok(wanted) => examine(&wanted).await,
            Err(error) => Err(error),
        };
        said.push((name.clone(), says));
    }
    said
}

async fn examine(wanted: &Wanted) -> anyhow::Result<String> {
    let source = opened(wanted, &CancellationToken::new()).await?;
    let tables = source.schema().await?.tables.len();
    let excess = source.engine().excess().await?;
    let warning = match excess.is_empty() {
        true => String::new(),
        false => format!("; its user may do more than read: {}", excess.join("; ")),
    };
    Ok(format!(
        "{}, {tables} tables{warning}",
        source.dialect().name()
    ))
}

/// Says whether a statement may be sent. The database itself is asked where it can be reached: it
/// knows which names there are.
pub(crate) async fn check(
    wanted: Vec<Wanted>,
    statement: &str,
    cancel: &CancellationToken,
) -> anyhow::Result<Ending> {
    let mut wanted = wanted.into_iter();
    let (Some(one), None) = (wanted.next(), wanted.next()) else {
        bail!("--check needs one database: --db ADDRESS");
    };
    let guard = Guard::new(one.address.dialect(), one.settings.rules.clone())?;
    if let Err(refusal) = guard.check(statement) {
        print(&format!("refused: {refusal}"));
        return Ok(Ending::Failed);
    }
    let source = opened(&one, cancel).await?;
    match source.check(statement).await {
        Ok(checked) => {
            print(&format!("allowed: {}", checked.approved.sql));
            Ok(Ending::Done)
        }
        Err(error) => {
            print(&format!("refused: {error}"));
            Ok(Ending::Failed)
        }
    }
}
