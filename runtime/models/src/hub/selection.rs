//! Which files of a repository a name means.

use std::path::{Component, Path};

use serde::Serialize;

use super::error::HubError;
use super::name::ModelName;

/// A file on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its path in the repository.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal; the hub knows it of large files only.
    pub sha256: Option<String>,
}

/// What a repository offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What to write after the `:`.
    pub name: String,
    /// Size of the file.
    pub bytes: u64,
}

/// The files to bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The files.
    pub files: Vec<RemoteFile>,
    /// The one that is the model; `None` where the folder is.
    pub single: Option<String>,
}

/// What a model of safetensors needs beside its weights.
const BESIDE: [&str; 8] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "model.safetensors.index.json",
];

/// The files that a name means.
///
/// # Errors
/// A name that means several models or none, and paths that lead out of the repository.
pub fn select(name: &ModelName, files: &[RemoteFile]) -> Result<Selection, HubError> {
    let repository = name.repository();
    let ggufs: Vec<&RemoteFile> = files.iter().filter(|file| is_model(&file.path)).collect();
    if ggufs.is_empty() {
        return safetensors(repository, files);
    }
    let matching: Vec<&RemoteFile> = match &name.choice {
        None => ggufs.clone(),
        Some(choice) => {
            let exact = ggufs.iter().filter(|file| file.path == *choice);
            let exact: Vec<&RemoteFile> = exact.copied().collect();
            if exact.is_empty() {
                let fitting = ggufs.iter().filter(|file| has_part(&file.path, choice));
                fitting.copied().collect()
            } else {
                exact
            }
        }
    };
    match matching.as_slice() {
        [] => Err(HubError::NoSuchChoice {
            name: repository,
            choice: name.choice.clone().unwrap_or_default(),
            choices: choices(&ggufs),
        }),
        [file] => {
            if is_piece(&file.path) {
                return Err(split(repository, file));
            }
            checked(&repository, file)?;
            Ok(Selection {
                files: vec![(*file).clone()],
                single: Some(file.path.clone()),
            })
        }
        [file, ..] if matching.iter().all(|file| is_piece(&file.path)) && name.choice.is_some() => {
            Err(split(repository, file))
        }
        several => Err(HubError::Ambiguous {
            name: repository,
            choices: choices(several),
        }),
    }
}

fn split(name: String, file: &RemoteFile) -> HubError {
    HubError::NoModel {
        name,
        reason: format!(
            "{} is a piece of a model that is split over several files; choose a smaller \
             quantisation, or join them with llama.cpp's `llama-gguf-split --merge` and use the file",
            file.path
        ),
    }
}

fn safetensors(name: String, files: &[RemoteFile]) -> Result<Selection, HubError> {
    let weights = |path: &str| {
        path.starts_with("model") && path.ends_with(".safetensors") && !path.contains('/')
    };
    let wanted = files
        .iter()
        .filter(|file| weights(&file.path) || BESIDE.contains(&file.path.as_str()));
    let wanted: Vec<RemoteFile> = wanted.cloned().collect();
    let has = |path: &str| wanted.iter().any(|file| file.path == path);
    let missing = if !wanted.iter().any(|file| weights(&file.path)) {
        "a GGUF file or `model.safetensors`"
    } else if !has("config.json") {
        "`config.json`"
    } else if !has("tokenizer.json") {
        "`tokenizer.json`"
    } else {
        for file in &wanted {
            checked(&name, file)?;
        }
        return Ok(Selection {
            files: wanted,
            single: None,
        });
    };
    Err(HubError::NoModel {
        name,
        reason: format!("{missing} is missing"),
    })
}

/// A path becomes a file below the model's folder, and nowhere else.
fn checked(name: &str, file: &RemoteFile) -> Result<(), HubError> {
    let path = Path::new(&file.path);
    let plain = |part| matches!(part, Component::Normal(_));
    let inside = path.components().all(plain) && !file.path.contains(['\\', ':', '\0']);
    let hex = |sum: &String| sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    if inside && file.sha256.as_ref().is_none_or(hex) {
        Ok(())
    } else {
        Err(HubError::NoModel {
            name: name.to_owned(),
            reason: format!("{:?} is not a file it could hold", file.path),
        })
    }
}

/// GGUF files, but for those that see pictures or hold statistics for quantising.
fn is_model(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    file.ends_with(".gguf") && !file.starts_with("mmproj") && !file.contains("imatrix")
}

/// Whether this is `...-00001-of-00003.gguf`.
fn is_piece(path: &str) -> bool {
    let stem = path.strip_suffix(".gguf").unwrap_or(path);
    let digits = |part: &str| part.len() == 5 && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((before, count)) = stem.rsplit_once("-of-") else {
        return false;
    };
    digits(count) && before.rsplit('-').next().is_some_and(digits)
}

/// Whether `part` stands in a path between characters that no quantisation's name has.
fn has_part(path: &str, part: &str) -> bool {
    let (path, part) = (path.to_ascii_lowercase(), part.to_ascii_lowercase());
    path.match_indices(&part).any(|(at, found)| {
        let before = path.get(..at).and_then(|text| text.chars().next_back());
        let after = path
            .get(at + found.len()..)
            .and_then(|text| text.chars().next());
        let apart = |beside: Option<char>| {
            beside.is_none_or(|beside| !beside.is_alphanumeric() && beside != '_')
        };
        apart(before) && apart(after)
    })
}

/// What to write for each file: its quantisation where that is enough, else its path.
fn choices(files: &[&RemoteFile]) -> Vec<Choice> {
    let mut list: Vec<Choice> = files
        .iter()
        .map(|file| {
            let unique = |label: &&str| {
                let with = files.iter().filter(|other| has_part(&other.path, label));
                with.count() == 1
            };
            let label = quantisation(&file.path).filter(unique);
            Choice {
                name: label.unwrap_or(&file.path).to_owned(),
                bytes: file.bytes,
            }
        })
        .collect();
    list.sort_by_key(|choice| choice.bytes);
    list
}

/// `Q4_K_M` in a file's name.
fn quantisation(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let mut parts = file.split(['-', '.']);
    parts.find(|part| {
        let upper = part.to_ascii_uppercase();
        let number = upper
            .trim_start_matches('I')
            .strip_prefix('Q')
            .or_else(|| upper.strip_prefix("TQ"));
        let numbered =
            number.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
        numbered || matches!(upper.as_str(), "F16" | "F32" | "BF16" | "FP16")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: u64) -> RemoteFile {
        RemoteFile {
            path: path.to_owned(),
            bytes,
            sha256: None,
        }
    }

    fn chosen(name: &str, files: &[RemoteFile]) -> Result<Vec<String>, HubError> {
        let selection = select(&name.parse().unwrap(), files)?;
        Ok(selection.files.into_iter().map(|file| file.path).collect())
    }

    #[test]
    fn a_quantisation_is_found_whatever_the_file_is_called() {
        let files = [
            file("README.md", 1),
            file("mmproj-model-f16.gguf", 1),
            file("model-Q4_K.gguf", 4),
            file("model-Q4_K_M.gguf", 5),
            file("model.q8_0.gguf", 8),
            file("BF16/model-bf16.gguf", 16),
        ];
        for (choice, path) in [
            ("q4_k_m", "model-Q4_K_M.gguf"),
            ("Q4_K", "model-Q4_K.gguf"),
            ("Q8_0", "model.q8_0.gguf"),
            ("BF16", "BF16/model-bf16.gguf"),
            ("model.q8_0.gguf", "model.q8_0.gguf"),
        ] {
            assert_eq!(chosen(&format!("a/b:{choice}"), &files).unwrap(), [path]);
        }
        let error = chosen("a/b", &files).unwrap_err().to_string();
        for line in ["`a/b:Q4_K`", "  Q4_K_M  5 bytes", "  q8_0  ", "  bf16  "] {
            assert!(error.contains(line), "{line}: {error}");
        }
        assert!(!error.contains("mmproj"), "{error}");
        let error = chosen("a/b:Q2_K", &files).unwrap_err().to_string();
        assert!(
            error.contains("no `Q2_K`") && error.contains("Q4_K_M"),
            "{error}"
        );
    }

    #[test]
    fn files_that_a_quantisation_does_not_part_are_named() {
        let files = [file("small-Q4_K_M.gguf", 1), file("large-Q4_K_M.gguf", 2)];
        let error = chosen("a/b:Q4_K_M", &files).unwrap_err().to_string();
        assert!(error.contains("  small-Q4_K_M.gguf  "), "{error}");
        assert_eq!(
            chosen("a/b:small-Q4_K_M.gguf", &files).unwrap(),
            ["small-Q4_K_M.gguf"]
        );
    }

    #[test]
    fn a_split_model_is_refused_with_a_way_out() {
        let files = [
            file("Q8_0/m-Q8_0-00001-of-00002.gguf", 1),
            file("Q8_0/m-Q8_0-00002-of-00002.gguf", 1),
            file("m-Q4_0.gguf", 1),
        ];
        let error = chosen("a/b:Q8_0", &files).unwrap_err().to_string();
        assert!(error.contains("--merge"), "{error}");
        assert_eq!(chosen("a/b:Q4_0", &files).unwrap(), ["m-Q4_0.gguf"]);
    }

    #[test]
    fn without_gguf_the_folder_is_the_model() {
        let mut files = vec![
            file("config.json", 1),
            file("tokenizer.json", 1),
            file("model-00001-of-00002.safetensors", 9),
            file("model-00002-of-00002.safetensors", 9),
            file("model.safetensors.index.json", 1),
            file("original/consolidated.00.pth", 99),
            file("onnx/model.onnx", 99),
        ];
        assert_eq!(chosen("a/b", &files).unwrap().len(), 5);
        files.remove(1);
        let error = chosen("a/b", &files).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json"), "{error}");
        let error = chosen("a/b", &files[5..]).unwrap_err().to_string();
        assert!(error.contains("GGUF"), "{error}");
    }

    #[test]
    fn paths_that_lead_out_of_the_folder_are_refused() {
        for path in [
            "../x.gguf",
            "/x.gguf",
            "a/../../x.gguf",
            "C:x.gguf",
            "..\\x.gguf",
        ] {
            let error = chosen("a/b", &[file(path, 1)]).unwrap_err().to_string();
            assert!(
                error.contains("not a file it could hold"),
                "{path}: {error}"
            );
        }
        let mut odd = file("x.gguf", 1);
        odd.sha256 = Some("../../../../etc".to_owned());
        assert!(chosen("a/b", &[odd]).is_err());
    }
}
