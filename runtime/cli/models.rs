//! `ropewalk models`: local models, and the hub they come from.

use std::path::PathBuf;

use anyhow::bail;
use ropewalk_models::hub::error::size;
use ropewalk_models::hub::registry::{self, Found};
use ropewalk_models::hub::{Hub, HubError, ModelName};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::arguments::Models;
use crate::progress::{print, say, transfer};
use crate::{Ending, workplace};

mod bench;

pub(crate) async fn run(models: Models, cancel: CancellationToken) -> anyhow::Result<Ending> {
    match models {
        Models::List { paths, json } => {
            tokio::task::spawn_blocking(move || list(paths, json)).await?
        }
        Models::Pull {
            model,
            revision,
            json,
        } => pull(&model, revision, json, cancel).await,
        Models::Bench(options) => bench::run(options, cancel).await,
    }
}

fn list(paths: Vec<PathBuf>, json: bool) -> anyhow::Result<Ending> {
    let folder = workplace::models();
    let mut found = registry::list(&folder);
    for path in paths {
        if !path.exists() {
            bail!("{}: there is no such file or folder", path.display());
        }
        found.push(Found::at(&path));
    }
    if json {
        print(&json!({"folder": folder, "models": found}).to_string());
        return Ok(Ending::Done);
    }
    if found.is_empty() {
        say(&format!(
            "there are no models in {}; `ropewalk models pull OWNER/REPO` brings one",
            folder.display()
        ));
    }
    let rows: Vec<[String; 5]> = found.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        print(cells.join("  ").trim_end());
    }
    Ok(Ending::Done)
}

fn row(found: &Found) -> [String; 5] {
    let name = found.name.clone();
    match (&found.about, &found.problem) {
        (Some(about), _) => [
            name,
            size(about.bytes),
            about.architecture.clone(),
            about.quantisation.clone(),
            match about.context_tokens {
                Some(tokens) => format!("{tokens} tokens"),
                None => String::new(),
            },
        ],
        (None, problem) => {
            let problem = problem.clone().unwrap_or_default();
            [name, problem, String::new(), String::new(), String::new()]
        }
    }
}

async fn pull(
    model: &str,
    revision: Option<String>,
    json: bool,
    cancel: CancellationToken,
) -> anyhow::Result<Ending> {
    let mut name: ModelName = model.parse()?;
    if let Some(revision) = revision {
        name.revision = revision;
    }
    let hub = Hub::from_environment()?;
    let bar = transfer("pulling");
    let pulled = hub
        .pull(&name, &workplace::models(), &cancel, |at| {
            bar.set_length(at.total);
            bar.set_position(at.done);
            if bar.message() != at.file {
                bar.set_message(at.file.to_owned());
            }
        })
        .await;
    bar.finish_and_clear();
    let pulled = match pulled {
        Ok(pulled) => pulled,
        Err(error @ HubError::Cancelled) => {
            say(&error.to_string());
            return Ok(Ending::Interrupted);
        }
        Err(error) => return Err(error.into()),
    };
    if json {
        print(
            &json!({
                "model": name.to_string(),
                "path": pulled.path,
                "bytes": pulled.bytes,
                "downloaded": pulled.downloaded,
            })
            .to_string(),
        );
    } else {
        print(&pulled.path.display().to_string());
        say(&match pulled.downloaded {
            0 => "it was here already, and its checksum is right".to_owned(),
            bytes => format!("{} came, and the checksum is right", size(bytes)),
        });
    }
    Ok(Ending::Done)
}
