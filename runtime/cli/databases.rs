//! The databases that are asked: which are meant, and what is kept of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ropewalk_core::secret;
use ropewalk_sql::catalogue::{Catalogue, Entry, Kept};
use ropewalk_sql::database::Limits;
use ropewalk_sql::guard::Guard;
use ropewalk_sql::link::Meanings;
use ropewalk_sql::source::{Address, Settings, Source};

use crate::arguments::serving::Databases;
use crate::configuration::{self, Configuration, DatabaseConfig, VectorConfig};
use crate::progress::{print, say};
use crate::{Ending, workplace};

/// A database that is meant.
pub(crate) struct Wanted {
    name: String,
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
        wanted.push(from_command_line(configuration, given)?);
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
) -> anyhow::Result<Catalogue> {
    let examples = workplace::home().join("examples.db");
    let mut entries = Vec::new();
    for wanted in wanted {
        let source = Source::open(&wanted.name, &wanted.address, wanted.settings).await?;
        let kept = Kept {
            semantics: wanted.semantics,
            examples: Some(examples.clone()),
        };
        entries.push(Entry::new(source, &kept, Some(Arc::clone(&meanings))).await?);
    }
    Ok(Catalogue::new(entries, Some(meanings))?)
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

/// Says whether a statement may be sent. The database itself is asked where it can be reached: it
/// knows which names there are.
pub(crate) async fn check(wanted: Vec<Wanted>, statement: &str) -> anyhow::Result<Ending> {
    let mut wanted = wanted.into_iter();
    let (Some(one), None) = (wanted.next(), wanted.next()) else {
        bail!("--check needs one database: --db ADDRESS");
    };
    let guard = Guard::new(one.address.dialect(), one.settings.rules.clone())?;
    if let Err(refusal) = guard.check(statement) {
        print(&format!("refused: {refusal}"));
        return Ok(Ending::Failed);
    }
    let source = Source::open(&one.name, &one.address, one.settings).await?;
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
